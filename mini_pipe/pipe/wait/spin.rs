// SPDX-License-Identifier: GPL-2.0

//! Spinning before a sleep: with another processor, the other direction may be done before this
//! task has fallen asleep.
//!
//! Nothing relies on spinning. A task that has spun tests its condition again, with the mutex held,
//! before it sleeps. So a change that the spinning task misses is not lost.
//!
//! How long a wait spins depends on what a wake-up costs on this machine, which each pipe measures:
//! see [`SpinTime`].

use crate::sys::{
    headers::single_task_running,
    task, //
};
use kernel::{
    processor::cpu_relax,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    time::{
        Delta,
        Instant,
        Monotonic, //
    }, //
};

/// The longest time that a wait may spin, in microseconds: the module's parameter. 0: no wait
/// spins.
pub(crate) static MAX_SPIN_US: Atomic<usize> = Atomic::new(1000);

/// The newest estimate of the cost of a wake-up, by whichever pipe measured last, in nanoseconds. A
/// new pipe begins with it. Until a pipe has measured one, this is a guess.
static LAST_COST: Atomic<usize> = Atomic::new(5000);

/// A wait spins for this many wake-ups' time at most. To fall asleep costs about as much as a
/// wake-up, so one sleep costs the time of two. If one side sleeps, the pipe is soon empty or full,
/// which puts the other side to sleep, too: four in all.
const WAKEUPS: u32 = 4;

/// Whether spinning can pay: the other direction has another processor to run on.
#[inline(always)]
pub(crate) fn can_spin() -> bool {
    task::has_other_cpu()
}

/// The spinning tasks of one direction, on a cache line of their own.
#[repr(align(64))]
pub(crate) struct Spinner {
    /// A task spins, and nobody has stopped it.
    armed: Atomic<bool>,
}

impl Spinner {
    /// Nobody spins.
    pub(crate) const fn new() -> Self {
        Self {
            armed: Atomic::new(false),
        }
    }

    /// Whether a task spins.
    #[inline(always)]
    pub(crate) fn is_armed(&self) -> bool {
        // SAFETY: The flag is valid, and otherwise only used by atomic operations. This is
        // READ_ONCE(): `load` would be a function call in every read and write.
        unsafe { self.armed.as_ptr().read_volatile() }
    }

    /// Arms the spinner. The mutex must be held, so that each later change stops the spinner.
    pub(crate) fn arm(&self) {
        self.armed.store(true, Relaxed);
    }

    /// Spins until the spinner is stopped, another task wants to run here, or `nanos` have passed
    /// since `since`. All spinning tasks of the direction share one flag, and stop together.
    pub(crate) fn spin(&self, since: Instant<Monotonic>, nanos: u32) {
        while self.is_armed() && single_task_running() && in_nanos(since.elapsed()) < nanos {
            cpu_relax();
        }
        self.stop();
    }

    /// Stops the spinning tasks: something has changed for them.
    #[inline(always)]
    pub(crate) fn stop(&self) {
        if self.is_armed() {
            self.armed.store(false, Relaxed);
        }
    }
}

/// How long a wait of one direction spins. It follows from the cost of a wake-up: the time from the
/// sending of a wake-up to a sleeping task until that task has the mutex.
///
/// If the last sleeper had waited, its spin included, for longer than a wait may spin, the next
/// wait does not spin.
#[derive(Clone, Copy)]
pub(crate) struct SpinTime {
    /// When a wake-up was sent to the only sleeper. [`None`] again once a sleeper runs.
    pub(crate) sent: Option<Instant<Monotonic>>,
    /// What a wake-up costs, in nanoseconds.
    cost: u32,
    /// How long the next wait spins, in nanoseconds, if the parameter allows it.
    nanos: u32,
}

impl SpinTime {
    /// For a new pipe: the first wait spins, unless the parameter forbids that.
    pub(crate) fn new() -> Self {
        let cost = u32::try_from(LAST_COST.load(Relaxed)).unwrap_or(u32::MAX);
        Self {
            sent: None,
            cost,
            nanos: spin_time(cost, 0, max_nanos()),
        }
    }

    /// How long the next wait spins, in nanoseconds; 0: it does not spin.
    pub(crate) fn nanos(&self) -> u32 {
        self.nanos.min(max_nanos())
    }

    /// A wake-up is sent to the only sleeper.
    #[cold]
    pub(crate) fn note_wakeup(&mut self) {
        self.sent.get_or_insert_with(Instant::now);
    }

    /// A call that slept runs again. It had begun to wait at `since`, if that is known; the time
    /// since then includes a spin before the sleep.
    #[inline(always)]
    pub(crate) fn note_run(&mut self, since: Option<Instant<Monotonic>>) {
        if let Some(sent) = self.sent.take() {
            self.note_cost(sent);
        }
        if let Some(since) = since {
            self.note_wait(since);
        }
    }

    /// Measures the cost of the wake-up that was sent at `sent`.
    #[cold]
    fn note_cost(&mut self, sent: Instant<Monotonic>) {
        self.cost = average(self.cost, in_nanos(sent.elapsed()));
        LAST_COST.store(self.cost as usize, Relaxed);
    }

    /// Computes how long the next wait spins, after a wait that had begun at `since`.
    #[cold]
    fn note_wait(&mut self, since: Instant<Monotonic>) {
        self.nanos = spin_time(self.cost, in_nanos(since.elapsed()), max_nanos());
    }
}

/// The new estimate of the cost of a wake-up, from the old one and a new measurement, `sample`, in
/// nanoseconds. A short sample counts more than a long one: the woken task may have had to wait for
/// a processor.
fn average(cost: u32, sample: u32) -> u32 {
    if sample < cost {
        cost - (cost - sample) / 2
    } else {
        cost + (sample - cost) / 8
    }
}

/// How long the next wait spins if a wake-up costs `cost` and the last sleeper had waited for
/// `waited`, all in nanoseconds.
fn spin_time(cost: u32, waited: u32, max: u32) -> u32 {
    let worth = cost.saturating_mul(WAKEUPS).min(max);
    if waited < worth {
        worth
    } else {
        0
    }
}

/// [`MAX_SPIN_US`] in nanoseconds.
fn max_nanos() -> u32 {
    u32::try_from(MAX_SPIN_US.load(Relaxed)).map_or(u32::MAX, |micros| micros.saturating_mul(1000))
}

/// A time in nanoseconds, or [`u32::MAX`], about four seconds, if it is longer.
fn in_nanos(time: Delta) -> u32 {
    u32::try_from(time.as_nanos()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::{
        average,
        spin_time,
        WAKEUPS, //
    };

    #[test]
    fn short_samples_count_more_than_long_ones() {
        assert_eq!(average(800, 400), 600);
        assert_eq!(average(800, 1600), 900);
        assert_eq!(average(800, 800), 800);
        assert_eq!(average(0, u32::MAX), u32::MAX / 8);
    }

    #[test]
    fn wait_spins_only_if_the_last_wait_was_short() {
        let worth = 100 * WAKEUPS;
        assert_eq!(spin_time(100, worth - 1, 1000), worth);
        assert_eq!(spin_time(100, worth, 1000), 0);
    }

    #[test]
    fn wait_spins_no_longer_than_the_parameter_allows() {
        assert_eq!(spin_time(100, 10, 30), 30);
        assert_eq!(spin_time(100, 30, 30), 0);
        assert_eq!(spin_time(100, 0, 0), 0);
        assert_eq!(spin_time(u32::MAX, 5, u32::MAX), u32::MAX);
    }
}
