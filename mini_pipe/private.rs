// SPDX-License-Identifier: GPL-2.0

//! Private pipes: made by an ioctl on the device, as `pipe2(2)` makes them, and gone with their
//! last file.
//!
//! The two files of a pair have an inode of their own, as those of `pipe2(2)` do, through which the
//! pipe can be opened again by way of /proc/PID/fd.

use crate::{
    chrdev::{
        self,
        Operations, //
    },
    ends::Ends,
    file::PipeFile,
    limits::{
        self,
        Excess,
        Payer, //
    },
    params,
    pipe::Pipe,
    policy::Policy,
    ring::{
        pages_for,
        Ring,
        Storage, //
    },
    uapi::Pair, //
};
use core::ptr::{
    self,
    NonNull, //
};
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        from_result, //
    },
    fs::{
        file::{
            flags::{
                O_CLOEXEC,
                O_DIRECT,
                O_NONBLOCK,
                O_RDONLY,
                O_WRONLY, //
            },
            FileDescriptorReservation, //
        },
        File, //
    },
    page::PAGE_SIZE,
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc,
        ArcBorrow, //
    },
    task::Task,
    types::ForeignOwnable, //
};

// `bindgen` does not see this: include/linux/anon_inodes.h is not among its headers.
#[expect(improper_ctypes)] // `bindgen` has empty structures in what these point to.
extern "C" {
    fn anon_inode_create_getfile(
        name: *const c_char,
        fops: *const bindings::file_operations,
        private: *mut c_void,
        flags: c_int,
        context: *const bindings::inode,
    ) -> *mut bindings::file;
}

/// The file operations of a private pipe.
const TABLE: &bindings::file_operations = &bindings::file_operations {
    open: Some(reopen),
    release: Some(release),
    ..Operations::<PipeFile>::TABLE
};

/// How many have ever been made: each has its number, by which /proc/PID/fd names it.
static MADE: Atomic<u64> = Atomic::new(0);

/// Makes a private pipe as `asked`, and has `tell` told its descriptors before they are there.
///
/// # Errors
///
/// As `MINI_PIPE_IOC_PAIR` in uapi/mini_pipe.h, and those of `tell`; nothing was made then.
pub(crate) fn pair(asked: Pair, tell: impl FnOnce(&Pair) -> Result) -> Result {
    if asked.flags & !(O_CLOEXEC | O_NONBLOCK | O_DIRECT) != 0 {
        return Err(EINVAL);
    }
    let flags = asked.flags & (O_NONBLOCK | O_DIRECT);
    let reader = first_file(new_pipe(asked.capacity as usize)?, O_RDONLY | flags)?;
    let writer = second_file(&reader, O_WRONLY | flags)?;

    let read_fd = FileDescriptorReservation::get_unused_fd_flags(asked.flags & O_CLOEXEC)?;
    let write_fd = FileDescriptorReservation::get_unused_fd_flags(asked.flags & O_CLOEXEC)?;
    tell(&Pair {
        read_fd: read_fd.reserved_fd() as i32,
        write_fd: write_fd.reserved_fd() as i32,
        ..asked
    })?;
    read_fd.fd_install(reader);
    write_fd.fd_install(writer);
    Ok(())
}

/// A pipe for the caller, who pays for it; `capacity` 0 stands for as much as is usual, or less if
/// the caller has many already.
fn new_pipe(capacity: usize) -> Result<Arc<Pipe>> {
    let mut size = capacity;
    if capacity == 0 {
        size = params::DEFAULT_CAPACITY.min(params::max_capacity().max(PAGE_SIZE));
    } else {
        limits::check(capacity)?;
    }
    let payer = Payer::current();
    let mut charge = payer.charge(pages_for(size));
    if payer.excess(0) == Excess::Soft {
        if capacity != 0 {
            return Err(EPERM);
        }
        size = limits::FEW_PAGES * PAGE_SIZE;
        charge = payer.charge(limits::FEW_PAGES);
    }
    if payer.excess(0) == Excess::Hard {
        return Err(ENFILE);
    }
    let ring = Ring::new(Storage::new(size, Some(charge))?);
    Arc::pin_init(
        Pipe::new(ring, Ends::complete(), Policy::Buffered),
        GFP_KERNEL_ACCOUNT,
    )
}

/// The first file of `pipe`, with an inode for it.
fn first_file(pipe: Arc<Pipe>, flags: u32) -> Result<ARef<File>> {
    let number = MADE.fetch_add(1, Relaxed);
    let name = CString::try_from_fmt(fmt!("mini_pipe:[{number}]"))?;
    // SAFETY: The table is static, and the name is copied. A file without private data is only used
    // by the lines below, until it has some.
    let raw = from_err_ptr(unsafe {
        anon_inode_create_getfile(
            name.as_char_ptr(),
            TABLE,
            ptr::null_mut(),
            flags as c_int,
            ptr::null(),
        )
    })?;
    // SAFETY: The file is valid, and the reference to it is handed over. Nobody knows of it yet, so
    // nobody uses its position.
    let file = unsafe { ARef::from_raw(NonNull::new_unchecked(raw).cast::<File>()) };
    // SAFETY: Nobody else uses the file or its inode yet. `i_private` is that of an inode of
    // `TABLE`: a pipe that has this file.
    unsafe {
        (*raw).f_flags |= flags & O_DIRECT;
        let boxed = chrdev::open::<PipeFile>(&file, &pipe)?;
        (*(*raw).f_inode).i_private = Arc::as_ptr(&pipe).cast_mut().cast();
        (*(*raw).f_inode).__bindgen_anon_3.i_fop = TABLE;
        (*raw).private_data = boxed.into_foreign().cast();
    }
    Ok(file)
}

/// Another file of the same pipe.
fn second_file(first: &File, flags: u32) -> Result<ARef<File>> {
    // SAFETY: The first file is open, and so its path is valid, and a task's own credentials are
    // while it runs this. This calls `reopen`.
    let raw = from_err_ptr(unsafe {
        bindings::dentry_open(
            &raw const (*first.as_ptr()).__bindgen_anon_1.f_path,
            flags as c_int,
            (*Task::current_raw()).cred,
        )
    })?;
    // SAFETY: The file is valid, and the reference to it is handed over. Nobody knows of it yet, so
    // nobody uses its position.
    Ok(unsafe { ARef::from_raw(NonNull::new_unchecked(raw).cast::<File>()) })
}

/// `file_operations.open`: somebody opens a private pipe again, perhaps while others close it.
///
/// # Safety
///
/// `inode` must be valid, of a private pipe, and `file` be being opened.
unsafe extern "C" fn reopen(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    from_result(|| {
        // SAFETY: The inode is valid. While its pointer is not null, which its lock guards, there
        // is a file, or a `release` before its end, with a reference to the pipe.
        let pipe = unsafe {
            bindings::spin_lock(&raw mut (*inode).i_lock);
            let pipe = (*inode).i_private.cast::<Pipe>();
            let pipe = (!pipe.is_null()).then(|| Arc::from(ArcBorrow::from_raw(pipe)));
            bindings::spin_unlock(&raw mut (*inode).i_lock);
            pipe.ok_or(ENXIO)?
        };
        // SAFETY: The file is being opened, so nobody else uses it, or its position.
        let opened = unsafe { chrdev::open::<PipeFile>(File::from_raw_file(file), &pipe) };
        match opened {
            Ok(boxed) => {
                // SAFETY: As above.
                unsafe { (*file).private_data = boxed.into_foreign().cast() };
                Ok(0)
            }
            Err(error) => {
                // SAFETY: The inode is valid, and of this pipe.
                unsafe { put(inode, pipe) };
                Err(error)
            }
        }
    })
}

/// `file_operations.release`: a file of a private pipe is closed for the last time.
///
/// # Safety
///
/// `inode` must be valid, and `file` be one of it, that nobody uses any more.
unsafe extern "C" fn release(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
    // SAFETY: `open` stored a `KBox<PipeFile>` there, if it got so far, which is not used again.
    let boxed = unsafe {
        let private = (*file).private_data;
        (!private.is_null()).then(|| <KBox<PipeFile> as ForeignOwnable>::from_foreign(private))
    };
    if let Some(boxed) = boxed {
        let pipe = boxed.pipe().clone();
        drop(boxed);
        // SAFETY: The inode is valid, and of this pipe.
        unsafe { put(inode, pipe) };
    }
    0
}

/// Gives up a reference to the pipe of `inode`, which forgets it if that was the last one.
///
/// # Safety
///
/// `inode` must be valid, and of that pipe.
unsafe fn put(inode: *mut bindings::inode, pipe: Arc<Pipe>) {
    // SAFETY: By the safety requirements; the lock guards the pointer.
    let last = unsafe {
        bindings::spin_lock(&raw mut (*inode).i_lock);
        let last = Arc::into_unique_or_drop(pipe);
        if last.is_some() {
            (*inode).i_private = ptr::null_mut();
        }
        bindings::spin_unlock(&raw mut (*inode).i_lock);
        last
    };
    // Freeing the pipe may sleep.
    drop(last);
}
