// SPDX-License-Identifier: GPL-2.0

//! The waiters of one side: who sleeps or polls there, and whether a change concerns them.
//!
//! What they wait for has a *level*: to readers the bytes in the ring, to writers the room in it.

use core::{
    mem,
    ops::RangeInclusive, //
};

/// Those of one side that wait for what the other side brings.
#[derive(Default)]
pub(crate) struct Waiters {
    asleep: usize,
    /// Somebody that does not sleep was turned away by a lease of its own side.
    refused: bool,
    /// To somebody every rise is news, not only the one that makes this side ready.
    every_rise: bool,
}

impl Waiters {
    /// Somebody is about to sleep.
    pub(crate) fn fall_asleep(&mut self) {
        self.asleep += 1;
    }

    /// Somebody sleeps no more, for whatever reason.
    pub(crate) fn wake_up(&mut self) {
        self.asleep -= 1;
    }

    /// Somebody that does not sleep looked; `refused` says whether a lease turned it away.
    pub(crate) fn refuse(&mut self, refused: bool) {
        self.refused |= refused;
    }

    /// Says whether from now on somebody is to be woken at every rise.
    pub(crate) fn want_every_rise(&mut self, wanted: bool) {
        self.every_rise = wanted;
    }

    /// Whether one of them must be woken, now that the level went from `change.start()` to
    /// `change.end()`.
    ///
    /// `ready` is the level from which this side is ready. `returned` says that a lease of this very
    /// side has just ended, which had kept everybody else of it out.
    pub(crate) fn are_due(
        &mut self,
        change: RangeInclusive<usize>,
        ready: usize,
        returned: bool,
    ) -> bool {
        let (before, now) = change.into_inner();
        let kept_out = returned && (mem::take(&mut self.refused) || self.asleep > 0);
        let became_ready = ready <= now && (before < ready || kept_out);
        became_ready || (self.every_rise && before < now)
    }
}
