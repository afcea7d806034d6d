// SPDX-License-Identifier: GPL-2.0
/*
 * mini_pipe instead of pipe(2): a library for LD_PRELOAD. When an unmodified program calls pipe(),
 * pipe2() or popen(), it gets a private pipe of /dev/mini_pipe. F_GETPIPE_SZ and F_SETPIPE_SZ work
 * on such a pipe as on a pipe(2), and so do splice(), tee() and vmsplice().
 *
 *	cc -shared -fPIC -o mini_pipe_preload.so *.c
 *	LD_PRELOAD=$PWD/mini_pipe_preload.so bash -c 'tar -c . | gzip | wc -c'
 *
 * These environment variables change what it does:
 *
 * MINI_PIPE_PRELOAD_STRICT: if no mini_pipe can be made, pipe() fails. By default, pipe() falls
 *                           back to a pipe(2).
 * MINI_PIPE_PRELOAD_LOG:    the name of a file. The library appends a line for each mini_pipe, with
 *                           the name of the program and its process ID.
 * MINI_PIPE_PRELOAD_OFF:    the library does nothing: each function only calls libc's own, or the
 *                           system call.
 *
 * The library makes calls that the program does not make; docs/preload.md lists them. If a call of
 * pipe() fails because of a seccomp filter, pipe() falls back to a pipe(2). If the filter kills the
 * process for such a call, the program needs MINI_PIPE_PRELOAD_OFF.
 *
 * The library is for glibc. Pipes of static programs are still pipe(2)s. Programs that load musl do
 * not start with it. 32-bit programs need a library of 32 bits, which -m32 makes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "../uapi/mini_pipe.h"
#include "preload.h"

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

static int make_mini_pipe(int fds[2], int flags)
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
	/*
	 * Programs rely on getting the lowest free numbers. The lowest is that of the open
	 * device, so the reading end goes there, and the writing end goes to where the reading
	 * end was.
	 */
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

int mini_pipe2(int fds[2], int flags)
{
	int cancel, ret;

	/* open() and close() are cancellation points, pipe2() is not. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	ret = make_mini_pipe(fds, flags);
	pthread_setcancelstate(cancel, NULL);
	return ret;
}

int pipe2(int fds[2], int flags)
{
	int ret, error = errno;

	if (is_off())
		return syscall(SYS_pipe2, fds, flags);
	ret = mini_pipe2(fds, flags);
	if (ret < 0 && getenv("MINI_PIPE_PRELOAD_STRICT"))
		return ret;
	errno = error;
	return ret < 0 ? syscall(SYS_pipe2, fds, flags) : ret;
}

int pipe(int fds[2])
{
	return pipe2(fds, 0);
}
