// SPDX-License-Identifier: GPL-2.0

//! The ioctls for what splice(2) and tee(2) do not do: splice(2) needs a pipe(2) at one side,
//! tee(2) at both, and a mini_pipe does not count as one.

use crate::{
    device::{
        file::{
            pipe_file,
            PipeFile, //
        },
        foreign::Foreign,
        uapi::Splice, //
    },
    pipe::transfer::Side,
    ring::dir::Dir,
    sys::{
        fsnotify,
        headers::{
            SPLICE_F_GIFT,
            SPLICE_F_MORE,
            SPLICE_F_MOVE,
            SPLICE_F_NONBLOCK, //
        }, //
    }, //
};
use core::ptr;
use kernel::{
    fs::{
        File,
        LocalFile, //
    },
    page::PAGE_SIZE,
    prelude::*,
    sync::aref::ARef, //
};

/// No call moves more bytes than this: `MAX_RW_COUNT`. An ioctl returns an `int`.
pub(crate) const MOST: usize = i32::MAX as usize & !(PAGE_SIZE - 1);

const ALL_FLAGS: u32 = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT;

/// Serves `MINI_PIPE_IOC_SPLICE_TO`; and `MINI_PIPE_IOC_TEE_TO`, if the bytes are to be kept.
///
/// Context: process context; may sleep.
///
/// # Errors
///
/// As the header documents them.
pub(crate) fn splice_to(me: &PipeFile, file: &File, request: &Splice, keep: bool) -> Result<usize> {
    if keep {
        // tee(2), unlike splice(2), looks at the flags first.
        check_flags(request.flags)?;
    }
    let Some((len, other)) = open_request(request)? else {
        return Ok(0);
    };
    if let Some(to) = pipe_file(&other) {
        return splice((me, file), (to, &other), request, len, keep);
    }
    if keep {
        return Err(EINVAL);
    }
    let mut to = Foreign::new(&other, request.offset)?;
    if !me.end.is(Dir::Read) {
        return Err(EBADF);
    }
    let moved = to.write_from(me.side(file, request.flags), len);
    me.report_read(file, len, moved);
    to.end(moved)
}

/// Serves `MINI_PIPE_IOC_SPLICE_FROM`.
///
/// Context: process context; may sleep.
///
/// # Errors
///
/// As the header documents them.
pub(crate) fn splice_from(me: &PipeFile, file: &File, request: &Splice) -> Result<usize> {
    let Some((len, other)) = open_request(request)? else {
        return Ok(0);
    };
    if let Some(from) = pipe_file(&other) {
        return splice((from, &other), (me, file), request, len, false);
    }
    let mut from = Foreign::new(&other, request.offset)?;
    if !me.end.is(Dir::Write) {
        return Err(EBADF);
    }
    let moved = from.read_into(me.side(file, request.flags), len);
    me.report_write(file, len, moved);
    from.end(moved)
}

/// Refuses flags that splice(2) does not know.
pub(crate) fn check_flags(flags: u32) -> Result {
    if flags & !ALL_FLAGS == 0 {
        Ok(())
    } else {
        Err(EINVAL)
    }
}

/// What a request asks for: how many bytes, and the other file. [`None`] if it asks for nothing.
fn open_request(request: &Splice) -> Result<Option<(usize, ARef<File>)>> {
    let len = usize::try_from(request.len).map_or(MOST, |len| len.min(MOST));
    if len == 0 {
        return Ok(None);
    }
    check_flags(request.flags)?;
    let fd = u32::try_from(request.fd).map_err(|_| EBADF)?;
    let other = LocalFile::fget(fd)?;
    // SAFETY: This is an ioctl, which does not lock the position of a file.
    let other = unsafe { LocalFile::assume_no_fdget_pos(other) };
    Ok(Some((len, other)))
}

/// Splices from one pipe to another.
fn splice(
    (from, from_file): (&PipeFile, &File),
    (to, to_file): (&PipeFile, &File),
    request: &Splice,
    len: usize,
    keep: bool,
) -> Result<usize> {
    if request.offset != 0 {
        return Err(ESPIPE);
    }
    if !from.end.is(Dir::Read) || !to.end.is(Dir::Write) {
        return Err(EBADF);
    }
    if ptr::eq(&raw const *from.pipe, &raw const *to.pipe) {
        return Err(EINVAL);
    }
    let mut flags = request.flags;
    let sides = |flags: u32| (from.side(from_file, flags), to.side(to_file, flags));
    let (source, dest) = sides(flags);
    if source.call.is_nonblocking() || dest.call.is_nonblocking() {
        // One of the two is enough.
        flags |= SPLICE_F_NONBLOCK;
    }
    let (source, dest): (Side<'_>, Side<'_>) = sides(flags);
    let moved = source.splice_to(dest, len, keep);
    if !keep {
        from.report_read(from_file, len, moved);
    } else if moved.is_ok_and(|moved| moved > 0) {
        // tee(2) is no read, but inotify hears of it.
        fsnotify::access(from_file);
    }
    to.report_write(to_file, len, moved);
    moved
}
