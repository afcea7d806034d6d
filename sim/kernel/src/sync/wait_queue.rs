// SPDX-License-Identifier: GPL-2.0

//! Wait queues: kernel/sched/wait.c.
//!
//! - Entries that are not exclusive are at the head, exclusive ones at the tail:
//!   `add_wait_queue()`, `prepare_to_wait_exclusive()`.
//! - A wake-up walks from the head, until it has woken as many exclusive entries as it may:
//!   `__wake_up_common()`. It wakes a poller only if that asked for an event of the key.
//! - An entry whose task runs already is not woken, and the walk goes on:
//!   `try_to_wake_up()`. Such a task was interrupted by a signal, or woken elsewhere.

use crate::{rt, sim};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

std::thread_local! {
    static EXCLUSIVE_WAKEUPS: Cell<usize> = const { Cell::new(0) };
}

/// How often exclusive pollers were woken.
pub fn exclusive_wakeups() -> usize {
    EXCLUSIVE_WAKEUPS.get()
}

/// An entry of a queue.
pub struct Entry {
    task: usize,
    exclusive: bool,
    /// Leaves the queue when it is woken: `autoremove_wake_function()`.
    autoremove: bool,
    /// The events that it asked for; all if it is no poller.
    events: u32,
    /// How often it was woken, for tests.
    pub wakeups: Cell<usize>,
}

impl Entry {
    /// A sleeper.
    pub fn sleeper() -> Rc<Self> {
        Rc::new(Self {
            task: sim::current(),
            exclusive: true,
            autoremove: true,
            events: u32::MAX,
            wakeups: Cell::new(0),
        })
    }

    /// A poller that asks for `events`.
    pub fn poller(events: u32, exclusive: bool) -> Rc<Self> {
        Rc::new(Self {
            task: sim::current(),
            exclusive,
            autoremove: false,
            events,
            wakeups: Cell::new(0),
        })
    }

    /// Wakes the task. Returns whether a walk counts the entry as woken.
    fn wake(&self) -> bool {
        self.wakeups.set(self.wakeups.get() + 1);
        if self.exclusive && !self.autoremove {
            EXCLUSIVE_WAKEUPS.set(EXCLUSIVE_WAKEUPS.get() + 1);
        }
        // A poller notes that it was woken: `__pollwake()`, `ep_poll_callback()`.
        sim::wake(self.task) || !self.autoremove
    }
}

#[derive(Default)]
pub struct WaitQueue(RefCell<VecDeque<Rc<Entry>>>);

// SAFETY: Tasks take turns: one runs until it comes to `rt::point` or to a lock.
unsafe impl Send for WaitQueue {}
// SAFETY: As above.
unsafe impl Sync for WaitQueue {}

impl WaitQueue {
    pub fn add(&self, entry: Rc<Entry>) {
        if entry.exclusive {
            self.0.borrow_mut().push_back(entry);
        } else {
            self.0.borrow_mut().push_front(entry);
        }
    }

    pub fn remove(&self, entry: &Rc<Entry>) {
        self.0
            .borrow_mut()
            .retain(|other| !Rc::ptr_eq(other, entry));
    }

    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// Wakes entries that asked for one of `events`, at most `exclusive` exclusive ones.
    pub fn wake(&self, events: u32, exclusive: usize) {
        rt::point();
        self.walk(events, exclusive);
        sim::let_run();
    }

    /// Walks through the queue without a pause: the kernel's has a lock.
    fn walk(&self, events: u32, mut exclusive: usize) {
        let entries: Vec<_> = self.0.borrow().iter().cloned().collect();
        for entry in entries {
            if entry.events & events == 0 || !entry.wake() {
                continue;
            }
            if entry.autoremove {
                self.remove(&entry);
            }
            if entry.exclusive {
                exclusive -= 1;
                if exclusive == 0 {
                    break;
                }
            }
        }
    }
}
