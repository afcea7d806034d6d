// SPDX-License-Identifier: GPL-2.0

//! Text for the user.

use crate::{
    failure::{
        failure,
        reason,
        Result, //
    },
    inherited, //
};
use nix::{
    errno::Errno,
    libc, //
};
use std::{
    fmt::Display,
    io::{
        self,
        Write, //
    }, //
};

/// Prints to standard output. If nobody reads it, as in `mini-pipe list | head`, that is no error.
pub fn print(text: &str) -> Result<()> {
    match write(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failure(format!(
            "standard output cannot be written: {}",
            reason(&error)
        ))),
        _ => Ok(()),
    }
}

fn write(text: &str) -> io::Result<()> {
    // The runtime has opened /dev/null in its place.
    if inherited::was_closed(libc::STDOUT_FILENO) {
        return Err(Errno::EBADF.into());
    }
    io::stdout().write_all(text.as_bytes())
}

/// A text without control characters, which could do anything to a terminal.
pub fn printable(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// Says something on standard error. If that cannot be written, there is nobody to be told.
pub fn say(message: impl Display) {
    let _ = io::stderr().write_all(format!("mini-pipe: {message}\n").as_bytes());
}
