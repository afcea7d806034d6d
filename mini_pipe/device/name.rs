// SPDX-License-Identifier: GPL-2.0

//! The names of private pipes.

use crate::sys::linux_7_2;
use core::{
    fmt::{
        self,
        Write, //
    },
    ptr, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// `dentry_operations.d_dname`: the name in /proc/PID/fd.
///
/// Context: any, without locks; must not sleep (Documentation/filesystems/locking.rst).
///
/// # Safety
///
/// `dentry` must be one of this file system, and somebody must have a path to it. `buffer` must
/// have `len` bytes.
pub(crate) unsafe extern "C" fn name(
    dentry: *mut bindings::dentry,
    buffer: *mut c_char,
    len: c_int,
) -> *mut c_char {
    // SAFETY: A dentry that somebody has a path to has an inode.
    let number = unsafe { (*(*dentry).d_inode).i_ino };
    let mut name = Name::new();
    // The buffer of `Name` is long enough for every number.
    let _ = write!(name, "{}\0", PipeName(number));
    let name = name.as_bytes();
    let Some(before) = usize::try_from(len).unwrap_or(0).checked_sub(name.len()) else {
        return linux_7_2::name_too_long().to_ptr();
    };
    // SAFETY: The name fits into the end of the buffer, which is where callers expect it.
    unsafe {
        let start = buffer.add(before);
        ptr::copy_nonoverlapping(name.as_ptr(), start.cast(), name.len());
        start
    }
}

/// The name of the private pipe whose inode has this number.
pub(crate) struct PipeName(pub(crate) u64);

impl fmt::Display for PipeName {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "mini_pipe:[{}]", self.0)
    }
}

/// The length of the longest name, with its NUL: a number has at most 20 digits.
const NAME_LEN: usize = 33;

/// A text on the stack: `d_dname` must not allocate memory.
struct Name {
    bytes: [u8; NAME_LEN],
    len: usize,
}

impl Name {
    fn new() -> Self {
        Self {
            bytes: [0; NAME_LEN],
            len: 0,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

impl Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len.saturating_add(text.len());
        let to = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        to.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
