/* SPDX-License-Identifier: GPL-2.0 */
/* What calls on a mini_pipe and on a pipe(2) return, to be compared. */
#ifndef OUTCOME_H
#define OUTCOME_H

#include "mini_pipe_test.h"

/* The result of a call, and errno if it failed. */
struct outcome {
	long ret;
	int err;
};

#define OUTCOME(call) ({			\
	struct outcome outcome = { .ret = (call) };	\
							\
	outcome.err = outcome.ret < 0 ? errno : 0;	\
	outcome;					\
})

#define EXPECT_SAME(expected, actual) do {				\
	struct outcome _expected = (expected), _actual = (actual);	\
									\
	EXPECT_EQ(_expected.ret, _actual.ret);				\
	EXPECT_EQ(_expected.err, _actual.err);				\
} while (0)

#endif /* OUTCOME_H */
