// SPDX-License-Identifier: GPL-2.0

//! How the ring of a private pipe gets pages, and gives them back.
//!
//! A new ring has no pages. Before a write, its caller gives the ring the pages that the bytes
//! need: see [`Ring::reuse_pages`] and [`Ring::add_pages`]. A ring that has become empty gives back
//! all but [`KEPT`]: see [`Ring::take_surplus`]. The caller allocates and frees the pages without
//! the lock.
//!
//! If there is no memory for pages, a write goes on with the room that has some: see
//! [`Ring::backed`].

use crate::{
    ring::{
        dir::Dir,
        indices::Span,
        Ring, //
    },
    sys::page::{
        self,
        Page, //
    }, //
};
use kernel::page::PAGE_SIZE;

/// How many pages an empty ring keeps.
pub(crate) const KEPT: usize = 2;

/// At most this many pages are added or taken at once: as many as a pipe has by default.
pub(crate) const BATCH: usize = 16;

/// At most this many cells are visited in one go, while the lock is held.
const MOST_VISITED: usize = 128;

/// Some pages, on the stack.
pub(crate) struct Batch {
    pages: [Option<Page>; BATCH],
    /// How many pages were added.
    added: usize,
    /// How many pages [`Batch::pop`] has taken, from the front.
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

    /// Allocates `count` pages, at most [`BATCH`], in large blocks if there are some. They are
    /// charged to the current task's memory cgroup. Returns whether there was memory for all of
    /// them. If there was memory for fewer than `least`, waits for the rest of these: the OOM
    /// killer may be called.
    ///
    /// Context: process context; may sleep.
    pub(crate) fn allocate(&mut self, count: usize, least: usize) -> bool {
        let mut largest = count.ilog2();
        while self.added < count {
            let order = largest.min((count - self.added).ilog2());
            if page::allocate_block(order, true, |page| self.push(page)) {
                self.order = self.order.max(order);
            } else if order > 0 {
                // Half the order, not one less: few attempts matter more than the largest block.
                largest = order / 2;
            } else {
                break;
            }
        }
        let enough = self.added == count;
        while self.added < least {
            if let Some(page) = Page::wait_for_new() {
                self.push(page);
            }
        }
        enough
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
    /// Moves unused pages into the empty cells that a write of `len` bytes will use; of a long
    /// write, into those of its first [`BATCH`] pages. Returns how many pages are still missing
    /// there. If a page is missing, and the write reaches all cells of an empty ring of at most
    /// [`BATCH`] pages, moves none, and returns the number of cells: they are to get a new block.
    /// Does nothing and returns 0 if a writer has a reservation.
    pub(crate) fn reuse_pages(&mut self, len: usize) -> usize {
        if self.storage.has_all_pages() || self.indices.is_reserved(Dir::Write) {
            return 0;
        }
        let room = self.indices.room().first(len.min(BATCH * PAGE_SIZE));
        let (mut count, mut missing) = (0, 0);
        for piece in room.pieces(PAGE_SIZE) {
            count += 1;
            missing += usize::from(!self.has_page(piece.index));
        }
        // An empty ring all of whose cells are needed gets all pages anew, perhaps as a block.
        let all = self.storage.pages.len();
        if missing > 0 && count == all && all <= BATCH && self.indices.is_idle() {
            return all;
        }
        if missing > 0 {
            missing -= self.move_unused(room, missing);
        }
        missing.min(BATCH)
    }

    /// Moves unused pages, from cells that have neither bytes nor a part of `room`, to the empty
    /// cells of `room`, of which there are `missing`. Returns how many were moved: at most
    /// [`BATCH`]. No writer may have a reservation.
    fn move_unused(&mut self, room: Span, missing: usize) -> usize {
        let contents = self.indices.contents();
        let begin = contents.start - contents.start % PAGE_SIZE;
        let all_cells = self.storage.pages.len();
        // The cells of the bytes and of the room, which begin with the cell of the oldest byte.
        let used_len = contents.start % PAGE_SIZE + contents.len + room.len;
        let used_cells = used_len.div_ceil(PAGE_SIZE);
        // All but `missing` of these cells have pages. The other pages of the ring are unused. If
        // the room ends in the cell of the oldest byte, that cell is counted twice here. Then the
        // bytes and the room touch all cells, and no page is unused.
        let unused_pages = (self.storage.filled + missing).saturating_sub(used_cells);
        let reused = unused_pages.min(missing).min(BATCH);
        if reused == 0 {
            return 0;
        }
        let mut batch = Batch::new();
        // Backwards from the cell before the oldest byte: those pages were read last, and are still
        // in the cache.
        for nth in (used_cells..all_cells).rev().take(MOST_VISITED) {
            if batch.added == reused {
                break;
            }
            // SAFETY: The caller owns the ring, and no reservation has a cell outside of the bytes
            // in the ring.
            let page = unsafe { self.storage.take(begin.wrapping_add(nth * PAGE_SIZE)) };
            if let Some(page) = page {
                batch.push(page);
            }
        }
        self.fill_room(&mut batch);
        batch.taken
    }

    /// Puts the pages of `batch` into the first empty cells for room.
    ///
    /// If the batch is a block with a page for each cell, and the ring is empty, the block takes
    /// the place of all old pages, which go into the batch. Copies within a block are faster.
    ///
    /// Returns whether pages are left in the batch, for the caller to drop without the lock.
    pub(crate) fn add_pages(&mut self, batch: &mut Batch) -> bool {
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
        are_left
    }

    /// If the ring is empty, moves an unused page to where the first byte will be, as
    /// [`Ring::reuse_pages`] does. Returns for how many pages a write must wait: 1 if the ring is
    /// empty and still has no page there; else 0.
    pub(crate) fn reuse_first_page(&mut self) -> usize {
        if !self.indices.is_empty() || self.backed(1) > 0 {
            0
        } else if self.storage.filled == 0 {
            1
        } else {
            self.reuse_pages(1)
        }
    }

    /// Puts the pages of `batch` into the first empty cells for room.
    fn fill_room(&mut self, batch: &mut Batch) {
        for piece in self.indices.room().pieces(PAGE_SIZE).take(MOST_VISITED) {
            if self.has_page(piece.index) {
                continue;
            }
            let Some(page) = batch.pop() else {
                break;
            };
            // SAFETY: The caller owns the ring, and no reservation has an empty cell.
            unsafe { self.storage.put(piece.index, page) };
            // The page is not contiguous with the others.
            self.storage.contig_len = PAGE_SIZE;
        }
    }

    /// How many of the next `most` bytes can be written into cells that have pages. If all cells
    /// have pages, that is `most`, also if there is less room. Looks only at the next
    /// [`MOST_VISITED`] pages.
    #[inline(always)]
    pub(crate) fn backed(&self, most: usize) -> usize {
        if self.storage.has_all_pages() {
            return most;
        }
        let most = most.min(MOST_VISITED * PAGE_SIZE);
        let room = self.indices.room().first(most);
        room.pieces(PAGE_SIZE)
            .take_while(|piece| self.has_page(piece.index))
            .map(|piece| piece.len)
            .sum()
    }

    /// Whether the ring is empty, and has pages to give back.
    pub(crate) fn has_surplus(&self) -> bool {
        self.storage.growing_pages() > KEPT && self.indices.is_idle()
    }

    /// Whether a read of the oldest bytes, `span`, leaves the ring empty, and with pages to give
    /// back. Then the read needs a reservation: its commit may give the pages back.
    #[inline(always)]
    pub(in crate::ring) fn read_leaves_surplus(&self, span: Span) -> bool {
        self.storage.growing_pages() > KEPT && span.len == self.indices.readable()
    }

    /// If the ring is empty and without reservations, moves the pages that it does not need into
    /// `batch`, for the caller to drop. Returns whether there are more.
    pub(crate) fn take_surplus(&mut self, batch: &mut Batch) -> bool {
        let end = self.storage.end;
        while self.has_surplus() && batch.added < BATCH && end - self.storage.end < MOST_VISITED {
            // SAFETY: The caller owns the ring, which has no bytes and no reservations: nobody else
            // uses its cells.
            if let Some(page) = unsafe { self.storage.take_last() } {
                batch.push(page);
            }
        }
        self.has_surplus()
    }

    fn has_page(&self, index: usize) -> bool {
        // SAFETY: The caller owns the ring, so nobody writes to the cell.
        unsafe { self.storage.pages.page(index) }.is_some()
    }
}
