// SPDX-License-Identifier: GPL-2.0
/*
 * Who has the pipe open, and what that means: a peer that has not come yet is waited for, a
 * peer that has left is an end.
 */
#include "pipe_fixture.h"

TEST_F(pipe, a_reader_that_came_first_waits_for_its_writer)
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

TEST_F(pipe, a_reader_that_came_first_is_told_eagain_rather_than_the_end)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	char byte;

	EXPECT_EQ(-1, read(reader, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(pipe, a_writer_that_came_first_fills_the_pipe_and_waits_for_its_reader)
{
	struct child writer = start_writer(_metadata, self->capacity + 1, 'w');
	struct result result;
	int reader;

	ASSERT_ASLEEP_IN(write, &writer);
	reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	ASSERT_ASLEEP_IN(write, &writer);
	take(_metadata, reader, self->capacity);
	result = result_of(_metadata, &writer);
	EXPECT_EQ(self->capacity + 1, result.ret);
	EXPECT_EQ(0, result.sigpipes);
	take(_metadata, reader, 1);
}

TEST_F(pipe, a_writer_that_came_first_is_told_eagain_once_the_pipe_is_full)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);

	EXPECT_EQ(self->capacity, fill_pipe(_metadata, writer));
	EXPECT_EQ(0, sigpipes());
}

TEST_F(pipe, the_last_writer_leaving_is_the_end_of_file)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	char byte;

	touch(_metadata, O_WRONLY);
	EXPECT_EQ(0, read(reader, &byte, 1));
	EXPECT_EQ(0, read(reader, &byte, 1));
}

TEST_F(pipe, the_end_of_file_comes_after_the_last_byte)
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

TEST_F(pipe, a_writer_that_stays_is_no_end_of_file)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int stays = open_pipe(_metadata, O_WRONLY);
	char byte;

	touch(_metadata, O_WRONLY);
	EXPECT_EQ(-1, read(reader, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
	close(stays);
	EXPECT_EQ(0, read(reader, &byte, 1));
}

TEST_F(pipe, a_reader_waits_while_one_of_two_writers_stays)
{
	int stays = open_pipe(_metadata, O_WRONLY);
	int leaves = open_pipe(_metadata, O_WRONLY);
	struct child reader = start_reader(_metadata, 1);

	ASSERT_ASLEEP_IN(read, &reader);
	close(leaves);
	ASSERT_ASLEEP_IN(read, &reader);
	close(stays);
	EXPECT_EQ(0, result_of(_metadata, &reader).ret);
}

TEST_F(pipe, a_writer_that_comes_and_goes_silently_ends_a_sleeping_reader)
{
	struct child reader = start_reader(_metadata, 1);

	ASSERT_ASLEEP_IN(read, &reader);
	touch(_metadata, O_WRONLY);
	EXPECT_EQ(0, result_of(_metadata, &reader).ret);
}

TEST_F(pipe, the_last_writer_leaving_wakes_every_sleeping_reader)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child readers[8];

	queue_readers(_metadata, readers, 8);
	close(writer);
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(0, result_of(_metadata, &readers[i]).ret);
}

TEST_F(pipe, a_writer_that_is_killed_is_the_end_of_file)
{
	struct child writer = start_writer(_metadata, 1, 'w');
	struct child reader;

	ASSERT_EQ(1, result_of(_metadata, &writer).ret);
	empty_pipe(_metadata);
	reader = start_reader(_metadata, 1);
	ASSERT_ASLEEP_IN(read, &reader);
	dismiss(_metadata, &writer);
	EXPECT_EQ(0, result_of(_metadata, &reader).ret);
}

TEST_F(pipe, a_writer_that_returns_ends_the_end_of_file)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int writer;
	char byte;

	touch(_metadata, O_WRONLY);
	ASSERT_EQ(0, read(reader, &byte, 1));
	writer = open_pipe(_metadata, O_WRONLY);
	EXPECT_EQ(-1, read(reader, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
	close(writer);
	EXPECT_EQ(0, read(reader, &byte, 1));
}

TEST_F(pipe, bytes_outlive_the_opens)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	char buf[8] = "";
	int reader;

	ASSERT_EQ(2, write(writer, "hi", 2));
	close(writer);
	touch(_metadata, O_RDONLY);
	reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(2, read(reader, buf, sizeof(buf)));
	EXPECT_STREQ("hi", buf);
}

/* echo hi > /dev/mini_pipe; cat /dev/mini_pipe: prints hi and ends. */
TEST_F(pipe, bytes_left_count_as_a_writer_seen)
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

TEST_F(pipe, a_reader_of_an_empty_pipe_does_not_end_for_writers_before_its_time)
{
	struct child reader;

	touch(_metadata, O_WRONLY);
	reader = start_reader(_metadata, 1);
	ASSERT_ASLEEP_IN(read, &reader);
}

TEST_F(pipe, each_reader_has_its_own_memory_of_writers)
{
	int earlier = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int later;
	char byte;

	touch(_metadata, O_WRONLY);
	later = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(0, read(earlier, &byte, 1));
	EXPECT_EQ(-1, read(later, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(pipe, the_last_reader_leaving_breaks_the_pipe)
{
	int writer = open_pipe(_metadata, O_WRONLY);

	touch(_metadata, O_RDONLY);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, sigpipes());
}

TEST_F(pipe, a_nonblocking_writer_to_a_broken_pipe_gets_epipe_too)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);

	fill_pipe(_metadata, writer);
	touch(_metadata, O_RDONLY);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, sigpipes());
}

TEST_F(pipe, a_reader_that_stays_keeps_the_pipe_whole)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	int stays = open_pipe(_metadata, O_RDONLY);

	touch(_metadata, O_RDONLY);
	EXPECT_EQ(1, write(writer, "x", 1));
	close(stays);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

TEST_F(pipe, a_writer_does_not_break_for_readers_before_its_time)
{
	int writer;

	touch(_metadata, O_RDONLY);
	writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	EXPECT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ(0, sigpipes());
}

TEST_F(pipe, a_reader_that_returns_mends_the_pipe)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	int reader;

	touch(_metadata, O_RDONLY);
	ASSERT_EQ(-1, write(writer, "x", 1));
	reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(1, write(writer, "x", 1));
	take(_metadata, reader, 1);
}

static void write_without_end(int report_to __maybe_unused, const void *arg)
{
	int fd = open_for(arg, O_WRONLY);

	while (write(fd, "y\n", 2) == 2)
		;
}

/* yes > /dev/mini_pipe, into a head that leaves. */
TEST_F(pipe, a_writer_without_end_is_killed_when_its_reader_leaves)
{
	struct job job = { .sigpipe_kills = true };
	struct child writer = start_child(_metadata, write_without_end, &job);
	struct child reader = start_reader(_metadata, 10);
	int status;

	ASSERT_LT(0, result_of(_metadata, &reader).ret);
	dismiss(_metadata, &reader);
	status = end_of(_metadata, &writer);
	ASSERT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGPIPE, WTERMSIG(status));
}

TEST_F(pipe, the_last_reader_leaving_wakes_every_sleeping_writer)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int filler = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child writers[4];

	fill_pipe(_metadata, filler);
	queue_writers(_metadata, writers, 4, 1);
	close(reader);
	expect_broken(_metadata, writers, 4);
}

TEST_F(pipe, a_reader_that_comes_and_goes_silently_breaks_a_sleeping_writer)
{
	int filler = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child writer;
	struct result result;

	fill_pipe(_metadata, filler);
	writer = start_writer(_metadata, 1, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	touch(_metadata, O_RDONLY);
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

TEST_F(pipe, a_write_cut_short_by_a_leaving_reader_tells_how_far_it_came)
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

TEST_F(pipe, writing_nothing_to_a_broken_pipe_is_no_error)
{
	int writer = open_pipe(_metadata, O_WRONLY);

	touch(_metadata, O_RDONLY);
	EXPECT_EQ(0, write(writer, "", 0));
	EXPECT_EQ(0, sigpipes());
}

TEST_F(pipe, a_file_open_both_ways_is_its_own_peer)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	char byte = 0;

	touch(_metadata, O_WRONLY);
	EXPECT_EQ(-1, read(fd, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
	touch(_metadata, O_RDONLY);
	EXPECT_EQ(1, write(fd, "x", 1));
	EXPECT_EQ(1, read(fd, &byte, 1));
	EXPECT_EQ('x', byte);
}

TEST_F(pipe, a_file_open_both_ways_is_a_writer_to_readers)
{
	int both = open_pipe(_metadata, O_RDWR);
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	char byte;

	EXPECT_EQ(-1, read(reader, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
	close(both);
	EXPECT_EQ(0, read(reader, &byte, 1));
}

TEST_F(pipe, a_file_open_both_ways_is_a_reader_to_writers)
{
	int both = open_pipe(_metadata, O_RDWR);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);

	EXPECT_EQ(1, write(writer, "x", 1));
	close(both);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

TEST_F(pipe, a_duplicate_keeps_the_end_until_both_are_closed)
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

static void just_be_there(int report_to, const void *arg __maybe_unused)
{
	report(report_to, 0);
}

TEST_F(pipe, a_forked_child_keeps_the_end_until_it_dies)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child heir = start_heir(_metadata, just_be_there, NULL);
	char byte;

	ASSERT_EQ(0, result_of(_metadata, &heir).ret);
	close(writer);
	EXPECT_EQ(-1, read(reader, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
	dismiss(_metadata, &heir);
	EXPECT_EQ(0, read(reader, &byte, 1));
}

TEST_F(pipe, a_forked_reader_keeps_the_pipe_whole_until_it_dies)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child heir = start_heir(_metadata, just_be_there, NULL);

	ASSERT_EQ(0, result_of(_metadata, &heir).ret);
	close(reader);
	EXPECT_EQ(1, write(writer, "x", 1));
	dismiss(_metadata, &heir);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

/* Access mode 3, for ioctl alone: it opens, and is nobody's peer. */
TEST_F(pipe, a_file_open_neither_way_is_no_peer)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int neither = open_pipe(_metadata, O_WRONLY | O_RDWR);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	char byte;

	close(writer);
	EXPECT_EQ(0, read(reader, &byte, 1));
	close(neither);
	writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	neither = open_pipe(_metadata, O_WRONLY | O_RDWR);
	close(reader);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	close(neither);
}

TEST_F(pipe, a_file_open_neither_way_is_not_seen_to_leave)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	char byte;

	touch(_metadata, O_WRONLY | O_RDWR);
	EXPECT_EQ(-1, read(reader, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_HARNESS_MAIN
