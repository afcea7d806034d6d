// SPDX-License-Identifier: GPL-2.0

//! What a ring keeps its bytes in: pages, with slots for packets.

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

/// The pages of a ring. Their number is a power of two, so the low bits of an index are its place,
/// also after the index has wrapped.
pub(crate) struct Pages {
    cells: KVVec<UnsafeCell<Page>>,
    /// What these pages cost a user, if one has to pay. A reservation may keep the pages after the
    /// ring has got other ones, so the charge is theirs.
    charge: Option<Charge>,
}

// SAFETY: `Page` is `Sync`. Only two functions write to a cell: `Ring::commit_pages` in its ring's
// current storage, while its caller owns the ring and has the only reservation for all bytes of
// that page; and `migrate::share`, in a storage that nobody else has a reference to.
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

/// What a ring keeps its bytes in.
pub(crate) struct Storage {
    /// In bytes; the pages may hold more.
    pub(crate) capacity: usize,
    pub(crate) pages: Arc<Pages>,
    /// The pages that have these many bytes, a power of two, are physically contiguous, and are
    /// copied at once.
    pub(crate) contig_len: usize,
    pub(crate) packets: Packets<KVVec<Span>>,
}

impl Storage {
    /// Allocates storage for `capacity` bytes, at least 1. With a `charge` for
    /// [`pages_for`]`(capacity)`, the current task's memory cgroup is charged, too.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// - `ENOMEM`. The OOM killer is not called.
    /// - `EINTR`: a SIGKILL is pending.
    pub(crate) fn new(capacity: usize, charge: Option<Charge>) -> Result<Self> {
        let accounted = charge.is_some();
        let flags = page::flags(accounted);
        let count = pages_for(capacity);
        let (cells, contig_len) = allocate(count, accounted)?;
        let slots = KVVec::from_elem(Span { start: 0, len: 0 }, count, flags)?;
        Ok(Self {
            capacity,
            pages: Arc::new(Pages { cells, charge }, flags)?,
            contig_len,
            packets: Packets::new(slots),
        })
    }

    /// Who pays for the pages; [`None`] for the system.
    pub(crate) fn account(&self) -> Option<&UserAccount> {
        self.pages.charge.as_ref().map(Charge::account)
    }
}

/// Allocates `count` pages, a power of two, in blocks as large as there are. Returns them, and how
/// many bytes are contiguous at least, a power of two. May sleep.
///
/// # Errors
///
/// As for [`Storage::new`].
fn allocate(count: usize, accounted: bool) -> Result<(KVVec<UnsafeCell<Page>>, usize)> {
    // A request that cannot succeed must not take the memory of others in the meantime;
    // kernel/trace/ring_buffer.c does the same. A ring of one block can be tried.
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
            // All further blocks are smaller ones, so the last is the smallest.
            order /= 2;
        }
    }
    let contig_order = if page::ALWAYS_MAPPED { order } else { 0 };
    Ok((cells, PAGE_SIZE << contig_order))
}
