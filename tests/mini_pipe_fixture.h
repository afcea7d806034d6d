/* SPDX-License-Identifier: GPL-2.0 */
/* The fixture of tests that hold for the device and for a private pipe alike. */
#ifndef MINI_PIPE_FIXTURE_H
#define MINI_PIPE_FIXTURE_H

#include "variants.h"

/* An empty pipe that only the test has open, with O_NONBLOCK at both ends. */
FIXTURE(pipe)
{
	struct ends ends;
	ssize_t capacity;
	int device;		/* opened for ioctl alone */
	int device_capacity;
};

FIXTURE_VARIANT(pipe)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(pipe, device) { .kind = DEVICE, };
FIXTURE_VARIANT_ADD(pipe, private_pipe) { .kind = PRIVATE, };

FIXTURE_SETUP(pipe)
{
	self->device_capacity = set_up_pipe(_metadata);
	self->device = open_for_ioctl(_metadata);
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &self->ends.r, &self->ends.w);
	self->capacity = capacity_of(self->ends.r);
}

FIXTURE_TEARDOWN(pipe)
{
	restore_device(_metadata, self->device, self->device_capacity);
}

#endif
