// SPDX-License-Identifier: GPL-2.0

//! The reference pipe: bytes in a queue, and the rules of README.md. It knows nothing of waiting,
//! of pages or of reservations.

use crate::ring::dir::{Dir, PerDir};
use kernel::page::PAGE_SIZE;
use std::collections::VecDeque;

/// A byte in the pipe.
#[derive(Clone, Copy, Debug)]
struct Byte {
    value: u8,
    /// The number of its packet; [`None`] for a byte of a stream.
    packet: Option<usize>,
    /// The number of the call that wrote it.
    call: usize,
}

/// An open file.
struct File {
    modes: PerDir<bool>,
    /// Whether it has seen a peer at each end.
    seen: PerDir<bool>,
    open: bool,
}

pub(crate) struct Reference {
    bytes: VecDeque<Byte>,
    pub(crate) capacity: usize,
    pub(crate) private: bool,
    files: Vec<File>,
    packets: usize,
}

impl Reference {
    pub(crate) fn new(capacity: usize, private: bool) -> Self {
        Self {
            bytes: VecDeque::new(),
            capacity,
            private,
            files: Vec::new(),
            packets: 0,
        }
    }

    /// Opens the pipe, and returns the number of the file.
    pub(crate) fn open(&mut self, modes: PerDir<bool>) -> usize {
        for dir in [Dir::Read, Dir::Write] {
            if modes[dir] {
                self.files.iter_mut().for_each(|file| file.seen[dir] = true);
            }
        }
        let seen = PerDir {
            read: self.private || modes.read || self.is_open(Dir::Read),
            write: self.private || modes.write || self.is_open(Dir::Write) || self.len() > 0,
        };
        self.files.push(File {
            modes,
            seen,
            open: true,
        });
        self.files.len() - 1
    }

    /// Closes a file.
    pub(crate) fn close(&mut self, file: usize) {
        self.files[file].open = false;
        if self.private && !self.is_open(Dir::Read) && !self.is_open(Dir::Write) {
            self.bytes.clear();
        }
    }

    pub(crate) fn is_open_file(&self, file: usize) -> bool {
        self.files[file].open
    }

    pub(crate) fn is_open(&self, dir: Dir) -> bool {
        self.files.iter().any(|file| file.open && file.modes[dir])
    }

    pub(crate) fn modes(&self, file: usize) -> PerDir<bool> {
        self.files[file].modes
    }

    /// Whether `file` has seen a peer for `dir`, and all are closed.
    pub(crate) fn peer_closed(&self, file: usize, dir: Dir) -> bool {
        self.files[file].seen[dir] && !self.is_open(dir)
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many bytes can be written: none if there are as many packets as slots.
    pub(crate) fn room(&self) -> usize {
        let slots = self.capacity.div_ceil(PAGE_SIZE).next_power_of_two();
        if self.packet_count() == slots {
            0
        } else {
            self.capacity - self.len()
        }
    }

    pub(crate) fn packet_count(&self) -> usize {
        let mut packets: Vec<_> = self.bytes.iter().filter_map(|byte| byte.packet).collect();
        packets.dedup();
        packets.len()
    }

    /// A write of at most this many bytes is atomic.
    pub(crate) fn atomic_limit(&self) -> usize {
        self.capacity.min(kernel::bindings::PIPE_BUF as usize)
    }

    /// How many bytes a read of `len` bytes gets if nothing else happens, and whether they are of a
    /// packet.
    pub(crate) fn available(&self, len: usize) -> (usize, bool) {
        let Some(first) = self.bytes.front() else {
            return (0, false);
        };
        let same = self
            .bytes
            .iter()
            .take_while(|byte| byte.packet == first.packet)
            .count();
        (same.min(len), first.packet.is_some())
    }

    /// The bytes `values` come in, as a packet or not.
    pub(crate) fn write(&mut self, values: &[u8], is_packet: bool, call: usize) {
        self.packets += 1;
        let packet = is_packet.then_some(self.packets);
        self.bytes.extend(values.iter().map(|&value| Byte {
            value,
            packet,
            call,
        }));
    }

    /// How many bytes of a call are in the pipe.
    pub(crate) fn len_of(&self, call: usize) -> usize {
        self.bytes.iter().filter(|byte| byte.call == call).count()
    }

    /// The newest `count` bytes go, as if they had never been written.
    pub(crate) fn unwrite(&mut self, count: usize) {
        self.bytes.truncate(self.bytes.len() - count);
    }

    /// The oldest `count` bytes go out. Returns them; [`None`] if that many cannot go out together.
    /// The rest of a packet goes with them.
    pub(crate) fn read(&mut self, count: usize) -> Option<Vec<u8>> {
        let (available, is_packet) = self.available(count);
        if available < count {
            return None;
        }
        let packet = self.bytes.front()?.packet;
        let values = self.bytes.drain(..count).map(|byte| byte.value).collect();
        while is_packet && self.bytes.front().is_some_and(|byte| byte.packet == packet) {
            self.bytes.pop_front();
        }
        Some(values)
    }
}
