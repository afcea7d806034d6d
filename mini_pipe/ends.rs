// SPDX-License-Identifier: GPL-2.0

//! The ends: who has the pipe open, and what an empty or a full ring therefore means.
//!
//! A peer that has not come yet is waited for; a peer that has left is an end. A file has *seen* a
//! peer if one was open when it was opened, or has been at any time since. A pipe that came into
//! the world with both its ends, as that of `pipe2(2)` does, has nobody to wait for.

use kernel::prelude::*;

/// The files that have one side of the pipe open.
#[derive(Default)]
struct Side {
    open: usize,
    /// How many files have ever opened this side. Only compared for equality, so it may wrap.
    opens: usize,
}

impl Side {
    fn open(&mut self) {
        self.open += 1;
        self.opens = self.opens.wrapping_add(1);
    }
}

/// What one side of the pipe is to a file of the other side.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    /// At least one is open.
    Open,
    /// None is open and none has been seen: it is waited for.
    NeverOpened,
    /// None is open, but one was seen: end of file, broken pipe.
    Closed,
}

/// What a file knew of one side when it was opened.
#[derive(Clone, Copy)]
enum Known {
    /// It was there, or had left bytes.
    Seen,
    /// It was not there; so many had arrived before.
    Unseen { opens: usize },
}

/// One open file's place at the pipe: which ends it is, and what it knew of its peers when it came.
#[derive(Clone, Copy)]
pub(crate) struct OpenEnd {
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
    /// The pipe came with both its ends: who is not there has left.
    anonymous: bool,
}

impl Ends {
    /// The ends of a pipe that comes with both: who is not there has left.
    pub(crate) fn anonymous() -> Self {
        Self {
            anonymous: true,
            ..Self::default()
        }
    }

    /// Whether the pipe came with both its ends.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.anonymous
    }

    /// Counts in a file that `reads`, `writes`, or does both. `bytes_left` says whether the ring
    /// holds bytes: to a reader they prove that a writer was there.
    pub(crate) fn open(&mut self, reads: bool, writes: bool, bytes_left: bool) -> OpenEnd {
        if reads {
            self.readers.open();
        }
        if writes {
            self.writers.open();
        }
        let known = |side: &Side, proof: bool| {
            if side.open > 0 || proof || self.anonymous {
                Known::Seen
            } else {
                Known::Unseen { opens: side.opens }
            }
        };
        OpenEnd {
            reads,
            writes,
            readers: known(&self.readers, false),
            writers: known(&self.writers, bytes_left),
        }
    }

    /// Counts out the file that `end` was given to. Called once for each [`Ends::open`].
    pub(crate) fn close(&mut self, end: &OpenEnd) {
        self.readers.open -= usize::from(end.reads);
        self.writers.open -= usize::from(end.writes);
    }

    /// What the readers are to the writer at `end`.
    pub(crate) fn readers(&self, end: &OpenEnd) -> Peer {
        Self::peer(&self.readers, end.readers)
    }

    /// What the writers are to the reader at `end`.
    pub(crate) fn writers(&self, end: &OpenEnd) -> Peer {
        Self::peer(&self.writers, end.writers)
    }

    /// How many files have the pipe open for reading, and for writing.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.readers.open, self.writers.open)
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
            Known::Unseen { opens } if opens == side.opens => Peer::NeverOpened,
            _ => Peer::Closed,
        }
    }
}

#[kunit_tests(mini_pipe_ends)]
mod tests {
    use super::*;

    fn reader(ends: &mut Ends) -> OpenEnd {
        ends.open(true, false, false)
    }

    fn writer(ends: &mut Ends) -> OpenEnd {
        ends.open(false, true, false)
    }

    #[test]
    fn a_peer_that_has_not_come_is_waited_for() {
        let mut ends = Ends::default();
        let end = reader(&mut ends);
        assert!(ends.writers(&end) == Peer::NeverOpened);
        let mut ends = Ends::default();
        let end = writer(&mut ends);
        assert!(ends.readers(&end) == Peer::NeverOpened);
    }

    #[test]
    fn a_peer_that_was_there_and_left_is_an_end() {
        let mut ends = Ends::default();
        let peer = writer(&mut ends);
        let end = reader(&mut ends);
        assert!(ends.writers(&end) == Peer::Open);
        ends.close(&peer);
        assert!(ends.writers(&end) == Peer::Closed);
        assert!(ends.no_writers() && !ends.no_readers());
    }

    #[test]
    fn a_peer_that_came_and_left_unnoticed_is_an_end() {
        let mut ends = Ends::default();
        let end = writer(&mut ends);
        let peer = reader(&mut ends);
        ends.close(&peer);
        assert!(ends.readers(&end) == Peer::Closed);
    }

    #[test]
    fn a_peer_that_left_before_is_not_an_end() {
        let mut ends = Ends::default();
        let peer = writer(&mut ends);
        ends.close(&peer);
        let end = reader(&mut ends);
        assert!(ends.writers(&end) == Peer::NeverOpened);
    }

    #[test]
    fn bytes_left_prove_that_a_writer_was_there() {
        let mut ends = Ends::default();
        let end = ends.open(true, false, true);
        assert!(ends.writers(&end) == Peer::Closed);
        let end = ends.open(false, true, true);
        assert!(ends.readers(&end) == Peer::Open);
    }

    #[test]
    fn only_the_last_one_that_leaves_is_the_end() {
        let mut ends = Ends::default();
        let end = reader(&mut ends);
        let peers = [writer(&mut ends), writer(&mut ends)];
        ends.close(&peers[0]);
        assert!(ends.writers(&end) == Peer::Open);
        ends.close(&peers[1]);
        assert!(ends.writers(&end) == Peer::Closed);
    }

    #[test]
    fn a_file_that_is_both_ends_is_its_own_peer() {
        let mut ends = Ends::default();
        let end = ends.open(true, true, false);
        assert!(ends.readers(&end) == Peer::Open && ends.writers(&end) == Peer::Open);
        ends.close(&end);
        assert!(ends.no_readers() && ends.no_writers());
    }

    #[test]
    fn a_file_that_is_neither_end_is_nobodys_peer() {
        let mut ends = Ends::default();
        let end = reader(&mut ends);
        let neither = ends.open(false, false, false);
        assert!(ends.writers(&end) == Peer::NeverOpened);
        ends.close(&neither);
        assert!(ends.writers(&end) == Peer::NeverOpened);
    }

    #[test]
    fn a_complete_pipe_waits_for_nobody() {
        let mut ends = Ends::anonymous();
        let end = reader(&mut ends);
        assert!(ends.writers(&end) == Peer::Closed);
        let peer = writer(&mut ends);
        assert!(ends.writers(&end) == Peer::Open && ends.readers(&peer) == Peer::Open);
        ends.close(&end);
        assert!(ends.readers(&peer) == Peer::Closed);
        assert!(ends.counts() == (0, 1));
    }

    #[test]
    fn arrivals_wrap() {
        let mut ends = Ends::default();
        ends.writers.opens = usize::MAX;
        let end = reader(&mut ends);
        let peer = writer(&mut ends);
        assert_eq!(ends.writers.opens, 0);
        ends.close(&peer);
        assert!(ends.writers(&end) == Peer::Closed);
    }
}
