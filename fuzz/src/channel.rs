// SPDX-License-Identifier: GPL-2.0

//! The memory that the machine shares with the host. On the host it is a file, which survives a
//! crash of the machine; in the machine it is a device of QEMU, ivshmem.
//!
//! The first part has a slot for each of the last programs that ran. The rest has lines of text.

use crate::program::Program;
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

/// How many programs the first part has, and the bytes of each. scripts/fuzz.sh has their product.
pub const SLOTS: usize = 128;
const SLOT_LEN: usize = 4096;

/// The vendor and the device of ivshmem.
const IDS: [&str; 2] = ["0x1af4", "0x1110"];

pub struct Channel {
    bytes: &'static mut [u8],
    end: usize,
    runs: usize,
}

impl Channel {
    pub fn open() -> io::Result<Self> {
        for device in fs::read_dir("/sys/bus/pci/devices")? {
            let dir = device?.path();
            let read = |name| fs::read_to_string(dir.join(name)).unwrap_or_default();
            if [read("vendor").trim(), read("device").trim()] != IDS {
                continue;
            }
            // Without this, the processor does not reach the memory of the device.
            fs::write(dir.join("enable"), "1")?;
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .open(dir.join("resource2"))?;
            let len = file.metadata()?.len() as usize;
            // SAFETY: A new mapping, which stays.
            let memory = unsafe {
                libc::mmap(
                    ptr::null_mut(),
                    len,
                    libc::PROT_READ | libc::PROT_WRITE,
                    libc::MAP_SHARED,
                    file.as_raw_fd(),
                    0,
                )
            };
            if memory == libc::MAP_FAILED {
                return Err(io::Error::last_os_error());
            }
            // Programs do not get a copy of the mapping, which would take time.
            //
            // SAFETY: The mapping is valid.
            unsafe { libc::madvise(memory, len, libc::MADV_DONTFORK) };
            // SAFETY: The mapping has `len` bytes, and nobody else in this machine uses it.
            let bytes = unsafe { slice::from_raw_parts_mut(memory.cast(), len) };
            return Ok(Self {
                bytes,
                end: SLOTS * SLOT_LEN,
                runs: 0,
            });
        }
        Err(io::ErrorKind::NotFound.into())
    }

    /// Writes down a program that is about to run.
    pub fn note(&mut self, program: &Program) {
        let start = self.runs % SLOTS * SLOT_LEN;
        let slot = &mut self.bytes[start..start + SLOT_LEN];
        let text = format!("{:09} {program}\n", self.runs);
        let text = &text.as_bytes()[..text.len().min(SLOT_LEN)];
        slot.fill(0);
        slot[..text.len()].copy_from_slice(text);
        self.runs += 1;
    }

    /// Appends a line. Once the memory is full, lines are lost.
    pub fn line(&mut self, text: &str) {
        let end = self.end + text.len() + 1;
        if end <= self.bytes.len() {
            self.bytes[self.end..end - 1].copy_from_slice(text.as_bytes());
            self.bytes[end - 1] = b'\n';
            self.end = end;
        }
    }
}
