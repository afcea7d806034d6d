/* SPDX-License-Identifier: GPL-2.0 */

/*
 * mini_pipe/pipe/copy.rs: copies under a reservation, while the mutex is free. The module ends a
 * copy early only after a chunk, if the other direction spins; here any part may be committed.
 */

hidden byte copied, fault;

/* Copies all reserved bytes, or until a fault, or, if parts is true, any part of them. */
inline copy_chunked(reserved, parts)
{
	if
	:: copied = reserved;
		fault = false
	:: FAULTS ->
		select(copied : 0 .. reserved - 1);
		fault = true
	:: PARTS && parts && reserved > 1 ->
		select(copied : 1 .. reserved - 1);
		fault = false
	fi
}

/* Broken: the wake-ups are sent before the copy and its commit, and none after it. */
#if BROKEN == COMMIT_AFTER_WAKEUP
#define WAKE_TOO_EARLY							\
	atomic {							\
		true;							\
		collect(readers, wake_readers, All);			\
		collect(writers, wake_writers, All);			\
		notify(readers, wake_readers);				\
		notify(writers, wake_writers)				\
	};
#else
#define WAKE_TOO_EARLY
#endif
