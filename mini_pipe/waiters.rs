// SPDX-License-Identifier: GPL-2.0

//! The waiters of one side: who sleeps or polls there, and whom a change concerns.
//!
//! What they wait for has a *level*: to readers the bytes in the ring, to writers the room in it.

use core::{
    mem,
    ops::RangeInclusive, //
};

/// Whom a change concerns.
#[derive(PartialEq, Eq)]
pub(crate) enum Wake {
    Nobody,
    /// One sleeper, and every poller.
    One,
    Everybody,
}

/// How somebody polls.
#[derive(Clone, Copy)]
pub(crate) struct Interest {
    /// Asks only for changes: `EPOLLET`.
    pub(crate) edges: bool,
    /// Takes a wake-up from those behind it in the queue: `EPOLLEXCLUSIVE`.
    pub(crate) exclusive: bool,
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
    /// Somebody polls.
    polled: bool,
    /// Somebody polls edge-triggered: every rise is news to it.
    edges: bool,
    /// Somebody polls exclusively, perhaps for the other side only, and the kernel crate's wake-ups
    /// do not tell it for which they are: it would keep one that a sleeper needs.
    exclusive: bool,
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
            polled: false,
            edges: false,
            exclusive: false,
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

    /// Whether no change concerns anybody.
    #[inline(always)]
    pub(crate) fn is_nobody(&self) -> bool {
        self.asleep == 0 && !self.polled && !self.refused
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

    /// Somebody polls.
    pub(crate) fn poll(&mut self, interest: Interest) {
        self.polled = true;
        self.edges |= interest.edges;
        self.exclusive |= interest.exclusive;
    }

    /// Nobody is left who could poll.
    pub(crate) fn forget_pollers(&mut self) {
        self.polled = false;
        self.edges = false;
        self.exclusive = false;
    }

    /// Whom it concerns that the level went from `change.start()` to `change.end()`. `returned`
    /// says that a lease of this very side has just ended.
    #[inline(always)]
    pub(crate) fn concerned(&mut self, change: RangeInclusive<usize>, returned: bool) -> Wake {
        if self.is_nobody() {
            return Wake::Nobody;
        }
        let whom = self.whom(change, returned);
        if whom != Wake::Nobody {
            self.wakeups = self.wakeups.wrapping_add(1);
        }
        whom
    }

    /// Everybody, if there is news for them all.
    pub(crate) fn all_if(&mut self, news: bool) -> Wake {
        if news {
            self.wakeups = self.wakeups.wrapping_add(1);
            Wake::Everybody
        } else {
            Wake::Nobody
        }
    }

    fn whom(&mut self, change: RangeInclusive<usize>, returned: bool) -> Wake {
        let (before, now) = change.into_inner();
        let rose = before < now;
        let refused = returned && mem::take(&mut self.refused);
        let asleep = returned && self.asleep > 0 && now > 0;
        let kept_out = asleep && self.kept_out > 0;
        let is_ready = self.ready.is_some_and(|ready| ready <= now);
        let was_ready = self.ready.is_some_and(|ready| ready <= before);

        if !is_ready && (kept_out || (self.ready.is_none() && (rose || refused))) {
            // Some may find enough, and nobody knows which.
            return Wake::Everybody;
        }
        // Who leaves less than `ready` hands that on, too: a sleeper must not be passed for ever.
        let due = asleep || (is_ready && (!was_ready || refused)) || (rose && self.edges);
        if !due {
            Wake::Nobody
        } else if self.exclusive {
            Wake::Everybody
        } else {
            // Whoever finds enough wakes the next when its own lease ends.
            Wake::One
        }
    }
}
