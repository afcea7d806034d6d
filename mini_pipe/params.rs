// SPDX-License-Identifier: GPL-2.0

//! The module's parameters.
//!
//! Not those of `module!`. Those cannot be read or changed in /sys/module/mini_pipe/parameters, and
//! leave it to the kernel to refuse what is not a number, which does not know what is allowed.
//! `capacity` and `policy` take any text, and whoever asks for the value says.

use crate::{
    chrdev::OWNER,
    policy::Policy, //
};
use core::ops::RangeInclusive;
use kernel::{
    bindings,
    module_param::{
        KernelParam,
        ModuleParam, //
    },
    prelude::*,
    str::BStr,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// As many bytes as a pipe of `pipe(7)` holds.
pub(crate) const DEFAULT_CAPACITY: usize = 65536;

/// What `capacity` may be, in bytes. The upper end is that of pipe-max-size in `pipe(7)`.
const ALLOWED: RangeInclusive<usize> = 1..=1048576;

/// 0 stands for text that is not a number.
static CAPACITY: Atomic<usize> = Atomic::new(DEFAULT_CAPACITY);
/// A value of `Policy`, or what stands for text that is none.
static POLICY: Atomic<usize> = Atomic::new(Policy::Buffered as usize);
static MAX_CAPACITY: Atomic<usize> = Atomic::new(*ALLOWED.end());
static USER_PAGES_SOFT: Atomic<usize> = Atomic::new(16384);
static USER_PAGES_HARD: Atomic<usize> = Atomic::new(0);

/// Returns the capacity the module was loaded with, in bytes.
///
/// # Errors
///
/// `EINVAL`, with a line in the kernel log, if it is not one that is allowed.
pub(crate) fn capacity() -> Result<usize> {
    let capacity = CAPACITY.load(Relaxed);
    if ALLOWED.contains(&capacity) {
        return Ok(capacity);
    }
    let (least, most) = (ALLOWED.start(), ALLOWED.end());
    pr_err!("capacity must be a number of bytes, {least} to {most}\n");
    Err(EINVAL)
}

/// Returns the policy the module was loaded with.
///
/// # Errors
///
/// `EINVAL`, with a line in the kernel log, if there is no such policy.
pub(crate) fn policy() -> Result<Policy> {
    let policy = Policy::from_number(POLICY.load(Relaxed));
    if policy.is_none() {
        pr_err!("policy must be buffered or rendezvous\n");
    }
    policy.ok_or(EINVAL)
}

/// Returns the most bytes that a user without `CAP_SYS_RESOURCE` may have a pipe hold.
pub(crate) fn max_capacity() -> usize {
    MAX_CAPACITY.load(Relaxed)
}

/// Returns from how many pages on, in all pipes of a user, a new one gets few; 0 for no such limit.
pub(crate) fn user_pages_soft() -> usize {
    USER_PAGES_SOFT.load(Relaxed)
}

/// Returns from how many pages on, in all pipes of a user, there is no new one; 0 for no such
/// limit.
pub(crate) fn user_pages_hard() -> usize {
    USER_PAGES_HARD.load(Relaxed)
}

/// # Safety
///
/// `text` must be null or a valid C string for as long as the result is used.
unsafe fn text_of<'a>(text: *const c_char) -> &'a BStr {
    if text.is_null() {
        BStr::from_bytes(b"")
    } else {
        // SAFETY: By the safety requirements, `text` is a valid C string, and it is not null.
        unsafe { CStr::from_char_ptr(text) }.as_ref()
    }
}

/// `kernel_param_ops.set`: the module is being loaded with `capacity=text`.
///
/// Context: process context, from `parse_args()`, with the lock of the module's parameters held;
/// may sleep.
///
/// # Safety
///
/// `text` must be null or a valid C string for the duration of the call.
unsafe extern "C" fn set_capacity(text: *const c_char, _: *const bindings::kernel_param) -> c_int {
    // SAFETY: By the safety requirements.
    let text = unsafe { text_of(text) };
    CAPACITY.store(usize::try_from_param_arg(text).unwrap_or(0), Relaxed);
    0
}

/// `kernel_param_ops.set`: the module is being loaded with `policy=text`.
///
/// Context: as `set_capacity`.
///
/// # Safety
///
/// `text` must be null or a valid C string for the duration of the call.
unsafe extern "C" fn set_policy(text: *const c_char, _: *const bindings::kernel_param) -> c_int {
    // SAFETY: By the safety requirements.
    let text = unsafe { text_of(text) };
    let policy = Policy::from_word(text);
    POLICY.store(policy.map_or(usize::MAX, |policy| policy as usize), Relaxed);
    0
}

/// `kernel_param_ops.get`: somebody reads the policy in sysfs.
///
/// Context: process context, from `param_attr_show()`, with the lock of the module's parameters
/// held; may sleep.
///
/// # Safety
///
/// `buffer` must be valid for a page.
unsafe extern "C" fn get_policy(buffer: *mut c_char, _: *const bindings::kernel_param) -> c_int {
    let word = Policy::from_number(POLICY.load(Relaxed)).map_or(c"", Policy::word);
    // SAFETY: `buffer` is a page of sysfs by the safety requirements; `word` is a C string.
    unsafe { bindings::sysfs_emit(buffer, c"%s\n".as_char_ptr(), word.as_char_ptr()) }
}

static CAPACITY_OPS: bindings::kernel_param_ops = bindings::kernel_param_ops {
    // Without a flag, the kernel refuses a bare `capacity` before `set` sees it.
    flags: bindings::KERNEL_PARAM_OPS_FL_NOARG,
    set: Some(set_capacity),
    get: Some(bindings::param_get_ulong),
    free: None,
};

static POLICY_OPS: bindings::kernel_param_ops = bindings::kernel_param_ops {
    flags: bindings::KERNEL_PARAM_OPS_FL_NOARG,
    set: Some(set_policy),
    get: Some(get_policy),
    free: None,
};

static NUMBER_OPS: bindings::kernel_param_ops = bindings::kernel_param_ops {
    flags: 0,
    set: Some(bindings::param_set_ulong),
    get: Some(bindings::param_get_ulong),
    free: None,
};

/// A parameter, and what `modinfo` prints of it.
macro_rules! param {
    (
        $module:ident,
        $name:literal,
        $ops:ident,
        $value:ident,
        $mode:literal,
        $type:literal,
        $text:literal
    ) => {
        mod $module {
            use super::*;

            #[link_section = "__param"]
            #[used]
            static PARAM: KernelParam = KernelParam::new(bindings::kernel_param {
                name: if cfg!(MODULE) {
                    concat!($name, "\0").as_ptr().cast()
                } else {
                    concat!("mini_pipe.", $name, "\0").as_ptr().cast()
                },
                mod_: OWNER,
                ops: &raw const $ops,
                perm: $mode,
                level: -1,
                flags: 0,
                // An `Atomic` has the layout of what it holds, for the kernel's `param_get_ulong`.
                __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 {
                    arg: $value.as_ptr().cast(),
                },
            });
            modinfo!(TYPE, concat!("parmtype=", $name, ":", $type, "\0"));
            modinfo!(TEXT, concat!("parm=", $name, ":", $text, "\0"));
        }
    };
}

/// A line of what `modinfo` prints.
macro_rules! modinfo {
    ($name:ident, $text:expr) => {
        #[cfg(MODULE)]
        #[link_section = ".modinfo"]
        #[used]
        static $name: [u8; $text.len()] = {
            let mut line = [0; $text.len()];
            let mut index = 0;
            while index < line.len() {
                line[index] = $text.as_bytes()[index];
                index += 1;
            }
            line
        };
    };
}

param!(
    capacity_param,
    "capacity",
    CAPACITY_OPS,
    CAPACITY,
    0o444,
    "ulong",
    "bytes the pipe can hold, 1 to 1048576 (default 65536)"
);
param!(
    policy_param,
    "policy",
    POLICY_OPS,
    POLICY,
    0o444,
    "charp",
    "when a write returns: buffered (default) or rendezvous"
);
param!(
    max_capacity_param,
    "max_capacity",
    NUMBER_OPS,
    MAX_CAPACITY,
    0o644,
    "ulong",
    "most bytes a pipe can hold without CAP_SYS_RESOURCE (default 1048576)"
);
param!(
    user_pages_soft_param,
    "user_pages_soft",
    NUMBER_OPS,
    USER_PAGES_SOFT,
    0o644,
    "ulong",
    "pages in a user's pipes, from which on new ones are small (default 16384, 0: none)"
);
param!(
    user_pages_hard_param,
    "user_pages_hard",
    NUMBER_OPS,
    USER_PAGES_HARD,
    0o644,
    "ulong",
    "pages in a user's pipes, from which on there are no new ones (default 0: none)"
);
