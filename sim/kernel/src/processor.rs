// SPDX-License-Identifier: GPL-2.0

//! The processor.

/// A spinning task looks again: another one may run first.
pub fn cpu_relax() {
    crate::sim::count_wait();
    crate::rt::point();
    #[cfg(feature = "loom")]
    loom::thread::yield_now();
}
