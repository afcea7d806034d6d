// SPDX-License-Identifier: GPL-2.0

//! One open file: turns the kernel's calls into calls on the [`Pipe`].

use crate::{
    chrdev::{
        Call,
        CharDevice, //
    },
    ends::OpenEnd,
    pipe::Pipe,
    policy::Policy,
    pollers::PollTable,
    private,
    splice::DestPipe,
    uapi,
    user::{
        Destination,
        Source, //
    }, //
};
use kernel::{
    bindings,
    fs::{
        file::flags::{
            O_ACCMODE,
            O_RDONLY,
            O_RDWR,
            O_WRONLY, //
        },
        File, //
    },
    prelude::*,
    seq_file::SeqFile,
    sync::Arc,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

/// An open /dev/mini_pipe, or an end of a private pipe. It is an end of the pipe, or both, until it
/// is dropped: when its last descriptor is closed.
pub(crate) struct PipeFile {
    pipe: Arc<Pipe>,
    end: OpenEnd,
}

impl CharDevice for PipeFile {
    type Shared = Arc<Pipe>;

    fn open(pipe: &Arc<Pipe>, file: &File) -> Self {
        // Access mode 3 is neither end: only `ioctl(2)` takes such a file; see `open(2)`.
        let mode = file.flags() & O_ACCMODE;
        let reads = mode == O_RDONLY || mode == O_RDWR;
        let writes = mode == O_WRONLY || mode == O_RDWR;
        Self {
            pipe: pipe.clone(),
            end: pipe.open(reads, writes),
        }
    }

    #[inline(always)]
    fn read(&self, call: Call, to: impl Destination) -> Result<usize> {
        self.pipe.read(&self.end, call, to)
    }

    #[inline(always)]
    fn write(&self, call: Call, from: impl Source) -> Result<usize> {
        self.pipe.write(&self.end, call, from)
    }

    fn splice(&self, call: Call, target: &mut DestPipe, most: usize) -> Result<usize> {
        self.pipe.splice(&self.end, call, target, most)
    }

    #[inline(always)]
    fn poll(&self, file: &File, table: Option<PollTable<'_>>, edges: bool) -> u32 {
        self.pipe.poll(&self.end, file, table, edges)
    }

    fn set_fasync(&self, fd: c_int, file: &File, on: bool) -> Result<bool> {
        self.pipe.set_fasync(&self.end, fd, file, on)
    }

    fn ioctl(&self, command: u32, argument: usize) -> Result<usize> {
        match command {
            bindings::FIONREAD => {
                let user = UserSlice::new(UserPtr::from_addr(argument), size_of::<c_int>());
                let bytes = c_int::try_from(self.pipe.readable()).unwrap_or(c_int::MAX);
                user.writer().write(&bytes)?;
                Ok(0)
            }
            uapi::PAIR if !self.pipe.is_private() => {
                let user = UserSlice::new(UserPtr::from_addr(argument), size_of::<uapi::Pair>());
                let (mut reader, mut writer) = user.reader_writer();
                private::pair(reader.read()?, |pair| writer.write(pair))?;
                Ok(0)
            }
            uapi::GET_CAPACITY => Ok(self.pipe.capacity()),
            uapi::SET_CAPACITY => {
                self.pipe.set_capacity(argument)?;
                Ok(argument)
            }
            uapi::GET_POLICY => Ok(self.pipe.policy() as usize),
            uapi::SET_POLICY => {
                let policy = Policy::from_number(argument).ok_or(EINVAL)?;
                self.pipe.set_policy(policy)?;
                Ok(0)
            }
            _ => Err(ENOTTY),
        }
    }

    fn show(&self, to: &SeqFile) {
        self.pipe.show(to);
    }
}

impl Drop for PipeFile {
    fn drop(&mut self) {
        self.pipe.close(&self.end);
    }
}
