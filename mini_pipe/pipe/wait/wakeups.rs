// SPDX-License-Identifier: GPL-2.0

//! The wake-ups that one change needs.

use crate::{
    pipe::wait::waiters::{
        Selected,
        Wake, //
    },
    ring::dir::{
        Dir,
        PerDir, //
    }, //
};

/// The wake-ups of one direction.
pub(crate) struct DirWakeups {
    /// Stop its spinning tasks.
    pub(crate) stop_spinner: bool,
    /// Wake these waiters.
    pub(crate) waiters: Selected,
    /// Signal the owners of its files with `O_ASYNC`.
    pub(crate) fasync: bool,
}

/// The wake-ups that a change needs, to be sent after the mutex was dropped.
#[must_use = "waiters sleep on if their wake-ups are not sent"]
pub(crate) struct Wakeups {
    pub(crate) dirs: PerDir<DirWakeups>,
    /// Wake the writer of the active rendezvous: see `rendezvous`.
    pub(crate) rendezvous: bool,
}

impl Wakeups {
    /// Nothing.
    const NONE: Self = Self {
        dirs: PerDir {
            read: DirWakeups::NONE,
            write: DirWakeups::NONE,
        },
        rendezvous: false,
    };

    /// Stops the spinning tasks of both directions, and nothing else. A change of the bytes or the
    /// room, and a close, starts from this; but not a short read or write.
    pub(crate) const STOP_SPINNING: Self = Self {
        dirs: PerDir {
            read: DirWakeups::stop_spinning_and(Selected::NONE, false),
            write: DirWakeups::stop_spinning_and(Selected::NONE, false),
        },
        rendezvous: false,
    };

    /// Stops the spinning tasks of `dir`, and signals the owners of its files with `O_ASYNC`.
    /// Enough if nobody sleeps or polls there.
    #[inline(always)]
    pub(crate) fn stop_spinning_and_signal(dir: Dir) -> Self {
        let mut wakeups = Self::NONE;
        wakeups.dirs[dir] = DirWakeups::stop_spinning_and(Selected::NONE, true);
        wakeups
    }

    /// Wakes all sleepers of `dir`.
    pub(crate) fn all_sleepers(dir: Dir) -> Self {
        let mut wakeups = Self::NONE;
        wakeups.dirs[dir].waiters.sleepers = Wake::All;
        wakeups
    }

    /// Wakes the writer of the active rendezvous, if it is `asleep`.
    pub(crate) fn rendezvous(asleep: bool) -> Self {
        Self {
            rendezvous: asleep,
            ..Self::NONE
        }
    }

    /// Wakes the next sleeper of `dir`, for a woken task that cannot use the bytes or the room yet:
    /// another sleeper may be able to.
    pub(crate) fn hand_on(dir: Dir) -> Self {
        let mut wakeups = Self::NONE;
        wakeups.dirs[dir].waiters.sleepers = Wake::Exclusive;
        wakeups
    }
}

impl DirWakeups {
    /// Nothing.
    const NONE: Self = Self {
        stop_spinner: false,
        waiters: Selected::NONE,
        fasync: false,
    };

    /// Stop its spinning tasks, wake these waiters and, with `fasync`, signal the owners.
    #[inline(always)]
    pub(crate) const fn stop_spinning_and(waiters: Selected, fasync: bool) -> Self {
        Self {
            stop_spinner: true,
            waiters,
            fasync,
        }
    }
}
