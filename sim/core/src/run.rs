// SPDX-License-Identifier: GPL-2.0

//! One run of a configuration, under a scheduler; and many of them.

use crate::{
    calls::{close, open, Caller, Opened},
    config::{Call, Config, Transfer},
    pipe::{ends::Ends, Pipe},
    reference::Reference,
    ring::{
        dir::PerDir,
        growth::KEPT,
        storage::{pages_for, Storage},
        Ring,
    },
    stage::{check, policy, Stage},
    story,
    sys::{account::UserAccount, fasync, page, task},
};
use kernel::{fs::file::flags::O_NONBLOCK, prelude::*, sim, sync::Arc};
use shuttle::{
    scheduler::{DfsScheduler, PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId},
    FailurePersistence, Runner,
};
use std::{
    cell::{Cell, RefCell},
    mem::ManuallyDrop,
    panic::{self, AssertUnwindSafe},
    rc::Rc,
};

/// How schedules are chosen.
#[derive(Clone, Copy, Debug)]
pub enum Strategy {
    /// At random.
    Random,
    /// At random, with priorities that change a few times: *A Randomized Scheduler with
    /// Probabilistic Guarantees of Finding Bugs*, ASPLOS 2010.
    Pct,
    /// All of them, or as many as are asked for.
    All,
}

/// A run that failed.
pub struct Failure {
    pub why: String,
    pub story: Vec<String>,
}

/// Tries `count` schedules of a configuration. Returns how many there were.
///
/// # Errors
///
/// The first that fails.
pub fn explore(
    config: &Config,
    strategy: Strategy,
    count: usize,
    told: bool,
) -> Result<usize, Failure> {
    let seed = config.seed;
    let scheduler: Box<dyn Scheduler> = match strategy {
        Strategy::Random => Box::new(RandomScheduler::new_from_seed(seed, count)),
        Strategy::Pct => Box::new(PctScheduler::new_from_seed(seed, 3, count)),
        Strategy::All => Box::new(DfsScheduler::new(Some(count), false)),
    };
    let mut settings = shuttle::Config::new();
    settings.failure_persistence = FailurePersistence::None;
    settings.silence_warnings = true;
    settings.stack_size = 0x10000;
    let runner = Runner::new(Silent(ManuallyDrop::new(scheduler)), settings);
    let config = config.clone();
    let coarse = matches!(strategy, Strategy::All);
    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        runner.run(move || run(&config, coarse, told))
    }));
    let failure = sim::end();
    page::forget();
    match (result, failure) {
        (Ok(tried), None) => Ok(tried),
        (result, failure) => Err(Failure {
            why: failure.unwrap_or_else(|| reason(result)),
            story: story::take(),
        }),
    }
}

/// Why a run has panicked, if it was not by [`sim::fail`].
fn reason(result: std::thread::Result<usize>) -> String {
    match result {
        Err(payload) => match payload.downcast::<String>() {
            Ok(text) => *text,
            Err(payload) => payload
                .downcast_ref::<&str>()
                .copied()
                .unwrap_or("it panics")
                .to_owned(),
        },
        Ok(_) => "it failed".to_owned(),
    }
}

/// A scheduler that is never dropped: when dropped after a failure, some print their own seed.
struct Silent(ManuallyDrop<Box<dyn Scheduler>>);

impl Scheduler for Silent {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.0.new_execution()
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        self.0.next_task(runnable, current, is_yielding)
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// One run.
fn run(config: &Config, coarse: bool, told: bool) {
    story::begin(told);
    fasync::forget();
    sim::set_coarse(coarse);
    sim::start(config.seed);
    task::set_other_cpu(config.spins);
    let account = UserAccount::default();
    let stage = make_stage(config, &account);
    let modes = |task: &crate::config::Task| PerDir {
        read: task.reads,
        write: task.writes,
    };
    let files: Vec<Rc<RefCell<Option<Rc<Opened>>>>> = config
        .tasks
        .iter()
        .map(|task| {
            let shared = task.shares.is_some();
            let early = (config.opened_first || shared_by_others(config, task)) && !shared;
            let opened = early.then(|| open(&stage, modes(task)));
            Rc::new(RefCell::new(opened))
        })
        .collect();
    prime(config, &stage);
    let mut running = Vec::new();
    for (nth, task) in config.tasks.iter().enumerate() {
        let stage = stage.clone();
        let plan = task.clone();
        let slot = files[nth].clone();
        let theirs = task.shares.and_then(|other| files[other].borrow().clone());
        let shared = theirs.is_some() || shared_by_others(config, task);
        let modes = modes(task);
        running.push(sim::spawn(move || {
            let mut opened = theirs
                .or_else(|| slot.take())
                .unwrap_or_else(|| open(&stage, modes));
            let next = Cell::new((nth as u8 + 1) << 5);
            for call in &plan.calls {
                if let (Call::Reopen, 1) = (call, Rc::strong_count(&opened)) {
                    close(&stage, &opened);
                    opened = open(&stage, modes);
                    continue;
                }
                Caller {
                    stage: &stage,
                    opened: &opened,
                    shared,
                    flags: plan.flags,
                    next: &next,
                }
                .call(*call);
            }
            if Rc::strong_count(&opened) == 1 {
                close(&stage, &opened);
            }
            drop(opened);
            stage.leave();
        }));
    }
    drop(files);
    stage.leave();
    sim::join(running);
    sim::watch(Rc::new(Nobody));
    drop(stage);
    check!(
        account.pages() == 0,
        "{} pages are still paid for",
        account.pages()
    );
    let unaccounted = page::take_unaccounted();
    check!(
        unaccounted == 0 || !config.private,
        "{unaccounted} pages were charged to no memory cgroup"
    );
    check!(page::live() == 0, "{} pages are never freed", page::live());
    sim::end();
}

/// Writes and reads some bytes, so that the tasks do not find the ring at its beginning.
fn prime(config: &Config, stage: &Stage) {
    let (written, read) = config.primed;
    if written == 0 {
        return;
    }
    let both = PerDir {
        read: true,
        write: true,
    };
    let opened = open(stage, both);
    let caller = Caller {
        stage,
        opened: &opened,
        shared: false,
        flags: O_NONBLOCK,
        next: &Cell::new(0),
    };
    caller.call(Call::Write(Transfer::of(written)));
    caller.call(Call::Read(Transfer::of(read)));
    close(stage, &opened);
    // Only a pipe that was filled again soon after it had freed pages keeps more.
    check!(
        !config.private || read < written || page::live() <= KEPT,
        "an empty pipe keeps {} pages",
        page::live()
    );
}

/// Whether another task uses the file of this one.
fn shared_by_others(config: &Config, task: &crate::config::Task) -> bool {
    config.tasks.iter().any(|other| {
        let shared = other.shares.and_then(|nth| config.tasks.get(nth));
        shared.is_some_and(|shared| std::ptr::eq(shared, task))
    })
}

fn make_stage(config: &Config, account: &UserAccount) -> Rc<Stage> {
    let pages = pages_for(config.capacity);
    let charge = config.private.then(|| account.clone().charge(pages));
    let Ok(storage) = Storage::new(config.capacity, charge) else {
        unreachable!("there is memory");
    };
    let ends = if config.private {
        Ends::private()
    } else {
        Ends::default()
    };
    let policy = policy(config.rendezvous);
    let pipe = Arc::pin_init(Pipe::new(0, Ring::new(storage), ends, policy));
    let reference = Reference::new(config.capacity, config.private);
    let mut stage = Stage::new(pipe, reference, account, config.tasks.len() + 1);
    stage.pays_for_all = config.private && !config.has_splices();
    let stage = Rc::new(stage);
    sim::watch(stage.clone());
    stage
}

/// Watches nothing.
struct Nobody;

impl sim::Watcher for Nobody {
    fn unlocking(&self, _type_name: &str, _value: *const ()) {}

    fn quiet(&self) {}
}
