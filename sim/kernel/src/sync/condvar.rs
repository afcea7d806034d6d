// SPDX-License-Identifier: GPL-2.0

//! Condition variables: rust/kernel/sync/condvar.rs, whose sleepers are all exclusive.

use super::{
    lock::{mutex::MutexBackend, Guard},
    wait_queue::{Entry, WaitQueue},
    LockClassKey,
};
use crate::{prelude::*, sim};
use std::convert::Infallible;

#[derive(Default)]
pub struct CondVar(WaitQueue);

impl CondVar {
    #[allow(clippy::new_ret_no_self)]
    pub fn new(_name: &'static CStr, _key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        // SAFETY: This initializes the slot, and does not fail.
        unsafe {
            pinned_init::pin_init_from_closure(|slot: *mut Self| {
                slot.write(Self::default());
                Ok::<(), Infallible>(())
            })
        }
    }

    /// Sleeps without the mutex until it is woken, or a signal is pending. Returns whether one is.
    pub fn wait_interruptible<T>(&self, guard: &mut Guard<'_, T, MutexBackend>) -> bool {
        let entry = Entry::sleeper();
        self.0.add(entry.clone());
        sim::prepare_to_sleep();
        guard.unlocked(sim::schedule);
        self.0.remove(&entry);
        sim::signal_pending()
    }

    pub fn notify_one(&self) {
        self.0.wake(u32::MAX, 1);
    }

    /// As [`CondVar::notify_one`]; a sync wake-up only tells when the woken task should run.
    pub fn notify_sync(&self) {
        self.0.wake(u32::MAX, 1);
    }

    pub fn notify_all(&self) {
        self.0.wake(u32::MAX, usize::MAX);
    }
}
