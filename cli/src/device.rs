// SPDX-License-Identifier: GPL-2.0

//! /dev/mini_pipe, and the ioctls of uapi/mini_pipe.h, which has their documentation.

use nix::{
    fcntl::{
        open,
        OFlag, //
    },
    ioctl_none,
    ioctl_readwrite,
    ioctl_write_int_bad,
    request_code_none,
    sys::stat::Mode, //
};
use std::{
    fs::File,
    os::fd::{
        AsRawFd,
        BorrowedFd,
        FromRawFd, //
    },
    path::Path, //
};

pub const DEVICE: &str = "/dev/mini_pipe";

const MAGIC: u8 = 0xBB;

/// `struct mini_pipe_pair`.
#[repr(C)]
#[derive(Default)]
pub struct RawPair {
    flags: u32,
    capacity: u32,
    read_fd: i32,
    write_fd: i32,
}

ioctl_readwrite!(ioctl_pair, MAGIC, 1, RawPair);
ioctl_none!(ioctl_get_capacity, MAGIC, 2);
ioctl_write_int_bad!(ioctl_set_capacity, request_code_none!(MAGIC, 3));
ioctl_write_int_bad!(ioctl_set_policy, request_code_none!(MAGIC, 5));

/// `enum mini_pipe_policy`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Policy {
    Buffered = 0,
    Rendezvous = 1,
}

/// Opens a file for ioctls only: a mini_pipe then counts it neither as a reader nor as a writer.
/// This needs permission to read and to write.
pub fn open_for_ioctls(path: &Path) -> nix::Result<File> {
    open(path, OFlag::O_ACCMODE | OFlag::O_CLOEXEC, Mode::empty()).map(File::from)
}

/// Makes a private pipe, by an ioctl on any open file of the device. Returns the reading and the
/// writing end, both with O_NONBLOCK.
pub fn new_pair(device: &File) -> nix::Result<(File, File)> {
    let mut pair = RawPair {
        flags: (OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).bits() as u32,
        ..RawPair::default()
    };
    // SAFETY: The descriptor is open, and the argument is what the ioctl reads and writes.
    unsafe { ioctl_pair(device.as_raw_fd(), &mut pair) }?;
    // SAFETY: The ioctl has succeeded, so it has opened both for the caller.
    Ok(unsafe {
        (
            File::from_raw_fd(pair.read_fd),
            File::from_raw_fd(pair.write_fd),
        )
    })
}

/// Checks that the open file is a mini_pipe, by an ioctl that changes nothing.
pub fn check(file: BorrowedFd<'_>) -> nix::Result<()> {
    // SAFETY: The ioctl has no argument.
    unsafe { ioctl_get_capacity(file.as_raw_fd()) }.map(drop)
}

/// Sets the capacity in bytes.
pub fn set_capacity(file: BorrowedFd<'_>, bytes: i32) -> nix::Result<()> {
    // SAFETY: The argument is a number.
    unsafe { ioctl_set_capacity(file.as_raw_fd(), bytes) }.map(drop)
}

/// Sets the policy.
pub fn set_policy(file: BorrowedFd<'_>, policy: Policy) -> nix::Result<()> {
    // SAFETY: The argument is a number.
    unsafe { ioctl_set_policy(file.as_raw_fd(), policy as i32) }.map(drop)
}
