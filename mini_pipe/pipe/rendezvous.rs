// SPDX-License-Identifier: GPL-2.0

//! Writes that wait for their reader: [`Policy::Rendezvous`].
//!
//! A writer that waits keeps its *turn* from before its first byte goes in until its last one has
//! been taken. All others wait for that, as for the end of a lease; so its bytes are the newest in
//! the ring, and it can take back what nobody has taken. Bytes on lease to a reader count as taken.

use super::*;
use crate::waiters::Change;

impl Pipe {
    /// As [`Pipe::write`], but returns when the last byte has been taken, and returns how many have
    /// been. `from` is not empty, the call blocks. May sleep.
    ///
    /// # Errors
    ///
    /// As [`Pipe::write`], if no byte has been taken; none is in the pipe then.
    pub(super) fn write_rendezvous<'a>(
        &'a self,
        mut state: Guard<'a, State, MutexBackend>,
        end: &OpenEnd,
        call: Call,
        from: &mut impl Source,
    ) -> Result<usize> {
        let mut wait = Wait::default();
        while state.is_writing() {
            if state.ends.readers(end) == Peer::Closed {
                drop(state);
                call.raise_sigpipe();
                return Err(EPIPE);
            }
            state = self.wait_for_room(state, call, &mut wait)?;
        }
        let mut interrupted = wait.interrupted;

        let whole = from.len();
        let mut put = 0;
        let mut fault = false;
        let end = loop {
            let rest = if fault { 0 } else { from.len() };
            // Done before anything else is looked at: what was taken whole is not broken.
            if rest == 0 && (put == 0 || state.ring.indices().is_empty()) {
                break EFAULT;
            }
            if state.ends.readers(end) == Peer::Closed {
                break EPIPE;
            }
            // Its turn keeps out others, not itself.
            state.rendezvous_active = false;
            let reservation = state.reserve_write(call, whole, rest);
            state.rendezvous_active = true;
            if let Some(reservation) = reservation {
                drop(state);
                let (more, unreadable) = self.fill(reservation, call, whole, from);
                put += more;
                fault = unreadable;
                state = self.state.lock();
                continue;
            }
            if interrupted {
                break ERESTARTSYS;
            }
            state.waiting_writers.count_sleep();
            interrupted = self.drained.wait_interruptible(&mut state);
        };

        let taken = put - self.finish_rendezvous(state, put);
        if end == EPIPE {
            call.raise_sigpipe();
        }
        short_count_or(taken, end)
    }

    /// Ends a turn. Takes back the newest bytes of the ring, at most `most` and none that a reader
    /// has on lease; returns how many. Wakes the next writer.
    fn finish_rendezvous(&self, mut guard: Guard<'_, State, MutexBackend>, most: usize) -> usize {
        let state = &mut *guard;
        let before = state.ring.writable();
        let unwritten = state.ring.unwrite(most);
        state.bytes_in -= unwritten as u64;
        state.rendezvous_active = false;
        let change = Change {
            before,
            now: state.ring.writable(),
            returned: true,
            is_end: false,
        };
        let writers = state
            .waiting_writers
            .select_wakeup(&change, !self.writers.pollers.is_empty());
        drop(guard);
        self.send_wakeups(Wakeups {
            readers: SideWakeup::NONE,
            signal_readers: false,
            signal_writers: writers.is_anybody(),
            writers,
            rendezvous: false,
        });
        unwritten
    }
}
