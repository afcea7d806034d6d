/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The calls that a user can make on one open pipe, as a table: each is a function that makes its
 * call once. Two callers, threads or processes, repeat one of them each, on the same descriptors.
 *
 * A call may fail, as others change the pipe meanwhile. What it moves is counted, and must be the
 * bytes that were written.
 */
#ifndef PAIRS_CALLS_H
#define PAIRS_CALLS_H

#include <assert.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "ioctls.h"
#include "uring.h"

/* High, so that no file that a caller opens takes the number of one that is being replaced. */
#define READ_FD 100
#define WRITE_FD 101
#define PATH_FD 102

/* Every byte that is written. */
#define MARK 0xa5

/* The most bytes of one call. */
#define MOST (2 * PIPE_BUF)

/* The calls, in the order of the table. */
enum {
	CALL_READ, CALL_READV, CALL_WRITE, CALL_SPLICE_FROM, CALL_SPLICE_TO, CALL_POLL,
	CALL_EPOLL, CALL_O_ASYNC, CALL_O_NONBLOCK, CALL_O_DIRECT, CALL_RESIZE, CALL_POLICY,
	CALL_FIONREAD, CALL_CLOSE, CALL_DUP2, CALL_REOPEN, CALL_FDINFO, CALL_NAME,
	CALL_INOTIFY, CALL_URING_READ, CALL_URING_WRITE, CALL_URING_POLL, CALL_FORK,
	CALL_COUNT
};

/* What the two callers share with the test. */
struct shared {
	bool both;		/* READ_FD is both ends, and there is no WRITE_FD */
	long calls;		/* at most so many each */
	atomic_bool go;
	atomic_bool stop;
	atomic_int ready;
	atomic_int ended;
	atomic_long put;	/* bytes */
	atomic_long got;
	atomic_int strange;	/* bytes or errors that nothing explains */
	atomic_int strange_errno;
};

struct caller {
	struct shared *shared;
	int call;
	atomic_int tid;		/* 0 until it runs */
	const struct caller *partner;
	int orders;		/* a socket: each message is a moment to come */
	unsigned long step;
	int epoll;
	int inotify;
	int aside[2];		/* a pipe(2) */
	struct uring ring;
	unsigned char bytes[MOST];	/* to be written */
	unsigned char buffer[MOST];
};

static inline int write_fd(const struct caller *me)
{
	return me->shared->both ? READ_FD : WRITE_FD;
}

/* For calls that either end takes: one after the other. */
static inline int either_end(const struct caller *me)
{
	return me->step % 2 ? write_fd(me) : READ_FD;
}

static inline int mode_of(const struct caller *me, int fd)
{
	return me->shared->both ? O_RDWR : fd == READ_FD ? O_RDONLY : O_WRONLY;
}

/* Another open file of the pipe. PATH_FD leads to it even if nobody has it open. */
static inline int reopen(int mode)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", PATH_FD);
	return open(path, mode | O_NONBLOCK | O_CLOEXEC);
}

static inline size_t some_size(const struct caller *me)
{
	static const size_t sizes[] = { 1, 100, PIPE_BUF, MOST };

	return sizes[me->step % ARRAY_SIZE(sizes)];
}

/* EBADF: the partner has closed it, and is about to open another one. */
static inline void check_error(const struct caller *me, int err)
{
	if (err == EAGAIN || err == EINTR || err == EPIPE || err == EBADF || err == ECANCELED)
		return;
	me->shared->strange_errno = err;
	me->shared->strange++;
}

static inline void count_put(const struct caller *me, ssize_t n)
{
	if (n >= 0)
		me->shared->put += n;
	else
		check_error(me, errno);
}

/* They are in me->buffer. */
static inline void count_got(struct caller *me, ssize_t n)
{
	if (n < 0)
		check_error(me, errno);
	for (ssize_t i = 0; i < n; i++)
		me->shared->strange += me->buffer[i] != MARK;
	me->shared->got += n > 0 ? n : 0;
	memset(me->buffer, 0, n > 0 ? n : 0);
}

static inline void call_read(struct caller *me)
{
	count_got(me, read(READ_FD, me->buffer, some_size(me)));
}

static inline void call_readv(struct caller *me)
{
	size_t half = some_size(me) / 2;
	struct iovec iov[] = { { me->buffer, half }, { me->buffer + half, half } };

	count_got(me, readv(READ_FD, iov, 2));
}

static inline void call_write(struct caller *me)
{
	count_put(me, write(write_fd(me), me->bytes, some_size(me)));
}

static inline void call_splice_from(struct caller *me)
{
	ssize_t n = splice(READ_FD, NULL, me->aside[1], NULL, some_size(me), SPLICE_F_NONBLOCK);

	if (n < 0)
		check_error(me, errno);
	while (n > 0) {
		ssize_t part = read(me->aside[0], me->buffer, MOST);

		if (part <= 0)
			break;
		count_got(me, part);
	}
}

static inline void call_splice_to(struct caller *me)
{
	ssize_t n = write(me->aside[1], me->bytes, some_size(me));

	count_put(me, splice(me->aside[0], NULL, write_fd(me), NULL, n, SPLICE_F_NONBLOCK));
	/* What is left did not go in. */
	while (read(me->aside[0], me->buffer, MOST) > 0)
		;
}

static inline void call_poll(struct caller *me)
{
	struct pollfd pollfd = { .fd = either_end(me), .events = POLLIN | POLLOUT };

	poll(&pollfd, 1, me->step / 2 % 2);
}

static inline void call_epoll(struct caller *me)
{
	static const unsigned int kinds[] = { 0, EPOLLET, EPOLLEXCLUSIVE, EPOLLONESHOT };
	int fd = either_end(me);
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLOUT | kinds[me->step / 2 % ARRAY_SIZE(kinds)],
	};

	epoll_ctl(me->epoll, EPOLL_CTL_ADD, fd, &event);
	epoll_wait(me->epoll, &event, 1, me->step / 8 % 2);
	epoll_ctl(me->epoll, EPOLL_CTL_DEL, fd, &event);
}

static inline void switch_flag(const struct caller *me, int flag)
{
	int fd = either_end(me);
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		fcntl(fd, F_SETFL, me->step / 2 % 2 ? flags | flag : flags & ~flag);
}

static inline void call_o_async(struct caller *me)
{
	fcntl(either_end(me), F_SETOWN, getpid());
	switch_flag(me, O_ASYNC);
}

static inline void call_o_nonblock(struct caller *me)
{
	switch_flag(me, O_NONBLOCK);
}

static inline void call_o_direct(struct caller *me)
{
	switch_flag(me, O_DIRECT);
}

static inline void call_resize(struct caller *me)
{
	static const int sizes[] = { PIPE_BUF, 16 * PIPE_BUF, 2 * PIPE_BUF, 5000 };

	set_capacity(either_end(me), sizes[me->step / 2 % ARRAY_SIZE(sizes)]);
}

static inline void call_policy(struct caller *me)
{
	set_policy(either_end(me), me->step / 2 % 2 ? MINI_PIPE_RENDEZVOUS : MINI_PIPE_BUFFERED);
}

static inline void call_fionread(struct caller *me)
{
	bytes_in(either_end(me));
	capacity_of(either_end(me));
}

/*
 * A copy takes the old one's place, and each eighth time another open file: then the partner's
 * call may be the last that uses the old one.
 */
static inline int take_over(const struct caller *me, int fd)
{
	return me->step / 2 % 8 == 7 ? reopen(mode_of(me, fd)) : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static inline void call_close(struct caller *me)
{
	int fd = either_end(me), copy = take_over(me, fd);

	/* The partner, too, may have closed it. */
	if (copy < 0)
		copy = reopen(mode_of(me, fd));
	close(fd);
	dup2(copy, fd);
	close(copy);
}

static inline void call_dup2(struct caller *me)
{
	int fd = either_end(me), copy = take_over(me, fd);

	if (copy >= 0)
		dup2(copy, fd);
	close(copy);
}

static inline void call_reopen(struct caller *me)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE };

	close(reopen(modes[me->step % ARRAY_SIZE(modes)]));
}

static inline void call_fdinfo(struct caller *me)
{
	char file[32], text[512];

	snprintf(file, sizeof(file), "fdinfo/%d", either_end(me));
	read_proc(me->partner->tid, file, text, sizeof(text));
}

static inline void call_name(struct caller *me)
{
	struct stat status;
	char name[64];

	name_of(me->partner->tid, either_end(me), name, sizeof(name));
	fstat(either_end(me), &status);
}

static inline void call_inotify(struct caller *me)
{
	char path[32], events[512];
	int mark;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", either_end(me));
	mark = inotify_add_watch(me->inotify, path, IN_ALL_EVENTS);
	if (mark >= 0)
		inotify_rm_watch(me->inotify, mark);
	while (read(me->inotify, events, sizeof(events)) > 0)
		;
}

/*
 * Makes a request and, in case it has to wait, takes it back. Returns how it ended.
 *
 * A request is on no list for a moment after io_uring's poll has found the pipe ready, until it is
 * tried again; then it cannot be taken back, and may still have to wait. So it is asked again.
 */
static inline int make_request(struct caller *me, struct io_uring_sqe request)
{
	struct io_uring_sqe cancel = {
		.opcode = IORING_OP_ASYNC_CANCEL, .fd = -1, .addr = request.opcode,
	};
	bool ended = false, asked = true;
	int res = -EAGAIN;

	uring_put(&me->ring, request);
	uring_put(&me->ring, cancel);
	while (!ended || asked) {
		struct completion completion;

		if (!uring_take(&me->ring, &completion)) {
			if (uring_enter(&me->ring, 1) >= 0 || errno == EINTR)
				continue;
			check_error(me, errno);
			break;
		}
		if (completion.op == request.opcode) {
			res = completion.res;
			ended = true;
			continue;
		}
		asked = !ended && completion.res == -ENOENT;
		if (asked)
			uring_put(&me->ring, cancel);
	}
	errno = res < 0 ? -res : 0;
	return res < 0 ? -1 : res;
}

static inline void call_uring_read(struct caller *me)
{
	count_got(me, make_request(me, (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .fd = READ_FD, .off = -1,
		.addr = (unsigned long)me->buffer, .len = some_size(me),
	}));
}

static inline void call_uring_write(struct caller *me)
{
	count_put(me, make_request(me, (struct io_uring_sqe){
		.opcode = IORING_OP_WRITE, .fd = write_fd(me), .off = -1,
		.addr = (unsigned long)me->bytes, .len = some_size(me),
	}));
}

static inline void call_uring_poll(struct caller *me)
{
	int fd = either_end(me);

	/* Not both: then it mostly need not wait. */
	make_request(me, (struct io_uring_sqe){
		.opcode = IORING_OP_POLL_ADD, .fd = fd,
		.poll32_events = me->step / 2 % 2 ? POLLIN : POLLOUT,
	});
}

/* The child has a copy of all descriptors, until it ends. It shares the memory, which is quick. */
static inline void call_fork(struct caller *me __maybe_unused)
{
	pid_t child = vfork();

	if (!child)
		_exit(0);
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

static const struct {
	const char *name;
	void (*make)(struct caller *me);
} calls[] = {
	{ "read", call_read },
	{ "readv", call_readv },
	{ "write", call_write },
	{ "splice_from", call_splice_from },
	{ "splice_to", call_splice_to },
	{ "poll", call_poll },
	{ "epoll", call_epoll },
	{ "o_async", call_o_async },
	{ "o_nonblock", call_o_nonblock },
	{ "o_direct", call_o_direct },
	{ "resize", call_resize },
	{ "policy", call_policy },
	{ "fionread", call_fionread },
	{ "close", call_close },
	{ "dup2", call_dup2 },
	{ "reopen", call_reopen },
	{ "fdinfo", call_fdinfo },
	{ "name", call_name },
	{ "inotify", call_inotify },
	{ "uring_read", call_uring_read },
	{ "uring_write", call_uring_write },
	{ "uring_poll", call_uring_poll },
	{ "fork", call_fork },
};

static_assert(ARRAY_SIZE(calls) == CALL_COUNT);

/* What its call needs. Returns false if the kernel lacks it. */
static inline bool prepare(struct caller *me)
{
	int call = me->call;

	if (call == CALL_SPLICE_FROM || call == CALL_SPLICE_TO)
		return pipe2(me->aside, O_CLOEXEC | O_NONBLOCK) == 0;
	if (call == CALL_EPOLL)
		me->epoll = epoll_create1(EPOLL_CLOEXEC);
	else if (call == CALL_INOTIFY)
		me->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	else if (call == CALL_URING_READ || call == CALL_URING_WRITE || call == CALL_URING_POLL)
		return uring_open(&me->ring);
	return (call != CALL_EPOLL || me->epoll >= 0) &&
	       (call != CALL_INOTIFY || me->inotify >= 0);
}

/* Repeats the call until it is told to stop. */
static inline void repeat(struct caller *me)
{
	struct shared *shared = me->shared;

	me->step = 0;
	me->epoll = -1;
	me->inotify = -1;
	me->aside[0] = -1;
	me->aside[1] = -1;
	me->ring.fd = -1;
	memset(me->bytes, MARK, sizeof(me->bytes));
	if (!prepare(me))
		check_error(me, errno);
	shared->ready++;
	while (!shared->go)
		sched_yield();
	for (; !shared->stop && me->step < (unsigned long)shared->calls; me->step++)
		calls[me->call].make(me);
	close(me->epoll);
	close(me->inotify);
	close(me->aside[0]);
	close(me->aside[1]);
	close(me->ring.fd);
}

#endif
