/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The two sides of the differential test, a call that is made on both of them, and its outcome.
 */
#ifndef DIFFERENTIAL_CALLS_H
#define DIFFERENTIAL_CALLS_H

#include <sched.h>
#include "ioctls.h"

#define PAGE PIPE_BUF

/* The longest read or write. */
#define MAX_CALL_BYTES (32 * LARGEST_PAGE)

#include "differential_transfers.h"

enum op {
	/* Can sleep: */
	READ,
	WRITE,
	BLOCKING_POLL,
	/* Never sleep: */
	POLL,
	BYTES,
	SPLICE_OUT,
	TEE_OUT,
	SPLICE_IN,
	VMSPLICE,		/* takes bytes if O_RDONLY, else puts them */
	REOPEN,
	DUP,
	CLOSE,
	SET_FLAGS,
	RESIZE,
	INTERRUPT,
	FORK,
	END_CHILD,
	OPS
};

struct call {
	enum op op;
	bool vector;		/* readv or writev */
	int fd;			/* or the process that gets the signal */
	int to;			/* the number for a new descriptor */
	long arg;		/* bytes, flags, events, or a signal */
	const unsigned char *data;
};

struct outcome {
	long ret;
	int err;
	int sigpipes;
};

/* An implementation of a pipe. */
struct side {
	const char *name;
	int (*make)(int *fds, int flags, long bytes);
	long (*resize)(int fd, long bytes);
	/* Faults of a faulty side: they change a call, or its outcome. */
	void (*spoil_call)(struct call *call);
	void (*spoil_outcome)(const struct call *call, struct outcome *outcome);
};

/* pipe(2) */

static inline long set_pipe_size(int fd, long bytes)
{
	return fcntl(fd, F_SETPIPE_SZ, bytes);
}

static inline int make_pipe(int *fds, int flags, long bytes)
{
	if (pipe2(fds, flags))
		return -1;
	return set_pipe_size(fds[0], bytes) == bytes ? 0 : -1;
}

/* A private mini_pipe */

/* Rounds up as F_SETPIPE_SZ does; mini_pipe does not. */
static inline long round_pipe_size(long bytes)
{
	long size = PAGE;

	while (size < bytes)
		size *= 2;
	return size;
}

static inline long set_mini_pipe_size(int fd, long bytes)
{
	return set_capacity(fd, round_pipe_size(bytes));
}

static inline int make_mini_pipe(int *fds, int flags, long bytes)
{
	static int device = -1;
	struct ends ends;

	if (device < 0)
		device = open(MINI_PIPE, O_ACCMODE | O_CLOEXEC);
	if (device < 0 || make_pair(device, &ends, flags, bytes))
		return -1;
	fds[0] = ends.r;
	fds[1] = ends.w;
	return 0;
}

/* The calls */

static inline long read_or_readv(const struct call *call, unsigned char *to)
{
	size_t part = call->arg / 3;
	const struct iovec parts[] = { { to, part }, { to + part, call->arg - part } };

	return call->vector ? readv(call->fd, parts, 2) : read(call->fd, to, call->arg);
}

static inline long write_or_writev(const struct call *call)
{
	unsigned char *from = (unsigned char *)call->data;
	size_t part = call->arg / 3;
	const struct iovec parts[] = { { from, part }, { from + part, call->arg - part } };

	return call->vector ? writev(call->fd, parts, 2) : write(call->fd, from, call->arg);
}

/* A poll that does not wait is repeated if the runner's alarm interrupts it. */
static inline long poll_within(const struct call *call, int ms)
{
	struct pollfd pollfd = { .fd = call->fd, .events = call->arg };
	int ready;

	do {
		ready = poll(&pollfd, 1, ms);
	} while (ready < 0 && errno == EINTR && !ms);
	return ready < 0 ? -1 : pollfd.revents;
}

/* Moves a descriptor to another number. */
static inline int renumber(int fd, int to)
{
	int ret = fd < 0 ? -1 : dup3(fd, to, O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return ret < 0 ? -1 : 0;
}

static inline long set_flags(const struct call *call)
{
	if (fcntl(call->fd, F_SETFL, call->arg))
		return -1;
	return fcntl(call->fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_DIRECT);
}

/* A child that has copies of all descriptors until it is killed; 0 if there is none. */
static pid_t forked_child;

static inline int keep_descriptors(void *nothing __maybe_unused)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pause();
}

/* As fork(2), but the child shares the memory: a copy would take longer than all else. */
static inline long fork_child(void)
{
	static char stack[16384];
	pid_t pid;

	if (forked_child)
		return 0;
	pid = clone(keep_descriptors, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL);
	if (pid < 0)
		return -1;
	forked_child = pid;
	return 0;
}

static inline void wait_for(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static inline long end_child(void)
{
	if (forked_child) {
		kill(forked_child, SIGKILL);
		wait_for(forked_child);
	}
	forked_child = 0;
	return 0;
}

static inline long make_call(const struct side *side, const struct call *call, unsigned char *to)
{
	switch (call->op) {
	case READ:
		return read_or_readv(call, to);
	case WRITE:
		return write_or_writev(call);
	case BLOCKING_POLL:
		return poll_within(call, -1);
	case POLL:
		return poll_within(call, 0);
	case BYTES:
		return bytes_in(call->fd);
	case SPLICE_OUT:
	case TEE_OUT:
		return transfer_out(side->make, call->fd, call->arg, call->op == TEE_OUT, to);
	case SPLICE_IN:
		return transfer_in(side->make, call->fd, call->arg, call->data);
	case VMSPLICE:
		if ((fcntl(call->fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
			return transfer_memory(call->fd, call->arg, to);
		return transfer_memory(call->fd, call->arg, (unsigned char *)call->data);
	case REOPEN:
		return renumber(open_again(call->fd, call->arg), call->to);
	case DUP:
		return dup3(call->fd, call->to, O_CLOEXEC) < 0 ? -1 : 0;
	case CLOSE:
		return close(call->fd);
	case SET_FLAGS:
		return set_flags(call);
	case RESIZE:
		return side->resize(call->fd, call->arg);
	case INTERRUPT:
		return kill(call->fd, call->arg);
	case FORK:
		return fork_child();
	default:
		return end_child();
	}
}

/* SIGPIPEs of the current call: no other call runs between a SIGPIPE and the return. */
static int sigpipes_caught;

static inline void catch_sigpipe(int sig __maybe_unused)
{
	sigpipes_caught++;
}

static inline struct outcome get_outcome(const struct side *side, struct call call,
					 unsigned char *to)
{
	struct outcome outcome;

	if (side->spoil_call)
		side->spoil_call(&call);
	outcome.ret = make_call(side, &call, to);
	outcome.err = outcome.ret < 0 ? errno : 0;
	outcome.sigpipes = sigpipes_caught;
	sigpipes_caught = 0;
	if (side->spoil_outcome)
		side->spoil_outcome(&call, &outcome);
	return outcome;
}

#endif
