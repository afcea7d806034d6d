// SPDX-License-Identifier: GPL-2.0

//! The pipe: a ring, two ends, and tasks that wait, around one mutex.
//!
//! # Rules for the code of this layer
//!
//! - User memory is accessed under a reservation and without the mutex. Exception: short copies,
//!   with page faults disabled. No memory is allocated or freed under the mutex.
//! - A woken task tests its condition first and its signals second. An exclusive wake-up reaches
//!   one task, and must not be lost if that task is interrupted while others sleep on.
//! - Whoever changes the state collects the wake-ups under the mutex, and sends them with
//!   [`Pipe::unlock_and_wake`], the only function that sends any.
//!
//! Modules: [`state`] (what the mutex protects), [`ends`], [`policy`], [`call`], [`wait`] (waiting
//! and wake-ups), `copy` (copies under a reservation), `memory` and [`patience`] (pages of private
//! pipes), and the calls: `read`, `write`, `rendezvous`, [`splice`] (to a pipe(2)), [`transfer`]
//! (other splices, tee, vmsplice), `poll`, `settings`.
//!
//! The larger functions that every short read and write passes are `#[inline(always)]`.
//! `Pipe::read_reserved` and `Pipe::write_reserved`, which copy under reservations, are not
//! inlined, which leaves the registers to the short copies.

pub(crate) mod call;
mod copy;
pub(crate) mod ends;
mod memory;
pub(crate) mod patience;
pub(crate) mod policy;
pub(crate) mod poll;
mod read;
mod rendezvous;
pub(crate) mod settings;
pub(crate) mod splice;
pub(crate) mod state;
#[cfg(CONFIG_KUNIT)]
mod tests;
pub(crate) mod transfer;
pub(crate) mod wait;
mod write;

use crate::{
    pipe::{
        call::Call,
        ends::{
            Ends,
            OpenEnd, //
        },
        policy::Policy,
        state::{
            Progress,
            State,
            StateGuard, //
        },
        wait::{
            fasync::Fasync,
            queues::Queues,
            spin::can_spin,
            waiters::{
                Selected,
                Wake, //
            },
            wakeups::Wakeups, //
        }, //
    },
    ring::{
        dir::{
            Dir,
            Direction,
            PerDir, //
        },
        reservation::Reservation,
        Ring, //
    },
    sys::trace, //
};
use kernel::{
    bindings,
    fs::File,
    new_condvar,
    new_mutex,
    prelude::*,
    static_lock_class,
    sync::{
        CondVar,
        Mutex, //
    },
    time::{
        Instant,
        Monotonic, //
    }, //
};

/// A pipe, which any number of files may have open.
#[pin_data]
pub(crate) struct Pipe {
    /// The number of a private pipe's inode; 0 for the device. Tracepoints show it.
    pub(crate) number: u64,
    #[pin]
    state: Mutex<State>,
    #[pin]
    readers: Queues,
    #[pin]
    writers: Queues,
    /// Where the writer of an active rendezvous sleeps: for room, and until its bytes are read.
    #[pin]
    drained: CondVar,
    #[pin]
    fasync: Fasync,
}

/// The waiting of one call.
#[derive(Default)]
struct Wait {
    /// When the call began to wait. The first wait sets this, and spins if the pipe's
    /// [`SpinTime`](wait::spin::SpinTime) is not 0. While this is set, each further wait sleeps. A
    /// sleep clears it, and so does progress. Never set if there is no other processor.
    since: Option<Instant<Monotonic>>,
    /// A signal was pending after the last wait.
    interrupted: bool,
    /// There was no memory for all pages that a write needs. The write does not try to get pages
    /// again before it finds no room in those that the ring has.
    is_short: bool,
}

impl Pipe {
    /// An empty pipe that no file has open.
    pub(crate) fn new(number: u64, ring: Ring, ends: Ends, policy: Policy) -> impl PinInit<Self> {
        pin_init!(Self {
            number,
            state <- new_mutex!(State::new(ring, ends, policy), "mini_pipe"),
            readers <- Queues::new(
                [c"mini_pipe_readers", c"mini_pipe_read_pollers"],
                [static_lock_class!(), static_lock_class!()],
                bindings::POLLIN | bindings::POLLRDNORM,
            ),
            writers <- Queues::new(
                [c"mini_pipe_writers", c"mini_pipe_write_pollers"],
                [static_lock_class!(), static_lock_class!()],
                bindings::POLLOUT | bindings::POLLWRNORM,
            ),
            drained <- new_condvar!("mini_pipe_drained"),
            fasync <- Fasync::new(),
        })
    }

    /// Opens the ends that `modes` is true for. The caller must call [`Pipe::close`] once for the
    /// result. Nobody is woken: a call without a peer waits until the peer writes, makes room, or
    /// closes.
    ///
    /// Context: process context; may sleep.
    pub(crate) fn open(&self, modes: PerDir<bool>) -> OpenEnd {
        let mut guard = self.state.lock();
        let has_bytes = !guard.ring.indices().is_empty();
        let end = guard.ends.open(modes, has_bytes);
        trace::open(|| self.file_event(&guard, modes));
        end
    }

    /// Closes an end. The last close of an end wakes all waiters at the other end.
    ///
    /// Context: process context; may sleep.
    pub(crate) fn close(&self, end: &OpenEnd) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        state.ends.close(end);
        trace::close(|| self.file_event(state, end.modes()));
        let polled = self.polled();
        let read_closed = !state.ends.is_open(Dir::Read);
        let write_closed = !state.ends.is_open(Dir::Write);
        if state.ends.is_private() && read_closed && write_closed {
            // A task that still holds a path may open the pipe again, and is to find it empty. No
            // end is open, so no call that moves bytes is in progress, and no reservation is
            // outstanding.
            state.ring.unwrite(usize::MAX);
        }
        let mut wakeups = Wakeups::STOP_SPINNING;
        if end.is(Dir::Write) && write_closed {
            wakeups.dirs.read.waiters = state.waiters.read.on_change_for_all(polled.read);
            wakeups.dirs.read.fasync = true;
        }
        if end.is(Dir::Read) && read_closed {
            wakeups.dirs.write.waiters = state.waiters.write.on_change_for_all(polled.write);
            wakeups.dirs.write.fasync = true;
            wakeups.rendezvous = state.rendezvous_asleep;
        }
        if state.ring.has_surplus() {
            self.shrink(guard, wakeups);
        } else {
            self.unlock_and_wake(guard, wakeups);
        }
    }

    /// The arguments of the tracepoints `open` and `close`.
    fn file_event(&self, state: &State, modes: PerDir<bool>) -> (u64, bool, bool, usize, usize) {
        let open = state.ends.open_files();
        (self.number, modes.read, modes.write, open.read, open.write)
    }

    /// Switches `O_ASYNC` of `file`, whose end is `end`, on or off. Returns whether that changed
    /// anything.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; then nothing has changed.
    ///
    /// # Safety
    ///
    /// The `fasync` operation of `file` must be one that calls this function, with the same `end`.
    pub(crate) unsafe fn set_fasync(
        &self,
        end: &OpenEnd,
        fd: c_int,
        file: &File,
        on: bool,
    ) -> Result<bool> {
        // SAFETY: By the safety requirements; the modes of an end stay the same.
        unsafe { self.fasync.update(end.modes(), fd, file, on) }
    }

    /// The wait queues of a direction.
    #[inline(always)]
    fn queues(&self, dir: Dir) -> &Queues {
        match dir {
            Dir::Read => &self.readers,
            Dir::Write => &self.writers,
        }
    }

    /// Which poll queues are not empty. Called with the mutex held: see
    /// [`crate::sys::poll::PollQueue::is_empty`].
    #[inline(always)]
    fn polled(&self) -> PerDir<bool> {
        PerDir {
            read: !self.readers.pollers.is_empty(),
            write: !self.writers.pollers.is_empty(),
        }
    }

    /// Drops the mutex and sends `wakeups`: first to spinning tasks, which run already, then to
    /// wait queues, then by signals.
    #[inline(always)]
    fn unlock_and_wake(&self, guard: StateGuard<'_>, wakeups: Wakeups) {
        let PerDir { read, write } = wakeups.dirs;
        drop(guard);
        if write.stop_spinner {
            self.writers.spinner.stop();
        }
        if read.stop_spinner {
            self.readers.spinner.stop();
        }
        self.wake(Dir::Write, write.waiters);
        self.wake(Dir::Read, read.waiters);
        if wakeups.rendezvous {
            self.trace_wake(Dir::Write, Selected::ONE_SLEEPER);
            self.drained.notify_one();
        }
        if write.fasync {
            self.fasync.kill(Dir::Write);
        }
        if read.fasync {
            self.fasync.kill(Dir::Read);
        }
    }

    /// Sends the wake-ups of a direction to its wait queues.
    #[inline(always)]
    fn wake(&self, dir: Dir, selected: Selected) {
        if selected.sleepers != Wake::None || selected.pollers != Wake::None {
            self.trace_wake(dir, selected);
            self.queues(dir).wake(selected);
        }
    }

    /// The tracepoint `wake`, before the wake-ups are sent.
    #[inline(always)]
    fn trace_wake(&self, dir: Dir, selected: Selected) {
        let (sleepers, pollers) = (selected.sleepers as u32, selected.pollers as u32);
        trace::wake(|| (self.number, dir as u32, sleepers, pollers));
    }

    /// The tracepoint `reserve`.
    #[inline(always)]
    fn trace_reserve<D: Direction>(&self, reservation: &Reservation<D>) {
        trace::reserve(|| (self.number, D::DIR as u32, reservation.len()));
    }

    /// The tracepoint `hand_on`, if a call wakes sleepers of its own direction.
    #[inline(always)]
    fn trace_hand_on(&self, dir: Dir, wakeups: &Wakeups) {
        if wakeups.dirs[dir].waiters.sleepers != Wake::None {
            trace::hand_on(|| (self.number, dir as u32));
        }
    }

    /// Ends a call that has moved `moved` bytes without a reservation. Returns `moved`.
    #[inline(always)]
    fn finish_fast<D: Direction>(&self, mut guard: StateGuard<'_>, moved: usize) -> usize {
        let other = D::DIR.other();
        // Pollers of this direction have nothing new: there was no reservation that excluded them.
        if !guard.has_no_waiters() || !self.queues(other).pollers.is_empty() {
            return self.finish_slow::<D>(guard, moved);
        }
        guard.count(D::DIR, moved);
        self.unlock_and_wake(guard, Wakeups::stop_spinning_and_signal(other));
        moved
    }

    /// [`Pipe::finish_fast`], if somebody waits.
    #[cold]
    fn finish_slow<D: Direction>(&self, mut guard: StateGuard<'_>, moved: usize) -> usize {
        let progress = Progress {
            dir: D::DIR,
            before: guard.ring.occupancy().before(D::DIR, moved),
            moved,
            ended: true,
        };
        let wakeups = guard.collect_wakeups(progress, self.polled());
        self.trace_hand_on(D::DIR, &wakeups);
        self.unlock_and_wake(guard, wakeups);
        moved
    }

    /// Sends the wake-ups for bytes that were committed. Drops the pages that the commit has
    /// retired, and the pages that an empty pipe does not keep.
    #[inline(always)]
    fn finish_commit(&self, mut guard: StateGuard<'_>, progress: Progress) {
        let retired = guard.ring.take_retired();
        let Progress {
            dir, moved, ended, ..
        } = progress;
        trace::commit(|| (self.number, dir as u32, moved, ended));
        let wakeups = guard.collect_wakeups(progress, self.polled());
        self.trace_hand_on(dir, &wakeups);
        if guard.ring.has_surplus() && guard.patience.note_empty() {
            self.shrink(guard, wakeups);
        } else {
            self.unlock_and_wake(guard, wakeups);
        }
        drop(retired);
    }

    /// Waits for a change in direction `dir`: spins, if that is likely to pay and the call has not
    /// spun since it began, last moved bytes or last slept; else sleeps. This may return without a
    /// change, so the caller tests its condition again.
    ///
    /// # Errors
    ///
    /// - `EAGAIN`: the call is non-blocking.
    /// - `ERESTARTSYS`: a signal was pending after the last wait.
    #[inline(always)]
    fn wait<'a>(
        &'a self,
        mut guard: StateGuard<'a>,
        dir: Dir,
        call: Call<'_>,
        wait: &mut Wait,
    ) -> Result<StateGuard<'a>> {
        let contended = guard.is_contended(dir);
        let queues = self.queues(dir);
        if call.is_nonblocking() {
            if contended {
                guard.waiters[dir].note_eagain();
            }
            return Err(EAGAIN);
        }
        if wait.interrupted {
            return Err(ERESTARTSYS);
        }
        if wait.since.is_none() && can_spin() {
            let since = Instant::now();
            wait.since = Some(since);
            let nanos = guard.spin_time[dir].nanos();
            if nanos > 0 {
                queues.spinner.arm();
                drop(guard);
                queues.spinner.spin(since, nanos);
                wait.interrupted = current!().signal_pending();
                return Ok(self.state.lock());
            }
        }
        guard.waiters[dir].add_waiter(contended);
        trace::block(|| (self.number, dir as u32));
        wait.interrupted = queues.sleepers.wait_interruptible(&mut guard);
        guard.waiters[dir].remove_waiter(contended);
        guard.spin_time[dir].note_run(wait.since.take());
        Ok(guard)
    }
}

/// The count, if bytes were moved; else the error, which must not hide moved bytes.
fn short_count_or(count: usize, error: Error) -> Result<usize> {
    if count > 0 {
        Ok(count)
    } else {
        Err(error)
    }
}
