// SPDX-License-Identifier: GPL-2.0

//! uapi/mini_pipe.h in Rust. The header has the documentation.

use kernel::{
    ioctl::{
        _IO,
        _IOW,
        _IOWR, //
    },
    transmute::{
        AsBytes,
        FromBytes, //
    }, //
};

const MAGIC: u32 = 0xBB;

pub(crate) const PAIR: u32 = _IOWR::<Pair>(MAGIC, 1);
pub(crate) const GET_CAPACITY: u32 = _IO(MAGIC, 2);
pub(crate) const SET_CAPACITY: u32 = _IO(MAGIC, 3);
pub(crate) const GET_POLICY: u32 = _IO(MAGIC, 4);
pub(crate) const SET_POLICY: u32 = _IO(MAGIC, 5);
pub(crate) const SPLICE_TO: u32 = _IOW::<Splice>(MAGIC, 6);
pub(crate) const SPLICE_FROM: u32 = _IOW::<Splice>(MAGIC, 7);
pub(crate) const TEE_TO: u32 = _IOW::<Splice>(MAGIC, 8);
pub(crate) const VMSPLICE: u32 = _IOW::<Vmsplice>(MAGIC, 9);

/// `struct mini_pipe_pair`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Pair {
    pub(crate) flags: u32,
    pub(crate) capacity: u32,
    pub(crate) read_fd: i32,
    pub(crate) write_fd: i32,
}

// SAFETY: All bit patterns are values of its fields.
unsafe impl FromBytes for Pair {}
// SAFETY: There is no padding between its fields.
unsafe impl AsBytes for Pair {}

/// `struct mini_pipe_splice`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Splice {
    pub(crate) fd: i32,
    pub(crate) flags: u32,
    pub(crate) len: u64,
    pub(crate) offset: u64,
}

// SAFETY: All bit patterns are values of its fields.
unsafe impl FromBytes for Splice {}

/// `struct mini_pipe_vmsplice`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Vmsplice {
    pub(crate) iov: u64,
    pub(crate) count: u32,
    pub(crate) flags: u32,
}

// SAFETY: All bit patterns are values of its fields.
unsafe impl FromBytes for Vmsplice {}
