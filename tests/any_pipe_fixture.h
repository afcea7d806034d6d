/* SPDX-License-Identifier: GPL-2.0 */
/* The fixture of tests that hold for every kind of pipe, pipe(2) included. */
#ifndef ANY_PIPE_FIXTURE_H
#define ANY_PIPE_FIXTURE_H

#include "variants.h"

/* An empty pipe with O_NONBLOCK at both ends. The helpers open this pipe, in children as well. */
FIXTURE(any_pipe)
{
	int r;
	int w;
};

FIXTURE_VARIANT(any_pipe)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(any_pipe, device) { .kind = DEVICE, };
FIXTURE_VARIANT_ADD(any_pipe, private_pipe) { .kind = PRIVATE, };
FIXTURE_VARIANT_ADD(any_pipe, pipe_2) { .kind = PIPE_2, };

FIXTURE_SETUP(any_pipe)
{
	set_up_pipe(_metadata);
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &self->r, &self->w);
	sprintf(pipe_path(), "/proc/%d/fd/%d", getpid(), self->r);
}

FIXTURE_TEARDOWN(any_pipe)
{
	kill_children(_metadata);
}

#endif
