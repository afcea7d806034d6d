// SPDX-License-Identifier: GPL-2.0

//! The ends: who has the pipe open, and what an empty or a full ring therefore means.
//!
//! A peer that has not come yet is waited for; a peer that has left is an end. A file has *seen* a
//! peer if one was open when it was opened, or has been at any time since.

/// The files that have one side of the pipe open.
#[derive(Default)]
struct Side {
    open: usize,
    /// How many files have ever opened this side. Only compared for equality, so it may wrap.
    arrivals: usize,
}

impl Side {
    fn arrive(&mut self) {
        self.open += 1;
        self.arrivals = self.arrivals.wrapping_add(1);
    }
}

/// What one side of the pipe is to a file of the other side.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// At least one is open.
    Open,
    /// None is open and none has been seen: it is waited for.
    NotYet,
    /// None is open, but one was seen: end of file, broken pipe.
    Left,
}

/// What a file knew of one side when it was opened.
#[derive(Clone, Copy)]
enum Known {
    /// It was there, or had left bytes.
    Seen,
    /// It was not there; so many had arrived before.
    Unseen { arrivals: usize },
}

/// One open file's place at the pipe: which ends it is, and what it knew of its peers when it came.
#[derive(Clone, Copy)]
pub(crate) struct Seat {
    /// The file is open for reading.
    pub(crate) reads: bool,
    /// The file is open for writing.
    pub(crate) writes: bool,
    readers: Known,
    writers: Known,
}

/// Both sides of a pipe.
#[derive(Default)]
pub(crate) struct Ends {
    readers: Side,
    writers: Side,
}

impl Ends {
    /// Counts in a file that `reads`, `writes`, or does both. `bytes_left` says whether the ring
    /// holds bytes: to a reader they prove that a writer was there.
    pub(crate) fn open(&mut self, reads: bool, writes: bool, bytes_left: bool) -> Seat {
        if reads {
            self.readers.arrive();
        }
        if writes {
            self.writers.arrive();
        }
        let known = |side: &Side, proof: bool| {
            if side.open > 0 || proof {
                Known::Seen
            } else {
                Known::Unseen {
                    arrivals: side.arrivals,
                }
            }
        };
        Seat {
            reads,
            writes,
            readers: known(&self.readers, false),
            writers: known(&self.writers, bytes_left),
        }
    }

    /// Counts out the file that `seat` was given to. Called once for each [`Ends::open`].
    pub(crate) fn close(&mut self, seat: &Seat) {
        self.readers.open -= usize::from(seat.reads);
        self.writers.open -= usize::from(seat.writes);
    }

    /// What the readers are to the writer at `seat`.
    pub(crate) fn readers(&self, seat: &Seat) -> Peer {
        Self::peer(&self.readers, seat.readers)
    }

    /// What the writers are to the reader at `seat`.
    pub(crate) fn writers(&self, seat: &Seat) -> Peer {
        Self::peer(&self.writers, seat.writers)
    }

    /// Whether nobody has the pipe open for reading.
    pub(crate) fn no_readers(&self) -> bool {
        self.readers.open == 0
    }

    /// Whether nobody has the pipe open for writing.
    pub(crate) fn no_writers(&self) -> bool {
        self.writers.open == 0
    }

    fn peer(side: &Side, known: Known) -> Peer {
        match known {
            _ if side.open > 0 => Peer::Open,
            Known::Unseen { arrivals } if arrivals == side.arrivals => Peer::NotYet,
            _ => Peer::Left,
        }
    }
}
