/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A table of calls on one open pipe: each is a function that makes its call once. Two callers,
 * threads or processes, repeat one call each, on the same descriptors.
 *
 * A call may fail, because the other caller changes the pipe meanwhile. The bytes that calls
 * write and read are counted and compared.
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

/* High numbers, so that no file that a caller opens gets the number of one that is replaced. */
#define READ_FD 100
#define WRITE_FD 101
#define PATH_FD 102

/* The value of every byte that is written. */
#define FILL_BYTE 0xa5

/* The most bytes of one call. */
#define MAX_BYTES (2 * PAGE_4K)

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
	long calls;		/* the most calls of each */
	atomic_bool go;
	atomic_bool stop;
	atomic_int ready;
	atomic_int ended;
	atomic_long bytes_written;
	atomic_long bytes_read;
	atomic_int unexplained;	/* wrong bytes, or errors that must not occur */
	atomic_int unexplained_errno;
};

struct caller {
	struct shared *shared;
	int call;
	atomic_int tid;		/* 0 until it runs */
	const struct caller *partner;
	int start_socket;	/* each message starts a pair */
	unsigned long step;	/* how many calls it has made */
	int epoll;
	int inotify;
	int pipe_2[2];		/* for splice(2) */
	struct uring ring;
	unsigned char bytes[MAX_BYTES];	/* to be written */
	unsigned char buffer[MAX_BYTES];
};

static inline int write_fd(const struct caller *me)
{
	return me->shared->both ? READ_FD : WRITE_FD;
}

/* For calls that work on either end: alternates between the ends. */
static inline int either_end(const struct caller *me)
{
	return me->step % 2 ? write_fd(me) : READ_FD;
}

static inline int mode_of(const struct caller *me, int fd)
{
	return me->shared->both ? O_RDWR : fd == READ_FD ? O_RDONLY : O_WRONLY;
}

/* Opens another file of the pipe. PATH_FD refers to the pipe even if no end is open. */
static inline int reopen(int mode)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", PATH_FD);
	return open(path, mode | O_NONBLOCK | O_CLOEXEC);
}

static inline size_t size_of_step(const struct caller *me)
{
	static const size_t sizes[] = { 1, 100, PAGE_4K, MAX_BYTES };

	return sizes[me->step % ARRAY_SIZE(sizes)];
}

/* EBADF: the partner has closed the descriptor, and is about to open another one. */
static inline void check_error(const struct caller *me, int err)
{
	if (err == EAGAIN || err == EINTR || err == EPIPE || err == EBADF || err == ECANCELED)
		return;
	me->shared->unexplained_errno = err;
	me->shared->unexplained++;
}

static inline void count_written(const struct caller *me, ssize_t n)
{
	if (n >= 0)
		me->shared->bytes_written += n;
	else
		check_error(me, errno);
}

/* Counts and checks the bytes in me->buffer. */
static inline void count_read(struct caller *me, ssize_t n)
{
	if (n < 0)
		check_error(me, errno);
	for (ssize_t i = 0; i < n; i++)
		me->shared->unexplained += me->buffer[i] != FILL_BYTE;
	me->shared->bytes_read += n > 0 ? n : 0;
	memset(me->buffer, 0, n > 0 ? n : 0);
}

static inline void call_read(struct caller *me)
{
	count_read(me, read(READ_FD, me->buffer, size_of_step(me)));
}

static inline void call_readv(struct caller *me)
{
	size_t half = size_of_step(me) / 2;
	struct iovec iov[] = { { me->buffer, half }, { me->buffer + half, half } };

	count_read(me, readv(READ_FD, iov, 2));
}

static inline void call_write(struct caller *me)
{
	count_written(me, write(write_fd(me), me->bytes, size_of_step(me)));
}

static inline void call_splice_from(struct caller *me)
{
	ssize_t n = splice(READ_FD, NULL, me->pipe_2[1], NULL, size_of_step(me), SPLICE_F_NONBLOCK);

	if (n < 0)
		check_error(me, errno);
	while (n > 0) {
		ssize_t part = read(me->pipe_2[0], me->buffer, MAX_BYTES);

		if (part <= 0)
			break;
		count_read(me, part);
	}
}

static inline void call_splice_to(struct caller *me)
{
	ssize_t n = write(me->pipe_2[1], me->bytes, size_of_step(me));

	count_written(me, splice(me->pipe_2[0], NULL, write_fd(me), NULL, n, SPLICE_F_NONBLOCK));
	/* Discards the bytes that did not fit. */
	while (read(me->pipe_2[0], me->buffer, MAX_BYTES) > 0)
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

static inline void set_or_clear_flag(const struct caller *me, int flag)
{
	int fd = either_end(me);
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		fcntl(fd, F_SETFL, me->step / 2 % 2 ? flags | flag : flags & ~flag);
}

static inline void call_o_async(struct caller *me)
{
	fcntl(either_end(me), F_SETOWN, getpid());
	set_or_clear_flag(me, O_ASYNC);
}

static inline void call_o_nonblock(struct caller *me)
{
	set_or_clear_flag(me, O_NONBLOCK);
}

static inline void call_o_direct(struct caller *me)
{
	set_or_clear_flag(me, O_DIRECT);
}

static inline void call_resize(struct caller *me)
{
	static const int sizes[] = { PAGE_4K, 16 * PAGE_4K, 2 * PAGE_4K, 5000 };

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
 * The descriptor that replaces fd: a duplicate, or each eighth time another open file. With another
 * file, the partner's call may be the last user of the old one.
 */
static inline int replacement_for(const struct caller *me, int fd)
{
	return me->step / 2 % 8 == 7 ? reopen(mode_of(me, fd)) : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static inline void call_close(struct caller *me)
{
	int fd = either_end(me), copy = replacement_for(me, fd);

	/* The partner may have closed fd, too. */
	if (copy < 0)
		copy = reopen(mode_of(me, fd));
	close(fd);
	dup2(copy, fd);
	close(copy);
}

static inline void call_dup2(struct caller *me)
{
	int fd = either_end(me), copy = replacement_for(me, fd);

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
 * Submits a request and cancels it in case it waits. Returns its result.
 *
 * After io_uring's poll has found the pipe ready, and until the request is tried again, a cancel
 * does not find the request (ENOENT), which may wait again. So the cancel is repeated.
 */
static inline int make_request(struct caller *me, struct io_uring_sqe request)
{
	struct io_uring_sqe cancel = {
		.opcode = IORING_OP_ASYNC_CANCEL, .fd = -1, .addr = request.opcode,
	};
	bool ended = false, cancel_again = true;
	int res = -EAGAIN;

	uring_queue(&me->ring, request);
	uring_queue(&me->ring, cancel);
	while (!ended || cancel_again) {
		struct completion completion;

		if (!uring_reap(&me->ring, &completion)) {
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
		cancel_again = !ended && completion.res == -ENOENT;
		if (cancel_again)
			uring_queue(&me->ring, cancel);
	}
	errno = res < 0 ? -res : 0;
	return res < 0 ? -1 : res;
}

static inline void call_uring_read(struct caller *me)
{
	count_read(me, make_request(me, (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .fd = READ_FD, .off = -1,
		.addr = (unsigned long)me->buffer, .len = size_of_step(me),
	}));
}

static inline void call_uring_write(struct caller *me)
{
	count_written(me, make_request(me, (struct io_uring_sqe){
		.opcode = IORING_OP_WRITE, .fd = write_fd(me), .off = -1,
		.addr = (unsigned long)me->bytes, .len = size_of_step(me),
	}));
}

static inline void call_uring_poll(struct caller *me)
{
	int fd = either_end(me);

	/* One event, because of the two one is mostly there already. */
	make_request(me, (struct io_uring_sqe){
		.opcode = IORING_OP_POLL_ADD, .fd = fd,
		.poll32_events = me->step / 2 % 2 ? POLLIN : POLLOUT,
	});
}

/* The child has copies of all descriptors until it ends. vfork(2) is quick: it copies no memory. */
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

/* Opens what the call needs. Returns false if the kernel lacks it. */
static inline bool prepare(struct caller *me)
{
	int call = me->call;

	if (call == CALL_SPLICE_FROM || call == CALL_SPLICE_TO)
		return pipe2(me->pipe_2, O_CLOEXEC | O_NONBLOCK) == 0;
	if (call == CALL_EPOLL)
		me->epoll = epoll_create1(EPOLL_CLOEXEC);
	else if (call == CALL_INOTIFY)
		me->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	else if (call == CALL_URING_READ || call == CALL_URING_WRITE || call == CALL_URING_POLL)
		return uring_open(&me->ring);
	return (call != CALL_EPOLL || me->epoll >= 0) &&
	       (call != CALL_INOTIFY || me->inotify >= 0);
}

/* Repeats the call until shared->stop, at most shared->calls times. */
static inline void repeat_call(struct caller *me)
{
	struct shared *shared = me->shared;

	me->step = 0;
	me->epoll = -1;
	me->inotify = -1;
	me->pipe_2[0] = -1;
	me->pipe_2[1] = -1;
	me->ring.fd = -1;
	memset(me->bytes, FILL_BYTE, sizeof(me->bytes));
	if (!prepare(me))
		check_error(me, errno);
	shared->ready++;
	while (!shared->go)
		sched_yield();
	for (; !shared->stop && me->step < (unsigned long)shared->calls; me->step++)
		calls[me->call].make(me);
	close(me->epoll);
	close(me->inotify);
	close(me->pipe_2[0]);
	close(me->pipe_2[1]);
	if (me->ring.fd >= 0)
		uring_close(&me->ring);
}

#endif
