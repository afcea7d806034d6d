// SPDX-License-Identifier: GPL-2.0

//! A list of files with `O_ASYNC`: `struct fasync_struct`.

use core::ptr;
use kernel::{
    bindings,
    error::to_result,
    fs::File,
    prelude::*,
    types::Opaque, //
};

/// A list of files whose owners get a signal; see `O_ASYNC`, `F_SETOWN` and `F_SETSIG` in fcntl(2).
///
/// # Invariants
///
/// The files on the list are open.
pub(crate) struct FasyncList(Opaque<*mut bindings::fasync_struct>);

// SAFETY: Any thread may use the list: `fasync_helper()` and `kill_fasync()` lock it.
unsafe impl Send for FasyncList {}
// SAFETY: As above.
unsafe impl Sync for FasyncList {}

impl FasyncList {
    /// An empty list.
    pub(crate) const fn new() -> Self {
        // INVARIANT: No file is on the list.
        Self(Opaque::new(ptr::null_mut()))
    }

    /// Adds `file` as descriptor `fd`, or removes it: `fasync_helper()`, which also sets the file's
    /// flag. Returns whether the list has changed.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, when it adds.
    ///
    /// # Safety
    ///
    /// A file that was added must be removed before it is freed.
    pub(crate) unsafe fn update(&self, fd: c_int, file: &File, on: bool) -> Result<bool> {
        // SAFETY: The file is open, and so are those on the list by the type invariants. Only this
        // function and `kill` use the list, and they lock it.
        // INVARIANT: By the safety requirements, an added file stays open until it is removed.
        let changed =
            unsafe { bindings::fasync_helper(fd, file.as_ptr(), c_int::from(on), self.0.get()) };
        to_result(changed)?;
        Ok(changed > 0)
    }

    /// Sends each owner its signal, SIGIO by default. `band` is the `si_code`: `POLL_IN` or
    /// `POLL_OUT`.
    ///
    /// Context: any.
    #[inline(always)]
    pub(crate) fn kill(&self, band: c_uint) {
        // SAFETY: The head of the list is one word; it is read once and not followed.
        let is_empty = unsafe { self.0.get().read_volatile() }.is_null();
        if !is_empty {
            // SAFETY: The files on the list are open by the type invariants.
            unsafe { bindings::kill_fasync(self.0.get(), bindings::SIGIO as c_int, band as c_int) };
        }
    }
}
