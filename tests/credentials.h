/* SPDX-License-Identifier: GPL-2.0 */
/* Credentials of unprivileged users, for children of a test that runs as root. */
#ifndef CREDENTIALS_H
#define CREDENTIALS_H

#include <grp.h>
#include "mini_pipe_test.h"

/* These ids need no names in /etc/passwd and /etc/group. */
#define STRANGER 65534
#define GROUP 65533

struct person {
	gid_t gid;
	gid_t supplementary;
};

static const struct person stranger = { STRANGER, STRANGER };

static inline void become(const struct person *person)
{
	if (setgroups(1, &person->supplementary) ||
	    setresgid(person->gid, person->gid, person->gid) ||
	    setresuid(STRANGER, STRANGER, STRANGER))
		_exit(KSFT_FAIL);
	/* A change of credentials clears this. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

#endif /* CREDENTIALS_H */
