// SPDX-License-Identifier: GPL-2.0

//! What the kernel sees of mini_pipe: the only layer that defines `extern "C"` functions, and fills
//! the kernel's structures for operations, inodes and parameters.
//!
//! Modules: [`mod@file`] (an open file and its operations), [`misc`] (/dev/mini_pipe), `ioctl` and
//! [`uapi`], `private` (private pipes) and [`pipefs`] (their file system), `name`, `splice` (into a
//! pipe(2)), `splice_write` (out of one), `transfer` (splice and tee by ioctl), `foreign` (with
//! files that are no pipes), `vmsplice`, `debugfs` (a list of all pipes), `limits` and `quota`
//! (what users may have), [`params`] (the module's parameters), `module`.

#[cfg(CONFIG_DEBUG_FS)]
pub(crate) mod debugfs;
pub(crate) mod file;
mod foreign;
mod ioctl;
mod limits;
pub(crate) mod misc;
mod module;
mod name;
pub(crate) mod params;
pub(crate) mod pipefs;
mod private;
mod quota;
mod splice;
mod splice_write;
mod transfer;
mod uapi;
mod vmsplice;
