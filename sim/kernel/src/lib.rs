// SPDX-License-Identifier: GPL-2.0

//! A stand-in for the kernel: the names of the kernel crate that mini_pipe's core uses, for tasks
//! that shuttle or loom switches before each lock, at each atomic and at each wake-up.
//!
//! The README of `sim` lists what it promises, and which functions of the kernel promise the same.
//! Except for atomics under shuttle, it promises nothing that the kernel does not: who gets a mutex
//! next, how long anything takes, and when a signal arrives is up to the scheduler. A run fails if
//! the core breaks its own rules: if it sleeps, allocates or frees with a mutex held, or if two
//! copies use the same bytes and one of them writes.
//!
//! The kernel has no [`sim`]: with it, a test sets the stage, and watches.

pub mod alloc;
pub mod bindings;
pub mod error;
pub mod fs;
pub mod iov;
pub mod page;
pub mod prelude;
pub mod processor;
mod rt;
pub mod sim;
pub mod sync;
pub mod task;
pub mod time;
pub mod uaccess;
