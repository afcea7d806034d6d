// SPDX-License-Identifier: GPL-2.0

//! The ring: bytes in pages. It knows no lock, no file and no waiting.
//!
//! # Reserve, copy, commit
//!
//! To *own* the ring is to have `&mut Ring`: in a pipe, to hold its mutex. Bytes move in one of
//! two ways:
//!
//! - The owner *reserves* bytes or room, drops the lock, copies to or from user memory, takes the
//!   lock again and *commits* what was copied. The copy may sleep. There is at most one
//!   reservation for each direction, so one read and one write may copy at the same time, but not
//!   two reads or two writes.
//! - The owner makes a short copy within one page at once, with page faults disabled:
//!   [`Ring::read_nofault`], [`Ring::write_nofault`]. If that copy would fault, the owner reserves
//!   instead.
//!
//! A *cell* is the place for one page of the ring. Cells of a private pipe can be empty. *Spare*
//! pages are in no cell yet.
//!
//! Packets need *slots*, like in a pipe(2): there is one slot for each cell. While packets take all
//! slots, nothing is writable.
//!
//! A resize, possible at any time, gives the ring another storage: see [`mod@migrate`]. Outstanding
//! reservations (not committed yet) keep the pages they were made for.
//!
//! Modules: `dir` (directions), [`indices`] (where the bytes are), [`packets`] (which of them are
//! packets), [`occupancy`], [`storage`] (pages), `array`, [`growth`] (pages come and go),
//! [`mod@migrate`] (resize), [`reservation`], [`user`] (user memory), [`transfer`] (splice, tee
//! and vmsplice).

mod array;
pub(crate) mod dir;
pub(crate) mod growth;
pub(crate) mod indices;
pub(crate) mod migrate;
pub(crate) mod occupancy;
pub(crate) mod packets;
pub(crate) mod reservation;
pub(crate) mod storage;
#[cfg(CONFIG_KUNIT)]
mod tests;
pub(crate) mod transfer;
pub(crate) mod user;

use crate::{
    ring::{
        dir::{
            Dir,
            Direction,
            PerDir,
            Reading,
            Writing, //
        },
        indices::{
            Indices,
            Span, //
        },
        migrate::{
            migrate,
            share, //
        },
        occupancy::Occupancy,
        reservation::{
            ReadReservation,
            Reservation,
            WriteReservation, //
        },
        storage::{
            Pages,
            Storage, //
        },
        user::UserMemory, //
    },
    sys::page::Page, //
};
use core::mem;
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};

/// A ring of bytes.
pub(crate) struct Ring {
    storage: Storage,
    indices: Indices,
    /// The pages of a reservation that was made before a resize, until it is committed.
    old_pages: PerDir<Option<Arc<Pages>>>,
    /// The old pages of the reservation that was committed last: see [`Ring::take_retired`].
    retired_pages: Option<Arc<Pages>>,
}

impl Ring {
    /// An empty ring.
    pub(crate) fn new(mut storage: Storage) -> Self {
        // SAFETY: Nobody else has the storage.
        unsafe { storage.fill() };
        Self {
            indices: Indices::new(storage.capacity),
            storage,
            old_pages: PerDir::default(),
            retired_pages: None,
        }
    }

    /// Where the bytes are.
    pub(crate) fn indices(&self) -> &Indices {
        &self.indices
    }

    /// The memory that has the bytes.
    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// How much can be moved now. Nothing is writable while packets take all slots.
    pub(crate) fn occupancy(&self) -> Occupancy {
        let full = self.storage.packets.is_full();
        Occupancy {
            readable: self.indices.readable(),
            writable: if full { 0 } else { self.indices.writable() },
        }
    }

    /// Reserves the oldest bytes, at most `most`: bytes of a single packet, or bytes up to the next
    /// packet. [`None`] if there are no bytes, or if another reader has a reservation.
    #[inline(always)]
    pub(crate) fn reserve_read(&mut self, most: usize) -> Option<ReadReservation> {
        let mut is_packet = false;
        let mut reach = most;
        if let Some(packet) = self.storage.packets.first() {
            let distance = packet.start.wrapping_sub(self.indices.contents().start);
            is_packet = distance == 0;
            // A packet leaves the ring as a whole, also if `most` is less, so the indices reserve
            // all of it.
            reach = if is_packet {
                packet.len
            } else {
                distance.min(most)
            };
        }
        let span = self.indices.reserve_read(reach)?.first(most);
        // SAFETY: The indices have reserved it, and `resize` and `Ring::drop` keep the pages.
        Some(unsafe { Reservation::new(&self.storage, span, is_packet, false) })
    }

    /// Like [`Ring::reserve_read`], but [`None`] if the oldest bytes are a packet.
    pub(crate) fn reserve_read_stream(&mut self, most: usize) -> Option<ReadReservation> {
        let start = self.indices.contents().start;
        let packet = self.storage.packets.first();
        if packet.is_some_and(|packet| packet.start == start) {
            return None;
        }
        self.reserve_read(most)
    }

    /// Reserves room for at most `most` bytes, of a packet or not. If `least` equals `most`, the
    /// write is atomic. [`None`] if fewer than `least` bytes fit into cells that have pages, if
    /// packets take all slots, or if another writer has a reservation.
    #[inline(always)]
    pub(crate) fn reserve_write(
        &mut self,
        least: usize,
        most: usize,
        is_packet: bool,
    ) -> Option<WriteReservation> {
        if self.storage.packets.is_full() {
            return None;
        }
        let is_atomic = least == most;
        let most = self.backed(most);
        if most < least {
            return None;
        }
        let span = self.indices.reserve_write(least, most)?;
        // SAFETY: The indices have reserved it, and `resize` and `Ring::drop` keep the pages.
        Some(unsafe { Reservation::new(&self.storage, span, is_packet, is_atomic) })
    }

    /// Moves the oldest bytes to `to` without a reservation, as many as fit. Does not sleep.
    /// Returns how many were moved. [`None`] if none can be moved this way: there are none, they
    /// cross a page boundary, a packet is in the ring, another reader has a reservation, `to` is
    /// empty, an iterator or bad, or the read [leaves a surplus](Ring::read_leaves_surplus).
    #[inline(always)]
    pub(crate) fn read_nofault(&mut self, to: &impl UserMemory<Reading>) -> Option<usize> {
        if self.storage.packets.first().is_some() {
            return None;
        }
        let span = self.indices.oldest(to.len())?;
        if self.read_leaves_surplus(span) {
            return None;
        }
        self.copy_nofault(span, to)?;
        self.indices.advance(Dir::Read, span.len);
        Some(span.len)
    }

    /// Moves all bytes of `from` into the ring without a reservation. Does not sleep. Returns how
    /// many were moved. [`None`] if they cannot be moved this way: there is no room for all, the
    /// room crosses a page boundary or has no page, packets take all slots, another writer has a
    /// reservation, or `from` is empty, an iterator, or bad.
    #[inline(always)]
    pub(crate) fn write_nofault(&mut self, from: &impl UserMemory<Writing>) -> Option<usize> {
        if self.storage.packets.is_full() {
            return None;
        }
        let len = from.len();
        let span = self.indices.vacant(len, len)?;
        self.copy_nofault(span, from)?;
        self.indices.advance(Dir::Write, len);
        Some(len)
    }

    /// Copies the bytes of `span`, which the indices have just returned as the oldest bytes or as
    /// vacant. [`None`] if they cross a page boundary or have no page, or if `user` faults.
    #[inline(always)]
    fn copy_nofault<D: Direction>(&mut self, span: Span, user: &impl UserMemory<D>) -> Option<()> {
        let offset = span.start % PAGE_SIZE;
        if offset.wrapping_add(span.len) > PAGE_SIZE {
            return None;
        }
        // SAFETY: The caller owns the ring, so nobody writes to the cell.
        let page = unsafe { self.storage.pages.page(span.start) }?;
        let copied = page.with_bytes(|bytes| {
            // SAFETY: `offset + len` lies in the page. Nobody else uses these bytes: there is no
            // reservation of this direction, by `oldest` and `vacant`; one of the other direction
            // does not overlap; and only the owner of the ring can make a new one.
            unsafe { user.copy_nofault(bytes.add(offset), span.len) }
        });
        copied.then_some(())
    }

    /// Commits a read: the first `len` reserved bytes leave the ring. A packet leaves the ring
    /// whole if all reserved bytes were read, else it stays. Returns how many bytes have been read;
    /// 0 for a reservation of another ring.
    #[inline(always)]
    pub(crate) fn commit_read(&mut self, reservation: ReadReservation, len: usize) -> usize {
        let mut read = 0;
        if self.prepare_commit(&reservation, len, true) {
            let whole = len == reservation.len();
            if !reservation.is_packet() {
                read = len;
                self.indices.commit(Dir::Read, len);
            } else if whole {
                read = len;
                self.storage.packets.pop();
                // The whole packet: the reader may have had room for its first bytes only.
                self.indices.commit(Dir::Read, usize::MAX);
            } else {
                self.indices.commit(Dir::Read, 0);
            }
        }
        reservation.end();
        read
    }

    /// Commits a write: the first `len` reserved bytes are in the ring now. Returns how many bytes
    /// have been written; 0 for a reservation of another ring.
    #[inline(always)]
    pub(crate) fn commit_write(&mut self, reservation: WriteReservation, len: usize) -> usize {
        let mut written = 0;
        if self.prepare_commit(&reservation, len, true) {
            if reservation.is_packet() && len > 0 {
                self.storage.packets.push(reservation.span().first(len));
            }
            self.indices.commit(Dir::Write, len);
            written = len;
        }
        reservation.end();
        written
    }

    /// Commits the first `len` bytes of a reservation, fewer than all. The rest stays reserved. Not
    /// for packets and other atomic writes. Returns how many bytes have been moved; 0 for a
    /// reservation of another ring.
    pub(crate) fn commit_part<D: Direction>(
        &mut self,
        reservation: &mut Reservation<D>,
        len: usize,
    ) -> usize {
        if !self.prepare_commit(reservation, len, false) {
            return 0;
        }
        self.indices.commit_part(D::DIR, len);
        reservation.advance(len);
        len
    }

    /// Commits a read like [`Ring::commit_read`], after the whole pages among the first `len` bytes
    /// were given away. For each page that was given away, the ring takes a page of `fresh`, and
    /// puts its own page into `fresh`, for the caller to drop.
    pub(crate) fn commit_pages(
        &mut self,
        reservation: ReadReservation,
        len: usize,
        fresh: &mut KVec<Page>,
    ) -> usize {
        let mut fresh = fresh.iter_mut();
        for piece in reservation.span().first(len).pieces(PAGE_SIZE) {
            if piece.len != PAGE_SIZE {
                continue;
            }
            let from = reservation.pages().cell(piece.index);
            let cell = self.storage.pages.cell(piece.index);
            // Even after a resize both cells have the same page, as only a page that is reserved in
            // part is copied. The code does not rely on that: it keeps a page that is a copy.
            //
            // SAFETY: The caller owns the ring, so nobody else writes to either cell.
            let is_current = match unsafe { (&*from.get(), &*cell.get()) } {
                (Some(given), Some(page)) => given.as_ptr() == page.as_ptr(),
                _ => false,
            };
            if let (true, Some(page)) = (is_current, fresh.next()) {
                // SAFETY: All bytes of this page are reserved by the reservation that ends here, so
                // nobody else uses the cell: a writer has reserved other pages, and a resize needs
                // to own the ring.
                if let Some(given) = unsafe { &mut *cell.get() } {
                    mem::swap(given, page);
                }
                // The new page is not contiguous with the others.
                self.storage.contig_len = PAGE_SIZE;
            }
        }
        self.commit_read(reservation, len)
    }

    /// Prepares the commit of the first `len` bytes. `ends`: it ends the reservation. For a
    /// reservation of another ring, which must not be committed here, returns false.
    #[inline(always)]
    fn prepare_commit<D: Direction>(
        &mut self,
        reservation: &Reservation<D>,
        len: usize,
        ends: bool,
    ) -> bool {
        reservation.is_in(&self.storage.pages) || self.prepare_old(reservation, len, ends)
    }

    /// Like [`Ring::prepare_commit`], for a reservation that was made before a resize. The bytes of
    /// a write are copied to the storage that the ring has now.
    #[cold]
    fn prepare_old<D: Direction>(
        &mut self,
        reservation: &Reservation<D>,
        len: usize,
        ends: bool,
    ) -> bool {
        let Some(old) = self.old_pages[D::DIR].take_if(|old| reservation.is_in(old)) else {
            return false;
        };
        if D::DIR == Dir::Write {
            let written = reservation.span().first(len);
            // SAFETY: The caller owns the ring, and has the only reservation for these bytes.
            unsafe { migrate(&old, &self.storage.pages, written) };
        }
        if ends {
            self.retired_pages = Some(old);
        } else {
            self.old_pages[D::DIR] = Some(old);
        }
        true
    }

    /// The old pages of the reservation that was committed last, for the caller to drop without the
    /// lock. To be called after each commit that ends a reservation: all but
    /// [`Ring::commit_part`].
    pub(crate) fn take_retired(&mut self) -> Option<Arc<Pages>> {
        self.retired_pages.take()
    }

    /// Removes the newest bytes: at most `most`, and none that a reader has reserved. No writer may
    /// have a reservation. Returns how many bytes were removed.
    pub(crate) fn unwrite(&mut self, most: usize) -> usize {
        let removed = self.indices.unwrite(most);
        self.storage.packets.truncate(self.indices.contents());
        removed
    }

    /// Moves the ring, with all its bytes, to `storage`. Afterwards, `storage` is the old storage,
    /// with the spare pages that were not needed. The caller must drop it.
    ///
    /// # Errors
    ///
    /// `EBUSY` if the bytes in the ring, those that are about to be written, or the packets do not
    /// fit.
    pub(crate) fn resize(&mut self, storage: &mut Storage) -> Result {
        let old_capacity = self.indices.capacity();
        if !self.indices.resize(storage.capacity) {
            return Err(EBUSY);
        }
        // A write that is reserved may become a packet.
        let reserved = usize::from(self.indices.is_reserved(Dir::Write));
        if !storage
            .packets
            .take_over(&mut self.storage.packets, reserved)
        {
            self.indices.resize(old_capacity);
            return Err(EBUSY);
        }
        let (live, contents) = (self.indices.live(), self.indices.contents());
        if live.len > 0 {
            // SAFETY: The caller owns the ring, and nobody else has the new storage.
            // `Indices::resize` has found that `live` fits.
            unsafe { share(&self.storage.pages, storage, live, contents) };
            // A shared page is not contiguous with the others.
            storage.contig_len = PAGE_SIZE;
        }
        // SAFETY: Nobody else has the new storage.
        unsafe { storage.fill() };
        mem::swap(&mut self.storage, storage);
        mem::swap(&mut self.storage.spare, &mut storage.spare);
        // A reservation from before an earlier resize has its pages in `old_pages` already.
        for dir in [Dir::Read, Dir::Write] {
            if self.indices.is_reserved(dir) && self.old_pages[dir].is_none() {
                self.old_pages[dir] = Some(storage.pages.clone());
            }
        }
        Ok(())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // An outstanding reservation points at these pages. Leak the pages, rather than let the
        // reservation use freed memory.
        if self.indices.is_reserved(Dir::Read) || self.indices.is_reserved(Dir::Write) {
            mem::forget(self.storage.pages.clone());
            mem::forget(mem::take(&mut self.old_pages));
        }
    }
}
