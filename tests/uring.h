/* SPDX-License-Identifier: GPL-2.0 */
/* io_uring by its system calls, without liburing: a small ring. */
#ifndef URING_H
#define URING_H

#include <linux/io_uring.h>
#include <linux/time_types.h>
#include "mini_pipe_test.h"

/* The size of the submission queue; the completion queue has twice as many entries. */
#define URING_ENTRIES 8

struct uring {
	int fd;
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	void *rings;		/* the mapping that holds the following four and the cqes */
	atomic_uint *sq_head;
	atomic_uint *sq_tail;
	atomic_uint *cq_head;
	atomic_uint *cq_tail;
};

/* The result of an operation. */
struct completion {
	int op;		/* its opcode */
	int res;
	unsigned int flags;
};

static inline bool uring_open(struct uring *ring)
{
	struct io_uring_params params = { .flags = IORING_SETUP_NO_SQARRAY };
	char *rings;

	ring->fd = syscall(__NR_io_uring_setup, URING_ENTRIES, &params);
	if (ring->fd < 0)
		return false;
	/* With URING_ENTRIES entries, each mapping is a page. */
	ring->sqes = mmap(NULL, PIPE_BUF, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			  IORING_OFF_SQES);
	rings = mmap(NULL, PIPE_BUF, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
		     IORING_OFF_SQ_RING);
	ring->rings = rings;
	ring->cqes = (struct io_uring_cqe *)(rings + params.cq_off.cqes);
	ring->sq_head = (atomic_uint *)(rings + params.sq_off.head);
	ring->sq_tail = (atomic_uint *)(rings + params.sq_off.tail);
	ring->cq_head = (atomic_uint *)(rings + params.cq_off.head);
	ring->cq_tail = (atomic_uint *)(rings + params.cq_off.tail);
	return true;
}

/* Unmaps it, too: the mappings keep a ring alive. */
static inline void uring_close(struct uring *ring)
{
	munmap(ring->sqes, PIPE_BUF);
	munmap(ring->rings, PIPE_BUF);
	close(ring->fd);
}

/* Queues an operation for the next uring_enter(). Its user_data is its opcode. */
static inline void uring_queue(struct uring *ring, struct io_uring_sqe sqe)
{
	unsigned int tail = *ring->sq_tail;

	sqe.user_data = sqe.opcode;
	ring->sqes[tail % URING_ENTRIES] = sqe;
	*ring->sq_tail = tail + 1;
}

/*
 * Submits what was queued, and waits for `completions` completions, but not for ever. Returns how
 * many operations were submitted, or -1.
 */
static inline int uring_enter(struct uring *ring, unsigned int completions)
{
	struct __kernel_timespec time = { .tv_sec = TIMEOUT_MS / 1000 };
	struct io_uring_getevents_arg arg = { .ts = (unsigned long)&time };

	return syscall(__NR_io_uring_enter, ring->fd, *ring->sq_tail - *ring->sq_head, completions,
		       IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &arg, sizeof(arg));
}

/* Reaps the next completion, if there is one. */
static inline bool uring_reap(struct uring *ring, struct completion *completion)
{
	unsigned int head = *ring->cq_head;
	const struct io_uring_cqe *cqe = &ring->cqes[head % (2 * URING_ENTRIES)];

	if (head == *ring->cq_tail)
		return false;
	*completion = (struct completion){ cqe->user_data, cqe->res, cqe->flags };
	*ring->cq_head = head + 1;
	return true;
}

#endif
