// SPDX-License-Identifier: GPL-2.0

//! Waiting, awake or asleep, and telling those who wait.
//!
//! Whoever changes something finds out under the mutex whom that concerns, which is its [`Wakeups`],
//! and tells them when it has dropped the mutex.

use super::*;
use crate::waiters::Change;
use kernel::time::{
    Instant,
    Monotonic, //
};

/// How the waiting of one call goes.
#[derive(Default)]
pub(super) struct Wait {
    /// When it began to wait, if it has waited awake, and sleeps if it finds nothing now.
    since: Option<Instant<Monotonic>>,
    /// A signal has come.
    pub(super) interrupted: bool,
}

/// Who moves bytes.
#[derive(PartialEq, Eq)]
pub(super) enum Dir {
    Read,
    Write,
}

/// Whom a change concerns, and how they are told.
#[must_use = "those whom it concerns must be told"]
pub(super) struct Wakeups {
    pub(super) readers: SideWakeup,
    pub(super) writers: SideWakeup,
    pub(super) signal_readers: bool,
    pub(super) signal_writers: bool,
    /// The writer whose turn it is looks whether its bytes are gone.
    pub(super) rendezvous: bool,
}

impl Pipe {
    /// Waits until there are bytes, or no writers.
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS`: a signal came.
    pub(super) fn wait_to_splice(&self, end: &OpenEnd, call: Call) -> Result {
        let mut wait = Wait::default();
        let mut state = self.state.lock();
        loop {
            let indices = state.ring.indices();
            let bytes = indices.readable() > 0 && !indices.is_reading();
            if bytes || state.is_at_end(end) {
                drop(state);
                // Another one may come first, for this one has nothing yet.
                self.readers.sleepers.notify_sync();
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
    /// - `ERESTARTSYS`: a signal had come when it last waited.
    #[inline(always)]
    pub(super) fn wait_for_bytes<'a>(
        &'a self,
        state: Guard<'a, State, MutexBackend>,
        call: Call,
        wait: &mut Wait,
    ) -> Result<Guard<'a, State, MutexBackend>> {
        let contended = state.ring.indices().is_reading();
        self.wait(
            state,
            &self.readers,
            |state| &mut state.waiting_readers,
            contended,
            call,
            wait,
        )
    }

    /// Waits until there may be enough room or a signal has come.
    ///
    /// # Errors
    ///
    /// As [`Pipe::wait_for_bytes`].
    #[inline(always)]
    pub(super) fn wait_for_room<'a>(
        &'a self,
        state: Guard<'a, State, MutexBackend>,
        call: Call,
        wait: &mut Wait,
    ) -> Result<Guard<'a, State, MutexBackend>> {
        let contended = state.is_writing();
        self.wait(
            state,
            &self.writers,
            |state| &mut state.waiting_writers,
            contended,
            call,
            wait,
        )
    }

    /// Waits for a change that concerns `side`: first awake, if that may be worth it, and the next
    /// time asleep. `contended` says whether for the end of a lease of that side.
    ///
    /// # Errors
    ///
    /// As [`Pipe::wait_for_bytes`].
    #[inline(always)]
    fn wait<'a>(
        &'a self,
        mut state: Guard<'a, State, MutexBackend>,
        side: &Side,
        waiters: impl Fn(&mut State) -> &mut Waiters,
        contended: bool,
        call: Call,
        wait: &mut Wait,
    ) -> Result<Guard<'a, State, MutexBackend>> {
        if call.is_nonblocking() {
            if contended {
                waiters(&mut state).note_eagain();
            }
            return Err(EAGAIN);
        }
        if wait.interrupted {
            return Err(ERESTARTSYS);
        }
        if wait.since.is_none() {
            wait.since = side.spinner.begin();
            if let Some(since) = wait.since.filter(|_| side.spinner.arm()) {
                drop(state);
                side.spinner.spin(since);
                wait.interrupted = current!().signal_pending();
                return Ok(self.state.lock());
            }
        }
        waiters(&mut state).add_waiter(contended);
        wait.interrupted = side.sleepers.wait_interruptible(&mut state);
        waiters(&mut state).remove_waiter(contended);
        if let Some(since) = wait.since.take() {
            side.spinner.update_hint(since);
        }
        Ok(state)
    }

    /// Wakes and signals whom a change concerns. The mutex is not held.
    #[inline(always)]
    pub(super) fn send_wakeups(&self, wakeups: Wakeups) {
        self.writers.spinner.stop();
        self.readers.spinner.stop();
        self.writers.wake(wakeups.writers);
        self.readers.wake(wakeups.readers);
        if wakeups.rendezvous {
            self.drained.notify_one();
        }
        if wakeups.signal_writers {
            self.fasync.kill_writers();
        }
        if wakeups.signal_readers {
            self.fasync.kill_readers();
        }
    }

    /// Counts `moved` bytes that `holder` has moved, and finds out whom it concerns that the levels
    /// were `before`: on the other side, since there may be more for it now, and on the holder's
    /// own, which its lease kept out until it `ended`.
    #[inline(always)]
    pub(super) fn collect_wakeups(
        &self,
        state: &mut State,
        before: (usize, usize),
        holder: Dir,
        moved: usize,
        ended: bool,
    ) -> Wakeups {
        let reading = holder == Dir::Read;
        state.count(&holder, moved);
        let read_polled = !self.readers.pollers.is_empty();
        let write_polled = !self.writers.pollers.is_empty();
        if state.has_no_waiters() && !read_polled && !write_polled {
            return Wakeups {
                readers: SideWakeup::NONE,
                writers: SideWakeup::NONE,
                signal_readers: !reading,
                signal_writers: reading,
                rendezvous: false,
            };
        }
        let (bytes, room) = state.levels();
        let readers = Change {
            before: before.0,
            now: bytes,
            returned: ended && reading,
            // A lease hides the end of file from those it keeps out.
            is_end: reading && state.ring.indices().is_empty() && state.ends.no_writers(),
        };
        let writers = Change {
            before: before.1,
            now: room,
            returned: ended && !reading,
            is_end: false,
        };
        let readers = state.waiting_readers.select_wakeup(&readers, read_polled);
        let writers = state.waiting_writers.select_wakeup(&writers, write_polled);
        Wakeups {
            // On its own side, those that the lease turned away.
            signal_writers: reading || writers.is_anybody(),
            signal_readers: !reading || readers.is_anybody(),
            readers,
            writers,
            rendezvous: state.rendezvous_active,
        }
    }
}

impl State {
    /// What the waiters wait for: how many bytes a reader finds, and room for how many a writer.
    #[inline(always)]
    pub(super) fn levels(&self) -> (usize, usize) {
        (self.ring.indices().readable(), self.ring.writable())
    }

    /// Counts bytes that have gone in or come out.
    #[inline(always)]
    pub(super) fn count(&mut self, holder: &Dir, moved: usize) {
        let total = match holder {
            Dir::Read => &mut self.bytes_out,
            Dir::Write => &mut self.bytes_in,
        };
        *total = total.wrapping_add(moved as u64);
    }

    /// Whether nobody waits for a change, but for those who poll.
    #[inline(always)]
    pub(super) fn has_no_waiters(&self) -> bool {
        self.waiting_readers.is_empty()
            && self.waiting_writers.is_empty()
            && !self.rendezvous_active
    }
}

impl Side {
    /// Wakes whom a change concerns: pollers first, as in the one queue of fs/pipe.c, where they
    /// stand before those that wait for a wake-up of their own. One is woken as by a caller that is
    /// about to sleep: it mostly is.
    #[inline(always)]
    pub(super) fn wake(&self, select_wakeup: SideWakeup) {
        match select_wakeup.pollers {
            Wake::None => {}
            Wake::Exclusive => self.pollers.wake(self.events),
            Wake::All => self.pollers.wake_all(),
        }
        match select_wakeup.sleepers {
            Wake::None => {}
            Wake::Exclusive => self.sleepers.notify_sync(),
            Wake::All => self.sleepers.notify_all(),
        }
    }
}
