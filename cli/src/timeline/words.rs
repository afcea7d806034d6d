// SPDX-License-Identifier: GPL-2.0

//! Events in words.

use super::{
    story::Story,
    trace::{
        Dir,
        Ends,
        Event,
        Kind,
        Wake, //
    }, //
};
use nix::errno::Errno;

/// Not for users, and therefore not in [`Errno`]: after a signal, the kernel begins the call anew,
/// or lets it fail with EINTR.
const ERESTARTSYS: i32 = 512;

/// What is written beside the event: short, as its place is narrow.
pub fn label(kind: Kind) -> String {
    match kind {
        Kind::Call { dir, len, ret } => match u64::try_from(ret) {
            Ok(moved) if dir == Dir::Write && moved < len => format!("write {moved} of {len}"),
            Ok(moved) => format!("{} {moved}", verb(dir)),
            Err(_) => format!("{} {}", verb(dir), errno(ret)),
        },
        Kind::Reserve { len, .. } => format!("reserve {len}"),
        Kind::Commit { moved, .. } => format!("commit {moved}"),
        Kind::Block { .. } => "block".to_owned(),
        Kind::Wake { .. } => "wake".to_owned(),
        Kind::HandOn { .. } => "hand on".to_owned(),
        Kind::Resize { to, .. } => format!("resize {to}"),
        Kind::Open(ends) => format!("open{}", letters(ends)),
        Kind::Close(ends) => format!("close{}", letters(ends)),
        Kind::Eof => "EOF".to_owned(),
        Kind::Epipe => "EPIPE".to_owned(),
    }
}

/// A sentence with all that is known of the event.
pub fn sentence(story: &Story<'_>, at: usize) -> String {
    let event = &story.events()[at];
    let task = &story.tasks[story.task_of(event)];
    let level = story
        .pipe_of(event.pipe)
        .map(|pipe| story.pipes[pipe].levels.after(at));
    format!(
        "{}. {} ({}) on CPU {}, {}: {}{}",
        at + 1,
        task.comm,
        task.pid,
        event.cpu,
        time(story.nanos_until(at)),
        action(event),
        level.map_or_else(String::new, |bytes| format!(
            "; the pipe has {} now",
            count(bytes, "byte")
        ))
    )
}

fn action(event: &Event) -> String {
    let pipe = name(event.pipe);
    match event.kind {
        Kind::Call { dir, len, ret } => {
            let result = match u64::try_from(ret) {
                Ok(moved) => format!("{moved} moved"),
                Err(_) => errno(ret),
            };
            format!(
                "{} of {} on {pipe}: {result}",
                verb(dir),
                count(len, "byte")
            )
        }
        Kind::Reserve {
            dir: Dir::Read,
            len,
        } => format!("reserves {} of {pipe}", count(len, "byte")),
        Kind::Reserve { len, .. } => format!("reserves room for {} in {pipe}", count(len, "byte")),
        Kind::Commit { dir, moved, ended } => format!(
            "commits {} that it has {} {pipe}{}",
            count(moved, "byte"),
            match dir {
                Dir::Read => "read from",
                Dir::Write => "written to",
            },
            if ended { "" } else { ", and goes on" }
        ),
        Kind::Block { dir } => format!("goes to sleep in a {} of {pipe}", verb(dir)),
        Kind::Wake {
            dir,
            sleepers,
            pollers,
        } => {
            let sleepers = match sleepers {
                Wake::None => None,
                Wake::One => Some(format!("a {}", caller(dir))),
                Wake::All => Some(format!("all {}s", caller(dir))),
            };
            let pollers = match (pollers, dir) {
                (Wake::None, _) => None,
                (Wake::All, _) => Some("all pollers".to_owned()),
                // Of pollers with EPOLLEXCLUSIVE, only one is woken.
                (Wake::One, Dir::Read) => Some("reading pollers".to_owned()),
                (Wake::One, Dir::Write) => Some("writing pollers".to_owned()),
            };
            let whom = [sleepers, pollers];
            let whom: Vec<_> = whom.into_iter().flatten().collect();
            format!("wakes {} of {pipe}", whom.join(" and "))
        }
        Kind::HandOn { dir } => format!("hands its wake-up on to a {} of {pipe}", caller(dir)),
        Kind::Resize { from, to } => format!(
            "sets the capacity of {pipe} from {from} to {}",
            count(to, "byte")
        ),
        Kind::Open(ends) => format!("opens {pipe} for {}; {}", purpose(ends), open_files(ends)),
        Kind::Close(ends) => format!("closes {pipe} for {}; {}", purpose(ends), open_files(ends)),
        Kind::Eof => format!("finds the end of file of {pipe}"),
        Kind::Epipe => format!("finds that the last reader of {pipe} was closed"),
    }
}

/// As /proc/PID/fd has it.
pub fn name(pipe: u64) -> String {
    match pipe {
        0 => "/dev/mini_pipe".to_owned(),
        inode => format!("mini_pipe:[{inode}]"),
    }
}

pub fn verb(dir: Dir) -> &'static str {
    match dir {
        Dir::Read => "read",
        Dir::Write => "write",
    }
}

fn caller(dir: Dir) -> &'static str {
    match dir {
        Dir::Read => "reader",
        Dir::Write => "writer",
    }
}

fn letters(ends: Ends) -> &'static str {
    match (ends.reads, ends.writes) {
        (true, true) => " rw",
        (true, false) => " r",
        (false, true) => " w",
        (false, false) => "",
    }
}

fn purpose(ends: Ends) -> &'static str {
    match (ends.reads, ends.writes) {
        (true, true) => "reading and writing",
        (true, false) => "reading",
        (false, true) => "writing",
        (false, false) => "ioctls only",
    }
}

fn open_files(ends: Ends) -> String {
    let [readers, writers] = [count(ends.readers, "reader"), count(ends.writers, "writer")];
    format!("{readers} and {writers} are open then")
}

/// The name of a negative errno.
fn errno(ret: i64) -> String {
    match i32::try_from(ret).ok().and_then(i32::checked_neg) {
        Some(ERESTARTSYS) => "interrupted".to_owned(),
        Some(number) if Errno::from_raw(number) != Errno::UnknownErrno => {
            format!("{:?}", Errno::from_raw(number))
        }
        _ => ret.to_string(),
    }
}

/// A number of things: `1 task`, `2 tasks`.
pub fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// A time, with up to three digits: `41 µs`, `1.24 ms`, `3.00 s`.
pub fn time(nanos: u64) -> String {
    let micros = nanos as f64 / 1e3;
    match micros {
        0.0 => "0".to_owned(),
        ..1e3 => format!("{micros:.0} µs"),
        ..1e6 => with_unit(micros / 1e3, "ms"),
        _ => with_unit(micros / 1e6, "s"),
    }
}

fn with_unit(number: f64, unit: &str) -> String {
    let digits = match number {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{number:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::trace::Trace;

    fn words(event: &str) -> (String, String) {
        let trace = Trace::parse(&format!("cat-12 [003] ..... 1.000: {event}"));
        assert_eq!(trace.events.len(), 1, "{event}");
        (
            label(trace.events[0].kind),
            sentence(&Story::new(&trace), 0),
        )
    }

    #[test]
    fn a_sentence_says_who_did_what() {
        let (label, sentence) = words("read: pipe=7 len=131072 ret=-11");
        assert_eq!(label, "read EAGAIN");
        assert_eq!(
            sentence,
            "1. cat (12) on CPU 3, 0: read of 131072 bytes on mini_pipe:[7]: EAGAIN; \
             the pipe has 0 bytes now"
        );
    }

    #[test]
    fn every_kind_has_words() {
        for (event, short, long) in [
            (
                "read: pipe=0 len=9 ret=1",
                "read 1",
                "read of 9 bytes on /dev/mini_pipe: 1 moved",
            ),
            (
                "write: pipe=0 len=9 ret=4",
                "write 4 of 9",
                "write of 9 bytes on /dev/mini_pipe: 4 moved",
            ),
            (
                "write: pipe=0 len=9 ret=-512",
                "write interrupted",
                "interrupted",
            ),
            ("write: pipe=0 len=9 ret=-99999", "write -99999", "-99999"),
            (
                "reserve: pipe=7 dir=read len=1",
                "reserve 1",
                "reserves 1 byte of mini_pipe:[7]",
            ),
            (
                "reserve: pipe=7 dir=write len=2",
                "reserve 2",
                "reserves room for 2 bytes in",
            ),
            (
                "commit: pipe=7 dir=read moved=2 ended=1",
                "commit 2",
                "2 bytes that it has read from",
            ),
            (
                "commit: pipe=7 dir=write moved=2 ended=0",
                "commit 2",
                "written to mini_pipe:[7], and goes on",
            ),
            (
                "block: pipe=7 dir=write",
                "block",
                "goes to sleep in a write of",
            ),
            (
                "wake: pipe=7 dir=read sleepers=one pollers=all",
                "wake",
                "a reader and all pollers",
            ),
            (
                "wake: pipe=7 dir=write sleepers=none pollers=some",
                "wake",
                "wakes writing pollers of",
            ),
            (
                "hand_on: pipe=7 dir=read",
                "hand on",
                "hands its wake-up on to a reader of",
            ),
            (
                "hand_on: pipe=7 dir=write",
                "hand on",
                "hands its wake-up on to a writer of",
            ),
            (
                "resize: pipe=7 from=65536 to=128",
                "resize 128",
                "from 65536 to 128 bytes",
            ),
            (
                "open: pipe=7 reads=1 writes=0 readers=1 writers=2",
                "open r",
                "reading; 1 reader and 2 writers",
            ),
            (
                "close: pipe=7 reads=0 writes=0 readers=0 writers=0",
                "close",
                "ioctls only; 0 readers",
            ),
            (
                "eof: pipe=7",
                "EOF",
                "finds the end of file of mini_pipe:[7]",
            ),
            (
                "epipe: pipe=7",
                "EPIPE",
                "the last reader of mini_pipe:[7] was closed",
            ),
        ] {
            let (label, sentence) = words(event);
            assert_eq!(label, short);
            assert!(sentence.contains(long), "{sentence}");
        }
    }

    #[test]
    fn times_have_three_digits() {
        for (nanos, text) in [
            (0, "0"),
            (41_000, "41 µs"),
            (1_240_000, "1.24 ms"),
            (41_000_000, "41.0 ms"),
            (3_000_000_000, "3.00 s"),
            (300_000_000_000, "300 s"),
        ] {
            assert_eq!(time(nanos), text);
        }
    }
}
