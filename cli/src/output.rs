// SPDX-License-Identifier: GPL-2.0

//! Text for the user.

use crate::failure::{
    failure,
    reason,
    Result, //
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
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(failure(format!(
            "standard output cannot be written: {}",
            reason(&error)
        ))),
        _ => Ok(()),
    }
}

/// Says something on standard error. If that cannot be written, there is nobody to be told.
pub fn say(message: impl Display) {
    let _ = io::stderr().write_all(format!("mini-pipe: {message}\n").as_bytes());
}
