// SPDX-License-Identifier: GPL-2.0
/* Who waits for whom, and that whoever waits is woken. */
#include "pipe_fixture.h"

#define HAND_OVERS 200

TEST_F(pipe, a_reader_waits_for_a_byte_and_gets_it)
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

TEST_F(pipe, a_read_takes_what_there_is_rather_than_wait_for_more)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child reader;

	ASSERT_EQ(1, write(writer, "x", 1));
	reader = start_reader(_metadata, 100);
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
}

TEST_F(pipe, a_read_leaves_what_it_did_not_ask_for)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	unsigned char buf[8];

	ASSERT_EQ(5, write(fd, "abcde", 5));
	ASSERT_EQ(2, read(fd, buf, 2));
	EXPECT_EQ(0, memcmp(buf, "ab", 2));
	ASSERT_EQ(3, read(fd, buf, sizeof(buf)));
	EXPECT_EQ(0, memcmp(buf, "cde", 3));
}

TEST_F(pipe, a_write_into_room_does_not_wait_for_a_reader)
{
	struct child writer;

	open_pipe(_metadata, O_RDONLY);
	writer = start_writer(_metadata, self->capacity, 'w');
	EXPECT_EQ(self->capacity, result_of(_metadata, &writer).ret);
}

TEST_F(pipe, a_writer_waits_while_the_pipe_is_full)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer;

	ASSERT_EQ(self->capacity, fill_pipe(_metadata, fd));
	writer = start_writer(_metadata, 1, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	take(_metadata, fd, self->capacity);
	EXPECT_TRUE(is_pattern(big_buffer(), 0, self->capacity));
	EXPECT_EQ(1, result_of(_metadata, &writer).ret);
	take(_metadata, fd, 1);
	EXPECT_EQ('w', big_buffer()[0]);
}

TEST_F(pipe, a_sleeping_writer_goes_on_once_there_is_room_for_pipe_buf)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer;

	if (!holds(_metadata, self->capacity, PIPE_BUF))
		return;
	fill_pipe(_metadata, fd);
	writer = start_writer(_metadata, 64, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	take(_metadata, fd, PIPE_BUF - 1);
	ASSERT_ASLEEP_IN(write, &writer);
	take(_metadata, fd, 1);
	EXPECT_EQ(64, result_of(_metadata, &writer).ret);
}

TEST_F(pipe, a_write_larger_than_the_pipe_goes_on_as_bytes_are_taken)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	ssize_t len = 2 * self->capacity > BIG ? BIG : 2 * self->capacity;
	struct job job = { .len = len };
	struct child writer = start_child(_metadata, write_once, &job);
	ssize_t half = smaller(len, self->capacity);

	ASSERT_ASLEEP_IN(write, &writer);
	take(_metadata, reader, half);
	EXPECT_TRUE(is_pattern(big_buffer(), 0, half));
	EXPECT_EQ(len, result_of(_metadata, &writer).ret);
	EXPECT_EQ(len - half, drain_pipe(_metadata, reader));
	EXPECT_TRUE(is_pattern(big_buffer(), half, len - half));
}

TEST_F(pipe, a_write_larger_than_the_room_puts_in_what_fits_and_waits)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct job job = { .len = self->capacity + 1 };
	struct child writer = start_child(_metadata, write_once, &job);

	ASSERT_ASLEEP_IN(write, &writer);
	take(_metadata, reader, self->capacity);
	EXPECT_TRUE(is_pattern(big_buffer(), 0, self->capacity));
}

/* One write wakes one reader, who must wake the next, or the rest sleep on beside their bytes. */
static void one_write_serves_readers(struct __test_metadata *_metadata, int count)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child readers[8];

	queue_readers(_metadata, readers, count);
	ASSERT_EQ(count, write(writer, "12345678", count));
	for (int i = 0; i < count; i++)
		EXPECT_EQ(1, result_of(_metadata, &readers[i]).ret);
}

TEST_F(pipe, two_sleeping_readers_share_a_write_of_two_bytes)
{
	one_write_serves_readers(_metadata, 2);
}

TEST_F(pipe, eight_sleeping_readers_share_a_write_of_eight_bytes)
{
	one_write_serves_readers(_metadata, 8);
}

TEST_F(pipe, one_byte_goes_to_one_of_three_sleeping_readers)
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

TEST_F(pipe, one_read_lets_four_sleeping_writers_in)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writers[4];

	if (!holds(_metadata, self->capacity, 4 * PIPE_BUF))
		return;
	fill_pipe(_metadata, fd);
	queue_writers(_metadata, writers, 4, PIPE_BUF);
	take(_metadata, fd, 4 * PIPE_BUF);
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(PIPE_BUF, result_of(_metadata, &writers[i]).ret);
}

TEST_F(pipe, a_read_for_one_writer_leaves_the_others_waiting)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writers[2];
	ssize_t len = atomic_len(self->capacity);

	fill_pipe(_metadata, fd);
	queue_writers(_metadata, writers, 2, len);
	take(_metadata, fd, len);
	EXPECT_EQ(len, result_of(_metadata, &writers[0]).ret);
	ASSERT_ASLEEP_IN(write, &writers[1]);
	take(_metadata, fd, len);
	EXPECT_EQ(len, result_of(_metadata, &writers[1]).ret);
}

/* It sleeps until PIPE_BUF bytes fit; others that write meanwhile do not pass it for ever. */
TEST_F(pipe, a_write_that_leaves_room_lets_a_sleeping_writer_in)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer;

	if (!holds(_metadata, self->capacity, PIPE_BUF))
		return;
	fill_pipe(_metadata, fd);
	queue_writers(_metadata, &writer, 1, 1);
	take(_metadata, fd, PIPE_BUF - 1);
	ASSERT_ASLEEP_IN(write, &writer);
	ASSERT_EQ(1, write(fd, "x", 1));
	EXPECT_EQ(1, result_of(_metadata, &writer).ret);
}

/* The first leaves less room than PIPE_BUF, which is enough for the second. */
TEST_F(pipe, a_small_writer_behind_a_large_one_gets_in_after_it)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writers[2];

	if (!holds(_metadata, self->capacity, 2 * PIPE_BUF))
		return;
	fill_pipe(_metadata, fd);
	queue_writers(_metadata, &writers[0], 1, PIPE_BUF);
	queue_writers(_metadata, &writers[1], 1, 64);
	take(_metadata, fd, 2 * PIPE_BUF);
	EXPECT_EQ(PIPE_BUF, result_of(_metadata, &writers[0]).ret);
	EXPECT_EQ(64, result_of(_metadata, &writers[1]).ret);
}

struct hand_over {
	ssize_t len;
	int go;			/* an end of a real pipe, from reader to writer */
};

static void write_when_told(int report_to, const void *arg)
{
	const struct hand_over *with = arg;
	int fd = open(MINI_PIPE, O_WRONLY);
	int count = 0;
	char token;

	while (count < HAND_OVERS && read(with->go, &token, 1) == 1 && write(fd, "x", 1) == 1)
		count++;
	report(report_to, count);
}

static void ask_and_read(int report_to, const void *arg)
{
	const struct hand_over *with = arg;
	int fd = open(MINI_PIPE, O_RDONLY);
	int count = 0;
	char byte;

	while (count < HAND_OVERS && write(with->go, "g", 1) == 1 && read(fd, &byte, 1) == 1)
		count++;
	report(report_to, count);
}

/* The reader asks, then sleeps or not just as the byte comes: a lost wake-up stops them. */
TEST_F(pipe, two_hundred_single_bytes_each_wake_their_reader)
{
	struct hand_over for_writer = {}, for_reader = {};
	struct child writer, reader;
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	for_writer.go = fds[0];
	for_reader.go = fds[1];
	writer = start_heir(_metadata, write_when_told, &for_writer);
	reader = start_heir(_metadata, ask_and_read, &for_reader);
	EXPECT_EQ(HAND_OVERS, result_of(_metadata, &writer).ret);
	EXPECT_EQ(HAND_OVERS, result_of(_metadata, &reader).ret);
}

static void write_many(int report_to, const void *arg)
{
	const struct hand_over *with = arg;
	int fd = open(MINI_PIPE, O_WRONLY);
	ssize_t total = 0;

	for (int i = 0; i < HAND_OVERS; i++)
		total += write(fd, big_buffer(), with->len);
	report(report_to, total);
}

static void read_many(int report_to, const void *arg)
{
	const struct hand_over *with = arg;
	int fd = open(MINI_PIPE, O_RDONLY);
	ssize_t left = HAND_OVERS * with->len;

	while (left > 0) {
		ssize_t n = read(fd, big_buffer(), smaller(with->len, left));

		if (n <= 0)
			break;
		left -= n;
	}
	report(report_to, left);
}

/* The pipe starts full, so the writer needs a wake-up for nearly every write. */
TEST_F(pipe, two_hundred_reads_each_make_room_for_a_write)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct hand_over with = { .len = atomic_len(self->capacity) };
	struct child writer, reader;

	fill_pipe(_metadata, fd);
	writer = start_child(_metadata, write_many, &with);
	ASSERT_ASLEEP_IN(write, &writer);
	reader = start_child(_metadata, read_many, &with);
	EXPECT_EQ(0, result_of(_metadata, &reader).ret);
	EXPECT_EQ(HAND_OVERS * with.len, result_of(_metadata, &writer).ret);
	EXPECT_EQ(self->capacity, drain_pipe(_metadata, fd));
}

TEST_HARNESS_MAIN
