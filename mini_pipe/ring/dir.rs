// SPDX-License-Identifier: GPL-2.0

//! The two directions in which bytes move: out of the ring by a read, into it by a write.

use core::ops::{
    Index,
    IndexMut, //
};

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dir {
    /// Out of the ring.
    Read,
    /// Into the ring.
    Write,
}

impl Dir {
    /// The opposite direction.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Read => Self::Write,
            Self::Write => Self::Read,
        }
    }
}

/// One value for each direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PerDir<T> {
    pub(crate) read: T,
    pub(crate) write: T,
}

impl<T> Index<Dir> for PerDir<T> {
    type Output = T;

    #[inline(always)]
    fn index(&self, dir: Dir) -> &T {
        match dir {
            Dir::Read => &self.read,
            Dir::Write => &self.write,
        }
    }
}

impl<T> IndexMut<Dir> for PerDir<T> {
    #[inline(always)]
    fn index_mut(&mut self, dir: Dir) -> &mut T {
        match dir {
            Dir::Read => &mut self.read,
            Dir::Write => &mut self.write,
        }
    }
}

/// A direction as a type. Code that is generic over it is compiled once for each direction, and the
/// compiler refuses to mix the two.
pub(crate) trait Direction {
    /// This direction as a value.
    const DIR: Dir;
}

/// [`Dir::Read`] as a type.
pub(crate) struct Reading;

/// [`Dir::Write`] as a type.
pub(crate) struct Writing;

impl Direction for Reading {
    const DIR: Dir = Dir::Read;
}

impl Direction for Writing {
    const DIR: Dir = Dir::Write;
}
