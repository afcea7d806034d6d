// SPDX-License-Identifier: GPL-2.0

//! The size of a page.

/// Smaller than in the kernel, so that few bytes fill several pages. The core relies on nothing but
/// a power of two.
pub const PAGE_SIZE: usize = 8;
