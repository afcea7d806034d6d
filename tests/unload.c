// SPDX-License-Identifier: GPL-2.0
/*
 * Unloading the module while a task still uses the mount of private pipes.
 *
 * The task that closes the last file of a private pipe drops the last reference to the module, and
 * a little later its reference to the mount. In between, the module can be unloaded, but the unload
 * must wait for the mount.
 *
 * Three threads bring this about. The closer closes the file. The test has a higher priority on the
 * same processor, and lets the closer run for some microseconds at a time. After each of these, the
 * unloader, on another processor, tries to unload the module.
 *
 * Needs two processors, and a kernel that preempts a task in a system call.
 */
#include <pthread.h>
#include <sys/fanotify.h>
#include "ioctls.h"
#include "module_fixture.h"

#define TRIES 20

/* With this many fanotify marks, the closer is stopped several times while it frees them. */
#define MARKS 100

/* How long each stop of the closer lasts, while the unloader tries. */
#define STOP_NS 50000000L

/* No request, or one to the unloader; then the results of unload(). */
enum { NONE, ASKED, BUSY, UNLOADED, FAILED };

struct stage {
	int fd;			/* the last file */
	atomic_int request;
	atomic_int unloader;	/* its thread ID */
};

FIXTURE(unload)
{
	cpu_set_t first;	/* the first processor */
	cpu_set_t others;
	int groups[MARKS];	/* of fanotify */
};

FIXTURE_SETUP(unload)
{
	int cpu = 0;

	if (geteuid())
		SKIP(return, "needs root");
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(self->others), &self->others));
	while (!CPU_ISSET(cpu, &self->others))
		cpu++;
	CPU_ZERO(&self->first);
	CPU_SET(cpu, &self->first);
	CPU_CLR(cpu, &self->others);
	if (!CPU_COUNT(&self->others))
		SKIP(return, "needs two processors");
	for (int i = 0; i < MARKS; i++) {
		self->groups[i] = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC, O_RDONLY);
		ASSERT_LE(0, self->groups[i]);
	}
	start_unloaded(_metadata);
}

FIXTURE_TEARDOWN(unload)
{
	end_loaded(_metadata);
}

static void *close_last_file(void *arg)
{
	struct stage *stage = arg;

	close(stage->fd);
	return NULL;
}

static void *unload_on_request(void *arg)
{
	struct stage *stage = arg;
	int answer;

	stage->unloader = gettid();
	do {
		while (stage->request != ASKED)
			;
		answer = !unload() ? UNLOADED : errno == EWOULDBLOCK ? BUSY : FAILED;
		stage->request = answer;
	} while (answer == BUSY);
	return NULL;
}

/*
 * Starts a thread; priority 0 is the ordinary policy. The closer must not have that: now and then
 * the kernel would run it despite the test's priority.
 */
static pthread_t start_thread(struct __test_metadata *_metadata, void *(*routine)(void *),
			      struct stage *stage, const cpu_set_t *set, int priority)
{
	struct sched_param param = { .sched_priority = priority };
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(*set), set);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, priority ? SCHED_FIFO : SCHED_OTHER);
	pthread_attr_setschedparam(&attr, &param);
	ASSERT_EQ(0, pthread_create(&thread, &attr, routine, stage));
	return thread;
}

/*
 * Whether the unloader sleeps in pipefs.rs itself, before it unmounts. Then its stack has only
 * fsleep() and its callees above pipefs.rs. A sleep in the unmount that follows does not count.
 */
static bool unloader_waits(const struct stage *stage)
{
	char stack[4096], *rest = stack, *frame;

	if (state_of(stage->unloader) != 'D' ||
	    !read_proc(stage->unloader, "stack", stack, sizeof(stack)))
		return false;
	while ((frame = strsep(&rest, "\n")) && strstr(frame, "sleep"))
		;
	return frame && strstr(frame, "FileSystem");
}

/*
 * Lets the unloader try, while the closer does not run. Returns whether the unloader waits for the
 * closer. If the unloader waits for something else, it may have no answer yet.
 */
static bool try_to_unload(struct stage *stage)
{
	long now = ns_now();
	long end = now + STOP_NS;

	if (stage->request == NONE || stage->request == BUSY)
		stage->request = ASKED;
	/* The first tenth is for a quick answer: looking at the unloader is slow. */
	for (; stage->request == ASKED && now < end; now = ns_now())
		if (end - now < STOP_NS * 9 / 10 && unloader_waits(stage))
			return true;
	return false;
}

static void set_priority(struct __test_metadata *_metadata, int policy, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	ASSERT_EQ(0, sched_setscheduler(0, policy, &param));
}

/* Makes a private pipe, and returns its only descriptor. */
static int open_last_file(struct __test_metadata *_metadata)
{
	int device = open_for_ioctl(_metadata);
	struct ends ends;

	ASSERT_EQ(0, make_pair(device, &ends, 0, 0));
	close(device);
	close(ends.w);
	return ends.r;
}

/*
 * Marks the inode of a file. These marks do not hold the inode: the closer frees them with it,
 * after it has dropped the reference to the module, and before it drops the one to the mount.
 */
static void mark(struct __test_metadata *_metadata, const int *groups, int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (int i = 0; i < MARKS; i++)
		ASSERT_EQ(0, fanotify_mark(groups[i], FAN_MARK_ADD | FAN_MARK_EVICTABLE, FAN_MODIFY,
					   AT_FDCWD, path));
}

TEST_F_TIMEOUT(unload, waits_for_task_that_closes_last_file, 120)
{
	struct timespec moment = { .tv_nsec = 1 };
	bool waited = false;

	ASSERT_EQ(0, sched_setaffinity(0, sizeof(self->first), &self->first));
	for (int try = 0; try < TRIES && !waited; try++) {
		struct stage stage = {};
		pthread_t closer, unloader;

		load_with(_metadata, "");
		stage.fd = open_last_file(_metadata);
		mark(_metadata, self->groups, stage.fd);
		unloader = start_thread(_metadata, unload_on_request, &stage, &self->others, 0);
		while (!stage.unloader)
			sleep_1ms();
		set_priority(_metadata, SCHED_FIFO, 2);
		closer = start_thread(_metadata, close_last_file, &stage, &self->first, 1);
		do {
			/* The closer runs until the timer expires. */
			clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
			waited = try_to_unload(&stage);
		} while (!waited && (stage.request == BUSY || stage.request == ASKED));
		set_priority(_metadata, SCHED_OTHER, 0);
		pthread_join(closer, NULL);
		pthread_join(unloader, NULL);
		ASSERT_EQ(UNLOADED, stage.request);
	}
	EXPECT_TRUE(waited);
}

TEST_HARNESS_MAIN
