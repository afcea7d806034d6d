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
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    },
    task::Task, //
};

/// A block has at most so many pages, two to this power: 1 MiB.
const BLOCK_ORDER: u32 = 8;

/// Whether bytes that are not in high memory have their address for ever: `kmap_local_page` finds
/// it, and does no more.
const MAPPED: bool = !cfg!(CONFIG_DEBUG_KMAP_LOCAL_FORCE_MAP);

/// A reference to a page.
///
/// # Invariants
///
/// This is a page, and not one of high memory; one of its references is this one's. If [`MAPPED`],
/// its bytes are at `bytes`.
pub(crate) struct Page {
    page: NonNull<bindings::page>,
    bytes: *mut c_void,
}

// SAFETY: References to a page are counted atomically, by any thread.
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
    /// This must be a page, and not one of high memory, and the caller must have a reference to it,
    /// which is handed over.
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

    /// Another reference to the same page.
    pub(crate) fn share(&self) -> Self {
        // SAFETY: By the type invariants, the page is valid. This is `get_page()`, which `bindgen`
        // does not see.
        let references = unsafe { Atomic::from_ptr(&raw mut (*self.as_ptr())._refcount.counter) };
        references.fetch_add(1, Relaxed);
        // INVARIANT: The reference has just been added.
        Self { ..*self }
    }

    /// Hands the reference over to the caller.
    pub(crate) fn into_raw(self) -> *mut bindings::page {
        core::mem::ManuallyDrop::new(self).as_ptr()
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
        // SAFETY: By the type invariants, the reference is this one's. The last one frees the page.
        unsafe { bindings::__free_pages(self.as_ptr(), 0) };
    }
}

/// `count` pages, a power of two, as [`Page::new`] makes them. Also returns how many bytes, a power
/// of two, are in neighbours: [`Page::with_bytes`] of the first of them is good for all. May sleep.
///
/// # Errors
///
/// - `ENOMEM`. Nobody else is killed to find more memory.
/// - `EINTR`: the caller is being killed.
pub(crate) fn allocate(count: usize, accounted: bool) -> Result<(KVVec<UnsafeCell<Page>>, usize)> {
    // Where it is plain that there is not enough, nothing is taken from the others, not even for a
    // moment: as kernel/trace/ring_buffer.c does it. A ring of one block is worth a try.
    // SAFETY: This can always be asked.
    let available = || usize::try_from(unsafe { bindings::si_mem_available() }).unwrap_or(0);
    if count > 1 << BLOCK_ORDER && available() < count {
        return Err(ENOMEM);
    }
    let mut pages = KVVec::with_capacity(count, flags(accounted))?;
    let mut order = count.ilog2().min(BLOCK_ORDER);
    while pages.len() < count {
        if is_being_killed() {
            return Err(EINTR);
        }
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

/// Whether a signal has come that the caller does not survive: `fatal_signal_pending()`, which
/// `bindgen` does not see.
fn is_being_killed() -> bool {
    const KILL: c_ulong = 1 << (bindings::SIGKILL - 1);
    // SAFETY: The current task is valid while it runs this, and so is this word, which others
    // change under a lock, and which is only looked at.
    let pending =
        unsafe { (&raw const (*Task::current_raw()).pending.signal.sig[0]).read_volatile() };
    pending & KILL != 0
}

/// A block of pages, each of which is to be freed by itself. For several together the kernel does
/// not try hard: smaller blocks will do. For single ones it does, but it kills nobody.
fn block(accounted: bool, order: u32) -> Option<NonNull<bindings::page>> {
    let mut flags = if accounted {
        bindings::GFP_KERNEL_ACCOUNT
    } else {
        bindings::GFP_KERNEL
    };
    flags |= bindings::__GFP_NOWARN;
    flags |= if order > 0 {
        1 << bindings::___GFP_NORETRY_BIT
    } else {
        1 << bindings::___GFP_RETRY_MAYFAIL_BIT
    };
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
