/* SPDX-License-Identifier: GPL-2.0 */

/*
 * mini_pipe/pipe/read.rs: read(2). Read this first.
 *
 * A read tests for bytes before it tests for signals: it may have got an exclusive wake-up, and
 * if it returned ERESTARTSYS although there are bytes, another reader could sleep on. Then it
 * takes the fast path, or reserves bytes, copies them with the mutex free, and commits them.
 * Either way it wakes writers for the room, and hands the wake-up on to the next reader if bytes
 * are left.
 */

hidden byte most;

inline pipe_read(me, call)
{
	atomic {
		true;
test_condition:	do
		:: interrupted && broken(SIGNAL_BEFORE_CONDITION) ->
			read_returns(me, ERESTARTSYS)
		:: !(interrupted && broken(SIGNAL_BEFORE_CONDITION)) && can_reserve_read() ->
			break
		:: else ->
			if
			:: is_empty() && writers_closed(me) ->
				assert(seen_writer[me]);
				read_returns(me, END_OF_FILE)
			:: else
			fi;
			if
			:: is_nonblocking(call) ->
				note_reader_eagain();
				ghost_eagain(readers, me);
				read_returns(me, EAGAIN)
			:: is_blocking(call) && interrupted ->
				read_returns(me, ERESTARTSYS)
			:: is_blocking(call) && !interrupted ->
				wait_readable(me)
			fi
		od;
		interrupted = false;
		select(most : 1 .. length);
		if
		:: read_nofault(me)
		:: reserve_read(most);
			has_reservation = true
		fi;
		printf("reader %d has reserved %d bytes of %d\n", me, reserved_read, length)
	};
	read_reserved(me);
	spin_and_test()
}

inline read_returns(me, what)
{
	printf("reader %d returns %e\n", me, what);
	interrupted = false;
	goto next_call
}

/* Ring::read_nofault() and Pipe::finish_fast(): no other task sees this reservation. */
inline read_nofault(me)
{
	note_occupancy();
	reserve_read(most);
	copy_to_user(most);
	commit_read(most);
	collect_wakeups(reader, me, most, true);
	continue_call()
}

/* Copies the reserved bytes and commits them, all at once or in parts, and may reserve more. */
inline read_reserved(me)
{
	WAKE_TOO_EARLY
copy_next:
	do
	:: atomic {
		copy_chunked(reserved_read, true);
		copy_to_user(copied);
		if
		:: broken(RESERVATION_KEPT_ON_FAULT) && fault ->
			has_reservation = false;
			read_returns(me, EFAULT)
		:: broken(FAULT_LOSES_BYTES) && fault -> copied = reserved_read
		:: else
		fi;
		note_occupancy();
		if
		:: copied < reserved_read && !fault -> commit_read_part(copied)
		:: else ->
			commit_read(copied);
			if
			:: has_reservation = false
			:: !fault && !is_empty() ->	/* the buffer may take more */
				select(most : 1 .. length);
				reserve_read(most)
			fi
		fi;
		collect_wakeups(reader, me, copied, !has_reservation);
		continue_call()
	}
	od;
	unlock_and_wake()
}
