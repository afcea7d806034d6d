// SPDX-License-Identifier: GPL-2.0

//! The pipe: a ring, two ends and two queues behind one mutex; read, write and poll. The writes
//! that wait for their reader are in `rendezvous`, what one can ask and change in `settings`.
//!
//! Three habits keep it honest:
//!
//! - User memory is only touched under a lease, not under the mutex, unless the copy is short and
//!   cannot sleep; no memory is allocated there, either.
//! - Whoever wakes up looks at the ring first and at its signals second: a wake-up reaches one
//!   sleeper, and must not die with it while others sleep on.
//! - Wake-ups are sent after the mutex is dropped, by whoever made the change.
//!
//! What every read and every write goes through, once, is `#[inline(always)]`, here and in `ring`:
//! that keeps a lease in registers.

use crate::{
    chrdev::Call,
    ends::{
        Ends,
        Peer,
        Seat, //
    },
    policy::Policy,
    ring::{
        BytesLease,
        Ring,
        RoomLease, //
    },
    signals::{
        Band,
        Subscribers, //
    },
    splice::Target,
    user::{
        Destination,
        Source, //
    },
    waiters::{
        Interest,
        Waiters,
        Wake, //
    },
    watch::Watch, //
};
use kernel::{
    bindings,
    fs::File,
    new_condvar,
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    static_lock_class,
    sync::{
        lock::{
            mutex::MutexBackend,
            Guard, //
        },
        poll::{
            PollCondVarBox,
            PollTable, //
        },
        CondVar,
        Mutex, //
    },
    time::{
        Instant,
        Monotonic, //
    }, //
};

#[path = "pipe/rendezvous.rs"]
mod rendezvous;
#[path = "pipe/settings.rs"]
mod settings;

/// Writes of at most so many bytes go in as a whole, as POSIX has it; see `pipe(7)`.
const PIPE_BUF: usize = bindings::PIPE_BUF as usize;

/// A long copy is made in pieces of so many bytes: if the other side waits awake, it gets the first
/// while the second is being copied.
const PIECE: usize = 8 * PAGE_SIZE;

/// A pipe that any number of files may have open.
#[pin_data]
pub(crate) struct Pipe {
    #[pin]
    state: Mutex<State>,
    readers: Side,
    writers: Side,
    /// Where the writer waits whose turn it is: see `rendezvous`.
    #[pin]
    turn: CondVar,
}

/// Where those of one side wait.
struct Side {
    /// They sleep here and are polled for. In a box, which is freed when nobody can be looking at
    /// it any more, without whoever closes the pipe waiting for that.
    queue: PollCondVarBox,
    /// They wait awake.
    watch: Watch,
    /// They get a signal.
    subscribers: Subscribers,
}

struct State {
    ring: Ring,
    ends: Ends,
    waiting_readers: Waiters,
    waiting_writers: Waiters,
    policy: Policy,
    /// A writer waits for its bytes to be taken, and keeps the others out: see `rendezvous`.
    turn: bool,
    /// Bytes that have ever gone in, and come out.
    bytes_in: u64,
    bytes_out: u64,
}

/// How the waiting of one call goes.
#[derive(Default)]
struct Wait {
    /// When it began to wait, if it has waited awake, and sleeps if it finds nothing now.
    since: Option<Instant<Monotonic>>,
    /// A signal came while it slept.
    interrupted: bool,
}

/// Who moves bytes.
#[derive(PartialEq, Eq)]
enum Leaseholder {
    Reader,
    Writer,
}

/// Whom a change concerns, and how they are told.
struct News {
    readers: Wake,
    writers: Wake,
    signal_readers: bool,
    signal_writers: bool,
    /// The writer whose turn it is looks whether its bytes are gone.
    turn: bool,
}

impl Pipe {
    /// An empty pipe around `ring` that nobody has open. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(ring: Ring, ends: Ends, policy: Policy) -> impl PinInit<Self, Error> {
        let room = enough_room(ring.indices().capacity());
        try_pin_init!(Self {
            state <- new_mutex!(State {
                ring,
                ends,
                waiting_readers: Waiters::new(Some(1)),
                waiting_writers: Waiters::new(room),
                policy,
                turn: false,
                bytes_in: 0,
                bytes_out: 0,
            }, "mini_pipe"),
            readers: Side {
                queue: PollCondVarBox::new(c"mini_pipe_readers", static_lock_class!())?,
                watch: Watch::new(),
                subscribers: Subscribers::new(),
            },
            writers: Side {
                queue: PollCondVarBox::new(c"mini_pipe_writers", static_lock_class!())?,
                watch: Watch::new(),
                subscribers: Subscribers::new(),
            },
            turn <- new_condvar!("mini_pipe_turn"),
        }? Error)
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
        if state.ends.is_complete() && state.ends.no_readers() && state.ends.no_writers() {
            // Who opens it again, by a path that was kept, finds none of these.
            state.ring.take_back(usize::MAX);
        }
        let readers = state.waiting_readers.all_if(end_of_file);
        let writers = state.waiting_writers.all_if(broken);
        drop(state);

        self.readers.watch.tell();
        self.writers.watch.tell();
        self.readers.wake(readers);
        self.writers.wake(writers);
        if end_of_file {
            self.readers.subscribers.send(Band::In);
        }
        if broken {
            self.turn.notify_one();
            self.writers.subscribers.send(Band::Out);
        }
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
    pub(crate) fn read(
        &self,
        seat: &Seat,
        call: &Call,
        to: &mut impl Destination,
    ) -> Result<usize> {
        let mut state = self.state.lock();
        match state.ring.try_take(to) {
            Some(taken) => Ok(self.moved_at_once(state, Leaseholder::Reader, taken)),
            None => self.read_with_care(state, seat, call, to),
        }
    }

    /// Goes on with [`Pipe::read`] where it has to wait, or to copy much.
    #[cold]
    fn read_with_care<'a>(
        &'a self,
        mut state: Guard<'a, State, MutexBackend>,
        seat: &Seat,
        call: &Call,
        to: &mut impl Destination,
    ) -> Result<usize> {
        let mut wait = Wait::default();
        if to.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some((lease, rest)) = state.lease_bytes(to.len()) {
                drop(state);
                return some_or(self.drain(lease, rest, to), EFAULT);
            }
            if state.is_at_end(seat) {
                return Ok(0);
            }
            state = self.wait_for_bytes(state, call, &mut wait)?;
            if let Some(taken) = state.ring.try_take(to) {
                return Ok(self.moved_at_once(state, Leaseholder::Reader, taken));
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
    /// - As [`Target::give`]; `EAGAIN`, though, only if somebody else fills it while this waits.
    ///   What could not go stays in the pipe.
    pub(crate) fn splice(
        &self,
        seat: &Seat,
        call: &Call,
        target: &mut Target,
        most: usize,
    ) -> Result<usize> {
        let lease = loop {
            let mut state = self.state.lock();
            if let Some((lease, _)) = state.lease_bytes(most) {
                break lease;
            }
            if state.is_at_end(seat) {
                return Ok(0);
            }
            if call.is_nonblocking() {
                state.refuse_reader();
                return Err(EAGAIN);
            }
            drop(state);
            // Who waits here must not keep others from what is in the target; nor, by a lease, from
            // what is in here, while it waits for the target's lock.
            target.unlocked(|| self.wait_to_splice(seat, call))?;
        };
        let mut fresh = KVec::new();
        let given = target.give(&lease, &mut fresh);
        let count = given.unwrap_or(0);
        let mut state = self.state.lock();
        let before = state.levels();
        let taken = state.ring.take_pages(lease, count, &mut fresh);
        let news = state.news(before, Leaseholder::Reader, taken, true);
        drop(state);
        self.tell(news);
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
    pub(crate) fn write(&self, seat: &Seat, call: &Call, from: &mut impl Source) -> Result<usize> {
        let mut state = self.state.lock();
        match state.try_write(seat, call, from) {
            Some(put) => Ok(self.moved_at_once(state, Leaseholder::Writer, put)),
            None => self.write_with_care(state, seat, call, from),
        }
    }

    /// Goes on with [`Pipe::write`] where it has to wait, or to copy much.
    #[cold]
    fn write_with_care<'a>(
        &'a self,
        mut state: Guard<'a, State, MutexBackend>,
        seat: &Seat,
        call: &Call,
        from: &mut impl Source,
    ) -> Result<usize> {
        let mut written = 0;
        let mut wait = Wait::default();
        let whole = from.len();
        if whole == 0 {
            return Ok(0);
        }
        if state.policy == Policy::Rendezvous && !call.is_nonblocking() {
            return self.write_in_turn(state, seat, call, from);
        }
        loop {
            if state.ends.readers(seat) == Peer::Left {
                drop(state);
                call.raise_sigpipe();
                return some_or(written, EPIPE);
            }
            if let Some(lease) = state.lease_room(call, whole, from.len()) {
                drop(state);
                let (put, fault) = self.fill(lease, call, whole, from);
                written += put;
                if fault {
                    return some_or(written, EFAULT);
                }
                if from.is_empty() {
                    return Ok(written);
                }
                state = self.state.lock();
                continue;
            }
            match self.wait_for_room(state, call, &mut wait) {
                Ok(guard) => state = guard,
                Err(error) => return some_or(written, error),
            }
            if let Some(put) = state.try_write(seat, call, from) {
                return Ok(written + self.moved_at_once(state, Leaseholder::Writer, put));
            }
        }
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
            table.register_wait(file, &self.readers.queue);
        }
        if seat.writes {
            table.register_wait(file, &self.writers.queue);
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
            if !state.refuse_writer() && state.ring.room() >= state.atomic_limit() {
                mask |= bindings::POLLOUT | bindings::POLLWRNORM;
            }
            if state.ends.readers(seat) == Peer::Left {
                mask |= bindings::POLLERR;
            }
        }
        mask
    }

    /// Adds `file`, as descriptor `fd`, to those whose owner gets a signal when its side has
    /// something to do, or takes it off. Returns whether that changed anything. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; nothing is changed then.
    pub(crate) fn subscribe(&self, seat: &Seat, fd: c_int, file: &File, on: bool) -> Result<bool> {
        let mut changed = false;
        if seat.reads {
            changed = self.readers.subscribers.set(fd, file, on)?;
        }
        if seat.writes {
            match self.writers.subscribers.set(fd, file, on) {
                Ok(too) => changed |= too,
                Err(error) => {
                    if changed {
                        // Taking off cannot fail.
                        let _ = self.readers.subscribers.set(fd, file, false);
                    }
                    return Err(error);
                }
            }
        }
        Ok(changed)
    }

    /// Copies leased bytes to `to` and ends the lease, and goes on in the same way with at most
    /// `rest` more that are there then. Returns how many bytes came out: none if not one of them
    /// could be stored.
    #[inline(always)]
    fn drain(&self, mut lease: BytesLease, mut rest: usize, to: &mut impl Destination) -> usize {
        let mut drained = 0;
        loop {
            let (copied, fault) = in_pieces(lease.len(), &self.writers.watch, |skip, len| {
                lease.copy_to(skip, len, to)
            });
            let mut state = self.state.lock();
            let before = state.levels();
            let (taken, next) = if copied < lease.len() && !fault {
                (state.ring.take_part(&mut lease, copied), Some(lease))
            } else {
                let last = fault || lease.is_packet() || rest == 0 || to.is_empty();
                let taken = state.ring.take(lease, copied);
                let next = if last {
                    None
                } else {
                    state.ring.lease_stream(to.len().min(rest))
                };
                rest -= next.as_ref().map_or(0, BytesLease::len);
                (taken, next)
            };
            let news = state.news(before, Leaseholder::Reader, taken, next.is_none());
            drop(state);
            self.tell(news);

            drained += taken;
            match next {
                Some(next) => lease = next,
                None => return drained,
            }
        }
    }

    /// Fills leased room from `from` and ends the lease, and goes on with the room that is there
    /// then, in the same way. Returns how many bytes went in, and whether `from` could not be read
    /// to a lease's end. Room that was leased for no less goes unused then.
    #[inline(always)]
    fn fill(
        &self,
        mut lease: RoomLease,
        call: &Call,
        whole: usize,
        from: &mut impl Source,
    ) -> (usize, bool) {
        let mut filled = 0;
        loop {
            let (copied, fault) = in_pieces(lease.len(), &self.readers.watch, |skip, len| {
                lease.copy_from(skip, len, from)
            });
            let mut state = self.state.lock();
            let before = state.levels();
            let (put, next) = if copied < lease.len() && !fault {
                (state.ring.put_part(&mut lease, copied), Some(lease))
            } else {
                let unused = fault && lease.is_indivisible();
                let put = state.ring.put(lease, if unused { 0 } else { copied });
                let next = if fault || from.is_empty() {
                    None
                } else {
                    state.lease_room(call, whole, from.len())
                };
                (put, next)
            };
            let news = state.news(before, Leaseholder::Writer, put, next.is_none());
            drop(state);
            self.tell(news);

            filled += put;
            match next {
                Some(next) => lease = next,
                None => return (filled, fault),
            }
        }
    }

    /// Waits until there are bytes, or no writers.
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS`: a signal came.
    fn wait_to_splice(&self, seat: &Seat, call: &Call) -> Result {
        let mut wait = Wait::default();
        let mut state = self.state.lock();
        loop {
            let indices = state.ring.indices();
            let bytes = indices.bytes() > 0 && !indices.is_reading();
            if bytes || state.is_at_end(seat) {
                drop(state);
                // Another one may come first, for this one has nothing yet.
                self.readers.wake(Wake::One);
                return Ok(());
            }
            state = self.wait_for_bytes(state, call, &mut wait)?;
        }
    }

    /// Waits until bytes may have come or a signal has.
    ///
    /// # Errors
    ///
    /// - `EAGAIN`: the call does not block.
    /// - `ERESTARTSYS`: a signal had come already when it last waited.
    fn wait_for_bytes<'a>(
        &'a self,
        mut state: Guard<'a, State, MutexBackend>,
        call: &Call,
        wait: &mut Wait,
    ) -> Result<Guard<'a, State, MutexBackend>> {
        if call.is_nonblocking() {
            state.refuse_reader();
            return Err(EAGAIN);
        }
        let kept_out = state.ring.indices().is_reading();
        self.wait(
            state,
            &self.readers,
            |state| &mut state.waiting_readers,
            kept_out,
            wait,
        )
    }

    /// Waits until there may be enough room or a signal has come.
    ///
    /// # Errors
    ///
    /// As [`Pipe::wait_for_bytes`].
    fn wait_for_room<'a>(
        &'a self,
        mut state: Guard<'a, State, MutexBackend>,
        call: &Call,
        wait: &mut Wait,
    ) -> Result<Guard<'a, State, MutexBackend>> {
        if call.is_nonblocking() {
            state.refuse_writer();
            return Err(EAGAIN);
        }
        let kept_out = state.is_writing();
        self.wait(
            state,
            &self.writers,
            |state| &mut state.waiting_writers,
            kept_out,
            wait,
        )
    }

    /// Waits for a change that concerns `side`: first awake, if that may be worth it, and the next
    /// time asleep. `kept_out` says whether for the end of a lease of that side.
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS`: a signal had come already when it last waited.
    fn wait<'a>(
        &'a self,
        mut state: Guard<'a, State, MutexBackend>,
        side: &Side,
        waiters: impl Fn(&mut State) -> &mut Waiters,
        kept_out: bool,
        wait: &mut Wait,
    ) -> Result<Guard<'a, State, MutexBackend>> {
        if wait.interrupted {
            return Err(ERESTARTSYS);
        }
        if wait.since.is_none() {
            wait.since = side.watch.begin();
            if let Some(since) = wait.since.filter(|_| side.watch.announce()) {
                drop(state);
                side.watch.watch(since);
                return Ok(self.state.lock());
            }
        }
        waiters(&mut state).fall_asleep(kept_out);
        wait.interrupted = side.queue.wait_interruptible(&mut state);
        waiters(&mut state).wake_up(kept_out);
        if let Some(since) = wait.since.take() {
            side.watch.end(since);
        }
        Ok(state)
    }

    /// Tells that `holder` has moved so many bytes without a lease, and returns how many.
    #[inline(always)]
    fn moved_at_once<'a>(
        &'a self,
        mut state: Guard<'a, State, MutexBackend>,
        holder: Leaseholder,
        moved: usize,
    ) -> usize {
        if !state.is_quiet() {
            return self.moved_at_once_with_news(state, holder, moved);
        }
        state.count(&holder, moved);
        drop(state);
        let (other, band) = match holder {
            Leaseholder::Reader => (&self.writers, Band::Out),
            Leaseholder::Writer => (&self.readers, Band::In),
        };
        other.watch.tell();
        other.subscribers.send(band);
        moved
    }

    /// Goes on with [`Pipe::moved_at_once`] where somebody waits.
    #[cold]
    fn moved_at_once_with_news<'a>(
        &'a self,
        mut state: Guard<'a, State, MutexBackend>,
        holder: Leaseholder,
        moved: usize,
    ) -> usize {
        let (bytes, room) = state.levels();
        let before = if holder == Leaseholder::Reader {
            (bytes + moved, room - moved)
        } else {
            (bytes - moved, room + moved)
        };
        let news = state.news(before, holder, moved, true);
        drop(state);
        self.tell(news);
        moved
    }

    /// Wakes and signals whom a change concerns. The mutex is not held.
    #[inline(always)]
    fn tell(&self, news: News) {
        self.writers.watch.tell();
        self.readers.watch.tell();
        self.writers.wake(news.writers);
        self.readers.wake(news.readers);
        if news.turn {
            self.turn.notify_one();
        }
        if news.signal_writers {
            self.writers.subscribers.send(Band::Out);
        }
        if news.signal_readers {
            self.readers.subscribers.send(Band::In);
        }
    }
}

impl State {
    /// What the waiters wait for: how many bytes a reader finds, and room for how many a writer.
    #[inline(always)]
    fn levels(&self) -> (usize, usize) {
        (self.ring.indices().bytes(), self.ring.room())
    }

    /// Counts bytes that have gone in or come out.
    #[inline(always)]
    fn count(&mut self, holder: &Leaseholder, moved: usize) {
        let total = match holder {
            Leaseholder::Reader => &mut self.bytes_out,
            Leaseholder::Writer => &mut self.bytes_in,
        };
        *total = total.wrapping_add(moved as u64);
    }

    /// Counts `moved` bytes that `holder` has moved, and tells whom it concerns that the levels were
    /// `before`: on the other side, since there may be more for it now, and on the holder's own,
    /// which its lease kept out until it `ended`.
    #[inline(always)]
    fn news(
        &mut self,
        before: (usize, usize),
        holder: Leaseholder,
        moved: usize,
        ended: bool,
    ) -> News {
        let reading = holder == Leaseholder::Reader;
        self.count(&holder, moved);
        if self.is_quiet() {
            return News {
                readers: Wake::Nobody,
                writers: Wake::Nobody,
                signal_readers: !reading,
                signal_writers: reading,
                turn: false,
            };
        }
        let (bytes, room) = self.levels();
        let mut readers = self
            .waiting_readers
            .concerned(before.0..=bytes, ended && reading);
        let writers = self
            .waiting_writers
            .concerned(before.1..=room, ended && !reading);
        if reading && self.ring.indices().is_empty() && self.ends.no_writers() {
            // End of file, which a lease hid from those it kept out.
            readers = Wake::Everybody;
        }
        News {
            // On its own side, those that the lease turned away.
            signal_writers: reading || writers != Wake::Nobody,
            signal_readers: !reading || readers != Wake::Nobody,
            readers,
            writers,
            turn: self.turn,
        }
    }

    /// Whether the reader at `seat` is at the end of file. Bytes on lease to another one may come
    /// back, so not then.
    fn is_at_end(&self, seat: &Seat) -> bool {
        self.ring.indices().is_empty() && self.ends.writers(seat) == Peer::Left
    }

    /// Turns a reader away that will not sleep, if another one holds a lease: it is told when that
    /// ends.
    fn refuse_reader(&mut self) -> bool {
        let refused = self.ring.indices().is_reading();
        if refused {
            self.waiting_readers.refuse();
        }
        refused
    }

    /// Turns a writer away that will not sleep, if another one keeps it out: it is told when that
    /// ends.
    fn refuse_writer(&mut self) -> bool {
        let refused = self.is_writing();
        if refused {
            self.waiting_writers.refuse();
        }
        refused
    }

    /// Whether a writer keeps the others out.
    fn is_writing(&self) -> bool {
        self.turn || self.ring.indices().is_writing()
    }

    /// Whether nobody waits for a change.
    #[inline(always)]
    fn is_quiet(&self) -> bool {
        self.waiting_readers.is_nobody() && self.waiting_writers.is_nobody() && !self.turn
    }

    /// Leases at most `most` bytes to a reader; [`None`] when there are none, or another one holds a
    /// lease. Also returns how many more the reader may take in one call: what is there now, but
    /// any number while a writer is bringing more.
    #[inline(always)]
    fn lease_bytes(&mut self, most: usize) -> Option<(BytesLease, usize)> {
        let lease = self.ring.lease_bytes(most)?;
        let indices = self.ring.indices();
        let rest = if indices.is_writing() {
            usize::MAX
        } else {
            indices.bytes()
        };
        Some((lease, rest))
    }

    /// Writes all of `from` at once, if that can be: [`Ring::try_put`], unless there are no
    /// readers, it is another one's turn, or a packet.
    #[inline(always)]
    fn try_write(&mut self, seat: &Seat, call: &Call, from: &mut impl Source) -> Option<usize> {
        if self.turn
            || self.policy != Policy::Buffered
            || call.writes_packets()
            || self.ends.readers(seat) == Peer::Left
        {
            return None;
        }
        self.ring.try_put(from)
    }

    /// Leases room to a writer for the last `rest` of `whole` bytes, or for some of them, unless
    /// another one keeps it out.
    #[inline(always)]
    fn lease_room(&mut self, call: &Call, whole: usize, rest: usize) -> Option<RoomLease> {
        if self.turn {
            return None;
        }
        let limit = self.atomic_limit();
        let packet = call.writes_packets();
        let most = if packet { rest.min(limit) } else { rest };
        let least = if packet || whole <= limit { most } else { 1 };
        self.ring.lease_room(least, most, packet)
    }

    /// Writes of at most so many bytes go in as a whole: [`PIPE_BUF`], or what the ring can hold.
    fn atomic_limit(&self) -> usize {
        self.ring.indices().capacity().min(PIPE_BUF)
    }
}

impl Side {
    /// Wakes whom a change concerns. One is woken as by a caller that is about to sleep: it mostly
    /// is.
    fn wake(&self, whom: Wake) {
        match whom {
            Wake::Nobody => {}
            Wake::One => self.queue.notify_sync(),
            Wake::Everybody => self.queue.notify_all(),
        }
    }
}

/// Where a writer that sleeps finds its room: where [`PIPE_BUF`] bytes fit, if they ever do.
fn enough_room(capacity: usize) -> Option<usize> {
    Some(PIPE_BUF).filter(|room| *room <= capacity)
}

/// Copies `len` bytes in pieces, by a function that is given how many are done and how many are to
/// be copied at most, and returns how many of the others it copied: to the end, or until one piece
/// falls short or somebody watches for what is done. Returns how many bytes that is, and whether
/// one fell short.
#[inline(always)]
fn in_pieces(
    len: usize,
    watch: &Watch,
    mut copy: impl FnMut(usize, usize) -> usize,
) -> (usize, bool) {
    let mut done = 0;
    loop {
        let copied = copy(done, PIECE);
        done += copied;
        let fault = copied < PIECE && done < len;
        if fault || done == len || watch.is_watched() {
            return (done, fault);
        }
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
