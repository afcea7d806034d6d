// SPDX-License-Identifier: GPL-2.0

//! The pollers of one side: those who wait for it in `poll(2)`, `select(2)`, `epoll(7)`, io_uring
//! or libaio.
//!
//! The kernel crate's `PollCondVar` does not say what a wake-up is for. This one does, as those of
//! fs/pipe.c: a poller that asked for something else sleeps on, and an exclusive one
//! (`EPOLLEXCLUSIVE`) takes the wake-up from the other exclusive ones.

use core::{
    marker::PhantomPinned,
    ptr, //
};
use kernel::{
    bindings,
    fs::File,
    prelude::*,
    sync::LockClassKey,
    task::TASK_NORMAL,
    types::Opaque, //
};

/// A poll in progress, which may want to be told of changes.
pub(crate) struct PollTable<'a>(&'a mut bindings::poll_table);

impl<'a> PollTable<'a> {
    /// The table of a poll that wants to be told; [`None`] for one that only asks, because it has
    /// registered before or does not wait.
    pub(crate) fn new(table: Option<&'a mut bindings::poll_table>) -> Option<Self> {
        table.filter(|table| table._qproc.is_some()).map(Self)
    }
}

/// A wait queue of pollers.
#[pin_data]
pub(crate) struct Pollers {
    #[pin]
    queue: Opaque<bindings::wait_queue_head>,
    /// The queue has pointers to itself.
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: A `struct wait_queue_head` may be used by any thread: it has a lock of its own.
unsafe impl Send for Pollers {}
// SAFETY: As above.
unsafe impl Sync for Pollers {}

impl Pollers {
    /// No pollers.
    pub(crate) fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `slot` may be written to; `name` and `key` live for ever.
            queue <- Opaque::ffi_init(|slot| unsafe {
                bindings::__init_waitqueue_head(slot, name.as_char_ptr(), key.as_ptr())
            }),
            _pin: PhantomPinned,
        })
    }

    /// Adds the poll of `table` on `file`, until it ends by itself. Allocates memory, and may
    /// sleep.
    ///
    /// # Safety
    ///
    /// `self` must live until `file` has been released. The kernel takes every poller off before
    /// that: `__fput()` calls `eventpoll_release()` before it calls `release`, and all others hold
    /// a reference to the file while they poll.
    pub(crate) unsafe fn add(&self, file: &File, table: &mut PollTable<'_>) {
        // SAFETY: The file is open, the table is valid, and by the safety requirements the queue
        // outlives what is added.
        unsafe { bindings::poll_wait(file.as_ptr(), self.queue.get(), table.0) };
    }

    /// Whether nobody polls.
    ///
    /// Who changes what they wait for asks this after the change, in the critical section that made
    /// it or later. A poller that this misses was added after that section, and, since it takes the
    /// same lock before it looks, has seen the change.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        let head = self.queue.get();
        // SAFETY: The queue is valid. This is `waitqueue_active()`: its head's link is read once,
        // and not followed.
        unsafe { (&raw const (*head).head.next).read_volatile() == &raw mut (*head).head }
    }

    /// Wakes those who wait for one of `events`, a set of `POLL*` bits; of the exclusive ones, one.
    /// The kernel is told that the caller is about to sleep, which it mostly is.
    pub(crate) fn wake(&self, events: u32) {
        // SAFETY: The queue is valid. The key is what <linux/poll.h> makes of events; it is not
        // followed.
        unsafe {
            bindings::__wake_up_sync_key(
                self.queue.get(),
                TASK_NORMAL,
                ptr::without_provenance_mut(events as usize),
            )
        };
    }

    /// Wakes all of them: for what concerns whoever polls, whatever it waits for.
    pub(crate) fn wake_all(&self) {
        // SAFETY: The queue is valid. Without a key, a wake-up is for everything.
        unsafe { bindings::__wake_up(self.queue.get(), TASK_NORMAL, 0, ptr::null_mut()) };
    }
}
