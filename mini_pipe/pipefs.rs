// SPDX-License-Identifier: GPL-2.0

//! The file system of private pipes, which nobody mounts: it gives each an inode and a name, as
//! pipefs in fs/pipe.c does, and keeps the module loaded while there is a path to one.

use crate::{
    chrdev::OWNER,
    pipe::Pipe, //
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
    error::{
        from_err_ptr,
        to_result, //
    },
    fs::{
        File, //
    },
    prelude::*,
    str::CString,
    sync::{
        aref::ARef,
        Arc,
        ArcBorrow, //
    },
    task::Task, //
};

/// "pipe", as statfs(2) of such a file has it.
const MAGIC: c_ulong = 0x7069_7065;
/// A FIFO that its owner may read and write: include/uapi/linux/stat.h.
const MODE: bindings::umode_t = 0o010600;

// `bindgen` does not see these: include/linux/pseudo_fs.h is not among its headers.

#[repr(C)]
struct PseudoFsContext {
    ops: *const bindings::super_operations,
    eops: *const c_void,
    xattr: *const c_void,
    dops: *const bindings::dentry_operations,
    magic: c_ulong,
    s_d_flags: c_uint,
}

#[expect(improper_ctypes)] // `bindgen` has empty structures in what these point to.
extern "C" {
    fn init_pseudo(context: *mut bindings::fs_context, magic: c_ulong) -> *mut PseudoFsContext;
}

/// What the kernel changes under locks of its own.
struct Theirs<T>(UnsafeCell<T>);

// SAFETY: Nobody here looks into it.
unsafe impl<T> Sync for Theirs<T> {}

static FILE_SYSTEM: Theirs<bindings::file_system_type> =
    Theirs(UnsafeCell::new(bindings::file_system_type {
        name: kernel::str::as_char_ptr_in_const_context(c"mini_pipe"),
        owner: OWNER,
        init_fs_context: Some(init),
        kill_sb: Some(bindings::kill_anon_super),
        // SAFETY: The rest may be zero, and is in every other file system.
        ..unsafe { mem::zeroed() }
    }));

/// The mount and how many inodes are in it, for `simple_pin_fs()`.
static MOUNT: Theirs<*mut bindings::vfsmount> = Theirs(UnsafeCell::new(ptr::null_mut()));
static PINS: Theirs<c_int> = Theirs(UnsafeCell::new(0));

const SUPER_OPERATIONS: &bindings::super_operations = &bindings::super_operations {
    statfs: Some(bindings::simple_statfs),
    drop_inode: Some(bindings::inode_just_drop),
    evict_inode: Some(evict),
    // SAFETY: All of these may be missing.
    ..unsafe { mem::zeroed() }
};

const DENTRY_OPERATIONS: &bindings::dentry_operations = &bindings::dentry_operations {
    d_dname: Some(name),
    // SAFETY: All of these may be missing.
    ..unsafe { mem::zeroed() }
};

/// Keeps the file system mounted.
struct Pin;

impl Pin {
    fn new() -> Result<Self> {
        // SAFETY: These are only used with `simple_pin_fs()` and `simple_release_fs()`, which lock.
        to_result(unsafe {
            bindings::simple_pin_fs(FILE_SYSTEM.0.get(), MOUNT.0.get(), PINS.0.get())
        })?;
        Ok(Self)
    }

    fn mount(&self) -> *mut bindings::vfsmount {
        // SAFETY: It stays as it is while there is a pin.
        unsafe { *MOUNT.0.get() }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // SAFETY: As in `new`, which this undoes.
        unsafe { bindings::simple_release_fs(MOUNT.0.get(), PINS.0.get()) };
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
    let pin = Pin::new()?;
    let mount = pin.mount();
    // SAFETY: The mount is pinned, and so is its super block.
    let inode = unsafe { bindings::new_inode((*mount).mnt_sb) };
    if inode.is_null() {
        return Err(ENOMEM);
    }
    // SAFETY: Nobody else knows of the inode yet. What `i_private` and `pin` stand for is now the
    // inode's, and `evict` undoes it.
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
        mem::forget(pin);
    }
    // SAFETY: The inode is valid, and the reference to it is handed over, or put. So is one to the
    // module, which is loaded, for somebody runs this.
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
            bindings::module_put(OWNER);
            bindings::iput(inode);
        })?;
        Ok(owned(file))
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
/// `inode` must be one of this file system's.
pub(crate) unsafe fn pipe_of(inode: *mut bindings::inode) -> Arc<Pipe> {
    // SAFETY: An inode has its pipe until it is evicted, and it is not while somebody uses it.
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
/// # Safety
///
/// `context` must be valid, and one of this file system.
unsafe extern "C" fn init(context: *mut bindings::fs_context) -> c_int {
    // SAFETY: By the safety requirements, and the result is null or valid.
    unsafe {
        let pseudo = init_pseudo(context, MAGIC);
        if pseudo.is_null() {
            return ENOMEM.to_errno();
        }
        (*pseudo).ops = SUPER_OPERATIONS;
        (*pseudo).dops = DENTRY_OPERATIONS;
    }
    0
}

/// `super_operations.evict_inode`: nobody has a path to this inode any more.
///
/// # Safety
///
/// `inode` must be one of this file system's, and not be used again.
unsafe extern "C" fn evict(inode: *mut bindings::inode) {
    // SAFETY: By the safety requirements. Nobody uses the inode's reference to its pipe again, if
    // it got one, nor its pin: who puts the inode still has the mount.
    unsafe {
        bindings::truncate_inode_pages_final(&raw mut (*inode).i_data);
        bindings::clear_inode(inode);
        let pipe = (*inode).i_private.cast::<Pipe>();
        if !pipe.is_null() {
            drop(Arc::from_raw(pipe));
            drop(Pin);
        }
    }
}

/// `dentry_operations.d_dname`: what /proc/PID/fd says.
///
/// # Safety
///
/// `dentry` must be one of this file system's, and `buffer` have `len` bytes.
unsafe extern "C" fn name(
    dentry: *mut bindings::dentry,
    buffer: *mut c_char,
    len: c_int,
) -> *mut c_char {
    // SAFETY: A dentry that somebody has a path to has its inode.
    let number = unsafe { (*(*dentry).d_inode).i_ino };
    let Ok(name) = CString::try_from_fmt(fmt!("mini_pipe:[{number}]")) else {
        return ENOMEM.to_ptr();
    };
    let name = name.to_bytes_with_nul();
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
