// SPDX-License-Identifier: GPL-2.0
/*
 * What programs were compiled with stays: every number and every offset of uapi/mini_pipe.h, in C
 * and in C++, for 64 bits and for 32. It need not run: make check compiles it in each way.
 */
#include "../uapi/mini_pipe.h"

#include <stddef.h>

#define FIXED(name, value) static_assert((name) == (value), #name)

FIXED(MINI_PIPE_IOC_PAIR, 0xc010bb01);
FIXED(MINI_PIPE_IOC_GET_CAPACITY, 0xbb02);
FIXED(MINI_PIPE_IOC_SET_CAPACITY, 0xbb03);
FIXED(MINI_PIPE_IOC_GET_POLICY, 0xbb04);
FIXED(MINI_PIPE_IOC_SET_POLICY, 0xbb05);

FIXED(MINI_PIPE_BUFFERED, 0);
FIXED(MINI_PIPE_RENDEZVOUS, 1);

FIXED(sizeof(struct mini_pipe_pair), 16);
FIXED(offsetof(struct mini_pipe_pair, flags), 0);
FIXED(offsetof(struct mini_pipe_pair, capacity), 4);
FIXED(offsetof(struct mini_pipe_pair, read_fd), 8);
FIXED(offsetof(struct mini_pipe_pair, write_fd), 12);
