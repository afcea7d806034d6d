// SPDX-License-Identifier: GPL-2.0
/*
 * The security label of a private pipe, on a kernel that was booted with security=selinux: as for a
 * pipe(2), it is the label of the task that made the pipe. The first test loads a policy, which
 * cannot be unloaded, so run this program only in the virtual machine. If another policy is loaded,
 * the program skips all tests.
 */
#include <sys/mount.h>
#include <sys/xattr.h>
#include "variants.h"
#include "module_fixture.h"
#include "selinux_policy.h"

#define SELINUXFS "/sys/fs/selinux"
#define LABEL "security.selinux"
#define OWN_LABEL "/proc/self/attr/current"
/* The label of every task before a policy is loaded. */
#define NO_POLICY "kernel"

struct label {
	char text[64];
};

static struct label own_label(void)
{
	struct label label = { };
	int fd = open(OWN_LABEL, O_RDONLY | O_CLOEXEC);

	read(fd, label.text, sizeof(label.text) - 1);
	close(fd);
	return label;
}

/* Returns the label, or an error message. */
static struct label label_of(int fd)
{
	struct label label = { };

	if (fgetxattr(fd, LABEL, label.text, sizeof(label.text) - 1) < 0)
		snprintf(label.text, sizeof(label.text), "(%s)", strerror(errno));
	return label;
}

static void load_policy(struct __test_metadata *_metadata)
{
	struct policy policy = smallest_policy();
	int fd;

	mount("selinuxfs", SELINUXFS, "selinuxfs", 0, NULL);
	fd = open(SELINUXFS "/load", O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(policy.len, write(fd, policy.bytes, policy.len));
	close(fd);
	ASSERT_STREQ(KERNEL_LABEL, own_label().text);
}

static bool has_no_policy(void)
{
	return !strcmp(NO_POLICY, own_label().text);
}

#define NEEDS "needs root, and SELinux without a policy"

/* A policy of another origin must not be replaced. */
static bool can_run(void)
{
	return !geteuid() && (has_no_policy() || !strcmp(KERNEL_LABEL, own_label().text));
}

static void expect_labels(struct __test_metadata *_metadata, const char *label, int r, int w)
{
	EXPECT_STREQ(label, label_of(r).text);
	EXPECT_STREQ(label, label_of(w).text);
}

TEST(pipe_made_before_policy_has_kernel_label)
{
	int private[2], pipe[2];

	if (!can_run() || !has_no_policy())
		SKIP(return, NEEDS);
	make_pipe(_metadata, PRIVATE, 0, &private[0], &private[1]);
	make_pipe(_metadata, PIPE_2, 0, &pipe[0], &pipe[1]);
	load_policy(_metadata);
	expect_labels(_metadata, KERNEL_LABEL, pipe[0], pipe[1]);
	expect_labels(_metadata, KERNEL_LABEL, private[0], private[1]);
}

FIXTURE(label)
{
	int r;
	int w;
};

FIXTURE_VARIANT(label)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(label, private_pipe) { .kind = PRIVATE, };
FIXTURE_VARIANT_ADD(label, pipe_2) { .kind = PIPE_2, };

FIXTURE_SETUP(label)
{
	if (!can_run())
		SKIP(return, NEEDS);
	if (has_no_policy())
		load_policy(_metadata);
	ASSERT_TRUE(write_file(OWN_LABEL, MAKER_LABEL));
	make_pipe(_metadata, variant->kind, 0, &self->r, &self->w);
}

FIXTURE_TEARDOWN(label)
{
}

TEST_F(label, is_label_of_maker)
{
	expect_labels(_metadata, MAKER_LABEL, self->r, self->w);
}

FIXTURE(module_loaded_after_policy)
{
};

FIXTURE_SETUP(module_loaded_after_policy)
{
	if (!can_run())
		SKIP(return, NEEDS);
	start_unloaded(_metadata);
	if (has_no_policy())
		load_policy(_metadata);
	load_with(_metadata, "");
}

FIXTURE_TEARDOWN(module_loaded_after_policy)
{
	end_loaded(_metadata);
}

TEST_F(module_loaded_after_policy, pipe_has_label_of_maker)
{
	int r, w;

	ASSERT_TRUE(write_file(OWN_LABEL, MAKER_LABEL));
	make_pipe(_metadata, PRIVATE, 0, &r, &w);
	expect_labels(_metadata, MAKER_LABEL, r, w);
}

TEST_HARNESS_MAIN
