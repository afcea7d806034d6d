// SPDX-License-Identifier: GPL-2.0

//! How the ring of a private pipe gets pages, and gives them back.
//!
//! A new ring has no pages. A write first gives the ring the pages that its bytes need: see
//! [`Ring::missing`] and [`Ring::add_pages`]. A ring that has become empty gives back all but
//! [`KEPT`]: see [`Ring::take_surplus`]. The caller allocates and frees the pages without the lock.

use crate::{
    ring::{
        dir::Dir,
        indices::Span,
        Ring, //
    },
    sys::{
        page::{
            self,
            Page, //
        },
        task, //
    }, //
};
use kernel::page::PAGE_SIZE;

/// How many pages an empty ring keeps.
const KEPT: usize = 2;

/// At most so many pages are added or taken at once: 64 KiB.
const BATCH: usize = 16;

/// Some pages, on the stack.
pub(crate) struct Batch {
    pages: [Option<Page>; BATCH],
    /// How many pages were added.
    added: usize,
    /// How many of the first ones were taken in turn.
    taken: usize,
    /// The order of the largest block that was allocated.
    order: u32,
}

impl Batch {
    /// No pages.
    pub(crate) const fn new() -> Self {
        Self {
            pages: [const { None }; BATCH],
            added: 0,
            taken: 0,
            order: 0,
        }
    }

    /// Allocates `count` pages, or [`BATCH`] if that is less, in blocks as large as there are. They
    /// are charged to the current task's memory cgroup. Returns false if there was no memory for all
    /// of them, or if a SIGKILL is pending. If there was none for `least`, waits until there is: the
    /// OOM killer may be called.
    ///
    /// Context: process context; may sleep.
    pub(crate) fn allocate(&mut self, count: usize, least: usize) -> bool {
        let count = count.min(BATCH);
        let mut largest = count.ilog2();
        while self.added < count {
            let order = largest.min((count - self.added).ilog2());
            let killed = task::is_being_killed();
            if !killed && page::allocate_block(order, true, |page| self.push(page)) {
                self.order = self.order.max(order);
                continue;
            }
            if order == 0 || killed {
                break;
            }
            largest = order / 2;
        }
        while self.added < least {
            if let Some(page) = Page::wait_for_new() {
                self.push(page);
            }
        }
        self.added == count
    }

    /// Whether this is one block of `count` pages.
    fn is_block_of(&self, count: usize) -> bool {
        self.added == count && 1 << self.order == count
    }

    fn push(&mut self, page: Page) {
        if let Some(place) = self.pages.get_mut(self.added) {
            *place = Some(page);
            self.added += 1;
        }
    }

    /// Takes the first page.
    fn pop(&mut self) -> Option<Page> {
        let page = self.pages.get_mut(self.taken)?.take()?;
        self.taken += 1;
        Some(page)
    }
}

impl Ring {
    /// How many pages the ring needs before a write of `len` bytes has all the room that it could
    /// have. 0 if a writer has a reservation, or while memory is short.
    pub(crate) fn missing(&self, len: usize) -> usize {
        if self.storage.is_full() || self.is_short || self.indices.is_reserved(Dir::Write) {
            return 0;
        }
        let room = self.indices.room().first(len).pieces(PAGE_SIZE);
        let (mut count, mut missing) = (0, 0);
        for piece in room {
            count += 1;
            missing += usize::from(!self.has_page(piece.index));
        }
        // An empty ring that is to be filled gets all pages anew, perhaps as a block.
        let all = self.storage.pages.len();
        if missing > 0 && count == all && all <= BATCH && self.indices.is_idle() {
            return all;
        }
        missing
    }

    /// Puts the pages of `batch` into the first empty cells for room. Without `enough` of them, the
    /// ring goes on with the room that has pages.
    ///
    /// If the batch is a block with a page for each cell, and the ring is empty, the block takes the
    /// place of all pages; those are in the batch then. Copies within a block are faster.
    ///
    /// Returns whether pages are left in the batch, for the caller to drop without the lock.
    pub(crate) fn add_pages(&mut self, batch: &mut Batch, enough: bool) -> bool {
        let mut are_left = false;
        let all = self.storage.pages.len();
        if batch.is_block_of(all) && self.indices.is_idle() {
            for (nth, page) in batch.pages.iter_mut().enumerate().take(all) {
                if let Some(new) = page.take() {
                    // SAFETY: The caller owns the ring, which has no bytes and no reservations:
                    // nobody else uses its cells.
                    *page = unsafe { self.storage.put(nth * PAGE_SIZE, new) };
                    are_left |= page.is_some();
                }
            }
            self.storage.contig_len = page::contig_len(batch.order);
        } else {
            self.fill_room(batch);
            are_left = batch.taken < batch.added;
        }
        // Without any room, a write must try again: no read will make some.
        self.set_short(!enough && !self.has_nothing());
        are_left
    }

    /// Whether the ring has no bytes, and no page for any.
    pub(crate) fn has_nothing(&self) -> bool {
        self.indices.is_empty() && self.backed(1) == 0
    }

    /// Puts the pages of `batch` into the first empty cells for room.
    fn fill_room(&mut self, batch: &mut Batch) {
        for piece in self.indices.room().pieces(PAGE_SIZE) {
            if self.has_page(piece.index) {
                continue;
            }
            let Some(page) = batch.pop() else {
                break;
            };
            // SAFETY: The caller owns the ring, and no reservation has an empty cell.
            unsafe { self.storage.put(piece.index, page) };
            // The new page is not contiguous with the others.
            self.storage.contig_len = PAGE_SIZE;
        }
    }

    /// For how many bytes, at most `most`, there is room that has pages.
    #[inline(always)]
    pub(in crate::ring) fn backed(&self, most: usize) -> usize {
        if self.storage.is_full() {
            return most;
        }
        let room = self.indices.room().first(most).pieces(PAGE_SIZE);
        room.take_while(|piece| self.has_page(piece.index))
            .map(|piece| piece.len)
            .sum()
    }

    /// Whether the ring is empty, and has pages to give back.
    pub(crate) fn has_surplus(&self) -> bool {
        self.storage.end > KEPT && self.indices.is_idle()
    }

    /// Moves pages that the ring does not need to `batch`, for the caller to drop, if the ring is
    /// empty and without reservations. Returns whether there are more.
    pub(crate) fn take_surplus(&mut self, batch: &mut Batch) -> bool {
        while self.has_surplus() && batch.added < BATCH {
            // SAFETY: The caller owns the ring, which has no bytes and no reservations: nobody else
            // uses its cells.
            if let Some(page) = unsafe { self.storage.take_last() } {
                batch.push(page);
            }
        }
        self.set_short(self.is_short);
        self.has_surplus()
    }

    /// Whether a read of the oldest bytes, `span`, needs a reservation, so that its commit does the
    /// rest: the read ends a shortage of memory, or empties a ring that has pages to give back.
    #[cold]
    pub(in crate::ring) fn needs_reservation(&self, span: Span) -> bool {
        self.is_short || span.len == self.indices.readable()
    }

    /// Memory is short, or no longer.
    pub(in crate::ring) fn set_short(&mut self, is_short: bool) {
        self.is_short = is_short;
        self.is_watched = is_short || self.storage.end > KEPT;
    }

    fn has_page(&self, index: usize) -> bool {
        // SAFETY: The caller owns the ring, so nobody writes to the cell.
        unsafe { self.storage.pages.page(index) }.is_some()
    }
}
