// SPDX-License-Identifier: GPL-2.0

//! write(2).

use crate::{
    pipe::{
        call::Call,
        copy::copy_chunked,
        ends::OpenEnd,
        policy::Policy,
        short_count_or,
        state::{
            Progress,
            StateGuard, //
        },
        wait::wakeups::Wakeups,
        Pipe,
        Wait, //
    },
    ring::{
        dir::{
            Dir,
            Writing, //
        },
        reservation::WriteReservation,
        user::UserMemory, //
    },
    sys::trace, //
};
use core::mem;
use kernel::prelude::*;

/// What [`Pipe::find_room`] has found.
pub(in crate::pipe) enum Found<'a, T> {
    /// Room. The mutex is not held any more.
    Room(WriteReservation),
    /// `retry` has written the bytes, and has returned the second field. The mutex is held.
    Written(StateGuard<'a>, T),
}

impl Pipe {
    /// Writes all of `from` into the pipe, and waits for room if necessary.
    ///
    /// A write of at most PIPE_BUF bytes, or of the capacity if that is less, is atomic. If the
    /// call writes packets, an atomic write is one packet, and a larger write becomes several.
    ///
    /// Returns how many bytes were written: perhaps not all, if the call is non-blocking, was
    /// interrupted, met a fault, or if the last reader was closed meanwhile.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// As write(2), only if no byte was written:
    ///
    /// - `EPIPE`: the readers are closed. The caller gets SIGPIPE, also with a short count.
    /// - `EAGAIN`: the call is non-blocking, and nothing can be written now.
    /// - `ERESTARTSYS`: a signal came while the call waited.
    /// - `EFAULT`: `from` cannot be read.
    #[inline(always)]
    pub(crate) fn write(
        &self,
        end: &OpenEnd,
        call: Call<'_>,
        from: impl UserMemory<Writing>,
    ) -> Result<usize> {
        let mut guard = self.state.lock();
        match guard.write_nofault(end, call, &from) {
            Some(written) => Ok(self.finish_fast::<Writing>(guard, written)),
            None => self.write_slow(guard, end, call, from),
        }
    }

    /// [`Pipe::write`], if the call has to wait, or to reserve the room.
    #[inline(never)]
    fn write_slow<'a>(
        &'a self,
        mut guard: StateGuard<'a>,
        end: &OpenEnd,
        call: Call<'_>,
        mut from: impl UserMemory<Writing>,
    ) -> Result<usize> {
        let mut written = 0;
        let mut wait = Wait::default();
        let whole = from.len();
        if whole == 0 {
            return Ok(0);
        }
        if guard.policy == Policy::Rendezvous && !call.is_nonblocking() {
            return self.write_rendezvous(guard, end, call, &mut from);
        }
        loop {
            let retry = |guard: &mut StateGuard<'a>| guard.write_nofault(end, call, &from);
            let reservation =
                match self.find_room(guard, end, call, (whole, from.len()), &mut wait, retry) {
                    Ok(Found::Room(reservation)) => reservation,
                    Ok(Found::Written(guard, last)) => {
                        return Ok(written + self.finish_fast::<Writing>(guard, last));
                    }
                    Err(error) => return short_count_or(written, error),
                };
            let (part, fault) = self.write_reserved(reservation, call, whole, &mut from);
            written += part;
            if fault {
                return short_count_or(written, EFAULT);
            }
            if from.is_empty() {
                return Ok(written);
            }
            wait.since = None;
            guard = self.state.lock();
        }
    }

    /// Drops the mutex and returns a reservation for the last `rest` bytes of a write of `whole`
    /// bytes: for all of them if the write is atomic, else for some. Waits until there is room, and
    /// gives the ring the pages that the bytes need. After a wait, and after pages were added,
    /// `retry` may write the bytes at once.
    ///
    /// # Errors
    ///
    /// `EPIPE` (the caller gets SIGPIPE), `EAGAIN` and `ERESTARTSYS`, as for [`Pipe::write`].
    #[inline(always)]
    pub(in crate::pipe) fn find_room<'a, T>(
        &'a self,
        mut guard: StateGuard<'a>,
        end: &OpenEnd,
        call: Call<'_>,
        (whole, rest): (usize, usize),
        wait: &mut Wait,
        retry: impl Fn(&mut StateGuard<'a>) -> Option<T>,
    ) -> Result<Found<'a, T>> {
        loop {
            if guard.is_broken(end) {
                drop(guard);
                self.report_broken(call);
                return Err(EPIPE);
            }
            let contended = guard.is_contended(Dir::Write);
            let missing = if contended {
                0
            } else {
                guard.ring.reuse_pages(rest)
            };
            // The missing pages have to be allocated.
            if missing > 0 && !wait.is_short {
                (guard, wait.is_short) = self.grow(guard, missing);
                match retry(&mut guard) {
                    Some(written) => return Ok(Found::Written(guard, written)),
                    None => continue,
                }
            }
            if let Some(reservation) = guard.reserve_write(call, whole, rest) {
                return Ok(Found::Room(reservation));
            }
            // Forget the shortage, so that `grow` tries again: at once in the two cases that
            // `continue`, else after the wait.
            if mem::take(&mut wait.is_short) && !contended {
                if guard.ring.indices().is_empty() {
                    // No read will make room. If there still is no memory, `grow` waits for some.
                    continue;
                }
                if guard.waiters.write.note_starved() {
                    // This task may have been woken for room that it cannot use without pages. A
                    // smaller write may be able to use it.
                    self.unlock_and_wake(guard, Wakeups::all_sleepers(Dir::Write));
                    guard = self.state.lock();
                    continue;
                }
            }
            guard = self.wait(guard, Dir::Write, call, wait)?;
            if let Some(written) = retry(&mut guard) {
                return Ok(Found::Written(guard, written));
            }
        }
    }

    /// The call finds that the readers are closed: shows that by the tracepoint `epipe`, and sends
    /// the caller SIGPIPE. Called without the mutex.
    #[cold]
    pub(in crate::pipe) fn report_broken(&self, call: Call<'_>) {
        trace::epipe(|| (self.number,));
        call.raise_sigpipe();
    }

    /// Copies from `from` into the reserved room and commits the bytes, and goes on with the room
    /// that there is by then. Returns how many bytes were written, and whether a fault ended the
    /// copy. An atomic write that faults writes nothing.
    #[inline(never)]
    pub(in crate::pipe) fn write_reserved(
        &self,
        mut reservation: WriteReservation,
        call: Call<'_>,
        whole: usize,
        from: &mut impl UserMemory<Writing>,
    ) -> (usize, bool) {
        let mut total = 0;
        self.trace_reserve(&reservation);
        loop {
            let (copied, fault) = copy_chunked(&reservation, &self.readers.spinner, from);
            let mut guard = self.state.lock();
            let before = guard.ring.occupancy();
            // A chunk was copied, and a reader spins: commit the chunk, and keep the rest reserved.
            // This is no atomic write: one has at most PIPE_BUF bytes, less than a chunk.
            let (written, next) = if copied < reservation.len() && !fault {
                let written = guard.ring.commit_part(&mut reservation, copied);
                (written, Some(reservation))
            } else {
                let nothing = fault && reservation.is_atomic();
                let len = if nothing { 0 } else { copied };
                let written = guard.ring.commit_write(reservation, len);
                let next = if fault || from.is_empty() {
                    None
                } else {
                    guard.reserve_write(call, whole, from.len())
                };
                next.iter().for_each(|next| self.trace_reserve(next));
                (written, next)
            };
            let progress = Progress {
                dir: Dir::Write,
                before,
                moved: written,
                // A rendezvous excludes other writers until its bytes have been read.
                ended: next.is_none() && !guard.rendezvous_active,
            };
            self.finish_commit(guard, progress);

            total += written;
            match next {
                Some(next) => reservation = next,
                None => return (total, fault),
            }
        }
    }
}
