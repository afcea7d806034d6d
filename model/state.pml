/* SPDX-License-Identifier: GPL-2.0 */

/*
 * mini_pipe/pipe/state.rs: what the mutex protects besides the ring and the ends, and the
 * wake-ups that a change of it needs. They are collected under the mutex, and sent after it was
 * dropped: see pipe.pml.
 */

/* Who moves bytes: enum Dir. */
mtype = { reader, writer };

Waiters read_waiters, write_waiters;

hidden byte readable_before, writable_before, is_eof, contention;

/* What Waiters::new() gets: the level at which every sleeper of a direction finds enough. */
#define READ_THRESHOLD		1
#define WRITE_THRESHOLD		(PIPE_BUF <= CAPACITY -> PIPE_BUF : NO_THRESHOLD)

#define ATOMIC_LIMIT		(PIPE_BUF <= CAPACITY -> PIPE_BUF : CAPACITY)
#define LARGE			(ATOMIC_LIMIT + 1)	/* any length beyond that */

/* How a call is made. EITHER: the call may block or not, so both ways are searched. */
#define BLOCKING		1
#define NONBLOCKING		2
#define EITHER			3
#define is_nonblocking(call)	(call != BLOCKING)
#define is_blocking(call)	(call != NONBLOCKING)

/* What a call returns if it moved no byte; only printed. */
mtype = { END_OF_FILE, EAGAIN, ERESTARTSYS, EPIPE, EFAULT };

/* A non-blocking read or a poll. The end of a reservation that excludes it wakes pollers. */
inline note_reader_eagain()
{
	contention = is_reserved_read();
	if
	:: contention -> note_eagain(read_waiters)
	:: else
	fi
}

inline note_writer_eagain()
{
	contention = is_reserved_write();
	if
	:: contention -> note_eagain(write_waiters)
	:: else
	fi
}

inline note_occupancy()
{
	readable_before = readable();
	writable_before = writable()
}

/*
 * A call of this direction has moved bytes, since note_occupancy(). ended: it has no
 * reservation any more. The wake-ups are for the other direction, which can move more now, and
 * for the other calls of this one, which the reservation excluded.
 */
inline collect_wakeups(dir, me, moved, ended)
{
	ghost_move((dir == writer), moved, ended);
	if
	:: has_no_waiters(read_waiters) && has_no_waiters(write_waiters) &&
	   !is_polled(readers) && !is_polled(writers)
	:: broken(PART_NOT_WOKEN) && !ended
	:: else ->
		/* The reservation hid the end of file from contended readers. */
		is_eof = dir == reader && is_empty() && no_writers() && !broken(EOF_NOT_HANDED_ON);
		on_change(read_waiters, READ_THRESHOLD, readable_before, readable(),
			  (ended && dir == reader), is_eof, is_polled(readers),
			  wake_readers, wake_read_pollers);
		on_change(write_waiters, WRITE_THRESHOLD, writable_before, writable(),
			  (ended && dir == writer), false, is_polled(writers),
			  wake_writers, wake_write_pollers);
		collect(readers, wake_readers,
			(broken(COMMIT_AFTER_WAKEUP) -> None : wake_readers));
		collect(writers, wake_writers,
			(broken(COMMIT_AFTER_WAKEUP) -> None : wake_writers));
		collect_polls(readers, wake_read_pollers, wake_read_pollers);
		collect_polls(writers, wake_write_pollers, wake_write_pollers)
	fi;
	printf("%e %d moved %d: readable %d to %d, wakes %e; writable %d to %d, wakes %e\n",
	       dir, me, moved, readable_before, readable(), wake_readers,
	       writable_before, writable(), wake_writers)
}

/* Collects a wake-up of the sleepers of one direction. */
inline collect(queues, wake, selected)
{
	wake = selected;
	queues.pending = queues.pending + (wake != None)
}

inline collect_polls(queues, wake, selected)
{
	wake = selected;
	queues.polls_pending = queues.polls_pending + (wake != None)
}
