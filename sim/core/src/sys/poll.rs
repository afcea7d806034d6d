// SPDX-License-Identifier: GPL-2.0

//! Pollers: fs/select.c, fs/eventpoll.c.

use kernel::{
    fs::File,
    prelude::*,
    sim,
    sync::{Entry, LockClassKey, WaitQueue},
};
use std::{convert::Infallible, rc::Rc};

/// A poll in progress, whose entry goes into the queues.
pub(crate) struct PollTable<'a> {
    pub(crate) entry: Rc<Entry>,
    pub(crate) queues: &'a mut Vec<*const PollQueue>,
}

pub(crate) struct PollQueue(WaitQueue);

impl PollQueue {
    #[allow(clippy::new_ret_no_self)]
    pub(crate) fn new(
        _name: &'static CStr,
        _key: Pin<&'static LockClassKey>,
    ) -> impl PinInit<Self> {
        // SAFETY: This initializes the slot, and does not fail.
        unsafe {
            pinned_init::pin_init_from_closure(|slot: *mut Self| {
                slot.write(Self(WaitQueue::default()));
                Ok::<(), Infallible>(())
            })
        }
    }

    /// # Safety
    ///
    /// As for the module's function.
    pub(crate) unsafe fn add(&self, _file: &File, table: &mut PollTable<'_>) {
        // `poll_wait()` allocates an entry.
        sim::allocate();
        sim::point();
        self.0.add(table.entry.clone());
        table.queues.push(self);
    }

    /// Removes the entry of a poll that has ended.
    pub(crate) fn remove(&self, entry: &Rc<Entry>) {
        sim::point();
        self.0.remove(entry);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn wake(&self, events: u32) {
        self.0.wake(events, 1);
    }

    pub(crate) fn wake_all(&self) {
        self.0.wake(u32::MAX, usize::MAX);
    }
}
