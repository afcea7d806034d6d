// SPDX-License-Identifier: GPL-2.0

//! Signals on readiness: who asked for them with `O_ASYNC`.

use kernel::{
    bindings,
    error::to_result,
    fs::File,
    new_mutex,
    prelude::*,
    sync::Mutex,
    types::Opaque, //
};

/// The files whose owners get a signal when their side has something to do; see `fcntl(2)` on
/// `O_ASYNC`, `F_SETOWN` and `F_SETSIG`.
///
/// A file that is both ends is on both lists, and has one flag for that, `O_ASYNC`, by which the
/// kernel knows whether it must be taken off when it is closed. So all three change under one lock.
#[pin_data]
pub(crate) struct Fasync {
    #[pin]
    changing: Mutex<()>,
    readers: List,
    writers: List,
}

impl Fasync {
    /// Nobody yet.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            changing <- new_mutex!((), "mini_pipe_subscribers"),
            readers: List::new(),
            writers: List::new(),
        })
    }

    /// Adds `file`, as descriptor `fd`, to those that get a signal because they read, write, or
    /// both; or takes it off. Returns whether that changed anything. May sleep. The kernel takes a
    /// file off itself before it is closed for the last time: `__fput()`.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; nothing is changed then.
    pub(crate) fn update(
        &self,
        reads: bool,
        writes: bool,
        fd: c_int,
        file: &File,
        on: bool,
    ) -> Result<bool> {
        let _changing = self.changing.lock();
        let mut changed = false;
        if reads {
            changed = self.readers.update(fd, file, on)?;
        }
        if writes {
            match self.writers.update(fd, file, on) {
                Ok(too) => changed |= too,
                Err(error) => {
                    if changed {
                        // Taking off cannot fail.
                        let _ = self.readers.update(fd, file, false);
                    }
                    return Err(error);
                }
            }
        }
        Ok(changed)
    }

    /// Tells those that read: there may be something to read.
    #[inline(always)]
    pub(crate) fn kill_readers(&self) {
        self.readers.kill(bindings::POLL_IN);
    }

    /// Tells those that write: there may be room.
    #[inline(always)]
    pub(crate) fn kill_writers(&self) {
        self.writers.kill(bindings::POLL_OUT);
    }
}

/// The files of one side.
struct List(Opaque<*mut bindings::fasync_struct>);

// SAFETY: The list may be used by any thread: `fasync_helper()` and `kill_fasync()` lock it.
unsafe impl Send for List {}
// SAFETY: As above.
unsafe impl Sync for List {}

impl List {
    const fn new() -> Self {
        Self(Opaque::new(core::ptr::null_mut()))
    }

    fn update(&self, fd: c_int, file: &File, on: bool) -> Result<bool> {
        // SAFETY: The file is open; the list is used by these two functions only, which lock it.
        let changed =
            unsafe { bindings::fasync_helper(fd, file.as_ptr(), c_int::from(on), self.0.get()) };
        to_result(changed)?;
        Ok(changed > 0)
    }

    /// Sends each of them its signal, `SIGIO` if it asked for no other; `band` is the signal's
    /// `si_code`.
    #[inline(always)]
    fn kill(&self, band: c_uint) {
        // SAFETY: The list's head is one word, which is only looked at here, and not followed.
        let nobody = unsafe { self.0.get().read_volatile() }.is_null();
        if !nobody {
            // SAFETY: As above; this may be called from any context.
            unsafe { bindings::kill_fasync(self.0.get(), bindings::SIGIO as c_int, band as c_int) };
        }
    }
}
