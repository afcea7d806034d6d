// SPDX-License-Identifier: GPL-2.0

//! Atomics. Under shuttle they are sequentially consistent; under loom they have all orders that
//! relaxed ones may have, like those of the kernel: Documentation/memory-barriers.txt.

use crate::rt;
use std::cell::OnceCell;

/// The order of a relaxed operation.
pub struct Relaxed;

/// An atomic value. Its flag is made at the first use, as loom cannot make one in a constant.
pub struct Atomic<T>(OnceCell<rt::Flag>, T);

// SAFETY: Tasks take turns, and make the value without a pause.
unsafe impl<T> Sync for Atomic<T> {}

impl<T> Atomic<T> {
    pub const fn new(value: T) -> Self {
        Self(OnceCell::new(), value)
    }
}

impl Atomic<bool> {
    fn get(&self) -> &rt::Flag {
        self.0.get_or_init(|| rt::Flag::new(self.1))
    }

    pub fn load(&self, _order: Relaxed) -> bool {
        self.get().load()
    }

    pub fn store(&self, value: bool, _order: Relaxed) {
        self.get().store(value);
    }

    /// Stands for a pointer to the value.
    pub fn as_ptr(&self) -> Pointer<'_> {
        Pointer(self)
    }
}

/// A number that all pipes share. It keeps its first value: what happens in one schedule must not
/// depend on those before it.
impl Atomic<usize> {
    pub fn load(&self, _order: Relaxed) -> usize {
        self.1
    }

    pub fn store(&self, _value: usize, _order: Relaxed) {}
}

pub struct Pointer<'a>(&'a Atomic<bool>);

impl Pointer<'_> {
    /// A relaxed load: `READ_ONCE()`.
    ///
    /// # Safety
    ///
    /// Always safe here; the kernel's needs a valid pointer.
    pub unsafe fn read_volatile(self) -> bool {
        self.0.load(Relaxed)
    }
}
