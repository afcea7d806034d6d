// SPDX-License-Identifier: GPL-2.0
/*
 * The limits: for unprivileged users, the capacity of a pipe, and the pages in all pipes of a user,
 * pipe(2)s included; and for how long a call spins. Needs root, to change the limits and to become
 * another user.
 */
#include <linux/capability.h>
#include <pthread.h>
#include "module_fixture.h"
#include "credentials.h"
#include "userfault.h"

#define PARAMETERS "/sys/module/mini_pipe/parameters/"
#define PIPE_USER_PAGES_SOFT "/proc/sys/fs/pipe-user-pages-soft"

/* The capacity of a new pipe: by default, and above the soft limit. */
#define DEFAULT DEFAULT_CAPACITY
#define SMALL (2 * PIPE_BUF)
#define DEFAULT_PAGES "16"

static const char *const limits[] = {
	PARAMETERS "max_capacity", PARAMETERS "user_pages_soft", PARAMETERS "user_pages_hard",
	PARAMETERS "max_spin_us", PIPE_USER_PAGES_SOFT,
};

FIXTURE(limits)
{
	int device;
	char before[ARRAY_SIZE(limits)][32];
};

static bool read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, size - 1);

	close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

FIXTURE_SETUP(limits)
{
	if (geteuid())
		SKIP(return, "needs root");
	set_up_pipe(_metadata);
	self->device = open_for_ioctl(_metadata);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		ASSERT_TRUE(read_file(limits[i], self->before[i], sizeof(self->before[i])))
		{
			TH_LOG("%s: %s", limits[i], strerror(errno));
		}
	}
}

FIXTURE_TEARDOWN(limits)
{
	kill_children(_metadata);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (self->before[i][0])
			EXPECT_TRUE(write_file(limits[i], self->before[i]));
	set_capacity(self->device, DEFAULT);
}

static void set_limit(struct __test_metadata *_metadata, const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	ASSERT_TRUE(write_file(path, value))
	{
		TH_LOG("%s: %s", path, strerror(errno));
	}
}

/*
 * A child process makes a sequence of steps and reports the result of each: mostly the capacity of
 * a pipe, or an error.
 */

struct sequence;

typedef long (*step_fn)(struct sequence *sequence);

struct sequence {
	int device;
	struct ends ends;	/* of the last pipe that it made */
	int capabilities;	/* of root; UNPRIVILEGED: an unprivileged user instead */
	step_fn steps[8];
};

#define UNPRIVILEGED -1

static void set_capabilities(int capabilities)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = capabilities, .permitted = capabilities },
	};

	if (syscall(__NR_capset, &header, data))
		_exit(KSFT_FAIL);
}

static void run_sequence(int report_to, const void *arg)
{
	struct sequence sequence = *(const struct sequence *)arg;

	if (sequence.capabilities == UNPRIVILEGED)
		switch_to(&unprivileged_user);
	else
		set_capabilities(sequence.capabilities);
	for (int i = 0; sequence.steps[i]; i++)
		report(report_to, sequence.steps[i](&sequence));
}

/* Makes another private pipe. Earlier ones stay open. */
static long make_with_capacity(struct sequence *sequence, unsigned int capacity)
{
	struct ends ends;

	if (make_pair(sequence->device, &ends, 0, capacity))
		return -1;
	sequence->ends = ends;
	return capacity_of(ends.w);
}

static long make_default(struct sequence *sequence)
{
	return make_with_capacity(sequence, 0);
}

static long make_of_16_pages(struct sequence *sequence)
{
	return make_with_capacity(sequence, DEFAULT);
}

static long make_above_a_mebibyte(struct sequence *sequence)
{
	return make_with_capacity(sequence, 1048577);
}

static long make_and_close(struct sequence *sequence)
{
	long capacity = make_with_capacity(sequence, 0);

	close(sequence->ends.r);
	close(sequence->ends.w);
	return capacity;
}

/* The kernel can read the argument, but cannot write the descriptors into it. */
static long make_into_readonly(struct sequence *sequence)
{
	void *unwritable = mmap(NULL, page_size(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < 20; i++)
		if (!ioctl(sequence->device, MINI_PIPE_IOC_PAIR, unwritable))
			return 0;
	return -1;
}

static long make_pipe_2(struct sequence *sequence __maybe_unused)
{
	int fds[2];

	return pipe(fds) ? -1 : fcntl(fds[0], F_GETPIPE_SZ);
}

static long resize_to_a_mebibyte(struct sequence *sequence)
{
	return set_capacity(sequence->ends.r, 1048576);
}

static long resize_above_a_mebibyte(struct sequence *sequence)
{
	return set_capacity(sequence->ends.w, 1048577);
}

static long resize_above_a_gibibyte(struct sequence *sequence)
{
	return set_capacity(sequence->ends.w, (1UL << 30) + 1);
}

static long resize_the_device_above_a_mebibyte(struct sequence *sequence)
{
	return set_capacity(sequence->device, 1048577);
}

static long grow(struct sequence *sequence)
{
	return set_capacity(sequence->ends.w, capacity_of(sequence->ends.r) + page_size());
}

static long shrink(struct sequence *sequence)
{
	return set_capacity(sequence->ends.w, page_size());
}

static long shrink_a_little(struct sequence *sequence)
{
	return set_capacity(sequence->ends.w, capacity_of(sequence->ends.r) - 1);
}

/* Negative: -errno of a step. */
static void expect_results(struct __test_metadata *_metadata, const struct sequence *sequence,
			   const long *expected)
{
	struct child child = start_forked(_metadata, run_sequence, sequence);

	for (int i = 0; sequence->steps[i]; i++) {
		struct result result = result_of(_metadata, &child);

		EXPECT_EQ(expected[i], result.ret < 0 ? -result.err : result.ret)
		{
			TH_LOG("step %d", i);
		}
	}
	kill_child(_metadata, &child);
}

#define EXPECT_RESULTS(sequence, ...) expect_results(_metadata, sequence, (long[]){ __VA_ARGS__ })

/* Capacity */

TEST_F(limits, max_capacity_binds_unprivileged_user)
{
	struct sequence sequence = {
		.device = self->device, .capabilities = UNPRIVILEGED,
		.steps = {
			make_default, resize_to_a_mebibyte, resize_above_a_mebibyte,
			resize_the_device_above_a_mebibyte, resize_above_a_gibibyte,
			make_above_a_mebibyte, make_default,
		},
	};

	EXPECT_RESULTS(&sequence, DEFAULT, 1048576, -EPERM, -EPERM, -EINVAL, -EPERM, DEFAULT);
	EXPECT_EQ(DEFAULT, capacity_of(self->device));
}

/* CAP_SYS_ADMIN, which overrides the limits on pages, is not enough here. */
TEST_F(limits, cap_sys_resource_overrides_max_capacity)
{
	struct sequence sequence = {
		.device = self->device, .capabilities = 0,
		.steps = { make_default, resize_above_a_mebibyte, make_above_a_mebibyte },
	};

	EXPECT_RESULTS(&sequence, DEFAULT, -EPERM, -EPERM);
	sequence.capabilities = 1 << CAP_SYS_ADMIN;
	EXPECT_RESULTS(&sequence, DEFAULT, -EPERM, -EPERM);
	sequence.capabilities = 1 << CAP_SYS_RESOURCE;
	EXPECT_RESULTS(&sequence, DEFAULT, 1048577, 1048577);
	EXPECT_EQ(1048577, set_capacity(self->device, 1048577));
}

TEST_F(limits, root_can_change_max_capacity)
{
	struct sequence sequence = {
		.device = self->device, .capabilities = UNPRIVILEGED,
		.steps = { make_default, make_of_16_pages, make_above_a_mebibyte },
	};
	char small[16];

	set_limit(_metadata, "max_capacity", "2000000");
	EXPECT_RESULTS(&sequence, DEFAULT, DEFAULT, 1048577);
	snprintf(small, sizeof(small), "%d", SMALL);
	set_limit(_metadata, "max_capacity", small);
	EXPECT_RESULTS(&sequence, SMALL, -EPERM, -EPERM);
	sequence.capabilities = 1 << CAP_SYS_RESOURCE;
	EXPECT_RESULTS(&sequence, DEFAULT, DEFAULT, 1048577);
}

/* The next test: a pipe above a lowered limit can still shrink. */
static long lower_the_limit(struct sequence *sequence __maybe_unused)
{
	return write_file(PARAMETERS "max_capacity", "5000") ? 0 : -1;
}

static long drop_capabilities(struct sequence *sequence __maybe_unused)
{
	set_capabilities(0);
	return 0;
}

TEST_F(limits, pipe_above_max_capacity_may_shrink)
{
	struct sequence sequence = {
		.device = self->device, .capabilities = 1 << CAP_SYS_RESOURCE,
		.steps = {
			make_default, lower_the_limit, drop_capabilities, shrink_a_little, grow,
		},
	};

	EXPECT_RESULTS(&sequence, DEFAULT, 0, 0, DEFAULT - 1, -EPERM);
}

/* The next tests: a pipe can always keep its size, even above the limit. */
static long keep_size(struct sequence *sequence)
{
	return set_capacity(sequence->ends.w, capacity_of(sequence->ends.r));
}

static long write_byte(struct sequence *sequence)
{
	return write(sequence->ends.w, "x", 1);
}

static long read_byte(struct sequence *sequence)
{
	char byte = 0;

	return read(sequence->ends.r, &byte, 1) == 1 ? byte : -1;
}

TEST_F(limits, pipe_above_max_capacity_may_keep_its_size)
{
	struct sequence sequence = {
		.device = self->device, .capabilities = 1 << CAP_SYS_RESOURCE,
		.steps = {
			make_default, write_byte, lower_the_limit, drop_capabilities,
			keep_size, grow, read_byte,
		},
	};

	EXPECT_RESULTS(&sequence, DEFAULT, 1, 0, 0, DEFAULT, -EPERM, 'x');
}

TEST_F(limits, pipe_at_user_pages_hard_may_keep_its_size)
{
	struct sequence sequence = {
		.device = self->device, .capabilities = UNPRIVILEGED,
		.steps = {
			make_default, make_default, write_byte, keep_size, grow,
			read_byte,
		},
	};

	set_limit(_metadata, "user_pages_soft", "0");
	set_limit(_metadata, "user_pages_hard", "32");
	EXPECT_RESULTS(&sequence, DEFAULT, DEFAULT, 1, DEFAULT, -EPERM, 'x');
}

/* Pages: a pipe of the default capacity has 16 */

TEST_F(limits, above_user_pages_soft_new_pipes_are_small)
{
	struct sequence sequence = {
		.device = self->device, .capabilities = UNPRIVILEGED,
		.steps = {
			make_default, make_default, make_default, make_of_16_pages, make_default,
		},
	};

	set_limit(_metadata, "user_pages_soft", "32");
	EXPECT_RESULTS(&sequence, DEFAULT, DEFAULT, SMALL, -EPERM, SMALL);
}

TEST_F(limits, pipe_cannot_grow_above_user_pages_soft)
{
	struct sequence sequence = {
		.device = self->device, .capabilities = UNPRIVILEGED,
		.steps = { make_default, grow, shrink, grow, resize_to_a_mebibyte },
	};

	set_limit(_metadata, "user_pages_soft", DEFAULT_PAGES);
	EXPECT_RESULTS(&sequence, DEFAULT, -EPERM, PIPE_BUF, SMALL, -EPERM);
}

TEST_F(limits, above_user_pages_hard_new_pipes_fail)
{
	struct sequence sequence = {
		.device = self->device, .capabilities = UNPRIVILEGED,
		.steps = {
			make_default, make_default, make_default, make_of_16_pages, grow, shrink,
		},
	};

	set_limit(_metadata, "user_pages_hard", "32");
	EXPECT_RESULTS(&sequence, DEFAULT, DEFAULT, -ENFILE, -ENFILE, -EPERM, PIPE_BUF);
}

/* As in fs/pipe.c: a small pipe may fit below the hard limit where a default one does not. */
TEST_F(limits, small_pipe_may_fit_below_user_pages_hard)
{
	struct sequence sequence = {
		.device = self->device, .capabilities = UNPRIVILEGED,
		.steps = { make_default, make_default, make_default },
	};

	set_limit(_metadata, "user_pages_soft", DEFAULT_PAGES);
	set_limit(_metadata, "user_pages_hard", "18");
	EXPECT_RESULTS(&sequence, DEFAULT, SMALL, -ENFILE);
}

TEST_F(limits, zero_user_pages_is_no_limit)
{
	struct sequence sequence = {
		.device = self->device, .capabilities = UNPRIVILEGED,
		.steps = { make_default, make_of_16_pages, grow },
	};

	set_limit(_metadata, "user_pages_soft", "0");
	set_limit(_metadata, "user_pages_hard", "0");
	EXPECT_RESULTS(&sequence, DEFAULT, DEFAULT, DEFAULT + PIPE_BUF);
}

TEST_F(limits, closed_and_failed_pipes_count_no_pages)
{
	struct sequence sequence = {
		.device = self->device, .capabilities = UNPRIVILEGED,
		.steps = {
			make_and_close, make_into_readonly, make_above_a_mebibyte, make_default,
			make_of_16_pages, make_default,
		},
	};

	set_limit(_metadata, "user_pages_soft", DEFAULT_PAGES);
	EXPECT_RESULTS(&sequence, DEFAULT, -EFAULT, -EPERM, DEFAULT, -EPERM, SMALL);
}

TEST_F(limits, user_pages_soft_counts_pages_of_pipe_2)
{
	struct sequence sequence = {
		.device = self->device, .capabilities = UNPRIVILEGED,
		.steps = { make_pipe_2, make_pipe_2, make_default },
	};

	set_limit(_metadata, "user_pages_soft", "32");
	EXPECT_RESULTS(&sequence, DEFAULT, DEFAULT, SMALL);
}

TEST_F(limits, pipe_user_pages_soft_counts_pages_of_private_pipes)
{
	struct sequence sequence = {
		.device = self->device, .capabilities = UNPRIVILEGED,
		.steps = { make_default, make_pipe_2, shrink, make_and_close, make_pipe_2 },
	};

	/* Pages: 16 + 2 at first, then 1 + 2 + 16. */
	ASSERT_TRUE(write_file(PIPE_USER_PAGES_SOFT, "19"));
	EXPECT_RESULTS(&sequence, DEFAULT, SMALL, PIPE_BUF, DEFAULT, DEFAULT);
}

TEST_F(limits, cap_sys_admin_or_cap_sys_resource_overrides_user_pages_hard)
{
	struct sequence sequence = {
		.device = self->device, .capabilities = 0,
		.steps = { make_default, make_of_16_pages },
	};

	set_limit(_metadata, "user_pages_hard", "1");
	EXPECT_RESULTS(&sequence, -ENFILE, -ENFILE);
	sequence.capabilities = 1 << CAP_SYS_ADMIN;
	EXPECT_RESULTS(&sequence, DEFAULT, DEFAULT);
	sequence.capabilities = 1 << CAP_SYS_RESOURCE;
	EXPECT_RESULTS(&sequence, DEFAULT, DEFAULT);
}

/* An unprivileged process that makes a private pipe on each command, and keeps them all open. */

struct maker {
	int device;
	int command;		/* a pipe(2); each command is a capacity */
	struct child child;
};

static void make_on_command(int report_to, const void *arg)
{
	const struct maker *maker = arg;
	unsigned int capacity;
	struct ends ends;

	switch_to(&unprivileged_user);
	while (read(maker->command, &capacity, sizeof(capacity)) == sizeof(capacity)) {
		report(report_to, make_pair(maker->device, &ends, O_NONBLOCK, capacity));
		report(report_to, ends.r);
		report(report_to, ends.w);
	}
}

static void start_maker(struct __test_metadata *_metadata, struct maker *maker, int device)
{
	int fds[2];

	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	maker->device = device;
	maker->command = fds[0];
	maker->child = start_forked(_metadata, make_on_command, maker);
	close(fds[0]);
	maker->command = fds[1];
}

/* Tells the maker to make a pipe. Returns 0 and copies of its ends, or an errno. */
static int command(struct __test_metadata *_metadata, struct maker *maker, unsigned int capacity,
		   struct ends *ends)
{
	struct result result;
	int r, w;

	ASSERT_EQ((ssize_t)sizeof(capacity), write(maker->command, &capacity, sizeof(capacity)));
	result = result_of(_metadata, &maker->child);
	r = result_of(_metadata, &maker->child).ret;
	w = result_of(_metadata, &maker->child).ret;
	if (result.ret)
		return result.err;
	*ends = (struct ends){
		copy_descriptor(maker->child.pid, r), copy_descriptor(maker->child.pid, w),
	};
	ASSERT_LE(0, ends->r);
	ASSERT_LE(0, ends->w);
	return 0;
}

/*
 * When a pipe shrinks, a call that is stuck in a page fault keeps the old storage, which stays
 * charged to the user as a whole. Here the pipe shrinks from a mebibyte to 16 pages.
 */

#define MEBIBYTE 1048576

/* Pages: enough for a mebibyte and 16 pages, but not for another 16. */
static const char *mebibyte_and_16_pages(void)
{
	static char text[16];

	snprintf(text, sizeof(text), "%zu", MEBIBYTE / page_size() + 24);
	return text;
}

static void shrink_during_copy(struct __test_metadata *_metadata, int device, int end, bool killed)
{
	struct ends ends, second;
	struct maker maker;
	struct stuck stuck;

	set_limit(_metadata, "user_pages_soft", "0");
	set_limit(_metadata, "user_pages_hard", mebibyte_and_16_pages());
	start_maker(_metadata, &maker, device);
	ASSERT_EQ(0, command(_metadata, &maker, MEBIBYTE, &ends));
	if (end == O_RDONLY)
		write_pattern(_metadata, ends.w, DEFAULT);
	if (!start_stuck_with(_metadata, &stuck, end == O_RDONLY ? ends.r : ends.w, end, 0,
			      DEFAULT))
		return;
	ASSERT_EQ(DEFAULT, set_capacity(ends.w, DEFAULT));
	EXPECT_EQ(ENFILE, command(_metadata, &maker, MEBIBYTE, &second));
	if (killed) {
		kill_child(_metadata, &stuck.child);
	} else {
		resolve_with_pattern(_metadata, &stuck);
		EXPECT_EQ(DEFAULT, result_of(_metadata, &stuck.child).ret);
	}
	EXPECT_EQ(0, command(_metadata, &maker, MEBIBYTE, &second));
	EXPECT_EQ(ENFILE, command(_metadata, &maker, MEBIBYTE, &second));
}

TEST_F(limits, pages_of_stuck_reader_count_until_it_is_killed)
{
	shrink_during_copy(_metadata, self->device, O_RDONLY, true);
}

TEST_F(limits, pages_of_stuck_writer_count_until_it_is_killed)
{
	shrink_during_copy(_metadata, self->device, O_WRONLY, true);
}

TEST_F(limits, pages_of_stuck_reader_count_until_its_copy_ends)
{
	shrink_during_copy(_metadata, self->device, O_RDONLY, false);
}

TEST_F(limits, pages_of_stuck_writer_count_until_its_copy_ends)
{
	shrink_during_copy(_metadata, self->device, O_WRONLY, false);
}

/* The pages that a stuck reader keeps are uncharged with the pipe's other pages. */
TEST_F(limits, closed_pipe_counts_pages_until_its_stuck_reader_is_killed)
{
	struct ends ends, second;
	struct maker maker, other;
	struct stuck stuck;

	set_limit(_metadata, "user_pages_soft", "0");
	set_limit(_metadata, "user_pages_hard", mebibyte_and_16_pages());
	start_maker(_metadata, &maker, self->device);
	ASSERT_EQ(0, command(_metadata, &maker, MEBIBYTE, &ends));
	write_pattern(_metadata, ends.w, DEFAULT);
	if (!start_stuck_with(_metadata, &stuck, ends.r, O_RDONLY, 0, DEFAULT))
		return;
	ASSERT_EQ(DEFAULT, set_capacity(ends.w, DEFAULT));
	kill_child(_metadata, &maker.child);
	close(ends.r);
	close(ends.w);
	start_maker(_metadata, &other, self->device);
	EXPECT_EQ(ENFILE, command(_metadata, &other, MEBIBYTE, &second));
	kill_child(_metadata, &stuck.child);
	EXPECT_EQ(0, command(_metadata, &other, MEBIBYTE, &second));
}

/*
 * Two threads resize at the same time: the limits hold in either order. The threads belong to an
 * unprivileged process, and root resets the pipe for each round.
 */

#define RACES 100

struct race {
	int fds[2];
	unsigned int capacities[2];
	pthread_barrier_t barrier;
};

struct racer {
	struct race *race;
	int which;
	int ret;
};

static void *resize_in_race(void *arg)
{
	struct racer *racer = arg;
	struct race *race = racer->race;

	pthread_barrier_wait(&race->barrier);
	racer->ret = set_capacity(race->fds[racer->which], race->capacities[racer->which]);
	return NULL;
}

/* Reports the result of each thread. */
static void race(int report_to, const void *arg)
{
	struct race race = *(const struct race *)arg;
	struct racer racers[2];
	pthread_t threads[2];

	switch_to(&unprivileged_user);
	pthread_barrier_init(&race.barrier, NULL, 2);
	for (int i = 0; i < 2; i++) {
		racers[i] = (struct racer){ .race = &race, .which = i };
		if (pthread_create(&threads[i], NULL, resize_in_race, &racers[i]))
			_exit(KSFT_FAIL);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	report(report_to, racers[0].ret);
	report(report_to, racers[1].ret);
}

static void run_race(struct __test_metadata *_metadata, const struct race *one, int *results)
{
	struct child child = start_forked(_metadata, race, one);

	for (int i = 0; i < 2; i++)
		results[i] = result_of(_metadata, &child).ret;
	kill_child(_metadata, &child);
}

/*
 * A pipe is above the limit. One thread shrinks it to a page. The other sets it to `less`, which is
 * allowed only as long as that shrinks the pipe. In either order, a page is left.
 */
static void race_above_a_limit(struct __test_metadata *_metadata, const struct ends *ends,
			       unsigned int from, unsigned int less)
{
	struct race one = {
		.fds = { ends->r, ends->w }, .capacities = { less, PIPE_BUF },
	};
	int results[2];

	for (int i = 0; i < RACES; i++) {
		ASSERT_EQ((int)from, set_capacity(ends->r, from));
		run_race(_metadata, &one, results);
		ASSERT_EQ(PIPE_BUF, results[1]);
		ASSERT_EQ(PIPE_BUF, capacity_of(ends->r))
		{
			TH_LOG("round %d: grown above the limit", i);
		}
	}
}

TEST_F(limits, max_capacity_holds_when_two_resize_at_once)
{
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 0);

	race_above_a_limit(_metadata, &ends, 2 * MEBIBYTE, MEBIBYTE + MEBIBYTE / 2);
}

TEST_F(limits, max_capacity_holds_when_two_resize_device_at_once)
{
	struct ends ends = { self->device, self->device };

	race_above_a_limit(_metadata, &ends, 2 * MEBIBYTE, MEBIBYTE + MEBIBYTE / 2);
}

TEST_F(limits, user_pages_soft_holds_when_two_resize_at_once)
{
	struct maker maker;
	struct ends ends;

	start_maker(_metadata, &maker, self->device);
	ASSERT_EQ(0, command(_metadata, &maker, 0, &ends));
	set_limit(_metadata, "user_pages_soft", DEFAULT_PAGES);
	race_above_a_limit(_metadata, &ends, MEBIBYTE, MEBIBYTE / 2);
}

/* Of 33 pages, two pipes cannot get 32 each. Afterwards, 32 and 1 are still allowed. */
TEST_F(limits, user_pages_soft_holds_when_two_pipes_grow_at_once)
{
	struct race one = { .capacities = { 32 * PIPE_BUF, 32 * PIPE_BUF } };
	struct ends first, second;
	struct maker maker;
	int results[2];

	start_maker(_metadata, &maker, self->device);
	ASSERT_EQ(0, command(_metadata, &maker, PIPE_BUF, &first));
	ASSERT_EQ(0, command(_metadata, &maker, PIPE_BUF, &second));
	set_limit(_metadata, "user_pages_soft", "33");
	one.fds[0] = first.w;
	one.fds[1] = second.w;

	for (int i = 0; i < RACES; i++) {
		run_race(_metadata, &one, results);
		ASSERT_FALSE(results[0] > 0 && results[1] > 0);
		ASSERT_EQ(PIPE_BUF, set_capacity(first.w, PIPE_BUF));
		ASSERT_EQ(PIPE_BUF, set_capacity(second.w, PIPE_BUF));
	}
	/* Now no other pipe of the user grows: the device's pages are charged to nobody. */
	one.fds[1] = self->device;
	one.capacities[1] = DEFAULT;
	run_race(_metadata, &one, results);
	EXPECT_EQ(32 * PIPE_BUF, results[0]);
	one.fds[0] = second.w;
	one.capacities[0] = 2 * PIPE_BUF;
	run_race(_metadata, &one, results);
	EXPECT_EQ(-1, results[0]);
}

/* The limits themselves */

TEST_F(limits, defaults_are_those_of_pipe_7)
{
	static const char *const defaults[] = { "1048576\n", "16384\n", "0\n" };

	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
		EXPECT_STREQ(defaults[i], self->before[i]);
}

TEST_F(limits, parameters_reject_what_is_not_a_number)
{
	static const char *const wrong[] = { "-1", "many", "1x", "99999999999999999999999" };
	char text[32];

	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(wrong); j++) {
			EXPECT_FALSE(write_file(limits[i], wrong[j]))
			{
				TH_LOG("%s: %s", limits[i], wrong[j]);
			}
		}
		ASSERT_TRUE(read_file(limits[i], text, sizeof(text)));
		EXPECT_STREQ(self->before[i], text);
	}
}

/* For how many nanoseconds the next read, or write, of a pipe spins before it sleeps. */
static long spin_time(struct __test_metadata *_metadata, const struct ends *ends, const char *line)
{
	char file[32], text[4096];
	const char *value;

	snprintf(file, sizeof(file), "fdinfo/%d", ends->r);
	ASSERT_TRUE(read_proc(getpid(), file, text, sizeof(text)));
	value = strstr(text, line);
	ASSERT_NE(NULL, value)
	{
		TH_LOG("no %s in\n%s", line, text);
	}
	return atol(value + strlen(line));
}

/* The longest time for which a read or write of the two pipes spins. */
static long longest_spin(struct __test_metadata *_metadata, const struct ends *pipes)
{
	long longest = 0;

	for (int i = 0; i < 2; i++) {
		long reads = spin_time(_metadata, &pipes[i], "\nreader-spin-ns:");
		long writes = spin_time(_metadata, &pipes[i], "\nwriter-spin-ns:");

		longest = longest > reads ? longest : reads;
		longest = longest > writes ? longest : writes;
	}
	return longest;
}

/* Answers each byte with a byte. */
static void answer(int report_to __maybe_unused, const void *arg)
{
	const struct ends *pipes = arg;
	char byte;

	while (read(pipes[0].r, &byte, 1) == 1 && write(pipes[1].w, &byte, 1) == 1)
		;
}

/* Both tasks wait for each byte, mostly for little longer than a wake-up takes. */
static void exchange_bytes(struct __test_metadata *_metadata, const struct ends *pipes)
{
	struct child child = start_forked(_metadata, answer, pipes);
	char byte;

	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(1, write(pipes[0].w, "x", 1));
		ASSERT_EQ(1, read(pipes[1].r, &byte, 1));
	}
	kill_child(_metadata, &child);
}

TEST_F(limits, fdinfo_shows_no_spin_longer_than_max_spin_us)
{
	static const long micros[] = { 0, 20, 1000 };
	struct ends pipes[2];
	char value[32];

	for (size_t i = 0; i < ARRAY_SIZE(micros); i++) {
		snprintf(value, sizeof(value), "%ld", micros[i]);
		set_limit(_metadata, "max_spin_us", value);
		for (int j = 0; j < 2; j++)
			pipes[j] = private_pipe(_metadata, 0, 0);
		EXPECT_EQ(micros[i] > 0, longest_spin(_metadata, pipes) > 0);
		exchange_bytes(_metadata, pipes);
		EXPECT_GE(1000 * micros[i], longest_spin(_metadata, pipes));
		/* A new value holds for existing pipes, too. */
		set_limit(_metadata, "max_spin_us", "0");
		EXPECT_EQ(0, longest_spin(_metadata, pipes));
		for (int j = 0; j < 2; j++) {
			close(pipes[j].r);
			close(pipes[j].w);
		}
	}
}

TEST_HARNESS_MAIN
