/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Three kinds of pipe, for tests that run on all of them. As they pass on a pipe(2), they test what
 * programs rely on.
 */
#ifndef VARIANTS_H
#define VARIANTS_H

#include "ioctls.h"

enum kind {
	DEVICE,
	PRIVATE,
	PIPE_2,
};

static inline void make_private(struct __test_metadata *_metadata, int flags, int capacity,
				int *r, int *w)
{
	struct ends ends = private_pipe(_metadata, flags, capacity);

	*r = ends.r;
	*w = ends.w;
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

/* Returns the new capacity, or -1 with errno. */
static inline ssize_t resize(int fd, enum kind kind, ssize_t capacity)
{
	return kind == PIPE_2 ? fcntl(fd, F_SETPIPE_SZ, capacity) : set_capacity(fd, capacity);
}

static inline ssize_t capacity_of_kind(int fd, enum kind kind)
{
	return kind == PIPE_2 ? fcntl(fd, F_GETPIPE_SZ) : capacity_of(fd);
}

static inline void expect_eagain(struct __test_metadata *_metadata, ssize_t ret)
{
	EXPECT_EQ(-1, ret);
	EXPECT_EQ(EAGAIN, errno);
}

/* Common jobs of children, on a pipe that the test has open */

struct fd_job {
	int fd;
	int flags;		/* of the child's own open file */
	ssize_t len;
	unsigned char fill;	/* a writer's byte; 0 writes the pattern from its start */
	short events;
};

/* Uses F_SETFL, because a pipe(2) cannot be opened with O_DIRECT. */
static inline int open_own(int fd, int mode, int flags)
{
	int own = open_again(fd, mode);

	if (own < 0 || fcntl(own, F_SETFL, flags))
		_exit(KSFT_FAIL);
	return own;
}

/* Closes the other inherited descriptors, which would keep the pipe's ends open. */
static inline void keep_only(int report_to, int fd, int other)
{
	for (int i = 3; i < 100; i++)
		if (i != report_to && i != fd && i != other)
			close(i);
}

static inline void read_end(int report_to, const void *arg)
{
	const struct fd_job *job = arg;
	int fd = open_own(job->fd, O_RDONLY, job->flags);

	keep_only(report_to, fd, fd);
	report(report_to, read(fd, big_buffer(), job->len));
}

static inline void write_end(int report_to, const void *arg)
{
	const struct fd_job *job = arg;
	int fd = open_own(job->fd, O_WRONLY, job->flags);

	keep_only(report_to, fd, fd);
	if (job->fill)
		memset(big_buffer(), job->fill, job->len);
	else
		put_pattern(big_buffer(), 0, job->len);
	report(report_to, write(fd, big_buffer(), job->len));
}

static inline void poll_end(int report_to, const void *arg)
{
	const struct fd_job *job = arg;
	int mode = job->events & POLLIN ? O_RDONLY : O_WRONLY;
	struct pollfd pollfd = {
		.fd = open_own(job->fd, mode, 0), .events = job->events,
	};

	keep_only(report_to, pollfd.fd, pollfd.fd);
	report(report_to, ppoll(&pollfd, 1, NULL, NULL) == 1 ? pollfd.revents : -1);
}

/* These return when the child sleeps in its call. */

static inline struct child start_reading(struct __test_metadata *_metadata, int fd, ssize_t len)
{
	struct fd_job job = { .fd = fd, .len = len };
	struct child child = start_forked(_metadata, read_end, &job);

	ASSERT_ASLEEP_IN(read, &child);
	return child;
}

static inline struct child start_writing(struct __test_metadata *_metadata, int fd, int flags,
					 unsigned char fill, ssize_t len)
{
	struct fd_job job = { .fd = fd, .flags = flags, .fill = fill, .len = len };
	struct child child = start_forked(_metadata, write_end, &job);

	ASSERT_ASLEEP_IN(write, &child);
	return child;
}

static inline struct child start_polling(struct __test_metadata *_metadata, int fd, short events)
{
	struct fd_job job = { .fd = fd, .events = events };
	struct child child = start_forked(_metadata, poll_end, &job);

	ASSERT_ASLEEP_IN(ppoll, &child);
	return child;
}

/* For the test itself: polls with a time limit. */
static inline void await(struct __test_metadata *_metadata, int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	ASSERT_EQ(1, poll(&pollfd, 1, TIMEOUT_MS));
}

#endif
