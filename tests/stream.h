/* SPDX-License-Identifier: GPL-2.0 */
/* One long pattern is written to a pipe, so that every byte that is read can be checked. */
#ifndef STREAM_H
#define STREAM_H

#include "ioctls.h"

/* The module's default of max_capacity. */
#define LARGEST 1048576

/* The pattern of put_pattern() from any byte on, without making it anew each time. */
static inline const unsigned char *pattern(size_t from)
{
	static unsigned char bytes[LARGEST + 251];

	if (!bytes[1])
		put_pattern(bytes, 0, sizeof(bytes));
	return bytes + from % 251;
}

/* A pipe, and how many bytes of the pattern were written to it and read from it. */
struct stream {
	struct ends ends;
	size_t in;
	size_t out;
};

static inline void write_next(struct __test_metadata *_metadata, struct stream *stream, size_t len)
{
	if (!len)
		return;
	ASSERT_EQ((ssize_t)len, write(stream->ends.w, pattern(stream->in), len));
	stream->in += len;
}

static inline void read_next(struct __test_metadata *_metadata, struct stream *stream, size_t len)
{
	ASSERT_EQ((ssize_t)len, read(stream->ends.r, big_buffer(), len));
	ASSERT_EQ(0, memcmp(big_buffer(), pattern(stream->out), len));
	stream->out += len;
}

static inline void expect_full(struct __test_metadata *_metadata, const struct stream *stream)
{
	ASSERT_EQ(-1, write(stream->ends.w, "x", 1));
	ASSERT_EQ(EAGAIN, errno);
}

/*
 * Moves the position in the ring by `distance`. Leaves one byte more in the pipe, because an empty
 * ring starts at its beginning again.
 */
static inline void advance(struct __test_metadata *_metadata, struct stream *stream,
			   size_t capacity, size_t distance)
{
	write_next(_metadata, stream, 1);
	while (distance > 0) {
		size_t step = smaller(distance, capacity - 1);

		write_next(_metadata, stream, step);
		read_next(_metadata, stream, step);
		distance -= step;
	}
}

#endif /* STREAM_H */
