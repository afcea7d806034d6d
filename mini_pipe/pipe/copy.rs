// SPDX-License-Identifier: GPL-2.0

//! Copies under a reservation.

use crate::{
    pipe::wait::spin::{
        can_spin,
        Spinner, //
    },
    ring::{
        dir::Direction,
        reservation::Reservation,
        user::UserMemory, //
    }, //
};
use kernel::page::PAGE_SIZE;

/// Where the other direction can spin, a long copy is made in chunks of this many bytes. A task
/// that spins there gets the first chunk while the second one is being copied.
const CHUNK: usize = 8 * PAGE_SIZE;

/// Copies the reserved bytes to or from `user`: all of them, or until a chunk ends while a task of
/// the other direction spins (`spinner`), or until a fault. Returns how many bytes were copied, and
/// whether there was a fault.
///
/// Context: process context; may sleep in a page fault.
#[inline(always)]
pub(crate) fn copy_chunked<D: Direction>(
    reservation: &Reservation<D>,
    spinner: &Spinner,
    user: &mut impl UserMemory<D>,
) -> (usize, bool) {
    let len = reservation.len();
    let chunk = if can_spin() { CHUNK } else { len };
    let mut done = 0;
    loop {
        let copied = reservation.copy(done, chunk, user);
        done += copied;
        let fault = copied < chunk && done < len;
        if fault || done == len || spinner.is_armed() {
            return (done, fault);
        }
    }
}
