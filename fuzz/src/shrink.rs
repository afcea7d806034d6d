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

/// How many suspects are tried alone, the last ones first.
const ALONE: usize = 4;
/// How long a candidate runs at least, and at most.
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(8);

struct Shrink {
    target: Target,
    suspects: Vec<Program>,
    /// How long a candidate runs.
    time: Duration,
}

/// `state` has the suspects, a line each, after a line with the number of the candidate to begin
/// with, and "take" if this one made the kernel complain. Returns whether the smallest program was
/// found.
pub fn run(channel: Channel, state: &str) -> io::Result<bool> {
    let (first, suspects) = state.split_once('\n').unwrap_or_default();
    let (number, takes) = first.split_once(' ').unwrap_or((first, ""));
    let mut next: usize = number.parse().unwrap_or(0);
    let mut shrink = Shrink {
        target: Target::new(channel)?,
        suspects: suspects.lines().filter_map(Program::parse).collect(),
        time: Duration::from_secs(3),
    };
    if takes == "take" {
        if let Some(taken) = candidates(&shrink.suspects).into_iter().nth(next) {
            next = if shrink.suspects.len() > 1 { 0 } else { next };
            shrink.suspects = taken;
        }
    }
    shrink.report();
    // Where nothing more was left out since.
    let mut last_success = None;
    loop {
        let all = candidates(&shrink.suspects);
        if last_success == Some(next) || all.is_empty() {
            return Ok(true);
        }
        let Some(candidate) = all.into_iter().nth(next) else {
            if next == 0 || last_success.is_none() && shrink.suspects.len() > 1 {
                return Ok(true);
            }
            last_success = last_success.or(Some(next));
            next = 0;
            continue;
        };
        println!("  trying {next}: {} programs", candidate.len());
        shrink.target.channel.line(&format!("trying {next}"));
        let start = Instant::now();
        let Err(complaint) = shrink.test(&candidate) else {
            next += 1;
            continue;
        };
        println!("  {complaint}");
        shrink
            .target
            .channel
            .line(&format!("complains {complaint}"));
        // A complaint of the kernel may have disabled its checks; a list that is damaged stays so.
        if !complaint.starts_with("user ") && !complaint.contains("KASAN") {
            return Ok(false);
        }
        next = if shrink.suspects.len() > 1 { 0 } else { next };
        last_success = Some(next);
        shrink.time = (start.elapsed() * 3).clamp(LEAST, MOST);
        shrink.suspects = candidate;
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

    fn test(&mut self, programs: &[Program]) -> Result<(), String> {
        let end = Instant::now() + self.time;
        loop {
            for program in programs {
                self.target.run(program)?;
            }
            if Instant::now() > end {
                return self.target.machine.check();
            }
        }
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
    let mut all: Vec<_> = suspects
        .iter()
        .rev()
        .take(ALONE)
        .map(|program| vec![program.clone()])
        .collect();
    if suspects.len() > ALONE {
        let (older, newer) = suspects.split_at(suspects.len() / 2);
        all.extend([newer.to_vec(), older.to_vec()]);
    }
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
    for index in 0..program.tasks.len() {
        add(&|program| {
            program.tasks.remove(index);
        });
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
