// SPDX-License-Identifier: GPL-2.0

//! The caller's memory: where a read puts its bytes, and a write gets them.
//!
//! A plain `read(2)` or `write(2)` names one [`Buffer`]; all other calls come with the kernel's
//! iterators, which take more instructions to follow.

use kernel::{
    bindings,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    task::Task,
    uaccess::UserPtr, //
};

/// Memory of the caller that bytes are copied to, or from: each type has its direction.
pub(crate) trait UserMemory {
    /// How many bytes are left to copy.
    fn len(&self) -> usize;

    /// Whether none is left.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the next `len` bytes between here and `bytes`. Returns how many were copied: fewer
    /// only if this memory faulted or ended. May sleep.
    ///
    /// # Safety
    ///
    /// `bytes` must be valid for `len` bytes: for reads and unchanged meanwhile, or for writes and
    /// unused meanwhile, by the direction of this memory.
    unsafe fn copy(&mut self, bytes: *mut u8, len: usize) -> usize;

    /// Copies the next `len` bytes as [`UserMemory::copy`], but without sleeping, as the last thing
    /// that is done here: it does not go on. Returns whether all of them were copied.
    ///
    /// # Safety
    ///
    /// As [`UserMemory::copy`].
    unsafe fn copy_nofault(&self, _bytes: *mut u8, _len: usize) -> bool {
        false
    }
}

/// Memory that a read puts its bytes into.
pub(crate) trait Destination: UserMemory {}

/// Memory that a write gets its bytes from.
pub(crate) trait Source: UserMemory {}

/// Memory of the current process: a [`Destination`], or else a [`Source`].
pub(crate) struct Buffer<const DESTINATION: bool> {
    at: UserPtr,
    len: usize,
}

impl<const DESTINATION: bool> Buffer<DESTINATION> {
    /// The `len` bytes at `at`. That can be any address: it is looked at when it is used.
    pub(crate) fn new(at: UserPtr, len: usize) -> Self {
        Self { at, len }
    }

    /// # Safety
    ///
    /// As [`UserMemory::copy`].
    #[inline(always)]
    unsafe fn copied(at: UserPtr, bytes: *mut u8, len: usize) -> usize {
        // SAFETY: By the safety requirements; `at` is checked there.
        let left = unsafe {
            if DESTINATION {
                bindings::_copy_to_user(at.as_mut_ptr(), bytes.cast(), len)
            } else {
                bindings::_copy_from_user(bytes.cast(), at.as_const_ptr(), len)
            }
        };
        len.wrapping_sub(left)
    }
}

impl<const DESTINATION: bool> UserMemory for Buffer<DESTINATION> {
    fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    unsafe fn copy(&mut self, bytes: *mut u8, len: usize) -> usize {
        // SAFETY: By the safety requirements.
        let copied = unsafe { Self::copied(self.at, bytes, len) };
        self.at = self.at.wrapping_byte_add(copied);
        self.len = self.len.wrapping_sub(copied);
        copied
    }

    #[inline(always)]
    unsafe fn copy_nofault(&self, bytes: *mut u8, len: usize) -> bool {
        // SAFETY: By the safety requirements.
        without_faults(|| unsafe { Self::copied(self.at, bytes, len) }) == len
    }
}

impl Destination for Buffer<true> {}
impl Source for Buffer<false> {}

impl UserMemory for &mut IovIterDest<'_> {
    fn len(&self) -> usize {
        IovIterDest::len(self)
    }

    unsafe fn copy(&mut self, bytes: *mut u8, len: usize) -> usize {
        // SAFETY: By the safety requirements; the iterator is valid by its type invariants.
        unsafe { bindings::_copy_to_iter(bytes.cast(), len, self.as_raw()) }
    }
}

impl UserMemory for &mut IovIterSource<'_> {
    fn len(&self) -> usize {
        IovIterSource::len(self)
    }

    unsafe fn copy(&mut self, bytes: *mut u8, len: usize) -> usize {
        // SAFETY: By the safety requirements; the iterator is valid by its type invariants.
        unsafe { bindings::_copy_from_iter(bytes.cast(), len, self.as_raw()) }
    }
}

impl Destination for &mut IovIterDest<'_> {}
impl Source for &mut IovIterSource<'_> {}

/// Calls `copy`, which fails where it would have to wait for a page: what `pagefault_disable()`
/// brings about, which is inline C that the kernel crate has no helper for.
#[inline(always)]
fn without_faults<T>(copy: impl FnOnce() -> T) -> T {
    // SAFETY: The current task is valid while it runs this.
    let disabled = unsafe { &raw mut (*Task::current_raw()).pagefault_disabled };
    // SAFETY: As above; nobody else changes this count. Volatile, so that it stays before the copy.
    unsafe { disabled.write_volatile(disabled.read().wrapping_add(1)) };
    let result = copy();
    // SAFETY: As above; it stays behind the copy.
    unsafe { disabled.write_volatile(disabled.read().wrapping_sub(1)) };
    result
}
