/* SPDX-License-Identifier: GPL-2.0 */
/* Calls that move bytes. */
#ifndef COPY_H
#define COPY_H

#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include "worker.h"

static inline void call_read(struct worker *me, const unsigned char *arg)
{
	read(slot(arg[0]), address(me, arg[2]), size(arg[1]));
}

static inline void call_write(struct worker *me, const unsigned char *arg)
{
	write(slot(arg[0]), address(me, arg[2]), size(arg[1]));
}

/* Up to three parts: their addresses follow from arg[2], their sizes from arg[1]. */
static inline int parts(const struct worker *me, struct iovec *iov, const unsigned char *arg)
{
	int count = arg[3] % 4;

	for (int i = 0; i < 3; i++)
		iov[i] = (struct iovec){ address(me, arg[2] + i * 7), size(arg[1] + i) };
	return count;
}

static inline int rwf_flags(unsigned char arg)
{
	static const int flags[] = {
		0, RWF_NOWAIT, RWF_HIPRI, RWF_DSYNC, RWF_SYNC, RWF_APPEND, RWF_NOWAIT | RWF_HIPRI,
		0x40000000,
	};

	return flags[arg % ARRAY_SIZE(flags)];
}

static inline void call_readv(struct worker *me, const unsigned char *arg)
{
	struct iovec iov[3];
	int count = parts(me, iov, arg);

	if (arg[3] & 64)
		preadv2(slot(arg[0]), iov, count, arg[3] & 128 ? 5 : -1, rwf_flags(arg[3] / 4));
	else
		readv(slot(arg[0]), iov, count);
}

static inline void call_writev(struct worker *me, const unsigned char *arg)
{
	struct iovec iov[3];
	int count = parts(me, iov, arg);

	if (arg[3] & 64)
		pwritev2(slot(arg[0]), iov, count, arg[3] & 128 ? 5 : -1, rwf_flags(arg[3] / 4));
	else
		writev(slot(arg[0]), iov, count);
}

static inline void call_position(struct worker *me, const unsigned char *arg)
{
	if (arg[3] % 3 == 0)
		pread(slot(arg[0]), address(me, arg[2]), size(arg[1]), arg[3]);
	else if (arg[3] % 3 == 1)
		pwrite(slot(arg[0]), address(me, arg[2]), size(arg[1]), arg[3]);
	else
		lseek(slot(arg[0]), arg[1], arg[2] % 8);
}

static inline unsigned int splice_flags(unsigned char arg)
{
	return (arg & 1 ? 0 : SPLICE_F_NONBLOCK) | (arg & 2 ? SPLICE_F_MOVE : 0) |
	       (arg & 4 ? SPLICE_F_MORE : 0) | (arg & 8 ? SPLICE_F_GIFT : 0);
}

static inline void call_splice(struct worker *me, const unsigned char *arg)
{
	loff_t position = 1;

	(void)me;
	splice(slot(arg[0]), arg[3] & 64 ? &position : NULL, slot(arg[1]), NULL, size(arg[2]),
	       splice_flags(arg[3]));
}

/* Splices from a slot to the pipe(2), or from it to a slot; then may empty the pipe(2). */
static inline void call_splice_pipe(struct worker *me, const unsigned char *arg)
{
	if (arg[3] & 16) {
		splice(slot(arg[0]), NULL, FIRST_FD + PIPE_W, NULL, size(arg[1]),
		       splice_flags(arg[3]));
	} else {
		write(FIRST_FD + PIPE_W, me->memory->good, size(arg[2]));
		splice(FIRST_FD + PIPE_R, NULL, slot(arg[0]), NULL, size(arg[1]),
		       splice_flags(arg[3]));
	}
	if (arg[3] & 32)
		read(FIRST_FD + PIPE_R, me->memory->good, GOOD_BYTES);
}

static inline void call_tee(struct worker *me, const unsigned char *arg)
{
	(void)me;
	tee(slot(arg[0]), slot(arg[1]), size(arg[2]), splice_flags(arg[3]));
}

static inline void call_vmsplice(struct worker *me, const unsigned char *arg)
{
	struct iovec iov = { address(me, arg[2]), size(arg[1]) };

	vmsplice(slot(arg[0]), &iov, 1, splice_flags(arg[3]));
}

/* The ioctls for splice and tee, between two slots: mini_pipes, files or sockets. */
static inline void call_transfer(struct worker *me, const unsigned char *arg)
{
	static const unsigned long commands[] = {
		MINI_PIPE_IOC_SPLICE_TO, MINI_PIPE_IOC_SPLICE_FROM, MINI_PIPE_IOC_TEE_TO,
	};
	loff_t position = 1;
	struct mini_pipe_splice request = {
		.fd = slot(arg[1]), .flags = splice_flags(arg[3]), .len = size(arg[2]),
	};

	if (arg[3] & 16)
		request.offset = (unsigned long)(arg[3] & 32 ? &position : address(me, arg[2]));
	ioctl(slot(arg[0]), commands[arg[3] / 64 % 3], &request);
}

static inline void call_transfer_vm(struct worker *me, const unsigned char *arg)
{
	struct iovec iov[3];
	struct mini_pipe_vmsplice request = {
		.iov = (unsigned long)iov, .count = parts(me, iov, arg),
		.flags = splice_flags(arg[3] / 4),
	};

	ioctl(slot(arg[0]), MINI_PIPE_IOC_VMSPLICE, &request);
}

static inline void call_sendfile(struct worker *me, const unsigned char *arg)
{
	off_t position = 0;

	(void)me;
	sendfile(slot(arg[0]), arg[3] & 2 ? slot(arg[1]) : FIRST_FD + FILE_RW,
		 arg[3] & 1 ? &position : NULL, size(arg[2]));
}

static inline void call_copy_file_range(struct worker *me, const unsigned char *arg)
{
	(void)me;
	copy_file_range(slot(arg[0]), NULL, slot(arg[1]), NULL, size(arg[2]), 0);
}

/* Reads up to four times, while bytes are left, so that a pipe does not stay full. */
static inline void call_drain(struct worker *me, const unsigned char *arg)
{
	struct iovec iov = { me->memory->good, GOOD_BYTES };

	for (int i = 0; i < 4 && preadv2(slot(arg[0]), &iov, 1, -1, RWF_NOWAIT) > 0; i++)
		;
}

#endif
