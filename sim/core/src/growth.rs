// SPDX-License-Identifier: GPL-2.0

//! Tests of `ring/growth.rs`: a write gets pages for its bytes, and no more than it needs. Too many
//! would only cost memory, which the reference pipe does not know of.

use crate::{
    pipe::policy::Policy,
    ring::{
        dir::Dir,
        growth::{Batch, BATCH, KEPT},
        storage::{pages_for, Storage},
        Ring,
    },
    sys::page,
    transfer::{growing, make_pipe, Opened, READS, WRITES},
};
use kernel::{page::PAGE_SIZE, sim};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use std::rc::Rc;

/// Reads at most `most` bytes.
fn read(ring: &mut Ring, most: usize) {
    if let Some(reservation) = ring.reserve_read(most) {
        let len = reservation.len();
        ring.commit_read(reservation, len);
    }
}

/// Whether the next byte could be written.
fn has_room(ring: &mut Ring) -> bool {
    let reservation = ring.reserve_write(1, 1, false);
    reservation.map(|one| ring.commit_write(one, 0)).is_some()
}

/// Gives the ring pages for a write of `len` bytes, of which `written` are written.
fn write(ring: &mut Ring, len: usize, written: usize) {
    let indices = ring.indices();
    let (contents, is_idle) = (indices.contents(), indices.is_idle());
    let room = indices.room().first(len.min(BATCH * PAGE_SIZE)).len;
    let all = ring.storage().cell_count();
    let bytes = contents.start % PAGE_SIZE + contents.len + room;
    let needed = bytes.div_ceil(PAGE_SIZE).min(all);
    let before = page::live();

    let is_empty = contents.len == 0;
    let nothing = is_empty && !has_room(ring);
    assert_eq!(ring.reuse_first_page(), usize::from(nothing && before == 0));

    let missing = ring.reuse_pages(len);
    let anew = is_idle && before < all && needed == all && all <= BATCH;
    let expected = if anew {
        all
    } else {
        needed.saturating_sub(before).min(BATCH)
    };
    assert_eq!(missing, expected);
    if missing > 0 {
        let mut batch = Batch::new();
        assert!(batch.allocate(missing, 0));
        ring.add_pages(&mut batch);
    }
    assert_eq!(page::live(), before.max(needed));

    let reservation = ring.reserve_write(1, len, false);
    assert!(reservation.as_ref().map_or(0, |room| room.len()) >= room);
    if let Some(reservation) = reservation {
        assert_eq!(ring.reuse_pages(len), 0);
        ring.commit_write(reservation, written);
    }
}

/// Frees the pages of an empty ring.
fn shrink(ring: &mut Ring) {
    while ring.take_surplus(&mut Batch::new()) {}
    assert!(!ring.indices().is_idle() || page::live() <= KEPT);
}

/// Runs `work` as the only task.
fn run(work: impl Fn() + Send + Sync + 'static) {
    let run = move || {
        sim::start(1);
        work();
        assert_eq!(page::live(), 0);
        sim::end();
    };
    shuttle::check_random(run, 1);
}

#[test]
fn fixed_ring_keeps_all_pages() {
    run(|| {
        let capacity = 5 * PAGE_SIZE;
        let Ok(storage) = Storage::new(capacity, None) else {
            panic!("there is memory");
        };
        let mut ring = Ring::new(storage);
        for len in [1, capacity] {
            assert_eq!(page::live(), pages_for(capacity));
            write(&mut ring, len, len);
            read(&mut ring, len);
            assert!(!ring.take_surplus(&mut Batch::new()));
        }
    });
}

#[test]
fn write_gets_the_pages_it_needs() {
    run(|| {
        let rng = &mut Pcg64Mcg::seed_from_u64(1);
        for _ in 0..2000 {
            let capacity = rng.gen_range(1..40 * PAGE_SIZE);
            let mut ring = Ring::new(growing(capacity));
            for _ in 0..20 {
                let len = rng.gen_range(1..=capacity);
                match rng.gen_range(0..5) {
                    0 | 1 => read(&mut ring, len),
                    2 => shrink(&mut ring),
                    _ => write(&mut ring, len, rng.gen_range(0..=len)),
                }
            }
            assert!(!ring.indices().is_reserved(Dir::Write));
        }
    });
}

#[test]
fn allocation_ends_without_memory() {
    run(|| {
        for count in 1..=BATCH {
            sim::limit_memory(Some(0));
            assert!(!Batch::new().allocate(count, 0));
            // There is memory for the list of pages.
            sim::limit_memory(Some(1));
            assert!(Storage::new(count * PAGE_SIZE, None).is_err());
        }
        sim::limit_memory(None);
    });
}

/// An empty ring keeps pages in any cells. If the first byte's cell has none, it gets one of them.
#[test]
fn kept_page_serves_the_first_byte() {
    run(|| {
        let capacity = 16 * PAGE_SIZE;
        let mut ring = Ring::new(growing(capacity));
        write(&mut ring, 7 * PAGE_SIZE, 7 * PAGE_SIZE);
        read(&mut ring, 5 * PAGE_SIZE);
        write(&mut ring, 5 * PAGE_SIZE, 5 * PAGE_SIZE);
        read(&mut ring, capacity);
        shrink(&mut ring);
        assert_eq!((page::live(), has_room(&mut ring)), (KEPT, false));
        assert_eq!(ring.reuse_first_page(), 0);
        assert_eq!((page::live(), has_room(&mut ring)), (KEPT, true));
    });
}

/// A rendezvous empties the pipe once: when its bytes are read. Each time that frees the pages, it
/// takes twice as many rounds until they are freed again.
#[test]
fn rendezvous_keeps_pages_as_often_as_a_write() {
    run(|| {
        let pipe = make_pipe(4 * PAGE_SIZE);
        let writer = Rc::new(Opened::new(&pipe, WRITES, 0));
        let reader = Rc::new(Opened::new(&pipe, READS, 0));
        assert_eq!(pipe.set_policy(Policy::Rendezvous), Ok(()));
        for round in 1..32_usize {
            let (from, to) = (reader.clone(), writer.clone());
            let tasks = vec![
                sim::spawn(move || {
                    let written = to.write(&[1; 4 * PAGE_SIZE], false);
                    assert_eq!(written, Ok(4 * PAGE_SIZE));
                }),
                sim::spawn(move || {
                    let read = from.read(4 * PAGE_SIZE).map(|bytes| bytes.len());
                    assert_eq!(read, Ok(4 * PAGE_SIZE));
                }),
            ];
            sim::join(tasks);
            let kept = if (round + 1).is_power_of_two() {
                KEPT
            } else {
                4
            };
            assert_eq!(page::live(), kept, "round {round}");
        }
    });
}

#[test]
fn stream_reuses_the_pages_behind_it() {
    run(|| {
        let capacity = 256 * PAGE_SIZE;
        let mut ring = Ring::new(growing(capacity));
        for _ in 0..5000 {
            write(&mut ring, PAGE_SIZE, PAGE_SIZE);
            if page::live() > 1 {
                read(&mut ring, PAGE_SIZE);
            }
            assert!(page::live() <= 3);
        }
        read(&mut ring, capacity);
        shrink(&mut ring);
    });
}
