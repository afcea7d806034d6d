/* SPDX-License-Identifier: GPL-2.0 */
/* Credentials of unprivileged users, for children of a test that runs as root. */
#ifndef CREDENTIALS_H
#define CREDENTIALS_H

#include <grp.h>
#include "mini_pipe_test.h"

/* These ids need no names in /etc/passwd and /etc/group. */
#define UNPRIVILEGED_ID 65534
#define MEMBER_GID 65533

struct user_ids {
	gid_t gid;
	gid_t supplementary;
};

static const struct user_ids unprivileged_user = { UNPRIVILEGED_ID, UNPRIVILEGED_ID };

static inline void switch_to(const struct user_ids *ids)
{
	if (setgroups(1, &ids->supplementary) ||
	    setresgid(ids->gid, ids->gid, ids->gid) ||
	    setresuid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID))
		_exit(KSFT_FAIL);
	/* New credentials clear this signal. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

#endif /* CREDENTIALS_H */
