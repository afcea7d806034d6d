// SPDX-License-Identifier: GPL-2.0

//! Lists of files with `O_ASYNC`: fs/fcntl.c. A list has a lock of its own, and adding may fail.

use crate::ring::dir::{Dir, PerDir};
use kernel::{bindings::POLL_IN, fs::File, prelude::*, sim};
use std::cell::{Cell, RefCell};

std::thread_local! {
    static SENT: Cell<PerDir<usize>> = const { Cell::new(PerDir { read: 0, write: 0 }) };
    /// Who sent signals, and to which direction.
    static SENDERS: RefCell<Vec<(usize, Dir)>> = const { RefCell::new(Vec::new()) };
    /// The files that are on a list, once for each.
    static LISTED: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// How many times signals were sent to the files of a direction.
pub(crate) fn sent(dir: Dir) -> usize {
    SENT.get()[dir]
}

/// On how many lists a file is.
pub(crate) fn count(file: usize) -> usize {
    LISTED.with_borrow(|files| files.iter().filter(|other| **other == file).count())
}

/// To which directions the current task has sent signals. Forgets that.
pub(crate) fn take_sent() -> PerDir<bool> {
    let task = sim::current();
    SENDERS.with_borrow_mut(|senders| {
        let sent = PerDir {
            read: senders.contains(&(task, Dir::Read)),
            write: senders.contains(&(task, Dir::Write)),
        };
        senders.retain(|(sender, _)| *sender != task);
        sent
    })
}

/// Forgets the files of the last run.
pub(crate) fn forget() {
    SENDERS.take();
    LISTED.take();
}

/// The files on a list.
#[derive(Default)]
pub(crate) struct FasyncList(RefCell<Vec<usize>>);

// SAFETY: Tasks take turns.
unsafe impl Send for FasyncList {}
// SAFETY: As above.
unsafe impl Sync for FasyncList {}

impl FasyncList {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds or removes `file`, and its flag: `fasync_helper()`.
    ///
    /// # Safety
    ///
    /// None here: [`count`] says whether a file that is freed is still on a list.
    pub(crate) unsafe fn update(&self, _fd: c_int, file: &File, on: bool) -> Result<bool> {
        sim::point();
        let had = self.0.borrow().contains(&file.number);
        if on && !had {
            if !sim::has_memory() {
                return Err(ENOMEM);
            }
            self.0.borrow_mut().push(file.number);
            LISTED.with_borrow_mut(|files| files.push(file.number));
            file.fasync.set(true);
        } else if !on && had {
            self.0.borrow_mut().retain(|other| *other != file.number);
            LISTED.with_borrow_mut(|files| {
                let listed = files.iter().position(|other| *other == file.number);
                listed.map(|place| files.remove(place))
            });
            file.fasync.set(false);
        }
        Ok(on != had)
    }

    pub(crate) fn kill(&self, band: c_uint) {
        sim::point();
        let mut sent = SENT.get();
        let dir = if band == POLL_IN {
            Dir::Read
        } else {
            Dir::Write
        };
        sent[dir] += 1;
        SENDERS.with_borrow_mut(|senders| senders.push((sim::current(), dir)));
        SENT.set(sent);
    }
}
