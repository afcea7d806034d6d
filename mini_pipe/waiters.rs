// SPDX-License-Identifier: GPL-2.0

//! The waiters of one side: who sleeps or polls there, and whom a change concerns.
//!
//! What they wait for has a *level*: to readers the bytes in the ring, to writers the room in it.

use core::mem;

/// Which of those who sleep, or of those who poll, a change concerns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wake {
    None,
    /// One sleeper; all pollers that wait for what this side can do now, but of the exclusive ones
    /// only one.
    Exclusive,
    /// Each of them, whatever it waits for.
    All,
}

/// Whom of a side a change concerns.
pub(crate) struct SideWakeup {
    pub(crate) sleepers: Wake,
    pub(crate) pollers: Wake,
    /// Somebody was turned away who would not be now, whether it polls or not.
    retry_eagain: bool,
}

impl SideWakeup {
    /// It concerns nobody.
    pub(crate) const NONE: Self = Self {
        sleepers: Wake::None,
        pollers: Wake::None,
        retry_eagain: false,
    };

    /// Whether it concerns anybody.
    pub(crate) fn is_anybody(&self) -> bool {
        self.sleepers != Wake::None || self.pollers != Wake::None || self.retry_eagain
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
    threshold: Option<usize>,
    asleep: usize,
    /// How often one of them has ever fallen asleep, and how often some were woken.
    sleeps: u64,
    wakeups: u64,
    /// How many of the sleepers were kept out by a lease of their own side, and may need less than
    /// `ready`.
    contended: usize,
    /// Somebody who does not sleep was turned away by a lease of its own side.
    got_eagain: bool,
    /// Somebody has polled edge-triggered: every rise is news to it.
    edges: bool,
}

impl Waiters {
    /// Nobody yet. `ready` is the level at which each of them finds what it waits for, if there is
    /// one.
    pub(crate) const fn new(threshold: Option<usize>) -> Self {
        Self {
            threshold,
            asleep: 0,
            sleeps: 0,
            wakeups: 0,
            contended: 0,
            got_eagain: false,
            edges: false,
        }
    }

    /// Somebody is about to sleep; `contended` says whether for the end of a lease of this side.
    pub(crate) fn add_waiter(&mut self, contended: bool) {
        self.asleep = self.asleep.wrapping_add(1);
        self.count_sleep();
        self.contended = self.contended.wrapping_add(usize::from(contended));
    }

    /// Somebody is about to sleep, here or until its own bytes have been taken.
    pub(crate) fn count_sleep(&mut self) {
        self.sleeps = self.sleeps.wrapping_add(1);
    }

    /// Somebody sleeps no more, for whatever reason. `contended` is what it fell asleep with.
    pub(crate) fn remove_waiter(&mut self, contended: bool) {
        self.asleep = self.asleep.wrapping_sub(1);
        self.contended = self.contended.wrapping_sub(usize::from(contended));
    }

    /// Whether nobody sleeps or was turned away.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.asleep == 0 && !self.got_eagain
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
    pub(crate) fn set_threshold(&mut self, threshold: Option<usize>) {
        self.threshold = threshold;
    }

    /// Somebody who does not sleep was turned away by a lease of this side, and waits for its end.
    pub(crate) fn note_eagain(&mut self) {
        self.got_eagain = true;
    }

    /// Somebody polls edge-triggered. From now on every rise is news to the pollers, as in
    /// fs/pipe.c, which keeps to that for as long as there is the pipe.
    pub(crate) fn poll_edges(&mut self) {
        self.edges = true;
    }

    /// Whom a `change` concerns; `polled` says whether somebody polls.
    #[inline(always)]
    pub(crate) fn select_wakeup(&mut self, change: &Change, polled: bool) -> SideWakeup {
        if self.is_empty() && !polled {
            return SideWakeup::NONE;
        }
        let got_eagain = change.returned && mem::take(&mut self.got_eagain);
        if change.now == 0 && !change.is_end {
            // There is nothing for anybody, and there may be more.
            return SideWakeup::NONE;
        }
        let select_wakeup = self.choose(change, got_eagain, polled);
        if select_wakeup.is_anybody() {
            self.wakeups = self.wakeups.wrapping_add(1);
        }
        select_wakeup
    }

    /// Everybody, if there is news for them all.
    pub(crate) fn all_if(&mut self, wake: bool) -> SideWakeup {
        if !wake {
            return SideWakeup::NONE;
        }
        self.wakeups = self.wakeups.wrapping_add(1);
        SideWakeup {
            sleepers: Wake::All,
            pollers: Wake::All,
            retry_eagain: false,
        }
    }

    #[inline(always)]
    fn choose(&self, change: &Change, got_eagain: bool, polled: bool) -> SideWakeup {
        let rose = change.before < change.now;
        // No level is as high as what stands for none.
        let threshold = self.threshold.unwrap_or(usize::MAX);
        let is_ready = threshold <= change.now;
        let was_ready = threshold <= change.before;
        // Some may find enough, and nobody knows which.
        let unsure = self.threshold.is_none() && (rose || got_eagain);

        let sleepers = if self.asleep == 0 {
            Wake::None
        } else if change.returned && self.contended > 0 {
            // They may need less than `ready`, or wait for the end.
            if is_ready {
                Wake::Exclusive
            } else {
                Wake::All
            }
        } else if unsure {
            Wake::All
        } else if (change.returned && !change.is_end) || (is_ready && !was_ready) {
            // Whoever finds enough wakes the next when its own lease ends. Who leaves less than
            // `ready` hands that on, too: a sleeper must not be passed for ever.
            Wake::Exclusive
        } else {
            Wake::None
        };
        let retry_eagain = got_eagain && (unsure || is_ready || change.is_end);
        let pollers = if !polled {
            Wake::None
        } else if retry_eagain && change.is_end {
            Wake::All
        } else if retry_eagain || unsure || (is_ready && !was_ready) || (rose && self.edges) {
            Wake::Exclusive
        } else {
            Wake::None
        };
        SideWakeup {
            sleepers,
            pollers,
            retry_eagain,
        }
    }
}
