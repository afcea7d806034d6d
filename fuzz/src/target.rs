// SPDX-License-Identifier: GPL-2.0

//! Runs programs in this machine.

use crate::{
    calls::Runner,
    channel::Channel,
    coverage::Coverage,
    machine::Machine,
    program::Program, //
};
use std::io;

pub struct Target {
    pub channel: Channel,
    pub coverage: Coverage,
    pub machine: Machine,
    runner: Runner,
}

impl Target {
    pub fn new(channel: Channel) -> io::Result<Self> {
        let coverage = Coverage::new()?;
        Ok(Self {
            channel,
            runner: Runner::new(&coverage.raw)?,
            machine: Machine::new()?,
            coverage,
        })
    }

    /// Runs the program. Returns the complaint, if there is one.
    pub fn run(&mut self, program: &Program) -> Result<(), String> {
        self.channel.note(program);
        self.machine.prepare();
        self.coverage.clear();
        let ended = self.runner.run(program);
        match self.machine.report() {
            Some(report) => Err(report),
            None if ended => Ok(()),
            None => Err("a process of the program does not end".into()),
        }
    }
}
