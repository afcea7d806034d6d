/* SPDX-License-Identifier: GPL-2.0 */

/*
 * A model of mini_pipe's sleeping and waking, for Spin. `make verify` checks it; scripts/verify.sh has
 * the configurations, and the ways to break it.
 *
 * This is the front door. The rooms are those of the module, and what they do has the same names, so
 * that both can be read side by side:
 *
 *   pipe.pml        mini_pipe/pipe.rs: read, write and poll. Read this first
 *   transfer.pml    mini_pipe/pipe/transfer.rs: bytes go at once, or in parts under leases
 *   wait.pml        mini_pipe/pipe/waiting.rs: waiting, awake or asleep; who is told when
 *   waiters.pml     mini_pipe/waiters.rs: whom a change concerns, if anybody waits
 *   ends.pml        mini_pipe/ends.rs: who has come, and who has left
 *   ring.pml        mini_pipe/ring.rs: the copies; what the bytes are
 *   indices.pml     mini_pipe/indices.rs: how many bytes there are, and who holds them
 *   queues.pml      the kernel's wait queues and signals; mini_pipe/pollers.rs
 *   properties.pml  what must hold in every state
 *
 * What is simpler here than there, and why nothing is missed by it:
 *
 * - A critical section is one step. All that the mutex guards is touched only under it, so the sections
 *   come one after the other. Only the wait queues are touched without it, by wake-ups, and one that
 *   comes in the middle of a section can as well come before or after: a section leaves a queue right
 *   after it took the mutex, where the wake-up might have passed it by, and enters one when it has
 *   looked already, or looks afterwards.
 * - Each wake-up of a lease's end or a close, to the pollers and to the sleepers of each side, is a step
 *   of its own, after the mutex was dropped. So anything can happen between the change and each of them.
 *   One wake-up is one step: the queue has a lock.
 * - A copy is one step with the end of its lease, or with the part of it that is given back. Until then
 *   nobody else touches those bytes.
 * - Any call that could go at once may take a lease instead, as if its memory were not there. A part may
 *   be given back, or more be leased in the same step, whether somebody watches or not.
 * - One may watch, awake, for any time and as often as one likes, before one sleeps. Watching is told of
 *   nothing that is not in the pipe: what matters is that the mutex was dropped, and that one looks again.
 * - Signals come to sleepers. One that comes earlier ends the next sleep at once, as if it had come
 *   right after the sleeper had queued, which it does before it drops the mutex.
 * - Everybody makes any number of calls, of any length, blocking or not; each copy may fault after any
 *   byte; there is no end to the signals. Not one of these is counted, so the states are finite, and
 *   all of them are looked at.
 * - A unit here is many bytes there: PIPE_BUF is 2 or 3, the ring holds 2 to 4.
 * - Left out: what calls return, SIGPIPE, pages, indices that wrap. The tests look at those.
 */

/* The ring, and who uses it; so many, or 1 for yes. */
#ifndef CAPACITY
#define CAPACITY		3
#endif
#ifndef PIPE_BUF
#define PIPE_BUF		2
#endif
#ifndef READERS
#define READERS			0
#endif
#ifndef WRITERS
#define WRITERS			0
#endif
#ifndef READ_POLLERS
#define READ_POLLERS		0
#endif
#ifndef WRITE_POLLERS
#define WRITE_POLLERS		0
#endif
#ifndef EDGES			/* the pollers are edge-triggered */
#define EDGES			0
#endif
#ifndef EXCLUSIVE_POLLER
#define EXCLUSIVE_POLLER	0
#endif
#ifndef CALLS			/* of those that do not poll */
#define CALLS			EITHER
#endif
#ifndef SIGNALS
#define SIGNALS			1
#endif
#ifndef FAULTS
#define FAULTS			1
#endif
#ifndef PARTS			/* a lease may be given back in parts */
#define PARTS			1
#endif
#ifndef AWAKE			/* one may wait awake before one sleeps */
#define AWAKE			1
#endif
#ifndef COLOURS			/* the bytes are looked at */
#define COLOURS			0
#endif
#ifndef VISITS			/* how often each of them opens the pipe; 0: all have it open at first */
#define VISITS			0
#endif

/* The ways to break it, most of which are in tests/mutants, too. */
#define SIGNAL_FIRST		1
#define NO_HAND_ON		2
#define PUBLISH_AFTER_WAKE	3
#define LEASE_KEPT_ON_FAULT	4
#define FAULT_LOSES_BYTES	5
#define NO_ATOMICITY		6
#define ATOMIC_FAULTS_MIDWAY	7
#define END_WAKES_ONE		8
#define END_NOT_HANDED_ON	9
#define END_BEFORE_PEER_CAME	10
#define KEPT_OUT_FORGOTTEN	11
#define REFUSED_NOT_TOLD	12
#define SMALL_RING_NOT_WATCHED	13
#define EDGE_NOT_TOLD		14
#define ONE_QUEUE		15
#define LOOKS_BEFORE_QUEUED	16
#define SLEEPERS_NOT_SEEN	17
#define WATCHED_BLINDLY		18
#define PART_NOT_TOLD		19
#ifndef BROKEN
#define BROKEN			0
#endif
#define broken(way)		(BROKEN == way)

#include "waiters.pml"
#include "queues.pml"
#include "indices.pml"
#include "ring.pml"
#include "ends.pml"
#include "properties.pml"
#include "pipe.pml"
#include "transfer.pml"
#include "wait.pml"

/* What the calls of pipe.pml keep for themselves. */
#define CALLER							\
	byte from;						\
	bool interrupted, kept_out, holds;			\
	mtype readers_due = nobody, writers_due = nobody;	\
	mtype read_polls_due = nobody, write_polls_due = nobody

proctype Reader(byte me)
{
	CALLER;
	byte visits = VISITS;

	if
	:: VISITS == 0 -> goto next_call
	:: VISITS > 0
	fi;
	do
	:: atomic { visits > 0 -> visits--; pipe_open(me, true, false) };
next_call:	do
		:: pipe_read(me, CALLS)
		:: pipe_close(me, true, false); break
		od
	:: break
	od;
	at_work--
}

proctype Writer(byte me)
{
	CALLER;
	byte visits = VISITS;

	if
	:: VISITS == 0 -> goto next_call
	:: VISITS > 0
	fi;
	do
	:: atomic { visits > 0 -> visits--; pipe_open(me, false, true) };
next_call:	do
		:: pipe_write(me, CALLS)
		:: from == 0 -> pipe_close(me, false, true); break
		od
	:: break
	od;
	at_work--
}

#if READ_POLLERS
proctype ReadPoller(byte me)
{
	CALLER;

	readers.triggered[me] = true;
next_call:
	do
	:: wait_for_events(readers, me, true, false)
	:: pipe_read(me, NONBLOCKING)
	:: stop_polling(readers, me); pipe_close(me, true, false); break
	od;
	at_work--
}
#endif

#if WRITE_POLLERS
proctype WritePoller(byte me)
{
	CALLER;

	writers.triggered[me] = true;
next_call:
	do
	:: wait_for_events(writers, me, false, true)
	:: pipe_write(me, NONBLOCKING)
	:: from == 0 -> stop_polling(writers, me); pipe_close(me, false, true); break
	od;
	at_work--
}
#endif

#if EXCLUSIVE_POLLER
/* A file open for both, in an epoll with EPOLLEXCLUSIVE; whoever waits for that may look any time. */
proctype ExclusivePoller()
{
	CALLER;

	do
	:: atomic { true -> pipe_poll_queues(EXCLUSIVE, true, true) };
		atomic { pipe_poll_looks(EXCLUSIVE, true, true, false) }
	:: break
	od;
	atomic {
		true;
		if
		:: is_queued(readers, EXCLUSIVE) ->
			readers.queue ?? EXCLUSIVE;
			writers.queue ?? EXCLUSIVE
		:: else
		fi
	};
	pipe_close(EXCLUSIVE, true, true);
	at_work--
}
#endif

init
{
	byte i;

	atomic {
#if VISITS == 0
		for (i : 1 .. READERS + READ_POLLERS) { pipe_open(i - 1, true, false) }
		for (i : 1 .. WRITERS + WRITE_POLLERS) { pipe_open(i - 1, false, true) }
#endif
		for (i : 1 .. READERS) { run Reader(i - 1) }
		for (i : 1 .. WRITERS) { run Writer(i - 1) }
#if READ_POLLERS
		for (i : 1 .. READ_POLLERS) { run ReadPoller(READERS + i - 1) }
#endif
#if WRITE_POLLERS
		for (i : 1 .. WRITE_POLLERS) { run WritePoller(WRITERS + i - 1) }
#endif
#if EXCLUSIVE_POLLER
		pipe_open(EXCLUSIVE, true, true);
		run ExclusivePoller();
#endif
#if SIGNALS
		run Signals();
#endif
		run Monitor();
		at_work = READERS + WRITERS + READ_POLLERS + WRITE_POLLERS + EXCLUSIVE_POLLER;
		i = 0
	}
}
