// SPDX-License-Identifier: GPL-2.0

//! The scheduler below: shuttle, or loom.

#[cfg(not(feature = "loom"))]
mod scheduler {
    pub(crate) use shuttle::thread::spawn;
    pub use shuttle::thread::JoinHandle;
    pub(crate) use shuttle::thread_local;

    use shuttle::{
        future::batch_semaphore::{BatchSemaphore, Fairness},
        sync::atomic::AtomicU8,
    };
    use std::{
        cell::{Cell, RefCell},
        rc::Rc,
        sync::atomic::Ordering::Relaxed,
    };

    std::thread_local! {
        static COARSE: Cell<bool> = const { Cell::new(false) };
    }

    /// Sets whether tasks switch only where they take a mutex or sleep. Then there are fewer
    /// schedules, and all those of a very small configuration can be tried.
    pub fn set_coarse(coarse: bool) {
        COARSE.set(coarse);
    }

    /// Lets the scheduler run another task.
    pub fn point() {
        if !COARSE.get() {
            switch();
        }
    }

    fn switch() {
        AtomicU8::new(0).load(Relaxed);
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

    /// A mutex. Shuttle's own switches twice as often.
    pub(crate) struct Mutex {
        held: Cell<bool>,
        waiting: RefCell<Vec<Rc<Parking>>>,
    }

    impl Mutex {
        pub(crate) fn new() -> Self {
            Self {
                held: Cell::new(false),
                waiting: RefCell::new(Vec::new()),
            }
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_> {
            switch();
            while self.held.get() {
                let parking = Rc::new(Parking::new());
                self.waiting.borrow_mut().push(parking.clone());
                parking.park();
            }
            self.held.set(true);
            MutexGuard(self)
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_>> {
            switch();
            (!self.held.replace(true)).then(|| MutexGuard(self))
        }
    }

    pub(crate) struct MutexGuard<'a>(&'a Mutex);

    impl Drop for MutexGuard<'_> {
        fn drop(&mut self) {
            self.0.held.set(false);
            if !std::thread::panicking() {
                let waiting = self.0.waiting.take();
                waiting.iter().for_each(|parking| parking.unpark());
            }
        }
    }

    /// A flag.
    pub(crate) struct Flag(Cell<bool>);

    impl Flag {
        pub(crate) fn new(value: bool) -> Self {
            Self(Cell::new(value))
        }

        pub(crate) fn load(&self) -> bool {
            point();
            self.0.get()
        }

        pub(crate) fn store(&self, value: bool) {
            point();
            self.0.set(value);
        }
    }
}

#[cfg(feature = "loom")]
mod scheduler {
    pub(crate) use loom::thread::spawn;
    pub use loom::thread::JoinHandle;
    pub(crate) use loom::thread_local;

    use loom::sync::{self, atomic::AtomicBool, Condvar};
    use std::sync::atomic::Ordering::Relaxed;

    /// Loom switches at the operations that matter to it.
    pub fn point() {}

    pub(crate) struct Mutex(sync::Mutex<()>);

    pub(crate) type MutexGuard<'a> = sync::MutexGuard<'a, ()>;

    impl Mutex {
        pub(crate) fn new() -> Self {
            Self(sync::Mutex::new(()))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_> {
            self.0.lock().unwrap()
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_>> {
            self.0.try_lock().ok()
        }
    }

    /// Where one task waits until it is woken.
    pub(crate) struct Parking {
        woken: sync::Mutex<bool>,
        condition: Condvar,
    }

    impl Parking {
        pub(crate) fn new() -> Self {
            Self {
                woken: sync::Mutex::new(false),
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

    /// A flag, with relaxed operations.
    pub(crate) struct Flag(AtomicBool);

    impl Flag {
        pub(crate) fn new(value: bool) -> Self {
            Self(AtomicBool::new(value))
        }

        pub(crate) fn load(&self) -> bool {
            self.0.load(Relaxed)
        }

        pub(crate) fn store(&self, value: bool) {
            self.0.store(value, Relaxed);
        }
    }
}

#[cfg(not(feature = "loom"))]
pub use scheduler::set_coarse;
pub use scheduler::{point, JoinHandle};
pub(crate) use scheduler::{spawn, thread_local, Flag, Mutex, MutexGuard, Parking};
