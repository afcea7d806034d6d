// SPDX-License-Identifier: GPL-2.0

//! poll(2), select(2), epoll(7), and the polls of io_uring and libaio.

use crate::{
    pipe::{
        ends::{
            OpenEnd,
            Peer, //
        },
        Pipe, //
    },
    ring::dir::Dir,
    sys::poll::PollTable, //
};
use kernel::{
    bindings,
    fs::File, //
};

/// What a poll asks for.
pub(crate) struct Interest<'a> {
    /// The poll wants to be woken by changes. [`None`] if it only asks what is ready now.
    pub(crate) table: Option<PollTable<'a>>,
    /// The poll is edge-triggered: EPOLLET.
    pub(crate) edge_triggered: bool,
}

impl Pipe {
    /// Returns what `file`, whose end is `end`, can do now: `POLL*` bits. Adds the poll to the wait
    /// queues, if it wants to be woken. After an edge-triggered poll for reading, every write wakes
    /// pollers.
    ///
    /// Context: process context; may sleep.
    #[inline(always)]
    pub(crate) fn poll(&self, end: &OpenEnd, file: &File, interest: Interest<'_>) -> u32 {
        if let Some(table) = interest.table {
            // Comes before the test below, so that no change is missed; and without the mutex, as
            // this allocates memory.
            self.add_poll(end, file, table);
        }
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let mut mask = 0;
        if end.is(Dir::Read) {
            if interest.edge_triggered {
                state.waiters.read.set_edge_triggered();
            }
            if state.is_contended(Dir::Read) {
                state.waiters.read.note_eagain();
            } else {
                if state.ring.indices().readable() > 0 {
                    mask |= self.readers.events;
                }
                if state.ends.peer(Dir::Write, end) == Peer::Closed {
                    mask |= bindings::POLLHUP;
                }
            }
        }
        // Edge-triggered writers set no flag: as in fs/pipe.c, a read need not wake them.
        if end.is(Dir::Write) {
            if state.is_contended(Dir::Write) {
                state.waiters.write.note_eagain();
            } else if state.ring.occupancy().writable >= state.atomic_limit() {
                mask |= self.writers.events;
            }
            if state.is_broken(end) {
                mask |= bindings::POLLERR;
            }
        }
        mask
    }

    /// Adds a poll to the wait queues of `end`. May sleep.
    #[cold]
    fn add_poll(&self, end: &OpenEnd, file: &File, mut table: PollTable<'_>) {
        for dir in [Dir::Read, Dir::Write] {
            if end.is(dir) {
                // SAFETY: The caller has `file` open, and an open file holds a reference to its
                // pipe until it is released: see `PipeFile`.
                unsafe { self.queues(dir).pollers.add(file, &mut table) };
            }
        }
    }
}
