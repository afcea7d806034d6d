// SPDX-License-Identifier: GPL-2.0

//! Migration of a ring's bytes from one storage to another, for a resize.
//!
//! The two storages share the pages that hold the bytes, at the same indices, and no bytes are
//! copied. Exception: if the bytes wrap around in the old or in the new storage, and end in the
//! page that they began in, the bytes of that page are copied.
//!
//! Outstanding reservations go on using the old storage: a read has its bytes there, and the bytes
//! of a write are copied when they are committed, unless their page is shared.

use crate::{
    ring::{
        indices::Span,
        storage::Pages, //
    },
    sys::page::{
        copy_part,
        Page, //
    }, //
};
use core::mem;
use kernel::{
    page::PAGE_SIZE,
    prelude::*, //
};

/// Puts the bytes `contents` of `old` into `new`, at the same indices. `live` is `contents` with
/// the room behind it that a writer has reserved; the pages of that room are shared, too. The pages
/// that `new` had in the place of shared ones are moved to `displaced`, for the caller to drop.
///
/// If the first and the last page of `live` are the same page in one of the storages, they may be
/// two pages in the other. One page cannot take the place of two, nor two that of one. So these
/// pages are not shared, and their bytes are copied.
///
/// # Safety
///
/// The caller must own the ring that `old` is the storage of, and nobody else may use `new`. `live`
/// and `contents` must be those of that ring, and `live` must fit into both storages.
pub(crate) unsafe fn share(
    old: &Pages,
    new: &Pages,
    live: Span,
    contents: Span,
    displaced: &mut KVVec<Page>,
) {
    let offset = live.start % PAGE_SIZE;
    let count = (offset + live.len).div_ceil(PAGE_SIZE);
    // `live` touches `count` pages' worth of indices. As it fits into both storages, `count` is at
    // most one more than either has pages. If `count` is one more, `live` wraps: its first and its
    // last bytes are in the same page of that storage, which cannot be shared. Then `count` is at
    // least 2.
    let overlap = count > old.len().min(new.len());
    let shared = if overlap { 1..count - 1 } else { 0..count };
    for nth in shared {
        let index = live.start.wrapping_add(nth * PAGE_SIZE);
        if let (Some(from), Some(to)) = (old.at(index), new.at(index)) {
            // SAFETY: The caller owns the ring, so nobody replaces the page in `from`. Nobody else
            // uses `new`.
            let page = unsafe { mem::replace(&mut *to.get(), (*from.get()).share()) };
            // The caller has made room for the page. Without room, the page would only be dropped
            // earlier.
            let _ = displaced.push_within_capacity(page);
        }
    }
    if overlap {
        // All of `contents` that lies in the first and in the last page.
        let first = contents.first(PAGE_SIZE - offset);
        let last = contents.skip(first.len).skip((count - 2) * PAGE_SIZE);
        for part in [first, last] {
            // SAFETY: By the safety requirements. No writer has reserved any of `contents`.
            unsafe { migrate(old, new, part) };
        }
    }
}

/// Copies the bytes `span` of `old` to `new`, at the same indices, except for pages that the two
/// share.
///
/// # Safety
///
/// The caller must own the ring. Nobody may write to these bytes in `old`, and nobody may use these
/// indices in `new`.
pub(crate) unsafe fn migrate(old: &Pages, new: &Pages, span: Span) {
    for piece in span.pieces(PAGE_SIZE) {
        if let (Some(from), Some(to)) = (old.at(piece.index), new.at(piece.index)) {
            // SAFETY: The caller owns the ring, so nobody replaces either page.
            let (from, to) = unsafe { (&*from.get(), &*to.get()) };
            if from.as_ptr() != to.as_ptr() {
                // SAFETY: The piece lies in its page, these are two pages, and the rest is what the
                // safety requirements say.
                unsafe { copy_part(from, piece.offset, to, piece.offset, piece.len) };
            }
        }
    }
}
