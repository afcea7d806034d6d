// SPDX-License-Identifier: GPL-2.0

//! The module's parameters.
//!
//! Parameters of `module!` cannot be read or changed in /sys/module/mini_pipe/parameters, so this
//! file makes each `kernel_param` itself. `capacity` and `policy` accept any text, and loading the
//! module tests their values: the kernel's own message for a bad text names no good value.

use crate::{
    device::module::{
        modinfo,
        OWNER, //
    },
    pipe::{
        policy::Policy,
        wait::spin::MAX_SPIN_US, //
    }, //
};
use core::ops::RangeInclusive;
use kernel::{
    bindings,
    module_param::{
        KernelParam,
        ModuleParam, //
    },
    page::PAGE_SIZE,
    prelude::*,
    str::BStr,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// The default capacity of a pipe, in bytes: 16 pages, as for pipe(2).
pub(crate) const DEFAULT_CAPACITY: usize = 16 * PAGE_SIZE;

/// The allowed values of `capacity`, in bytes. The largest is the default of pipe-max-size in
/// pipe(7).
const ALLOWED: RangeInclusive<usize> = 1..=1048576;

/// 0 if the text was no number.
static CAPACITY: Atomic<usize> = Atomic::new(DEFAULT_CAPACITY);
/// A [`Policy`], or another number if the text named none.
static POLICY: Atomic<usize> = Atomic::new(Policy::Buffered as usize);
static MAX_CAPACITY: Atomic<usize> = Atomic::new(*ALLOWED.end());
static USER_PAGES_SOFT: Atomic<usize> = Atomic::new(16384);
static USER_PAGES_HARD: Atomic<usize> = Atomic::new(0);

/// The capacity of /dev/mini_pipe, in bytes.
///
/// # Errors
///
/// `EINVAL`, with a line in the kernel's log, if the value is not allowed.
pub(crate) fn capacity() -> Result<usize> {
    let capacity = CAPACITY.load(Relaxed);
    if ALLOWED.contains(&capacity) {
        return Ok(capacity);
    }
    let (least, most) = (ALLOWED.start(), ALLOWED.end());
    pr_err!("capacity must be a number of bytes, {least} to {most}\n");
    Err(EINVAL)
}

/// The policy of /dev/mini_pipe.
///
/// # Errors
///
/// `EINVAL`, with a line in the kernel's log, if there is no such policy.
pub(crate) fn policy() -> Result<Policy> {
    let policy = Policy::from_number(POLICY.load(Relaxed));
    if policy.is_none() {
        pr_err!("policy must be buffered or rendezvous\n");
    }
    policy.ok_or(EINVAL)
}

/// The largest capacity, in bytes, that a user without `CAP_SYS_RESOURCE` may ask for.
pub(crate) fn max_capacity() -> usize {
    MAX_CAPACITY.load(Relaxed)
}

/// If a user's pipes would have more pages than this with a new pipe, the new one is small; 0 is no
/// limit.
pub(crate) fn user_pages_soft() -> usize {
    USER_PAGES_SOFT.load(Relaxed)
}

/// If a user's pipes would have more pages than this with a new pipe, none is made; 0 is no limit.
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
    let policy = Policy::from_name(text);
    POLICY.store(policy.map_or(usize::MAX, |policy| policy as usize), Relaxed);
    0
}

/// `kernel_param_ops.get`: a read of the policy in sysfs.
///
/// Context: process context, from `param_attr_show()`, with the lock of the module's parameters
/// held; may sleep.
///
/// # Safety
///
/// `buffer` must be valid for a page.
unsafe extern "C" fn get_policy(buffer: *mut c_char, _: *const bindings::kernel_param) -> c_int {
    let name = Policy::from_number(POLICY.load(Relaxed)).map_or(c"", Policy::name);
    // SAFETY: `buffer` is a page of sysfs by the safety requirements; `name` is a C string.
    unsafe { bindings::sysfs_emit(buffer, c"%s\n".as_char_ptr(), name.as_char_ptr()) }
}

static CAPACITY_OPS: bindings::kernel_param_ops = bindings::kernel_param_ops {
    // Without this flag, the kernel refuses a bare `capacity` before `set` sees it.
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

/// A parameter, and what modinfo(8) prints of it.
macro_rules! param {
    (
        $name:literal,
        $ops:ident,
        $value:ident,
        $mode:literal,
        $type:literal,
        $text:literal
    ) => {
        const _: () = {
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
                // An `Atomic` has the layout of its value, as `param_get_ulong()` needs it.
                __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 {
                    arg: $value.as_ptr().cast(),
                },
            });
            modinfo!(TYPE, concat!("parmtype=", $name, ":", $type, "\0"));
            modinfo!(TEXT, concat!("parm=", $name, ":", $text, "\0"));
        };
    };
}

param!(
    "capacity",
    CAPACITY_OPS,
    CAPACITY,
    0o444,
    "ulong",
    "bytes the pipe can hold, 1 to 1048576 (default 16 pages)"
);
param!(
    "policy",
    POLICY_OPS,
    POLICY,
    0o444,
    "charp",
    "when a write returns: buffered (default) or rendezvous"
);
param!(
    "max_capacity",
    NUMBER_OPS,
    MAX_CAPACITY,
    0o644,
    "ulong",
    "most bytes a pipe can hold without CAP_SYS_RESOURCE (default 1048576)"
);
param!(
    "user_pages_soft",
    NUMBER_OPS,
    USER_PAGES_SOFT,
    0o644,
    "ulong",
    "above this many pages of pipes, a user's new pipe is small (default 16384, 0: no limit)"
);
param!(
    "user_pages_hard",
    NUMBER_OPS,
    USER_PAGES_HARD,
    0o644,
    "ulong",
    "above this many pages of pipes, a user gets no new pipe (default 0: no limit)"
);
param!(
    "max_spin_us",
    NUMBER_OPS,
    MAX_SPIN_US,
    0o644,
    "ulong",
    "longest time in microseconds that a call spins before it sleeps (default 1000)"
);
