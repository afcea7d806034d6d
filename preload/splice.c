// SPDX-License-Identifier: GPL-2.0
/*
 * splice(), tee() and vmsplice(). The kernel's own calls come first. Where they fail because they
 * want a pipe(2) and got a mini_pipe, the driver's ioctls do the same. Between a mini_pipe and a
 * pipe(2), splice(2) works, but neither tee(2) nor the ioctl. So tee() copies the bytes into a new
 * pipe of the same kind as @fd_in, and splices them from it to @fd_out. The kernel's sendfile(2)
 * works with a mini_pipe; DIFF.md has its differences.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "../uapi/mini_pipe.h"
#include "preload.h"

#define ALL_FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT)

/* Whether the kernel's call failed with @error, as it does for a mini_pipe. */
static bool failed_with(ssize_t ret, int error)
{
	return ret < 0 && errno == error && !is_off();
}

/* Does not change errno. */
static bool is_mini_pipe(int fd)
{
	int saved_errno = errno;
	bool is = ioctl(fd, MINI_PIPE_IOC_GET_CAPACITY) >= 0;

	errno = saved_errno;
	return is;
}

/* splice(), tee() and vmsplice() are cancellation points, ioctl() is not. */
static int ioctl_or_cancel(int fd, unsigned long request, void *argument)
{
	int type, ret;

	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
	ret = ioctl(fd, request, argument);
	pthread_setcanceltype(type, NULL);
	return ret;
}

ssize_t splice(int fd_in, off64_t *off_in, int fd_out, off64_t *off_out, size_t len,
	       unsigned int flags)
{
	ssize_t ret = NEXT(splice)(fd_in, off_in, fd_out, off_out, len, flags);
	struct mini_pipe_splice to = {
		.fd = fd_out, .flags = flags, .len = len, .offset = (unsigned long)off_out,
	};
	struct mini_pipe_splice from = {
		.fd = fd_in, .flags = flags, .len = len, .offset = (unsigned long)off_in,
	};
	bool is_from, is_to;

	if (!failed_with(ret, EINVAL) || flags & ~ALL_FLAGS)
		return ret;
	is_from = is_mini_pipe(fd_in);
	is_to = is_mini_pipe(fd_out);
	if ((is_from && off_in) || (is_to && off_out)) {
		errno = ESPIPE;
		return -1;
	}
	if (is_from)
		return ioctl_or_cancel(fd_in, MINI_PIPE_IOC_SPLICE_TO, &to);
	return is_to ? ioctl_or_cancel(fd_out, MINI_PIPE_IOC_SPLICE_FROM, &from) : ret;
}

/* Whether it is a pipe(2), a FIFO, or a private mini_pipe. */
static bool is_fifo(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

/* Whether the readers of this pipe are closed. */
static bool is_broken(int fd)
{
	struct pollfd file = { .fd = fd };

	return poll(&file, 1, 0) > 0 && file.revents & POLLERR;
}

static ssize_t fail_with_sigpipe(void)
{
	raise(SIGPIPE);
	errno = EPIPE;
	return -1;
}

static ssize_t tee_to(int mini_pipe, int fd_out, size_t len, unsigned int flags)
{
	struct mini_pipe_splice to = { .fd = fd_out, .flags = flags, .len = len };

	return ioctl_or_cancel(mini_pipe, MINI_PIPE_IOC_TEE_TO, &to);
}

/* One of the two is a mini_pipe, the other a pipe(2). No byte is lost: all stay in @fd_in. */
static ssize_t tee_over(int fd_in, int fd_out, size_t len, unsigned int flags, bool from_mini_pipe)
{
	int copy[2], saved_errno;
	ssize_t ret;

	/* O_NONBLOCK of one of the two is enough. */
	if ((fcntl(fd_in, F_GETFL) | fcntl(fd_out, F_GETFL)) & O_NONBLOCK)
		flags |= SPLICE_F_NONBLOCK;
	ret = from_mini_pipe ? mini_pipe2(copy, O_CLOEXEC) : syscall(SYS_pipe2, copy, O_CLOEXEC);
	if (ret < 0)
		return ret;
	ret = from_mini_pipe ? tee_to(fd_in, copy[1], len, flags) :
			       NEXT(tee)(fd_in, copy[1], len, flags);
	if (ret > 0)
		ret = NEXT(splice)(copy[0], NULL, fd_out, NULL, ret, flags);
	else if (ret == 0 && is_broken(fd_out))
		ret = fail_with_sigpipe();
	saved_errno = errno;
	close(copy[0]);
	close(copy[1]);
	errno = saved_errno;
	return ret;
}

ssize_t tee(int fd_in, int fd_out, size_t len, unsigned int flags)
{
	ssize_t ret = NEXT(tee)(fd_in, fd_out, len, flags);
	bool is_from, is_to;
	int cancel;

	if (!failed_with(ret, EINVAL))
		return ret;
	is_from = is_mini_pipe(fd_in);
	is_to = is_mini_pipe(fd_out);
	if (is_from != is_to && is_fifo(is_from ? fd_out : fd_in)) {
		/* The third pipe must not stay open. */
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
		ret = tee_over(fd_in, fd_out, len, flags, is_from);
		pthread_setcancelstate(cancel, NULL);
		return ret;
	}
	return is_from ? tee_to(fd_in, fd_out, len, flags) : ret;
}

ssize_t vmsplice(int fd, const struct iovec *iov, size_t count, unsigned int flags)
{
	ssize_t ret = NEXT(vmsplice)(fd, iov, count, flags);
	struct mini_pipe_vmsplice memory = {
		.iov = (unsigned long)iov, .count = count, .flags = flags,
	};

	/* vmsplice(2) has checked the count. */
	if (!failed_with(ret, EBADF) || !is_mini_pipe(fd))
		return ret;
	return ioctl_or_cancel(fd, MINI_PIPE_IOC_VMSPLICE, &memory);
}
