// SPDX-License-Identifier: GPL-2.0

//! One open file: turns the kernel's calls into calls on the [`Pipe`].

use crate::{
    chrdev::{
        Call,
        CharDevice, //
    },
    ends::Seat,
    pipe::Pipe,
    waiters::Interest, //
};
use kernel::{
    fs::{
        file::flags::{
            O_ACCMODE,
            O_DIRECT,
            O_RDONLY,
            O_RDWR,
            O_WRONLY, //
        },
        File, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    sync::{
        poll::PollTable,
        Arc, //
    }, //
};

/// An open /dev/mini_pipe. It is an end of the pipe, or both, until it is dropped: when its last
/// descriptor is closed.
pub(crate) struct PipeFile {
    pipe: Arc<Pipe>,
    seat: Seat,
}

impl CharDevice for PipeFile {
    type Shared = Arc<Pipe>;

    fn open(pipe: &Arc<Pipe>, file: &File) -> Result<Self> {
        // The kernel refuses this, too, but only after it would have been a peer that came and
        // left.
        if file.flags() & O_DIRECT != 0 {
            return Err(EINVAL);
        }
        // Access mode 3 is neither end: only `ioctl(2)` takes such a file; see `open(2)`.
        let mode = file.flags() & O_ACCMODE;
        let reads = mode == O_RDONLY || mode == O_RDWR;
        let writes = mode == O_WRONLY || mode == O_RDWR;
        Ok(Self {
            pipe: pipe.clone(),
            seat: pipe.open(reads, writes),
        })
    }

    fn read(&self, call: &Call, to: &mut IovIterDest<'_>) -> Result<usize> {
        self.pipe.read(&self.seat, call, to)
    }

    fn write(&self, call: &Call, from: &mut IovIterSource<'_>) -> Result<usize> {
        self.pipe.write(&self.seat, call, from)
    }

    fn poll(&self, file: &File, table: &PollTable<'_>, interest: Interest) -> u32 {
        self.pipe.poll(&self.seat, file, table, interest)
    }
}

impl Drop for PipeFile {
    fn drop(&mut self) {
        self.pipe.close(&self.seat);
    }
}
