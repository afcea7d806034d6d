// SPDX-License-Identifier: GPL-2.0

//! The calls, made as mini_pipe/device makes them, and what must be true of their results.

use crate::{
    config,
    pipe::{call::Call as Flags, ends::OpenEnd, policy::Policy, poll::Interest},
    ring::{
        dir::{Dir, PerDir},
        storage::{pages_for, Storage},
        user::Buffer,
    },
    splice::Dest,
    stage::{check, policy, poll_mask, show, Doing, Facts, Stage},
    story,
    sys::{
        fasync,
        headers::{IOCB_NOSIGNAL, IOCB_NOWAIT},
        poll::{PollQueue, PollTable},
        task,
    },
};
use kernel::{
    bindings::{POLLERR, POLLHUP, POLLIN, POLLOUT},
    fs::{
        file::flags::{O_DIRECT, O_NONBLOCK},
        File,
    },
    iov::{iov_iter, IovIterDest, IovIterSource},
    page::PAGE_SIZE,
    prelude::*,
    sim,
    sync::{exclusive_wakeups, Entry},
};
use std::{cell::RefCell, rc::Rc};

/// An open file, which tasks may share.
pub(crate) struct Opened {
    pub(crate) file: File,
    pub(crate) end: RefCell<OpenEnd>,
    /// Its number in the reference.
    pub(crate) number: usize,
}

/// Opens the pipe.
pub(crate) fn open(stage: &Stage, modes: PerDir<bool>) -> Rc<Opened> {
    stage.begin(Doing::Open(modes));
    let end = stage.pipe.open(modes);
    stage.end();
    let number = stage.actor(|actor| actor.file);
    story::tell(sim::current(), || format!("opens file {number}"));
    Rc::new(Opened {
        file: File::new(number, 0),
        end: RefCell::new(end),
        number,
    })
}

/// Closes a file as `__fput()` does: it switches O_ASYNC off if the file has the flag FASYNC.
pub(crate) fn close(stage: &Stage, opened: &Opened) {
    let end = *opened.end.borrow();
    if opened.file.fasync.get() {
        stage.begin(Doing::Other);
        // SAFETY: As in `set_async`.
        let _ = unsafe { stage.pipe.set_fasync(&end, -1, &opened.file, false) };
    }
    check!(
        fasync::count(opened.number) == 0,
        "file {} is freed, and is still on a list of files with O_ASYNC",
        opened.number
    );
    stage.begin(Doing::Close);
    stage.actor(|actor| actor.file = opened.number);
    story::tell(sim::current(), || format!("closes file {}", opened.number));
    stage.pipe.close(&end);
    let (_, facts, _) = stage.end();
    check!(
        !stage.reference.borrow().is_open_file(opened.number),
        "file {} was closed, and the pipe was not told",
        opened.number
    );
    let sent = fasync::take_sent();
    for dir in [Dir::Read, Dir::Write] {
        let last = end.is(dir.other()) && !facts.is_open[dir.other()];
        check!(
            !sent[dir] || last,
            "SIGIO was sent for {dir:?} by a close that was not the last"
        );
    }
}

/// The calls of one task on one file.
pub(crate) struct Caller<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) opened: &'a Opened,
    /// Other tasks use the file, too.
    pub(crate) shared: bool,
    pub(crate) flags: u32,
    /// The value of the first byte that this task writes next.
    pub(crate) next: &'a std::cell::Cell<u8>,
}

impl Caller<'_> {
    pub(crate) fn call(&self, call: config::Call) {
        let task = sim::current();
        story::tell(task, || format!("{call} ..."));
        let modes = self.opened.end.borrow().modes();
        let result = match call {
            config::Call::Read(transfer) if modes.read => self.read(transfer),
            config::Call::Write(transfer) if modes.write => self.write(transfer),
            config::Call::Splice { len, room, busy } if modes.read => {
                self.splice(len, Dest::new(room, busy))
            }
            config::Call::Read(_) | config::Call::Write(_) | config::Call::Splice { .. } => {
                "EBADF".to_owned()
            }
            config::Call::Poll { exclusive, hangup } => self.poll(exclusive, hangup),
            config::Call::Ask => self.ask(),
            config::Call::EdgeTriggered => self.edge_triggered(),
            config::Call::Async { on, memory } => self.set_async(on, memory),
            config::Call::Resize {
                capacity,
                memory,
                killed,
            } => self.resize(capacity, memory, killed),
            config::Call::SetPolicy { rendezvous } => self.set_policy(rendezvous),
            config::Call::CountReadable => self.count_readable(),
            config::Call::ReadFdinfo => self.read_fdinfo(),
            config::Call::Signal(other) => {
                sim::signal(other);
                String::new()
            }
            config::Call::Reopen => String::new(),
        };
        story::tell(task, || format!("... {call} = {result}"));
        sim::take_signal();
    }

    /// Whether a call with these `IOCB_*` flags must not wait.
    fn is_nonblocking(&self, iocb: i32) -> bool {
        self.flags & O_NONBLOCK != 0 || iocb & IOCB_NOWAIT != 0
    }

    /// The file, with the flags of this task's calls.
    fn file(&self) -> File {
        File::new(self.opened.number, self.flags)
    }

    fn writes_packets(&self) -> bool {
        self.flags & O_DIRECT != 0
    }

    fn note_try(&self, dir: Dir, iocb: i32) {
        if self.is_nonblocking(iocb) {
            self.stage.note_try(dir);
        }
    }

    fn begin(&self, doing: Doing) {
        self.stage.begin(doing);
        self.stage.actor(|actor| actor.file = self.opened.number);
    }

    fn read(&self, transfer: config::Transfer) -> String {
        let to = sim::map(vec![0xff; transfer.len], transfer.faults);
        let file = self.file();
        let call = Flags::new(&file, transfer.iocb);
        let len = transfer.len;
        self.note_try(Dir::Read, transfer.iocb);
        self.begin(Doing::Read { to: Some(to) });
        let end = &*self.opened.end.borrow();
        let result = if transfer.iterator {
            let mut iter = iov_iter::new(to.0, len);
            self.stage
                .pipe
                .read(end, call, &mut IovIterDest::new(&mut iter))
        } else {
            self.stage.pipe.read(end, call, Buffer::new(to, len))
        };
        self.check_read(
            len,
            transfer.faults.nothing_from,
            self.is_nonblocking(transfer.iocb),
            &result,
        );
        show(&result)
    }

    fn splice(&self, len: usize, mut dest: Dest) -> String {
        let room = dest.room;
        let file = self.file();
        let call = Flags::new(&file, 0);
        self.note_try(Dir::Read, 0);
        self.begin(Doing::Read { to: None });
        let end = &*self.opened.end.borrow();
        let result = self.stage.pipe.splice(end, call, &mut dest, len);
        sim::set_holds(false);
        if result == Err(EAGAIN) && dest.bytes.is_empty() {
            // Perhaps the destination had no room.
            self.stage.end();
            return show(&result);
        }
        let spliced = self.stage.actor(|actor| std::mem::take(&mut actor.spliced));
        check!(
            spliced == dest.bytes,
            "spliced {:?}, and the pipe had {spliced:?}",
            dest.bytes
        );
        self.check_read(len.min(room), None, self.is_nonblocking(0), &result);
        sim::point();
        check!(dest.is_intact(), "a page that was spliced has changed");
        show(&result)
    }

    fn check_read(
        &self,
        len: usize,
        nothing_from: Option<usize>,
        nonblocking: bool,
        result: &Result<usize>,
    ) {
        self.check_waits(nonblocking);
        let (moved, facts, alone) = self.stage.end();
        match *result {
            Ok(0) => check!(
                len == 0 || facts.len == 0 && facts.closed.write,
                "a read returned 0, and it is not the end of file"
            ),
            Ok(count) => {
                check!(count == moved, "a read of {moved} bytes returned {count}");
                let may_stop = count == len
                    || nothing_from.is_some()
                    || self.stage.actor(|actor| actor.may_stop)
                    || facts.packet;
                if let (Some((least, packet)), None) =
                    (self.stage.actor(|actor| actor.reservable), nothing_from)
                {
                    let least = least.min(len);
                    check!(
                        count == least || count > least && !packet,
                        "a read of {len} bytes got {count}, and had reserved {least}"
                    );
                }
                check!(
                    may_stop || facts.len == 0,
                    "a read of {len} bytes got {count}, and a writer had put in {} more",
                    facts.len
                );
            }
            Err(error) => {
                check!(moved == 0, "a read of {moved} bytes returned {error:?}");
                self.check_error(error, nonblocking, nothing_from);
                if error == EAGAIN || error == ERESTARTSYS {
                    check!(
                        facts.contended.read || facts.readable == 0 && !facts.closed.write,
                        "a read returned {error:?}, and {} bytes are there",
                        facts.len
                    );
                }
            }
        }
        if *result == Err(EAGAIN) && facts.contended.read {
            self.stage.note_eagain(Dir::Read, &facts);
        }
        // A read that nobody disturbed gets all that was there.
        let reach = len.min(nothing_from.unwrap_or(len));
        if let (Some(before), Ok(count)) = (alone, result) {
            if before.available > 0 && !before.contended.read && len > 0 {
                check!(
                    *count == before.available.min(reach),
                    "a read of {len} bytes got {count} of {}",
                    before.available
                );
            }
        }
    }

    fn write(&self, transfer: config::Transfer) -> String {
        let len = transfer.len;
        let bytes: Vec<u8> = (0..len)
            .map(|_| {
                let value = self.next.get();
                // Each task has values of its own.
                self.next.set(value & 0xe0 | value.wrapping_add(1) & 0x1f);
                value
            })
            .collect();
        let from = sim::map(bytes.clone(), transfer.faults);
        let file = self.file();
        let call = Flags::new(&file, transfer.iocb);
        let is_packet = self.writes_packets();
        self.note_try(Dir::Write, transfer.iocb);
        self.begin(Doing::Write {
            from: Rc::new(bytes),
            is_packet,
            blocking: !self.is_nonblocking(transfer.iocb),
            good: transfer.faults.nothing_from.unwrap_or(len).min(len),
        });
        let end = &*self.opened.end.borrow();
        sim::limit_memory(transfer.memory);
        let result = if transfer.iterator {
            let mut iter = iov_iter::new(from.0, len);
            let from = &mut IovIterSource::new(&mut iter);
            self.stage.pipe.write(end, call, from)
        } else {
            self.stage.pipe.write(end, call, Buffer::new(from, len))
        };
        sim::limit_memory(None);
        self.check_write(&transfer, &result);
        show(&result)
    }

    fn check_write(&self, transfer: &config::Transfer, result: &Result<usize>) {
        let len = transfer.len;
        self.check_waits(self.is_nonblocking(transfer.iocb));
        let (moved, facts, alone) = self.stage.end();
        let rendezvous = self.stage.actor(|actor| actor.rendezvous);
        let whole = self.writes_packets() || len <= facts.atomic_limit;
        let needed = if whole {
            (len - moved).min(facts.atomic_limit)
        } else {
            1
        };
        match *result {
            Ok(count) => {
                check!(count == moved, "a write of {moved} bytes returned {count}");
                // What a reader has reserved counts as read.
                let reserved = facts.len - facts.readable;
                check!(
                    !rendezvous || facts.own <= reserved,
                    "a write has returned, and {} of its bytes have not been read",
                    facts.own
                );
                let may_be_short = self.is_nonblocking(transfer.iocb)
                    || transfer.faults.nothing_from.is_some()
                    || facts.closed.read
                    || sim::has_signal();
                check!(
                    count == len || may_be_short,
                    "a write of {len} bytes returned {count}, for no reason"
                );
            }
            Err(error) => {
                check!(moved == 0, "a write of {moved} bytes returned {error:?}");
                if error == EPIPE {
                    check!(
                        facts.closed.read,
                        "a write returned EPIPE, and a reader is open"
                    );
                } else {
                    self.check_error(
                        error,
                        self.is_nonblocking(transfer.iocb),
                        transfer.faults.nothing_from,
                    );
                }
                // A rendezvous has waited for readers, and not for room.
                let starved = sim::memory_has_ended() && facts.len > 0;
                if !rendezvous && !starved && (error == EAGAIN || error == ERESTARTSYS) {
                    check!(
                        facts.contended.write || facts.writable < needed && !facts.closed.read,
                        "a write of {needed} bytes returned {error:?}, and there is room for {}",
                        facts.writable
                    );
                }
            }
        }
        if *result == Err(EAGAIN) && facts.contended.write {
            self.stage.note_eagain(Dir::Write, &facts);
        }
        // SIGPIPE comes with EPIPE, and may come with a short count.
        let allowed = facts.closed.read && transfer.iocb & IOCB_NOSIGNAL == 0;
        let got = task::take_sigpipe();
        check!(
            got == allowed || !got && *result != Err(EPIPE),
            "SIGPIPE was sent: {got}, and should be: {allowed}"
        );
        // A write that fits, and that nobody disturbed, puts in all bytes before a fault, but
        // nothing if it is atomic and faults.
        if let Some(before) = alone {
            check!(
                result.is_err() || !before.closed.read || len == 0,
                "a write of {len} bytes succeeds, and the readers are closed"
            );
            let fits = before.room >= len && !before.contended.write;
            if fits && !rendezvous && !sim::memory_has_ended() && !before.closed.read {
                let expected = match transfer.faults.nothing_from {
                    Some(bad) if bad < len && (whole || bad == 0) => Err(EFAULT),
                    Some(bad) => Ok(bad.min(len)),
                    None => Ok(len),
                };
                check!(
                    *result == expected || self.writes_packets(),
                    "a write of {len} bytes gives {result:?}, not {expected:?}"
                );
            }
        }
    }

    /// A non-blocking call neither spins nor sleeps.
    fn check_waits(&self, nonblocking: bool) {
        let waits = sim::waits() - self.stage.actor(|actor| actor.waits);
        check!(waits == 0 || !nonblocking, "a non-blocking call has waited");
    }

    fn check_error(&self, error: Error, nonblocking: bool, nothing_from: Option<usize>) {
        let holds = match error {
            EAGAIN => nonblocking,
            ERESTARTSYS => sim::has_signal(),
            EFAULT => nothing_from.is_some(),
            _ => false,
        };
        check!(holds, "a call returned {error:?}, for no reason");
    }

    fn wanted(&self) -> u32 {
        let modes = self.opened.end.borrow().modes();
        let mut wanted = POLLERR | POLLHUP;
        wanted |= if modes.read { POLLIN } else { 0 };
        wanted | if modes.write { POLLOUT } else { 0 }
    }

    /// Polls once, and adds `entry` to the queues.
    fn poll_once(
        &self,
        edge_triggered: bool,
        entry: Option<(&Rc<Entry>, &mut Vec<*const PollQueue>)>,
    ) -> u32 {
        self.stage.note_try(Dir::Read);
        self.stage.note_try(Dir::Write);
        let end = &*self.opened.end.borrow();
        let interest = Interest {
            table: entry.map(|(entry, queues)| PollTable {
                entry: entry.clone(),
                queues,
            }),
            edge_triggered,
        };
        let mask = self.stage.pipe.poll(end, &self.opened.file, interest);
        let facts = self.stage.actor(|actor| actor.facts);
        let expected = expected_mask(end.modes(), &facts);
        check!(
            mask == expected,
            "poll reports {mask:#x}, and should report {expected:#x}"
        );
        mask
    }

    fn ask(&self) -> String {
        self.begin(Doing::Other);
        format!("{:#x}", self.poll_once(false, None))
    }

    fn poll(&self, exclusive: bool, hangup: bool) -> String {
        let wanted = if hangup {
            POLLERR | POLLHUP
        } else {
            self.wanted()
        };
        let entry = Entry::poller(wanted, exclusive);
        let mut queues = Vec::new();
        self.begin(Doing::Poll {
            wanted,
            exclusive,
            wakeups: exclusive_wakeups(),
        });
        let mut first = Some((&entry, &mut queues));
        let result = loop {
            sim::prepare_to_sleep();
            let mask = self.poll_once(false, first.take()) & wanted;
            if mask != 0 {
                break format!("{mask:#x}");
            }
            if sim::has_signal() {
                break "EINTR".to_owned();
            }
            sim::schedule();
        };
        self.leave(&entry, queues);
        result
    }

    fn edge_triggered(&self) -> String {
        let entry = Entry::poller(self.wanted(), false);
        let mut queues = Vec::new();
        self.begin(Doing::Other);
        self.poll_once(true, Some((&entry, &mut queues)));
        // What the pipe had at first counts as an event; from here on, each write is one.
        let wakeups = entry.wakeups.get();
        let writes = self.stage.writes.get();
        self.begin(Doing::EdgeTriggered {
            entry: entry.clone(),
            wakeups,
            writes,
        });
        sim::prepare_to_sleep();
        if entry.wakeups.get() == wakeups {
            sim::schedule();
        }
        self.leave(&entry, queues);
        "an event".to_owned()
    }

    /// A poll ends.
    fn leave(&self, entry: &Rc<Entry>, queues: Vec<*const PollQueue>) {
        sim::run_again();
        for queue in queues {
            // SAFETY: The pipe, whose queue it is, is there until all tasks have ended.
            unsafe { &*queue }.remove(entry);
        }
        self.stage.end();
    }

    fn set_async(&self, on: bool, memory: Option<usize>) -> String {
        self.begin(Doing::Other);
        let end = *self.opened.end.borrow();
        let before = fasync::count(self.opened.number);
        sim::limit_memory(memory);
        // SAFETY: `close` calls this for a file with the flag; the stand-in checks it.
        let result = unsafe { self.stage.pipe.set_fasync(&end, 3, &self.opened.file, on) };
        sim::limit_memory(None);
        let lists = usize::from(end.is(Dir::Read)) + usize::from(end.is(Dir::Write));
        let listed = fasync::count(self.opened.number);
        check!(
            self.shared || result.is_err() || listed == if on { lists } else { 0 },
            "O_ASYNC is {on}, and the file is on {listed} lists"
        );
        check!(
            self.shared || result.is_ok() || listed == before,
            "there was no memory for O_ASYNC, and the file is on {listed} lists, not {before}"
        );
        check!(
            self.shared || result.is_err() || result == Ok(listed != before),
            "O_ASYNC has changed from {before} lists to {listed}: {result:?}"
        );
        show(&result)
    }

    /// F_SETPIPE_SZ, as device/limits.rs does it.
    fn resize(&self, capacity: usize, memory: Option<usize>, killed: bool) -> String {
        self.begin(Doing::Other);
        let mut before;
        let result = loop {
            let size = self.stage.pipe.size();
            before = size.capacity;
            sim::limit_memory(memory);
            task::set_killed(killed);
            let storage = if capacity == size.capacity {
                Ok(None)
            } else {
                let charge = size
                    .account
                    .map(|account| account.charge(pages_for(capacity)));
                Storage::for_resize(capacity, charge).map(Some)
            };
            sim::limit_memory(None);
            task::set_killed(false);
            let resized =
                storage.and_then(|storage| self.stage.pipe.resize(size.capacity, storage));
            match resized {
                Ok(false) => {}
                Ok(true) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        let facts = self.stage.actor(|actor| actor.facts);
        let reserved = facts.contended.write;
        if result == Err(EBUSY) && !reserved {
            let reference = self.stage.reference.borrow();
            check!(
                facts.len > capacity || reference.packet_count() > 0,
                "{} bytes do not fit into {capacity}",
                facts.len
            );
        }
        check!(
            result.is_err() || facts.capacity == capacity,
            "a resize to {capacity} bytes leaves {}",
            facts.capacity
        );
        check!(
            result != Err(ENOMEM) || memory.is_some() || capacity > 100 * PAGE_SIZE,
            "there was memory, and the result is ENOMEM"
        );
        check!(
            result.is_err() || !killed || capacity == before,
            "a task that is killed has resized the pipe"
        );
        show(&result)
    }

    fn count_readable(&self) -> String {
        self.begin(Doing::Other);
        let readable = self.stage.pipe.readable();
        let facts = self.stage.actor(|actor| actor.facts);
        check!(
            readable == facts.readable,
            "FIONREAD says {readable}, and it is {}",
            facts.readable
        );
        readable.to_string()
    }

    /// fdinfo, as device/ioctl.rs shows it.
    fn read_fdinfo(&self) -> String {
        self.begin(Doing::Other);
        let status = self.stage.pipe.status();
        let facts = self.stage.actor(|actor| actor.facts);
        let moved = status.total.write - status.total.read;
        check!(
            status.readable == facts.readable && moved as usize >= facts.len,
            "fdinfo says that {} bytes are readable, and {moved} are in the pipe",
            status.readable
        );
        let is_private = self.stage.pipe.is_private();
        check!(
            is_private == self.stage.reference.borrow().private,
            "the pipe is private: {is_private}"
        );
        let counted = status.sleeps.read + status.sleeps.write;
        format!(
            "{} bytes of {}, {} readers, {} writers, {}, {counted} sleeps, {} wake-ups",
            status.readable,
            status.capacity,
            status.open_files.read,
            status.open_files.write,
            status.policy.name().to_string_lossy(),
            status.wakeups.read + status.wakeups.write
        )
    }

    fn set_policy(&self, rendezvous: bool) -> String {
        self.begin(Doing::Other);
        let wanted = policy(rendezvous);
        check!(
            Policy::from_number(wanted as usize) == Some(wanted)
                && Policy::from_name(wanted.name().to_bytes()) == Some(wanted),
            "a policy has another number, or name"
        );
        let result = self.stage.pipe.set_policy(wanted);
        let facts = self.stage.actor(|actor| actor.facts);
        check!(
            result.is_err() || facts.len == 0,
            "the policy was changed, and {} bytes are there",
            facts.len
        );
        check!(
            result.is_err() || !facts.contended.write,
            "the policy was changed while a write excludes others"
        );
        check!(
            result.is_ok() || facts.len > 0 || !self.stage.is_alone(),
            "the policy was not changed, and the pipe is idle"
        );
        show(&result)
    }
}

fn expected_mask(modes: PerDir<bool>, facts: &Facts) -> u32 {
    poll_mask(
        modes,
        PerDir {
            read: !facts.contended.read && facts.readable > 0,
            write: !facts.contended.write && facts.writable >= facts.atomic_limit,
        },
        PerDir {
            read: facts.closed.read,
            write: !facts.contended.read && facts.closed.write,
        },
    )
}
