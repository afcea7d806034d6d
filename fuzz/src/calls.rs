// SPDX-License-Identifier: GPL-2.0

//! The calls and the way to run a program, which are in C: fuzz/calls.

use crate::program::{
    Program,
    RawProgram,
    MAX_TASKS, //
};
use std::{
    ffi::{
        c_char,
        c_int,
        c_uint,
        CStr, //
    },
    ptr::NonNull, //
};

/// `struct shared` of calls/program.h.
#[repr(C)]
struct Shared {
    _private: [u8; 0],
}

/// `struct coverage` of calls/program.h.
#[repr(C)]
pub struct RawCoverage {
    pub fds: [c_int; MAX_TASKS],
    pub areas: [*mut usize; MAX_TASKS],
}

extern "C" {
    fn fuzz_call_count() -> c_uint;
    fn fuzz_call_name(nr: c_uint) -> *const c_char;
    fn fuzz_call_weight(nr: c_uint) -> c_uint;
    fn fuzz_make_shared() -> *mut Shared;
    fn fuzz_run(
        program: *const RawProgram,
        shared: *mut Shared,
        coverage: *const RawCoverage,
    ) -> bool;
}

pub fn count() -> u8 {
    // SAFETY: It only returns a number, which is less than 256.
    unsafe { fuzz_call_count() as u8 }
}

pub fn name(nr: u8) -> &'static str {
    // SAFETY: It returns a string that is never freed.
    let name = unsafe { CStr::from_ptr(fuzz_call_name(nr.into())) };
    name.to_str().unwrap_or("")
}

pub fn number(wanted: &str) -> Option<u8> {
    (0..count()).find(|nr| name(*nr) == wanted)
}

/// How often the generator picks this call.
pub fn weight(nr: u8) -> usize {
    // SAFETY: It only returns a number.
    unsafe { fuzz_call_weight(nr.into()) as usize }
}

/// Runs programs, one at a time.
pub struct Runner(NonNull<Shared>);

impl Runner {
    pub fn new() -> Self {
        // SAFETY: It makes a mapping that stays, and makes this process a subreaper.
        let shared = unsafe { fuzz_make_shared() };
        Self(NonNull::new(shared).expect("memory"))
    }

    /// Returns whether all processes of the program have ended.
    pub fn run(&mut self, program: &Program, coverage: &RawCoverage) -> bool {
        // SAFETY: All are valid, and nobody else uses them during the call.
        unsafe { fuzz_run(&program.to_raw(), self.0.as_ptr(), coverage) }
    }
}
