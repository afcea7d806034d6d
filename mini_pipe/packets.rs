// SPDX-License-Identifier: GPL-2.0

//! Which bytes of a ring are packets: those written with `O_DIRECT`.
//!
//! A packet takes a slot, of which there are as many as the ring has pages; so it is with pipe(2),
//! whose packets take a page each.

use crate::indices::Span;
use kernel::{
    alloc::Flags,
    prelude::*, //
};

/// The packets in a ring, oldest first: a ring of slots.
pub(crate) struct Packets {
    slots: KVVec<Span>,
    first: usize,
    count: usize,
    /// `count` is that of the slots: kept, since every write asks for it.
    full: bool,
}

impl Packets {
    /// No packets yet, and room for as many as `slots`, at least 1. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(slots: usize, flags: Flags) -> Result<Self> {
        Ok(Self {
            slots: KVVec::from_elem(Span { start: 0, len: 0 }, slots, flags)?,
            first: 0,
            count: 0,
            full: false,
        })
    }

    /// Whether there is no slot for another one.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// The oldest one.
    pub(crate) fn first(&self) -> Option<Span> {
        self.get(0)
    }

    /// `span`, behind all others, is a packet. One that finds no slot is forgotten, and its bytes
    /// are like others: see [`Packets::is_full`].
    pub(crate) fn push(&mut self, span: Span) {
        let index = self.index(self.count);
        if !self.is_full() {
            if let Some(slot) = self.slots.get_mut(index) {
                *slot = span;
                self.set_count(self.count + 1);
            }
        }
    }

    /// The oldest one has left the ring.
    pub(crate) fn pop(&mut self) {
        if self.count > 0 {
            self.first = self.index(1);
            self.set_count(self.count - 1);
        }
    }

    /// Only what lies within `contents` is in the ring still.
    pub(crate) fn retain(&mut self, contents: Span) {
        while let Some(last) = self.get(self.count.wrapping_sub(1)) {
            if last.start.wrapping_sub(contents.start) < contents.len {
                break;
            }
            self.set_count(self.count - 1);
        }
    }

    /// Takes all of `others`, if there are slots for them and for so many that are still coming.
    /// Returns whether there are.
    pub(crate) fn take_over(&mut self, others: &mut Self, coming: usize) -> bool {
        let fit = others.count + coming <= self.slots.len() - self.count;
        while let (true, Some(span)) = (fit, others.first()) {
            self.push(span);
            others.pop();
        }
        fit
    }

    fn set_count(&mut self, count: usize) {
        self.count = count;
        self.full = count == self.slots.len();
    }

    /// The one that has `nth` others before it.
    fn get(&self, nth: usize) -> Option<Span> {
        if nth < self.count {
            self.slots.get(self.index(nth)).copied()
        } else {
            None
        }
    }

    /// Where the one goes that has `nth` others before it, at most as many as there are slots.
    fn index(&self, nth: usize) -> usize {
        // Neither is more than the number of slots, so the sum does not overflow.
        let index = self.first + nth;
        if index < self.slots.len() {
            index
        } else {
            index - self.slots.len()
        }
    }
}

#[kunit_tests(mini_pipe_packets)]
mod tests {
    use super::*;

    fn span(start: usize, len: usize) -> Span {
        Span { start, len }
    }

    #[test]
    fn they_leave_in_the_order_in_which_they_came() -> Result {
        let mut packets = Packets::new(3, GFP_KERNEL)?;
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
        Ok(())
    }

    #[test]
    fn there_are_no_more_than_slots() -> Result {
        let mut packets = Packets::new(2, GFP_KERNEL)?;
        packets.push(span(0, 1));
        assert!(!packets.is_full());
        packets.push(span(1, 1));
        assert!(packets.is_full());
        packets.push(span(2, 1));
        packets.pop();
        packets.pop();
        assert!(packets.first().is_none());
        Ok(())
    }

    #[test]
    fn those_that_are_taken_back_are_forgotten() -> Result {
        let mut packets = Packets::new(4, GFP_KERNEL)?;
        let tail = usize::MAX - 2;
        for index in 0..4 {
            packets.push(span(tail.wrapping_add(10 * index), 10));
        }
        packets.retain(span(tail, 20));
        packets.pop();
        assert!(packets.first() == Some(span(tail.wrapping_add(10), 10)));
        packets.pop();
        assert!(packets.first().is_none());
        packets.push(span(5, 5));
        packets.retain(span(5, 0));
        assert!(packets.first().is_none());
        Ok(())
    }

    #[test]
    fn they_move_to_other_slots_if_they_fit() -> Result {
        let mut few = Packets::new(1, GFP_KERNEL)?;
        let mut many = Packets::new(3, GFP_KERNEL)?;
        many.push(span(0, 1));
        many.push(span(1, 2));
        assert!(!few.take_over(&mut many, 0));
        many.pop();
        assert!(!few.take_over(&mut many, 1));
        assert!(few.take_over(&mut many, 0));
        assert!(few.first() == Some(span(1, 2)) && many.first().is_none());
        Ok(())
    }
}
