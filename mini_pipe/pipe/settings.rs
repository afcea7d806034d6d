// SPDX-License-Identifier: GPL-2.0

//! Queries and settings.

use crate::{
    pipe::{
        policy::Policy,
        wait::wakeups::Wakeups,
        Pipe, //
    },
    ring::{
        dir::{
            Dir,
            PerDir, //
        },
        storage::Storage, //
    },
    sys::{
        account::UserAccount,
        trace, //
    }, //
};
use kernel::prelude::*;

/// How large a pipe is.
pub(crate) struct Size {
    /// In bytes.
    pub(crate) capacity: usize,
    /// Who pays for the pages; [`None`] for the system.
    pub(crate) account: Option<UserAccount>,
}

/// The state of a pipe, as fdinfo and debugfs show it.
pub(crate) struct Status {
    /// In bytes.
    pub(crate) capacity: usize,
    /// How many bytes are readable.
    pub(crate) readable: usize,
    pub(crate) policy: Policy,
    /// How many files have each end open.
    pub(crate) open_files: PerDir<usize>,
    /// How many tasks of each direction sleep.
    #[allow(dead_code)] // Without CONFIG_DEBUG_FS, nobody reads it.
    pub(crate) sleepers: PerDir<usize>,
    /// How many bytes have been read and written since the pipe was made.
    pub(crate) total: PerDir<u64>,
    /// How often a task of each direction began to sleep.
    pub(crate) sleeps: PerDir<u64>,
    /// How long the next wait of each direction spins before it sleeps, in nanoseconds.
    pub(crate) spin_nanos: PerDir<u32>,
    /// How many changes have woken a waiter of each direction, or sent SIGIO after EAGAIN.
    pub(crate) wakeups: PerDir<u64>,
}

impl Pipe {
    /// How many bytes are readable: FIONREAD.
    ///
    /// Context: process context; may sleep.
    pub(crate) fn readable(&self) -> usize {
        self.state.lock().ring.indices().readable()
    }

    /// The size of the pipe.
    ///
    /// Context: process context; may sleep.
    pub(crate) fn size(&self) -> Size {
        let guard = self.state.lock();
        Size {
            capacity: guard.ring.indices().capacity(),
            account: guard.ring.storage().account().cloned(),
        }
    }

    /// Exchanges the pipe's storage, and with it the capacity: F_SETPIPE_SZ. All bytes stay in the
    /// pipe, and copies in progress go on. Does nothing and returns false if the present capacity
    /// is not `expected`; then the caller must check again whether the new capacity is allowed.
    ///
    /// Without a `storage`, the capacity stays, but writers are woken, as in fs/pipe.c.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// - `EBUSY`: the bytes in the pipe, those that are about to be written, or the packets do not
    ///   fit.
    pub(crate) fn resize(&self, expected: usize, mut storage: Option<Storage>) -> Result<bool> {
        let mut guard = self.state.lock();
        if guard.ring.indices().capacity() != expected {
            return Ok(false);
        }
        if let Some(storage) = &mut storage {
            guard.ring.resize(storage)?;
            trace::resize(|| (self.number, expected, guard.ring.indices().capacity()));
            guard.update_threshold();
        }
        let polled = self.polled().write;
        let mut wakeups = Wakeups::STOP_SPINNING;
        wakeups.dirs.write.waiters = guard.waiters.write.on_change_for_all(polled);
        wakeups.rendezvous = guard.rendezvous_asleep;
        self.unlock_and_wake(guard, wakeups);
        Ok(true)
    }

    /// When a blocking write returns.
    ///
    /// Context: process context; may sleep.
    pub(crate) fn policy(&self) -> Policy {
        self.state.lock().policy
    }

    /// Changes when a blocking write returns.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// `EBUSY`: bytes are in the pipe, a call has a reservation, or a task sleeps in the pipe.
    pub(crate) fn set_policy(&self, policy: Policy) -> Result {
        let mut guard = self.state.lock();
        let is_idle = guard.ring.indices().is_empty()
            && !guard.is_contended(Dir::Write)
            && !guard.waiters.read.has_sleepers()
            && !guard.waiters.write.has_sleepers();
        if !is_idle {
            return Err(EBUSY);
        }
        guard.policy = policy;
        Ok(())
    }

    /// Whether the pipe is private: made by an ioctl, and not /dev/mini_pipe.
    ///
    /// Context: process context; may sleep.
    pub(crate) fn is_private(&self) -> bool {
        self.state.lock().ends.is_private()
    }

    /// The state of the pipe.
    ///
    /// Context: process context; may sleep.
    pub(crate) fn status(&self) -> Status {
        let guard = self.state.lock();
        let waiters = &guard.waiters;
        Status {
            capacity: guard.ring.indices().capacity(),
            readable: guard.ring.indices().readable(),
            policy: guard.policy,
            open_files: guard.ends.open_files(),
            sleepers: PerDir {
                read: waiters.read.sleepers(),
                write: waiters.write.sleepers() + usize::from(guard.rendezvous_asleep),
            },
            total: guard.total,
            sleeps: PerDir {
                read: waiters.read.sleeps(),
                write: waiters.write.sleeps(),
            },
            spin_nanos: PerDir {
                read: guard.spin_time.read.nanos(),
                write: guard.spin_time.write.nanos(),
            },
            wakeups: PerDir {
                read: waiters.read.wakeups(),
                write: waiters.write.wakeups(),
            },
        }
    }
}
