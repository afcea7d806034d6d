/* SPDX-License-Identifier: GPL-2.0 */
/*
 * O_ASYNC is set while O_ASYNC is being cleared
 *
 * A file that is both ends is on two fasync lists. The kernel relies on its FASYNC flag: if the
 * flag is clear at the last close, the file is removed from no list. So both lists and the flag
 * must change together.
 *
 * The test clears O_ASYNC of files that stand behind many others on the readers' list. Most of the
 * call is a search of this list under a spin lock. Meanwhile a timer wakes a thread with a higher
 * priority on the same processor. A preemptible kernel runs that thread as soon as the lock is
 * released, before the writers' list is searched, and the thread sets O_ASYNC again. This does not
 * happen each time, so many files are tried.
 */
#ifndef PAIRS_ASYNC_H
#define PAIRS_ASYNC_H

#include <pthread.h>
#include <sys/resource.h>
#include "pairs_fixture.h"

#define OTHERS 2000
#define TRIES 100

/* Much more than an RCU grace period. */
#define RCU_NS 1000000000L

FIXTURE(o_async)
{
	int device;
	int capacity;
	int files[TRIES];	/* each is both ends */
	int others[OTHERS];	/* read ends */
};

FIXTURE_VARIANT(o_async)
{
	enum target target;
};

FIXTURE_VARIANT_ADD(o_async, on_the_device) { .target = DEVICE, };
FIXTURE_VARIANT_ADD(o_async, on_a_private_pipe) { .target = PRIVATE, };

static int open_with_o_async(struct __test_metadata *_metadata, int mode)
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
	self->device = open_for_ioctl(_metadata);
	self->capacity = capacity_of(self->device);
	ASSERT_EQ(0, kernel_reports());
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	open_files_of(_metadata, variant->target);
	/* The kernel inserts at the head of the list, so `files` stand behind `others`. */
	for (int i = 0; i < TRIES; i++)
		self->files[i] = open_with_o_async(_metadata, O_RDWR);
	for (int i = 0; i < OTHERS; i++)
		self->others[i] = open_with_o_async(_metadata, O_RDONLY);
}

FIXTURE_TEARDOWN(o_async)
{
	/* The last one opened stands first on the list, so its close is quick. */
	for (int i = OTHERS; i--;)
		close(self->others[i]);
	for (int i = TRIES; i--;)
		close(self->files[i]);
	close_files();
	restore_device(_metadata, self->device, self->capacity);
}

struct toggle {
	int fd;
	struct timespec delay;
};

static void *set_when_cleared(void *arg)
{
	const struct toggle *toggle = arg;
	int flags;

	do {
		clock_nanosleep(CLOCK_MONOTONIC, 0, &toggle->delay, NULL);
		flags = fcntl(toggle->fd, F_GETFL);
	} while (flags & O_ASYNC);
	fcntl(toggle->fd, F_SETFL, flags | O_ASYNC);
	return NULL;
}

/* Starts the setter with a real-time priority, on the processor of the test. */
static void start_setter(struct __test_metadata *_metadata, pthread_t *thread,
			 struct toggle *toggle)
{
	struct sched_param param = { .sched_priority = 1 };
	pthread_attr_t attr;

	ASSERT_TRUE(bind_to_first_processor(0));
	pthread_attr_init(&attr);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	ASSERT_EQ(0, pthread_create(thread, &attr, set_when_cleared, toggle));
}

static bool signal_is_pending(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	return sigtimedwait(&set, NULL, &(struct timespec){ 0 }) == SIGIO;
}

/* Clears O_ASYNC while the setter may set it, and again when the setter has ended. */
static void clear_and_set(struct __test_metadata *_metadata, int fd, int try)
{
	/* With slow timers, a setter with a short delay leaves the test no time: so several. */
	static const long delays[] = { 50000, 100000, 200000, 400000 };
	struct toggle toggle = { fd, { .tv_nsec = delays[try % ARRAY_SIZE(delays)] } };
	pthread_t thread;

	start_setter(_metadata, &thread, &toggle);
	set_flag(_metadata, fd, O_ASYNC, false);
	pthread_join(thread, NULL);
	set_flag(_metadata, fd, O_ASYNC, false);
}

static void log_test(enum target target)
{
	char line[80];

	snprintf(line, sizeof(line), "o_async set while it is cleared, %s", target_names[target]);
	log_line(line);
}

TEST_F_TIMEOUT(o_async, no_signal_after_o_async_is_cleared, 300)
{
	int signals = 0;

	log_test(variant->target);
	for (int try = 0; try < TRIES; try++) {
		int fd = self->files[try];

		clear_and_set(_metadata, fd, try);
		ASSERT_EQ(0, fcntl(fd, F_SETOWN, getpid()));
		write_pattern(_metadata, fd, 1);
		read_exactly(_metadata, fd, 1);
		if (!signal_is_pending())
			continue;
		signals++;
		/* Removes the file from all lists before its close. */
		set_flag(_metadata, fd, O_ASYNC, true);
		set_flag(_metadata, fd, O_ASYNC, false);
	}
	EXPECT_EQ(0, signals)
	{
		TH_LOG("%d of %d files caused a signal", signals, TRIES);
	}
}

/*
 * The files get no owner: a close frees an owner at once, so the kernel would crash at the next
 * signal, before the test could report that. A file itself is freed after an RCU grace period.
 */
TEST_F_TIMEOUT(o_async, no_use_after_close_when_o_async_is_cleared, 300)
{
	long freed;

	log_test(variant->target);
	for (int try = 0; try < TRIES; try++) {
		clear_and_set(_metadata, self->files[try], try);
		close(self->files[try]);
		self->files[try] = -1;
	}
	freed = ns_now() + RCU_NS;
	do {
		sleep_1ms();
		write_pattern(_metadata, WRITE_FD, 1);
		read_exactly(_metadata, READ_FD, 1);
	} while (ns_now() < freed && kernel_reports() == 0);
	EXPECT_EQ(0, kernel_reports())
	{
		TH_LOG("the kernel has reported something: see its log");
	}
}

#endif
