// SPDX-License-Identifier: GPL-2.0

//! An array that needs no memory of its own if it is short.

use core::{
    array,
    ops::{
        Deref,
        DerefMut, //
    }, //
};
use kernel::{
    alloc::Flags,
    prelude::*, //
};

/// How many elements fit in the array itself: enough for a pipe of the default capacity, which
/// most pipes have. Making one of these takes no allocation for the array.
pub(in crate::ring) const FEW: usize = 16;

/// An array of fixed length.
pub(in crate::ring) enum Array<T> {
    /// The elements, and how many of these are in use.
    Few([T; FEW], usize),
    Many(KVVec<T>),
}

impl<T> Array<T> {
    /// An array of `len` elements, at most [`FEW`], each of which is made by `make`.
    #[inline(always)]
    pub(in crate::ring) fn few(len: usize, make: impl Fn() -> T) -> Self {
        Self::Few(array::from_fn(|_| make()), len.min(FEW))
    }

    /// Replaces the elements by `len` new ones, each of which is made by `make`.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; then nothing has changed.
    pub(in crate::ring) fn replace_by_many(
        &mut self,
        len: usize,
        make: impl Fn() -> T,
        flags: Flags,
    ) -> Result {
        let mut many = KVVec::with_capacity(len, flags)?;
        for _ in 0..len {
            many.push(make(), flags)?;
        }
        *self = Self::Many(many);
        Ok(())
    }
}

impl<T> Deref for Array<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        match self {
            Self::Few(few, len) => few.get(..*len).unwrap_or_default(),
            Self::Many(many) => many,
        }
    }
}

impl<T> DerefMut for Array<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        match self {
            Self::Few(few, len) => few.get_mut(..*len).unwrap_or_default(),
            Self::Many(many) => many,
        }
    }
}
