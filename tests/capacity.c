// SPDX-License-Identifier: GPL-2.0
/*
 * FIONREAD and the capacity. When the capacity changes, the bytes stay, in order, and writers that
 * find room are woken. limits.c tests who may resize, resize.c what happens to copies in progress.
 */
#include "mini_pipe_fixture.h"
#include "stream.h"

/* Around a page of 4 KiB, and others. 5000 is no whole number of pages; 1 holds one byte. */
static const size_t sizes[] = { 1, 3, 4095, 4096, 4097, 5000, 65536, LARGEST };

/* FIONREAD */

TEST_F(pipe, fionread_counts_bytes_in_pipe)
{
	EXPECT_EQ(0, bytes_in(self->ends.r));
	write_pattern(_metadata, self->ends.w, 300);
	EXPECT_EQ(300, bytes_in(self->ends.r));
	EXPECT_EQ(300, bytes_in(self->ends.w));
	read_exactly(_metadata, self->ends.r, 299);
	EXPECT_EQ(1, bytes_in(self->ends.r));
	fill_pipe(_metadata, self->ends.w);
	EXPECT_EQ(self->capacity, bytes_in(self->ends.r));
	drain_pipe(_metadata, self->ends.r);
	EXPECT_EQ(0, bytes_in(self->ends.r));
}

/* One byte stays: an empty ring starts at its beginning again. */
TEST_F(pipe, fionread_counts_bytes_that_wrap_around_ring)
{
	struct stream stream = { .ends = self->ends };

	ASSERT_EQ(5000, set_capacity(self->ends.w, 5000));
	advance(_metadata, &stream, 5000, 8000);
	for (int i = 0; i < 100; i++) {
		write_next(_metadata, &stream, 40 * i);
		ASSERT_EQ(1 + 40 * i, bytes_in(self->ends.r));
		read_next(_metadata, &stream, 40 * i);
		ASSERT_EQ(1, bytes_in(self->ends.r));
	}
}

TEST_F(pipe, ioctls_work_on_o_rdwr_file)
{
	int both = open_again(self->ends.r, O_RDWR);

	write_pattern(_metadata, self->ends.w, 3);
	EXPECT_EQ(3, bytes_in(both));
	EXPECT_EQ(self->capacity, capacity_of(both));
	EXPECT_EQ(77, set_capacity(both, 77));
}

/* The capacity */

TEST_F(pipe, default_capacity_is_16_pages)
{
	EXPECT_EQ(DEFAULT_CAPACITY, capacity_of(self->ends.r));
	EXPECT_EQ(DEFAULT_CAPACITY, capacity_of(self->ends.w));
	EXPECT_EQ(DEFAULT_CAPACITY, fill_pipe(_metadata, self->ends.w));
}

TEST_F(pipe, capacity_is_exact_to_the_byte)
{
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		ssize_t size = sizes[i];

		ASSERT_EQ(size, set_capacity(self->ends.w, size));
		EXPECT_EQ(size, capacity_of(self->ends.r));
		EXPECT_EQ(size, fill_pipe(_metadata, self->ends.w));
		EXPECT_EQ(size, drain_pipe(_metadata, self->ends.r));
		EXPECT_TRUE(is_pattern(big_buffer(), 0, size));
	}
}

TEST_F(pipe, capacity_can_be_set_at_either_end)
{
	EXPECT_EQ(1000, set_capacity(self->ends.r, 1000));
	EXPECT_EQ(1000, capacity_of(self->ends.w));
	EXPECT_EQ(2000, set_capacity(self->ends.w, 2000));
	EXPECT_EQ(2000, capacity_of(self->ends.r));
}

static const unsigned long invalid[] = {
	0, (1UL << 30) + 1, INT_MAX, UINT_MAX, 1UL << 32, (1UL << 32) + 4096, -1UL,
};

TEST_F(pipe, capacity_0_or_above_1_gib_gives_einval)
{
	write_pattern(_metadata, self->ends.w, 10);
	for (size_t i = 0; i < ARRAY_SIZE(invalid); i++) {
		EXPECT_EQ(-1, set_capacity(self->ends.w, invalid[i]))
		{
			TH_LOG("%lu", invalid[i]);
		}
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(self->capacity, capacity_of(self->ends.r));
	}
	EXPECT_EQ(10, drain_pipe(_metadata, self->ends.r));
}

TEST_F(pipe, capacity_below_bytes_held_gives_ebusy)
{
	write_pattern(_metadata, self->ends.w, 300);
	EXPECT_EQ(-1, set_capacity(self->ends.w, 299));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-1, set_capacity(self->ends.w, 1));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(self->capacity, capacity_of(self->ends.r));
	EXPECT_EQ(300, set_capacity(self->ends.w, 300));
	EXPECT_EQ(-1, write(self->ends.w, "x", 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, poll_now(self->ends.w, POLLOUT));
	EXPECT_EQ(300, drain_pipe(_metadata, self->ends.r));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 300));
}

TEST_F(pipe, setting_same_capacity_keeps_bytes)
{
	fill_pipe(_metadata, self->ends.w);
	EXPECT_EQ(self->capacity, set_capacity(self->ends.w, self->capacity));
	EXPECT_EQ(self->capacity, drain_pipe(_metadata, self->ends.r));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, self->capacity));
}

/* Bytes in the ring */

TEST_F(pipe, failed_shrink_of_full_pipe_keeps_bytes)
{
	struct stream stream = { .ends = self->ends };

	for (size_t i = 1; i < ARRAY_SIZE(sizes); i++) {
		size_t size = sizes[i];

		ASSERT_EQ((int)size, set_capacity(self->ends.w, size));
		advance(_metadata, &stream, size, size - 1);
		write_next(_metadata, &stream, size - 1);
		ASSERT_EQ(-1, set_capacity(self->ends.w, size - 1));
		ASSERT_EQ(EBUSY, errno);
		read_next(_metadata, &stream, size);
	}
}

TEST_F(pipe, resize_from_1_byte_to_1_mib_and_back_keeps_bytes)
{
	struct stream stream = { .ends = self->ends };

	ASSERT_EQ(1, set_capacity(self->ends.w, 1));
	write_next(_metadata, &stream, 1);
	expect_full(_metadata, &stream);
	for (size_t size = 2; size <= LARGEST; size *= 2) {
		ASSERT_EQ((int)size, set_capacity(self->ends.w, size));
		write_next(_metadata, &stream, size / 2);
		expect_full(_metadata, &stream);
	}
	for (size_t size = LARGEST / 2; size > 0; size /= 2) {
		ASSERT_EQ(-1, set_capacity(self->ends.w, size));
		ASSERT_EQ(EBUSY, errno);
		read_next(_metadata, &stream, size);
		ASSERT_EQ((int)size, set_capacity(self->ends.w, size));
		expect_full(_metadata, &stream);
	}
	read_next(_metadata, &stream, 1);
}

TEST_F(pipe, shrinking_frees_memory)
{
	ssize_t before;

	ASSERT_EQ(1, set_capacity(self->ends.w, 1));
	before = free_memory();
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(LARGEST, set_capacity(self->ends.w, LARGEST));
		ASSERT_EQ(LARGEST, write(self->ends.w, big_buffer(), LARGEST));
		read_exactly(_metadata, self->ends.r, LARGEST - 1);
		ASSERT_EQ(1, set_capacity(self->ends.w, 1));
		read_exactly(_metadata, self->ends.r, 1);
	}
	EXPECT_TRUE(is_free_again(before));
}

/* Sleeping readers, writers and pollers */

TEST_F(pipe, growing_by_1_byte_wakes_writer)
{
	struct child writer;

	fill_pipe(_metadata, self->ends.w);
	writer = start_writing(_metadata, self->ends.w, 0, 'w', 1);
	ASSERT_EQ(self->capacity + 1, set_capacity(self->ends.r, self->capacity + 1));
	EXPECT_EQ(1, result_of(_metadata, &writer).ret);
	EXPECT_EQ(self->capacity + 1, drain_pipe(_metadata, self->ends.r));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, self->capacity));
	EXPECT_EQ('w', big_buffer()[self->capacity]);
}

TEST_F(pipe, growing_leaves_writer_asleep_if_its_write_does_not_fit)
{
	struct child writer;

	fill_pipe(_metadata, self->ends.w);
	writer = start_writing(_metadata, self->ends.w, 0, 'w', PIPE_BUF);
	ASSERT_EQ(self->capacity + PIPE_BUF - 1,
		  set_capacity(self->ends.r, self->capacity + PIPE_BUF - 1));
	ASSERT_ASLEEP_IN(write, &writer);
	EXPECT_EQ(self->capacity, bytes_in(self->ends.r));
	ASSERT_EQ(self->capacity + PIPE_BUF,
		  set_capacity(self->ends.r, self->capacity + PIPE_BUF));
	EXPECT_EQ(PIPE_BUF, result_of(_metadata, &writer).ret);
}

/* The first writer in the queue needs more room than there is, and must not block the others. */
TEST_F(pipe, growing_wakes_all_writers_whose_writes_fit)
{
	struct child writers[8], large;

	fill_pipe(_metadata, self->ends.w);
	large = start_writing(_metadata, self->ends.w, 0, 'l', PIPE_BUF);
	for (int i = 0; i < 8; i++)
		writers[i] = start_writing(_metadata, self->ends.w, 0, 'a' + i, 10);
	ASSERT_EQ(self->capacity + 80, set_capacity(self->ends.r, self->capacity + 80));
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(10, result_of(_metadata, &writers[i]).ret);
	ASSERT_ASLEEP_IN(write, &large);
}

TEST_F(pipe, growing_lets_large_write_continue)
{
	struct child writer = start_writing(_metadata, self->ends.w, 0, 'w', self->capacity + 100);

	ASSERT_EQ(self->capacity + 99, set_capacity(self->ends.r, self->capacity + 99));
	ASSERT_ASLEEP_IN(write, &writer);
	EXPECT_EQ(self->capacity + 99, bytes_in(self->ends.r));
	ASSERT_EQ(self->capacity + 100, set_capacity(self->ends.r, self->capacity + 100));
	EXPECT_EQ(self->capacity + 100, result_of(_metadata, &writer).ret);
}

TEST_F(pipe, growing_wakes_poller)
{
	struct child poller;

	fill_pipe(_metadata, self->ends.w);
	poller = start_polling(_metadata, self->ends.w, POLLOUT);
	ASSERT_EQ(self->capacity + PIPE_BUF - 1,
		  set_capacity(self->ends.r, self->capacity + PIPE_BUF - 1));
	ASSERT_ASLEEP_IN(ppoll, &poller);
	ASSERT_EQ(self->capacity + PIPE_BUF,
		  set_capacity(self->ends.r, self->capacity + PIPE_BUF));
	EXPECT_EQ(POLLOUT, result_of(_metadata, &poller).ret);
}

/* The shrunk pipe cannot hold this atomic write whole, so its bytes come in parts. */
TEST_F(pipe, write_larger_than_shrunk_pipe_is_written_in_parts)
{
	struct child writer;

	ASSERT_EQ(PIPE_BUF, set_capacity(self->ends.w, PIPE_BUF));
	write_pattern(_metadata, self->ends.w, 1);
	writer = start_writing(_metadata, self->ends.w, 0, 'w', PIPE_BUF);
	ASSERT_EQ(100, set_capacity(self->ends.r, 100));
	for (ssize_t left = PIPE_BUF + 1; left > 0;) {
		ssize_t n;

		await(_metadata, self->ends.r, POLLIN);
		n = read(self->ends.r, big_buffer(), left);
		ASSERT_LT(0, n);
		left -= n;
	}
	EXPECT_EQ(PIPE_BUF, result_of(_metadata, &writer).ret);
	EXPECT_EQ(0, bytes_in(self->ends.r));
}

/* With a capacity of PIPE_BUF or more, a writer would sleep until PIPE_BUF bytes are free. */
TEST_F(pipe, shrunk_pipe_wakes_writer_for_1_byte_of_room)
{
	struct child writer;

	write_pattern(_metadata, self->ends.w, 100);
	ASSERT_EQ(100, set_capacity(self->ends.w, 100));
	writer = start_writing(_metadata, self->ends.w, 0, 'w', 1);
	read_exactly(_metadata, self->ends.r, 1);
	EXPECT_EQ(1, result_of(_metadata, &writer).ret);
}

TEST_F(pipe, shrunk_pipe_wakes_sleeping_writer_for_1_byte_of_room)
{
	struct child writer;

	ASSERT_EQ(PIPE_BUF, set_capacity(self->ends.w, PIPE_BUF));
	write_pattern(_metadata, self->ends.w, 100);
	writer = start_writing(_metadata, self->ends.w, 0, 'w', PIPE_BUF);
	ASSERT_EQ(100, set_capacity(self->ends.w, 100));
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, self->ends.r, 1);
	ASSERT_ASLEEP_IN(write, &writer);
	EXPECT_EQ(100, bytes_in(self->ends.r));
}

TEST_F(pipe, grown_pipe_wakes_writer_for_pipe_buf_bytes_of_room)
{
	struct child writer;

	ASSERT_EQ(1, set_capacity(self->ends.w, 1));
	ASSERT_EQ(self->capacity, set_capacity(self->ends.w, self->capacity));
	fill_pipe(_metadata, self->ends.w);
	writer = start_writing(_metadata, self->ends.w, 0, 'w', PIPE_BUF);
	EXPECT_EQ(0, poll_now(self->ends.w, POLLOUT));
	read_exactly(_metadata, self->ends.r, PIPE_BUF - 1);
	EXPECT_EQ(0, poll_now(self->ends.w, POLLOUT));
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, self->ends.r, 1);
	EXPECT_EQ(PIPE_BUF, result_of(_metadata, &writer).ret);
}

TEST_F(pipe, resize_leaves_reader_asleep)
{
	struct child reader = start_reading(_metadata, self->ends.r, 10);
	struct result result;

	ASSERT_EQ(LARGEST, set_capacity(self->ends.w, LARGEST));
	ASSERT_ASLEEP_IN(read, &reader);
	ASSERT_EQ(1, set_capacity(self->ends.w, 1));
	ASSERT_ASLEEP_IN(read, &reader);
	ASSERT_EQ(1, write(self->ends.w, "x", 1));
	result = result_of(_metadata, &reader);
	EXPECT_EQ(1, result.ret);
	EXPECT_EQ('x', result.first);
}

/* Resizes while others read and write */

#define TRAFFIC (4 << 20)
#define LARGE_TRAFFIC (24 << 20)
#define PEERS 3

struct stream_job {
	struct ends ends;
	ssize_t traffic;
	ssize_t largest;	/* write; the largest read: 1998 bytes less */
	atomic_int *resized;	/* shared: [0] resizes that succeeded, [1] EBUSY */
	int id;
};

/* Opens `end` once more, and closes what else was inherited. */
static int open_only(int report_to, const struct ends *ends, int end)
{
	int fd = open_own(end == O_RDONLY ? ends->r : ends->w, end, 0);

	keep_only(report_to, fd, fd);
	return fd;
}

static void write_stream(int report_to, const void *arg)
{
	const struct stream_job *job = arg;
	int fd = open_only(report_to, &job->ends, O_WRONLY);
	ssize_t n, done = 0;

	do {
		n = write(fd, pattern(done),
			  smaller(1 + done % job->largest, job->traffic - done));
		done += n > 0 ? n : 0;
	} while (n > 0 && done < job->traffic);
	report(report_to, done);
}

static void read_stream(int report_to, const void *arg)
{
	const struct stream_job *job = arg;
	int fd = open_only(report_to, &job->ends, O_RDONLY);
	ssize_t n, done = 0;

	do {
		n = read(fd, big_buffer(), 1 + done % (job->largest - 1998));
		if (n > 0 && memcmp(big_buffer(), pattern(done), n))
			break;
		done += n > 0 ? n : 0;
	} while (n > 0 && done < job->traffic);
	report(report_to, done);
}

/*
 * Sets small capacities as often as large ones. Opens the reading end: another writer would keep
 * the readers from end of file.
 */
static void resize_endlessly(int report_to, const void *arg)
{
	const struct stream_job *job = arg;
	int fd = open_only(report_to, &job->ends, O_RDONLY);
	unsigned int random = job->id;

	for (;;) {
		unsigned int size;

		random = random * 1664525 + 1013904223;
		size = 1 + (random >> 8) % (2 << (random >> 28));
		if (set_capacity(fd, size) == (int)size)
			job->resized[0]++;
		else if (errno == EBUSY)
			job->resized[1]++;
		else
			_exit(KSFT_FAIL);
	}
}

/* Starts two processes, whose resizes also meet each other. */
static atomic_int *start_resizing(struct __test_metadata *_metadata, const struct ends *ends,
				  struct child *children)
{
	struct stream_job job = { .ends = *ends };

	job.resized = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, job.resized);
	for (job.id = 0; job.id < 2; job.id++)
		children[job.id] = start_forked(_metadata, resize_endlessly, &job);
	return job.resized;
}

static void end_resizing(struct __test_metadata *_metadata, const struct child *children,
			 const atomic_int *resized)
{
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, waitpid(children[i].pid, NULL, WNOHANG));
		kill_child(_metadata, &children[i]);
	}
	EXPECT_LT(0, resized[0]);
	EXPECT_LT(0, resized[1]);
}

TEST_F(pipe, stream_stays_in_order_during_resizes)
{
	struct stream_job job = { .ends = self->ends, .traffic = TRAFFIC, .largest = 8999 };
	struct child resizers[2], writer, reader;
	atomic_int *resized;

	pattern(0);
	resized = start_resizing(_metadata, &self->ends, resizers);
	reader = start_forked(_metadata, read_stream, &job);
	writer = start_forked(_metadata, write_stream, &job);
	EXPECT_EQ(TRAFFIC, result_of(_metadata, &writer).ret);
	EXPECT_EQ(TRAFFIC, result_of(_metadata, &reader).ret);
	end_resizing(_metadata, resizers, resized);
	EXPECT_EQ(0, bytes_in(self->ends.r));
}

/*
 * Each call is so long that it is copied in chunks while the peer spins. That takes a processor
 * for each of the two. So the test itself resizes, and pauses in between.
 */
TEST_F(pipe, large_reads_and_writes_stay_in_order_during_resizes)
{
	struct stream_job job = {
		.ends = self->ends, .traffic = LARGE_TRAFFIC, .largest = LARGEST,
	};
	static const int capacities[] = { LARGEST, 65536, 300000, 200000, 4096, LARGEST, 100000 };
	struct child writer, reader;
	int resized = 0;

	pattern(0);
	reader = start_forked(_metadata, read_stream, &job);
	writer = start_forked(_metadata, write_stream, &job);
	for (int i = 0; !has_reported_within(&writer, 2); i++) {
		int capacity = capacities[i % ARRAY_SIZE(capacities)];

		if (set_capacity(self->ends.w, capacity) == capacity)
			resized++;
		else
			ASSERT_EQ(EBUSY, errno);
	}
	EXPECT_EQ(LARGE_TRAFFIC, result_of(_metadata, &writer).ret);
	EXPECT_EQ(LARGE_TRAFFIC, result_of(_metadata, &reader).ret);
	EXPECT_LT(0, resized);
	EXPECT_EQ(0, bytes_in(self->ends.r));
}

static void write_letter(int report_to, const void *arg)
{
	const struct stream_job *job = arg;
	int fd = open_only(report_to, &job->ends, O_WRONLY);
	ssize_t n, done = 0;

	memset(big_buffer(), 'a' + job->id, 9000);
	do {
		n = write(fd, big_buffer(), smaller(1 + done % 8999, TRAFFIC / PEERS - done));
		done += n > 0 ? n : 0;
	} while (n > 0 && done < TRAFFIC / PEERS);
	report(report_to, done);
	close(fd);
}

/* Reads until end of file, then reports the count of each letter. */
static void count_letters(int report_to, const void *arg)
{
	const struct stream_job *job = arg;
	int fd = open_only(report_to, &job->ends, O_RDONLY);
	ssize_t n, letters[PEERS] = { 0 };

	do {
		n = read(fd, big_buffer(), 7001);
		for (ssize_t i = 0; i < n; i++)
			letters[(big_buffer()[i] - 'a') % PEERS]++;
	} while (n > 0);
	for (int i = 0; i < PEERS; i++)
		report(report_to, letters[i]);
}

TEST_F(pipe, several_readers_get_every_byte_exactly_once_during_resizes)
{
	struct child resizers[2], writers[PEERS], readers[PEERS];
	struct stream_job job = { .ends = self->ends };
	ssize_t letters[PEERS] = { 0 };
	atomic_int *resized;

	resized = start_resizing(_metadata, &self->ends, resizers);
	for (job.id = 0; job.id < PEERS; job.id++) {
		readers[job.id] = start_forked(_metadata, count_letters, &job);
		writers[job.id] = start_forked(_metadata, write_letter, &job);
	}
	for (int i = 0; i < PEERS; i++)
		EXPECT_EQ(TRAFFIC / PEERS, result_of(_metadata, &writers[i]).ret);
	close(self->ends.w);
	for (int i = 0; i < PEERS * PEERS; i++)
		letters[i % PEERS] += result_of(_metadata, &readers[i / PEERS]).ret;
	for (int i = 0; i < PEERS; i++)
		EXPECT_EQ(TRAFFIC / PEERS, letters[i]);
	end_resizing(_metadata, resizers, resized);
}

/* Tests of the device alone, whose pipe stays when all its files are closed. */
FIXTURE(device)
{
	int fd;			/* opened for ioctl alone */
	int capacity;
};

FIXTURE_SETUP(device)
{
	self->capacity = set_up_pipe(_metadata);
	self->fd = open_for_ioctl(_metadata);
}

FIXTURE_TEARDOWN(device)
{
	restore_device(_metadata, self->fd, self->capacity);
}

TEST_F(device, capacity_survives_last_close)
{
	ASSERT_EQ(128, set_capacity(self->fd, 128));
	close(self->fd);
	self->fd = open_for_ioctl(_metadata);
	EXPECT_EQ(128, capacity_of(self->fd));
	EXPECT_EQ(128, measure_capacity(_metadata));
}

TEST_F(device, resize_keeps_bytes_when_both_ends_are_closed)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	int reader;

	write_pattern(_metadata, writer, 300);
	close(writer);
	EXPECT_EQ(300, bytes_in(self->fd));
	ASSERT_EQ(LARGEST, set_capacity(self->fd, LARGEST));
	ASSERT_EQ(300, set_capacity(self->fd, 300));
	reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(300, drain_pipe(_metadata, reader));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 300));
}

static void resize_filled(struct __test_metadata *_metadata, struct stream *stream, size_t from,
			  size_t to, size_t distance, size_t held)
{
	ASSERT_EQ((int)from, set_capacity(stream->ends.w, from));
	advance(_metadata, stream, from, from > 1 ? distance : 0);
	write_next(_metadata, stream, held - 1);
	ASSERT_EQ((int)to, set_capacity(stream->ends.w, to))
	{
		TH_LOG("%zu to %zu with %zu bytes from %zu on", from, to, held, distance);
	}
	ASSERT_EQ((int)held, bytes_in(stream->ends.r));
	write_next(_metadata, stream, to - held);
	expect_full(_metadata, stream);
	read_next(_metadata, stream, to);
	ASSERT_EQ(0, bytes_in(stream->ends.r));
}

TEST_F(device, resize_between_any_two_capacities_keeps_bytes_in_order)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stream stream = { .ends = { fd, fd } };

	for (size_t i = 0; i < ARRAY_SIZE(sizes) * ARRAY_SIZE(sizes); i++) {
		size_t from = sizes[i / ARRAY_SIZE(sizes)], to = sizes[i % ARRAY_SIZE(sizes)];
		size_t fits = smaller(from, to);
		size_t distances[] = { 0, 1, 4095, 4097, from - 1, 2 * from - 1 };

		for (size_t j = 0; j < ARRAY_SIZE(distances); j++) {
			resize_filled(_metadata, &stream, from, to, distances[j], 1);
			resize_filled(_metadata, &stream, from, to, distances[j], (fits + 1) / 2);
			resize_filled(_metadata, &stream, from, to, distances[j], fits);
		}
	}
}

/* If it opened an end, the reader would have had a writer, and would get end of file. */
TEST_F(device, ioctl_only_file_opens_no_end)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int fd = open_for_ioctl(_metadata);

	EXPECT_EQ(0, bytes_in(fd));
	EXPECT_EQ(self->capacity, set_capacity(fd, self->capacity));
	close(fd);
	EXPECT_EQ(-1, read(reader, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_HARNESS_MAIN
