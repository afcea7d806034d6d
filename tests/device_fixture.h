/* SPDX-License-Identifier: GPL-2.0 */
/* The fixture of tests of the device's pipe. */
#ifndef DEVICE_FIXTURE_H
#define DEVICE_FIXTURE_H

#include "mini_pipe_test.h"

/* An empty pipe that no process has open. */
FIXTURE(pipe)
{
	ssize_t capacity;
};

FIXTURE_SETUP(pipe)
{
	self->capacity = set_up_pipe(_metadata);
}

FIXTURE_TEARDOWN(pipe)
{
	kill_children(_metadata);
}

#endif
