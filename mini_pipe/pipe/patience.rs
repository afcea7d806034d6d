// SPDX-License-Identifier: GPL-2.0

//! When a private pipe that has become empty frees its pages: see [`crate::pipe::memory`].

use kernel::time::{
    Delta,
    Instant,
    Monotonic, //
};

/// A pipe that gets pages again within this time should not have freed any. A pipe that is filled
/// less often spends little of its time on pages.
const SOON: Delta = Delta::from_millis(10);

/// The largest value of [`Patience::times`].
const MOST: u8 = 127;

/// How many times a pipe may become empty without freeing its pages.
///
/// The number `n` is 0 at first. When the pipe needs pages again after it has freed some, `n`
/// becomes `2 * n + 1` if less than [`SOON`] has passed, else 0. Pages that a close frees do not
/// count.
#[derive(Default)]
pub(crate) struct Patience {
    /// When [`Patience::note_empty`] last said that pages are freed; [`None`] if the pipe has been
    /// given pages since.
    freed: Option<Instant<Monotonic>>,
    /// How many times in a row the pipe may become empty without freeing its pages.
    times: u8,
    /// How many of these are left.
    left: u8,
}

impl Patience {
    /// The pipe has become empty. Returns whether it frees its pages now.
    #[inline(always)]
    pub(in crate::pipe) fn note_empty(&mut self) -> bool {
        let frees = self.left == 0;
        if frees {
            self.freed = Some(Instant::now());
        }
        self.left = self.left.saturating_sub(1);
        frees
    }

    /// The pipe has been given pages.
    pub(in crate::pipe) fn renew(&mut self) {
        if let Some(freed) = self.freed.take() {
            self.times = next_times(self.times, freed.elapsed() < SOON);
            self.left = self.times;
        }
    }
}

/// How many times a pipe may become empty without freeing its pages, if it was `times` before, and
/// it got pages again `soon` after it had freed some.
fn next_times(times: u8, soon: bool) -> u8 {
    if soon {
        (2 * times + 1).min(MOST)
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::{
        next_times,
        MOST, //
    };

    #[test]
    fn patience_doubles_until_it_is_lost() {
        assert_eq!(
            [0, 1, 3, 63, 64, MOST].map(|times| next_times(times, true)),
            [1, 3, 7, MOST, MOST, MOST]
        );
        assert_eq!(next_times(MOST, false), 0);
    }
}
