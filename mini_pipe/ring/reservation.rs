// SPDX-License-Identifier: GPL-2.0

//! Reservations: bytes of a ring that one call may copy without owning the ring.

use crate::{
    ring::{
        dir::{
            Direction,
            Reading,
            Writing, //
        },
        indices::Span,
        storage::{
            Pages,
            Storage, //
        },
        user::UserMemory, //
    },
    sys::page::Page, //
};
use core::{
    marker::PhantomData,
    mem, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};

/// Bytes that a reader may copy out of the ring.
pub(crate) type ReadReservation = Reservation<Reading>;

/// Room that a writer may fill.
pub(crate) type WriteReservation = Reservation<Writing>;

/// A part of a ring that one reader or one writer has reserved.
///
/// A reservation is *outstanding* until it is committed to its ring; the commit consumes it. If it
/// were dropped instead, the ring would exclude all further reads, or writes. So code that drops a
/// reservation does not build. (With `CONFIG_RUST_BUILD_ASSERT_ALLOW` such code builds, and
/// panics.)
///
/// # Invariants
///
/// - `pages` are the pages of the ring that made this reservation. As long as the reservation is
///   outstanding, that ring keeps them. It changes a cell that has a byte of `span` only for the
///   call that has the reservation: [`commit_pages`](crate::ring::Ring::commit_pages),
///   [`exchange_pages`](crate::ring::Ring::exchange_pages). No cell with a
///   byte of `span` is empty.
/// - As long as it is outstanding, nobody else uses the bytes of `span`: a ring has at most one
///   reservation for each direction, and the two never overlap (see
///   [`crate::ring::indices::Indices`]).
#[must_use = "a reservation must be committed to its ring"]
pub(crate) struct Reservation<D: Direction> {
    pages: *const Pages,
    /// `contig_len` of the storage when this was reserved. It is right as long as copies use it:
    /// pages of `span` are replaced only by [`crate::ring::Ring::exchange_pages`], after which
    /// bytes are copied page by page, and by the commit.
    contig_len: usize,
    span: Span,
    is_packet: bool,
    is_atomic: bool,
    direction: PhantomData<D>,
}

/// Reserved bytes in one page.
pub(crate) struct Part<'a> {
    pub(crate) page: &'a Page,
    /// The place of the first byte in the page.
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

impl<D: Direction> Reservation<D> {
    /// The reservation of `span` in the ring with this `storage`. For a read, `is_packet` says that
    /// `span` is a packet or the first bytes of one, and the indices have reserved the whole
    /// packet; for a write, that its bytes become a packet. With `is_atomic`, a write commits all
    /// bytes or none.
    ///
    /// # Safety
    ///
    /// The [`crate::ring::indices::Indices`] of the ring must have reserved `span`, and the ring
    /// must keep the pages of `storage` until this is committed.
    #[inline(always)]
    pub(crate) unsafe fn new(
        storage: &Storage,
        span: Span,
        is_packet: bool,
        is_atomic: bool,
    ) -> Self {
        // INVARIANT: By the safety requirements.
        Self {
            pages: Arc::as_ptr(&storage.pages),
            contig_len: storage.contig_len,
            span,
            is_packet,
            is_atomic,
            direction: PhantomData,
        }
    }

    /// How many bytes are reserved.
    pub(crate) fn len(&self) -> usize {
        self.span.len
    }

    /// The reserved bytes.
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// Whether the bytes are a packet, or its first bytes; in a write: become a packet.
    pub(crate) fn is_packet(&self) -> bool {
        self.is_packet
    }

    /// Whether all bytes must be written, or none: see PIPE_BUF in pipe(7).
    pub(crate) fn is_atomic(&self) -> bool {
        self.is_atomic
    }

    /// Whether the reserved bytes are in `pages`.
    pub(crate) fn is_in(&self, pages: &Arc<Pages>) -> bool {
        self.pages == Arc::as_ptr(pages)
    }

    /// The pages that have the reserved bytes.
    pub(crate) fn pages(&self) -> &Pages {
        // SAFETY: By the type invariants.
        unsafe { &*self.pages }
    }

    /// The reserved bytes after the first `skip`, as far as they are in one page. [`None`] if
    /// there are none.
    pub(crate) fn part(&self, skip: usize) -> Option<Part<'_>> {
        let piece = self.span.skip(skip).pieces(PAGE_SIZE).next()?;
        // SAFETY: Nobody writes to this cell, by the type invariants.
        let page = unsafe { self.pages().page(piece.index) }?;
        Some(Part {
            page,
            offset: piece.offset,
            len: piece.len,
        })
    }

    /// Copies `len` of the reserved bytes, after the first `skip`, to or from `user`. Returns how
    /// many were copied: fewer only after a fault, or at the end of the reservation or of `user`.
    ///
    /// Context: process context; may sleep in a page fault.
    #[inline(always)]
    pub(crate) fn copy(&self, skip: usize, len: usize, user: &mut impl UserMemory<D>) -> usize {
        let span = self.span.skip(skip).first(len);
        let mut copied = 0;
        while let Some((page, offset, len)) = self.run(span.skip(copied)) {
            let progress = page.with_bytes(|bytes| {
                // SAFETY: The addresses of these bytes are contiguous, by `run`. Nobody else uses
                // them, by the type invariants.
                unsafe { user.copy(bytes.add(offset), len) }
            });
            copied += progress;
            if progress < len {
                break;
            }
        }
        copied
    }

    /// The first bytes of `span`, a part of the reserved bytes, as far as their addresses are
    /// contiguous. Returns the page with the first byte, that byte's offset in the page, and how
    /// many bytes there are. [`None`] if `span` is empty.
    #[inline(always)]
    fn run(&self, span: Span) -> Option<(&Page, usize, usize)> {
        if span.len == 0 {
            return None;
        }
        // SAFETY: Nobody writes to the cells of the reserved bytes, by the type invariants.
        let page = |index| unsafe { self.pages().page(index) };
        // A run of `contig_len` bytes is contiguous, by the invariants of `Storage`.
        let mut len = self.contig_len - (span.start & self.contig_len.wrapping_sub(1));
        while len < span.len {
            let next = span.start.wrapping_add(len);
            match (page(next.wrapping_sub(1)), page(next)) {
                (Some(last), Some(next)) if last.is_followed_by(next) => len += self.contig_len,
                _ => break,
            }
        }
        Some((page(span.start)?, span.start % PAGE_SIZE, len.min(span.len)))
    }

    /// The first `len` bytes have been committed, and are no longer reserved.
    pub(crate) fn advance(&mut self, len: usize) {
        self.span = self.span.skip(len);
    }

    /// The reservation has been committed, and ends.
    pub(crate) fn end(self) {
        mem::forget(self);
    }
}

impl ReadReservation {
    /// The reserved bytes, page by page: each page, the offset of its first reserved byte, and how
    /// many of its bytes are reserved.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&Page, usize, usize)> {
        self.span.pieces(PAGE_SIZE).filter_map(|piece| {
            // SAFETY: Nobody writes to this cell, by the type invariants.
            let page = unsafe { self.pages().page(piece.index) }?;
            Some((page, piece.offset, piece.len))
        })
    }
}

impl<D: Direction> Drop for Reservation<D> {
    // Always inlined, so that this code exists only where a reservation is dropped.
    #[inline(always)]
    fn drop(&mut self) {
        build_error!("a reservation was dropped");
    }
}
