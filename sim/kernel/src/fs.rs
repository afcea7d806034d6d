// SPDX-License-Identifier: GPL-2.0

//! Open files. The core passes them on, and asks nothing of them.

use std::cell::Cell;

/// An open file.
pub struct File {
    pub number: usize,
    /// The flag `FASYNC`.
    pub fasync: Cell<bool>,
}

impl File {
    pub fn new(number: usize) -> Self {
        Self {
            number,
            fasync: Cell::new(false),
        }
    }
}

pub mod file {
    pub mod flags {
        pub const O_NONBLOCK: u32 = 0o4000;
        pub const O_DIRECT: u32 = 0o40000;
    }
}
