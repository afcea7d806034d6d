// SPDX-License-Identifier: GPL-2.0

//! Error numbers.

/// An error number of the kernel, by name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Error(&'static str);

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

pub mod code {
    use super::Error;

    pub const EAGAIN: Error = Error("EAGAIN");
    pub const EBUSY: Error = Error("EBUSY");
    pub const EFAULT: Error = Error("EFAULT");
    pub const EINTR: Error = Error("EINTR");
    pub const ENOMEM: Error = Error("ENOMEM");
    pub const EPIPE: Error = Error("EPIPE");
    pub const ERESTARTSYS: Error = Error("ERESTARTSYS");
}
