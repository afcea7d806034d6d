// SPDX-License-Identifier: GPL-2.0

//! Counted references: rust/kernel/sync/arc.rs.

use crate::{alloc::Flags, prelude::*, sim};
use std::{mem::MaybeUninit, ops::Deref, sync};

pub struct Arc<T>(sync::Arc<T>);

impl<T> Arc<T> {
    pub fn new(value: T, _flags: Flags) -> Result<Self> {
        if !sim::allocate() {
            return Err(ENOMEM);
        }
        Ok(Self(sync::Arc::new(value)))
    }

    /// For tests: this does not fail.
    pub fn pin_init(init: impl PinInit<T>) -> Self {
        let mut arc = sync::Arc::new(MaybeUninit::uninit());
        let slot = sync::Arc::get_mut(&mut arc).unwrap().as_mut_ptr();
        // SAFETY: The slot is valid, and does not move. `init` cannot fail.
        unsafe {
            let Ok(()) = init.__pinned_init(slot);
            Self(arc.assume_init())
        }
    }

    pub fn as_ptr(this: &Self) -> *const T {
        sync::Arc::as_ptr(&this.0)
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        if sync::Arc::strong_count(&self.0) == 1 {
            sim::may_free("an Arc");
        }
    }
}
