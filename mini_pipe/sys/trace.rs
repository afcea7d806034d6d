// SPDX-License-Identifier: GPL-2.0

//! The tracepoints `mini_pipe:*`, which trace.h and trace.c define; docs/tracing.md describes them.
//!
//! While nobody listens to a tracepoint, it costs a jump that the kernel has patched into a no-op.
//! Its arguments come from a closure, so that they are computed only for a listener.
//!
//! The kernel crate's `declare_trace!` is for tracepoints of the kernel itself.

#[cfg(CONFIG_TRACEPOINTS)]
use kernel::{
    bindings,
    macros::paste, //
};

/// Defines a function for each tracepoint. The arguments must be those of `TP_PROTO` in trace.h.
macro_rules! tracepoints {
    ($($(#[$attr:meta])* $name:ident($($argument:ident: $type:ty),*);)*) => {
        #[cfg(CONFIG_TRACEPOINTS)]
        paste! {
            #[allow(improper_ctypes)] // `bindgen` has empty structures in a tracepoint.
            unsafe extern "C" {
                $(
                    static [<__tracepoint_ $name>]: bindings::tracepoint;
                    #[cold]
                    safe fn [<rust_do_trace_ $name>]($($argument: $type),*);
                )*
            }
        }
        $(
            $(#[$attr])*
            ///
            /// Context: any.
            #[inline(always)]
            #[allow(unused_variables)]
            pub(crate) fn $name(arguments: impl FnOnce() -> ($($type,)*)) {
                #[cfg(CONFIG_TRACEPOINTS)]
                paste! {
                    // SAFETY: trace.c defines the tracepoint, which has a static key.
                    let listens = unsafe {
                        kernel::jump_label::static_branch_unlikely!(
                            [<__tracepoint_ $name>],
                            bindings::tracepoint,
                            key
                        )
                    };
                    if listens {
                        let ($($argument,)*) = arguments();
                        [<rust_do_trace_ $name>]($($argument),*);
                    }
                }
            }
        )*
    };
}

tracepoints! {
    /// A read has ended.
    read(pipe: u64, len: usize, ret: isize);
    /// A write has ended.
    write(pipe: u64, len: usize, ret: isize);
    /// A call has reserved bytes or room.
    reserve(pipe: u64, dir: u32, len: usize);
    /// A call has committed bytes. If it `ended`, it no longer excludes other calls.
    commit(pipe: u64, dir: u32, moved: usize, ended: bool);
    /// A call begins to sleep.
    block(pipe: u64, dir: u32);
    /// When a call has ended, it wakes the next sleeper of its own direction, or all. A splice that
    /// has waited, and moved nothing yet, does this, too, and so does a rendezvous write if a fault
    /// leaves a part of its reserved room unfilled.
    hand_on(pipe: u64, dir: u32);
    /// A change wakes sleepers or pollers.
    wake(pipe: u64, dir: u32, sleepers: u32, pollers: u32);
    /// The capacity has changed.
    resize(pipe: u64, from: usize, to: usize);
    /// A file was opened.
    open(pipe: u64, reads: bool, writes: bool, readers: usize, writers: usize);
    /// A file was closed.
    close(pipe: u64, reads: bool, writes: bool, readers: usize, writers: usize);
    /// A read finds the end of file.
    eof(pipe: u64);
    /// A write finds that the last reader was closed.
    epipe(pipe: u64);
}
