// SPDX-License-Identifier: GPL-2.0

//! The ends: who has the pipe open, and what an empty or a full ring therefore means.
//!
//! After the last close of one end, reads at the other end return end of file, and writes fail with
//! `EPIPE`; but only for files that have *seen* a peer. A file has seen a peer if a peer was open
//! when the file was opened, or was opened since. For a reader, bytes that were in the pipe at its
//! open count as a peer. If a file has not seen a peer, its reads wait, and its writes fill the
//! ring and then wait. Files of a private pipe have always seen a peer, like files of a pipe(2).
//!
//! Plain counting, so `make test` also tests it in user space.

use crate::ring::dir::{
    Dir,
    PerDir, //
};

/// The files that have one end open.
#[derive(Clone, Copy, Default)]
struct Count {
    /// How many files have it open.
    open: usize,
    /// How many times the end has been opened: `r_counter` and `w_counter` of fs/pipe.c. It can
    /// wrap, as it is only compared for equality.
    opens: usize,
}

/// The state of the other end of the pipe, as a file sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// At least one file has the end open.
    Open,
    /// The file has not seen a peer yet.
    Unseen,
    /// The file has seen a peer, and all are closed.
    Closed,
}

/// An open file, as an end of the pipe. With `O_RDWR` it is both ends.
#[derive(Clone, Copy)]
pub(crate) struct OpenEnd {
    /// Whether the file reads, and whether it writes.
    modes: PerDir<bool>,
    /// For each end of the pipe, a value to compare with its [`Count::opens`]. While the two are
    /// equal, this file has seen no peer at that end.
    unseen: PerDir<usize>,
}

impl OpenEnd {
    /// Whether the file reads, and whether it writes.
    pub(crate) fn modes(&self) -> PerDir<bool> {
        self.modes
    }

    /// Whether the file is open for this direction.
    pub(crate) fn is(&self, dir: Dir) -> bool {
        self.modes[dir]
    }
}

/// The two ends of a pipe.
#[derive(Default)]
pub(crate) struct Ends {
    counts: PerDir<Count>,
    is_private: bool,
}

impl Ends {
    /// The ends of a private pipe, which nobody has open yet.
    pub(crate) fn private() -> Self {
        Self {
            is_private: true,
            ..Self::default()
        }
    }

    /// Whether the pipe is private: made by an ioctl, and not /dev/mini_pipe.
    pub(crate) fn is_private(&self) -> bool {
        self.is_private
    }

    /// Opens the ends that `modes` is true for. `has_bytes` says whether bytes are in the pipe:
    /// then the new file has seen a writer. For each open, [`Ends::close`] must be called once.
    pub(crate) fn open(&mut self, modes: PerDir<bool>, has_bytes: bool) -> OpenEnd {
        for dir in [Dir::Read, Dir::Write] {
            let count = &mut self.counts[dir];
            count.open += usize::from(modes[dir]);
            count.opens = count.opens.wrapping_add(usize::from(modes[dir]));
        }
        let unseen = |dir: Dir, has_seen: bool| {
            let count = self.counts[dir];
            let seen = count.open > 0 || has_seen || self.is_private;
            // If a peer was seen, store a number that differs from `opens`: the one before.
            count.opens.wrapping_sub(usize::from(seen))
        };
        OpenEnd {
            modes,
            unseen: PerDir {
                read: unseen(Dir::Read, false),
                write: unseen(Dir::Write, has_bytes),
            },
        }
    }

    /// Closes the ends that `end` has open.
    pub(crate) fn close(&mut self, end: &OpenEnd) {
        for dir in [Dir::Read, Dir::Write] {
            self.counts[dir].open -= usize::from(end.modes[dir]);
        }
    }

    /// The state of the end for direction `dir`, as the file `end` sees it.
    pub(crate) fn peer(&self, dir: Dir, end: &OpenEnd) -> Peer {
        let count = self.counts[dir];
        if count.open > 0 {
            Peer::Open
        } else if count.opens == end.unseen[dir] {
            Peer::Unseen
        } else {
            Peer::Closed
        }
    }

    /// How many files have each end open.
    pub(crate) fn open_files(&self) -> PerDir<usize> {
        PerDir {
            read: self.counts.read.open,
            write: self.counts.write.open,
        }
    }

    /// Whether some file has this end open.
    pub(crate) fn is_open(&self, dir: Dir) -> bool {
        self.counts[dir].open > 0
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Ends,
        OpenEnd,
        Peer, //
    };
    use crate::ring::dir::{
        Dir,
        PerDir, //
    };

    fn open(ends: &mut Ends, read: bool, write: bool) -> OpenEnd {
        ends.open(PerDir { read, write }, false)
    }

    fn reader(ends: &mut Ends) -> OpenEnd {
        open(ends, true, false)
    }

    fn writer(ends: &mut Ends) -> OpenEnd {
        open(ends, false, true)
    }

    #[test]
    fn peer_that_was_never_opened() {
        let mut ends = Ends::default();
        let end = reader(&mut ends);
        assert_eq!(ends.peer(Dir::Write, &end), Peer::Unseen);
        let mut ends = Ends::default();
        let end = writer(&mut ends);
        assert_eq!(ends.peer(Dir::Read, &end), Peer::Unseen);
    }

    #[test]
    fn peer_that_was_open_and_is_closed() {
        let mut ends = Ends::default();
        let peer = writer(&mut ends);
        let end = reader(&mut ends);
        assert_eq!(ends.peer(Dir::Write, &end), Peer::Open);
        ends.close(&peer);
        assert_eq!(ends.peer(Dir::Write, &end), Peer::Closed);
        assert!(!ends.is_open(Dir::Write) && ends.is_open(Dir::Read));
    }

    #[test]
    fn peer_that_was_seen_and_was_opened_and_closed_again() {
        let mut ends = Ends::default();
        let peer = writer(&mut ends);
        let end = reader(&mut ends);
        ends.close(&peer);
        let peer = writer(&mut ends);
        ends.close(&peer);
        assert_eq!(ends.peer(Dir::Write, &end), Peer::Closed);
    }

    #[test]
    fn peer_that_was_opened_and_closed_since_the_open() {
        let mut ends = Ends::default();
        let end = writer(&mut ends);
        let peer = reader(&mut ends);
        ends.close(&peer);
        assert_eq!(ends.peer(Dir::Read, &end), Peer::Closed);
    }

    #[test]
    fn peer_that_was_closed_before_the_open_is_not_seen() {
        let mut ends = Ends::default();
        let peer = writer(&mut ends);
        ends.close(&peer);
        let end = reader(&mut ends);
        assert_eq!(ends.peer(Dir::Write, &end), Peer::Unseen);
    }

    #[test]
    fn bytes_in_the_pipe_count_as_a_writer_seen() {
        let mut ends = Ends::default();
        let reads = PerDir {
            read: true,
            write: false,
        };
        let end = ends.open(reads, true);
        assert_eq!(ends.peer(Dir::Write, &end), Peer::Closed);
        assert_eq!(ends.peer(Dir::Read, &end), Peer::Open);
    }

    #[test]
    fn bytes_in_the_pipe_do_not_count_as_a_reader_seen() {
        let mut ends = Ends::default();
        let writes = PerDir {
            read: false,
            write: true,
        };
        let end = ends.open(writes, true);
        assert_eq!(ends.peer(Dir::Read, &end), Peer::Unseen);
    }

    #[test]
    fn only_the_last_close_counts() {
        let mut ends = Ends::default();
        let end = reader(&mut ends);
        let peers = [writer(&mut ends), writer(&mut ends)];
        ends.close(&peers[0]);
        assert_eq!(ends.peer(Dir::Write, &end), Peer::Open);
        ends.close(&peers[1]);
        assert_eq!(ends.peer(Dir::Write, &end), Peer::Closed);
    }

    #[test]
    fn file_that_is_both_ends_is_its_own_peer() {
        let mut ends = Ends::default();
        let end = open(&mut ends, true, true);
        assert_eq!(ends.peer(Dir::Read, &end), Peer::Open);
        assert_eq!(ends.peer(Dir::Write, &end), Peer::Open);
        ends.close(&end);
        assert_eq!(ends.open_files(), PerDir { read: 0, write: 0 });
    }

    #[test]
    fn file_that_is_no_end_is_no_peer() {
        let mut ends = Ends::default();
        let end = reader(&mut ends);
        let neither = open(&mut ends, false, false);
        assert_eq!(ends.peer(Dir::Write, &end), Peer::Unseen);
        ends.close(&neither);
        assert_eq!(ends.peer(Dir::Write, &end), Peer::Unseen);
    }

    #[test]
    fn private_pipe_has_always_seen_its_peers() {
        let mut ends = Ends::private();
        let end = reader(&mut ends);
        assert_eq!(ends.peer(Dir::Write, &end), Peer::Closed);
        let peer = writer(&mut ends);
        assert_eq!(ends.peer(Dir::Write, &end), Peer::Open);
        assert_eq!(ends.peer(Dir::Read, &peer), Peer::Open);
        ends.close(&end);
        assert_eq!(ends.peer(Dir::Read, &peer), Peer::Closed);
        assert_eq!(ends.open_files(), PerDir { read: 0, write: 1 });
    }

    #[test]
    fn counters_wrap() {
        let mut ends = Ends::default();
        ends.counts.write.opens = usize::MAX;
        let end = reader(&mut ends);
        let peer = writer(&mut ends);
        assert_eq!(ends.counts.write.opens, 0);
        ends.close(&peer);
        assert_eq!(ends.peer(Dir::Write, &end), Peer::Closed);
    }
}
