/* SPDX-License-Identifier: GPL-2.0 */

/* mini_pipe/pipe/waiting.rs: waiting, awake or asleep, and telling those who wait. */

/* Who moves bytes. */
mtype = { reader, writer };

Waiters waiting_readers, waiting_writers;

hidden byte bytes_before, room_before, is_end;

inline wait_for_bytes(me)
{
	watch_first();
sleeps:	kept_out = is_reading();
	fall_asleep(waiting_readers, kept_out);
	printf("reader %d sleeps, kept out %d\n", me, kept_out);
	wait_interruptible(readers, me, 1, interrupted);
	printf("reader %d wakes up, signal %d\n", me, interrupted);
	wake_up(waiting_readers, kept_out);
	kept_out = false
}

inline wait_for_room(me, level)
{
	watch_first();
sleeps:	kept_out = is_writing();
	fall_asleep(waiting_writers, kept_out);
	note_kept_out(me, kept_out);
	printf("writer %d sleeps, needs %d, kept out %d\n", me, level, kept_out);
	wait_interruptible(writers, me, level, interrupted);
	printf("writer %d wakes up, signal %d\n", me, interrupted);
	note_kept_out(me, false);
	wake_up(waiting_writers, kept_out);
	kept_out = false
}

/*
 * mini_pipe/watch.rs, without its clock: one may wait awake, without the mutex, for any time, and
 * however often.
 */
inline watch_first()
{
	if
	:: AWAKE -> goto watches
	:: true
	fi
}

/* What comes after the watching: the call looks once more. */
inline watch_and_look()
{
watches:
	do
	:: atomic { !broken(WATCHED_BLINDLY) -> goto looks }
	:: atomic { SIGNALS && !broken(WATCHED_BLINDLY) -> interrupted = true; goto looks }
	:: atomic { broken(WATCHED_BLINDLY) -> goto sleeps }
	od
}

inline note_levels()
{
	bytes_before = bytes();
	room_before = room()
}

inline news(holder, me, moved, ended)
{
	note_move((holder == writer), moved, ended);
	if
	:: is_nobody(waiting_readers) && is_nobody(waiting_writers) &&
	   !is_polled(readers) && !is_polled(writers)
	:: broken(PART_NOT_TOLD) && !ended
	:: else ->
		is_end = holder == reader && is_empty() && no_writers() && !broken(END_NOT_HANDED_ON);
		concerned(waiting_readers, READERS_READY, bytes_before, bytes(),
			  (ended && holder == reader), is_end, is_polled(readers),
			  readers_due, read_polls_due);
		concerned(waiting_writers, WRITERS_READY, room_before, room(),
			  (ended && holder == writer), false, is_polled(writers),
			  writers_due, write_polls_due);
		decide(readers, readers_due, (broken(PUBLISH_AFTER_WAKE) -> nobody : readers_due));
		decide(writers, writers_due, (broken(PUBLISH_AFTER_WAKE) -> nobody : writers_due));
		decide_polls(readers, read_polls_due, read_polls_due);
		decide_polls(writers, write_polls_due, write_polls_due)
	fi;
	printf("%e %d moved %d: bytes %d to %d, wakes %e; room %d to %d, wakes %e\n", holder, me, moved,
	       bytes_before, bytes(), readers_due, room_before, room(), writers_due)
}

/* Each wake-up is a step: pollers first, then the sleepers of that side. */
inline tell()
{
tells:	do
	:: atomic {
		write_polls_due != nobody ->
		notify_pollers(writers, write_polls_due);
		tell_or_go_on()
	}
	:: atomic {
		write_polls_due == nobody && writers_due != nobody ->
		notify(writers, writers_due);
		tell_or_go_on()
	}
	:: atomic {
		write_polls_due == nobody && writers_due == nobody && read_polls_due != nobody ->
		notify_pollers(readers, read_polls_due);
		tell_or_go_on()
	}
	:: atomic {
		write_polls_due == nobody && writers_due == nobody && read_polls_due == nobody ->
		notify(readers, readers_due);
		tell_or_go_on()
	}
	od
}

#define nothing_is_due()	(readers_due == nobody && writers_due == nobody && \
				 read_polls_due == nobody && write_polls_due == nobody)

/* One who holds a lease goes on with that. */
inline tell_or_go_on()
{
	if
	:: nothing_is_due() && holds -> goto copies
	:: nothing_is_due() && !holds -> goto next_call
	:: else -> goto tells
	fi
}

/* Whom a wake-up is due to is known under the mutex; it is sent when that was dropped. */
inline decide(side, due_to, whom)
{
	due_to = whom;
	side.due = side.due + (due_to != nobody)
}

inline decide_polls(side, due_to, whom)
{
	due_to = whom;
	side.polls_due = side.polls_due + (due_to != nobody)
}

inline wake(side, due_to)
{
	if
	:: due_to == nobody
	:: atomic { due_to != nobody -> notify(side, due_to) }
	fi
}

inline wake_pollers(side, due_to)
{
	if
	:: due_to == nobody
	:: atomic { due_to != nobody -> notify_pollers(side, due_to) }
	fi
}
