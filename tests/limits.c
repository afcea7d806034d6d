// SPDX-License-Identifier: GPL-2.0
/*
 * What users without privileges may have of pipes: so much capacity, and so many pages in all of
 * their pipes, those of pipe(2) included. Needs root, to change the limits and to become somebody
 * else.
 */
#include <linux/capability.h>
#include "ioctls.h"
#include "module_fixture.h"
#include "people.h"

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
