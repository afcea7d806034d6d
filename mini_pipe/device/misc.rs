// SPDX-License-Identifier: GPL-2.0

//! The misc device /dev/mini_pipe.
//!
//! The kernel crate's `MiscDeviceRegistration` has no data of its own, and its file operations lack
//! read, write, poll, fasync and splice. [`Registration`] and [`FOPS`] stand in for them.

#[cfg(CONFIG_DEBUG_FS)]
use crate::device::debugfs::{
    self,
    Folder, //
};
use crate::{
    device::{
        file::{
            self,
            count_or_errno,
            PipeFile, //
        },
        ioctl,
        module::OWNER,
        private, //
    },
    pipe::{
        call::Call,
        Pipe, //
    },
    sys::trace, //
};
use core::ptr;
use kernel::{
    bindings,
    container_of,
    error::to_result,
    fs::{
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
    sync::Arc,
    types::{
        ForeignOwnable,
        Opaque, //
    }, //
};

/// The file operations of /dev/mini_pipe: those of the kernel crate, and those that the crate
/// lacks.
const FOPS: bindings::file_operations = bindings::file_operations {
    read: Some(file::read),
    write: Some(file::write),
    poll: Some(file::poll),
    fasync: Some(file::fasync),
    splice_read: Some(file::splice_read),
    splice_write: Some(file::splice_write),
    // Linux 7.2's table, unlike 7.3's, sets no owner. Without one, the module could be unloaded
    // while a file is open.
    owner: OWNER,
    // SAFETY: `into_raw` sets `fops` to a static table.
    ..unsafe { ptr::read(MiscDeviceOptions { name: c"" }.into_raw::<PipeFile>().fops) }
};

/// The file operations of a private pipe.
const PRIVATE_FOPS: &bindings::file_operations = &bindings::file_operations {
    open: Some(private::open),
    ..FOPS
};

/// A registered misc device. Dropping it removes the node.
///
/// # Invariants
///
/// `misc` is registered, with [`FOPS`].
#[pin_data(PinnedDrop)]
pub(crate) struct Registration {
    pipe: Arc<Pipe>,
    #[pin]
    misc: Opaque<bindings::miscdevice>,
    #[cfg(CONFIG_DEBUG_FS)]
    folder: Folder,
}

// SAFETY: A misc device may be registered by one thread and deregistered by another. The same holds
// for a folder of debugfs.
unsafe impl Send for Registration {}
// SAFETY: After the registration only the misc core uses `misc`, under its own lock, and only
// `drop` uses `folder`.
unsafe impl Sync for Registration {}

impl Registration {
    /// Registers /dev/`name`, whose files are ends of `pipe`. Files may be opened before this
    /// returns.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// Those of `misc_register()`: `EEXIST` if the device exists, `EBUSY` without a free minor
    /// number, `ENOMEM`.
    pub(crate) fn new(name: &'static CStr, pipe: Arc<Pipe>) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // Before `misc`: a file may be opened as soon as `misc` is registered.
            pipe,
            misc <- Opaque::try_ffi_init(move |slot: *mut bindings::miscdevice| {
                let mut misc = MiscDeviceOptions { name }.into_raw::<PipeFile>();
                misc.fops = &FOPS;
                // SAFETY: `slot` is valid for writes. It is pinned, and `drop` deregisters it
                // before it is freed.
                //
                // INVARIANT: If this succeeds, `misc` is registered, with `FOPS`.
                unsafe {
                    slot.write(misc);
                    to_result(bindings::misc_register(slot))
                }
            }),
            #[cfg(CONFIG_DEBUG_FS)]
            // SAFETY: The device exists, as `misc` is registered, and `drop` removes the folder
            // before it. `show_pipes` is for this device.
            folder: unsafe { Folder::new((*misc.get()).this_device, show_pipes) },
        })
    }
}

#[pinned_drop]
impl PinnedDrop for Registration {
    fn drop(self: Pin<&mut Self>) {
        #[cfg(CONFIG_DEBUG_FS)]
        self.folder.remove();
        // SAFETY: `misc` is registered by the type invariants.
        unsafe { bindings::misc_deregister(self.misc.get()) };
    }
}

#[vtable]
impl MiscDevice for PipeFile {
    type Ptr = KBox<Self>;

    fn open(file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<KBox<Self>> {
        let memory = KBox::new_uninit(GFP_KERNEL_ACCOUNT)?;
        // `_misc` is not used: the crate's `open` assumes that every `struct miscdevice` is a part
        // of a `MiscDeviceRegistration`; ours is a part of a [`Registration`].
        //
        // SAFETY: The file is being opened, so nobody else uses it, and `misc_open()` has stored
        // the address of its `struct miscdevice` there.
        let misc = unsafe { (*file.as_ptr()).private_data }.cast::<Opaque<bindings::miscdevice>>();
        // SAFETY: Only `Registration` registers a device with these operations. `misc_open()` holds
        // `misc_mtx`, which `misc_deregister()` takes, until this returns: the registration exists.
        // It may be initialized in part only, but its pipe was stored before.
        let pipe = unsafe { &(*container_of!(misc, Registration, misc)).pipe };
        // SAFETY: The file is being opened.
        Ok(unsafe { Self::open(memory, file, pipe) })
    }

    fn read_iter(kiocb: Kiocb<'_, Self::Ptr>, iov: &mut IovIterDest<'_>) -> Result<usize> {
        let file = kiocb.file();
        let len = iov.len();
        let result = file.pipe.read(&file.end, call_of_kiocb(&kiocb), iov);
        trace::read(|| (file.pipe.number, len, count_or_errno(result)));
        result
    }

    fn write_iter(kiocb: Kiocb<'_, Self::Ptr>, iov: &mut IovIterSource<'_>) -> Result<usize> {
        let file = kiocb.file();
        let len = iov.len();
        let result = file.pipe.write(&file.end, call_of_kiocb(&kiocb), iov);
        trace::write(|| (file.pipe.number, len, count_or_errno(result)));
        result
    }

    fn ioctl(me: &Self, file: &File, command: u32, argument: usize) -> Result<isize> {
        // No ioctl returns more than `transfer::MOST`, so the cast changes nothing.
        ioctl::ioctl(me, file, PRIVATE_FOPS, command, argument).map(|value| value as isize)
    }

    fn show_fdinfo(me: &Self, to: &SeqFile, _file: &File) {
        ioctl::show_fdinfo(&me.pipe, to);
    }
}

/// A read of the file that lists all pipes.
///
/// Context: process context, from `seq_read()`; may sleep.
///
/// # Safety
///
/// `seq` must be valid, and its `private` the device of a [`Registration`].
#[cfg(CONFIG_DEBUG_FS)]
unsafe extern "C" fn show_pipes(seq: *mut bindings::seq_file, _: *mut c_void) -> c_int {
    // SAFETY: By the safety requirements. `misc_register()` has stored the address of the device's
    // `struct miscdevice` as its data. `Folder::remove`, which `Registration::drop` calls, waits
    // for this. The registration may be initialized in part only, but its pipe is there.
    let (to, pipe) = unsafe {
        let misc = bindings::dev_get_drvdata((*seq).private.cast());
        let misc = misc.cast::<Opaque<bindings::miscdevice>>();
        (
            SeqFile::from_raw(seq),
            &(*container_of!(misc, Registration, misc)).pipe,
        )
    };
    debugfs::show_pipes(to, pipe);
    0
}

/// The flags of a call by `read_iter` or `write_iter`.
fn call_of_kiocb<'a, P: ForeignOwnable>(kiocb: &'a Kiocb<'_, P>) -> Call<'a> {
    let kiocb = kiocb.as_raw();
    // SAFETY: The kiocb is valid by the type invariants of `Kiocb`, and its file is open during the
    // call. Nobody uses the file's position, as `stream_open()` has removed it.
    let (file, iocb) = unsafe { (File::from_raw_file((*kiocb).ki_filp), (*kiocb).ki_flags) };
    Call::new(file, iocb)
}
