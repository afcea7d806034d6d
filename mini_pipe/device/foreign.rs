// SPDX-License-Identifier: GPL-2.0

//! Splice between a mini_pipe and a file that is no pipe. The file gets pages of the call's own,
//! and the bytes are copied into them, or out of them. Pages of the ring would not do: a file may
//! use its pages after the call has ended, as NFS does when a SIGKILL ends direct I/O. The bytes,
//! or the room for them, are reserved meanwhile. So a slow file keeps other readers, or other
//! writers, of the mini_pipe waiting, and nobody else.

use crate::{
    pipe::transfer::Side,
    ring::{
        dir::Direction,
        reservation::{
            ReadReservation,
            Reservation,
            WriteReservation, //
        }, //
    },
    sys::{
        headers::{
            FMODE_PREAD,
            FMODE_PWRITE,
            FMODE_READ,
            FMODE_WRITE,
            RWF_NOWAIT, //
        },
        page::{
            copy_part,
            Page, //
        }, //
    }, //
};
use core::mem::MaybeUninit;
use kernel::{
    bindings,
    error::to_result,
    fs::{
        file::flags::O_APPEND,
        File, //
    },
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

/// At most this many pages are read or written at once.
const MAX_PAGES: usize = 16;

/// A file that is no pipe, and where in it a splice begins.
pub(crate) struct Foreign<'a> {
    file: &'a File,
    /// The address of the offset in user memory, or 0: then the file's own position is used.
    address: u64,
    /// How far in the file the splice has come.
    position: bindings::loff_t,
}

impl<'a> Foreign<'a> {
    /// A splice with `file`, which is not of mini_pipe.
    ///
    /// # Errors
    ///
    /// `EINVAL` if it is a pipe(2) or a FIFO, which splice(2) itself serves.
    pub(crate) fn new(file: &'a File, address: u64) -> Result<Self> {
        if file_type(file) == bindings::S_IFIFO {
            return Err(EINVAL);
        }
        Ok(Self {
            file,
            address,
            position: 0,
        })
    }

    /// Moves at most `most` bytes from a mini_pipe to the file: `do_splice_from()`.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// Those of splice(2), only if no byte was moved.
    pub(crate) fn write_from(&mut self, from: Side<'_>, most: usize) -> Result<usize> {
        // SAFETY: An open file has operations, which stay the same.
        let can_splice = unsafe { (*(*self.file.as_ptr()).f_op).splice_write }.is_some();
        self.position = self.begin(FMODE_WRITE, FMODE_PWRITE, most)?;
        if !can_splice || self.file.flags() & O_APPEND != 0 {
            return Err(EINVAL);
        }
        from.drain(most, |bytes| {
            let mut pages = Vector::new(bytes)?;
            pages.copy_from_ring(bytes);
            // SAFETY: The file is open, and has the pages for itself.
            count(unsafe {
                bindings::vfs_iter_write(
                    self.file.as_ptr(),
                    pages.iter(bindings::ITER_SOURCE),
                    &raw mut self.position,
                    0,
                )
            })
        })
    }

    /// Moves at most `most` bytes from the file to a mini_pipe, with one read, as
    /// `splice_file_to_pipe()` does.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// Those of splice(2), only if no byte was moved.
    pub(crate) fn read_into(&mut self, to: Side<'_>, most: usize) -> Result<usize> {
        // SAFETY: An open file has operations, which stay the same.
        let can_splice = unsafe { (*(*self.file.as_ptr()).f_op).splice_read }.is_some();
        self.position = self.begin(FMODE_READ, FMODE_PREAD, most)?;
        if !can_splice {
            return Err(EINVAL);
        }
        let nowait = if to.call.is_nonblocking() && file_type(self.file) == bindings::S_IFSOCK {
            RWF_NOWAIT
        } else {
            0
        };
        to.with_packets(false).give(most, |room| {
            let mut pages = Vector::new(room)?;
            // SAFETY: The file is open, and has the pages for itself.
            let read = count(unsafe {
                bindings::vfs_iter_read(
                    self.file.as_ptr(),
                    pages.iter(bindings::ITER_DEST),
                    &raw mut self.position,
                    nowait,
                )
            })?;
            pages.copy_to_ring(room, read);
            Ok(read)
        })
    }

    /// Where a splice of `most` bytes begins in the file, which must have `mode`; and `seekable` if
    /// the caller gave an offset.
    fn begin(&self, mode: u32, seekable: u32, most: usize) -> Result<bindings::loff_t> {
        let given = match self.address {
            0 => None,
            _ => Some(self.user_offset().reader().read()?),
        };
        // SAFETY: The mode of an open file stays the same. The position may change at any time, as
        // in `do_splice()`.
        let (has, position) = unsafe {
            let file = self.file.as_ptr();
            ((*file).f_mode, (&raw const (*file).f_pos).read_volatile())
        };
        if has & mode == 0 {
            return Err(EBADF);
        }
        if given.is_some() && has & seekable == 0 {
            return Err(EINVAL);
        }
        let position = given.unwrap_or(position);
        // As `rw_verify_area()` does, but before the splice waits in the mini_pipe.
        if position < 0 || position.checked_add(most as bindings::loff_t).is_none() {
            return Err(EINVAL);
        }
        Ok(position)
    }

    /// Stores where the splice ended, unless it failed. Returns `moved`.
    ///
    /// # Errors
    ///
    /// `EFAULT` if the offset cannot be written, though bytes were moved.
    pub(crate) fn end(&self, moved: Result<usize>) -> Result<usize> {
        let moved = moved?;
        if self.address != 0 {
            self.user_offset().writer().write(&self.position)?;
        } else {
            // SAFETY: As `do_splice()` does: two calls at once may overwrite each other's position.
            unsafe { (&raw mut (*self.file.as_ptr()).f_pos).write_volatile(self.position) };
        }
        Ok(moved)
    }

    /// The offset of the caller.
    fn user_offset(&self) -> UserSlice {
        // The module is for 64-bit kernels only, as the layouts in `sys::headers` are: nothing is
        // lost here.
        let address = UserPtr::from_addr(self.address as usize);
        UserSlice::new(address, size_of::<bindings::loff_t>())
    }
}

/// Pages for the first bytes of a reservation. Each byte has the same offset in its page here as in
/// its page of the ring.
struct Vector {
    pages: [Option<Page>; MAX_PAGES],
    parts: [bindings::bio_vec; MAX_PAGES],
    count: usize,
    len: usize,
    iter: MaybeUninit<bindings::iov_iter>,
}

impl Vector {
    /// # Errors
    ///
    /// `ENOMEM` if there is no page at all. With too few pages, this is for fewer bytes.
    fn new<D: Direction>(reservation: &Reservation<D>) -> Result<Self> {
        let mut vector = Self {
            pages: [const { None }; MAX_PAGES],
            parts: [bindings::bio_vec::default(); MAX_PAGES],
            count: 0,
            len: 0,
            iter: MaybeUninit::uninit(),
        };
        for (own, slot) in vector.pages.iter_mut().zip(&mut vector.parts) {
            let Some(part) = reservation.part(vector.len) else {
                break;
            };
            let Ok(page) = Page::new() else {
                break;
            };
            *slot = bindings::bio_vec {
                bv_page: page.as_ptr(),
                // Both are at most a page.
                bv_len: part.len as c_uint,
                bv_offset: part.offset as c_uint,
            };
            *own = Some(page);
            vector.count += 1;
            vector.len += part.len;
        }
        if vector.count == 0 {
            return Err(ENOMEM);
        }
        Ok(vector)
    }

    /// Copies the reserved bytes into the pages.
    fn copy_from_ring(&self, bytes: &ReadReservation) {
        let mut done = 0;
        for page in self.pages.iter().flatten() {
            if let Some(part) = bytes.part(done) {
                // SAFETY: The part lies in both pages. Nobody writes to reserved bytes, and nobody
                // else uses this page yet.
                unsafe { copy_part(part.page, part.offset, page, part.offset, part.len) };
                done += part.len;
            }
        }
    }

    /// Copies the first `len` bytes of the pages into the reserved room.
    fn copy_to_ring(&self, room: &WriteReservation, len: usize) {
        let mut done = 0;
        for page in self.pages.iter().flatten() {
            let Some(part) = room.part(done).filter(|_| done < len) else {
                break;
            };
            let count = part.len.min(len - done);
            // SAFETY: The part lies in both pages. Nobody else uses reserved room. A file system
            // that still writes to this page does not write to bytes that the read has counted.
            unsafe { copy_part(page, part.offset, part.page, part.offset, count) };
            done += count;
        }
    }

    /// An iterator for all bytes of the pages: a source, or a destination. It is valid as long as
    /// this is.
    fn iter(&mut self, direction: c_uint) -> *mut bindings::iov_iter {
        // SAFETY: This initializes the iterator.
        unsafe {
            bindings::iov_iter_bvec(
                self.iter.as_mut_ptr(),
                direction,
                self.parts.as_ptr(),
                self.count as c_ulong,
                self.len,
            )
        };
        self.iter.as_mut_ptr()
    }
}

/// The type of an open file, as in `i_mode`: `S_IF*`.
fn file_type(file: &File) -> u32 {
    // SAFETY: An open file has an inode, whose type stays the same.
    let mode = unsafe { (*(*file.as_ptr()).f_inode).i_mode };
    u32::from(mode) & bindings::S_IFMT
}

/// What the kernel has returned: a count, or an errno.
fn count(returned: isize) -> Result<usize> {
    to_result(returned.min(0) as c_int)?;
    Ok(returned as usize)
}
