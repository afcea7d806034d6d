/* SPDX-License-Identifier: GPL-2.0 */
/* The fixture of tests that hold for every kind of pipe, pipe(2) included. */
#ifndef SAME_FIXTURE_H
#define SAME_FIXTURE_H

#include "variants.h"

/* An empty pipe with O_NONBLOCK at both ends. The helpers open this pipe, in children as well. */
FIXTURE(same)
{
	int r;
	int w;
};

FIXTURE_VARIANT(same)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(same, device) { .kind = DEVICE, };
FIXTURE_VARIANT_ADD(same, private_pipe) { .kind = PRIVATE, };
FIXTURE_VARIANT_ADD(same, pipe_2) { .kind = PIPE_2, };

FIXTURE_SETUP(same)
{
	set_the_stage(_metadata);
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &self->r, &self->w);
	sprintf(pipe_path(), "/proc/%d/fd/%d", getpid(), self->r);
}

FIXTURE_TEARDOWN(same)
{
	clear_the_stage(_metadata);
}

#endif
