// SPDX-License-Identifier: GPL-2.0

//! The file system of private pipes. It gives each pipe an inode and a name, as pipefs of fs/pipe.c
//! does. The module mounts it while it is loaded; nobody else can.
//!
//! # Who may outlive whom
//!
//! | what | who holds it | freed by | must not outlive |
//! | --- | --- | --- | --- |
//! | `PipeFile` | its open file | `release` | the pipe |
//! | open file | descriptors, sockets, calls | the last of them | its path; the module |
//! | path: dentry and mount | open files, `O_PATH`, path look-ups | the last of them | the module |
//! | the inode's reference to pipe and module | the dentry | `d_iput` | – |
//! | inode | the dentry; marks, which may outlive it | the last of them | the super block |
//! | mount, super block | the module; paths | [`FileSystem`] | the module |
//! | pipe | `PipeFile`s, the device, inodes that have it | the last of them | – |
//! | wait queues | the pipe, which waiting tasks hold | the pipe | – |
//! | `Pages` | the ring, also for reservations from before a resize | the last of them | – |
//! | page | `Pages`; a pipe(2) that it was spliced to | the last of them | – |
//! | charge | the `Pages` that it is for | those `Pages` | the user |
//! | entry for `O_ASYNC` | a list of the pipe | `__fput()` | the open file |
//!
//! An open file holds the module by `f_op->owner`; a path holds the module by its inode. Marks are
//! those of inotify and fanotify. When the module is unloaded, marks that are left get `IN_UNMOUNT`
//! and are removed: `generic_shutdown_super()`. A sleeping or polling task holds an open file: see
//! `PollQueue::add`. `__fput()` removes a file from the lists for `O_ASYNC` before `release`, if
//! the file has the flag `FASYNC`.
//!
//! The inode and the path of /dev/mini_pipe belong to devtmpfs. A path to the device, or a mark on
//! it, holds nothing of the module; an open file holds the module. The device's pipe lives as long
//! as the module.
//!
//! So a path to a private pipe keeps the module from being unloaded, and a mark does not.
//! `tests/lifetimes.c` tests each way to hold a pipe.

use crate::{
    device::{
        module::OWNER,
        name::{
            name,
            PipeName, //
        }, //
    },
    pipe::Pipe,
    sys::headers::{
        init_pseudo,
        FMODE_NONOTIFY,
        FMODE_NONOTIFY_PERM,
        PIPEFS_MAGIC, //
    }, //
};
use core::{
    cell::UnsafeCell,
    mem,
    ptr::{
        self,
        NonNull, //
    }, //
};
use kernel::{
    bindings,
    container_of,
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

/// A static that only the kernel changes, under its own locks.
struct KernelOwned<T>(UnsafeCell<T>);

// SAFETY: This module only takes its address.
unsafe impl<T> Sync for KernelOwned<T> {}

/// The file system type. It is never registered, so that nobody else can mount it.
static TYPE: KernelOwned<bindings::file_system_type> =
    KernelOwned(UnsafeCell::new(bindings::file_system_type {
        // A security policy must treat a private pipe as a pipe(2): SELinux looks for this name in
        // `security_fs_use()`, Smack for the magic number. The type is not registered, so the name
        // does not collide.
        name: kernel::str::as_char_ptr_in_const_context(c"pipefs"),
        init_fs_context: Some(init),
        kill_sb: Some(bindings::kill_anon_super),
        // A super block holds a reference to the owner of its type, so with an owner the module
        // could not be unloaded. `FileSystem::drop` waits instead.
        owner: ptr::null_mut(),
        // SAFETY: All other fields may be zero.
        ..unsafe { mem::zeroed() }
    }));

/// The mount; null before there is one.
static MOUNT: Atomic<*mut bindings::vfsmount> = Atomic::new(ptr::null_mut());

const SUPER_OPERATIONS: &bindings::super_operations = &bindings::super_operations {
    statfs: Some(bindings::simple_statfs),
    drop_inode: Some(bindings::inode_just_drop),
    // SAFETY: All other operations may be missing.
    ..unsafe { mem::zeroed() }
};

const DENTRY_OPERATIONS: &bindings::dentry_operations = &bindings::dentry_operations {
    d_dname: Some(name),
    d_iput: Some(put_inode),
    // SAFETY: All other operations may be missing.
    ..unsafe { mem::zeroed() }
};

/// The mounted file system.
///
/// # Invariants
///
/// `MOUNT` is the mount, and this owns a reference to it.
pub(crate) struct FileSystem(());

impl FileSystem {
    /// Mounts the file system.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn mount() -> Result<Self> {
        // SAFETY: The type lives as long as the module, and `drop` unmounts before that ends.
        let mount = from_err_ptr(unsafe { bindings::kern_mount(TYPE.0.get()) })?;
        MOUNT.store(mount, Relaxed);
        // INVARIANT: `kern_mount()` has returned the mount with a reference.
        Ok(Self(()))
    }
}

impl Drop for FileSystem {
    fn drop(&mut self) {
        let mount = MOUNT.load(Relaxed);
        // Nobody has a path any more, else the module could not be unloaded. But the task that put
        // the last path may be between `dput()`, which put the module, and `mntput()`: see
        // `path_put()` and `__fput()`. Wait for that task: the super block must not outlive the
        // module.
        //
        // SAFETY: This owns a reference to the mount by the type invariants. `may_umount()` is true
        // if there are at most two references. With a second one taken here, it is true if no other
        // task has one.
        unsafe {
            bindings::mntget(mount);
            while bindings::may_umount(mount) == 0 {
                fsleep(Delta::from_millis(1));
            }
            bindings::mntput(mount);
            // Puts the last reference: unmounts, waits for tasks that drop marks, and frees all.
            bindings::kern_unmount(mount);
        }
    }
}

/// A number for the inode of a new pipe.
pub(crate) fn next_number() -> u64 {
    // SAFETY: Any context may ask.
    unsafe { bindings::get_next_ino() }.into()
}

/// Creates an inode that has `pipe`, and its first file. All files of the inode get the operations
/// `fops`. `open` is not called for this first file: the caller must set its `private_data`.
///
/// Context: process context; may sleep.
///
/// # Errors
///
/// `ENFILE`, `ENOMEM`.
pub(crate) fn new_file(
    pipe: Arc<Pipe>,
    flags: u32,
    fops: &'static bindings::file_operations,
) -> Result<ARef<File>> {
    let mount = MOUNT.load(Relaxed);
    // SAFETY: The caller has the device open. The open file keeps the module loaded, and the module
    // keeps the file system mounted.
    let inode = unsafe { bindings::new_inode((*mount).mnt_sb) };
    if inode.is_null() {
        return Err(ENOMEM);
    }
    // SAFETY: Nobody else uses the inode yet. The module is loaded while a task runs this code.
    unsafe {
        (*inode).i_ino = pipe.number;
        bindings::inode_init_owner(
            (&raw const bindings::nop_mnt_idmap).cast_mut(),
            inode,
            ptr::null(),
            MODE,
        );
        bindings::simple_inode_init_ts(inode);
        (*inode).__bindgen_anon_3.i_fop = fops;
        bindings::__module_get(OWNER);
        // From here on, `for_each_pipe` finds the pipe.
        swap_pipe(inode, Arc::into_raw(pipe).cast_mut());
    }
    // SAFETY: The reference to the inode is handed over, or put after an error. The same holds for
    // the second reference to the module: `__fput()` will put it by `fops_put()`, but
    // `alloc_file_pseudo()`, unlike an ordinary open, does not take it by `fops_get()`.
    unsafe {
        bindings::__module_get(OWNER);
        let file =
            bindings::alloc_file_pseudo(inode, mount, c"".as_char_ptr(), flags as c_int, fops);
        let file = from_err_ptr(file).inspect_err(|_| {
            // If there was a path already, `alloc_file_pseudo()` has taken another reference to the
            // inode and put the path, so `put_inode` has run.
            detach_pipe(inode);
            bindings::iput(inode);
            bindings::module_put(OWNER);
        })?;
        Ok(owned(file))
    }
}

/// Lets a new file generate the fsnotify events of a pipe(2): all but permission and pre-content
/// events.
pub(crate) fn set_fsnotify_mode(file: &File) {
    // SAFETY: The caller has made the file, and nobody else uses it yet. This is
    // `file_set_fsnotify_mode()`, which `bindgen` does not see.
    unsafe {
        let mode = &raw mut (*file.as_ptr()).f_mode;
        *mode = *mode & !FMODE_NONOTIFY | FMODE_NONOTIFY_PERM;
    }
}

/// Opens the inode of `file` once more.
///
/// Context: process context; may sleep.
///
/// # Errors
///
/// `ENFILE`, `ENOMEM`, and those of the `open` operation.
pub(crate) fn open_again(file: &File, flags: u32) -> Result<ARef<File>> {
    // SAFETY: The path of an open file is valid; the current task's credentials are valid while it
    // runs this code.
    let again = from_err_ptr(unsafe {
        bindings::dentry_open(
            &raw const (*file.as_ptr()).__bindgen_anon_1.f_path,
            flags as c_int,
            (*Task::current_raw()).cred,
        )
    })?;
    // SAFETY: The file is new.
    Ok(unsafe { owned(again) })
}

/// The pipe of an inode.
///
/// # Safety
///
/// `inode` must be one of this file system's, and the caller must have a path to it.
pub(crate) unsafe fn pipe_of(inode: *mut bindings::inode) -> Arc<Pipe> {
    // SAFETY: The inode has its pipe as long as somebody has a path to it, as the caller has.
    unsafe { ArcBorrow::from_raw((*inode).i_private.cast::<Pipe>()) }.into()
}

/// # Safety
///
/// `file` must be new, so that nobody uses its position. The caller's reference is handed over.
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
    // SAFETY: By the safety requirements. The result is null or valid.
    unsafe {
        let pseudo = init_pseudo(context, PIPEFS_MAGIC);
        if pseudo.is_null() {
            return ENOMEM.to_errno();
        }
        (*pseudo).ops = SUPER_OPERATIONS;
        (*pseudo).dops = DENTRY_OPERATIONS;
    }
    0
}

/// Drops the pipe of an inode, and the inode's reference to the module, unless done before.
///
/// # Safety
///
/// `inode` must be one of this file system, and nobody may have a path to it. The caller must keep
/// the module loaded until this has returned.
unsafe fn detach_pipe(inode: *mut bindings::inode) {
    // SAFETY: By the safety requirements: the pipe of an inode is used by tasks with a path, and by
    // `for_each_pipe`, which takes a reference of its own under the lock that `swap_pipe` takes.
    unsafe {
        let pipe = swap_pipe(inode, ptr::null_mut());
        if !pipe.is_null() {
            drop(Arc::from_raw(pipe));
            bindings::module_put(OWNER);
        }
    }
}

/// Exchanges the reference that an inode has to its pipe; null is none. The caller owns the result.
///
/// # Safety
///
/// `inode` must be one of this file system. `pipe` must be null or an owned reference, which is
/// handed over.
unsafe fn swap_pipe(inode: *mut bindings::inode, pipe: *mut Pipe) -> *mut Pipe {
    // SAFETY: The inode is valid by the safety requirements.
    unsafe {
        bindings::spin_lock(&raw mut (*inode).i_lock);
        let old = mem::replace(&mut (*inode).i_private, pipe.cast());
        bindings::spin_unlock(&raw mut (*inode).i_lock);
        old.cast()
    }
}

/// Calls `work` with each private pipe that somebody has a path to, and with its name, in no order.
/// A pipe that is made or closed meanwhile may be left out.
///
/// Context: process context; may sleep. The file system must stay mounted: the walk holds inodes.
#[allow(dead_code)] // Without CONFIG_DEBUG_FS, nobody calls it.
pub(crate) fn for_each_pipe(mut work: impl FnMut(PipeName, &Pipe)) {
    // SAFETY: The file system is mounted. The list of its inodes changes under the lock, and an
    // inode on the list is valid as long as the lock is held. A grabbed inode stays valid, and on
    // the list, until it is put, so the walk goes on from there, as in `drop_pagecache_sb()`. While
    // the lock of an inode is held, the inode keeps its reference to the pipe.
    unsafe {
        let sb = (*MOUNT.load(Relaxed)).mnt_sb;
        let lock = &raw mut (*sb).s_inode_list_lock;
        let head = &raw mut (*sb).s_inodes;
        let mut grabbed: *mut bindings::inode = ptr::null_mut();
        bindings::spin_lock(lock);
        let mut link = (*head).next;
        while link != head {
            let inode = container_of!(link, bindings::inode, i_sb_list);
            // An inode that is being freed cannot be grabbed, and has no pipe.
            if !bindings::igrab(inode).is_null() {
                bindings::spin_unlock(lock);
                // Puts the inode that the walk came from, and frees it if nobody else has it.
                bindings::iput(mem::replace(&mut grabbed, inode));
                bindings::spin_lock(&raw mut (*inode).i_lock);
                let pipe = (*inode).i_private.cast::<Pipe>();
                let pipe: Option<Arc<Pipe>> =
                    (!pipe.is_null()).then(|| ArcBorrow::from_raw(pipe).into());
                bindings::spin_unlock(&raw mut (*inode).i_lock);
                if let Some(pipe) = pipe {
                    work(PipeName((*inode).i_ino), &pipe);
                }
                bindings::spin_lock(lock);
            }
            link = (*link).next;
        }
        bindings::spin_unlock(lock);
        bindings::iput(grabbed);
    }
}

/// `dentry_operations.d_iput`: nobody has a path to this inode any more. Marks may still hold it.
///
/// Context: process context, without locks; may sleep (Documentation/filesystems/locking.rst).
///
/// # Safety
///
/// `inode` must be one of this file system, whose dentry hands its reference over.
unsafe extern "C" fn put_inode(_dentry: *mut bindings::dentry, inode: *mut bindings::inode) {
    // SAFETY: By the safety requirements; an inode here has one dentry. The task that puts the
    // dentry still has the mount, and `FileSystem::drop` waits until the task has put the mount, so
    // the module stays loaded.
    unsafe {
        detach_pipe(inode);
        bindings::iput(inode);
    }
}
