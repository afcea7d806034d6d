// SPDX-License-Identifier: GPL-2.0

//! Private pipes: an ioctl on the device makes one, as pipe2(2) makes a pipe. When the last
//! reader and the last writer of a private pipe have closed, its bytes are discarded.

use crate::{
    device::{
        file::PipeFile,
        limits,
        pipefs,
        uapi::Pair, //
    },
    pipe::{
        ends::Ends,
        policy::Policy,
        Pipe, //
    },
    ring::Ring, //
};
use kernel::{
    bindings,
    fs::{
        file::{
            flags::{
                O_CLOEXEC,
                O_DIRECT,
                O_NONBLOCK,
                O_RDONLY,
                O_WRONLY, //
            },
            FileDescriptorReservation, //
        },
        File, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
    types::ForeignOwnable, //
};

/// The two files of a new private pipe, and the descriptor numbers reserved for them. Nobody can
/// use them yet.
pub(crate) struct NewPair {
    request: Pair,
    reader: (FileDescriptorReservation, ARef<File>),
    writer: (FileDescriptorReservation, ARef<File>),
}

/// Makes a private pipe, whose files have the operations `fops`, with [`open`] among them.
///
/// Context: process context; may sleep.
///
/// # Errors
///
/// Those of `MINI_PIPE_IOC_PAIR` in uapi/mini_pipe.h. Then no pipe is left.
pub(crate) fn new_pair(request: Pair, fops: &'static bindings::file_operations) -> Result<NewPair> {
    if request.flags & !(O_CLOEXEC | O_NONBLOCK | O_DIRECT) != 0 {
        return Err(EINVAL);
    }
    let storage = limits::new_storage(request.capacity as usize)?;
    let pipe = Arc::pin_init(
        Pipe::new(
            pipefs::next_number(),
            Ring::new(storage),
            Ends::private(),
            Policy::Buffered,
        ),
        GFP_KERNEL_ACCOUNT,
    )?;
    let flags = request.flags & O_NONBLOCK;
    let reader = first_file(pipe, O_RDONLY | flags, fops)?;
    // Like with pipe2(2), only the writing end has O_DIRECT.
    let flags = request.flags & (O_NONBLOCK | O_DIRECT);
    let writer = pipefs::open_again(&reader, O_WRONLY | flags)?;
    pipefs::set_fsnotify_mode(&reader);
    pipefs::set_fsnotify_mode(&writer);

    let cloexec = request.flags & O_CLOEXEC;
    Ok(NewPair {
        request,
        reader: (
            FileDescriptorReservation::get_unused_fd_flags(cloexec)?,
            reader,
        ),
        writer: (
            FileDescriptorReservation::get_unused_fd_flags(cloexec)?,
            writer,
        ),
    })
}

impl NewPair {
    /// What the caller asked for, with the numbers of the descriptors.
    pub(crate) fn numbers(&self) -> Pair {
        Pair {
            read_fd: self.reader.0.reserved_fd() as i32,
            write_fd: self.writer.0.reserved_fd() as i32,
            ..self.request
        }
    }

    /// Puts the files into the descriptor table.
    pub(crate) fn install(self) {
        self.reader.0.fd_install(self.reader.1);
        self.writer.0.fd_install(self.writer.1);
    }
}

/// The first file of `pipe`.
fn first_file(
    pipe: Arc<Pipe>,
    flags: u32,
    fops: &'static bindings::file_operations,
) -> Result<ARef<File>> {
    let memory = KBox::new_uninit(GFP_KERNEL_ACCOUNT)?;
    let file = pipefs::new_file(pipe.clone(), flags, fops)?;
    // SAFETY: Nobody else uses the file yet.
    unsafe {
        let opened = PipeFile::open(memory, &file, &pipe);
        (*file.as_ptr()).private_data = opened.into_foreign().cast();
    }
    Ok(file)
}

/// `file_operations.open`: for the second file of a pair, and for an open of /proc/PID/fd/N.
///
/// Context: process context, from `do_dentry_open()`, without locks; may sleep.
///
/// # Safety
///
/// `file` must be being opened by a path to `inode`, which must be that of a private pipe.
pub(crate) unsafe extern "C" fn open(
    inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    let Ok(memory) = KBox::new_uninit(GFP_KERNEL_ACCOUNT) else {
        return ENOMEM.to_errno();
    };
    // SAFETY: By the safety requirements. Nobody else uses the file, or its position, while it is
    // being opened.
    unsafe {
        let pipe = pipefs::pipe_of(inode);
        let opened = PipeFile::open(memory, File::from_raw_file(file), &pipe);
        (*file).private_data = opened.into_foreign().cast();
    }
    0
}
