/* SPDX-License-Identifier: GPL-2.0 */
/* The pipe: its state, and whom a change concerns: mini_pipe/pipe.rs and what is in pipe/. */
#ifndef TWIN_PIPE_H
#define TWIN_PIPE_H

#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include "ends.h"
#include "ring.h"
#include "waiters.h"
#include "watch.h"

enum policy {
	BUFFERED,
	RENDEZVOUS,
};

/* Where those of one side wait. */
struct side {
	wait_queue_head_t queue;
	struct watch watch;
	struct fasync_struct *subscribers;
};

struct pipe {
	struct mutex lock;	/* of what follows, until the empty line */
	struct ring ring;
	struct ends ends;
	struct waiters waiting_readers;
	struct waiters waiting_writers;
	enum policy policy;
	bool turn;
	u64 bytes_in;
	u64 bytes_out;

	struct side readers;
	struct side writers;
	wait_queue_head_t turn_queue;
};

enum leaseholder {
	READER,
	WRITER,
};

struct levels {
	size_t bytes;
	size_t room;
};

struct news {
	enum wake readers;
	enum wake writers;
	bool signal_readers;
	bool signal_writers;
	bool turn;
};

static inline void side_init(struct side *side)
{
	init_waitqueue_head(&side->queue);
	side->watch.worthwhile = true;
}

static inline void side_wake(struct side *side, enum wake whom)
{
	if (whom == WAKE_ONE)
		__wake_up_sync(&side->queue, TASK_NORMAL);
	else if (whom == WAKE_EVERYBODY)
		wake_up_all(&side->queue);
}

static inline void side_signal(struct side *side, int band)
{
	if (READ_ONCE(side->subscribers))
		kill_fasync(&side->subscribers, SIGIO, band);
}

/* Where a writer that sleeps finds its room. */
static inline size_t enough_room(size_t capacity)
{
	return capacity < PIPE_BUF ? NEVER_READY : PIPE_BUF;
}

static inline int pipe_init(struct pipe *pipe, size_t capacity)
{
	mutex_init(&pipe->lock);
	side_init(&pipe->readers);
	side_init(&pipe->writers);
	init_waitqueue_head(&pipe->turn_queue);
	pipe->waiting_readers.ready = 1;
	pipe->waiting_writers.ready = enough_room(capacity);
	return ring_init(&pipe->ring, capacity);
}

static inline void pipe_free(struct pipe *pipe)
{
	ring_free(&pipe->ring);
}

static __always_inline struct levels pipe_levels(const struct pipe *pipe)
{
	return (struct levels){ indices_bytes(&pipe->ring.indices), ring_room(&pipe->ring) };
}

static __always_inline void pipe_count(struct pipe *pipe, enum leaseholder holder, size_t moved)
{
	if (holder == READER)
		pipe->bytes_out += moved;
	else
		pipe->bytes_in += moved;
}

static __always_inline bool pipe_is_quiet(const struct pipe *pipe)
{
	return waiters_is_nobody(&pipe->waiting_readers) &&
	       waiters_is_nobody(&pipe->waiting_writers) && !pipe->turn;
}

static __always_inline struct news pipe_news(struct pipe *pipe, struct levels before,
					     enum leaseholder holder, size_t moved, bool ended)
{
	bool reading = holder == READER;
	enum wake readers, writers;
	struct levels now;

	pipe_count(pipe, holder, moved);
	if (pipe_is_quiet(pipe))
		return (struct news){ .signal_readers = !reading, .signal_writers = reading };
	now = pipe_levels(pipe);
	readers = waiters_concerned(&pipe->waiting_readers, before.bytes, now.bytes,
				    ended && reading);
	writers = waiters_concerned(&pipe->waiting_writers, before.room, now.room,
				    ended && !reading);
	if (reading && indices_is_empty(&pipe->ring.indices) && !pipe->ends.writers.open)
		readers = WAKE_EVERYBODY;
	return (struct news){
		.readers = readers,
		.writers = writers,
		.signal_readers = !reading || readers != WAKE_NOBODY,
		.signal_writers = reading || writers != WAKE_NOBODY,
		.turn = pipe->turn,
	};
}

static __always_inline void pipe_tell(struct pipe *pipe, const struct news *news)
{
	watch_tell(&pipe->writers.watch);
	watch_tell(&pipe->readers.watch);
	side_wake(&pipe->writers, news->writers);
	side_wake(&pipe->readers, news->readers);
	if (news->turn)
		wake_up(&pipe->turn_queue);
	if (news->signal_writers)
		side_signal(&pipe->writers, POLL_OUT);
	if (news->signal_readers)
		side_signal(&pipe->readers, POLL_IN);
}

static inline bool pipe_is_at_end(const struct pipe *pipe, const struct seat *seat)
{
	return indices_is_empty(&pipe->ring.indices) &&
	       ends_writers(&pipe->ends, seat) == PEER_LEFT;
}

static inline bool pipe_refuse_reader(struct pipe *pipe)
{
	bool refused = indices_is_reading(&pipe->ring.indices);

	if (refused)
		waiters_refuse(&pipe->waiting_readers);
	return refused;
}

static inline bool pipe_is_writing(const struct pipe *pipe)
{
	return pipe->turn || indices_is_writing(&pipe->ring.indices);
}

static inline bool pipe_refuse_writer(struct pipe *pipe)
{
	bool refused = pipe_is_writing(pipe);

	if (refused)
		waiters_refuse(&pipe->waiting_writers);
	return refused;
}

static inline size_t pipe_atomic_limit(const struct pipe *pipe)
{
	return min(pipe->ring.indices.capacity, PIPE_BUF);
}

static __always_inline struct bytes_lease pipe_lease_bytes(struct pipe *pipe, size_t most,
							   size_t *rest)
{
	struct bytes_lease lease = ring_lease_bytes(&pipe->ring, most);
	const struct indices *indices = &pipe->ring.indices;

	*rest = indices_is_writing(indices) ? SIZE_MAX : indices_bytes(indices);
	return lease;
}

/* Returns 0 if it takes a lease, or there are no readers. */
static __always_inline size_t pipe_try_write(struct pipe *pipe, const struct seat *seat,
					     unsigned int flags, struct buffer *from)
{
	if (pipe->policy != BUFFERED || flags & O_DIRECT ||
	    ends_readers(&pipe->ends, seat) == PEER_LEFT)
		return 0;
	return ring_try_put(&pipe->ring, from);
}

static __always_inline struct room_lease pipe_lease_room(struct pipe *pipe, unsigned int flags,
							 size_t whole, size_t rest)
{
	size_t limit, most, least;
	bool packet;

	if (pipe->turn)
		return (struct room_lease){ 0 };
	limit = pipe_atomic_limit(pipe);
	packet = flags & O_DIRECT;
	most = packet ? min(rest, limit) : rest;
	least = packet || whole <= limit ? most : 1;
	return ring_lease_room(&pipe->ring, least, most, packet);
}

#endif
