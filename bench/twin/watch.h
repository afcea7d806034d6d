/* SPDX-License-Identifier: GPL-2.0 */
/* Waiting awake, before it is worth to sleep: mini_pipe/watch.rs. */
#ifndef TWIN_WATCH_H
#define TWIN_WATCH_H

#include <linux/cache.h>
#include <linux/cpumask.h>
#include <linux/ktime.h>
#include <linux/processor.h>
#include <linux/sched/stat.h>

#define PATIENCE_NS (100 * NSEC_PER_USEC)

/* Whether there is another processor for the other side to run on. */
static __always_inline bool watch_is_possible(void)
{
	return num_online_cpus() > 1;
}

struct watch {
	bool watched;
	bool worthwhile;
} ____cacheline_aligned;

static __always_inline bool watch_is_watched(const struct watch *watch)
{
	return READ_ONCE(watch->watched);
}

static __always_inline void watch_tell(struct watch *watch)
{
	if (watch_is_watched(watch))
		WRITE_ONCE(watch->watched, false);
}

/* Whether it can be waited awake, and then since when. */
static inline bool watch_begin(ktime_t *since)
{
	if (!watch_is_possible())
		return false;
	*since = ktime_get();
	return true;
}

static inline bool watch_announce(struct watch *watch)
{
	bool worthwhile = READ_ONCE(watch->worthwhile);

	if (worthwhile)
		WRITE_ONCE(watch->watched, true);
	return worthwhile;
}

static inline bool watch_is_patient(ktime_t since)
{
	return ktime_get() - since < PATIENCE_NS;
}

static inline void watch_watch(struct watch *watch, ktime_t since)
{
	while (watch_is_watched(watch) && single_task_running() && watch_is_patient(since))
		cpu_relax();
	watch_tell(watch);
}

static inline void watch_end(struct watch *watch, ktime_t since)
{
	WRITE_ONCE(watch->worthwhile, watch_is_patient(since));
}

#endif
