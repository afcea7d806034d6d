// SPDX-License-Identifier: GPL-2.0

//! The ground under the three layers: small safe types for what the kernel has and the kernel crate
//! lacks. They use nothing of the layers above.

pub(crate) mod account;
pub(crate) mod fasync;
pub(crate) mod fsnotify;
pub(crate) mod headers;
pub(crate) mod linux_7_2;
pub(crate) mod page;
pub(crate) mod poll;
pub(crate) mod task;
pub(crate) mod trace;
