/* SPDX-License-Identifier: GPL-2.0 */
/*
 * O_ASYNC on, in the middle of O_ASYNC off
 *
 * A file that is both ends is on two lists, and the kernel trusts its flag to say so: a file whose
 * flag is off is not taken off any list when it is closed. So both lists and the flag must change
 * as one. Here files are switched off that are behind many others on the readers' list, so that
 * nearly all the time of that is spent in looking for them there, under a spin lock. Meanwhile a
 * timer goes off, and a thread with a higher priority is to run on this processor. Where the kernel
 * can be preempted, it does so as soon as the lock is free, before the writers' list is looked at,
 * and switches the file on again. Not each time, so it is tried with many files.
 */
#ifndef PAIRS_ASYNC_H
#define PAIRS_ASYNC_H

#include <pthread.h>
#include <sys/resource.h>
#include "pairs_stage.h"

#define OTHERS 2000
#define TRIES 100

/* Many times what RCU takes. */
#define FREED_AFTER_NS 1000000000L

FIXTURE(o_async)
{
	int device;
	int capacity;
	int files[TRIES];	/* both ends each */
	int others[OTHERS];	/* that read */
};

FIXTURE_VARIANT(o_async)
{
	enum where where;
};

FIXTURE_VARIANT_ADD(o_async, on_the_device) { .where = DEVICE, };
FIXTURE_VARIANT_ADD(o_async, on_a_private_pipe) { .where = PRIVATE, };

static int open_subscribed(struct __test_metadata *_metadata, int mode)
{
	int fd = reopen(mode);

	ASSERT_LE(0, fd);
	set_flag(_metadata, fd, O_ASYNC, true);
	return fd;
}

FIXTURE_SETUP(o_async)
{
	struct rlimit limit = { 2 * OTHERS, 2 * OTHERS };
	sigset_t set;

	empty_pipe(_metadata);
	self->device = open_neither(_metadata);
	self->capacity = capacity_of(self->device);
	ASSERT_EQ(0, reports());
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	open_stage(_metadata, variant->where);
	/* Who comes later is before the others. */
	for (int i = 0; i < TRIES; i++)
		self->files[i] = open_subscribed(_metadata, O_RDWR);
	for (int i = 0; i < OTHERS; i++)
		self->others[i] = open_subscribed(_metadata, O_RDONLY);
}

FIXTURE_TEARDOWN(o_async)
{
	/* The last one is the first of the list. */
	for (int i = OTHERS; i--;)
		close(self->others[i]);
	for (int i = TRIES; i--;)
		close(self->files[i]);
	close_stage();
	restore_the_stage(_metadata, self->device, self->capacity);
}

struct switching {
	int fd;
	struct timespec tick;
};

static void *switch_on_when_off(void *arg)
{
	const struct switching *switching = arg;
	int flags;

	do {
		clock_nanosleep(CLOCK_MONOTONIC, 0, &switching->tick, NULL);
		flags = fcntl(switching->fd, F_GETFL);
	} while (flags & O_ASYNC);
	fcntl(switching->fd, F_SETFL, flags | O_ASYNC);
	return NULL;
}

/* It comes before whoever else is on this processor. */
static void start_switching_on(struct __test_metadata *_metadata, pthread_t *thread,
			       struct switching *switching)
{
	struct sched_param param = { .sched_priority = 1 };
	pthread_attr_t attr;

	ASSERT_TRUE(bind_to_first_processor(0));
	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	ASSERT_EQ(0, pthread_create(thread, &attr, switch_on_when_off, switching));
}

static bool a_signal_came(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	return sigtimedwait(&set, NULL, &(struct timespec){ 0 }) == SIGIO;
}

/* Whoever came last, the file's flag is off in the end. */
static void switch_off_and_on(struct __test_metadata *_metadata, int fd, int try)
{
	/* Short ones leave no time for anybody else, if the timer is slow. */
	static const long ticks[] = { 50000, 100000, 200000, 400000 };
	struct switching switching = { fd, { .tv_nsec = ticks[try % ARRAY_SIZE(ticks)] } };
	pthread_t thread;

	start_switching_on(_metadata, &thread, &switching);
	set_flag(_metadata, fd, O_ASYNC, false);
	pthread_join(thread, NULL);
	set_flag(_metadata, fd, O_ASYNC, false);
}

static void log_async(enum where where)
{
	char line[80];

	snprintf(line, sizeof(line), "o_async on in the middle of off, %s", where_names[where]);
	log_line(line);
}

TEST_F_TIMEOUT(o_async, a_file_that_was_switched_off_gets_no_signal, 300)
{
	int signals = 0;

	log_async(variant->where);
	for (int try = 0; try < TRIES; try++) {
		int fd = self->files[try];

		switch_off_and_on(_metadata, fd, try);
		ASSERT_EQ(0, fcntl(fd, F_SETOWN, getpid()));
		put_in(_metadata, fd, 1);
		take(_metadata, fd, 1);
		if (!a_signal_came())
			continue;
		signals++;
		/* So that it is on no list when it is closed. */
		set_flag(_metadata, fd, O_ASYNC, true);
		set_flag(_metadata, fd, O_ASYNC, false);
	}
	EXPECT_EQ(0, signals)
	{
		TH_LOG("of %d files", TRIES);
	}
}

/*
 * Files of nobody: an owner would be freed at once, and the kernel die of that before anybody can
 * tell. The files themselves are freed when all processors have been seen outside of RCU.
 */
TEST_F_TIMEOUT(o_async, a_file_that_was_switched_off_is_signalled_no_more_when_closed, 300)
{
	long freed;

	log_async(variant->where);
	for (int try = 0; try < TRIES; try++) {
		switch_off_and_on(_metadata, self->files[try], try);
		close(self->files[try]);
		self->files[try] = -1;
	}
	freed = ns_now() + FREED_AFTER_NS;
	do {
		a_moment();
		put_in(_metadata, WRITE_FD, 1);
		take(_metadata, READ_FD, 1);
	} while (ns_now() < freed && reports() == 0);
	EXPECT_EQ(0, reports())
	{
		TH_LOG("the kernel has reported something: see its log");
	}
}

#endif
