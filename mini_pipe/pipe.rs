// SPDX-License-Identifier: GPL-2.0

//! The pipe: a ring, two ends and two queues behind one mutex; read, write and poll. How bytes are
//! copied is in `transfer`, how calls wait and are told in `waiting`; the writes that wait for
//! their reader are in `rendezvous`, what one can ask and change in `settings`.
//!
//! Three habits keep it honest:
//!
//! - User memory is only touched under a lease, not under the mutex, unless the copy is short and
//!   cannot sleep; no memory is allocated there, either.
//! - Whoever wakes up looks at the ring first and at its signals second: a wake-up reaches one
//!   sleeper, and must not die with it while others sleep on.
//! - Wake-ups are sent after the mutex is dropped, by whoever made the change.
//!
//! What every short read and write goes through, once, is `#[inline(always)]`, here, in `waiting`
//! and in `ring`; what copies under leases is not, and leaves the registers to the others.

use crate::{
    chrdev::Call,
    ends::{
        Ends,
        OpenEnd, //
        Peer,
    },
    fasync::Fasync,
    policy::Policy,
    pollers::{
        PollTable,
        Pollers, //
    },
    ring::{
        ReadReservation,
        Ring,
        WriteReservation, //
    },
    spin::Spinner, //
    splice::DestPipe,
    user::{
        Destination,
        Source, //
    },
    waiters::{
        SideWakeup,
        Waiters,
        Wake, //
    },
};
use kernel::{
    bindings,
    fs::File,
    new_condvar,
    new_mutex,
    prelude::*,
    static_lock_class,
    sync::{
        lock::{
            mutex::MutexBackend,
            Guard, //
        },
        CondVar,
        LockClassKey,
        Mutex, //
    }, //
};

#[path = "pipe/rendezvous.rs"]
mod rendezvous;
#[path = "pipe/settings.rs"]
mod settings;
#[path = "pipe/transfer.rs"]
mod transfer;
#[path = "pipe/waiting.rs"]
mod waiting;

use waiting::{
    Dir,
    Wait, //
    Wakeups,
};

/// Writes of at most so many bytes go in as a whole, as POSIX has it; see `pipe(7)`.
const PIPE_BUF: usize = bindings::PIPE_BUF as usize;

/// A pipe that any number of files may have open.
#[pin_data]
pub(crate) struct Pipe {
    #[pin]
    state: Mutex<State>,
    #[pin]
    readers: Side,
    #[pin]
    writers: Side,
    /// Where the writer waits whose turn it is: see `rendezvous`.
    #[pin]
    drained: CondVar,
    /// Who of both sides gets a signal.
    #[pin]
    fasync: Fasync,
}

/// Where those of one side wait.
#[pin_data]
struct Side {
    /// They sleep here, apart from those who poll: so a wake-up is never lost to a poller that does
    /// nothing with it.
    #[pin]
    sleepers: CondVar,
    #[pin]
    pollers: Pollers,
    /// What the pollers are told that they can do: `POLL*` bits.
    events: u32,
    /// They wait awake.
    spinner: Spinner,
}

impl Side {
    fn new(
        names: [&'static CStr; 2],
        keys: [Pin<&'static LockClassKey>; 2],
        events: u32,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            sleepers <- CondVar::new(names[0], keys[0]),
            pollers <- Pollers::new(names[1], keys[1]),
            events,
            spinner: Spinner::new(),
        })
    }
}

struct State {
    ring: Ring,
    ends: Ends,
    waiting_readers: Waiters,
    waiting_writers: Waiters,
    policy: Policy,
    /// A writer waits for its bytes to be taken, and keeps the others out: see `rendezvous`.
    rendezvous_active: bool,
    /// Bytes that have ever gone in, and come out.
    bytes_in: u64,
    bytes_out: u64,
}

impl Pipe {
    /// An empty pipe around `ring` that nobody has open.
    pub(crate) fn new(ring: Ring, ends: Ends, policy: Policy) -> impl PinInit<Self> {
        let room = enough_room(ring.indices().capacity());
        pin_init!(Self {
            state <- new_mutex!(State {
                ring,
                ends,
                waiting_readers: Waiters::new(Some(1)),
                waiting_writers: Waiters::new(room),
                policy,
                rendezvous_active: false,
                bytes_in: 0,
                bytes_out: 0,
            }, "mini_pipe"),
            readers <- Side::new(
                [c"mini_pipe_readers", c"mini_pipe_read_pollers"],
                [static_lock_class!(), static_lock_class!()],
                bindings::POLLIN | bindings::POLLRDNORM,
            ),
            writers <- Side::new(
                [c"mini_pipe_writers", c"mini_pipe_write_pollers"],
                [static_lock_class!(), static_lock_class!()],
                bindings::POLLOUT | bindings::POLLWRNORM,
            ),
            drained <- new_condvar!("mini_pipe_drained"),
            fasync <- Fasync::new(),
        })
    }

    /// A file opens the pipe, to read, to write or both. It owes a [`Pipe::close`].
    ///
    /// Nobody need be woken: who waits for a peer waits for what it brings.
    pub(crate) fn open(&self, reads: bool, writes: bool) -> OpenEnd {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let bytes_left = !state.ring.indices().is_empty();
        state.ends.open(reads, writes, bytes_left)
    }

    /// The file at `end` leaves. The last one of a side is the end for everybody on the other.
    pub(crate) fn close(&self, end: &OpenEnd) {
        let mut state = self.state.lock();
        state.ends.close(end);
        let end_of_file = end.writes && state.ends.no_writers();
        let broken = end.reads && state.ends.no_readers();
        if state.ends.is_anonymous() && state.ends.no_readers() && state.ends.no_writers() {
            // Who opens it again, by a path that was kept, finds none of these.
            state.ring.unwrite(usize::MAX);
        }
        let readers = state.waiting_readers.all_if(end_of_file);
        let writers = state.waiting_writers.all_if(broken);
        drop(state);

        self.send_wakeups(Wakeups {
            readers,
            writers,
            signal_readers: end_of_file,
            signal_writers: broken,
            rendezvous: broken,
        });
    }

    /// Takes bytes out of the pipe, as `read(2)`: what is there, at once, or it waits for some. A
    /// packet comes alone, and what `to` has no place for is discarded.
    ///
    /// Returns how many bytes reached `to`; 0 is end of file, unless `to` is empty. May sleep.
    ///
    /// # Errors
    ///
    /// - `EAGAIN`: it would have to wait and the call does not block.
    /// - `ERESTARTSYS`: a signal came while it waited.
    /// - `EFAULT`: not one byte could be stored in `to`. Those that could not stay in the pipe.
    #[inline(always)]
    pub(crate) fn read(&self, end: &OpenEnd, call: Call, to: impl Destination) -> Result<usize> {
        let mut state = self.state.lock();
        match state.ring.read_nofault(&to) {
            Some(taken) => Ok(self.finish_fast(state, Dir::Read, taken)),
            None => self.read_slow(state, end, call, to),
        }
    }

    /// Goes on with [`Pipe::read`] where it has to wait, or to copy much.
    #[inline(always)]
    fn read_slow<'a>(
        &'a self,
        mut state: Guard<'a, State, MutexBackend>,
        end: &OpenEnd,
        call: Call,
        mut to: impl Destination,
    ) -> Result<usize> {
        let mut wait = Wait::default();
        if to.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some((reservation, rest)) = state.reserve_read(to.len()) {
                drop(state);
                return short_count_or(self.drain(reservation, rest, &mut to), EFAULT);
            }
            if state.is_at_end(end) {
                return Ok(0);
            }
            state = self.wait_for_bytes(state, call, &mut wait)?;
            if let Some(taken) = state.ring.read_nofault(&to) {
                return Ok(self.finish_fast(state, Dir::Read, taken));
            }
        }
    }

    /// Moves at most `most` bytes, at least 1, out of the pipe into `target`, as `splice(2)`, and
    /// waits as [`Pipe::read`] does.
    ///
    /// Returns how many bytes went; 0 is end of file. May sleep.
    ///
    /// # Errors
    ///
    /// - As [`Pipe::read`], but for `EFAULT`.
    /// - As [`DestPipe::splice_to`]; `EAGAIN`, though, only if somebody else fills it while this waits.
    ///   What could not go stays in the pipe.
    pub(crate) fn splice(
        &self,
        end: &OpenEnd,
        call: Call,
        target: &mut DestPipe,
        most: usize,
    ) -> Result<usize> {
        let reservation = loop {
            let mut state = self.state.lock();
            if let Some((reservation, _)) = state.reserve_read(most) {
                break reservation;
            }
            if state.is_at_end(end) {
                return Ok(0);
            }
            if call.is_nonblocking() {
                state.refuse_reader();
                return Err(EAGAIN);
            }
            drop(state);
            // Who waits here must not keep others from what is in the target; nor, by a lease, from
            // what is in here, while it waits for the target's lock.
            target.unlocked(|| self.wait_to_splice(end, call))?;
        };
        let mut fresh = KVec::new();
        let given = target.splice_to(&reservation, &mut fresh);
        let count = given.unwrap_or(0);
        let mut state = self.state.lock();
        let before = state.levels();
        let taken = state.ring.commit_pages(reservation, count, &mut fresh);
        let wakeups = self.collect_wakeups(&mut state, before, Dir::Read, taken, true);
        drop(state);
        self.send_wakeups(wakeups);
        given
    }

    /// Puts bytes into the pipe, as `write(2)`: all of them, waiting for room if need be.
    ///
    /// A write of at most [`PIPE_BUF`] bytes that the pipe can hold goes in as a whole or not at
    /// all, and is one packet, if the call asks for packets; a larger one is cut into such. Returns
    /// how many bytes went in: fewer than `from` holds if it does not block, was interrupted, met a
    /// fault or lost its last reader on the way. May sleep.
    ///
    /// # Errors
    ///
    /// Only if not one byte went in:
    ///
    /// - `EPIPE`: the last reader has left. The caller gets `SIGPIPE` then, also with a short
    ///   count.
    /// - `EAGAIN`: it would have to wait and the call does not block.
    /// - `ERESTARTSYS`: a signal came while it waited.
    /// - `EFAULT`: `from` cannot be read.
    #[inline(always)]
    pub(crate) fn write(&self, end: &OpenEnd, call: Call, from: impl Source) -> Result<usize> {
        let mut state = self.state.lock();
        match state.write_nofault(end, call, &from) {
            Some(put) => Ok(self.finish_fast(state, Dir::Write, put)),
            None => self.write_slow(state, end, call, from),
        }
    }

    /// Goes on with [`Pipe::write`] where it has to wait, or to copy much.
    #[inline(always)]
    fn write_slow<'a>(
        &'a self,
        mut state: Guard<'a, State, MutexBackend>,
        end: &OpenEnd,
        call: Call,
        mut from: impl Source,
    ) -> Result<usize> {
        let mut written = 0;
        let mut wait = Wait::default();
        let whole = from.len();
        if whole == 0 {
            return Ok(0);
        }
        if state.policy == Policy::Rendezvous && !call.is_nonblocking() {
            return self.write_rendezvous(state, end, call, &mut from);
        }
        loop {
            if state.ends.readers(end) == Peer::Closed {
                drop(state);
                call.raise_sigpipe();
                return short_count_or(written, EPIPE);
            }
            if let Some(reservation) = state.reserve_write(call, whole, from.len()) {
                drop(state);
                let (put, fault) = self.fill(reservation, call, whole, &mut from);
                written += put;
                if fault {
                    return short_count_or(written, EFAULT);
                }
                if from.is_empty() {
                    return Ok(written);
                }
                state = self.state.lock();
                continue;
            }
            match self.wait_for_room(state, call, &mut wait) {
                Ok(guard) => state = guard,
                Err(error) => return short_count_or(written, error),
            }
            if let Some(put) = state.write_nofault(end, call, &from) {
                return Ok(written + self.finish_fast(state, Dir::Write, put));
            }
        }
    }

    /// Tells what a file could do now, as `poll(2)`, and has `table`, if there is one, told when
    /// that changes. `edges` says that it asks for changes only.
    ///
    /// Returns the `POLL*` bits that hold. A reader that polls edge-triggered is told of every
    /// write from then on, as pipe.c does it, since programs have come to rely on it. May sleep.
    #[inline(always)]
    pub(crate) fn poll(
        &self,
        end: &OpenEnd,
        file: &File,
        table: Option<PollTable<'_>>,
        edges: bool,
    ) -> u32 {
        if let Some(table) = table {
            // Before the look below, so that no change is missed; and without the mutex, for it
            // allocates memory, which may take its time.
            self.queue(end, file, table);
        }
        let mut state = self.state.lock();
        let mut mask = 0;
        if end.reads {
            if edges {
                state.waiting_readers.poll_edges();
            }
            if !state.refuse_reader() {
                if state.ring.indices().readable() > 0 {
                    mask |= self.readers.events;
                }
                if state.ends.writers(end) == Peer::Closed {
                    mask |= bindings::POLLHUP;
                }
            }
        }
        // Writers have no event for every read: nobody ever had.
        if end.writes {
            if !state.refuse_writer() && state.ring.writable() >= state.atomic_limit() {
                mask |= self.writers.events;
            }
            if state.ends.readers(end) == Peer::Closed {
                mask |= bindings::POLLERR;
            }
        }
        mask
    }

    /// Has `table` told when something changes for the file at `end`. May sleep.
    #[cold]
    fn queue(&self, end: &OpenEnd, file: &File, mut table: PollTable<'_>) {
        // SAFETY: Whoever polls has `file` open, which has this pipe until it is released: see
        // `PipeFile`.
        unsafe {
            if end.reads {
                self.readers.pollers.add(file, &mut table);
            }
            if end.writes {
                self.writers.pollers.add(file, &mut table);
            }
        }
    }

    /// Adds `file`, as descriptor `fd`, to those whose owner gets a signal when its side has
    /// something to do, or takes it off. Returns whether that changed anything. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; nothing is changed then.
    pub(crate) fn set_fasync(
        &self,
        end: &OpenEnd,
        fd: c_int,
        file: &File,
        on: bool,
    ) -> Result<bool> {
        self.fasync.update(end.reads, end.writes, fd, file, on)
    }
}

impl State {
    /// Whether the reader at `end` is at the end of file. Bytes on lease to another one may come
    /// back, so not then.
    fn is_at_end(&self, end: &OpenEnd) -> bool {
        self.ring.indices().is_empty() && self.ends.writers(end) == Peer::Closed
    }

    /// Turns a reader away that will not sleep, if another one holds a reservation: it is told when that
    /// ends.
    fn refuse_reader(&mut self) -> bool {
        let got_eagain = self.ring.indices().is_reading();
        if got_eagain {
            self.waiting_readers.note_eagain();
        }
        got_eagain
    }

    /// Turns a writer away that will not sleep, if another one keeps it out: it is told when that
    /// ends.
    fn refuse_writer(&mut self) -> bool {
        let got_eagain = self.is_writing();
        if got_eagain {
            self.waiting_writers.note_eagain();
        }
        got_eagain
    }

    /// Whether a writer keeps the others out.
    fn is_writing(&self) -> bool {
        self.rendezvous_active || self.ring.indices().is_writing()
    }

    /// Leases at most `most` bytes to a reader; [`None`] when there are none, or another one holds
    /// a reservation. Also returns how many more the reader may take in one call: what is there now, but
    /// any number while a writer is bringing more.
    #[inline(always)]
    fn reserve_read(&mut self, most: usize) -> Option<(ReadReservation, usize)> {
        let reservation = self.ring.reserve_read(most)?;
        let indices = self.ring.indices();
        let rest = if indices.is_writing() {
            usize::MAX
        } else {
            indices.readable()
        };
        Some((reservation, rest))
    }

    /// Writes all of `from` at once, if that can be: [`Ring::write_nofault`], unless there are no
    /// readers, writes have their turns, or it is to be a packet.
    #[inline(always)]
    fn write_nofault(&mut self, end: &OpenEnd, call: Call, from: &impl Source) -> Option<usize> {
        if self.policy != Policy::Buffered
            || call.writes_packets()
            || self.ends.readers(end) == Peer::Closed
        {
            return None;
        }
        self.ring.write_nofault(from)
    }

    /// Leases room to a writer for the last `rest` of `whole` bytes, or for some of them, unless
    /// another one keeps it out.
    #[inline(always)]
    fn reserve_write(&mut self, call: Call, whole: usize, rest: usize) -> Option<WriteReservation> {
        if self.rendezvous_active {
            return None;
        }
        let limit = self.atomic_limit();
        let packet = call.writes_packets();
        let most = if packet { rest.min(limit) } else { rest };
        let least = if packet || whole <= limit { most } else { 1 };
        self.ring.reserve_write(least, most, packet)
    }

    /// Writes of at most so many bytes go in as a whole: [`PIPE_BUF`], or what the ring can hold.
    fn atomic_limit(&self) -> usize {
        self.ring.indices().capacity().min(PIPE_BUF)
    }
}

/// Where a writer that sleeps finds its room: where [`PIPE_BUF`] bytes fit, if they ever do.
fn enough_room(capacity: usize) -> Option<usize> {
    Some(PIPE_BUF).filter(|room| *room <= capacity)
}

/// The count if there is one, else the error: what was moved is never hidden behind an error.
fn short_count_or(count: usize, error: Error) -> Result<usize> {
    if count > 0 {
        Ok(count)
    } else {
        Err(error)
    }
}
