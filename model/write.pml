/* SPDX-License-Identifier: GPL-2.0 */

/*
 * mini_pipe/pipe/write.rs: write(2).
 *
 * An atomic write, of at most PIPE_BUF bytes, needs room for all of them; a large one needs room
 * for one byte, and makes progress with whatever room there is. As in read.pml, the room is
 * tested before the signals, and the room that is left wakes the next writer.
 */

hidden byte least, count;

/* A large write with bytes left jumps to next_call, and goes on from here with the rest of them. */
inline pipe_write(me, call)
{
	atomic {
		true;
		if
		:: rest == 0 -> select(rest : 1 .. LARGE)
		:: else
		fi;
test_condition:	do
		:: readers_closed(me) ->
			assert(seen_reader[me]);
			write_returns(me, EPIPE)
		:: !readers_closed(me) ->
			least = (rest < LARGE && !broken(NO_ATOMICITY) -> rest : 1);
			if
			:: interrupted && broken(SIGNAL_BEFORE_CONDITION) ->
				write_returns(me, ERESTARTSYS)
			:: !(interrupted && broken(SIGNAL_BEFORE_CONDITION)) &&
			   can_reserve_write(least) ->
				break
			:: else
			fi;
			if
			:: is_nonblocking(call) ->
				note_writer_eagain();
				ghost_eagain(writers, me);
				write_returns(me, EAGAIN)
			:: is_blocking(call) && interrupted ->
				write_returns(me, ERESTARTSYS)
			:: is_blocking(call) && !interrupted ->
				wait_writable(me, least)
			fi
		od;
		if
		:: rest < LARGE -> most = rest
		:: rest == LARGE -> select(most : 1 .. writable())
		fi;
		if
		:: writable() >= most -> write_nofault(me)
		:: reserve_write(most);
			has_reservation = true
		fi;
		printf("writer %d has reserved room for %d bytes of %d\n", me, reserved_write, rest)
	};
	write_reserved(me);
	spin_and_test()
}

inline write_returns(me, what)
{
	printf("writer %d returns the count, or %e\n", me, what);
	rest = 0;
	interrupted = false;
	goto next_call
}

/* Ring::write_nofault() and Pipe::finish_fast(): no other task sees this reservation. */
inline write_nofault(me)
{
	note_occupancy();
	reserve_write(most);
	copy_from_user(most);
	commit_write(most);
	rest = 0;
	interrupted = false;
	collect_wakeups(writer, me, most, true);
	continue_call()
}

/*
 * Copies into the reserved room and commits it, all at once or in parts; a large write may
 * reserve more. An atomic write that faults writes nothing.
 */
inline write_reserved(me)
{
	WAKE_TOO_EARLY
copy_next:
	do
	:: atomic {
		copy_chunked(reserved_write, rest == LARGE);
		copy_from_user(copied);
		count = (fault && rest < LARGE && !broken(ATOMIC_WRITE_FAULTS_MIDWAY) -> 0 :
			 copied);
		assert(rest == LARGE || count == 0 || count == rest);
		if
		:: broken(RESERVATION_KEPT_ON_FAULT) && fault ->
			has_reservation = false;
			write_returns(me, EFAULT)
		:: else
		fi;
		note_occupancy();
		if
		:: copied < reserved_write && !fault -> commit_write_part(copied)
		:: else ->
			commit_write(count);
			if
			:: rest == LARGE && !fault && writable() > 0 ->	/* go on */
				select(most : 1 .. writable());
				reserve_write(most)
			:: rest == LARGE && !fault && writable() == 0 ->	/* wait */
				has_reservation = false
			:: true ->			/* that was all, or there was a fault */
				rest = 0;
				interrupted = false;
				has_reservation = false
			fi
		fi;
		collect_wakeups(writer, me, count, !has_reservation);
		continue_call()
	}
	od;
	unlock_and_wake()
}
