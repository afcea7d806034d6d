// SPDX-License-Identifier: GPL-2.0

//! mini-pipe: runs programs on mini_pipes, and shows and sets mini_pipes. See man/mini-pipe.1.

mod arguments;
mod device;
mod doctor;
mod failure;
mod fields;
mod held;
mod inherited;
mod list;
mod output;
mod pipes;
mod run;
mod set;
mod size;
mod timeline;
mod top;

use arguments::{
    Action,
    Arguments, //
};
use clap::{
    CommandFactory,
    Parser, //
};
use failure::Result;
use output::{
    print,
    say, //
};
use std::process::ExitCode;

fn main() -> ExitCode {
    match act(Arguments::parse().action) {
        Ok(status) => status.into(),
        Err(failure) => {
            say(format!("{failure}."));
            failure.status.into()
        }
    }
}

/// Does what the arguments ask for, and returns the exit status.
fn act(action: Action) -> Result<u8> {
    match action {
        Action::Run {
            strict,
            log,
            program,
        } => return run::run(&run::Options { strict, log }, &program),
        Action::List { json } => {
            let pipes = pipes::Places::default().pipes();
            print(&if json {
                list::json(&pipes)?
            } else {
                list::table(&pipes)
            })?;
            if let Some(reason) = doctor::why_no_pipes(&pipes) {
                say(reason);
            }
        }
        Action::Top { interval } => top::run(interval)?,
        Action::Timeline(options) => return timeline::run(&options),
        Action::Set { pipe, setting } => set::run(&pipe, setting)?,
        Action::Doctor => {
            let (report, well) = doctor::report();
            print(&report)?;
            return Ok(u8::from(!well));
        }
        Action::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "mini-pipe", &mut script);
            print(&String::from_utf8_lossy(&script))?;
        }
    }
    Ok(0)
}
