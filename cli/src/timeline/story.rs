// SPDX-License-Identifier: GPL-2.0

//! What the events of a trace tell: who slept, reserved and woke whom.
//!
//! Events are named by their index in the trace. A trace does not say which sleeper a wake-up
//! reached: the one that goes on first is taken for it.

use super::{
    levels::Levels,
    trace::{
        Dir,
        Event,
        Kind,
        Trace,
        Wake, //
    }, //
};
use std::collections::HashMap;

pub struct Story<'a> {
    pub trace: &'a Trace,
    /// In the order of their first events.
    pub tasks: Vec<Task>,
    /// Those that were used, in the order of their first events.
    pub pipes: Vec<Pipe>,
    pub reservations: Vec<Reservation>,
    pub sleeps: Vec<Sleep>,
}

#[derive(Debug, PartialEq)]
pub struct Task {
    pub pid: u32,
    pub comm: String,
}

pub struct Pipe {
    /// As in [`Event::pipe`].
    pub number: u64,
    pub levels: Levels,
}

/// From an event to another, or to the end of the trace.
type Span = (usize, Option<usize>);

/// From a reserve to the commit that ends it or, under the policy rendezvous, to the end of the
/// call; or to the end of the trace.
#[derive(Debug, PartialEq)]
pub struct Reservation {
    pub task: usize,
    pub pipe: u64,
    pub dir: Dir,
    pub from: usize,
    pub to: Option<usize>,
}

/// From a block to the next event of the task, or to the end of the trace.
#[derive(Debug, PartialEq)]
pub struct Sleep {
    pub task: usize,
    pub pipe: u64,
    pub dir: Dir,
    pub from: usize,
    /// The wake-up that reached the task.
    pub woken: Option<usize>,
    pub to: Option<usize>,
    /// From when to when the reader slept on although the pipe had bytes, and no reader was about
    /// to take them.
    pub overslept: Vec<Span>,
}

/// No event shows that a spinning reader is about to take the bytes. It spins for 1 ms at most,
/// unless the parameter `max_spin_us` was raised. Only twice that time is surely a sleep beside
/// bytes.
const SURELY_ASLEEP_NANOS: u64 = 2_000_000;

impl<'a> Story<'a> {
    pub fn new(trace: &'a Trace) -> Self {
        let pipes = pipes(trace);
        let tasks = tasks(&trace.events);
        let reservations = reservations(&trace.events, &tasks);
        let sleeps = sleeps(&trace.events, &tasks);
        let mut story = Self {
            trace,
            tasks,
            pipes,
            reservations,
            sleeps,
        };
        story.find_wakers();
        story.find_overslept();
        story
    }

    pub fn events(&self) -> &'a [Event] {
        &self.trace.events
    }

    /// The index of the task of an event.
    pub fn task_of(&self, event: &Event) -> usize {
        index_of(&self.tasks, event.pid)
    }

    /// The index of the pipe with that number, if it was used.
    pub fn pipe_of(&self, number: u64) -> Option<usize> {
        self.pipes.iter().position(|pipe| pipe.number == number)
    }

    /// The time from the first event to that one.
    pub fn nanos_until(&self, event: usize) -> u64 {
        let events = self.events();
        events[event].nanos - events.first().map_or(0, |first| first.nanos)
    }

    /// Finds the sleepers that the wake-ups reached.
    fn find_wakers(&mut self) {
        let events = self.events();
        // By the index in `sleeps`, which is in the order of their first events.
        let mut asleep = Vec::<usize>::new();
        let mut next = 0;
        for (at, event) in events.iter().enumerate() {
            asleep.retain(|&sleep| self.sleeps[sleep].to != Some(at));
            if self.sleeps.get(next).is_some_and(|sleep| sleep.from == at) {
                asleep.push(next);
                next += 1;
            }
            let Kind::Wake { dir, sleepers, .. } = event.kind else {
                continue;
            };
            let waiting = asleep.iter().copied().filter(|&sleep| {
                let sleep = &self.sleeps[sleep];
                (sleep.pipe, sleep.dir, sleep.woken) == (event.pipe, dir, None)
            });
            let reached: Vec<_> = match sleepers {
                Wake::None => continue,
                Wake::All => waiting.collect(),
                // If the trace ends before any goes on, the one that has slept longest.
                Wake::One => waiting
                    .min_by_key(|&sleep| self.sleeps[sleep].to.unwrap_or(usize::MAX))
                    .into_iter()
                    .collect(),
            };
            for sleep in reached {
                self.sleeps[sleep].woken = Some(at);
            }
        }
    }

    /// Finds readers that slept on beside bytes.
    fn find_overslept(&mut self) {
        for pipe in 0..self.pipes.len() {
            let Pipe { number, levels } = &self.pipes[pipe];
            let mut free: Vec<_> = (0..self.events().len())
                .map(|at| levels.after(at) > 0)
                .collect();
            for (from, to) in self.taken(*number) {
                free[from..to].fill(false);
            }
            for index in 0..self.sleeps.len() {
                let sleep = &self.sleeps[index];
                if (sleep.pipe, sleep.dir) == (*number, Dir::Read) {
                    let end = sleep.woken.or(sleep.to);
                    let found = self.long_runs(&free, sleep.from, end);
                    self.sleeps[index].overslept = found;
                }
            }
        }
    }

    /// From when to when a reader of the pipe had reserved the bytes, or was woken to take them.
    fn taken(&self, pipe: u64) -> Vec<(usize, usize)> {
        let is_of_pipe = |held: &&Reservation| (held.pipe, held.dir) == (pipe, Dir::Read);
        let reserved = self.reservations.iter().filter(is_of_pipe);
        let reserved = reserved.map(|held| (held.from, self.or_last(held.to)));
        let is_of_pipe = |sleep: &&Sleep| (sleep.pipe, sleep.dir) == (pipe, Dir::Read);
        let woken = self.sleeps.iter().filter(is_of_pipe);
        let woken = woken.filter_map(|sleep| Some((sleep.woken?, self.or_last(sleep.to))));
        reserved.chain(woken).collect()
    }

    /// The parts of a sleep during which `free` is true, if they last longer than any spin.
    fn long_runs(&self, free: &[bool], from: usize, end: Option<usize>) -> Vec<Span> {
        let mut runs = Vec::new();
        let mut at = from;
        let to = self.or_last(end);
        while let Some(from) = (at..to).find(|&at| free[at]) {
            at = (from..to).find(|&at| !free[at]).unwrap_or(to);
            if self.nanos_until(at) - self.nanos_until(from) >= SURELY_ASLEEP_NANOS {
                runs.push((from, if at == to { end } else { Some(at) }));
            }
        }
        runs
    }

    /// The event, or the last one of the trace.
    pub fn or_last(&self, event: Option<usize>) -> usize {
        event.unwrap_or(self.events().len().saturating_sub(1))
    }
}

fn index_of(tasks: &[Task], pid: u32) -> usize {
    tasks.iter().position(|task| task.pid == pid).unwrap_or(0)
}

/// The tasks. The kernel may have forgotten the name of a task, and then shows `<...>`.
fn tasks(events: &[Event]) -> Vec<Task> {
    let mut tasks = Vec::<Task>::new();
    for event in events {
        let comm = event.comm.clone();
        match tasks.iter_mut().find(|task| task.pid == event.pid) {
            Some(task) if event.comm != "<...>" => task.comm = comm,
            Some(_) => (),
            None => tasks.push(Task {
                pid: event.pid,
                comm,
            }),
        }
    }
    tasks
}

/// The pipes that were used. The library of `mini-pipe run` only opens the device, for its ioctls.
fn pipes(trace: &Trace) -> Vec<Pipe> {
    let mut numbers = Vec::new();
    for event in &trace.events {
        let is_use = match event.kind {
            Kind::Open(ends) | Kind::Close(ends) => ends.reads || ends.writes,
            _ => true,
        };
        if is_use && !numbers.contains(&event.pipe) {
            numbers.push(event.pipe);
        }
    }
    let pipe = |number| Pipe {
        number,
        levels: Levels::of(trace, number),
    };
    numbers.into_iter().map(pipe).collect()
}

fn reservations(events: &[Event], tasks: &[Task]) -> Vec<Reservation> {
    let mut found = Vec::<Reservation>::new();
    let mut open = HashMap::new();
    for (at, event) in events.iter().enumerate() {
        match event.kind {
            // The event of the next reservation comes before that of the commit.
            Kind::Reserve { dir, .. } => {
                open.entry((event.pid, event.pipe, dir)).or_insert_with(|| {
                    found.push(Reservation {
                        task: index_of(tasks, event.pid),
                        pipe: event.pipe,
                        dir,
                        from: at,
                        to: None,
                    });
                    found.len() - 1
                });
            }
            // The call of a rendezvous write ends without another commit.
            Kind::Commit {
                dir, ended: true, ..
            }
            | Kind::Call { dir, .. } => {
                if let Some(held) = open.remove(&(event.pid, event.pipe, dir)) {
                    found[held].to = Some(at);
                }
            }
            _ => (),
        }
    }
    found
}

fn sleeps(events: &[Event], tasks: &[Task]) -> Vec<Sleep> {
    let mut found = Vec::<Sleep>::new();
    // By the index of the task, the sleep that its next event ends.
    let mut asleep = vec![None::<usize>; tasks.len()];
    for (at, event) in events.iter().enumerate() {
        let task = index_of(tasks, event.pid);
        if let Some(sleep) = asleep[task].take() {
            found[sleep].to = Some(at);
        }
        if let Kind::Block { dir } = event.kind {
            asleep[task] = Some(found.len());
            found.push(Sleep {
                task,
                pipe: event.pipe,
                dir,
                from: at,
                woken: None,
                to: None,
                overslept: Vec::new(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The trace of these events of pipe 7, a millisecond apart, each with the number of its task.
    fn trace(events: &[(u32, &str)]) -> Trace {
        let lines = events.iter().enumerate().map(|(at, (pid, event))| {
            let (name, fields) = event.split_once(' ').unwrap_or((event, ""));
            format!("t-{pid} [000] ..... 1.{at:03}: {name}: pipe=7 {fields}\n")
        });
        let trace = Trace::parse(&lines.collect::<String>());
        assert_eq!(trace.events.len(), events.len());
        trace
    }

    const WAKE_ONE: &str = "wake dir=read sleepers=one pollers=none";
    const WAKE_ALL: &str = "wake dir=read sleepers=all pollers=none";

    fn woken(story: &Story<'_>) -> Vec<(usize, Option<usize>, Option<usize>)> {
        let sleeps = story.sleeps.iter();
        sleeps
            .map(|sleep| (sleep.from, sleep.woken, sleep.to))
            .collect()
    }

    #[test]
    fn the_call_ends_the_reservation_of_a_rendezvous() {
        let trace = trace(&[
            (1, "reserve dir=write len=6"),
            (1, "commit dir=write moved=6 ended=0"),
            (2, "read len=9 ret=6"),
            (1, "write len=6 ret=6"),
        ]);
        assert_eq!(Story::new(&trace).reservations[0].to, Some(3));
    }

    #[test]
    fn a_wake_up_reaches_the_sleeper_that_goes_on() {
        let trace = trace(&[
            (1, "block dir=read"),
            (2, "block dir=read"),
            (3, "block dir=write"),
            (4, WAKE_ONE),
            (2, "read len=9 ret=6"),
            (4, "write len=6 ret=6"),
        ]);
        let story = Story::new(&trace);
        assert_eq!(
            woken(&story),
            [(0, None, None), (1, Some(3), Some(4)), (2, None, None)]
        );
    }

    #[test]
    fn a_wake_up_of_all_reaches_all() {
        let trace = trace(&[
            (1, "block dir=read"),
            (2, "block dir=read"),
            (4, WAKE_ALL),
            (2, "eof"),
        ]);
        let story = Story::new(&trace);
        assert_eq!(woken(&story), [(0, Some(2), None), (1, Some(2), Some(3))]);
    }

    #[test]
    fn a_reservation_lasts_until_its_last_commit() {
        let trace = trace(&[
            (1, "reserve dir=read len=9"),
            (1, "reserve dir=read len=4"),
            (1, "commit dir=read moved=9 ended=0"),
            (1, "commit dir=read moved=4 ended=1"),
            (2, "reserve dir=write len=9"),
        ]);
        let story = Story::new(&trace);
        let spans: Vec<_> = story
            .reservations
            .iter()
            .map(|held| (held.from, held.to))
            .collect();
        assert_eq!(spans, [(0, Some(3)), (4, None)]);
    }

    /// Two readers sleep, one of them is woken and reads, and leaves a byte to the other.
    #[test]
    fn a_reader_that_sleeps_beside_bytes_is_found() {
        let lost = [
            (1, "block dir=read"),
            (2, "block dir=read"),
            (3, WAKE_ONE),
            (3, "write len=2 ret=2"),
            (1, "read len=1 ret=1"),
            (3, "open reads=0 writes=1 readers=2 writers=2"),
            (3, "open reads=0 writes=1 readers=2 writers=2"),
            (3, WAKE_ALL),
        ];
        assert_eq!(
            Story::new(&trace(&lost)).sleeps[1].overslept,
            [(4, Some(7))]
        );
        let mut handed_on = lost;
        handed_on[4] = (1, WAKE_ONE);
        let trace = trace(&handed_on);
        assert!(Story::new(&trace)
            .sleeps
            .iter()
            .all(|sleep| sleep.overslept.is_empty()));
    }

    #[test]
    fn a_pipe_that_was_only_opened_for_ioctls_is_not_shown() {
        let trace = trace(&[(1, "open reads=0 writes=0 readers=0 writers=0")]);
        assert!(Story::new(&trace).pipes.is_empty());
    }

    #[test]
    fn a_task_has_the_last_name_that_is_known() {
        let text =
            ["sh", "cat", "<...>"].map(|comm| format!("{comm}-1 [000] ..... 1.1: eof: pipe=7\n"));
        let trace = Trace::parse(&text.concat());
        let tasks = Story::new(&trace).tasks;
        assert_eq!(
            tasks,
            [Task {
                pid: 1,
                comm: "cat".to_owned()
            }]
        );
    }
}
