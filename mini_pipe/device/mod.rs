// SPDX-License-Identifier: GPL-2.0

//! What the kernel sees of mini_pipe: the only layer with `extern "C"` functions, and with the
//! kernel's structures for operations, inodes and parameters.
//!
//! Modules: [`file`] (an open file and its operations), [`misc`] (/dev/mini_pipe), `ioctl` and
//! [`uapi`], `private` (private pipes) and [`pipefs`] (their file system), `splice` (into a
//! pipe(2)), `limits` and `quota` (what users may have), [`params`] (the module's parameters),
//! `module`.

pub(crate) mod file;
mod ioctl;
mod limits;
pub(crate) mod misc;
mod module;
pub(crate) mod params;
pub(crate) mod pipefs;
mod private;
mod quota;
mod splice;
mod uapi;
