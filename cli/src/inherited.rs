// SPDX-License-Identifier: GPL-2.0

//! What the caller has set up for the program, and this process changes: Rust's runtime ignores
//! SIGPIPE, and opens /dev/null in the place of standard files that are closed. And this process
//! needs SIGCHLD, which is not sent to those that ignore it.

use nix::{
    libc,
    sys::signal::{
        signal,
        SigHandler,
        Signal, //
    },
    unistd::close, //
};
use std::{
    io,
    ops::Range,
    os::{
        fd::RawFd,
        unix::process::CommandExt, //
    },
    process::Command,
    sync::atomic::{
        AtomicI32,
        Ordering::Relaxed, //
    }, //
};

const SIGNALS: [Signal; 2] = [Signal::SIGPIPE, Signal::SIGCHLD];
const STANDARD_FILES: Range<RawFd> = 0..3;

/// A bit for each signal that the caller had ignored.
static IGNORED: AtomicI32 = AtomicI32::new(0);
/// A bit for each standard file that the caller had closed.
static CLOSED: AtomicI32 = AtomicI32::new(0);

/// The C library calls what is in this section before the runtime begins.
#[used]
#[link_section = ".init_array"]
static RECORD: extern "C" fn() = record;

extern "C" fn record() {
    for number in SIGNALS {
        // SAFETY: This installs no handler.
        let before = unsafe { signal(number, SigHandler::SigDfl) };
        if matches!(before, Ok(SigHandler::SigIgn)) {
            IGNORED.fetch_or(1 << number as i32, Relaxed);
        }
    }
    for fd in STANDARD_FILES {
        // SAFETY: This only asks for the flags of a descriptor, and fails if it is closed.
        if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
            CLOSED.fetch_or(1 << fd, Relaxed);
        }
    }
}

/// Whether the caller had closed this standard file.
pub fn was_closed(fd: RawFd) -> bool {
    CLOSED.load(Relaxed) & (1 << fd) != 0
}

/// The program of the command gets all that as the caller had it.
pub fn pass_on(command: &mut Command) {
    // SAFETY: `restore` only makes system calls, which the child of a fork may do.
    unsafe { command.pre_exec(restore) };
}

fn restore() -> io::Result<()> {
    for number in SIGNALS {
        let handler = match IGNORED.load(Relaxed) & (1 << number as i32) {
            0 => SigHandler::SigDfl,
            _ => SigHandler::SigIgn,
        };
        // SAFETY: This installs no handler.
        unsafe { signal(number, handler) }?;
    }
    for fd in STANDARD_FILES.filter(|fd| was_closed(*fd)) {
        let _ = close(fd);
    }
    Ok(())
}
