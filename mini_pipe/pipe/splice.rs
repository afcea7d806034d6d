// SPDX-License-Identifier: GPL-2.0

//! splice(2) out of the pipe.

use crate::{
    pipe::{
        call::Call,
        ends::OpenEnd,
        state::Progress,
        wait::wakeups::Wakeups,
        Pipe,
        Wait, //
    },
    ring::{
        dir::Dir,
        reservation::ReadReservation, //
    },
    sys::{
        page::Page,
        trace, //
    }, //
};
use kernel::prelude::*;

/// The destination of a splice. The caller of [`Pipe::splice`] has locked it.
pub(crate) trait SpliceDest {
    /// Unlocks the destination for others, until [`SpliceDest::lock`].
    fn unlock(&mut self);

    /// Locks the destination again. May sleep.
    fn lock(&mut self);

    /// Moves reserved bytes to the destination, from the first on, as many as it has room for. Of a
    /// packet, all reserved bytes are copied, or none. Of other bytes, whole pages are given to the
    /// destination without a copy; for each of them, a new page is pushed to `fresh`, to replace it
    /// in the ring. Returns how many bytes were moved. May sleep.
    ///
    /// # Errors
    ///
    /// - `EPIPE`: the destination has no readers. The caller gets SIGPIPE.
    /// - `EAGAIN`: the destination has no room.
    /// - `ENOMEM`.
    fn receive(&mut self, reservation: &ReadReservation, fresh: &mut KVec<Page>) -> Result<usize>;
}

impl Pipe {
    /// Moves at most `most` bytes to `dest`, and waits for the first one as [`Pipe::read`] does;
    /// `most` is at least 1. Returns how many were moved; 0 is end of file.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// Those of [`Pipe::read`], except `EFAULT`, and those of [`SpliceDest::receive`]. A blocking
    /// call, too, gets `EAGAIN` if others fill the destination while the call waits for bytes.
    /// Bytes that could not be moved stay in the pipe.
    pub(crate) fn splice(
        &self,
        end: &OpenEnd,
        call: Call<'_>,
        dest: &mut impl SpliceDest,
        most: usize,
    ) -> Result<usize> {
        let reservation = loop {
            let mut guard = self.state.lock();
            if let Some(reservation) = guard.ring.reserve_read(most) {
                break reservation;
            }
            if guard.is_eof(end) {
                trace::eof(|| (self.number,));
                return Ok(0);
            }
            if call.is_nonblocking() {
                if guard.is_contended(Dir::Read) {
                    guard.waiters.read.note_eagain();
                }
                return Err(EAGAIN);
            }
            drop(guard);
            // A task that waits here must not hold the lock of the destination; and it must not
            // hold a reservation while it waits for that lock.
            dest.unlock();
            let waited = self.wait_readable(end, call);
            dest.lock();
            waited?;
        };
        self.trace_reserve(&reservation);
        let mut fresh = KVec::new();
        let moved = dest.receive(&reservation, &mut fresh);
        let mut guard = self.state.lock();
        let before = guard.ring.occupancy();
        let read = guard
            .ring
            .commit_pages(reservation, moved.unwrap_or(0), &mut fresh);
        let progress = Progress {
            dir: Dir::Read,
            before,
            moved: read,
            ended: true,
        };
        self.finish_commit(guard, progress);
        moved
    }

    /// Waits until bytes can be reserved, or for end of file.
    ///
    /// # Errors
    ///
    /// `ERESTARTSYS`: a signal came. `EAGAIN`: the call has become non-blocking.
    fn wait_readable(&self, end: &OpenEnd, call: Call<'_>) -> Result {
        let mut wait = Wait::default();
        let mut guard = self.state.lock();
        loop {
            let indices = guard.ring.indices();
            let readable = indices.readable() > 0 && !indices.is_reserved(Dir::Read);
            if readable || guard.is_eof(end) {
                // This task reserves the bytes only after it has locked the destination. Until then
                // another reader may take them: hand the wake-up on.
                if guard.waiters.read.has_sleepers() {
                    let wakeups = Wakeups::hand_on(Dir::Read);
                    self.trace_hand_on(Dir::Read, &wakeups);
                    self.unlock_and_wake(guard, wakeups);
                }
                return Ok(());
            }
            guard = self.wait(guard, Dir::Read, call, &mut wait)?;
        }
    }
}
