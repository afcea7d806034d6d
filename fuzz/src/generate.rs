// SPDX-License-Identifier: GPL-2.0

//! Makes programs at random, and changes them.

use crate::{
    calls,
    program::{
        Call,
        Program,
        Task,
        ARGS,
        MAX_CALLS,
        MAX_TASKS,
        SETUP_BITS, //
    }, //
};
use libafl::{
    corpus::{
        Corpus,
        CorpusId, //
    },
    generators::Generator,
    mutators::{
        MutationResult,
        Mutator, //
    },
    random_corpus_id,
    state::{
        HasCorpus,
        HasRand, //
    },
    Error, //
};
use libafl_bolts::{
    rands::Rand,
    Named, //
};
use std::{
    borrow::Cow,
    num::NonZero, //
};

/// The first slots of calls/worker.h, which most calls are about: the ends of the device and of a
/// private pipe. The files that are both ends are here twice.
const FAVOURITES: [u8; 8] = [0, 1, 2, 3, 4, 5, 2, 5];

/// What the calls of one program have in common. If there are few kinds of calls, on few
/// descriptors, any two kinds are often made at the same time.
struct Theme {
    calls: Vec<u8>,
    slots: [u8; 2],
}

fn below(rand: &mut impl Rand, bound: usize) -> usize {
    NonZero::new(bound).map_or(0, |bound| rand.below(bound))
}

fn one_in(rand: &mut impl Rand, chances: usize) -> bool {
    below(rand, chances) == 0
}

fn random_nr(rand: &mut impl Rand) -> u8 {
    let total = (0..calls::count()).map(calls::weight).sum();
    let mut left = below(rand, total);
    for nr in 0..calls::count() {
        let weight = calls::weight(nr);
        if left < weight {
            return nr;
        }
        left -= weight;
    }
    0
}

impl Theme {
    fn new(rand: &mut impl Rand) -> Self {
        // Mostly few kinds: then calls of the same kind, or of any two, meet more often.
        let count = 1 + below(rand, 6).min(below(rand, 6));
        Self {
            calls: (0..count).map(|_| random_nr(rand)).collect(),
            slots: [0; 2].map(|_| FAVOURITES[below(rand, FAVOURITES.len())]),
        }
    }

    /// The theme of a program, with some new calls.
    fn of(program: &Program, rand: &mut impl Rand) -> Self {
        let all = program.tasks.iter().flat_map(|task| &task.calls);
        let mut theme = Self::new(rand);
        theme.calls.extend(all.clone().map(|call| call.nr));
        for (slot, call) in theme.slots.iter_mut().zip(all) {
            *slot = call.arg[0];
        }
        theme
    }

    fn call(&self, rand: &mut impl Rand) -> Call {
        let nr = if one_in(rand, 8) {
            random_nr(rand)
        } else {
            self.calls[below(rand, self.calls.len())]
        };
        let mut arg = [0; ARGS].map(|_| below(rand, 256) as u8);
        // The first argument is mostly a slot, and so is the second of many calls.
        for (arg, slot) in arg.iter_mut().zip(self.slots) {
            if !one_in(rand, 4) {
                *arg = slot;
            }
        }
        Call { nr, arg }
    }

    fn task(&self, rand: &mut impl Rand) -> Task {
        let count = 1 + below(rand, 6);
        Task {
            process: one_in(rand, 3),
            calls: (0..count).map(|_| self.call(rand)).collect(),
        }
    }
}

fn random_setup(rand: &mut impl Rand) -> u8 {
    // Each bit is set in one of four programs, but the first, SETUP_USER, in one of two.
    let rare = below(rand, 1 << SETUP_BITS) & below(rand, 1 << SETUP_BITS);
    (rare & !1 | below(rand, 2)) as u8
}

pub fn random_program(rand: &mut impl Rand) -> Program {
    let theme = Theme::new(rand);
    let count = 1 + below(rand, MAX_TASKS);
    let mut tasks: Vec<_> = (0..count).map(|_| theme.task(rand)).collect();
    if one_in(rand, 3) {
        // All tasks make the same calls.
        tasks = vec![tasks.swap_remove(0); count.max(2)];
    }
    Program {
        setup: random_setup(rand),
        repeat: [1, 4, 20, 100, 255][below(rand, 5)],
        tasks,
    }
}

pub struct ProgramGenerator;

impl<S: HasRand> Generator<Program, S> for ProgramGenerator {
    fn generate(&mut self, state: &mut S) -> Result<Program, Error> {
        Ok(random_program(state.rand_mut()))
    }
}

/// A way to change a program.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    Insert,
    Remove,
    Replace,
    Argument,
    Setup,
    /// Two tasks make the same calls.
    Twin,
    /// A task of another program of the corpus.
    Splice,
    /// Another program.
    Fresh,
}

impl Named for Change {
    fn name(&self) -> &Cow<'static, str> {
        &Cow::Borrowed("change")
    }
}

impl<S> Mutator<Program, S> for Change
where
    S: HasRand + HasCorpus<Program>,
{
    fn mutate(&mut self, state: &mut S, program: &mut Program) -> Result<MutationResult, Error> {
        let other = if matches!(self, Self::Splice) {
            let id = random_corpus_id!(state.corpus(), state.rand_mut());
            Some(state.corpus().cloned_input_for_id(id)?)
        } else {
            None
        };
        Ok(if change(*self, program, other, state.rand_mut()) {
            MutationResult::Mutated
        } else {
            MutationResult::Skipped
        })
    }

    fn post_exec(&mut self, _state: &mut S, _new: Option<CorpusId>) -> Result<(), Error> {
        Ok(())
    }
}

/// Returns whether the program has changed.
fn change(
    change: Change,
    program: &mut Program,
    other: Option<Program>,
    rand: &mut impl Rand,
) -> bool {
    let theme = Theme::of(program, rand);
    let count = program.tasks.len();
    let index = below(rand, count);
    let task = &mut program.tasks[index];
    let position = below(rand, task.calls.len());
    match change {
        Change::Insert => {
            if task.calls.len() == MAX_CALLS {
                return false;
            }
            task.calls.insert(position, theme.call(rand));
        }
        Change::Remove => {
            if task.calls.len() > 1 {
                task.calls.remove(position);
            } else if count > 1 {
                program.tasks.remove(index);
            } else {
                return false;
            }
        }
        Change::Replace => task.calls[position] = theme.call(rand),
        Change::Argument => {
            task.calls[position].arg[below(rand, ARGS)] = below(rand, 256) as u8;
        }
        Change::Setup => match below(rand, 3) {
            0 => program.setup = random_setup(rand),
            1 => program.repeat = [1, 4, 20, 100, 255][below(rand, 5)],
            _ => task.process = !task.process,
        },
        Change::Twin => {
            let twin = task.clone();
            if count < MAX_TASKS {
                program.tasks.push(twin);
            } else {
                program.tasks[(index + 1) % MAX_TASKS] = twin;
            }
        }
        Change::Splice => {
            let Some(other) = other else {
                return false;
            };
            let theirs = other.tasks[below(rand, other.tasks.len())].clone();
            if count < MAX_TASKS && one_in(rand, 2) {
                program.tasks.push(theirs);
            } else {
                *task = theirs;
            }
        }
        Change::Fresh => *program = random_program(rand),
    }
    true
}
