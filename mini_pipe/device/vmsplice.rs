// SPDX-License-Identifier: GPL-2.0

//! vmsplice(2) by ioctl. The bytes are copied, also with `SPLICE_F_GIFT`: a ring has no pages of
//! user memory.

use crate::{
    device::{
        file::PipeFile,
        transfer::check_flags,
        uapi::Vmsplice, //
    },
    ring::dir::Dir, //
};
use core::{
    mem::MaybeUninit,
    ptr, //
};
use kernel::{
    bindings,
    error::to_result,
    fs::File,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*, //
};

/// Serves `MINI_PIPE_IOC_VMSPLICE`: moves bytes of user memory into the pipe if the file is open
/// for writing, else bytes of the pipe into user memory.
///
/// Context: process context; may sleep.
///
/// # Errors
///
/// As the header documents them.
pub(crate) fn vmsplice(me: &PipeFile, file: &File, request: &Vmsplice) -> Result<usize> {
    check_flags(request.flags)?;
    // As vmsplice(2): only SPLICE_F_NONBLOCK keeps the call from waiting.
    let side = me.side(file, request.flags).ignoring_nonblock();
    let writes = me.end.is(Dir::Write);
    if !writes && !me.end.is(Dir::Read) {
        return Err(EBADF);
    }
    let mut elements = Elements::import(request, writes)?;
    let iter = elements.iter.as_mut_ptr();
    if elements.len == 0 {
        return Ok(0);
    }
    if writes {
        // SAFETY: The iterator is a source, and valid as long as `elements`.
        let mut from = unsafe { IovIterSource::from_raw(iter) };
        // What comes from user memory is no packet, whatever the flags of the file are, as in
        // `vmsplice_to_pipe()`.
        let side = side.with_packets(false);
        let written = side.fill(elements.len, |room| {
            moved(room.copy(0, room.len(), &mut from))
        });
        me.report_write(file, elements.len, written);
        written
    } else {
        // SAFETY: As above, but a destination.
        let mut to = unsafe { IovIterDest::from_raw(iter) };
        let read = side.drain(elements.len, |bytes| {
            moved(bytes.copy(0, bytes.len(), &mut to))
        });
        me.report_read(file, elements.len, read);
        read
    }
}

/// The result of a copy that was to copy at least one byte: `EFAULT` if it has copied none.
fn moved(count: usize) -> Result<usize> {
    if count > 0 {
        Ok(count)
    } else {
        Err(EFAULT)
    }
}

/// The `struct iovec`s of a call.
struct Elements {
    iter: MaybeUninit<bindings::iov_iter>,
    /// How many bytes they have.
    len: usize,
    /// The memory that `import_iovec()` has allocated, or null.
    allocated: *mut bindings::iovec,
}

impl Elements {
    /// Copies the elements of a request from user memory, and checks them. They are those of a
    /// 32-bit program if the caller is one.
    ///
    /// # Errors
    ///
    /// `EFAULT`, `EINVAL`, `ENOMEM`.
    fn import(request: &Vmsplice, writes: bool) -> Result<Self> {
        let mut iter = MaybeUninit::uninit();
        let mut one = bindings::iovec::default();
        let mut allocated = &raw mut one;
        let direction = if writes {
            bindings::ITER_SOURCE
        } else {
            bindings::ITER_DEST
        };
        // SAFETY: `one` is memory for one element; `import_iovec()` allocates memory for more. It
        // initializes the iterator, or fails. The iterator does not point to `one`: for one element
        // it is an ITER_UBUF, which has the address itself. Without elements it points there, but
        // reads no element. Afterwards, `allocated` is null or what was allocated.
        let len = unsafe {
            bindings::import_iovec(
                direction as c_int,
                ptr::without_provenance(request.iov as usize),
                request.count,
                1,
                &raw mut allocated,
                iter.as_mut_ptr(),
            )
        };
        to_result(len.min(0) as c_int)?;
        Ok(Self {
            iter,
            len: len as usize,
            allocated,
        })
    }
}

impl Drop for Elements {
    fn drop(&mut self) {
        // SAFETY: It is null, or `import_iovec()` has allocated it for the caller to free.
        unsafe { bindings::kfree(self.allocated.cast()) };
    }
}
