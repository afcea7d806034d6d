// SPDX-License-Identifier: GPL-2.0

//! The pipe: a ring, two ends and two queues behind one mutex; read, write and poll.
//!
//! Three habits keep it honest:
//!
//! - User memory is only touched under a lease, never under the mutex; no memory is allocated
//!   there, either.
//! - Whoever wakes up looks at the ring first and at its signals second: a wake-up reaches one
//!   sleeper, and must not die with it while others sleep on.
//! - Wake-ups are sent after the mutex is dropped, by whoever made the change.

use crate::{
    chrdev::Call,
    ends::{
        Ends,
        Peer,
        Seat, //
    },
    ring::Ring,
    waiters::{
        Interest,
        Waiters,
        Wake, //
    }, //
};
use kernel::{
    bindings,
    fs::File,
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    new_mutex,
    new_poll_condvar,
    prelude::*,
    sync::{
        lock::{
            mutex::MutexBackend,
            Guard, //
        },
        poll::{
            PollCondVar,
            PollTable, //
        },
        Mutex, //
    }, //
};

/// Writes of at most so many bytes go in as a whole, as POSIX has it; see `pipe(7)`.
const PIPE_BUF: usize = bindings::PIPE_BUF as usize;

/// A pipe that any number of files may have open.
#[pin_data]
pub(crate) struct Pipe {
    #[pin]
    state: Mutex<State>,
    /// Where readers sleep and are polled for.
    #[pin]
    readers: PollCondVar,
    /// Where writers sleep and are polled for.
    #[pin]
    writers: PollCondVar,
}

struct State {
    ring: Ring,
    ends: Ends,
    waiting_readers: Waiters,
    waiting_writers: Waiters,
}

/// Whose lease it is that ends.
#[derive(PartialEq, Eq)]
enum Leaseholder {
    Reader,
    Writer,
}

impl Pipe {
    /// An empty pipe around `ring` that nobody has open.
    pub(crate) fn new(ring: Ring) -> impl PinInit<Self> {
        // A writer that sleeps finds its room where PIPE_BUF bytes fit, if they ever do.
        let room = Some(PIPE_BUF).filter(|room| *room <= ring.indices().capacity());
        pin_init!(Self {
            state <- new_mutex!(State {
                ring,
                ends: Ends::default(),
                waiting_readers: Waiters::new(Some(1)),
                waiting_writers: Waiters::new(room),
            }, "mini_pipe"),
            readers <- new_poll_condvar!("mini_pipe_readers"),
            writers <- new_poll_condvar!("mini_pipe_writers"),
        })
    }

    /// A file opens the pipe, to read, to write or both. It owes a [`Pipe::close`].
    ///
    /// Nobody need be woken: who waits for a peer waits for what it brings.
    pub(crate) fn open(&self, reads: bool, writes: bool) -> Seat {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let bytes_left = !state.ring.indices().is_empty();
        state.ends.open(reads, writes, bytes_left)
    }

    /// The file at `seat` leaves. The last one of a side is the end for everybody on the other.
    pub(crate) fn close(&self, seat: &Seat) {
        let mut state = self.state.lock();
        state.ends.close(seat);
        let end_of_file = seat.writes && state.ends.no_writers();
        let broken = seat.reads && state.ends.no_readers();
        if broken {
            state.waiting_readers.forget_pollers();
        }
        if end_of_file {
            state.waiting_writers.forget_pollers();
        }
        drop(state);

        if end_of_file {
            self.readers.notify_all();
        }
        if broken {
            self.writers.notify_all();
        }
    }

    /// Takes bytes out of the pipe, as `read(2)`: what is there, at once, or it waits for some.
    ///
    /// Returns how many bytes reached `to`; 0 is end of file, unless `to` is empty. May sleep.
    ///
    /// # Errors
    ///
    /// - `EAGAIN`: it would have to wait and the call does not block.
    /// - `ERESTARTSYS`: a signal came while it waited.
    /// - `EFAULT`: not one byte could be stored in `to`. Those that could not stay in the pipe.
    pub(crate) fn read(&self, seat: &Seat, call: &Call, to: &mut IovIterDest<'_>) -> Result<usize> {
        if to.is_empty() {
            return Ok(0);
        }

        let mut interrupted = false;
        let mut state = self.state.lock();
        loop {
            if let Some(lease) = state.ring.lease_bytes(to.len()) {
                drop(state);
                let copied = lease.copy_to(to);
                self.end_lease(Leaseholder::Reader, |ring| ring.take(lease, copied));
                return some_or(copied, EFAULT);
            }
            // Bytes on lease to another reader may come back.
            if state.ring.indices().is_empty() && state.ends.writers(seat) == Peer::Left {
                return Ok(0);
            }
            if call.is_nonblocking() {
                state.refuse_reader();
                return Err(EAGAIN);
            }
            if interrupted {
                return Err(ERESTARTSYS);
            }
            interrupted = self.wait_for_bytes(&mut state);
        }
    }

    /// Puts bytes into the pipe, as `write(2)`: all of them, waiting for room if need be.
    ///
    /// A write of at most [`PIPE_BUF`] bytes that the pipe can hold goes in as a whole or not at
    /// all. Returns how many bytes went in: fewer than `from` holds if it does not block, was
    /// interrupted, met a fault or lost its last reader on the way. May sleep.
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
    pub(crate) fn write(
        &self,
        seat: &Seat,
        call: &Call,
        from: &mut IovIterSource<'_>,
    ) -> Result<usize> {
        let mut written = 0;
        let mut interrupted = false;
        let mut state = self.state.lock();
        let atomic = from.len() <= state.atomic_limit();
        while !from.is_empty() {
            if state.ends.readers(seat) == Peer::Left {
                drop(state);
                call.raise_sigpipe();
                return some_or(written, EPIPE);
            }
            let least = if atomic { from.len() } else { 1 };
            if let Some(lease) = state.ring.lease_room(least, from.len()) {
                drop(state);
                let leased = lease.len();
                let copied = lease.copy_from(from);
                let put = if atomic && copied < leased { 0 } else { copied };
                self.end_lease(Leaseholder::Writer, |ring| ring.put(lease, put));
                written += put;
                if copied < leased {
                    return some_or(written, EFAULT);
                }
                state = self.state.lock();
                continue;
            }
            if call.is_nonblocking() {
                state.refuse_writer();
                return some_or(written, EAGAIN);
            }
            if interrupted {
                return some_or(written, ERESTARTSYS);
            }
            interrupted = self.wait_for_room(&mut state);
        }
        Ok(written)
    }

    /// Tells what a file could do now, as `poll(2)`, and has `table` told when that changes.
    ///
    /// Returns the `POLL*` bits that hold. A reader that polls edge-triggered is told of every
    /// write from then on, as pipe.c does it, since programs have come to rely on it.
    pub(crate) fn poll(
        &self,
        seat: &Seat,
        file: &File,
        table: &PollTable<'_>,
        interest: Interest,
    ) -> u32 {
        // Known before it is queued: no sleeper may come behind an exclusive poller that is not.
        let mut state = self.state.lock();
        if seat.reads {
            state.waiting_readers.poll(interest);
        }
        if seat.writes {
            // Writers have no event for every read: nobody ever had.
            state.waiting_writers.poll(Interest {
                edges: false,
                ..interest
            });
        }
        drop(state);

        // Queued without the mutex: that allocates memory, which may take its time.
        if seat.reads {
            table.register_wait(file, &self.readers);
        }
        if seat.writes {
            table.register_wait(file, &self.writers);
        }

        let mut mask = 0;
        let mut state = self.state.lock();
        if seat.reads && !state.refuse_reader() {
            if state.ring.indices().bytes() > 0 {
                mask |= bindings::POLLIN | bindings::POLLRDNORM;
            }
            if state.ends.writers(seat) == Peer::Left {
                mask |= bindings::POLLHUP;
            }
        }
        if seat.writes {
            if !state.refuse_writer() && state.ring.indices().room() >= state.atomic_limit() {
                mask |= bindings::POLLOUT | bindings::POLLWRNORM;
            }
            if state.ends.readers(seat) == Peer::Left {
                mask |= bindings::POLLERR;
            }
        }
        mask
    }

    /// Sleeps until bytes may have come or a signal has. Returns whether a signal is pending.
    fn wait_for_bytes(&self, state: &mut Guard<'_, State, MutexBackend>) -> bool {
        let kept_out = state.ring.indices().is_reading();
        state.waiting_readers.fall_asleep(kept_out);
        let signal = self.readers.wait_interruptible(state);
        state.waiting_readers.wake_up(kept_out);
        signal
    }

    /// Sleeps until there may be enough room or a signal has come. Returns whether a signal is
    /// pending.
    fn wait_for_room(&self, state: &mut Guard<'_, State, MutexBackend>) -> bool {
        let kept_out = state.ring.indices().is_writing();
        state.waiting_writers.fall_asleep(kept_out);
        let signal = self.writers.wait_interruptible(state);
        state.waiting_writers.wake_up(kept_out);
        signal
    }

    /// Ends a lease with `give_back` and wakes whom that concerns: on the other side, since there
    /// may be more for it now, and on the leaseholder's own, which the lease kept out.
    fn end_lease(&self, holder: Leaseholder, give_back: impl FnOnce(&mut Ring)) {
        let mut guard = self.state.lock();
        let state = &mut *guard;
        let (bytes, room) = (state.ring.indices().bytes(), state.ring.indices().room());
        give_back(&mut state.ring);

        let reading = holder == Leaseholder::Reader;
        let indices = state.ring.indices();
        let mut readers = state
            .waiting_readers
            .concerned(bytes..=indices.bytes(), reading);
        let writers = state
            .waiting_writers
            .concerned(room..=indices.room(), !reading);
        if reading && indices.is_empty() && state.ends.no_writers() {
            // End of file, which this lease hid from those it kept out.
            readers = Wake::Everybody;
        }
        drop(guard);

        wake(&self.writers, writers);
        wake(&self.readers, readers);
    }
}

impl State {
    /// Turns a reader away that will not sleep, if another one holds a lease: it is told when that
    /// ends.
    fn refuse_reader(&mut self) -> bool {
        let refused = self.ring.indices().is_reading();
        if refused {
            self.waiting_readers.refuse();
        }
        refused
    }

    /// Turns a writer away that will not sleep, if another one holds a lease: it is told when that
    /// ends.
    fn refuse_writer(&mut self) -> bool {
        let refused = self.ring.indices().is_writing();
        if refused {
            self.waiting_writers.refuse();
        }
        refused
    }

    /// Writes of at most so many bytes go in as a whole: [`PIPE_BUF`], or what the ring can hold.
    fn atomic_limit(&self) -> usize {
        self.ring.indices().capacity().min(PIPE_BUF)
    }
}

/// Wakes whom a change concerns. One is woken as by a caller that is about to sleep: it mostly is.
fn wake(queue: &PollCondVar, whom: Wake) {
    match whom {
        Wake::Nobody => {}
        Wake::One => queue.notify_sync(),
        Wake::Everybody => queue.notify_all(),
    }
}

/// The count if there is one, else the error: what was moved is never hidden behind an error.
fn some_or(count: usize, error: Error) -> Result<usize> {
    if count > 0 {
        Ok(count)
    } else {
        Err(error)
    }
}
