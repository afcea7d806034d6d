/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Three kinds of pipe, for tests that ask the same of all of them: pipe(2) proves that what is
 * asked for is what programs know.
 */
#ifndef KINDS_H
#define KINDS_H

#include <sys/ioctl.h>
#include "mini_pipe_test.h"
#include "../uapi/mini_pipe.h"

enum kind {
	DEVICE,
	PRIVATE,
	PIPE_2,
};

static inline void make_private(struct __test_metadata *_metadata, int flags, int capacity,
				int *r, int *w)
{
	struct mini_pipe_pair pair = { .flags = flags | O_CLOEXEC, .capacity = capacity };
	int device = open_pipe(_metadata, O_ACCMODE);

	ASSERT_EQ(0, ioctl(device, MINI_PIPE_IOC_PAIR, &pair));
	close(device);
	*r = pair.read_fd;
	*w = pair.write_fd;
}

static inline void make_pipe(struct __test_metadata *_metadata, enum kind kind, int flags,
			     int *r, int *w)
{
	int ends[2];

	switch (kind) {
	case DEVICE:
		*r = open_pipe(_metadata, O_RDONLY | flags);
		*w = open_pipe(_metadata, O_WRONLY | flags);
		break;
	case PRIVATE:
		make_private(_metadata, flags, 0, r, w);
		break;
	case PIPE_2:
		ASSERT_EQ(0, pipe2(ends, flags | O_CLOEXEC));
		*r = ends[0];
		*w = ends[1];
		break;
	}
}

/* Another open file of the same pipe, which has flags of its own. */
static inline int open_again(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

static inline void set_flags(struct __test_metadata *_metadata, int fd, int flags)
{
	ASSERT_EQ(0, fcntl(fd, F_SETFL, flags));
}

/* -1 with errno, if not. */
static inline ssize_t resize(int fd, enum kind kind, ssize_t capacity)
{
	return kind == PIPE_2 ? fcntl(fd, F_SETPIPE_SZ, capacity) :
				ioctl(fd, MINI_PIPE_IOC_SET_CAPACITY, capacity);
}

static inline ssize_t capacity_of(int fd, enum kind kind)
{
	return kind == PIPE_2 ? fcntl(fd, F_GETPIPE_SZ) : ioctl(fd, MINI_PIPE_IOC_GET_CAPACITY);
}

/* How many bytes wait for a reader. */
static inline ssize_t bytes_in(int fd)
{
	int count;

	return ioctl(fd, FIONREAD, &count) ? -1 : count;
}

#endif
