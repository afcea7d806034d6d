// SPDX-License-Identifier: GPL-2.0

//! What [`kernel::miscdevice`] lacks: a device that has data of its own, streams, and can be
//! polled.
//!
//! The crate's own table of file operations does the rest.

use crate::waiters::Interest;
use core::{
    marker::PhantomData,
    ptr, //
};
use kernel::{
    bindings,
    container_of,
    error::to_result,
    fs::{
        file::flags::O_NONBLOCK,
        File,
        Kiocb, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    prelude::*,
    sync::poll::PollTable,
    task::Task,
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};

// `bindgen` does not see through the casts in the C headers' definitions of these.

/// The caller asked for a call that does not sleep: `RWF_NOWAIT` in include/uapi/linux/fs.h.
const IOCB_NOWAIT: c_int = 0x8;
/// The caller asked for a write without `SIGPIPE`: `RWF_NOSIGNAL` in include/uapi/linux/fs.h.
const IOCB_NOSIGNAL: c_int = 0x100;
/// The poller asks only for changes: include/uapi/linux/eventpoll.h.
const EPOLLET: bindings::__poll_t = 1 << 31;
/// The poller need not hear of what another one has heard of: include/uapi/linux/eventpoll.h.
const EPOLLEXCLUSIVE: bindings::__poll_t = 1 << 28;

/// This module, as the kernel's structures name their owner. The crate has it in another place in
/// each release.
#[cfg(MODULE)]
pub(crate) const OWNER: *mut bindings::module = (&raw const bindings::__this_module).cast_mut();
#[cfg(not(MODULE))]
pub(crate) const OWNER: *mut bindings::module = ptr::null_mut();

/// How one `read` or `write` was called.
pub(crate) struct Call {
    nonblocking: bool,
    sigpipe: bool,
}

impl Call {
    /// Whether the call must fail with `EAGAIN` rather than wait.
    pub(crate) fn is_nonblocking(&self) -> bool {
        self.nonblocking
    }

    /// Sends the caller `SIGPIPE`, unless it asked not to. For writers whose readers have left.
    pub(crate) fn raise_sigpipe(&self) {
        if self.sigpipe {
            // SAFETY: The current task is valid while it runs this.
            unsafe { bindings::send_sig(bindings::SIGPIPE as c_int, Task::current_raw(), 0) };
        }
    }

    fn from_kiocb<P: ForeignOwnable>(kiocb: &Kiocb<'_, P>) -> Self {
        let kiocb = kiocb.as_raw();
        // SAFETY: By the type invariants of `Kiocb`, this is a valid kiocb, and its file is open
        // for as long as the call lasts. Since `stream_open`, nobody uses the position of such a
        // file.
        let (flags, file) = unsafe { ((*kiocb).ki_flags, File::from_raw_file((*kiocb).ki_filp)) };
        Self {
            nonblocking: file.flags() & O_NONBLOCK != 0 || flags & IOCB_NOWAIT != 0,
            sigpipe: flags & IOCB_NOSIGNAL == 0,
        }
    }
}

/// A character device without a file position. A value of the type is one open file.
pub(crate) trait CharDevice: Sized + Send + Sync + 'static {
    /// What all open files have in common.
    type Shared: Send + Sync + 'static;

    /// Opens `file`, or refuses to. Closing is dropping. May sleep.
    fn open(shared: &Self::Shared, file: &File) -> Result<Self>;

    /// `read(2)` and its kin. May sleep.
    fn read(&self, call: &Call, to: &mut IovIterDest<'_>) -> Result<usize>;

    /// `write(2)` and its kin. May sleep.
    fn write(&self, call: &Call, from: &mut IovIterSource<'_>) -> Result<usize>;

    /// `poll(2)` and its kin: registers with `table`, then returns the `POLL*` bits that hold. May
    /// sleep.
    fn poll(&self, file: &File, table: &PollTable<'_>, interest: Interest) -> u32;
}

/// A registered misc device: /dev/NAME exists for as long as this does.
///
/// # Invariants
///
/// `misc` is registered, with [`Operations::TABLE`].
#[pin_data(PinnedDrop)]
pub(crate) struct Registration<T: CharDevice> {
    shared: T::Shared,
    #[pin]
    misc: Opaque<bindings::miscdevice>,
}

// SAFETY: A misc device may be registered by one thread and deregistered by another, and `shared`
// may be sent.
unsafe impl<T: CharDevice> Send for Registration<T> {}
// SAFETY: Only the misc core touches `misc` after registration, under its own lock; `shared` may be
// shared.
unsafe impl<T: CharDevice> Sync for Registration<T> {}

impl<T: CharDevice> Registration<T> {
    /// Registers /dev/`name`, with `shared` for its files. Files can be opened before this returns.
    ///
    /// # Errors
    ///
    /// As `misc_register()`: `EEXIST` if there is such a device, `EBUSY` without a free minor
    /// number, `ENOMEM`.
    pub(crate) fn new(name: &'static CStr, shared: T::Shared) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // Before `misc`, for the first file may be opened as soon as that is registered.
            shared,
            misc <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                let mut misc = MiscDeviceOptions { name }.into_raw::<Operations<T>>();
                misc.fops = &Operations::<T>::TABLE;
                // SAFETY: `slot` may be written to, and then holds a miscdevice that is ready to be
                // registered. It is pinned, and deregistered by `drop` before it is freed.
                //
                // INVARIANT: If this succeeds, `misc` is registered, with `TABLE`.
                unsafe {
                    slot.write(misc);
                    to_result(bindings::misc_register(slot))
                }
            }),
        })
    }
}

#[pinned_drop]
impl<T: CharDevice> PinnedDrop for Registration<T> {
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariants, `misc` is registered.
        unsafe { bindings::misc_deregister(self.misc.get()) };
    }
}

/// The file operations of a [`CharDevice`].
struct Operations<T>(PhantomData<T>);

impl<T: CharDevice> Operations<T> {
    /// The kernel crate's table, with what it does not know of.
    const TABLE: bindings::file_operations = bindings::file_operations {
        poll: Some(Self::poll),
        // Linux 7.2's table has none: its modules can be unloaded under an open file.
        owner: OWNER,
        // SAFETY: `into_raw` sets `fops` to a static table that can be read.
        ..unsafe { ptr::read(MiscDeviceOptions { name: c"" }.into_raw::<Self>().fops) }
    };

    /// # Safety
    ///
    /// `file` must be a valid, open file of a device with these operations, and `wait` null or a
    /// valid `poll_table`.
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        wait: *mut bindings::poll_table,
    ) -> bindings::__poll_t {
        // SAFETY: The file is open for the duration of this call. Since `stream_open`, nobody uses
        // the position of such a file.
        let (private, fileref) = unsafe { ((*file).private_data, File::from_raw_file(file)) };
        // SAFETY: `open` stored a `Self::Ptr` there, which stays until `release`.
        let me = unsafe { <KBox<T> as ForeignOwnable>::borrow(private) };
        // SAFETY: `wait` is null or valid for the duration of this call.
        let (table, key) = unsafe {
            (
                PollTable::from_raw(wait),
                wait.as_ref().map_or(0, |w| w._key),
            )
        };
        let interest = Interest {
            edges: key & EPOLLET != 0,
            exclusive: key & EPOLLEXCLUSIVE != 0,
        };
        me.poll(fileref, &table, interest)
    }
}

#[vtable]
impl<T: CharDevice> MiscDevice for Operations<T> {
    type Ptr = KBox<T>;

    fn open(file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<KBox<T>> {
        let memory = KBox::<T>::new_uninit(GFP_KERNEL)?;
        // SAFETY: `file` is being opened, so nobody else uses it yet, and the misc core has stored
        // the address of its `struct miscdevice` there.
        let misc = unsafe { (*file.as_ptr()).private_data }.cast::<Opaque<bindings::miscdevice>>();
        // SAFETY: Only `Registration<T>` registers a device with these operations, and the misc
        // core keeps it registered until this returns: `misc` is the field of a live one.
        let registration = unsafe { &*container_of!(misc, Registration<T>, misc) };
        // SAFETY: `file` is being opened, as above. This takes its position away: `lseek`, `pread`
        // and `pwrite` fail with `ESPIPE`. It cannot fail itself.
        unsafe { bindings::stream_open((*file.as_ptr()).f_inode, file.as_ptr()) };
        Ok(KBox::write(memory, T::open(&registration.shared, file)?))
    }

    fn read_iter(kiocb: Kiocb<'_, Self::Ptr>, iov: &mut IovIterDest<'_>) -> Result<usize> {
        kiocb.file().read(&Call::from_kiocb(&kiocb), iov)
    }

    fn write_iter(kiocb: Kiocb<'_, Self::Ptr>, iov: &mut IovIterSource<'_>) -> Result<usize> {
        kiocb.file().write(&Call::from_kiocb(&kiocb), iov)
    }
}
