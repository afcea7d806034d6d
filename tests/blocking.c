// SPDX-License-Identifier: GPL-2.0
/* Blocking reads and writes: when they sleep, and what wakes them. */
#include "device_fixture.h"

#define TRANSFERS 200

TEST_F(pipe, read_from_empty_pipe_blocks_until_write)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child reader = start_reader(_metadata, 100);
	struct result result;

	ASSERT_ASLEEP_IN(read, &reader);
	ASSERT_EQ(1, write(writer, "x", 1));
	result = result_of(_metadata, &reader);
	EXPECT_EQ(1, result.ret);
	EXPECT_EQ('x', result.first);
}

TEST_F(pipe, read_returns_what_is_there_without_blocking)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child reader;

	ASSERT_EQ(1, write(writer, "x", 1));
	reader = start_reader(_metadata, 100);
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
}

TEST_F(pipe, short_read_leaves_remaining_bytes)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	unsigned char buf[8];

	ASSERT_EQ(5, write(fd, "abcde", 5));
	ASSERT_EQ(2, read(fd, buf, 2));
	EXPECT_EQ(0, memcmp(buf, "ab", 2));
	ASSERT_EQ(3, read(fd, buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf, "cde", 3));
}

TEST_F(pipe, write_that_fits_does_not_block)
{
	struct child writer;

	open_pipe(_metadata, O_RDONLY);
	writer = start_writer(_metadata, self->capacity, 'w');
	EXPECT_EQ(self->capacity, result_of(_metadata, &writer).ret);
}

TEST_F(pipe, write_to_full_pipe_blocks_until_read)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer;

	ASSERT_EQ(self->capacity, fill_pipe(_metadata, fd));
	writer = start_writer(_metadata, 1, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, fd, self->capacity);
	EXPECT_TRUE(is_pattern(big_buffer(), 0, self->capacity));
	EXPECT_EQ(1, result_of(_metadata, &writer).ret);
	read_exactly(_metadata, fd, 1);
	EXPECT_EQ('w', big_buffer()[0]);
}

TEST_F(pipe, sleeping_writer_is_woken_when_pipe_buf_bytes_are_free)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer;

	if (!has_capacity(_metadata, self->capacity, PIPE_BUF))
		return;
	fill_pipe(_metadata, fd);
	writer = start_writer(_metadata, 64, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, fd, PIPE_BUF - 1);
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, fd, 1);
	EXPECT_EQ(64, result_of(_metadata, &writer).ret);
}

TEST_F(pipe, write_larger_than_pipe_continues_as_bytes_are_read)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	ssize_t len = 2 * self->capacity > BIG ? BIG : 2 * self->capacity;
	struct job job = { .len = len };
	struct child writer = start_child(_metadata, write_once, &job);
	ssize_t half = smaller(len, self->capacity);

	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, reader, half);
	EXPECT_TRUE(is_pattern(big_buffer(), 0, half));
	EXPECT_EQ(len, result_of(_metadata, &writer).ret);
	EXPECT_EQ(len - half, drain_pipe(_metadata, reader));
	EXPECT_TRUE(is_pattern(big_buffer(), half, len - half));
}

TEST_F(pipe, large_write_writes_what_fits_and_blocks)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct job job = { .len = self->capacity + 1 };
	struct child writer = start_child(_metadata, write_once, &job);

	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, reader, self->capacity);
	EXPECT_TRUE(is_pattern(big_buffer(), 0, self->capacity));
}

/* A write wakes one reader. If bytes remain, that reader wakes the next one. */
static void expect_write_serves_readers(struct __test_metadata *_metadata, int count)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child readers[8];

	queue_readers(_metadata, readers, count);
	ASSERT_EQ(count, write(writer, "12345678", count));
	for (int i = 0; i < count; i++)
		EXPECT_EQ(1, result_of(_metadata, &readers[i]).ret);
}

TEST_F(pipe, write_of_2_bytes_wakes_2_readers)
{
	expect_write_serves_readers(_metadata, 2);
}

TEST_F(pipe, write_of_8_bytes_wakes_8_readers)
{
	expect_write_serves_readers(_metadata, 8);
}

TEST_F(pipe, write_of_1_byte_serves_1_of_3_readers)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child readers[3];
	int served = 0;

	queue_readers(_metadata, readers, 3);
	ASSERT_EQ(1, write(writer, "1", 1));
	for (int i = 0; i < 3; i++)
		served += !falls_asleep_in(&readers[i], __NR_read);
	ASSERT_EQ(1, served);
	ASSERT_EQ(2, write(writer, "23", 2));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(1, result_of(_metadata, &readers[i]).ret);
}

TEST_F(pipe, large_read_lets_4_writers_complete)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writers[4];

	if (!has_capacity(_metadata, self->capacity, 4 * PIPE_BUF))
		return;
	fill_pipe(_metadata, fd);
	queue_writers(_metadata, writers, 4, PIPE_BUF);
	read_exactly(_metadata, fd, 4 * PIPE_BUF);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(PIPE_BUF, result_of(_metadata, &writers[i]).ret);
}

TEST_F(pipe, room_for_one_write_leaves_second_writer_asleep)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writers[2];
	ssize_t len = atomic_len(self->capacity);

	fill_pipe(_metadata, fd);
	queue_writers(_metadata, writers, 2, len);
	read_exactly(_metadata, fd, len);
	EXPECT_EQ(len, result_of(_metadata, &writers[0]).ret);
	ASSERT_ASLEEP_IN(write, &writers[1]);
	read_exactly(_metadata, fd, len);
	EXPECT_EQ(len, result_of(_metadata, &writers[1]).ret);
}

/*
 * A writer sleeps until PIPE_BUF bytes are free. Another write that fits, and leaves room, wakes
 * it, too: small writes must not starve it.
 */
TEST_F(pipe, write_that_leaves_room_wakes_sleeping_writer)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer;

	if (!has_capacity(_metadata, self->capacity, PIPE_BUF))
		return;
	fill_pipe(_metadata, fd);
	queue_writers(_metadata, &writer, 1, 1);
	read_exactly(_metadata, fd, PIPE_BUF - 1);
	ASSERT_ASLEEP_IN(write, &writer);
	ASSERT_EQ(1, write(fd, "x", 1));
	EXPECT_EQ(1, result_of(_metadata, &writer).ret);
}

/* The first write leaves room, so it wakes the second writer. */
TEST_F(pipe, small_write_queued_behind_large_one_completes)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writers[2];

	if (!has_capacity(_metadata, self->capacity, 2 * PIPE_BUF))
		return;
	fill_pipe(_metadata, fd);
	queue_writers(_metadata, &writers[0], 1, PIPE_BUF);
	queue_writers(_metadata, &writers[1], 1, 64);
	read_exactly(_metadata, fd, 2 * PIPE_BUF);
	EXPECT_EQ(PIPE_BUF, result_of(_metadata, &writers[0]).ret);
	EXPECT_EQ(64, result_of(_metadata, &writers[1]).ret);
}

struct transfer_job {
	ssize_t len;
	int requests;		/* an end of a pipe(2) from reader to writer */
};

static void write_on_request(int report_to, const void *arg)
{
	const struct transfer_job *job = arg;
	int fd = open(MINI_PIPE, O_WRONLY);
	int count = 0;
	char token;

	while (count < TRANSFERS && read(job->requests, &token, 1) == 1 && write(fd, "x", 1) == 1)
		count++;
	report(report_to, count);
}

static void request_and_read(int report_to, const void *arg)
{
	const struct transfer_job *job = arg;
	int fd = open(MINI_PIPE, O_RDONLY);
	int count = 0;
	char byte;

	while (count < TRANSFERS && write(job->requests, "g", 1) == 1 && read(fd, &byte, 1) == 1)
		count++;
	report(report_to, count);
}

/* Each byte arrives at about the time when the reader falls asleep: a lost wake-up stops both. */
TEST_F(pipe, each_of_200_writes_reaches_its_reader)
{
	struct transfer_job for_writer = {}, for_reader = {};
	struct child writer, reader;
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	for_writer.requests = fds[0];
	for_reader.requests = fds[1];
	writer = start_forked(_metadata, write_on_request, &for_writer);
	reader = start_forked(_metadata, request_and_read, &for_reader);
	EXPECT_EQ(TRANSFERS, result_of(_metadata, &writer).ret);
	EXPECT_EQ(TRANSFERS, result_of(_metadata, &reader).ret);
}

static void write_many(int report_to, const void *arg)
{
	const struct transfer_job *job = arg;
	int fd = open(MINI_PIPE, O_WRONLY);
	ssize_t total = 0;

	for (int i = 0; i < TRANSFERS; i++)
		total += write(fd, big_buffer(), job->len);
	report(report_to, total);
}

static void read_many(int report_to, const void *arg)
{
	const struct transfer_job *job = arg;
	int fd = open(MINI_PIPE, O_RDONLY);
	ssize_t left = TRANSFERS * job->len;

	while (left > 0) {
		ssize_t n = read(fd, big_buffer(), smaller(job->len, left));

		if (n <= 0)
			break;
		left -= n;
	}
	report(report_to, left);
}

/* The pipe starts full, so the writer sleeps, and needs wake-ups to go on. */
TEST_F(pipe, each_of_200_reads_lets_writer_continue)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct transfer_job job = { .len = atomic_len(self->capacity) };
	struct child writer, reader;

	fill_pipe(_metadata, fd);
	writer = start_child(_metadata, write_many, &job);
	ASSERT_ASLEEP_IN(write, &writer);
	reader = start_child(_metadata, read_many, &job);
	EXPECT_EQ(0, result_of(_metadata, &reader).ret);
	EXPECT_EQ(TRANSFERS * job.len, result_of(_metadata, &writer).ret);
	EXPECT_EQ(self->capacity, drain_pipe(_metadata, fd));
}

TEST_HARNESS_MAIN
