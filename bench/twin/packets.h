/* SPDX-License-Identifier: GPL-2.0 */
/* Which bytes of a ring are packets: mini_pipe/packets.rs. */
#ifndef TWIN_PACKETS_H
#define TWIN_PACKETS_H

#include <linux/slab.h>
#include "indices.h"

struct packets {
	struct span *slots;
	size_t size;
	size_t first;
	size_t count;
	bool full;
};

static inline int packets_init(struct packets *packets, size_t slots)
{
	packets->slots = kvcalloc(slots, sizeof(*packets->slots), GFP_KERNEL);
	packets->size = slots;
	return packets->slots ? 0 : -ENOMEM;
}

static inline size_t packets_index(const struct packets *packets, size_t nth)
{
	size_t index = packets->first + nth;

	return index < packets->size ? index : index - packets->size;
}

static inline void packets_set_count(struct packets *packets, size_t count)
{
	packets->count = count;
	packets->full = count == packets->size;
}

/* NULL if there are none. */
static inline const struct span *packets_first(const struct packets *packets)
{
	return packets->count ? &packets->slots[packets_index(packets, 0)] : NULL;
}

static inline void packets_push(struct packets *packets, struct span span)
{
	if (packets->full)
		return;
	packets->slots[packets_index(packets, packets->count)] = span;
	packets_set_count(packets, packets->count + 1);
}

static inline void packets_pop(struct packets *packets)
{
	if (packets->count) {
		packets->first = packets_index(packets, 1);
		packets_set_count(packets, packets->count - 1);
	}
}

#endif
