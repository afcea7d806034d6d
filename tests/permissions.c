// SPDX-License-Identifier: GPL-2.0
/*
 * Who may: the node keeps strangers out, and its group and mode let in whom they name, exactly as
 * a FIFO's do. The module and its parameters are root's. Needs root, to become somebody else.
 */
#include <sys/stat.h>
#include "credentials.h"

#define FIFO "/tmp/mini_pipe.fifo"
#define PARAMETERS "/sys/module/mini_pipe/parameters/"

static const int ways[] = { O_RDONLY, O_WRONLY, O_RDWR };

static const struct person member = { GROUP, STRANGER };
static const struct person supplementary_member = { STRANGER, GROUP };

FIXTURE(node)
{
	int fd;			/* the test's own, both ends */
	struct stat before;
};

FIXTURE_VARIANT(node)
{
	const char *path;
};

FIXTURE_VARIANT_ADD(node, the_device) { .path = MINI_PIPE, };
FIXTURE_VARIANT_ADD(node, a_fifo) { .path = FIFO, };

static void let_in(struct __test_metadata *_metadata, const char *path, gid_t gid, mode_t mode)
{
	ASSERT_EQ(0, chown(path, 0, gid));
	ASSERT_EQ(0, chmod(path, mode));
}

FIXTURE_SETUP(node)
{
	if (geteuid())
		SKIP(return, "needs root");
	set_the_stage(_metadata);
	unlink(FIFO);
	ASSERT_EQ(0, mkfifo(FIFO, 0600));
	ASSERT_EQ(0, stat(variant->path, &self->before));
	let_in(_metadata, variant->path, 0, 0600);
	self->fd = open(variant->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(node)
{
	clear_the_stage(_metadata);
	let_in(_metadata, variant->path, self->before.st_gid, self->before.st_mode & 07777);
	unlink(FIFO);
}

/* A call that a person makes. */
struct attempt {
	const struct person *person;
	long (*call)(const struct attempt *attempt);
	const char *path;
	int flags;
	int fd;			/* inherited */
	dev_t device;
};

static void make_attempt(int report_to, const void *arg)
{
	const struct attempt *attempt = arg;

	become(attempt->person);
	report(report_to, attempt->call(attempt));
}

/* 0, or why it failed. */
static int error_of(struct __test_metadata *_metadata, const struct attempt *attempt)
{
	struct child child = start_heir(_metadata, make_attempt, attempt);
	int err = result_of(_metadata, &child).err;

	dismiss(_metadata, &child);
	return err;
}

static long open_it(const struct attempt *attempt)
{
	return open(attempt->path, attempt->flags | O_NONBLOCK);
}

static int error_of_open(struct __test_metadata *_metadata, const char *path, int flags,
			 const struct person *person)
{
	struct attempt attempt = {
		.person = person, .call = open_it, .path = path, .flags = flags,
	};

	return error_of(_metadata, &attempt);
}

static void expect_open(struct __test_metadata *_metadata, const char *path,
			const struct person *person, int err)
{
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		EXPECT_EQ(err, error_of_open(_metadata, path, ways[i], person))
		{
			TH_LOG("%s, flags %d", path, ways[i]);
		}
	}
}

/* The node */

TEST_F(node, keeps_a_stranger_out)
{
	expect_open(_metadata, variant->path, &stranger, EACCES);
	EXPECT_EQ(EACCES, error_of_open(_metadata, variant->path, O_ACCMODE, &stranger));
}

TEST_F(node, keeps_out_who_is_not_of_its_group)
{
	let_in(_metadata, variant->path, GROUP, 0660);
	expect_open(_metadata, variant->path, &stranger, EACCES);
}

TEST_F(node, lets_its_group_in)
{
	let_in(_metadata, variant->path, GROUP, 0660);
	expect_open(_metadata, variant->path, &member, 0);
	expect_open(_metadata, variant->path, &supplementary_member, 0);
	let_in(_metadata, variant->path, 0, 0600);
	expect_open(_metadata, variant->path, &member, EACCES);
}

TEST_F(node, lets_a_group_that_may_only_read_only_read)
{
	let_in(_metadata, variant->path, GROUP, 0640);
	EXPECT_EQ(0, error_of_open(_metadata, variant->path, O_RDONLY, &member));
	EXPECT_EQ(EACCES, error_of_open(_metadata, variant->path, O_WRONLY, &member));
	EXPECT_EQ(EACCES, error_of_open(_metadata, variant->path, O_RDWR, &member));
	EXPECT_EQ(EACCES, error_of_open(_metadata, variant->path, O_ACCMODE, &member));
}

TEST_F(node, lets_a_group_that_may_only_write_only_write)
{
	let_in(_metadata, variant->path, GROUP, 0620);
	EXPECT_EQ(EACCES, error_of_open(_metadata, variant->path, O_RDONLY, &member));
	EXPECT_EQ(0, error_of_open(_metadata, variant->path, O_WRONLY, &member));
	EXPECT_EQ(EACCES, error_of_open(_metadata, variant->path, O_RDWR, &member));
}

TEST_F(node, lets_everybody_in_with_mode_666)
{
	let_in(_metadata, variant->path, 0, 0666);
	expect_open(_metadata, variant->path, &stranger, 0);
}

static long change_mode(const struct attempt *attempt)
{
	return chmod(attempt->path, 0666);
}

static long change_owner(const struct attempt *attempt)
{
	return chown(attempt->path, STRANGER, STRANGER);
}

TEST_F(node, cannot_be_taken_by_a_stranger)
{
	struct attempt attempt = {
		.person = &stranger, .call = change_mode, .path = variant->path,
	};

	EXPECT_EQ(EPERM, error_of(_metadata, &attempt));
	attempt.call = change_owner;
	EXPECT_EQ(EPERM, error_of(_metadata, &attempt));
}

/* Descriptors that a stranger has, however it got them */

static long pass_a_byte(const struct attempt *attempt)
{
	char byte = 'x';

	if (write(attempt->fd, &byte, 1) != 1)
		return -1;
	return read(attempt->fd, &byte, 1);
}

TEST_F(node, serves_a_stranger_that_was_given_a_descriptor)
{
	struct attempt attempt = { .person = &stranger, .call = pass_a_byte, .fd = self->fd };

	EXPECT_EQ(0, error_of(_metadata, &attempt));
}

static long open_again(const struct attempt *attempt)
{
	char path[32];
	int fd = attempt->fd;

	if (fd < 0)
		fd = open(attempt->path, O_PATH);
	if (fd < 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, attempt->flags | O_NONBLOCK);
}

TEST_F(node, does_not_make_a_writer_of_a_stranger_that_was_given_a_reader)
{
	int reader = open(variant->path, O_RDONLY | O_NONBLOCK);
	struct attempt attempt = {
		.person = &stranger, .call = open_again, .flags = O_WRONLY, .fd = reader,
	};

	ASSERT_LE(0, reader);
	EXPECT_EQ(EACCES, error_of(_metadata, &attempt));
}

TEST_F(node, is_not_opened_by_way_of_o_path)
{
	struct attempt attempt = {
		.person = &stranger, .call = open_again, .path = variant->path, .fd = -1,
	};

	EXPECT_EQ(EACCES, error_of(_metadata, &attempt));
}

/* The module */

FIXTURE(module)
{
};

FIXTURE_SETUP(module)
{
	if (geteuid())
		SKIP(return, "needs root");
}

FIXTURE_TEARDOWN(module)
{
	clear_the_stage(_metadata);
}

TEST_F(module, brings_a_node_that_is_roots_alone)
{
	struct stat node;

	if (access("/run/udev/control", F_OK) == 0)
		SKIP(return, "udev says here whose it is");
	ASSERT_EQ(0, stat(MINI_PIPE, &node));
	EXPECT_EQ(0, node.st_uid);
	EXPECT_EQ(0, node.st_gid);
	EXPECT_EQ(0600, node.st_mode & 07777);
}

static long make_node(const struct attempt *attempt)
{
	return mknod("/tmp/mini_pipe.node", S_IFCHR | 0666, attempt->device);
}

TEST_F(module, has_no_node_of_a_strangers_making)
{
	struct attempt attempt = { .person = &stranger, .call = make_node };
	struct stat node;

	ASSERT_EQ(0, stat(MINI_PIPE, &node));
	attempt.device = node.st_rdev;
	EXPECT_EQ(EPERM, error_of(_metadata, &attempt));
}

static long unload_it(const struct attempt *attempt __maybe_unused)
{
	return syscall(__NR_delete_module, "mini_pipe", O_NONBLOCK);
}

TEST_F(module, is_not_unloaded_by_a_stranger)
{
	struct attempt attempt = { .person = &stranger, .call = unload_it };

	EXPECT_EQ(EPERM, error_of(_metadata, &attempt));
	EXPECT_EQ(0, access(MINI_PIPE, F_OK));
}

/* Who may not is refused before anybody looks at the file. */
static long load_it(const struct attempt *attempt __maybe_unused)
{
	return syscall(__NR_finit_module, 0, "capacity=1", 0);
}

TEST_F(module, is_not_loaded_by_a_stranger)
{
	struct attempt attempt = { .person = &stranger, .call = load_it };

	EXPECT_EQ(EPERM, error_of(_metadata, &attempt));
}

static void expect_parameter(struct __test_metadata *_metadata, const char *path, int err)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	EXPECT_EQ(err, fd < 0 ? errno : 0);
	close(fd);
	EXPECT_EQ(0, error_of_open(_metadata, path, O_RDONLY, &stranger));
	EXPECT_EQ(EACCES, error_of_open(_metadata, path, O_WRONLY, &stranger));
}

TEST_F(module, shows_its_pipes_parameters_to_everybody_and_lets_nobody_write_them)
{
	expect_parameter(_metadata, PARAMETERS "capacity", EACCES);
	expect_parameter(_metadata, PARAMETERS "policy", EACCES);
}

TEST_F(module, shows_its_limits_to_everybody_and_lets_only_root_write_them)
{
	expect_parameter(_metadata, PARAMETERS "max_capacity", 0);
	expect_parameter(_metadata, PARAMETERS "user_pages_soft", 0);
	expect_parameter(_metadata, PARAMETERS "user_pages_hard", 0);
}

TEST_HARNESS_MAIN
