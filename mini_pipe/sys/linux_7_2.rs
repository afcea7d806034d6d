// SPDX-License-Identifier: GPL-2.0

//! What the kernel crate of Linux 7.3 has and the crate of 7.2 lacks, made here from what both
//! have. So no code asks for which of the two releases the module is built. When 7.2 is no longer
//! supported, this file can go.

use kernel::{
    bindings,
    prelude::*, //
};

/// The ioctl that counts the readable bytes; `bindings::FIONREAD` of 7.3. `headers.c` asserts it.
pub(crate) const FIONREAD: u32 = 0x541b;

/// The error `ENAMETOOLONG` of 7.3.
pub(crate) fn name_too_long() -> Error {
    Error::from_errno(-(bindings::ENAMETOOLONG as c_int))
}
