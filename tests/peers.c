// SPDX-License-Identifier: GPL-2.0
/*
 * Which ends are open, and what that means. As long as a file has not seen the other end open, when
 * it was opened or since, its reads of an empty pipe and its writes to a full one sleep. Once it
 * has, and the other end is closed, a read of an empty pipe returns end of file, and a write of at
 * least a byte fails with EPIPE. A reader that finds bytes when it is opened has seen a writer.
 */
#include "device_fixture.h"

TEST_F(pipe, read_blocks_until_writer_opens_and_writes)
{
	struct child reader = start_reader(_metadata, 100);
	struct result result;
	int writer;

	ASSERT_ASLEEP_IN(read, &reader);
	writer = open_pipe(_metadata, O_WRONLY);
	ASSERT_ASLEEP_IN(read, &reader);
	ASSERT_EQ(2, write(writer, "hi", 2));
	result = result_of(_metadata, &reader);
	EXPECT_EQ(2, result.ret);
	EXPECT_EQ('h', result.first);
}

TEST_F(pipe, nonblocking_read_before_first_writer_gives_eagain)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	char byte;

	EXPECT_EQ(-1, read(reader, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(pipe, write_before_first_reader_fills_pipe_and_blocks)
{
	struct child writer = start_writer(_metadata, self->capacity + 1, 'w');
	struct result result;
	int reader;

	ASSERT_ASLEEP_IN(write, &writer);
	reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, reader, self->capacity);
	result = result_of(_metadata, &writer);
	EXPECT_EQ(self->capacity + 1, result.ret);
	EXPECT_EQ(0, result.sigpipes);
	read_exactly(_metadata, reader, 1);
}

TEST_F(pipe, nonblocking_write_before_first_reader_fills_pipe)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);

	EXPECT_EQ(self->capacity, fill_pipe(_metadata, writer));
	EXPECT_EQ(0, sigpipes());
}

TEST_F(pipe, last_writer_close_gives_end_of_file)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	char byte;

	open_once(_metadata, O_WRONLY);
	EXPECT_EQ(0, read(reader, &byte, 1));
	EXPECT_EQ(0, read(reader, &byte, 1));
}

TEST_F(pipe, end_of_file_follows_last_byte)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int writer = open_pipe(_metadata, O_WRONLY);
	char buf[8];

	ASSERT_EQ(3, write(writer, "bye", 3));
	close(writer);
	EXPECT_EQ(2, read(reader, buf, 2));
	EXPECT_EQ(1, read(reader, buf, sizeof(buf)));
	EXPECT_EQ(0, read(reader, buf, sizeof(buf)));
}

TEST_F(pipe, no_end_of_file_while_one_writer_is_open)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int other = open_pipe(_metadata, O_WRONLY);
	char byte;

	open_once(_metadata, O_WRONLY);
	EXPECT_EQ(-1, read(reader, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
	close(other);
	EXPECT_EQ(0, read(reader, &byte, 1));
}

TEST_F(pipe, read_blocks_while_one_of_two_writers_is_open)
{
	int other = open_pipe(_metadata, O_WRONLY);
	int first = open_pipe(_metadata, O_WRONLY);
	struct child reader = start_reader(_metadata, 1);

	ASSERT_ASLEEP_IN(read, &reader);
	close(first);
	ASSERT_ASLEEP_IN(read, &reader);
	close(other);
	EXPECT_EQ(0, result_of(_metadata, &reader).ret);
}

TEST_F(pipe, open_and_close_of_writer_wakes_reader_with_end_of_file)
{
	struct child reader = start_reader(_metadata, 1);

	ASSERT_ASLEEP_IN(read, &reader);
	open_once(_metadata, O_WRONLY);
	EXPECT_EQ(0, result_of(_metadata, &reader).ret);
}

TEST_F(pipe, last_writer_close_wakes_all_readers)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child readers[8];

	queue_readers(_metadata, readers, 8);
	close(writer);
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(0, result_of(_metadata, &readers[i]).ret);
}

TEST_F(pipe, killed_writer_gives_end_of_file)
{
	struct child writer = start_writer(_metadata, 1, 'w');
	struct child reader;

	ASSERT_EQ(1, result_of(_metadata, &writer).ret);
	empty_pipe(_metadata);
	reader = start_reader(_metadata, 1);
	ASSERT_ASLEEP_IN(read, &reader);
	kill_child(_metadata, &writer);
	EXPECT_EQ(0, result_of(_metadata, &reader).ret);
}

TEST_F(pipe, reopened_writer_clears_end_of_file)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int writer;
	char byte;

	open_once(_metadata, O_WRONLY);
	ASSERT_EQ(0, read(reader, &byte, 1));
	writer = open_pipe(_metadata, O_WRONLY);
	EXPECT_EQ(-1, read(reader, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
	close(writer);
	EXPECT_EQ(0, read(reader, &byte, 1));
}

TEST_F(pipe, bytes_stay_after_both_ends_close)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	char buf[8] = "";
	int reader;

	ASSERT_EQ(2, write(writer, "hi", 2));
	close(writer);
	open_once(_metadata, O_RDONLY);
	reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(2, read(reader, buf, sizeof(buf)));
	EXPECT_STREQ("hi", buf);
}

/* echo hi > /dev/mini_pipe; cat /dev/mini_pipe: prints hi and ends. */
TEST_F(pipe, end_of_file_follows_bytes_of_closed_writer)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	char buf[8];
	int reader;

	ASSERT_EQ(2, write(writer, "hi", 2));
	close(writer);
	reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(2, read(reader, buf, sizeof(buf)));
	EXPECT_EQ(0, read(reader, buf, sizeof(buf)));
}

TEST_F(pipe, writer_closed_before_reader_opened_gives_no_end_of_file)
{
	struct child reader;

	open_once(_metadata, O_WRONLY);
	reader = start_reader(_metadata, 1);
	ASSERT_ASLEEP_IN(read, &reader);
}

TEST_F(pipe, only_readers_opened_before_writer_closed_get_end_of_file)
{
	int earlier = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int later;
	char byte;

	open_once(_metadata, O_WRONLY);
	later = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(0, read(earlier, &byte, 1));
	EXPECT_EQ(-1, read(later, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(pipe, last_reader_close_gives_epipe_and_sigpipe)
{
	int writer = open_pipe(_metadata, O_WRONLY);

	open_once(_metadata, O_RDONLY);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, sigpipes());
}

TEST_F(pipe, nonblocking_write_to_full_broken_pipe_gives_epipe)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);

	fill_pipe(_metadata, writer);
	open_once(_metadata, O_RDONLY);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, sigpipes());
}

TEST_F(pipe, no_epipe_while_one_reader_is_open)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	int other = open_pipe(_metadata, O_RDONLY);

	open_once(_metadata, O_RDONLY);
	EXPECT_EQ(1, write(writer, "x", 1));
	close(other);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

TEST_F(pipe, reader_closed_before_writer_opened_gives_no_epipe)
{
	int writer;

	open_once(_metadata, O_RDONLY);
	writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	EXPECT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ(0, sigpipes());
}

TEST_F(pipe, reopened_reader_clears_epipe)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	int reader;

	open_once(_metadata, O_RDONLY);
	ASSERT_EQ(-1, write(writer, "x", 1));
	reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(1, write(writer, "x", 1));
	read_exactly(_metadata, reader, 1);
}

static void write_endlessly(int report_to __maybe_unused, const void *arg)
{
	int fd = open_for(arg, O_WRONLY);

	while (write(fd, "y\n", 2) == 2)
		;
}

/* Like yes > /dev/mini_pipe, when head, which reads it, exits. */
TEST_F(pipe, sigpipe_kills_endless_writer_when_reader_exits)
{
	struct job job = { .sigpipe_kills = true };
	struct child writer = start_child(_metadata, write_endlessly, &job);
	struct child reader = start_reader(_metadata, 10);
	int status;

	ASSERT_LT(0, result_of(_metadata, &reader).ret);
	kill_child(_metadata, &reader);
	status = wait_for_exit(_metadata, &writer);
	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGPIPE, WTERMSIG(status));
}

TEST_F(pipe, last_reader_close_wakes_all_writers)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int filler = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child writers[4];

	fill_pipe(_metadata, filler);
	queue_writers(_metadata, writers, 4, 1);
	close(reader);
	expect_epipe(_metadata, writers, 4);
}

TEST_F(pipe, open_and_close_of_reader_wakes_writer_with_epipe)
{
	int filler = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child writer;
	struct result result;

	fill_pipe(_metadata, filler);
	writer = start_writer(_metadata, 1, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	open_once(_metadata, O_RDONLY);
	result = result_of(_metadata, &writer);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EPIPE, result.err);
	EXPECT_EQ(1, result.sigpipes);
}

static void write_twice(int report_to, const void *arg)
{
	const struct job *job = arg;
	int fd = open_for(job, O_WRONLY);

	report(report_to, write(fd, big_buffer(), job->len));
	report(report_to, write(fd, big_buffer(), 1));
}

TEST_F(pipe, write_returns_partial_count_when_last_reader_closes)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	struct job job = { .len = self->capacity + 1 };
	struct child writer = start_child(_metadata, write_twice, &job);
	struct result result;

	ASSERT_ASLEEP_IN(write, &writer);
	close(reader);
	result = result_of(_metadata, &writer);
	EXPECT_EQ(self->capacity, result.ret);
	EXPECT_EQ(1, result.sigpipes);
	result = result_of(_metadata, &writer);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EPIPE, result.err);
	EXPECT_EQ(2, result.sigpipes);
}

TEST_F(pipe, empty_write_to_broken_pipe_succeeds)
{
	int writer = open_pipe(_metadata, O_WRONLY);

	open_once(_metadata, O_RDONLY);
	EXPECT_EQ(0, write(writer, "", 0));
	EXPECT_EQ(0, sigpipes());
}

TEST_F(pipe, read_write_file_is_its_own_peer)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	char byte = 0;

	open_once(_metadata, O_WRONLY);
	EXPECT_EQ(-1, read(fd, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
	open_once(_metadata, O_RDONLY);
	EXPECT_EQ(1, write(fd, "x", 1));
	EXPECT_EQ(1, read(fd, &byte, 1));
	EXPECT_EQ('x', byte);
}

TEST_F(pipe, read_write_file_counts_as_writer)
{
	int both = open_pipe(_metadata, O_RDWR);
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	char byte;

	EXPECT_EQ(-1, read(reader, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
	close(both);
	EXPECT_EQ(0, read(reader, &byte, 1));
}

TEST_F(pipe, read_write_file_counts_as_reader)
{
	int both = open_pipe(_metadata, O_RDWR);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);

	EXPECT_EQ(1, write(writer, "x", 1));
	close(both);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

TEST_F(pipe, dup_keeps_end_open_until_both_are_closed)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int writer = open_pipe(_metadata, O_WRONLY);
	int duplicate = dup(writer);
	char byte;

	ASSERT_LE(0, duplicate);
	close(writer);
	EXPECT_EQ(-1, read(reader, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
	close(duplicate);
	EXPECT_EQ(0, read(reader, &byte, 1));
}

static void report_and_sleep(int report_to, const void *arg __maybe_unused)
{
	report(report_to, 0);
}

TEST_F(pipe, forked_child_keeps_writing_end_open)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child child = start_forked(_metadata, report_and_sleep, NULL);
	char byte;

	ASSERT_EQ(0, result_of(_metadata, &child).ret);
	close(writer);
	EXPECT_EQ(-1, read(reader, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
	kill_child(_metadata, &child);
	EXPECT_EQ(0, read(reader, &byte, 1));
}

TEST_F(pipe, forked_child_keeps_reading_end_open)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child child = start_forked(_metadata, report_and_sleep, NULL);

	ASSERT_EQ(0, result_of(_metadata, &child).ret);
	close(reader);
	EXPECT_EQ(1, write(writer, "x", 1));
	kill_child(_metadata, &child);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

/* A file with access mode 3 is for ioctl alone, and counts as neither end. */
TEST_F(pipe, ioctl_only_file_is_no_peer)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int ioctl_only = open_pipe(_metadata, O_WRONLY | O_RDWR);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	char byte;

	close(writer);
	EXPECT_EQ(0, read(reader, &byte, 1));
	close(ioctl_only);
	writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	ioctl_only = open_pipe(_metadata, O_WRONLY | O_RDWR);
	close(reader);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	close(ioctl_only);
}

TEST_F(pipe, closing_ioctl_only_file_gives_no_end_of_file)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	char byte;

	open_once(_metadata, O_WRONLY | O_RDWR);
	EXPECT_EQ(-1, read(reader, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_HARNESS_MAIN
