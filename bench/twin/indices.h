/* SPDX-License-Identifier: GPL-2.0 */
/* Where the bytes of a ring are, and who holds which of them: mini_pipe/indices.rs. */
#ifndef TWIN_INDICES_H
#define TWIN_INDICES_H

#include <linux/minmax.h>
#include <linux/types.h>

struct span {
	size_t start;
	size_t len;
};

struct indices {
	size_t head;
	size_t tail;
	size_t capacity;
	size_t reading;
	size_t writing;
};

static inline size_t indices_len(const struct indices *indices)
{
	return indices->head - indices->tail;
}

static inline bool indices_is_empty(const struct indices *indices)
{
	return !indices_len(indices);
}

static inline size_t indices_bytes(const struct indices *indices)
{
	return indices_len(indices) - indices->reading;
}

static inline size_t indices_room(const struct indices *indices)
{
	return indices->capacity - indices_len(indices) - indices->writing;
}

static inline bool indices_is_reading(const struct indices *indices)
{
	return indices->reading;
}

static inline bool indices_is_writing(const struct indices *indices)
{
	return indices->writing;
}

/* Of no bytes when there are none, and while a reader holds a lease. */
static inline struct span indices_oldest(const struct indices *indices, size_t most)
{
	size_t len = min(indices_len(indices), most);

	if (indices_is_reading(indices))
		len = 0;
	return (struct span){ indices->tail, len };
}

static inline struct span indices_vacant(const struct indices *indices, size_t least, size_t most)
{
	size_t room = indices_room(indices);

	if (indices_is_writing(indices) || room < least)
		return (struct span){ indices->head, 0 };
	return (struct span){ indices->head, min(room, most) };
}

static inline struct span indices_lease_bytes(struct indices *indices, size_t most)
{
	struct span span = indices_oldest(indices, most);

	if (span.len)
		indices->reading = span.len;
	return span;
}

static inline struct span indices_lease_room(struct indices *indices, size_t least, size_t most)
{
	struct span span = indices_vacant(indices, least, most);

	if (span.len)
		indices->writing = span.len;
	return span;
}

static inline void indices_rewind(struct indices *indices)
{
	if (indices_is_empty(indices) && !indices_is_reading(indices) &&
	    !indices_is_writing(indices)) {
		indices->head = 0;
		indices->tail = 0;
	}
}

static inline void indices_take_part(struct indices *indices, size_t taken)
{
	indices->tail += taken;
	indices->reading -= taken;
}

static inline void indices_put_part(struct indices *indices, size_t put)
{
	indices->head += put;
	indices->writing -= put;
}

static inline void indices_remove(struct indices *indices, size_t len)
{
	indices->tail += len;
	indices_rewind(indices);
}

static inline void indices_add(struct indices *indices, size_t len)
{
	indices->head += len;
	indices_rewind(indices);
}

static inline void indices_take(struct indices *indices, size_t taken)
{
	taken = min(taken, indices->reading);
	indices->reading = 0;
	indices_remove(indices, taken);
}

static inline void indices_put(struct indices *indices, size_t put)
{
	put = min(put, indices->writing);
	indices->writing = 0;
	indices_add(indices, put);
}

#endif
