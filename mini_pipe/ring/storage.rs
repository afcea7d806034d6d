// SPDX-License-Identifier: GPL-2.0

//! The memory of a ring: pages for its bytes, and slots for its packets.

use crate::{
    ring::{
        array::{
            Array,
            FEW, //
        },
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
use core::{
    cell::UnsafeCell,
    ops::{
        Deref,
        DerefMut, //
    },
    ptr::NonNull, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        Arc,
        UniqueArc, //
    }, //
};

/// The order of the largest blocks: 256 pages.
const MAX_ORDER: u32 = 8;

/// The place for a page.
pub(in crate::ring) type Cell = UnsafeCell<Option<Page>>;

/// The places for the pages of a ring, each with a page or empty. Their number is a power of two,
/// so the low bits of an index say where its byte is, also after the index has wrapped.
///
/// # Invariants
///
/// `cells` points to the elements of `array`, whose number is `mask + 1`. The elements do not move
/// as long as this exists.
pub(crate) struct Pages {
    cells: NonNull<Cell>,
    mask: usize,
    array: Array<Cell>,
    /// As many slots for packets as there are cells: see [`Slots`].
    slots: UnsafeCell<Array<Span>>,
    /// The charge to the user who pays for the pages; [`None`] if the system pays. It belongs to
    /// the pages, not to the ring: a reservation may keep the pages after a resize.
    charge: Option<Charge>,
}

// SAFETY: `Page` and `Charge` are `Sync`. A cell is written to only while nobody else uses it.
// `Ring::commit_pages` and `Ring::exchange_pages` have the only reservation for all bytes of the
// page. The functions of `growth` fill empty cells, which no reservation has. They take pages from
// cells without bytes, and only while there is no writer's reservation, which could have them.
// In a ring without bytes and without reservations they may change any cell. All their callers own
// the ring. `migrate::share` and `Storage::fill` fill storage that nobody else has a reference to.
// `Slots` says who uses the slots.
unsafe impl Sync for Pages {}
// SAFETY: `Page`, `Charge` and `Span` are `Send`, and `cells` points to elements of this.
unsafe impl Send for Pages {}

impl Pages {
    /// The cell for the byte at `index`.
    #[inline(always)]
    pub(in crate::ring) fn cell(&self, index: usize) -> &Cell {
        // The number of cells is a power of two, so this is the remainder.
        let nth = index / PAGE_SIZE & self.mask;
        // SAFETY: There are more than `mask` cells, by the type invariants.
        unsafe { self.cells.add(nth).as_ref() }
    }

    /// The page with the byte at `index`; [`None`] if the cell is empty.
    ///
    /// # Safety
    ///
    /// Nobody may write to the cell while the result is used.
    #[inline(always)]
    pub(in crate::ring) unsafe fn page(&self, index: usize) -> Option<&Page> {
        // SAFETY: By the safety requirements.
        unsafe { &*self.cell(index).get() }.as_ref()
    }

    /// How many cells there are.
    pub(crate) fn len(&self) -> usize {
        self.array.len()
    }
}

/// The slots for packets of a storage. They are elements of [`Pages::slots`], so that they need no
/// memory of their own.
///
/// # Invariants
///
/// The storage that has this keeps its `pages`, and nobody else uses their slots.
pub(in crate::ring) struct Slots(NonNull<[Span]>);

// SAFETY: A `Span` may be used by any thread.
unsafe impl Send for Slots {}

impl Deref for Slots {
    type Target = [Span];

    fn deref(&self) -> &[Span] {
        // SAFETY: By the type invariants.
        unsafe { self.0.as_ref() }
    }
}

impl DerefMut for Slots {
    fn deref_mut(&mut self) -> &mut [Span] {
        // SAFETY: By the type invariants.
        unsafe { self.0.as_mut() }
    }
}

/// How many pages a ring of `capacity` bytes may have.
pub(crate) fn pages_for(capacity: usize) -> usize {
    capacity.div_ceil(PAGE_SIZE).next_power_of_two()
}

/// A resize copies bytes to this many new pages at most: see [`mod@crate::ring::migrate`].
const COPIED: usize = 2;

/// The memory of a ring.
///
/// # Invariants
///
/// Each run of `contig_len` bytes that begins at a multiple of `contig_len` is contiguous in the
/// kernel's address space, if its cells have pages. `contig_len` is a power of two, and at least a
/// page.
pub(crate) struct Storage {
    /// In bytes; the pages may hold more.
    pub(in crate::ring) capacity: usize,
    pub(in crate::ring) pages: Arc<Pages>,
    pub(in crate::ring) contig_len: usize,
    /// How many cells have pages.
    pub(in crate::ring) filled: usize,
    /// For growing storage: no cell from this one on has a page. For fixed storage: 0.
    pub(in crate::ring) end: usize,
    /// Pages that are in no cell yet, if there are any.
    pub(in crate::ring) spare: Option<KVVec<Page>>,
    pub(in crate::ring) packets: Packets<Slots>,
}

impl Storage {
    /// Allocates storage for `capacity` bytes, at least 1. A `charge` must be for
    /// [`pages_for`]`(capacity)` pages.
    ///
    /// Without a charge, the storage is *fixed*: all its pages are allocated now. With one, it is
    /// *growing*: it has no pages, and the ring gets those that it needs. The current task's memory
    /// cgroup is charged, too.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// As for [`allocate`].
    pub(crate) fn new(capacity: usize, charge: Option<Charge>) -> Result<Self> {
        Self::with_spare(capacity, charge, 0)
    }

    /// Like [`Storage::new`], with the spare pages that a resize may need.
    pub(crate) fn for_resize(capacity: usize, charge: Option<Charge>) -> Result<Self> {
        Self::with_spare(capacity, charge, COPIED)
    }

    /// Growing storage gets `spare` spare pages. Fixed storage gets all its pages as spare ones,
    /// for [`Storage::fill`].
    fn with_spare(capacity: usize, charge: Option<Charge>, spare: usize) -> Result<Self> {
        let grows = charge.is_some();
        let flags = page::flags(grows);
        let count = pages_for(capacity);
        // Refuse what memory could not hold, rather than push other tasks into reclaim;
        // kernel/trace/ring_buffer.c does the same. Memory that fits into one block, of at most 256
        // pages, is too little to be tested.
        if count > 1 << MAX_ORDER && page::available() < count {
            return Err(ENOMEM);
        }
        let spare = if grows { spare } else { count };
        let (spare, contig_len) = if spare > 0 {
            let (pages, contig_len) = allocate(spare, grows)?;
            (Some(pages), if grows { PAGE_SIZE } else { contig_len })
        } else {
            (None, PAGE_SIZE)
        };
        let memory = UniqueArc::<Pages>::new_uninit(flags)?;
        let (cell, slot) = (|| UnsafeCell::new(None), || Span { start: 0, len: 0 });
        let mut pages = memory.write(Pages {
            cells: NonNull::dangling(),
            mask: count - 1,
            // If there are more than `FEW`, they are made below.
            array: Array::few(count, cell),
            slots: UnsafeCell::new(Array::few(count, slot)),
            charge,
        });
        if count > FEW {
            pages.array.replace_by_many(count, cell, flags)?;
            pages.slots.get_mut().replace_by_many(count, slot, flags)?;
        }
        // INVARIANT: The number of cells is a power of two. From here on, they are not moved.
        pages.cells = NonNull::from(&*pages.array).cast();
        let slots = NonNull::from(&mut **pages.slots.get_mut());
        let pages = pages.into();
        // INVARIANT: By `allocate`, as `fill` puts the pages in their order into all cells.
        Ok(Self {
            capacity,
            pages,
            contig_len,
            filled: 0,
            end: 0,
            spare,
            // INVARIANT: The storage keeps its pages.
            packets: Packets::new(Slots(slots)),
        })
    }

    /// Whether this is fixed storage, which only the device's ring has.
    pub(in crate::ring) fn is_fixed(&self) -> bool {
        self.pages.charge.is_none()
    }

    /// Whether all cells have pages.
    #[inline(always)]
    pub(in crate::ring) fn has_all_pages(&self) -> bool {
        self.filled > self.pages.mask
    }

    /// How many pages growing storage has; 0 for fixed storage, whose pages stay.
    #[inline(always)]
    pub(in crate::ring) fn growing_pages(&self) -> usize {
        if self.end == 0 {
            0
        } else {
            self.filled
        }
    }

    /// Takes the page out of the cell for the byte at `index`. [`None`] if the cell was empty.
    ///
    /// # Safety
    ///
    /// Nobody else may use the cell.
    pub(in crate::ring) unsafe fn take(&mut self, index: usize) -> Option<Page> {
        // SAFETY: By the safety requirements.
        let page = unsafe { &mut *self.pages.cell(index).get() }.take();
        self.filled -= usize::from(page.is_some());
        page
    }

    /// Takes the page out of the last cell before `end`, and moves `end` there. [`None`] if the
    /// cell was empty, or if there was none.
    ///
    /// # Safety
    ///
    /// Nobody else may use the cells.
    pub(in crate::ring) unsafe fn take_last(&mut self) -> Option<Page> {
        self.end = self.end.checked_sub(1)?;
        // SAFETY: By the safety requirements.
        unsafe { self.take(self.end * PAGE_SIZE) }
    }

    /// Puts `page` into the cell for the byte at `index`, and returns the page that was there.
    ///
    /// # Safety
    ///
    /// Nobody else may use the cell.
    pub(in crate::ring) unsafe fn put(&mut self, index: usize, page: Page) -> Option<Page> {
        let nth = index / PAGE_SIZE & self.pages.mask;
        if !self.is_fixed() {
            self.end = self.end.max(nth + 1);
        }
        // SAFETY: By the safety requirements.
        let before = unsafe { &mut *self.pages.cell(index).get() }.replace(page);
        self.filled += usize::from(before.is_none());
        before
    }

    /// Puts the spare pages into the empty cells of fixed storage, from the last to the first, as
    /// the last spare page is taken first: so the pages of a block keep their order.
    ///
    /// # Safety
    ///
    /// Nobody else may use the cells.
    pub(in crate::ring) unsafe fn fill(&mut self) {
        let is_fixed = self.is_fixed();
        for nth in (0..self.pages.len()).rev().filter(|_| is_fixed) {
            let index = nth * PAGE_SIZE;
            // SAFETY: By the safety requirements.
            unsafe {
                self.fill_cell(index);
            }
        }
    }

    /// Puts a spare page, if any, into the cell for the byte at `index`, if the cell is empty.
    ///
    /// # Safety
    ///
    /// Nobody else may use the cell.
    pub(in crate::ring) unsafe fn fill_cell(&mut self, index: usize) {
        // SAFETY: By the safety requirements.
        if unsafe { self.pages.page(index) }.is_none() {
            if let Some(page) = self.spare.as_mut().and_then(KVVec::pop) {
                // SAFETY: As above.
                unsafe { self.put(index, page) };
            }
        }
    }

    /// How many cells there are.
    pub(crate) fn cell_count(&self) -> usize {
        self.pages.len()
    }

    /// Who pays for the pages; [`None`] for the system.
    pub(crate) fn account(&self) -> Option<&UserAccount> {
        self.pages.charge.as_ref().map(Charge::account)
    }
}

/// Allocates `count` pages, in large blocks if there are some, else in smaller ones. With
/// `accounted`, the current task's memory cgroup is charged. Returns the pages, and how many bytes
/// of the smallest block have contiguous addresses, see [`page::contig_len`]. Block sizes only fall
/// from one block to the next, so if `count` is a power of two, each block begins at a multiple of
/// its own size.
///
/// Context: process context; may sleep.
///
/// # Errors
///
/// - `ENOMEM`. The OOM killer is not called for the pages.
/// - `EINTR`: a SIGKILL is pending.
fn allocate(count: usize, accounted: bool) -> Result<(KVVec<Page>, usize)> {
    let mut pages = KVVec::with_capacity(count, page::flags(accounted))?;
    let mut order = count.ilog2().min(MAX_ORDER);
    while pages.len() < count {
        if task::is_being_killed() {
            return Err(EINTR);
        }
        let push = |page| {
            // There is room for `count` pages.
            let _ = pages.push_within_capacity(page);
        };
        if !page::allocate_block(order, accounted, push) {
            if order == 0 {
                return Err(ENOMEM);
            }
            // The order only falls, so the last block is the smallest. Half the order, not one
            // less: few attempts matter more than the largest block.
            order /= 2;
        }
    }
    Ok((pages, page::contig_len(order)))
}
