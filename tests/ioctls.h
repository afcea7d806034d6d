/* SPDX-License-Identifier: GPL-2.0 */
/* The ioctls of a pipe, and private pipes. */
#ifndef IOCTLS_H
#define IOCTLS_H

#include <sys/ioctl.h>
#include "../uapi/mini_pipe.h"
#include "mini_pipe_test.h"

/* How many bytes can be read. */
static inline int bytes_in(int fd)
{
	int bytes = -1;

	return ioctl(fd, FIONREAD, &bytes) ? -1 : bytes;
}

static inline int capacity_of(int fd)
{
	return ioctl(fd, MINI_PIPE_IOC_GET_CAPACITY);
}

static inline int set_capacity(int fd, unsigned long bytes)
{
	return ioctl(fd, MINI_PIPE_IOC_SET_CAPACITY, bytes);
}

static inline int policy_of(int fd)
{
	return ioctl(fd, MINI_PIPE_IOC_GET_POLICY);
}

static inline int set_policy(int fd, unsigned long policy)
{
	return ioctl(fd, MINI_PIPE_IOC_SET_POLICY, policy);
}

/* As kill_children(), for tests that change the device's pipe: restores its state. */
static inline void restore_device(struct __test_metadata *_metadata, int fd, int capacity)
{
	kill_children(_metadata);
	empty_pipe(_metadata);
	EXPECT_EQ(0, set_policy(fd, MINI_PIPE_BUFFERED));
	EXPECT_EQ(capacity, set_capacity(fd, capacity));
}

/* Both ends of a pipe. */
struct ends {
	int r;
	int w;
};

/* Makes a private pipe; 0, or -1 with errno, as pipe2(2). */
static inline int make_pair(int device, struct ends *ends, unsigned int flags,
			    unsigned int capacity)
{
	struct mini_pipe_pair pair = {
		.flags = flags, .capacity = capacity, .read_fd = -1, .write_fd = -1,
	};
	int ret = ioctl(device, MINI_PIPE_IOC_PAIR, &pair);

	*ends = (struct ends){ pair.read_fd, pair.write_fd };
	return ret;
}

/* Opens the device for ioctl alone: with access mode 3, which is neither end. */
static inline int open_for_ioctl(struct __test_metadata *_metadata)
{
	return open_pipe(_metadata, O_ACCMODE);
}

static inline struct ends private_pipe(struct __test_metadata *_metadata, unsigned int flags,
				       unsigned int capacity)
{
	int device = open_for_ioctl(_metadata);
	struct ends ends;

	ASSERT_EQ(0, make_pair(device, &ends, flags | O_CLOEXEC, capacity))
	{
		TH_LOG("MINI_PIPE_IOC_PAIR: %s", strerror(errno));
	}
	close(device);
	return ends;
}

/* How many files of the device and of private pipes are open. */
static inline int open_files(void)
{
	char text[16] = "";
	int fd = open("/sys/module/mini_pipe/refcnt", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	return n > 0 ? atoi(text) : -1;
}

/* The number that the next descriptor gets: all lower ones are in use. */
static inline int next_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY);

	close(fd);
	return fd;
}

/* Another open file of the same pipe, with flags of its own. */
static inline int open_again(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_CLOEXEC);
}

#endif /* IOCTLS_H */
