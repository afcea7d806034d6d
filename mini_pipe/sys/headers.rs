// SPDX-License-Identifier: GPL-2.0

//! What the kernel's headers define and `bindgen` does not see: constants behind casts, and
//! declarations in headers that the kernel crate does not include.
//!
//! Every build compiles `headers.c`, which asserts each value and layout of this file against the
//! headers of the kernel that the module is built for. `make check` compares the two files.
//!
//! The types have their names of C: with `CONFIG_CFI`, C calls a function only if the names of its
//! arguments' types are those that C expects.

#![allow(non_camel_case_types)]

use core::mem::{
    offset_of,
    size_of, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// The caller asked for a call that does not wait: `RWF_NOWAIT` of `preadv2(2)`.
pub(crate) const IOCB_NOWAIT: c_int = 1 << 3;
/// The caller asked for a write without `SIGPIPE`: `RWF_NOSIGNAL` of `pwritev2(2)`.
pub(crate) const IOCB_NOSIGNAL: c_int = 1 << 8;
/// The caller asked for a read that does not wait.
pub(crate) const RWF_NOWAIT: c_int = 1 << 3;
/// The file is open for reading.
pub(crate) const FMODE_READ: c_uint = 1 << 0;
/// The file is open for writing.
pub(crate) const FMODE_WRITE: c_uint = 1 << 1;
/// The file can be read at any offset.
pub(crate) const FMODE_PREAD: c_uint = 1 << 3;
/// The file can be written at any offset.
pub(crate) const FMODE_PWRITE: c_uint = 1 << 4;
/// The file takes `O_DIRECT`.
pub(crate) const FMODE_CAN_ODIRECT: c_uint = 1 << 22;
/// If this alone is set, the file generates no fsnotify events.
pub(crate) const FMODE_NONOTIFY: c_uint = 1 << 25;
/// If this alone is set, the file generates no permission and no pre-content events. If
/// [`FMODE_NONOTIFY`] is set, too, the file generates all but `FAN_ACCESS_PERM`.
pub(crate) const FMODE_NONOTIFY_PERM: c_uint = 1 << 26;
/// The file supports calls that do not wait.
pub(crate) const FMODE_NOWAIT: c_uint = 1 << 27;
/// The caller asked for a splice that does not wait.
pub(crate) const SPLICE_F_NONBLOCK: c_uint = 1 << 1;
/// The caller asked for pages to be moved, not copied. A mini_pipe decides for itself.
pub(crate) const SPLICE_F_MOVE: c_uint = 1 << 0;
/// More bytes are to come.
pub(crate) const SPLICE_F_MORE: c_uint = 1 << 2;
/// The caller gives its pages away.
pub(crate) const SPLICE_F_GIFT: c_uint = 1 << 3;
/// A slot of a pipe(2) is a packet.
pub(crate) const PIPE_BUF_FLAG_PACKET: c_uint = 1 << 3;
/// What statfs(2) returns as the type of a private pipe's file system: the same as for pipe(2).
pub(crate) const PIPEFS_MAGIC: c_ulong = 0x50495045;
/// The poller is edge-triggered.
pub(crate) const EPOLLET: c_uint = 1 << 31;

/// `struct partial_page`: which bytes of a page are spliced.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct partial_page {
    pub(crate) offset: c_uint,
    pub(crate) len: c_uint,
    pub(crate) private: c_ulong,
}

/// `struct splice_pipe_desc`: pages to be added to a pipe(2).
#[repr(C)]
pub(crate) struct splice_pipe_desc {
    pub(crate) pages: *mut *mut bindings::page,
    pub(crate) partial: *mut partial_page,
    pub(crate) nr_pages: c_int,
    pub(crate) nr_pages_max: c_uint,
    pub(crate) ops: *const pipe_buf_operations,
    pub(crate) spd_release: unsafe extern "C" fn(*mut Self, c_uint),
}

/// `struct pipe_buffer`: a slot of a pipe(2).
#[repr(C)]
pub(crate) struct pipe_buffer {
    pub(crate) page: *mut bindings::page,
    pub(crate) offset: c_uint,
    pub(crate) len: c_uint,
    pub(crate) ops: *const pipe_buf_operations,
    /// `PIPE_BUF_FLAG_*`.
    pub(crate) flags: c_uint,
    pub(crate) private: c_ulong,
}

/// `struct splice_desc`: a splice out of a pipe(2).
#[repr(C)]
pub(crate) struct splice_desc {
    pub(crate) total_len: usize,
    /// How many bytes of the slot are to be spliced.
    pub(crate) len: c_uint,
    /// `SPLICE_F_*`.
    pub(crate) flags: c_uint,
    /// For the actor.
    pub(crate) u: *mut c_void,
    pub(crate) splice_eof: Option<unsafe extern "C" fn(*mut Self)>,
    pub(crate) pos: bindings::loff_t,
    pub(crate) opos: *mut bindings::loff_t,
    pub(crate) num_spliced: usize,
    pub(crate) need_wakeup: bool,
}

/// `splice_actor`: moves bytes of a slot. Returns how many, or an errno.
pub(crate) type splice_actor = unsafe extern "C" fn(
    *mut bindings::pipe_inode_info,
    *mut pipe_buffer,
    *mut splice_desc,
) -> c_int;

/// `struct pipe_buf_operations`: only its address is used.
#[repr(C)]
pub(crate) struct pipe_buf_operations([u8; 0]);

/// `struct pseudo_fs_context`: the settings of a pseudo file system.
#[repr(C)]
pub(crate) struct pseudo_fs_context {
    pub(crate) ops: *const bindings::super_operations,
    pub(crate) eops: *const c_void,
    pub(crate) xattr: *const c_void,
    pub(crate) dops: *const bindings::dentry_operations,
    pub(crate) magic: c_ulong,
    pub(crate) s_d_flags: c_uint,
}

const _: () = {
    assert!(size_of::<partial_page>() == 16);
    assert!(offset_of!(partial_page, len) == 4);
    assert!(offset_of!(partial_page, private) == 8);
    assert!(size_of::<splice_pipe_desc>() == 40);
    assert!(offset_of!(splice_pipe_desc, partial) == 8);
    assert!(offset_of!(splice_pipe_desc, nr_pages) == 16);
    assert!(offset_of!(splice_pipe_desc, nr_pages_max) == 20);
    assert!(offset_of!(splice_pipe_desc, ops) == 24);
    assert!(offset_of!(splice_pipe_desc, spd_release) == 32);
    assert!(size_of::<pipe_buffer>() == 40);
    assert!(offset_of!(pipe_buffer, offset) == 8);
    assert!(offset_of!(pipe_buffer, len) == 12);
    assert!(offset_of!(pipe_buffer, ops) == 16);
    assert!(offset_of!(pipe_buffer, flags) == 24);
    assert!(offset_of!(pipe_buffer, private) == 32);
    assert!(size_of::<splice_desc>() == 64);
    assert!(offset_of!(splice_desc, len) == 8);
    assert!(offset_of!(splice_desc, flags) == 12);
    assert!(offset_of!(splice_desc, u) == 16);
    assert!(offset_of!(splice_desc, splice_eof) == 24);
    assert!(offset_of!(splice_desc, pos) == 32);
    assert!(offset_of!(splice_desc, opos) == 40);
    assert!(offset_of!(splice_desc, num_spliced) == 48);
    assert!(offset_of!(splice_desc, need_wakeup) == 56);
    assert!(size_of::<pseudo_fs_context>() == 48);
    assert!(offset_of!(pseudo_fs_context, eops) == 8);
    assert!(offset_of!(pseudo_fs_context, xattr) == 16);
    assert!(offset_of!(pseudo_fs_context, dops) == 24);
    assert!(offset_of!(pseudo_fs_context, magic) == 32);
    assert!(offset_of!(pseudo_fs_context, s_d_flags) == 40);
};

#[expect(improper_ctypes)] // `bindgen` has empty structures in what these point to.
unsafe extern "C" {
    pub(crate) static nosteal_pipe_buf_ops: pipe_buf_operations;

    pub(crate) fn splice_to_pipe(
        pipe: *mut bindings::pipe_inode_info,
        spd: *mut splice_pipe_desc,
    ) -> isize;
    pub(crate) fn __splice_from_pipe(
        pipe: *mut bindings::pipe_inode_info,
        sd: *mut splice_desc,
        actor: splice_actor,
    ) -> isize;
    pub(crate) fn pipe_lock(pipe: *mut bindings::pipe_inode_info);
    pub(crate) fn pipe_unlock(pipe: *mut bindings::pipe_inode_info);
    pub(crate) fn init_pseudo(
        context: *mut bindings::fs_context,
        magic: c_ulong,
    ) -> *mut pseudo_fs_context;
    /// Whether the current task is the only one that wants to run on this processor.
    pub(crate) safe fn single_task_running() -> bool;
}
