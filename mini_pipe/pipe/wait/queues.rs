// SPDX-License-Identifier: GPL-2.0

//! The wait queues of one direction.

use crate::{
    pipe::wait::{
        spin::Spinner,
        waiters::{
            Selected,
            Wake, //
        }, //
    },
    sys::poll::PollQueue, //
};
use kernel::{
    prelude::*,
    sync::{
        CondVar,
        LockClassKey, //
    }, //
};

/// Where the tasks of one direction wait.
#[pin_data]
pub(crate) struct Queues {
    /// Sleeping reads or writes. They have a queue of their own: an exclusive wake-up must not go
    /// to a poller, which need not move any bytes.
    #[pin]
    pub(crate) sleepers: CondVar,
    #[pin]
    pub(crate) pollers: PollQueue,
    /// The `POLL*` bits of this direction.
    pub(crate) events: u32,
    pub(crate) spinner: Spinner,
}

impl Queues {
    /// Empty queues, with the names and lock classes of `sleepers` and `pollers`.
    pub(crate) fn new(
        names: [&'static CStr; 2],
        keys: [Pin<&'static LockClassKey>; 2],
        events: u32,
    ) -> impl PinInit<Self> {
        pin_init!(Self {
            sleepers <- CondVar::new(names[0], keys[0]),
            pollers <- PollQueue::new(names[1], keys[1]),
            events,
            spinner: Spinner::new(),
        })
    }

    /// Wakes the selected waiters. Pollers first: fs/pipe.c has one queue for both, where pollers
    /// come before the exclusive sleepers. Exclusive wake-ups are sync wake-ups: the caller is
    /// usually about to sleep.
    #[inline(always)]
    pub(crate) fn wake(&self, selected: Selected) {
        match selected.pollers {
            Wake::None => {}
            Wake::Exclusive => self.pollers.wake(self.events),
            Wake::All => self.pollers.wake_all(),
        }
        match selected.sleepers {
            Wake::None => {}
            Wake::Exclusive => self.sleepers.notify_sync(),
            Wake::All => self.sleepers.notify_all(),
        }
    }
}
