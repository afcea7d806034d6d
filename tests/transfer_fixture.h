/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of splice, tee and vmsplice share. */
#ifndef TRANSFER_FIXTURE_H
#define TRANSFER_FIXTURE_H

#include "transfer.h"
#include "variants.h"

#define PAGE PIPE_BUF

#define EXPECT_FAILS(err, call) do { \
	EXPECT_EQ(-1, call); \
	EXPECT_EQ(err, errno); \
} while (0)

/* Writes the pattern from byte `from` on. */
static inline void write_at(struct __test_metadata *_metadata, int fd, size_t from, ssize_t len)
{
	put_pattern(big_buffer(), from, len);
	ASSERT_EQ(len, write(fd, big_buffer(), len));
}

/* The next read must return exactly `len` bytes, the pattern from byte `from` on. */
static inline void expect_at(struct __test_metadata *_metadata, int fd, size_t from, ssize_t len)
{
	memset(big_buffer(), 0, len);
	EXPECT_EQ(len, read(fd, big_buffer(), BIG));
	EXPECT_TRUE(is_pattern(big_buffer(), from, len));
}

static inline void expect_empty(struct __test_metadata *_metadata, int fd)
{
	expect_eagain(_metadata, read(fd, big_buffer(), 1));
}

#endif
