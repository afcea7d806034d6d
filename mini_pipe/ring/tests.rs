// SPDX-License-Identifier: GPL-2.0

//! KUnit cases for the ring, which need real pages.

use kernel::prelude::*;

#[kunit_tests(mini_pipe_ring)]
mod cases {
    use crate::{
        ring::{
            dir::Dir,
            growth::Batch,
            reservation::{
                ReadReservation,
                WriteReservation, //
            },
            storage::{
                pages_for,
                Storage, //
            },
            Ring, //
        },
        sys::{
            account::UserAccount,
            page::Page, //
        }, //
    };
    use core::ptr;
    use kernel::{
        bindings,
        iov::{
            IovIterDest,
            IovIterSource, //
        },
        page::PAGE_SIZE,
        prelude::*,
        types::Opaque, //
    };

    fn ring(capacity: usize) -> Result<Ring> {
        Ok(Ring::new(Storage::new(capacity, None)?))
    }

    /// Calls `copy` with an iterator over `bytes`.
    fn with_iter(
        bytes: &mut [u8],
        direction: c_uint,
        copy: impl FnOnce(*mut bindings::iov_iter) -> usize,
    ) -> usize {
        let iter = Opaque::<bindings::iov_iter>::uninit();
        let kvec = bindings::kvec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: bytes.len(),
        };
        // SAFETY: This initialises `iter`, which lives as long as `kvec` and `bytes`: until `copy`
        // has returned.
        unsafe { bindings::iov_iter_kvec(iter.get(), direction, &kvec, 1, bytes.len()) };
        copy(iter.get())
    }

    fn copy_from(reservation: &WriteReservation, bytes: &mut [u8]) -> usize {
        with_iter(bytes, bindings::ITER_SOURCE, |iter| {
            // SAFETY: `iter` is a valid source of `bytes`, and nobody else has it.
            reservation.copy(0, usize::MAX, &mut unsafe { IovIterSource::from_raw(iter) })
        })
    }

    fn copy_to(reservation: &ReadReservation, bytes: &mut [u8]) -> usize {
        with_iter(bytes, bindings::ITER_DEST, |iter| {
            // SAFETY: `iter` is a valid destination in `bytes`, and nobody else has it.
            reservation.copy(0, usize::MAX, &mut unsafe { IovIterDest::from_raw(iter) })
        })
    }

    fn keeps_no_old_pages(ring: &Ring) -> bool {
        ring.old_pages.read.is_none() && ring.old_pages.write.is_none()
    }

    fn resize(ring: &mut Ring, capacity: usize) -> Result {
        ring.resize(&mut Storage::for_resize(capacity, None)?)
    }

    /// Writes what fits of `bytes`; returns how many bytes.
    fn write(ring: &mut Ring, bytes: &mut [u8]) -> usize {
        let Some(reservation) = ring.reserve_write(1, bytes.len(), false) else {
            return 0;
        };
        let copied = copy_from(&reservation, bytes);
        ring.commit_write(reservation, copied);
        copied
    }

    /// Reads into `bytes`; returns how many bytes.
    fn read(ring: &mut Ring, bytes: &mut [u8]) -> usize {
        let Some(reservation) = ring.reserve_read(bytes.len()) else {
            return 0;
        };
        let copied = copy_to(&reservation, bytes);
        ring.commit_read(reservation, copied);
        copied
    }

    /// `len` bytes that count from `first` on, modulo the prime 251, so that pages differ.
    fn pattern(first: usize, len: usize) -> Result<KVVec<u8>> {
        let mut bytes = KVVec::with_capacity(len, GFP_KERNEL)?;
        for index in first..first + len {
            bytes.push((index % 251) as u8, GFP_KERNEL)?;
        }
        Ok(bytes)
    }

    #[test]
    fn ring_has_pages_for_its_capacity() -> Result {
        for (pages, expected) in [(1, 1), (2, 2), (3, 4), (5, 8), (16, 16)] {
            let most = pages * PAGE_SIZE;
            for capacity in [most - PAGE_SIZE + 1, most] {
                let ring = ring(capacity)?;
                assert_eq!(ring.storage().cell_count(), expected);
                assert_eq!(ring.indices().capacity(), capacity);
            }
        }
        Ok(())
    }

    /// The ring of a private pipe.
    fn growing(capacity: usize) -> Result<Ring> {
        let charge = UserAccount::current().charge(pages_for(capacity));
        Ok(Ring::new(Storage::new(capacity, Some(charge))?))
    }

    fn grow(ring: &mut Ring, len: usize) {
        while ring.reuse_pages(len) > 0 {
            let mut batch = Batch::new();
            assert!(batch.allocate(ring.reuse_pages(len), 1));
            ring.add_pages(&mut batch);
        }
    }

    #[test]
    fn growing_ring_has_the_pages_that_its_bytes_need() -> Result {
        let mut ring = growing(100 * PAGE_SIZE)?;
        assert_eq!(
            (ring.reuse_pages(1), ring.reuse_pages(PAGE_SIZE + 1)),
            (1, 2)
        );
        assert_eq!(ring.reuse_pages(usize::MAX), 16);
        assert_eq!(write(&mut ring, &mut pattern(0, 1)?), 0);
        for len in [1, PAGE_SIZE, 40 * PAGE_SIZE + 1] {
            let mut sent = pattern(0, len)?;
            let mut written = 0;
            while written < len {
                grow(&mut ring, len - written);
                written += write(&mut ring, &mut sent[written..]);
            }
            let mut received = pattern(1, len)?;
            assert_eq!(read(&mut ring, &mut received), len);
            assert!(received[..] == pattern(0, len)?[..]);
        }
        assert_eq!(ring.storage.filled, 41);
        let mut batch = Batch::new();
        assert!(ring.has_surplus() && ring.take_surplus(&mut batch));
        while ring.take_surplus(&mut Batch::new()) {}
        assert_eq!(
            (ring.storage.filled, ring.reuse_pages(3 * PAGE_SIZE)),
            (2, 1)
        );
        Ok(())
    }

    #[test]
    fn growing_ring_visits_few_cells_at_once() -> Result {
        let mut ring = growing(300 * PAGE_SIZE)?;
        let len = 200 * PAGE_SIZE;
        let mut bytes = pattern(0, len)?;
        let mut written = 0;
        while written < len {
            grow(&mut ring, len - written);
            written += write(&mut ring, &mut bytes[written..]);
        }
        assert_eq!(read(&mut ring, &mut bytes), len);
        assert_eq!(ring.storage.filled, 200);
        assert_eq!(ring.backed(len), 128 * PAGE_SIZE);
        Ok(())
    }

    #[test]
    fn ring_without_memory_goes_on_with_its_pages() -> Result {
        let mut ring = growing(16 * PAGE_SIZE)?;
        grow(&mut ring, 1);
        assert_eq!(write(&mut ring, &mut pattern(0, 100)?), 100);
        assert_eq!(
            write(&mut ring, &mut pattern(0, PAGE_SIZE)?),
            PAGE_SIZE - 100
        );
        assert_eq!(write(&mut ring, &mut pattern(0, 1)?), 0);
        assert_eq!(ring.reuse_first_page(), 0);
        assert_eq!(ring.reuse_pages(usize::MAX), 15);
        Ok(())
    }

    /// Pages of bytes that were read serve the next writes, also if the ring is never empty.
    #[test]
    fn growing_ring_uses_its_pages_again() -> Result {
        let mut ring = growing(16 * PAGE_SIZE)?;
        let mut tail = 0;
        for head in (0..40 * PAGE_SIZE).step_by(1000) {
            grow(&mut ring, 1000);
            assert_eq!(write(&mut ring, &mut pattern(head, 1000)?), 1000);
            let mut received = pattern(1, 1000)?;
            let len = if head == 0 { 999 } else { 1000 };
            assert_eq!(read(&mut ring, &mut received[..len]), len);
            assert!(received[..len] == pattern(tail, len)?[..]);
            tail += len;
            assert!(ring.storage.filled <= 2);
        }
        // The last read leaves two pages, wherever they are.
        assert_eq!(read(&mut ring, &mut pattern(0, 1)?), 1);
        assert!(!ring.has_surplus() && ring.storage.filled == 2);
        Ok(())
    }

    /// Each page that has bytes is shared, and the other cells are empty.
    #[test]
    fn growing_ring_keeps_its_pages_in_a_resize() -> Result {
        for (before, after) in [(16, 4), (4, 16), (1, 2), (2, 1)] {
            for at in [0, 1, PAGE_SIZE - 1] {
                let mut ring = growing(before * PAGE_SIZE)?;
                grow(&mut ring, usize::MAX);
                write(&mut ring, &mut pattern(0, at + 1)?);
                read(&mut ring, &mut pattern(0, at)?);
                let len = 1 + write(&mut ring, &mut pattern(at + 1, PAGE_SIZE - 1)?);
                let charge = UserAccount::current().charge(pages_for(after * PAGE_SIZE));
                ring.resize(&mut Storage::for_resize(after * PAGE_SIZE, Some(charge))?)?;
                assert!(ring.storage.filled <= 2);
                let mut received = pattern(0, len)?;
                assert_eq!(read(&mut ring, &mut received), len);
                assert!(received[..] == pattern(at, len)?[..]);
            }
        }
        Ok(())
    }

    #[test]
    fn bytes_keep_their_order() -> Result {
        for capacity in [
            1,
            128,
            PAGE_SIZE - 1,
            PAGE_SIZE,
            PAGE_SIZE + 1,
            3 * PAGE_SIZE,
        ] {
            let mut ring = ring(capacity)?;
            let mut received = pattern(1, capacity)?;
            let (mut head, mut tail) = (0, 0);
            // A third of the capacity moves the place where copies begin; the whole capacity makes
            // them wrap.
            for step in [capacity.div_ceil(3), capacity, 1].iter().cycle().take(24) {
                head += write(&mut ring, &mut pattern(head, *step)?);
                let taken = read(&mut ring, &mut received[..step.div_ceil(2)]);
                assert!(received[..taken] == pattern(tail, taken)?[..]);
                tail += taken;
                assert_eq!(ring.indices().readable(), head - tail);
            }
            assert_eq!(read(&mut ring, &mut received), head - tail);
            assert!(received[..head - tail] == pattern(tail, head - tail)?[..]);
            assert!(ring.indices().is_empty());
        }
        Ok(())
    }

    #[test]
    fn short_source_leaves_the_rest_writable() -> Result {
        let mut ring = ring(2 * PAGE_SIZE)?;
        let mut bytes = pattern(0, PAGE_SIZE + 1)?;
        let room = ring.reserve_write(1, 2 * PAGE_SIZE, false);
        assert!(room.is_some());
        if let Some(reservation) = room {
            assert_eq!(reservation.len(), 2 * PAGE_SIZE);
            let copied = copy_from(&reservation, &mut bytes);
            assert_eq!(copied, PAGE_SIZE + 1);
            ring.commit_write(reservation, copied);
        }
        assert_eq!(ring.indices().readable(), PAGE_SIZE + 1);
        assert_eq!(ring.indices().writable(), PAGE_SIZE - 1);
        Ok(())
    }

    #[test]
    fn committing_nothing_loses_nothing() -> Result {
        let mut ring = ring(PAGE_SIZE)?;
        let mut received = pattern(0, 100)?;
        write(&mut ring, &mut pattern(7, 100)?);
        if let Some(reservation) = ring.reserve_read(100) {
            assert_eq!(copy_to(&reservation, &mut received), 100);
            ring.commit_read(reservation, 0);
        }
        if let Some(reservation) = ring.reserve_write(1, 100, false) {
            assert_eq!(copy_from(&reservation, &mut received), 100);
            ring.commit_write(reservation, 0);
        }
        assert_eq!(ring.indices().readable(), 100);
        assert_eq!(read(&mut ring, &mut received), 100);
        assert!(received[..] == pattern(7, 100)?[..]);
        Ok(())
    }

    #[test]
    fn commit_part_keeps_the_rest_reserved() -> Result {
        let mut ring = ring(4 * PAGE_SIZE)?;
        let mut other = Storage::new(8 * PAGE_SIZE, None)?;
        let (mut sent, mut received) = (pattern(0, 10000)?, pattern(1, 10000)?);
        if let Some(mut reservation) = ring.reserve_write(1, 10000, false) {
            assert_eq!(copy_from(&reservation, &mut sent[..3000]), 3000);
            assert_eq!(ring.commit_part(&mut reservation, 3000), 3000);
            assert_eq!((ring.indices().readable(), reservation.len()), (3000, 7000));
            assert_eq!(copy_from(&reservation, &mut sent[3000..]), 7000);
            ring.commit_write(reservation, 7000);
        }
        if let Some(mut reservation) = ring.reserve_read(10000) {
            assert_eq!(copy_to(&reservation, &mut received[..5000]), 5000);
            assert!(ring.resize(&mut other).is_ok());
            assert_eq!(ring.commit_part(&mut reservation, 5000), 5000);
            assert_eq!(reservation.len(), 5000);
            assert_eq!(copy_to(&reservation, &mut received[5000..]), 5000);
            ring.commit_read(reservation, 5000);
        }
        assert!(keeps_no_old_pages(&ring) && ring.indices().is_empty());
        assert!(received[..] == sent[..]);
        Ok(())
    }

    #[test]
    fn reservation_of_another_ring_stays_out() -> Result {
        let (mut ring, mut other) = (ring(PAGE_SIZE)?, ring(PAGE_SIZE)?);
        write(&mut ring, &mut pattern(0, 10)?);
        write(&mut other, &mut pattern(0, 10)?);
        if let Some(reservation) = ring.reserve_read(10) {
            other.commit_read(reservation, 10);
        }
        assert!(ring.indices().is_reserved(Dir::Read));
        assert_eq!(other.indices().readable(), 10);
        if let Some(reservation) = other.reserve_write(1, 10, false) {
            ring.commit_write(reservation, 10);
        }
        assert!(other.indices().is_reserved(Dir::Write));
        assert_eq!(ring.indices().writable(), PAGE_SIZE - 10);
        // With an outstanding reservation, dropping the rings would leak their pages.
        ring.indices.commit(Dir::Read, 0);
        other.indices.commit(Dir::Write, 0);
        Ok(())
    }

    #[test]
    fn bytes_survive_a_resize() -> Result {
        for (before, after) in [(1, 3), (3, 1), (2, 2), (16, 256), (256, 1)] {
            for at in [0, 1, PAGE_SIZE - 1, before * PAGE_SIZE - 10] {
                let mut ring = ring(before * PAGE_SIZE)?;
                // One byte stays, so that the ring does not rewind.
                write(&mut ring, &mut pattern(0, at + 1)?);
                read(&mut ring, &mut pattern(0, at)?);
                let len = 1 + write(&mut ring, &mut pattern(at + 1, PAGE_SIZE - 1)?);
                resize(&mut ring, after * PAGE_SIZE)?;
                let mut received = pattern(0, len + 7)?;
                write(&mut ring, &mut pattern(at + len, 7)?);
                let taken = read(&mut ring, &mut received);
                assert!(taken >= len && received[..taken] == pattern(at, taken)?[..]);
            }
        }
        Ok(())
    }

    /// Contents, both reservations and room lie in the same pages, at each page offset that makes a
    /// difference, while the ring is resized three times.
    #[test]
    fn reserved_write_survives_resizes() -> Result {
        let sizes = [1, 2, 3, 4, 16];
        for (before, between) in sizes
            .iter()
            .flat_map(|b| sizes.iter().map(move |c| (*b, *c)))
        {
            for (at, old, new) in [(0, 1, 1), (100, 1, usize::MAX), (4000, 200, usize::MAX)] {
                let mut ring = ring(before * PAGE_SIZE)?;
                // The bytes that are read at the end were written here, or by the reservation.
                write(&mut ring, &mut pattern(0, at + old)?);
                read(&mut ring, &mut pattern(0, at)?);
                let mut count = ring.indices().readable();
                let mut sent = pattern(at + count, before * PAGE_SIZE)?;
                if let Some(reservation) = ring.reserve_write(1, new, false) {
                    let _ = resize(&mut ring, between * PAGE_SIZE);
                    let reads = ring.reserve_read(old.div_ceil(2));
                    let _ = resize(&mut ring, 8 * PAGE_SIZE);
                    let _ = resize(&mut ring, before * PAGE_SIZE);
                    let copied = copy_from(&reservation, &mut sent);
                    count += ring.commit_write(reservation, copied);
                    if let Some(reservation) = reads {
                        ring.commit_read(reservation, 0);
                    }
                }
                let mut received = pattern(1, count)?;
                assert_eq!(read(&mut ring, &mut received), count);
                assert!(received[..] == pattern(at, count)?[..]);
                assert!(keeps_no_old_pages(&ring));
            }
        }
        Ok(())
    }

    /// A reader has reserved bytes that begin and end in the same page. Then the ring grows and is
    /// filled up, so that it also uses the part of the page before the reader's first byte.
    #[test]
    fn reserved_read_survives_a_ring_that_grows_and_fills_up() -> Result {
        for at in [1, 100, PAGE_SIZE - 1] {
            let mut ring = ring(PAGE_SIZE)?;
            write(&mut ring, &mut pattern(0, at + 1)?);
            read(&mut ring, &mut pattern(0, at)?);
            write(&mut ring, &mut pattern(at + 1, PAGE_SIZE - 1)?);
            let (mut sent, mut received) = (pattern(7, PAGE_SIZE)?, pattern(1, PAGE_SIZE)?);
            if let Some(reservation) = ring.reserve_read(PAGE_SIZE) {
                let resized = resize(&mut ring, 2 * PAGE_SIZE);
                let more = write(&mut ring, &mut sent);
                let copied = copy_to(&reservation, &mut received);
                ring.commit_read(reservation, PAGE_SIZE);
                assert!(resized.is_ok() && (more, copied) == (PAGE_SIZE, PAGE_SIZE));
            }
            assert!(received[..] == pattern(at, PAGE_SIZE)?[..]);
            assert_eq!(read(&mut ring, &mut received), PAGE_SIZE);
            assert!(received[..] == pattern(7, PAGE_SIZE)?[..]);
        }
        Ok(())
    }

    #[test]
    fn resize_that_does_not_fit_changes_nothing() -> Result {
        let mut ring = ring(2 * PAGE_SIZE)?;
        write(&mut ring, &mut pattern(0, PAGE_SIZE + 1)?);
        assert!(resize(&mut ring, PAGE_SIZE) == Err(EBUSY));
        assert_eq!(ring.indices().capacity(), 2 * PAGE_SIZE);
        let mut received = pattern(0, PAGE_SIZE + 1)?;
        assert_eq!(read(&mut ring, &mut received), PAGE_SIZE + 1);
        assert!(received[..] == pattern(0, PAGE_SIZE + 1)?[..]);
        Ok(())
    }

    #[test]
    fn reservations_outlive_their_storage() -> Result {
        let mut ring = ring(4 * PAGE_SIZE)?;
        write(&mut ring, &mut pattern(0, 5000)?);
        let (mut sent, mut received) = (pattern(5000, 7000)?, pattern(0, 12000)?);
        let pattern = pattern(0, 12000)?;
        if let Some(reader) = ring.reserve_read(3000) {
            if let Some(writer) = ring.reserve_write(1, 7000, false) {
                for pages in [8, 3, 16] {
                    assert!(resize(&mut ring, pages * PAGE_SIZE).is_ok());
                }
                assert_eq!(ring.indices().capacity(), 16 * PAGE_SIZE);
                let copied = copy_from(&writer, &mut sent);
                ring.commit_write(writer, copied);
            }
            assert_eq!(copy_to(&reader, &mut received), 3000);
            assert!(received[..3000] == pattern[..3000]);
            // As after a fault at byte 2000.
            ring.commit_read(reader, 2000);
        }
        // The old pages are left for the caller to drop.
        assert!(ring.take_retired().is_some() && ring.take_retired().is_none());
        assert!(keeps_no_old_pages(&ring));
        assert_eq!(read(&mut ring, &mut received), 10000);
        assert!(received[..10000] == pattern[2000..]);
        Ok(())
    }

    #[test]
    fn packet_is_read_alone_and_whole() -> Result {
        let mut ring = ring(3 * PAGE_SIZE)?;
        write(&mut ring, &mut pattern(0, 10)?);
        let (mut sent, mut received) = (pattern(10, 20)?, pattern(0, 100)?);
        for _ in 0..4 {
            if let Some(reservation) = ring.reserve_write(20, 20, true) {
                let copied = copy_from(&reservation, &mut sent);
                ring.commit_write(reservation, copied);
            }
        }
        assert_eq!(
            (ring.indices().readable(), ring.occupancy().writable),
            (90, 0)
        );
        assert_eq!(read(&mut ring, &mut received), 10);
        assert_eq!(read(&mut ring, &mut received[..5]), 5);
        assert_eq!(ring.indices().readable(), 60);
        assert!(received[..5] == pattern(10, 5)?[..]);
        if let Some(reservation) = ring.reserve_read(100) {
            assert_eq!(ring.commit_read(reservation, 19), 0);
        }
        assert_eq!(read(&mut ring, &mut received), 20);
        assert_eq!(ring.unwrite(15), 15);
        assert_eq!(ring.indices().readable(), 25);
        Ok(())
    }

    #[test]
    fn commit_pages_exchanges_whole_pages() -> Result {
        let mut ring = ring(4 * PAGE_SIZE)?;
        write(&mut ring, &mut pattern(0, 3 * PAGE_SIZE)?);
        read(&mut ring, &mut pattern(0, 100)?);
        let mut fresh = KVec::new();
        for _ in 0..2 {
            fresh.push(Page::new()?, GFP_KERNEL)?;
        }
        let before = fresh[0].as_ptr();
        if let Some(reservation) = ring.reserve_read(usize::MAX) {
            let lens = reservation.parts().map(|(_, _, len)| len);
            assert!(lens.eq([PAGE_SIZE - 100, PAGE_SIZE, PAGE_SIZE]));
            let moved = ring.commit_pages(reservation, 3 * PAGE_SIZE - 100, &mut fresh);
            assert_eq!(moved, 3 * PAGE_SIZE - 100);
        }
        assert!(before != fresh[0].as_ptr());
        assert!(ring.indices().is_empty());
        Ok(())
    }

    #[test]
    fn commit_pages_after_a_resize() -> Result {
        let mut ring = ring(4 * PAGE_SIZE)?;
        write(&mut ring, &mut pattern(0, 3 * PAGE_SIZE)?);
        let mut fresh = KVec::new();
        for _ in 0..3 {
            fresh.push(Page::new()?, GFP_KERNEL)?;
        }
        let mut gone = [ptr::null_mut(); 3];
        if let Some(reservation) = ring.reserve_read(usize::MAX) {
            for (place, (page, _, _)) in gone.iter_mut().zip(reservation.parts()) {
                *place = page.as_ptr();
            }
            let given = reservation.len();
            let resized = resize(&mut ring, 16 * PAGE_SIZE);
            ring.commit_pages(reservation, given, &mut fresh);
            assert!(resized.is_ok());
        }
        for nth in 0..16 {
            // SAFETY: Nobody else uses this ring.
            let page = unsafe { ring.storage.pages.page(nth * PAGE_SIZE) }.map(Page::as_ptr);
            assert!(page.is_some_and(|page| !gone.contains(&page)));
        }
        Ok(())
    }
}
