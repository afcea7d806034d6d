// SPDX-License-Identifier: GPL-2.0

//! Bytes on their way: all at once under the mutex, or in pieces under leases.

use super::*;
use crate::spin::{
    self,
    Spinner, //
};
use kernel::page::PAGE_SIZE;

/// A long copy is made in pieces of so many bytes where the other side can wait awake: it gets the
/// first while the second is being copied.
const CHUNK: usize = 8 * PAGE_SIZE;

impl Pipe {
    /// Tells that `holder` has moved so many bytes without a lease, and returns how many.
    #[inline(always)]
    pub(super) fn finish_fast<'a>(
        &'a self,
        mut state: Guard<'a, State, MutexBackend>,
        holder: Dir,
        moved: usize,
    ) -> usize {
        // Pollers of its own side have nothing new: no lease ends here.
        let others = match holder {
            Dir::Read => &self.writers,
            Dir::Write => &self.readers,
        };
        if !state.has_no_waiters() || !others.pollers.is_empty() {
            return match holder {
                Dir::Read => self.finish_slow::<true>(state, moved),
                Dir::Write => self.finish_slow::<false>(state, moved),
            };
        }
        state.count(&holder, moved);
        drop(state);
        others.spinner.stop();
        match holder {
            Dir::Read => self.fasync.kill_writers(),
            Dir::Write => self.fasync.kill_readers(),
        }
        moved
    }

    /// Goes on with [`Pipe::finish_fast`] where somebody waits: one for readers, one for writers,
    /// so that half of the questions are answered when it is compiled.
    #[cold]
    fn finish_slow<'a, const READING: bool>(
        &'a self,
        mut state: Guard<'a, State, MutexBackend>,
        moved: usize,
    ) -> usize {
        let (bytes, room) = state.levels();
        let (holder, before) = if READING {
            (
                Dir::Read,
                (bytes.wrapping_add(moved), room.wrapping_sub(moved)),
            )
        } else {
            (
                Dir::Write,
                (bytes.wrapping_sub(moved), room.wrapping_add(moved)),
            )
        };
        let wakeups = self.collect_wakeups(&mut state, before, holder, moved, true);
        drop(state);
        self.send_wakeups(wakeups);
        moved
    }

    /// Copies leased bytes to `to` and ends the lease, and goes on in the same way with at most
    /// `rest` more that are there then. Returns how many bytes came out: none if not one of them
    /// could be stored.
    #[inline(never)]
    pub(super) fn drain(
        &self,
        mut reservation: ReadReservation,
        mut rest: usize,
        to: &mut impl Destination,
    ) -> usize {
        let mut drained = 0;
        loop {
            let (copied, fault) =
                copy_chunked(reservation.len(), &self.writers.spinner, |skip, len| {
                    reservation.copy_to(skip, len, to)
                });
            let mut state = self.state.lock();
            let before = state.levels();
            let (taken, next) = if copied < reservation.len() && !fault {
                (
                    state.ring.commit_read_part(&mut reservation, copied),
                    Some(reservation),
                )
            } else {
                let last = fault || reservation.is_packet() || rest == 0 || to.is_empty();
                let taken = state.ring.commit_read(reservation, copied);
                let next = if last {
                    None
                } else {
                    state.ring.reserve_stream(to.len().min(rest))
                };
                rest -= next.as_ref().map_or(0, ReadReservation::len);
                (taken, next)
            };
            let wakeups =
                self.collect_wakeups(&mut state, before, Dir::Read, taken, next.is_none());
            drop(state);
            self.send_wakeups(wakeups);

            drained += taken;
            match next {
                Some(next) => reservation = next,
                None => return drained,
            }
        }
    }

    /// Fills leased room from `from` and ends the lease, and goes on with the room that is there
    /// then, in the same way. Returns how many bytes went in, and whether `from` could not be read
    /// to a lease's end. Room that was leased for no less goes unused then.
    #[inline(never)]
    pub(super) fn fill(
        &self,
        mut reservation: WriteReservation,
        call: Call,
        whole: usize,
        from: &mut impl Source,
    ) -> (usize, bool) {
        let mut filled = 0;
        loop {
            let (copied, fault) =
                copy_chunked(reservation.len(), &self.readers.spinner, |skip, len| {
                    reservation.copy_from(skip, len, from)
                });
            let mut state = self.state.lock();
            let before = state.levels();
            let (put, next) = if copied < reservation.len() && !fault {
                (
                    state.ring.commit_write_part(&mut reservation, copied),
                    Some(reservation),
                )
            } else {
                let unused = fault && reservation.is_atomic();
                let put = state
                    .ring
                    .commit_write(reservation, if unused { 0 } else { copied });
                let next = if fault || from.is_empty() {
                    None
                } else {
                    state.reserve_write(call, whole, from.len())
                };
                (put, next)
            };
            let wakeups = self.collect_wakeups(&mut state, before, Dir::Write, put, next.is_none());
            drop(state);
            self.send_wakeups(wakeups);

            filled += put;
            match next {
                Some(next) => reservation = next,
                None => return (filled, fault),
            }
        }
    }
}

/// Copies `len` bytes in pieces, by a function that is given how many are done and how many are to
/// be copied at most, and returns how many of the others it copied: to the end, or until one piece
/// falls short or somebody watches for what is done. Where nobody can, all are one piece. Returns
/// how many bytes that is, and whether one fell short.
#[inline(always)]
fn copy_chunked(
    len: usize,
    spinner: &Spinner,
    mut copy: impl FnMut(usize, usize) -> usize,
) -> (usize, bool) {
    let piece = if spin::can_spin() { CHUNK } else { len };
    let mut done = 0;
    loop {
        let copied = copy(done, piece);
        done += copied;
        let fault = copied < piece && done < len;
        if fault || done == len || spinner.has_spinner() {
            return (done, fault);
        }
    }
}
