// SPDX-License-Identifier: GPL-2.0

//! The file system of private pipes, which only the module mounts, when it is loaded: it gives each
//! pipe an inode and a name, as pipefs in fs/pipe.c does.
//!
//! # Who may outlive whom
//!
//! | what | is held by | goes with | must not outlive |
//! | --- | --- | --- | --- |
//! | `PipeFile` | its open file | `release` | the pipe |
//! | open file | descriptors, messages, calls | the last of them | its path; the module |
//! | path: dentry and mount | open files, `O_PATH`, look-ups | the last of them | the module |
//! | its inode's pipe and module | the dentry | `d_iput` | the module |
//! | inode | the dentry; marks, alone if they like | the last of them | the super block |
//! | mount, super block | the module; paths | `FileSystem` | the module |
//! | pipe | `PipeFile`s, the device, an inode that has it | the last of them | – |
//! | wait queues | the pipe | the pipe | who sleeps or polls there |
//! | a storage's `Pages` | the ring; leases on an older storage | the last of them | – |
//! | page | `Pages`; the `pipe(2)` that it was spliced to | the last of them | – |
//! | charge | the `Pages` that it pays for | these | the user |
//! | entry for `O_ASYNC` | a list of the pipe's | `__fput()` | the open file |
//!
//! An open file holds the module by `f_op->owner`, a path by its inode. Marks of inotify and
//! fanotify that are left when the module is unloaded are told so (`IN_UNMOUNT`) and taken off, by
//! `generic_shutdown_super()`. Whoever sleeps or polls holds an open file: see `Pollers::add`.
//! `__fput()` takes a file off the lists for `O_ASYNC`, before `release`, by its flag `FASYNC`.
//!
//! /dev/mini_pipe's inode and path are devtmpfs's: a path to it or a mark on it holds nothing of
//! the module; an open file holds the module. Its pipe lives as long as the module.
//!
//! So a path keeps the module from being unloaded, and a mark does not. `tests/lifetimes.c` has a
//! case for each way to hold a pipe.

use crate::{
    chrdev::OWNER,
    headers::{
        init_pseudo,
        FMODE_NONOTIFY,
        FMODE_NONOTIFY_PERM, //
    },
    pipe::Pipe, //
};
use core::{
    cell::UnsafeCell,
    fmt::{
        self,
        Write, //
    },
    mem,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    bindings,
    error::from_err_ptr,
    fs::File,
    prelude::*,
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
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// A FIFO that its owner may read and write: the mode of a pipe of `pipe(2)`.
const MODE: bindings::umode_t =
    (bindings::S_IFIFO | bindings::S_IRUSR | bindings::S_IWUSR) as bindings::umode_t;

/// What the kernel changes under locks of its own.
struct KernelOwned<T>(UnsafeCell<T>);

// SAFETY: Nobody here looks into it.
unsafe impl<T> Sync for KernelOwned<T> {}

/// The type, which is never registered, so that nobody else can mount it.
static TYPE: KernelOwned<bindings::file_system_type> =
    KernelOwned(UnsafeCell::new(bindings::file_system_type {
        // So that a security policy takes a private pipe for the pipe(2) whose place it takes:
        // SELinux looks for this name in `security_fs_use()`, Smack for the magic. The type is not
        // registered, so the name is not taken twice.
        name: kernel::str::as_char_ptr_in_const_context(c"pipefs"),
        init_fs_context: Some(init),
        kill_sb: Some(bindings::kill_anon_super),
        // A super block holds the owner of its type: with one, the module could not be unloaded.
        // See `FileSystem::drop` for what stands in for that.
        owner: ptr::null_mut(),
        // SAFETY: The rest may be zero, and is in every other file system.
        ..unsafe { mem::zeroed() }
    }));

/// The one mount; null while there is none.
static MOUNT: Atomic<*mut bindings::vfsmount> = Atomic::new(ptr::null_mut());

const SUPER_OPERATIONS: &bindings::super_operations = &bindings::super_operations {
    statfs: Some(bindings::simple_statfs),
    drop_inode: Some(bindings::inode_just_drop),
    // SAFETY: All of these may be missing.
    ..unsafe { mem::zeroed() }
};

const DENTRY_OPERATIONS: &bindings::dentry_operations = &bindings::dentry_operations {
    d_dname: Some(name),
    d_iput: Some(put_inode),
    // SAFETY: All of these may be missing.
    ..unsafe { mem::zeroed() }
};

/// The file system is mounted for as long as this exists.
///
/// # Invariants
///
/// `MOUNT` is the mount, which this has a reference to.
pub(crate) struct FileSystem(());

impl FileSystem {
    /// Mounts it. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn mount() -> Result<Self> {
        // SAFETY: The type lives as long as the module, and the mount is put before that ends.
        let mount = from_err_ptr(unsafe { bindings::kern_mount(TYPE.0.get()) })?;
        MOUNT.store(mount, Relaxed);
        // INVARIANT: That is the mount, and the reference to it.
        Ok(Self(()))
    }
}

impl Drop for FileSystem {
    fn drop(&mut self) {
        let mount = MOUNT.load(Relaxed);
        // Nobody has a path any more, or the module would not be unloaded. But who put the last one
        // may be between `dput()`, which let go of the module, and `mntput()`: see `path_put()` and
        // `__fput()`. The super block must not outlive this function, and with it the module.
        //
        // SAFETY: By the type invariants, this has a reference to the mount, and takes another, for
        // `may_umount()` finds a mount busy that has more than two.
        unsafe {
            bindings::mntget(mount);
            while bindings::may_umount(mount) == 0 {
                fsleep(Delta::from_millis(1));
            }
            bindings::mntput(mount);
            // The last reference: this unmounts, waits for whoever drops a mark, and frees all.
            bindings::kern_unmount(mount);
        }
    }
}

/// A file on an inode of its own, which has `pipe`, is opened with `operations`, and is not opened
/// yet. May sleep.
///
/// # Errors
///
/// `ENFILE`, `ENOMEM`.
pub(crate) fn new_file(
    pipe: Arc<Pipe>,
    flags: u32,
    operations: &'static bindings::file_operations,
) -> Result<ARef<File>> {
    let mount = MOUNT.load(Relaxed);
    // SAFETY: The file system is mounted while there is the device, through one of whose open files
    // this is asked for.
    let inode = unsafe { bindings::new_inode((*mount).mnt_sb) };
    if inode.is_null() {
        return Err(ENOMEM);
    }
    // SAFETY: Nobody else knows of the inode yet. The module is loaded, for somebody runs this.
    unsafe {
        (*inode).i_ino = bindings::get_next_ino().into();
        bindings::inode_init_owner(
            (&raw const bindings::nop_mnt_idmap).cast_mut(),
            inode,
            ptr::null(),
            MODE,
        );
        bindings::simple_inode_init_ts(inode);
        (*inode).__bindgen_anon_3.i_fop = operations;
        (*inode).i_private = Arc::into_raw(pipe).cast_mut().cast();
        bindings::__module_get(OWNER);
    }
    // SAFETY: The inode is valid, and the reference to it is handed over, or put. So is one to the
    // module, as `fops_get()` would take it, which this does not call.
    unsafe {
        bindings::__module_get(OWNER);
        let file = bindings::alloc_file_pseudo(
            inode,
            mount,
            c"".as_char_ptr(),
            flags as c_int,
            operations,
        );
        let file = from_err_ptr(file).inspect_err(|_| {
            // If there was a path already, it has been put, and `put_inode` was called.
            detach_pipe(inode);
            bindings::iput(inode);
            bindings::module_put(OWNER);
        })?;
        Ok(owned(file))
    }
}

/// Has a new file tell fsnotify what a `pipe(2)` tells it: everything, but it asks for no
/// permission.
pub(crate) fn set_fsnotify_mode(file: &File) {
    // SAFETY: The caller has made the file, and nobody else knows of it yet: as
    // `file_set_fsnotify_mode()`, which `bindgen` does not see.
    unsafe {
        let mode = &raw mut (*file.as_ptr()).f_mode;
        *mode = *mode & !FMODE_NONOTIFY | FMODE_NONOTIFY_PERM;
    }
}

/// Opens `file`'s inode once more, with its operations. May sleep.
///
/// # Errors
///
/// `ENFILE`, `ENOMEM`, and those of the operations.
pub(crate) fn open_again(file: &File, flags: u32) -> Result<ARef<File>> {
    // SAFETY: The file is open, and so its path is valid; a task's own credentials are, while it
    // runs this.
    let again = from_err_ptr(unsafe {
        bindings::dentry_open(
            &raw const (*file.as_ptr()).__bindgen_anon_1.f_path,
            flags as c_int,
            (*Task::current_raw()).cred,
        )
    })?;
    // SAFETY: It is a new file.
    Ok(unsafe { owned(again) })
}

/// The pipe that an inode has.
///
/// # Safety
///
/// `inode` must be one of this file system's, and the caller must have a path to it.
pub(crate) unsafe fn pipe_of(inode: *mut bindings::inode) -> Arc<Pipe> {
    // SAFETY: An inode has its pipe for as long as somebody has a path to it, as the caller does.
    unsafe { ArcBorrow::from_raw((*inode).i_private.cast::<Pipe>()) }.into()
}

/// # Safety
///
/// `file` must be valid and new, so that nobody uses its position; the reference is handed over.
unsafe fn owned(file: *mut bindings::file) -> ARef<File> {
    // SAFETY: By the safety requirements.
    unsafe { ARef::from_raw(NonNull::new_unchecked(file.cast::<File>())) }
}

/// `file_system_type.init_fs_context`.
///
/// Context: process context, from `kern_mount()`; may sleep.
///
/// # Safety
///
/// `context` must be valid, and one of this file system.
unsafe extern "C" fn init(context: *mut bindings::fs_context) -> c_int {
    // SAFETY: By the safety requirements, and the result is null or valid.
    unsafe {
        let pseudo = init_pseudo(context, bindings::PIPEFS_MAGIC as c_ulong);
        if pseudo.is_null() {
            return ENOMEM.to_errno();
        }
        (*pseudo).ops = SUPER_OPERATIONS;
        (*pseudo).dops = DENTRY_OPERATIONS;
    }
    0
}

/// Takes its pipe from an inode, and lets go of the module, unless that has been done.
///
/// # Safety
///
/// `inode` must be one of this file system's, to which nobody has a path. The caller must keep the
/// module loaded until this has returned.
unsafe fn detach_pipe(inode: *mut bindings::inode) {
    // SAFETY: By the safety requirements; only who has a path uses the pipe of an inode.
    unsafe {
        let pipe = mem::replace(&mut (*inode).i_private, ptr::null_mut()).cast::<Pipe>();
        if !pipe.is_null() {
            drop(Arc::from_raw(pipe));
            bindings::module_put(OWNER);
        }
    }
}

/// `dentry_operations.d_iput`: nobody has a path to this inode any more; marks may still hold it.
///
/// Context: process context, without locks; may sleep (Documentation/filesystems/locking.rst).
///
/// # Safety
///
/// `inode` must be one of this file system's, whose dentry gives up its reference to it.
unsafe extern "C" fn put_inode(_dentry: *mut bindings::dentry, inode: *mut bindings::inode) {
    // SAFETY: By the safety requirements, and an inode here has one dentry. Whoever puts that still
    // has the mount, and `FileSystem::drop` waits for it, so the module stays until this returns.
    unsafe {
        detach_pipe(inode);
        bindings::iput(inode);
    }
}

/// `dentry_operations.d_dname`: what /proc/PID/fd says.
///
/// Context: any; without locks, and may not sleep (Documentation/filesystems/locking.rst).
///
/// # Safety
///
/// `dentry` must be one of this file system's that somebody has a path to, and `buffer` have `len`
/// bytes.
unsafe extern "C" fn name(
    dentry: *mut bindings::dentry,
    buffer: *mut c_char,
    len: c_int,
) -> *mut c_char {
    // SAFETY: A dentry that somebody has a path to has its inode.
    let number = unsafe { (*(*dentry).d_inode).i_ino };
    let mut name = Name::new();
    // It is long enough for every number.
    let _ = write!(name, "mini_pipe:[{number}]\0");
    let name = name.as_bytes();
    let Some(before) = usize::try_from(len).unwrap_or(0).checked_sub(name.len()) else {
        return ENAMETOOLONG.to_ptr();
    };
    // SAFETY: It fits at the end of the buffer, where the callers expect it.
    unsafe {
        let start = buffer.add(before);
        ptr::copy_nonoverlapping(name.as_ptr(), start.cast(), name.len());
        start
    }
}

/// The longest name, with its NUL: a number has at most 20 digits.
const NAME_LEN: usize = 33;

/// A short text, without allocated memory.
struct Name {
    bytes: [u8; NAME_LEN],
    len: usize,
}

impl Name {
    fn new() -> Self {
        Self {
            bytes: [0; NAME_LEN],
            len: 0,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }
}

impl Write for Name {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len.saturating_add(text.len());
        let to = self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?;
        to.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}
