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
    io,
    ptr, //
};

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
    fn fuzz_start_server(coverage: *const RawCoverage, request: *mut *mut RawProgram) -> c_int;
    fn fuzz_run(server: c_int) -> bool;
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
pub struct Runner {
    server: c_int,
    request: *mut RawProgram,
}

impl Runner {
    pub fn new(coverage: &RawCoverage) -> io::Result<Self> {
        let mut request = ptr::null_mut();
        // SAFETY: Both pointers are valid. The server, a process, has its own copy of `coverage`.
        let server = unsafe { fuzz_start_server(coverage, &mut request) };
        if server < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self { server, request })
    }

    /// Returns whether all processes of the program have ended.
    pub fn run(&mut self, program: &Program) -> bool {
        // SAFETY: The server reads the request only while `fuzz_run` waits for it.
        unsafe {
            self.request.write(program.to_raw());
            fuzz_run(self.server)
        }
    }
}
