// SPDX-License-Identifier: GPL-2.0

//! mini_pipe: a pipe as a misc character device, /dev/mini_pipe.
//!
//! This is the front door. The rooms, from the outside in:
//!
//! - `chrdev`: the kernel's side: a misc device with what `kernel::miscdevice` lacks.
//! - `private`: private pipes, made by one of the device's ioctls, as `pipe2(2)` makes them.
//! - `pipefs`: what gives a private pipe an inode and a name.
//! - `file`: one open file, which is an end of a pipe, and what it is asked by ioctl.
//! - `pipe`: the pipe: read, write and poll, with their sleeping and waking.
//!   - `transfer`: bytes on their way: at once, or in pieces under leases.
//!   - `waiting`: waiting, awake or asleep, and telling those who wait.
//!   - `rendezvous`: writes that wait for their reader.
//!   - `settings`: what one can ask of a pipe, and change.
//! - `waiters`: who of a side waits, and whom a change concerns.
//! - `pollers`: who of a side polls, in the kernel's wait queues.
//! - `spin`: waiting awake, before it is worth to sleep.
//! - `ends`: who has the pipe open, and what an empty or a full ring therefore means.
//! - `fasync`: who of a side gets a signal.
//! - `ring`: bytes in pages, the leases on them and the copies.
//! - `pages`: where the pages come from: in blocks of neighbours.
//! - `user`: the caller's memory that they are copied to and from.
//! - `indices`: where the bytes of the ring are; plain arithmetic.
//! - `packets`: which of them are packets.
//! - `splice`: whole pages on their way into a pipe(2).
//! - `headers`: what the kernel's headers say and `bindgen` does not see; `headers.c` holds it to
//!   them.
//! - `policy`, `limits`, `params`, `uapi`: when a write returns; what users may have; the module's
//!   parameters; the numbers of the ioctls.
//!
//! A long read goes through them like this: `chrdev` hands the call to `file`, that to `pipe`,
//! which takes its mutex, leases bytes from the `ring`, drops the mutex, copies, takes it again,
//! gives the lease back, drops it and wakes whom that concerns, as `waiters` has it. A short one is
//! copied at once, if that can be done without sleeping.

#[path = "mini_pipe/chrdev.rs"]
mod chrdev;
#[path = "mini_pipe/ends.rs"]
mod ends;
#[path = "mini_pipe/fasync.rs"]
mod fasync;
#[path = "mini_pipe/file.rs"]
mod file;
#[path = "mini_pipe/headers.rs"]
mod headers;
#[path = "mini_pipe/indices.rs"]
mod indices;
#[path = "mini_pipe/limits.rs"]
mod limits;
#[path = "mini_pipe/packets.rs"]
mod packets;
#[path = "mini_pipe/pages.rs"]
mod pages;
#[path = "mini_pipe/params.rs"]
mod params;
#[path = "mini_pipe/pipe.rs"]
mod pipe;
#[path = "mini_pipe/pipefs.rs"]
mod pipefs;
#[path = "mini_pipe/policy.rs"]
mod policy;
#[path = "mini_pipe/pollers.rs"]
mod pollers;
#[path = "mini_pipe/private.rs"]
mod private;
#[path = "mini_pipe/ring.rs"]
mod ring;
#[path = "mini_pipe/spin.rs"]
mod spin;
#[path = "mini_pipe/splice.rs"]
mod splice;
#[path = "mini_pipe/uapi.rs"]
mod uapi;
#[path = "mini_pipe/user.rs"]
mod user;
#[path = "mini_pipe/waiters.rs"]
mod waiters;

use chrdev::Registration;
use ends::Ends;
use file::PipeFile;
use kernel::{
    prelude::*,
    sync::Arc, //
};
use pipe::Pipe;
use pipefs::FileSystem;
use ring::{
    Ring,
    Storage, //
};

module! {
    type: MiniPipe,
    name: "mini_pipe",
    authors: ["The founders of mini_pipe"],
    description: "A pipe as a misc character device",
    license: "GPL",
}

/// The module: it lives from insmod to rmmod, and /dev/mini_pipe with it.
#[pin_data]
struct MiniPipe {
    /// Goes first: private pipes are made through its files.
    #[pin]
    _device: Registration<PipeFile>,
    _file_system: FileSystem,
}

impl kernel::InPlaceModule for MiniPipe {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            let capacity = params::capacity()?;
            let policy = params::policy()?;
            let storage = Storage::new(capacity, None)?;
            let pages = storage.page_count();
            let pipe = Pipe::new(Ring::new(storage), Ends::default(), policy);
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
