// SPDX-License-Identifier: GPL-2.0

//! The memory of a ring: pages for its bytes, and slots for its packets.

use crate::{
    ring::{
        indices::Span,
        packets::Packets, //
    },
    sys::{
        account::{
            Charge,
            UserAccount, //
        },
        page::{
            self,
            Page, //
        },
        task, //
    }, //
};
use core::cell::UnsafeCell;
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::Arc, //
};

/// The order of the largest blocks of pages: 1 MiB.
const MAX_ORDER: u32 = 8;

/// The pages of a ring. Their number is a power of two, so the low bits of an index say where its
/// byte is, also after the index has wrapped.
pub(crate) struct Pages {
    cells: KVVec<UnsafeCell<Page>>,
    /// The charge to the user who pays for the pages; [`None`] if the system pays. It belongs to
    /// the pages, not to the ring: a reservation may keep the pages after a resize.
    charge: Option<Charge>,
}

// SAFETY: `Page` and `Charge` are `Sync`. Only two functions write to a cell: `Ring::commit_pages`
// in its ring's current storage, while its caller owns the ring and has the only reservation for
// all bytes of that page; and `migrate::share`, in a storage that nobody else has a reference to.
unsafe impl Sync for Pages {}

impl Pages {
    /// The cell of the page that has the byte at `index`.
    #[inline(always)]
    pub(crate) fn at(&self, index: usize) -> Option<&UnsafeCell<Page>> {
        // The number of pages is a power of two, so this is the remainder.
        self.cells
            .get(index / PAGE_SIZE & self.len().wrapping_sub(1))
    }

    /// How many pages these are.
    pub(crate) fn len(&self) -> usize {
        self.cells.len()
    }
}

/// How many pages a ring of `capacity` bytes has.
pub(crate) fn pages_for(capacity: usize) -> usize {
    capacity.div_ceil(PAGE_SIZE).next_power_of_two()
}

/// The memory of a ring.
///
/// # Invariants
///
/// Each run of `contig_len` bytes of `pages` that begins at a multiple of `contig_len` is
/// contiguous in the kernel's address space. `contig_len` is a power of two, and at least a page.
pub(crate) struct Storage {
    /// In bytes; the pages may hold more.
    pub(in crate::ring) capacity: usize,
    pub(in crate::ring) pages: Arc<Pages>,
    pub(in crate::ring) contig_len: usize,
    pub(in crate::ring) packets: Packets<KVVec<Span>>,
}

impl Storage {
    /// Allocates storage for `capacity` bytes, at least 1. A `charge` must be for
    /// [`pages_for`]`(capacity)` pages; with a charge, the current task's memory cgroup is charged,
    /// too.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`. The OOM killer is not called for the pages.
    /// - `EINTR`: a SIGKILL is pending.
    pub(crate) fn new(capacity: usize, charge: Option<Charge>) -> Result<Self> {
        let accounted = charge.is_some();
        let flags = page::flags(accounted);
        let count = pages_for(capacity);
        let (cells, contig_len) = allocate(count, accounted)?;
        let slots = KVVec::from_elem(Span { start: 0, len: 0 }, count, flags)?;
        // INVARIANT: By `allocate`.
        Ok(Self {
            capacity,
            pages: Arc::new(Pages { cells, charge }, flags)?,
            contig_len,
            packets: Packets::new(slots),
        })
    }

    /// How many pages it has.
    pub(crate) fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// Who pays for the pages; [`None`] for the system.
    pub(crate) fn account(&self) -> Option<&UserAccount> {
        self.pages.charge.as_ref().map(Charge::account)
    }
}

/// Allocates `count` pages, a power of two, in blocks as large as there are. Returns the pages, and
/// the size of the smallest block in bytes. Block sizes only fall from one block to the next, so
/// each block begins at a multiple of its own size. May sleep.
///
/// # Errors
///
/// As for [`Storage::new`].
fn allocate(count: usize, accounted: bool) -> Result<(KVVec<UnsafeCell<Page>>, usize)> {
    // Refuse what cannot succeed, rather than push other tasks into reclaim;
    // kernel/trace/ring_buffer.c does the same. A single block, of at most 1 MiB, is too little to
    // need the test.
    if count > 1 << MAX_ORDER && page::available() < count {
        return Err(ENOMEM);
    }
    let mut cells = KVVec::with_capacity(count, page::flags(accounted))?;
    let mut order = count.ilog2().min(MAX_ORDER);
    while cells.len() < count {
        if task::is_being_killed() {
            return Err(EINTR);
        }
        if !page::allocate_block(&mut cells, order, accounted)? {
            if order == 0 {
                return Err(ENOMEM);
            }
            // The order only falls, so the last block is the smallest.
            order /= 2;
        }
    }
    let contig_order = if page::ALWAYS_MAPPED { order } else { 0 };
    Ok((cells, PAGE_SIZE << contig_order))
}
