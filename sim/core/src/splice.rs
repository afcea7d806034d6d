// SPDX-License-Identifier: GPL-2.0

//! The destination of a splice, which keeps the pages that it is given.

use crate::stage::check;
use crate::{
    pipe::splice::SpliceDest,
    ring::reservation::ReadReservation,
    sys::page::{copy_part, Page},
};
use kernel::{page::PAGE_SIZE, prelude::*, sim};

/// A destination with room for some bytes.
pub(crate) struct Dest {
    pub(crate) room: usize,
    locked: bool,
    /// Another task has the lock when this one wants it back.
    busy: bool,
    /// The pages, and which of their bytes.
    parts: Vec<(Page, usize, usize)>,
    /// The bytes, as they were when they came.
    pub(crate) bytes: Vec<u8>,
}

impl Dest {
    pub(crate) fn new(room: usize, busy: bool) -> Self {
        sim::set_holds(true);
        Self {
            room,
            locked: true,
            busy,
            parts: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// Whether the pages still have the bytes that came: nobody writes to a page that was given
    /// away.
    pub(crate) fn is_intact(&self) -> bool {
        let now = self
            .parts
            .iter()
            .flat_map(|part| bytes_of(&part.0, part.1, part.2));
        now.eq(self.bytes.iter().copied())
    }
}

fn bytes_of(page: &Page, offset: usize, len: usize) -> Vec<u8> {
    page.with_bytes(|bytes| {
        let _claim = sim::claim(bytes.addr() + offset, len, false);
        // SAFETY: The page has these bytes.
        unsafe { std::slice::from_raw_parts(bytes.add(offset), len) }.to_vec()
    })
}

impl SpliceDest for Dest {
    fn unlock(&mut self) {
        assert!(std::mem::replace(&mut self.locked, false));
        sim::set_holds(false);
        sim::point();
    }

    fn lock(&mut self) {
        assert!(!std::mem::replace(&mut self.locked, true));
        if self.busy {
            sim::sleep_until_released();
        }
        sim::set_holds(true);
        sim::point();
    }

    fn receive(&mut self, reservation: &ReadReservation, fresh: &mut KVec<Page>) -> Result<usize> {
        assert!(self.locked);
        let parts: usize = reservation.parts().map(|(_, _, len)| len).sum();
        check!(
            parts == reservation.len(),
            "the parts of {} reserved bytes have {parts}",
            reservation.len()
        );
        if self.room == 0 || reservation.is_packet() && reservation.len() > self.room {
            return Err(EAGAIN);
        }
        let mut moved = 0;
        for (page, offset, len) in reservation.parts() {
            let whole = len == PAGE_SIZE && !reservation.is_packet();
            let len = len.min(self.room - moved);
            if len == 0 || whole && len < PAGE_SIZE {
                break;
            }
            let bytes = bytes_of(page, offset, len);
            sim::point();
            let page = if whole {
                fresh.push(Page::new()?, GFP_KERNEL)?;
                page.share()
            } else {
                let copy = Page::new()?;
                // SAFETY: The part lies in its page. It is reserved, and nobody else has the copy.
                unsafe { copy_part(page, offset, &copy, offset, len) };
                copy
            };
            self.parts.push((page, offset, len));
            self.bytes.extend(bytes);
            moved += len;
        }
        self.room -= moved;
        if moved == 0 {
            return Err(EAGAIN);
        }
        Ok(moved)
    }
}
