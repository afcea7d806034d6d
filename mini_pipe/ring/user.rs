// SPDX-License-Identifier: GPL-2.0

//! User memory: the destination of a read, or the source of a write.
//!
//! read(2) and write(2) pass one [`Buffer`]. All other calls pass the kernel's iterators, which
//! cost more instructions.

use crate::ring::dir::{
    Dir,
    Direction,
    Reading,
    Writing, //
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    task::Task,
    uaccess::UserPtr, //
};

/// User memory that a read stores to ([`Reading`]), or a write loads from ([`Writing`]). It has a
/// position; each copy begins there, and moves it.
pub(crate) trait UserMemory<D: Direction> {
    /// How many bytes are left to copy.
    fn len(&self) -> usize;

    /// Whether no byte is left to copy.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the next `len` bytes: from `bytes` for a read, to `bytes` for a write. Returns how
    /// many were copied: fewer than `len` only after a fault, or at the end of this memory.
    ///
    /// Context: process context; may sleep in a page fault.
    ///
    /// # Safety
    ///
    /// `bytes` must be valid for `len` bytes. During the copy nobody may write to them and, for a
    /// write, nobody may read them, either.
    unsafe fn copy(&mut self, bytes: *mut u8, len: usize) -> usize;

    /// Like [`UserMemory::copy`], but with page faults disabled, and the position does not move.
    /// Returns whether all of the bytes were copied. By default, and so for iterators, no byte is
    /// copied.
    ///
    /// Context: process context; does not sleep.
    ///
    /// # Safety
    ///
    /// As for [`UserMemory::copy`].
    unsafe fn copy_nofault(&self, _bytes: *mut u8, _len: usize) -> bool {
        false
    }
}

/// A buffer of the current process.
pub(crate) struct Buffer<D> {
    ptr: UserPtr,
    len: usize,
    direction: PhantomData<D>,
}

impl<D: Direction> Buffer<D> {
    /// The `len` bytes at `ptr`, which may be any address: each copy checks it.
    pub(crate) fn new(ptr: UserPtr, len: usize) -> Self {
        Self {
            ptr,
            len,
            direction: PhantomData,
        }
    }
}

/// Copies bytes to or from user memory. Returns how many were copied. This is `_copy_to_user()` or
/// `_copy_from_user()`, without the check of the object's size that `copy_to_user()` adds: the
/// kernel's bytes may be several pages, which need not be one object.
///
/// # Safety
///
/// As for [`UserMemory::copy`].
#[inline(always)]
unsafe fn copy_user<D: Direction>(ptr: UserPtr, bytes: *mut u8, len: usize) -> usize {
    // SAFETY: `bytes` is valid by the safety requirements. These functions check `ptr`.
    let left = unsafe {
        match D::DIR {
            Dir::Read => bindings::_copy_to_user(ptr.as_mut_ptr(), bytes.cast(), len),
            Dir::Write => bindings::_copy_from_user(bytes.cast(), ptr.as_const_ptr(), len),
        }
    };
    len.wrapping_sub(left)
}

impl<D: Direction> UserMemory<D> for Buffer<D> {
    fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    unsafe fn copy(&mut self, bytes: *mut u8, len: usize) -> usize {
        // SAFETY: By the safety requirements.
        let copied = unsafe { copy_user::<D>(self.ptr, bytes, len) };
        self.ptr = self.ptr.wrapping_byte_add(copied);
        self.len = self.len.wrapping_sub(copied);
        copied
    }

    #[inline(always)]
    unsafe fn copy_nofault(&self, bytes: *mut u8, len: usize) -> bool {
        let _disabled = PageFaultsDisabled::new();
        // SAFETY: By the safety requirements.
        unsafe { copy_user::<D>(self.ptr, bytes, len) == len }
    }
}

impl UserMemory<Reading> for &mut IovIterDest<'_> {
    fn len(&self) -> usize {
        IovIterDest::len(self)
    }

    unsafe fn copy(&mut self, bytes: *mut u8, len: usize) -> usize {
        // SAFETY: By the safety requirements; the iterator is valid by its type invariants.
        unsafe { bindings::_copy_to_iter(bytes.cast(), len, self.as_raw()) }
    }
}

impl UserMemory<Writing> for &mut IovIterSource<'_> {
    fn len(&self) -> usize {
        IovIterSource::len(self)
    }

    unsafe fn copy(&mut self, bytes: *mut u8, len: usize) -> usize {
        // SAFETY: By the safety requirements; the iterator is valid by its type invariants.
        unsafe { bindings::_copy_from_iter(bytes.cast(), len, self.as_raw()) }
    }
}

/// While this exists, a copy that meets a page fault fails instead of sleeping. This is
/// `pagefault_disable()`, inline C for which the kernel crate has no helper.
///
/// # Invariants
///
/// This points to `pagefault_disabled` of the current task. The same task drops this.
struct PageFaultsDisabled(*mut i32);

impl PageFaultsDisabled {
    #[inline(always)]
    fn new() -> Self {
        // INVARIANT: A raw pointer is not `Send`, so the task that made this drops it.
        //
        // SAFETY: The current task is valid while it runs this code.
        let disabled = Self(unsafe { &raw mut (*Task::current_raw()).pagefault_disabled });
        disabled.add(1);
        disabled
    }

    /// Adds to the current task's count. `pagefault_disable()` has a `barrier()`, so that the
    /// compiler moves no copy across it. No barrier is needed here: the compiler does not see into
    /// the function that copies.
    #[inline(always)]
    fn add(&self, change: i32) {
        // SAFETY: By the type invariants. Only the task itself changes its count.
        unsafe { self.0.write_volatile(self.0.read().wrapping_add(change)) };
    }
}

impl Drop for PageFaultsDisabled {
    #[inline(always)]
    fn drop(&mut self) {
        self.add(-1);
    }
}
