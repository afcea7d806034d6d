// SPDX-License-Identifier: GPL-2.0

//! When a blocking write returns.

use kernel::{
    prelude::*,
    str::BStr, //
};

/// `enum mini_pipe_policy` in uapi/mini_pipe.h.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// When its last byte is in the pipe, as with `pipe(2)`.
    Buffered = 0,
    /// When its last byte has been taken out.
    Rendezvous = 1,
}

impl Policy {
    /// The policy with that number in the header.
    pub(crate) fn from_number(number: usize) -> Option<Self> {
        [Self::Buffered, Self::Rendezvous]
            .into_iter()
            .find(|policy| *policy as usize == number)
    }

    /// The policy with that name, as the module's parameter has it.
    pub(crate) fn from_word(word: &BStr) -> Option<Self> {
        [Self::Buffered, Self::Rendezvous]
            .into_iter()
            .find(|policy| policy.word().to_bytes() == &**word)
    }

    /// Its name.
    pub(crate) fn word(self) -> &'static CStr {
        match self {
            Self::Buffered => c"buffered",
            Self::Rendezvous => c"rendezvous",
        }
    }
}
