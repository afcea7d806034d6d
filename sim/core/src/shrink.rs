// SPDX-License-Identifier: GPL-2.0

//! Makes a configuration that fails smaller, as long as it fails.

use crate::{
    config::{Call, Config, Transfer},
    run::{explore, Failure, Strategy},
};

/// How many schedules of each smaller configuration are tried.
const TRIES: usize = 300;

/// A smaller configuration that fails as well, and the shortest story of it.
pub fn shrink(config: &Config, failure: Failure) -> (Config, Failure) {
    let mut best = config.clone();
    let mut failure = failure;
    while let Some((smaller, why)) = smaller(&best).into_iter().find_map(|config| {
        let why = fails(&config)?;
        Some((config, why))
    }) {
        (best, failure) = (smaller, why);
    }
    for seed in 0..20 {
        let config = Config {
            seed,
            ..best.clone()
        };
        if let Some(other) = fails(&config) {
            if other.story.len() < failure.story.len() {
                (best, failure) = (config, other);
            }
        }
    }
    (best, failure)
}

fn fails(config: &Config) -> Option<Failure> {
    [Strategy::Random, Strategy::Pct]
        .into_iter()
        .find_map(|strategy| explore(config, strategy, TRIES, true).err())
}

/// Configurations that are a little smaller.
fn smaller(config: &Config) -> Vec<Config> {
    let mut all = Vec::new();
    for nth in (0..config.tasks.len()).rev() {
        let mut without = config.clone();
        without.tasks[nth].calls.clear();
        if !config.tasks[nth].calls.is_empty() {
            all.push(without);
        }
        let is_last = nth + 1 == config.tasks.len();
        if is_last && nth > 1 {
            let mut without = config.clone();
            without.tasks.pop();
            all.push(without);
        }
        for call in 0..config.tasks[nth].calls.len() {
            let mut without = config.clone();
            without.tasks[nth].calls.remove(call);
            all.push(without);
            for simpler in simpler(config.tasks[nth].calls[call]) {
                let mut with = config.clone();
                with.tasks[nth].calls[call] = simpler;
                all.push(with);
            }
        }
        if config.tasks[nth].flags != 0 {
            let mut without = config.clone();
            without.tasks[nth].flags = 0;
            all.push(without);
        }
    }
    let simple = Config {
        spins: false,
        ..config.clone()
    };
    if config.spins {
        all.push(simple.clone());
    }
    if !config.opened_first {
        all.push(Config {
            opened_first: true,
            ..config.clone()
        });
    }
    if config.primed != (0, 0) {
        all.push(Config {
            primed: (0, 0),
            ..config.clone()
        });
    }
    if config.rendezvous {
        all.push(Config {
            rendezvous: false,
            ..config.clone()
        });
    }
    all
}

/// Simpler calls than this one.
fn simpler(call: Call) -> Vec<Call> {
    let (Call::Read(transfer) | Call::Write(transfer)) = call else {
        return Vec::new();
    };
    let make = |transfer| match call {
        Call::Read(_) => Call::Read(transfer),
        _ => Call::Write(transfer),
    };
    let mut all = Vec::new();
    let plain = Transfer::of(transfer.len);
    if transfer.iterator || transfer.iocb != 0 || transfer.faults != Default::default() {
        all.push(make(plain));
    }
    for len in [1, transfer.len / 2, transfer.len.saturating_sub(1)] {
        if len < transfer.len && len > 0 {
            let mut short = transfer;
            short.len = len;
            short.faults.nothing_from = transfer.faults.nothing_from.map(|at| at.min(len));
            all.push(make(short));
        }
    }
    all
}
