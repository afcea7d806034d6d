// SPDX-License-Identifier: GPL-2.0
/* F_GETPIPE_SZ and F_SETPIPE_SZ of mini_pipes. The kernel's fcntl(2) has them for pipe(2) only. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "../uapi/mini_pipe.h"
#include "preload.h"

/* Rounds up as F_SETPIPE_SZ does. The driver rejects too large sizes, as pipe(2) does. */
static unsigned long long round_up(unsigned int size)
{
	unsigned long long capacity = getpagesize();

	while (capacity < size)
		capacity *= 2;
	return capacity;
}

/*
 * In a user namespace, this may return true although the process has no privilege in the initial
 * one. Then only the check of pipe-max-size is skipped: the driver still enforces max_capacity.
 */
static bool has_cap_sys_resource(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	return syscall(SYS_capget, &header, data) == 0 &&
		data[0].effective & 1U << CAP_SYS_RESOURCE;
}

/* Whether fs.pipe-max-size forbids this capacity. Without /proc, only the driver has a limit. */
static bool is_above_max_size(unsigned long long capacity)
{
	int fd = open("/proc/sys/fs/pipe-max-size", O_RDONLY | O_CLOEXEC);
	char text[16] = "";
	bool is_above;

	if (fd < 0)
		return false;
	is_above = read(fd, text, sizeof(text) - 1) > 0 && capacity > strtoull(text, NULL, 10) &&
		!has_cap_sys_resource();
	close(fd);
	return is_above;
}

static int set_capacity(int fd, unsigned long long capacity, unsigned long long now)
{
	bool is_above = false;
	int cancel;

	/* F_SETPIPE_SZ looks at this before it looks at pipe-max-size. */
	if (capacity > 1ULL << 31) {
		errno = EINVAL;
		return -1;
	}
	if (capacity > now) {
		/* open() and close() are cancellation points, F_SETPIPE_SZ is not. */
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
		is_above = is_above_max_size(capacity);
		pthread_setcancelstate(cancel, NULL);
	}
	if (is_above) {
		errno = EPERM;
		return -1;
	}
	return ioctl(fd, MINI_PIPE_IOC_SET_CAPACITY, (unsigned long)capacity);
}

static int get_or_set(typeof(fcntl) *next, int fd, int cmd, void *arg)
{
	int saved_errno = errno;
	int capacity = -1;

	if ((cmd == F_GETPIPE_SZ || cmd == F_SETPIPE_SZ) && !is_off())
		capacity = ioctl(fd, MINI_PIPE_IOC_GET_CAPACITY);
	if (capacity < 0) {
		/* Not a mini_pipe, or another command. */
		errno = saved_errno;
		return next(fd, cmd, arg);
	}
	if (cmd == F_GETPIPE_SZ)
		return capacity;
	return set_capacity(fd, round_up((unsigned long)arg), capacity);
}

/* The argument behind the last named one: an int or a pointer, to be passed on as it is. */
#define ARGUMENT_BEHIND(last) ({		\
	va_list args;				\
	void *arg;				\
						\
	va_start(args, last);			\
	arg = va_arg(args, void *);		\
	va_end(args);				\
	arg;					\
})

int fcntl(int fd, int cmd, ...)
{
	return get_or_set(NEXT(fcntl), fd, cmd, ARGUMENT_BEHIND(cmd));
}

int fcntl64(int fd, int cmd, ...)
{
	return get_or_set(NEXT(fcntl64), fd, cmd, ARGUMENT_BEHIND(cmd));
}

#if __SIZEOF_LONG__ == 4
/* What fcntl() is in a program whose time_t has 64 bits. */
typeof(fcntl) __fcntl_time64;

int __fcntl_time64(int fd, int cmd, ...)
{
	return get_or_set(NEXT(__fcntl_time64), fd, cmd, ARGUMENT_BEHIND(cmd));
}
#endif
