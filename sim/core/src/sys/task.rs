// SPDX-License-Identifier: GPL-2.0

//! The current task and its processor.

use kernel::sim;
use std::cell::{Cell, RefCell};

std::thread_local! {
    /// The tasks that have a SIGKILL.
    static KILLED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    static OTHER_CPU: Cell<bool> = const { Cell::new(true) };
    /// The tasks that were sent SIGPIPE.
    static SIGPIPES: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// From now on there is a second processor most of the time, or never.
pub(crate) fn set_other_cpu(is_there: bool) {
    OTHER_CPU.set(is_there);
}

/// Whether the current task was sent SIGPIPE exactly once. Forgets it.
pub(crate) fn take_sigpipe() -> bool {
    SIGPIPES.with_borrow_mut(|tasks| {
        let before = tasks.len();
        tasks.retain(|task| *task != sim::current());
        before - tasks.len() == 1
    })
}

/// Processors go offline, and come back.
pub(crate) fn has_other_cpu() -> bool {
    OTHER_CPU.get() && !sim::is_chance(8)
}

/// Kills the current task, or revives it.
pub(crate) fn set_killed(killed: bool) {
    KILLED.with_borrow_mut(|tasks| {
        tasks.retain(|task| *task != sim::current());
        tasks.extend(killed.then(sim::current));
    });
}

pub(crate) fn is_being_killed() -> bool {
    KILLED.with_borrow(|tasks| tasks.contains(&sim::current()))
}

pub(crate) fn raise_sigpipe() {
    SIGPIPES.with_borrow_mut(|tasks| tasks.push(sim::current()));
}
