/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The workers of the differential test: processes that make the calls which may sleep.
 *
 * Workers run on the processor of their runner with a higher real-time priority. So whenever the
 * runner runs, every worker sleeps, either in its call or because it has none. The steps of a
 * sequence therefore run one after another, and no timeout is needed to know whether a call
 * sleeps. The worker's state in /proc is read only when a call begins to sleep, and when the
 * sides differ.
 *
 * Workers share the descriptors and the memory of the runner, which makes switching between them
 * cheap. They also share errno safely: no other process runs between a call and the reading of its
 * errno.
 */
#ifndef DIFFERENTIAL_WORKERS_H
#define DIFFERENTIAL_WORKERS_H

#include <linux/futex.h>
#include <sys/time.h>
#include "differential_calls.h"

/* The workers of a side. */
#define WORKERS 3

enum { ENDED, POSTED };

/* A worker, its call and the outcome. The first of each side is the runner itself. */
struct worker {
	const struct side *side;
	atomic_int state;
	struct call call;
	struct outcome outcome;
	unsigned char bytes[MAX_CALL_BYTES];
	pid_t pid;
	int stat;		/* its open /proc/PID/stat */
	char stack[32768];
};

static struct worker workers[2][1 + WORKERS];

static inline void do_call(struct worker *worker)
{
	worker->outcome = get_outcome(worker->side, worker->call, worker->bytes);
	worker->state = ENDED;
}

static inline int worker_loop(void *arg)
{
	struct worker *worker = arg;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (worker->state == POSTED)
			do_call(worker);
		else
			syscall(__NR_futex, &worker->state, FUTEX_WAIT_PRIVATE, ENDED, NULL,
				NULL, 0);
	}
	return 0;
}

/* When this returns, the call has ended or sleeps, because the worker has the higher priority. */
static inline void post_call(struct worker *worker)
{
	worker->state = POSTED;
	syscall(__NR_futex, &worker->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static inline char worker_state(const struct worker *worker)
{
	char text[512], *name_end;
	ssize_t len = pread(worker->stat, text, sizeof(text) - 1, 0);

	text[len > 0 ? len : 0] = '\0';
	name_end = strrchr(text, ')');
	return name_end ? name_end[2] : '?';
}

/* Waits until the call has ended, or the worker sleeps. Returns whether the call ended. */
static inline bool has_ended(struct worker *worker)
{
	for (int ms = 0; ms < TIMEOUT_MS; ms++) {
		bool asleep = worker->state == POSTED && worker_state(worker) == 'S';

		if (worker->state == ENDED || asleep)
			return worker->state == ENDED;
		sleep_1ms();
	}
	printf("# worker %d neither sleeps nor returns: state %c\n", worker->pid,
	       worker_state(worker));
	return false;
}

static inline void give_up(const char *why)
{
	printf("# %s: %s\n", why, strerror(errno));
	exit(KSFT_FAIL);
}

static inline void set_priority(pid_t pid, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	if (sched_setscheduler(pid, SCHED_FIFO, &param))
		give_up("no permission for a real-time priority");
}

static inline void start_worker(struct worker *worker)
{
	char path[32];

	worker->state = ENDED;
	worker->pid = clone(worker_loop, worker->stack + sizeof(worker->stack),
			    CLONE_VM | CLONE_FILES | SIGCHLD, worker);
	if (worker->pid < 0)
		give_up("cannot start a worker");
	set_priority(worker->pid, 2);
	snprintf(path, sizeof(path), "/proc/%d/stat", worker->pid);
	worker->stat = open(path, O_RDONLY | O_CLOEXEC);
}

static inline void stop_worker(struct worker *worker)
{
	kill(worker->pid, SIGKILL);
	wait_for(worker->pid);
	close(worker->stat);
}

typedef void (*worker_fn)(struct worker *worker);

static inline void on_all_workers(worker_fn what)
{
	for (int i = 1; i <= WORKERS; i++) {
		what(&workers[0][i]);
		what(&workers[1][i]);
	}
}

/* Makes the caller a runner: its processor, its priority, its signal handlers and its workers. */
static inline void start_runner(const struct side *first, const struct side *second, int cpu)
{
	const struct itimerval interval = { { .tv_usec = 100000 }, { .tv_usec = 100000 } };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		give_up("cannot bind to a processor");
	set_priority(0, 1);
	set_handler(SIGPIPE, catch_sigpipe, SA_RESTART);
	set_handler(SIGUSR1, do_nothing, 0);
	set_handler(SIGUSR2, do_nothing, SA_RESTART);
	/* Interrupts the runner if it sleeps in a call, which it should not. */
	set_handler(SIGALRM, do_nothing, 0);
	setitimer(ITIMER_REAL, &interval, NULL);
	for (int i = 0; i <= WORKERS; i++) {
		workers[0][i].side = first;
		workers[1][i].side = second;
	}
	on_all_workers(start_worker);
}

#endif
