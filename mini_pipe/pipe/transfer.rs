// SPDX-License-Identifier: GPL-2.0

//! Bytes on their way: all at once under the mutex, or in pieces under leases.

use super::*;
use crate::watch::{
    self,
    Watch, //
};
use kernel::page::PAGE_SIZE;

/// A long copy is made in pieces of so many bytes where the other side can wait awake: it gets the
/// first while the second is being copied.
const PIECE: usize = 8 * PAGE_SIZE;

impl Pipe {
    /// Tells that `holder` has moved so many bytes without a lease, and returns how many.
    #[inline(always)]
    pub(super) fn moved_at_once<'a>(
        &'a self,
        mut state: Guard<'a, State, MutexBackend>,
        holder: Leaseholder,
        moved: usize,
    ) -> usize {
        // Pollers of its own side have nothing new: no lease ends here.
        let others = match holder {
            Leaseholder::Reader => &self.writers,
            Leaseholder::Writer => &self.readers,
        };
        if !state.is_quiet() || !others.pollers.is_empty() {
            return match holder {
                Leaseholder::Reader => self.moved_with_news::<true>(state, moved),
                Leaseholder::Writer => self.moved_with_news::<false>(state, moved),
            };
        }
        state.count(&holder, moved);
        drop(state);
        others.watch.tell();
        match holder {
            Leaseholder::Reader => self.subscribers.signal_writers(),
            Leaseholder::Writer => self.subscribers.signal_readers(),
        }
        moved
    }

    /// Goes on with [`Pipe::moved_at_once`] where somebody waits: one for readers, one for writers,
    /// so that half of the questions are answered when it is compiled.
    #[cold]
    fn moved_with_news<'a, const READING: bool>(
        &'a self,
        mut state: Guard<'a, State, MutexBackend>,
        moved: usize,
    ) -> usize {
        let (bytes, room) = state.levels();
        let (holder, before) = if READING {
            (
                Leaseholder::Reader,
                (bytes.wrapping_add(moved), room.wrapping_sub(moved)),
            )
        } else {
            (
                Leaseholder::Writer,
                (bytes.wrapping_sub(moved), room.wrapping_add(moved)),
            )
        };
        let news = self.news(&mut state, before, holder, moved, true);
        drop(state);
        self.tell(news);
        moved
    }

    /// Copies leased bytes to `to` and ends the lease, and goes on in the same way with at most
    /// `rest` more that are there then. Returns how many bytes came out: none if not one of them
    /// could be stored.
    #[inline(never)]
    pub(super) fn drain(
        &self,
        mut lease: BytesLease,
        mut rest: usize,
        to: &mut impl Destination,
    ) -> usize {
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
            let news = self.news(
                &mut state,
                before,
                Leaseholder::Reader,
                taken,
                next.is_none(),
            );
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
    #[inline(never)]
    pub(super) fn fill(
        &self,
        mut lease: RoomLease,
        call: Call,
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
            let news = self.news(&mut state, before, Leaseholder::Writer, put, next.is_none());
            drop(state);
            self.tell(news);

            filled += put;
            match next {
                Some(next) => lease = next,
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
fn in_pieces(
    len: usize,
    watch: &Watch,
    mut copy: impl FnMut(usize, usize) -> usize,
) -> (usize, bool) {
    let piece = if watch::is_possible() { PIECE } else { len };
    let mut done = 0;
    loop {
        let copied = copy(done, piece);
        done += copied;
        let fault = copied < piece && done < len;
        if fault || done == len || watch.is_watched() {
            return (done, fault);
        }
    }
}
