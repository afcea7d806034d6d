// SPDX-License-Identifier: GPL-2.0

//! Where the bytes of a ring are, and who holds which of them.
//!
//! Plain arithmetic, without a page or a lock in sight, so that it can be tested in user space:
//! `make test` compiles this file by itself with `rustc --test`.
//!
//! ```text
//!        tail                  head                 tail + capacity
//!         |  leased  |  bytes   |  leased  |  room   |
//!         |  to the  |          |  to the  |         |
//!         |  reader  |          |  writer  |         |
//! ```
//!
//! `head` and `tail` count bytes from the beginning and wrap at the end of `usize`, on purpose;
//! only their difference and, for a ring whose storage is a power of two, their low bits mean
//! anything.

/// A run of bytes in the ring: `len` of them, the first at index `start`, which wraps as `head` and
/// `tail` do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) len: usize,
}

/// The two indices of a ring and the two leases on it.
///
/// # Invariants
///
/// - `head.wrapping_sub(tail) + writing <= capacity`: what is in the ring and what is about to come
///   in fit.
/// - `reading <= head.wrapping_sub(tail)`: a reader leases only bytes that are there.
///
/// Together they say that the span leased to a reader and the span leased to a writer never
/// overlap.
pub(crate) struct Indices {
    /// Where the next byte goes in.
    head: usize,
    /// Where the next byte comes out.
    tail: usize,
    capacity: usize,
    /// Bytes leased to a reader, from `tail` on; 0 when there is no such reservation.
    reading: usize,
    /// Bytes of room leased to a writer, from `head` on; 0 when there is no such reservation.
    writing: usize,
}

impl Indices {
    /// An empty ring of `capacity` bytes.
    pub(crate) const fn new(capacity: usize) -> Self {
        Self {
            head: 0,
            tail: 0,
            capacity,
            reading: 0,
            writing: 0,
        }
    }

    /// How many bytes the ring can hold.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// How many bytes have gone in and not come out, those on lease to a reader included.
    fn len(&self) -> usize {
        self.head.wrapping_sub(self.tail)
    }

    /// Whether nothing is in the ring, not even on lease to a reader.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes in the ring, those on lease to a reader included.
    pub(crate) fn contents(&self) -> Span {
        Span {
            start: self.tail,
            len: self.len(),
        }
    }

    /// The bytes in the ring, and behind them the room that is on lease to a writer.
    pub(crate) fn live(&self) -> Span {
        Span {
            start: self.tail,
            len: self.len().wrapping_add(self.writing),
        }
    }

    /// How many bytes wait for a reader. Those on lease count as gone.
    pub(crate) fn readable(&self) -> usize {
        // By the invariants this does not wrap.
        self.len().wrapping_sub(self.reading)
    }

    /// How many bytes a writer finds room for. Room on lease counts as gone.
    pub(crate) fn writable(&self) -> usize {
        // By the invariants this does not wrap.
        self.capacity
            .wrapping_sub(self.len())
            .wrapping_sub(self.writing)
    }

    /// Whether a reader holds a reservation.
    pub(crate) fn is_reading(&self) -> bool {
        self.reading != 0
    }

    /// Whether a writer holds a reservation.
    pub(crate) fn is_writing(&self) -> bool {
        self.writing != 0
    }

    /// The oldest bytes, at most `most`. [`None`] when there are none, and while a reader holds a
    /// reservation.
    pub(crate) fn oldest(&self, most: usize) -> Option<Span> {
        let len = self.len().min(most);
        if self.is_reading() || len == 0 {
            return None;
        }
        Some(Span {
            start: self.tail,
            len,
        })
    }

    /// Room for at most `most` bytes. [`None`] when there is less than `least`, or nothing at all,
    /// and while a writer holds a reservation.
    pub(crate) fn vacant(&self, least: usize, most: usize) -> Option<Span> {
        let room = self.writable();
        if self.is_writing() || most == 0 || room < least || room == 0 {
            return None;
        }
        Some(Span {
            start: self.head,
            len: room.min(most),
        })
    }

    /// Leases to a reader what [`Indices::oldest`] finds.
    pub(crate) fn reserve_read(&mut self, most: usize) -> Option<Span> {
        let span = self.oldest(most)?;
        // INVARIANT: They are there.
        self.reading = span.len;
        Some(span)
    }

    /// Leases to a writer what [`Indices::vacant`] finds.
    pub(crate) fn reserve_write(&mut self, least: usize, most: usize) -> Option<Span> {
        let span = self.vacant(least, most)?;
        // INVARIANT: It is room that is there.
        self.writing = span.len;
        Some(span)
    }

    /// The first `taken` bytes of the reader's lease, not all of them, leave the ring; it keeps the
    /// rest.
    pub(crate) fn commit_read_part(&mut self, taken: usize) {
        // INVARIANT: They were there, and on reservation.
        self.tail = self.tail.wrapping_add(taken);
        self.reading = self.reading.wrapping_sub(taken);
    }

    /// The first `put` bytes of the writer's lease, not all of them, are in the ring; it keeps the
    /// rest.
    pub(crate) fn commit_write_part(&mut self, put: usize) {
        // INVARIANT: They were room on reservation.
        self.head = self.head.wrapping_add(put);
        self.writing = self.writing.wrapping_sub(put);
    }

    /// Ends the reader's reservation: the first `taken` bytes of it leave the ring, the rest stay.
    pub(crate) fn commit_read(&mut self, taken: usize) {
        let taken = taken.min(self.reading);
        self.reading = 0;
        self.remove(taken);
    }

    /// Ends the writer's reservation: the first `put` bytes of it are in the ring, the rest is room
    /// again.
    pub(crate) fn commit_write(&mut self, put: usize) {
        let put = put.min(self.writing);
        self.writing = 0;
        self.add(put);
    }

    /// The oldest `len` bytes leave the ring: no more than [`Indices::oldest`] has just found.
    pub(crate) fn remove(&mut self, len: usize) {
        // INVARIANT: They were there.
        self.tail = self.tail.wrapping_add(len);
        self.rewind();
    }

    /// The first `len` bytes of the room are in the ring: no more than [`Indices::vacant`] has just
    /// found.
    pub(crate) fn add(&mut self, len: usize) {
        // INVARIANT: There was room for them.
        self.head = self.head.wrapping_add(len);
        self.rewind();
    }

    /// Takes the newest bytes out again, at most `most` and none that is on lease to a reader. Not
    /// while a writer holds a reservation. Returns how many that were.
    pub(crate) fn unwrite(&mut self, most: usize) -> usize {
        // INVARIANT: At most what is there and not on lease leaves.
        let taken = self.readable().min(most);
        self.head = self.head.wrapping_sub(taken);
        self.rewind();
        taken
    }

    /// Lets the ring hold `capacity` bytes from now on. Returns whether it does: not if those that
    /// are in it, or about to come in, do not fit.
    pub(crate) fn resize(&mut self, capacity: usize) -> bool {
        let fits = self.len() + self.writing <= capacity;
        if fits {
            // INVARIANT: They fit.
            self.capacity = capacity;
        }
        fits
    }

    /// Goes back to the start of an empty ring, which keeps copies aligned with pages and the first
    /// page in the cache. A lease knows its place in the ring, so not while one is out.
    fn rewind(&mut self) {
        if self.is_empty() && !self.is_reading() && !self.is_writing() {
            self.head = 0;
            self.tail = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    /// A ring whose indices stand `before` bytes short of the end of `usize`, holding one byte, so
    /// that it does not rewind.
    fn at_the_end(capacity: usize, before: usize) -> Indices {
        let tail = 0usize.wrapping_sub(before);
        Indices {
            head: tail.wrapping_add(1),
            tail,
            ..Indices::new(capacity)
        }
    }

    fn put(ring: &mut Indices, n: usize) -> Span {
        let span = ring.reserve_write(n, n).expect("room");
        ring.commit_write(n);
        span
    }

    fn take(ring: &mut Indices, n: usize) -> Span {
        let span = ring.reserve_read(n).expect("bytes");
        ring.commit_read(span.len);
        span
    }

    #[test]
    fn a_new_ring_is_empty_and_all_room() {
        for capacity in [1, 2, 3, 128, 4095, 4096, 4097, 5000, 65536, 1 << 20] {
            let ring = Indices::new(capacity);
            assert!(ring.is_empty());
            assert_eq!((ring.readable(), ring.writable()), (0, capacity));
            assert_eq!(ring.capacity(), capacity);
        }
    }

    #[test]
    fn a_full_ring_has_exactly_its_capacity() {
        for capacity in [1, 3, 127, 128, 5000, 65536] {
            let mut ring = Indices::new(capacity);
            let span = ring.reserve_write(1, usize::MAX).expect("room");
            assert_eq!(span.len, capacity);
            ring.commit_write(capacity);
            assert_eq!((ring.readable(), ring.writable()), (capacity, 0));
            assert_eq!(ring.reserve_write(1, 1), None);
        }
    }

    #[test]
    fn an_empty_ring_has_nothing_to_lease() {
        let mut ring = Indices::new(128);
        assert_eq!(ring.reserve_read(1), None);
        assert_eq!(ring.reserve_read(0), None);
        assert_eq!(ring.reserve_write(0, 0), None);
        assert!(!ring.is_reading() && !ring.is_writing());
    }

    #[test]
    fn one_lease_a_side() {
        let mut ring = Indices::new(128);
        put(&mut ring, 100);
        assert!(ring.reserve_read(10).is_some());
        assert_eq!(ring.reserve_read(10), None);
        assert!(ring.reserve_write(1, 10).is_some());
        assert_eq!(ring.reserve_write(1, 10), None);
        assert!(ring.is_reading() && ring.is_writing());
    }

    #[test]
    fn live_is_what_is_there_and_what_is_coming() {
        let mut ring = at_the_end(128, 5);
        let start = ring.contents().start;
        assert_eq!(ring.live(), Span { start, len: 1 });
        assert!(ring.reserve_write(10, 10).is_some());
        assert!(ring.reserve_read(1).is_some());
        assert_eq!(ring.live(), Span { start, len: 11 });
        ring.commit_read(1);
        ring.commit_write(4);
        assert_eq!(ring.live(), ring.contents());
    }

    #[test]
    fn what_is_on_lease_counts_as_gone() {
        let mut ring = Indices::new(128);
        put(&mut ring, 100);
        ring.reserve_read(30);
        assert_eq!((ring.readable(), ring.writable()), (70, 28));
        ring.reserve_write(1, 20);
        assert_eq!((ring.readable(), ring.writable()), (70, 8));
        ring.commit_read(30);
        assert_eq!((ring.readable(), ring.writable()), (70, 38));
        ring.commit_write(20);
        assert_eq!((ring.readable(), ring.writable()), (90, 38));
    }

    #[test]
    fn a_lease_given_back_unused_changes_nothing() {
        let mut ring = Indices::new(128);
        put(&mut ring, 100);
        ring.reserve_read(30);
        ring.commit_read(0);
        ring.reserve_write(1, 20);
        ring.commit_write(0);
        assert_eq!((ring.readable(), ring.writable()), (100, 28));
        assert_eq!(ring.reserve_read(1), Some(Span { start: 0, len: 1 }));
    }

    #[test]
    fn a_lease_given_back_half_used_keeps_the_rest() {
        let mut ring = Indices::new(128);
        let span = ring.reserve_write(1, 100).expect("room");
        ring.commit_write(40);
        assert_eq!((ring.readable(), ring.writable()), (40, 88));
        assert_eq!(span.start.wrapping_add(40), put(&mut ring, 1).start);
        ring.reserve_read(41);
        ring.commit_read(11);
        assert_eq!(ring.reserve_read(41), Some(Span { start: 11, len: 30 }));
    }

    #[test]
    fn the_oldest_bytes_are_those_of_the_next_lease() {
        let mut ring = at_the_end(128, 20);
        assert_eq!(ring.oldest(0), None);
        put(&mut ring, 99);
        for most in [1, 100, usize::MAX] {
            let span = ring.oldest(most);
            assert_eq!(span.map(|span| span.len), Some(most.min(100)));
            assert_eq!(span, ring.reserve_read(most));
            assert_eq!(ring.oldest(most), None);
            ring.commit_read(0);
        }
    }

    #[test]
    fn what_is_vacant_is_the_room_of_the_next_lease() {
        let mut ring = at_the_end(128, 20);
        assert_eq!(ring.vacant(0, 0), None);
        assert_eq!(ring.vacant(128, 128), None);
        for (least, most) in [(1, 1), (127, 127), (0, usize::MAX)] {
            let span = ring.vacant(least, most);
            assert_eq!(span.map(|span| span.len), Some(most.min(127)));
            assert_eq!(span, ring.reserve_write(least, most));
            assert_eq!(ring.vacant(least, most), None);
            ring.commit_write(0);
        }
    }

    /// What is moved at once goes where a lease would have moved it, also while the other side
    /// holds one.
    #[test]
    fn what_moves_without_a_lease_is_found_as_if_it_had_one() {
        let (mut ring, mut other) = (at_the_end(128, 20), at_the_end(128, 20));
        ring.add(60);
        put(&mut other, 60);
        assert_eq!(ring.contents(), other.contents());
        ring.reserve_write(1, 10);
        ring.remove(61);
        take(&mut other, 61);
        assert_eq!((ring.readable(), ring.writable()), (0, 118));
        ring.commit_write(10);
        assert_eq!(ring.oldest(128), Some(Span { start: 41, len: 10 }));
        ring.reserve_read(10);
        ring.add(118);
        assert_eq!((ring.readable(), ring.writable()), (118, 0));
    }

    #[test]
    fn a_ring_emptied_without_a_lease_starts_again_at_its_first_page() {
        let mut ring = Indices::new(65536);
        ring.add(5000);
        ring.remove(4999);
        assert_eq!(ring.vacant(1, 1).map(|span| span.start), Some(5000));
        ring.remove(1);
        assert_eq!(ring.vacant(1, 1).map(|span| span.start), Some(0));
    }

    #[test]
    fn a_lease_given_back_in_parts_goes_on_with_the_rest() {
        let mut ring = at_the_end(128, 20);
        let room = ring.reserve_write(1, 100).expect("room");
        ring.commit_write_part(30);
        assert_eq!((ring.readable(), ring.writable()), (31, 27));
        ring.commit_write_part(30);
        assert_eq!((ring.readable(), ring.writable()), (61, 27));
        assert!(ring.is_writing());
        // Its end may fall short.
        ring.commit_write(20);
        assert_eq!((ring.readable(), ring.writable()), (81, 47));
        let rest = ring.vacant(1, 1).expect("room");
        assert_eq!(rest.start, room.start.wrapping_add(80));

        let bytes = ring.reserve_read(81).expect("bytes");
        ring.commit_read_part(40);
        assert_eq!((ring.readable(), ring.writable()), (0, 87));
        ring.commit_read_part(40);
        assert_eq!((ring.readable(), ring.writable()), (0, 127));
        assert!(ring.is_reading());
        ring.commit_read(0);
        let rest = ring.oldest(81).expect("a byte");
        assert_eq!((rest.start, rest.len), (bytes.start.wrapping_add(80), 1));
    }

    #[test]
    fn it_does_not_start_again_under_a_lease_given_back_in_parts() {
        let mut ring = Indices::new(128);
        let room = ring.reserve_write(1, 100).expect("room");
        ring.commit_write_part(60);
        take(&mut ring, 60);
        assert!(ring.is_empty());
        ring.commit_write(40);
        let rest = ring.oldest(128).expect("bytes");
        assert_eq!((rest.start, rest.len), (room.start + 60, 40));
        ring.remove(40);
        assert_eq!(ring.vacant(1, 1).map(|span| span.start), Some(0));
    }

    #[test]
    fn nobody_takes_or_puts_more_than_was_leased() {
        let mut ring = Indices::new(128);
        put(&mut ring, 100);
        ring.reserve_read(10);
        ring.commit_read(usize::MAX);
        assert_eq!(ring.readable(), 90);
        ring.reserve_write(1, 10);
        ring.commit_write(usize::MAX);
        assert_eq!(ring.readable(), 100);
        ring.commit_read(5);
        ring.commit_write(5);
        assert_eq!((ring.readable(), ring.writable()), (100, 28));
    }

    #[test]
    fn less_room_than_the_least_is_none() {
        let mut ring = Indices::new(128);
        put(&mut ring, 100);
        assert_eq!(ring.reserve_write(29, 29), None);
        assert!(ring.reserve_write(28, 28).is_some());
    }

    #[test]
    fn an_empty_ring_starts_again_at_its_first_page() {
        let mut ring = Indices::new(65536);
        put(&mut ring, 5000);
        take(&mut ring, 5000);
        assert_eq!(put(&mut ring, 1).start, 0);
    }

    #[test]
    fn it_does_not_start_again_under_a_lease() {
        let mut ring = Indices::new(65536);
        put(&mut ring, 5000);
        ring.reserve_write(1, 10);
        take(&mut ring, 5000);
        assert!(ring.is_empty());
        ring.commit_write(10);
        assert_eq!(take(&mut ring, 10).start, 5000);
        assert_eq!(put(&mut ring, 1).start, 0);
    }

    #[test]
    fn only_the_newest_bytes_that_nobody_reads_are_taken_back() {
        let mut ring = Indices::new(128);
        put(&mut ring, 100);
        ring.reserve_read(30);
        assert_eq!(ring.unwrite(10), 10);
        assert_eq!((ring.readable(), ring.writable()), (60, 38));
        assert_eq!(ring.unwrite(usize::MAX), 60);
        assert_eq!((ring.readable(), ring.writable()), (0, 98));
        assert_eq!(put(&mut ring, 5).start, 30);
        ring.commit_read(30);
        assert_eq!(take(&mut ring, 5).start, 30);
        assert_eq!(ring.unwrite(1), 0);
    }

    #[test]
    fn a_ring_holds_more_or_less_as_long_as_its_bytes_fit() {
        let mut ring = Indices::new(128);
        put(&mut ring, 100);
        assert!(!ring.resize(99));
        assert!(ring.resize(100));
        assert_eq!((ring.readable(), ring.writable()), (100, 0));
        assert!(ring.resize(usize::MAX / 2));
        assert_eq!(ring.writable(), usize::MAX / 2 - 100);
        assert_eq!(ring.contents(), Span { start: 0, len: 100 });
    }

    #[test]
    fn what_is_on_lease_must_fit_into_another_capacity() {
        let mut ring = Indices::new(128);
        put(&mut ring, 100);
        ring.reserve_read(30);
        ring.reserve_write(1, 20);
        assert!(!ring.resize(119));
        assert!(ring.resize(120));
        ring.commit_read(30);
        ring.commit_write(20);
        assert_eq!((ring.readable(), ring.writable()), (90, 30));
    }

    #[test]
    fn indices_wrap_at_the_end_of_usize() {
        for capacity in [3, 128, 5000, 65536] {
            for before in 0..=capacity {
                let mut ring = at_the_end(capacity, before);
                assert_eq!((ring.readable(), ring.writable()), (1, capacity - 1));
                put(&mut ring, capacity - 1);
                assert_eq!((ring.readable(), ring.writable()), (capacity, 0));
                let span = take(&mut ring, capacity - 1);
                assert_eq!(span.start, 0usize.wrapping_sub(before));
                assert_eq!((ring.readable(), ring.writable()), (1, capacity - 1));
            }
        }
    }

    /// Every byte out once and in order, for odd capacities and odd chunks, across the end of
    /// `usize`.
    #[test]
    fn bytes_come_out_as_they_went_in() {
        for (capacity, storage) in [
            (1, 4096),
            (3, 4096),
            (128, 4096),
            (4097, 8192),
            (5000, 8192),
        ] {
            let mut ring = at_the_end(capacity, 3 * capacity);
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
                    ring.commit_write(span.len);
                } else if let Some(span) = ring.reserve_read(want) {
                    for i in 0..span.len {
                        let byte = pages[span.start.wrapping_add(i) % storage];
                        assert_eq!(Some(byte), expected.pop_front());
                    }
                    ring.commit_read(span.len);
                }
                assert_eq!(ring.readable(), expected.len());
                assert_eq!(ring.writable(), capacity - expected.len());
            }
        }
    }

    /// The two leases never share a byte of the ring, whatever is taken and put under them.
    #[test]
    fn leases_never_overlap() {
        for capacity in [1, 2, 3, 5, 8, 13] {
            let mut ring = at_the_end(capacity, 40);
            let mut random = 7u32;
            let mut leased: [Option<Span>; 2] = [None, None];
            for _ in 0..50_000 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let n = (random >> 16) as usize % (capacity + 1);
                match random >> 29 {
                    0 | 1 => leased[0] = ring.reserve_read(n).or(leased[0]),
                    2 | 3 => leased[1] = ring.reserve_write(1, n).or(leased[1]),
                    4 => {
                        ring.commit_read(n);
                        leased[0] = None;
                    }
                    5 => {
                        ring.commit_write(n);
                        leased[1] = None;
                    }
                    6 => {
                        if let Some(span) = leased[0].as_mut().filter(|span| n < span.len) {
                            ring.commit_read_part(n);
                            (span.start, span.len) = (span.start.wrapping_add(n), span.len - n);
                        }
                    }
                    _ => {
                        if let Some(span) = leased[1].as_mut().filter(|span| n < span.len) {
                            ring.commit_write_part(n);
                            (span.start, span.len) = (span.start.wrapping_add(n), span.len - n);
                        }
                    }
                }
                if let [Some(reader), Some(writer)] = leased {
                    let distance = writer.start.wrapping_sub(reader.start);
                    assert!(reader.len <= distance);
                    assert!(distance + writer.len <= capacity);
                }
                assert!(ring.readable() + ring.writable() <= capacity);
            }
        }
    }
}
