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

TEST_HARNESS_MAIN
