// SPDX-License-Identifier: GPL-2.0

//! A wait queue of pollers: tasks in poll(2) or select(2), and entries of epoll(7), io_uring and
//! libaio.
//!
//! The kernel crate's `PollCondVar` sends wake-ups without a poll key. [`PollQueue`] sends the key,
//! as fs/pipe.c does: a poller that asked for another event sleeps on, and of the exclusive pollers
//! (`EPOLLEXCLUSIVE`) one is woken.

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

/// A poll in progress that wants to be added to wait queues.
pub(crate) struct PollTable<'a>(&'a mut bindings::poll_table);

impl<'a> PollTable<'a> {
    /// [`None`] for a poll that does not wait, or that has been added to its queues before.
    pub(crate) fn new(table: Option<&'a mut bindings::poll_table>) -> Option<Self> {
        table.filter(|table| table._qproc.is_some()).map(Self)
    }
}

/// A wait queue of pollers.
#[pin_data]
pub(crate) struct PollQueue {
    #[pin]
    queue: Opaque<bindings::wait_queue_head>,
    /// The list in the queue points to itself.
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: Any thread may use a `struct wait_queue_head`: it has a lock of its own.
unsafe impl Send for PollQueue {}
// SAFETY: As above.
unsafe impl Sync for PollQueue {}

impl PollQueue {
    /// An empty queue.
    pub(crate) fn new(name: &'static CStr, key: Pin<&'static LockClassKey>) -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: `slot` is valid for writes; `name` and `key` are static.
            queue <- Opaque::ffi_init(|slot| unsafe {
                bindings::__init_waitqueue_head(slot, name.as_char_ptr(), key.as_ptr())
            }),
            _pin: PhantomPinned,
        })
    }

    /// Adds a poll of `file`. The poll removes itself.
    ///
    /// Context: process context; allocates memory, and may sleep.
    ///
    /// # Safety
    ///
    /// `self` must live until `file` has been released. By then no poll is in the queue: `__fput()`
    /// calls `eventpoll_release()` before `release`, and all other polls hold a reference to the
    /// file.
    pub(crate) unsafe fn add(&self, file: &File, table: &mut PollTable<'_>) {
        // SAFETY: The file is open, the table is valid and, by the safety requirements, the queue
        // outlives the entry.
        unsafe { bindings::poll_wait(file.as_ptr(), self.queue.get(), table.0) };
    }

    /// Whether the queue is empty: `waitqueue_active()`.
    ///
    /// A caller that changes the condition must call this after the change, in the same critical
    /// section or later. If a poller is not seen here, it has yet to take the lock to test the
    /// condition, and then sees the change.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        let head = self.queue.get();
        // SAFETY: The queue is valid. The link is read once and not followed.
        unsafe { (&raw const (*head).head.next).read_volatile() == &raw mut (*head).head }
    }

    /// Wakes all pollers that wait for one of `events` (`POLL*` bits), but only one exclusive
    /// poller. A sync wake-up: the caller is usually about to sleep.
    ///
    /// Context: any.
    pub(crate) fn wake(&self, events: u32) {
        // SAFETY: The queue is valid. The key is a number, as `poll_to_key()` makes it.
        unsafe {
            bindings::__wake_up_sync_key(
                self.queue.get(),
                TASK_NORMAL,
                ptr::without_provenance_mut(events as usize),
            )
        };
    }

    /// Wakes all pollers, whatever they wait for.
    ///
    /// Context: any.
    pub(crate) fn wake_all(&self) {
        // SAFETY: The queue is valid. A wake-up without a key is for all events.
        unsafe { bindings::__wake_up(self.queue.get(), TASK_NORMAL, 0, ptr::null_mut()) };
    }
}
