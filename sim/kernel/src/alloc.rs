// SPDX-License-Identifier: GPL-2.0

//! Vectors whose memory can run out: `KVec` and `KVVec` of rust/kernel/alloc/kvec.rs.

use crate::{error::code::ENOMEM, prelude::Result, sim};
use std::ops::{Deref, DerefMut};

/// Allocation flags.
#[derive(Clone, Copy)]
pub struct Flags {
    /// The memory is charged to the task's memory cgroup: `__GFP_ACCOUNT`.
    pub accounted: bool,
}

/// A vector. It grows only where the code says so, and that can fail.
pub struct KVec<T>(Vec<T>);

/// The same: here, all memory is of one kind.
pub type KVVec<T> = KVec<T>;

impl<T> KVec<T> {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub fn with_capacity(capacity: usize, flags: Flags) -> Result<Self> {
        let mut vec = Self::new();
        vec.reserve(capacity, flags)?;
        Ok(vec)
    }

    pub fn reserve(&mut self, additional: usize, _flags: Flags) -> Result {
        if self.0.capacity() - self.0.len() < additional {
            if !sim::allocate() {
                return Err(ENOMEM);
            }
            self.0.reserve_exact(additional);
        }
        Ok(())
    }

    pub fn push(&mut self, value: T, flags: Flags) -> Result {
        self.reserve(1, flags)?;
        self.0.push(value);
        Ok(())
    }

    pub fn pop(&mut self) -> Option<T> {
        self.0.pop()
    }

    pub fn push_within_capacity(&mut self, value: T) -> Result<(), PushError<T>> {
        if self.0.len() == self.0.capacity() {
            return Err(PushError(value));
        }
        self.0.push(value);
        Ok(())
    }
}

/// There was no room for the value.
pub struct PushError<T>(pub T);

impl<T> Deref for KVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for KVec<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T> Drop for KVec<T> {
    fn drop(&mut self) {
        if self.0.capacity() > 0 {
            sim::may_free("a vector");
        }
    }
}
