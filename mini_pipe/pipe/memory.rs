// SPDX-License-Identifier: GPL-2.0

//! The memory of a private pipe: pages come with the bytes, and go when the pipe is empty.
//!
//! A write whose bytes need pages takes those that no byte needs any more, and allocates others
//! without the mutex. If memory is short, the write goes on with the room that has pages. If no
//! such room is left, it waits as in a full pipe, until bytes are read. In an empty pipe, it uses a
//! page that the pipe has kept, else waits for one: a page is enough for an atomic write.
//!
//! A call that empties the pipe frees most of its pages, see [`crate::ring::growth`], unless the
//! pipe needed pages again soon after the last time that it freed some: see
//! [`crate::pipe::patience`].

use crate::{
    pipe::{
        state::StateGuard,
        wait::wakeups::Wakeups,
        Pipe, //
    },
    ring::growth::Batch, //
};

impl Pipe {
    /// Gives the ring `missing` pages for a write, or fewer if memory is short. Also returns
    /// whether memory was short.
    #[cold]
    pub(in crate::pipe) fn grow<'a>(
        &'a self,
        mut guard: StateGuard<'a>,
        missing: usize,
    ) -> (StateGuard<'a>, bool) {
        let least = guard.ring.reuse_first_page();
        drop(guard);
        let mut batch = Batch::new();
        let enough = batch.allocate(missing, least);

        let mut guard = self.state.lock();
        let are_left = guard.ring.add_pages(&mut batch);
        guard.patience.renew();
        if are_left || guard.rendezvous_asleep {
            // Pages that are left are freed without the mutex. The writer of a rendezvous that has
            // begun meanwhile can use those that were added.
            let wakeups = Wakeups::rendezvous(guard.rendezvous_asleep);
            self.unlock_and_wake(guard, wakeups);
            drop(batch);
            guard = self.state.lock();
        }
        (guard, !enough)
    }

    /// Drops the mutex and sends `wakeups`. Frees the pages that the pipe, which is empty, does not
    /// keep.
    #[cold]
    pub(in crate::pipe) fn shrink(&self, mut guard: StateGuard<'_>, wakeups: Wakeups) {
        let mut batch = Batch::new();
        let mut more = guard.ring.take_surplus(&mut batch);
        self.unlock_and_wake(guard, wakeups);
        drop(batch);
        while more {
            let mut batch = Batch::new();
            more = self.state.lock().ring.take_surplus(&mut batch);
        }
    }
}
