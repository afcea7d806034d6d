// SPDX-License-Identifier: GPL-2.0

//! The waiters of one side: who sleeps or polls there, and whom a change concerns.
//!
//! What they wait for has a *level*: to readers the bytes in the ring, to writers the room in it.

use core::mem;

/// Which of those who sleep, or of those who poll, a change concerns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    Nobody,
    /// One sleeper; all pollers that wait for what this side can do now, but of the exclusive ones
    /// only one.
    One,
    /// Each of them, whatever it waits for.
    Everybody,
}

/// Whom of a side a change concerns.
pub(crate) struct Concerned {
    pub(crate) sleepers: Wake,
    pub(crate) pollers: Wake,
    /// Somebody was turned away who would not be now, whether it polls or not.
    turned_away: bool,
}

impl Concerned {
    /// It concerns nobody.
    pub(crate) const NOBODY: Self = Self {
        sleepers: Wake::Nobody,
        pollers: Wake::Nobody,
        turned_away: false,
    };

    /// Whether it concerns anybody.
    pub(crate) fn is_anybody(&self) -> bool {
        self.sleepers != Wake::Nobody || self.pollers != Wake::Nobody || self.turned_away
    }
}

/// What has happened to a side.
pub(crate) struct Change {
    /// The level before and now.
    pub(crate) before: usize,
    pub(crate) now: usize,
    /// A lease of this very side has just ended.
    pub(crate) returned: bool,
    /// Nothing more will come: the level is 0, and the last file of the other side has left.
    pub(crate) is_end: bool,
}

/// Those of one side that wait for what the other side brings. They are counted without a look at
/// overflows: there are not so many tasks, nor so much time.
pub(crate) struct Waiters {
    /// The level at which each of them finds what it waits for, so that waking one is enough.
    /// [`None`] if there is no such level: then all of them look at every rise.
    ready: Option<usize>,
    asleep: usize,
    /// How often one of them has ever fallen asleep, and how often some were woken.
    sleeps: u64,
    wakeups: u64,
    /// How many of the sleepers were kept out by a lease of their own side, and may need less than
    /// `ready`.
    kept_out: usize,
    /// Somebody who does not sleep was turned away by a lease of its own side.
    refused: bool,
    /// Somebody has polled edge-triggered: every rise is news to it.
    edges: bool,
}

impl Waiters {
    /// Nobody yet. `ready` is the level at which each of them finds what it waits for, if there is
    /// one.
    pub(crate) const fn new(ready: Option<usize>) -> Self {
        Self {
            ready,
            asleep: 0,
            sleeps: 0,
            wakeups: 0,
            kept_out: 0,
            refused: false,
            edges: false,
        }
    }

    /// Somebody is about to sleep; `kept_out` says whether for the end of a lease of this side.
    pub(crate) fn fall_asleep(&mut self, kept_out: bool) {
        self.asleep = self.asleep.wrapping_add(1);
        self.count_sleep();
        self.kept_out = self.kept_out.wrapping_add(usize::from(kept_out));
    }

    /// Somebody is about to sleep, here or until its own bytes have been taken.
    pub(crate) fn count_sleep(&mut self) {
        self.sleeps = self.sleeps.wrapping_add(1);
    }

    /// Somebody sleeps no more, for whatever reason. `kept_out` is what it fell asleep with.
    pub(crate) fn wake_up(&mut self, kept_out: bool) {
        self.asleep = self.asleep.wrapping_sub(1);
        self.kept_out = self.kept_out.wrapping_sub(usize::from(kept_out));
    }

    /// Whether nobody sleeps or was turned away.
    #[inline(always)]
    pub(crate) fn is_nobody(&self) -> bool {
        self.asleep == 0 && !self.refused
    }

    /// Whether somebody sleeps.
    pub(crate) fn is_anybody_asleep(&self) -> bool {
        self.asleep > 0
    }

    /// How often somebody has ever fallen asleep, and how often some were woken.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.sleeps, self.wakeups)
    }

    /// `ready` is from now on the level at which each of them finds what it waits for.
    pub(crate) fn set_ready(&mut self, ready: Option<usize>) {
        self.ready = ready;
    }

    /// Somebody who does not sleep was turned away by a lease of this side, and waits for its end.
    pub(crate) fn refuse(&mut self) {
        self.refused = true;
    }

    /// Somebody polls edge-triggered. From now on every rise is news to the pollers, as in
    /// fs/pipe.c, which keeps to that for as long as there is the pipe.
    pub(crate) fn poll_edges(&mut self) {
        self.edges = true;
    }

    /// Whom a `change` concerns; `polled` says whether somebody polls.
    #[inline(always)]
    pub(crate) fn concerned(&mut self, change: &Change, polled: bool) -> Concerned {
        if self.is_nobody() && !polled {
            return Concerned::NOBODY;
        }
        let refused = change.returned && mem::take(&mut self.refused);
        if change.now == 0 && !change.is_end {
            // There is nothing for anybody, and there may be more.
            return Concerned::NOBODY;
        }
        let concerned = self.choose(change, refused, polled);
        if concerned.is_anybody() {
            self.wakeups = self.wakeups.wrapping_add(1);
        }
        concerned
    }

    /// Everybody, if there is news for them all.
    pub(crate) fn all_if(&mut self, news: bool) -> Concerned {
        if !news {
            return Concerned::NOBODY;
        }
        self.wakeups = self.wakeups.wrapping_add(1);
        Concerned {
            sleepers: Wake::Everybody,
            pollers: Wake::Everybody,
            turned_away: false,
        }
    }

    #[inline(always)]
    fn choose(&self, change: &Change, refused: bool, polled: bool) -> Concerned {
        let rose = change.before < change.now;
        // No level is as high as what stands for none.
        let ready = self.ready.unwrap_or(usize::MAX);
        let is_ready = ready <= change.now;
        let was_ready = ready <= change.before;
        // Some may find enough, and nobody knows which.
        let unsure = self.ready.is_none() && (rose || refused);

        let sleepers = if self.asleep == 0 {
            Wake::Nobody
        } else if change.returned && self.kept_out > 0 {
            // They may need less than `ready`, or wait for the end.
            if is_ready {
                Wake::One
            } else {
                Wake::Everybody
            }
        } else if unsure {
            Wake::Everybody
        } else if (change.returned && !change.is_end) || (is_ready && !was_ready) {
            // Whoever finds enough wakes the next when its own lease ends. Who leaves less than
            // `ready` hands that on, too: a sleeper must not be passed for ever.
            Wake::One
        } else {
            Wake::Nobody
        };
        let turned_away = refused && (unsure || is_ready || change.is_end);
        let pollers = if !polled {
            Wake::Nobody
        } else if turned_away && change.is_end {
            Wake::Everybody
        } else if turned_away || unsure || (is_ready && !was_ready) || (rose && self.edges) {
            Wake::One
        } else {
            Wake::Nobody
        };
        Concerned {
            sleepers,
            pollers,
            turned_away,
        }
    }
}
