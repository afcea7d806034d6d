// SPDX-License-Identifier: GPL-2.0

//! Which bytes of a ring are packets: written with `O_DIRECT`, or spliced as packets.
//!
//! A ring holds at most as many packets as it has cells: a packet of pipe(2) takes a page.
//! Plain arithmetic on slots that the caller allocates, so `make test` also tests it in user space.

use crate::ring::indices::Span;
use core::ops::DerefMut;

/// The packets in a ring, oldest first: a circular array of slots.
pub(crate) struct Packets<S> {
    slots: S,
    /// The slot of the oldest packet.
    first: usize,
    count: usize,
    /// Whether all slots are taken. Stored, because every write asks for it.
    full: bool,
}

impl<S: DerefMut<Target = [Span]>> Packets<S> {
    /// No packets. Each of the `slots`, at least one, is free; its old value does not matter.
    pub(crate) fn new(slots: S) -> Self {
        Self {
            slots,
            first: 0,
            count: 0,
            full: false,
        }
    }

    /// Whether all slots are taken.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// The oldest packet.
    pub(crate) fn first(&self) -> Option<Span> {
        self.get(0)
    }

    /// Adds a packet that lies behind all others. A slot must be free: see [`Packets::is_full`]. If
    /// none is free, the bytes stay in the ring as ordinary bytes.
    pub(crate) fn push(&mut self, span: Span) {
        let slot = self.slot(self.count);
        if !self.full {
            if let Some(slot) = self.slots.get_mut(slot) {
                *slot = span;
                self.set_count(self.count + 1);
            }
        }
    }

    /// Removes the oldest packet.
    pub(crate) fn pop(&mut self) {
        if self.count > 0 {
            self.first = self.slot(1);
            self.set_count(self.count - 1);
        }
    }

    /// The oldest bytes, `removed`, are leaving the ring. Removes their packets, and shortens a
    /// packet of which only a part leaves.
    pub(crate) fn remove(&mut self, removed: Span) {
        while let Some(packet) = self.first() {
            let offset = packet.start.wrapping_sub(removed.start);
            let rest = packet.skip(removed.len.saturating_sub(offset));
            if rest == packet {
                break;
            }
            if rest.len > 0 {
                if let Some(slot) = self.slots.get_mut(self.first) {
                    *slot = rest;
                }
                break;
            }
            self.pop();
        }
    }

    /// The newest bytes have left the ring, and only `contents` is left. Removes the packets that
    /// are no longer in the ring, and shortens a packet of which only a part is left.
    pub(crate) fn truncate(&mut self, contents: Span) {
        while let Some(last) = self.count.checked_sub(1) {
            let slot = self.slot(last);
            if let Some(span) = self.slots.get_mut(slot) {
                let offset = span.start.wrapping_sub(contents.start);
                if offset < contents.len {
                    *span = span.first(contents.len - offset);
                    break;
                }
            }
            self.set_count(last);
        }
    }

    /// Moves all packets of `other` here, if there are slots for them and for `reserved` more.
    /// Returns whether there are enough slots.
    pub(crate) fn take_over(&mut self, other: &mut Self, reserved: usize) -> bool {
        let fit = other.count + reserved <= self.slots.len() - self.count;
        while let (true, Some(span)) = (fit, other.first()) {
            self.push(span);
            other.pop();
        }
        fit
    }

    fn set_count(&mut self, count: usize) {
        self.count = count;
        self.full = count == self.slots.len();
    }

    /// Packet number `nth`, where 0 is the oldest.
    pub(crate) fn get(&self, nth: usize) -> Option<Span> {
        if nth < self.count {
            self.slots.get(self.slot(nth)).copied()
        } else {
            None
        }
    }

    /// The slot of packet number `nth`; `nth` is at most the number of slots.
    fn slot(&self, nth: usize) -> usize {
        // `first` is less than that number, so the sum does not overflow.
        let slot = self.first + nth;
        if slot < self.slots.len() {
            slot
        } else {
            slot - self.slots.len()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Packets;
    use crate::ring::indices::Span;

    fn packets(slots: usize) -> Packets<Vec<Span>> {
        Packets::new(vec![span(0, 0); slots])
    }

    fn span(start: usize, len: usize) -> Span {
        Span { start, len }
    }

    #[test]
    fn packets_keep_their_order() {
        let mut packets = packets(3);
        let mut start = usize::MAX - 5;
        assert!(packets.first().is_none());
        for round in 1..10 {
            packets.push(span(start, round));
            packets.push(span(start.wrapping_add(round), 1));
            assert!(packets.first() == Some(span(start, round)));
            packets.pop();
            start = start.wrapping_add(round);
            assert!(packets.first() == Some(span(start, 1)));
            packets.pop();
            start = start.wrapping_add(1);
            assert!(packets.first().is_none());
        }
    }

    #[test]
    fn push_without_a_free_slot_does_nothing() {
        let mut packets = packets(2);
        packets.push(span(0, 1));
        assert!(!packets.is_full());
        packets.push(span(1, 1));
        assert!(packets.is_full());
        packets.push(span(2, 1));
        packets.pop();
        packets.pop();
        assert!(packets.first().is_none());
        packets.pop();
        assert!(!packets.is_full());
    }

    #[test]
    fn truncate_removes_and_shortens_packets() {
        let mut packets = packets(4);
        let tail = usize::MAX - 2;
        for index in 0..4 {
            packets.push(span(tail.wrapping_add(10 * index), 10));
        }
        packets.truncate(span(tail, 15));
        assert!(packets.first() == Some(span(tail, 10)));
        packets.pop();
        assert!(packets.first() == Some(span(tail.wrapping_add(10), 5)));
        packets.pop();
        assert!(packets.first().is_none());
        packets.push(span(5, 5));
        packets.truncate(span(5, 0));
        assert!(packets.first().is_none());
    }

    #[test]
    fn remove_removes_and_shortens_packets() {
        let mut packets = packets(4);
        let tail = usize::MAX - 2;
        for index in [1, 2, 4] {
            packets.push(span(tail.wrapping_add(10 * index), 10));
        }
        packets.remove(span(tail, 10));
        assert!(packets.first() == Some(span(tail.wrapping_add(10), 10)));
        packets.remove(span(tail, 13));
        assert!(packets.first() == Some(span(tail.wrapping_add(13), 7)));
        packets.remove(span(tail.wrapping_add(13), 12));
        assert!(packets.first() == Some(span(tail.wrapping_add(25), 5)));
        packets.remove(span(tail.wrapping_add(25), 10));
        assert!(packets.first() == Some(span(tail.wrapping_add(40), 10)));
        packets.remove(span(tail.wrapping_add(35), 15));
        assert!(packets.first().is_none());
    }

    #[test]
    fn take_over_needs_slots_for_all() {
        let mut few = packets(1);
        let mut many = packets(3);
        many.push(span(0, 1));
        many.push(span(1, 2));
        assert!(!few.take_over(&mut many, 0));
        many.pop();
        assert!(!few.take_over(&mut many, 1));
        assert!(few.take_over(&mut many, 0));
        assert!(few.first() == Some(span(1, 2)) && many.first().is_none());
        many.push(span(3, 1));
        assert!(!few.take_over(&mut many, 0));
    }
}
