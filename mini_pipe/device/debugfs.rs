// SPDX-License-Identifier: GPL-2.0

//! debugfs: the file mini_pipe/pipes, with a line for each pipe.
//!
//! In Linux 7.3, debugfs can read a file's operations after the file was removed, and so after the
//! module was unloaded: in `__debugfs_file_get()`, when a path is opened that was looked up before,
//! and in `full_proxy_release()`, when an open file is closed. The operations of the kernel
//! crate's `debugfs` are memory of the module. So the file is one of
//! `debugfs_create_devm_seqfile()`, whose operations belong to the kernel. Nobody holds the module
//! by it: after an unload, reads of a file that is still open fail with EIO.

use crate::{
    device::pipefs,
    pipe::Pipe, //
};
use core::{
    fmt::Arguments,
    ptr, //
};
use kernel::{
    bindings,
    error::from_err_ptr,
    prelude::*,
    seq_file::SeqFile,
    seq_print, //
};

/// Prints the file; `private` of the `seq_file` is the device. May sleep.
pub(crate) type Show = unsafe extern "C" fn(*mut bindings::seq_file, *mut c_void) -> c_int;

/// The folder mini_pipe of debugfs.
pub(crate) struct Folder {
    /// An error pointer if it could not be made.
    dentry: *mut bindings::dentry,
}

impl Folder {
    /// Makes the folder and its file, which `show` prints. As with all of debugfs, everything else
    /// works without it, so an error is ignored.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Safety
    ///
    /// `device` must be valid. `show` may be called for it until [`Folder::remove`] was called,
    /// which must be before the device is removed.
    pub(crate) unsafe fn new(device: *mut bindings::device, show: Show) -> Self {
        // SAFETY: The names are C strings. The device is valid by the safety requirements; it owns
        // what the file needs.
        unsafe {
            let dentry = bindings::debugfs_create_dir(c"mini_pipe".as_char_ptr(), ptr::null_mut());
            // The list shows the pipes of all users, so the folder is only for root, also where the
            // rest of debugfs is not. So far the folder is empty, and nobody has opened the file;
            // each later look-up is checked against this mode.
            if let Ok(dentry) = from_err_ptr(dentry) {
                (*(*dentry).d_inode).i_mode &= !0o077;
            }
            bindings::debugfs_create_devm_seqfile(
                device,
                c"pipes".as_char_ptr(),
                dentry,
                Some(show),
            );
            Self { dentry }
        }
    }

    /// Removes the folder. Waits for reads in progress; afterwards, no read begins.
    ///
    /// Context: process context; may sleep.
    pub(crate) fn remove(&self) {
        // SAFETY: This is the folder, or an error pointer, which the function ignores. The caller
        // has the only `Folder`, and drops it.
        unsafe { bindings::debugfs_remove(self.dentry) };
    }
}

/// Prints the file: the columns of DEBUGFS in the manual page, and a line for `device`, the pipe of
/// the device, and for each private pipe.
///
/// Context: process context; may sleep.
pub(crate) fn show_pipes(to: &SeqFile, device: &Pipe) {
    seq_print!(
        to,
        "pipe\tcapacity\tbytes\treaders\twriters\treader-sleepers\twriter-sleepers\tpolicy\t\
         bytes-in\tbytes-out\treader-sleeps\twriter-sleeps\treader-wakeups\twriter-wakeups\n"
    );
    show_pipe(to, format_args!("/dev/mini_pipe"), device);
    pipefs::for_each_pipe(|name, pipe| show_pipe(to, format_args!("{name}"), pipe));
}

/// Prints the line of a pipe.
fn show_pipe(to: &SeqFile, name: Arguments<'_>, pipe: &Pipe) {
    let status = pipe.status();
    seq_print!(
        to,
        "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n",
        name,
        status.capacity,
        status.readable,
        status.open_files.read,
        status.open_files.write,
        status.sleepers.read,
        status.sleepers.write,
        status.policy.name(),
        status.total.write,
        status.total.read,
        status.sleeps.read,
        status.sleeps.write,
        status.wakeups.read,
        status.wakeups.write,
    );
}
