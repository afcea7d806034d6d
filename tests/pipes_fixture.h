/* SPDX-License-Identifier: GPL-2.0 */
/* The fixture of what holds for the device and for a private pipe alike. */
#ifndef PIPES_FIXTURE_H
#define PIPES_FIXTURE_H

#include "ioctls.h"

/* Starts on an empty pipe that only the test has open: two ends that do not block. */
FIXTURE(pipe)
{
	struct ends ends;
	ssize_t capacity;
	int device;		/* neither end of it */
	int device_capacity;
};

FIXTURE_VARIANT(pipe)
{
	bool is_private;
};

FIXTURE_VARIANT_ADD(pipe, the_device) { .is_private = false, };
FIXTURE_VARIANT_ADD(pipe, a_private_pipe) { .is_private = true, };

FIXTURE_SETUP(pipe)
{
	self->device_capacity = set_the_stage(_metadata);
	self->device = open_neither(_metadata);
	if (variant->is_private)
		self->ends = private_pipe(_metadata, O_NONBLOCK, 0);
	else
		self->ends = (struct ends) {
			open_pipe(_metadata, O_RDONLY | O_NONBLOCK),
			open_pipe(_metadata, O_WRONLY | O_NONBLOCK),
		};
	self->capacity = capacity_of(self->ends.r);
}

FIXTURE_TEARDOWN(pipe)
{
	restore_the_stage(_metadata, self->device, self->device_capacity);
}

#endif
