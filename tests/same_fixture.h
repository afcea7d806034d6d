/* SPDX-License-Identifier: GPL-2.0 */
/* The fixture of tests that say the same of every kind of pipe. */
#ifndef SAME_FIXTURE_H
#define SAME_FIXTURE_H

#include "variants.h"

/* Starts on an empty pipe; neither end blocks. The helpers open that one, in children as well. */
FIXTURE(same)
{
	int r;
	int w;
};

FIXTURE_VARIANT(same)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(same, on_the_device) { .kind = DEVICE, };
FIXTURE_VARIANT_ADD(same, on_a_private_pipe) { .kind = PRIVATE, };
FIXTURE_VARIANT_ADD(same, on_pipe_2) { .kind = PIPE_2, };

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
