// SPDX-License-Identifier: GPL-2.0

//! The command: runs the simulation, and tells the story of a run that fails.

use clap::Parser;
use mini_pipe_sim::{
    config::Config,
    run::{explore, Failure, Strategy},
    shrink::shrink,
    small::small,
};
use std::{
    process::ExitCode,
    sync::{
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
        Mutex,
    },
    thread,
    time::{Duration, Instant},
};

/// Runs the core of mini_pipe under many schedules, beside a simple reference pipe.
#[derive(Parser)]
struct Arguments {
    /// How many schedules to try at least
    #[arg(long, default_value_t = 200_000)]
    schedules: usize,
    /// Go on until this many seconds have passed
    #[arg(long, default_value_t = 0)]
    duration: u64,
    /// The seed of the first configuration; each further one has the next seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// First try this many schedules of each small configuration, or all if it has fewer
    #[arg(long, default_value_t = 0)]
    exhaust: usize,
    /// Tells a failure as it is, without making its configuration smaller
    #[arg(long)]
    no_shrink: bool,
}

/// How many schedules of each random configuration are tried.
const BATCH: usize = 50;

/// A configuration that failed, and how its schedules were chosen.
struct Found {
    config: Config,
    strategy: Strategy,
    count: usize,
}

/// What the workers share.
struct Progress {
    next: AtomicU64,
    tried: AtomicUsize,
    stop: AtomicBool,
    found: Mutex<Option<Found>>,
}

impl Progress {
    /// Tries schedules of a configuration. Returns how many, or [`None`] if one failed.
    fn explore(&self, config: Config, strategy: Strategy, count: usize) -> Option<usize> {
        let tried = explore(&config, strategy, count, false).ok();
        if tried.is_none() {
            self.stop.store(true, Relaxed);
            *self.found.lock().unwrap() = Some(Found {
                config,
                strategy,
                count,
            });
        }
        tried
    }

    fn explore_at_random(&self, arguments: &Arguments, until: Instant) {
        while !self.stop.load(Relaxed)
            && (self.tried.load(Relaxed) < arguments.schedules || Instant::now() < until)
        {
            let seed = self.next.fetch_add(1, Relaxed);
            let strategy = if seed % 3 == 0 {
                Strategy::Pct
            } else {
                Strategy::Random
            };
            let tried = self.explore(Config::random(seed), strategy, BATCH);
            self.tried.fetch_add(tried.unwrap_or(0), Relaxed);
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // What failed is told below, on standard output. Shuttle would tell it as well.
    let _silence = gag::Gag::stderr();
    let start = Instant::now();
    let until = start + Duration::from_secs(arguments.duration);
    let progress = Progress {
        next: AtomicU64::new(arguments.seed),
        tried: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        found: Mutex::new(None),
    };
    let small = small();
    let next_small = AtomicUsize::new(0);
    let exhausted = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while arguments.exhaust > 0 && !progress.stop.load(Relaxed) {
                    let Some((_, config)) = small.get(next_small.fetch_add(1, Relaxed)) else {
                        break;
                    };
                    let tried = progress.explore(config.clone(), Strategy::All, arguments.exhaust);
                    let all = tried.is_some_and(|count| count < arguments.exhaust);
                    exhausted.fetch_add(usize::from(all), Relaxed);
                }
                progress.explore_at_random(&arguments, until);
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let tried = progress.tried.into_inner();
    if let Some(found) = progress.found.into_inner().unwrap() {
        let seed = found.config.seed;
        println!("seed {seed}: failed after {seconds:.1} s and {tried} schedules");
        tell(&found, !arguments.no_shrink);
        return ExitCode::FAILURE;
    }
    let configurations = progress.next.into_inner() - arguments.seed;
    println!("{tried} schedules of {configurations} configurations, in {seconds:.0} s: no failure");
    if arguments.exhaust > 0 {
        let exhausted = exhausted.into_inner();
        println!(
            "and all schedules of {exhausted} of {} small configurations",
            small.len()
        );
    }
    ExitCode::SUCCESS
}

/// Runs the configuration again, and tells the story.
fn tell(found: &Found, shrinks: bool) {
    let Err(failure) = explore(&found.config, found.strategy, found.count, true) else {
        println!("it did not fail again: the simulation is at fault");
        return;
    };
    println!("{}", failure.why);
    if shrinks {
        let (config, failure) = shrink(&found.config, failure);
        print_story(
            "The smallest configuration found that fails:",
            &config,
            &failure,
        );
    } else {
        print_story("The configuration:", &found.config, &failure);
    }
}

fn print_story(title: &str, config: &Config, failure: &Failure) {
    println!("\n{title}\n{config}\nWhat happens:");
    for line in &failure.story {
        println!("  {line}");
    }
    println!("  {}", failure.why);
}
