/* SPDX-License-Identifier: GPL-2.0 */

/* mini_pipe/waiters.rs: who of one side waits, and whom a change concerns. */

mtype = { nobody, one, everybody };

#define NONE		0	/* no level suits all of them */

typedef Waiters {
	byte asleep;
	byte kept_out;
	bool refused;
	bool polled;
	bool edges;
	bool exclusive
};

hidden byte rose, refused, asleep, some_kept_out, is_ready, was_ready, due;

inline fall_asleep(waiters, is_out)
{
	waiters.asleep++;
	waiters.kept_out = waiters.kept_out + is_out
}

inline wake_up(waiters, was_out)
{
	waiters.asleep--;
	waiters.kept_out = waiters.kept_out - was_out
}

#define is_nobody(waiters)	((waiters.asleep == 0 || broken(SLEEPERS_NOT_SEEN)) && \
				 !waiters.polled && !waiters.refused)

inline refuse(waiters)
{
	waiters.refused = true
}

inline waiters_poll(waiters, by_edges, exclusively)
{
	waiters.polled = true;
	waiters.edges = waiters.edges || by_edges;
	waiters.exclusive = waiters.exclusive || exclusively
}

inline forget_pollers(waiters)
{
	waiters.polled = false;
	waiters.edges = false;
	waiters.exclusive = false
}

inline concerned(waiters, ready, before, now, returned, whom)
{
	if
	:: is_nobody(waiters) -> whom = nobody
	:: else -> find_out(waiters, ready, before, now, returned, whom)
	fi
}

/* Rust's whom() */
inline find_out(waiters, ready, before, now, returned, whom)
{
	d_step {
		rose = before < now;
		refused = returned && waiters.refused && !broken(REFUSED_NOT_TOLD);
		waiters.refused = waiters.refused && !returned;
		asleep = returned && waiters.asleep > 0 && now > 0 && !broken(NO_HAND_ON);
		some_kept_out = returned && waiters.kept_out > 0 && now > 0 &&
			!broken(KEPT_OUT_FORGOTTEN);
		is_ready = ready != NONE && ready <= now;
		was_ready = ready != NONE && ready <= before;
		due = asleep || (is_ready && (!was_ready || refused)) ||
			(rose && waiters.edges && !broken(EDGE_NOT_TOLD));

		if
		:: !is_ready && (some_kept_out || (ready == NONE &&
			((rose && !broken(SMALL_RING_NOT_WATCHED)) || refused))) ->
			whom = everybody
		:: else ->
			if
			:: !due ->
				whom = nobody
			:: due && waiters.exclusive && !broken(EXCLUSIVE_KEEPS_WAKE_UP) ->
				whom = everybody
			:: else ->
				whom = one
			fi
		fi
	}
}
