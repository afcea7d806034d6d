// SPDX-License-Identifier: GPL-2.0

//! The command line; `--help` is made from this.

use crate::{
    set::{
        Setting,
        Target, //
    },
    timeline, //
};
use clap::{
    Parser,
    Subcommand, //
};
use clap_complete::Shell;
use std::{
    ffi::OsString,
    time::Duration, //
};

/// Runs programs on mini_pipes, and shows and sets mini_pipes
#[derive(Debug, Parser)]
#[command(
    name = "mini-pipe",
    version,
    after_help = "Exit status: 0 success; 1 failure, which a sentence on standard error explains; \
                  2 a wrong command line.\nmini-pipe run and timeline: that of the program; 125, \
                  126 and 127 as for env(1). See mini-pipe(1)."
)]
pub struct Arguments {
    #[command(subcommand)]
    pub action: Action,
}

#[derive(Debug, Subcommand)]
pub enum Action {
    /// Runs a program, which gets mini_pipes in the place of pipes
    #[command(after_help = "Static programs get ordinary pipes all the same.")]
    Run {
        /// Lets a call of the program fail if it cannot have a mini_pipe
        #[arg(long)]
        strict: bool,
        /// Prints at the end which programs made how many mini_pipes
        #[arg(long)]
        log: bool,
        /// The program and its arguments
        #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM")]
        program: Vec<OsString>,
    },
    /// Shows all pipes, and who has which end; root sees those of all users
    List {
        /// As a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Shows all pipes live, with rates, and a bar of how full each one is
    #[command(
        after_help = "CAP is the capacity in bytes; IN/s and OUT/s are bytes a second. ASLEEP: 1r \
                      is a sleeping reader, 2w are two sleeping writers; ?: only root can see \
                      it.\n\nKeys: q quits, s sorts by the next column, r reverses the order, \
                      / filters by number or process, p pauses, the arrows scroll."
    )]
    Top {
        /// How many seconds to wait between two looks
        #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_interval)]
        interval: Duration,
    },
    /// Runs a program as run does, and writes a page that shows what happens in the pipes
    #[command(after_help = "Needs root, but not with --trace.")]
    Timeline(timeline::Options),
    /// Sets the capacity or the policy of a pipe
    #[command(after_help = "mini-pipe set /dev/mini_pipe capacity 1M\n\
                      mini-pipe set /proc/812/fd/1 policy rendezvous\n\
                      mini-pipe set 3 capacity 4096 3<>/dev/mini_pipe")]
    Set {
        /// A descriptor that mini-pipe inherits, or a path
        #[arg(value_name = "FD|PATH", value_parser = Target::parse)]
        pipe: Target,
        #[command(subcommand)]
        setting: Setting,
    },
    /// Finds out why mini_pipes do not work here, and what to do
    Doctor,
    /// Prints a script of completions for a shell
    #[command(hide = true)]
    Completion { shell: Shell },
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds @ 0.1..=3600.0) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("give 0.1 to 3600 seconds".to_owned()),
    }
}
