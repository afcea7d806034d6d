// SPDX-License-Identifier: GPL-2.0

//! This module, as the kernel and modinfo(8) know it.

use kernel::bindings;

/// `THIS_MODULE`. Its place in the kernel crate changes from release to release.
#[cfg(MODULE)]
pub(crate) const OWNER: *mut bindings::module = (&raw const bindings::__this_module).cast_mut();
/// Null for code that is built into the kernel.
#[cfg(not(MODULE))]
pub(crate) const OWNER: *mut bindings::module = core::ptr::null_mut();

/// Adds a line to what modinfo(8) prints.
macro_rules! modinfo {
    ($name:ident, $text:expr) => {
        #[cfg(MODULE)]
        #[link_section = ".modinfo"]
        #[used]
        static $name: [u8; $text.len()] = {
            let mut line = [0; $text.len()];
            let mut index = 0;
            while index < line.len() {
                line[index] = $text.as_bytes()[index];
                index += 1;
            }
            line
        };
    };
}
pub(crate) use modinfo;

// The newest version of CHANGELOG.md. `module!` has no key for it.
modinfo!(VERSION, "version=0.1.0\0");
