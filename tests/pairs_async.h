/* SPDX-License-Identifier: GPL-2.0 */
/*
 * O_ASYNC on, in the middle of O_ASYNC off
 *
 * A file that is both ends is on two lists, and the kernel trusts its flag to say so: a file whose
 * flag is off is not taken off any list when it is closed. So both lists and the flag must change
 * as one. Here the file is switched off while it is the last of many on the readers' list, so that
 * nearly all the time of that is spent in looking for it there. A thread with a higher priority on
 * the same processor wakes up all the time, and on a kernel that can be preempted comes to run
 * right after that, before the writers' list is looked at. It switches the file on again.
 */
#ifndef PAIRS_ASYNC_H
#define PAIRS_ASYNC_H

#include <pthread.h>
#include <sys/resource.h>
#include "pairs_stage.h"

#define OTHERS 1000
#define TICK_NS 20000

/* Where that thread may miss it, because the list is walked faster, rounds are shorter, too. */
#define ROUNDS_AT_LEAST 5
#define ROUNDS_NS 2000000000L

/* Many times what RCU takes. */
#define FREED_AFTER_NS 100000000L

FIXTURE(o_async)
{
	int device;
	int capacity;
	int others[OTHERS];
};

FIXTURE_VARIANT(o_async)
{
	enum where where;
};

FIXTURE_VARIANT_ADD(o_async, on_the_device) { .where = DEVICE, };
FIXTURE_VARIANT_ADD(o_async, on_a_private_pipe) { .where = PRIVATE, };

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
	for (int i = 0; i < OTHERS; i++) {
		self->others[i] = reopen(O_RDONLY);
		ASSERT_LE(0, self->others[i]);
	}
}

FIXTURE_TEARDOWN(o_async)
{
	for (int i = 0; i < OTHERS; i++)
		close(self->others[i]);
	close_stage();
	restore_the_stage(_metadata, self->device, self->capacity);
}

static void *switch_on_when_off(void *arg)
{
	int *fd = arg, flags;

	do {
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = TICK_NS }, NULL);
		flags = fcntl(*fd, F_GETFL);
	} while (flags & O_ASYNC);
	fcntl(*fd, F_SETFL, flags | O_ASYNC);
	return NULL;
}

/* Comes before whoever else is on this processor. */
static void start_switching_on(struct __test_metadata *_metadata, pthread_t *thread, int *fd)
{
	struct sched_param param = { .sched_priority = 1 };
	pthread_attr_t attr;

	ASSERT_TRUE(bind_to_first_processor(0));
	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	ASSERT_EQ(0, pthread_create(thread, &attr, switch_on_when_off, fd));
}

static bool a_signal_came(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	return sigtimedwait(&set, NULL, &(struct timespec){ 0 }) == SIGIO;
}

/* A new file of the pipe, at the end of the readers' list and alone on the writers'. */
static int open_last(struct __test_metadata *_metadata, const int *others)
{
	int fd = reopen(O_RDWR);

	ASSERT_LE(0, fd);
	set_flag(_metadata, fd, O_ASYNC, true);
	for (int i = 0; i < OTHERS; i++)
		set_flag(_metadata, others[i], O_ASYNC, true);
	return fd;
}

/* Whoever came last, the flags of the file and of the others are off in the end. */
static void switch_off_and_on(struct __test_metadata *_metadata, int fd, const int *others,
			      enum where where)
{
	pthread_t thread;
	char line[80];

	snprintf(line, sizeof(line), "o_async on in the middle of off, %s", where_names[where]);
	log_line(line);
	start_switching_on(_metadata, &thread, &fd);
	set_flag(_metadata, fd, O_ASYNC, false);
	pthread_join(thread, NULL);
	set_flag(_metadata, fd, O_ASYNC, false);
	/* The last one is the first of the list. */
	for (int i = OTHERS; i--;)
		set_flag(_metadata, others[i], O_ASYNC, false);
}

TEST_F_TIMEOUT(o_async, a_file_that_was_switched_off_gets_no_signal, 300)
{
	long end = ns_now() + ROUNDS_NS;

	for (int round = 0; round < ROUNDS_AT_LEAST || ns_now() < end; round++) {
		int fd = open_last(_metadata, self->others);

		ASSERT_EQ(0, fcntl(fd, F_SETOWN, getpid()));
		switch_off_and_on(_metadata, fd, self->others, variant->where);
		a_signal_came();
		put_in(_metadata, fd, 1);
		take(_metadata, fd, 1);
		EXPECT_FALSE(a_signal_came());
		/* If it did: then the file is on no list when it is closed. */
		set_flag(_metadata, fd, O_ASYNC, true);
		set_flag(_metadata, fd, O_ASYNC, false);
		close(fd);
	}
}

/*
 * A file of nobody: its owner would be freed at once, and the kernel die of that before anybody can
 * tell. The file itself is freed when all processors have been seen outside of RCU.
 */
TEST_F_TIMEOUT(o_async, a_file_that_was_switched_off_is_signalled_no_more_when_closed, 300)
{
	long end = ns_now() + ROUNDS_NS, freed;

	for (int round = 0; round < ROUNDS_AT_LEAST || ns_now() < end; round++) {
		int fd = open_last(_metadata, self->others);

		switch_off_and_on(_metadata, fd, self->others, variant->where);
		close(fd);
		freed = ns_now() + FREED_AFTER_NS;
		while (ns_now() < freed && reports() == 0) {
			put_in(_metadata, WRITE_FD, 1);
			take(_metadata, READ_FD, 1);
			a_moment();
		}
		ASSERT_EQ(0, reports())
		{
			TH_LOG("the kernel has reported something: see its log");
		}
	}
}

#endif
