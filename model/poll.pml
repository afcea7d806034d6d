/* SPDX-License-Identifier: GPL-2.0 */

/*
 * mini_pipe/pipe/poll.rs: what a file can do now, for poll(2) and epoll(7).
 *
 * A poll takes two steps: first the poller is added to the queues, without the mutex; then it
 * tests what is ready, under the mutex. In this order it misses no change.
 */

/* The result of pipe_poll(), to be used in the same step. */
hidden byte events;

/* Pipe::add_poll() */
inline pipe_add_poll(me, reads, writes)
{
	if
	:: reads -> add_poller(readers, me)
	:: else
	fi;
	if
	:: writes -> add_poller(writers, me)
	:: else
	fi
}

/* The rest of Pipe::poll(): the test. */
inline pipe_poll(me, reads, writes, uses_edges)
{
	events = false;
	if
	:: reads ->
		if
		:: uses_edges -> set_edge_triggered(read_waiters)
		:: else
		fi;
		note_reader_eagain();
		events = !contention && (readable() > 0 || writers_closed(me))
	:: else
	fi;
	if
	:: writes ->
		note_writer_eagain();
		events = events || (!contention && writable() >= ATOMIC_LIMIT) || readers_closed(me)
	:: else
	fi;
	printf("poller %d finds %d\n", me, events)
}
