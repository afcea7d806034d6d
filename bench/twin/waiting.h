/* SPDX-License-Identifier: GPL-2.0 */
/* Waiting, awake or asleep: the first half of mini_pipe/pipe/waiting.rs. */
#ifndef TWIN_WAITING_H
#define TWIN_WAITING_H

#include <linux/sched/signal.h>
#include "pipe.h"

/* How the waiting of one call goes. */
struct wait {
	bool watched;
	ktime_t since;		/* if it has watched, or could have */
	bool interrupted;
};

static inline bool sleep_on(struct pipe *pipe, struct side *side)
{
	DEFINE_WAIT(entry);

	prepare_to_wait_exclusive(&side->queue, &entry, TASK_INTERRUPTIBLE);
	mutex_unlock(&pipe->lock);
	schedule();
	mutex_lock(&pipe->lock);
	finish_wait(&side->queue, &entry);
	return signal_pending(current);
}

/* Does not hold the lock any more if it fails. */
static inline int wait_for_change(struct pipe *pipe, struct side *side, struct waiters *waiters,
				  bool kept_out, unsigned int flags, struct wait *wait)
{
	if (flags & O_NONBLOCK) {
		if (kept_out)
			waiters_refuse(waiters);
		mutex_unlock(&pipe->lock);
		return -EAGAIN;
	}
	if (wait->interrupted) {
		mutex_unlock(&pipe->lock);
		return -ERESTARTSYS;
	}
	if (!wait->watched) {
		wait->watched = watch_begin(&wait->since);
		if (wait->watched && watch_announce(&side->watch)) {
			mutex_unlock(&pipe->lock);
			watch_watch(&side->watch, wait->since);
			wait->interrupted = signal_pending(current);
			mutex_lock(&pipe->lock);
			return 0;
		}
	}
	waiters_fall_asleep(waiters, kept_out);
	wait->interrupted = sleep_on(pipe, side);
	waiters_wake_up(waiters, kept_out);
	if (wait->watched) {
		wait->watched = false;
		watch_end(&side->watch, wait->since);
	}
	return 0;
}

static inline int wait_for_bytes(struct pipe *pipe, unsigned int flags, struct wait *wait)
{
	return wait_for_change(pipe, &pipe->readers, &pipe->waiting_readers,
			       indices_is_reading(&pipe->ring.indices), flags, wait);
}

static inline int wait_for_room(struct pipe *pipe, unsigned int flags, struct wait *wait)
{
	return wait_for_change(pipe, &pipe->writers, &pipe->waiting_writers,
			       pipe_is_writing(pipe), flags, wait);
}

#endif
