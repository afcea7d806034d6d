// SPDX-License-Identifier: GPL-2.0

//! Small configurations: many of their schedules can be tried, and all those of the smallest.

use crate::config::{Call, Config, Task, Transfer};
use kernel::fs::file::flags::{O_DIRECT, O_NONBLOCK};

/// The configurations, each with what it is about.
pub fn small() -> Vec<(&'static str, Config)> {
    let read = |len| Call::Read(Transfer::of(len));
    let write = |len| Call::Write(Transfer::of(len));
    let poll = Call::Poll {
        exclusive: false,
        hangup: false,
    };
    vec![
        ("a byte", pipe(8, [reader(&[read(1)]), writer(&[write(1)])])),
        ("end of file", pipe(8, [reader(&[read(1)]), writer(&[])])),
        ("no readers", pipe(1, [reader(&[]), writer(&[write(2)])])),
        (
            "a full pipe",
            pipe(1, [reader(&[read(2)]), writer(&[write(2)])]),
        ),
        (
            "poll for a byte",
            pipe(8, [reader(&[poll]), writer(&[write(1)])]),
        ),
        ("poll for the end", pipe(8, [reader(&[poll]), writer(&[])])),
        (
            "a signal",
            pipe(8, [reader(&[read(1)]), writer(&[Call::Signal(1)])]),
        ),
        (
            "EAGAIN",
            pipe(
                8,
                [
                    reader(&[read(1)]),
                    Task {
                        flags: O_NONBLOCK,
                        ..writer(&[write(1)])
                    },
                ],
            ),
        ),
        (
            "a rendezvous",
            Config {
                rendezvous: true,
                ..pipe(8, [reader(&[read(1)]), writer(&[write(1)])])
            },
        ),
        (
            "packets and a resize",
            pipe(
                16,
                [
                    Task {
                        flags: O_DIRECT,
                        ..writer(&[write(1), write(1)])
                    },
                    reader(&[Call::resize(8)]),
                ],
            ),
        ),
        (
            "a resize",
            pipe(1, [reader(&[Call::resize(8)]), writer(&[write(2)])]),
        ),
    ]
}

fn reader(calls: &[Call]) -> Task {
    Task::of(true, false, calls.to_vec())
}

fn writer(calls: &[Call]) -> Task {
    Task::of(false, true, calls.to_vec())
}

fn pipe<const N: usize>(capacity: usize, tasks: [Task; N]) -> Config {
    Config {
        seed: 1,
        capacity,
        private: true,
        rendezvous: false,
        spins: false,
        opened_first: true,
        primed: (0, 0),
        tasks: tasks.to_vec(),
    }
}
