// SPDX-License-Identifier: GPL-2.0

//! This module, as the kernel's structures name their owner.

use kernel::bindings;

/// `THIS_MODULE`. The kernel crate has it in another place in each release.
#[cfg(MODULE)]
pub(crate) const OWNER: *mut bindings::module = (&raw const bindings::__this_module).cast_mut();
/// Null for code that is built into the kernel.
#[cfg(not(MODULE))]
pub(crate) const OWNER: *mut bindings::module = core::ptr::null_mut();
