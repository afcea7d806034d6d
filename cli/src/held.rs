// SPDX-License-Identifier: GPL-2.0

//! Signals that wait until this process asks for them, so that it can tidy up before it ends.

use nix::{
    libc,
    sys::signal::{
        SigSet,
        SigmaskHow,
        Signal, //
    }, //
};
use std::{
    io,
    os::unix::process::CommandExt,
    process::Command,
    ptr, //
};

/// The signals with which users and the system end processes.
pub const ENDING: [Signal; 4] = [
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGHUP,
];

/// While this exists, [`ENDING`] and SIGCHLD wait.
pub struct Held {
    /// The signals that waited before.
    before: SigSet,
}

impl Held {
    pub fn new() -> Self {
        let blocked = all().thread_swap_mask(SigmaskHow::SIG_BLOCK);
        Self {
            // The call fails only without a mask, or with another first argument.
            before: blocked.unwrap_or_else(|_| SigSet::empty()),
        }
    }

    /// Takes the next signal.
    pub fn wait(&self) -> nix::Result<Signal> {
        all().wait()
    }

    /// Takes a signal of [`ENDING`] that has come already.
    pub fn ending(&self) -> Option<Signal> {
        let set = SigSet::from_iter(ENDING);
        let now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: The set and the time are valid, and the call writes nothing.
        let number = unsafe { libc::sigtimedwait(set.as_ref(), ptr::null_mut(), &now) };
        Signal::try_from(number).ok()
    }

    /// In the program of the command, the signals do not wait.
    pub fn release_in(&self, command: &mut Command) {
        let before = self.before;
        let release = move || before.thread_set_mask().map_err(io::Error::from);
        // SAFETY: `release` only makes a system call, which the child of a fork may do.
        unsafe { command.pre_exec(release) };
    }
}

/// Those that have come meanwhile act now.
impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}

fn all() -> SigSet {
    SigSet::from_iter(ENDING) | Signal::SIGCHLD
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::signal::raise;

    // The signals are for the thread of this test only.
    #[test]
    fn signals_wait() {
        let held = Held::new();
        assert_eq!(held.ending(), None);
        raise(Signal::SIGHUP).expect("a signal");
        raise(Signal::SIGTERM).expect("a signal");
        assert_eq!(held.ending(), Some(Signal::SIGHUP));
        assert_eq!(held.wait(), Ok(Signal::SIGTERM));
        assert_eq!(held.ending(), None);
    }
}
