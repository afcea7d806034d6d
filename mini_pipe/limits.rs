// SPDX-License-Identifier: GPL-2.0

//! What users without privileges may have of pipes: the limits of `pipe(7)`.

use crate::params;
use kernel::{
    bindings,
    cred::Credential,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        }, //
    },
    task::Task, //
};

/// No ring holds more bytes than this, whoever asks.
const MAX_CAPACITY: usize = 1 << 30;

/// How many pages a pipe gets above the soft limit, as in fs/pipe.c.
pub(crate) const PIPE_MIN_DEF_BUFFERS: usize = 2;

/// Whether the caller may have a pipe of `capacity` bytes, however many it has already.
///
/// # Errors
///
/// - `EINVAL`: no pipe can hold so many.
/// - `EPERM`: they are more than the parameter `max_capacity`, without `CAP_SYS_RESOURCE`.
pub(crate) fn check(capacity: usize) -> Result {
    if capacity == 0 || capacity > MAX_CAPACITY {
        return Err(EINVAL);
    }
    if capacity > params::max_capacity() && !is_capable(bindings::CAP_SYS_RESOURCE) {
        return Err(EPERM);
    }
    Ok(())
}

/// Whether the caller may use up what there is, as `pipe_is_unprivileged_user()` has it.
fn is_privileged() -> bool {
    is_capable(bindings::CAP_SYS_RESOURCE) || is_capable(bindings::CAP_SYS_ADMIN)
}

fn is_capable(capability: u32) -> bool {
    // SAFETY: This can be asked by any task, and every capability is known.
    unsafe { bindings::capable(capability as c_int) }
}

/// Who pays for a pipe: the user who made it.
#[derive(Clone)]
pub(crate) struct UserAccount(ARef<Credential>);

impl UserAccount {
    /// The caller.
    pub(crate) fn current() -> Self {
        // SAFETY: A task's own credentials are valid while it runs this, and only it changes them.
        let credential = unsafe { Credential::from_ptr((*Task::current_raw()).cred) };
        Self(credential.into())
    }

    /// Adds `pages` to what the user has in all pipes, those of pipe(2) included.
    pub(crate) fn charge(&self, pages: usize) -> Charge {
        self.count().fetch_add(pages as isize, Relaxed);
        Charge {
            account: self.clone(),
            pages,
        }
    }

    /// Whether the user has more than `limit` pages, not counting `spare` of them; 0 is no limit.
    /// Never, if the caller is privileged.
    pub(crate) fn is_above(&self, limit: usize, spare: usize) -> bool {
        let pages = usize::try_from(self.count().load(Relaxed)).unwrap_or(0);
        limit != 0 && pages.saturating_sub(spare) > limit && !is_privileged()
    }

    /// The pages in all of the user's pipes: the account that fs/pipe.c keeps.
    fn count(&self) -> &Atomic<isize> {
        // SAFETY: The credentials keep the user, whose account is only used atomically; an
        // `atomic_long_t` is one `long`.
        unsafe {
            let user = (*self.0.as_ptr()).user;
            Atomic::from_ptr((&raw mut (*user).pipe_bufs.counter).cast::<isize>())
        }
    }
}

/// Pages that are on a user's account until this is dropped.
pub(crate) struct Charge {
    account: UserAccount,
    pages: usize,
}

impl Charge {
    /// Who pays.
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
