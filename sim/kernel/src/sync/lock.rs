// SPDX-License-Identifier: GPL-2.0

//! The mutex: kernel/locking/mutex.c. Whoever waits for it may get it next; it is not a queue.

use crate::{rt, sim};
use pinned_init::PinInit;
use std::{
    any::type_name,
    cell::UnsafeCell,
    convert::Infallible,
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

pub mod mutex {
    /// The kind of lock.
    pub struct MutexBackend;
}

use mutex::MutexBackend;

pub struct Mutex<T> {
    raw: rt::Mutex,
    value: UnsafeCell<T>,
}

// SAFETY: The value is only used by the task that holds the mutex; and tasks take turns.
unsafe impl<T: Send> Send for Mutex<T> {}
// SAFETY: As above.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    #[allow(clippy::new_ret_no_self)]
    pub fn new(value: T) -> impl PinInit<Self> {
        let mutex = Self {
            raw: rt::Mutex::new(),
            value: UnsafeCell::new(value),
        };
        // SAFETY: This initializes the slot, and does not fail.
        unsafe {
            pinned_init::pin_init_from_closure(move |slot: *mut Self| {
                slot.write(mutex);
                Ok::<(), Infallible>(())
            })
        }
    }

    pub fn lock(&self) -> Guard<'_, T, MutexBackend> {
        sim::may_sleep("a mutex");
        Guard {
            raw: Some(self.lock_raw()),
            mutex: self,
            backend: PhantomData,
        }
    }

    /// Does not wait: `mutex_trylock()`.
    pub fn try_lock(&self) -> Option<Guard<'_, T, MutexBackend>> {
        let raw = self.raw.try_lock()?;
        sim::locked();
        Some(Guard {
            raw: Some(raw),
            mutex: self,
            backend: PhantomData,
        })
    }

    fn lock_raw(&self) -> rt::MutexGuard<'_> {
        let raw = self.raw.lock();
        sim::locked();
        raw
    }
}

/// Holds a mutex.
pub struct Guard<'a, T, B> {
    raw: Option<rt::MutexGuard<'a>>,
    mutex: &'a Mutex<T>,
    backend: PhantomData<B>,
}

impl<T> Guard<'_, T, MutexBackend> {
    /// Calls `work` without the mutex: `Guard::do_unlocked()`.
    pub(crate) fn unlocked(&mut self, work: impl FnOnce()) {
        self.unlock();
        work();
        self.raw = Some(self.mutex.lock_raw());
    }
}

impl<T, B> Guard<'_, T, B> {
    fn unlock(&mut self) {
        sim::unlocking(type_name::<T>(), self.mutex.value.get().cast());
        self.raw = None;
    }
}

impl<T, B> Deref for Guard<'_, T, B> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: This holds the mutex.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T, B> DerefMut for Guard<'_, T, B> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: As above.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T, B> Drop for Guard<'_, T, B> {
    fn drop(&mut self) {
        self.unlock();
    }
}
