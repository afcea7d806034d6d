// SPDX-License-Identifier: GPL-2.0

//! Who waits in one direction, and which of them a change wakes.
//!
//! Each direction has a *level*, in bytes: for readers what is readable, for writers what is
//! writable. The *threshold* is a level that is enough for whichever sleeper is woken. When the
//! level reaches the threshold, one exclusive wake-up is enough: the woken task hands the wake-up
//! on if its own call leaves something. Until the woken task runs, that level wakes no second task,
//! which could only compete with the first. If there is no threshold, each rise of the level wakes
//! all sleepers.
//!
//! A call is *contended* while another call of its direction excludes it, by a reservation or a
//! rendezvous. A contended sleeper waits until the other call has *ended*; it may need less than
//! the threshold. A contended non-blocking call gets EAGAIN, and a contended poll finds nothing.
//! When the other call has ended and left enough, pollers are woken and owners with O_ASYNC
//! signalled, so that they try again.
//!
//! Plain counting and one pure function, so `make test` also tests it in user space.

/// Which of the sleepers, or of the pollers, are woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    None,
    /// One exclusive waiter, and, as the kernel does it, all waiters that are not exclusive. Of the
    /// sleepers, that is one. Of the pollers that asked for this direction's events, it is one of
    /// those with EPOLLEXCLUSIVE, and all of those without.
    Exclusive,
    /// All, whatever they wait for.
    All,
}

impl Wake {
    /// All, if there are any.
    fn all_if(any: bool) -> Self {
        if any {
            Self::All
        } else {
            Self::None
        }
    }
}

/// Which waiters of one direction a change wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Selected {
    pub(crate) sleepers: Wake,
    pub(crate) pollers: Wake,
    /// A call that got EAGAIN can be tried again. Its caller may wait for SIGIO alone, so SIGIO is
    /// to be sent.
    pub(crate) retry: bool,
}

impl Selected {
    /// Nobody.
    pub(crate) const NONE: Self = Self {
        sleepers: Wake::None,
        pollers: Wake::None,
        retry: false,
    };

    /// One sleeper.
    pub(crate) const ONE_SLEEPER: Self = Self {
        sleepers: Wake::Exclusive,
        ..Self::NONE
    };

    /// Whether somebody is woken, or is to get SIGIO for `retry`.
    pub(crate) fn is_any(&self) -> bool {
        *self != Self::NONE
    }
}

/// What happened to the level of one direction.
#[derive(Clone, Copy)]
pub(crate) struct Change {
    pub(crate) before: usize,
    pub(crate) now: usize,
    /// A call of this direction has ended: it no longer excludes other calls of this direction.
    pub(crate) ended: bool,
    /// For readers: a read has ended, and the last writer is closed. If nothing is readable, this
    /// is the end of file.
    pub(crate) closed: bool,
    /// The direction's poll queue is not empty.
    pub(crate) polled: bool,
}

/// Who waits in one direction. The counts do not overflow: there are fewer than 2^64 tasks, and
/// 2^64 sleeps take centuries.
pub(crate) struct Waiters {
    /// A level that is enough for whichever sleeper is woken. [`None`] for the writers of a pipe
    /// that never has room for PIPE_BUF bytes: there every rise wakes all.
    threshold: Option<usize>,
    sleeping: usize,
    /// [`Waiters::on_change`] has selected one sleeper, and no sleeper has run since.
    pub(crate) woken: bool,
    /// How many of the sleepers are contended.
    contended: usize,
    /// Under contention, a call got EAGAIN, or a poll found nothing.
    got_eagain: bool,
    /// A writer could not get pages, though the pipe has room: see [`Waiters::note_starved`].
    starved: bool,
    /// The direction has been polled with EPOLLET: see [`Waiters::set_edge_triggered`].
    edge_triggered: bool,
    /// For fdinfo: how often a task has begun to sleep.
    sleeps: u64,
    /// For fdinfo: how many changes have woken a waiter, or sent SIGIO after EAGAIN. Not counted
    /// are wake-ups that a splice hands on, those sent because memory is short, and those of a
    /// rendezvous writer in its own wait queue.
    wakeups: u64,
}

impl Waiters {
    /// No waiters.
    pub(crate) const fn new(threshold: Option<usize>) -> Self {
        Self {
            threshold,
            sleeping: 0,
            woken: false,
            contended: 0,
            got_eagain: false,
            starved: false,
            edge_triggered: false,
            sleeps: 0,
            wakeups: 0,
        }
    }

    /// A task begins to sleep.
    pub(crate) fn add_waiter(&mut self, contended: bool) {
        self.sleeping = self.sleeping.wrapping_add(1);
        self.contended = self.contended.wrapping_add(usize::from(contended));
        self.count_sleep();
    }

    /// A task sleeps no more, for whatever reason. `contended` is what it was added with.
    pub(crate) fn remove_waiter(&mut self, contended: bool) {
        self.sleeping = self.sleeping.wrapping_sub(1);
        self.woken = false;
        self.contended = self.contended.wrapping_sub(usize::from(contended));
    }

    /// Counts a sleep for fdinfo.
    pub(crate) fn count_sleep(&mut self) {
        self.sleeps = self.sleeps.wrapping_add(1);
    }

    /// Under contention, a call got EAGAIN, or a poll found nothing. If the other call leaves
    /// enough, its end wakes pollers and sends SIGIO.
    pub(crate) fn note_eagain(&mut self) {
        self.got_eagain = true;
    }

    /// A writer waits, or gets EAGAIN, because there was no memory for its bytes. From now on,
    /// whenever a call of this direction ends, all sleepers are woken: nobody knows for whom the
    /// level is enough. The next rise of the level wakes all of them, too, and ends this.
    /// Returns true if others sleep and no writer was starved before. Then the others must be woken
    /// now: this writer may have got a wake-up that one of them needs.
    pub(crate) fn note_starved(&mut self) -> bool {
        let first = !self.starved;
        self.starved = true;
        first && self.sleeping > 0
    }

    /// The direction was polled with EPOLLET. From then on, for as long as the pipe exists, every
    /// rise of the level wakes pollers: `pseudo_edgetrigger` of fs/pipe.c, which programs rely on.
    pub(crate) fn set_edge_triggered(&mut self) {
        self.edge_triggered = true;
    }

    /// From now on, a level of `threshold` is enough for whichever sleeper is woken.
    pub(crate) fn set_threshold(&mut self, threshold: Option<usize>) {
        self.threshold = threshold;
    }

    /// Whether nobody sleeps, and nobody got EAGAIN. Pollers are not counted here.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.sleeping == 0 && !self.got_eagain
    }

    /// Whether exactly one task sleeps.
    pub(crate) fn has_one_sleeper(&self) -> bool {
        self.sleeping == 1
    }

    /// How many tasks sleep.
    pub(crate) fn sleepers(&self) -> usize {
        self.sleeping
    }

    /// Whether somebody sleeps.
    pub(crate) fn has_sleepers(&self) -> bool {
        self.sleeping > 0
    }

    /// How often a task has begun to sleep.
    pub(crate) fn sleeps(&self) -> u64 {
        self.sleeps
    }

    /// How many changes were counted: see the field `wakeups`.
    pub(crate) fn wakeups(&self) -> u64 {
        self.wakeups
    }

    /// Records a change, and returns who is to be woken.
    #[inline(always)]
    pub(crate) fn on_change(&mut self, change: Change) -> Selected {
        if self.is_empty() && !change.polled {
            return Selected::NONE;
        }
        let selected = self.select_wakeup(change);
        self.woken |= selected.sleepers == Wake::Exclusive;
        if change.ended {
            self.got_eagain = false;
        }
        if change.before < change.now {
            self.starved = false;
        }
        self.wakeups = self.wakeups.wrapping_add(u64::from(selected.is_any()));
        selected
    }

    /// Records a change that wakes all waiters. `polled` says whether the direction's poll queue is
    /// not empty.
    pub(crate) fn on_change_for_all(&mut self, polled: bool) -> Selected {
        let selected = Selected {
            sleepers: Wake::all_if(self.sleeping > 0),
            pollers: Wake::all_if(polled),
            retry: false,
        };
        self.starved = false;
        self.wakeups = self.wakeups.wrapping_add(u64::from(selected.is_any()));
        selected
    }

    /// Selects whom a change wakes.
    #[inline(always)]
    fn select_wakeup(&self, change: Change) -> Selected {
        let Change {
            before,
            now,
            ended,
            closed,
            polled,
        } = change;
        let is_eof = closed && now == 0;
        if now == 0 && !is_eof {
            // Nothing can be moved. The change that makes a move possible will wake the waiters.
            return Selected::NONE;
        }
        let rose = before < now;
        // No level reaches usize::MAX.
        let threshold = self.threshold.unwrap_or(usize::MAX);
        let enough = threshold <= now;
        let reached = enough && before < threshold;
        let got_eagain = ended && self.got_eagain;
        // The level may be enough for some waiters, but nobody knows for which.
        let unknown =
            self.threshold.is_none() && (rose || got_eagain) || self.starved && (rose || ended);

        let sleepers = if self.sleeping == 0 {
            Wake::None
        } else if unknown {
            Wake::All
        } else if self.woken && enough {
            // The woken task will find enough, unless another call takes some first; the end of
            // that call hands the wake-up on.
            Wake::None
        } else if ended && self.contended > 0 {
            // Contended sleepers may need less than the threshold, or wait for end of file.
            if enough {
                Wake::Exclusive
            } else {
                Wake::All
            }
        } else if (ended && !is_eof) || reached {
            // The ended call hands the wake-up on, also below the threshold: a smaller level may be
            // enough for some sleeper, and may never rise again. At end of file, the close has
            // woken the sleepers that are not contended.
            Wake::Exclusive
        } else {
            Wake::None
        };
        let retry = got_eagain && (unknown || enough || is_eof);
        let pollers = if !polled {
            Wake::None
        } else if retry && closed {
            // Pollers may wait for POLLHUP alone, which is not in the key of an exclusive wake-up.
            Wake::All
        } else if retry || unknown || reached || (rose && self.edge_triggered) {
            Wake::Exclusive
        } else {
            Wake::None
        };
        Selected {
            sleepers,
            pollers,
            retry,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Change,
        Selected,
        Waiters, //
        Wake::{
            self,
            All,
            Exclusive,
            None as No, //
        },
    };

    const T: bool = true;
    const F: bool = false;

    /// Readers: any byte is enough.
    const READERS: Option<usize> = Some(1);
    /// Writers of a pipe of at least PIPE_BUF bytes.
    const WRITERS: Option<usize> = Some(4096);
    /// Writers of a smaller pipe.
    const SMALL: Option<usize> = None;

    /// The threshold; sleepers, contended sleepers, EAGAIN, EPOLLET; the level before and now,
    /// whether a call has ended, whether all writers are closed; what is selected: sleepers,
    /// pollers, retry.
    type Row = (
        Option<usize>,
        (usize, usize, bool, bool),
        (usize, usize, bool, bool),
        (Wake, Wake, bool),
    );

    #[rustfmt::skip]
    const TABLE: &[Row] = &[
        // A rise wakes one sleeper, and the pollers, if it reaches the threshold.
        (READERS, (2, 0, F, F), (0, 1, F, F), (Exclusive, Exclusive, F)),
        (READERS, (2, 0, F, F), (5, 9, F, F), (No, No, F)),
        (WRITERS, (2, 0, F, F), (0, 4095, F, F), (No, No, F)),
        (WRITERS, (2, 0, F, F), (4095, 4096, F, F), (Exclusive, Exclusive, F)),
        (WRITERS, (2, 0, F, F), (4096, 8192, F, F), (No, No, F)),
        (READERS, (0, 0, F, F), (0, 1, F, F), (No, Exclusive, F)),
        // Without a threshold, each rise wakes all sleepers.
        (SMALL, (2, 0, F, F), (0, 1, F, F), (All, Exclusive, F)),
        (SMALL, (2, 0, F, F), (1, 2, F, F), (All, Exclusive, F)),
        (SMALL, (2, 0, F, F), (2, 2, F, F), (No, No, F)),
        // EPOLLET: each rise wakes the pollers.
        (READERS, (0, 0, F, T), (5, 9, F, F), (No, Exclusive, F)),
        (READERS, (0, 0, F, T), (9, 9, F, F), (No, No, F)),
        // Nothing is there: nobody is woken, also not when a call has ended.
        (READERS, (2, 0, F, F), (5, 0, T, F), (No, No, F)),
        (READERS, (2, 2, T, T), (5, 0, T, F), (No, No, F)),
        (WRITERS, (2, 2, T, T), (5, 0, F, F), (No, No, F)),
        // A call that has ended hands the wake-up on, also below the threshold.
        (READERS, (2, 0, F, F), (5, 5, T, F), (Exclusive, No, F)),
        (WRITERS, (2, 0, F, F), (9, 9, T, F), (Exclusive, No, F)),
        (WRITERS, (2, 0, F, F), (8192, 8192, T, F), (Exclusive, No, F)),
        // If sleepers are contended, the end of a call wakes all, or one if the level is enough.
        (WRITERS, (2, 1, F, F), (9, 9, T, F), (All, No, F)),
        (WRITERS, (2, 1, F, F), (8192, 8192, T, F), (Exclusive, No, F)),
        (READERS, (2, 1, F, F), (0, 0, T, T), (All, No, F)),
        (READERS, (2, 1, F, F), (0, 0, F, F), (No, No, F)),
        // At end of file, the close has woken the sleepers that are not contended.
        (READERS, (2, 0, F, F), (0, 0, T, T), (No, No, F)),
        // After a call got EAGAIN, the end of a call wakes pollers and sends SIGIO: at the
        // threshold, or at any level if there is none, and at end of file.
        (READERS, (0, 0, T, F), (5, 5, T, F), (No, Exclusive, T)),
        (WRITERS, (0, 0, T, F), (9, 9, T, F), (No, No, F)),
        (WRITERS, (0, 0, T, F), (4096, 4096, T, F), (No, Exclusive, T)),
        (SMALL, (0, 0, T, F), (9, 9, T, F), (No, Exclusive, T)),
        (SMALL, (1, 0, T, F), (9, 9, T, F), (All, Exclusive, T)),
        (READERS, (0, 0, T, F), (0, 0, T, T), (No, All, T)),
        // All pollers are woken, as some may wait for the hang-up alone; also if bytes are left.
        (READERS, (0, 0, T, F), (5, 5, T, T), (No, All, T)),
        (READERS, (2, 0, F, F), (5, 5, T, T), (Exclusive, No, F)),
        // If no call has ended, a call that got EAGAIN would get it again.
        (READERS, (0, 0, T, F), (5, 9, F, F), (No, No, F)),
    ];

    fn waiters(row: &Row) -> Waiters {
        let (threshold, (sleeping, contended, got_eagain, edge_triggered), _, _) = *row;
        Waiters {
            sleeping,
            contended,
            got_eagain,
            edge_triggered,
            ..Waiters::new(threshold)
        }
    }

    fn change(row: &Row, polled: bool) -> Change {
        let (_, _, (before, now, ended, closed), _) = *row;
        Change {
            before,
            now,
            ended,
            closed,
            polled,
        }
    }

    #[test]
    fn truth_table() {
        for (number, row) in TABLE.iter().enumerate() {
            let (.., (sleepers, pollers, retry)) = *row;
            for polled in [true, false] {
                let expected = Selected {
                    sleepers,
                    pollers: if polled { pollers } else { No },
                    retry,
                };
                let selected = waiters(row).select_wakeup(change(row, polled));
                assert_eq!(selected, expected, "row {number}, polled: {polled}");
            }
        }
    }

    #[test]
    fn end_of_the_other_call_clears_got_eagain() {
        for row in TABLE {
            let (_, (_, _, got_eagain, _), (_, _, ended, _), _) = *row;
            let mut waiters = waiters(row);
            waiters.on_change(change(row, false));
            assert_eq!(waiters.got_eagain, got_eagain && !ended);
        }
    }

    #[test]
    fn wakeups_are_counted_if_somebody_is_woken() {
        for row in TABLE {
            let mut waiters = waiters(row);
            let selected = waiters.on_change(change(row, true));
            assert_eq!(waiters.wakeups(), u64::from(selected.is_any()));
        }
    }

    #[test]
    fn the_next_rise_wakes_starved_writers() {
        let mut waiters = Waiters::new(WRITERS);
        waiters.add_waiter(false);
        waiters.add_waiter(false);
        let rise = Change {
            before: 5000,
            now: 6000,
            ended: false,
            closed: false,
            polled: true,
        };
        assert!(waiters.note_starved() && !waiters.note_starved());
        let selected = waiters.on_change(rise);
        assert!((selected.sleepers, selected.pollers) == (All, Exclusive));
        assert!(!waiters.on_change(rise).is_any());
        waiters.add_waiter(true);
        waiters.note_starved();
        let ended = Change {
            before: 6000,
            ended: true,
            ..rise
        };
        // The starved writer could keep an exclusive wake-up from the contended one.
        assert!(waiters.on_change(ended).sleepers == All && waiters.starved);
        let fall = Change {
            before: 6000,
            now: 5000,
            ..rise
        };
        assert!(!waiters.on_change(fall).is_any() && waiters.starved);
        waiters.on_change_for_all(false);
        assert!(!waiters.starved);
    }

    #[test]
    fn no_second_sleeper_is_woken_until_the_first_runs() {
        let mut waiters = Waiters::new(WRITERS);
        (0..3).for_each(|_| waiters.add_waiter(false));
        let full = Change {
            before: 0,
            now: 8192,
            ended: false,
            closed: false,
            polled: false,
        };
        let ended = Change {
            before: 8192,
            now: 4096,
            ended: true,
            ..full
        };
        let small = Change { now: 4095, ..ended };
        assert!(waiters.on_change(full).sleepers == Exclusive && waiters.woken);
        assert!(waiters.on_change(ended).sleepers == No);
        assert!(waiters.on_change(full).sleepers == No);
        // A smaller level may be too little for the woken task.
        assert!(waiters.on_change(small).sleepers == Exclusive);
        waiters.remove_waiter(false);
        assert!(!waiters.woken && waiters.on_change(ended).sleepers == Exclusive);
        assert!(waiters.on_change_for_all(false).sleepers == All);
    }

    #[test]
    fn nobody_waits_nobody_is_woken() {
        let mut nobody = Waiters::new(READERS);
        let change = Change {
            before: 0,
            now: 1,
            ended: true,
            closed: false,
            polled: false,
        };
        assert!(nobody.is_empty() && !nobody.on_change(change).is_any());
    }

    #[test]
    fn waiters_are_counted() {
        let mut waiters = Waiters::new(READERS);
        waiters.add_waiter(true);
        waiters.add_waiter(false);
        assert!((waiters.sleeping, waiters.contended, waiters.sleeps()) == (2, 1, 2));
        assert!(waiters.has_sleepers() && !waiters.has_one_sleeper());
        waiters.remove_waiter(true);
        assert!(waiters.has_one_sleeper() && waiters.contended == 0);
        waiters.remove_waiter(false);
        assert!(waiters.is_empty());
        waiters.note_eagain();
        assert!(!waiters.is_empty() && !waiters.has_sleepers());
    }
}
