// SPDX-License-Identifier: GPL-2.0

//! What [`kernel::miscdevice`] lacks: a device that has data of its own, streams, can be polled,
//! signals and splices.
//!
//! The crate's own table of file operations does the rest.

use crate::{
    headers::{
        EPOLLET,
        FMODE_CAN_ODIRECT,
        FMODE_NOWAIT,
        IOCB_NOSIGNAL,
        IOCB_NOWAIT,
        SPLICE_F_NONBLOCK, //
    },
    pollers::PollTable,
    splice::DestPipe,
    user::{
        Buffer,
        Destination,
        Source, //
    }, //
};
use core::{
    marker::PhantomData,
    mem::MaybeUninit,
    ptr, //
};
use kernel::{
    bindings,
    container_of,
    error::to_result,
    fs::{
        file::flags::{
            O_DIRECT,
            O_NONBLOCK, //
        },
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
    seq_file::SeqFile,
    task::Task,
    types::{
        ForeignOwnable,
        Opaque, //
    },
    uaccess::UserPtr, //
};

/// This module, as the kernel's structures name their owner. The crate has it in another place in
/// each release.
#[cfg(MODULE)]
pub(crate) const OWNER: *mut bindings::module = (&raw const bindings::__this_module).cast_mut();
#[cfg(not(MODULE))]
pub(crate) const OWNER: *mut bindings::module = ptr::null_mut();

/// How one `read`, `write` or `splice` was called.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    /// The file's `O_*` flags.
    file: u32,
    /// The call's `IOCB_*` flags.
    call: c_int,
}

impl Call {
    /// Whether the call must fail with `EAGAIN` rather than wait.
    pub(crate) fn is_nonblocking(self) -> bool {
        self.file & O_NONBLOCK != 0 || self.call & IOCB_NOWAIT != 0
    }

    /// Whether the file has each write be a packet: `O_DIRECT`, as in `pipe(2)`.
    pub(crate) fn writes_packets(self) -> bool {
        self.file & O_DIRECT != 0
    }

    /// Sends the caller `SIGPIPE`, unless it asked not to. For writers whose readers have left.
    pub(crate) fn raise_sigpipe(self) {
        if self.call & IOCB_NOSIGNAL == 0 {
            // SAFETY: The current task is valid while it runs this.
            unsafe { bindings::send_sig(bindings::SIGPIPE as c_int, Task::current_raw(), 0) };
        }
    }

    fn from_kiocb<P: ForeignOwnable>(kiocb: &Kiocb<'_, P>) -> Self {
        let kiocb = kiocb.as_raw();
        // SAFETY: By the type invariants of `Kiocb`, this is a valid kiocb, and its file is open
        // for as long as the call lasts. Since `stream_open`, nobody uses the position of such a
        // file.
        let (call, file) = unsafe { ((*kiocb).ki_flags, File::from_raw_file((*kiocb).ki_filp)) };
        Self {
            file: file.flags(),
            call,
        }
    }

    fn from_file(file: &File) -> Self {
        Self {
            file: file.flags(),
            call: 0,
        }
    }

    fn from_splice(file: &File, flags: c_uint) -> Self {
        Self {
            file: file.flags(),
            call: if flags & SPLICE_F_NONBLOCK != 0 {
                IOCB_NOWAIT
            } else {
                0
            },
        }
    }
}

/// A character device without a file position. A value of the type is one open file.
pub(crate) trait CharDevice: Sized + Send + Sync + 'static {
    /// What all open files have in common.
    type Shared: Send + Sync + 'static;

    /// Opens `file`. Closing is dropping. May sleep.
    fn open(shared: &Self::Shared, file: &File) -> Self;

    /// `read(2)` and its kin. May sleep.
    fn read(&self, call: Call, to: impl Destination) -> Result<usize>;

    /// `write(2)` and its kin. May sleep.
    fn write(&self, call: Call, from: impl Source) -> Result<usize>;

    /// `splice(2)` into a `pipe(2)`, of at most `most` bytes, at least 1. May sleep.
    fn splice(&self, call: Call, target: &mut DestPipe, most: usize) -> Result<usize>;

    /// `poll(2)` and its kin: registers with `table`, if there is one, then returns the `POLL*`
    /// bits that hold. `edges` says that the poller asks for changes only. May sleep.
    fn poll(&self, file: &File, table: Option<PollTable<'_>>, edges: bool) -> u32;

    /// `O_ASYNC` is switched on or off for descriptor `fd`. Returns whether that changed anything.
    /// May sleep.
    fn set_fasync(&self, fd: c_int, file: &File, on: bool) -> Result<bool>;

    /// `ioctl(2)`. May sleep.
    fn ioctl(&self, command: u32, argument: usize) -> Result<usize>;

    /// Prints the file's own lines of /proc/PID/fdinfo. May sleep.
    fn show(&self, to: &SeqFile);
}

/// Opens `file` in `memory`, for a device that streams: without a position, but with calls that do
/// not wait and with `O_DIRECT`.
///
/// # Safety
///
/// `file` must be being opened, so that nobody else uses it yet.
pub(crate) unsafe fn open<T: CharDevice>(
    memory: KBox<MaybeUninit<T>>,
    file: &File,
    shared: &T::Shared,
) -> KBox<T> {
    // SAFETY: By the safety requirements. `stream_open` takes the position away: `lseek`, `pread`
    // and `pwrite` fail with `ESPIPE`. It cannot fail itself.
    unsafe {
        let file = file.as_ptr();
        bindings::stream_open((*file).f_inode, file);
        (*file).f_mode |= FMODE_NOWAIT | FMODE_CAN_ODIRECT;
    }
    KBox::write(memory, T::open(shared, file))
}

/// A registered misc device: /dev/NAME exists for as long as this does.
///
/// # Invariants
///
/// `misc` is registered, with [`Operations::FOPS`].
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
                misc.fops = &Operations::<T>::FOPS;
                // SAFETY: `slot` may be written to, and then holds a miscdevice that is ready to be
                // registered. It is pinned, and deregistered by `drop` before it is freed.
                //
                // INVARIANT: If this succeeds, `misc` is registered, with `FOPS`.
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
///
/// All of them are called in process context and may sleep (Documentation/filesystems/locking.rst).
/// Who calls them, and with which locks, stands beside each. `open` runs once, before all others;
/// the kernel holds a reference to the file during each of the others, so that `release`, from
/// `__fput()`, comes after them.
pub(crate) struct Operations<T>(PhantomData<T>);

impl<T: CharDevice> Operations<T> {
    /// The kernel crate's table, with what it does not know of.
    pub(crate) const FOPS: bindings::file_operations = bindings::file_operations {
        read: Some(Self::read),
        write: Some(Self::write),
        poll: Some(Self::poll),
        fasync: Some(Self::fasync),
        splice_read: Some(Self::splice_read),
        splice_write: Some(bindings::iter_file_splice_write),
        // Linux 7.2's table has none: its modules can be unloaded under an open file.
        owner: OWNER,
        // SAFETY: `into_raw` sets `fops` to a static table that can be read.
        ..unsafe { ptr::read(MiscDeviceOptions { name: c"" }.into_raw::<Self>().fops) }
    };

    /// `read(2)` itself, which is worth a shorter way than `read_iter`.
    ///
    /// Context: process context, from `vfs_read()`, without locks; may sleep.
    ///
    /// # Safety
    ///
    /// `file` must be a valid, open file of a device with these operations: the callers above have
    /// it from its `f_op`, and hold a reference to it.
    unsafe extern "C" fn read(
        file: *mut bindings::file,
        at: *mut c_char,
        len: usize,
        _position: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: By the safety requirements.
        let (me, file) = unsafe { Self::parts(file) };
        let to = Buffer::new(UserPtr::from_ptr(at.cast()), len);
        count_or_errno(me.read(Call::from_file(file), to))
    }

    /// `write(2)` itself, as [`Operations::read`].
    ///
    /// Context: process context, from `vfs_write()`, without locks; may sleep.
    ///
    /// # Safety
    ///
    /// `file` must be a valid, open file of a device with these operations: the callers above have
    /// it from its `f_op`, and hold a reference to it.
    unsafe extern "C" fn write(
        file: *mut bindings::file,
        at: *const c_char,
        len: usize,
        _position: *mut bindings::loff_t,
    ) -> isize {
        // SAFETY: By the safety requirements.
        let (me, file) = unsafe { Self::parts(file) };
        let from = Buffer::new(UserPtr::from_ptr(at.cast_mut().cast()), len);
        count_or_errno(me.write(Call::from_file(file), from))
    }

    /// `poll(2)`, `select(2)`, `epoll(7)`, io_uring and libaio.
    ///
    /// Context: process context, from `vfs_poll()`; may sleep. epoll holds the mutex of its
    /// instance (`ep->mtx`), io_uring `uring_lock`.
    ///
    /// # Safety
    ///
    /// `file` must be a valid, open file of a device with these operations, and `wait` null or a
    /// valid `poll_table`.
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        wait: *mut bindings::poll_table,
    ) -> bindings::__poll_t {
        // SAFETY: By the safety requirements.
        let (me, file) = unsafe { Self::parts(file) };
        // SAFETY: `wait` is null or valid for the duration of this call, and only the caller, who
        // waits for this, uses it.
        let table = unsafe { wait.as_mut() };
        let edges = table
            .as_ref()
            .is_some_and(|table| table._key & EPOLLET != 0);
        me.poll(file, PollTable::new(table), edges)
    }

    /// `O_ASYNC` of the file is switched.
    ///
    /// Context: process context, from `setfl()`, `ioctl_fioasync()`, or `__fput()`, which switches
    /// it off before `release` if `FASYNC` is among the file's flags. Without locks, so two of them
    /// can come at once; may sleep.
    ///
    /// # Safety
    ///
    /// `file` must be a valid, open file of a device with these operations: the callers above have
    /// it from its `f_op`, and hold a reference to it.
    unsafe extern "C" fn fasync(fd: c_int, file: *mut bindings::file, on: c_int) -> c_int {
        // SAFETY: By the safety requirements.
        let (me, file) = unsafe { Self::parts(file) };
        match me.set_fasync(fd, file, on != 0) {
            Ok(changed) => c_int::from(changed),
            Err(error) => error.to_errno(),
        }
    }

    /// `splice(2)` and `sendfile(2)` into a `pipe(2)`.
    ///
    /// Context: process context, from `splice_file_to_pipe()`, with the mutex of that pipe held;
    /// may sleep.
    ///
    /// # Safety
    ///
    /// `file` must be a valid, open file of a device with these operations, and `pipe` be valid and
    /// locked by the caller: `splice_file_to_pipe()` does so. `splice_direct_to_actor()`, the only
    /// other caller for such a file, has a pipe of its own that nobody locks, but returns `EINVAL`
    /// to files without `FMODE_LSEEK`, which `stream_open()` has taken from these.
    unsafe extern "C" fn splice_read(
        file: *mut bindings::file,
        _position: *mut bindings::loff_t,
        pipe: *mut bindings::pipe_inode_info,
        len: usize,
        flags: c_uint,
    ) -> isize {
        // SAFETY: By the safety requirements.
        let ((me, file), mut target) = unsafe { (Self::parts(file), DestPipe::from_raw(pipe)) };
        if len == 0 {
            return 0;
        }
        count_or_errno(me.splice(Call::from_splice(file, flags), &mut target, len))
    }

    /// # Safety
    ///
    /// `file` must be a valid, open file of a device with these operations, for as long as the
    /// result is used.
    unsafe fn parts<'a>(file: *mut bindings::file) -> (&'a T, &'a File) {
        // SAFETY: The file is open. Since `stream_open`, nobody uses the position of such a file.
        // `open` stored a `KBox<T>` in its private data, which stays until `release`.
        unsafe {
            (
                <KBox<T> as ForeignOwnable>::borrow((*file).private_data),
                File::from_raw_file(file),
            )
        }
    }
}

/// What a call returns to the kernel.
fn count_or_errno(result: Result<usize>) -> isize {
    match result {
        // No call moves more than `isize::MAX` bytes.
        Ok(count) => count as isize,
        Err(error) => error.to_errno() as isize,
    }
}

#[vtable]
impl<T: CharDevice> MiscDevice for Operations<T> {
    type Ptr = KBox<T>;

    fn open(file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<KBox<T>> {
        let memory = KBox::<T>::new_uninit(GFP_KERNEL)?;
        // The crate's `open`, which calls this, has made `_misc` of the same address: it takes
        // every miscdevice for a `MiscDeviceRegistration`, which is one and nothing else.
        // SAFETY: `file` is being opened, so nobody else uses it yet, and `misc_open()` has stored
        // the address of its `struct miscdevice` there.
        let misc = unsafe { (*file.as_ptr()).private_data }.cast::<Opaque<bindings::miscdevice>>();
        // SAFETY: Only `Registration<T>` registers a device with these operations, and
        // `misc_open()` holds `misc_mtx`, which `misc_deregister()` takes, until this returns:
        // `misc` is the field of a live one.
        let registration = unsafe { &*container_of!(misc, Registration<T>, misc) };
        // SAFETY: `file` is being opened, as above.
        Ok(unsafe { open(memory, file, &registration.shared) })
    }

    fn read_iter(kiocb: Kiocb<'_, Self::Ptr>, iov: &mut IovIterDest<'_>) -> Result<usize> {
        kiocb.file().read(Call::from_kiocb(&kiocb), iov)
    }

    fn write_iter(kiocb: Kiocb<'_, Self::Ptr>, iov: &mut IovIterSource<'_>) -> Result<usize> {
        kiocb.file().write(Call::from_kiocb(&kiocb), iov)
    }

    fn ioctl(device: &T, _file: &File, command: u32, argument: usize) -> Result<isize> {
        // What it returns is a capacity, or less.
        device.ioctl(command, argument).map(|value| value as isize)
    }

    fn show_fdinfo(device: &T, to: &SeqFile, _file: &File) {
        device.show(to);
    }
}
