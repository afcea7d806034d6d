// SPDX-License-Identifier: GPL-2.0

//! What the kernel's headers define and `bindgen` does not see: constants behind casts, and
//! declarations in headers that the kernel crate does not include.
//!
//! Every build compiles `headers.c`, which asserts each value and layout of this file against the
//! headers of the kernel that the module is built for. `make check` compares the two files.

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
/// The file takes `O_DIRECT`.
pub(crate) const FMODE_CAN_ODIRECT: c_uint = 1 << 22;
/// Alone: the file generates no fsnotify events.
pub(crate) const FMODE_NONOTIFY: c_uint = 1 << 25;
/// Alone: the file generates no permission and no pre-content events. Together with
/// [`FMODE_NONOTIFY`]: only `FAN_ACCESS_PERM` is suppressed.
pub(crate) const FMODE_NONOTIFY_PERM: c_uint = 1 << 26;
/// The file supports calls that do not wait.
pub(crate) const FMODE_NOWAIT: c_uint = 1 << 27;
/// The caller asked for a splice that does not wait.
pub(crate) const SPLICE_F_NONBLOCK: c_uint = 1 << 1;
/// The poller is edge-triggered.
pub(crate) const EPOLLET: c_uint = 1 << 31;

/// `struct partial_page`: which bytes of a page are spliced.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct PartialPage {
    pub(crate) offset: c_uint,
    pub(crate) len: c_uint,
    pub(crate) private: c_ulong,
}

/// `struct splice_pipe_desc`: pages to be added to a pipe(2).
#[repr(C)]
pub(crate) struct SplicePipeDesc {
    pub(crate) pages: *mut *mut bindings::page,
    pub(crate) partial: *mut PartialPage,
    pub(crate) nr_pages: c_int,
    pub(crate) nr_pages_max: c_uint,
    pub(crate) ops: *const PipeBufOperations,
    pub(crate) spd_release: unsafe extern "C" fn(*mut Self, c_uint),
}

/// `struct pipe_buf_operations`: only its address is used.
#[repr(C)]
pub(crate) struct PipeBufOperations([u8; 0]);

/// `struct pseudo_fs_context`: the settings of a pseudo file system.
#[repr(C)]
pub(crate) struct PseudoFsContext {
    pub(crate) ops: *const bindings::super_operations,
    pub(crate) eops: *const c_void,
    pub(crate) xattr: *const c_void,
    pub(crate) dops: *const bindings::dentry_operations,
    pub(crate) magic: c_ulong,
    pub(crate) s_d_flags: c_uint,
}

const _: () = {
    assert!(size_of::<PartialPage>() == 16);
    assert!(offset_of!(PartialPage, len) == 4);
    assert!(offset_of!(PartialPage, private) == 8);
    assert!(size_of::<SplicePipeDesc>() == 40);
    assert!(offset_of!(SplicePipeDesc, partial) == 8);
    assert!(offset_of!(SplicePipeDesc, nr_pages) == 16);
    assert!(offset_of!(SplicePipeDesc, nr_pages_max) == 20);
    assert!(offset_of!(SplicePipeDesc, ops) == 24);
    assert!(offset_of!(SplicePipeDesc, spd_release) == 32);
    assert!(size_of::<PseudoFsContext>() == 48);
    assert!(offset_of!(PseudoFsContext, eops) == 8);
    assert!(offset_of!(PseudoFsContext, xattr) == 16);
    assert!(offset_of!(PseudoFsContext, dops) == 24);
    assert!(offset_of!(PseudoFsContext, magic) == 32);
    assert!(offset_of!(PseudoFsContext, s_d_flags) == 40);
};

#[expect(improper_ctypes)] // `bindgen` has empty structures in what these point to.
unsafe extern "C" {
    pub(crate) static nosteal_pipe_buf_ops: PipeBufOperations;

    pub(crate) fn splice_to_pipe(
        pipe: *mut bindings::pipe_inode_info,
        spd: *mut SplicePipeDesc,
    ) -> isize;
    pub(crate) fn pipe_lock(pipe: *mut bindings::pipe_inode_info);
    pub(crate) fn pipe_unlock(pipe: *mut bindings::pipe_inode_info);
    pub(crate) fn init_pseudo(
        context: *mut bindings::fs_context,
        magic: c_ulong,
    ) -> *mut PseudoFsContext;
    /// Whether the current task is the only one that wants to run on this processor.
    pub(crate) safe fn single_task_running() -> bool;
}
