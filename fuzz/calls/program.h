/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A program of the fuzzer: some tasks, each with a list of calls, which all run at once. A call is
 * a row of the table in table.h, with small numbers as its arguments.
 *
 * fuzz/src/program.rs has the same layout.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#define MAX_TASKS 4
#define MAX_CALLS 16
#define ARGS 4

/* What is done before the tasks start; program.setup has these bits. */
#define SETUP_USER 1		/* the program runs as an ordinary user */
#define SETUP_HIDDEN 2		/* files that no call uses; at the end, bytes go through them */
#define SETUP_BLOCKING 4	/* device and private pipe: without O_NONBLOCK */
#define SETUP_SMALL 8		/* the private pipe holds 5000 bytes at most */
#define SETUP_NO_PRIVATE 16	/* there is no private pipe yet */
#define SETUP_MORE 32		/* the private pipe has two more descriptors */

struct call {
	unsigned char nr;
	unsigned char arg[ARGS];
};

struct task {
	unsigned char process;	/* a process with descriptors of its own, not a thread */
	unsigned char count;
	struct call calls[MAX_CALLS];
};

struct program {
	unsigned char setup;
	unsigned char repeat;	/* how often each task makes its calls */
	unsigned char count;
	struct task tasks[MAX_TASKS];
};

/* What the tasks of a program share. */
struct shared {
	atomic_int ready;
	atomic_int ended;
	atomic_bool go;
	atomic_bool stop;
	pid_t pids[MAX_TASKS];
	atomic_long calls;	/* how many were made */
};

/* Where a task records the code that it runs in the kernel. If NULL, none does. */
struct coverage {
	int fds[MAX_TASKS];		/* of /sys/kernel/debug/kcov */
	unsigned long *areas[MAX_TASKS];	/* their memory */
};

#endif
