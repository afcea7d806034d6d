// SPDX-License-Identifier: GPL-2.0

//! The stage of one run: it compares the pipe with the reference pipe whenever a task drops the
//! mutex, and whenever all tasks sleep.

use crate::{
    pipe::{policy::Policy, state::State, Pipe},
    reference::Reference,
    ring::dir::{Dir, PerDir},
    story,
    sys::{account::UserAccount, fasync, page},
};
use kernel::{
    bindings::{POLLERR, POLLHUP},
    prelude::*,
    sim::{self, fail, Watcher},
    sync::{exclusive_wakeups, Arc, Entry},
    uaccess::UserPtr,
};
use std::{
    any::type_name,
    cell::{Cell, RefCell},
    rc::Rc,
};

const PIPE_BUF: usize = kernel::bindings::PIPE_BUF as usize;

/// Fails unless `condition` holds.
macro_rules! check {
    ($condition:expr, $($format:tt)*) => {
        if !$condition {
            kernel::sim::fail(&format!($($format)*));
        }
    };
}
pub(crate) use check;

/// What a task is doing.
#[derive(Clone)]
pub(crate) enum Doing {
    /// A call that neither moves bytes nor waits.
    Other,
    Open(PerDir<bool>),
    Close,
    /// Moves bytes out, to user memory at the address; a splice has none.
    Read {
        to: Option<UserPtr>,
    },
    /// Moves bytes in.
    Write {
        from: Rc<Vec<u8>>,
        is_packet: bool,
        blocking: bool,
        /// How many of the bytes can be read.
        good: usize,
    },
    /// Waits until one of these events is there.
    Poll {
        wanted: u32,
        exclusive: bool,
        wakeups: usize,
    },
    /// Waits for an event, whether anything is there or not. `wakeups` and `writes`: how often the
    /// entry had been woken, and how many writes had come, when the wait began.
    EdgeTriggered {
        entry: Rc<Entry>,
        wakeups: usize,
        writes: usize,
    },
}

/// What the reference says at some time, for a task with a file.
#[derive(Clone, Copy, Default)]
pub(crate) struct Facts {
    pub(crate) len: usize,
    pub(crate) capacity: usize,
    pub(crate) room: usize,
    pub(crate) atomic_limit: usize,
    /// For each end of the pipe: the task's file has seen a peer there, and all of them are closed.
    pub(crate) closed: PerDir<bool>,
    /// For each end: some file has it open.
    pub(crate) is_open: PerDir<bool>,
    /// For each direction: a call, perhaps this task's, excludes all others.
    pub(crate) contended: PerDir<bool>,
    /// How many bytes a read can get at once, if it is long enough.
    pub(crate) available: usize,
    /// The oldest bytes are a packet.
    pub(crate) packet: bool,
    /// How many bytes are not reserved by a reader.
    pub(crate) readable: usize,
    /// How many bytes of its call are in the pipe.
    pub(crate) own: usize,
    /// How many bytes could be written beside a writer's reservation.
    pub(crate) writable: usize,
    /// How many signals had been sent for each direction.
    sent: PerDir<usize>,
}

/// A task.
pub(crate) struct Actor {
    pub(crate) doing: Doing,
    /// The number of its file in the reference.
    pub(crate) file: usize,
    /// How many bytes the call has moved.
    pub(crate) moved: usize,
    /// The number of the call, among those of all tasks.
    pub(crate) call: usize,
    /// How many bytes were there when a read reserved the first ones: it may move no more. No limit
    /// if [`None`]: a writer was copying then.
    reach: Option<usize>,
    /// How many bytes a read could reserve when it first did, and whether they are a packet. It has
    /// reserved fewer if its buffer is shorter.
    pub(crate) reservable: Option<(usize, bool)>,
    /// The call may return with fewer bytes than there are. A read, but no splice, must go on with
    /// further bytes if a writer was copying when it reserved the first, unless they are a packet.
    pub(crate) may_stop: bool,
    /// Whether there was something for another call to move when the task last dropped the mutex.
    could: PerDir<bool>,
    /// The call has moved bytes, which it may have taken back.
    has_moved: bool,
    /// How often the task had waited before the call.
    pub(crate) waits: usize,
    /// The least and the greatest limit of atomic writes during the call: a resize changes it.
    limits: (usize, usize),
    /// The call is a write that returns when its bytes have been read.
    pub(crate) rendezvous: bool,
    /// For a splice: what it has moved.
    pub(crate) spliced: Vec<u8>,
    /// The facts when the task last dropped the mutex.
    pub(crate) facts: Facts,
    /// The facts when it first dropped the mutex in this call, before the reference has followed.
    pub(crate) first: Option<Facts>,
    /// How often all tasks together had dropped the mutex when the call began, and how often this
    /// task has since.
    began: usize,
    unlocked: usize,
    ended: bool,
}

pub(crate) struct Stage {
    pub(crate) pipe: Arc<Pipe>,
    pub(crate) reference: RefCell<Reference>,
    pub(crate) actors: RefCell<Vec<Actor>>,
    /// What the pipe counts.
    total: Cell<PerDir<u64>>,
    wakeups: Cell<PerDir<u64>>,
    policy: Cell<Policy>,
    account: UserAccount,
    /// All pages are on the account.
    pub(crate) pays_for_all: bool,
    unlocks: Cell<usize>,
    /// How many writes have put bytes into the pipe.
    pub(crate) writes: Cell<usize>,
    /// Whether a signal is due for each direction.
    owed: Cell<PerDir<bool>>,
    /// How many had been sent when it became due. When all tasks sleep, there must be more.
    signals: Cell<PerDir<usize>>,
    contended: Cell<PerDir<bool>>,
    /// How many bytes could be written into pages that are there, if there are not enough pages for
    /// all.
    backed: Cell<usize>,
    /// For each direction: which task was the last to exclude others.
    holders: Cell<PerDir<usize>>,
    /// A call that does not sleep, or a poll, has begun. It may get EAGAIN, or find nothing.
    tried: Cell<PerDir<bool>>,
    /// A call got EAGAIN because of another one: how many signals had been sent by then.
    got_eagain: Cell<PerDir<Option<usize>>>,
    /// How many calls have begun.
    calls: Cell<usize>,
}

impl Stage {
    pub(crate) fn new(
        pipe: Arc<Pipe>,
        reference: Reference,
        account: &UserAccount,
        tasks: usize,
    ) -> Self {
        let actor = |_| Actor {
            doing: Doing::Other,
            file: 0,
            moved: 0,
            call: 0,
            reach: None,
            reservable: None,
            may_stop: true,
            could: PerDir::default(),
            has_moved: false,
            waits: 0,
            limits: (0, 0),
            rendezvous: false,
            spliced: Vec::new(),
            facts: Facts::default(),
            first: None,
            began: 0,
            unlocked: 0,
            ended: false,
        };
        Self {
            reference: RefCell::new(reference),
            actors: RefCell::new((0..tasks).map(actor).collect()),
            total: Cell::default(),
            wakeups: Cell::default(),
            policy: Cell::new(pipe.policy()),
            account: account.clone(),
            pays_for_all: true,
            pipe,
            unlocks: Cell::new(0),
            writes: Cell::new(0),
            signals: Cell::default(),
            owed: Cell::default(),
            contended: Cell::default(),
            backed: Cell::default(),
            holders: Cell::default(),
            tried: Cell::default(),
            got_eagain: Cell::default(),
            calls: Cell::new(0),
        }
    }

    /// Lets `work` change the current task's actor.
    pub(crate) fn actor<T>(&self, work: impl FnOnce(&mut Actor) -> T) -> T {
        work(&mut self.actors.borrow_mut()[sim::current()])
    }

    /// The current task begins a call.
    pub(crate) fn begin(&self, doing: Doing) {
        let began = self.unlocks.get();
        let waits = sim::waits();
        let call = self.calls.get() + 1;
        self.calls.set(call);
        fasync::take_sent();
        let limit = self.reference.borrow().atomic_limit();
        self.actor(|actor| {
            actor.doing = doing;
            actor.moved = 0;
            actor.reservable = None;
            (actor.call, actor.reach, actor.could) = (call, None, PerDir::default());
            actor.waits = waits;
            actor.has_moved = false;
            actor.may_stop = true;
            actor.limits = (limit, limit);
            actor.rendezvous = false;
            actor.spliced.clear();
            actor.first = None;
            (actor.began, actor.unlocked) = (began, 0);
        });
    }

    /// Checks that each signal that the current task has sent since the last check was due.
    fn check_signals(&self, actor: &Actor) {
        let dir = match actor.doing {
            Doing::Read { .. } => Dir::Read,
            Doing::Write { .. } => Dir::Write,
            _ => return,
        };
        let sent = fasync::take_sent();
        check!(
            !sent[dir] || actor.could[dir],
            "SIGIO was sent to the call's own direction, and nothing can be moved there"
        );
        // A rendezvous write may take bytes back, which leaves more room.
        check!(
            !sent[dir] || self.tried.get()[dir] || actor.rendezvous,
            "SIGIO was sent to the call's own direction, and nobody tries again there"
        );
        check!(
            !sent[dir.other()] || actor.has_moved,
            "SIGIO was sent to the other direction, and nothing was moved"
        );
    }

    /// The current task's call has ended. Returns how many bytes it has moved; the facts when it
    /// last dropped the mutex; and the facts when it began, if no other task came in between.
    pub(crate) fn end(&self) -> (usize, Facts, Option<Facts>) {
        let unlocks = self.unlocks.get();
        self.actor(|actor| {
            self.check_signals(actor);
            actor.doing = Doing::Other;
            let alone = unlocks - actor.began == actor.unlocked;
            (actor.moved, actor.facts, actor.first.filter(|_| alone))
        })
    }

    /// A call that does not sleep, or a poll, begins.
    pub(crate) fn note_try(&self, dir: Dir) {
        let mut tried = self.tried.get();
        tried[dir] = true;
        self.tried.set(tried);
    }

    /// The current task's call got EAGAIN, because another one excludes it.
    pub(crate) fn note_eagain(&self, dir: Dir, facts: &Facts) {
        let mut got = self.got_eagain.get();
        got[dir] = got[dir].or(Some(facts.sent[dir]));
        self.got_eagain.set(got);
    }

    /// Whether a call of this direction that got EAGAIN would succeed now.
    fn would_succeed(&self, dir: Dir) -> bool {
        let reference = self.reference.borrow();
        let (len, room) = (reference.len(), reference.room());
        let enough = match dir {
            Dir::Read => len > 0 || !reference.is_open(Dir::Write),
            Dir::Write if reference.capacity >= PIPE_BUF => room >= PIPE_BUF,
            Dir::Write => room > 0,
        };
        enough && !self.contended.get()[dir]
    }

    /// Whether all other tasks have ended.
    pub(crate) fn is_alone(&self) -> bool {
        self.actors
            .borrow()
            .iter()
            .filter(|actor| !actor.ended)
            .count()
            == 1
    }

    /// The current task makes no more calls.
    pub(crate) fn leave(&self) {
        self.actor(|actor| actor.ended = true);
    }

    /// What the reference says for `file`.
    fn facts(&self, state: &State, file: usize, call: usize) -> Facts {
        let reference = self.reference.borrow();
        let closed = |dir| reference.peer_closed(file, dir);
        let now = state.ring.occupancy();
        Facts {
            len: reference.len(),
            capacity: reference.capacity,
            available: reference.available(usize::MAX).0,
            room: reference.room(),
            atomic_limit: reference.atomic_limit(),
            closed: PerDir {
                read: closed(Dir::Read),
                write: closed(Dir::Write),
            },
            is_open: PerDir {
                read: reference.is_open(Dir::Read),
                write: reference.is_open(Dir::Write),
            },
            contended: PerDir {
                read: state.is_contended(Dir::Read),
                write: state.is_contended(Dir::Write),
            },
            packet: reference.available(1).1,
            readable: now.readable,
            own: reference.len_of(call),
            writable: now.writable,
            sent: PerDir {
                read: fasync::sent(Dir::Read),
                write: fasync::sent(Dir::Write),
            },
        }
    }

    /// Follows what the current task has done to the pipe under the mutex.
    fn follow(&self, state: &State) {
        self.unlocks.set(self.unlocks.get() + 1);
        self.backed.set(state.ring.backed(usize::MAX));
        let mut actors = self.actors.borrow_mut();
        let actor = &mut actors[sim::current()];
        self.check_signals(actor);
        actor.unlocked += 1;
        let doing = actor.doing.clone();
        match &doing {
            Doing::Open(modes) => actor.file = self.reference.borrow_mut().open(*modes),
            Doing::Close => self.reference.borrow_mut().close(actor.file),
            _ => {}
        }
        if actor.first.is_none() {
            actor.first = Some(self.facts(state, actor.file, actor.call));
            actor.rendezvous = state.policy == Policy::Rendezvous
                && matches!(doing, Doing::Write { blocking: true, .. });
        }
        let capacity = state.ring.indices().capacity();
        if std::mem::replace(&mut self.reference.borrow_mut().capacity, capacity) != capacity {
            // A resize wakes writers, and sends no signal; nor does that of fs/pipe.c.
            self.got_eagain.set(PerDir {
                write: None,
                ..self.got_eagain.get()
            });
        }
        for dir in [Dir::Read, Dir::Write] {
            check!(
                state.waiters[dir].has_sleepers() || state.spin_time[dir].sent.is_none(),
                "nobody sleeps for {dir:?}, and a wake-up is still measured"
            );
        }
        let limit = self.reference.borrow().atomic_limit();
        for actor in actors.iter_mut() {
            actor.limits = (actor.limits.0.min(limit), actor.limits.1.max(limit));
        }
        let actor = &mut actors[sim::current()];
        let before = self.total.replace(state.total);
        let wakeups = self.wakeups.replace(PerDir {
            read: state.waiters.read.wakeups(),
            write: state.waiters.write.wakeups(),
        });
        let read = state.total.read.wrapping_sub(before.read) as usize;
        let written = state.total.write.wrapping_sub(before.write) as isize;
        actor.has_moved |= read > 0 || written != 0;
        if read > 0 {
            self.follow_read(actor, &doing, read);
        }
        if written != 0 {
            self.follow_write(actor, &doing, written);
        }
        self.compare(state);
        self.check_handed_on(state, before, wakeups);
        let excluded = self.contended.replace(PerDir {
            read: state.is_contended(Dir::Read),
            write: state.is_contended(Dir::Write),
        });
        self.check_excluded(excluded, before, state.total);
        // A read that has moved bytes may take the mutex once more, to free pages.
        let frees = matches!(doing, Doing::Read { .. }) && actor.moved > 0 && read == 0;
        if !frees {
            actor.facts = self.facts(state, actor.file, actor.call);
        }
        for dir in [Dir::Read, Dir::Write] {
            actor.could[dir] = !state.is_contended(dir)
                && match dir {
                    Dir::Read => actor.facts.len > 0 || actor.facts.closed.write,
                    Dir::Write => actor.facts.room > 0,
                };
        }
        let reserves = state.ring.indices().is_reserved(Dir::Read) && !excluded.read;
        if actor.moved == 0 && reserves {
            let writes = state.ring.indices().is_reserved(Dir::Write);
            actor.reach = Some(actor.facts.len).filter(|_| !writes);
            let splices = matches!(doing, Doing::Read { to: None });
            if !splices {
                actor.reservable = Some((actor.facts.available, actor.facts.packet));
            }
            actor.may_stop = !writes || actor.facts.packet || splices;
        }
    }

    fn follow_read(&self, actor: &mut Actor, doing: &Doing, count: usize) {
        let Doing::Read { to } = doing else {
            return fail("bytes left the pipe, and nobody reads");
        };
        story::tell(sim::current(), || format!("  takes {count} bytes"));
        let expected = self.reference.borrow_mut().read(count);
        if let (Some(to), Some(expected)) = (to, &expected) {
            let got = sim::peek(to.wrapping_byte_add(actor.moved), count);
            check!(
                got == *expected,
                "read {got:?}, and the pipe had {expected:?}"
            );
        }
        let Some(expected) = expected else {
            return fail("a read took more bytes than were there, or more than a packet");
        };
        actor.spliced.extend(expected);
        actor.moved += count;
        check!(
            actor.reach.is_none_or(|reach| actor.moved <= reach),
            "a read took bytes that were written after it had begun"
        );
        self.owe(Dir::Write);
    }

    fn follow_write(&self, actor: &mut Actor, doing: &Doing, count: isize) {
        let Doing::Write {
            from, is_packet, ..
        } = doing
        else {
            return fail("bytes came into the pipe, and nobody writes");
        };
        let mut reference = self.reference.borrow_mut();
        let Ok(count) = usize::try_from(count) else {
            let back = count.unsigned_abs();
            story::tell(sim::current(), || format!("  takes {back} bytes back"));
            check!(back <= actor.moved, "a write took back what others wrote");
            reference.unwrite(back);
            actor.moved -= back;
            drop(reference);
            self.owe(Dir::Write);
            return;
        };
        story::tell(sim::current(), || format!("  puts in {count} bytes"));
        let Some(bytes) = from.get(actor.moved..actor.moved + count) else {
            return fail("a write put in more bytes than it has");
        };
        let (least, most) = actor.limits;
        let rest = from.len() - actor.moved;
        if from.len() <= least || *is_packet {
            check!(
                count >= rest.min(least) && count <= most,
                "an atomic write put in {count} bytes of {rest}"
            );
        }
        reference.write(bytes, *is_packet, actor.call);
        actor.moved += count;
        check!(
            reference.len() <= reference.capacity,
            "{} bytes are in a pipe of {}",
            reference.len(),
            reference.capacity
        );
        self.writes.set(self.writes.get() + 1);
        drop(reference);
        self.owe(Dir::Read);
    }

    /// Direction `dir` can move more now: the owners of its files are to get a signal.
    fn owe(&self, dir: Dir) {
        let (mut signals, mut owed) = (self.signals.get(), self.owed.get());
        signals[dir] = fasync::sent(dir);
        owed[dir] = true;
        self.signals.set(signals);
        self.owed.set(owed);
    }

    /// Checks that no task has moved bytes while another one excluded it.
    fn check_excluded(&self, excluded: PerDir<bool>, before: PerDir<u64>, total: PerDir<u64>) {
        let current = sim::current();
        let mut holders = self.holders.get();
        for dir in [Dir::Read, Dir::Write] {
            check!(
                !excluded[dir] || total[dir] == before[dir] || holders[dir] == current,
                "task {current} has moved bytes, and task {} excludes it",
                holders[dir]
            );
            if self.contended.get()[dir] && !excluded[dir] {
                holders[dir] = current;
            }
        }
        self.holders.set(holders);
    }

    /// A call that ends and leaves something wakes the next sleeper of its own direction, unless
    /// one has been woken and has not run since.
    fn check_handed_on(&self, state: &State, before: PerDir<u64>, wakeups: PerDir<u64>) {
        let reference = self.reference.borrow();
        let (read, write) = (&state.waiters.read, &state.waiters.write);
        let ends = |dir| !state.is_contended(dir) && state.total[dir] > before[dir];
        check!(
            !ends(Dir::Read)
                || reference.len() == 0
                || !read.has_sleepers()
                || read.woken
                || read.wakeups() > wakeups.read,
            "a read has ended, leaves bytes, and wakes no other reader"
        );
        check!(
            !ends(Dir::Write)
                || reference.room() == 0
                || !write.has_sleepers()
                || write.woken
                || write.wakeups() > wakeups.write,
            "a write has ended, leaves room, and wakes no other writer"
        );
        let policy = self.policy.replace(state.policy);
        check!(
            policy == state.policy || !read.has_sleepers() && !write.has_sleepers(),
            "the policy was changed while a task sleeps"
        );
    }

    fn compare(&self, state: &State) {
        let reference = self.reference.borrow();
        let contents = state.ring.indices().contents().len;
        check!(
            contents == reference.len(),
            "the pipe has {contents} bytes, and should have {}",
            reference.len()
        );
        let readable = state.ring.indices().readable();
        check!(
            state.ring.indices().is_reserved(Dir::Read) || readable == contents,
            "{readable} bytes of {contents} are readable, and nobody has reserved any"
        );
        let writable = state.ring.occupancy().writable;
        check!(
            state.ring.indices().is_reserved(Dir::Write) || writable == reference.room(),
            "{writable} bytes are writable, and should be {}",
            reference.room()
        );
        for dir in [Dir::Read, Dir::Write] {
            let is_open = reference.is_open(dir);
            check!(
                state.ends.is_open(dir) == is_open,
                "the end for {dir:?} is open: {}, and should be: {is_open}",
                !is_open
            );
        }
    }

    /// A task sleeps in a call, and no other one runs. Fails if there is what it waits for.
    fn check_sleeper(&self, number: usize, actor: &Actor) {
        let reference = self.reference.borrow();
        let closed = |dir| reference.peer_closed(actor.file, dir);
        let contended = self.contended.get();
        let len = reference.len();
        match &actor.doing {
            Doing::Read { .. } => {
                check!(
                    len == 0 || contended.read,
                    "task {number} sleeps in a read, and {len} bytes are there"
                );
                check!(
                    len > 0 || !closed(Dir::Write),
                    "task {number} sleeps in a read at the end of file"
                );
            }
            Doing::Write {
                from,
                is_packet,
                good,
                ..
            } => {
                let rest = from.len() - actor.moved;
                let limit = reference.atomic_limit();
                let atomic = *is_packet || from.len() <= limit;
                let least = if atomic { rest.min(limit) } else { 1 };
                // Sleepers are woken when there is room for any atomic write, like those of a
                // pipe(2) when a page is empty.
                let needed = if reference.capacity >= PIPE_BUF {
                    PIPE_BUF
                } else {
                    least
                };
                let room = reference.room();
                check!(
                    !closed(Dir::Read),
                    "task {number} sleeps in a write, and the readers are closed"
                );
                check!(
                    !actor.rendezvous || actor.moved == 0 || len > 0,
                    "task {number} waits for a rendezvous, and all was read"
                );
                // A rendezvous write excludes others, but not itself. Each read wakes it. Once all
                // its bytes that do not fault are in the pipe, it waits until these are read.
                let own = actor.rendezvous && self.holders.get()[Dir::Write] == number;
                let needed = if own { least } else { needed };
                // Without memory for its bytes, a write waits until bytes are read.
                let backed = self.backed.get();
                let starved = sim::memory_has_ended() && len > 0 && backed < least;
                let excluded = contended.write && !own;
                // An atomic write that faults writes nothing more. It may be a packet, or the rest
                // of a rendezvous that has become atomic, because a resize has raised the limit.
                let is_rest = actor.rendezvous && atomic && actor.moved > 0;
                let faults = (*is_packet || is_rest) && actor.moved + least > *good;
                check!(
                    actor.moved >= *good || faults || room < needed || excluded || starved,
                    "task {number} sleeps in a write of {needed} bytes, and there is room for {room}"
                );
            }
            Doing::Poll {
                wanted,
                exclusive,
                wakeups,
            } => {
                let mask = self.ready(&reference, actor.file);
                // Of exclusive pollers, one is woken; but all at the last close.
                let another =
                    *exclusive && mask & (POLLHUP | POLLERR) == 0 && exclusive_wakeups() > *wakeups;
                check!(
                    mask & wanted == 0 || another,
                    "task {number} sleeps in poll, and the events {mask:#x} are there"
                );
            }
            Doing::EdgeTriggered {
                entry,
                wakeups,
                writes,
            } => check!(
                entry.wakeups.get() > *wakeups || self.writes.get() == *writes,
                "task {number} waits for an edge, and {} writes have come",
                self.writes.get() - writes
            ),
            Doing::Other | Doing::Open(_) | Doing::Close => fail(&format!(
                "task {number} sleeps in a call that does not wait"
            )),
        }
    }

    /// What poll reports for `file`.
    fn ready(&self, reference: &Reference, file: usize) -> u32 {
        let contended = self.contended.get();
        poll_mask(
            reference.modes(file),
            PerDir {
                read: !contended.read && reference.len() > 0,
                write: !contended.write && reference.room() >= reference.atomic_limit(),
            },
            PerDir {
                read: reference.peer_closed(file, Dir::Read),
                write: !contended.read && reference.peer_closed(file, Dir::Write),
            },
        )
    }
}

/// What poll(2) reports for a file of these modes, where some directions are `ready`, and the peers
/// of some are `closed`.
pub(crate) fn poll_mask(modes: PerDir<bool>, ready: PerDir<bool>, closed: PerDir<bool>) -> u32 {
    use kernel::bindings::*;
    let mut mask = 0;
    for (holds, events) in [
        (modes.read && ready.read, POLLIN | POLLRDNORM),
        (modes.read && closed.write, POLLHUP),
        (modes.write && ready.write, POLLOUT | POLLWRNORM),
        (modes.write && closed.read, POLLERR),
    ] {
        mask |= if holds { events } else { 0 };
    }
    mask
}

impl Watcher for Stage {
    fn unlocking(&self, name: &str, value: *const ()) {
        if name == type_name::<State>() {
            // SAFETY: The current task holds the mutex of this state.
            self.follow(unsafe { &*value.cast::<State>() });
        }
    }

    fn quiet(&self) {
        let someone = self.next_to_wake();
        match someone {
            Some(stuck) if sim::is_stuck(stuck) => {
                story::tell(stuck, || "gets its page, or lock".to_owned());
                sim::release(stuck);
            }
            Some(sleeper) => {
                story::tell(sleeper, || "gets a signal".to_owned());
                sim::signal(sleeper);
            }
            None => {}
        }
    }
}

impl Stage {
    /// All tasks sleep. Returns who has to go on: first who sleeps in a page fault or for a
    /// lock, then who can be interrupted.
    fn next_to_wake(&self) -> Option<usize> {
        let actors = self.actors.borrow();
        for (number, actor) in actors.iter().enumerate() {
            if !actor.ended && !sim::is_stuck(number) {
                self.check_sleeper(number, actor);
            }
        }
        for dir in [Dir::Read, Dir::Write] {
            check!(
                !self.owed.get()[dir] || fasync::sent(dir) > self.signals.get()[dir],
                "no SIGIO was sent for {dir:?}"
            );
            let mut got = self.got_eagain.get();
            let unanswered = got[dir].is_some_and(|before| fasync::sent(dir) == before);
            check!(
                !unanswered || !self.would_succeed(dir),
                "a call for {dir:?} got EAGAIN, and no SIGIO when it could go on"
            );
            if !unanswered {
                got[dir] = None;
                self.got_eagain.set(got);
            }
        }
        check!(
            !self.pays_for_all || self.account.pages() >= page::live(),
            "{} pages are there, and {} are paid for",
            page::live(),
            self.account.pages()
        );
        let mut waiting = (0..actors.len()).filter(|&number| !actors[number].ended);
        let stuck = waiting.clone().find(|&number| sim::is_stuck(number));
        stuck.or_else(|| waiting.next())
    }
}

/// The policy that `rendezvous` says.
pub(crate) fn policy(rendezvous: bool) -> Policy {
    if rendezvous {
        Policy::Rendezvous
    } else {
        Policy::Buffered
    }
}

/// The result of a call, for the story.
pub(crate) fn show<T: std::fmt::Debug>(result: &Result<T>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => format!("{error:?}"),
    }
}
