// SPDX-License-Identifier: GPL-2.0
/*
 * mini_pipes in the place of pipe(2): a library for LD_PRELOAD that gives an unmodified program
 * private pipes of /dev/mini_pipe when it calls pipe() or pipe2(), and their sizes when it asks
 * with F_GETPIPE_SZ and F_SETPIPE_SZ.
 *
 *	cc -shared -fPIC -o mini_pipe_preload.so mini_pipe_preload.c
 *	LD_PRELOAD=$PWD/mini_pipe_preload.so bash -c 'tar -c . | gzip | wc -c'
 *
 * Who cannot have a mini_pipe gets a pipe(2), or, with MINI_PIPE_PRELOAD_STRICT in its environment,
 * the error. MINI_PIPE_PRELOAD_LOG names a file that gets a line for each mini_pipe: the program,
 * and the number of its process.
 *
 * Inside pipe() it calls openat(), ioctl() and dup3(), and inside fcntl() ioctl(). A seccomp filter
 * that refuses one of these with an error makes pipe() fall back; one that kills for it kills the
 * program. With MINI_PIPE_PRELOAD_OFF in its environment, the library makes none of these calls.
 *
 * It is for glibc on 64-bit machines. What glibc makes inside of itself (popen), or a program
 * without glibc, stays a pipe(2).
 */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "../uapi/mini_pipe.h"

/* fcntl() and fcntl64() are the same there, and glibc has a third name for them. */
static_assert(sizeof(long) == sizeof(off64_t), "this is for 64-bit machines");
typeof(fcntl) __fcntl;

static bool is_off(void)
{
	return getenv("MINI_PIPE_PRELOAD_OFF");
}

static void log_pipe(void)
{
	const char *file = getenv("MINI_PIPE_PRELOAD_LOG");
	int fd;

	if (!file)
		return;
	fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return;
	dprintf(fd, "%s %d\n", program_invocation_short_name, getpid());
	close(fd);
}

static int mini_pipe2(int fds[2], int flags)
{
	struct mini_pipe_pair pair = { .flags = flags | O_CLOEXEC };
	int device = open("/dev/mini_pipe", O_ACCMODE | O_CLOEXEC);
	int cloexec = flags & O_CLOEXEC;
	int ret;

	if (device < 0)
		return -1;
	ret = ioctl(device, MINI_PIPE_IOC_PAIR, &pair);
	if (ret < 0) {
		close(device);
		return ret;
	}
	/* Programs know that pipe2() takes the lowest numbers; the device has one of those. */
	if (dup3(pair.read_fd, device, cloexec) < 0 ||
	    dup3(pair.write_fd, pair.read_fd, cloexec) < 0) {
		close(device);
		close(pair.read_fd);
		close(pair.write_fd);
		return -1;
	}
	close(pair.write_fd);
	fds[0] = device;
	fds[1] = pair.read_fd;
	log_pipe();
	return 0;
}

int pipe2(int fds[2], int flags)
{
	int cancel, ret;

	if (is_off())
		return syscall(SYS_pipe2, fds, flags);
	/* A thread can be cancelled in open() and close(), but not in pipe2(). */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	ret = mini_pipe2(fds, flags);
	pthread_setcancelstate(cancel, NULL);
	if (ret < 0 && !getenv("MINI_PIPE_PRELOAD_STRICT"))
		ret = syscall(SYS_pipe2, fds, flags);
	return ret;
}

int pipe(int fds[2])
{
	return pipe2(fds, 0);
}

/* As F_SETPIPE_SZ does. What is too large for it is so for the driver, rounded up or not. */
static unsigned long round_up(unsigned int size)
{
	unsigned long capacity = getpagesize();

	while (capacity < size)
		capacity *= 2;
	return capacity;
}

int fcntl(int fd, int cmd, ...)
{
	int saved_errno = errno;
	int capacity = -1;
	va_list args;
	void *arg;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	if ((cmd == F_GETPIPE_SZ || cmd == F_SETPIPE_SZ) && !is_off())
		capacity = ioctl(fd, MINI_PIPE_IOC_GET_CAPACITY);
	if (capacity < 0) {
		/* Not a mini_pipe, or none of its business. */
		errno = saved_errno;
		return __fcntl(fd, cmd, arg);
	}
	if (cmd == F_GETPIPE_SZ)
		return capacity;
	return ioctl(fd, MINI_PIPE_IOC_SET_CAPACITY, round_up((unsigned long)arg));
}

#pragma weak fcntl64 = fcntl
