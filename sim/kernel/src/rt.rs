// SPDX-License-Identifier: GPL-2.0

//! The scheduler below: shuttle, or loom.

#[cfg(not(feature = "loom"))]
mod scheduler {
    pub(crate) use shuttle::{
        sync::{atomic::AtomicBool, Mutex, MutexGuard},
        thread_local,
    };

    pub(crate) use shuttle::thread::spawn;
    pub use shuttle::thread::JoinHandle;

    use shuttle::future::batch_semaphore::{BatchSemaphore, Fairness};

    /// Lets the scheduler run another task.
    pub fn point() {
        use std::sync::atomic::Ordering::Relaxed;
        AtomicBool::new(false).load(Relaxed);
    }

    /// Where one task waits until it is woken.
    pub(crate) struct Parking(BatchSemaphore);

    impl Parking {
        pub(crate) fn new() -> Self {
            Self(BatchSemaphore::new(0, Fairness::Unfair))
        }

        pub(crate) fn park(&self) {
            // It is never closed, which would be the only error.
            let _ = self.0.acquire_blocking(1);
        }

        pub(crate) fn unpark(&self) {
            self.0.release(1);
        }
    }
}

#[cfg(feature = "loom")]
mod scheduler {
    pub(crate) use loom::{
        sync::{atomic::AtomicBool, Mutex, MutexGuard},
        thread_local,
    };

    pub(crate) use loom::thread::spawn;
    pub use loom::thread::JoinHandle;

    use loom::sync::Condvar;

    /// Loom switches at the operations that matter to it.
    pub fn point() {}

    /// Where one task waits until it is woken.
    pub(crate) struct Parking {
        woken: Mutex<bool>,
        condition: Condvar,
    }

    impl Parking {
        pub(crate) fn new() -> Self {
            Self {
                woken: Mutex::new(false),
                condition: Condvar::new(),
            }
        }

        pub(crate) fn park(&self) {
            let mut woken = self.woken.lock().unwrap();
            while !*woken {
                woken = self.condition.wait(woken).unwrap();
            }
            *woken = false;
        }

        pub(crate) fn unpark(&self) {
            *self.woken.lock().unwrap() = true;
            self.condition.notify_one();
        }
    }
}

pub use scheduler::{point, JoinHandle};
pub(crate) use scheduler::{spawn, thread_local, AtomicBool, Mutex, MutexGuard, Parking};
