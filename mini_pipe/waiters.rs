// SPDX-License-Identifier: GPL-2.0

//! The waiters of one side: who sleeps or polls there, for how much, and whether a change concerns them.
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
    /// The most that any sleeper waits for; 0 when nobody sleeps. Whoever is woken at this level finds
    /// what it needs, so that waking one is enough, whichever it is.
    need: usize,
    /// Somebody that does not sleep was turned away by a lease of its own side.
    refused: bool,
    /// Somebody polls edge-triggered: every rise is news to it.
    edges: bool,
}

impl Waiters {
    /// Somebody is about to sleep until the level is at least `need`.
    pub(crate) fn fall_asleep(&mut self, need: usize) {
        self.asleep += 1;
        self.need = self.need.max(need);
    }

    /// Somebody sleeps no more, for whatever reason.
    pub(crate) fn wake_up(&mut self) {
        self.asleep -= 1;
        if self.asleep == 0 {
            self.need = 0;
        }
    }

    /// Somebody that does not sleep looked; `refused` says whether a lease turned it away.
    pub(crate) fn refuse(&mut self, refused: bool) {
        self.refused |= refused;
    }

    /// From now on somebody is to be woken at every rise.
    pub(crate) fn want_every_write(&mut self) {
        self.edges = true;
    }

    /// Nobody is left who could want every rise.
    pub(crate) fn forget_edges(&mut self) {
        self.edges = false;
    }

    /// Whether one of them must be woken, now that the level went from `change.start()` to
    /// `change.end()`.
    ///
    /// `poll_level` is the level from which `poll` calls this side ready. `returned` says that a lease
    /// of this very side has just ended, which had kept everybody else of it out.
    pub(crate) fn are_due(
        &mut self,
        change: RangeInclusive<usize>,
        poll_level: usize,
        returned: bool,
    ) -> bool {
        let (before, now) = change.into_inner();
        let refused = returned && mem::take(&mut self.refused);
        let reached = |level: usize, kept_out: bool| level <= now && (before < level || kept_out);

        (self.need > 0 && reached(self.need, returned))
            || reached(poll_level, refused)
            || (self.edges && before < now)
    }
}
