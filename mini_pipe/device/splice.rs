// SPDX-License-Identifier: GPL-2.0

//! splice(2) into a pipe(2): shares whole pages with the pipe(2), and copies parts of pages, and
//! packets.

use crate::{
    pipe::splice::SpliceDest,
    ring::reservation::ReadReservation,
    sys::{
        headers::{
            nosteal_pipe_buf_ops,
            partial_page,
            pipe_lock,
            pipe_unlock,
            splice_pipe_desc,
            splice_to_pipe, //
        },
        page::{
            copy_part,
            Page, //
        }, //
    }, //
};
use core::ptr;
use kernel::{
    bindings,
    error::to_result,
    page::PAGE_SIZE,
    prelude::*, //
};

/// The most pages of one batch: as many as a pipe(2) has by default.
const MAX_PAGES: usize = 16;

/// A pipe(2) that bytes are spliced to.
///
/// # Invariants
///
/// The pipe is valid. The caller holds its lock, except between `unlock` and `lock`.
pub(crate) struct DestPipe(*mut bindings::pipe_inode_info);

impl DestPipe {
    /// # Safety
    ///
    /// `pipe` must be valid, and locked by the caller, for as long as the result is used.
    pub(crate) unsafe fn from_raw(pipe: *mut bindings::pipe_inode_info) -> Self {
        // INVARIANT: By the safety requirements.
        Self(pipe)
    }
}

impl SpliceDest for DestPipe {
    fn unlock(&mut self) {
        // SAFETY: The pipe is valid and locked by the caller, by the type invariants.
        unsafe { pipe_unlock(self.0) };
    }

    fn lock(&mut self) {
        // SAFETY: The pipe is valid by the type invariants. The caller held its lock before
        // `unlock`, so this is the same order of locks.
        unsafe { pipe_lock(self.0) };
    }

    fn receive(&mut self, reservation: &ReadReservation, fresh: &mut KVec<Page>) -> Result<usize> {
        let mut batch = SpliceBatch::default();
        fresh.reserve(MAX_PAGES, GFP_KERNEL)?;
        if reservation.is_packet() {
            batch.add_packet(reservation)?;
        } else {
            batch.add_parts(reservation, fresh);
        }
        batch.send(self)
    }
}

/// Pages to be added to a pipe(2).
struct SpliceBatch {
    /// The first `count` are references that the batch owns.
    pages: [*mut bindings::page; MAX_PAGES],
    partial: [partial_page; MAX_PAGES],
    count: usize,
}

impl Default for SpliceBatch {
    fn default() -> Self {
        const NOTHING: partial_page = partial_page {
            offset: 0,
            len: 0,
            private: 0,
        };
        Self {
            pages: [ptr::null_mut(); MAX_PAGES],
            partial: [NOTHING; MAX_PAGES],
            count: 0,
        }
    }
}

impl SpliceBatch {
    /// Adds reserved bytes until the batch is full or memory is short.
    fn add_parts(&mut self, reservation: &ReadReservation, fresh: &mut KVec<Page>) {
        for (page, offset, len) in reservation.parts() {
            let added = if len == PAGE_SIZE {
                self.add_whole(page, fresh)
            } else {
                self.add_copy(page, offset, len)
            };
            if added.is_err() || self.count == MAX_PAGES {
                break;
            }
        }
    }

    /// Adds a whole page. The ring shares it until the commit replaces it by the new page in
    /// `fresh`.
    fn add_whole(&mut self, page: &Page, fresh: &mut KVec<Page>) -> Result {
        fresh.push(Page::new()?, GFP_KERNEL)?;
        self.add(page.share(), 0, PAGE_SIZE);
        Ok(())
    }

    /// Adds a copy of a part of a page.
    fn add_copy(&mut self, page: &Page, offset: usize, len: usize) -> Result {
        let copy = Page::new()?;
        // SAFETY: The part lies in its page. Nobody writes to reserved bytes, and nobody else uses
        // the copy yet.
        unsafe { copy_part(page, offset, &copy, offset, len) };
        self.add(copy, offset, len);
        Ok(())
    }

    /// Adds a copy of a packet, which is at most a page, as one buffer.
    fn add_packet(&mut self, reservation: &ReadReservation) -> Result {
        let copy = Page::new()?;
        let mut done = 0;
        for (page, offset, len) in reservation.parts() {
            if len > PAGE_SIZE - done {
                break;
            }
            // SAFETY: The part lies in its page, and there is room for it in the copy. Nobody
            // writes to reserved bytes, and nobody else uses the copy yet.
            unsafe { copy_part(page, offset, &copy, done, len) };
            done += len;
        }
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

    /// Adds the pages to the pipe, and releases those that it has no room for. Returns how many
    /// bytes were added.
    fn send(mut self, dest: &mut DestPipe) -> Result<usize> {
        if self.count == 0 {
            return Err(ENOMEM);
        }
        let mut spd = splice_pipe_desc {
            pages: self.pages.as_mut_ptr(),
            partial: self.partial.as_mut_ptr(),
            nr_pages: self.count as c_int,
            nr_pages_max: MAX_PAGES as c_uint,
            ops: &raw const nosteal_pipe_buf_ops,
            spd_release: release,
        };
        // SAFETY: The pipe is valid and locked, by the type invariants of `DestPipe`. `spd`
        // describes `count` pages. Each reference is handed over, to the pipe or to `release`.
        let added = unsafe { splice_to_pipe(dest.0, &raw mut spd) };
        to_result(added.min(0) as c_int)?;
        Ok(added as usize)
    }
}

/// `splice_pipe_desc.spd_release`: the pipe has not taken the page at `index`.
///
/// Context: process context, from `splice_to_pipe()`, with the mutex of the pipe(2) held; may
/// sleep.
///
/// # Safety
///
/// `spd` must be the one of [`SpliceBatch::send`], and `index` less than its count of pages. Called
/// at most once for each index.
unsafe extern "C" fn release(spd: *mut splice_pipe_desc, index: c_uint) {
    // SAFETY: By the safety requirements, nobody else has or uses this reference.
    unsafe { bindings::__free_pages(*(*spd).pages.add(index as usize), 0) };
}
