// SPDX-License-Identifier: GPL-2.0

//! Splice and tee between mini_pipes; and [`Side::take`] and [`Side::give`], which lend a
//! reservation to a closure that copies: for splices with files and pipe(2)s, and for vmsplice.
//!
//! No call here waits in a pipe while it has a reservation of another pipe, or for a mutex while it
//! has another mutex. So tasks that splice pipes into each other do not block one another.

use crate::{
    pipe::{
        call::Call,
        ends::OpenEnd,
        short_count_or,
        state::{
            Progress,
            StateGuard, //
        },
        write::Found,
        Pipe,
        Wait, //
    },
    ring::{
        dir::Dir,
        reservation::{
            ReadReservation,
            WriteReservation, //
        },
        transfer::Segment, //
    },
    sys::trace, //
};
use core::convert::Infallible;
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

/// A pipe, as one call on one of its files uses it.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub(crate) pipe: &'a Pipe,
    pub(crate) end: &'a OpenEnd,
    pub(crate) call: Call<'a>,
}

impl Side<'_> {
    /// Lets `work` copy the oldest bytes, at most `most`, and waits for the first one as
    /// [`Pipe::read`] does. `work` returns how many bytes it has copied. These leave the pipe,
    /// unless `keep` is true. Returns what `work` returns; 0 is end of file.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// Those of [`Pipe::read`], except `EFAULT`, and those of `work`.
    pub(crate) fn take(
        self,
        most: usize,
        keep: bool,
        work: impl FnOnce(&ReadReservation) -> Result<usize>,
    ) -> Result<usize> {
        let mut wait = Wait::default();
        let mut guard = self.pipe.state.lock();
        let reservation = loop {
            if let Some(reservation) = guard.ring.reserve_bytes(most) {
                break reservation;
            }
            if guard.is_eof(self.end) {
                trace::eof(|| (self.pipe.number,));
                return Ok(0);
            }
            guard = self.pipe.wait(guard, Dir::Read, self.call, &mut wait)?;
        };
        drop(guard);
        self.pipe.trace_reserve(&reservation);
        let taken = work(&reservation);
        let leave = match taken {
            Ok(taken) if !keep => taken,
            _ => 0,
        };
        let mut guard = self.pipe.state.lock();
        let before = guard.ring.occupancy();
        let moved = guard.ring.commit_bytes(reservation, leave);
        let progress = Progress {
            dir: Dir::Read,
            before,
            moved,
            ended: true,
        };
        self.pipe.finish_commit(guard, progress);
        taken
    }

    /// Lets `work` fill room for at most `most` bytes, and waits for room: for a packet as
    /// [`Pipe::write`] does, else for any. Returns what `work` returns: how many bytes it has
    /// filled.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// Those of [`Pipe::write`], except `EFAULT`, and those of `work`.
    pub(crate) fn give(
        self,
        most: usize,
        work: impl FnOnce(&WriteReservation) -> Result<usize>,
    ) -> Result<usize> {
        let Self { pipe, end, call } = self;
        let guard = pipe.state.lock();
        // As if these were the last `most` bytes of a very long write. It is not atomic, so room
        // for some of the bytes is enough, unless they are a packet.
        let size = (usize::MAX, most);
        // `retry` never writes the bytes, as its type says, so `find_room` can only find room.
        let retry = |_: &mut StateGuard<'_>| None::<Infallible>;
        let Found::Room(reservation) =
            pipe.find_room(guard, end, call, size, &mut Wait::default(), retry)?;
        pipe.trace_reserve(&reservation);
        let given = work(&reservation);
        let mut guard = pipe.state.lock();
        let before = guard.ring.occupancy();
        let moved = guard.ring.commit_write(reservation, given.unwrap_or(0));
        let progress = Progress {
            dir: Dir::Write,
            before,
            moved,
            ended: true,
        };
        pipe.finish_commit(guard, progress);
        given
    }

    /// Lets `work` copy the oldest bytes, at most `most`, with [`Side::take`], again and again
    /// until it has copied all that were there at first, or a signal comes. Returns how many bytes
    /// have left the pipe; 0 is end of file.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// Those of [`Side::take`], if no byte has left the pipe.
    pub(crate) fn drain(
        self,
        most: usize,
        mut work: impl FnMut(&ReadReservation) -> Result<usize>,
    ) -> Result<usize> {
        let mut side = self;
        let mut total = 0;
        let mut there = most;
        while total < there {
            let taken = side.take(there - total, false, |bytes| {
                if total == 0 {
                    there = bytes.len();
                }
                work(bytes)
            });
            match taken {
                Ok(0) => break,
                Ok(taken) => total += taken,
                Err(error) => return short_count_or(total, error),
            }
            if current!().signal_pending() {
                break;
            }
            side = side.without_waiting();
        }
        Ok(total)
    }

    /// Lets `work` fill room for at most `most` bytes with [`Side::give`], again and again as long
    /// as there is room and no signal has come. Each time, `work` fills some bytes, or fails.
    /// Returns how many bytes it has filled.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// Those of [`Side::give`], if no byte was filled.
    pub(crate) fn fill(
        self,
        most: usize,
        mut work: impl FnMut(&WriteReservation) -> Result<usize>,
    ) -> Result<usize> {
        let mut side = self;
        let mut total = 0;
        while total < most {
            match side.give(most - total, &mut work) {
                Ok(given) => total += given,
                Err(error) => return short_count_or(total, error),
            }
            if current!().signal_pending() {
                break;
            }
            side = side.without_waiting();
        }
        Ok(total)
    }

    /// The same call, for bytes from elsewhere; `packets`: whether they are a packet.
    pub(crate) fn with_packets(self, packets: bool) -> Self {
        Self {
            call: self.call.with_packets(packets),
            ..self
        }
    }

    /// The same call, which returns `EAGAIN` instead of waiting.
    pub(crate) fn without_waiting(self) -> Self {
        Self {
            call: self.call.without_waiting(),
            ..self
        }
    }

    /// The same call, which waits even if the file has `O_NONBLOCK`.
    pub(crate) fn ignoring_nonblock(self) -> Self {
        Self {
            call: self.call.ignoring_nonblock(),
            ..self
        }
    }

    /// What a splice to this pipe returns at end of file of its source: 0, unless the readers of
    /// this pipe are closed.
    ///
    /// # Errors
    ///
    /// `EPIPE`; the caller gets SIGPIPE.
    pub(crate) fn end_of_source(self) -> Result<usize> {
        let is_broken = self.pipe.state.lock().is_broken(self.end);
        if is_broken {
            self.pipe.report_broken(self.call);
            return Err(EPIPE);
        }
        Ok(0)
    }

    /// Waits until [`Side::give`] would find room for a segment.
    ///
    /// # Errors
    ///
    /// Those of [`Pipe::write`], except `EFAULT`.
    pub(crate) fn wait_for_room(self, segment: Segment) -> Result {
        let side = self.with_packets(segment.is_packet);
        side.give(segment.len, |_| Ok(0)).map(drop)
    }

    /// Moves the oldest bytes, at most `most`, to another pipe, or copies them if they are to be
    /// kept. Waits for the first byte, and for room for it. Packets stay packets. Returns how many
    /// bytes were moved; 0 is end of file.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// Those of [`Side::take`] and [`Side::give`].
    pub(crate) fn splice_to(self, to: Side<'_>, most: usize, keep: bool) -> Result<usize> {
        loop {
            let mut blocked = None;
            let moved = self.take(most, keep, |bytes| {
                self.copy_segments(bytes, to, keep, &mut blocked)
            });
            match (moved, blocked) {
                (Err(EAGAIN), Some(segment)) => to.wait_for_room(segment)?,
                (Ok(0), _) => return to.end_of_source(),
                (moved, _) => return moved,
            }
        }
    }

    /// Copies reserved bytes to another pipe, as many as it has room for. Puts the segment for
    /// which there was no room into `blocked`.
    fn copy_segments(
        self,
        bytes: &ReadReservation,
        to: Side<'_>,
        keep: bool,
        blocked: &mut Option<Segment>,
    ) -> Result<usize> {
        let (mut done, mut packets) = (0, 0);
        let mut segment = Segment {
            len: 0,
            is_packet: false,
        };
        while done < bytes.len() {
            if segment.len == 0 {
                let rest = bytes.span().skip(done);
                segment = self.pipe.state.lock().ring.segment(rest, packets);
                packets += usize::from(segment.is_packet);
            }
            let side = to.with_packets(segment.is_packet).without_waiting();
            let may_exchange = !keep && !segment.is_packet;
            let copied = side.give(segment.len, |room| {
                let exchanged = may_exchange && self.exchange_pages(bytes, done, to, room);
                room.copy_from(bytes, done, room.len(), exchanged);
                Ok(room.len())
            });
            match copied {
                Ok(copied) => {
                    done += copied;
                    segment.len -= copied;
                }
                Err(error) => {
                    *blocked = Some(segment);
                    return short_count_or(done, error);
                }
            }
        }
        Ok(done)
    }

    /// Moves whole pages of reserved bytes, after the first `skip`, to reserved room of another
    /// pipe: [`crate::ring::Ring::exchange_pages`]. Returns whether that was done. Does nothing if
    /// another task holds one of the two mutexes: this never waits for a mutex.
    fn exchange_pages(
        self,
        bytes: &ReadReservation,
        skip: usize,
        to: Side<'_>,
        room: &WriteReservation,
    ) -> bool {
        if room.len() < PAGE_SIZE {
            return false;
        }
        let (Some(mut from), Some(mut to)) = (self.pipe.state.try_lock(), to.pipe.state.try_lock())
        else {
            return false;
        };
        let (from, to) = (&mut from.ring, &mut to.ring);
        from.exchange_pages(bytes, skip, to, room, room.len())
    }
}
