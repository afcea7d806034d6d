/* SPDX-License-Identifier: GPL-2.0 */
/* Who of a side sleeps or polls, and whom a change concerns: mini_pipe/waiters.rs. */
#ifndef TWIN_WAITERS_H
#define TWIN_WAITERS_H

#include <linux/limits.h>
#include <linux/types.h>

enum wake {
	WAKE_NOBODY,
	WAKE_ONE,
	WAKE_EVERYBODY,
};

struct interest {
	bool edges;
	bool exclusive;
};

/* There is no level at which each of them finds what it waits for. */
#define NEVER_READY SIZE_MAX

struct waiters {
	size_t ready;
	size_t asleep;
	u64 sleeps;
	u64 wakeups;
	size_t kept_out;
	bool refused;
	bool polled;
	bool edges;
	bool exclusive;
};

static inline void waiters_fall_asleep(struct waiters *waiters, bool kept_out)
{
	waiters->asleep++;
	waiters->sleeps++;
	waiters->kept_out += kept_out;
}

static inline void waiters_wake_up(struct waiters *waiters, bool kept_out)
{
	waiters->asleep--;
	waiters->kept_out -= kept_out;
}

static __always_inline bool waiters_is_nobody(const struct waiters *waiters)
{
	return !waiters->asleep && !waiters->polled && !waiters->refused;
}

static inline void waiters_refuse(struct waiters *waiters)
{
	waiters->refused = true;
}

static inline void waiters_poll(struct waiters *waiters, struct interest interest)
{
	waiters->polled = true;
	waiters->edges |= interest.edges;
	waiters->exclusive |= interest.exclusive;
}

static inline void waiters_forget_pollers(struct waiters *waiters)
{
	waiters->polled = false;
	waiters->edges = false;
	waiters->exclusive = false;
}

static inline enum wake waiters_whom(struct waiters *waiters, size_t before, size_t now,
				     bool returned)
{
	bool rose = before < now;
	bool refused = returned && waiters->refused;
	bool asleep = returned && waiters->asleep && now;
	bool kept_out = asleep && waiters->kept_out;
	bool has_level = waiters->ready != NEVER_READY;
	bool is_ready = has_level && waiters->ready <= now;
	bool was_ready = has_level && waiters->ready <= before;

	if (returned)
		waiters->refused = false;
	if (!is_ready && (kept_out || (!has_level && (rose || refused))))
		return WAKE_EVERYBODY;
	if (!(asleep || (is_ready && (!was_ready || refused)) || (rose && waiters->edges)))
		return WAKE_NOBODY;
	return waiters->exclusive ? WAKE_EVERYBODY : WAKE_ONE;
}

static __always_inline enum wake waiters_concerned(struct waiters *waiters, size_t before,
						   size_t now, bool returned)
{
	enum wake whom;

	if (waiters_is_nobody(waiters))
		return WAKE_NOBODY;
	whom = waiters_whom(waiters, before, now, returned);
	if (whom != WAKE_NOBODY)
		waiters->wakeups++;
	return whom;
}

static inline enum wake waiters_all_if(struct waiters *waiters, bool news)
{
	if (!news)
		return WAKE_NOBODY;
	waiters->wakeups++;
	return WAKE_EVERYBODY;
}

#endif
