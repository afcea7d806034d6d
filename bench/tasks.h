/* SPDX-License-Identifier: GPL-2.0 */
/* The processes of a measurement: they start together, and end when one of them calls finish(). */
#ifndef TASKS_H
#define TASKS_H

#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include "bench.h"
#include "contenders.h"

#define MAX_TASKS 65
#define MAX_WRITES 1048576

/* Memory that all tasks share. */
struct shared {
	unsigned long start;
	unsigned long end;
	atomic_int started;
	/* Bytes or messages, depending on the load, that all readers have read. */
	atomic_ulong received;
	/* The result of fairness(). */
	double share;
	/* Bytes that each task has moved, each on a cache line of its own. */
	struct {
		alignas(128) atomic_ulong bytes;
	} moved[MAX_TASKS];
	alignas(128) unsigned int durations[MAX_WRITES];
};

static struct shared *shared;

/* What the task with this number runs. When it returns, the task sleeps until it is killed. */
typedef void (*task_fn)(const struct setting *setting, const struct channel *channels,
			int number);

static inline void map_shared(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		die("mmap");
}

/* Ends the measurement: called by the task that knows that all was read, or the time is over. */
static inline void finish(void)
{
	shared->end = now_ns();
	if (write(done_fd, "", 1) != 1)
		die("done");
}

/*
 * Runs all tasks and returns the time from the start to finish(). The tasks start when the write
 * end of gate is closed; a task may set shared->start later.
 */
static inline unsigned long run_tasks(const struct setting *setting, const struct channel *channels,
				      int tasks, task_fn task)
{
	int ready[2], gate[2], done[2];
	pid_t pids[MAX_TASKS];
	char byte;

	check(pipe(ready), "pipe");
	check(pipe(gate), "pipe");
	check(pipe(done), "pipe");
	atomic_store(&shared->received, 0);
	atomic_store(&shared->started, 0);
	for (int i = 0; i < tasks; i++)
		atomic_store(&shared->moved[i].bytes, 0);
	for (int i = 0; i < tasks; i++) {
		pids[i] = check(fork(), "fork");
		if (pids[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		done_fd = done[1];
		close(gate[1]);
		memset(buffer, i, setting->size);
		if (write(ready[1], "", 1) != 1 || read(gate[0], &byte, 1))
			die("gate");
		task(setting, channels, i);
		for (;;)
			pause();
	}
	for (int i = 0; i < tasks; i++)
		if (read(ready[0], &byte, 1) != 1)
			die("ready");
	shared->start = now_ns();
	close(gate[1]);
	if (read(done[0], &byte, 1) != 1 || byte)
		exit(1);
	for (int i = 0; i < tasks; i++)
		kill(pids[i], SIGKILL);
	for (int i = 0; i < tasks; i++)
		waitpid(pids[i], NULL, 0);
	close(gate[0]);
	for (int i = 0; i < 2; i++) {
		close(ready[i]);
		close(done[i]);
	}
	return shared->end - shared->start;
}

#endif
