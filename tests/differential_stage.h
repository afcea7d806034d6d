/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The stage of the differential test: what is known of two pipes to which the same was done, and
 * what may be done to them next, so that they have no reason to differ but a mistake.
 *
 * Where a difference is meant, it is kept out here; differential.c has the list.
 */
#ifndef DIFFERENTIAL_STAGE_H
#define DIFFERENTIAL_STAGE_H

#include "differential_desks.h"

/* Of descriptors. */
#define SLOTS 6
#define FIRST_FD 20

/* What is written in a game, and whether the pipes may become full. */
enum game { PAGES, PACKETS, ANYTHING, GAMES };

struct step {
	enum op op;
	int worker;	/* who makes the call, or is interrupted; 0 if nobody */
	int slot;	/* of the descriptor */
	int to;		/* the slot for a new one */
	bool vector;
	long arg;
};

struct slot {
	int file;	/* 0 if it is free; several may have the same, by dup */
	int mode;	/* O_RDONLY, ... */
};

static struct stage {
	enum game game;
	struct slot slots[SLOTS];
	int files;
	/* Whether somebody is at a desk, in which file, and whether what is written are packets. */
	struct {
		bool busy;
		int file;
		bool writes_packets;
	} at[1 + WORKERS];
	unsigned long position;	/* in the pattern */
	int pages;
	int slots_taken;	/* of the pipe(2), at most */
	bool has_stream;	/* bytes that are no packets, perhaps */
} stage;

/* Each descriptor has a number of its own, so that a call that starts again finds the same one. */
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
	return stage.slots[slot].file != 0;
}

static inline bool is_over(void)
{
	for (int slot = 0; slot < SLOTS; slot++)
		if (is_open(slot))
			return false;
	return true;
}

/* Who sleeps */

static inline int asleep_in(enum op op)
{
	int count = 0;

	for (int i = 1; i <= WORKERS; i++)
		count += stage.at[i].busy && desks[0][i].call.op == op;
	return count;
}

static inline bool somebody_sleeps(void)
{
	return asleep_in(READ) || asleep_in(WRITE) || asleep_in(WAIT);
}

static inline bool is_slept_in(int file)
{
	for (int i = 1; i <= WORKERS; i++)
		if (stage.at[i].busy && stage.at[i].file == file)
			return true;
	return false;
}

/* A call that starts again does so in the file that its descriptor has by then. */
static inline bool keeps_its_file(int worker)
{
	int slot = slot_of(desks[0][worker].call.fd);

	return !is_open(slot) || stage.slots[slot].file == stage.at[worker].file;
}

static inline bool is_polled(int slot)
{
	for (int i = 1; i <= WORKERS; i++)
		if (stage.at[i].busy && desks[0][i].call.op == WAIT &&
		    desks[0][i].call.fd == fd_of(slot, 0))
			return true;
	return false;
}

/* What is in the pipes */

static inline int slots_for(long bytes)
{
	return (bytes + PAGE - 1) / PAGE;
}

/* Looks into the pipe: what is known of its bytes is forgotten with them. */
static inline long bytes_within(int slot)
{
	long bytes = bytes_in(fd_of(slot, 0));

	if (!bytes || stage.game == PAGES)
		stage.slots_taken = slots_for(bytes);
	if (!bytes)
		stage.has_stream = false;
	return bytes;
}

/* Whether there surely is room. */
static inline bool fits(const struct step *step)
{
	bytes_within(step->slot);
	return stage.slots_taken + slots_for(step->arg) <= stage.pages;
}

static inline bool writes_packets(int slot)
{
	return fcntl(fd_of(slot, 0), F_GETFL) & O_DIRECT;
}

/* What may be done */

/*
 * The master makes no call that might sleep: it is the one who goes on with the game. Nor one that
 * wakes somebody before it is over: whoever that is would overtake it.
 */
static inline bool needs_a_worker(const struct step *step)
{
	struct call call = { .fd = fd_of(step->slot, 0), .arg = step->arg };
	bool waits = step->op == WAIT || !(fcntl(call.fd, F_GETFL) & O_NONBLOCK);

	if (step->op == WRITE)
		return (waits && !fits(step)) || (step->arg > PAGE && somebody_sleeps());
	if (step->op == READ)
		call.arg = POLLIN;
	return waits && !poll_within(&call, 0);
}

static inline bool may_write(const struct step *step)
{
	bool packets = writes_packets(step->slot);

	bytes_within(step->slot);
	/* No packet after other bytes, nor where others are about to write such. */
	if (packets && stage.has_stream)
		return false;
	for (int i = 1; i <= WORKERS; i++)
		if (!packets && stage.at[i].busy && stage.at[i].writes_packets)
			return false;
	if (stage.game == PACKETS)
		return packets;
	/* Whatever way bytes come to fill slots, one stays free. */
	return stage.game == PAGES || stage.slots_taken + slots_for(step->arg) < stage.pages;
}

static inline bool may_resize(const struct step *step)
{
	long size = as_pipe_size(step->arg);

	if (asleep_in(WRITE) > 1)
		return false;
	return stage.game != ANYTHING || size < bytes_within(step->slot) ||
	       size > stage.slots_taken * PAGE;
}

static inline bool may_play(const struct step *step)
{
	switch (step->op) {
	case INTERRUPT:
		return stage.at[step->worker].busy &&
		       (step->arg != SIGUSR2 || keeps_its_file(step->worker));
	case FORK:
		return !heir;
	case BURY:
		return heir;
	default:
		break;
	}
	if (!is_open(step->slot) || stage.at[step->worker].busy)
		return false;
	if (step->op <= WAIT && !step->worker && needs_a_worker(step))
		return false;
	switch (step->op) {
	case WRITE:
		return may_write(step);
	case OPEN:
	case DUP:
		return !is_open(step->to);
	case CLOSE:
		return !is_polled(step->slot);
	case FLAGS:
		return !is_slept_in(stage.slots[step->slot].file);
	case RESIZE:
		return may_resize(step);
	default:
		return true;
	}
}

/* Doing it */

static inline struct call call_of(const struct step *step, const unsigned char *pattern, int side)
{
	struct call call = {
		.op = step->op,
		.vector = step->vector,
		.fd = fd_of(step->slot, side),
		.to = fd_of(step->to, side),
		.arg = step->arg,
		.from = pattern + stage.position % 251,
	};

	if (step->op == INTERRUPT)
		call.fd = desks[side][step->worker].worker;
	return call;
}

/* Notes what the call has changed. */
static inline void note(const struct step *step, int at)
{
	const struct outcome *outcome = &desks[0][at].outcome;
	struct slot *slot = &stage.slots[step->slot];
	struct slot *to = &stage.slots[step->to];

	stage.at[at].file = slot->file;
	stage.at[at].writes_packets = false;
	switch (step->op) {
	case WRITE:
		stage.position += step->arg;
		stage.slots_taken += slots_for(step->arg);
		stage.at[at].writes_packets = writes_packets(step->slot);
		stage.has_stream |= !stage.at[at].writes_packets;
		break;
	case OPEN:
		if (!outcome->err)
			*to = (struct slot){ ++stage.files, step->arg & O_ACCMODE };
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
			stage.pages = outcome->ret / PAGE;
		break;
	default:
		break;
	}
}

/* An empty pipe on either side, its ends in the first two slots; false if there cannot be one. */
static inline bool set_stage(enum game game, int flags, int pages)
{
	int fds[2];

	memset(&stage, 0, sizeof(stage));
	stage.game = game;
	stage.pages = pages;
	for (int i = 0; i < 2; i++)
		if (desks[i][0].side->make(fds, flags, pages * PAGE) ||
		    renumber(fds[0], fd_of(0, i)) || renumber(fds[1], fd_of(1, i)))
			return false;
	stage.slots[0] = (struct slot){ ++stage.files, O_RDONLY };
	stage.slots[1] = (struct slot){ ++stage.files, O_WRONLY };
	return true;
}

/* After a difference, nobody knows who sleeps where. */
static inline void clear_stage(void)
{
	bury();
	with_all_workers(dismiss_worker);
	syscall(__NR_close_range, FIRST_FD, fd_of(SLOTS - 1, 1), 0);
	with_all_workers(employ);
}

#endif
