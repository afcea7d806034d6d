// SPDX-License-Identifier: GPL-2.0

//! Runs random programs of calls on mini_pipes, guided by the code that they reach in the module.
//!
//! In the virtual machine, as root, in a directory with mini_pipe.ko:
//!
//! - `mini-pipe-fuzz run SECONDS SEED`: the file `corpus` has programs to begin with.
//! - `mini-pipe-fuzz shrink`: the file `state` has what shrink.rs needs.
//!
//! On the host: `mini-pipe-fuzz print PROGRAM` prints a program as C.

mod calls;
mod channel;
mod coverage;
mod fuzz;
mod generate;
mod machine;
mod program;
mod shrink;
mod target;

use channel::Channel;
use program::Program;
use std::{
    env,
    error::Error,
    fs,
    process::ExitCode,
    thread::sleep,
    time::Duration, //
};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let args: Vec<_> = env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["run", seconds, seed] => {
            let corpus = fs::read_to_string("corpus").unwrap_or_default();
            let time = Duration::from_secs(seconds.parse()?);
            let complaint = fuzz::run(prepare()?, &corpus, time, seed.parse()?)?;
            let Some(complaint) = complaint else {
                return Ok(ExitCode::SUCCESS);
            };
            println!("{complaint}");
            end_machine();
        }
        ["shrink"] => {
            let done = shrink::run(prepare()?, &fs::read_to_string("state")?)?;
            if done {
                return Ok(ExitCode::SUCCESS);
            }
            end_machine();
        }
        ["print", text] => print!("{}", Program::parse(text).ok_or("no program")?.to_c()),
        _ => return Err("run SECONDS SEED, shrink, or print PROGRAM".into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// If memory is short, the fuzzer does not die; nor do the programs, which inherit this.
fn prepare() -> Result<Channel, Box<dyn Error>> {
    fs::write("/proc/self/oom_score_adj", "-1000")?;
    if fs::metadata("/sys/kernel/debug/kcov").is_err() {
        // SAFETY: All strings are valid.
        unsafe {
            libc::mount(
                c"debugfs".as_ptr(),
                c"/sys/kernel/debug".as_ptr(),
                c"debugfs".as_ptr(),
                0,
                std::ptr::null(),
            )
        };
    }
    Ok(Channel::open()?)
}

/// Has the kernel log the stacks of processes that hang. Then resets the machine, which may be
/// unable to shut down.
fn end_machine() {
    let sysrq = |key: &str| {
        let _ = fs::write("/proc/sysrq-trigger", key);
        // Time for the serial lines to send all.
        sleep(Duration::from_secs(2));
    };
    sysrq("w");
    sysrq("b");
}
