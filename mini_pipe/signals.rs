// SPDX-License-Identifier: GPL-2.0

//! Signals on readiness: who asked for them with `O_ASYNC`.

use kernel::{
    bindings,
    error::to_result,
    fs::File,
    prelude::*,
    types::Opaque, //
};

/// What a signal tells: `si_code` in `sigaction(2)`.
#[derive(Clone, Copy)]
pub(crate) enum Band {
    /// There may be something to read.
    In = bindings::POLL_IN as isize,
    /// There may be room to write.
    Out = bindings::POLL_OUT as isize,
}

/// The files of one side whose owners get a signal; see `fcntl(2)` on `O_ASYNC`, `F_SETOWN` and
/// `F_SETSIG`.
pub(crate) struct Subscribers(Opaque<*mut bindings::fasync_struct>);

// SAFETY: The list may be used by any thread: `fasync_helper()` and `kill_fasync()` lock it.
unsafe impl Send for Subscribers {}
// SAFETY: As above.
unsafe impl Sync for Subscribers {}

impl Subscribers {
    /// Nobody yet.
    pub(crate) const fn new() -> Self {
        Self(Opaque::new(core::ptr::null_mut()))
    }

    /// Adds `file`, as descriptor `fd`, or takes it off. Returns whether that changed anything. May
    /// sleep. The kernel takes a file off itself before it is closed for the last time.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn set(&self, fd: c_int, file: &File, on: bool) -> Result<bool> {
        // SAFETY: The file is open; the list is used by these two functions only, which lock it.
        let changed =
            unsafe { bindings::fasync_helper(fd, file.as_ptr(), c_int::from(on), self.0.get()) };
        to_result(changed)?;
        Ok(changed > 0)
    }

    /// Sends each of them its signal, `SIGIO` if it asked for no other.
    pub(crate) fn send(&self, band: Band) {
        // SAFETY: The list's head is one word, which is only looked at here, and not followed.
        let nobody = unsafe { self.0.get().read_volatile() }.is_null();
        if !nobody {
            // SAFETY: As above; this may be called from any context.
            unsafe { bindings::kill_fasync(self.0.get(), bindings::SIGIO as c_int, band as c_int) };
        }
    }
}
