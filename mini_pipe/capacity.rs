// SPDX-License-Identifier: GPL-2.0

//! The module's parameter `capacity`: how many bytes the pipe can hold.
//!
//! Not one of `module!`'s integers. Those leave it to the kernel to refuse what is not a number,
//! and the kernel does not know what is allowed; this one takes any text, and whoever asks for the
//! value says. Nor can those be read in /sys/module/mini_pipe/parameters; this one can.

use crate::chrdev::OWNER;
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

/// What `capacity` may be, in bytes. The upper end is that of pipe-max-size in `pipe(7)`.
const ALLOWED: RangeInclusive<usize> = 1..=1048576;

/// As many bytes as a pipe of `pipe(7)` holds, unless the module is told otherwise. 0 stands for
/// text that is not a number.
static CAPACITY: Atomic<usize> = Atomic::new(65536);

/// Returns the capacity the module was loaded with, in bytes.
///
/// # Errors
///
/// `EINVAL`, with a line in the kernel log, if it is not one that is allowed.
pub(crate) fn get() -> Result<usize> {
    let capacity = CAPACITY.load(Relaxed);
    if ALLOWED.contains(&capacity) {
        return Ok(capacity);
    }
    let (least, most) = (ALLOWED.start(), ALLOWED.end());
    pr_err!("capacity must be a number of bytes, {least} to {most}\n");
    Err(EINVAL)
}

/// `kernel_param_ops.set`: the module is being loaded with `capacity=text`.
///
/// # Safety
///
/// `text` must be null or a valid C string for the duration of the call.
unsafe extern "C" fn set(text: *const c_char, _: *const bindings::kernel_param) -> c_int {
    let capacity = if text.is_null() {
        0
    } else {
        // SAFETY: By the safety requirements, `text` is a valid C string, and it is not null.
        let text: &BStr = unsafe { CStr::from_char_ptr(text) }.as_ref();
        usize::try_from_param_arg(text).unwrap_or(0)
    };
    CAPACITY.store(capacity, Relaxed);
    0
}

static OPS: bindings::kernel_param_ops = bindings::kernel_param_ops {
    // Without a flag, the kernel refuses a bare `capacity` before `set` sees it.
    flags: bindings::KERNEL_PARAM_OPS_FL_NOARG,
    set: Some(set),
    get: Some(bindings::param_get_ulong),
    free: None,
};

#[link_section = "__param"]
#[used]
static PARAM: KernelParam = KernelParam::new(bindings::kernel_param {
    name: kernel::str::as_char_ptr_in_const_context(if cfg!(MODULE) {
        c"capacity"
    } else {
        c"mini_pipe.capacity"
    }),
    mod_: OWNER,
    ops: &raw const OPS,
    perm: 0o444,
    level: -1,
    flags: 0,
    // `param_get_ulong` reads the number for sysfs; an `Atomic` has the layout of what it holds.
    __bindgen_anon_1: bindings::kernel_param__bindgen_ty_1 {
        arg: CAPACITY.as_ptr().cast(),
    },
});

/// A line of what `modinfo` prints.
macro_rules! modinfo {
    ($name:ident, $text:literal) => {
        #[cfg(MODULE)]
        #[link_section = ".modinfo"]
        #[used]
        static $name: [u8; $text.len()] = *$text;
    };
}

modinfo!(PARM_TYPE, b"parmtype=capacity:ulong\0");
modinfo!(
    PARM,
    b"parm=capacity:bytes the pipe can hold, 1 to 1048576 (default 65536)\0"
);
