// SPDX-License-Identifier: GPL-2.0

//! What the files of the core import from `kernel::prelude`.

pub use crate::{
    alloc::{KVVec, KVec},
    build_error, current,
    error::{code::*, Error},
};
pub use core::{
    ffi::{c_int, c_uint, c_ulong, c_void, CStr},
    pin::Pin,
};
pub use pinned_init::{pin_data, pin_init, pinned_drop, Init, PinInit};

use crate::alloc::Flags;

pub type Result<T = (), E = Error> = core::result::Result<T, E>;

pub const GFP_KERNEL: Flags = Flags { accounted: false };
pub const GFP_KERNEL_ACCOUNT: Flags = Flags { accounted: true };

/// In the kernel, code that reaches this does not build.
#[macro_export]
macro_rules! build_error {
    ($message:expr) => {
        $crate::sim::fail($message)
    };
}

/// The current task.
#[macro_export]
macro_rules! current {
    () => {
        $crate::task::Current
    };
}
