// SPDX-License-Identifier: GPL-2.0

//! Waiting: who waits for a change, and how a change wakes them.
//!
//! A call that cannot go on waits in up to two ways: first it spins for a short time ([`spin`]),
//! then it sleeps on the wait queue of its direction. The writer of an active rendezvous does not
//! spin: it sleeps at once, on a queue of its own, for room and until its bytes have been read.
//! Polls wait on queues of their own, too, and files with `O_ASYNC` get a signal ([`fasync`]).
//!
//! A call that changes the pipe finds out, with the mutex held, whom the change wakes
//! ([`waiters`]), and collects [`wakeups::Wakeups`]. `Pipe::unlock_and_wake` drops the mutex and
//! sends them.
//!
//! A woken task tests its condition first and its signals second: an exclusive wake-up reaches one
//! task, which must use it or hand it on.

pub(crate) mod fasync;
pub(crate) mod queues;
pub(crate) mod spin;
pub(crate) mod waiters;
pub(crate) mod wakeups;
