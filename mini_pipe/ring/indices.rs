// SPDX-License-Identifier: GPL-2.0

//! Where the bytes of a ring are, and which of them are reserved.
//!
//! Plain arithmetic without pages or locks, so `make test` also tests it in user space.
//!
//! ```text
//!        tail                    head                 tail + capacity
//!         |  reserved  |  bytes   | reserved  |  room   |
//!         |  by the    |          | by the    |         |
//!         |  reader    |          | writer    |         |
//! ```
//!
//! `head` and `tail` are running indices of bytes, and wrap on purpose. The ring has `head - tail`
//! bytes. The number of pages is a power of two, so the low bits of an index are the
//! place in the pages. An empty ring without reservations starts again at 0.

use crate::ring::dir::{
    Dir,
    PerDir, //
};

/// A run of bytes in the ring: `len` bytes from index `start`, which wraps as `head` and `tail` do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) len: usize,
}

/// A part of a [`Span`] that lies in one block of memory.
#[derive(Clone, Copy)]
pub(crate) struct Piece {
    /// The ring's index of its first byte.
    pub(crate) index: usize,
    /// The place of that byte in the block.
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

impl Span {
    /// The first `len` bytes of this span, or all of them if it has fewer.
    pub(crate) fn first(self, len: usize) -> Self {
        Self {
            len: self.len.min(len),
            ..self
        }
    }

    /// What follows after the first `len` bytes of this span.
    pub(crate) fn skip(self, len: usize) -> Self {
        Self {
            start: self.start.wrapping_add(len),
            len: self.len.saturating_sub(len),
        }
    }

    /// The pieces of this span, in order, where memory consists of blocks of `block` bytes, a power
    /// of two.
    #[inline(always)]
    pub(crate) fn pieces(self, block: usize) -> impl Iterator<Item = Piece> {
        let mut rest = self;
        core::iter::from_fn(move || {
            let offset = rest.start & block.wrapping_sub(1);
            let piece = Piece {
                index: rest.start,
                offset,
                len: rest.len.min(block.wrapping_sub(offset)),
            };
            rest = rest.skip(piece.len);
            (piece.len > 0).then_some(piece)
        })
    }
}

/// The two indices of a ring, and its two reservations.
///
/// # Invariants
///
/// - `head - tail + reserved.write <= capacity`: the bytes in the ring and those that are about to
///   be written fit.
/// - `reserved.read <= head - tail`: a reader reserves only bytes that are in the ring.
///
/// So the two reservations never overlap.
pub(crate) struct Indices {
    /// The index of the next byte to be written.
    head: usize,
    /// The index of the next byte to be read.
    tail: usize,
    capacity: usize,
    /// Reserved bytes: by a reader from `tail` on, by a writer from `head` on; 0 if no reservation
    /// is outstanding.
    reserved: PerDir<usize>,
}

impl Indices {
    /// An empty ring of `capacity` bytes.
    pub(crate) const fn new(capacity: usize) -> Self {
        Self {
            head: 0,
            tail: 0,
            capacity,
            reserved: PerDir { read: 0, write: 0 },
        }
    }

    /// How many bytes the ring can hold.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many bytes are in the ring, including those that a reader has reserved.
    fn len(&self) -> usize {
        self.head.wrapping_sub(self.tail)
    }

    /// Whether no bytes are in the ring, not even reserved ones.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes in the ring, including those that a reader has reserved.
    pub(crate) fn contents(&self) -> Span {
        Span {
            start: self.tail,
            len: self.len(),
        }
    }

    /// The bytes in the ring, followed by the room that a writer has reserved.
    pub(crate) fn live(&self) -> Span {
        Span {
            start: self.tail,
            len: self.len().wrapping_add(self.reserved.write),
        }
    }

    /// How many bytes are in the ring, and not reserved.
    pub(crate) fn readable(&self) -> usize {
        // Does not wrap, by the invariants.
        self.len().wrapping_sub(self.reserved.read)
    }

    /// How much of the room is not reserved.
    pub(crate) fn writable(&self) -> usize {
        // Does not wrap, by the invariants.
        self.capacity
            .wrapping_sub(self.len())
            .wrapping_sub(self.reserved.write)
    }

    /// The room that is not reserved.
    pub(crate) fn room(&self) -> Span {
        Span {
            start: self.head.wrapping_add(self.reserved.write),
            len: self.writable(),
        }
    }

    /// Whether the ring is empty, and nobody has a reservation. Then it starts again at index 0.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_empty() && !self.is_reserved(Dir::Read) && !self.is_reserved(Dir::Write)
    }

    /// Whether a reservation in this direction is outstanding.
    pub(crate) fn is_reserved(&self, dir: Dir) -> bool {
        self.reserved[dir] != 0
    }

    /// The oldest bytes, at most `most`. [`None`] if there are none, or if a reader has a
    /// reservation.
    pub(crate) fn oldest(&self, most: usize) -> Option<Span> {
        let oldest = self.contents().first(most);
        (!self.is_reserved(Dir::Read) && oldest.len > 0).then_some(oldest)
    }

    /// Room for at most `most` bytes. [`None`] if there is room for fewer than `least`, or for
    /// none, or if a writer has a reservation.
    pub(crate) fn vacant(&self, least: usize, most: usize) -> Option<Span> {
        let room = self.writable();
        let vacant = Span {
            start: self.head,
            len: room.min(most),
        };
        (!self.is_reserved(Dir::Write) && vacant.len > 0 && room >= least).then_some(vacant)
    }

    /// Reserves the bytes that [`Indices::oldest`] returns, for a reader.
    pub(crate) fn reserve_read(&mut self, most: usize) -> Option<Span> {
        let span = self.oldest(most)?;
        // INVARIANT: These bytes are in the ring.
        self.reserved.read = span.len;
        Some(span)
    }

    /// Reserves the room that [`Indices::vacant`] returns, for a writer.
    pub(crate) fn reserve_write(&mut self, least: usize, most: usize) -> Option<Span> {
        let span = self.vacant(least, most)?;
        // INVARIANT: The ring has this room.
        self.reserved.write = span.len;
        Some(span)
    }

    /// Commits the first `len` bytes of a reservation, fewer than all. The rest stays reserved.
    pub(crate) fn commit_part(&mut self, dir: Dir, len: usize) {
        self.reserved[dir] = self.reserved[dir].wrapping_sub(len);
        // INVARIANT: These bytes were reserved.
        self.advance(dir, len);
    }

    /// Commits the first `len` bytes of a reservation, and ends the reservation. The rest is as if
    /// it had never been reserved.
    pub(crate) fn commit(&mut self, dir: Dir, len: usize) {
        let len = len.min(self.reserved[dir]);
        self.reserved[dir] = 0;
        self.advance(dir, len);
    }

    /// The next `len` bytes have been moved: at most what [`Indices::oldest`] or
    /// [`Indices::vacant`] has just returned.
    pub(crate) fn advance(&mut self, dir: Dir, len: usize) {
        let index = match dir {
            Dir::Read => &mut self.tail,
            Dir::Write => &mut self.head,
        };
        // INVARIANT: The ring has these bytes, or room for them.
        *index = index.wrapping_add(len);
        self.rewind();
    }

    /// Removes the newest bytes: at most `most`, and none that a reader has reserved. No writer may
    /// have a reservation. Returns how many bytes were removed.
    pub(crate) fn unwrite(&mut self, most: usize) -> usize {
        // INVARIANT: These bytes are in the ring and not reserved.
        let removed = self.readable().min(most);
        self.head = self.head.wrapping_sub(removed);
        self.rewind();
        removed
    }

    /// Changes the capacity, if the bytes in the ring and those that are about to be written fit.
    /// Returns whether they do.
    pub(crate) fn resize(&mut self, capacity: usize) -> bool {
        let fits = self.live().len <= capacity;
        if fits {
            // INVARIANT: They fit.
            self.capacity = capacity;
        }
        fits
    }

    /// An empty ring starts again at index 0: copies stay aligned with the pages, and the first
    /// page stays in the cache. An outstanding reservation prevents that: it keeps its index.
    fn rewind(&mut self) {
        if self.is_idle() {
            self.head = 0;
            self.tail = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Indices,
        Span, //
    };
    use crate::ring::dir::Dir;
    use std::collections::VecDeque;

    /// A ring whose tail is `before` bytes short of wrapping. It holds one byte, so it does not
    /// rewind.
    fn about_to_wrap(capacity: usize, before: usize) -> Indices {
        let tail = 0usize.wrapping_sub(before);
        Indices {
            head: tail.wrapping_add(1),
            tail,
            ..Indices::new(capacity)
        }
    }

    fn write(ring: &mut Indices, n: usize) -> Span {
        let span = ring.reserve_write(n, n).expect("room");
        ring.commit(Dir::Write, n);
        span
    }

    fn read(ring: &mut Indices, n: usize) -> Span {
        let span = ring.reserve_read(n).expect("bytes");
        ring.commit(Dir::Read, span.len);
        span
    }

    #[test]
    fn pieces_end_at_the_borders_of_blocks() {
        let span = Span {
            start: 0usize.wrapping_sub(10),
            len: 20,
        };
        let pieces: Vec<_> = span.pieces(8).map(|p| (p.index, p.offset, p.len)).collect();
        assert_eq!(
            pieces,
            [
                (span.start, 6, 2),
                (0usize.wrapping_sub(8), 0, 8),
                (0, 0, 8),
                (8, 0, 2)
            ]
        );
        assert_eq!(span.first(0).pieces(8).count(), 0);
    }

    #[test]
    fn new_ring_is_empty_and_all_writable() {
        for capacity in [1, 2, 3, 128, 4095, 4096, 4097, 5000, 65536, 1 << 20] {
            let ring = Indices::new(capacity);
            assert!(ring.is_empty());
            assert_eq!((ring.readable(), ring.writable()), (0, capacity));
            assert_eq!(ring.capacity(), capacity);
        }
    }

    #[test]
    fn full_ring_holds_exactly_its_capacity() {
        for capacity in [1, 3, 127, 128, 5000, 65536] {
            let mut ring = Indices::new(capacity);
            let span = ring.reserve_write(1, usize::MAX).expect("room");
            assert_eq!(span.len, capacity);
            ring.commit(Dir::Write, capacity);
            assert_eq!((ring.readable(), ring.writable()), (capacity, 0));
            assert_eq!(ring.reserve_write(1, 1), None);
        }
    }

    #[test]
    fn empty_ring_has_nothing_to_reserve() {
        let mut ring = Indices::new(128);
        assert_eq!(ring.reserve_read(1), None);
        assert_eq!(ring.reserve_read(0), None);
        assert_eq!(ring.reserve_write(0, 0), None);
        assert!(!ring.is_reserved(Dir::Read) && !ring.is_reserved(Dir::Write));
    }

    #[test]
    fn one_reservation_per_direction() {
        let mut ring = Indices::new(128);
        write(&mut ring, 100);
        assert!(ring.reserve_read(10).is_some());
        assert_eq!(ring.reserve_read(10), None);
        assert!(ring.reserve_write(1, 10).is_some());
        assert_eq!(ring.reserve_write(1, 10), None);
        assert!(ring.is_reserved(Dir::Read) && ring.is_reserved(Dir::Write));
    }

    #[test]
    fn live_is_contents_and_reserved_room() {
        let mut ring = about_to_wrap(128, 5);
        let start = ring.contents().start;
        assert_eq!(ring.live(), Span { start, len: 1 });
        assert!(ring.reserve_write(10, 10).is_some());
        assert!(ring.reserve_read(1).is_some());
        assert_eq!(ring.live(), Span { start, len: 11 });
        ring.commit(Dir::Read, 1);
        ring.commit(Dir::Write, 4);
        assert_eq!(ring.live(), ring.contents());
    }

    #[test]
    fn reserved_bytes_are_neither_readable_nor_writable() {
        let mut ring = Indices::new(128);
        write(&mut ring, 100);
        ring.reserve_read(30);
        assert_eq!((ring.readable(), ring.writable()), (70, 28));
        ring.reserve_write(1, 20);
        assert_eq!((ring.readable(), ring.writable()), (70, 8));
        ring.commit(Dir::Read, 30);
        assert_eq!((ring.readable(), ring.writable()), (70, 38));
        ring.commit(Dir::Write, 20);
        assert_eq!((ring.readable(), ring.writable()), (90, 38));
    }

    #[test]
    fn committing_nothing_changes_nothing() {
        let mut ring = Indices::new(128);
        write(&mut ring, 100);
        ring.reserve_read(30);
        ring.commit(Dir::Read, 0);
        ring.reserve_write(1, 20);
        ring.commit(Dir::Write, 0);
        assert_eq!((ring.readable(), ring.writable()), (100, 28));
        assert_eq!(ring.reserve_read(1), Some(Span { start: 0, len: 1 }));
    }

    #[test]
    fn short_commit_leaves_the_rest() {
        let mut ring = Indices::new(128);
        let span = ring.reserve_write(1, 100).expect("room");
        ring.commit(Dir::Write, 40);
        assert_eq!((ring.readable(), ring.writable()), (40, 88));
        assert_eq!(span.start.wrapping_add(40), write(&mut ring, 1).start);
        ring.reserve_read(41);
        ring.commit(Dir::Read, 11);
        assert_eq!(ring.reserve_read(41), Some(Span { start: 11, len: 30 }));
    }

    #[test]
    fn oldest_is_what_reserve_read_reserves() {
        let mut ring = about_to_wrap(128, 20);
        assert_eq!(ring.oldest(0), None);
        write(&mut ring, 99);
        for most in [1, 100, usize::MAX] {
            let span = ring.oldest(most);
            assert_eq!(span.map(|span| span.len), Some(most.min(100)));
            assert_eq!(span, ring.reserve_read(most));
            assert_eq!(ring.oldest(most), None);
            ring.commit(Dir::Read, 0);
        }
    }

    #[test]
    fn vacant_is_what_reserve_write_reserves() {
        let mut ring = about_to_wrap(128, 20);
        assert_eq!(ring.vacant(0, 0), None);
        assert_eq!(ring.vacant(128, 128), None);
        for (least, most) in [(1, 1), (127, 127), (0, usize::MAX)] {
            let span = ring.vacant(least, most);
            assert_eq!(span.map(|span| span.len), Some(most.min(127)));
            assert_eq!(span, ring.reserve_write(least, most));
            assert_eq!(ring.vacant(least, most), None);
            ring.commit(Dir::Write, 0);
        }
    }

    /// The reservations of the other direction make no difference.
    #[test]
    fn advance_equals_reserve_and_commit() {
        let (mut ring, mut other) = (about_to_wrap(128, 20), about_to_wrap(128, 20));
        ring.advance(Dir::Write, 60);
        write(&mut other, 60);
        assert_eq!(ring.contents(), other.contents());
        ring.reserve_write(1, 10);
        ring.advance(Dir::Read, 61);
        read(&mut other, 61);
        assert_eq!((ring.readable(), ring.writable()), (0, 118));
        ring.commit(Dir::Write, 10);
        assert_eq!(ring.oldest(128), Some(Span { start: 41, len: 10 }));
        ring.reserve_read(10);
        ring.advance(Dir::Write, 118);
        assert_eq!((ring.readable(), ring.writable()), (118, 0));
    }

    #[test]
    fn advance_to_empty_rewinds() {
        let mut ring = Indices::new(65536);
        ring.advance(Dir::Write, 5000);
        ring.advance(Dir::Read, 4999);
        assert_eq!(ring.vacant(1, 1).map(|span| span.start), Some(5000));
        ring.advance(Dir::Read, 1);
        assert_eq!(ring.vacant(1, 1).map(|span| span.start), Some(0));
    }

    #[test]
    fn commit_part_keeps_the_rest_reserved() {
        let mut ring = about_to_wrap(128, 20);
        let room = ring.reserve_write(1, 100).expect("room");
        ring.commit_part(Dir::Write, 30);
        assert_eq!((ring.readable(), ring.writable()), (31, 27));
        ring.commit_part(Dir::Write, 30);
        assert_eq!((ring.readable(), ring.writable()), (61, 27));
        assert!(ring.is_reserved(Dir::Write));
        // The last commit may be of fewer bytes than are reserved.
        ring.commit(Dir::Write, 20);
        assert_eq!((ring.readable(), ring.writable()), (81, 47));
        let rest = ring.vacant(1, 1).expect("room");
        assert_eq!(rest.start, room.start.wrapping_add(80));

        let bytes = ring.reserve_read(81).expect("bytes");
        ring.commit_part(Dir::Read, 40);
        assert_eq!((ring.readable(), ring.writable()), (0, 87));
        ring.commit_part(Dir::Read, 40);
        assert_eq!((ring.readable(), ring.writable()), (0, 127));
        assert!(ring.is_reserved(Dir::Read));
        ring.commit(Dir::Read, 0);
        let rest = ring.oldest(81).expect("a byte");
        assert_eq!((rest.start, rest.len), (bytes.start.wrapping_add(80), 1));
    }

    #[test]
    fn commit_part_does_not_rewind_under_a_reservation() {
        let mut ring = Indices::new(128);
        let room = ring.reserve_write(1, 100).expect("room");
        ring.commit_part(Dir::Write, 60);
        read(&mut ring, 60);
        assert!(ring.is_empty());
        ring.commit(Dir::Write, 40);
        let rest = ring.oldest(128).expect("bytes");
        assert_eq!((rest.start, rest.len), (room.start + 60, 40));
        ring.advance(Dir::Read, 40);
        assert_eq!(ring.vacant(1, 1).map(|span| span.start), Some(0));
    }

    #[test]
    fn commit_is_limited_to_the_reservation() {
        let mut ring = Indices::new(128);
        write(&mut ring, 100);
        ring.reserve_read(10);
        ring.commit(Dir::Read, usize::MAX);
        assert_eq!(ring.readable(), 90);
        ring.reserve_write(1, 10);
        ring.commit(Dir::Write, usize::MAX);
        assert_eq!(ring.readable(), 100);
        ring.commit(Dir::Read, 5);
        ring.commit(Dir::Write, 5);
        assert_eq!((ring.readable(), ring.writable()), (100, 28));
    }

    #[test]
    fn reserve_write_fails_below_the_least() {
        let mut ring = Indices::new(128);
        write(&mut ring, 100);
        assert_eq!(ring.reserve_write(29, 29), None);
        assert!(ring.reserve_write(28, 28).is_some());
    }

    #[test]
    fn empty_ring_rewinds() {
        let mut ring = Indices::new(65536);
        write(&mut ring, 5000);
        read(&mut ring, 5000);
        assert_eq!(write(&mut ring, 1).start, 0);
    }

    #[test]
    fn reservation_prevents_rewind() {
        let mut ring = Indices::new(65536);
        write(&mut ring, 5000);
        ring.reserve_write(1, 10);
        read(&mut ring, 5000);
        assert!(ring.is_empty());
        ring.commit(Dir::Write, 10);
        assert_eq!(read(&mut ring, 10).start, 5000);
        assert_eq!(write(&mut ring, 1).start, 0);
    }

    #[test]
    fn unwrite_removes_newest_unreserved_bytes() {
        let mut ring = Indices::new(128);
        write(&mut ring, 100);
        ring.reserve_read(30);
        assert_eq!(ring.unwrite(10), 10);
        assert_eq!((ring.readable(), ring.writable()), (60, 38));
        assert_eq!(ring.unwrite(usize::MAX), 60);
        assert_eq!((ring.readable(), ring.writable()), (0, 98));
        assert_eq!(write(&mut ring, 5).start, 30);
        ring.commit(Dir::Read, 30);
        assert_eq!(read(&mut ring, 5).start, 30);
        assert_eq!(ring.unwrite(1), 0);
    }

    #[test]
    fn resize_needs_room_for_the_contents() {
        let mut ring = Indices::new(128);
        write(&mut ring, 100);
        assert!(!ring.resize(99));
        assert!(ring.resize(100));
        assert_eq!((ring.readable(), ring.writable()), (100, 0));
        assert!(ring.resize(usize::MAX / 2));
        assert_eq!(ring.writable(), usize::MAX / 2 - 100);
        assert_eq!(ring.contents(), Span { start: 0, len: 100 });
    }

    #[test]
    fn resize_needs_room_for_reservations() {
        let mut ring = Indices::new(128);
        write(&mut ring, 100);
        ring.reserve_read(30);
        ring.reserve_write(1, 20);
        assert!(!ring.resize(119));
        assert!(ring.resize(120));
        ring.commit(Dir::Read, 30);
        ring.commit(Dir::Write, 20);
        assert_eq!((ring.readable(), ring.writable()), (90, 30));
    }

    #[test]
    fn indices_wrap() {
        for capacity in [3, 128, 5000, 65536] {
            for before in 0..=capacity {
                let mut ring = about_to_wrap(capacity, before);
                assert_eq!((ring.readable(), ring.writable()), (1, capacity - 1));
                write(&mut ring, capacity - 1);
                assert_eq!((ring.readable(), ring.writable()), (capacity, 0));
                let span = read(&mut ring, capacity - 1);
                assert_eq!(span.start, 0usize.wrapping_sub(before));
                assert_eq!((ring.readable(), ring.writable()), (1, capacity - 1));
            }
        }
    }

    /// Each byte comes out once and in order, for odd capacities and sizes.
    #[test]
    fn bytes_keep_their_order_across_a_wrap() {
        for (capacity, storage) in [
            (1, 4096),
            (3, 4096),
            (128, 4096),
            (4097, 8192),
            (5000, 8192),
        ] {
            let mut ring = about_to_wrap(capacity, 3 * capacity);
            let mut pages = vec![0u8; storage];
            let mut expected = VecDeque::from([0u8]);
            let (mut next, mut random) = (1u8, 1u32);
            for _ in 0..20_000 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let want = 1 + (random >> 8) as usize % (capacity + 7);
                if random >> 31 == 0 {
                    let Some(span) = ring.reserve_write(1, want) else {
                        continue;
                    };
                    for i in 0..span.len {
                        pages[span.start.wrapping_add(i) % storage] = next;
                        expected.push_back(next);
                        next = next.wrapping_add(1);
                    }
                    ring.commit(Dir::Write, span.len);
                } else if let Some(span) = ring.reserve_read(want) {
                    for i in 0..span.len {
                        let byte = pages[span.start.wrapping_add(i) % storage];
                        assert_eq!(Some(byte), expected.pop_front());
                    }
                    ring.commit(Dir::Read, span.len);
                }
                assert_eq!(ring.readable(), expected.len());
                assert_eq!(ring.writable(), capacity - expected.len());
            }
        }
    }

    /// Random reservations and commits of both directions.
    #[test]
    fn reservations_never_overlap() {
        for capacity in [1, 2, 3, 5, 8, 13] {
            let mut ring = about_to_wrap(capacity, 40);
            let mut random = 7u32;
            let mut reserved: [Option<Span>; 2] = [None, None];
            for _ in 0..50_000 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let n = (random >> 16) as usize % (capacity + 1);
                match random >> 29 {
                    0 | 1 => reserved[0] = ring.reserve_read(n).or(reserved[0]),
                    2 | 3 => reserved[1] = ring.reserve_write(1, n).or(reserved[1]),
                    4 => {
                        ring.commit(Dir::Read, n);
                        reserved[0] = None;
                    }
                    5 => {
                        ring.commit(Dir::Write, n);
                        reserved[1] = None;
                    }
                    6 => {
                        if let Some(span) = reserved[0].as_mut().filter(|span| n < span.len) {
                            ring.commit_part(Dir::Read, n);
                            (span.start, span.len) = (span.start.wrapping_add(n), span.len - n);
                        }
                    }
                    _ => {
                        if let Some(span) = reserved[1].as_mut().filter(|span| n < span.len) {
                            ring.commit_part(Dir::Write, n);
                            (span.start, span.len) = (span.start.wrapping_add(n), span.len - n);
                        }
                    }
                }
                if let [Some(reader), Some(writer)] = reserved {
                    let distance = writer.start.wrapping_sub(reader.start);
                    assert!(reader.len <= distance);
                    assert!(distance + writer.len <= capacity);
                }
                assert!(ring.readable() + ring.writable() <= capacity);
            }
        }
    }
}
