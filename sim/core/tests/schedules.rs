// SPDX-License-Identifier: GPL-2.0

//! Some schedules of many configurations, for cargo-mutants, which runs the tests of a package.

use mini_pipe_sim::{
    config::Config,
    run::{explore, Strategy},
};

#[test]
fn no_schedule_fails() {
    for seed in 1..=4000 {
        let config = Config::random(seed);
        let strategy = if seed % 3 == 0 {
            Strategy::Pct
        } else {
            Strategy::Random
        };
        if let Err(failure) = explore(&config, strategy, 50, true) {
            panic!("{}\n{config}\n{}", failure.why, failure.story.join("\n"));
        }
    }
}
