// SPDX-License-Identifier: GPL-2.0

//! Pages: each is freed with its last reference, and nobody may use it from then on. There may be
//! no block of several pages where there are single ones.

use kernel::{alloc::Flags, page::PAGE_SIZE, prelude::*, sim};
use std::{
    alloc::{alloc_zeroed, dealloc, Layout},
    cell::Cell,
    rc::Rc,
};

pub(crate) fn contig_len(order: u32) -> usize {
    PAGE_SIZE << order
}

std::thread_local! {
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static UNACCOUNTED: Cell<usize> = const { Cell::new(0) };
}

/// How many pages were allocated that no memory cgroup was charged for. Forgets them.
pub(crate) fn take_unaccounted() -> usize {
    UNACCOUNTED.take()
}

/// How many pages are allocated.
pub(crate) fn live() -> usize {
    LIVE.get()
}

/// Forgets the pages of a run that has failed.
pub(crate) fn forget() {
    LIVE.set(0);
    UNACCOUNTED.set(0);
}

/// Contiguous memory, which is freed when all of its pages are.
struct Block(*mut u8, Layout);

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: It was allocated with this layout.
        unsafe { dealloc(self.0, self.1) };
    }
}

/// The memory of a page.
struct Frame {
    block: Rc<Block>,
    bytes: *mut u8,
}

impl Drop for Frame {
    fn drop(&mut self) {
        sim::may_free("a page");
        // Fails if a copy uses the page now.
        drop(sim::claim(self.bytes.addr(), PAGE_SIZE, true));
        // SAFETY: Nobody else has a reference. `PAGE_POISON` of the kernel.
        unsafe { self.bytes.write_bytes(0xaa, PAGE_SIZE) };
        LIVE.set(LIVE.get().saturating_sub(1));
    }
}

/// A reference to a page.
pub(crate) struct Page(Rc<Frame>);

// SAFETY: Tasks take turns.
unsafe impl Send for Page {}
// SAFETY: As above.
unsafe impl Sync for Page {}

impl Page {
    pub(crate) fn new() -> Result<Self> {
        block(1, true)
            .and_then(|mut pages| pages.pop())
            .ok_or(ENOMEM)
    }

    /// Waits for memory, if there is none.
    pub(crate) fn wait_for_new() -> Option<Self> {
        sim::without_limit(|| block(1, true)).and_then(|mut pages| pages.pop())
    }

    pub(crate) fn share(&self) -> Self {
        Self(self.0.clone())
    }

    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.0.bytes
    }

    /// True only for pages of one block. Two blocks may be neighbours, too, but a pointer into one
    /// must not be used in the other.
    pub(crate) fn is_followed_by(&self, next: &Self) -> bool {
        Rc::ptr_eq(&self.0.block, &next.0.block)
            && self.0.bytes.wrapping_add(PAGE_SIZE) == next.0.bytes
    }

    pub(crate) fn with_bytes<T>(&self, work: impl FnOnce(*mut u8) -> T) -> T {
        work(self.0.bytes)
    }
}

pub(crate) fn allocate_block(order: u32, accounted: bool, push: impl FnMut(Page)) -> bool {
    // Blocks of four and more pages can never be allocated.
    let block = block(1 << order, accounted).filter(|_| order < 2);
    let found = block.is_some();
    block.into_iter().flatten().for_each(push);
    found
}

fn block(count: usize, accounted: bool) -> Option<Vec<Page>> {
    if !sim::allocate() {
        return None;
    }
    if !accounted {
        UNACCOUNTED.set(UNACCOUNTED.get() + count);
    }
    let layout = Layout::from_size_align(count * PAGE_SIZE, PAGE_SIZE).ok()?;
    // SAFETY: The layout is not empty.
    let memory = Rc::new(Block(unsafe { alloc_zeroed(layout) }, layout));
    LIVE.set(LIVE.get() + count);
    if LIVE.get() > MEMORY {
        sim::fail("the OOM killer is called");
    }
    let page = |nth| {
        Page(Rc::new(Frame {
            // SAFETY: The block has this page.
            bytes: unsafe { memory.0.add(nth * PAGE_SIZE) },
            block: memory.clone(),
        }))
    };
    Some((0..count).map(page).collect())
}

/// How many pages there are.
const MEMORY: usize = 400;

/// An estimate of how many pages could be allocated. A task that asks for more pages
/// calls the OOM killer.
pub(crate) fn available() -> usize {
    MEMORY.saturating_sub(LIVE.get())
}

pub(crate) fn flags(accounted: bool) -> Flags {
    if accounted {
        GFP_KERNEL_ACCOUNT
    } else {
        GFP_KERNEL
    }
}

/// # Safety
///
/// As for the module's function.
pub(crate) unsafe fn copy_part(
    from: &Page,
    from_offset: usize,
    to: &Page,
    to_offset: usize,
    len: usize,
) {
    // SAFETY: By the safety requirements.
    let (from, to) = unsafe { (from.0.bytes.add(from_offset), to.0.bytes.add(to_offset)) };
    let _claims = [
        sim::claim(from.addr(), len, false),
        sim::claim(to.addr(), len, true),
    ];
    // SAFETY: As above.
    unsafe { to.copy_from_nonoverlapping(from, len) };
}
