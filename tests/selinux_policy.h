/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The smallest policy that SELinux loads, in the binary format that policydb_read() reads
 * (security/selinux/ss/policydb.c). It uses the oldest version, which has the fewest tables:
 *
 *	class process { transition dyntransition }
 *	type kernel_t; type unlabeled_t; type maker_t;
 *	allow kernel_t maker_t:process { transition dyntransition };
 *	user u;
 *	sid kernel u:object_r:kernel_t
 *	sid unlabeled u:object_r:unlabeled_t
 *	fs_use_task pipefs u:object_r:unlabeled_t;
 *
 * As in the distributions' policies, a pipe gets the label of the task that makes it. The policy
 * allows all classes that it does not define, and SELinux stays in permissive mode.
 */
#ifndef SELINUX_POLICY_H
#define SELINUX_POLICY_H

#include <linux/magic.h>
#include <linux/types.h>
#include <string.h>

#define KERNEL_LABEL "u:object_r:kernel_t"
#define MAKER_LABEL "u:object_r:maker_t"

struct policy {
	char bytes[512];
	size_t len;
};

/* The format is little-endian, as x86 and arm64 are. */
static inline void add_number(struct policy *policy, __u32 number)
{
	memcpy(policy->bytes + policy->len, &number, sizeof(number));
	policy->len += sizeof(number);
}

static inline void add_text(struct policy *policy, const char *text)
{
	memcpy(policy->bytes + policy->len, text, strlen(text));
	policy->len += strlen(text);
}

#define ADD(policy, ...) do {						\
	__u32 _numbers[] = { __VA_ARGS__ };				\
									\
	for (size_t _i = 0; _i < ARRAY_SIZE(_numbers); _i++)		\
		add_number(policy, _numbers[_i]);			\
} while (0)

static inline struct policy smallest_policy(void)
{
	enum { PROCESS = 1, OBJECT_R = 1, USER = 1 };
	enum { KERNEL_T = 1, UNLABELED_T, MAKER_T };
	static const char * const permissions[] = { "transition", "dyntransition" };
	static const char * const types[] = { "kernel_t", "unlabeled_t", "maker_t" };
	struct policy policy = { };

	ADD(&policy, SELINUX_MAGIC, strlen("SE Linux"));
	add_text(&policy, "SE Linux");
	/* The version, a flag that allows unknown classes, the numbers of tables and lists. */
	ADD(&policy, 15, 4, 5, 6);

	/* A table begins with its highest value and its length. First, no common permissions. */
	ADD(&policy, 0, 0);

	/* One class with two permissions, and no constraints. */
	ADD(&policy, 1, 1);
	ADD(&policy, strlen("process"), 0, PROCESS, 2, 2, 0);
	add_text(&policy, "process");
	for (size_t i = 0; i < ARRAY_SIZE(permissions); i++) {
		ADD(&policy, strlen(permissions[i]), i + 1);
		add_text(&policy, permissions[i]);
	}

	/* One role. It dominates no roles and has no types: two empty bitmaps of 64-bit words. */
	ADD(&policy, 1, 1);
	ADD(&policy, strlen("object_r"), OBJECT_R);
	add_text(&policy, "object_r");
	ADD(&policy, 64, 0, 0, 64, 0, 0);

	ADD(&policy, ARRAY_SIZE(types), ARRAY_SIZE(types));
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		ADD(&policy, strlen(types[i]), i + 1, 1);
		add_text(&policy, types[i]);
	}

	/* One user, with an empty bitmap of roles. */
	ADD(&policy, 1, 1);
	ADD(&policy, strlen("u"), USER);
	add_text(&policy, "u");
	ADD(&policy, 64, 0, 0);

	/* One rule of five values, which allows both permissions. */
	ADD(&policy, 1, 5, KERNEL_T, MAKER_T, PROCESS, 1, 3);

	/* No role transitions and no role allow rules. */
	ADD(&policy, 0, 0);

	/* The contexts of SECINITSID_KERNEL and SECINITSID_UNLABELED. */
	ADD(&policy, 2);
	ADD(&policy, 1, USER, OBJECT_R, KERNEL_T);
	ADD(&policy, 3, USER, OBJECT_R, UNLABELED_T);
	/* No contexts of file systems, ports, network interfaces and nodes. */
	ADD(&policy, 0, 0, 0, 0);
	/* One SECURITY_FS_USE_TASK. */
	ADD(&policy, 1);
	ADD(&policy, 3, strlen("pipefs"));
	add_text(&policy, "pipefs");
	ADD(&policy, USER, OBJECT_R, UNLABELED_T);

	/* No genfscon. */
	ADD(&policy, 0);
	return policy;
}

#endif
