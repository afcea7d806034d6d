/* SPDX-License-Identifier: GPL-2.0 */

/* mini_pipe/waiters.rs: who of one side waits, and whom a change concerns. */

mtype = { nobody, one, everybody };

#define NONE		0	/* no level suits all of them */

typedef Waiters {
	byte asleep;
	byte kept_out;
	bool refused;
	bool edges
};

hidden byte rose, was_refused_before, is_ready, was_ready, unsure;

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
				 !waiters.refused)

inline refuse(waiters)
{
	waiters.refused = true
}

inline poll_edges(waiters)
{
	waiters.edges = true
}

/* whom and pollers are zeroed. */
inline concerned(waiters, ready, before, now, returned, is_end, has_pollers, whom, pollers)
{
	if
	:: is_nobody(waiters) && !has_pollers
	:: else ->
		was_refused_before = returned && waiters.refused && !broken(REFUSED_NOT_TOLD);
		waiters.refused = waiters.refused && !returned;
		if
		:: now == 0 && !is_end
		:: else -> choose(waiters, ready, before, now, returned, is_end, has_pollers, whom, pollers)
		fi
	fi
}

inline choose(waiters, ready, before, now, returned, is_end, has_any, whom, pollers)
{
	d_step {
		rose = before < now;
		is_ready = ready != NONE && ready <= now;
		was_ready = ready != NONE && ready <= before;
		unsure = ready == NONE &&
			((rose && !broken(SMALL_RING_NOT_WATCHED)) || was_refused_before);

		if
		:: waiters.asleep == 0
		:: waiters.asleep > 0 && returned && waiters.kept_out > 0 &&
		   !broken(KEPT_OUT_FORGOTTEN) ->
			whom = (is_ready -> one : everybody)
		:: else ->
			if
			:: unsure -> whom = everybody
			:: !unsure && ((returned && !is_end && !broken(NO_HAND_ON)) ||
				       (is_ready && !was_ready)) -> whom = one
			:: else
			fi
		fi;
		if
		:: has_any && (was_refused_before || unsure || (is_ready && !was_ready) ||
			      (rose && waiters.edges && !broken(EDGE_NOT_TOLD))) ->
			pollers = one
		:: else
		fi
	}
}
