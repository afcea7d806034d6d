/* SPDX-License-Identifier: GPL-2.0 */
/* Calls that make, copy and close descriptors. */
#ifndef OPEN_H
#define OPEN_H

#include "worker.h"

static inline int open_flags(unsigned char mode, unsigned char flags)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR, O_ACCMODE, O_PATH };

	return modes[mode % ARRAY_SIZE(modes)] | O_CLOEXEC | (flags & 1 ? 0 : O_NONBLOCK) |
	       (flags & 2 ? O_DIRECT : 0) | (flags & 4 ? O_ASYNC : 0) | (flags & 8 ? O_APPEND : 0) |
	       (flags & 0x70 ? 0 : O_TRUNC);
}

static inline void call_open(struct worker *me, const unsigned char *arg)
{
	(void)me;
	place(open(DEVICE, open_flags(arg[1], arg[2])), arg[0]);
}

static inline void call_reopen(struct worker *me, const unsigned char *arg)
{
	char path[32];

	(void)me;
	place(open(path_of(path, sizeof(path), arg[1]), open_flags(arg[2], arg[3])), arg[0]);
}

static inline void call_openat(struct worker *me, const unsigned char *arg)
{
	(void)me;
	place(openat(slot(arg[1]), arg[3] % 2 ? "" : DEVICE, open_flags(arg[2], arg[3])), arg[0]);
}

/* A private pipe: both ends, in two slots. */
static inline void call_pair(struct worker *me, const unsigned char *arg)
{
	static const unsigned int flags[] = {
		O_NONBLOCK, 0, O_NONBLOCK | O_DIRECT, O_DIRECT | O_CLOEXEC, O_APPEND, ~0u,
	};
	struct mini_pipe_pair pair = {
		.flags = flags[arg[2] % ARRAY_SIZE(flags)] | (arg[2] & 64 ? 0 : O_CLOEXEC),
		.capacity = arg[3] % 4 ? size(arg[3] / 4) : 0,
		.read_fd = -1,
		.write_fd = -1,
	};

	if (ioctl(me->device, MINI_PIPE_IOC_PAIR, &pair))
		return;
	place(pair.read_fd, arg[0]);
	place(pair.write_fd, arg[1]);
}

/* The address of the structure may be bad, so that reading or writing it can fail. */
static inline void call_pair_at(struct worker *me, const unsigned char *arg)
{
	ioctl(slot(arg[0]), MINI_PIPE_IOC_PAIR, address(me, arg[1]));
	/* The descriptors, if there are any, have the lowest free numbers. */
	close_range(10, FIRST_FD - 1, 0);
}

static inline void call_pipe2(struct worker *me, const unsigned char *arg)
{
	int ends[2];

	(void)me;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK | (arg[2] % 4 ? 0 : O_DIRECT)))
		return;
	place(ends[0], arg[0]);
	place(ends[1], arg[1]);
}

static inline void call_socketpair(struct worker *me, const unsigned char *arg)
{
	int ends[2];

	(void)me;
	if (socketpair(AF_UNIX, (arg[2] % 2 ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC |
		       SOCK_NONBLOCK, 0, ends))
		return;
	place(ends[0], arg[0]);
	place(ends[1], arg[1]);
}

static inline void call_memfd(struct worker *me, const unsigned char *arg)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	(void)me;
	ftruncate(fd, arg[1] * 100);
	place(fd, arg[0]);
}

static inline void call_close(struct worker *me, const unsigned char *arg)
{
	(void)me;
	close(slot(arg[0]));
}

static inline void call_close_range(struct worker *me, const unsigned char *arg)
{
	unsigned int first = slot(arg[0]);

	(void)me;
	close_range(first, first + arg[1] % (MORE_CLOSED + 1),
		    arg[2] % 8 ? 0 : CLOSE_RANGE_CLOEXEC);
}

static inline void call_dup(struct worker *me, const unsigned char *arg)
{
	(void)me;
	if (arg[2] % 2)
		dup3(slot(arg[1]), slot(arg[0]), O_CLOEXEC);
	else
		place(fcntl(slot(arg[1]), F_DUPFD_CLOEXEC, 0), arg[0]);
}

/* Sends a descriptor through a socket, and may close it while it is on its way. */
static inline void call_send_fd(struct worker *me, const unsigned char *arg)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {
		.header = {
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		},
	};
	struct iovec iov = { (void *)"", 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int fd = slot(arg[1]);

	(void)me;
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	sendmsg(arg[3] % 4 ? FIRST_FD + SOCKET_A : slot(arg[0]), &message,
		MSG_DONTWAIT | MSG_NOSIGNAL);
	if (arg[2] % 2)
		close(fd);
}

static inline void call_receive_fd(struct worker *me, const unsigned char *arg)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	const struct cmsghdr *header;
	int fd;

	(void)me;
	if (recvmsg(arg[3] % 4 ? FIRST_FD + SOCKET_B : slot(arg[0]), &message,
		    MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return;
	header = CMSG_FIRSTHDR(&message);
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	place(fd, arg[1]);
}

/* Takes a descriptor from a process of the program. */
static inline void call_pidfd_getfd(struct worker *me, const unsigned char *arg)
{
	int pidfd = syscall(__NR_pidfd_open, task_pid(me, arg[0]), 0);

	place(syscall(__NR_pidfd_getfd, pidfd, slot(arg[1]), 0), arg[2]);
	close(pidfd);
}

#endif
