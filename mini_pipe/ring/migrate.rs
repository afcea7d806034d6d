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
        storage::{
            Pages,
            Storage, //
        }, //
    },
    sys::page::copy_part, //
};
use kernel::page::PAGE_SIZE;

/// Puts the bytes `contents` of `old` into `new`, at the same indices. `live` is `contents` with
/// the room behind it that a writer has reserved; the pages of that room are shared, too.
///
/// If the first and the last page of `live` are the same page in one of the storages, they may be
/// two pages in the other. One page cannot replace two, and two cannot replace one. So these
/// pages are not shared, and their bytes are copied to spare pages of `new`.
///
/// # Safety
///
/// The caller must own the ring that `old` is the storage of, and nobody else may use `new`, whose
/// cells are empty. `live` and `contents` must be those of that ring, and `live` must fit into both
/// storages.
pub(crate) unsafe fn share(old: &Pages, new: &mut Storage, live: Span, contents: Span) {
    let offset = live.start % PAGE_SIZE;
    let count = (offset + live.len).div_ceil(PAGE_SIZE);
    // Without wrapping, `live` would touch `count` pages. As `live` fits into both storages,
    // `count` is at most one more than the number of cells of each. If `count` is one more, `live`
    // wraps: its first and its last bytes are in the same page of that storage, and the page cannot
    // be shared. Then `count` is at least 2.
    let overlap = count > old.len().min(new.pages.len());
    let shared = if overlap { 1..count - 1 } else { 0..count };
    for nth in shared {
        let index = live.start.wrapping_add(nth * PAGE_SIZE);
        // SAFETY: The caller owns the ring, so nobody writes to the cell of `old`. Nobody else uses
        // `new`.
        unsafe {
            if let Some(page) = old.page(index) {
                new.put(index, page.share());
            }
        }
    }
    if overlap {
        // All of `contents` that lies in the first and in the last page.
        let first = contents.first(PAGE_SIZE - offset);
        let last = contents.skip(first.len).skip((count - 2) * PAGE_SIZE);
        for index in [live.start, live.start.wrapping_add((count - 1) * PAGE_SIZE)] {
            // SAFETY: As above. The two indices have one cell, or two cells.
            unsafe { new.fill_cell(index) };
        }
        for part in [first, last] {
            // SAFETY: By the safety requirements. No writer has reserved any of `contents`.
            unsafe { migrate(old, &new.pages, part) };
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
        // SAFETY: The caller owns the ring, so nobody writes to either cell.
        let pages = unsafe { (old.page(piece.index), new.page(piece.index)) };
        if let (Some(from), Some(to)) = pages {
            if from.as_ptr() != to.as_ptr() {
                // SAFETY: The piece lies in its page, these are two pages, and the rest is what the
                // safety requirements say.
                unsafe { copy_part(from, piece.offset, to, piece.offset, piece.len) };
            }
        }
    }
}
