// SPDX-License-Identifier: GPL-2.0

//! Tests of `pipe/transfer.rs` and `ring/transfer.rs`: splice and tee between two pipes. One task
//! makes random calls on two pipes and on a simple model of them. In other tests, tasks whose calls
//! wait splice pipes into each other, and through a small one.

use crate::{
    pipe::{
        call::Call,
        ends::{Ends, OpenEnd},
        policy::Policy,
        transfer::Side,
        Pipe,
    },
    ring::{
        dir::PerDir,
        storage::{pages_for, Storage},
        user::Buffer,
        Ring,
    },
    sys::{account::UserAccount, page},
};
use kernel::{
    fs::{
        file::flags::{O_DIRECT, O_NONBLOCK},
        File,
    },
    page::PAGE_SIZE,
    prelude::*,
    sim::{self, Faults, Watcher},
    sync::Arc,
};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

const PIPE_BUF: usize = kernel::bindings::PIPE_BUF as usize;
pub(crate) const READS: PerDir<bool> = PerDir {
    read: true,
    write: false,
};
pub(crate) const WRITES: PerDir<bool> = PerDir {
    read: false,
    write: true,
};
const BOTH: PerDir<bool> = PerDir {
    read: true,
    write: true,
};

/// The storage of a private pipe.
pub(crate) fn growing(capacity: usize) -> Storage {
    let charge = UserAccount::default().charge(pages_for(capacity));
    match Storage::new(capacity, Some(charge)) {
        Ok(storage) => storage,
        Err(_) => panic!("there is memory"),
    }
}

pub(crate) fn make_pipe(capacity: usize) -> Arc<Pipe> {
    Arc::pin_init(Pipe::new(
        0,
        Ring::new(growing(capacity)),
        Ends::private(),
        Policy::Buffered,
    ))
}

/// A file of a pipe.
pub(crate) struct Opened {
    pipe: Arc<Pipe>,
    end: OpenEnd,
    file: File,
}

impl Opened {
    pub(crate) fn new(pipe: &Arc<Pipe>, modes: PerDir<bool>, flags: u32) -> Self {
        Self {
            end: pipe.open(modes),
            pipe: pipe.clone(),
            file: File::new(0, flags),
        }
    }

    fn side(&self) -> Side<'_> {
        Side {
            pipe: &self.pipe,
            end: &self.end,
            call: Call::new(&self.file, 0),
        }
    }

    pub(crate) fn write(&self, bytes: &[u8], is_packet: bool) -> Result<usize> {
        let buffer = sim::map(bytes.to_vec(), Faults::default());
        let file = File::new(0, self.file.flags() | if is_packet { O_DIRECT } else { 0 });
        let from = Buffer::new(buffer, bytes.len());
        self.pipe.write(&self.end, Call::new(&file, 0), from)
    }

    pub(crate) fn read(&self, most: usize) -> Result<Vec<u8>> {
        let buffer = sim::map(vec![0; most], Faults::default());
        let to = Buffer::new(buffer, most);
        let count = self.pipe.read(&self.end, Call::new(&self.file, 0), to)?;
        Ok(sim::peek(buffer, count))
    }

    fn drain(&self, most: usize) -> Result<Vec<u8>> {
        let buffer = sim::map(vec![0; most], Faults::default());
        let mut to = Buffer::new(buffer, most);
        let count = self
            .side()
            .drain(most, |bytes| Ok(bytes.copy(0, bytes.len(), &mut to)))?;
        Ok(sim::peek(buffer, count))
    }

    fn fill(&self, bytes: &[u8], is_packet: bool) -> Result<usize> {
        let buffer = sim::map(bytes.to_vec(), Faults::default());
        let mut from = Buffer::new(buffer, bytes.len());
        let side = self.side().with_packets(is_packet);
        side.fill(bytes.len(), |room| Ok(room.copy(0, room.len(), &mut from)))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.pipe.close(&self.end);
    }
}

/// What a pipe should do.
struct Model {
    /// Each byte, and the number of its packet.
    bytes: VecDeque<(u8, Option<usize>)>,
    capacity: usize,
    packets: usize,
}

impl Model {
    fn new(capacity: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            capacity,
            packets: 0,
        }
    }

    fn room(&self) -> usize {
        let mut packets: Vec<_> = self.bytes.iter().filter_map(|byte| byte.1).collect();
        packets.dedup();
        if packets.len() == pages_for(self.capacity) {
            0
        } else {
            self.capacity - self.bytes.len()
        }
    }

    /// Puts in what fits: packets of at most PIPE_BUF bytes, or any bytes. Returns how many.
    fn put(&mut self, mut bytes: &[u8], is_packet: bool) -> usize {
        let len = bytes.len();
        while !bytes.is_empty() {
            let most = if is_packet {
                bytes.len().min(self.capacity.min(PIPE_BUF))
            } else {
                bytes.len().min(self.room())
            };
            if most == 0 || most > self.room() {
                break;
            }
            self.packets += 1;
            let packet = is_packet.then_some(self.packets);
            let (first, rest) = bytes.split_at(most);
            self.bytes
                .extend(first.iter().map(|&value| (value, packet)));
            bytes = rest;
        }
        len - bytes.len()
    }

    /// The first segment of the bytes after the first `skip`, and whether it is a packet.
    fn segment(&self, skip: usize, most: usize) -> (Vec<u8>, bool) {
        let packet = self.bytes.get(skip).and_then(|byte| byte.1);
        let same = self.bytes.iter().skip(skip).take(most);
        let bytes = same.take_while(|byte| byte.1 == packet).map(|byte| byte.0);
        (bytes.collect(), packet.is_some())
    }

    fn read(&mut self, most: usize) -> Vec<u8> {
        let (bytes, is_packet) = self.segment(0, most);
        let packet = self.bytes.front().and_then(|byte| byte.1);
        self.bytes.drain(..bytes.len());
        while is_packet && self.bytes.front().is_some_and(|byte| byte.1 == packet) {
            self.bytes.pop_front();
        }
        bytes
    }

    fn splice(&mut self, to: &mut Self, most: usize, keep: bool) -> usize {
        let most = most.min(self.bytes.len());
        let mut done = 0;
        while done < most {
            let (bytes, is_packet) = self.segment(done, most - done);
            let put = to.put(&bytes, is_packet);
            done += put;
            if put < bytes.len() {
                break;
            }
        }
        if !keep {
            self.bytes.drain(..done);
        }
        done
    }
}

/// What a non-blocking call returns if it moves `count` bytes.
fn some(count: usize) -> Result<usize> {
    if count > 0 {
        Ok(count)
    } else {
        Err(EAGAIN)
    }
}

/// Runs `work` as the only task at first, under some schedules.
fn run(schedules: usize, work: impl Fn() + Send + Sync + 'static) {
    let run = move || {
        sim::start(1);
        work();
        assert_eq!(page::live(), 0);
        assert_eq!(sim::end(), None);
    };
    shuttle::check_random(run, schedules);
}

fn one_call(rng: &mut Pcg64Mcg, pipes: &[Opened; 2], models: &mut [Model; 2]) {
    let from = rng.gen_range(0..2);
    let len = rng.gen_range(1..=3 * PAGE_SIZE);
    let bytes: Vec<u8> = (0..len).map(|_| rng.gen()).collect();
    let is_packet: bool = rng.gen();
    let (pipe, other) = (&pipes[from], &pipes[1 - from]);
    let (first, second) = models.split_at_mut(1);
    let (model, model_2) = if from == 0 {
        (&mut first[0], &mut second[0])
    } else {
        (&mut second[0], &mut first[0])
    };
    let kind = rng.gen_range(0..6);
    // A signal ends a call only after it has moved something: all bytes, or a packet.
    if rng.gen_bool(0.1) && !is_packet {
        sim::signal(sim::current());
    }
    match kind {
        0 => {
            let limit = model.capacity.min(PIPE_BUF);
            let fits = is_packet || len > limit || len <= model.room();
            let count = if fits {
                model.put(&bytes, is_packet)
            } else {
                0
            };
            assert_eq!(pipe.write(&bytes, is_packet), some(count));
        }
        1 => assert_eq!(
            pipe.fill(&bytes, is_packet),
            some(model.put(&bytes, is_packet))
        ),
        2 => match pipe.read(len) {
            Ok(got) => assert_eq!(got, model.read(len)),
            Err(error) => assert!(error == EAGAIN && model.bytes.is_empty()),
        },
        3 => match pipe.drain(len) {
            Ok(got) => {
                let count = len.min(model.bytes.len());
                let bytes: Vec<_> = model.bytes.drain(..count).map(|byte| byte.0).collect();
                assert_eq!(got, bytes);
            }
            Err(error) => assert!(error == EAGAIN && model.bytes.is_empty()),
        },
        kind => {
            let keep = kind == 5;
            let moved = pipe.side().splice_to(other.side(), len, keep);
            assert_eq!(moved, some(model.splice(model_2, len, keep)));
        }
    }
    sim::take_signal();
    for (pipe, model) in pipes.iter().zip(models) {
        assert_eq!(pipe.pipe.readable(), model.bytes.len());
    }
}

#[test]
fn two_pipes_do_what_the_model_does() {
    let seeds = AtomicU64::new(0);
    run(30, move || {
        let rng = &mut Pcg64Mcg::seed_from_u64(seeds.fetch_add(1, Relaxed));
        for _ in 0..100 {
            let capacities = [0; 2].map(|_: usize| rng.gen_range(1..6 * PAGE_SIZE));
            let open = |capacity| Opened::new(&make_pipe(capacity), BOTH, O_NONBLOCK);
            let pipes = capacities.map(open);
            let mut models = capacities.map(Model::new);
            for _ in 0..30 {
                one_call(rng, &pipes, &mut models);
            }
        }
    });
}

/// The task that gets a signal when all tasks sleep. If there is none, the run fails then.
struct Signals(Cell<Option<usize>>);

impl Watcher for Signals {
    fn unlocking(&self, _name: &str, _value: *const ()) {}

    fn quiet(&self) {
        match self.0.get() {
            Some(task) => sim::signal(task),
            None => sim::fail("all tasks sleep"),
        }
    }
}

/// Each pipe has room for the bytes of both, so one of the tasks can always go on.
#[test]
fn two_tasks_splice_into_each_other() {
    const LENS: [usize; 2] = [11, 6];
    run(2000, || {
        let watcher = Rc::new(Signals(Cell::new(None)));
        sim::watch(watcher.clone());
        let pipes = [0; 2].map(|_| make_pipe(20));
        let files = [0, 1].map(|nth| Opened::new(&pipes[nth], BOTH, O_NONBLOCK));
        for (nth, file) in files.iter().enumerate() {
            assert_eq!(
                file.write(&[nth as u8; 11][..LENS[nth]], nth == 1),
                Ok(LENS[nth])
            );
        }
        let mut tasks = Vec::new();
        for nth in 0..2 {
            let (from, to) = (pipes[nth].clone(), pipes[1 - nth].clone());
            let watcher = watcher.clone();
            tasks.push(sim::spawn(move || {
                let (from, to) = (Opened::new(&from, READS, 0), Opened::new(&to, WRITES, 0));
                for times in 0..4 {
                    match from.side().splice_to(to.side(), 4 + times, false) {
                        Ok(count) => assert!(count > 0),
                        Err(error) => assert!(error == ERESTARTSYS && sim::has_signal()),
                    }
                }
                // The other task may sleep for ever, because nothing more comes.
                watcher.0.set(Some(2 - nth));
            }));
        }
        sim::join(tasks);
        let mut all = Vec::new();
        for file in &files {
            while let Ok(bytes) = file.read(20) {
                all.extend(bytes);
            }
        }
        all.sort();
        let expected = [vec![0; LENS[0]], vec![1; LENS[1]]].concat();
        assert_eq!(all, expected);
    });
}

#[test]
fn end_of_file_does_not_hide_closed_readers() {
    run(1, || {
        let pipes = [20; 2].map(make_pipe);
        let from = Opened::new(&pipes[0], READS, 0);
        let to = Opened::new(&pipes[1], WRITES, 0);
        drop(Opened::new(&pipes[0], WRITES, 0));
        drop(Opened::new(&pipes[1], READS, 0));
        for keep in [false, true] {
            let moved = from.side().splice_to(to.side(), 5, keep);
            assert_eq!(moved, Err(EPIPE));
        }
    });
}

#[test]
fn call_may_ignore_o_nonblock() {
    run(100, || {
        let pipe = make_pipe(20);
        let reader = Opened::new(&pipe, READS, O_NONBLOCK);
        let writer = Opened::new(&pipe, WRITES, 0);
        let tasks = vec![
            sim::spawn(move || {
                let side = reader.side().ignoring_nonblock();
                assert_eq!(side.drain(5, |bytes| Ok(bytes.len())), Ok(3));
            }),
            sim::spawn(move || assert_eq!(writer.write(&[0; 3], false), Ok(3))),
        ];
        sim::join(tasks);
    });
}

/// Bytes and packets go from a writer through two pipes, the second of which is small, to a reader.
#[test]
fn bytes_go_through_a_small_pipe() {
    run(2000, || {
        let pipes = [24, 10].map(make_pipe);
        let writer = Opened::new(&pipes[0], WRITES, 0);
        let from = Opened::new(&pipes[0], READS, 0);
        let to = Opened::new(&pipes[1], WRITES, 0);
        let reader = Opened::new(&pipes[1], READS, 0);
        let sent: Vec<u8> = (0..40).collect();
        let got = Rc::new(RefCell::new(Vec::new()));
        let (bytes, results) = (sent.clone(), got.clone());
        let tasks = vec![
            sim::spawn(move || {
                for (nth, part) in bytes.chunks(7).enumerate() {
                    assert_eq!(writer.write(part, nth % 2 == 1), Ok(part.len()));
                }
                drop(writer);
            }),
            sim::spawn(move || {
                while from.side().splice_to(to.side(), 9, false) != Ok(0) {}
                drop(to);
            }),
            sim::spawn(move || loop {
                match reader.drain(5) {
                    Ok(bytes) if !bytes.is_empty() => results.borrow_mut().extend(bytes),
                    result => {
                        assert_eq!(result, Ok(Vec::new()));
                        break;
                    }
                }
            }),
        ];
        sim::join(tasks);
        assert_eq!(*got.borrow(), sent);
    });
}
