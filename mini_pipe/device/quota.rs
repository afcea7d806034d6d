// SPDX-License-Identifier: GPL-2.0

//! The arithmetic of limits. Pure functions, so `make test` also tests them in user space.

/// No pipe holds more bytes than this.
const MAX_CAPACITY: usize = 1 << 30;

/// Who may have a pipe of some capacity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everybody.
    Allowed,
    /// Tasks with `CAP_SYS_RESOURCE`.
    Privileged,
    /// Nobody: no pipe has that capacity.
    Invalid,
}

/// Who may have a pipe of `capacity` bytes, given the value of the parameter `max_capacity`.
pub(crate) fn judge(capacity: usize, max_capacity: usize) -> Verdict {
    if capacity == 0 || capacity > MAX_CAPACITY {
        Verdict::Invalid
    } else if capacity > max_capacity {
        Verdict::Privileged
    } else {
        Verdict::Allowed
    }
}

/// Whether `pages` on an account, without the `replaced` pages, are above `limit`; 0 is no limit.
pub(crate) fn is_above(pages: usize, replaced: usize, limit: usize) -> bool {
    limit != 0 && pages.saturating_sub(replaced) > limit
}

#[cfg(test)]
mod tests {
    use super::{
        is_above,
        judge,
        Verdict,
        MAX_CAPACITY, //
    };

    #[test]
    fn capacity_is_limited() {
        for (capacity, max_capacity, verdict) in [
            (0, 1 << 20, Verdict::Invalid),
            (1, 1 << 20, Verdict::Allowed),
            (1 << 16, 1 << 20, Verdict::Allowed),
            (1 << 20, 1 << 20, Verdict::Allowed),
            ((1 << 20) + 1, 1 << 20, Verdict::Privileged),
            (1, 0, Verdict::Privileged),
            (MAX_CAPACITY, 0, Verdict::Privileged),
            (MAX_CAPACITY, usize::MAX, Verdict::Allowed),
            (MAX_CAPACITY + 1, usize::MAX, Verdict::Invalid),
            (usize::MAX, usize::MAX, Verdict::Invalid),
        ] {
            assert_eq!(judge(capacity, max_capacity), verdict, "{capacity}");
        }
    }

    #[test]
    fn account_is_limited() {
        for (pages, replaced, limit, above) in [
            (16384, 0, 16384, false),
            (16385, 0, 16384, true),
            (16385, 1, 16384, false),
            (16400, 15, 16384, true),
            (0, 16, 1, false),
            (usize::MAX, 0, 0, false),
            (usize::MAX, 0, usize::MAX, false),
        ] {
            assert_eq!(
                is_above(pages, replaced, limit),
                above,
                "{pages} {replaced} {limit}"
            );
        }
    }
}
