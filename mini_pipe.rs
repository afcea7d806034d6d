// SPDX-License-Identifier: GPL-2.0

//! mini_pipe: a pipe as a misc character device, /dev/mini_pipe, and private pipes in the place of
//! pipe(2).
//!
//! Three layers, and `sys`, which all of them use. Each layer uses only the layers below it:
//!
//! - [`device`]: what the kernel sees: files and their operations, ioctls, the file system of
//!   private pipes, parameters, limits.
//! - [`pipe`]: the pipe: its calls, its ends, and waiting.
//! - [`ring`]: bytes in pages: reservations and copies. It knows no lock, no file and no waiting.
//! - [`sys`]: small safe types for what the kernel crate lacks.
//!
//! # The path of a short read
//!
//! From the kernel's call to the copy, and back:
//!
//! 1. `device::file::read`, called by `vfs_read()`, finds the pipe, and the flags of the call.
//! 2. `Pipe::read` takes the mutex.
//! 3. `Ring::read_nofault` finds the oldest bytes in its [`ring::indices`].
//! 4. `Ring::copy_nofault` finds their page.
//! 5. `Buffer::copy_nofault` copies them to user memory, with page faults disabled. Back in 3, the
//!    indices advance.
//! 6. `Pipe::finish_fast` finds that nobody sleeps, and that no writer polls.
//! 7. `Pipe::unlock_and_wake` drops the mutex, stops spinning writers, and sends SIGIO.
//!
//! If 3 to 5 cannot copy the bytes, `Pipe::read_slow` takes over, with the mutex still held: it
//! reserves the bytes, drops the mutex, copies, takes the mutex again, commits what was copied,
//! and wakes tasks that wait for room. If there are no bytes, it waits for bytes. A write takes the
//! same path, with room in the place of bytes.

#[path = "mini_pipe/device/mod.rs"]
mod device;
#[path = "mini_pipe/pipe/mod.rs"]
mod pipe;
#[path = "mini_pipe/ring/mod.rs"]
mod ring;
#[path = "mini_pipe/sys/mod.rs"]
mod sys;

use device::{
    misc::Registration,
    params,
    pipefs::FileSystem, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use pipe::{
    ends::Ends,
    Pipe, //
};
use ring::{
    storage::Storage,
    Ring, //
};

module! {
    type: MiniPipe,
    name: "mini_pipe",
    authors: ["The founders of mini_pipe"],
    description: "A pipe as a misc character device",
    license: "GPL",
}

/// The module, from insmod to rmmod.
#[pin_data]
struct MiniPipe {
    /// Dropped first: private pipes are made through its files.
    #[pin]
    _device: Registration,
    _file_system: FileSystem,
}

impl kernel::InPlaceModule for MiniPipe {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let capacity = params::capacity()?;
            let policy = params::policy()?;
            let storage = Storage::new(capacity, None)?;
            let pages = storage.cell_count();
            let pipe = Pipe::new(0, Ring::new(storage), Ends::default(), policy);
            let pipe = Arc::pin_init(pipe, GFP_KERNEL)?;
            let file_system = FileSystem::mount()?;
            Ok(try_pin_init!(Self {
                _file_system: file_system,
                _device <- Registration::new(c"mini_pipe", pipe),
                _: {
                    pr_info!("/dev/mini_pipe: capacity {capacity} bytes, pages {pages}\n");
                },
            }))
        })
    }
}
