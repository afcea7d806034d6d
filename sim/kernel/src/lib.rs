// SPDX-License-Identifier: GPL-2.0

//! A stand-in for the kernel: the names of the kernel crate that mini_pipe's core uses, for tasks
//! that shuttle or loom switches before each lock, at each atomic and at each wake-up.
//!
//! The README of `sim` lists what it promises, and by which function the kernel does. Except
//! for atomics under shuttle, it promises nothing that the kernel does not: who gets a mutex next,
//! how long anything takes, and when a signal arrives is up to the scheduler. What the rules of the
//! core forbid fails: to sleep, allocate or free with a mutex held, and two copies that use the
//! same bytes, one of which writes.
//!
//! [`sim`] is not of the kernel: with it, a test sets the stage, and watches.

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
