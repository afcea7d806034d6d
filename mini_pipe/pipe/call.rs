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
    fs::{
        file::flags::{
            O_DIRECT,
            O_NONBLOCK, //
        },
        File, //
    },
    prelude::*, //
};

/// The flags of one read, write or splice.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    /// Has the `O_*` flags, which fcntl(2) may change during the call.
    file: &'a File,
    /// The `IOCB_*` flags of the call.
    iocb: c_int,
    /// Whether the bytes are written as packets. [`None`]: `O_DIRECT` of this file decides that.
    packets: Option<bool>,
    /// Whether `O_NONBLOCK` of this file counts.
    obeys_nonblock: bool,
}

impl<'a> Call<'a> {
    /// A call on `file` with these flags.
    pub(crate) fn new(file: &'a File, iocb: c_int) -> Self {
        Self {
            file,
            iocb,
            packets: None,
            obeys_nonblock: true,
        }
    }

    /// The same call, for bytes from elsewhere; `packets`: whether they are a packet.
    pub(crate) fn with_packets(self, packets: bool) -> Self {
        Self {
            packets: Some(packets),
            ..self
        }
    }

    /// The same call, which returns `EAGAIN` instead of waiting.
    pub(crate) fn without_waiting(self) -> Self {
        Self {
            iocb: self.iocb | IOCB_NOWAIT,
            ..self
        }
    }

    /// The same call, which waits even if the file has `O_NONBLOCK`.
    pub(crate) fn ignoring_nonblock(self) -> Self {
        Self {
            obeys_nonblock: false,
            ..self
        }
    }

    /// Whether the call must return `EAGAIN` instead of waiting. To be asked before each wait:
    /// `O_NONBLOCK` may have changed since the last one.
    pub(crate) fn is_nonblocking(self) -> bool {
        self.obeys_nonblock && self.file.flags() & O_NONBLOCK != 0 || self.iocb & IOCB_NOWAIT != 0
    }

    /// Whether each write is a packet: `O_DIRECT` in pipe(2).
    #[inline(always)]
    pub(crate) fn writes_packets(self) -> bool {
        self.packets
            .unwrap_or_else(|| self.file.flags() & O_DIRECT != 0)
    }

    /// Sends the caller SIGPIPE, unless it asked for none with `RWF_NOSIGNAL`.
    pub(crate) fn raise_sigpipe(self) {
        if self.iocb & IOCB_NOSIGNAL == 0 {
            task::raise_sigpipe();
        }
    }
}
