// SPDX-License-Identifier: GPL-2.0

//! Waiting awake: where there are several processors, the other side may be done before this one
//! has fallen asleep.
//!
//! It is a try, and never the whole wait: who watched looks at the pipe once more before it sleeps,
//! so nothing is lost if a change is not seen here.

use crate::headers::single_task_running;
use kernel::{
    bindings,
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

/// As long as falling asleep and being woken may take: who watches no longer loses, at worst, as
/// much again.
const SPIN_LIMIT: Delta = Delta::from_micros(100);

/// Whether there is another processor for the other side to run on.
#[inline(always)]
pub(crate) fn can_spin() -> bool {
    // SAFETY: It is a count that always can be read.
    let online = unsafe { (&raw const bindings::__num_online_cpus.counter).read_volatile() };
    online > 1
}

/// The watchers of one side, on a cache line of their own.
#[repr(align(64))]
pub(crate) struct Spinner {
    /// Somebody watches, and has been told nothing yet.
    armed: Atomic<bool>,
    /// The last wait was a short one, so the next is likely to be.
    spin_hint: Atomic<bool>,
}

impl Spinner {
    /// Nobody yet.
    pub(crate) const fn new() -> Self {
        Self {
            armed: Atomic::new(false),
            spin_hint: Atomic::new(true),
        }
    }

    /// Whether somebody watches.
    #[inline(always)]
    pub(crate) fn has_spinner(&self) -> bool {
        // SAFETY: It is valid, and otherwise only used by atomic operations. This is READ_ONCE():
        // `load` would be a call, which every read and write would make.
        unsafe { self.armed.as_ptr().read_volatile() }
    }

    /// Something has changed for those who watch.
    #[inline(always)]
    pub(crate) fn stop(&self) {
        if self.has_spinner() {
            self.armed.store(false, Relaxed);
        }
    }

    /// A wait begins. Returns when, if it can be waited awake.
    pub(crate) fn begin(&self) -> Option<Instant<Monotonic>> {
        can_spin().then(Instant::now)
    }

    /// Announces that somebody is going to watch, if that may be worth it: not if the last wait
    /// would have taken too long. Under the mutex, so that no change after that goes untold.
    pub(crate) fn arm(&self) -> bool {
        let spin_hint = self.spin_hint.load(Relaxed);
        if spin_hint {
            self.armed.store(true, Relaxed);
        }
        spin_hint
    }

    /// Watches until something has changed, somebody else is to run here, or it has been enough.
    /// Then nobody watches any more: others of the side look, too, and may sleep sooner.
    pub(crate) fn spin(&self, since: Instant<Monotonic>) {
        while self.has_spinner() && single_task_running() && since.elapsed() < SPIN_LIMIT {
            cpu_relax();
        }
        self.stop();
    }

    /// The wait that began then is over.
    pub(crate) fn update_hint(&self, since: Instant<Monotonic>) {
        self.spin_hint.store(since.elapsed() < SPIN_LIMIT, Relaxed);
    }
}
