// SPDX-License-Identifier: GPL-2.0

//! The spinner's relaxed atomics, in all orders that the memory model allows, with at most two
//! preemptions: under loom, which also finds a task that sleeps for ever.

#![cfg(test)]

#[allow(dead_code)]
#[path = "../../../mini_pipe/pipe/mod.rs"]
mod pipe;
#[allow(dead_code, clippy::all)]
#[path = "../../../mini_pipe/ring/mod.rs"]
mod ring;
#[allow(dead_code)]
#[path = "../../core/src/sys/mod.rs"]
mod sys;

use crate::{
    pipe::{
        call::Call,
        ends::{Ends, OpenEnd},
        policy::Policy,
        Pipe,
    },
    ring::{
        dir::{Dir, PerDir, Reading, Writing},
        storage::Storage,
        user::Buffer,
        Ring,
    },
    sys::task,
};
use kernel::{
    fs::File,
    sim::{self, Faults},
    sync::Arc,
};

const READS: PerDir<bool> = PerDir {
    read: true,
    write: false,
};
const BOTH: PerDir<bool> = PerDir {
    read: true,
    write: true,
};
const WRITES: PerDir<bool> = PerDir {
    read: false,
    write: true,
};

/// Makes a call of `len` bytes, which must move all of them.
fn call(pipe: &Pipe, end: &OpenEnd, len: usize) {
    let buffer = sim::map(vec![1; len], Faults::default());
    let file = File::new(0, 0);
    let call = Call::new(&file, 0);
    let moved = if end.is(Dir::Read) {
        pipe.read(end, call, Buffer::<Reading>::new(buffer, len))
    } else {
        pipe.write(end, call, Buffer::<Writing>::new(buffer, len))
    };
    assert_eq!(moved, Ok(len));
}

/// Tries all orders of these calls with at most two preemptions, on a pipe of `capacity` bytes,
/// each call by a task of its own.
fn explore(capacity: usize, calls: &'static [(PerDir<bool>, usize)]) {
    let mut model = ::loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(move || {
        sim::start(1);
        task::set_other_cpu(true);
        let Ok(storage) = Storage::new(capacity, None) else {
            unreachable!("there is memory");
        };
        let ring = Ring::new(storage);
        let pipe = Arc::pin_init(Pipe::new(0, ring, Ends::default(), Policy::Buffered));
        // Makes the atomics before there are tasks, as loom requires.
        pipe.close(&pipe.open(BOTH));
        let ends: Vec<_> = calls.iter().map(|(modes, _)| pipe.open(*modes)).collect();
        let tasks = calls.iter().zip(&ends).map(|(&(_, len), &end)| {
            let pipe = pipe.clone();
            sim::spawn(move || call(&pipe, &end, len))
        });
        sim::join(tasks.collect());
        ends.iter().for_each(|end| pipe.close(end));
        drop(pipe);
        assert_eq!(sim::end(), None);
    });
}

#[test]
fn reader_that_spins_gets_its_byte() {
    explore(8, &[(READS, 1), (WRITES, 1)]);
}

#[test]
fn writer_that_spins_gets_its_room() {
    explore(1, &[(READS, 1), (WRITES, 1), (WRITES, 1), (READS, 1)]);
}
