// SPDX-License-Identifier: GPL-2.0

//! `mini-pipe set`.

use crate::{
    device::{
        self,
        Policy, //
    },
    failure::{
        failure,
        Result, //
    },
    size, //
};
use clap::Subcommand;
use nix::errno::Errno;
use std::{
    os::fd::{
        AsFd,
        BorrowedFd,
        RawFd, //
    },
    path::PathBuf, //
};

/// What to set.
#[derive(Clone, Copy, Debug, PartialEq, Subcommand)]
pub enum Setting {
    /// Sets how many bytes the pipe can hold
    Capacity {
        /// Bytes, also as 64K or 1M: at most 1G, and at least what is in the pipe
        #[arg(value_parser = parse_capacity)]
        bytes: u32,
    },
    /// Sets when a write returns
    Policy {
        #[arg(value_parser = parse_policy)]
        policy: Policy,
    },
}

fn parse_capacity(text: &str) -> std::result::Result<u32, String> {
    match size::parse(text) {
        Some(bytes @ 1..=0x4000_0000) => Ok(bytes as u32),
        _ => Err("give 1 to 1G bytes, like 65536, 64K or 1M".to_owned()),
    }
}

fn parse_policy(text: &str) -> std::result::Result<Policy, String> {
    match text {
        "buffered" => Ok(Policy::Buffered),
        "rendezvous" => Ok(Policy::Rendezvous),
        _ => Err("give buffered or rendezvous".to_owned()),
    }
}

/// Which pipe: one that the caller has open, or one with a path.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    Fd(RawFd),
    Path(PathBuf),
}

impl Target {
    /// A number is a descriptor. A file whose name is a number needs a slash: `./7`.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        Ok(match text.parse() {
            Ok(fd) if fd >= 0 => Self::Fd(fd),
            _ => Self::Path(text.into()),
        })
    }

    /// The words for the pipe in a message.
    fn name(&self) -> String {
        match self {
            Self::Fd(fd) => format!("descriptor {fd}"),
            Self::Path(path) => path.display().to_string(),
        }
    }
}

/// Sets `setting` of the pipe.
pub fn run(target: &Target, setting: Setting) -> Result<()> {
    let name = target.name();
    match target {
        Target::Fd(fd) => {
            // SAFETY: Only ioctls use it, which fail with EBADF if it is not open. Nothing in this
            // program closes it.
            apply(&name, unsafe { BorrowedFd::borrow_raw(*fd) }, setting)
        }
        Target::Path(path) => {
            let file = device::open_for_ioctls(path)
                .map_err(|errno| failure(explain_open(&name, errno)))?;
            apply(&name, file.as_fd(), setting)
        }
    }
}

/// One sentence for an error of open(2).
fn explain_open(name: &str, errno: Errno) -> String {
    match errno {
        Errno::ENOENT => format!(
            "{name} does not exist: mini-pipe list shows which pipes there are, and \
             mini-pipe doctor whether the module is loaded"
        ),
        Errno::EACCES | Errno::EPERM => format!(
            "you may not open {name} for reading and writing: mini-pipe doctor says how to get \
             permission"
        ),
        _ => format!("{name} cannot be opened: {}", errno.desc()),
    }
}

fn apply(name: &str, file: BorrowedFd<'_>, setting: Setting) -> Result<()> {
    device::check(file).map_err(|errno| {
        failure(match errno {
            Errno::EBADF => format!(
                "{name} is not open: let the shell open it, as in \
                 mini-pipe set 3 capacity 64K 3<>/dev/mini_pipe"
            ),
            _ => format!("{name} is not a mini_pipe: mini-pipe list shows which files are"),
        })
    })?;
    let done = match setting {
        // At most 1 GiB.
        Setting::Capacity { bytes } => device::set_capacity(file, bytes as i32),
        Setting::Policy { policy } => device::set_policy(file, policy),
    };
    done.map_err(|errno| failure(explain(name, setting, errno)))
}

/// One sentence for an error of the ioctl.
fn explain(name: &str, setting: Setting, errno: Errno) -> String {
    match (setting, errno) {
        (Setting::Capacity { bytes }, Errno::EBUSY) => format!(
            "the bytes in {name} do not fit into {bytes}: read them first, or give more capacity"
        ),
        (Setting::Capacity { bytes }, Errno::EPERM) => format!(
            "{bytes} bytes are more than you may have in {name}: give fewer, or have root raise \
             max_capacity, user_pages_soft or user_pages_hard in /sys/module/mini_pipe/parameters"
        ),
        (Setting::Capacity { bytes }, Errno::ENOMEM) => {
            format!("there is not enough memory for {bytes} bytes in {name}: give fewer")
        }
        (Setting::Policy { .. }, Errno::EBUSY) => format!(
            "{name} is in use: its policy can be set only while it is empty and no read or write \
             sleeps or copies"
        ),
        _ => format!("{name} cannot be set: {}", errno.desc()),
    }
}
