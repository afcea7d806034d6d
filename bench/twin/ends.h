/* SPDX-License-Identifier: GPL-2.0 */
/* Who has the pipe open, and what that means to the others: mini_pipe/ends.rs. */
#ifndef TWIN_ENDS_H
#define TWIN_ENDS_H

#include <linux/types.h>

struct end {
	size_t open;
	size_t arrivals;
};

struct ends {
	struct end readers;
	struct end writers;
};

enum peer {
	PEER_OPEN,
	PEER_NOT_YET,
	PEER_LEFT,
};

struct known {
	bool seen;
	size_t arrivals;	/* unless seen */
};

struct seat {
	bool reads;
	bool writes;
	struct known readers;
	struct known writers;
};

static inline void end_arrive(struct end *end)
{
	end->open++;
	end->arrivals++;
}

static inline struct known end_known(const struct end *end, bool proof)
{
	return (struct known){ end->open || proof, end->arrivals };
}

static inline void ends_open(struct ends *ends, struct seat *seat, bool bytes_left)
{
	if (seat->reads)
		end_arrive(&ends->readers);
	if (seat->writes)
		end_arrive(&ends->writers);
	seat->readers = end_known(&ends->readers, false);
	seat->writers = end_known(&ends->writers, bytes_left);
}

static inline void ends_close(struct ends *ends, const struct seat *seat)
{
	ends->readers.open -= seat->reads;
	ends->writers.open -= seat->writes;
}

static inline enum peer end_peer(const struct end *end, const struct known *known)
{
	if (end->open)
		return PEER_OPEN;
	if (!known->seen && known->arrivals == end->arrivals)
		return PEER_NOT_YET;
	return PEER_LEFT;
}

static inline enum peer ends_readers(const struct ends *ends, const struct seat *seat)
{
	return end_peer(&ends->readers, &seat->readers);
}

static inline enum peer ends_writers(const struct ends *ends, const struct seat *seat)
{
	return end_peer(&ends->writers, &seat->writers);
}

#endif
