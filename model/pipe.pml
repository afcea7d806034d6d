/* SPDX-License-Identifier: GPL-2.0 */

/*
 * mini_pipe/pipe.rs: read, write and poll, sleeping and waking. Read this first.
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

/* Whose lease it is that ends. */
mtype = { reader, writer };

/* What a call returns, if it moves nothing; only for the story. */
mtype = { END_OF_FILE, EAGAIN, ERESTARTSYS, EPIPE, EFAULT };

Waiters waiting_readers, waiting_writers;

hidden byte most, least, copied, leased, count, bytes_before, room_before, was_refused, events;

#if BROKEN == PUBLISH_AFTER_WAKE
#define WAKE_TOO_EARLY							\
	atomic {							\
		true;							\
		decide(readers, readers_due, everybody);		\
		decide(writers, writers_due, everybody);		\
		notify(readers, readers_due);				\
		notify(writers, writers_due)				\
	};
#else
#define WAKE_TOO_EARLY
#endif

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
			forget_pollers(waiting_writers);
			decide(readers, readers_due, (broken(END_WAKES_ONE) -> one : everybody))
		:: else
		fi;
		if
		:: reads && no_readers() ->
			forget_pollers(waiting_readers);
			decide(writers, writers_due, (broken(END_WAKES_ONE) -> one : everybody))
		:: else
		fi
	};
	wake(readers, readers_due);
	wake(writers, writers_due)
}

inline pipe_read(me, call)
{
	atomic {
		true;
		do
		:: interrupted && broken(SIGNAL_FIRST) ->
			read_returns(me, ERESTARTSYS)
		:: !(interrupted && broken(SIGNAL_FIRST)) && bytes_to_lease() ->
			select(most : 1 .. held);
			lease_bytes(most);
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
		printf("reader %d has a lease of %d bytes, of %d\n", me, reading, held)
	};
	WAKE_TOO_EARLY
	atomic {
		copy_to(copied);
		if
		:: broken(LEASE_KEPT_ON_FAULT) && copied < reading -> read_returns(me, EFAULT)
		:: broken(FAULT_LOSES_BYTES) -> copied = reading
		:: else
		fi;
		end_lease(reader, me, copied);
		return_unless_due()
	};
	wake_both()
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
		do
		:: readers_left(me) ->
			assert(met_reader[me]);
			write_returns(me, EPIPE)
		:: !readers_left(me) ->
			least = (from < LARGE && !broken(NO_ATOMICITY) -> from : 1);
			if
			:: interrupted && broken(SIGNAL_FIRST) ->
				write_returns(me, ERESTARTSYS)
			:: !(interrupted && broken(SIGNAL_FIRST)) && room_to_lease(least) ->
				if
				:: from < LARGE -> most = from
				:: from == LARGE -> select(most : 1 .. room())
				fi;
				lease_room(most);
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
		printf("writer %d has a lease of %d, for %d\n", me, writing, from)
	};
	WAKE_TOO_EARLY
	atomic {
		copy_from(copied);
		leased = writing;
		count = (from < LARGE && copied < leased && !broken(ATOMIC_FAULTS_MIDWAY) -> 0 : copied);
		assert(from == LARGE || count == 0 || count == from);
		if
		:: broken(LEASE_KEPT_ON_FAULT) && copied < leased -> write_returns(me, EFAULT)
		:: else
		fi;
		end_lease(writer, me, count);
		if
		:: from == LARGE && copied == leased	/* there is more of it */
		:: from = 0; interrupted = false	/* that was all, or a fault */
		fi;
		return_unless_due()
	};
	wake_both()
}

inline write_returns(me, what)
{
	printf("writer %d returns the count, or %e\n", me, what);
	from = 0;
	interrupted = false;
	goto next_call
}

/*
 * poll takes three steps: the poller is known, then it is queued, without the mutex, and then it looks.
 * Whoever polls uses events in the step in which it looked.
 */
inline pipe_poll_is_known(reads, writes, edges, exclusive)
{
	if
	:: reads -> waiters_poll(waiting_readers, edges, exclusive)
	:: else
	fi;
	if
	:: writes -> waiters_poll(waiting_writers, false, exclusive)
	:: else
	fi
}

inline pipe_poll_queues(me, reads, writes, exclusive)
{
	if
	:: reads -> register_wait(readers, me, exclusive)
	:: else
	fi;
	if
	:: writes -> register_wait(writers, me, exclusive)
	:: else
	fi
}

inline pipe_poll_looks(me, reads, writes)
{
	events = false;
	if
	:: reads ->
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

inline wait_for_bytes(me)
{
	kept_out = is_reading();
	fall_asleep(waiting_readers, kept_out);
	printf("reader %d sleeps, kept out %d\n", me, kept_out);
	wait_interruptible(readers, me, 1, interrupted);
	printf("reader %d wakes up, signal %d\n", me, interrupted);
	wake_up(waiting_readers, kept_out);
	kept_out = false
}

inline wait_for_room(me, level)
{
	kept_out = is_writing();
	fall_asleep(waiting_writers, kept_out);
	note_kept_out(me, kept_out);
	printf("writer %d sleeps, needs %d, kept out %d\n", me, level, kept_out);
	wait_interruptible(writers, me, level, interrupted);
	printf("writer %d wakes up, signal %d\n", me, interrupted);
	note_kept_out(me, false);
	wake_up(waiting_writers, kept_out);
	kept_out = false
}

/* The part of it under the mutex; wake_both is the other. */
inline end_lease(holder, me, moved)
{
	bytes_before = bytes();
	room_before = room();
	if
	:: holder == reader -> ring_take(moved)
	:: holder == writer -> ring_put(moved)
	fi;
	note_end_of_lease((holder == writer), moved);

	concerned(waiting_readers, READERS_READY, bytes_before, bytes(), (holder == reader), readers_due);
	concerned(waiting_writers, WRITERS_READY, room_before, room(), (holder == writer), writers_due);
	if
	:: holder == reader && is_empty() && no_writers() && !broken(END_NOT_HANDED_ON) ->
		readers_due = everybody
	:: else
	fi;
	decide(readers, readers_due, (broken(PUBLISH_AFTER_WAKE) -> nobody : readers_due));
	decide(writers, writers_due, (broken(PUBLISH_AFTER_WAKE) -> nobody : writers_due));
	printf("%e %d moved %d: bytes %d to %d, wakes %e; room %d to %d, wakes %e\n", holder, me, moved,
	       bytes_before, bytes(), readers_due, room_before, room(), writers_due)
}

inline wake_both()
{
	do
	:: atomic {
		writers_due != nobody ->
		notify(writers, writers_due);
		return_unless_due()
	}
	:: atomic {
		writers_due == nobody ->
		notify(readers, readers_due);
		return_unless_due()
	}
	od
}

inline return_unless_due()
{
	if
	:: readers_due == nobody && writers_due == nobody -> goto next_call
	:: else
	fi
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

/* Whom a wake-up is due to is known under the mutex; it is sent when that was dropped. */
inline decide(condvar, due_to, whom)
{
	due_to = whom;
	condvar.due = condvar.due + (due_to != nobody)
}

inline wake(condvar, due_to)
{
	if
	:: due_to == nobody
	:: atomic { due_to != nobody -> notify(condvar, due_to) }
	fi
}
