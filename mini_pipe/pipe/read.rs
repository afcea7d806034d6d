// SPDX-License-Identifier: GPL-2.0

//! read(2).

use crate::{
    pipe::{
        call::Call,
        copy::copy_chunked,
        ends::OpenEnd,
        short_count_or,
        state::{
            Progress,
            StateGuard, //
        },
        Pipe,
        Wait, //
    },
    ring::{
        dir::{
            Dir,
            Reading, //
        },
        reservation::ReadReservation,
        user::UserMemory, //
    },
    sys::trace, //
};
use kernel::prelude::*;

impl Pipe {
    /// Reads what is readable into `to`. Waits if nothing is readable. If the oldest bytes are a
    /// packet, reads that packet alone, and discards its bytes that do not fit.
    ///
    /// Returns how many bytes were read; 0 is end of file, unless `to` is empty.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// As read(2), only if no byte was read:
    ///
    /// - `EAGAIN`: the call is non-blocking, and nothing can be read now.
    /// - `ERESTARTSYS`: a signal came while the call waited.
    /// - `EFAULT`: no byte, or not all of a packet, could be stored. Bytes that could not be stored
    ///   stay in the pipe, and so does the packet.
    #[inline(always)]
    pub(crate) fn read(
        &self,
        end: &OpenEnd,
        call: Call<'_>,
        to: impl UserMemory<Reading>,
    ) -> Result<usize> {
        let mut guard = self.state.lock();
        match guard.ring.read_nofault(&to) {
            Some(read) => Ok(self.finish_fast::<Reading>(guard, read)),
            None => self.read_slow(guard, end, call, to),
        }
    }

    /// [`Pipe::read`], if the call has to wait, or to reserve the bytes.
    #[inline(always)]
    fn read_slow<'a>(
        &'a self,
        mut guard: StateGuard<'a>,
        end: &OpenEnd,
        call: Call<'_>,
        mut to: impl UserMemory<Reading>,
    ) -> Result<usize> {
        let mut wait = Wait::default();
        if to.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(reservation) = guard.ring.reserve_read(to.len()) {
                // If a writer copies now, these bytes do not end the read: after each commit of its
                // own, the read goes on with the bytes that the pipe has by then.
                let goes_on = guard.ring.indices().is_reserved(Dir::Write);
                drop(guard);
                return short_count_or(self.read_reserved(reservation, goes_on, &mut to), EFAULT);
            }
            if guard.is_eof(end) {
                trace::eof(|| (self.number,));
                return Ok(0);
            }
            guard = self.wait(guard, Dir::Read, call, &mut wait)?;
            if let Some(read) = guard.ring.read_nofault(&to) {
                return Ok(self.finish_fast::<Reading>(guard, read));
            }
        }
    }

    /// Copies the reserved bytes to `to` and commits them. If the read `goes_on`, also reads the
    /// bytes that are in the pipe by then. Returns how many bytes were read: without a fault, at
    /// least as many as `reservation` has.
    #[inline(never)]
    fn read_reserved(
        &self,
        mut reservation: ReadReservation,
        goes_on: bool,
        to: &mut impl UserMemory<Reading>,
    ) -> usize {
        let mut total = 0;
        self.trace_reserve(&reservation);
        loop {
            let (copied, fault) = copy_chunked(&reservation, &self.writers.spinner, to);
            let mut guard = self.state.lock();
            let before = guard.ring.occupancy();
            // A chunk was copied, and a writer spins: commit the chunk, and keep the rest reserved.
            // This is no packet: a packet has at most PIPE_BUF bytes, less than a chunk.
            let (read, next) = if copied < reservation.len() && !fault {
                let read = guard.ring.commit_part(&mut reservation, copied);
                (read, Some(reservation))
            } else {
                let last = !goes_on || fault || reservation.is_packet() || to.is_empty();
                let read = guard.ring.commit_read(reservation, copied);
                let next = if last {
                    None
                } else {
                    guard.ring.reserve_read_stream(to.len())
                };
                next.iter().for_each(|next| self.trace_reserve(next));
                (read, next)
            };
            let progress = Progress {
                dir: Dir::Read,
                before,
                moved: read,
                ended: next.is_none(),
            };
            self.finish_commit(guard, progress);

            total += read;
            match next {
                Some(next) => reservation = next,
                None => return total,
            }
        }
    }
}
