// SPDX-License-Identifier: GPL-2.0

//! Private pipes: made by an ioctl on the device, as `pipe2(2)` makes them, and gone with their
//! last file.

use crate::{
    chrdev::{
        self,
        Operations, //
    },
    ends::Ends,
    file::PipeFile,
    limits::{
        self,
        UserAccount, //
    },
    params,
    pipe::Pipe,
    pipefs,
    policy::Policy,
    ring::{
        pages_for,
        Ring,
        Storage, //
    },
    uapi::Pair, //
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
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        Arc, //
    },
    types::ForeignOwnable, //
};

/// The file operations of a private pipe: those of the device, but for how it is opened.
const FOPS: &bindings::file_operations = &bindings::file_operations {
    open: Some(reopen),
    ..Operations::<PipeFile>::FOPS
};

/// Makes a private pipe as `asked`, and has `tell` told its descriptors before they are there.
///
/// # Errors
///
/// As `MINI_PIPE_IOC_PAIR` in uapi/mini_pipe.h, and those of `tell`; nothing was made then.
pub(crate) fn pair(asked: Pair, tell: impl FnOnce(&Pair) -> Result) -> Result {
    if asked.flags & !(O_CLOEXEC | O_NONBLOCK | O_DIRECT) != 0 {
        return Err(EINVAL);
    }
    let pipe = new_pipe(asked.capacity as usize)?;
    // Packets are for who writes: `pipe2(2)` has O_DIRECT there only.
    let reader = first_file(pipe, O_RDONLY | asked.flags & O_NONBLOCK)?;
    let writer = pipefs::open_again(&reader, O_WRONLY | asked.flags & (O_NONBLOCK | O_DIRECT))?;
    pipefs::set_fsnotify_mode(&reader);
    pipefs::set_fsnotify_mode(&writer);

    let read_fd = FileDescriptorReservation::get_unused_fd_flags(asked.flags & O_CLOEXEC)?;
    let write_fd = FileDescriptorReservation::get_unused_fd_flags(asked.flags & O_CLOEXEC)?;
    tell(&Pair {
        read_fd: read_fd.reserved_fd() as i32,
        write_fd: write_fd.reserved_fd() as i32,
        ..asked
    })?;
    read_fd.fd_install(reader);
    write_fd.fd_install(writer);
    Ok(())
}

/// A pipe for the caller, who pays for it; `capacity` 0 stands for as much as is usual, or less if
/// the caller has many already.
fn new_pipe(capacity: usize) -> Result<Arc<Pipe>> {
    let mut size = capacity;
    if capacity != 0 {
        limits::check(capacity)?;
    } else if limits::check(params::DEFAULT_CAPACITY).is_ok() {
        size = params::DEFAULT_CAPACITY;
    } else {
        size = params::max_capacity().max(PAGE_SIZE);
    }
    let account = UserAccount::current();
    let mut charge = account.charge(pages_for(size));
    if account.is_above(params::user_pages_soft(), 0) {
        if capacity != 0 {
            return Err(EPERM);
        }
        size = limits::PIPE_MIN_DEF_BUFFERS * PAGE_SIZE;
        charge = account.charge(limits::PIPE_MIN_DEF_BUFFERS);
    }
    if account.is_above(params::user_pages_hard(), 0) {
        return Err(ENFILE);
    }
    let ring = Ring::new(Storage::new(size, Some(charge))?);
    Arc::pin_init(
        Pipe::new(ring, Ends::anonymous(), Policy::Buffered),
        GFP_KERNEL_ACCOUNT,
    )
}

/// The first file of `pipe`.
fn first_file(pipe: Arc<Pipe>, flags: u32) -> Result<ARef<File>> {
    let memory = KBox::<PipeFile>::new_uninit(GFP_KERNEL_ACCOUNT)?;
    let file = pipefs::new_file(pipe.clone(), flags, FOPS)?;
    // SAFETY: Nobody else uses the file yet.
    unsafe {
        let opened = chrdev::open(memory, &file, &pipe);
        (*file.as_ptr()).private_data = opened.into_foreign().cast();
    }
    Ok(file)
}

/// `file_operations.open`: the second file of a pair, or somebody opens a private pipe again by way
/// of /proc/PID/fd.
///
/// Context: process context, from `do_dentry_open()`, without locks; may sleep.
///
/// # Safety
///
/// `inode` must be that of a private pipe, and `file` be being opened by a path to it, as
/// `do_dentry_open()` does.
unsafe extern "C" fn reopen(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    let Ok(memory) = KBox::<PipeFile>::new_uninit(GFP_KERNEL_ACCOUNT) else {
        return ENOMEM.to_errno();
    };
    // SAFETY: By the safety requirements; nobody else uses a file, or its position, that is being
    // opened.
    unsafe {
        let pipe = pipefs::pipe_of(inode);
        let opened = chrdev::open(memory, File::from_raw_file(file), &pipe);
        (*file).private_data = opened.into_foreign().cast();
    }
    0
}
