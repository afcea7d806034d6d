// SPDX-License-Identifier: GPL-2.0

//! The text of tracefs's file `trace`, or of `trace-cmd report`: a line for each event.

use crate::fields::Fields;
use std::collections::BTreeMap;

/// What such a text says.
#[derive(Debug, Default)]
pub struct Trace {
    /// In the order of time.
    pub events: Vec<Event>,
    /// How many bytes some pipes had before the first event, by the number of the pipe.
    pub bytes: BTreeMap<u64, u64>,
    /// How many events the kernel had no room for.
    pub lost: u64,
    /// How many lines are no event of a mini_pipe.
    pub skipped: usize,
}

/// An event of one of the tracepoints `mini_pipe:*`.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub nanos: u64,
    pub cpu: u32,
    pub pid: u32,
    /// The name of the task.
    pub comm: String,
    /// The inode number of a private pipe, or 0 for the device.
    pub pipe: u64,
    pub kind: Kind,
}

/// What has happened; docs/tracing.md describes the fields.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// `read` or `write`.
    Call {
        dir: Dir,
        len: u64,
        ret: i64,
    },
    Reserve {
        dir: Dir,
        len: u64,
    },
    Commit {
        dir: Dir,
        moved: u64,
        ended: bool,
    },
    Block {
        dir: Dir,
    },
    Wake {
        dir: Dir,
        sleepers: Wake,
        pollers: Wake,
    },
    HandOn {
        dir: Dir,
    },
    Resize {
        from: u64,
        to: u64,
    },
    Open(Ends),
    Close(Ends),
    Eof,
    Epipe,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Dir {
    Read,
    Write,
}

/// How many of a kind of waiters are woken. For pollers, [`Wake::One`] means all without
/// EPOLLEXCLUSIVE that asked for the event, and one with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wake {
    None,
    One,
    All,
}

/// The ends of a file that was opened or closed, and how many files are open then.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ends {
    pub reads: bool,
    pub writes: bool,
    pub readers: u64,
    pub writers: u64,
}

impl Trace {
    /// Reads the text. Lines that are no event of a mini_pipe are counted and skipped.
    pub fn parse(text: &str) -> Self {
        let mut trace = Self::default();
        let (mut overwritten, mut dropped) = (0_u64, 0_u64);
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if let Some(remark) = line.strip_prefix('#') {
                overwritten = overwritten.max(overwritten_events(remark).unwrap_or(0));
                trace.bytes.extend(bytes_before(remark));
            } else if is_head_of_trace_cmd(line) {
                // Nothing in it matters here.
            } else if let Some(lost) = lost_events(line) {
                dropped = dropped.saturating_add(lost);
            } else if let Some(event) = event(line) {
                trace.events.push(event);
            } else {
                trace.skipped += 1;
            }
        }
        // Both tell of the same events.
        trace.lost = overwritten.max(dropped);
        trace.events.sort_by_key(|event| event.nanos);
        trace
    }
}

/// The remark with which `record` says how many bytes a pipe has before the first event.
pub fn remark_of_bytes(pipe: u64, bytes: u64) -> String {
    format!("# pipe={pipe} bytes={bytes}\n")
}

fn bytes_before(remark: &str) -> Option<(u64, u64)> {
    let fields = Fields::from_words(remark);
    Some((fields.number("pipe")?, fields.number("bytes")?))
}

/// From the head of the file: `entries-in-buffer/entries-written: 7/12   #P:2`.
fn overwritten_events(remark: &str) -> Option<u64> {
    let counts = remark
        .trim()
        .strip_prefix("entries-in-buffer/entries-written:")?;
    let (kept, written) = counts.split_whitespace().next()?.split_once('/')?;
    written.parse::<u64>().ok()?.checked_sub(kept.parse().ok()?)
}

/// The lines before the events: `version = 7`, `CPU 1 is empty` and `cpus=2`.
fn is_head_of_trace_cmd(line: &str) -> bool {
    line.starts_with("version = ") || line.starts_with("cpus=") || line.ends_with(" is empty")
}

/// `CPU:1 [LOST 5 EVENTS]`; `CPU:1 [LOST EVENTS]` if the kernel does not know how many; and
/// trace-cmd's `CPU:1 [5 EVENTS DROPPED]`.
fn lost_events(line: &str) -> Option<u64> {
    let (_, words) = line.strip_prefix("CPU:")?.split_once('[')?;
    let number = words.split_whitespace().find_map(|word| word.parse().ok());
    (words.contains("LOST") || words.contains("DROPPED")).then_some(number.unwrap_or(1))
}

/// `cat-123 [001] d..2. 4.123456: read: pipe=0 len=100 ret=6`. The name of the task may have
/// spaces and brackets.
fn event(line: &str) -> Option<Event> {
    line.match_indices('[').find_map(|(at, _)| {
        let (cpu, rest) = line[at + 1..].split_once(']')?;
        let (comm, pid) = task(line[..at].trim_end())?;
        // Old versions of trace-cmd have no flags before the time.
        let mut words = rest.split_whitespace();
        let first = words.next()?;
        let time = if first.ends_with(':') {
            first
        } else {
            words.next()?
        };
        let name = words.next()?.strip_suffix(':')?;
        let (_, fields) = rest.split_once(&format!(" {name}:"))?;
        let fields = Fields::from_words(fields);
        Some(Event {
            nanos: nanos(time.strip_suffix(':')?)?,
            cpu: cpu.parse().ok()?,
            pid,
            comm: comm.to_owned(),
            pipe: fields.number("pipe")?,
            kind: kind(name, &fields)?,
        })
    })
}

/// The name and the number of a task: `cat-123`, or with the option record-tgid `cat-123 (123)`.
fn task(text: &str) -> Option<(&str, u32)> {
    let task = match text.rsplit_once('(') {
        Some((task, group)) if group.ends_with(')') => task.trim_end(),
        _ => text,
    };
    let (comm, pid) = task.rsplit_once('-')?;
    Some((comm.trim_start(), pid.parse().ok()?))
}

/// A time in seconds, with up to nine digits after the point.
fn nanos(time: &str) -> Option<u64> {
    let (seconds, fraction) = time.split_once('.')?;
    let digits = u32::try_from(fraction.len()).ok()?;
    let scale = 10_u64.pow(9_u32.checked_sub(digits)?);
    let seconds = seconds.parse::<u64>().ok()?.checked_mul(1_000_000_000)?;
    seconds.checked_add(fraction.parse::<u64>().ok()?.checked_mul(scale)?)
}

fn kind(name: &str, fields: &Fields<'_>) -> Option<Kind> {
    let number = |name| fields.number(name);
    let dir = || match fields.word("dir")? {
        "read" | "0" => Some(Dir::Read),
        "write" | "1" => Some(Dir::Write),
        _ => None,
    };
    let wake = |name| match fields.word(name)? {
        "none" | "0" => Some(Wake::None),
        "one" | "some" | "1" => Some(Wake::One),
        "all" | "2" => Some(Wake::All),
        _ => None,
    };
    let call = |dir| {
        Some(Kind::Call {
            dir,
            len: number("len")?,
            ret: fields.word("ret")?.parse().ok()?,
        })
    };
    let ends = || {
        Some(Ends {
            reads: number("reads")? != 0,
            writes: number("writes")? != 0,
            readers: number("readers")?,
            writers: number("writers")?,
        })
    };
    Some(match name {
        "read" => call(Dir::Read)?,
        "write" => call(Dir::Write)?,
        "reserve" => Kind::Reserve {
            dir: dir()?,
            len: number("len")?,
        },
        "commit" => Kind::Commit {
            dir: dir()?,
            moved: number("moved")?,
            ended: number("ended")? != 0,
        },
        "block" => Kind::Block { dir: dir()? },
        "wake" => Kind::Wake {
            dir: dir()?,
            sleepers: wake("sleepers")?,
            pollers: wake("pollers")?,
        },
        "hand_on" => Kind::HandOn { dir: dir()? },
        "resize" => Kind::Resize {
            from: number("from")?,
            to: number("to")?,
        },
        "open" => Kind::Open(ends()?),
        "close" => Kind::Close(ends()?),
        "eof" => Kind::Eof,
        "epipe" => Kind::Epipe,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Kind = Kind::Call {
        dir: Dir::Read,
        len: 100,
        ret: 6,
    };

    #[test]
    fn an_event_has_a_task_a_time_and_fields() {
        let line = "  cat-123   [001] d..2.     4.123456: read: pipe=7 len=100 ret=6";
        assert_eq!(
            event(line.trim()),
            Some(Event {
                nanos: 4_123_456_000,
                cpu: 1,
                pid: 123,
                comm: "cat".to_owned(),
                pipe: 7,
                kind: READ,
            })
        );
    }

    #[test]
    fn trace_cmd_and_other_options_are_read_too() {
        for line in [
            "cat-123   [001]     4.123456789: read:                 pipe=7 len=100 ret=6",
            "cat-123   [001] .....     4.123456: read: pipe=7 len=100 ret=6",
            "cat-123     (    123) [001] .....     4.123456: read: pipe=7 len=100 ret=6",
        ] {
            let event = event(line).expect(line);
            assert_eq!(
                (event.pid, event.pipe, event.kind),
                (123, 7, READ),
                "{line}"
            );
        }
    }

    #[test]
    fn a_task_may_have_any_name() {
        for name in [
            "a-b",
            "[kworker/0:1]",
            "a [1] b-2",
            "x-3 [1",
            "read:",
            "(sd-pam)",
            "<...>",
        ] {
            let line = format!("{name}-9 [000] ..... 1.000001: read: pipe=7 len=100 ret=6");
            let event = event(&line).expect(name);
            assert_eq!((event.comm.as_str(), event.pid), (name, 9));
        }
    }

    #[test]
    fn other_lines_are_counted_and_skipped() {
        let text = "# tracer: nop\n\n\
            cat-1 [000] ..... 1.5: eof: pipe=7\n\
            cat-1 [000] ..... 1.6: sched_switch: prev_comm=cat\n\
            cat-1 [000] ..... 1.7: read: pipe=7 len=1\n\
            cat-1 [000] ..... x.7: eof: pipe=7\n\
            cat-1 [000] ..... 1.1234567890: eof: pipe=7\n\
            cat-1 [000] ..... 99999999999999999999.1: eof: pipe=7\n\
            cat-1 [000\n\
            [\u{e9}\u{fffd}]]][[[-[-1 [1] [\n";
        let trace = Trace::parse(text);
        assert_eq!(trace.events.len(), 1);
        assert_eq!(trace.skipped, 7);
    }

    #[test]
    fn lost_events_are_counted() {
        for (text, lost) in [
            ("", 0),
            ("# entries-in-buffer/entries-written: 12/12   #P:2", 0),
            ("# entries-in-buffer/entries-written: 7/12   #P:2", 5),
            ("CPU:1 [LOST 3 EVENTS]\nCPU:0 [LOST 4 EVENTS]", 7),
            ("CPU:1 [LOST EVENTS]", 1),
            (
                "version = 7\nCPU 1 is empty\ncpus=2\nCPU:0 [12 EVENTS DROPPED]",
                12,
            ),
        ] {
            let trace = Trace::parse(text);
            assert_eq!((trace.lost, trace.skipped), (lost, 0), "{text}");
        }
    }

    #[test]
    fn bytes_before_the_first_event_are_remarks() {
        let trace = Trace::parse(&(remark_of_bytes(0, 70) + &remark_of_bytes(9, 0)));
        assert_eq!(trace.bytes, BTreeMap::from([(0, 70), (9, 0)]));
    }
}
