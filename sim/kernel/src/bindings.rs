// SPDX-License-Identifier: GPL-2.0

//! Constants of the kernel's headers, and copies to and from user memory.

use crate::{iov::iov_iter, prelude::*, uaccess};

/// Smaller than in the kernel, so that few bytes fill a pipe. POSIX asks for 512; the core does not
/// rely on the value.
pub const PIPE_BUF: u32 = 8;

pub const POLLIN: u32 = 0x1;
pub const POLLOUT: u32 = 0x4;
pub const POLLERR: u32 = 0x8;
pub const POLLHUP: u32 = 0x10;
pub const POLLRDNORM: u32 = 0x40;
pub const POLLWRNORM: u32 = 0x100;

pub const POLL_IN: u32 = 1;
pub const POLL_OUT: u32 = 2;

/// Copies to user memory, up to the first address that has no memory or, if page faults are
/// disabled, that is paged out. Returns how many bytes were not copied. See `copy_to_user()`.
///
/// # Safety
///
/// `from` must be valid for `len` bytes.
pub unsafe fn _copy_to_user(to: *mut c_void, from: *const c_void, len: usize) -> usize {
    // SAFETY: By the safety requirements.
    unsafe { uaccess::copy(to.addr(), from.cast_mut().cast(), len, true) }
}

/// Copies from user memory, as [`_copy_to_user`].
///
/// # Safety
///
/// `to` must be valid for `len` bytes.
pub unsafe fn _copy_from_user(to: *mut c_void, from: *const c_void, len: usize) -> usize {
    // SAFETY: By the safety requirements.
    unsafe { uaccess::copy(from.addr(), to.cast(), len, false) }
}

/// Copies to the memory of an iterator, and returns how many bytes were copied.
///
/// # Safety
///
/// `from` must be valid for `len` bytes, and `iter` must be valid.
pub unsafe fn _copy_to_iter(from: *const c_void, len: usize, iter: *mut iov_iter) -> usize {
    // SAFETY: By the safety requirements.
    unsafe { (*iter).copy(from.cast_mut().cast(), len, true) }
}

/// Copies from the memory of an iterator, and returns how many bytes were copied.
///
/// # Safety
///
/// `to` must be valid for `len` bytes, and `iter` must be valid.
pub unsafe fn _copy_from_iter(to: *mut c_void, len: usize, iter: *mut iov_iter) -> usize {
    // SAFETY: By the safety requirements.
    unsafe { (*iter).copy(to.cast(), len, false) }
}
