// SPDX-License-Identifier: GPL-2.0

//! ioctl(2) on a pipe, and /proc/PID/fdinfo.

use crate::{
    device::{
        file::PipeFile,
        limits,
        private,
        transfer,
        uapi,
        vmsplice, //
    },
    pipe::{
        policy::Policy,
        Pipe, //
    },
    sys::linux_7_2, //
};
use kernel::{
    bindings,
    fs::File,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    uaccess::{
        UserPtr,
        UserSlice, //
    }, //
};

/// Serves the ioctls of uapi/mini_pipe.h, and FIONREAD, for `file`, whose [`PipeFile`] is `me`.
/// Private pipes get the file operations `private_fops`. Returns what the ioctl returns.
///
/// Context: process context; may sleep.
///
/// # Errors
///
/// As the header documents them, and `ENOTTY` for other commands.
pub(crate) fn ioctl(
    me: &PipeFile,
    file: &File,
    private_fops: &'static bindings::file_operations,
    command: u32,
    argument: usize,
) -> Result<usize> {
    let pipe = &*me.pipe;
    match command {
        linux_7_2::FIONREAD => {
            let user = UserSlice::new(UserPtr::from_addr(argument), size_of::<c_int>());
            let readable = c_int::try_from(pipe.readable()).unwrap_or(c_int::MAX);
            user.writer().write(&readable)?;
            Ok(0)
        }
        uapi::PAIR if !pipe.is_private() => {
            let user = UserSlice::new(UserPtr::from_addr(argument), size_of::<uapi::Pair>());
            let (mut reader, mut writer) = user.reader_writer();
            let pair = private::new_pair(reader.read()?, private_fops)?;
            // Before the descriptors are installed: if this fails, the caller must not get them.
            writer.write(&pair.numbers())?;
            pair.install();
            Ok(0)
        }
        uapi::GET_CAPACITY => Ok(pipe.size().capacity),
        uapi::SET_CAPACITY => {
            limits::set_capacity(pipe, argument)?;
            Ok(argument)
        }
        uapi::GET_POLICY => Ok(pipe.policy() as usize),
        uapi::SET_POLICY => {
            let policy = Policy::from_number(argument).ok_or(EINVAL)?;
            pipe.set_policy(policy)?;
            Ok(0)
        }
        uapi::SPLICE_TO | uapi::SPLICE_FROM | uapi::TEE_TO => {
            let user = UserSlice::new(UserPtr::from_addr(argument), size_of::<uapi::Splice>());
            let request: uapi::Splice = user.reader().read()?;
            match command {
                uapi::SPLICE_TO => transfer::splice_to(me, file, &request, false),
                uapi::TEE_TO => transfer::splice_to(me, file, &request, true),
                _ => transfer::splice_from(me, file, &request),
            }
        }
        uapi::VMSPLICE => {
            let user = UserSlice::new(UserPtr::from_addr(argument), size_of::<uapi::Vmsplice>());
            vmsplice::vmsplice(me, file, &user.reader().read()?)
        }
        _ => Err(ENOTTY),
    }
}

/// Prints the lines of /proc/PID/fdinfo: see FDINFO in man/mini_pipe.4.
///
/// Context: process context; may sleep.
pub(crate) fn show_fdinfo(pipe: &Pipe, to: &SeqFile) {
    let status = pipe.status();
    seq_print!(to, "capacity:\t{}\n", status.capacity);
    seq_print!(to, "bytes:\t{}\n", status.readable);
    seq_print!(to, "readers:\t{}\n", status.open_files.read);
    seq_print!(to, "writers:\t{}\n", status.open_files.write);
    seq_print!(to, "policy:\t{}\n", status.policy.name());
    seq_print!(to, "bytes-in:\t{}\n", status.total.write);
    seq_print!(to, "bytes-out:\t{}\n", status.total.read);
    seq_print!(to, "reader-sleeps:\t{}\n", status.sleeps.read);
    seq_print!(to, "writer-sleeps:\t{}\n", status.sleeps.write);
    seq_print!(to, "reader-wakeups:\t{}\n", status.wakeups.read);
    seq_print!(to, "writer-wakeups:\t{}\n", status.wakeups.write);
    seq_print!(to, "reader-spin-ns:\t{}\n", status.spin_nanos.read);
    seq_print!(to, "writer-spin-ns:\t{}\n", status.spin_nanos.write);
}
