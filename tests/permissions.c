// SPDX-License-Identifier: GPL-2.0
/*
 * Permissions: by default only root can open the node; its group and mode decide who else can, as
 * for a FIFO. Only root can load the module and change its parameters. Needs root, to become
 * another user.
 */
#include <sys/stat.h>
#include "credentials.h"

#define FIFO "/tmp/mini_pipe.fifo"
#define PARAMETERS "/sys/module/mini_pipe/parameters/"

static const int access_modes[] = { O_RDONLY, O_WRONLY, O_RDWR };

static const struct user_ids member = { MEMBER_GID, UNPRIVILEGED_ID };
static const struct user_ids supplementary_member = { UNPRIVILEGED_ID, MEMBER_GID };

FIXTURE(node)
{
	int fd;			/* the test's own, O_RDWR */
	struct stat before;
};

FIXTURE_VARIANT(node)
{
	const char *path;
};

FIXTURE_VARIANT_ADD(node, device) { .path = MINI_PIPE, };
FIXTURE_VARIANT_ADD(node, fifo) { .path = FIFO, };

static void set_group_and_mode(struct __test_metadata *_metadata, const char *path, gid_t gid,
			       mode_t mode)
{
	ASSERT_EQ(0, chown(path, 0, gid));
	ASSERT_EQ(0, chmod(path, mode));
}

FIXTURE_SETUP(node)
{
	if (geteuid())
		SKIP(return, "needs root");
	set_up_pipe(_metadata);
	unlink(FIFO);
	ASSERT_EQ(0, mkfifo(FIFO, 0600));
	ASSERT_EQ(0, stat(variant->path, &self->before));
	set_group_and_mode(_metadata, variant->path, 0, 0600);
	self->fd = open(variant->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(node)
{
	kill_children(_metadata);
	set_group_and_mode(_metadata, variant->path, self->before.st_gid,
			   self->before.st_mode & 07777);
	unlink(FIFO);
}

/* A call, and the credentials for it. */
struct attempt {
	const struct user_ids *ids;
	long (*call)(const struct attempt *attempt);
	const char *path;
	int flags;
	int fd;			/* inherited */
	dev_t device;
};

static void make_attempt(int report_to, const void *arg)
{
	const struct attempt *attempt = arg;

	switch_to(attempt->ids);
	report(report_to, attempt->call(attempt));
}

/* Returns 0, or the errno of the call. */
static int error_of(struct __test_metadata *_metadata, const struct attempt *attempt)
{
	struct child child = start_forked(_metadata, make_attempt, attempt);
	int err = result_of(_metadata, &child).err;

	kill_child(_metadata, &child);
	return err;
}

static long open_it(const struct attempt *attempt)
{
	return open(attempt->path, attempt->flags | O_NONBLOCK);
}

static int error_of_open(struct __test_metadata *_metadata, const char *path, int flags,
			 const struct user_ids *ids)
{
	struct attempt attempt = {
		.ids = ids, .call = open_it, .path = path, .flags = flags,
	};

	return error_of(_metadata, &attempt);
}

static void expect_open(struct __test_metadata *_metadata, const char *path,
			const struct user_ids *ids, int err)
{
	for (size_t i = 0; i < ARRAY_SIZE(access_modes); i++) {
		EXPECT_EQ(err, error_of_open(_metadata, path, access_modes[i], ids))
		{
			TH_LOG("%s, flags %d", path, access_modes[i]);
		}
	}
}

/* The node */

TEST_F(node, mode_0600_denies_other_users)
{
	expect_open(_metadata, variant->path, &unprivileged_user, EACCES);
	EXPECT_EQ(EACCES, error_of_open(_metadata, variant->path, O_ACCMODE, &unprivileged_user));
}

TEST_F(node, mode_0660_denies_users_outside_group)
{
	set_group_and_mode(_metadata, variant->path, MEMBER_GID, 0660);
	expect_open(_metadata, variant->path, &unprivileged_user, EACCES);
}

TEST_F(node, mode_0660_admits_group)
{
	set_group_and_mode(_metadata, variant->path, MEMBER_GID, 0660);
	expect_open(_metadata, variant->path, &member, 0);
	expect_open(_metadata, variant->path, &supplementary_member, 0);
	set_group_and_mode(_metadata, variant->path, 0, 0600);
	expect_open(_metadata, variant->path, &member, EACCES);
}

TEST_F(node, mode_0640_lets_group_only_read)
{
	set_group_and_mode(_metadata, variant->path, MEMBER_GID, 0640);
	EXPECT_EQ(0, error_of_open(_metadata, variant->path, O_RDONLY, &member));
	EXPECT_EQ(EACCES, error_of_open(_metadata, variant->path, O_WRONLY, &member));
	EXPECT_EQ(EACCES, error_of_open(_metadata, variant->path, O_RDWR, &member));
	EXPECT_EQ(EACCES, error_of_open(_metadata, variant->path, O_ACCMODE, &member));
}

TEST_F(node, mode_0620_lets_group_only_write)
{
	set_group_and_mode(_metadata, variant->path, MEMBER_GID, 0620);
	EXPECT_EQ(EACCES, error_of_open(_metadata, variant->path, O_RDONLY, &member));
	EXPECT_EQ(0, error_of_open(_metadata, variant->path, O_WRONLY, &member));
	EXPECT_EQ(EACCES, error_of_open(_metadata, variant->path, O_RDWR, &member));
}

TEST_F(node, mode_0666_admits_everyone)
{
	set_group_and_mode(_metadata, variant->path, 0, 0666);
	expect_open(_metadata, variant->path, &unprivileged_user, 0);
}

static long change_mode(const struct attempt *attempt)
{
	return chmod(attempt->path, 0666);
}

static long change_owner(const struct attempt *attempt)
{
	return chown(attempt->path, UNPRIVILEGED_ID, UNPRIVILEGED_ID);
}

TEST_F(node, unprivileged_user_cannot_chmod_or_chown)
{
	struct attempt attempt = {
		.ids = &unprivileged_user, .call = change_mode, .path = variant->path,
	};

	EXPECT_EQ(EPERM, error_of(_metadata, &attempt));
	attempt.call = change_owner;
	EXPECT_EQ(EPERM, error_of(_metadata, &attempt));
}

/* Inherited descriptors, and descriptors opened with O_PATH */

static long pass_a_byte(const struct attempt *attempt)
{
	char byte = 'x';

	if (write(attempt->fd, &byte, 1) != 1)
		return -1;
	return read(attempt->fd, &byte, 1);
}

TEST_F(node, inherited_descriptor_works_for_unprivileged_user)
{
	struct attempt attempt = { .ids = &unprivileged_user, .call = pass_a_byte, .fd = self->fd };

	EXPECT_EQ(0, error_of(_metadata, &attempt));
}

static long open_again(const struct attempt *attempt)
{
	char path[32];
	int fd = attempt->fd;

	if (fd < 0)
		fd = open(attempt->path, O_PATH);
	if (fd < 0)
		return 0;	/* not the error that the test expects */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, attempt->flags | O_NONBLOCK);
}

TEST_F(node, inherited_reading_end_cannot_be_reopened_for_writing)
{
	int reader = open(variant->path, O_RDONLY | O_NONBLOCK);
	struct attempt attempt = {
		.ids = &unprivileged_user, .call = open_again, .flags = O_WRONLY, .fd = reader,
	};

	ASSERT_LE(0, reader);
	EXPECT_EQ(EACCES, error_of(_metadata, &attempt));
}

TEST_F(node, o_path_descriptor_cannot_be_reopened)
{
	struct attempt attempt = {
		.ids = &unprivileged_user, .call = open_again, .path = variant->path, .fd = -1,
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
	kill_children(_metadata);
}

TEST_F(module, node_is_for_root_only_by_default)
{
	struct stat node;

	if (access("/run/udev/control", F_OK) == 0)
		SKIP(return, "udev sets the owner and mode of the node here");
	ASSERT_EQ(0, stat(MINI_PIPE, &node));
	EXPECT_EQ(0, node.st_uid);
	EXPECT_EQ(0, node.st_gid);
	EXPECT_EQ(0600, node.st_mode & 07777);
}

static long make_node(const struct attempt *attempt)
{
	return mknod("/tmp/mini_pipe.node", S_IFCHR | 0666, attempt->device);
}

TEST_F(module, unprivileged_user_cannot_mknod)
{
	struct attempt attempt = { .ids = &unprivileged_user, .call = make_node };
	struct stat node;

	ASSERT_EQ(0, stat(MINI_PIPE, &node));
	attempt.device = node.st_rdev;
	EXPECT_EQ(EPERM, error_of(_metadata, &attempt));
}

static long unload_it(const struct attempt *attempt __maybe_unused)
{
	return syscall(__NR_delete_module, "mini_pipe", O_NONBLOCK);
}

TEST_F(module, unprivileged_user_cannot_unload)
{
	struct attempt attempt = { .ids = &unprivileged_user, .call = unload_it };

	EXPECT_EQ(EPERM, error_of(_metadata, &attempt));
	EXPECT_EQ(0, access(MINI_PIPE, F_OK));
}

/* The kernel checks the permission first, so any descriptor will do. */
static long load_it(const struct attempt *attempt __maybe_unused)
{
	return syscall(__NR_finit_module, 0, "capacity=1", 0);
}

TEST_F(module, unprivileged_user_cannot_load)
{
	struct attempt attempt = { .ids = &unprivileged_user, .call = load_it };

	EXPECT_EQ(EPERM, error_of(_metadata, &attempt));
}

static void expect_parameter(struct __test_metadata *_metadata, const char *path, int err)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	EXPECT_EQ(err, fd < 0 ? errno : 0);
	close(fd);
	EXPECT_EQ(0, error_of_open(_metadata, path, O_RDONLY, &unprivileged_user));
	EXPECT_EQ(EACCES, error_of_open(_metadata, path, O_WRONLY, &unprivileged_user));
}

TEST_F(module, capacity_and_policy_are_read_only_for_everyone)
{
	expect_parameter(_metadata, PARAMETERS "capacity", EACCES);
	expect_parameter(_metadata, PARAMETERS "policy", EACCES);
}

TEST_F(module, limits_are_readable_by_everyone_and_writable_by_root)
{
	expect_parameter(_metadata, PARAMETERS "max_capacity", 0);
	expect_parameter(_metadata, PARAMETERS "user_pages_soft", 0);
	expect_parameter(_metadata, PARAMETERS "user_pages_hard", 0);
	expect_parameter(_metadata, PARAMETERS "max_spin_us", 0);
}

TEST_HARNESS_MAIN
