// SPDX-License-Identifier: GPL-2.0

//! An open file, and those of its operations that the kernel crate lacks.
//!
//! All file operations are called in process context and may sleep:
//! Documentation/filesystems/locking.rst. The comment of each says who calls it, and with which
//! locks. `open` runs before all others; for the first file of a private pipe, `private.rs` does
//! what `open` does. The kernel keeps the file open during every other operation, so `release`,
//! from `__fput()`, runs last.

use crate::{
    device::{
        splice::DestPipe,
        splice_write::splice_from_kernel_pipe, //
    },
    pipe::{
        call::Call,
        ends::OpenEnd,
        poll::Interest,
        transfer::Side,
        Pipe, //
    },
    ring::{
        dir::PerDir,
        user::Buffer, //
    },
    sys::{
        fsnotify,
        headers::{
            EPOLLET,
            FMODE_CAN_ODIRECT,
            FMODE_NOWAIT,
            IOCB_NOWAIT,
            SPLICE_F_NONBLOCK, //
        },
        poll::PollTable,
        trace, //
    }, //
};
use core::{
    mem::MaybeUninit,
    ptr, //
};
use kernel::{
    bindings,
    fs::{
        file::flags::{
            O_ACCMODE,
            O_RDONLY,
            O_RDWR,
            O_WRONLY, //
        },
        File, //
    },
    prelude::*,
    sync::Arc,
    types::ForeignOwnable,
    uaccess::UserPtr, //
};

/// An open /dev/mini_pipe, or an open end of a private pipe. Dropping it closes the end.
pub(crate) struct PipeFile {
    pub(crate) pipe: Arc<Pipe>,
    pub(crate) end: OpenEnd,
}

impl PipeFile {
    /// Opens an end of `pipe` for `file`, in memory that the caller has allocated. The file has no
    /// position, and supports O_DIRECT and calls that do not wait.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Safety
    ///
    /// `file` must be being opened, so that nobody else uses it yet.
    pub(crate) unsafe fn open(
        memory: KBox<MaybeUninit<Self>>,
        file: &File,
        pipe: &Arc<Pipe>,
    ) -> KBox<Self> {
        // SAFETY: By the safety requirements. `stream_open()` cannot fail. After it, lseek, pread
        // and pwrite fail with ESPIPE.
        unsafe {
            let file = file.as_ptr();
            bindings::stream_open((*file).f_inode, file);
            (*file).f_mode |= FMODE_NOWAIT | FMODE_CAN_ODIRECT;
        }
        // A file with access mode 3 is neither end, and is for ioctls only; see open(2).
        let mode = file.flags() & O_ACCMODE;
        let end = pipe.open(PerDir {
            read: mode == O_RDONLY || mode == O_RDWR,
            write: mode == O_WRONLY || mode == O_RDWR,
        });
        KBox::write(
            memory,
            Self {
                pipe: pipe.clone(),
                end,
            },
        )
    }

    /// This file as one side of a splice with these `SPLICE_F_*` flags. `file` is its
    /// `struct file`.
    pub(crate) fn side<'a>(&'a self, file: &'a File, flags: c_uint) -> Side<'a> {
        let nowait = if flags & SPLICE_F_NONBLOCK != 0 {
            IOCB_NOWAIT
        } else {
            0
        };
        Side {
            pipe: &self.pipe,
            end: &self.end,
            call: Call::new(file, nowait),
        }
    }

    /// Reports the result `read` of an ioctl that was to read `len` bytes from this file, `file`.
    /// For read(2) and splice(2), inotify's event comes from the kernel.
    ///
    /// Context: process context; may sleep.
    pub(crate) fn report_read(&self, file: &File, len: usize, read: Result<usize>) {
        trace::read(|| (self.pipe.number, len, count_or_errno(read)));
        if read.is_ok_and(|read| read > 0) {
            fsnotify::access(file);
        }
    }

    /// As [`Self::report_read`], for an ioctl that was to write `len` bytes to this file.
    ///
    /// Context: process context; may sleep.
    pub(crate) fn report_write(&self, file: &File, len: usize, written: Result<usize>) {
        trace::write(|| (self.pipe.number, len, count_or_errno(written)));
        if written.is_ok_and(|written| written > 0) {
            fsnotify::modify(file);
        }
    }
}

impl Drop for PipeFile {
    fn drop(&mut self) {
        self.pipe.close(&self.end);
    }
}

/// `file_operations.read`: read(2) with a single buffer, which is cheaper than `read_iter`. The
/// price: `kernel_read()` and `kernel_write()` refuse files that have both, so autofs and 9p cannot
/// use a mini_pipe.
///
/// Context: process context, from `vfs_read()`, without locks; may sleep.
///
/// # Safety
///
/// `file` must be an open file with these operations, and stay open during the call. The callers
/// have found this function in the file's `f_op`, and keep the file open.
pub(crate) unsafe extern "C" fn read(
    file: *mut bindings::file,
    to: *mut c_char,
    len: usize,
    _position: *mut bindings::loff_t,
) -> isize {
    // SAFETY: By the safety requirements.
    let (me, file) = unsafe { borrow(file) };
    let to = Buffer::new(UserPtr::from_ptr(to.cast()), len);
    let ret = count_or_errno(me.pipe.read(&me.end, Call::new(file, 0), to));
    trace::read(|| (me.pipe.number, len, ret));
    ret
}

/// `file_operations.write`: write(2) with a single buffer.
///
/// Context: process context, from `vfs_write()`, without locks; may sleep.
///
/// # Safety
///
/// As for [`read`].
pub(crate) unsafe extern "C" fn write(
    file: *mut bindings::file,
    from: *const c_char,
    len: usize,
    _position: *mut bindings::loff_t,
) -> isize {
    // SAFETY: By the safety requirements.
    let (me, file) = unsafe { borrow(file) };
    let from = Buffer::new(UserPtr::from_ptr(from.cast_mut().cast()), len);
    let ret = count_or_errno(me.pipe.write(&me.end, Call::new(file, 0), from));
    trace::write(|| (me.pipe.number, len, ret));
    ret
}

/// `file_operations.poll`: poll(2), select(2), epoll(7), io_uring and libaio.
///
/// Context: process context, from `vfs_poll()`; may sleep. epoll holds the mutex of its instance
/// (`ep->mtx`), io_uring its `uring_lock`.
///
/// # Safety
///
/// As for [`read`], and `table` must be null or valid.
pub(crate) unsafe extern "C" fn poll(
    file: *mut bindings::file,
    table: *mut bindings::poll_table,
) -> bindings::__poll_t {
    // SAFETY: By the safety requirements.
    let (me, file) = unsafe { borrow(file) };
    // SAFETY: The table is null or valid. Only its owner uses it, and the owner waits for this
    // call.
    let table = unsafe { table.as_mut() };
    let edge_triggered = table
        .as_ref()
        .is_some_and(|table| table._key & EPOLLET != 0);
    let interest = Interest {
        table: PollTable::new(table),
        edge_triggered,
    };
    me.pipe.poll(&me.end, file, interest)
}

/// `file_operations.fasync`: switches O_ASYNC on or off.
///
/// Context: process context, from `setfl()`, from `ioctl_fioasync()`, or from `__fput()`, which
/// switches it off before `release` if the file's flags have FASYNC. Without locks, so two of these
/// calls may run at once; may sleep.
///
/// # Safety
///
/// As for [`read`].
pub(crate) unsafe extern "C" fn fasync(fd: c_int, file: *mut bindings::file, on: c_int) -> c_int {
    // SAFETY: By the safety requirements.
    let (me, file) = unsafe { borrow(file) };
    // SAFETY: This is the `fasync` operation of the file, by the safety requirements, and the file
    // has its end until `release`.
    match unsafe { me.pipe.set_fasync(&me.end, fd, file, on != 0) } {
        Ok(changed) => c_int::from(changed),
        Err(error) => error.to_errno(),
    }
}

/// `file_operations.splice_read`: splice(2) and sendfile(2) into a pipe(2). If the file has
/// O_DIRECT, the kernel calls `copy_splice_read()` instead, which waits with the lock of the
/// pipe(2) held.
///
/// Context: process context, from `splice_file_to_pipe()`, with the mutex of the pipe(2) held; may
/// sleep.
///
/// # Safety
///
/// As for [`read`], and the caller must hold the lock of the valid `pipe`. `splice_file_to_pipe()`
/// holds it, also when a stacked file system hands the call on. `splice_direct_to_actor()` does not
/// hold it, but returns EINVAL for files without FMODE_LSEEK, which `stream_open()` has cleared.
pub(crate) unsafe extern "C" fn splice_read(
    file: *mut bindings::file,
    _position: *mut bindings::loff_t,
    pipe: *mut bindings::pipe_inode_info,
    len: usize,
    flags: c_uint,
) -> isize {
    // SAFETY: By the safety requirements.
    let ((me, file), mut dest) = unsafe { (borrow(file), DestPipe::from_raw(pipe)) };
    if len == 0 {
        return 0;
    }
    let from = me.side(file, flags);
    let ret = count_or_errno(me.pipe.splice(from.end, from.call, &mut dest, len));
    trace::read(|| (me.pipe.number, len, ret));
    ret
}

/// `file_operations.splice_write`: splice(2) from a pipe(2), and sendfile(2).
///
/// Context: process context, from `do_splice_from()`, without the lock of the pipe(2); may sleep.
///
/// # Safety
///
/// As for [`read`], and `pipe` must be valid.
pub(crate) unsafe extern "C" fn splice_write(
    pipe: *mut bindings::pipe_inode_info,
    file: *mut bindings::file,
    _position: *mut bindings::loff_t,
    len: usize,
    flags: c_uint,
) -> isize {
    // SAFETY: By the safety requirements.
    let (me, file) = unsafe { borrow(file) };
    let to = me.side(file, flags);
    // SAFETY: By the safety requirements.
    let ret = count_or_errno(unsafe { splice_from_kernel_pipe(pipe, to, len) });
    trace::write(|| (me.pipe.number, len, ret));
    ret
}

/// The [`PipeFile`] of an open file; [`None`] if the file is not of mini_pipe.
pub(crate) fn pipe_file(file: &File) -> Option<&PipeFile> {
    // SAFETY: An open file has operations, which stay the same.
    let operation = unsafe { (*(*file.as_ptr()).f_op).read }?;
    // Only files with the operations of this module have this function, which takes their
    // `private_data` for a `PipeFile`.
    let is_ours = ptr::fn_addr_eq(operation, read as unsafe extern "C" fn(_, _, _, _) -> _);
    // SAFETY: The file has these operations, and is open as long as it is borrowed.
    is_ours.then(|| unsafe { borrow(file.as_ptr()) }.0)
}

/// The [`PipeFile`] of an open file, and the file as the kernel crate's [`File`].
///
/// # Safety
///
/// `file` must be an open file with these operations, for as long as the result is used.
unsafe fn borrow<'a>(file: *mut bindings::file) -> (&'a PipeFile, &'a File) {
    // SAFETY: The file is open, and nobody uses its position, as `stream_open()` has removed it.
    // `private_data` is the `KBox<PipeFile>` that opening the file has stored, until `release`.
    unsafe {
        (
            <KBox<PipeFile> as ForeignOwnable>::borrow((*file).private_data),
            File::from_raw_file(file),
        )
    }
}

/// What a call returns to the kernel.
pub(crate) fn count_or_errno(result: Result<usize>) -> isize {
    match result {
        // No call moves more than `isize::MAX` bytes.
        Ok(count) => count as isize,
        Err(error) => error.to_errno() as isize,
    }
}
