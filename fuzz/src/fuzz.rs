// SPDX-License-Identifier: GPL-2.0

//! The fuzzing loop, with LibAFL: a program that reaches code in a way that no program before did
//! is kept, and changed again and again.

use crate::{
    channel::{
        Channel,
        SLOTS, //
    },
    coverage::MAP_LEN,
    generate::{
        Change,
        ProgramGenerator, //
    },
    program::Program,
    target::Target, //
};
use libafl::{
    corpus::{
        Corpus,
        InMemoryCorpus, //
    },
    events::NopEventManager,
    executors::{
        Executor,
        ExitKind,
        HasObservers, //
    },
    feedbacks::{
        CrashFeedback,
        MaxMapFeedback, //
    },
    fuzzer::{
        Evaluator,
        Fuzzer,
        StdFuzzer, //
    },
    generators::Generator,
    mutators::StdScheduledMutator,
    observers::{
        HitcountsMapObserver,
        StdMapObserver, //
    },
    schedulers::RandScheduler,
    stages::StdMutationalStage,
    state::{
        HasCorpus,
        StdState, //
    },
    Error, //
};
use libafl_bolts::{
    ownedref::OwnedMutSlice,
    rands::StdRand,
    tuples::{
        tuple_list,
        RefIndexable, //
    }, //
};
use std::{
    num::NonZero,
    time::{
        Duration,
        Instant, //
    }, //
};

/// How many programs the loop starts with, besides the corpus.
const FIRST_PROGRAMS: usize = 50;
/// How many programs are made in a row from one of the corpus, at most.
const MOST_CHANGES: usize = 8;
const REPORT_EVERY: Duration = Duration::from_secs(10);

struct ProgramExecutor<OT> {
    target: Target,
    observers: OT,
    map: *mut u8,
    /// How many programs have run.
    programs: usize,
    complaint: Option<String>,
}

impl<OT> ProgramExecutor<OT> {
    fn complain(&mut self, complaint: String) {
        self.target.channel.line(&format!("complaint {complaint}"));
        self.complaint = Some(complaint);
    }
}

impl<OT> HasObservers for ProgramExecutor<OT> {
    type Observers = OT;

    fn observers(&self) -> RefIndexable<&OT, OT> {
        RefIndexable::from(&self.observers)
    }

    fn observers_mut(&mut self) -> RefIndexable<&mut OT, OT> {
        RefIndexable::from(&mut self.observers)
    }
}

impl<EM, S, Z, OT> Executor<EM, Program, S, Z> for ProgramExecutor<OT> {
    fn run_target(
        &mut self,
        _fuzzer: &mut Z,
        _state: &mut S,
        _manager: &mut EM,
        program: &Program,
    ) -> Result<ExitKind, Error> {
        if self.complaint.is_some() {
            return Ok(ExitKind::Crash);
        }
        let mut result = self.target.run(program);
        // SAFETY: The map has `MAP_LEN` bytes, and the observer does not use it during this call.
        let map = unsafe { std::slice::from_raw_parts_mut(self.map, MAP_LEN) };
        self.target.coverage.collect(map);
        self.programs += 1;
        // The channel has all programs since the last check.
        if result.is_ok() && self.programs % SLOTS == 0 {
            result = self.target.machine.check();
        }
        match result {
            Ok(()) => Ok(ExitKind::Ok),
            Err(complaint) => {
                self.complain(complaint);
                Ok(ExitKind::Crash)
            }
        }
    }
}

/// Runs programs for `time`, or until the kernel complains. Returns the complaint.
pub fn run(
    channel: Channel,
    corpus: &str,
    time: Duration,
    seed: u64,
) -> Result<Option<String>, Error> {
    let target = Target::new(channel)?;
    let map = Box::leak(vec![0; MAP_LEN].into_boxed_slice());
    let pointer = map.as_mut_ptr();
    let observer = HitcountsMapObserver::new(StdMapObserver::from_mut_slice(
        "edges",
        OwnedMutSlice::from(map),
    ));
    let mut feedback = MaxMapFeedback::new(&observer);
    let mut objective = CrashFeedback::new();
    let mut state = StdState::new(
        StdRand::with_seed(seed),
        InMemoryCorpus::new(),
        InMemoryCorpus::new(),
        &mut feedback,
        &mut objective,
    )?;
    let mut manager = NopEventManager::new();
    let mut fuzzer = StdFuzzer::new(RandScheduler::new(), feedback, objective);
    let mut executor = ProgramExecutor {
        target,
        observers: tuple_list!(observer),
        map: pointer,
        programs: 0,
        complaint: None,
    };
    let mutator = StdScheduledMutator::new(tuple_list!(
        Change::Insert,
        Change::Remove,
        Change::Replace,
        Change::Argument,
        Change::Setup,
        Change::Twin,
        Change::Splice,
        Change::Fresh
    ));
    let mut stages = tuple_list!(StdMutationalStage::with_max_iterations(
        mutator,
        NonZero::<usize>::MIN.saturating_add(MOST_CHANGES - 1)
    ));

    let start = Instant::now();
    let mut next_report = REPORT_EVERY;
    let mut first = corpus.lines().filter_map(Program::parse);
    let mut generated = 0;
    while executor.complaint.is_none() && start.elapsed() < time {
        if let Some(program) = first.next() {
            fuzzer.evaluate_input(&mut state, &mut executor, &mut manager, &program)?;
        } else if generated < FIRST_PROGRAMS || state.corpus().count() == 0 {
            generated += 1;
            let program = ProgramGenerator.generate(&mut state)?;
            fuzzer.evaluate_input(&mut state, &mut executor, &mut manager, &program)?;
        } else {
            fuzzer.fuzz_one(&mut stages, &mut executor, &mut state, &mut manager)?;
        }
        if start.elapsed() >= next_report {
            next_report += REPORT_EVERY;
            println!(
                "{:6} s: {} programs, {} places in the module reached, {} programs in the corpus",
                start.elapsed().as_secs(),
                executor.programs,
                executor.target.coverage.count,
                state.corpus().count()
            );
        }
    }
    if executor.complaint.is_none() {
        if let Err(complaint) = executor.target.machine.check() {
            executor.complain(complaint);
        }
    }
    for id in state.corpus().ids() {
        let program = state.corpus().cloned_input_for_id(id)?;
        executor.target.channel.line(&format!("corpus {program}"));
    }
    // A short run has not come to all programs of the corpus.
    for program in first {
        executor.target.channel.line(&format!("corpus {program}"));
    }
    let sum = format!(
        "sum {} programs in {} seconds; {} places in the module reached; {} programs in the corpus",
        executor.programs,
        start.elapsed().as_secs(),
        executor.target.coverage.count,
        state.corpus().count()
    );
    executor.target.channel.line(&sum);
    Ok(executor.complaint)
}
