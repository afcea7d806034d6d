// SPDX-License-Identifier: GPL-2.0

//! Accounts of pages.

use std::{cell::Cell, rc::Rc};

/// An account.
#[derive(Clone, Default)]
pub(crate) struct UserAccount(Rc<Cell<usize>>);

impl UserAccount {
    pub(crate) fn charge(self, pages: usize) -> Charge {
        self.0.set(self.0.get() + pages);
        Charge {
            account: self,
            pages,
        }
    }

    /// How many pages are on the account.
    pub(crate) fn pages(&self) -> usize {
        self.0.get()
    }
}

/// Pages on an account, until this is dropped.
pub(crate) struct Charge {
    account: UserAccount,
    pages: usize,
}

// SAFETY: Tasks take turns.
unsafe impl Send for Charge {}
// SAFETY: As above.
unsafe impl Sync for Charge {}

impl Charge {
    pub(crate) fn account(&self) -> &UserAccount {
        &self.account
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.0.set(self.account.0.get() - self.pages);
    }
}
