/* SPDX-License-Identifier: GPL-2.0 */

/*
 * A model of how mini_pipe's tasks sleep and are woken, for the model checker Spin. `make verify`
 * checks it; scripts/verify.sh has the configurations, and the ways to break the model.
 *
 * Start with this file. The other files are named after files of the module, and what they
 * define has the names of the module's functions, so that both can be read side by side:
 *
 *   read.pml        mini_pipe/pipe/read.rs: read(2). Read this first
 *   write.pml       mini_pipe/pipe/write.rs: write(2)
 *   copy.pml        mini_pipe/pipe/copy.rs: copies under a reservation
 *   poll.pml        mini_pipe/pipe/poll.rs: poll(2) and epoll(7)
 *   pipe.pml        mini_pipe/pipe/mod.rs: open, close, and sending wake-ups
 *   wait.pml        Pipe::wait in mini_pipe/pipe/mod.rs, and wait/spin.rs: spin, then sleep
 *   state.pml       mini_pipe/pipe/state.rs: contention, and which wake-ups a change needs
 *   waiters.pml     mini_pipe/pipe/wait/waiters.rs: who waits, and whom a change wakes
 *   queues.pml      mini_pipe/pipe/wait/queues.rs, mini_pipe/sys/poll.rs, and the kernel's wait
 *                   queues and signals
 *   ends.pml        mini_pipe/pipe/ends.rs: end of file and EPIPE
 *   ring.pml        mini_pipe/ring/mod.rs: the copies and commits; what the bytes are
 *   indices.pml     mini_pipe/ring/indices.rs: how many bytes there are, and which are reserved
 *   properties.pml  what must hold in every state
 *
 * What is simpler here than in the module, and why the model misses nothing by it:
 *
 * - A critical section is one atomic step. All that the mutex protects is accessed only under it,
 *   so critical sections follow one another. Only the wait queues are accessed without it, by
 *   wake-ups. A wake-up in the middle of a section has the same effect as one before or after it:
 *   a section removes its task from a queue only at its start, and adds a sleeper only at its end,
 *   after the test of the condition. A poller is added in a step of its own, before it tests.
 * - After a commit and after a close, each wake-up, of the pollers and of the sleepers of each
 *   direction, is a step of its own, after the mutex was dropped. So anything can happen between
 *   the change and each of its wake-ups. One wake-up is one step: the queue has a lock.
 * - A copy and its commit, or the commit of a part of it, are one step. Until the commit no other
 *   task accesses those bytes.
 * - Any call that could take the fast path may make a reservation instead, as if its memory were
 *   not present. It may commit a part, or reserve more in the same step, whether a task spins or
 *   not.
 * - A task may spin for any time and as often as it likes before it sleeps. What stops a spinner
 *   is left out: what matters is that it spins without the mutex, and then tests its condition
 *   again.
 * - Signals are sent only to sleepers. A signal that was sent earlier would end the next sleep at
 *   once. So does one that is sent right after the sleeper was queued, before it drops the mutex.
 * - Each task makes any number of calls, of any length, blocking or not; each copy may fault
 *   after any byte; there is no limit on signals. None of these is counted, so the number of
 *   states is finite, and all of them are searched.
 * - One byte here stands for many bytes there: PIPE_BUF is 2 or 3, the capacity is 2 to 4.
 * - Left out: return values, SIGPIPE, pages, indices that wrap, packets, resizing, splice, and
 *   the policy rendezvous. The tests check those.
 */

/* A configuration: the ring, how many tasks of each kind there are, and switches: 1 is on. */
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
#ifndef EDGE_TRIGGERED		/* the pollers use EPOLLET */
#define EDGE_TRIGGERED		0
#endif
#ifndef EXCLUSIVE_POLLER	/* one poller uses EPOLLEXCLUSIVE */
#define EXCLUSIVE_POLLER	0
#endif
#ifndef CALLS			/* the calls of tasks that do not poll: see state.pml */
#define CALLS			EITHER
#endif
#ifndef SIGNALS			/* sleepers may get signals */
#define SIGNALS			1
#endif
#ifndef FAULTS			/* copies may fault */
#define FAULTS			1
#endif
#ifndef PARTS			/* a reservation may be committed in parts */
#define PARTS			1
#endif
#ifndef SPIN			/* a task may spin before it sleeps */
#define SPIN			1
#endif
#ifndef COLOURS			/* the bytes and their order are checked */
#define COLOURS			0
#endif
#ifndef OPENS			/* how often each task opens the pipe; 0: open from the start */
#define OPENS			0
#endif

/* The ways to break the model. tests/mutants breaks the module in the same ways. */
#define SIGNAL_BEFORE_CONDITION		1
#define WAKEUP_NOT_HANDED_ON		2
#define COMMIT_AFTER_WAKEUP		3
#define RESERVATION_KEPT_ON_FAULT	4
#define FAULT_LOSES_BYTES		5
#define NO_ATOMICITY			6
#define ATOMIC_WRITE_FAULTS_MIDWAY	7
#define CLOSE_WAKES_ONE			8
#define EOF_NOT_HANDED_ON		9
#define EOF_BEFORE_PEER_OPENED		10
#define CONTENDED_FORGOTTEN		11
#define EAGAIN_NOT_WOKEN		12
#define SMALL_RING_NOT_WOKEN		13
#define EDGE_NOT_WOKEN			14
#define ONE_QUEUE			15
#define POLL_TESTS_BEFORE_QUEUED	16
#define SLEEPERS_NOT_COUNTED		17
#define NO_TEST_AFTER_SPIN		18
#define PART_NOT_WOKEN			19
#define WOKEN_FOR_EVER			20
#ifndef BROKEN
#define BROKEN				0
#endif
#define broken(way)			(BROKEN == way)

#include "waiters.pml"
#include "queues.pml"
#include "indices.pml"
#include "ring.pml"
#include "ends.pml"
#include "properties.pml"
#include "state.pml"
#include "pipe.pml"
#include "wait.pml"
#include "copy.pml"
#include "read.pml"
#include "write.pml"
#include "poll.pml"

/*
 * The local variables of a call: the bytes that a write has left to do; a signal is pending; the
 * sleep began under contention; a reservation is held; and the wake-ups that are collected, but
 * not sent yet.
 */
#define CALL_STATE						\
	byte rest;						\
	bool interrupted, contended, has_reservation;		\
	mtype wake_readers = None, wake_writers = None;		\
	mtype wake_read_pollers = None, wake_write_pollers = None

proctype Reader(byte me)
{
	CALL_STATE;
	byte opens_left = OPENS;

	if
	:: OPENS == 0 -> goto next_call
	:: OPENS > 0
	fi;
	do
	:: atomic { opens_left > 0 -> opens_left--; pipe_open(me, true, false) };
next_call:	do
		:: pipe_read(me, CALLS)
		:: pipe_close(me, true, false); break
		od
	:: break
	od;
	running--
}

proctype Writer(byte me)
{
	CALL_STATE;
	byte opens_left = OPENS;

	if
	:: OPENS == 0 -> goto next_call
	:: OPENS > 0
	fi;
	do
	:: atomic { opens_left > 0 -> opens_left--; pipe_open(me, false, true) };
next_call:	do
		:: pipe_write(me, CALLS)
		:: rest == 0 -> pipe_close(me, false, true); break
		od
	:: break
	od;
	running--
}

#if READ_POLLERS
proctype ReadPoller(byte me)
{
	CALL_STATE;

	readers.triggered[me] = true;
next_call:
	do
	:: wait_for_events(readers, me, true, false)
	:: pipe_read(me, NONBLOCKING)
	:: stop_polling(readers, me); pipe_close(me, true, false); break
	od;
	running--
}
#endif

#if WRITE_POLLERS
proctype WritePoller(byte me)
{
	CALL_STATE;

	writers.triggered[me] = true;
next_call:
	do
	:: wait_for_events(writers, me, false, true)
	:: pipe_write(me, NONBLOCKING)
	:: rest == 0 -> stop_polling(writers, me); pipe_close(me, false, true); break
	od;
	running--
}
#endif

#if EXCLUSIVE_POLLER
/*
 * A file that is open for reading and writing, in an epoll with EPOLLEXCLUSIVE. A task in
 * epoll_wait(2) may test the file at any time.
 */
proctype ExclusivePoller()
{
	CALL_STATE;

	do
	:: atomic { true -> pipe_add_poll(EXCLUSIVE_ID, true, true) };
		atomic { pipe_poll(EXCLUSIVE_ID, true, true, false) }
	:: break
	od;
	atomic {
		true;
		if
		:: is_queued(readers, EXCLUSIVE_ID) ->
			readers.sleepers ?? EXCLUSIVE_ID;
			writers.sleepers ?? EXCLUSIVE_ID
		:: else
		fi
	};
	pipe_close(EXCLUSIVE_ID, true, true);
	running--
}
#endif

init
{
	byte i;

	atomic {
#if OPENS == 0
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
		pipe_open(EXCLUSIVE_ID, true, true);
		run ExclusivePoller();
#endif
#if SIGNALS
		run Signals();
#endif
		run Monitor();
		running = READERS + WRITERS + READ_POLLERS + WRITE_POLLERS + EXCLUSIVE_POLLER;
		i = 0
	}
}
