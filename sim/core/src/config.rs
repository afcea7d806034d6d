// SPDX-License-Identifier: GPL-2.0

//! A configuration: a pipe, and the calls that each of several tasks makes on it.

use crate::sys::headers::{IOCB_NOSIGNAL, IOCB_NOWAIT};
use kernel::{
    fs::file::flags::{O_DIRECT, O_NONBLOCK},
    page::PAGE_SIZE,
    uaccess::Faults,
};
use rand::{seq::SliceRandom, Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::fmt;

/// A pipe, and its tasks.
#[derive(Clone, Debug)]
pub struct Config {
    /// Seeds the scheduler, and decides how long things take.
    pub seed: u64,
    pub capacity: usize,
    /// A private pipe; otherwise that of the device.
    pub private: bool,
    pub rendezvous: bool,
    /// There is another processor, so tasks spin.
    pub spins: bool,
    /// All files are open before the first call.
    pub opened_first: bool,
    /// How many bytes are written, and how many of these are read, before the first call.
    pub primed: (usize, usize),
    pub tasks: Vec<Task>,
}

/// A task: it opens a file, makes its calls, and closes the file.
#[derive(Clone, Debug)]
pub struct Task {
    pub reads: bool,
    pub writes: bool,
    /// `O_*` flags.
    pub flags: u32,
    /// The task whose file this one uses, instead of a file of its own: an index into
    /// [`Config::tasks`], one less than the number in a story.
    pub shares: Option<usize>,
    pub calls: Vec<Call>,
}

impl Task {
    /// It reads, writes, or both, and has a file of its own, without flags.
    pub fn of(reads: bool, writes: bool, calls: Vec<Call>) -> Self {
        Self {
            reads,
            writes,
            flags: 0,
            shares: None,
            calls,
        }
    }
}

/// A read or write.
#[derive(Clone, Copy, Debug)]
pub struct Transfer {
    pub len: usize,
    pub faults: Faults,
    /// `IOCB_*` flags.
    pub iocb: i32,
    /// Passes an iterator, as readv(2) does.
    pub iterator: bool,
    /// For a write: after how many allocations the memory ends.
    pub memory: Option<usize>,
}

impl Transfer {
    /// A plain one of `len` bytes.
    pub fn of(len: usize) -> Self {
        Self {
            len,
            faults: Faults::default(),
            iocb: 0,
            iterator: false,
            memory: None,
        }
    }
}

/// A call.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    Read(Transfer),
    Write(Transfer),
    /// Splices at most `len` bytes to a destination with room for `room`. If it is `busy`, the task
    /// gets its lock back only when all other tasks sleep.
    Splice {
        len: usize,
        room: usize,
        busy: bool,
    },
    /// poll(2) that waits, or epoll(7) with EPOLLEXCLUSIVE if `exclusive`: for all events of the
    /// file, or if `hangup` for the hang-up alone.
    Poll {
        exclusive: bool,
        hangup: bool,
    },
    /// poll(2) with a timeout of 0.
    Ask,
    /// epoll(7) with EPOLLET, until the first event.
    EdgeTriggered,
    /// Switches O_ASYNC. The memory ends after `memory` allocations.
    Async {
        on: bool,
        memory: Option<usize>,
    },
    /// The memory ends after `memory` allocations, or the task is killed before them.
    Resize {
        capacity: usize,
        memory: Option<usize>,
        killed: bool,
    },
    SetPolicy {
        rendezvous: bool,
    },
    /// FIONREAD.
    CountReadable,
    /// Reads fdinfo.
    ReadFdinfo,
    /// Sends a signal to the task with this number; the first task has number 1.
    Signal(usize),
    /// Closes the file, and opens the pipe again.
    Reopen,
}

impl Call {
    /// A resize that nothing disturbs.
    pub fn resize(capacity: usize) -> Self {
        Self::Resize {
            capacity,
            memory: None,
            killed: false,
        }
    }
}

impl Config {
    pub(crate) fn has_splices(&self) -> bool {
        let mut calls = self.tasks.iter().flat_map(|task| &task.calls);
        calls.any(|call| matches!(call, Call::Splice { .. }))
    }

    /// The configuration of this seed.
    pub fn random(seed: u64) -> Self {
        let rng = &mut Pcg64Mcg::seed_from_u64(seed);
        if rng.gen_bool(0.05) {
            return Self::long_copies(seed, rng);
        }
        if rng.gen_bool(0.02) {
            return Self::smaller_than_pipe_buf(seed, rng);
        }
        if rng.gen_bool(0.04) {
            return match rng.gen_range(0..4) {
                0 => Self::one_starves(seed, rng),
                1 => Self::rendezvous_starves(seed),
                _ => Self::short_of_memory(seed, rng),
            };
        }
        let capacity = *[1, 3, 7, 8, 8, 10, 16, 16, 17, 32, 96].choose(rng).unwrap();
        let count = rng.gen_range(2..=4);
        let written = if rng.gen() {
            rng.gen_range(0..=capacity)
        } else {
            0
        };
        let read = match rng.gen_range(0..3) {
            0 => 0,
            1 => written / 2,
            _ => rng.gen_range(0..=written),
        };
        let primed = (written, read);
        // Few kinds of calls in one configuration, so that they meet often.
        let mut has = [false; 10];
        for _ in 0..rng.gen_range(0..=3) {
            *has.choose_mut(rng).unwrap() = true;
        }
        let [packets, faults, nonblocking, polls, settings, rest @ ..] = has;
        let [splices, signals, reopens, asyncs, shortage] = rest;
        let kinds = Kinds {
            packets,
            faults,
            nonblocking,
            polls,
            settings,
            splices,
            signals,
            reopens,
            asyncs,
            shortage,
            capacity,
            tasks: count,
        };
        let mut tasks: Vec<_> = (0..count).map(|nth| kinds.task(rng, nth)).collect();
        if kinds.asyncs && rng.gen_bool(0.7) {
            tasks[1].shares = Some(0);
            (tasks[0].reads, tasks[0].writes) = (true, true);
        }
        Self {
            seed,
            capacity,
            private: rng.gen(),
            rendezvous: rng.gen_bool(0.2),
            spins: rng.gen(),
            opened_first: rng.gen_bool(0.8),
            primed,
            tasks,
        }
    }
}

/// Waits in poll until the last writer is closed.
const UNTIL_WRITERS_CLOSE: Call = Call::Poll {
    exclusive: false,
    hangup: true,
};

impl Config {
    /// Reads and writes of a few bytes, while the capacity falls below PIPE_BUF.
    fn smaller_than_pipe_buf(seed: u64, rng: &mut Pcg64Mcg) -> Self {
        let resize = Call::resize(rng.gen_range(3..7));
        let read = Call::Read(Transfer::of(rng.gen_range(1..4)));
        let write = Call::Write(Transfer::of(rng.gen_range(2..4)));
        Self {
            seed,
            capacity: 8,
            private: true,
            rendezvous: false,
            spins: false,
            opened_first: true,
            primed: (0, 0),
            tasks: vec![
                Task::of(true, false, vec![read; 4]),
                Task::of(false, true, vec![write; 4]),
                Task::of(false, true, vec![resize]),
            ],
        }
    }

    /// Writes without memory for their pages, while a reader empties the pipe, and a resize leaves
    /// it without a page at its beginning.
    fn short_of_memory(seed: u64, rng: &mut Pcg64Mcg) -> Self {
        let capacity = 6 * PAGE_SIZE;
        let write = |rng: &mut Pcg64Mcg| {
            Call::Write(Transfer {
                memory: Some(rng.gen_range(0..2)),
                ..Transfer::of(rng.gen_range(1..3 * PAGE_SIZE))
            })
        };
        let read = Call::Read(Transfer::of(rng.gen_range(1..=capacity)));
        let resize = Call::resize(capacity + 2 * PAGE_SIZE);
        let written = rng.gen_range(1..3 * PAGE_SIZE);
        Self {
            seed,
            capacity,
            private: true,
            rendezvous: rng.gen_bool(0.3),
            spins: rng.gen(),
            opened_first: true,
            primed: (written, written - 1),
            tasks: vec![
                Task::of(true, false, vec![read; 3]),
                Task::of(false, true, vec![write(rng), write(rng)]),
                Task::of(false, true, vec![resize, write(rng)]),
            ],
        }
    }

    /// Writes that need no new page, while another sleeps for want of one. Nobody reads.
    fn one_starves(seed: u64, rng: &mut Pcg64Mcg) -> Self {
        let starved = Call::Write(Transfer {
            memory: Some(0),
            ..Transfer::of(PAGE_SIZE)
        });
        // With an iterator, a write copies under a reservation.
        let write = Call::Write(Transfer {
            iterator: true,
            ..Transfer::of(1)
        });
        Self {
            seed,
            capacity: 2 * PAGE_SIZE,
            private: true,
            rendezvous: false,
            spins: rng.gen(),
            opened_first: true,
            primed: (PAGE_SIZE / 2, 0),
            tasks: vec![
                Task::of(true, false, vec![UNTIL_WRITERS_CLOSE]),
                Task::of(false, true, vec![starved]),
                Task::of(false, true, vec![write]),
                Task::of(false, true, vec![write]),
            ],
        }
    }

    /// A rendezvous without memory for all its bytes, which begins while a non-blocking writer gets
    /// a page.
    fn rendezvous_starves(seed: u64) -> Self {
        let read = Call::Read(Transfer::of(1));
        let starved = Call::Write(Transfer {
            memory: Some(2),
            ..Transfer::of(4 * PAGE_SIZE + 1)
        });
        let mut nonblocking = Task::of(false, true, vec![Call::Write(Transfer::of(1))]);
        nonblocking.flags = O_NONBLOCK;
        Self {
            seed,
            capacity: 12 * PAGE_SIZE,
            private: true,
            rendezvous: true,
            spins: false,
            opened_first: true,
            primed: (0, 0),
            tasks: vec![
                Task::of(true, false, vec![read; 2]),
                Task::of(false, true, vec![starved]),
                Task::of(true, false, vec![UNTIL_WRITERS_CLOSE]),
                nonblocking,
            ],
        }
    }

    /// Copies in several chunks, while the pipe is resized.
    fn long_copies(seed: u64, rng: &mut Pcg64Mcg) -> Self {
        let len = 12 * PAGE_SIZE;
        let resize = |_| Call::resize(len + PAGE_SIZE * rng.gen_range(0..3));
        let resizes = (0..4).map(resize).collect();
        let transfer = Transfer::of(len);
        // One pipe in five is emptied again before the tasks begin.
        let read = if rng.gen_bool(0.2) { len / 2 } else { len / 4 };
        Self {
            seed,
            capacity: len,
            private: true,
            rendezvous: false,
            spins: true,
            opened_first: true,
            primed: (len / 2, read),
            tasks: vec![
                Task::of(true, true, vec![Call::Read(transfer), Call::Read(transfer)]),
                Task::of(
                    true,
                    true,
                    vec![Call::Write(transfer), Call::Write(transfer)],
                ),
                Task::of(true, true, resizes),
            ],
        }
    }
}

/// What a configuration has.
struct Kinds {
    packets: bool,
    faults: bool,
    nonblocking: bool,
    polls: bool,
    settings: bool,
    splices: bool,
    signals: bool,
    reopens: bool,
    asyncs: bool,
    shortage: bool,
    capacity: usize,
    tasks: usize,
}

impl Kinds {
    fn task(&self, rng: &mut Pcg64Mcg, nth: usize) -> Task {
        // The first two are a reader and a writer.
        let (reads, writes) = match nth {
            0 => (true, false),
            1 => (false, true),
            _ => *[(true, false), (false, true), (true, true)]
                .choose(rng)
                .unwrap(),
        };
        let mut flags = 0;
        if self.packets && rng.gen_bool(0.6) {
            flags |= O_DIRECT;
        }
        if self.nonblocking && rng.gen_bool(0.5) {
            flags |= O_NONBLOCK;
        }
        let count = rng.gen_range(1..=3);
        let calls = (0..count).map(|_| self.call(rng, reads, writes));
        Task {
            flags,
            ..Task::of(reads, writes, calls.collect())
        }
    }

    fn call(&self, rng: &mut Pcg64Mcg, reads: bool, writes: bool) -> Call {
        let mut others = vec![];
        if self.polls {
            others.push(Call::Poll {
                exclusive: rng.gen_bool(0.4),
                hangup: rng.gen_bool(0.3),
            });
            others.push(Call::Ask);
            if reads {
                others.push(Call::EdgeTriggered);
            }
        }
        if self.settings {
            let most = 2 * self.capacity + 8;
            let capacity = *[1, 5, 8, 9, 16, 24, self.capacity, most, most, 5000]
                .choose(rng)
                .unwrap();
            others.push(Call::Resize {
                capacity,
                memory: rng.gen_bool(0.2).then(|| rng.gen_range(0..5)),
                killed: rng.gen_bool(0.05),
            });
            others.push(Call::SetPolicy {
                rendezvous: rng.gen(),
            });
            others.push(Call::CountReadable);
            others.push(Call::ReadFdinfo);
        }
        if self.splices && reads {
            others.push(Call::Splice {
                len: rng.gen_range(1..=24),
                room: rng.gen_range(0..=20),
                busy: rng.gen_bool(0.3),
            });
        }
        if self.signals {
            others.push(Call::Signal(rng.gen_range(1..=self.tasks)));
        }
        if self.reopens {
            others.push(Call::Reopen);
        }
        if self.asyncs {
            others.push(Call::Async {
                on: rng.gen_bool(0.7),
                memory: rng.gen_bool(0.3).then(|| rng.gen_range(0..2)),
            });
        }
        if !others.is_empty() && rng.gen_bool(0.4) {
            return *others.choose(rng).unwrap();
        }
        let transfer = self.transfer(rng);
        if reads && (!writes || rng.gen()) {
            Call::Read(transfer)
        } else {
            Call::Write(transfer)
        }
    }

    fn transfer(&self, rng: &mut Pcg64Mcg) -> Transfer {
        let capacity = self.capacity;
        let len = match rng.gen_range(0..20) {
            0 => 0,
            1..=6 => rng.gen_range(1..=3),
            7..=9 => capacity,
            _ if capacity > 8 * PAGE_SIZE => rng.gen_range(8 * PAGE_SIZE..=capacity),
            10..=12 => rng.gen_range(1..=PAGE_SIZE),
            13..=18 => rng.gen_range(1..=2 * capacity + 2),
            // More than a chunk of a copy.
            _ => 10 * PAGE_SIZE,
        };
        let mut faults = Faults::default();
        if self.faults {
            match rng.gen_range(0..6) {
                0 => faults.nothing_from = Some(rng.gen_range(0..=len)),
                1 | 2 => faults.paged_out = true,
                3 => faults.stuck = true,
                _ => {}
            }
        }
        let mut iocb = 0;
        if self.nonblocking && rng.gen_bool(0.2) {
            iocb |= IOCB_NOWAIT;
        }
        if rng.gen_bool(0.1) {
            iocb |= IOCB_NOSIGNAL;
        }
        Transfer {
            len,
            faults,
            iocb,
            iterator: rng.gen_bool(0.2),
            memory: self.shortage.then(|| rng.gen_range(0..3)),
        }
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.private {
            "a private pipe"
        } else {
            "the device"
        };
        let policy = if self.rendezvous {
            "rendezvous"
        } else {
            "buffered"
        };
        let spins = if self.spins {
            "tasks spin"
        } else {
            "nobody spins"
        };
        let opened = if self.opened_first {
            "before"
        } else {
            "as they come"
        };
        let (written, read) = self.primed;
        writeln!(f, "  {kind} of {} bytes, {policy}; {spins}", self.capacity)?;
        writeln!(
            f,
            "  files are opened {opened}; {written} bytes were written, and {read} read"
        )?;
        writeln!(f, "  a page, and PIPE_BUF, are {PAGE_SIZE} bytes")?;
        for (nth, task) in self.tasks.iter().enumerate() {
            // Task 0 is the one that starts these.
            write!(f, "  task {} ", nth + 1)?;
            match task.shares {
                Some(other) => write!(f, "(the file of task {})", other + 1)?,
                None => write!(f, "({})", task.mode())?,
            }
            let calls: Vec<_> = task.calls.iter().map(Call::to_string).collect();
            writeln!(f, ": {}", calls.join(", "))?;
        }
        Ok(())
    }
}

impl Task {
    fn mode(&self) -> String {
        let mut mode = match (self.reads, self.writes) {
            (true, true) => "O_RDWR",
            (true, false) => "O_RDONLY",
            _ => "O_WRONLY",
        }
        .to_owned();
        for (flag, name) in [(O_NONBLOCK, "|O_NONBLOCK"), (O_DIRECT, "|O_DIRECT")] {
            if self.flags & flag != 0 {
                mode += name;
            }
        }
        mode
    }
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.len)?;
        if let Some(offset) = self.faults.nothing_from {
            write!(f, ", EFAULT from {offset}")?;
        }
        if self.faults.paged_out {
            f.write_str(", paged out")?;
        }
        if self.faults.stuck {
            f.write_str(", stuck in a fault")?;
        }
        if self.iocb & IOCB_NOWAIT != 0 {
            f.write_str(", RWF_NOWAIT")?;
        }
        if self.iocb & IOCB_NOSIGNAL != 0 {
            f.write_str(", RWF_NOSIGNAL")?;
        }
        if self.memory.is_some() {
            f.write_str(&memory_left(self.memory))?;
        }
        Ok(())
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(transfer) if transfer.iterator => write!(f, "readv({transfer})"),
            Self::Read(transfer) => write!(f, "read({transfer})"),
            Self::Write(transfer) if transfer.iterator => write!(f, "writev({transfer})"),
            Self::Write(transfer) => write!(f, "write({transfer})"),
            Self::Splice { len, room, busy } => {
                let busy = if *busy { ", busy" } else { "" };
                write!(f, "splice({len}, to room for {room}{busy})")
            }
            Self::Poll { exclusive, hangup } => {
                let name = if *exclusive {
                    "epoll_wait(EPOLLEXCLUSIVE"
                } else {
                    "poll(-1"
                };
                let events = if *hangup { ", no events)" } else { ")" };
                write!(f, "{name}{events}")
            }
            Self::Ask => write!(f, "poll(0)"),
            Self::EdgeTriggered => write!(f, "epoll_wait(EPOLLET)"),
            Self::Async { on, memory } => {
                let on = if *on { "|" } else { "&~" };
                write!(f, "F_SETFL({on}O_ASYNC{})", memory_left(*memory))
            }
            Self::Resize {
                capacity,
                memory,
                killed,
            } => {
                let killed = if *killed { ", killed" } else { "" };
                write!(
                    f,
                    "F_SETPIPE_SZ({capacity}{}{killed})",
                    memory_left(*memory)
                )
            }
            Self::SetPolicy { rendezvous: true } => write!(f, "set policy(rendezvous)"),
            Self::SetPolicy { rendezvous: false } => write!(f, "set policy(buffered)"),
            Self::CountReadable => write!(f, "FIONREAD"),
            Self::ReadFdinfo => write!(f, "read fdinfo"),
            Self::Signal(task) => write!(f, "kill(task {task})"),
            Self::Reopen => write!(f, "close and open"),
        }
    }
}

fn memory_left(allocations: Option<usize>) -> String {
    allocations.map_or_else(String::new, |count| {
        format!(", no memory after {count} allocations")
    })
}
