/* SPDX-License-Identifier: GPL-2.0 */

/*
 * mini_pipe/pipe/wait/waiters.rs: who waits in one direction, and which of them a change wakes.
 *
 * An exclusive wake-up wakes one sleeper, which is enough when the level reaches the threshold:
 * each reader or writer hands the wake-up on when its call has ended. Until the woken task runs,
 * such a level wakes no second one. If there is no threshold, or if sleepers are contended and it
 * is not reached, some sleeper may find enough, but it is unknown which; so all are woken.
 */

mtype = { None, Exclusive, All };	/* enum Wake */

#define NO_THRESHOLD	0	/* no level is enough for all sleepers */

typedef Waiters {
	byte sleeping;
	byte contended;		/* how many of the sleepers are */
	bool woken;		/* a sleeper was woken, and none has run since */
	bool got_eagain;	/* a call got EAGAIN under contention, or a poll found nothing */
	bool edge_triggered	/* a poll used EPOLLET */
};

hidden byte rose, had_eagain, enough, was_enough, unknown;

inline add_waiter(waiters, is_contended)
{
	waiters.sleeping++;
	waiters.contended = waiters.contended + is_contended
}

inline remove_waiter(waiters, was_contended)
{
	waiters.sleeping--;
	waiters.woken = waiters.woken && broken(WOKEN_FOR_EVER);
	waiters.contended = waiters.contended - was_contended
}

/* Pollers are not counted here. */
#define has_no_waiters(waiters)	((waiters.sleeping == 0 || broken(SLEEPERS_NOT_COUNTED)) && \
				 !waiters.got_eagain)

inline note_eagain(waiters)
{
	waiters.got_eagain = true
}

inline set_edge_triggered(waiters)
{
	waiters.edge_triggered = true
}

/*
 * Sets wake_sleepers and wake_polls, which are None before. The level of this direction has
 * changed from before to now; ended: a call of this direction has moved its bytes, and has no
 * reservation any more.
 */
inline on_change(waiters, threshold, before, now, ended, is_eof, has_pollers,
		 wake_sleepers, wake_polls)
{
	if
	:: has_no_waiters(waiters) && !has_pollers
	:: else ->
		had_eagain = ended && waiters.got_eagain && !broken(EAGAIN_NOT_WOKEN);
		waiters.got_eagain = waiters.got_eagain && !ended;
		if
		:: now == 0 && !is_eof	/* they would find nothing; a later change wakes them */
		:: else ->
			select_wakeup(waiters, threshold, before, now, ended, is_eof,
				      has_pollers, wake_sleepers, wake_polls)
		fi
	fi
}

inline select_wakeup(waiters, threshold, before, now, ended, is_eof, has_pollers,
		     wake_sleepers, wake_polls)
{
	d_step {
		rose = before < now;
		enough = threshold != NO_THRESHOLD && threshold <= now;
		was_enough = threshold != NO_THRESHOLD && threshold <= before;
		unknown = threshold == NO_THRESHOLD &&
			((rose && !broken(SMALL_RING_NOT_WOKEN)) || had_eagain);

		if
		:: waiters.sleeping == 0 || (waiters.woken && enough)
		:: waiters.sleeping > 0 && !(waiters.woken && enough) && ended && waiters.contended > 0 &&
		   !broken(CONTENDED_FORGOTTEN) ->
			wake_sleepers = (enough -> Exclusive : All)
		:: else ->
			if
			:: unknown -> wake_sleepers = All
			:: !unknown && ((ended && !is_eof && !broken(WAKEUP_NOT_HANDED_ON)) ||
					(enough && !was_enough)) -> wake_sleepers = Exclusive
			:: else
			fi
		fi;
		waiters.woken = waiters.woken || wake_sleepers == Exclusive;
		if
		:: has_pollers && ((had_eagain && (enough || is_eof)) || unknown || (enough && !was_enough) ||
				   (rose && waiters.edge_triggered && !broken(EDGE_NOT_WOKEN))) ->
			wake_polls = Exclusive
		:: else
		fi
	}
}
