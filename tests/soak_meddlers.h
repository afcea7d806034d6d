/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The soak's meddlers: each is a child of a reader or a writer, shares its open file, and makes all
 * the other calls on it that there are, while the reader or writer is at work. The books hold all
 * the same, because of what a meddler leaves alone:
 *
 * - it reads and writes nothing;
 * - O_DIRECT only changes for readers, where it means nothing: a writer's bytes would be packets,
 *   and the end of a packet that is longer than the read is discarded;
 * - O_NONBLOCK only changes for those who expect EAGAIN;
 * - the pipe is resized to a multiple of the capacity that the books know, so that it still holds
 *   whole units and whole atomic writes, and not where the books look for room that it lacks.
 */
#ifndef SOAK_MEDDLERS_H
#define SOAK_MEDDLERS_H

#include "pairs_calls.h"
#include "soak_books.h"

static inline void resize_to_a_multiple(const struct caller *me)
{
	set_capacity(READ_FD, books->play.capacity << me->step / 2 % 3);
}

static inline bool may_make(int call, const struct life *life)
{
	switch (call) {
	case CALL_POLL:
	case CALL_EPOLL:
	case CALL_O_ASYNC:
	case CALL_FIONREAD:
	case CALL_REOPEN:
	case CALL_FDINFO:
	case CALL_NAME:
	case CALL_INOTIFY:
	case CALL_URING_POLL:
	case CALL_FORK:
		return true;
	case CALL_O_DIRECT:
		return !life->writes;
	case CALL_O_NONBLOCK:
		return life->style != BLOCKING;
	case CALL_RESIZE:
		return books->play.late != READERS;
	default:
		return false;
	}
}

static inline void meddle(struct caller *me, const struct life *life)
{
	for (;; me->step++) {
		/* Each of them in both ways. */
		int call = me->step / 2 % CALL_COUNT;

		if (!may_make(call, life))
			continue;
		if (call == CALL_RESIZE)
			resize_to_a_multiple(me);
		else
			calls[call].make(me);
		count(MEDDLINGS, 1);
	}
}

static inline pid_t start_side_calls(int fd, const struct life *life)
{
	static struct shared shared = { .both = true };
	static struct caller me = { .shared = &shared, .partner = &me };
	pid_t parent = getpid(), pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(KSFT_FAIL);
	signal(SIGIO, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	me.tid = parent;
	dup2(fd, READ_FD);
	dup2(open(MINI_PIPE, O_PATH), PATH_FD);
	syscall(__NR_close_range, 3, READ_FD - 1, 0);
	for (int call = 0; call < CALL_COUNT; call++) {
		me.call = call;
		if (may_make(call, life) && !prepare(&me)) {
			complain("%s: %s", calls[call].name, strerror(errno));
			_exit(KSFT_FAIL);
		}
	}
	meddle(&me, life);
	return 0;
}

static inline void end_side_calls(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

#endif
