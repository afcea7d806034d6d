// SPDX-License-Identifier: GPL-2.0

//! The current task and its processor.

use kernel::{
    bindings,
    prelude::*,
    task::Task, //
};

/// Whether the current task has `CAP_SYS_RESOURCE` in the initial user namespace. Ask only when the
/// answer matters: `capable()` is audited.
pub(crate) fn has_cap_sys_resource() -> bool {
    // SAFETY: Any task may ask for this capability.
    unsafe { bindings::capable(bindings::CAP_SYS_RESOURCE as c_int) }
}

/// Whether the current task has `CAP_SYS_ADMIN`, as [`has_cap_sys_resource`].
pub(crate) fn has_cap_sys_admin() -> bool {
    // SAFETY: Any task may ask for this capability.
    unsafe { bindings::capable(bindings::CAP_SYS_ADMIN as c_int) }
}

/// Whether a SIGKILL is pending: `fatal_signal_pending()`, which `bindgen` does not see.
pub(crate) fn is_being_killed() -> bool {
    const KILL: c_ulong = 1 << (bindings::SIGKILL - 1);
    // SAFETY: The current task is valid while it runs this code. Other tasks change this word under
    // a lock; it is read once, as READ_ONCE() reads it.
    let pending =
        unsafe { (&raw const (*Task::current_raw()).pending.signal.sig[0]).read_volatile() };
    pending & KILL != 0
}

/// Sends SIGPIPE to the current thread.
pub(crate) fn raise_sigpipe() {
    // SAFETY: The current task is valid while it runs this code.
    unsafe { bindings::send_sig(bindings::SIGPIPE as c_int, Task::current_raw(), 0) };
}

/// Whether more than one processor is online.
#[inline(always)]
pub(crate) fn has_other_cpu() -> bool {
    // SAFETY: The counter is a static of the kernel; it is read once, as READ_ONCE() reads it.
    let online = unsafe { (&raw const bindings::__num_online_cpus.counter).read_volatile() };
    online > 1
}
