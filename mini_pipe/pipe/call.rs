// SPDX-License-Identifier: GPL-2.0

//! The flags of one call.

use crate::sys::{
    headers::{
        IOCB_NOSIGNAL,
        IOCB_NOWAIT, //
    },
    task, //
};
use kernel::{
    fs::file::flags::{
        O_DIRECT,
        O_NONBLOCK, //
    },
    prelude::*, //
};

/// The flags of one read, write or splice.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    /// The `O_*` flags of the file when the call began.
    file: u32,
    /// The `IOCB_*` flags of the call.
    iocb: c_int,
}

impl Call {
    /// A call with these flags.
    pub(crate) fn new(file: u32, iocb: c_int) -> Self {
        Self { file, iocb }
    }

    /// Whether the call must return `EAGAIN` instead of waiting.
    pub(crate) fn is_nonblocking(self) -> bool {
        self.file & O_NONBLOCK != 0 || self.iocb & IOCB_NOWAIT != 0
    }

    /// Whether each write is a packet: `O_DIRECT` in pipe(2).
    pub(crate) fn writes_packets(self) -> bool {
        self.file & O_DIRECT != 0
    }

    /// Sends the caller SIGPIPE, unless it asked for none with `RWF_NOSIGNAL`.
    pub(crate) fn raise_sigpipe(self) {
        if self.iocb & IOCB_NOSIGNAL == 0 {
            task::raise_sigpipe();
        }
    }
}
