// SPDX-License-Identifier: GPL-2.0

//! Takes the place of mini_pipe/sys, whose types reach into the kernel's structures: the same
//! names, for the stand-in kernel.

pub(crate) mod account;
pub(crate) mod fasync;
pub(crate) mod headers;
pub(crate) mod page;
pub(crate) mod poll;
pub(crate) mod task;
pub(crate) mod trace;
