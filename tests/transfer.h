/* SPDX-License-Identifier: GPL-2.0 */
/* Splice, tee and vmsplice: by ioctl from a mini_pipe, else by system call. */
#ifndef TRANSFER_H
#define TRANSFER_H

#include <sys/uio.h>
#include "ioctls.h"

static inline ssize_t by_ioctl(unsigned long command, int pipe, int other, size_t len,
			       unsigned int flags)
{
	struct mini_pipe_splice request = { .fd = other, .flags = flags, .len = len };

	return ioctl(pipe, command, &request);
}

/* Or any other file that is no mini_pipe. */
static inline bool is_pipe_2(int fd)
{
	return capacity_of(fd) < 0;
}

static inline ssize_t do_splice(int from, int to, size_t len, unsigned int flags)
{
	if (is_pipe_2(from))
		return splice(from, NULL, to, NULL, len, flags);
	return by_ioctl(MINI_PIPE_IOC_SPLICE_TO, from, to, len, flags);
}

static inline ssize_t do_tee(int from, int to, size_t len, unsigned int flags)
{
	if (is_pipe_2(from))
		return tee(from, to, len, flags);
	return by_ioctl(MINI_PIPE_IOC_TEE_TO, from, to, len, flags);
}

static inline ssize_t do_vmsplice(int pipe, const struct iovec *iov, unsigned int count,
				  unsigned int flags)
{
	struct mini_pipe_vmsplice request = {
		.iov = (uintptr_t)iov, .count = count, .flags = flags,
	};

	if (is_pipe_2(pipe))
		return vmsplice(pipe, iov, count, flags);
	return ioctl(pipe, MINI_PIPE_IOC_VMSPLICE, &request);
}

#endif
