// SPDX-License-Identifier: GPL-2.0
/*
 * Bad user memory: a call fails with EFAULT, or returns a short count. No byte is lost, duplicated
 * or invented.
 */
#include "ioctls.h"
#include "device_fixture.h"
#include "stream.h"

/* Good pages, followed by an unmapped one. */
static unsigned char *map_before_unmapped(struct __test_metadata *_metadata, int good_pages)
{
	unsigned char *map = map_pages(_metadata, good_pages + 1, PROT_READ | PROT_WRITE);

	ASSERT_EQ(0, munmap(map + good_pages * page_size(), page_size()));
	return map;
}

TEST_F(pipe, faulting_atomic_write_writes_nothing)
{
	unsigned char *map = map_before_unmapped(_metadata, 1);
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	if (!has_capacity(_metadata, self->capacity, PIPE_BUF + 3))
		return;
	write_pattern(_metadata, fd, 3);
	EXPECT_EQ(-1, write(fd, map + page_size() - 100, 200));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(3, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 3));
}

TEST_F(pipe, faulting_atomic_write_takes_no_room)
{
	unsigned char *map = map_before_unmapped(_metadata, 1);
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	for (int i = 0; i < 100; i++)
		ASSERT_EQ(-1, write(fd, map + page_size() - 100, PIPE_BUF));
	EXPECT_EQ(self->capacity, fill_pipe(_metadata, fd));
}

TEST_F(pipe, faulting_large_write_writes_bytes_before_fault)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t good = 3 * page_size();
	unsigned char *map = map_before_unmapped(_metadata, 3);
	ssize_t n;

	if (!has_capacity(_metadata, self->capacity, 4 * page_size()))
		return;
	put_pattern(map, 0, good);
	n = write(fd, map, 4 * page_size());
	EXPECT_TRUE(is_count_until_fault(n, good));
	EXPECT_EQ(n, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, n));
}

TEST_F(pipe, faulting_read_leaves_remaining_bytes)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	unsigned char *map = map_before_unmapped(_metadata, 1);
	unsigned char *buf = map + page_size() - 100;
	ssize_t n;

	if (!has_capacity(_metadata, self->capacity, 300))
		return;
	write_pattern(_metadata, fd, 300);
	n = read(fd, buf, 300);
	ASSERT_TRUE(is_count_until_fault(n, 100));
	EXPECT_TRUE(is_pattern(buf, 0, n));
	EXPECT_EQ(300 - n, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), n, 300 - n));
}

TEST_F(pipe, faulting_large_read_leaves_remaining_bytes)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	unsigned char *map = map_before_unmapped(_metadata, 2);
	ssize_t good = 2 * page_size();
	ssize_t n;

	if (!has_capacity(_metadata, self->capacity, good + 1))
		return;
	fill_pipe(_metadata, fd);
	n = read(fd, map, self->capacity);
	ASSERT_TRUE(is_count_until_fault(n, good));
	EXPECT_TRUE(is_pattern(map, 0, n));
	EXPECT_EQ(self->capacity - n, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), n, self->capacity - n));
}

TEST_F(pipe, readv_stops_at_bad_buffer)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	unsigned char good[10], after[10];
	struct iovec iov[] = {
		{ good, 10 }, { map_pages(_metadata, 1, PROT_NONE), 10 }, { after, 10 },
	};

	if (!has_capacity(_metadata, self->capacity, 30))
		return;
	write_pattern(_metadata, fd, 30);
	ASSERT_EQ(10, readv(fd, iov, 3));
	EXPECT_TRUE(is_pattern(good, 0, 10));
	EXPECT_EQ(20, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 10, 20));
}

TEST_F(pipe, atomic_writev_with_bad_buffer_writes_nothing)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct iovec iov[] = {
		{ big_buffer(), 10 }, { map_pages(_metadata, 1, PROT_NONE), 10 },
		{ big_buffer(), 10 },
	};

	if (!has_capacity(_metadata, self->capacity, 30))
		return;
	EXPECT_EQ(-1, writev(fd, iov, 3));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, drain_pipe(_metadata, fd));
}

TEST_F(pipe, large_writev_stops_at_bad_buffer)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct iovec iov[] = {
		{ big_buffer(), PIPE_BUF + 50 }, { map_pages(_metadata, 1, PROT_NONE), 10 },
		{ big_buffer(), 10 },
	};

	if (!has_capacity(_metadata, self->capacity, PIPE_BUF + 70))
		return;
	put_pattern(big_buffer(), 0, PIPE_BUF + 50);
	ASSERT_EQ(PIPE_BUF + 50, writev(fd, iov, 3));
	EXPECT_EQ(PIPE_BUF + 50, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, PIPE_BUF + 50));
}

/*
 * Short calls. The first copy is tried with page faults disabled. If it fails, the copy is made
 * again with page faults enabled: a page that is not present is faulted in, and only bad memory
 * gives EFAULT.
 */

static const ssize_t short_lens[] = { 1, 100, PAGE_4K };

FIXTURE(page_not_present)
{
	int fd;			/* both ends */
	unsigned char *buf;	/* three pages of a mapped file */
	ssize_t capacity;
};

/* A first write to a page of a private mapping copies the page, too. */
FIXTURE_VARIANT(page_not_present)
{
	int flags;
};

FIXTURE_VARIANT_ADD(page_not_present, shared_mapping) { .flags = MAP_SHARED, };
FIXTURE_VARIANT_ADD(page_not_present, private_mapping) { .flags = MAP_PRIVATE, };

FIXTURE_SETUP(page_not_present)
{
	int file = memfd_create("pages", MFD_CLOEXEC);

	self->capacity = set_up_pipe(_metadata);
	self->fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	put_pattern(big_buffer(), 0, 3 * page_size());
	ASSERT_EQ((ssize_t)(3 * page_size()), write(file, big_buffer(), 3 * page_size()));
	self->buf = mmap(NULL, 3 * page_size(), PROT_READ | PROT_WRITE, variant->flags, file, 0);
	ASSERT_NE(MAP_FAILED, self->buf);
	close(file);
}

FIXTURE_TEARDOWN(page_not_present)
{
	kill_children(_metadata);
}

/* Drops the pages from the mapping. The next access reads them from the file again. */
static void drop_pages(struct __test_metadata *_metadata, unsigned char *buf)
{
	ASSERT_EQ(0, madvise(buf, 3 * page_size(), MADV_DONTNEED));
}

TEST_F(page_not_present, short_write_faults_pages_in)
{
	for (size_t i = 0; i < ARRAY_SIZE(short_lens); i++) {
		ssize_t len = smaller(in_pages(short_lens[i]), self->capacity);

		for (ssize_t at = 0; at <= (ssize_t)page_size(); at += page_size() / 2) {
			drop_pages(_metadata, self->buf);
			ASSERT_EQ(len, write(self->fd, self->buf + at, len));
			ASSERT_EQ(len, drain_pipe(_metadata, self->fd));
			EXPECT_TRUE(is_pattern(big_buffer(), at, len));
		}
	}
}

TEST_F(page_not_present, short_read_faults_pages_in)
{
	for (size_t i = 0; i < ARRAY_SIZE(short_lens); i++) {
		ssize_t len = smaller(in_pages(short_lens[i]), self->capacity);

		for (ssize_t at = 0; at <= (ssize_t)page_size(); at += page_size() / 2) {
			write_pattern(_metadata, self->fd, len);
			drop_pages(_metadata, self->buf);
			ASSERT_EQ(len, read(self->fd, self->buf + at, len));
			EXPECT_TRUE(is_pattern(self->buf + at, 0, len));
			/* Nothing was written outside of the buffer. */
			memcpy(big_buffer(), self->buf, 3 * page_size());
			put_pattern(big_buffer() + at, at, len);
			EXPECT_TRUE(is_pattern(big_buffer(), 0, 3 * page_size()));
			put_pattern(self->buf, 0, 3 * page_size());
			EXPECT_EQ(0, bytes_in(self->fd));
		}
	}
}

TEST_F(pipe, short_read_into_bad_memory_loses_no_bytes)
{
	unsigned char *bad = map_pages(_metadata, 1, PROT_READ);
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	for (size_t i = 0; i < ARRAY_SIZE(short_lens); i++) {
		ssize_t len = smaller(in_pages(short_lens[i]), self->capacity);

		write_pattern(_metadata, fd, len);
		EXPECT_EQ(-1, read(fd, bad, len));
		EXPECT_EQ(EFAULT, errno);
		EXPECT_EQ(len, drain_pipe(_metadata, fd));
		EXPECT_TRUE(is_pattern(big_buffer(), 0, len));
	}
}

TEST_F(pipe, short_write_from_bad_memory_writes_nothing)
{
	unsigned char *bad = map_pages(_metadata, 1, PROT_NONE);
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	for (size_t i = 0; i < ARRAY_SIZE(short_lens); i++) {
		EXPECT_EQ(-1, write(fd, bad, smaller(in_pages(short_lens[i]), self->capacity)));
		EXPECT_EQ(EFAULT, errno);
		EXPECT_EQ(0, drain_pipe(_metadata, fd));
	}
}

/*
 * Buffers that end at an unmapped page after any number of bytes, up to a page of them. Each call
 * starts `step` bytes further on in a page of the ring than the call before, so that the two page
 * boundaries coincide, or are any number of bytes apart. For this, one byte stays in the ring.
 */

FIXTURE(page_boundary)
{
	int fd;
	unsigned char *end;	/* of a page before an unmapped one */
	struct stream stream;
	ssize_t len;		/* bytes of the pattern in each iteration */
};

FIXTURE_VARIANT(page_boundary)
{
	int step;
};

FIXTURE_VARIANT_ADD(page_boundary, step_of_1_byte) { .step = 1, };
FIXTURE_VARIANT_ADD(page_boundary, step_of_2_bytes) { .step = 2, };

FIXTURE_SETUP(page_boundary)
{
	ssize_t capacity = set_up_pipe(_metadata);

	self->fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	self->end = map_before_unmapped(_metadata, 1) + page_size();
	self->len = 2 * page_size() + variant->step;
	if (!has_capacity(_metadata, capacity, self->len + 1))
		return;
	self->stream.ends = (struct ends){ self->fd, self->fd };
	write_next(_metadata, &self->stream, 1);
}

FIXTURE_TEARDOWN(page_boundary)
{
	kill_children(_metadata);
}

TEST_F(page_boundary, read_faulting_at_any_byte_leaves_remaining_bytes)
{
	for (ssize_t good = 1; good <= (ssize_t)page_size(); good++) {
		unsigned char *buf = self->end - good;
		ssize_t n;

		write_next(_metadata, &self->stream, self->len);
		n = read(self->fd, buf, self->len);
		ASSERT_TRUE(is_count_until_fault(n, good));
		ASSERT_EQ(0, memcmp(buf, pattern(self->stream.out), n));
		self->stream.out += n;
		read_next(_metadata, &self->stream, self->len - n);
		ASSERT_EQ(1, bytes_in(self->fd));
	}
}

TEST_F(page_boundary, large_write_faulting_at_any_byte_writes_bytes_before_fault)
{
	for (ssize_t good = 1; good <= (ssize_t)page_size(); good++) {
		unsigned char *buf = self->end - good;
		ssize_t n;

		memcpy(buf, pattern(self->stream.in), good);
		n = write(self->fd, buf, self->len);
		ASSERT_TRUE(is_count_until_fault(n, good));
		self->stream.in += n;
		write_next(_metadata, &self->stream, self->len - n);
		read_next(_metadata, &self->stream, self->len);
		ASSERT_EQ(1, bytes_in(self->fd));
	}
}

TEST_F(page_boundary, atomic_write_faulting_at_any_byte_writes_nothing)
{
	for (ssize_t good = 1; good < PIPE_BUF; good++) {
		unsigned char *buf = self->end - good;

		write_next(_metadata, &self->stream, variant->step);
		ASSERT_EQ(-1, write(self->fd, buf, PIPE_BUF));
		ASSERT_EQ(EFAULT, errno);
		ASSERT_EQ(-1, write(self->fd, buf, good + 1));
		ASSERT_EQ(EFAULT, errno);
		read_next(_metadata, &self->stream, variant->step);
		ASSERT_EQ(1, bytes_in(self->fd));
	}
}

/*
 * Memory that becomes bad while its owner sleeps in the pipe: a mapping of a file that the test
 * truncates. When the owner is woken, its call fails with EFAULT, and the wake-up must be handed on
 * to the next waiter.
 */

struct mapping {
	int fd;			/* the mapped file */
	unsigned char *buf;
	ssize_t len;
};

static struct mapping map_file(struct __test_metadata *_metadata, ssize_t len)
{
	struct mapping mapping = { .fd = memfd_create("mapping", MFD_CLOEXEC), .len = len };

	ASSERT_LE(0, mapping.fd);
	ASSERT_EQ(0, ftruncate(mapping.fd, BIG));
	mapping.buf = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_SHARED, mapping.fd, 0);
	ASSERT_NE(MAP_FAILED, mapping.buf);
	memset(mapping.buf, 'r', len);
	return mapping;
}

static void read_into_mapping(int report_to, const void *arg)
{
	const struct mapping *mapping = arg;

	report(report_to, read(open(MINI_PIPE, O_RDONLY), mapping->buf, mapping->len));
}

static void write_from_mapping(int report_to, const void *arg)
{
	const struct mapping *mapping = arg;

	report(report_to, write(open(MINI_PIPE, O_WRONLY), mapping->buf, mapping->len));
}

static void expect_efault(struct __test_metadata *_metadata, const struct child *child)
{
	struct result result = result_of(_metadata, child);

	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EFAULT, result.err);
}

TEST_F(pipe, faulting_reader_hands_wake_up_to_next_reader)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct mapping mapping = map_file(_metadata, 1);
	struct child first = start_child(_metadata, read_into_mapping, &mapping);
	struct child second;

	ASSERT_ASLEEP_IN(read, &first);
	queue_readers(_metadata, &second, 1);
	ASSERT_EQ(0, ftruncate(mapping.fd, 0));
	ASSERT_EQ(1, write(writer, "x", 1));
	expect_efault(_metadata, &first);
	EXPECT_EQ(1, result_of(_metadata, &second).ret);
}

TEST_F(pipe, faulting_writer_hands_wake_up_to_next_writer)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t len = atomic_len(self->capacity);
	struct mapping mapping = map_file(_metadata, len);
	struct child first, second;

	fill_pipe(_metadata, fd);
	first = start_child(_metadata, write_from_mapping, &mapping);
	ASSERT_ASLEEP_IN(write, &first);
	queue_writers(_metadata, &second, 1, len);
	ASSERT_EQ(0, ftruncate(mapping.fd, 0));
	read_exactly(_metadata, fd, len);
	expect_efault(_metadata, &first);
	EXPECT_EQ(len, result_of(_metadata, &second).ret);
	EXPECT_EQ(self->capacity, drain_pipe(_metadata, fd));
	EXPECT_EQ('a', big_buffer()[self->capacity - 1]);
}

TEST_F(pipe, large_write_whose_memory_becomes_bad_returns_count)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct mapping mapping = map_file(_metadata, self->capacity + PIPE_BUF);
	struct child writer = start_child(_metadata, write_from_mapping, &mapping);

	ASSERT_ASLEEP_IN(write, &writer);
	ASSERT_EQ(0, ftruncate(mapping.fd, 0));
	read_exactly(_metadata, reader, self->capacity);
	EXPECT_EQ(self->capacity, result_of(_metadata, &writer).ret);
	EXPECT_EQ(0, drain_pipe(_metadata, reader));
}

TEST_HARNESS_MAIN
