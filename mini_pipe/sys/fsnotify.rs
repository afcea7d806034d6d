// SPDX-License-Identifier: GPL-2.0

//! Events of inotify(7) and fanotify(7). The kernel itself sends those of read(2), write(2) and
//! splice(2); the module sends those of its ioctls.

use kernel::{
    bindings,
    fs::File, //
};

// fsnotify.c defines them.
#[allow(improper_ctypes)] // `bindgen` has empty structures in a file.
unsafe extern "C" {
    fn mini_pipe_fsnotify_access(file: *mut bindings::file);
    fn mini_pipe_fsnotify_modify(file: *mut bindings::file);
}

/// Bytes were read from `file`.
///
/// Context: process context; may sleep.
pub(crate) fn access(file: &File) {
    // SAFETY: The file is open.
    unsafe { mini_pipe_fsnotify_access(file.as_ptr()) };
}

/// Bytes were written to `file`.
///
/// Context: process context; may sleep.
pub(crate) fn modify(file: &File) {
    // SAFETY: The file is open.
    unsafe { mini_pipe_fsnotify_modify(file.as_ptr()) };
}
