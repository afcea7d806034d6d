/* SPDX-License-Identifier: GPL-2.0 */
/* What a call has: its descriptors, memory and sizes. */
#ifndef WORKER_H
#define WORKER_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "program.h"
#include "../../uapi/mini_pipe.h"

#define DEVICE "/dev/mini_pipe"
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/*
 * The descriptors that calls use have fixed numbers. So several tasks use the same descriptor, and
 * one task can replace it while another uses it.
 */
#define FIRST_FD 100
#define SLOTS 20

/* call_close_range() closes one descriptor, and at most this many after it. */
#define MORE_CLOSED 5

/* What each slot has when the tasks start. */
enum {
	DEVICE_R, DEVICE_W, DEVICE_RW, PRIVATE_R, PRIVATE_W, PRIVATE_RW, PATH_ONLY, PIPE_R, PIPE_W,
	FILE_RW, SOCKET_A, SOCKET_B, EPOLL, INOTIFY, FANOTIFY,
};

/* The areas of memory of a program. */
#define PAGE 4096
#define GOOD_BYTES (64 * PAGE)
#define FAULTING_BYTES (4 * PAGE)

struct memory {
	unsigned char *good;		/* GOOD_BYTES, then a page that cannot be accessed */
	unsigned char *faulting;	/* FAULTING_BYTES, for userfaultfd */
	unsigned char *changing;	/* a page whose protection changes */
	unsigned char *beyond;		/* a page of a file, behind the file's end */
};

struct ring {
	int fd;
	struct io_uring_sqe *sqes;
	atomic_uint *sq_tail;
	atomic_uint *sq_head;
	atomic_uint *cq_head;
	atomic_uint *cq_tail;
};

struct worker {
	const struct program *program;
	struct shared *shared;
	struct memory *memory;
	const struct coverage *coverage;
	int index;
	int device;		/* a hidden file, neither end of the device's pipe */
	unsigned int step;	/* how many calls this task has made */
	bool ring_tried;
	struct ring ring;
	unsigned long aio;	/* a context of libaio */
};

/* The descriptor of a slot. */
static inline int slot(unsigned char arg)
{
	return FIRST_FD + arg % SLOTS;
}

/* Gives the descriptor the number of the slot. What was there is closed. */
static inline void place(int fd, unsigned char arg)
{
	if (fd < 0 || fd == slot(arg))
		return;
	dup3(fd, slot(arg), O_CLOEXEC);
	close(fd);
}

static inline size_t size(unsigned char arg)
{
	static const size_t sizes[] = {
		1, 100, PIPE_BUF, 0, PIPE_BUF - 1, PIPE_BUF + 1, 5000, 2 * PIPE_BUF,
		16 * PIPE_BUF, 16 * PIPE_BUF + 1, 40 * PIPE_BUF, 2, 64 * PIPE_BUF, SIZE_MAX / 2,
	};

	return sizes[arg % ARRAY_SIZE(sizes)];
}

/* An address, mostly a good one. */
static inline void *address(const struct worker *me, unsigned char arg)
{
	const struct memory *memory = me->memory;

	switch (arg % 16) {
	case 0:
		return memory->good + PAGE - 50;
	case 1:
		return memory->good + GOOD_BYTES - 50;
	case 2:
		return memory->good + GOOD_BYTES - PAGE - 1;
	case 3:
		return memory->faulting;
	case 4:
		return memory->faulting + FAULTING_BYTES / 2 - 10;
	case 5:
		return memory->changing;
	case 6:
		return memory->beyond;
	case 7:
		return memory->good + GOOD_BYTES;
	case 8:
		return NULL;
	case 9:
		return (void *)(ULONG_MAX - PAGE);
	default:
		return memory->good + (arg / 16) * PAGE;
	}
}

/* The path by which the file of a slot can be opened again. */
static inline const char *path_of(char *path, size_t len, unsigned char arg)
{
	snprintf(path, len, "/proc/self/fd/%d", slot(arg));
	return path;
}

static inline pid_t task_pid(const struct worker *me, unsigned char arg)
{
	pid_t pid = me->shared->pids[arg % MAX_TASKS];

	/* kill() takes 0 and -1 for many processes. */
	return pid > 1 ? pid : getpid();
}

#endif
