/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The model of the differential test: the state of the two pipes, as far as the steps so far
 * determine it, and the steps that are allowed next. A step is not allowed where the two sides
 * differ deliberately (differential.c has the list), so each difference that remains is a bug.
 */
#ifndef DIFFERENTIAL_MODEL_H
#define DIFFERENTIAL_MODEL_H

#include "differential_workers.h"

/* Descriptors on each side. */
#define SLOTS 6
#define FIRST_FD 20

/* What a sequence writes. Only pipes of whole pages or of packets can become full. */
enum workload { PAGES, PACKETS, ANYTHING, WORKLOADS };

struct step {
	enum op op;
	int worker;	/* that makes the call or gets the signal; 0: the runner makes the call */
	int slot;	/* of the descriptor */
	int to;		/* the slot for a new descriptor */
	bool vector;
	long arg;
};

struct slot {
	int file;	/* its open file, which several slots may share; 0: the slot is free */
	int mode;	/* O_RDONLY, ... */
};

static struct model {
	enum workload workload;
	struct slot slots[SLOTS];
	int files;
	/* Whether a call runs, its open file, and whether the call writes packets. */
	struct {
		bool in_call;
		int file;
		bool writes_packets;
	} workers[1 + WORKERS];
	unsigned long position;	/* in the pattern */
	int pages;
	int buffers_used;	/* upper bound, for the pipe(2) */
	bool has_stream_bytes;	/* there may be bytes that were not written as packets */
} model;

/* Each slot has one number on each side, so that a restarted call finds its slot again. */
static inline int fd_of(int slot, int side)
{
	return FIRST_FD + 2 * slot + side;
}

static inline int slot_of(int fd)
{
	return (fd - FIRST_FD) / 2;
}

static inline bool is_open(int slot)
{
	return model.slots[slot].file != 0;
}

static inline bool all_closed(void)
{
	for (int slot = 0; slot < SLOTS; slot++)
		if (is_open(slot))
			return false;
	return true;
}

/* Calls that sleep */

static inline int count_asleep_in(enum op op)
{
	int count = 0;

	for (int i = 1; i <= WORKERS; i++)
		count += model.workers[i].in_call && workers[0][i].call.op == op;
	return count;
}

static inline bool any_asleep(void)
{
	return count_asleep_in(READ) || count_asleep_in(WRITE) || count_asleep_in(BLOCKING_POLL);
}

static inline bool has_sleeping_call(int file)
{
	for (int i = 1; i <= WORKERS; i++)
		if (model.workers[i].in_call && model.workers[i].file == file)
			return true;
	return false;
}

/* A restarted call uses the file of its descriptor by then, or gets EBADF if it is closed. */
static inline bool would_restart_in_same_file(int worker)
{
	int slot = slot_of(workers[0][worker].call.fd);

	return !is_open(slot) || model.slots[slot].file == model.workers[worker].file;
}

static inline bool is_polled(int slot)
{
	for (int i = 1; i <= WORKERS; i++)
		if (model.workers[i].in_call && workers[0][i].call.op == BLOCKING_POLL &&
		    workers[0][i].call.fd == fd_of(slot, 0))
			return true;
	return false;
}

/* Bytes in the pipes */

static inline int buffers_for(long bytes)
{
	return (bytes + PAGE - 1) / PAGE;
}

/* Asks pipe(2) with FIONREAD, and updates the model from the answer. */
static inline long bytes_in_pipes(int slot)
{
	long bytes = bytes_in(fd_of(slot, 0));

	if (!bytes || model.workload == PAGES)
		model.buffers_used = buffers_for(bytes);
	if (!bytes)
		model.has_stream_bytes = false;
	return bytes;
}

/* Whether there is certainly room. */
static inline bool fits(const struct step *step)
{
	bytes_in_pipes(step->slot);
	return model.buffers_used + buffers_for(step->arg) <= model.pages;
}

static inline bool writes_packets(int slot)
{
	return fcntl(fd_of(slot, 0), F_GETFL) & O_DIRECT;
}

/* Allowed steps */

/*
 * A worker must make a call that may sleep, as the runner has to run the next step, and a write
 * that wakes others before it ends, as they would preempt the runner within the write.
 */
static inline bool needs_worker(const struct step *step)
{
	struct call call = { .fd = fd_of(step->slot, 0), .arg = step->arg };
	bool waits = step->op == BLOCKING_POLL || !(fcntl(call.fd, F_GETFL) & O_NONBLOCK);

	if (step->op == WRITE)
		return (waits && !fits(step)) || (step->arg > PAGE && any_asleep());
	if (step->op == READ)
		call.arg = POLLIN;
	return waits && !poll_within(&call, 0);
}

static inline bool may_write(const struct step *step)
{
	bool packets = writes_packets(step->slot);

	bytes_in_pipes(step->slot);
	/* No packet behind stream bytes, and no stream bytes while a write of packets sleeps. */
	if (packets && model.has_stream_bytes)
		return false;
	for (int i = 1; i <= WORKERS; i++)
		if (!packets && model.workers[i].in_call && model.workers[i].writes_packets)
			return false;
	if (model.workload == PACKETS)
		return packets;
	/* One buffer stays free, however the bytes lie in the buffers. */
	return model.workload == PAGES || model.buffers_used + buffers_for(step->arg) < model.pages;
}

/* Splice and vmsplice put in no packets, and at most a page while others sleep: one wake-up. */
static inline bool may_transfer(const struct step *step)
{
	struct step write = *step;

	if (step->arg > 16 * PAGE || (step->arg > PAGE && any_asleep()))
		return false;
	if (step->op == SPLICE_OUT || step->op == TEE_OUT)
		return true;
	if (step->op == VMSPLICE && model.slots[step->slot].mode == O_RDONLY)
		return true;
	/* Not aligned, they may need a page more. */
	if (step->op == VMSPLICE)
		write.arg += PAGE;
	if (writes_packets(step->slot) || model.workload == PACKETS ||
	    (step->op == VMSPLICE && model.workload == PAGES))
		return false;
	return may_write(&write);
}

static inline bool may_resize(const struct step *step)
{
	long size = round_pipe_size(step->arg);

	if (count_asleep_in(WRITE) > 1)
		return false;
	return model.workload != ANYTHING || size < bytes_in_pipes(step->slot) ||
	       size > model.buffers_used * PAGE;
}

static inline bool is_allowed(const struct step *step)
{
	switch (step->op) {
	case INTERRUPT:
		return model.workers[step->worker].in_call &&
		       (step->arg != SIGUSR2 || would_restart_in_same_file(step->worker));
	case FORK:
		return !forked_child;
	case END_CHILD:
		return forked_child;
	default:
		break;
	}
	if (!is_open(step->slot) || model.workers[step->worker].in_call)
		return false;
	if (step->op <= BLOCKING_POLL && !step->worker && needs_worker(step))
		return false;
	switch (step->op) {
	case WRITE:
		return may_write(step);
	case SPLICE_OUT:
	case TEE_OUT:
	case SPLICE_IN:
	case VMSPLICE:
		return may_transfer(step);
	case REOPEN:
	case DUP:
		return !is_open(step->to);
	case CLOSE:
		return !is_polled(step->slot);
	case SET_FLAGS:
		return !has_sleeping_call(model.slots[step->slot].file);
	case RESIZE:
		return may_resize(step);
	default:
		return true;
	}
}

/* The step's call, and its effect on the model */

static inline struct call call_for(const struct step *step, const unsigned char *pattern, int side)
{
	struct call call = {
		.op = step->op,
		.vector = step->vector,
		.fd = fd_of(step->slot, side),
		.to = fd_of(step->to, side),
		.arg = step->arg,
		.data = pattern + model.position % 251,
	};

	if (step->op == INTERRUPT)
		call.fd = workers[side][step->worker].pid;
	return call;
}

static inline void update_model(const struct step *step, int caller)
{
	const struct outcome *outcome = &workers[0][caller].outcome;
	struct slot *slot = &model.slots[step->slot];
	struct slot *to = &model.slots[step->to];

	model.workers[caller].file = slot->file;
	model.workers[caller].writes_packets = false;
	switch (step->op) {
	case WRITE:
		model.position += step->arg;
		model.buffers_used += buffers_for(step->arg);
		model.workers[caller].writes_packets = writes_packets(step->slot);
		model.has_stream_bytes |= !model.workers[caller].writes_packets;
		break;
	case SPLICE_IN:
	case VMSPLICE:
		if (slot->mode == O_RDONLY)
			break;
		model.position += step->arg;
		model.buffers_used += buffers_for(step->arg) + (step->op == VMSPLICE);
		model.has_stream_bytes = true;
		break;
	case REOPEN:
		if (!outcome->err)
			*to = (struct slot){ ++model.files, step->arg & O_ACCMODE };
		break;
	case DUP:
		if (!outcome->err)
			*to = *slot;
		break;
	case CLOSE:
		slot->file = 0;
		break;
	case RESIZE:
		if (!outcome->err)
			model.pages = outcome->ret / PAGE;
		break;
	default:
		break;
	}
}

/* Opens an empty pipe on each side, with its ends in the first two slots; false if that fails. */
static inline bool open_pipes(enum workload workload, int flags, int pages)
{
	int fds[2];

	memset(&model, 0, sizeof(model));
	model.workload = workload;
	model.pages = pages;
	for (int i = 0; i < 2; i++)
		if (workers[i][0].side->make(fds, flags, pages * PAGE) ||
		    renumber(fds[0], fd_of(0, i)) || renumber(fds[1], fd_of(1, i)))
			return false;
	model.slots[0] = (struct slot){ ++model.files, O_RDONLY };
	model.slots[1] = (struct slot){ ++model.files, O_WRONLY };
	return true;
}

/* After a difference, the model does not know which workers sleep, so all are replaced. */
static inline void reset(void)
{
	end_child();
	on_all_workers(stop_worker);
	syscall(__NR_close_range, FIRST_FD, fd_of(SLOTS - 1, 1), 0);
	on_all_workers(start_worker);
}

#endif
