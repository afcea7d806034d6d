// SPDX-License-Identifier: GPL-2.0

//! User memory: buffers with made-up addresses, which can fault.

use crate::{prelude::*, rt, sim};

/// An address of user memory.
#[derive(Clone, Copy)]
pub struct UserPtr(pub usize);

impl UserPtr {
    pub fn as_mut_ptr(self) -> *mut c_void {
        std::ptr::without_provenance_mut(self.0)
    }

    pub fn as_const_ptr(self) -> *const c_void {
        std::ptr::without_provenance(self.0)
    }

    pub fn wrapping_byte_add(self, bytes: usize) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

/// How a buffer behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// From this offset on there is no memory: EFAULT. Once a copy has failed there, another thread
    /// maps it. So if a call wrongly goes on, its next copy succeeds, and bytes are missing.
    pub nothing_from: Option<usize>,
    /// The memory is not in place yet: the first access brings it in, and fails if page faults are
    /// disabled.
    pub paged_out: bool,
    /// As `paged_out`, but the first access sleeps until [`sim::release`] is called:
    /// userfaultfd(2).
    pub stuck: bool,
}

/// One buffer.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    faults: Faults,
}

/// The address space: each buffer is far from the others.
const DISTANCE: usize = 1 << 16;

/// A new buffer with these bytes. Returns its address.
pub fn map(bytes: Vec<u8>, faults: Faults) -> UserPtr {
    sim::with(|world| {
        world.buffers.push(Buffer { bytes, faults });
        UserPtr(world.buffers.len() * DISTANCE)
    })
}

/// Bytes of a buffer.
pub fn peek(address: UserPtr, len: usize) -> Vec<u8> {
    sim::with(|world| {
        let (buffer, offset) = find(world, address.0);
        buffer.bytes[offset..offset + len].to_vec()
    })
}

fn find(world: &mut sim::World, address: usize) -> (&mut Buffer, usize) {
    (
        &mut world.buffers[address / DISTANCE - 1],
        address % DISTANCE,
    )
}

/// Copies between user memory at `address` and `bytes`. Returns how many bytes were not copied.
///
/// With page faults enabled this may sleep, and other tasks may run amid and after the copy.
/// With page faults disabled it does neither: the caller holds a mutex, and a copy of a part of a
/// page is too short for others to matter.
///
/// # Safety
///
/// `bytes` must be valid for `len` bytes.
pub(crate) unsafe fn copy(address: usize, bytes: *mut u8, len: usize, to_user: bool) -> usize {
    // SAFETY: The current task is valid while it runs this code.
    let may_sleep = unsafe { (*sim::current_raw()).pagefault_disabled } == 0;
    if may_sleep {
        sim::may_sleep("a copy that may fault");
    }
    let (faults, whole) = sim::with(|world| {
        let (buffer, offset) = find(world, address);
        let end = buffer.faults.nothing_from.unwrap_or(buffer.bytes.len());
        let whole = end.saturating_sub(offset).min(len);
        if may_sleep && whole < len {
            buffer.faults.nothing_from = None;
        }
        (buffer.faults, whole)
    });
    if faults.paged_out || faults.stuck {
        if !may_sleep {
            return len;
        }
        if faults.stuck {
            sim::sleep_until_released();
        }
        sim::with(|world| {
            let faults = &mut find(world, address).0.faults;
            (faults.paged_out, faults.stuck) = (false, false);
        });
    }
    let _claim = sim::claim(bytes.addr(), whole, !to_user);
    let pieces = if may_sleep { whole.min(2) } else { 1 };
    let mut done = 0;
    for piece in 1..=pieces {
        let end = whole * piece / pieces;
        sim::with(|world| {
            let (buffer, offset) = find(world, address);
            let user = &mut buffer.bytes[offset + done..offset + end];
            // SAFETY: `bytes` is valid by the safety requirements. If others use these bytes, too,
            // `claim` has ended the test.
            let bytes = unsafe { std::slice::from_raw_parts_mut(bytes.add(done), end - done) };
            if to_user {
                user.copy_from_slice(bytes);
            } else {
                bytes.copy_from_slice(user);
            }
        });
        done = end;
        if may_sleep {
            rt::point();
        }
    }
    len - whole
}
