// SPDX-License-Identifier: GPL-2.0

//! The ring: pages, and [`Indices`] into them.
//!
//! It knows nothing of locks, files or waiting, and it is the only room that touches pages. Bytes
//! move under a *lease*: the owner of the ring hands one out, the copy is made from or to user
//! memory without the owner's lock, and the lease is given back with the count that was really
//! copied.
//!
//! A ring can be given another storage at any time, which shares the pages that have bytes in them:
//! no bytes are copied but those of one page at most. A lease goes on pointing at the pages that it
//! was made for, which are kept for it.

use crate::{
    indices::{
        Indices,
        Span, //
    },
    limits::{
        Charge,
        UserAccount, //
    },
    packets::Packets,
    pages::{
        self,
        copy_part,
        Page, //
    },
    user::{
        Destination,
        Source,
        UserMemory, //
    }, //
};
use core::{
    cell::UnsafeCell,
    mem,
    ptr, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};

/// Pages that hold the bytes of a ring. Their number is a power of two: an index finds its place by
/// its low bits, also when it has wrapped.
struct Pages {
    pages: KVVec<UnsafeCell<Page>>,
    /// Who pays for them, if not the system, and for as long as they are here: a lease may keep
    /// them after the ring has others.
    charge: Option<Charge>,
}

// SAFETY: `Page` is `Sync`; a cell is only written to by who owns the ring, and either has the only
// lease on all bytes of its page, in `Ring::commit_pages`, or nobody else knows of it, in
// `Pages::share`.
unsafe impl Sync for Pages {}

impl Pages {
    /// The page at `index`, which wraps around.
    #[inline(always)]
    fn at(&self, index: usize) -> Option<&UnsafeCell<Page>> {
        // Their number is a power of two, so this masks.
        self.pages
            .get(index / PAGE_SIZE & self.pages.len().wrapping_sub(1))
    }

    /// Shares pages with `others`, which is to be the ring's storage instead, so that it has the
    /// bytes of `live` at the same indices: those of `contents`, from the first on, and those that
    /// a writer's lease is about to bring. `displaced` gets the pages that `others` had there.
    ///
    /// Where the first and the last page of `live` are one in either storage, these two are not
    /// shared. A lease may go on using that one page for both, and the ring must not use it for
    /// anything else meanwhile. What of `contents` is in them is copied; what the lease brings
    /// there has to be, by [`Pages::migrate`].
    fn share(&self, others: &Self, live: Span, contents: Span, displaced: &mut KVVec<Page>) {
        let count = (live.start % PAGE_SIZE + live.len).div_ceil(PAGE_SIZE);
        let apart = count > self.pages.len().min(others.pages.len());
        let shared = if apart { 1..count - 1 } else { 0..count };
        for nth in shared {
            let index = live.start.wrapping_add(nth * PAGE_SIZE);
            if let (Some(from), Some(to)) = (self.at(index), others.at(index)) {
                // SAFETY: The caller owns the ring, so the page is not replaced meanwhile, and
                // nobody else knows of `others` yet.
                let other = unsafe { mem::replace(&mut *to.get(), (*from.get()).share()) };
                // There is room for it; else it is freed a little early.
                let _ = displaced.push_within_capacity(other);
            }
        }
        if apart {
            let first = contents.len.min(PAGE_SIZE - live.start % PAGE_SIZE);
            let last = contents.len - first;
            let last = last - last.min((count - 2) * PAGE_SIZE);
            for (skip, len) in [(0, first), (contents.len - last, last)] {
                let start = live.start.wrapping_add(skip);
                self.migrate(others, Span { start, len });
            }
        }
    }

    /// Has `others` have the bytes of `span`, too, at the same indices: copies those that are in
    /// pages which the two do not share.
    fn migrate(&self, others: &Self, span: Span) {
        for_each_piece(span, PAGE_SIZE, |index, offset, len| {
            if let (Some(from), Some(to)) = (self.at(index), others.at(index)) {
                // SAFETY: The caller owns the ring, so neither page is replaced.
                let (from, to) = unsafe { (&*from.get(), &*to.get()) };
                if from.as_ptr() != to.as_ptr() {
                    // SAFETY: These are two pages. Nobody writes to bytes that are in a ring, or
                    // that a writer's lease has just brought; and nobody uses these indices in
                    // `others` before the ring's owner says that they are in the ring.
                    unsafe { copy_part(from, offset, to, offset, len) };
                }
            }
            len
        });
    }
}

/// Calls `work` with index, offset in a unit and length, for each piece of `span` that lies in one
/// unit of so many bytes, until one does less than its piece. Returns how many bytes were done in
/// all.
#[inline(always)]
fn for_each_piece(
    span: Span,
    unit: usize,
    mut work: impl FnMut(usize, usize, usize) -> usize,
) -> usize {
    let mut done = 0;
    while done < span.len {
        let index = span.start.wrapping_add(done);
        // A power of two, so this is the remainder.
        let offset = index & unit.wrapping_sub(1);
        let len = (unit - offset).min(span.len - done);
        let progress = work(index, offset, len);
        done += progress;
        if progress < len {
            break;
        }
    }
    done
}

/// How many pages a ring of `capacity` bytes has.
pub(crate) fn pages_for(capacity: usize) -> usize {
    capacity.div_ceil(PAGE_SIZE).next_power_of_two()
}

/// What a ring keeps its bytes in.
pub(crate) struct Storage {
    capacity: usize,
    pages: Arc<Pages>,
    /// Pages that hold so many bytes, a power of two, are neighbours in memory: those are copied in
    /// one go.
    contig_len: usize,
    packets: Packets,
}

impl Storage {
    /// Allocates storage for `capacity` bytes, at least 1. Who pays for `charge` pays for the
    /// memory, too. May sleep.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`: there are not enough pages.
    /// - `EINTR`: the caller is being killed.
    pub(crate) fn new(capacity: usize, charge: Option<Charge>) -> Result<Self> {
        let accounted = charge.is_some();
        let flags = pages::flags(accounted);
        let count = pages_for(capacity);
        let (pages, contig_len) = pages::allocate(count, accounted)?;
        Ok(Self {
            capacity,
            pages: Arc::new(Pages { pages, charge }, flags)?,
            contig_len,
            packets: Packets::new(count, flags)?,
        })
    }

    /// How many pages that are.
    pub(crate) fn page_count(&self) -> usize {
        self.pages.pages.len()
    }

    /// Who pays for them, if not the system.
    pub(crate) fn account(&self) -> Option<&UserAccount> {
        self.pages.charge.as_ref().map(Charge::account)
    }
}

/// A byte ring.
pub(crate) struct Ring {
    storage: Storage,
    indices: Indices,
    /// What the reader's lease points at, if that is a storage that is no longer the ring's.
    old_read_pages: Option<Arc<Pages>>,
    /// The same for the writer's reservation.
    old_write_pages: Option<Arc<Pages>>,
}

impl Ring {
    /// An empty ring that is kept in `storage`.
    pub(crate) fn new(storage: Storage) -> Self {
        Self {
            indices: Indices::new(storage.capacity),
            storage,
            old_read_pages: None,
            old_write_pages: None,
        }
    }

    /// Where the bytes are: what waits for a reader, what room there is, which leases are out.
    pub(crate) fn indices(&self) -> &Indices {
        &self.indices
    }

    /// How many bytes a writer finds room for: none, while packets take all the slots.
    pub(crate) fn writable(&self) -> usize {
        if self.storage.packets.is_full() {
            0
        } else {
            self.indices.writable()
        }
    }

    /// What the ring is kept in.
    pub(crate) fn storage(&self) -> &Storage {
        &self.storage
    }

    /// Leases the oldest bytes to a reader, at most `most`; [`None`] when there are none, and while
    /// another reader holds a reservation. A packet comes alone, and its rest goes with it.
    #[inline(always)]
    pub(crate) fn reserve_read(&mut self, most: usize) -> Option<ReadReservation> {
        let mut reach = most;
        let mut packet = false;
        if let Some(first) = self.storage.packets.first() {
            let before = first.start.wrapping_sub(self.indices.contents().start);
            packet = before == 0;
            reach = if packet { first.len } else { before.min(most) };
        }
        let mut span = self.indices.reserve_read(reach)?;
        span.len = span.len.min(most);
        Some(ReadReservation {
            extent: self.extent(span),
            packet,
        })
    }

    /// Leases bytes as [`Ring::reserve_read`], but not those of a packet.
    pub(crate) fn reserve_stream(&mut self, most: usize) -> Option<ReadReservation> {
        let start = self.indices.contents().start;
        if self
            .storage
            .packets
            .first()
            .is_some_and(|first| first.start == start)
        {
            return None;
        }
        self.reserve_read(most)
    }

    /// Leases room for at most `most` bytes to a writer, for a `packet` or not; [`None`] when there
    /// is less than `least`, and while another writer holds a reservation.
    #[inline(always)]
    pub(crate) fn reserve_write(
        &mut self,
        least: usize,
        most: usize,
        packet: bool,
    ) -> Option<WriteReservation> {
        if self.storage.packets.is_full() {
            return None;
        }
        let span = self.indices.reserve_write(least, most)?;
        Some(WriteReservation {
            extent: self.extent(span),
            atomic: least == most,
            packet,
        })
    }

    /// Moves the oldest bytes to `to`, as many as fit, without a lease or sleep; nothing more can
    /// come to it after that. Returns how many; [`None`] if there are none, another reader holds a
    /// lease, or it takes a reservation: for packets, for bytes of more than one page, and if `to` cannot
    /// be reached without sleeping.
    #[inline(always)]
    pub(crate) fn read_nofault(&mut self, to: &impl Destination) -> Option<usize> {
        if self.storage.packets.first().is_some() {
            return None;
        }
        let span = self.indices.oldest(to.len())?;
        self.copy_nofault(span, to)?;
        self.indices.remove(span.len);
        Some(span.len)
    }

    /// Moves all bytes of `from` into the ring, without a lease or sleep. Returns how many;
    /// [`None`] if there is no room for them, another writer holds a lease, or it takes a lease, as
    /// in [`Ring::read_nofault`].
    #[inline(always)]
    pub(crate) fn write_nofault(&mut self, from: &impl Source) -> Option<usize> {
        if self.storage.packets.is_full() {
            return None;
        }
        let len = from.len();
        let span = self.indices.vacant(len, len)?;
        self.copy_nofault(span, from)?;
        self.indices.add(len);
        Some(len)
    }

    /// Copies the bytes of a span that nobody has on lease between here and `user`, without
    /// sleeping; [`None`] if that cannot be, or they are not in one page.
    #[inline(always)]
    fn copy_nofault(&mut self, span: Span, user: &impl UserMemory) -> Option<()> {
        let offset = span.start % PAGE_SIZE;
        if offset.wrapping_add(span.len) > PAGE_SIZE {
            return None;
        }
        let cell = self.storage.pages.at(span.start)?;
        // SAFETY: The caller owns the ring, so the page is not replaced meanwhile.
        let copied = unsafe { &*cell.get() }.with_bytes(|bytes| {
            // SAFETY: `offset + len` lies within the page, and while the caller owns the ring,
            // nobody leases these bytes.
            unsafe { user.copy_nofault(bytes.add(offset), span.len) }
        });
        copied.then_some(())
    }

    /// Ends a reader's lease; the first `taken` bytes of it leave the ring. A packet leaves as a
    /// whole, or, when not all of the lease was taken, not at all. Returns how many bytes the
    /// reader has got. Another ring's lease is not this one's to end: it stays out.
    #[inline(always)]
    pub(crate) fn commit_read(&mut self, reservation: ReadReservation, taken: usize) -> usize {
        let mut got = taken;
        if reservation.extent.is_of(&self.storage.pages) || self.is_kept(&reservation.extent, true)
        {
            let mut gone = taken;
            if reservation.packet {
                let whole = taken == reservation.extent.span.len;
                (got, gone) = if whole { (taken, usize::MAX) } else { (0, 0) };
                if whole {
                    self.storage.packets.pop();
                }
            }
            self.indices.commit_read(gone);
        }
        mem::forget(reservation);
        got
    }

    /// The first `taken` bytes of a reader's lease, but not all, and not those of a packet, leave
    /// the ring; the lease goes on with the rest. Returns how many that were.
    pub(crate) fn commit_read_part(
        &mut self,
        reservation: &mut ReadReservation,
        taken: usize,
    ) -> usize {
        if !reservation.extent.is_of(&self.storage.pages)
            && !self.is_kept(&reservation.extent, false)
        {
            return 0;
        }
        self.indices.commit_read_part(taken);
        reservation.extent.begin_later(taken);
        taken
    }

    /// The first `put` bytes of a writer's lease, but not all, and not of a packet, are now in the
    /// ring; the lease goes on with the rest. Returns how many that were.
    pub(crate) fn commit_write_part(
        &mut self,
        reservation: &mut WriteReservation,
        put: usize,
    ) -> usize {
        if !reservation.extent.is_of(&self.storage.pages)
            && !self.migrate(&reservation.extent, put, false)
        {
            return 0;
        }
        self.indices.commit_write_part(put);
        reservation.extent.begin_later(put);
        put
    }

    /// Ends a reader's lease as [`Ring::commit_read`] does, after the whole pages among its first `taken`
    /// bytes have found another user. The ring has those in `fresh` instead, which gets the others,
    /// for the caller to drop.
    pub(crate) fn commit_pages(
        &mut self,
        reservation: ReadReservation,
        taken: usize,
        fresh: &mut KVec<Page>,
    ) -> usize {
        let start = reservation.extent.span.start;
        let gone = Span { start, len: taken };
        let mut fresh = fresh.iter_mut();
        // SAFETY: By the type invariants of `Extent`, its pages are valid while the lease is out.
        let leased = unsafe { &*reservation.extent.pages };
        for_each_piece(gone, PAGE_SIZE, |index, _, len| {
            let cells = (leased.at(index), self.storage.pages.at(index));
            if let (PAGE_SIZE, (Some(from), Some(cell))) = (len, cells) {
                // SAFETY: The caller owns the ring, so neither page is replaced meanwhile.
                let is_ours = unsafe { (*from.get()).as_ptr() == (*cell.get()).as_ptr() };
                if let (true, Some(page)) = (is_ours, fresh.next()) {
                    // SAFETY: All bytes of this page are on the lease that ends here, so nobody
                    // else uses the cell: a writer's lease is for other pages, and whoever resizes
                    // the ring owns it, as the caller does.
                    unsafe { ptr::swap(cell.get(), page) };
                    // It is nobody's neighbour.
                    self.storage.contig_len = PAGE_SIZE;
                }
            }
            len
        });
        self.commit_read(reservation, taken)
    }

    /// Ends a writer's lease; the first `put` bytes of it are now in the ring. Returns that.
    /// Another ring's lease is not this one's to end: it stays out.
    #[inline(always)]
    pub(crate) fn commit_write(&mut self, reservation: WriteReservation, put: usize) -> usize {
        let start = reservation.extent.span.start;
        if reservation.extent.is_of(&self.storage.pages)
            || self.migrate(&reservation.extent, put, true)
        {
            if reservation.packet && put > 0 {
                self.storage.packets.push(Span { start, len: put });
            }
            self.indices.commit_write(put);
        }
        mem::forget(reservation);
        put
    }

    /// Whether the ring has kept the pages of a reader's lease; no longer, if that ends.
    #[cold]
    fn is_kept(&mut self, extent: &Extent, ends: bool) -> bool {
        let kept = self.old_read_pages.as_ref();
        let is_kept = kept.is_some_and(|kept| extent.is_of(kept));
        if is_kept && ends {
            self.old_read_pages = None;
        }
        is_kept
    }

    /// Brings the first `put` bytes of a writer's lease over, as far as they are in pages that the
    /// storage does not share, if the ring has kept its pages; no longer, if that ends. Returns
    /// whether it has.
    #[cold]
    fn migrate(&mut self, extent: &Extent, put: usize, ends: bool) -> bool {
        let start = extent.span.start;
        let kept = self.old_write_pages.take();
        let is_kept = kept.as_ref().is_some_and(|kept| extent.is_of(kept));
        if let (true, Some(kept)) = (is_kept, &kept) {
            kept.migrate(&self.storage.pages, Span { start, len: put });
        }
        if !is_kept || !ends {
            self.old_write_pages = kept;
        }
        is_kept
    }

    /// Takes the newest bytes out again, at most `most` and none that is on lease to a reader. Not
    /// while a writer holds a reservation. Returns how many that were.
    pub(crate) fn unwrite(&mut self, most: usize) -> usize {
        let taken = self.indices.unwrite(most);
        self.storage.packets.retain(self.indices.contents());
        taken
    }

    /// Goes over to `storage`, with all that is in the ring, and leaves there what it was kept in,
    /// for the caller to drop, as it has to drop those of the new pages that are not needed:
    /// `displaced` should have room for as many as the smaller of the two storages has.
    ///
    /// # Errors
    ///
    /// `EBUSY` if the bytes that are in the ring, or about to come in, do not fit, or the packets.
    pub(crate) fn resize(&mut self, storage: &mut Storage, displaced: &mut KVVec<Page>) -> Result {
        let (capacity, before) = (storage.capacity, self.indices.capacity());
        if !self.indices.resize(capacity) {
            return Err(EBUSY);
        }
        // What is about to come in may be a packet.
        let coming = usize::from(self.indices.is_writing());
        if !storage.packets.take_over(&mut self.storage.packets, coming) {
            self.indices.resize(before);
            return Err(EBUSY);
        }
        let (live, contents) = (self.indices.live(), self.indices.contents());
        if live.len > 0 {
            self.storage
                .pages
                .share(&storage.pages, live, contents, displaced);
            // What is shared is nobody's neighbour.
            storage.contig_len = PAGE_SIZE;
        }
        mem::swap(&mut self.storage, storage);
        // A lease that points at older pages keeps those.
        if self.indices.is_reading() && self.old_read_pages.is_none() {
            self.old_read_pages = Some(storage.pages.clone());
        }
        if self.indices.is_writing() && self.old_write_pages.is_none() {
            self.old_write_pages = Some(storage.pages.clone());
        }
        Ok(())
    }

    #[inline(always)]
    fn extent(&self, span: Span) -> Extent {
        // INVARIANT: The pages stay as they are while a lease is out, by `resize` and `drop`;
        // `Indices` never leases a byte twice.
        Extent {
            pages: Arc::as_ptr(&self.storage.pages),
            contig_len: self.storage.contig_len,
            span,
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // A lease still points at the pages: better lost than freed under it.
        if self.indices.is_reading() || self.indices.is_writing() {
            mem::forget(self.storage.pages.clone());
            mem::forget(self.old_read_pages.take());
            mem::forget(self.old_write_pages.take());
        }
    }
}

/// Some bytes of a ring's pages, leased to one side.
///
/// # Invariants
///
/// - `pages` are the pages of the ring that made this reservation. That ring keeps them while the lease
///   is out, and replaces none of those that hold bytes of `span`.
/// - Nobody else touches the bytes of `span` while the lease is out: a ring has at most one lease a
///   side, and the spans of the two sides do not overlap (see [`Indices`]).
struct Extent {
    pages: *const Pages,
    /// As that of the storage; no page of the span has been replaced since.
    contig_len: usize,
    span: Span,
}

impl Extent {
    /// Whether this lease points at `pages`.
    fn is_of(&self, pages: &Arc<Pages>) -> bool {
        self.pages == Arc::as_ptr(pages)
    }

    /// Calls `work` with page, offset in it and length, for each piece of the span that lies in one
    /// page, until one does less than its piece. Returns how many bytes were done in all.
    #[inline(always)]
    fn for_each_piece(&self, work: impl FnMut(&Page, usize, usize) -> usize) -> usize {
        self.for_each_piece_of(self.span, PAGE_SIZE, work)
    }

    /// The same, for a `part` of the span, and pieces that lie in one unit of so many bytes: in the
    /// page, from the offset on, and its neighbours.
    #[inline(always)]
    fn for_each_piece_of(
        &self,
        part: Span,
        unit: usize,
        mut work: impl FnMut(&Page, usize, usize) -> usize,
    ) -> usize {
        // SAFETY: By the type invariants, the pages are valid while the lease is out, and it is out
        // for as long as `self` exists.
        let pages = unsafe { &*self.pages };
        for_each_piece(part, unit, |index, offset, len| {
            pages.at(index).map_or(0, |cell| {
                // SAFETY: By the type invariants, this page is not replaced.
                work(unsafe { &*cell.get() }, offset % PAGE_SIZE, len)
            })
        })
    }

    /// The first `len` bytes are on lease no more.
    fn begin_later(&mut self, len: usize) {
        self.span.start = self.span.start.wrapping_add(len);
        self.span.len = self.span.len.saturating_sub(len);
    }

    /// Copies `len` bytes of the span between here and `user`, in order: those that come `skip`
    /// bytes after the first. Returns how many were copied.
    #[inline(always)]
    fn copy(&self, skip: usize, len: usize, user: &mut impl UserMemory) -> usize {
        let part = Span {
            start: self.span.start.wrapping_add(skip),
            len: len.min(self.span.len.saturating_sub(skip)),
        };
        self.for_each_piece_of(part, self.contig_len, |page, offset, len| {
            page.with_bytes(|bytes| {
                // SAFETY: The piece lies within the page and its neighbours, and by the type
                // invariants nobody else touches these bytes meanwhile.
                unsafe { user.copy(bytes.add(offset), len) }
            })
        })
    }
}

/// Bytes leased to a reader. It must be given back with [`Ring::commit_read`]: one that is dropped instead
/// would leave the ring without readers for ever. Code that drops one does not build, or panics
/// there if `CONFIG_RUST_BUILD_ASSERT_ALLOW` lets it build.
#[must_use = "a lease must be given back to its ring"]
pub(crate) struct ReadReservation {
    extent: Extent,
    /// The bytes are those of a packet, or its first ones.
    packet: bool,
}

impl ReadReservation {
    /// How many bytes are leased.
    pub(crate) fn len(&self) -> usize {
        self.extent.span.len
    }

    /// Copies `len` of the leased bytes to `to`, those that come `skip` bytes after the first.
    /// Returns how many were copied: fewer only if the memory behind `to` faulted, or there are
    /// fewer. May sleep.
    #[inline(always)]
    pub(crate) fn copy_to(&self, skip: usize, len: usize, to: &mut impl Destination) -> usize {
        self.extent.copy(skip, len, to)
    }

    /// Calls `give` with page, offset in it and length, for each piece of the leased bytes that
    /// lies in one page, until one gives less than its piece. Returns how many bytes were given.
    pub(crate) fn for_each_piece(&self, give: impl FnMut(&Page, usize, usize) -> usize) -> usize {
        self.extent.for_each_piece(give)
    }

    /// Whether the bytes are those of a packet, or its first ones.
    pub(crate) fn is_packet(&self) -> bool {
        self.packet
    }
}

impl Drop for ReadReservation {
    // Always inlined, so that there is no code for it unless somebody drops a reservation.
    #[inline(always)]
    fn drop(&mut self) {
        build_error!("a reader's lease was dropped");
    }
}

/// Room leased to a writer. It must be given back with [`Ring::commit_write`], as [`ReadReservation`] with
/// [`Ring::commit_read`].
#[must_use = "a lease must be given back to its ring"]
pub(crate) struct WriteReservation {
    extent: Extent,
    /// Less room would not have done.
    atomic: bool,
    /// The bytes are to be a packet.
    packet: bool,
}

impl WriteReservation {
    /// How many bytes the leased room is for.
    pub(crate) fn len(&self) -> usize {
        self.extent.span.len
    }

    /// Whether less room would not have done: what is to go in, goes in as a whole or not at all.
    pub(crate) fn is_atomic(&self) -> bool {
        self.atomic
    }

    /// Fills `len` bytes of the leased room from `from`, those that come `skip` bytes after the
    /// first. Returns how many were copied: fewer only if the memory behind `from` faulted or
    /// ended, or there are fewer. May sleep.
    #[inline(always)]
    pub(crate) fn copy_from(&self, skip: usize, len: usize, from: &mut impl Source) -> usize {
        self.extent.copy(skip, len, from)
    }
}

impl Drop for WriteReservation {
    // Always inlined, so that there is no code for it unless somebody drops a reservation.
    #[inline(always)]
    fn drop(&mut self) {
        build_error!("a writer's lease was dropped");
    }
}

#[kunit_tests(mini_pipe_ring)]
mod tests {
    use super::*;
    use kernel::{
        bindings,
        iov::{
            IovIterDest,
            IovIterSource, //
        },
        types::Opaque, //
    };

    fn ring(capacity: usize) -> Result<Ring> {
        Ok(Ring::new(Storage::new(capacity, None)?))
    }

    /// Calls `copy` with an iterator over `bytes`, which has the given direction.
    fn with_iter(
        bytes: &mut [u8],
        direction: c_uint,
        copy: impl FnOnce(*mut bindings::iov_iter) -> usize,
    ) -> usize {
        let iter = Opaque::<bindings::iov_iter>::uninit();
        let kvec = bindings::kvec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: bytes.len(),
        };
        // SAFETY: This initialises `iter`, which lives as long as `kvec` and `bytes`: until `copy`
        // has returned.
        unsafe { bindings::iov_iter_kvec(iter.get(), direction, &kvec, 1, bytes.len()) };
        copy(iter.get())
    }

    fn copy_from(reservation: &WriteReservation, bytes: &mut [u8]) -> usize {
        with_iter(bytes, bindings::ITER_SOURCE, |iter| {
            // SAFETY: `iter` is a valid source of `bytes`, and nobody else has it.
            reservation.copy_from(0, usize::MAX, &mut unsafe { IovIterSource::from_raw(iter) })
        })
    }

    fn copy_to(reservation: &ReadReservation, bytes: &mut [u8]) -> usize {
        with_iter(bytes, bindings::ITER_DEST, |iter| {
            // SAFETY: `iter` is a valid destination in `bytes`, and nobody else has it.
            reservation.copy_to(0, usize::MAX, &mut unsafe { IovIterDest::from_raw(iter) })
        })
    }

    fn resize(ring: &mut Ring, capacity: usize) -> Result {
        let mut displaced = KVVec::with_capacity(capacity / PAGE_SIZE + 1, GFP_KERNEL)?;
        ring.resize(&mut Storage::new(capacity, None)?, &mut displaced)
    }

    /// Puts in what fits of `bytes`; returns how much that was.
    fn put(ring: &mut Ring, bytes: &mut [u8]) -> usize {
        let Some(reservation) = ring.reserve_write(1, bytes.len(), false) else {
            return 0;
        };
        let copied = copy_from(&reservation, bytes);
        ring.commit_write(reservation, copied);
        copied
    }

    /// Takes what there is, as far as it fits into `bytes`; returns how much that was.
    fn take(ring: &mut Ring, bytes: &mut [u8]) -> usize {
        let Some(reservation) = ring.reserve_read(bytes.len()) else {
            return 0;
        };
        let copied = copy_to(&reservation, bytes);
        ring.commit_read(reservation, copied);
        copied
    }

    /// `len` bytes that go on counting from `first`; 251 is prime, so that no page is like another.
    fn pattern(first: usize, len: usize) -> Result<KVVec<u8>> {
        let mut bytes = KVVec::with_capacity(len, GFP_KERNEL)?;
        for index in first..first + len {
            bytes.push((index % 251) as u8, GFP_KERNEL)?;
        }
        Ok(bytes)
    }

    #[test]
    fn it_has_pages_for_its_capacity() -> Result {
        for (pages, expected) in [(1, 1), (2, 2), (3, 4), (5, 8), (16, 16)] {
            let most = pages * PAGE_SIZE;
            for capacity in [most - PAGE_SIZE + 1, most] {
                let ring = ring(capacity)?;
                assert_eq!(ring.storage().page_count(), expected);
                assert_eq!(ring.indices().capacity(), capacity);
            }
        }
        Ok(())
    }

    #[test]
    fn bytes_come_out_as_they_went_in() -> Result {
        for capacity in [
            1,
            128,
            PAGE_SIZE - 1,
            PAGE_SIZE,
            PAGE_SIZE + 1,
            3 * PAGE_SIZE,
        ] {
            let mut ring = ring(capacity)?;
            let mut came = pattern(0, capacity)?;
            let (mut head, mut tail) = (0, 0);
            // Steps of a third, so that each copy begins elsewhere, and of all, so that it wraps.
            for step in [capacity.div_ceil(3), capacity, 1].iter().cycle().take(24) {
                head += put(&mut ring, &mut pattern(head, *step)?);
                let taken = take(&mut ring, &mut came[..step.div_ceil(2)]);
                assert!(came[..taken] == pattern(tail, taken)?[..]);
                tail += taken;
                assert_eq!(ring.indices().readable(), head - tail);
            }
            assert_eq!(take(&mut ring, &mut came), head - tail);
            assert!(came[..head - tail] == pattern(tail, head - tail)?[..]);
            assert!(ring.indices().is_empty());
        }
        Ok(())
    }

    #[test]
    fn a_source_that_ends_gives_back_the_rest_of_the_room() -> Result {
        let mut ring = ring(2 * PAGE_SIZE)?;
        let mut bytes = pattern(0, PAGE_SIZE + 1)?;
        let room = ring.reserve_write(1, 2 * PAGE_SIZE, false);
        assert!(room.is_some());
        if let Some(reservation) = room {
            assert_eq!(reservation.len(), 2 * PAGE_SIZE);
            let copied = copy_from(&reservation, &mut bytes);
            assert_eq!(copied, PAGE_SIZE + 1);
            ring.commit_write(reservation, copied);
        }
        assert_eq!(ring.indices().readable(), PAGE_SIZE + 1);
        assert_eq!(ring.indices().writable(), PAGE_SIZE - 1);
        Ok(())
    }

    #[test]
    fn a_lease_given_back_unused_loses_nothing() -> Result {
        let mut ring = ring(PAGE_SIZE)?;
        let mut came = pattern(0, 100)?;
        put(&mut ring, &mut pattern(7, 100)?);
        if let Some(reservation) = ring.reserve_read(100) {
            assert_eq!(copy_to(&reservation, &mut came), 100);
            ring.commit_read(reservation, 0);
        }
        if let Some(reservation) = ring.reserve_write(1, 100, false) {
            assert_eq!(copy_from(&reservation, &mut came), 100);
            ring.commit_write(reservation, 0);
        }
        assert_eq!(ring.indices().readable(), 100);
        assert_eq!(take(&mut ring, &mut came), 100);
        assert!(came[..] == pattern(7, 100)?[..]);
        Ok(())
    }

    #[test]
    fn a_lease_given_back_in_parts_goes_on_with_the_rest() -> Result {
        let mut ring = ring(4 * PAGE_SIZE)?;
        let mut other = Storage::new(8 * PAGE_SIZE, None)?;
        let (mut goes, mut came) = (pattern(0, 10000)?, pattern(1, 10000)?);
        if let Some(mut reservation) = ring.reserve_write(1, 10000, false) {
            assert_eq!(copy_from(&reservation, &mut goes[..3000]), 3000);
            assert_eq!(ring.commit_write_part(&mut reservation, 3000), 3000);
            assert_eq!((ring.indices().readable(), reservation.len()), (3000, 7000));
            assert_eq!(copy_from(&reservation, &mut goes[3000..]), 7000);
            ring.commit_write(reservation, 7000);
        }
        if let Some(mut reservation) = ring.reserve_read(10000) {
            assert_eq!(copy_to(&reservation, &mut came[..5000]), 5000);
            assert!(ring.resize(&mut other, &mut KVVec::new()).is_ok());
            assert_eq!(ring.commit_read_part(&mut reservation, 5000), 5000);
            assert_eq!(reservation.len(), 5000);
            assert_eq!(copy_to(&reservation, &mut came[5000..]), 5000);
            ring.commit_read(reservation, 5000);
        }
        assert!(ring.old_read_pages.is_none() && ring.indices().is_empty());
        assert!(came[..] == goes[..]);
        Ok(())
    }

    #[test]
    fn another_rings_lease_stays_out() -> Result {
        let (mut ring, mut other) = (ring(PAGE_SIZE)?, ring(PAGE_SIZE)?);
        put(&mut ring, &mut pattern(0, 10)?);
        put(&mut other, &mut pattern(0, 10)?);
        if let Some(reservation) = ring.reserve_read(10) {
            other.commit_read(reservation, 10);
        }
        assert!(ring.indices().is_reading());
        assert_eq!(other.indices().readable(), 10);
        if let Some(reservation) = other.reserve_write(1, 10, false) {
            ring.commit_write(reservation, 10);
        }
        assert!(other.indices().is_writing());
        assert_eq!(ring.indices().writable(), PAGE_SIZE - 10);
        // Or the pages would, rightly, be lost with them.
        ring.indices.commit_read(0);
        other.indices.commit_write(0);
        Ok(())
    }

    #[test]
    fn bytes_survive_another_storage() -> Result {
        for (before, after) in [(1, 3), (3, 1), (2, 2), (16, 256), (256, 1)] {
            for at in [0, 1, PAGE_SIZE - 1, before * PAGE_SIZE - 10] {
                let mut ring = ring(before * PAGE_SIZE)?;
                // A byte stays, so that the ring does not start again at its first page.
                put(&mut ring, &mut pattern(0, at + 1)?);
                take(&mut ring, &mut pattern(0, at)?);
                let len = 1 + put(&mut ring, &mut pattern(at + 1, PAGE_SIZE - 1)?);
                resize(&mut ring, after * PAGE_SIZE)?;
                let mut came = pattern(0, len + 7)?;
                put(&mut ring, &mut pattern(at + len, 7)?);
                let taken = take(&mut ring, &mut came);
                assert!(taken >= len && came[..taken] == pattern(at, taken)?[..]);
            }
        }
        Ok(())
    }

    /// All that can share a page with something else does: a byte in the ring, most of the room on
    /// lease, and two resizes meanwhile, from every page offset that matters.
    #[test]
    fn a_write_in_flight_survives_other_storages() -> Result {
        let sizes = [1, 2, 3, 4, 16];
        for (before, between) in sizes
            .iter()
            .flat_map(|b| sizes.iter().map(move |c| (*b, *c)))
        {
            for (at, old, new) in [(0, 1, 1), (100, 1, usize::MAX), (4000, 200, usize::MAX)] {
                let mut ring = ring(before * PAGE_SIZE)?;
                // What is read at the end was there before, or came by the reservation.
                put(&mut ring, &mut pattern(0, at + old)?);
                take(&mut ring, &mut pattern(0, at)?);
                let mut count = ring.indices().readable();
                let mut goes = pattern(at + count, before * PAGE_SIZE)?;
                if let Some(reservation) = ring.reserve_write(1, new, false) {
                    let _ = resize(&mut ring, between * PAGE_SIZE);
                    let reads = ring.reserve_read(old.div_ceil(2));
                    let _ = resize(&mut ring, 8 * PAGE_SIZE);
                    let _ = resize(&mut ring, before * PAGE_SIZE);
                    let copied = copy_from(&reservation, &mut goes);
                    count += ring.commit_write(reservation, copied);
                    if let Some(reservation) = reads {
                        ring.commit_read(reservation, 0);
                    }
                }
                let mut came = pattern(1, count)?;
                assert_eq!(take(&mut ring, &mut came), count);
                assert!(came[..] == pattern(at, count)?[..]);
                assert!(ring.old_read_pages.is_none() && ring.old_write_pages.is_none());
            }
        }
        Ok(())
    }

    #[test]
    fn what_does_not_fit_stays_where_it_is() -> Result {
        let mut ring = ring(2 * PAGE_SIZE)?;
        put(&mut ring, &mut pattern(0, PAGE_SIZE + 1)?);
        assert!(resize(&mut ring, PAGE_SIZE) == Err(EBUSY));
        assert_eq!(ring.indices().capacity(), 2 * PAGE_SIZE);
        let mut came = pattern(0, PAGE_SIZE + 1)?;
        assert_eq!(take(&mut ring, &mut came), PAGE_SIZE + 1);
        assert!(came[..] == pattern(0, PAGE_SIZE + 1)?[..]);
        Ok(())
    }

    #[test]
    fn leases_outlive_their_storage() -> Result {
        let mut ring = ring(4 * PAGE_SIZE)?;
        put(&mut ring, &mut pattern(0, 5000)?);
        let (mut goes, mut came) = (pattern(5000, 7000)?, pattern(0, 12000)?);
        let pattern = pattern(0, 12000)?;
        if let Some(reader) = ring.reserve_read(3000) {
            if let Some(writer) = ring.reserve_write(1, 7000, false) {
                for pages in [8, 3, 16] {
                    assert!(resize(&mut ring, pages * PAGE_SIZE).is_ok());
                }
                assert_eq!(ring.indices().capacity(), 16 * PAGE_SIZE);
                let copied = copy_from(&writer, &mut goes);
                ring.commit_write(writer, copied);
            }
            assert_eq!(copy_to(&reader, &mut came), 3000);
            assert!(came[..3000] == pattern[..3000]);
            // As if the last of them had met a fault.
            ring.commit_read(reader, 2000);
        }
        assert!(ring.old_read_pages.is_none() && ring.old_write_pages.is_none());
        assert_eq!(take(&mut ring, &mut came), 10000);
        assert!(came[..10000] == pattern[2000..]);
        Ok(())
    }

    #[test]
    fn a_packet_comes_alone_and_as_a_whole() -> Result {
        let mut ring = ring(3 * PAGE_SIZE)?;
        put(&mut ring, &mut pattern(0, 10)?);
        let (mut goes, mut came) = (pattern(10, 20)?, pattern(0, 100)?);
        for _ in 0..4 {
            if let Some(reservation) = ring.reserve_write(20, 20, true) {
                let copied = copy_from(&reservation, &mut goes);
                ring.commit_write(reservation, copied);
            }
        }
        assert_eq!((ring.indices().readable(), ring.writable()), (90, 0));
        assert_eq!(take(&mut ring, &mut came), 10);
        assert_eq!(take(&mut ring, &mut came[..5]), 5);
        assert_eq!(ring.indices().readable(), 60);
        assert!(came[..5] == pattern(10, 5)?[..]);
        if let Some(reservation) = ring.reserve_read(100) {
            assert_eq!(ring.commit_read(reservation, 19), 0);
        }
        assert_eq!(take(&mut ring, &mut came), 20);
        assert_eq!(ring.unwrite(15), 15);
        assert_eq!(ring.indices().readable(), 25);
        Ok(())
    }

    #[test]
    fn whole_pages_leave_and_others_take_their_place() -> Result {
        let mut ring = ring(4 * PAGE_SIZE)?;
        put(&mut ring, &mut pattern(0, 3 * PAGE_SIZE)?);
        take(&mut ring, &mut pattern(0, 100)?);
        let mut fresh = KVec::new();
        for _ in 0..2 {
            fresh.push(Page::new(false)?, GFP_KERNEL)?;
        }
        let before = fresh[0].as_ptr();
        let mut whole = 0;
        if let Some(reservation) = ring.reserve_read(usize::MAX) {
            let given = reservation.for_each_piece(|_, _, len| {
                whole += usize::from(len == PAGE_SIZE);
                len
            });
            let taken = ring.commit_pages(reservation, given, &mut fresh);
            assert_eq!(taken, 3 * PAGE_SIZE - 100);
        }
        assert!(before != fresh[0].as_ptr());
        assert_eq!(whole, 2);
        assert!(ring.indices().is_empty());
        Ok(())
    }

    #[test]
    fn whole_pages_leave_a_ring_that_was_resized_meanwhile() -> Result {
        let mut ring = ring(4 * PAGE_SIZE)?;
        put(&mut ring, &mut pattern(0, 3 * PAGE_SIZE)?);
        let mut fresh = KVec::new();
        for _ in 0..3 {
            fresh.push(Page::new(false)?, GFP_KERNEL)?;
        }
        let mut gone = [ptr::null_mut(); 3];
        if let Some(reservation) = ring.reserve_read(usize::MAX) {
            let mut places = gone.iter_mut();
            let given = reservation.for_each_piece(|page, _, len| {
                places.next().map_or(0, |place| {
                    *place = page.as_ptr();
                    len
                })
            });
            let resized = resize(&mut ring, 16 * PAGE_SIZE);
            ring.commit_pages(reservation, given, &mut fresh);
            assert!(resized.is_ok());
        }
        for cell in &ring.storage.pages.pages {
            // SAFETY: Nobody else knows of this ring.
            assert!(!gone.contains(&unsafe { &*cell.get() }.as_ptr()));
        }
        Ok(())
    }
}
