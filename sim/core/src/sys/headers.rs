// SPDX-License-Identifier: GPL-2.0

//! Flags of a call.

use kernel::prelude::*;

pub(crate) const IOCB_NOWAIT: c_int = 1 << 3;
pub(crate) const IOCB_NOSIGNAL: c_int = 1 << 8;

/// No other task wants this processor. How long a task spins is up to the clock.
pub(crate) fn single_task_running() -> bool {
    true
}
