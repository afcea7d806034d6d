// SPDX-License-Identifier: GPL-2.0

//! Pages of one's own, in blocks of neighbours as large as the kernel has them: what lies in one is
//! copied in one go.
//!
//! The kernel crate's `Page` comes alone, and from nowhere else.

use core::{
    cell::UnsafeCell,
    ptr::NonNull, //
};
use kernel::{
    alloc::Flags,
    bindings,
    page::PAGE_SIZE,
    prelude::*, //
};

/// A block has at most so many pages, two to this power: 1 MiB.
const BLOCK_ORDER: u32 = 8;

/// Whether bytes that are not in high memory have their address for ever: `kmap_local_page` finds
/// it, and does no more.
const MAPPED: bool = !cfg!(CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP);

/// A page.
///
/// # Invariants
///
/// This is a page that nobody else frees, and not one of high memory. If [`MAPPED`], its bytes are
/// at `bytes`.
pub(crate) struct Page {
    page: NonNull<bindings::page>,
    bytes: *mut c_void,
}

// SAFETY: A page can be freed by any thread.
unsafe impl Send for Page {}
// SAFETY: A shared `Page` gives its address away, and no more.
unsafe impl Sync for Page {}

impl Page {
    /// A page, which the caller's memory cgroup pays for if it is `accounted`. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new(accounted: bool) -> Result<Self> {
        let page = block(accounted, 0).ok_or(ENOMEM)?;
        // SAFETY: It has just been allocated for this, and not in high memory.
        Ok(unsafe { Self::from_raw(page) })
    }

    /// # Safety
    ///
    /// This must be a page that nobody else frees, and not one of high memory.
    unsafe fn from_raw(page: NonNull<bindings::page>) -> Self {
        // SAFETY: By the safety requirements, this is a page; it is unmapped at once.
        let bytes = unsafe {
            let bytes = bindings::kmap_local_page(page.as_ptr());
            bindings::kunmap_local(bytes);
            bytes
        };
        // INVARIANT: By the safety requirements.
        Self { page, bytes }
    }

    /// The kernel's name for it.
    pub(crate) fn as_ptr(&self) -> *mut bindings::page {
        self.page.as_ptr()
    }

    /// Calls `work` with the address of the page's bytes, which is good as long as that lasts.
    #[inline(always)]
    pub(crate) fn with_bytes<T>(&self, work: impl FnOnce(*mut u8) -> T) -> T {
        if MAPPED {
            return work(self.bytes.cast());
        }
        // SAFETY: By the type invariants, this is a page.
        let bytes = unsafe { bindings::kmap_local_page(self.as_ptr()) };
        let result = work(bytes.cast());
        // SAFETY: It was mapped above, and what was mapped since has been unmapped.
        unsafe { bindings::kunmap_local(bytes) };
        result
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: By the type invariants, nobody else frees it.
        unsafe { bindings::__free_pages(self.as_ptr(), 0) };
    }
}

/// `count` pages, a power of two, as [`Page::new`] makes them. Also returns how many bytes, a power
/// of two, are in neighbours: [`Page::with_bytes`] of the first of them is good for all. May sleep.
///
/// # Errors
///
/// `ENOMEM`.
pub(crate) fn allocate(count: usize, accounted: bool) -> Result<(KVVec<UnsafeCell<Page>>, usize)> {
    let mut pages = KVVec::with_capacity(count, flags(accounted))?;
    let mut order = count.ilog2().min(BLOCK_ORDER);
    while pages.len() < count {
        match block(accounted, order) {
            Some(first) => {
                for nth in 0..1 << order {
                    // SAFETY: The block has so many pages; it has just been allocated for this, and
                    // not in high memory, and split.
                    let page = unsafe { Page::from_raw(first.add(nth)) };
                    pages.push(UnsafeCell::new(page), flags(accounted))?;
                }
            }
            // Smaller ones from here on, so the last are the smallest.
            None if order > 0 => order /= 2,
            None => return Err(ENOMEM),
        }
    }
    let together = if MAPPED { order } else { 0 };
    Ok((pages, PAGE_SIZE << together))
}

/// How memory is allocated that the caller's memory cgroup pays for, or not.
pub(crate) fn flags(accounted: bool) -> Flags {
    if accounted {
        GFP_KERNEL_ACCOUNT
    } else {
        GFP_KERNEL
    }
}

/// A block of pages, each of which is to be freed by itself. The kernel does not try hard to find
/// several together: smaller blocks will do.
fn block(accounted: bool, order: u32) -> Option<NonNull<bindings::page>> {
    let mut flags = if accounted {
        bindings::GFP_KERNEL_ACCOUNT
    } else {
        bindings::GFP_KERNEL
    };
    if order > 0 {
        flags |= 1 << bindings::___GFP_NORETRY_BIT | bindings::__GFP_NOWARN;
    }
    // SAFETY: It may sleep here. None of these flags brings high memory.
    let first = NonNull::new(unsafe { bindings::alloc_pages(flags, order) })?;
    // SAFETY: These pages have just been allocated together.
    unsafe { bindings::split_page(first.as_ptr(), order) };
    Some(first)
}

/// Copies `len` bytes from one page to another, each from its own offset on.
///
/// # Safety
///
/// They must lie within both pages. Nobody may write to them in `from`,
/// or use those in `to`, meanwhile.
pub(crate) unsafe fn copy_part(from: &Page, offset: usize, to: &Page, at: usize, len: usize) {
    from.with_bytes(|from| {
        to.with_bytes(|to| {
            // SAFETY: By the safety requirements; these are two pages, so they do not overlap.
            unsafe { to.add(at).copy_from_nonoverlapping(from.add(offset), len) }
        })
    });
}
