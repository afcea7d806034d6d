// SPDX-License-Identifier: GPL-2.0

//! The files of the module that are plain arithmetic, for their unit tests in user space:
//!
//!     rustc --edition=2021 --test tests/units.rs

// The module uses more of them than their tests do.
#![allow(dead_code)]

#[path = "../mini_pipe/device"]
mod device {
    mod quota;
}

#[path = "../mini_pipe/pipe"]
mod pipe {
    mod ends;
    mod wait {
        mod waiters;
    }
}

#[path = "../mini_pipe/ring"]
mod ring {
    pub(crate) mod dir;
    pub(crate) mod indices;
    mod packets;
}
