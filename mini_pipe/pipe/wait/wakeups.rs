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
    pub(crate) spinner: bool,
    /// Wake these waiters.
    pub(crate) waiters: Selected,
    /// Signal the owners of its files with `O_ASYNC`.
    pub(crate) fasync: bool,
}

/// The wake-ups that a change needs, to be sent when the mutex is dropped.
#[must_use = "waiters sleep on if their wake-ups are not sent"]
pub(crate) struct Wakeups {
    pub(crate) dirs: PerDir<DirWakeups>,
    /// Wake the writer that waits for its bytes to be read: see `rendezvous`.
    pub(crate) rendezvous: bool,
}

impl Wakeups {
    /// Nobody sleeps or polls; spinning tasks stop.
    pub(crate) const SPINNERS: Self = Self {
        dirs: PerDir {
            read: DirWakeups::SPINNER,
            write: DirWakeups::SPINNER,
        },
        rendezvous: false,
    };

    /// Direction `dir` has something new, and nobody sleeps or polls anywhere. Spinning tasks of
    /// the other direction have something new if the call had a reservation, `released` now.
    #[inline(always)]
    pub(crate) fn without_waiters(dir: Dir, released: bool) -> Self {
        let wakeups = |side: Dir| DirWakeups {
            spinner: released || side == dir,
            waiters: Selected::NONE,
            fasync: side == dir,
        };
        Self {
            dirs: PerDir {
                read: wakeups(Dir::Read),
                write: wakeups(Dir::Write),
            },
            rendezvous: false,
        }
    }

    /// A task of direction `dir` was woken, and does not use what it was woken for: wake the next.
    pub(crate) fn hand_on(dir: Dir) -> Self {
        let mut wakeups = Self::SPINNERS;
        wakeups.dirs.read.spinner = false;
        wakeups.dirs.write.spinner = false;
        wakeups.dirs[dir].waiters.sleepers = Wake::Exclusive;
        wakeups
    }
}

impl DirWakeups {
    /// For waiters, and for spinning tasks.
    #[inline(always)]
    pub(crate) fn new(waiters: Selected, fasync: bool) -> Self {
        Self {
            spinner: true,
            waiters,
            fasync,
        }
    }

    const SPINNER: Self = Self {
        spinner: true,
        waiters: Selected::NONE,
        fasync: false,
    };
}
