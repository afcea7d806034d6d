// SPDX-License-Identifier: GPL-2.0

//! What one can ask of a pipe, and change.

use super::*;
use crate::{
    limits,
    params,
    ring::{
        pages_for,
        Storage, //
    }, //
};
use kernel::{
    seq_file::SeqFile,
    seq_print, //
};

impl Pipe {
    /// Returns how many bytes wait for a reader, as `FIONREAD`.
    pub(crate) fn readable(&self) -> usize {
        self.state.lock().ring.indices().readable()
    }

    /// Returns how many bytes the pipe can hold, as `F_GETPIPE_SZ`.
    pub(crate) fn capacity(&self) -> usize {
        self.state.lock().ring.indices().capacity()
    }

    /// Lets the pipe hold `capacity` bytes from now on, as `F_SETPIPE_SZ`, but no more than that.
    /// What is in it stays. Copies in progress go on. May sleep.
    ///
    /// # Errors
    ///
    /// - As [`limits::check`]; but who asks for no more than there is does not need privileges.
    /// - `EPERM`: more, when there are too many pages in the pipes of the user who made it.
    /// - `EBUSY`: the bytes that are in the pipe, or about to come in, do not fit, or the packets.
    /// - `ENOMEM`. Nobody is killed to find more memory.
    /// - `EINTR`: the caller is being killed.
    pub(crate) fn set_capacity(&self, capacity: usize) -> Result {
        while !self.try_set_capacity(capacity)? {}
        Ok(())
    }

    /// As [`Pipe::set_capacity`]; [`false`] if somebody else did the same in the meantime, so that
    /// what was checked here no longer holds.
    fn try_set_capacity(&self, capacity: usize) -> Result<bool> {
        let state = self.state.lock();
        let before = state.ring.indices().capacity();
        let pages = state.ring.storage().page_count();
        let account = state.ring.storage().account().cloned();
        if capacity == before {
            self.tell_size(state);
            return Ok(true);
        }
        drop(state);

        let grows = capacity > before;
        if grows || capacity == 0 {
            limits::check(capacity)?;
        }
        let charge = account
            .as_ref()
            .map(|account| account.charge(pages_for(capacity)));
        let is_above = |limit| {
            account
                .as_ref()
                .is_some_and(|account| account.is_above(limit, pages))
        };
        if grows && (is_above(params::user_pages_soft()) || is_above(params::user_pages_hard())) {
            return Err(EPERM);
        }
        let mut storage = Storage::new(capacity, charge)?;
        let fewer = pages.min(storage.page_count());
        let mut displaced = KVVec::with_capacity(fewer, GFP_KERNEL)?;

        let mut state = self.state.lock();
        if state.ring.indices().capacity() != before {
            return Ok(false);
        }
        state.ring.resize(&mut storage, &mut displaced)?;
        state.waiting_writers.set_threshold(enough_room(capacity));
        self.tell_size(state);
        Ok(true)
    }

    /// Tells all writers that somebody has set the size of the pipe, as fs/pipe.c does even if it
    /// is the same.
    fn tell_size(&self, mut state: Guard<'_, State, MutexBackend>) {
        let writers = state.waiting_writers.all_if(true);
        drop(state);
        self.send_wakeups(Wakeups {
            readers: SideWakeup::NONE,
            writers,
            signal_readers: false,
            signal_writers: false,
            rendezvous: true,
        });
    }

    /// Returns when a blocking write returns.
    pub(crate) fn policy(&self) -> Policy {
        self.state.lock().policy
    }

    /// Changes when a blocking write returns.
    ///
    /// # Errors
    ///
    /// `EBUSY`: there are bytes in the pipe, or somebody reads or writes, or waits to.
    pub(crate) fn set_policy(&self, policy: Policy) -> Result {
        let mut state = self.state.lock();
        let is_idle = state.ring.indices().is_empty()
            && !state.is_writing()
            && !state.waiting_readers.is_anybody_asleep()
            && !state.waiting_writers.is_anybody_asleep();
        if !is_idle {
            return Err(EBUSY);
        }
        state.policy = policy;
        Ok(())
    }

    /// Whether the pipe came into the world with both its ends.
    pub(crate) fn is_private(&self) -> bool {
        self.state.lock().ends.is_anonymous()
    }

    /// Prints the lines of /proc/PID/fdinfo.
    pub(crate) fn show(&self, to: &SeqFile) {
        let state = self.state.lock();
        let indices = state.ring.indices();
        let (capacity, bytes) = (indices.capacity(), indices.readable());
        let (readers, writers) = state.ends.counts();
        let policy = state.policy;
        let (bytes_in, bytes_out) = (state.bytes_in, state.bytes_out);
        let (reader_sleeps, reader_wakeups) = state.waiting_readers.counts();
        let (writer_sleeps, writer_wakeups) = state.waiting_writers.counts();
        drop(state);

        seq_print!(to, "capacity:\t{capacity}\n");
        seq_print!(to, "bytes:\t{bytes}\n");
        seq_print!(to, "readers:\t{readers}\n");
        seq_print!(to, "writers:\t{writers}\n");
        seq_print!(to, "policy:\t{}\n", policy.word());
        seq_print!(to, "bytes-in:\t{bytes_in}\n");
        seq_print!(to, "bytes-out:\t{bytes_out}\n");
        seq_print!(to, "reader-sleeps:\t{reader_sleeps}\n");
        seq_print!(to, "writer-sleeps:\t{writer_sleeps}\n");
        seq_print!(to, "reader-wakeups:\t{reader_wakeups}\n");
        seq_print!(to, "writer-wakeups:\t{writer_wakeups}\n");
    }
}
