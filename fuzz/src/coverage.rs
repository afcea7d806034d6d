// SPDX-License-Identifier: GPL-2.0

//! Which code of the module a program runs: KCOV, see Documentation/dev-tools/kcov.rst.

use crate::{
    calls::RawCoverage,
    program::MAX_TASKS, //
};
use std::{
    fs::{
        self,
        OpenOptions, //
    },
    io,
    os::fd::AsRawFd,
    ptr,
    slice, //
};

/// How many words an area has: the first word is how many follow.
const WORDS: usize = 32 << 10;
/// `_IOR('c', 1, unsigned long)`.
const KCOV_INIT_TRACE: u64 = 0x8008_6301;
/// Where the descriptors are: no call reaches them.
const FIRST_FD: i32 = 210;
/// More than the size of the module.
const MODULE_LEN: usize = 1 << 21;
/// A power of two.
pub const MAP_LEN: usize = 1 << 15;

pub struct Coverage {
    pub raw: RawCoverage,
    base: usize,
    /// All positions in the module that a program has reached.
    reached: Vec<bool>,
    /// How many these are.
    pub count: usize,
}

impl Coverage {
    pub fn new() -> io::Result<Self> {
        let mut raw = RawCoverage {
            fds: [-1; MAX_TASKS],
            areas: [ptr::null_mut(); MAX_TASKS],
        };
        for (fd, area) in raw.fds.iter_mut().zip(&mut raw.areas) {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open("/sys/kernel/debug/kcov")?;
            // SAFETY: These calls make a new descriptor and a new mapping of the file, which both
            // stay.
            unsafe {
                *fd = libc::fcntl(file.as_raw_fd(), libc::F_DUPFD, FIRST_FD);
                if libc::ioctl(*fd, KCOV_INIT_TRACE, WORDS) != 0 {
                    return Err(io::Error::last_os_error());
                }
                let memory = libc::mmap(
                    ptr::null_mut(),
                    WORDS * size_of::<usize>(),
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_SHARED,
                    *fd,
                    0,
                );
                if memory == libc::MAP_FAILED {
                    return Err(io::Error::last_os_error());
                }
                *area = memory.cast();
            }
        }
        Ok(Self {
            raw,
            base: module_base(),
            reached: vec![false; MODULE_LEN],
            count: 0,
        })
    }

    /// Forgets what was recorded. Called before a program runs.
    pub fn clear(&mut self) {
        for area in self.raw.areas {
            // SAFETY: The mapping is valid. No task of a program runs.
            unsafe { area.write_volatile(0) };
        }
    }

    /// Adds the edges of the program that has just run to `map`. Adds none if the module was loaded
    /// again meanwhile, because then the positions mean nothing.
    pub fn collect(&mut self, map: &mut [u8]) {
        let base = module_base();
        if base != self.base {
            self.base = base;
            return;
        }
        for area in self.raw.areas {
            // SAFETY: The mapping is valid, and its first word is the number of words behind it.
            let positions = unsafe {
                let count = area.read_volatile().min(WORDS - 1);
                slice::from_raw_parts(area.add(1), count)
            };
            let mut last = 0;
            for position in positions {
                let position = position.wrapping_sub(base);
                if position >= MODULE_LEN {
                    continue;
                }
                if !std::mem::replace(&mut self.reached[position], true) {
                    self.count += 1;
                }
                let edge = hash(position ^ last);
                map[edge] = map[edge].saturating_add(1);
                last = position << 1;
            }
        }
    }
}

/// An index of the map.
fn hash(edge: usize) -> usize {
    (edge.wrapping_mul(0x9e37_79b9) >> 8) % MAP_LEN
}

/// Where the module is, or 0 while it is not loaded.
fn module_base() -> usize {
    let text = fs::read_to_string("/sys/module/mini_pipe/sections/.text").unwrap_or_default();
    usize::from_str_radix(text.trim().trim_start_matches("0x"), 16).unwrap_or(0)
}
