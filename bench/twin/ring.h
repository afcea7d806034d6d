/* SPDX-License-Identifier: GPL-2.0 */
/* Bytes in pages, the leases on them and the copies: mini_pipe/ring.rs. */
#ifndef TWIN_RING_H
#define TWIN_RING_H

#include "indices.h"
#include "packets.h"
#include "pages.h"
#include "user.h"

struct storage {
	struct pages *pages;
	size_t unit;
	struct packets packets;
};

struct ring {
	struct storage storage;
	struct indices indices;
};

/* A lease on no bytes is none. */
struct extent {
	const struct pages *pages;
	size_t unit;
	struct span span;
};

struct bytes_lease {
	struct extent extent;
	bool packet;
};

struct room_lease {
	struct extent extent;
	bool indivisible;
	bool packet;
};

static inline int ring_init(struct ring *ring, size_t capacity)
{
	struct storage *storage = &ring->storage;

	ring->indices.capacity = capacity;
	storage->pages = pages_alloc(capacity, &storage->unit);
	if (!storage->pages)
		return -ENOMEM;
	return packets_init(&storage->packets, storage->pages->count);
}

static inline void ring_free(struct ring *ring)
{
	kvfree(ring->storage.packets.slots);
	pages_free(ring->storage.pages);
}

static __always_inline size_t piece_at(size_t index, size_t unit, size_t rest)
{
	return min(unit - (index & (unit - 1)), rest);
}

/* Copies at most len bytes of the extent, skip bytes after its first; returns how many. */
static __always_inline size_t extent_copy(const struct extent *extent, size_t skip, size_t len,
					  struct buffer *user, enum direction direction)
{
	const struct pages *pages = extent->pages;
	size_t done = 0;

	len = min(len, extent->span.len - skip);
	while (done < len) {
		size_t index = extent->span.start + skip + done;
		size_t part = piece_at(index, extent->unit, len - done);
		char *bytes = page_map(pages_at(pages, index));
		size_t copied = buffer_copy(user, direction, bytes + index % PAGE_SIZE, part);

		page_unmap(bytes);
		done += copied;
		if (copied < part)
			break;
	}
	return done;
}

static inline void extent_begin_later(struct extent *extent, size_t len)
{
	extent->span.start += len;
	extent->span.len -= len;
}

static __always_inline struct extent ring_extent(const struct ring *ring, struct span span)
{
	return (struct extent){ ring->storage.pages, ring->storage.unit, span };
}

/* Always: the pages that a resize keeps for a lease are left out. */
static __always_inline bool ring_owns(const struct ring *ring, const struct extent *extent)
{
	return likely(extent->pages == ring->storage.pages);
}

static inline size_t ring_room(const struct ring *ring)
{
	return ring->storage.packets.full ? 0 : indices_room(&ring->indices);
}

static __always_inline struct bytes_lease ring_lease_bytes(struct ring *ring, size_t most)
{
	const struct span *first = packets_first(&ring->storage.packets);
	bool packet = false;
	size_t reach = most;
	struct span span;

	if (first) {
		size_t before = first->start - ring->indices.tail;

		packet = !before;
		reach = packet ? first->len : min(before, most);
	}
	span = indices_lease_bytes(&ring->indices, reach);
	span.len = min(span.len, most);
	return (struct bytes_lease){ ring_extent(ring, span), packet };
}

static inline struct bytes_lease ring_lease_stream(struct ring *ring, size_t most)
{
	const struct span *first = packets_first(&ring->storage.packets);

	if (first && first->start == ring->indices.tail)
		return (struct bytes_lease){ 0 };
	return ring_lease_bytes(ring, most);
}

static __always_inline struct room_lease ring_lease_room(struct ring *ring, size_t least,
							 size_t most, bool packet)
{
	struct span span;

	if (ring->storage.packets.full)
		return (struct room_lease){ 0 };
	span = indices_lease_room(&ring->indices, least, most);
	return (struct room_lease){ ring_extent(ring, span), least == most, packet };
}

static __always_inline bool ring_try_copy(struct ring *ring, struct span span, struct buffer *user,
					  enum direction direction)
{
	size_t offset = span.start % PAGE_SIZE;
	char *bytes;
	bool copied;

	if (offset + span.len > PAGE_SIZE)
		return false;
	bytes = page_map(pages_at(ring->storage.pages, span.start));
	copied = buffer_try_copy(user, direction, bytes + offset, span.len);
	page_unmap(bytes);
	if (copied)
		buffer_advance(user, span.len);
	return copied;
}

/* Returns 0 if it takes a lease. */
static __always_inline size_t ring_try_take(struct ring *ring, struct buffer *to)
{
	struct span span;

	if (packets_first(&ring->storage.packets))
		return 0;
	span = indices_oldest(&ring->indices, to->len);
	if (!span.len || !ring_try_copy(ring, span, to, DESTINATION))
		return 0;
	indices_remove(&ring->indices, span.len);
	return span.len;
}

static __always_inline size_t ring_try_put(struct ring *ring, struct buffer *from)
{
	size_t len = from->len;
	struct span span;

	if (ring->storage.packets.full)
		return 0;
	span = indices_vacant(&ring->indices, len, len);
	if (!span.len || !ring_try_copy(ring, span, from, SOURCE))
		return 0;
	indices_add(&ring->indices, len);
	return len;
}

static __always_inline size_t ring_take(struct ring *ring, const struct bytes_lease *lease,
					size_t taken)
{
	size_t got = taken, gone = taken;

	if (!ring_owns(ring, &lease->extent))
		return got;
	if (lease->packet) {
		bool whole = taken == lease->extent.span.len;

		got = whole ? taken : 0;
		gone = whole ? SIZE_MAX : 0;
		if (whole)
			packets_pop(&ring->storage.packets);
	}
	indices_take(&ring->indices, gone);
	return got;
}

static inline size_t ring_take_part(struct ring *ring, struct bytes_lease *lease, size_t taken)
{
	if (!ring_owns(ring, &lease->extent))
		return 0;
	indices_take_part(&ring->indices, taken);
	extent_begin_later(&lease->extent, taken);
	return taken;
}

static inline size_t ring_put_part(struct ring *ring, struct room_lease *lease, size_t put)
{
	if (!ring_owns(ring, &lease->extent))
		return 0;
	indices_put_part(&ring->indices, put);
	extent_begin_later(&lease->extent, put);
	return put;
}

static __always_inline size_t ring_put(struct ring *ring, const struct room_lease *lease,
				       size_t put)
{
	struct span span = { lease->extent.span.start, put };

	if (!ring_owns(ring, &lease->extent))
		return put;
	if (lease->packet && put)
		packets_push(&ring->storage.packets, span);
	indices_put(&ring->indices, put);
	return put;
}

#endif
