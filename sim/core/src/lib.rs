// SPDX-License-Identifier: GPL-2.0

//! The simulation: the core of mini_pipe, its very files, under a scheduler that tries many orders
//! of events, beside a simple reference pipe. README.md of `sim` describes it.

// The module uses more of the core than the simulation does.
#[allow(dead_code)]
#[path = "../../../mini_pipe/pipe/mod.rs"]
mod pipe;
#[allow(dead_code, clippy::all)]
#[path = "../../../mini_pipe/ring/mod.rs"]
mod ring;
#[allow(dead_code)]
mod sys;

mod calls;
pub mod config;
#[cfg(test)]
mod growth;
mod reference;
pub mod run;
pub mod shrink;
pub mod small;
mod splice;
mod stage;
mod story;
#[cfg(test)]
mod transfer;
