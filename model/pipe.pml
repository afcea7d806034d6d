/* SPDX-License-Identifier: GPL-2.0 */

/*
 * mini_pipe/pipe.rs: read, write and poll. Read this first.
 *
 * What is atomic here happens under the mutex there, from a lock to the next unlock. A call returns to
 * next_call, a label of its process. What is of no use any more is zeroed, so that states which cannot
 * be told apart are one. What is printed makes a story of a trail.
 */

/* What Waiters::new is given: the level at which each of a side finds what it waits for. */
#define READERS_READY		1
#define WRITERS_READY		(PIPE_BUF <= CAPACITY -> PIPE_BUF : NONE)

#define ATOMIC_LIMIT		(PIPE_BUF <= CAPACITY -> PIPE_BUF : CAPACITY)
#define LARGE			(ATOMIC_LIMIT + 1)	/* the length of any write beyond that */

/* How a call is made. EITHER is both: one that may do this and one that may do that. */
#define BLOCKING		1
#define NONBLOCKING		2
#define EITHER			3
#define is_nonblocking(call)	(call != BLOCKING)
#define is_blocking(call)	(call != NONBLOCKING)

/* What a call returns, if it moves nothing; only for the story. */
mtype = { END_OF_FILE, EAGAIN, ERESTARTSYS, EPIPE, EFAULT };

hidden byte most, least, was_refused, events;

inline pipe_open(me, reads, writes)
{
	ends_open(me, reads, writes, !is_empty());
	note_open(me, reads);
	printf("%e %d opens: readers %d, writers %d\n", (reads -> reader : writer), me, ends.readers.open, ends.writers.open)
}

inline pipe_close(me, reads, writes)
{
	atomic {
		true;
		ends_close(me, reads, writes);
		note_close(me, reads, writes);
		printf("%e %d closes: readers %d, writers %d\n", (reads -> reader : writer), me, ends.readers.open, ends.writers.open);
		if
		:: writes && no_writers() ->
			decide(readers, readers_due, (broken(END_WAKES_ONE) -> one : everybody));
			decide_polls(readers, read_polls_due, everybody)
		:: else
		fi;
		if
		:: reads && no_readers() ->
			decide(writers, writers_due, (broken(END_WAKES_ONE) -> one : everybody));
			decide_polls(writers, write_polls_due, everybody)
		:: else
		fi
	};
	wake_pollers(writers, write_polls_due);
	wake(writers, writers_due);
	wake_pollers(readers, read_polls_due);
	wake(readers, readers_due)
}

inline pipe_read(me, call)
{
	atomic {
		true;
looks:		do
		:: interrupted && broken(SIGNAL_FIRST) ->
			read_returns(me, ERESTARTSYS)
		:: !(interrupted && broken(SIGNAL_FIRST)) && bytes_to_lease() ->
			break
		:: else ->
			if
			:: is_empty() && writers_left(me) ->
				assert(met_writer[me]);
				read_returns(me, END_OF_FILE)
			:: else
			fi;
			if
			:: is_nonblocking(call) ->
				refuse_reader();
				note_eagain(readers, me);
				read_returns(me, EAGAIN)
			:: is_blocking(call) && interrupted ->
				read_returns(me, ERESTARTSYS)
			:: is_blocking(call) && !interrupted ->
				wait_for_bytes(me)
			fi
		od;
		interrupted = false;
		select(most : 1 .. held);
		if
		:: take_at_once(me)
		:: lease_bytes(most);
			holds = true
		fi;
		printf("reader %d has a lease of %d bytes, of %d\n", me, reading, held)
	};
	drain(me);
	watch_and_look()
}

inline read_returns(me, what)
{
	printf("reader %d returns %e\n", me, what);
	interrupted = false;
	goto next_call
}

/* A large write that is not done comes by here again, with what is left of it in from. */
inline pipe_write(me, call)
{
	atomic {
		true;
		if
		:: from == 0 -> select(from : 1 .. LARGE)
		:: else
		fi;
looks:		do
		:: readers_left(me) ->
			assert(met_reader[me]);
			write_returns(me, EPIPE)
		:: !readers_left(me) ->
			least = (from < LARGE && !broken(NO_ATOMICITY) -> from : 1);
			if
			:: interrupted && broken(SIGNAL_FIRST) ->
				write_returns(me, ERESTARTSYS)
			:: !(interrupted && broken(SIGNAL_FIRST)) && room_to_lease(least) ->
				break
			:: else
			fi;
			if
			:: is_nonblocking(call) ->
				refuse_writer();
				note_eagain(writers, me);
				write_returns(me, EAGAIN)
			:: is_blocking(call) && interrupted ->
				write_returns(me, ERESTARTSYS)
			:: is_blocking(call) && !interrupted ->
				wait_for_room(me, least)
			fi
		od;
		if
		:: from < LARGE -> most = from
		:: from == LARGE -> select(most : 1 .. room())
		fi;
		if
		:: room() >= most -> put_at_once(me)
		:: lease_room(most);
			holds = true
		fi;
		printf("writer %d has a lease of %d, for %d\n", me, writing, from)
	};
	fill(me);
	watch_and_look()
}

inline write_returns(me, what)
{
	printf("writer %d returns the count, or %e\n", me, what);
	from = 0;
	interrupted = false;
	goto next_call
}

/*
 * poll takes two steps: the poller is queued, without the mutex, and then it looks. Whoever polls uses
 * events in the step in which it looked.
 */
inline pipe_poll_queues(me, reads, writes)
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

inline pipe_poll_looks(me, reads, writes, edges)
{
	events = false;
	if
	:: reads ->
		if
		:: edges -> poll_edges(waiting_readers)
		:: else
		fi;
		refuse_reader();
		events = !was_refused && (bytes() > 0 || writers_left(me))
	:: else
	fi;
	if
	:: writes ->
		refuse_writer();
		events = events || (!was_refused && room() >= ATOMIC_LIMIT) || readers_left(me)
	:: else
	fi;
	printf("poller %d finds %d\n", me, events)
}

inline refuse_reader()
{
	was_refused = is_reading();
	if
	:: was_refused -> refuse(waiting_readers)
	:: else
	fi
}

inline refuse_writer()
{
	was_refused = is_writing();
	if
	:: was_refused -> refuse(waiting_writers)
	:: else
	fi
}
