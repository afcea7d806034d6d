// SPDX-License-Identifier: GPL-2.0

//! Spinning before a sleep: with another processor, the other direction may be done before this
//! task has fallen asleep.
//!
//! Nothing relies on spinning. A task that has spun tests its condition again, with the mutex held,
//! before it sleeps. So a change that the spinning task misses is not lost.

use crate::sys::{
    headers::single_task_running,
    task, //
};
use kernel::{
    processor::cpu_relax,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// About the cost of two sleeps and wake-ups under QEMU's TCG; bench/README.md has what other
/// limits gave. If the last sleeper had waited for longer than this, spinning included, the next
/// wait does not spin.
const SPIN_LIMIT: Delta = Delta::from_micros(100);

/// Whether spinning can pay: the other direction has another processor to run on.
#[inline(always)]
pub(crate) fn can_spin() -> bool {
    task::has_other_cpu()
}

/// The spinning tasks of one direction, on a cache line of their own.
#[repr(align(64))]
pub(crate) struct Spinner {
    /// A task spins, and nobody has stopped it.
    armed: Atomic<bool>,
    /// The last sleeper had waited for less than `SPIN_LIMIT`, so the next wait is likely to be
    /// short, too.
    spin_hint: Atomic<bool>,
}

impl Spinner {
    /// Nobody spins.
    pub(crate) const fn new() -> Self {
        Self {
            armed: Atomic::new(false),
            spin_hint: Atomic::new(true),
        }
    }

    /// Whether a task spins.
    #[inline(always)]
    pub(crate) fn has_spinner(&self) -> bool {
        // SAFETY: The flag is valid, and otherwise only used by atomic operations. This is
        // READ_ONCE(): `load` would be a function call in every read and write.
        unsafe { self.armed.as_ptr().read_volatile() }
    }

    /// Arms the spinner, if the hint says that spinning is likely to pay. Returns whether it is
    /// armed. The mutex must be held, so that each later change stops the spinner.
    pub(crate) fn arm(&self) -> bool {
        let pays = self.spin_hint.load(Relaxed);
        if pays {
            self.armed.store(true, Relaxed);
        }
        pays
    }

    /// Spins until the spinner is stopped, another task wants to run here, or the limit is reached.
    /// All spinning tasks of the direction share one flag, and stop together.
    pub(crate) fn spin(&self, since: Instant<Monotonic>) {
        while self.has_spinner() && single_task_running() && since.elapsed() < SPIN_LIMIT {
            cpu_relax();
        }
        self.stop();
    }

    /// Stops the spinning tasks: something has changed for them.
    #[inline(always)]
    pub(crate) fn stop(&self) {
        if self.has_spinner() {
            self.armed.store(false, Relaxed);
        }
    }

    /// A call that slept was woken; it had begun to wait at `since`. If that was less than
    /// `SPIN_LIMIT` ago, the next wait spins. That time includes a spin before the sleep, and what
    /// the call did between the two.
    pub(crate) fn update_hint(&self, since: Instant<Monotonic>) {
        self.spin_hint.store(since.elapsed() < SPIN_LIMIT, Relaxed);
    }
}
