// SPDX-License-Identifier: GPL-2.0

//! The story of a run: who did what, in order.

use std::cell::{Cell, RefCell};

std::thread_local! {
    static TOLD: Cell<bool> = const { Cell::new(false) };
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Begins a story. It is only written down if it is to be `told`.
pub(crate) fn begin(told: bool) {
    TOLD.set(told);
    LINES.take();
}

/// The lines of the story so far.
pub(crate) fn take() -> Vec<String> {
    LINES.take()
}

/// A task does something.
pub(crate) fn tell(task: usize, what: impl FnOnce() -> String) {
    if TOLD.get() {
        let line = format!("task {task}: {}", what());
        LINES.with_borrow_mut(|lines| lines.push(line));
    }
}
