// SPDX-License-Identifier: GPL-2.0

//! Locks, wait queues, atomics and references.

mod arc;
pub mod atomic;
mod condvar;
pub mod lock;
mod wait_queue;

pub use self::{
    arc::{Arc, UniqueArc},
    condvar::CondVar,
    lock::Mutex,
    wait_queue::{exclusive_wakeups, Entry, WaitQueue},
};

/// A class of locks for lockdep, which is not here.
pub struct LockClassKey;

#[macro_export]
macro_rules! static_lock_class {
    () => {{
        static KEY: $crate::sync::LockClassKey = $crate::sync::LockClassKey;
        core::pin::Pin::static_ref(&KEY)
    }};
}

#[macro_export]
macro_rules! new_mutex {
    ($value:expr, $name:literal) => {
        $crate::sync::Mutex::new($value)
    };
}

#[macro_export]
macro_rules! new_condvar {
    ($name:literal) => {
        $crate::sync::CondVar::new(c"", $crate::static_lock_class!())
    };
}

pub use crate::{new_condvar, new_mutex, static_lock_class};
