// SPDX-License-Identifier: GPL-2.0
/*
 * The pages of a private pipe are charged to the memory cgroup of the process that makes or resizes
 * it. Needs root, and a kernel with the memory controller of cgroup v2, in a hierarchy of its own.
 */
#include <sys/mount.h>
#include <sys/stat.h>
#include "ioctls.h"
#include "module_fixture.h"

#define ROOT "/tmp/mini_pipe.cgroup"
#define GROUP ROOT "/charged"

#define CAPACITY 1048576
#define PIPES 8

/* The kernel charges in batches, for each processor, and also for the process itself. */
#define TOLERANCE 2097152

FIXTURE(memory_cgroup)
{
	int device;
};

FIXTURE_SETUP(memory_cgroup)
{
	if (geteuid())
		SKIP(return, "needs root");
	set_up_pipe(_metadata);
	self->device = open_for_ioctl(_metadata);
	mkdir(ROOT, 0700);
	if (mount("none", ROOT, "cgroup2", 0, NULL))
		SKIP(return, "needs cgroup v2: %s", strerror(errno));
	if (!write_file(ROOT "/cgroup.subtree_control", "+memory"))
		SKIP(return, "needs a memory controller: %s", strerror(errno));
	ASSERT_EQ(0, mkdir(GROUP, 0700));
}

FIXTURE_TEARDOWN(memory_cgroup)
{
	kill_children(_metadata);
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

TEST_F(memory_cgroup, is_charged_for_private_pipe_until_last_close)
{
	struct ends ends[PIPES];
	long before;

	ASSERT_TRUE(write_file(GROUP "/cgroup.procs", "0"));
	before = charged(_metadata);
	for (int i = 0; i < PIPES; i++)
		ASSERT_EQ(0, make_pair(self->device, &ends[i], O_CLOEXEC, CAPACITY));
	EXPECT_LT(PIPES * CAPACITY - TOLERANCE, charged(_metadata) - before);
	EXPECT_GT(PIPES * CAPACITY + TOLERANCE, charged(_metadata) - before);
	resize_all(_metadata, ends, 1);
	EXPECT_GT(TOLERANCE, charged(_metadata) - before);
	resize_all(_metadata, ends, CAPACITY);
	EXPECT_LT(PIPES * CAPACITY - TOLERANCE, charged(_metadata) - before);
	for (int i = 0; i < PIPES; i++) {
		close(ends[i].r);
		close(ends[i].w);
	}
	EXPECT_GT(TOLERANCE, charged(_metadata) - before);
}

/*
 * A member of a cgroup with a memory limit resizes a pipe that was made outside of it. The pages
 * are charged to the member's cgroup.
 */

struct member {
	int fd;
	unsigned long capacity;
};

static void resize_as_member(int report_to, const void *arg)
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

TEST_F(memory_cgroup, resize_beyond_limit_gives_enomem_without_oom_kill)
{
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 0);
	struct member member = { .fd = ends.w, .capacity = 64 << 20 };
	struct result result;
	struct child child;

	ASSERT_TRUE(write_file(GROUP "/memory.max", "16777216"));
	write_pattern(_metadata, ends.w, 5000);
	child = start_forked(_metadata, resize_as_member, &member);
	result = result_of(_metadata, &child);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(ENOMEM, result.err);
	EXPECT_EQ(0, group_count("memory.events", "oom_kill"));
	EXPECT_EQ(65536, capacity_of(ends.r));
	read_exactly(_metadata, ends.r, 5000);
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 5000));
	/* Nothing of it is charged any longer. */
	EXPECT_GT(TOLERANCE, charged(_metadata));
}

/* The limit is too low for two such pipes. */
TEST_F(memory_cgroup, setting_same_capacity_needs_no_memory)
{
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 0);
	struct member member = { .fd = ends.w, .capacity = 8 << 20 };
	struct child child;

	ASSERT_TRUE(write_file(GROUP "/memory.max", "12582912"));
	for (int i = 0; i < 2; i++) {
		child = start_forked(_metadata, resize_as_member, &member);
		EXPECT_EQ(member.capacity, (size_t)result_of(_metadata, &child).ret);
		kill_child(_metadata, &child);
	}
	EXPECT_EQ(0, group_count("memory.events", "oom_kill"));
}

/*
 * Above memory.high, the kernel throttles each allocation: the task sleeps for a while. So the test
 * can tell that a resize is in progress.
 */

/* Whether the child is throttled. SIGKILL ends that sleep. */
static bool is_throttled(const struct child *child)
{
	char stack[4096];

	return state_of(child->pid) == 'D' &&
	       read_proc(child->pid, "stack", stack, sizeof(stack)) && strstr(stack, "mem_cgroup");
}

TEST_F(memory_cgroup, killed_resize_leaves_pipe_unchanged)
{
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 0);
	struct member member = { .fd = ends.w, .capacity = 64 << 20 };
	struct child child;
	int status;

	ASSERT_TRUE(write_file(GROUP "/memory.high", "4194304"));
	write_pattern(_metadata, ends.w, 5000);
	child = start_forked(_metadata, resize_as_member, &member);
	for (int ms = 0; ms < TIMEOUT_MS && !is_throttled(&child); ms++)
		sleep_1ms();
	ASSERT_TRUE(is_throttled(&child));
	EXPECT_FALSE(has_reported(&child));
	kill(child.pid, SIGKILL);
	status = wait_for_exit(_metadata, &child);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(65536, capacity_of(ends.r));
	EXPECT_GT(TOLERANCE, charged(_metadata));
	read_exactly(_metadata, ends.r, 5000);
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 5000));
}

TEST_HARNESS_MAIN
