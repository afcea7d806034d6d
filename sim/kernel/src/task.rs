// SPDX-License-Identifier: GPL-2.0

//! The current task.

use crate::sim;

/// The part of `struct task_struct` that the core uses.
#[allow(non_camel_case_types)]
#[derive(Default)]
pub struct task_struct {
    pub pagefault_disabled: i32,
}

pub struct Task;

impl Task {
    pub fn current_raw() -> *mut task_struct {
        sim::current_raw()
    }
}

/// What `current!()` returns.
pub struct Current;

impl Current {
    /// Whether a signal is pending: `signal_pending()`.
    pub fn signal_pending(&self) -> bool {
        sim::signal_pending()
    }
}
