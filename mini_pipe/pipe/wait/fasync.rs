// SPDX-License-Identifier: GPL-2.0

//! Signals on readiness: `O_ASYNC`.

use crate::{
    ring::dir::{
        Dir,
        PerDir, //
    },
    sys::fasync::FasyncList, //
};
use kernel::{
    bindings,
    fs::File,
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// The files with `O_ASYNC`: one list for each direction.
///
/// A file that is both ends is on both lists, but has one flag, `FASYNC`. It tells `__fput()`
/// whether to remove the file. So the flag and both lists change under one mutex, as in fs/pipe.c;
/// otherwise a file without the flag could stay on a list after it was freed.
#[pin_data]
pub(crate) struct Fasync {
    #[pin]
    updating: Mutex<()>,
    lists: PerDir<FasyncList>,
}

impl Fasync {
    /// No files.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            updating <- new_mutex!((), "mini_pipe_fasync"),
            lists: PerDir {
                read: FasyncList::new(),
                write: FasyncList::new(),
            },
        })
    }

    /// Adds `file`, as descriptor `fd`, to the lists of the directions that `modes` is true for, or
    /// removes it. Returns whether a list has changed.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; then no list has changed.
    ///
    /// # Safety
    ///
    /// The `fasync` operation of `file` must be one that calls this function, with the same `modes`
    /// each time. The kernel calls it, with `on` false, before it frees a file with the flag
    /// `FASYNC`.
    pub(crate) unsafe fn update(
        &self,
        modes: PerDir<bool>,
        fd: c_int,
        file: &File,
        on: bool,
    ) -> Result<bool> {
        let _updating = self.updating.lock();
        let mut changed = false;
        // SAFETY: A file on a list has the flag, as both change under the mutex. So `__fput()`
        // calls its `fasync` operation, which removes it from the same lists by this function.
        let update = |list: &FasyncList, on| unsafe { list.update(fd, file, on) };
        if modes.read {
            changed = update(&self.lists.read, on)?;
        }
        if modes.write {
            match update(&self.lists.write, on) {
                Ok(write_changed) => changed |= write_changed,
                Err(error) => {
                    if changed {
                        // A removal cannot fail.
                        let _ = update(&self.lists.read, false);
                    }
                    return Err(error);
                }
            }
        }
        Ok(changed)
    }

    /// Signals the owners of the files that move bytes in this direction: `kill_fasync()`.
    ///
    /// Context: any.
    #[inline(always)]
    pub(crate) fn kill(&self, dir: Dir) {
        let band = match dir {
            Dir::Read => bindings::POLL_IN,
            Dir::Write => bindings::POLL_OUT,
        };
        self.lists[dir].kill(band);
    }
}
