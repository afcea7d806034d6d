// SPDX-License-Identifier: GPL-2.0

//! The command: runs the simulation, and tells the story of a run that fails.

use clap::Parser;
use mini_pipe_sim::{
    config::Config,
    run::{explore, Failure, Strategy},
    shrink::shrink,
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
    /// The first seed; only this one with `--schedules 1`
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Does not make a configuration that fails smaller
    #[arg(long)]
    no_shrink: bool,
}

/// How many schedules of each configuration are tried.
const BATCH: usize = 50;

/// A configuration that failed, and how its schedules were chosen.
struct Found {
    config: Config,
    strategy: Strategy,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // What failed is told below, on standard output. Shuttle would tell it as well.
    let _silence = gag::Gag::stderr();
    let start = Instant::now();
    let until = start + Duration::from_secs(arguments.duration);
    let next = AtomicU64::new(arguments.seed);
    let tried = AtomicUsize::new(0);
    let found = Mutex::new(None);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..workers {
            scope.spawn(|| {
                while !stop.load(Relaxed)
                    && (tried.load(Relaxed) < arguments.schedules || Instant::now() < until)
                {
                    let seed = next.fetch_add(1, Relaxed);
                    let config = Config::random(seed);
                    let strategy = if seed % 3 == 0 { Strategy::Pct } else { Strategy::Random };
                    match explore(&config, strategy, BATCH, false) {
                        Ok(count) => tried.fetch_add(count, Relaxed),
                        Err(_) => {
                            stop.store(true, Relaxed);
                            *found.lock().unwrap() = Some(Found { config, strategy });
                            0
                        }
                    };
                }
            });
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    let count = tried.load(Relaxed);
    if let Some(found) = found.into_inner().unwrap() {
        println!("seed {}: failed after {seconds:.1} s and {count} schedules", found.config.seed);
        tell(&found, !arguments.no_shrink);
        return ExitCode::FAILURE;
    }
    let configurations = next.load(Relaxed) - arguments.seed;
    println!("{count} schedules of {configurations} configurations in {seconds:.0} s: no failure");
    ExitCode::SUCCESS
}

/// Runs it again, and tells the story.
fn tell(found: &Found, shrinks: bool) {
    let Err(failure) = explore(&found.config, found.strategy, BATCH, true) else {
        println!("and did not fail again: that is a fault of the simulation");
        return;
    };
    println!("{}", failure.why);
    let (config, failure) = if shrinks {
        shrink(&found.config, failure)
    } else {
        (found.config.clone(), failure)
    };
    print_story(&config, &failure);
}

fn print_story(config: &Config, failure: &Failure) {
    println!("\nThe smallest configuration that fails:\n{config}\nWhat happens:");
    for line in &failure.story {
        println!("  {line}");
    }
    println!("  {}", failure.why);
}
