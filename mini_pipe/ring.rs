// SPDX-License-Identifier: GPL-2.0

//! The ring: pages, and [`Indices`] into them.
//!
//! It knows nothing of locks, files or waiting, and it is the only room that touches pages. Bytes
//! move under a *lease*: the owner of the ring hands one out, the copy is made from or to user
//! memory without the owner's lock, and the lease is given back with the count that was really
//! copied.

use crate::indices::{
    Indices,
    Span, //
};
use core::mem;
use kernel::{
    bindings,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*, //
};

/// A byte ring of a fixed capacity, kept in pages of its own.
pub(crate) struct Ring {
    /// As many pages as hold the capacity, rounded up to a power of two: an index finds its place
    /// by its low bits, also when it has wrapped.
    pages: KVec<Page>,
    indices: Indices,
}

impl Ring {
    /// Allocates an empty ring of `capacity` bytes, at least 1. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM` if there are not enough pages.
    pub(crate) fn new(capacity: usize) -> Result<Self> {
        let count = capacity.div_ceil(PAGE_SIZE).next_power_of_two();
        let mut pages = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            pages.push(Page::alloc_page(GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(Self {
            pages,
            indices: Indices::new(capacity),
        })
    }

    /// Where the bytes are: what waits for a reader, what room there is, which leases are out.
    pub(crate) fn indices(&self) -> &Indices {
        &self.indices
    }

    /// How many pages the ring is kept in.
    pub(crate) fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// Leases the oldest bytes to a reader, at most `most`; [`None`] when there are none, and while
    /// another reader holds a lease.
    pub(crate) fn lease_bytes(&mut self, most: usize) -> Option<BytesLease> {
        let span = self.indices.lease_bytes(most)?;
        Some(BytesLease(self.extent(span)))
    }

    /// Leases room for at most `most` bytes to a writer; [`None`] when there is less than `least`,
    /// and while another writer holds a lease.
    pub(crate) fn lease_room(&mut self, least: usize, most: usize) -> Option<RoomLease> {
        let span = self.indices.lease_room(least, most)?;
        Some(RoomLease(self.extent(span)))
    }

    /// Ends a reader's lease; the first `taken` bytes of it leave the ring. Another ring's lease is
    /// not this one's to end: it stays out.
    pub(crate) fn take(&mut self, lease: BytesLease, taken: usize) {
        if lease.0.is_of(self) {
            self.indices.take(taken);
        }
        mem::forget(lease);
    }

    /// Ends a writer's lease; the first `put` bytes of it are now in the ring. Another ring's lease
    /// is not this one's to end: it stays out.
    pub(crate) fn put(&mut self, lease: RoomLease, put: usize) {
        if lease.0.is_of(self) {
            self.indices.put(put);
        }
        mem::forget(lease);
    }

    fn extent(&self, span: Span) -> Extent {
        // INVARIANT: The pages stay as they are while a lease is out, by `drop`; `Indices` never
        // leases a byte twice.
        Extent {
            pages: &raw const *self.pages.as_slice(),
            span,
        }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // A lease still points at the pages: better lost than freed under it.
        if self.indices.is_reading() || self.indices.is_writing() {
            mem::forget(mem::take(&mut self.pages));
        }
    }
}

/// Some bytes of a ring's pages, leased to one side.
///
/// # Invariants
///
/// - `pages` are the pages of the ring that made this lease. That ring neither frees, moves nor
///   replaces them while the lease is out.
/// - Nobody else touches the bytes of `span` while the lease is out: a ring has at most one lease a
///   side, and the spans of the two sides do not overlap (see [`Indices`]).
struct Extent {
    pages: *const [Page],
    span: Span,
}

impl Extent {
    /// Whether `ring` made this lease.
    fn is_of(&self, ring: &Ring) -> bool {
        self.pages.addr() == ring.pages.as_ptr().addr()
    }

    /// Calls `copy` with page, offset in it and length, for each piece of the span that lies in one
    /// page, until one copies less than its piece. Returns how many bytes were copied in all.
    fn for_each_piece(&self, mut copy: impl FnMut(&Page, usize, usize) -> usize) -> usize {
        // SAFETY: By the type invariants, the slice of pages is valid while the lease is out, and
        // it is out for as long as `self` exists.
        let pages = unsafe { &*self.pages };
        let mut done = 0;
        while done < self.span.len {
            let index = self.span.start.wrapping_add(done);
            let offset = index % PAGE_SIZE;
            let len = (PAGE_SIZE - offset).min(self.span.len - done);
            // The number of pages is a power of two, so this masks.
            let Some(page) = pages.get(index / PAGE_SIZE & (pages.len() - 1)) else {
                break;
            };
            let copied = copy(page, offset, len);
            done += copied;
            if copied < len {
                break;
            }
        }
        done
    }
}

/// Bytes leased to a reader. It must be given back with [`Ring::take`]: one that is dropped instead
/// would leave the ring without readers for ever. Code that drops one does not build, or panics
/// there if `CONFIG_RUST_BUILD_ASSERT_ALLOW` lets it build.
#[must_use = "a lease must be given back to its ring"]
pub(crate) struct BytesLease(Extent);

impl BytesLease {
    /// Copies the leased bytes to `to`, in order, and returns how many were copied: fewer than were
    /// leased only if the memory behind `to` faulted. May sleep.
    pub(crate) fn copy_to(&self, to: &mut IovIterDest<'_>) -> usize {
        self.0.for_each_piece(|page, offset, len| {
            // SAFETY: `page` is a valid page, `offset + len` lies within it, `to` is a valid
            // iterator by its type invariants, and by those of `Extent` nobody writes to these
            // bytes meanwhile.
            unsafe { bindings::copy_page_to_iter(page.as_ptr(), offset, len, to.as_raw()) }
        })
    }
}

impl Drop for BytesLease {
    // Always inlined, so that there is no code for it unless somebody drops a lease.
    #[inline(always)]
    fn drop(&mut self) {
        build_error!("a reader's lease was dropped");
    }
}

/// Room leased to a writer. It must be given back with [`Ring::put`], as [`BytesLease`] with
/// [`Ring::take`].
#[must_use = "a lease must be given back to its ring"]
pub(crate) struct RoomLease(Extent);

impl RoomLease {
    /// How many bytes the leased room is for.
    pub(crate) fn len(&self) -> usize {
        self.0.span.len
    }

    /// Fills the leased room from `from`, in order, and returns how many bytes were copied: fewer
    /// than were leased only if the memory behind `from` faulted or ended. May sleep.
    pub(crate) fn copy_from(&self, from: &mut IovIterSource<'_>) -> usize {
        self.0.for_each_piece(|page, offset, len| {
            // SAFETY: `page` is a valid page, `offset + len` lies within it, `from` is a valid
            // iterator by its type invariants, and by those of `Extent` nobody touches these bytes
            // meanwhile.
            unsafe { bindings::copy_page_from_iter(page.as_ptr(), offset, len, from.as_raw()) }
        })
    }
}

impl Drop for RoomLease {
    // Always inlined, so that there is no code for it unless somebody drops a lease.
    #[inline(always)]
    fn drop(&mut self) {
        build_error!("a writer's lease was dropped");
    }
}

#[kunit_tests(mini_pipe_ring)]
mod tests {
    use super::*;
    use kernel::types::Opaque;

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

    fn copy_from(lease: &RoomLease, bytes: &mut [u8]) -> usize {
        with_iter(bytes, bindings::ITER_SOURCE, |iter| {
            // SAFETY: `iter` is a valid source of `bytes`, and nobody else has it.
            lease.copy_from(unsafe { IovIterSource::from_raw(iter) })
        })
    }

    fn copy_to(lease: &BytesLease, bytes: &mut [u8]) -> usize {
        with_iter(bytes, bindings::ITER_DEST, |iter| {
            // SAFETY: `iter` is a valid destination in `bytes`, and nobody else has it.
            lease.copy_to(unsafe { IovIterDest::from_raw(iter) })
        })
    }

    /// Puts in what fits of `bytes`; returns how much that was.
    fn put(ring: &mut Ring, bytes: &mut [u8]) -> usize {
        let Some(lease) = ring.lease_room(1, bytes.len()) else {
            return 0;
        };
        let copied = copy_from(&lease, bytes);
        ring.put(lease, copied);
        copied
    }

    /// Takes what there is, as far as it fits into `bytes`; returns how much that was.
    fn take(ring: &mut Ring, bytes: &mut [u8]) -> usize {
        let Some(lease) = ring.lease_bytes(bytes.len()) else {
            return 0;
        };
        let copied = copy_to(&lease, bytes);
        ring.take(lease, copied);
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
                let ring = Ring::new(capacity)?;
                assert_eq!(ring.page_count(), expected);
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
            let mut ring = Ring::new(capacity)?;
            let mut came = pattern(0, capacity)?;
            let (mut head, mut tail) = (0, 0);
            // Steps of a third, so that each copy begins elsewhere, and of all, so that it wraps.
            for step in [capacity.div_ceil(3), capacity, 1].iter().cycle().take(24) {
                head += put(&mut ring, &mut pattern(head, *step)?);
                let taken = take(&mut ring, &mut came[..step.div_ceil(2)]);
                assert!(came[..taken] == pattern(tail, taken)?[..]);
                tail += taken;
                assert_eq!(ring.indices().bytes(), head - tail);
            }
            assert_eq!(take(&mut ring, &mut came), head - tail);
            assert!(came[..head - tail] == pattern(tail, head - tail)?[..]);
            assert!(ring.indices().is_empty());
        }
        Ok(())
    }

    #[test]
    fn a_source_that_ends_gives_back_the_rest_of_the_room() -> Result {
        let mut ring = Ring::new(2 * PAGE_SIZE)?;
        let mut bytes = pattern(0, PAGE_SIZE + 1)?;
        let room = ring.lease_room(1, 2 * PAGE_SIZE);
        assert!(room.is_some());
        if let Some(lease) = room {
            assert_eq!(lease.len(), 2 * PAGE_SIZE);
            let copied = copy_from(&lease, &mut bytes);
            assert_eq!(copied, PAGE_SIZE + 1);
            ring.put(lease, copied);
        }
        assert_eq!(ring.indices().bytes(), PAGE_SIZE + 1);
        assert_eq!(ring.indices().room(), PAGE_SIZE - 1);
        Ok(())
    }

    #[test]
    fn a_lease_given_back_unused_loses_nothing() -> Result {
        let mut ring = Ring::new(PAGE_SIZE)?;
        let mut came = pattern(0, 100)?;
        put(&mut ring, &mut pattern(7, 100)?);
        if let Some(lease) = ring.lease_bytes(100) {
            assert_eq!(copy_to(&lease, &mut came), 100);
            ring.take(lease, 0);
        }
        if let Some(lease) = ring.lease_room(1, 100) {
            assert_eq!(copy_from(&lease, &mut came), 100);
            ring.put(lease, 0);
        }
        assert_eq!(ring.indices().bytes(), 100);
        assert_eq!(take(&mut ring, &mut came), 100);
        assert!(came[..] == pattern(7, 100)?[..]);
        Ok(())
    }

    #[test]
    fn another_rings_lease_stays_out() -> Result {
        let (mut ring, mut other) = (Ring::new(PAGE_SIZE)?, Ring::new(PAGE_SIZE)?);
        put(&mut ring, &mut pattern(0, 10)?);
        put(&mut other, &mut pattern(0, 10)?);
        if let Some(lease) = ring.lease_bytes(10) {
            other.take(lease, 10);
        }
        assert!(ring.indices().is_reading());
        assert_eq!(other.indices().bytes(), 10);
        if let Some(lease) = other.lease_room(1, 10) {
            ring.put(lease, 10);
        }
        assert!(other.indices().is_writing());
        assert_eq!(ring.indices().room(), PAGE_SIZE - 10);
        // Or the pages would, rightly, be lost with them.
        ring.indices.take(0);
        other.indices.put(0);
        Ok(())
    }
}
