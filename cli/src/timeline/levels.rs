// SPDX-License-Identifier: GPL-2.0

//! How many bytes a pipe has after each event.
//!
//! A commit shows a change of the level at its time. A call that moves bytes without a reservation
//! shows it late: its event comes after its wake-ups, and a reader may have read the bytes by
//! then. So such a change counts from the call's first wake-up or, if that is earlier, from the
//! read that needs its bytes.

use super::trace::{
    Dir,
    Event,
    Kind,
    Trace, //
};
use std::collections::HashMap;

/// A level, which holds from an event until the next entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// The index of the event.
    pub at: usize,
    pub bytes: u64,
}

/// The levels of a pipe, in the order of events.
#[derive(Debug)]
pub struct Levels(Vec<Level>);

impl Levels {
    /// The levels of the pipe with that number.
    pub fn of(trace: &Trace, pipe: u64) -> Self {
        let known = trace.bytes.get(&pipe).copied();
        let mut changes = changes(&trace.events, pipe);
        let before = settle(&mut changes, known.unwrap_or(0));
        let mut bytes = before;
        let mut levels = vec![Level { at: 0, bytes }];
        for change in changes {
            let after = change.apply(bytes).unwrap_or(0);
            if after != bytes {
                bytes = after;
                levels.push(Level {
                    at: change.at,
                    bytes,
                });
            }
        }
        Self(levels)
    }

    /// The level after the event with that index.
    pub fn after(&self, event: usize) -> u64 {
        let next = self.0.partition_point(|level| level.at <= event);
        next.checked_sub(1).map_or(0, |last| self.0[last].bytes)
    }

    pub fn highest(&self) -> u64 {
        self.0.iter().map(|level| level.bytes).max().unwrap_or(0)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Level> {
        self.0.iter()
    }
}

/// The event of a write may come after the read that took its bytes: it is looked for among this
/// many later changes of the pipe.
const REACH: usize = 64;

struct Change {
    /// From which event on the change is shown.
    at: usize,
    /// The event of the same task before that: the change cannot be earlier.
    after: Option<usize>,
    delta: Delta,
}

#[derive(Clone, Copy, PartialEq)]
enum Delta {
    Add(u64),
    Remove(u64),
    /// The last close of a private pipe drops what is in it.
    Drop,
}

impl Change {
    /// The level after the change, if that is not below zero.
    fn apply(&self, bytes: u64) -> Option<u64> {
        match self.delta {
            Delta::Add(more) => Some(bytes.saturating_add(more)),
            Delta::Remove(fewer) => bytes.checked_sub(fewer),
            Delta::Drop => Some(0),
        }
    }
}

/// What is known of a task's call before its last event, `read` or `write`.
#[derive(Default)]
struct Call {
    committed: u64,
    /// Its first wake-up, and the task's event before that: `at` and `after` of a [`Change`].
    first_wake: Option<(usize, Option<usize>)>,
    /// The task's last event was a close or a resize, so its next wake-ups may belong to that.
    is_unclear: bool,
}

/// The changes of the pipe's level, in the order of events.
fn changes(events: &[Event], pipe: u64) -> Vec<Change> {
    let mut calls = HashMap::<u32, Call>::new();
    let mut last = HashMap::<u32, usize>::new();
    let mut changes = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let after = last.insert(event.pid, at);
        if event.pipe != pipe {
            continue;
        }
        let call = calls.entry(event.pid).or_default();
        let mut change = |at, after, delta| changes.push(Change { at, after, delta });
        match event.kind {
            Kind::Commit { dir, moved, .. } => {
                call.committed = call.committed.saturating_add(moved);
                change(at, after, in_direction(dir, moved));
            }
            Kind::Wake { .. } | Kind::HandOn { .. } if !call.is_unclear => {
                call.first_wake.get_or_insert((at, after));
            }
            Kind::Call { dir, ret, .. } => {
                let moved = u64::try_from(ret).unwrap_or(0);
                let call = calls.remove(&event.pid).unwrap_or_default();
                if let Some(fast @ 1..) = moved.checked_sub(call.committed) {
                    let (at, after) = match call.first_wake {
                        Some(wake) if call.committed == 0 => wake,
                        _ => (at, after),
                    };
                    change(at, after, in_direction(dir, fast));
                } else if dir == Dir::Write && moved < call.committed {
                    // A rendezvous write has removed what nobody had read.
                    change(at, after, Delta::Remove(call.committed - moved));
                }
            }
            Kind::Close(ends) => {
                call.is_unclear = true;
                if pipe != 0 && ends.readers == 0 && ends.writers == 0 {
                    change(at, after, Delta::Drop);
                }
            }
            Kind::Resize { .. } => call.is_unclear = true,
            Kind::Block { .. } | Kind::Open(_) => {
                call.first_wake = None;
                call.is_unclear = false;
            }
            Kind::Wake { .. } | Kind::HandOn { .. } => (),
            Kind::Reserve { .. } | Kind::Eof | Kind::Epipe => (),
        }
    }
    changes.sort_by_key(|change| change.at);
    changes
}

fn in_direction(dir: Dir, bytes: u64) -> Delta {
    match dir {
        Dir::Read => Delta::Remove(bytes),
        Dir::Write => Delta::Add(bytes),
    }
}

/// Moves writes in front of the reads that took their bytes. Returns the level before the first
/// event: at least `before`, and more if bytes were read that no event has written.
fn settle(changes: &mut Vec<Change>, mut before: u64) -> u64 {
    let mut bytes = before;
    let mut next = 0;
    while next < changes.len() {
        let change = &changes[next];
        if let Some(after) = change.apply(bytes) {
            bytes = after;
            next += 1;
            continue;
        }
        let at = change.at;
        let reach = changes.len().min(next + REACH);
        let write = (next + 1..reach).find(|&later| {
            let later = &changes[later];
            matches!(later.delta, Delta::Add(_)) && later.after.is_none_or(|event| event < at)
        });
        if let Some(write) = write {
            let earliest = next.checked_sub(1).map_or(0, |last| changes[last].at);
            let mut write = changes.remove(write);
            write.at = at.saturating_sub(1).max(earliest);
            changes.insert(next, write);
        } else if let Delta::Remove(fewer) = change.delta {
            before = before.saturating_add(fewer - bytes);
            bytes = fewer;
        }
    }
    before
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The levels of pipe 7 in a trace of these events, each with the number of its task.
    fn levels(events: &[(u32, &str)]) -> Vec<(usize, u64)> {
        let lines = events.iter().enumerate().map(|(at, (pid, event))| {
            let (name, fields) = event.split_once(' ').expect("a name and fields");
            format!("t-{pid} [000] ..... 1.{at:06}: {name}: pipe=7 {fields}\n")
        });
        let trace = Trace::parse(&lines.collect::<String>());
        assert_eq!(trace.events.len(), events.len());
        let levels = Levels::of(&trace, 7);
        levels.iter().map(|level| (level.at, level.bytes)).collect()
    }

    const WAKE: &str = "wake dir=read sleepers=one pollers=none";

    #[test]
    fn calls_and_commits_change_the_level() {
        let events = [
            (1, "write len=6 ret=6"),
            (1, "reserve dir=write len=5000"),
            (1, "commit dir=write moved=4000 ended=0"),
            (1, "commit dir=write moved=1000 ended=1"),
            (1, "write len=5000 ret=5000"),
            (2, "read len=100 ret=100"),
        ];
        let expected = [(0, 0), (0, 6), (2, 4006), (3, 5006), (5, 4906)];
        assert_eq!(levels(&events), expected);
    }

    #[test]
    fn a_write_counts_from_its_first_wake_up() {
        let events = [
            (1, WAKE),
            (2, "read len=100 ret=6"),
            (1, "write len=6 ret=6"),
        ];
        assert_eq!(levels(&events), [(0, 0), (0, 6), (1, 0)]);
    }

    #[test]
    fn wake_ups_of_a_close_are_not_those_of_a_write() {
        let close = (1, "close reads=0 writes=1 readers=1 writers=1");
        let open = (1, "open reads=0 writes=1 readers=1 writers=2");
        let write = (1, "write len=6 ret=6");
        assert_eq!(levels(&[close, (1, WAKE), write]), [(0, 0), (2, 6)]);
        let reopened = [close, (1, WAKE), open, (1, WAKE), write];
        assert_eq!(levels(&reopened), [(0, 0), (3, 6)]);
    }

    #[test]
    fn a_write_counts_from_the_read_of_its_bytes() {
        let events = [
            (2, "open reads=1 writes=0 readers=1 writers=0"),
            (1, "open reads=0 writes=1 readers=1 writers=1"),
            (2, "read len=100 ret=6"),
            (1, "write len=6 ret=6"),
        ];
        assert_eq!(levels(&events), [(0, 0), (1, 6), (2, 0)]);
    }

    #[test]
    fn bytes_that_nobody_wrote_were_there_before() {
        let events = [(1, "read len=100 ret=6"), (1, "read len=100 ret=4")];
        assert_eq!(levels(&events), [(0, 10), (0, 4), (1, 0)]);
    }

    #[test]
    fn an_interrupted_rendezvous_removes_its_bytes() {
        let events = [
            (1, "commit dir=write moved=10 ended=0"),
            (2, "read len=4 ret=4"),
            (1, "write len=10 ret=4"),
        ];
        assert_eq!(levels(&events), [(0, 0), (0, 10), (1, 6), (2, 0)]);
    }

    #[test]
    fn the_last_close_drops_bytes_of_a_private_pipe() {
        let events = [
            (1, "write len=6 ret=6"),
            (1, "close reads=0 writes=1 readers=1 writers=0"),
            (2, "close reads=1 writes=0 readers=0 writers=0"),
        ];
        assert_eq!(levels(&events), [(0, 0), (0, 6), (2, 0)]);
    }
}
