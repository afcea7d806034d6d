/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The soak's side callers: each is a child of a reader or a writer, shares its open file, and
 * makes other calls on it while its parent reads or writes. The ledger stays valid, because
 * of what a side caller does not do:
 *
 * - It does not read or write.
 * - It changes O_DIRECT only for readers, whose reads it does not change. A writer's bytes would
 *   become packets, and the rest of a packet that is longer than the read is discarded.
 * - It changes O_NONBLOCK only for processes that expect EAGAIN.
 * - It resizes the pipe only to a multiple of the ledger's capacity, so that the pipe still holds
 *   whole units and whole atomic writes; and not in rounds that check whether a write fits.
 * - It does not set the policy, and closes or replaces no descriptor.
 */
#ifndef SOAK_SIDE_CALLS_H
#define SOAK_SIDE_CALLS_H

#include "pairs_calls.h"
#include "soak_ledger.h"

static inline void resize_to_a_multiple(const struct caller *me)
{
	set_capacity(READ_FD, ledger->round.capacity << me->step / 2 % 3);
}

static inline bool may_make(int call, const struct process *process)
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
		return !process->writes;
	case CALL_O_NONBLOCK:
		return process->style != BLOCKING;
	case CALL_RESIZE:
		return ledger->round.late != READERS;
	default:
		return false;
	}
}

static inline void make_side_calls(struct caller *me, const struct process *process)
{
	for (;; me->step++) {
		/* Two steps in a row make the same call. */
		int call = me->step / 2 % CALL_COUNT;

		if (!may_make(call, process))
			continue;
		if (call == CALL_RESIZE)
			resize_to_a_multiple(me);
		else
			calls[call].make(me);
		count(SIDE_CALLS, 1);
	}
}

static inline pid_t start_side_caller(int fd, const struct process *process)
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
	me.tid = getpid();
	dup2(fd, READ_FD);
	dup2(open(MINI_PIPE, O_PATH), PATH_FD);
	syscall(__NR_close_range, 3, READ_FD - 1, 0);
	for (int call = 0; call < CALL_COUNT; call++) {
		me.call = call;
		if (may_make(call, process) && !prepare(&me)) {
			fail("%s: %s", calls[call].name, strerror(errno));
			_exit(KSFT_FAIL);
		}
	}
	make_side_calls(&me, process);
	return 0;
}

static inline void end_side_caller(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

#endif
