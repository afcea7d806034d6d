// SPDX-License-Identifier: GPL-2.0

//! RCU: a task in a read-side critical section may not sleep.

use crate::sim;

/// In a read-side critical section, until this is dropped.
pub struct Guard(());

pub fn read_lock() -> Guard {
    sim::set_atomic(1);
    Guard(())
}

impl Drop for Guard {
    fn drop(&mut self) {
        sim::set_atomic(-1);
    }
}
