/* SPDX-License-Identifier: GPL-2.0 */
/* All at once under the lock, or in pieces under leases: mini_pipe/pipe/transfer.rs. */
#ifndef TWIN_TRANSFER_H
#define TWIN_TRANSFER_H

#include "pipe.h"

#define PIECE (8 * PAGE_SIZE)

static __always_inline ssize_t moved_with_news(struct pipe *pipe, enum leaseholder holder,
					       size_t moved)
{
	struct levels before = pipe_levels(pipe);
	struct news news;

	if (holder == READER) {
		before.bytes += moved;
		before.room -= moved;
	} else {
		before.bytes -= moved;
		before.room += moved;
	}
	news = pipe_news(pipe, before, holder, moved, true);
	mutex_unlock(&pipe->lock);
	pipe_tell(pipe, &news);
	return moved;
}

static noinline ssize_t taken_with_news(struct pipe *pipe, size_t moved)
{
	return moved_with_news(pipe, READER, moved);
}

static noinline ssize_t put_with_news(struct pipe *pipe, size_t moved)
{
	return moved_with_news(pipe, WRITER, moved);
}

static __always_inline ssize_t moved_at_once(struct pipe *pipe, enum leaseholder holder,
					     size_t moved)
{
	struct side *other = holder == READER ? &pipe->writers : &pipe->readers;

	if (unlikely(!pipe_is_quiet(pipe)))
		return holder == READER ? taken_with_news(pipe, moved) : put_with_news(pipe, moved);
	pipe_count(pipe, holder, moved);
	mutex_unlock(&pipe->lock);
	watch_tell(&other->watch);
	side_signal(other, holder == READER ? POLL_OUT : POLL_IN);
	return moved;
}

static __always_inline size_t in_pieces(const struct extent *extent, const struct watch *watch,
					struct buffer *user, enum direction direction, bool *fault)
{
	size_t len = extent->span.len, done = 0;
	size_t piece = watch_is_possible() ? PIECE : len;

	for (;;) {
		size_t copied = extent_copy(extent, done, piece, user, direction);

		done += copied;
		*fault = copied < piece && done < len;
		if (*fault || done == len || watch_is_watched(watch))
			return done;
	}
}

static noinline size_t drain(struct pipe *pipe, struct bytes_lease lease, size_t rest,
			     struct buffer *to)
{
	size_t drained = 0;

	for (;;) {
		struct bytes_lease next = { 0 };
		struct levels before;
		size_t copied, taken;
		struct news news;
		bool fault;

		copied = in_pieces(&lease.extent, &pipe->writers.watch, to, DESTINATION, &fault);
		mutex_lock(&pipe->lock);
		before = pipe_levels(pipe);
		if (copied < lease.extent.span.len && !fault) {
			taken = ring_take_part(&pipe->ring, &lease, copied);
			next = lease;
		} else {
			bool last = fault || lease.packet || !rest || !to->len;

			taken = ring_take(&pipe->ring, &lease, copied);
			if (!last)
				next = ring_lease_stream(&pipe->ring, min(to->len, rest));
			rest -= next.extent.span.len;
		}
		news = pipe_news(pipe, before, READER, taken, !next.extent.span.len);
		mutex_unlock(&pipe->lock);
		pipe_tell(pipe, &news);

		drained += taken;
		if (!next.extent.span.len)
			return drained;
		lease = next;
	}
}

static noinline size_t fill(struct pipe *pipe, struct room_lease lease, unsigned int flags,
			    size_t whole, struct buffer *from, bool *fault)
{
	size_t filled = 0;

	for (;;) {
		struct room_lease next = { 0 };
		struct levels before;
		size_t copied, put;
		struct news news;

		copied = in_pieces(&lease.extent, &pipe->readers.watch, from, SOURCE, fault);
		mutex_lock(&pipe->lock);
		before = pipe_levels(pipe);
		if (copied < lease.extent.span.len && !*fault) {
			put = ring_put_part(&pipe->ring, &lease, copied);
			next = lease;
		} else {
			bool unused = *fault && lease.indivisible;

			put = ring_put(&pipe->ring, &lease, unused ? 0 : copied);
			if (!*fault && from->len)
				next = pipe_lease_room(pipe, flags, whole, from->len);
		}
		news = pipe_news(pipe, before, WRITER, put, !next.extent.span.len);
		mutex_unlock(&pipe->lock);
		pipe_tell(pipe, &news);

		filled += put;
		if (!next.extent.span.len)
			return filled;
		lease = next;
	}
}

#endif
