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
    cell::RefCell,
    num::NonZero,
    rc::Rc,
    time::{
        Duration,
        Instant, //
    }, //
};

/// How many programs the loop starts with, besides the corpus.
const FIRST_PROGRAMS: usize = 50;
/// How many programs at most are made of one of the corpus in a row.
const MOST_CHANGES: usize = 8;
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// What has happened so far.
#[derive(Default)]
struct Progress {
    programs: usize,
    complaint: Option<String>,
}

struct ProgramExecutor<OT> {
    target: Target,
    observers: OT,
    map: *mut u8,
    progress: Rc<RefCell<Progress>>,
    reached: Rc<RefCell<usize>>,
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
        let mut progress = self.progress.borrow_mut();
        if progress.complaint.is_some() {
            return Ok(ExitKind::Crash);
        }
        let mut result = self.target.run(program);
        // SAFETY: The map has so many bytes, and the observer does not use it during this call.
        let map = unsafe { std::slice::from_raw_parts_mut(self.map, MAP_LEN) };
        self.target.coverage.collect(map);
        *self.reached.borrow_mut() = self.target.coverage.count;
        progress.programs += 1;
        // The channel has all programs since the last check.
        if result.is_ok() && progress.programs % SLOTS == 0 {
            result = self.target.machine.check();
        }
        match result {
            Ok(()) => Ok(ExitKind::Ok),
            Err(complaint) => {
                self.target.channel.line(&format!("complaint {complaint}"));
                progress.complaint = Some(complaint);
                Ok(ExitKind::Crash)
            }
        }
    }
}

/// Runs programs for that time, or until the kernel complains. Returns the complaint.
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
    let progress = Rc::new(RefCell::new(Progress::default()));
    let reached = Rc::new(RefCell::new(0));
    let mut executor = ProgramExecutor {
        target,
        observers: tuple_list!(observer),
        map: pointer,
        progress: progress.clone(),
        reached: reached.clone(),
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
    while progress.borrow().complaint.is_none() && start.elapsed() < time {
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
                progress.borrow().programs,
                reached.borrow(),
                state.corpus().count()
            );
        }
    }
    let mut complaint = progress.borrow_mut().complaint.take();
    if complaint.is_none() {
        complaint = executor.target.machine.check().err();
        if let Some(complaint) = &complaint {
            executor
                .target
                .channel
                .line(&format!("complaint {complaint}"));
        }
    }
    let channel = &mut executor.target.channel;
    for id in state.corpus().ids() {
        channel.line(&format!(
            "corpus {}",
            state.corpus().cloned_input_for_id(id)?
        ));
    }
    channel.line(&format!(
        "sum {} programs in {} seconds; {} places in the module reached; {} programs in the corpus",
        progress.borrow().programs,
        start.elapsed().as_secs(),
        reached.borrow(),
        state.corpus().count()
    ));
    Ok(complaint)
}
