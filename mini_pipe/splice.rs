// SPDX-License-Identifier: GPL-2.0

//! `splice(2)` from a mini_pipe into a `pipe(2)`: whole pages go as they are, parts are copied.

use crate::{
    headers::{
        nosteal_pipe_buf_ops,
        pipe_lock,
        pipe_unlock,
        splice_to_pipe,
        PartialPage,
        SplicePipeDesc, //
    },
    pages::{
        copy_part,
        Page, //
    },
    ring::ReadReservation, //
};
use kernel::{
    bindings,
    error::to_result,
    page::PAGE_SIZE,
    prelude::*, //
};

/// At most so many pages go at once: as many as a `pipe(2)` holds unless it is told otherwise.
const MOST: usize = 16;

/// A `pipe(2)` that pages go into.
///
/// # Invariants
///
/// It is valid, and the caller holds its lock.
pub(crate) struct DestPipe(*mut bindings::pipe_inode_info);

impl DestPipe {
    /// # Safety
    ///
    /// `pipe` must be valid, and locked by the caller, for as long as the result is used.
    pub(crate) unsafe fn from_raw(pipe: *mut bindings::pipe_inode_info) -> Self {
        // INVARIANT: By the safety requirements.
        Self(pipe)
    }

    /// Does `work` with the pipe unlocked, for whoever else has something to do there.
    pub(crate) fn unlocked<T>(&mut self, work: impl FnOnce() -> T) -> T {
        // SAFETY: By the type invariants, the pipe is valid and the caller holds its lock; it does
        // again when this is over.
        unsafe { pipe_unlock(self.0) };
        let result = work();
        // SAFETY: As above.
        unsafe { pipe_lock(self.0) };
        result
    }

    /// Moves leased bytes, from the first on, into the pipe, as many as it has room for. Whole
    /// pages are in both rings then; `fresh` gets one for each, which the lease's ring is to have
    /// instead. A packet goes as a whole. Returns how many bytes it took. May sleep.
    ///
    /// # Errors
    ///
    /// - `EPIPE`: nobody reads from the pipe; the caller gets `SIGPIPE`.
    /// - `EAGAIN`: it has no room.
    /// - `ENOMEM`.
    pub(crate) fn splice_to(
        &mut self,
        reservation: &ReadReservation,
        fresh: &mut KVec<Page>,
    ) -> Result<usize> {
        let mut batch = SpliceBatch::default();
        fresh.reserve(MOST, GFP_KERNEL)?;
        if reservation.is_packet() {
            batch.add_packet(reservation)?;
        } else {
            reservation.for_each_piece(|page, offset, len| {
                let added = if batch.count == MOST {
                    Err(EAGAIN)
                } else if len == PAGE_SIZE {
                    batch.add_whole(page, fresh)
                } else {
                    batch.add_copy(page, offset, len)
                };
                added.map_or(0, |()| len)
            });
        }
        batch.send(self)
    }
}

/// Pages on their way.
struct SpliceBatch {
    /// Each of the first `count` is a reference.
    pages: [*mut bindings::page; MOST],
    partial: [PartialPage; MOST],
    count: usize,
}

impl Default for SpliceBatch {
    fn default() -> Self {
        const NOTHING: PartialPage = PartialPage {
            offset: 0,
            len: 0,
            private: 0,
        };
        Self {
            pages: [core::ptr::null_mut(); MOST],
            partial: [NOTHING; MOST],
            count: 0,
        }
    }
}

impl SpliceBatch {
    /// Adds a page that stays where it is, too, until `fresh` takes its place.
    fn add_whole(&mut self, page: &Page, fresh: &mut KVec<Page>) -> Result {
        fresh.push(Page::new(true)?, GFP_KERNEL)?;
        self.add(page.share(), 0, PAGE_SIZE);
        Ok(())
    }

    /// Adds a copy of a part of a page.
    fn add_copy(&mut self, page: &Page, offset: usize, len: usize) -> Result {
        let copy = Page::new(true)?;
        // SAFETY: A piece of a lease lies in its page, nobody writes to leased bytes, and nobody
        // knows of the copy yet.
        unsafe { copy_part(page, offset, &copy, offset, len) };
        self.add(copy, offset, len);
        Ok(())
    }

    /// Adds a copy of a packet, as one.
    fn add_packet(&mut self, reservation: &ReadReservation) -> Result {
        let copy = Page::new(true)?;
        let mut done = 0;
        reservation.for_each_piece(|page, offset, len| {
            if len > PAGE_SIZE - done {
                return 0;
            }
            // SAFETY: As in `add_copy`; there is room for it.
            unsafe { copy_part(page, offset, &copy, done, len) };
            done += len;
            len
        });
        self.add(copy, 0, done);
        Ok(())
    }

    fn add(&mut self, page: Page, offset: usize, len: usize) {
        if let (Some(slot), Some(partial)) = (
            self.pages.get_mut(self.count),
            self.partial.get_mut(self.count),
        ) {
            *slot = page.into_raw();
            // Both are at most a page.
            partial.offset = offset as c_uint;
            partial.len = len as c_uint;
            self.count += 1;
        }
    }

    /// Hands them over; those that the target does not take are released.
    fn send(mut self, target: &mut DestPipe) -> Result<usize> {
        if self.count == 0 {
            return Err(ENOMEM);
        }
        let mut spd = SplicePipeDesc {
            pages: self.pages.as_mut_ptr(),
            partial: self.partial.as_mut_ptr(),
            nr_pages: self.count as c_int,
            nr_pages_max: MOST as c_uint,
            ops: &raw const nosteal_pipe_buf_ops,
            spd_release: release,
        };
        // SAFETY: By the type invariants of `DestPipe`, its pipe is valid and locked. `spd` describes
        // `count` pages, a reference to each of which goes over to the pipe or to `release`.
        let taken = unsafe { splice_to_pipe(target.0, &raw mut spd) };
        to_result(taken.min(0) as c_int)?;
        Ok(taken as usize)
    }
}

/// `splice_pipe_desc.spd_release`: the pipe does not take the page at `index`.
///
/// Context: process context, from `splice_to_pipe()`, with the mutex of that pipe held; may sleep.
///
/// # Safety
///
/// `spd` must be that of [`SpliceBatch::send`], and `index` less than its count of pages; called once
/// for each.
unsafe extern "C" fn release(spd: *mut SplicePipeDesc, index: c_uint) {
    // SAFETY: By the safety requirements, this is a reference that nobody else has or uses.
    unsafe { bindings::__free_pages(*(*spd).pages.add(index as usize), 0) };
}
