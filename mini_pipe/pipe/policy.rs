// SPDX-License-Identifier: GPL-2.0

//! When a blocking write returns.

use core::ffi::CStr;

/// `enum mini_pipe_policy` of uapi/mini_pipe.h.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// When its last byte is in the pipe, as with pipe(2).
    Buffered = 0,
    /// When its last byte has been read.
    Rendezvous = 1,
}

impl Policy {
    const ALL: [Self; 2] = [Self::Buffered, Self::Rendezvous];

    /// The policy with this number in the header.
    pub(crate) fn from_number(number: usize) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|policy| *policy as usize == number)
    }

    /// The policy with this name, as in the module's parameter.
    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|policy| policy.name().to_bytes() == name)
    }

    /// The name of this policy.
    pub(crate) fn name(self) -> &'static CStr {
        match self {
            Self::Buffered => c"buffered",
            Self::Rendezvous => c"rendezvous",
        }
    }
}
