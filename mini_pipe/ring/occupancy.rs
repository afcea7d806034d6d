// SPDX-License-Identifier: GPL-2.0

//! How much can be moved now.

use crate::ring::dir::Dir;

/// How much can be moved now, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Occupancy {
    /// Bytes that are not reserved.
    pub(crate) readable: usize,
    /// Room that is not reserved. There may be no memory for its pages.
    pub(crate) writable: usize,
}

impl Occupancy {
    /// The occupancy before `len` bytes were moved without a reservation.
    ///
    /// `writable` is 0 whenever packets take all slots. That is the case neither before nor after
    /// the move: [`write_nofault`] refuses then, and adds no packet; [`read_nofault`] refuses if
    /// there is any packet. So `writable` has changed by exactly `len`.
    ///
    /// [`read_nofault`]: crate::ring::Ring::read_nofault
    /// [`write_nofault`]: crate::ring::Ring::write_nofault
    pub(crate) fn before(self, dir: Dir, len: usize) -> Self {
        match dir {
            Dir::Read => Self {
                readable: self.readable.wrapping_add(len),
                writable: self.writable.wrapping_sub(len),
            },
            Dir::Write => Self {
                readable: self.readable.wrapping_sub(len),
                writable: self.writable.wrapping_add(len),
            },
        }
    }
}
