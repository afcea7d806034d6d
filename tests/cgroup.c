// SPDX-License-Identifier: GPL-2.0
/*
 * The pages of a private pipe are charged to the memory cgroup of the process whose bytes need
 * them, until the pipe is empty. Needs root, and a kernel that has the memory controller in
 * cgroup v2.
 */
#include <sys/mount.h>
#include <sys/stat.h>
#include "ioctls.h"
#include "module_fixture.h"

#define ROOT "/tmp/mini_pipe.cgroup"
#define GROUP ROOT "/charged"

#define CAPACITY 1048576
#define PIPES 8

/* Each processor charges in batches, and the process's own memory is charged, too. */
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

/* These two fill, and drain, all the pipes. */
static void fill_all(struct __test_metadata *_metadata, const struct ends *ends)
{
	for (int i = 0; i < PIPES; i++)
		ASSERT_EQ(CAPACITY, write(ends[i].w, big_buffer(), CAPACITY));
}

static void drain_all(struct __test_metadata *_metadata, const struct ends *ends)
{
	for (int i = 0; i < PIPES; i++)
		ASSERT_EQ(CAPACITY, read(ends[i].r, big_buffer(), CAPACITY));
}

TEST_F(memory_cgroup, is_charged_for_bytes_in_private_pipe)
{
	struct ends ends[PIPES];
	long before;

	ASSERT_TRUE(write_file(GROUP "/cgroup.procs", "0"));
	memset(big_buffer(), 1, CAPACITY);
	before = charged(_metadata);
	for (int i = 0; i < PIPES; i++)
		ASSERT_EQ(0, make_pair(self->device, &ends[i], O_CLOEXEC, CAPACITY));
	EXPECT_GT(TOLERANCE, charged(_metadata) - before);
	fill_all(_metadata, ends);
	EXPECT_LT(PIPES * CAPACITY - TOLERANCE, charged(_metadata) - before);
	EXPECT_GT(PIPES * CAPACITY + TOLERANCE, charged(_metadata) - before);
	drain_all(_metadata, ends);
	EXPECT_GT(TOLERANCE, charged(_metadata) - before);
	/* Refilled only long after, the pipes free pages again. */
	for (int ms = 0; ms < 50; ms++)
		sleep_1ms();
	fill_all(_metadata, ends);
	EXPECT_LT(PIPES * CAPACITY - TOLERANCE, charged(_metadata) - before);
	drain_all(_metadata, ends);
	EXPECT_GT(TOLERANCE, charged(_metadata) - before);
	fill_all(_metadata, ends);
	for (int i = 0; i < PIPES; i++) {
		close(ends[i].r);
		close(ends[i].w);
	}
	EXPECT_GT(TOLERANCE, charged(_metadata) - before);
}

/*
 * A member of a cgroup with a memory limit writes to a pipe made outside of the group. The pages
 * are charged to the member's cgroup.
 */

/* The limit in bytes: 2048 pages. */
static const char *limit(void)
{
	static char text[16];

	snprintf(text, sizeof(text), "%d", 2048 * PIPE_BUF);
	return text;
}

struct member {
	int fd;
	/* How many, each of BIG bytes. */
	int writes;
};

/* Writes until a write fails, or all are made. Reports the bytes. */
static void write_as_member(int report_to, const void *arg)
{
	const struct member *member = arg;
	int root = open(ROOT "/cgroup.procs", O_WRONLY | O_CLOEXEC);
	ssize_t written = 0, n = 0;

	if (!write_file(GROUP "/cgroup.procs", "0"))
		_exit(KSFT_FAIL);
	for (int i = 0; i < member->writes && n >= 0; i++) {
		put_pattern(big_buffer(), written, BIG);
		n = write(member->fd, big_buffer(), BIG);
		written += n > 0 ? n : 0;
	}
	/* Leaves the group, which may have no page for the pipe(2) of reports. */
	if (write(root, "0", 1) != 1)
		_exit(KSFT_FAIL);
	report(report_to, written);
}

static void read_pattern(struct __test_metadata *_metadata, int fd, ssize_t len)
{
	ssize_t n;

	for (ssize_t done = 0; done < len; done += n) {
		n = read(fd, big_buffer(), smaller(BIG, len - done));
		ASSERT_LT(0, n);
		ASSERT_TRUE(is_pattern(big_buffer(), done, n));
	}
}

/* The number after `name` in one of the group's files; 0 if no line has that name. */
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

/* The write fills the room that there is memory for. */
TEST_F(memory_cgroup, nonblocking_write_beyond_limit_is_short_without_oom_kill)
{
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 64 << 20);
	struct member member = { .fd = ends.w, .writes = 24 };
	struct result result;
	struct child child;

	ASSERT_TRUE(write_file(GROUP "/memory.max", limit()));
	child = start_forked(_metadata, write_as_member, &member);
	result = result_of(_metadata, &child);
	EXPECT_LT(0, result.ret);
	EXPECT_GT(atol(limit()), result.ret);
	EXPECT_EQ(0, group_count("memory.events", "oom_kill"));
	EXPECT_EQ(result.ret, bytes_in(ends.r));
	read_pattern(_metadata, ends.r, result.ret);
}

TEST_F(memory_cgroup, blocking_write_beyond_limit_goes_on_as_bytes_are_read)
{
	struct ends ends = private_pipe(_metadata, 0, 64 << 20);
	struct member member = { .fd = ends.w, .writes = 12 };
	struct child child;

	ASSERT_TRUE(write_file(GROUP "/memory.max", limit()));
	child = start_forked(_metadata, write_as_member, &member);
	ASSERT_TRUE(falls_asleep_in(&child, SYS_write));
	read_pattern(_metadata, ends.r, 12 * BIG);
	EXPECT_EQ(12 * BIG, result_of(_metadata, &child).ret);
	EXPECT_EQ(0, group_count("memory.events", "oom_kill"));
}

/*
 * Above memory.high, the kernel throttles each allocation: the task sleeps for a while. So the test
 * can tell that a write waits for memory.
 */

/* Whether the child sleeps, throttled. SIGKILL wakes it. */
static bool is_throttled(const struct child *child)
{
	char stack[4096];

	return state_of(child->pid) == 'D' &&
	       read_proc(child->pid, "stack", stack, sizeof(stack)) && strstr(stack, "mem_cgroup");
}

TEST_F(memory_cgroup, killed_write_leaves_what_it_has_written)
{
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 64 << 20);
	struct member member = { .fd = ends.w, .writes = 24 };
	struct child child;
	int status;

	ASSERT_TRUE(write_file(GROUP "/memory.high", limit()));
	child = start_forked(_metadata, write_as_member, &member);
	for (int ms = 0; ms < TIMEOUT_MS && !is_throttled(&child); ms++)
		sleep_1ms();
	ASSERT_TRUE(is_throttled(&child));
	EXPECT_FALSE(has_reported(&child));
	kill(child.pid, SIGKILL);
	status = wait_for_exit(_metadata, &child);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_LT(0, bytes_in(ends.r));
	EXPECT_GT(24 * BIG, bytes_in(ends.r));
	read_pattern(_metadata, ends.r, bytes_in(ends.r));
	EXPECT_GT(TOLERANCE, charged(_metadata));
}

TEST_HARNESS_MAIN
