/* SPDX-License-Identifier: GPL-2.0 */
/* Ordinary users, which a test that is root can become. */
#ifndef CREDENTIALS_H
#define CREDENTIALS_H

#include <grp.h>
#include "mini_pipe_test.h"

/* Ids without a name will do. */
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
	/* Forgotten with the old identity. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

#endif /* CREDENTIALS_H */
