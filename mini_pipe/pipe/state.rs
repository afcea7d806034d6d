// SPDX-License-Identifier: GPL-2.0

//! The state of a pipe: all that its mutex protects.

use crate::{
    pipe::{
        call::Call,
        ends::{
            Ends,
            OpenEnd,
            Peer, //
        },
        patience::Patience,
        policy::Policy,
        wait::{
            spin::{
                can_spin,
                SpinTime, //
            },
            waiters::{
                Change,
                Selected,
                Waiters,
                Wake, //
            },
            wakeups::{
                DirWakeups,
                Wakeups, //
            }, //
        }, //
    },
    ring::{
        dir::{
            Dir,
            PerDir,
            Writing, //
        },
        occupancy::Occupancy,
        reservation::WriteReservation,
        user::UserMemory,
        Ring, //
    }, //
};
use kernel::{
    bindings,
    page::PAGE_SIZE,
    sync::lock::{
        mutex::MutexBackend,
        Guard, //
    }, //
};

/// A write of at most this many bytes is atomic: a page, as for fs/pipe.c. That is the constant
/// `PIPE_BUF` of POSIX and pipe(7), 4096, or more where pages are larger.
const PIPE_BUF: usize = PAGE_SIZE;

const _: () = assert!(PIPE_BUF >= bindings::PIPE_BUF as usize);

/// Holds the mutex of a pipe.
pub(crate) type StateGuard<'a> = Guard<'a, State, MutexBackend>;

/// What the mutex protects.
pub(crate) struct State {
    pub(crate) ring: Ring,
    pub(crate) ends: Ends,
    pub(crate) waiters: PerDir<Waiters>,
    pub(crate) policy: Policy,
    /// A rendezvous is active. Its writer excludes all other writers: see `rendezvous`.
    pub(crate) rendezvous_active: bool,
    /// The writer of the rendezvous sleeps on `drained`.
    pub(crate) rendezvous_asleep: bool,
    /// How many bytes have been read, and written, since the pipe was made.
    pub(crate) total: PerDir<u64>,
    /// How long the next wait of each direction spins.
    pub(crate) spin_time: PerDir<SpinTime>,
    /// When the pipe frees pages.
    pub(crate) patience: Patience,
}

/// What a call has moved.
pub(crate) struct Progress {
    pub(crate) dir: Dir,
    /// The occupancy before the bytes were committed.
    pub(crate) before: Occupancy,
    /// How many bytes were moved.
    pub(crate) moved: usize,
    /// From now on, the call excludes no other call of its direction.
    pub(crate) ended: bool,
}

impl State {
    /// An empty pipe.
    pub(crate) fn new(ring: Ring, ends: Ends, policy: Policy) -> Self {
        let threshold = write_threshold(ring.indices().capacity());
        let spin_time = SpinTime::new();
        Self {
            ring,
            ends,
            waiters: PerDir {
                read: Waiters::new(Some(1)),
                write: Waiters::new(threshold),
            },
            policy,
            rendezvous_active: false,
            rendezvous_asleep: false,
            total: PerDir::default(),
            spin_time: PerDir {
                read: spin_time,
                write: spin_time,
            },
            patience: Patience::default(),
        }
    }

    /// Whether a read by `end` is at the end of file. While another reader has a reservation, there
    /// is no end of file: the reserved bytes may become readable again.
    pub(crate) fn is_eof(&self, end: &OpenEnd) -> bool {
        self.ring.indices().is_empty() && self.ends.peer(Dir::Write, end) == Peer::Closed
    }

    /// Whether writes by `end` fail with `EPIPE`.
    pub(crate) fn is_broken(&self, end: &OpenEnd) -> bool {
        self.ends.peer(Dir::Read, end) == Peer::Closed
    }

    /// Whether a call excludes all other calls of this direction.
    pub(crate) fn is_contended(&self, dir: Dir) -> bool {
        let rendezvous = dir == Dir::Write && self.rendezvous_active;
        rendezvous || self.ring.indices().is_reserved(dir)
    }

    /// Writes of at most this many bytes are atomic: [`PIPE_BUF`], but no more than the capacity.
    pub(crate) fn atomic_limit(&self) -> usize {
        self.ring.indices().capacity().min(PIPE_BUF)
    }

    /// Reserves room for the last `rest` bytes of a write of `whole` bytes: for all of them if the
    /// write is atomic, else for some. [`None`] if there is less room, or if another writer
    /// excludes this one.
    #[inline(always)]
    pub(crate) fn reserve_write(
        &mut self,
        call: Call<'_>,
        whole: usize,
        rest: usize,
    ) -> Option<WriteReservation> {
        if self.rendezvous_active {
            return None;
        }
        let limit = self.atomic_limit();
        let is_packet = call.writes_packets();
        let most = if is_packet { rest.min(limit) } else { rest };
        let least = if is_packet || whole <= limit { most } else { 1 };
        self.ring.reserve_write(least, most, is_packet)
    }

    /// Writes all of `from` like [`Ring::write_nofault`]. [`None`] also if the pipe is broken, the
    /// policy is not [`Policy::Buffered`], a rendezvous is active, or the write is a packet.
    #[inline(always)]
    pub(crate) fn write_nofault(
        &mut self,
        end: &OpenEnd,
        call: Call<'_>,
        from: &impl UserMemory<Writing>,
    ) -> Option<usize> {
        // A rendezvous can be active under the policy buffered, too. A rendezvous write may spin
        // while another writer excludes it. If that writer ends, and readers empty the ring before
        // the spinning task has the mutex again, the pipe is idle, and the policy may be changed.
        // Then the write goes on, and makes its rendezvous active.
        if self.policy != Policy::Buffered
            || self.rendezvous_active
            || call.writes_packets()
            || self.is_broken(end)
        {
            return None;
        }
        self.ring.write_nofault(from)
    }

    /// Changes the threshold of the writers after a resize.
    pub(crate) fn update_threshold(&mut self) {
        let threshold = write_threshold(self.ring.indices().capacity());
        self.waiters.write.set_threshold(threshold);
    }

    /// Counts moved bytes for fdinfo.
    #[inline(always)]
    pub(crate) fn count(&mut self, dir: Dir, moved: usize) {
        self.total[dir] = self.total[dir].wrapping_add(moved as u64);
    }

    /// Whether no task sleeps, no call got EAGAIN under contention, and no rendezvous is active.
    /// Pollers and spinning tasks are not counted.
    #[inline(always)]
    pub(crate) fn has_no_waiters(&self) -> bool {
        self.waiters.read.is_empty() && self.waiters.write.is_empty() && !self.rendezvous_active
    }

    /// Counts the bytes that a call has moved, and returns the wake-ups. The other direction can
    /// move more now. If the call has ended, its own direction is woken, too: the call hands its
    /// wake-up on, and excludes nobody any more. `polled` says which poll queues are not empty.
    #[inline(always)]
    pub(crate) fn collect_wakeups(&mut self, progress: Progress, polled: PerDir<bool>) -> Wakeups {
        let Progress {
            dir,
            before,
            moved,
            ended,
        } = progress;
        self.count(dir, moved);
        if self.has_no_waiters() && !polled.read && !polled.write {
            let mut wakeups = Wakeups::STOP_SPINNING;
            wakeups.dirs[dir.other()].fasync = moved > 0;
            return wakeups;
        }
        let now = self.ring.occupancy();
        let reads = dir == Dir::Read;
        let read = self.waiters.read.on_change(Change {
            before: before.readable,
            now: now.readable,
            ended: ended && reads,
            // A reservation hides end of file and hang-up from contended readers.
            closed: ended && reads && !self.ends.is_open(Dir::Write),
            polled: polled.read,
        });
        let write = self.waiters.write.on_change(Change {
            before: before.writable,
            now: now.writable,
            ended: ended && !reads,
            closed: false,
            polled: polled.write,
        });
        self.time_wakeup(Dir::Read, read);
        self.time_wakeup(Dir::Write, write);
        Wakeups {
            dirs: PerDir {
                // SIGIO: for the other direction if it can move more now; for the call's own
                // direction if a call that got EAGAIN there can be tried again.
                read: DirWakeups::stop_spinning_and(read, !reads && moved > 0 || read.retry),
                write: DirWakeups::stop_spinning_and(write, reads && moved > 0 || write.retry),
            },
            rendezvous: self.rendezvous_asleep,
        }
    }

    /// Begins to measure the cost of the wake-up, if `selected` wakes the only sleeper of `dir`.
    #[inline(always)]
    fn time_wakeup(&mut self, dir: Dir, selected: Selected) {
        // If there are several sleepers, it is not known which one runs first.
        if selected.sleepers != Wake::None && self.waiters[dir].has_one_sleeper() && can_spin() {
            self.spin_time[dir].note_wakeup();
        }
    }
}

/// The room that lets any sleeping writer go on: [`PIPE_BUF`]. [`None`] if the capacity is less:
/// then only an empty ring has room for every write, and a small write must not wait for that.
fn write_threshold(capacity: usize) -> Option<usize> {
    Some(PIPE_BUF).filter(|threshold| *threshold <= capacity)
}

#[cfg(test)]
mod tests {
    use super::{
        write_threshold,
        PIPE_BUF, //
    };

    #[test]
    fn threshold_is_pipe_buf_if_the_capacity_allows() {
        assert_eq!(write_threshold(PIPE_BUF), Some(PIPE_BUF));
        assert_eq!(write_threshold(PIPE_BUF - 1), None);
    }
}
