// SPDX-License-Identifier: GPL-2.0
/*
 * How much is in the pipe, how much it can hold, and what changing that does: the bytes stay, in
 * order, and whoever waits for room is told. limits.c has who may, userfault.c copies in progress.
 */
#include "pipes_fixture.h"
#include "stream.h"

/* Below, at and above a page, and what is no whole number of them; 1 holds a byte at a time. */
static const size_t sizes[] = { 1, 3, 4095, 4096, 4097, 5000, 65536, MOST };

/* FIONREAD */

TEST_F(pipe, tells_how_many_bytes_wait)
{
	EXPECT_EQ(0, bytes_in(self->ends.r));
	put_in(_metadata, self->ends.w, 300);
	EXPECT_EQ(300, bytes_in(self->ends.r));
	EXPECT_EQ(300, bytes_in(self->ends.w));
	take(_metadata, self->ends.r, 299);
	EXPECT_EQ(1, bytes_in(self->ends.r));
	fill_pipe(_metadata, self->ends.w);
	EXPECT_EQ(self->capacity, bytes_in(self->ends.r));
	drain_pipe(_metadata, self->ends.r);
	EXPECT_EQ(0, bytes_in(self->ends.r));
}

/* No order of puts and gets, nor where in the ring they are, makes a difference. */
TEST_F(pipe, tells_how_many_bytes_wait_wherever_they_are)
{
	struct stream stream = { .ends = self->ends };

	ASSERT_EQ(5000, set_capacity(self->ends.w, 5000));
	advance(_metadata, &stream, 5000, 8000);
	for (int i = 0; i < 100; i++) {
		put(_metadata, &stream, 40 * i);
		ASSERT_EQ(1 + 40 * i, bytes_in(self->ends.r));
		get(_metadata, &stream, 40 * i + 1);
		ASSERT_EQ(0, bytes_in(self->ends.r));
		put(_metadata, &stream, 1);
	}
}

TEST_F(pipe, tells_a_file_that_is_both_ends)
{
	int both = open_again(self->ends.r, O_RDWR);

	put_in(_metadata, self->ends.w, 3);
	EXPECT_EQ(3, bytes_in(both));
	EXPECT_EQ(self->capacity, capacity_of(both));
	EXPECT_EQ(77, set_capacity(both, 77));
}

/* What it can hold */

TEST_F(pipe, holds_65536_bytes_unless_told_otherwise)
{
	EXPECT_EQ(65536, capacity_of(self->ends.r));
	EXPECT_EQ(65536, capacity_of(self->ends.w));
	EXPECT_EQ(65536, fill_pipe(_metadata, self->ends.w));
}

TEST_F(pipe, holds_what_it_was_told_to_the_byte)
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

TEST_F(pipe, can_be_told_at_either_end)
{
	EXPECT_EQ(1000, set_capacity(self->ends.r, 1000));
	EXPECT_EQ(1000, capacity_of(self->ends.w));
	EXPECT_EQ(2000, set_capacity(self->ends.w, 2000));
	EXPECT_EQ(2000, capacity_of(self->ends.r));
}

static const unsigned long impossible[] = {
	0, (1UL << 30) + 1, INT_MAX, UINT_MAX, 1UL << 32, (1UL << 32) + 4096, -1UL,
};

TEST_F(pipe, cannot_hold_nothing_nor_more_than_a_gibibyte)
{
	put_in(_metadata, self->ends.w, 10);
	for (size_t i = 0; i < ARRAY_SIZE(impossible); i++) {
		EXPECT_EQ(-1, set_capacity(self->ends.w, impossible[i]))
		{
			TH_LOG("%lu", impossible[i]);
		}
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(self->capacity, capacity_of(self->ends.r));
	}
	EXPECT_EQ(10, drain_pipe(_metadata, self->ends.r));
}

TEST_F(pipe, cannot_hold_less_than_what_is_in_it)
{
	put_in(_metadata, self->ends.w, 300);
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

TEST_F(pipe, keeps_its_capacity_when_it_is_set_once_more)
{
	fill_pipe(_metadata, self->ends.w);
	EXPECT_EQ(self->capacity, set_capacity(self->ends.w, self->capacity));
	EXPECT_EQ(self->capacity, drain_pipe(_metadata, self->ends.r));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, self->capacity));
}

/* Bytes in the ring */

TEST_F(pipe, keeps_all_it_is_full_of_when_one_byte_less_is_refused)
{
	struct stream stream = { .ends = self->ends };

	for (size_t i = 1; i < ARRAY_SIZE(sizes); i++) {
		size_t size = sizes[i];

		ASSERT_EQ((int)size, set_capacity(self->ends.w, size));
		advance(_metadata, &stream, size, size - 1);
		put(_metadata, &stream, size - 1);
		ASSERT_EQ(-1, set_capacity(self->ends.w, size - 1));
		ASSERT_EQ(EBUSY, errno);
		get(_metadata, &stream, size);
	}
}

TEST_F(pipe, grows_from_a_byte_to_a_mebibyte_and_back)
{
	struct stream stream = { .ends = self->ends };

	ASSERT_EQ(1, set_capacity(self->ends.w, 1));
	put(_metadata, &stream, 1);
	expect_full(_metadata, &stream);
	for (size_t size = 2; size <= MOST; size *= 2) {
		ASSERT_EQ((int)size, set_capacity(self->ends.w, size));
		put(_metadata, &stream, size / 2);
		expect_full(_metadata, &stream);
	}
	for (size_t size = MOST / 2; size > 0; size /= 2) {
		ASSERT_EQ(-1, set_capacity(self->ends.w, size));
		ASSERT_EQ(EBUSY, errno);
		get(_metadata, &stream, size);
		ASSERT_EQ((int)size, set_capacity(self->ends.w, size));
		expect_full(_metadata, &stream);
	}
	get(_metadata, &stream, 1);
}

TEST_F(pipe, gives_back_the_memory_it_shrinks_by)
{
	ssize_t before;

	ASSERT_EQ(1, set_capacity(self->ends.w, 1));
	before = free_memory();
	for (int i = 0; i < 100; i++) {
		ASSERT_EQ(MOST, set_capacity(self->ends.w, MOST));
		ASSERT_EQ(1, set_capacity(self->ends.w, 1));
	}
	EXPECT_GT(MEMORY_SLACK, before - free_memory());
}

/* Those that wait */

TEST_F(pipe, wakes_a_writer_by_the_byte_it_grows)
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

TEST_F(pipe, leaves_a_writer_asleep_whose_bytes_do_not_fit_yet)
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

/* One of them is in the way of the others: it does not fit. */
TEST_F(pipe, wakes_all_writers_whose_bytes_fit_when_it_grows)
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

TEST_F(pipe, lets_a_large_write_go_on_when_it_grows)
{
	struct child writer = start_writing(_metadata, self->ends.w, 0, 'w', self->capacity + 100);

	ASSERT_EQ(self->capacity + 99, set_capacity(self->ends.r, self->capacity + 99));
	ASSERT_ASLEEP_IN(write, &writer);
	EXPECT_EQ(self->capacity + 99, bytes_in(self->ends.r));
	ASSERT_EQ(self->capacity + 100, set_capacity(self->ends.r, self->capacity + 100));
	EXPECT_EQ(self->capacity + 100, result_of(_metadata, &writer).ret);
}

TEST_F(pipe, wakes_a_sleeping_poll_when_it_grows)
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

/* What it waits for, it would wait for ever for: the pipe can no longer hold it as a whole. */
TEST_F(pipe, takes_a_write_in_pieces_that_it_shrank_under)
{
	struct child writer;

	ASSERT_EQ(PIPE_BUF, set_capacity(self->ends.w, PIPE_BUF));
	put_in(_metadata, self->ends.w, 1);
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

/* In a pipe that can hold PIPE_BUF, a writer sleeps until there is so much room. */
TEST_F(pipe, wakes_a_writer_by_a_byte_of_room_once_it_shrank)
{
	struct child writer;

	put_in(_metadata, self->ends.w, 100);
	ASSERT_EQ(100, set_capacity(self->ends.w, 100));
	writer = start_writing(_metadata, self->ends.w, 0, 'w', 1);
	take(_metadata, self->ends.r, 1);
	EXPECT_EQ(1, result_of(_metadata, &writer).ret);
}

TEST_F(pipe, wakes_a_writer_that_slept_before_it_shrank_by_a_byte_of_room)
{
	struct child writer;

	ASSERT_EQ(PIPE_BUF, set_capacity(self->ends.w, PIPE_BUF));
	put_in(_metadata, self->ends.w, 100);
	writer = start_writing(_metadata, self->ends.w, 0, 'w', PIPE_BUF);
	ASSERT_EQ(100, set_capacity(self->ends.w, 100));
	ASSERT_ASLEEP_IN(write, &writer);
	take(_metadata, self->ends.r, 1);
	ASSERT_ASLEEP_IN(write, &writer);
	EXPECT_EQ(100, bytes_in(self->ends.r));
}

TEST_F(pipe, is_as_patient_as_a_large_one_once_it_grew)
{
	struct child writer;

	ASSERT_EQ(1, set_capacity(self->ends.w, 1));
	ASSERT_EQ(self->capacity, set_capacity(self->ends.w, self->capacity));
	fill_pipe(_metadata, self->ends.w);
	writer = start_writing(_metadata, self->ends.w, 0, 'w', PIPE_BUF);
	EXPECT_EQ(0, poll_now(self->ends.w, POLLOUT));
	take(_metadata, self->ends.r, PIPE_BUF - 1);
	EXPECT_EQ(0, poll_now(self->ends.w, POLLOUT));
	ASSERT_ASLEEP_IN(write, &writer);
	take(_metadata, self->ends.r, 1);
	EXPECT_EQ(PIPE_BUF, result_of(_metadata, &writer).ret);
}

TEST_F(pipe, lets_a_reader_sleep_on_and_serves_it_after)
{
	struct child reader = start_reading(_metadata, self->ends.r, 10);
	struct result result;

	ASSERT_EQ(MOST, set_capacity(self->ends.w, MOST));
	ASSERT_ASLEEP_IN(read, &reader);
	ASSERT_EQ(1, set_capacity(self->ends.w, 1));
	ASSERT_ASLEEP_IN(read, &reader);
	ASSERT_EQ(1, write(self->ends.w, "x", 1));
	result = result_of(_metadata, &reader);
	EXPECT_EQ(1, result.ret);
	EXPECT_EQ('x', result.first);
}

/* Others at work */

#define TRAFFIC (4 << 20)
#define LARGE_TRAFFIC (24 << 20)
#define CROWD 3

struct work {
	struct ends ends;
	ssize_t traffic;
	ssize_t largest;	/* of a call; a read is a little smaller */
	atomic_int *resized;	/* shared: how often it went well, and how often it was EBUSY */
	int id;
};

/* Only at that end, by a file of its own. */
static int sit_down(int report_to, const struct ends *ends, int end)
{
	int fd = open_own(end == O_RDONLY ? ends->r : ends->w, end, 0);

	keep_only(report_to, fd, fd);
	return fd;
}

static void write_the_stream(int report_to, const void *arg)
{
	const struct work *work = arg;
	int fd = sit_down(report_to, &work->ends, O_WRONLY);
	ssize_t n, done = 0;

	do {
		n = write(fd, pattern(done),
			  smaller(1 + done % work->largest, work->traffic - done));
		done += n > 0 ? n : 0;
	} while (n > 0 && done < work->traffic);
	report(report_to, done);
}

static void read_the_stream(int report_to, const void *arg)
{
	const struct work *work = arg;
	int fd = sit_down(report_to, &work->ends, O_RDONLY);
	ssize_t n, done = 0;

	do {
		n = read(fd, big_buffer(), 1 + done % (work->largest - 1998));
		if (n > 0 && memcmp(big_buffer(), pattern(done), n))
			break;
		done += n > 0 ? n : 0;
	} while (n > 0 && done < work->traffic);
	report(report_to, done);
}

/* Small ones as often as large ones. It sits where it is no writer, so that there is an end. */
static void resize_without_end(int report_to, const void *arg)
{
	const struct work *work = arg;
	int fd = sit_down(report_to, &work->ends, O_RDONLY);
	unsigned int random = work->id;

	for (;;) {
		unsigned int size;

		random = random * 1664525 + 1013904223;
		size = 1 + (random >> 8) % (2 << (random >> 28));
		if (set_capacity(fd, size) == (int)size)
			work->resized[0]++;
		else if (errno == EBUSY)
			work->resized[1]++;
		else
			_exit(KSFT_FAIL);
	}
}

/* Two of them, who meet each other, too. */
static atomic_int *start_resizing(struct __test_metadata *_metadata, const struct ends *ends,
				  struct child *children)
{
	struct work work = { .ends = *ends };

	work.resized = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, work.resized);
	for (work.id = 0; work.id < 2; work.id++)
		children[work.id] = start_heir(_metadata, resize_without_end, &work);
	return work.resized;
}

static void end_resizing(struct __test_metadata *_metadata, const struct child *children,
			 const atomic_int *resized)
{
	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(0, waitpid(children[i].pid, NULL, WNOHANG));
		dismiss(_metadata, &children[i]);
	}
	EXPECT_LT(0, resized[0]);
	EXPECT_LT(0, resized[1]);
}

TEST_F(pipe, brings_a_stream_in_order_while_others_resize_it)
{
	struct work work = { .ends = self->ends, .traffic = TRAFFIC, .largest = 8999 };
	struct child resizers[2], writer, reader;
	atomic_int *resized;

	pattern(0);
	resized = start_resizing(_metadata, &self->ends, resizers);
	reader = start_heir(_metadata, read_the_stream, &work);
	writer = start_heir(_metadata, write_the_stream, &work);
	EXPECT_EQ(TRAFFIC, result_of(_metadata, &writer).ret);
	EXPECT_EQ(TRAFFIC, result_of(_metadata, &reader).ret);
	end_resizing(_metadata, resizers, resized);
	EXPECT_EQ(0, bytes_in(self->ends.r));
}

/*
 * Calls that are long enough to hand over their bytes in pieces, while the peer waits awake: only
 * where it has a processor of its own. So what resizes the pipe takes its time.
 */
TEST_F(pipe, brings_a_stream_of_large_calls_in_order_while_it_is_resized)
{
	struct work work = { .ends = self->ends, .traffic = LARGE_TRAFFIC, .largest = MOST };
	static const int capacities[] = { MOST, 65536, 300000, 200000, 4096, MOST, 100000 };
	struct child writer, reader;
	int resized = 0;

	pattern(0);
	reader = start_heir(_metadata, read_the_stream, &work);
	writer = start_heir(_metadata, write_the_stream, &work);
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

static void write_a_letter(int report_to, const void *arg)
{
	const struct work *work = arg;
	int fd = sit_down(report_to, &work->ends, O_WRONLY);
	ssize_t n, done = 0;

	memset(big_buffer(), 'a' + work->id, 9000);
	do {
		n = write(fd, big_buffer(), smaller(1 + done % 8999, TRAFFIC / CROWD - done));
		done += n > 0 ? n : 0;
	} while (n > 0 && done < TRAFFIC / CROWD);
	report(report_to, done);
	close(fd);
}

/* Until the end of file; then how many there were of each letter. */
static void count_the_letters(int report_to, const void *arg)
{
	const struct work *work = arg;
	int fd = sit_down(report_to, &work->ends, O_RDONLY);
	ssize_t n, letters[CROWD] = { 0 };

	do {
		n = read(fd, big_buffer(), 7001);
		for (ssize_t i = 0; i < n; i++)
			letters[(big_buffer()[i] - 'a') % CROWD]++;
	} while (n > 0);
	for (int i = 0; i < CROWD; i++)
		report(report_to, letters[i]);
}

TEST_F(pipe, brings_each_byte_once_to_a_crowd_while_others_resize_it)
{
	struct child resizers[2], writers[CROWD], readers[CROWD];
	struct work work = { .ends = self->ends };
	ssize_t letters[CROWD] = { 0 };
	atomic_int *resized;

	resized = start_resizing(_metadata, &self->ends, resizers);
	for (work.id = 0; work.id < CROWD; work.id++) {
		readers[work.id] = start_heir(_metadata, count_the_letters, &work);
		writers[work.id] = start_heir(_metadata, write_a_letter, &work);
	}
	for (int i = 0; i < CROWD; i++)
		EXPECT_EQ(TRAFFIC / CROWD, result_of(_metadata, &writers[i]).ret);
	close(self->ends.w);
	for (int i = 0; i < CROWD * CROWD; i++)
		letters[i % CROWD] += result_of(_metadata, &readers[i / CROWD]).ret;
	for (int i = 0; i < CROWD; i++)
		EXPECT_EQ(TRAFFIC / CROWD, letters[i]);
	end_resizing(_metadata, resizers, resized);
}

/* The device alone: there is one of it, and it stays. */
FIXTURE(device)
{
	int fd;			/* neither end */
	int capacity;
};

FIXTURE_SETUP(device)
{
	self->capacity = set_the_stage(_metadata);
	self->fd = open_neither(_metadata);
}

FIXTURE_TEARDOWN(device)
{
	restore_the_stage(_metadata, self->fd, self->capacity);
}

TEST_F(device, keeps_its_capacity_when_nobody_has_it_open)
{
	ASSERT_EQ(128, set_capacity(self->fd, 128));
	close(self->fd);
	self->fd = open_neither(_metadata);
	EXPECT_EQ(128, capacity_of(self->fd));
	EXPECT_EQ(128, measure_capacity(_metadata));
}

TEST_F(device, keeps_the_bytes_that_nobody_has_open_when_it_is_resized)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	int reader;

	put_in(_metadata, writer, 300);
	close(writer);
	EXPECT_EQ(300, bytes_in(self->fd));
	ASSERT_EQ(MOST, set_capacity(self->fd, MOST));
	ASSERT_EQ(300, set_capacity(self->fd, 300));
	reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(300, drain_pipe(_metadata, reader));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 300));
}

static void resize_around(struct __test_metadata *_metadata, struct stream *stream, size_t from,
			  size_t to, size_t distance, size_t held)
{
	ASSERT_EQ((int)from, set_capacity(stream->ends.w, from));
	advance(_metadata, stream, from, from > 1 ? distance : 0);
	put(_metadata, stream, held - 1);
	ASSERT_EQ((int)to, set_capacity(stream->ends.w, to))
	{
		TH_LOG("%zu to %zu with %zu bytes from %zu on", from, to, held, distance);
	}
	ASSERT_EQ((int)held, bytes_in(stream->ends.r));
	put(_metadata, stream, to - held);
	expect_full(_metadata, stream);
	get(_metadata, stream, to);
	ASSERT_EQ(0, bytes_in(stream->ends.r));
}

TEST_F(device, keeps_its_bytes_in_order_from_each_capacity_to_each)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stream stream = { .ends = { fd, fd } };

	for (size_t i = 0; i < ARRAY_SIZE(sizes) * ARRAY_SIZE(sizes); i++) {
		size_t from = sizes[i / ARRAY_SIZE(sizes)], to = sizes[i % ARRAY_SIZE(sizes)];
		size_t fits = smaller(from, to);
		size_t distances[] = { 0, 1, 4095, 4097, from - 1, 2 * from - 1 };

		for (size_t j = 0; j < ARRAY_SIZE(distances); j++) {
			resize_around(_metadata, &stream, from, to, distances[j], 1);
			resize_around(_metadata, &stream, from, to, distances[j], (fits + 1) / 2);
			resize_around(_metadata, &stream, from, to, distances[j], fits);
		}
	}
}

/* It needs no peer, and is none: asking is not opening an end. */
TEST_F(device, takes_nobody_who_asks_for_a_peer)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int fd = open_neither(_metadata);

	EXPECT_EQ(0, bytes_in(fd));
	EXPECT_EQ(self->capacity, set_capacity(fd, self->capacity));
	close(fd);
	EXPECT_EQ(-1, read(reader, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_HARNESS_MAIN
