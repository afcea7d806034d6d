// SPDX-License-Identifier: GPL-2.0

//! Iterators over user memory: `struct iov_iter`, over one buffer.

use crate::uaccess;
use std::marker::PhantomData;

#[allow(non_camel_case_types)]
pub struct iov_iter {
    address: usize,
    len: usize,
}

impl iov_iter {
    pub fn new(address: usize, len: usize) -> Self {
        Self { address, len }
    }

    /// # Safety
    ///
    /// `bytes` must be valid for `len` bytes.
    pub(crate) unsafe fn copy(&mut self, bytes: *mut u8, len: usize, to_user: bool) -> usize {
        let len = len.min(self.len);
        // SAFETY: By the safety requirements.
        let copied = len - unsafe { uaccess::copy(self.address, bytes, len, to_user) };
        self.address += copied;
        self.len -= copied;
        copied
    }
}

/// The memory that a read stores to.
pub struct IovIterDest<'a>(*mut iov_iter, PhantomData<&'a mut iov_iter>);

/// The memory that a write loads from.
pub struct IovIterSource<'a>(*mut iov_iter, PhantomData<&'a mut iov_iter>);

macro_rules! iterator {
    ($name:ident) => {
        impl<'a> $name<'a> {
            pub fn new(iter: &'a mut iov_iter) -> Self {
                Self(iter, PhantomData)
            }

            pub fn len(&self) -> usize {
                // SAFETY: This borrows the iterator.
                unsafe { (*self.0).len }
            }

            pub fn as_raw(&mut self) -> *mut iov_iter {
                self.0
            }
        }
    };
}

iterator!(IovIterDest);
iterator!(IovIterSource);
