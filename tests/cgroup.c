// SPDX-License-Identifier: GPL-2.0
/*
 * Who pays for a private pipe: the memory cgroup of the process that makes it. Needs root and a
 * kernel with the memory controller of cgroup v2, in a hierarchy of its own.
 */
#include <sys/mount.h>
#include <sys/stat.h>
#include "ioctls.h"
#include "module_fixture.h"

#define ROOT "/tmp/mini_pipe.cgroup"
#define GROUP ROOT "/payers"

#define MOST 1048576
#define PIPES 8

/* What the kernel charges ahead, for each processor, and what comes with a process. */
#define ROUGHLY 2097152

FIXTURE(payers)
{
	int device;
};

FIXTURE_SETUP(payers)
{
	if (geteuid())
		SKIP(return, "needs root");
	set_the_stage(_metadata);
	self->device = open_neither(_metadata);
	mkdir(ROOT, 0700);
	if (mount("none", ROOT, "cgroup2", 0, NULL))
		SKIP(return, "needs cgroup v2: %s", strerror(errno));
	if (!write_file(ROOT "/cgroup.subtree_control", "+memory"))
		SKIP(return, "needs a memory controller: %s", strerror(errno));
	ASSERT_EQ(0, mkdir(GROUP, 0700));
}

FIXTURE_TEARDOWN(payers)
{
	clear_the_stage(_metadata);
	write_file(ROOT "/cgroup.procs", "0");
	rmdir(GROUP);
	umount(ROOT);
	rmdir(ROOT);
}

static long charged(struct __test_metadata *_metadata)
{
	char text[32] = "";
	int fd = open(GROUP "/memory.current", O_RDONLY | O_CLOEXEC);

	ASSERT_LT(0, read(fd, text, sizeof(text) - 1));
	close(fd);
	return atol(text);
}

static void resize_all(struct __test_metadata *_metadata, const struct ends *ends, int capacity)
{
	for (int i = 0; i < PIPES; i++)
		ASSERT_EQ(capacity, set_capacity(ends[i].w, capacity));
}

TEST_F(payers, pay_for_the_pages_of_a_private_pipe_until_it_is_gone)
{
	struct ends ends[PIPES];
	long before;

	ASSERT_TRUE(write_file(GROUP "/cgroup.procs", "0"));
	before = charged(_metadata);
	for (int i = 0; i < PIPES; i++)
		ASSERT_EQ(0, make_pair(self->device, &ends[i], O_CLOEXEC, MOST));
	EXPECT_LT(PIPES * MOST - ROUGHLY, charged(_metadata) - before);
	EXPECT_GT(PIPES * MOST + ROUGHLY, charged(_metadata) - before);
	resize_all(_metadata, ends, 1);
	EXPECT_GT(ROUGHLY, charged(_metadata) - before);
	resize_all(_metadata, ends, MOST);
	EXPECT_LT(PIPES * MOST - ROUGHLY, charged(_metadata) - before);
	for (int i = 0; i < PIPES; i++) {
		close(ends[i].r);
		close(ends[i].w);
	}
	EXPECT_GT(ROUGHLY, charged(_metadata) - before);
}

/*
 * A group that may have little memory, and a member of it that resizes a pipe which was made
 * outside: its pages are the member's to pay.
 */

struct member {
	int fd;
	unsigned long capacity;
};

static void resize_as_a_member(int report_to, const void *arg)
{
	const struct member *member = arg;

	if (!write_file(GROUP "/cgroup.procs", "0"))
		_exit(KSFT_FAIL);
	report(report_to, set_capacity(member->fd, member->capacity));
}

/* The number on the line of that name, in one of the group's files; 0 if there is none. */
static long group_count(const char *file, const char *name)
{
	char path[128], line[128];
	size_t len = strlen(name);
	FILE *text;
	long count = 0;

	snprintf(path, sizeof(path), GROUP "/%s", file);
	text = fopen(path, "re");
	while (text && fgets(line, sizeof(line), text))
		if (strncmp(line, name, len) == 0 && line[len] == ' ')
			count = atol(line + len);
	if (text)
		fclose(text);
	return count;
}

TEST_F(payers, cannot_resize_beyond_their_memory_and_nobody_is_killed_for_it)
{
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 0);
	struct member member = { .fd = ends.w, .capacity = 64 << 20 };
	struct result result;
	struct child child;

	ASSERT_TRUE(write_file(GROUP "/memory.max", "16777216"));
	put_in(_metadata, ends.w, 5000);
	child = start_heir(_metadata, resize_as_a_member, &member);
	result = result_of(_metadata, &child);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(ENOMEM, result.err);
	EXPECT_EQ(0, group_count("memory.events", "oom_kill"));
	EXPECT_EQ(65536, capacity_of(ends.r));
	take(_metadata, ends.r, 5000);
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 5000));
	/* Nothing of it is charged any more. */
	EXPECT_GT(ROUGHLY, charged(_metadata));
}

/* There is not memory for two such pipes. */
TEST_F(payers, need_no_memory_for_the_size_that_a_pipe_has)
{
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 0);
	struct member member = { .fd = ends.w, .capacity = 8 << 20 };
	struct child child;

	ASSERT_TRUE(write_file(GROUP "/memory.max", "12582912"));
	for (int i = 0; i < 2; i++) {
		child = start_heir(_metadata, resize_as_a_member, &member);
		EXPECT_EQ(member.capacity, (size_t)result_of(_metadata, &child).ret);
		dismiss(_metadata, &child);
	}
	EXPECT_EQ(0, group_count("memory.events", "oom_kill"));
}

/*
 * Above memory.high, the kernel lets an allocation sleep for a while each time: so it is known that
 * a resize is in the midst of it.
 */

/* Asleep for memory, which is killable. */
static bool is_throttled(const struct child *child)
{
	char stack[4096];

	return state_of(child->pid) == 'D' &&
	       read_proc(child->pid, "stack", stack, sizeof(stack)) && strstr(stack, "mem_cgroup");
}

TEST_F(payers, that_are_killed_while_they_resize_end_and_leave_the_pipe_as_it_was)
{
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 0);
	struct member member = { .fd = ends.w, .capacity = 64 << 20 };
	struct child child;
	int status;

	ASSERT_TRUE(write_file(GROUP "/memory.high", "4194304"));
	put_in(_metadata, ends.w, 5000);
	child = start_heir(_metadata, resize_as_a_member, &member);
	for (int ms = 0; ms < PATIENCE_MS && !is_throttled(&child); ms++)
		a_moment();
	ASSERT_TRUE(is_throttled(&child));
	EXPECT_FALSE(has_reported(&child));
	kill(child.pid, SIGKILL);
	status = end_of(_metadata, &child);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(65536, capacity_of(ends.r));
	EXPECT_GT(ROUGHLY, charged(_metadata));
	take(_metadata, ends.r, 5000);
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 5000));
}

TEST_HARNESS_MAIN
