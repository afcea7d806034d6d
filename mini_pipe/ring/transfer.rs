// SPDX-License-Identifier: GPL-2.0

//! Bytes that leave a ring by splice, tee or vmsplice, not by read(2): they may be several packets,
//! or a part of one, and the rest of a packet stays a packet.

use crate::{
    ring::{
        indices::{
            Piece,
            Span, //
        },
        reservation::{
            ReadReservation,
            Reservation,
            WriteReservation, //
        },
        Ring, //
    },
    sys::page::copy_part, //
};
use core::ptr;
use kernel::page::PAGE_SIZE;

/// Bytes that are a packet, or the beginning of one; or bytes that are no packet.
#[derive(Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) len: usize,
    pub(crate) is_packet: bool,
}

impl Ring {
    /// Reserves the oldest bytes, at most `most`, whether they are packets or not:
    /// [`Ring::segment`] tells. [`None`] if there are no bytes, or if another reader has a
    /// reservation.
    pub(crate) fn reserve_bytes(&mut self, most: usize) -> Option<ReadReservation> {
        let span = self.indices.reserve_read(most)?;
        // SAFETY: The indices have reserved it, and `resize` and `Ring::drop` keep the pages.
        Some(unsafe { Reservation::new(&self.storage, span, false, false) })
    }

    /// The first segment of `rest`: what is still to be copied of a reservation of
    /// [`Ring::reserve_bytes`]. `packets` packets are before `rest`.
    pub(crate) fn segment(&self, rest: Span, packets: usize) -> Segment {
        let (mut len, mut is_packet) = (rest.len, false);
        if let Some(packet) = self.storage.packets.get(packets) {
            let distance = packet.start.wrapping_sub(rest.start);
            is_packet = distance == 0;
            len = len.min(if is_packet { packet.len } else { distance });
        }
        Segment { len, is_packet }
    }

    /// Exchanges whole pages between two ranges of `len` bytes: the reserved bytes of `from` after
    /// the first `skip`, and the first reserved room of `to`, which is in `other`. Returns whether
    /// that was done. If so, the rest is to be copied with [`WriteReservation::copy_from`], and all
    /// must be committed to both rings.
    ///
    /// Does nothing if the bytes and the room lie differently in their pages; if one of the rings
    /// was resized after the reservation; or if one has fixed storage, whose pages nobody has been
    /// charged for. A page of growing storage stays charged to the memory cgroup of the task that
    /// wrote it, as a page that moves from a pipe(2) to another. Users are charged by the capacity
    /// of their pipes, which stays.
    pub(crate) fn exchange_pages(
        &mut self,
        from: &ReadReservation,
        skip: usize,
        other: &mut Self,
        to: &WriteReservation,
        len: usize,
    ) -> bool {
        let (source, dest) = (from.span().skip(skip).first(len), to.span().first(len));
        let distance = dest.start.wrapping_sub(source.start);
        let is_possible = distance % PAGE_SIZE == 0
            && from.is_in(&self.storage.pages)
            && to.is_in(&other.storage.pages)
            && !self.storage.is_fixed()
            && !other.storage.is_fixed();
        if !is_possible {
            return false;
        }
        for piece in source.pieces(PAGE_SIZE).filter(is_whole) {
            let ours = self.storage.pages.cell(piece.index).get();
            let theirs = other
                .storage
                .pages
                .cell(piece.index.wrapping_add(distance))
                .get();
            // SAFETY: The caller owns both rings. All bytes of both pages are reserved by `from`
            // and `to`, so nobody else uses the cells: the other direction of each ring has
            // reserved other pages, and a resize needs to own the ring.
            unsafe { ptr::swap(ours, theirs) };
            // The pages are not contiguous with the others.
            self.storage.contig_len = PAGE_SIZE;
            other.storage.contig_len = PAGE_SIZE;
        }
        true
    }

    /// Commits a reservation of [`Ring::reserve_bytes`]: its first `len` bytes leave the ring. If
    /// they end in a packet, the rest of that packet stays a packet. The reservation must be one of
    /// this ring. Returns how many bytes have left.
    pub(crate) fn commit_bytes(&mut self, reservation: ReadReservation, len: usize) -> usize {
        if self.storage.packets.first().is_some() {
            self.storage.packets.remove(reservation.span().first(len));
        }
        self.commit_read(reservation, len)
    }
}

fn is_whole(piece: &Piece) -> bool {
    piece.len == PAGE_SIZE
}

impl WriteReservation {
    /// Copies `len` reserved bytes of another ring, after the first `skip`, into the first reserved
    /// room of this one. Both have that many bytes, as the caller knows. Whole pages that were
    /// `exchanged` are left out.
    pub(crate) fn copy_from(
        &self,
        from: &ReadReservation,
        skip: usize,
        len: usize,
        exchanged: bool,
    ) {
        let mut done = 0;
        while done < len {
            let (Some(source), Some(dest)) = (from.part(skip + done), self.part(done)) else {
                break;
            };
            let part = (len - done).min(source.len).min(dest.len);
            if !exchanged || part < PAGE_SIZE {
                // SAFETY: Both parts lie in their pages, and a page is in one ring only. Nobody
                // writes to reserved bytes, and nobody else uses reserved room.
                unsafe { copy_part(source.page, source.offset, dest.page, dest.offset, part) };
            }
            done += part;
        }
    }
}
