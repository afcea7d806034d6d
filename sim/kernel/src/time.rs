// SPDX-License-Identifier: GPL-2.0

//! Simulated time. Each look at the clock moves it on, by a little or by a lot: how long anything
//! takes is up to chance.

use crate::sim;
use std::marker::PhantomData;

pub struct Monotonic;

#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Delta(u64);

impl Delta {
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros as u64)
    }

    pub const fn from_millis(millis: i64) -> Self {
        Self::from_micros(millis * 1000)
    }

    pub const fn as_nanos(self) -> i64 {
        (self.0 * 1000) as i64
    }
}

pub mod delay {
    /// Sleeps: others run. The core itself does not; some mutants of tests/mutants do.
    pub fn fsleep(_time: super::Delta) {
        crate::sim::may_sleep("fsleep()");
        crate::rt::point();
    }
}

pub struct Instant<C>(u64, PhantomData<C>);

impl<C> Clone for Instant<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Instant<C> {}

impl<C> Instant<C> {
    pub fn now() -> Self {
        Self(sim::look_at_clock(), PhantomData)
    }

    pub fn elapsed(&self) -> Delta {
        Delta(sim::look_at_clock() - self.0)
    }
}
