// SPDX-License-Identifier: GPL-2.0

//! A user's account of pages in pipes, which fs/pipe.c keeps in `struct user_struct`.

use kernel::{
    cred::Credential,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        }, //
    },
    task::Task, //
};

/// The account of one user. It is shared with all pipe(2)s of that user.
#[derive(Clone)]
pub(crate) struct UserAccount(ARef<Credential>);

impl UserAccount {
    /// The account of the current task's user.
    pub(crate) fn current() -> Self {
        // SAFETY: The current task is valid while it runs this code, and only the task itself
        // changes its credentials.
        let credential = unsafe { Credential::from_ptr((*Task::current_raw()).cred) };
        Self(credential.into())
    }

    /// Adds `pages` to the account until the result is dropped. The caller tests the limits.
    pub(crate) fn charge(self, pages: usize) -> Charge {
        self.count().fetch_add(pages as isize, Relaxed);
        Charge {
            account: self,
            pages,
        }
    }

    /// How many pages are on the account.
    pub(crate) fn pages(&self) -> usize {
        usize::try_from(self.count().load(Relaxed)).unwrap_or(0)
    }

    /// The counter that fs/pipe.c uses, too.
    fn count(&self) -> &Atomic<isize> {
        // SAFETY: The credentials hold a reference to the user. All users of this counter change it
        // atomically; an `atomic_long_t` consists of one `long`.
        unsafe {
            let user = (*self.0.as_ptr()).user;
            Atomic::from_ptr((&raw mut (*user).pipe_bufs.counter).cast::<isize>())
        }
    }
}

/// Pages on a user's account, until this is dropped.
pub(crate) struct Charge {
    account: UserAccount,
    pages: usize,
}

impl Charge {
    /// The account that has these pages.
    pub(crate) fn account(&self) -> &UserAccount {
        &self.account
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account
            .count()
            .fetch_add(-(self.pages as isize), Relaxed);
    }
}
