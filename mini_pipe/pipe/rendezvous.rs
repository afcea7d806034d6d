// SPDX-License-Identifier: GPL-2.0

//! Writes that return when their bytes have been read:
//! [`Policy::Rendezvous`](crate::pipe::policy::Policy::Rendezvous).
//!
//! The rendezvous of such a write is *active* from before its first byte is in the ring until its
//! last byte has been read. All other writers are contended meanwhile, so its bytes are the newest
//! in the ring, and the write can remove what nobody has read. It cannot remove bytes that a reader
//! has reserved by then: they count as read.

use crate::{
    pipe::{
        call::Call,
        ends::OpenEnd,
        short_count_or,
        state::StateGuard,
        wait::{
            waiters::Change,
            wakeups::Wakeups, //
        },
        Pipe,
        Wait, //
    },
    ring::{
        dir::{
            Dir,
            Writing, //
        },
        user::UserMemory, //
    },
    sys::trace, //
};
use core::mem;
use kernel::prelude::*;

impl Pipe {
    /// Writes `from`, which is not empty, and returns when the last byte has been read. The call is
    /// blocking. Returns how many bytes have been read.
    ///
    /// # Errors
    ///
    /// Those of [`Pipe::write`], if no byte has been read. Then no byte of this write is left in
    /// the pipe.
    pub(in crate::pipe) fn write_rendezvous<'a>(
        &'a self,
        mut guard: StateGuard<'a>,
        end: &OpenEnd,
        call: Call<'_>,
        from: &mut impl UserMemory<Writing>,
    ) -> Result<usize> {
        let mut wait = Wait::default();
        while guard.is_contended(Dir::Write) {
            if guard.is_broken(end) {
                trace::epipe(|| (self.number,));
                drop(guard);
                call.raise_sigpipe();
                return Err(EPIPE);
            }
            guard = self.wait(guard, Dir::Write, call, &mut wait)?;
        }
        let mut interrupted = wait.interrupted;

        let whole = from.len();
        let mut written = 0;
        let mut fault = false;
        // There was no memory for the pages that the rest needs.
        let mut is_short = false;
        let error = loop {
            let rest = if fault { 0 } else { from.len() };
            // A write that has succeeded leaves the loop here, too: all is written and read, so
            // `short_count_or` below returns the count and drops the error.
            if rest == 0 && (written == 0 || guard.ring.indices().is_empty()) {
                break EFAULT;
            }
            if guard.is_broken(end) {
                break EPIPE;
            }
            let missing = guard.ring.reuse_pages(rest);
            if missing > 0 && !is_short {
                // While this grows the ring without the mutex, all other writers are kept out.
                guard.rendezvous_active = true;
                (guard, is_short) = self.grow(guard, missing);
                continue;
            }
            // `reserve_write` refuses while a rendezvous is active; this call is that rendezvous.
            guard.rendezvous_active = false;
            let reservation = guard.reserve_write(call, whole, rest);
            guard.rendezvous_active = true;
            if let Some(reservation) = reservation {
                drop(guard);
                let (part, faulted) = self.write_reserved(reservation, call, whole, from);
                written += part;
                fault = faulted;
                guard = self.state.lock();
                continue;
            }
            if interrupted {
                break ERESTARTSYS;
            }
            if call.is_nonblocking() {
                break EAGAIN;
            }
            // Forget the shortage: after the wait below, `grow` is to try again.
            if mem::take(&mut is_short) && guard.ring.indices().is_empty() {
                // No read will make room. If there still is no memory, `grow` waits for some.
                continue;
            }
            guard.waiters.write.count_sleep();
            trace::block(|| (self.number, Dir::Write as u32));
            guard.rendezvous_asleep = true;
            interrupted = self.drained.wait_interruptible(&mut guard);
            guard.rendezvous_asleep = false;
        };

        let read = written - self.finish_rendezvous(guard, written);
        if error == EPIPE {
            self.report_broken(call);
        }
        short_count_or(read, error)
    }

    /// Ends the rendezvous: removes the newest bytes of the ring, at most `most` and none that a
    /// reader has reserved, and wakes the next writer. Returns how many bytes were removed.
    fn finish_rendezvous(&self, mut guard: StateGuard<'_>, most: usize) -> usize {
        let state = &mut *guard;
        let before = state.ring.occupancy().writable;
        let removed = state.ring.unwrite(most);
        state.total.write -= removed as u64;
        state.rendezvous_active = false;
        let change = Change {
            before,
            now: state.ring.occupancy().writable,
            ended: true,
            closed: false,
            polled: self.polled().write,
        };
        let mut wakeups = Wakeups::STOP_SPINNING;
        wakeups.dirs.write.waiters = state.waiters.write.on_change(change);
        self.trace_hand_on(Dir::Write, &wakeups);
        wakeups.dirs.write.fasync = removed > 0 || wakeups.dirs.write.waiters.retry;
        // If nothing was removed, the commit that emptied the ring has asked `patience` already.
        if removed > 0 && state.ring.has_surplus() && state.patience.note_empty() {
            self.shrink(guard, wakeups);
        } else {
            self.unlock_and_wake(guard, wakeups);
        }
        removed
    }
}
