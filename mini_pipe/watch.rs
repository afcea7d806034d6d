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
const PATIENCE: Delta = Delta::from_micros(100);

/// Whether there is another processor for the other side to run on.
#[inline(always)]
pub(crate) fn is_possible() -> bool {
    // SAFETY: It is a count that always can be read.
    let online = unsafe { (&raw const bindings::__num_online_cpus.counter).read_volatile() };
    online > 1
}

/// The watchers of one side, on a cache line of their own.
#[repr(align(64))]
pub(crate) struct Watch {
    /// Somebody watches, and has been told nothing yet.
    watched: Atomic<bool>,
    /// The last wait was a short one, so the next is likely to be.
    worthwhile: Atomic<bool>,
}

impl Watch {
    /// Nobody yet.
    pub(crate) const fn new() -> Self {
        Self {
            watched: Atomic::new(false),
            worthwhile: Atomic::new(true),
        }
    }

    /// Whether somebody watches.
    #[inline(always)]
    pub(crate) fn is_watched(&self) -> bool {
        // SAFETY: It is valid, and otherwise only used by atomic operations. This is READ_ONCE():
        // `load` would be a call, which every read and write would make.
        unsafe { self.watched.as_ptr().read_volatile() }
    }

    /// Something has changed for those who watch.
    #[inline(always)]
    pub(crate) fn tell(&self) {
        if self.is_watched() {
            self.watched.store(false, Relaxed);
        }
    }

    /// A wait begins. Returns when, if it can be waited awake.
    pub(crate) fn begin(&self) -> Option<Instant<Monotonic>> {
        is_possible().then(Instant::now)
    }

    /// Announces that somebody is going to watch, if that may be worth it: not if the last wait
    /// would have taken too long. Under the mutex, so that no change after that goes untold.
    pub(crate) fn announce(&self) -> bool {
        let worthwhile = self.worthwhile.load(Relaxed);
        if worthwhile {
            self.watched.store(true, Relaxed);
        }
        worthwhile
    }

    /// Watches until something has changed, somebody else is to run here, or it has been enough.
    /// Then nobody watches any more: others of the side look, too, and may sleep sooner.
    pub(crate) fn watch(&self, since: Instant<Monotonic>) {
        while self.is_watched() && single_task_running() && since.elapsed() < PATIENCE {
            cpu_relax();
        }
        self.tell();
    }

    /// The wait that began then is over.
    pub(crate) fn end(&self, since: Instant<Monotonic>) {
        self.worthwhile.store(since.elapsed() < PATIENCE, Relaxed);
    }
}
