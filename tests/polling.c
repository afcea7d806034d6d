// SPDX-License-Identifier: GPL-2.0
/* poll and select: the events they report, and what wakes a poller. epoll.c tests epoll. */
#include <sys/select.h>
#include "device_fixture.h"

#define READABLE (POLLIN | POLLRDNORM)
#define WRITABLE (POLLOUT | POLLWRNORM)
#define ALL (READABLE | WRITABLE | POLLPRI | POLLRDHUP)

/* The events that poll reports */

TEST_F(pipe, empty_pipe_is_not_readable)
{
	int reader = open_pipe(_metadata, O_RDONLY);

	open_pipe(_metadata, O_WRONLY);
	EXPECT_EQ(0, poll_now(reader, ALL));
}

TEST_F(pipe, pipe_with_bytes_is_readable)
{
	int reader = open_pipe(_metadata, O_RDONLY);

	ASSERT_EQ(1, write(open_pipe(_metadata, O_WRONLY), "x", 1));
	EXPECT_EQ(READABLE, poll_now(reader, ALL));
	read_exactly(_metadata, reader, 1);
	EXPECT_EQ(0, poll_now(reader, ALL));
}

TEST_F(pipe, no_pollhup_before_first_writer_opens)
{
	EXPECT_EQ(0, poll_now(open_pipe(_metadata, O_RDONLY), ALL));
}

TEST_F(pipe, last_writer_close_gives_pollhup)
{
	int reader = open_pipe(_metadata, O_RDONLY);

	open_once(_metadata, O_WRONLY);
	EXPECT_EQ(POLLHUP, poll_now(reader, ALL));
	EXPECT_EQ(POLLHUP, poll_now(reader, 0));
}

TEST_F(pipe, remaining_bytes_give_pollin_with_pollhup)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY);

	ASSERT_EQ(1, write(writer, "x", 1));
	close(writer);
	EXPECT_EQ(READABLE | POLLHUP, poll_now(reader, ALL));
	read_exactly(_metadata, reader, 1);
	EXPECT_EQ(POLLHUP, poll_now(reader, ALL));
}

TEST_F(pipe, reopened_writer_clears_pollhup)
{
	int reader = open_pipe(_metadata, O_RDONLY);

	open_once(_metadata, O_WRONLY);
	open_pipe(_metadata, O_WRONLY);
	EXPECT_EQ(0, poll_now(reader, ALL));
}

TEST_F(pipe, empty_pipe_is_writable)
{
	int writer = open_pipe(_metadata, O_WRONLY);

	open_pipe(_metadata, O_RDONLY);
	EXPECT_EQ(WRITABLE, poll_now(writer, ALL));
}

TEST_F(pipe, no_pollerr_before_first_reader_opens)
{
	EXPECT_EQ(WRITABLE, poll_now(open_pipe(_metadata, O_WRONLY), ALL));
}

TEST_F(pipe, last_reader_close_gives_pollerr)
{
	int writer = open_pipe(_metadata, O_WRONLY);

	open_once(_metadata, O_RDONLY);
	EXPECT_EQ(WRITABLE | POLLERR, poll_now(writer, ALL));
	EXPECT_EQ(POLLERR, poll_now(writer, 0));
}

TEST_F(pipe, full_broken_pipe_gives_pollerr_without_pollout)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);

	fill_pipe(_metadata, writer);
	open_once(_metadata, O_RDONLY);
	EXPECT_EQ(POLLERR, poll_now(writer, ALL));
}

TEST_F(pipe, reopened_reader_clears_pollerr)
{
	int writer = open_pipe(_metadata, O_WRONLY);

	open_once(_metadata, O_RDONLY);
	open_pipe(_metadata, O_RDONLY);
	EXPECT_EQ(WRITABLE, poll_now(writer, ALL));
}

TEST_F(pipe, full_pipe_is_not_writable)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);

	fill_pipe(_metadata, writer);
	EXPECT_EQ(0, poll_now(writer, ALL));
}

TEST_F(pipe, pipe_is_writable_once_atomic_write_fits)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	ssize_t len = atomic_len(self->capacity);

	if (!has_capacity(_metadata, self->capacity, 2))
		return;
	fill_pipe(_metadata, writer);
	read_exactly(_metadata, reader, len - 1);
	EXPECT_EQ(0, poll_now(writer, ALL));
	read_exactly(_metadata, reader, 1);
	EXPECT_EQ(WRITABLE, poll_now(writer, ALL));
	EXPECT_EQ(len, write(writer, big_buffer(), len));
}

TEST_F(pipe, read_write_file_can_be_readable_and_writable)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	if (!has_capacity(_metadata, self->capacity, PIPE_BUF + 1))
		return;
	EXPECT_EQ(WRITABLE, poll_now(fd, ALL));
	ASSERT_EQ(1, write(fd, "x", 1));
	EXPECT_EQ(READABLE | WRITABLE, poll_now(fd, ALL));
	fill_pipe(_metadata, fd);
	EXPECT_EQ(READABLE, poll_now(fd, ALL));
}

/* What wakes a poller */

TEST_F(pipe, write_wakes_poller)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child poller = start_poller(_metadata, O_RDONLY, POLLIN);

	ASSERT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ(POLLIN, result_of(_metadata, &poller).ret);
}

TEST_F(pipe, one_write_wakes_all_pollers)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child pollers[3];

	for (int i = 0; i < 3; i++)
		pollers[i] = start_poller(_metadata, O_RDONLY, POLLIN);
	ASSERT_EQ(1, write(writer, "x", 1));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(POLLIN, result_of(_metadata, &pollers[i]).ret);
}

TEST_F(pipe, writer_open_does_not_end_poll)
{
	struct child poller = start_poller(_metadata, O_RDONLY, POLLIN);

	open_pipe(_metadata, O_WRONLY);
	ASSERT_ASLEEP_IN(ppoll, &poller);
}

TEST_F(pipe, last_writer_close_wakes_poller)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child poller = start_poller(_metadata, O_RDONLY, POLLIN);

	close(writer);
	EXPECT_EQ(POLLHUP, result_of(_metadata, &poller).ret);
}

TEST_F(pipe, open_and_close_of_writer_wakes_poller)
{
	struct child poller = start_poller(_metadata, O_RDONLY, POLLIN);

	open_once(_metadata, O_WRONLY);
	EXPECT_EQ(POLLHUP, result_of(_metadata, &poller).ret);
}

TEST_F(pipe, room_for_atomic_write_wakes_poller)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t len = atomic_len(self->capacity);
	struct child poller;

	fill_pipe(_metadata, fd);
	poller = start_poller(_metadata, O_WRONLY, POLLOUT);
	if (len > 1) {
		read_exactly(_metadata, fd, len - 1);
		ASSERT_ASLEEP_IN(ppoll, &poller);
	}
	read_exactly(_metadata, fd, 1);
	EXPECT_EQ(POLLOUT, result_of(_metadata, &poller).ret);
}

TEST_F(pipe, write_wakes_poller_after_another_reader_closes)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child poller = start_poller(_metadata, O_RDONLY, POLLIN);

	open_once(_metadata, O_RDONLY);
	write_pattern(_metadata, writer, 1);
	EXPECT_EQ(POLLIN, result_of(_metadata, &poller).ret);
}

TEST_F(pipe, read_wakes_poller_after_another_writer_closes)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child poller;

	fill_pipe(_metadata, writer);
	poller = start_poller(_metadata, O_WRONLY, POLLOUT);
	close(writer);
	drain_pipe(_metadata, reader);
	EXPECT_EQ(POLLOUT, result_of(_metadata, &poller).ret);
}

TEST_F(pipe, last_reader_close_wakes_poller)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child poller;

	fill_pipe(_metadata, writer);
	poller = start_poller(_metadata, O_WRONLY, POLLOUT);
	close(reader);
	EXPECT_EQ(POLLERR, result_of(_metadata, &poller).ret);
}

/* A write wakes the pollers in addition to a reader, never instead of one. */
TEST_F(pipe, poller_takes_no_wake_up_from_sleeping_reader)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child before = start_poller(_metadata, O_RDONLY, POLLIN);
	struct child readers[2], after;

	queue_readers(_metadata, readers, 2);
	after = start_poller(_metadata, O_RDONLY, POLLIN);
	ASSERT_EQ(3, write(writer, "xyz", 3));
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(1, result_of(_metadata, &readers[i]).ret);
	EXPECT_EQ(POLLIN, result_of(_metadata, &before).ret);
	EXPECT_EQ(POLLIN, result_of(_metadata, &after).ret);
}

TEST_F(pipe, poller_takes_no_wake_up_from_sleeping_writer)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child poller, writer;
	ssize_t len = atomic_len(self->capacity);

	if (!has_capacity(_metadata, self->capacity, 2 * PIPE_BUF))
		return;
	fill_pipe(_metadata, fd);
	poller = start_poller(_metadata, O_WRONLY, POLLOUT);
	writer = start_writer(_metadata, len, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, fd, 2 * len);
	EXPECT_EQ(len, result_of(_metadata, &writer).ret);
	EXPECT_EQ(POLLOUT, result_of(_metadata, &poller).ret);
}

/* select */

static int select_now(int fd, bool to_write)
{
	struct timespec now = {};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return pselect(fd + 1, to_write ? NULL : &set, to_write ? &set : NULL, NULL, &now, NULL);
}

TEST_F(pipe, select_reports_bytes_and_end_of_file)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY);

	EXPECT_EQ(0, select_now(reader, false));
	ASSERT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ(1, select_now(reader, false));
	read_exactly(_metadata, reader, 1);
	EXPECT_EQ(0, select_now(reader, false));
	close(writer);
	EXPECT_EQ(1, select_now(reader, false));
}

TEST_F(pipe, select_reports_room_and_broken_pipe)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);

	EXPECT_EQ(1, select_now(writer, true));
	fill_pipe(_metadata, writer);
	EXPECT_EQ(0, select_now(writer, true));
	close(reader);
	EXPECT_EQ(1, select_now(writer, true));
}

static void select_once(int report_to, const void *arg __maybe_unused)
{
	int fd = open(MINI_PIPE, O_RDONLY);
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	report(report_to, pselect(fd + 1, &set, NULL, NULL, NULL, NULL));
}

TEST_F(pipe, write_wakes_select)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child selector = start_child(_metadata, select_once, NULL);

	ASSERT_ASLEEP_IN(pselect6, &selector);
	ASSERT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ(1, result_of(_metadata, &selector).ret);
}

TEST_HARNESS_MAIN
