/* SPDX-License-Identifier: GPL-2.0 */
/* The fixture of all tests but the module's. */
#ifndef PIPE_FIXTURE_H
#define PIPE_FIXTURE_H

#include "mini_pipe_test.h"

/* Starts on an empty pipe that nobody has open, and knows its capacity. */
FIXTURE(pipe)
{
	ssize_t capacity;
};

FIXTURE_SETUP(pipe)
{
	self->capacity = set_the_stage(_metadata);
}

FIXTURE_TEARDOWN(pipe)
{
	clear_the_stage(_metadata);
}

#endif
