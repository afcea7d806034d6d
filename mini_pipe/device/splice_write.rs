// SPDX-License-Identifier: GPL-2.0

//! splice(2) out of a pipe(2) into a mini_pipe, and sendfile(2), for which the kernel has a pipe(2)
//! of its own. The bytes are copied: a page of a pipe(2) may have other users.
//!
//! The kernel's `iter_file_splice_write()` would wait for room with the pipe(2) locked. This does
//! not.

use crate::{
    pipe::transfer::Side,
    ring::transfer::Segment,
    sys::headers::{
        __splice_from_pipe,
        pipe_buffer,
        pipe_lock,
        pipe_unlock,
        splice_desc,
        PIPE_BUF_FLAG_PACKET,
        SPLICE_F_NONBLOCK, //
    }, //
};
use core::{
    mem::MaybeUninit,
    ptr, //
};
use kernel::{
    bindings,
    error::to_result,
    iov::IovIterSource,
    prelude::*, //
};

/// What [`fill`] knows of the splice.
struct Filling<'a> {
    to: Side<'a>,
    /// The bytes for which there was no room.
    blocked: Option<Segment>,
}

/// Moves at most `len` bytes of `pipe` to a mini_pipe. Waits for the first one, and for room for
/// it. Packets stay packets. Returns how many bytes were moved; 0 is end of file.
///
/// Context: process context, without the lock of `pipe`; may sleep.
///
/// # Errors
///
/// Those of `Side::give` and of `__splice_from_pipe()`.
///
/// # Safety
///
/// `pipe` must be valid.
pub(crate) unsafe fn splice_from_kernel_pipe(
    pipe: *mut bindings::pipe_inode_info,
    to: Side<'_>,
    len: usize,
) -> Result<usize> {
    // As between two pipe(2)s, O_NONBLOCK at either end is enough. If the pipe(2)'s file has it,
    // `do_splice()` has set the flag of the call.
    let flags = if to.call.is_nonblocking() {
        SPLICE_F_NONBLOCK
    } else {
        0
    };
    loop {
        let mut filling = Filling { to, blocked: None };
        let mut desc = splice_desc {
            total_len: len,
            len: 0,
            flags,
            u: (&raw mut filling).cast(),
            splice_eof: None,
            pos: 0,
            opos: ptr::null_mut(),
            num_spliced: 0,
            need_wakeup: false,
        };
        // SAFETY: The pipe is valid by the safety requirements. `fill` gets `desc`, whose `u` is
        // `filling`.
        let moved = unsafe {
            pipe_lock(pipe);
            let moved = __splice_from_pipe(pipe, &raw mut desc, fill);
            pipe_unlock(pipe);
            moved
        };
        let result = to_result(moved.min(0) as c_int);
        match (result, filling.blocked) {
            (Err(EAGAIN), Some(segment)) => to.wait_for_room(segment)?,
            (Ok(()), _) if moved == 0 => return to.end_of_source(),
            (result, _) => return result.map(|()| moved as usize),
        }
    }
}

/// `splice_actor`: copies bytes of a slot into the mini_pipe, as many as there is room for.
///
/// Context: process context, from `__splice_from_pipe()`, with the lock of the pipe(2) held; may
/// sleep.
///
/// # Safety
///
/// `slot` must have `(*desc).len` bytes, and the `u` of `desc` must be a [`Filling`].
unsafe extern "C" fn fill(
    _pipe: *mut bindings::pipe_inode_info,
    slot: *mut pipe_buffer,
    desc: *mut splice_desc,
) -> c_int {
    // SAFETY: By the safety requirements; nobody else uses the two during this call.
    let (slot, filling, len) = unsafe {
        (
            &*slot,
            &mut *(*desc).u.cast::<Filling<'_>>(),
            (*desc).len as usize,
        )
    };
    let segment = Segment {
        len,
        is_packet: slot.flags & PIPE_BUF_FLAG_PACKET != 0,
    };
    let part = bindings::bio_vec {
        bv_page: slot.page,
        bv_len: slot.len,
        bv_offset: slot.offset,
    };
    let mut iter = MaybeUninit::uninit();
    // SAFETY: This initializes the iterator, for the page and the range of the slot: both stay as
    // long as the pipe(2) is locked. Others may write to the page, but only C reads it.
    let mut from = unsafe {
        bindings::iov_iter_bvec(
            iter.as_mut_ptr(),
            bindings::ITER_SOURCE,
            &raw const part,
            1,
            len,
        );
        IovIterSource::from_raw(iter.as_mut_ptr())
    };
    let side = filling.to.with_packets(segment.is_packet).without_waiting();
    match side.give(len, |room| Ok(room.copy(0, room.len(), &mut from))) {
        // At most `len`, the length of a slot, which fits in an `int`.
        Ok(count) => count as c_int,
        Err(error) => {
            filling.blocked = Some(segment);
            error.to_errno()
        }
    }
}
