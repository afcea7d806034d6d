/* SPDX-License-Identifier: GPL-2.0 */

/*
 * mini_pipe/pipe/transfer.rs: bytes on their way, all at once under the mutex, or in pieces under
 * leases. Whether somebody watches for a piece is left out: any part may be given back.
 */

hidden byte copied, count, fault;

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

/* Ring::try_take() and moved_at_once(): a lease that nobody sees. */
inline take_at_once(me)
{
	note_levels();
	lease_bytes(most);
	copy_to(most);
	ring_take(most);
	news(reader, me, most, true);
	tell_or_go_on()
}

/* Ring::try_put() and moved_at_once() */
inline put_at_once(me)
{
	note_levels();
	lease_room(most);
	copy_from(most);
	ring_put(most);
	from = 0;
	interrupted = false;
	news(writer, me, most, true);
	tell_or_go_on()
}

inline drain(me)
{
	WAKE_TOO_EARLY
copies:	do
	:: atomic {
		in_pieces(reading, true);
		copy_to(copied);
		if
		:: broken(LEASE_KEPT_ON_FAULT) && fault ->
			holds = false;
			read_returns(me, EFAULT)
		:: broken(FAULT_LOSES_BYTES) && fault -> copied = reading
		:: else
		fi;
		note_levels();
		if
		:: copied < reading && !fault -> ring_take_part(copied)
		:: else ->
			ring_take(copied);
			if
			:: holds = false
			:: !fault && !is_empty() ->	/* as long as there is something, maybe */
				select(most : 1 .. held);
				lease_bytes(most)
			fi
		fi;
		news(reader, me, copied, !holds);
		tell_or_go_on()
	}
	od;
	tell()
}

inline fill(me)
{
	WAKE_TOO_EARLY
copies:	do
	:: atomic {
		in_pieces(writing, from == LARGE);
		copy_from(copied);
		count = (fault && from < LARGE && !broken(ATOMIC_FAULTS_MIDWAY) -> 0 : copied);
		assert(from == LARGE || count == 0 || count == from);
		if
		:: broken(LEASE_KEPT_ON_FAULT) && fault ->
			holds = false;
			write_returns(me, EFAULT)
		:: else
		fi;
		note_levels();
		if
		:: copied < writing && !fault -> ring_put_part(copied)
		:: else ->
			ring_put(count);
			if
			:: from == LARGE && !fault && room() > 0 ->	/* there is more of it */
				select(most : 1 .. room());
				lease_room(most)
			:: from == LARGE && !fault && room() == 0 ->
				holds = false
			:: true ->			/* that was all, or a fault */
				from = 0;
				interrupted = false;
				holds = false
			fi
		fi;
		news(writer, me, count, !holds);
		tell_or_go_on()
	}
	od;
	tell()
}

inline in_pieces(leased, parts)
{
	if
	:: copied = leased;
		fault = false
	:: FAULTS ->
		select(copied : 0 .. leased - 1);
		fault = true
	:: PARTS && parts && leased > 1 ->
		select(copied : 1 .. leased - 1);
		fault = false
	fi
}
