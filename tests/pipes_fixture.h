/* SPDX-License-Identifier: GPL-2.0 */
/* The fixture of what holds for the device and for a private pipe alike. */
#ifndef PIPES_FIXTURE_H
#define PIPES_FIXTURE_H

#include "variants.h"

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
	enum kind kind;
};

FIXTURE_VARIANT_ADD(pipe, the_device) { .kind = DEVICE, };
FIXTURE_VARIANT_ADD(pipe, a_private_pipe) { .kind = PRIVATE, };

FIXTURE_SETUP(pipe)
{
	self->device_capacity = set_the_stage(_metadata);
	self->device = open_neither(_metadata);
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &self->ends.r, &self->ends.w);
	self->capacity = capacity_of(self->ends.r);
}

FIXTURE_TEARDOWN(pipe)
{
	restore_the_stage(_metadata, self->device, self->device_capacity);
}

#endif
