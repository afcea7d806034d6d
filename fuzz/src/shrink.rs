// SPDX-License-Identifier: GPL-2.0

//! Looks for the smallest program that makes the kernel complain.
//!
//! At first there are several suspects: the programs that ran before the complaint. Then there is
//! one program, from which everything is left out that is not needed. A complaint may end the
//! machine. So the host gets each step as a line, and starts the next machine with the same
//! suspects and the number of the candidate that ended this one.

use crate::{
    channel::Channel,
    program::{
        Program,
        SETUP_BITS, //
    },
    target::Target, //
};
use std::{
    io,
    time::{
        Duration,
        Instant, //
    }, //
};

/// At most this many suspects are tried one by one.
const ALONE: usize = 4;
/// How often a candidate runs; or three times as often as the last complaint took, if more.
const LEAST_RUNS: usize = 4;
/// After this time, and the next one for each program, a candidate does not run again.
const MOST_TIME: Duration = Duration::from_secs(8);
const TIME_EACH: Duration = Duration::from_millis(700);

struct Shrink {
    target: Target,
    suspects: Vec<Program>,
    /// How often a candidate runs.
    runs: usize,
}

/// `state` has the suspects, a line each, after a line with the number of the candidate to begin
/// with, how many runs the last complaint took, and "take" if that candidate caused the complaint.
/// Returns whether the smallest program was found.
pub fn run(channel: Channel, state: &str) -> io::Result<bool> {
    let (first, suspects) = state.split_once('\n').unwrap_or_default();
    let mut words = first.split_whitespace();
    let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let (mut next, runs): (usize, usize) = (number(), number());
    let mut shrink = Shrink {
        target: Target::new(channel)?,
        suspects: suspects.lines().filter_map(Program::parse).collect(),
        runs: LEAST_RUNS.max(3 * runs),
    };
    if words.next() == Some("take") {
        if let Some(taken) = candidates(&shrink.suspects).into_iter().nth(next) {
            next = shrink.take(taken, next);
        }
    }
    shrink.report();
    // How many candidates were tried without a complaint since the last complaint.
    let mut innocent = 0;
    loop {
        let all = candidates(&shrink.suspects);
        // With several suspects, one of them is the cause, though it does not complain each time.
        if all.is_empty() || innocent >= all.len() && shrink.suspects.len() == 1 {
            return Ok(true);
        }
        next %= all.len();
        let candidate = all[next].clone();
        println!("  candidate {next}, {} programs", candidate.len());
        shrink.target.channel.line(&format!("trying {next}"));
        let Err(complaint) = shrink.test(&candidate) else {
            next += 1;
            innocent += 1;
            continue;
        };
        println!("  {complaint}");
        // After most complaints, this machine is useless: checks may be off, and data damaged.
        if !complaint.starts_with("user ") && !complaint.contains("KASAN") {
            return Ok(false);
        }
        next = shrink.take(candidate, next);
        innocent = 0;
        shrink.report();
        while shrink.target.machine.report().is_some() {}
        if shrink.target.machine.check().is_err() {
            return Ok(false);
        }
    }
}

impl Shrink {
    fn report(&mut self) {
        self.target
            .channel
            .line(&format!("suspects {}", self.suspects.len()));
        for suspect in &self.suspects {
            self.target.channel.line(&format!("suspect {suspect}"));
        }
    }

    /// Makes the candidate the suspects. Returns the number of the candidate to go on with.
    fn take(&mut self, candidate: Vec<Program>, number: usize) -> usize {
        let was_alone = self.suspects.len() == 1;
        self.suspects = candidate;
        if was_alone {
            number
        } else {
            0
        }
    }

    fn test(&mut self, programs: &[Program]) -> Result<(), String> {
        let end = Instant::now() + MOST_TIME + TIME_EACH * programs.len() as u32;
        let mut runs = 0;
        while runs < self.runs && (runs == 0 || Instant::now() < end) {
            runs += 1;
            self.target.channel.line(&format!("runs {runs}"));
            for program in programs {
                if let Err(complaint) = self.target.run(program) {
                    self.runs = LEAST_RUNS.max(3 * runs);
                    return Err(complaint);
                }
            }
        }
        self.target.machine.check()
    }
}

/// What to try instead of these suspects.
fn candidates(suspects: &[Program]) -> Vec<Vec<Program>> {
    if let [program] = suspects {
        return smaller(program)
            .into_iter()
            .map(|program| vec![program])
            .collect();
    }
    let alone = suspects.iter().rev().map(|program| vec![program.clone()]);
    if suspects.len() <= ALONE {
        return alone.collect();
    }
    // Most complaints are about the last program.
    let mut all: Vec<_> = alone.take(1).collect();
    let (older, newer) = suspects.split_at(suspects.len() / 2);
    all.extend([newer.to_vec(), older.to_vec()]);
    all
}

/// Programs that are a little smaller.
fn smaller(program: &Program) -> Vec<Program> {
    let mut all = Vec::new();
    let mut add = |change: &dyn Fn(&mut Program)| {
        let mut changed = program.clone();
        change(&mut changed);
        if changed != *program && !changed.tasks.is_empty() {
            all.push(changed);
        }
    };
    // Large steps first: each candidate that complains may cost another boot of the machine.
    for index in 0..program.tasks.len() {
        add(&|program| program.tasks = vec![program.tasks[index].clone()]);
    }
    for index in 0..program.tasks.len() {
        add(&|program| {
            program.tasks.remove(index);
        });
    }
    for len in [1, 2, 3] {
        for (index, task) in program.tasks.iter().enumerate() {
            for start in 0..(task.calls.len() + 1).saturating_sub(len) {
                add(&|program| {
                    let calls = &program.tasks[index].calls[start..start + len];
                    program.tasks[index].calls = calls.to_vec();
                });
            }
        }
    }
    for len in [8, 4, 2, 1] {
        for (index, task) in program.tasks.iter().enumerate() {
            for start in (0..task.calls.len()).step_by(len) {
                let end = (start + len).min(task.calls.len());
                if end - start < task.calls.len() {
                    add(&|program| {
                        program.tasks[index].calls.drain(start..end);
                    });
                }
            }
        }
    }
    for bit in 0..SETUP_BITS {
        add(&|program| program.setup &= !(1 << bit));
    }
    for repeat in [1, 20] {
        if repeat < program.repeat {
            add(&|program| program.repeat = repeat);
        }
    }
    for index in 0..program.tasks.len() {
        add(&|program| program.tasks[index].process = false);
        for call in 0..program.tasks[index].calls.len() {
            for arg in 1..crate::program::ARGS {
                add(&|program| program.tasks[index].calls[call].arg[arg] = 0);
            }
        }
    }
    all
}
