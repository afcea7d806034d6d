// SPDX-License-Identifier: GPL-2.0

//! Counted references to pages, which are allocated in contiguous blocks.
//!
//! The kernel crate's `Page` is allocated one at a time, and has a single owner.

use core::ptr::NonNull;
use kernel::{
    alloc::Flags,
    bindings,
    page::PAGE_SIZE,
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Whether pages outside of high memory are always mapped, so that `kmap_local_page()` only returns
/// their address.
const ALWAYS_MAPPED: bool = !cfg!(CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP);

/// How many bytes of a block of `1 << order` pages have contiguous addresses in
/// [`Page::with_bytes`].
pub(crate) fn contig_len(order: u32) -> usize {
    PAGE_SIZE << if ALWAYS_MAPPED { order } else { 0 }
}

/// A reference to a page.
///
/// # Invariants
///
/// `page` is a page outside of high memory, and this owns one of its references. If
/// [`ALWAYS_MAPPED`], its bytes are at `bytes`.
pub(crate) struct Page {
    page: NonNull<bindings::page>,
    bytes: *mut c_void,
}

// SAFETY: References to a page are counted atomically, by any thread.
unsafe impl Send for Page {}
// SAFETY: A shared `Page` only gives out the page's address, and further references.
unsafe impl Sync for Page {}

impl Page {
    /// Allocates a page, which is charged to the current task's memory cgroup. The OOM killer is
    /// not called.
    ///
    /// Context: process context; may sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let page = block(0, true, RETRY_MAYFAIL).ok_or(ENOMEM)?;
        // SAFETY: The page is not of high memory, and its only reference is handed over.
        Ok(unsafe { Self::from_raw(page) })
    }

    /// Allocates a page like [`Page::new`], but waits until there is one. The OOM killer may be
    /// called, as for a page of pipe(2). [`None`] does not happen.
    ///
    /// Context: process context; may sleep.
    pub(crate) fn wait_for_new() -> Option<Self> {
        let page = block(0, true, NOFAIL)?;
        // SAFETY: As above.
        Some(unsafe { Self::from_raw(page) })
    }

    /// # Safety
    ///
    /// `page` must be a page outside of high memory. The caller must own a reference to it, which
    /// is handed over.
    unsafe fn from_raw(page: NonNull<bindings::page>) -> Self {
        // SAFETY: `page` is a page by the safety requirements. The mapping ends at once: the
        // address is only used if `ALWAYS_MAPPED`, so that it stays valid.
        let bytes = unsafe {
            let bytes = bindings::kmap_local_page(page.as_ptr());
            bindings::kunmap_local(bytes);
            bytes
        };
        // INVARIANT: By the safety requirements.
        Self { page, bytes }
    }

    /// Another reference to the same page.
    pub(crate) fn share(&self) -> Self {
        // SAFETY: The page is valid by the type invariants. This is `get_page()`, which `bindgen`
        // does not see.
        let references = unsafe { Atomic::from_ptr(&raw mut (*self.as_ptr())._refcount.counter) };
        references.fetch_add(1, Relaxed);
        // INVARIANT: This owns the reference that has just been added.
        Self { ..*self }
    }

    /// Hands the reference over to the caller, without dropping it.
    pub(crate) fn into_raw(self) -> *mut bindings::page {
        core::mem::ManuallyDrop::new(self).as_ptr()
    }

    /// The page itself.
    pub(crate) fn as_ptr(&self) -> *mut bindings::page {
        self.page.as_ptr()
    }

    /// Whether the addresses of the bytes of `next` follow those of this page's bytes.
    #[inline(always)]
    pub(crate) fn is_followed_by(&self, next: &Self) -> bool {
        ALWAYS_MAPPED && self.bytes.wrapping_byte_add(PAGE_SIZE) == next.bytes
    }

    /// Calls `work` with the address of the page's bytes, which is valid during the call. The
    /// addresses of several pages' bytes may be contiguous: see [`contig_len`] and
    /// [`Page::is_followed_by`].
    #[inline(always)]
    pub(crate) fn with_bytes<T>(&self, work: impl FnOnce(*mut u8) -> T) -> T {
        if ALWAYS_MAPPED {
            return work(self.bytes.cast());
        }
        // SAFETY: `page` is a page by the type invariants.
        let bytes = unsafe { bindings::kmap_local_page(self.as_ptr()) };
        let result = work(bytes.cast());
        // SAFETY: This was mapped above; mappings that `work` made have ended, in reverse order.
        unsafe { bindings::kunmap_local(bytes) };
        result
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: This owns a reference by the type invariants. Dropping the last one frees the
        // page.
        unsafe { bindings::__free_pages(self.as_ptr(), 0) };
    }
}

/// Allocates a block of `1 << order` contiguous pages, and calls `push` with each page. Returns
/// whether there was memory for the block.
///
/// For a block of several pages the kernel does not try hard: the caller can ask for a smaller
/// block. For a single page the kernel tries hard, but does not call the OOM killer.
///
/// Context: process context; may sleep.
pub(crate) fn allocate_block(order: u32, accounted: bool, mut push: impl FnMut(Page)) -> bool {
    let effort = if order > 0 { NORETRY } else { RETRY_MAYFAIL };
    let Some(first) = block(order, accounted, effort) else {
        return false;
    };
    for nth in 0..1 << order {
        // SAFETY: The block has this many pages, not of high memory. `block` has given each of them
        // a reference, which is handed over.
        push(unsafe { Page::from_raw(first.add(nth)) });
    }
    true
}

/// An estimate of how many pages could be allocated.
pub(crate) fn available() -> usize {
    // SAFETY: Any context may ask.
    usize::try_from(unsafe { bindings::si_mem_available() }).unwrap_or(0)
}

/// `GFP_KERNEL`; if `accounted`, the current task's memory cgroup is charged.
pub(crate) fn flags(accounted: bool) -> Flags {
    if accounted {
        GFP_KERNEL_ACCOUNT
    } else {
        GFP_KERNEL
    }
}

/// Give up soon: `__GFP_NORETRY`.
const NORETRY: u32 = 1 << bindings::___GFP_NORETRY_BIT;

/// Try hard, but do not call the OOM killer: `__GFP_RETRY_MAYFAIL`.
const RETRY_MAYFAIL: u32 = 1 << bindings::___GFP_RETRY_MAYFAIL_BIT;

/// Wait until there is memory: `__GFP_NOFAIL`.
const NOFAIL: u32 = 1 << bindings::___GFP_NOFAIL_BIT;

/// The first of `1 << order` contiguous pages, each with a reference of its own.
fn block(order: u32, accounted: bool, effort: u32) -> Option<NonNull<bindings::page>> {
    let flags = if accounted {
        bindings::GFP_KERNEL_ACCOUNT
    } else {
        bindings::GFP_KERNEL
    };
    // SAFETY: The caller may sleep. None of these flags allows high memory.
    let first = unsafe { bindings::alloc_pages(flags | bindings::__GFP_NOWARN | effort, order) };
    let first = NonNull::new(first)?;
    if order > 0 {
        // SAFETY: The block has just been allocated with this order.
        unsafe { bindings::split_page(first.as_ptr(), order) };
    }
    Some(first)
}

/// Copies `len` bytes from offset `from_offset` in one page to offset `to_offset` in another.
///
/// # Safety
///
/// The bytes must lie within both pages, which must be different ones. During the copy nobody may
/// write to the bytes in `from`, or access those in `to`.
pub(crate) unsafe fn copy_part(
    from: &Page,
    from_offset: usize,
    to: &Page,
    to_offset: usize,
    len: usize,
) {
    from.with_bytes(|from| {
        to.with_bytes(|to| {
            // SAFETY: By the safety requirements.
            unsafe {
                to.add(to_offset)
                    .copy_from_nonoverlapping(from.add(from_offset), len)
            }
        })
    });
}
