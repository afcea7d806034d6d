// SPDX-License-Identifier: GPL-2.0

//! Counted references: rust/kernel/sync/arc.rs.

use crate::{alloc::Flags, prelude::*, sim};
use std::{
    mem::MaybeUninit,
    ops::{Deref, DerefMut},
    sync,
};

pub struct Arc<T>(sync::Arc<T>);

impl<T> Arc<T> {
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

/// The only reference, through which the value may be changed.
pub struct UniqueArc<T>(sync::Arc<T>);

impl<T> UniqueArc<T> {
    pub fn new_uninit(_flags: Flags) -> Result<UniqueArc<MaybeUninit<T>>> {
        if !sim::allocate() {
            return Err(ENOMEM);
        }
        Ok(UniqueArc(sync::Arc::new(MaybeUninit::uninit())))
    }
}

impl<T> UniqueArc<MaybeUninit<T>> {
    pub fn write(mut self, value: T) -> UniqueArc<T> {
        sync::Arc::get_mut(&mut self.0).unwrap().write(value);
        // SAFETY: It has just been written.
        UniqueArc(unsafe { self.0.assume_init() })
    }
}

impl<T> Deref for UniqueArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for UniqueArc<T> {
    fn deref_mut(&mut self) -> &mut T {
        sync::Arc::get_mut(&mut self.0).unwrap()
    }
}

impl<T> From<UniqueArc<T>> for Arc<T> {
    fn from(unique: UniqueArc<T>) -> Self {
        Self(unique.0)
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
