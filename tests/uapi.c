// SPDX-License-Identifier: GPL-2.0
/*
 * The ABI is stable: every number and every offset of uapi/mini_pipe.h has the value that programs
 * were compiled with, in C and in C++, with 64 bits and with 32. There is nothing to run: `make
 * check` compiles this file in each of these ways.
 */
#include "../uapi/mini_pipe.h"

#include <stddef.h>

#define FIXED(name, value) static_assert((name) == (value), #name)

FIXED(MINI_PIPE_IOC_PAIR, 0xc010bb01);
FIXED(MINI_PIPE_IOC_GET_CAPACITY, 0xbb02);
FIXED(MINI_PIPE_IOC_SET_CAPACITY, 0xbb03);
FIXED(MINI_PIPE_IOC_GET_POLICY, 0xbb04);
FIXED(MINI_PIPE_IOC_SET_POLICY, 0xbb05);
FIXED(MINI_PIPE_IOC_SPLICE_TO, 0x4018bb06);
FIXED(MINI_PIPE_IOC_SPLICE_FROM, 0x4018bb07);
FIXED(MINI_PIPE_IOC_TEE_TO, 0x4018bb08);
FIXED(MINI_PIPE_IOC_VMSPLICE, 0x4010bb09);

FIXED(MINI_PIPE_BUFFERED, 0);
FIXED(MINI_PIPE_RENDEZVOUS, 1);

FIXED(sizeof(struct mini_pipe_pair), 16);
FIXED(offsetof(struct mini_pipe_pair, flags), 0);
FIXED(offsetof(struct mini_pipe_pair, capacity), 4);
FIXED(offsetof(struct mini_pipe_pair, read_fd), 8);
FIXED(offsetof(struct mini_pipe_pair, write_fd), 12);

FIXED(sizeof(struct mini_pipe_splice), 24);
FIXED(offsetof(struct mini_pipe_splice, fd), 0);
FIXED(offsetof(struct mini_pipe_splice, flags), 4);
FIXED(offsetof(struct mini_pipe_splice, len), 8);
FIXED(offsetof(struct mini_pipe_splice, offset), 16);

FIXED(sizeof(struct mini_pipe_vmsplice), 16);
FIXED(offsetof(struct mini_pipe_vmsplice, iov), 0);
FIXED(offsetof(struct mini_pipe_vmsplice, count), 8);
FIXED(offsetof(struct mini_pipe_vmsplice, flags), 12);
