// SPDX-License-Identifier: GPL-2.0

//! Open files. The core asks only for their flags, and passes the files on.

use std::cell::Cell;

/// An open file.
pub struct File {
    pub number: usize,
    flags: u32,
    /// The flag `FASYNC`.
    pub fasync: Cell<bool>,
}

impl File {
    pub fn new(number: usize, flags: u32) -> Self {
        Self {
            number,
            flags,
            fasync: Cell::new(false),
        }
    }

    pub fn flags(&self) -> u32 {
        self.flags
    }
}

pub mod file {
    pub mod flags {
        pub const O_NONBLOCK: u32 = 0o4000;
        pub const O_DIRECT: u32 = 0o40000;
    }
}
