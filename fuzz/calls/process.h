/* SPDX-License-Identifier: GPL-2.0 */
/* Signals, processes and the module. */
#ifndef PROCESS_H
#define PROCESS_H

#include "worker.h"

/* None of these signals ends a process; only that of call_kill9() does. */
static inline void call_signal(struct worker *me, const unsigned char *arg)
{
	static const int signals[] = { SIGUSR1, SIGIO, SIGURG, SIGCONT, 34, 40, 64, SIGPIPE };
	union sigval value = { .sival_int = 1 };
	int sig = signals[arg[1] % ARRAY_SIZE(signals)];

	if (arg[2] % 2)
		sigqueue(task_pid(me, arg[0]), sig, value);
	else
		kill(task_pid(me, arg[0]), sig);
}

static inline void call_kill9(struct worker *me, const unsigned char *arg)
{
	if (me->step % 16 == 15)
		kill(task_pid(me, arg[0]), SIGKILL);
}

static inline void call_mask(struct worker *me, const unsigned char *arg)
{
	sigset_t set;

	(void)me;
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, 34);
	sigprocmask(arg[0] % 2 ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

/*
 * The child has all descriptors for a while. The system call itself, because libc's fork() makes
 * preparations that a process cannot make if it shares its memory with others.
 */
static inline void call_fork(struct worker *me, const unsigned char *arg)
{
	pid_t child = syscall(__NR_fork);

	if (child < 0)
		return;
	if (!child) {
		if (arg[0] % 4 == 1)
			write(slot(arg[1]), me->memory->good, size(arg[2]));
		if (arg[0] % 4 == 2)
			read(slot(arg[1]), me->memory->good, size(arg[2]));
		if (arg[0] % 4 == 3)
			usleep(arg[2] * 20);
		_exit(0);
	}
	if (arg[3] % 2)
		waitpid(child, NULL, 0);
	else
		kill(child, SIGKILL);
	waitpid(child, NULL, WNOHANG);
}

static inline void call_exit(struct worker *me, const unsigned char *arg)
{
	if (me->step % 16 != 15)
		return;
	/* Ends only this thread. */
	me->shared->ended++;
	syscall(__NR_exit, arg[0]);
}

static inline void call_sleep(struct worker *me, const unsigned char *arg)
{
	(void)me;
	usleep(arg[0] % 32 * 30);
}

static inline void call_yield(struct worker *me, const unsigned char *arg)
{
	(void)me;
	(void)arg;
	sched_yield();
}

/* A thread with the idle class is preempted wherever the kernel allows that. */
static inline void call_priority(struct worker *me, const unsigned char *arg)
{
	struct sched_param param = { .sched_priority = arg[0] % 2 };
	cpu_set_t set;

	(void)me;
	sched_setscheduler(0, arg[0] % 2 ? SCHED_FIFO : arg[0] & 2 ? SCHED_IDLE : SCHED_OTHER,
			   &param);
	CPU_ZERO(&set);
	CPU_SET(arg[1] % 2, &set);
	if (arg[1] & 2)
		CPU_SET(!(arg[1] % 2), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Fails while a file of the module is open, as HIDDEN_DEVICE nearly always is. */
static inline void call_unload(struct worker *me, const unsigned char *arg)
{
	(void)me;
	(void)arg;
	syscall(__NR_delete_module, "mini_pipe", O_NONBLOCK);
}

static inline void call_load(struct worker *me, const unsigned char *arg)
{
	int fd = open("mini_pipe.ko", O_RDONLY | O_CLOEXEC);

	(void)me;
	syscall(__NR_finit_module, fd, arg[0] % 2 ? "capacity=128" : "policy=rendezvous", 0);
	close(fd);
}

#endif
