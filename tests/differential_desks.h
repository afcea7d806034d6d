/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The workers of the differential test: processes that make calls which may sleep.
 *
 * They share the processor of their master, and outrank it: whenever that one runs, each of them
 * sleeps, in its call or for want of one. So the steps of a game come one after another, and it
 * takes no clock to tell a call that sleeps from one that has not returned yet. /proc is asked only
 * when a call begins to sleep, and when the sides differ.
 *
 * They share its descriptors, too, and its memory, which makes it cheap to go from one to another.
 * errno is among that: nobody is interrupted between a call and a look at it.
 */
#ifndef DIFFERENTIAL_DESKS_H
#define DIFFERENTIAL_DESKS_H

#include <linux/futex.h>
#include <sys/time.h>
#include "differential_calls.h"

/* The workers of a side. */
#define WORKERS 3

enum { ENDED, POSTED };

/* Where a call is left for somebody, and then what came of it. The first is the master's own. */
struct desk {
	const struct side *side;
	atomic_int state;
	struct call call;
	struct outcome outcome;
	unsigned char bytes[LONGEST];
	pid_t worker;
	int stat;		/* of the worker, in /proc */
	char stack[32768];
};

static struct desk desks[2][1 + WORKERS];

static inline void do_call(struct desk *desk)
{
	desk->outcome = outcome_of(desk->side, desk->call, desk->bytes);
	desk->state = ENDED;
}

static inline int work_at(void *arg)
{
	struct desk *desk = arg;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (desk->state == POSTED)
			do_call(desk);
		else
			syscall(__NR_futex, &desk->state, FUTEX_WAIT_PRIVATE, ENDED, NULL, NULL, 0);
	}
	return 0;
}

/* When this returns, the call has ended or sleeps. */
static inline void post_call(struct desk *desk)
{
	desk->state = POSTED;
	syscall(__NR_futex, &desk->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static inline char worker_state(const struct desk *desk)
{
	char text[512], *name_end;
	ssize_t len = pread(desk->stat, text, sizeof(text) - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	name_end = strrchr(text, ')');
	return name_end ? name_end[2] : '?';
}

/* Whether the call has ended; if not, its worker has been seen asleep. */
static inline bool has_ended_for_certain(struct desk *desk)
{
	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		bool asleep = desk->state == POSTED && worker_state(desk) == 'S';

		if (desk->state == ENDED || asleep)
			return desk->state == ENDED;
		a_moment();
	}
	printf("# worker %d neither sleeps nor returns: state %c\n", desk->worker,
	       worker_state(desk));
	return false;
}

static inline void give_up(const char *why)
{
	printf("# %s: %s\n", why, strerror(errno));
	exit(KSFT_FAIL);
}

static inline void set_rank(pid_t pid, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	if (sched_setscheduler(pid, SCHED_FIFO, &param))
		give_up("no right to outrank others");
}

static inline void employ(struct desk *desk)
{
	char path[32];

	desk->state = ENDED;
	desk->worker = clone(work_at, desk->stack + sizeof(desk->stack),
			     CLONE_VM | CLONE_FILES | SIGCHLD, desk);
	if (desk->worker < 0)
		give_up("no worker");
	set_rank(desk->worker, 2);
	snprintf(path, sizeof(path), "/proc/%d/stat", desk->worker);
	desk->stat = open(path, O_RDONLY | O_CLOEXEC);
}

static inline void dismiss_worker(struct desk *desk)
{
	kill(desk->worker, SIGKILL);
	wait_for(desk->worker);
	close(desk->stat);
}

typedef void (*worker_fn)(struct desk *desk);

static inline void with_all_workers(worker_fn what)
{
	for (int i = 1; i <= WORKERS; i++) {
		what(&desks[0][i]);
		what(&desks[1][i]);
	}
}

/* What the caller needs to be a master. */
static inline void open_office(const struct side *first, const struct side *second, int cpu)
{
	const struct itimerval each_moment = { { .tv_usec = 100000 }, { .tv_usec = 100000 } };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		give_up("no processor");
	set_rank(0, 1);
	handle(SIGPIPE, catch_sigpipe, SA_RESTART);
	handle(SIGUSR1, do_nothing, 0);
	handle(SIGUSR2, do_nothing, SA_RESTART);
	/* Should it ever sleep in a call by mistake. */
	handle(SIGALRM, do_nothing, 0);
	setitimer(ITIMER_REAL, &each_moment, NULL);
	for (int i = 0; i <= WORKERS; i++) {
		desks[0][i].side = first;
		desks[1][i].side = second;
	}
	with_all_workers(employ);
}

#endif
