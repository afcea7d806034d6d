// SPDX-License-Identifier: GPL-2.0

//! An error of the command: one sentence that says what to do, and the exit status.

use std::{
    fmt,
    io, //
};

/// Why the command ends without having done what it was asked for.
#[derive(Debug, PartialEq)]
pub struct Failure {
    /// For the user, without the name of the program in front.
    message: String,
    pub status: u8,
}

pub type Result<T> = std::result::Result<T, Failure>;

/// A failure with the exit status of most: 1.
pub fn failure(message: impl Into<String>) -> Failure {
    Failure {
        message: message.into(),
        status: 1,
    }
}

impl Failure {
    pub fn with_status(self, status: u8) -> Self {
        Self { status, ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.message)
    }
}

/// The words for an error of the system, without its number: "Permission denied".
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}
