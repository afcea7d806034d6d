// SPDX-License-Identifier: GPL-2.0
/*
 * Bad user memory: EFAULT or a short count, and no byte lost, doubled or invented.
 */
#include "ioctls.h"
#include "pipe_fixture.h"

/* Good pages, followed by one that is not there. */
static unsigned char *map_before_a_hole(struct __test_metadata *_metadata, int good_pages)
{
	unsigned char *map = map_pages(_metadata, good_pages + 1, PROT_READ | PROT_WRITE);

	ASSERT_EQ(0, munmap(map + good_pages * page_size(), page_size()));
	return map;
}

TEST_F(pipe, an_atomic_write_that_faults_midway_puts_nothing_in)
{
	unsigned char *map = map_before_a_hole(_metadata, 1);
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	if (!holds(_metadata, self->capacity, PIPE_BUF + 3))
		return;
	put_in(_metadata, fd, 3);
	EXPECT_EQ(-1, write(fd, map + page_size() - 100, 200));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(3, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 3));
}

TEST_F(pipe, a_faulting_atomic_write_takes_no_room)
{
	unsigned char *map = map_before_a_hole(_metadata, 1);
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	for (int i = 0; i < 100; i++)
		ASSERT_EQ(-1, write(fd, map + page_size() - 100, PIPE_BUF));
	EXPECT_EQ(self->capacity, fill_pipe(_metadata, fd));
}

TEST_F(pipe, a_large_write_that_faults_midway_puts_in_what_was_good)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t good = 3 * page_size();
	unsigned char *map = map_before_a_hole(_metadata, 3);
	ssize_t n;

	if (!holds(_metadata, self->capacity, 4 * page_size()))
		return;
	put_pattern(map, 0, good);
	n = write(fd, map, 4 * page_size());
	EXPECT_EQ(good, n);
	EXPECT_EQ(n, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, n));
}

TEST_F(pipe, a_read_that_faults_midway_leaves_the_rest)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	unsigned char *map = map_before_a_hole(_metadata, 1);
	unsigned char *buf = map + page_size() - 100;
	ssize_t n;

	if (!holds(_metadata, self->capacity, 300))
		return;
	put_in(_metadata, fd, 300);
	n = read(fd, buf, 300);
	ASSERT_EQ(100, n);
	EXPECT_TRUE(is_pattern(buf, 0, n));
	EXPECT_EQ(300 - n, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), n, 300 - n));
}

TEST_F(pipe, a_large_read_that_faults_midway_leaves_the_rest)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	unsigned char *map = map_before_a_hole(_metadata, 2);
	ssize_t good = 2 * page_size();
	ssize_t n;

	if (!holds(_metadata, self->capacity, good + 1))
		return;
	fill_pipe(_metadata, fd);
	n = read(fd, map, self->capacity);
	ASSERT_EQ(good, n);
	EXPECT_TRUE(is_pattern(map, 0, n));
	EXPECT_EQ(self->capacity - n, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), n, self->capacity - n));
}

TEST_F(pipe, a_readv_stops_at_a_bad_buffer)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	unsigned char good[10], after[10];
	struct iovec iov[] = {
		{ good, 10 }, { map_pages(_metadata, 1, PROT_NONE), 10 }, { after, 10 },
	};

	if (!holds(_metadata, self->capacity, 30))
		return;
	put_in(_metadata, fd, 30);
	ASSERT_EQ(10, readv(fd, iov, 3));
	EXPECT_TRUE(is_pattern(good, 0, 10));
	EXPECT_EQ(20, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 10, 20));
}

TEST_F(pipe, an_atomic_writev_with_a_bad_buffer_puts_nothing_in)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct iovec iov[] = {
		{ big_buffer(), 10 }, { map_pages(_metadata, 1, PROT_NONE), 10 },
		{ big_buffer(), 10 },
	};

	if (!holds(_metadata, self->capacity, 30))
		return;
	EXPECT_EQ(-1, writev(fd, iov, 3));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, drain_pipe(_metadata, fd));
}

TEST_F(pipe, a_large_writev_stops_at_a_bad_buffer)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct iovec iov[] = {
		{ big_buffer(), PIPE_BUF + 50 }, { map_pages(_metadata, 1, PROT_NONE), 10 },
		{ big_buffer(), 10 },
	};

	if (!holds(_metadata, self->capacity, PIPE_BUF + 70))
		return;
	put_pattern(big_buffer(), 0, PIPE_BUF + 50);
	ASSERT_EQ(PIPE_BUF + 50, writev(fd, iov, 3));
	EXPECT_EQ(PIPE_BUF + 50, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, PIPE_BUF + 50));
}

/*
 * Short calls, for which a copy is tried that must not wait for a page: one that is not there comes
 * all the same, and one that is bad is so only in the end.
 */

static const ssize_t short_lens[] = { 1, 100, PIPE_BUF };

FIXTURE(absent)
{
	int fd;			/* both ends */
	unsigned char *buf;	/* three pages, which have their bytes in a file */
	ssize_t capacity;
};

/* A private page has to be copied, too, before it can be written to. */
FIXTURE_VARIANT(absent)
{
	int flags;
};

FIXTURE_VARIANT_ADD(absent, of_shared_memory) { .flags = MAP_SHARED, };
FIXTURE_VARIANT_ADD(absent, of_private_memory) { .flags = MAP_PRIVATE, };

FIXTURE_SETUP(absent)
{
	int file = memfd_create("absent", MFD_CLOEXEC);

	self->capacity = set_the_stage(_metadata);
	self->fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	put_pattern(big_buffer(), 0, 3 * page_size());
	ASSERT_EQ((ssize_t)(3 * page_size()), write(file, big_buffer(), 3 * page_size()));
	self->buf = mmap(NULL, 3 * page_size(), PROT_READ | PROT_WRITE, variant->flags, file, 0);
	ASSERT_NE(MAP_FAILED, self->buf);
	close(file);
}

FIXTURE_TEARDOWN(absent)
{
	clear_the_stage(_metadata);
}

/* From here on the pages are not there; what they hold is what the file holds. */
static void drop_pages(struct __test_metadata *_metadata, unsigned char *buf)
{
	ASSERT_EQ(0, madvise(buf, 3 * page_size(), MADV_DONTNEED));
}

TEST_F(absent, pages_are_brought_in_for_a_short_write)
{
	for (size_t i = 0; i < ARRAY_SIZE(short_lens); i++) {
		ssize_t len = smaller(short_lens[i], self->capacity);

		for (ssize_t at = 0; at <= (ssize_t)page_size(); at += page_size() / 2) {
			drop_pages(_metadata, self->buf);
			ASSERT_EQ(len, write(self->fd, self->buf + at, len));
			ASSERT_EQ(len, drain_pipe(_metadata, self->fd));
			EXPECT_TRUE(is_pattern(big_buffer(), at, len));
		}
	}
}

TEST_F(absent, pages_are_brought_in_for_a_short_read)
{
	for (size_t i = 0; i < ARRAY_SIZE(short_lens); i++) {
		ssize_t len = smaller(short_lens[i], self->capacity);

		for (ssize_t at = 0; at <= (ssize_t)page_size(); at += page_size() / 2) {
			put_in(_metadata, self->fd, len);
			drop_pages(_metadata, self->buf);
			ASSERT_EQ(len, read(self->fd, self->buf + at, len));
			EXPECT_TRUE(is_pattern(self->buf + at, 0, len));
			/* Nor has it written beside its place. */
			memcpy(big_buffer(), self->buf, 3 * page_size());
			put_pattern(big_buffer() + at, at, len);
			EXPECT_TRUE(is_pattern(big_buffer(), 0, 3 * page_size()));
			put_pattern(self->buf, 0, 3 * page_size());
			EXPECT_EQ(0, bytes_in(self->fd));
		}
	}
}

TEST_F(pipe, a_short_read_into_bad_memory_loses_nothing)
{
	unsigned char *bad = map_pages(_metadata, 1, PROT_READ);
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	for (size_t i = 0; i < ARRAY_SIZE(short_lens); i++) {
		ssize_t len = smaller(short_lens[i], self->capacity);

		put_in(_metadata, fd, len);
		EXPECT_EQ(-1, read(fd, bad, len));
		EXPECT_EQ(EFAULT, errno);
		EXPECT_EQ(len, drain_pipe(_metadata, fd));
		EXPECT_TRUE(is_pattern(big_buffer(), 0, len));
	}
}

TEST_F(pipe, a_short_write_from_bad_memory_puts_nothing_in)
{
	unsigned char *bad = map_pages(_metadata, 1, PROT_NONE);
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	for (size_t i = 0; i < ARRAY_SIZE(short_lens); i++) {
		EXPECT_EQ(-1, write(fd, bad, smaller(short_lens[i], self->capacity)));
		EXPECT_EQ(EFAULT, errno);
		EXPECT_EQ(0, drain_pipe(_metadata, fd));
	}
}

/*
 * Buffers that turn bad after any number of bytes, up to a page of them. Each of them begins a
 * little further on in a page of the ring than the one before, so that the two page boundaries
 * meet, or miss each other by any number of bytes.
 */

FIXTURE(page_boundary)
{
	int fd;
	unsigned char *hole;	/* behind a page that is good */
	unsigned char *pattern;
	ssize_t round;		/* bytes of it that go through the ring each time */
};

FIXTURE_VARIANT(page_boundary)
{
	int further;
};

FIXTURE_VARIANT_ADD(page_boundary, each_a_byte_further) { .further = 1, };
FIXTURE_VARIANT_ADD(page_boundary, each_two_bytes_further) { .further = 2, };

FIXTURE_SETUP(page_boundary)
{
	ssize_t capacity = set_the_stage(_metadata);

	self->fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	self->hole = map_before_a_hole(_metadata, 1) + page_size();
	self->round = 2 * page_size() + variant->further;
	self->pattern = map_pages(_metadata, 3, PROT_READ | PROT_WRITE);
	put_pattern(self->pattern, 0, self->round);
	if (!holds(_metadata, capacity, self->round))
		return;
}

FIXTURE_TEARDOWN(page_boundary)
{
	clear_the_stage(_metadata);
}

TEST_F(page_boundary, a_read_that_faults_at_any_byte_leaves_the_rest)
{
	for (ssize_t good = 1; good <= (ssize_t)page_size(); good++) {
		unsigned char *buf = self->hole - good;
		ssize_t rest = self->round - good;

		ASSERT_EQ(self->round, write(self->fd, self->pattern, self->round));
		ASSERT_EQ(good, read(self->fd, buf, self->round));
		ASSERT_EQ(0, memcmp(buf, self->pattern, good));
		ASSERT_EQ(rest, drain_pipe(_metadata, self->fd));
		ASSERT_EQ(0, memcmp(big_buffer(), self->pattern + good, rest));
	}
}

TEST_F(page_boundary, a_large_write_that_faults_at_any_byte_puts_in_what_was_good)
{
	for (ssize_t good = 1; good <= (ssize_t)page_size(); good++) {
		unsigned char *buf = self->hole - good;
		ssize_t rest = self->round - good;

		memcpy(buf, self->pattern, good);
		ASSERT_EQ(good, write(self->fd, buf, self->round));
		ASSERT_EQ(rest, write(self->fd, self->pattern + good, rest));
		ASSERT_EQ(self->round, drain_pipe(_metadata, self->fd));
		ASSERT_EQ(0, memcmp(big_buffer(), self->pattern, self->round));
	}
}

TEST_F(page_boundary, an_atomic_write_that_faults_at_any_byte_puts_nothing_in)
{
	for (ssize_t good = 1; good < PIPE_BUF; good++) {
		unsigned char *buf = self->hole - good;

		ASSERT_EQ(variant->further, write(self->fd, self->pattern, variant->further));
		ASSERT_EQ(-1, write(self->fd, buf, PIPE_BUF));
		ASSERT_EQ(EFAULT, errno);
		ASSERT_EQ(-1, write(self->fd, buf, good + 1));
		ASSERT_EQ(EFAULT, errno);
		ASSERT_EQ(variant->further, drain_pipe(_metadata, self->fd));
		ASSERT_EQ(0, memcmp(big_buffer(), self->pattern, variant->further));
	}
}

/*
 * Memory that turns bad while its owner sleeps in the pipe: a mapping of a file that the test
 * cuts off. The owner is woken, faults and leaves; the wake-up must go on to the next in line.
 */

struct rotten {
	int fd;			/* the file behind the buffer */
	unsigned char *buf;
	ssize_t len;
};

static struct rotten map_rotten(struct __test_metadata *_metadata, ssize_t len)
{
	struct rotten rotten = { .fd = memfd_create("rotten", MFD_CLOEXEC), .len = len };

	ASSERT_LE(0, rotten.fd);
	ASSERT_EQ(0, ftruncate(rotten.fd, BIG));
	rotten.buf = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_SHARED, rotten.fd, 0);
	ASSERT_NE(MAP_FAILED, rotten.buf);
	memset(rotten.buf, 'r', len);
	return rotten;
}

static void read_into_rotten(int report_to, const void *arg)
{
	const struct rotten *rotten = arg;

	report(report_to, read(open(MINI_PIPE, O_RDONLY), rotten->buf, rotten->len));
}

static void write_from_rotten(int report_to, const void *arg)
{
	const struct rotten *rotten = arg;

	report(report_to, write(open(MINI_PIPE, O_WRONLY), rotten->buf, rotten->len));
}

static void expect_efault(struct __test_metadata *_metadata, const struct child *child)
{
	struct result result = result_of(_metadata, child);

	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EFAULT, result.err);
}

TEST_F(pipe, a_reader_that_faults_hands_its_byte_to_the_next)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct rotten rotten = map_rotten(_metadata, 1);
	struct child first = start_child(_metadata, read_into_rotten, &rotten);
	struct child second;

	ASSERT_ASLEEP_IN(read, &first);
	queue_readers(_metadata, &second, 1);
	ASSERT_EQ(0, ftruncate(rotten.fd, 0));
	ASSERT_EQ(1, write(writer, "x", 1));
	expect_efault(_metadata, &first);
	EXPECT_EQ(1, result_of(_metadata, &second).ret);
}

TEST_F(pipe, a_writer_that_faults_hands_its_room_to_the_next)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t len = atomic_len(self->capacity);
	struct rotten rotten = map_rotten(_metadata, len);
	struct child first, second;

	fill_pipe(_metadata, fd);
	first = start_child(_metadata, write_from_rotten, &rotten);
	ASSERT_ASLEEP_IN(write, &first);
	queue_writers(_metadata, &second, 1, len);
	ASSERT_EQ(0, ftruncate(rotten.fd, 0));
	take(_metadata, fd, len);
	expect_efault(_metadata, &first);
	EXPECT_EQ(len, result_of(_metadata, &second).ret);
	EXPECT_EQ(self->capacity, drain_pipe(_metadata, fd));
	EXPECT_EQ('a', big_buffer()[self->capacity - 1]);
}

TEST_F(pipe, a_large_write_whose_memory_goes_bad_tells_how_far_it_came)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct rotten rotten = map_rotten(_metadata, self->capacity + PIPE_BUF);
	struct child writer = start_child(_metadata, write_from_rotten, &rotten);

	ASSERT_ASLEEP_IN(write, &writer);
	ASSERT_EQ(0, ftruncate(rotten.fd, 0));
	take(_metadata, reader, self->capacity);
	EXPECT_EQ(self->capacity, result_of(_metadata, &writer).ret);
	EXPECT_EQ(0, drain_pipe(_metadata, reader));
}

TEST_HARNESS_MAIN
