// SPDX-License-Identifier: GPL-2.0
/*
 * What users without privileges may have of pipes: so much capacity, and so many pages in all of
 * their pipes, those of pipe(2) included. Needs root, to change the limits and to become somebody
 * else.
 */
#include <linux/capability.h>
#include <pthread.h>
#include "module_fixture.h"
#include "credentials.h"
#include "userfault.h"

#define PARAMETERS "/sys/module/mini_pipe/parameters/"
#define PIPE_USER_PAGES_SOFT "/proc/sys/fs/pipe-user-pages-soft"

/* What a pipe has if nothing else is said, and what one above the soft limit has. */
#define USUAL 65536
#define SMALL 8192
#define USUAL_PAGES "16"

static const char *const limits[] = {
	PARAMETERS "max_capacity", PARAMETERS "user_pages_soft", PARAMETERS "user_pages_hard",
	PIPE_USER_PAGES_SOFT,
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
	set_the_stage(_metadata);
	self->device = open_neither(_metadata);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		ASSERT_TRUE(read_file(limits[i], self->before[i], sizeof(self->before[i])))
		{
			TH_LOG("%s: %s", limits[i], strerror(errno));
		}
	}
}

FIXTURE_TEARDOWN(limits)
{
	clear_the_stage(_metadata);
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (self->before[i][0])
			EXPECT_TRUE(write_file(limits[i], self->before[i]));
	set_capacity(self->device, USUAL);
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
 * A process that goes through a play, scene by scene, and reports what came of each: the bytes that
 * a pipe holds, or an error.
 */

struct play;

typedef long (*scene_fn)(struct play *play);

struct play {
	int device;
	struct ends ends;	/* of the last pipe it has made */
	int capabilities;	/* root with these alone; ORDINARY: a stranger */
	scene_fn scenes[8];
};

#define ORDINARY -1

static void keep_only(int capabilities)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = capabilities, .permitted = capabilities },
	};

	if (syscall(__NR_capset, &header, data))
		_exit(KSFT_FAIL);
}

static void act(int report_to, const void *arg)
{
	struct play play = *(const struct play *)arg;

	if (play.capabilities == ORDINARY)
		become(&stranger);
	else
		keep_only(play.capabilities);
	for (int i = 0; play.scenes[i]; i++)
		report(report_to, play.scenes[i](&play));
}

/* A new private pipe; those before stay. */
static long make_asked(struct play *play, unsigned int capacity)
{
	struct ends ends;

	if (make_pair(play->device, &ends, 0, capacity))
		return -1;
	play->ends = ends;
	return capacity_of(ends.w);
}

static long make_usual(struct play *play)
{
	return make_asked(play, 0);
}

static long make_as_large_as_usual(struct play *play)
{
	return make_asked(play, USUAL);
}

static long make_above_a_mebibyte(struct play *play)
{
	return make_asked(play, 1048577);
}

static long make_and_leave(struct play *play)
{
	long capacity = make_asked(play, 0);

	close(play->ends.r);
	close(play->ends.w);
	return capacity;
}

/* The argument can be read, but what was made cannot be told. */
static long make_for_nothing(struct play *play)
{
	void *unwritable = mmap(NULL, page_size(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < 20; i++)
		if (!ioctl(play->device, MINI_PIPE_IOC_PAIR, unwritable))
			return 0;
	return -1;
}

static long make_pipe_2(struct play *play __maybe_unused)
{
	int fds[2];

	return pipe(fds) ? -1 : fcntl(fds[0], F_GETPIPE_SZ);
}

static long resize_to_a_mebibyte(struct play *play)
{
	return set_capacity(play->ends.r, 1048576);
}

static long resize_above_a_mebibyte(struct play *play)
{
	return set_capacity(play->ends.w, 1048577);
}

static long resize_above_a_gibibyte(struct play *play)
{
	return set_capacity(play->ends.w, (1UL << 30) + 1);
}

static long resize_the_device_above_a_mebibyte(struct play *play)
{
	return set_capacity(play->device, 1048577);
}

static long grow(struct play *play)
{
	return set_capacity(play->ends.w, capacity_of(play->ends.r) + page_size());
}

static long shrink(struct play *play)
{
	return set_capacity(play->ends.w, page_size());
}

static long shrink_a_little(struct play *play)
{
	return set_capacity(play->ends.w, capacity_of(play->ends.r) - 1);
}

/* Negative ones are errors. */
static void expect_play(struct __test_metadata *_metadata, const struct play *play,
			const long *expected)
{
	struct child child = start_heir(_metadata, act, play);

	for (int i = 0; play->scenes[i]; i++) {
		struct result result = result_of(_metadata, &child);

		EXPECT_EQ(expected[i], result.ret < 0 ? -result.err : result.ret)
		{
			TH_LOG("scene %d", i);
		}
	}
	dismiss(_metadata, &child);
}

#define EXPECT_PLAY(play, ...) expect_play(_metadata, play, (long[]){ __VA_ARGS__ })

/* Capacity */

TEST_F(limits, of_capacity_hold_for_a_stranger)
{
	struct play play = {
		.device = self->device, .capabilities = ORDINARY,
		.scenes = {
			make_usual, resize_to_a_mebibyte, resize_above_a_mebibyte,
			resize_the_device_above_a_mebibyte, resize_above_a_gibibyte,
			make_above_a_mebibyte, make_usual,
		},
	};

	EXPECT_PLAY(&play, USUAL, 1048576, -EPERM, -EPERM, -EINVAL, -EPERM, USUAL);
	EXPECT_EQ(USUAL, capacity_of(self->device));
}

/* Not those who may have more pages: CAP_SYS_ADMIN is not enough here. */
TEST_F(limits, of_capacity_do_not_hold_with_cap_sys_resource)
{
	struct play play = {
		.device = self->device, .capabilities = 0,
		.scenes = { make_usual, resize_above_a_mebibyte, make_above_a_mebibyte },
	};

	EXPECT_PLAY(&play, USUAL, -EPERM, -EPERM);
	play.capabilities = 1 << CAP_SYS_ADMIN;
	EXPECT_PLAY(&play, USUAL, -EPERM, -EPERM);
	play.capabilities = 1 << CAP_SYS_RESOURCE;
	EXPECT_PLAY(&play, USUAL, 1048577, 1048577);
	EXPECT_EQ(1048577, set_capacity(self->device, 1048577));
}

TEST_F(limits, of_capacity_are_what_root_says)
{
	struct play play = {
		.device = self->device, .capabilities = ORDINARY,
		.scenes = { make_usual, make_as_large_as_usual, make_above_a_mebibyte },
	};

	set_limit(_metadata, "max_capacity", "2000000");
	EXPECT_PLAY(&play, USUAL, USUAL, 1048577);
	set_limit(_metadata, "max_capacity", "8192");
	EXPECT_PLAY(&play, SMALL, -EPERM, -EPERM);
	play.capabilities = 1 << CAP_SYS_RESOURCE;
	EXPECT_PLAY(&play, USUAL, USUAL, 1048577);
}

/* Who has more than the limit, which was not there before, may have less. */
static long lower_the_limit(struct play *play __maybe_unused)
{
	return write_file(PARAMETERS "max_capacity", "5000") ? 0 : -1;
}

static long lose_capabilities(struct play *play __maybe_unused)
{
	keep_only(0);
	return 0;
}

TEST_F(limits, of_capacity_do_not_keep_a_pipe_from_shrinking)
{
	struct play play = {
		.device = self->device, .capabilities = 1 << CAP_SYS_RESOURCE,
		.scenes = { make_usual, lower_the_limit, lose_capabilities, shrink_a_little, grow },
	};

	EXPECT_PLAY(&play, USUAL, 0, 0, USUAL - 1, -EPERM);
}

/* The size that it has, a pipe may be set to, even above the limit. */
static long set_to_what_it_is(struct play *play)
{
	return set_capacity(play->ends.w, capacity_of(play->ends.r));
}

static long keep_a_byte(struct play *play)
{
	return write(play->ends.w, "x", 1);
}

static long get_the_byte(struct play *play)
{
	char byte = 0;

	return read(play->ends.r, &byte, 1) == 1 ? byte : -1;
}

TEST_F(limits, of_capacity_do_not_keep_a_pipe_from_the_size_it_has)
{
	struct play play = {
		.device = self->device, .capabilities = 1 << CAP_SYS_RESOURCE,
		.scenes = {
			make_usual, keep_a_byte, lower_the_limit, lose_capabilities,
			set_to_what_it_is, grow, get_the_byte,
		},
	};

	EXPECT_PLAY(&play, USUAL, 1, 0, 0, USUAL, -EPERM, 'x');
}

TEST_F(limits, of_pages_do_not_keep_a_pipe_from_the_size_it_has)
{
	struct play play = {
		.device = self->device, .capabilities = ORDINARY,
		.scenes = {
			make_usual, make_usual, keep_a_byte, set_to_what_it_is, grow,
			get_the_byte,
		},
	};

	set_limit(_metadata, "user_pages_soft", "0");
	set_limit(_metadata, "user_pages_hard", "32");
	EXPECT_PLAY(&play, USUAL, USUAL, 1, USUAL, -EPERM, 'x');
}

/* Pages: 16 of them are in a usual pipe */

TEST_F(limits, of_pages_are_soft_and_make_pipes_small)
{
	struct play play = {
		.device = self->device, .capabilities = ORDINARY,
		.scenes = {
			make_usual, make_usual, make_usual, make_as_large_as_usual, make_usual,
		},
	};

	set_limit(_metadata, "user_pages_soft", "32");
	EXPECT_PLAY(&play, USUAL, USUAL, SMALL, -EPERM, SMALL);
}

TEST_F(limits, of_pages_do_not_let_pipes_grow_above_the_soft_one)
{
	struct play play = {
		.device = self->device, .capabilities = ORDINARY,
		.scenes = { make_usual, grow, shrink, grow, resize_to_a_mebibyte },
	};

	set_limit(_metadata, "user_pages_soft", USUAL_PAGES);
	EXPECT_PLAY(&play, USUAL, -EPERM, 4096, 8192, -EPERM);
}

TEST_F(limits, of_pages_that_are_hard_refuse_a_pipe)
{
	struct play play = {
		.device = self->device, .capabilities = ORDINARY,
		.scenes = {
			make_usual, make_usual, make_usual, make_as_large_as_usual, grow, shrink,
		},
	};

	set_limit(_metadata, "user_pages_hard", "32");
	EXPECT_PLAY(&play, USUAL, USUAL, -ENFILE, -ENFILE, -EPERM, 4096);
}

/* As fs/pipe.c: what is small fits below the hard limit where what is usual does not. */
TEST_F(limits, of_pages_that_are_hard_let_a_small_pipe_be)
{
	struct play play = {
		.device = self->device, .capabilities = ORDINARY,
		.scenes = { make_usual, make_usual, make_usual },
	};

	set_limit(_metadata, "user_pages_soft", USUAL_PAGES);
	set_limit(_metadata, "user_pages_hard", "18");
	EXPECT_PLAY(&play, USUAL, SMALL, -ENFILE);
}

TEST_F(limits, of_pages_that_are_0_are_none)
{
	struct play play = {
		.device = self->device, .capabilities = ORDINARY,
		.scenes = { make_usual, make_as_large_as_usual, grow },
	};

	set_limit(_metadata, "user_pages_soft", "0");
	set_limit(_metadata, "user_pages_hard", "0");
	EXPECT_PLAY(&play, USUAL, USUAL, USUAL + 4096);
}

TEST_F(limits, of_pages_count_no_pipe_that_is_gone_or_was_not_made)
{
	struct play play = {
		.device = self->device, .capabilities = ORDINARY,
		.scenes = {
			make_and_leave, make_for_nothing, make_above_a_mebibyte, make_usual,
			make_as_large_as_usual, make_usual,
		},
	};

	set_limit(_metadata, "user_pages_soft", USUAL_PAGES);
	EXPECT_PLAY(&play, USUAL, -EFAULT, -EPERM, USUAL, -EPERM, SMALL);
}

TEST_F(limits, of_pages_count_those_of_pipe_2)
{
	struct play play = {
		.device = self->device, .capabilities = ORDINARY,
		.scenes = { make_pipe_2, make_pipe_2, make_usual },
	};

	set_limit(_metadata, "user_pages_soft", "32");
	EXPECT_PLAY(&play, USUAL, USUAL, SMALL);
}

TEST_F(limits, of_pipe_2_count_the_pages_of_private_pipes)
{
	struct play play = {
		.device = self->device, .capabilities = ORDINARY,
		.scenes = { make_usual, make_pipe_2, shrink, make_and_leave, make_pipe_2 },
	};

	/* 16 and 2 of them at first, then 1, 2 and 16. */
	ASSERT_TRUE(write_file(PIPE_USER_PAGES_SOFT, "19"));
	EXPECT_PLAY(&play, USUAL, SMALL, 4096, USUAL, USUAL);
}

TEST_F(limits, of_pages_do_not_hold_with_either_capability)
{
	struct play play = {
		.device = self->device, .capabilities = 0,
		.scenes = { make_usual, make_as_large_as_usual },
	};

	set_limit(_metadata, "user_pages_hard", "1");
	EXPECT_PLAY(&play, -ENFILE, -ENFILE);
	play.capabilities = 1 << CAP_SYS_ADMIN;
	EXPECT_PLAY(&play, USUAL, USUAL);
	play.capabilities = 1 << CAP_SYS_RESOURCE;
	EXPECT_PLAY(&play, USUAL, USUAL);
}

/* A stranger that makes a private pipe whenever it is told to, and keeps them all. */

struct maker {
	int device;
	int command;		/* a capacity each */
	struct child child;
};

static void make_on_command(int report_to, const void *arg)
{
	const struct maker *maker = arg;
	unsigned int capacity;
	struct ends ends;

	become(&stranger);
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
	maker->child = start_heir(_metadata, make_on_command, maker);
	close(fds[0]);
	maker->command = fds[1];
}

/* Returns 0, or an error; the test gets the ends as well. */
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
 * A copy that is stuck keeps pages that the pipe has given up: they stay on the account. Of a
 * mebibyte, 16 pages are being copied when the pipe shrinks to as many.
 */

#define MEBIBYTE 1048576

/* A mebibyte and 16 pages, and not as many once more. */
#define BARELY "280"

static void shrink_beside(struct __test_metadata *_metadata, int device, int end, bool killed)
{
	struct ends ends, second;
	struct maker maker;
	struct stuck stuck;

	set_limit(_metadata, "user_pages_soft", "0");
	set_limit(_metadata, "user_pages_hard", BARELY);
	start_maker(_metadata, &maker, device);
	ASSERT_EQ(0, command(_metadata, &maker, MEBIBYTE, &ends));
	if (end == O_RDONLY)
		put_in(_metadata, ends.w, USUAL);
	if (!start_stuck_with(_metadata, &stuck, end == O_RDONLY ? ends.r : ends.w, end, 0, USUAL))
		return;
	ASSERT_EQ(USUAL, set_capacity(ends.w, USUAL));
	EXPECT_EQ(ENFILE, command(_metadata, &maker, MEBIBYTE, &second));
	if (killed) {
		dismiss(_metadata, &stuck.child);
	} else {
		release_with_pattern(_metadata, &stuck);
		EXPECT_EQ(USUAL, result_of(_metadata, &stuck.child).ret);
	}
	EXPECT_EQ(0, command(_metadata, &maker, MEBIBYTE, &second));
	EXPECT_EQ(ENFILE, command(_metadata, &maker, MEBIBYTE, &second));
}

TEST_F(limits, of_pages_count_those_that_a_stuck_reader_keeps_until_it_is_killed)
{
	shrink_beside(_metadata, self->device, O_RDONLY, true);
}

TEST_F(limits, of_pages_count_those_that_a_stuck_writer_keeps_until_it_is_killed)
{
	shrink_beside(_metadata, self->device, O_WRONLY, true);
}

TEST_F(limits, of_pages_count_those_that_a_stuck_reader_keeps_until_it_is_done)
{
	shrink_beside(_metadata, self->device, O_RDONLY, false);
}

TEST_F(limits, of_pages_count_those_that_a_stuck_writer_keeps_until_it_is_done)
{
	shrink_beside(_metadata, self->device, O_WRONLY, false);
}

/* The pages that a stuck reader keeps come off the account with the pipe's others. */
TEST_F(limits, of_pages_count_none_of_a_pipe_that_is_gone_with_its_stuck_reader)
{
	struct ends ends, second;
	struct maker maker, other;
	struct stuck stuck;

	set_limit(_metadata, "user_pages_soft", "0");
	set_limit(_metadata, "user_pages_hard", BARELY);
	start_maker(_metadata, &maker, self->device);
	ASSERT_EQ(0, command(_metadata, &maker, MEBIBYTE, &ends));
	put_in(_metadata, ends.w, USUAL);
	if (!start_stuck_with(_metadata, &stuck, ends.r, O_RDONLY, 0, USUAL))
		return;
	ASSERT_EQ(USUAL, set_capacity(ends.w, USUAL));
	dismiss(_metadata, &maker.child);
	close(ends.r);
	close(ends.w);
	start_maker(_metadata, &other, self->device);
	EXPECT_EQ(ENFILE, command(_metadata, &other, MEBIBYTE, &second));
	dismiss(_metadata, &stuck.child);
	EXPECT_EQ(0, command(_metadata, &other, MEBIBYTE, &second));
}

/*
 * Two that resize at the same time: whoever comes last, the limits hold. A stranger's threads do
 * it, and root sets the pipe up anew for each round.
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

/* Reports what each of the two got. */
static void race(int report_to, const void *arg)
{
	struct race race = *(const struct race *)arg;
	struct racer racers[2];
	pthread_t threads[2];

	become(&stranger);
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
	struct child child = start_heir(_metadata, race, one);

	for (int i = 0; i < 2; i++)
		results[i] = result_of(_metadata, &child).ret;
	dismiss(_metadata, &child);
}

/*
 * One shrinks a pipe that is above the limit to a page; the other lets it be a little smaller,
 * which it may as long as that is smaller. Whoever is first, in the end it is a page.
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

TEST_F(limits, of_capacity_hold_when_two_resize_at_once)
{
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 0);

	race_above_a_limit(_metadata, &ends, 2 * MEBIBYTE, MEBIBYTE + MEBIBYTE / 2);
}

TEST_F(limits, of_capacity_hold_when_two_resize_the_device_at_once)
{
	struct ends ends = { self->device, self->device };

	race_above_a_limit(_metadata, &ends, 2 * MEBIBYTE, MEBIBYTE + MEBIBYTE / 2);
}

TEST_F(limits, of_pages_hold_when_two_resize_at_once)
{
	struct maker maker;
	struct ends ends;

	start_maker(_metadata, &maker, self->device);
	ASSERT_EQ(0, command(_metadata, &maker, 0, &ends));
	set_limit(_metadata, "user_pages_soft", USUAL_PAGES);
	race_above_a_limit(_metadata, &ends, MEBIBYTE, MEBIBYTE / 2);
}

/* Of 33 pages, two pipes cannot get 32 each; when all is over, 32 and one are still to be had. */
TEST_F(limits, of_pages_hold_when_two_pipes_grow_at_once)
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
	/* Nobody else grows now: the device is on no account. */
	one.fds[1] = self->device;
	one.capacities[1] = USUAL;
	run_race(_metadata, &one, results);
	EXPECT_EQ(32 * PIPE_BUF, results[0]);
	one.fds[0] = second.w;
	one.capacities[0] = 2 * PIPE_BUF;
	run_race(_metadata, &one, results);
	EXPECT_EQ(-1, results[0]);
}

/* The limits themselves */

TEST_F(limits, are_those_of_pipe_7_by_default)
{
	static const char *const defaults[] = { "1048576\n", "16384\n", "0\n" };

	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++)
		EXPECT_STREQ(defaults[i], self->before[i]);
}

TEST_F(limits, are_numbers)
{
	static const char *const wrong[] = { "-1", "many", "1x", "99999999999999999999999" };
	char text[32];

	for (size_t i = 0; i < 3; i++) {
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

TEST_HARNESS_MAIN
