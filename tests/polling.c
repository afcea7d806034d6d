// SPDX-License-Identifier: GPL-2.0
/* poll, select and epoll: what they say, and what wakes who sleeps in them. */
#include <sys/epoll.h>
#include <sys/select.h>
#include "pipe_fixture.h"

#define READABLE (POLLIN | POLLRDNORM)
#define WRITABLE (POLLOUT | POLLWRNORM)
#define ALL (READABLE | WRITABLE | POLLPRI | POLLRDHUP)

/* What poll says */

TEST_F(pipe, an_empty_pipe_is_not_readable)
{
	int reader = open_pipe(_metadata, O_RDONLY);

	open_pipe(_metadata, O_WRONLY);
	EXPECT_EQ(0, poll_now(reader, ALL));
}

TEST_F(pipe, a_pipe_with_bytes_is_readable)
{
	int reader = open_pipe(_metadata, O_RDONLY);

	ASSERT_EQ(1, write(open_pipe(_metadata, O_WRONLY), "x", 1));
	EXPECT_EQ(READABLE, poll_now(reader, ALL));
	take(_metadata, reader, 1);
	EXPECT_EQ(0, poll_now(reader, ALL));
}

TEST_F(pipe, a_writer_that_has_not_come_yet_is_no_hangup)
{
	EXPECT_EQ(0, poll_now(open_pipe(_metadata, O_RDONLY), ALL));
}

TEST_F(pipe, a_writer_that_has_left_is_a_hangup)
{
	int reader = open_pipe(_metadata, O_RDONLY);

	touch(_metadata, O_WRONLY);
	EXPECT_EQ(POLLHUP, poll_now(reader, ALL));
	EXPECT_EQ(POLLHUP, poll_now(reader, 0));
}

TEST_F(pipe, bytes_left_are_readable_beside_the_hangup)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY);

	ASSERT_EQ(1, write(writer, "x", 1));
	close(writer);
	EXPECT_EQ(READABLE | POLLHUP, poll_now(reader, ALL));
	take(_metadata, reader, 1);
	EXPECT_EQ(POLLHUP, poll_now(reader, ALL));
}

TEST_F(pipe, a_writer_that_returns_ends_the_hangup)
{
	int reader = open_pipe(_metadata, O_RDONLY);

	touch(_metadata, O_WRONLY);
	open_pipe(_metadata, O_WRONLY);
	EXPECT_EQ(0, poll_now(reader, ALL));
}

TEST_F(pipe, an_empty_pipe_is_writable)
{
	int writer = open_pipe(_metadata, O_WRONLY);

	open_pipe(_metadata, O_RDONLY);
	EXPECT_EQ(WRITABLE, poll_now(writer, ALL));
}

TEST_F(pipe, a_reader_that_has_not_come_yet_is_no_error)
{
	EXPECT_EQ(WRITABLE, poll_now(open_pipe(_metadata, O_WRONLY), ALL));
}

TEST_F(pipe, a_reader_that_has_left_is_an_error)
{
	int writer = open_pipe(_metadata, O_WRONLY);

	touch(_metadata, O_RDONLY);
	EXPECT_EQ(WRITABLE | POLLERR, poll_now(writer, ALL));
	EXPECT_EQ(POLLERR, poll_now(writer, 0));
}

TEST_F(pipe, a_full_and_broken_pipe_is_an_error_and_not_writable)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);

	fill_pipe(_metadata, writer);
	touch(_metadata, O_RDONLY);
	EXPECT_EQ(POLLERR, poll_now(writer, ALL));
}

TEST_F(pipe, a_reader_that_returns_ends_the_error)
{
	int writer = open_pipe(_metadata, O_WRONLY);

	touch(_metadata, O_RDONLY);
	open_pipe(_metadata, O_RDONLY);
	EXPECT_EQ(WRITABLE, poll_now(writer, ALL));
}

TEST_F(pipe, a_full_pipe_is_not_writable)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);

	fill_pipe(_metadata, writer);
	EXPECT_EQ(0, poll_now(writer, ALL));
}

TEST_F(pipe, the_pipe_is_writable_once_an_atomic_write_fits)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	ssize_t len = atomic_len(self->capacity);

	if (!holds(_metadata, self->capacity, 2))
		return;
	fill_pipe(_metadata, writer);
	take(_metadata, reader, len - 1);
	EXPECT_EQ(0, poll_now(writer, ALL));
	take(_metadata, reader, 1);
	EXPECT_EQ(WRITABLE, poll_now(writer, ALL));
	EXPECT_EQ(len, write(writer, big_buffer(), len));
}

TEST_F(pipe, a_file_open_both_ways_can_be_both)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	if (!holds(_metadata, self->capacity, PIPE_BUF + 1))
		return;
	EXPECT_EQ(WRITABLE, poll_now(fd, ALL));
	ASSERT_EQ(1, write(fd, "x", 1));
	EXPECT_EQ(READABLE | WRITABLE, poll_now(fd, ALL));
	fill_pipe(_metadata, fd);
	EXPECT_EQ(READABLE, poll_now(fd, ALL));
}

/* What wakes a sleeping poll */

TEST_F(pipe, a_write_wakes_a_sleeping_poll)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child poller = start_watch(_metadata, O_RDONLY, POLLIN);

	ASSERT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ(POLLIN, result_of(_metadata, &poller).ret);
}

TEST_F(pipe, one_write_wakes_every_sleeping_poll)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child pollers[3];

	for (int i = 0; i < 3; i++)
		pollers[i] = start_watch(_metadata, O_RDONLY, POLLIN);
	ASSERT_EQ(1, write(writer, "x", 1));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(POLLIN, result_of(_metadata, &pollers[i]).ret);
}

TEST_F(pipe, a_writer_that_only_comes_leaves_a_poll_asleep)
{
	struct child poller = start_watch(_metadata, O_RDONLY, POLLIN);

	open_pipe(_metadata, O_WRONLY);
	ASSERT_ASLEEP_IN(ppoll, &poller);
}

TEST_F(pipe, the_last_writer_leaving_wakes_a_sleeping_poll)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child poller = start_watch(_metadata, O_RDONLY, POLLIN);

	close(writer);
	EXPECT_EQ(POLLHUP, result_of(_metadata, &poller).ret);
}

TEST_F(pipe, a_writer_that_comes_and_goes_wakes_a_sleeping_poll)
{
	struct child poller = start_watch(_metadata, O_RDONLY, POLLIN);

	touch(_metadata, O_WRONLY);
	EXPECT_EQ(POLLHUP, result_of(_metadata, &poller).ret);
}

TEST_F(pipe, room_wakes_a_sleeping_poll)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t len = atomic_len(self->capacity);
	struct child poller;

	fill_pipe(_metadata, fd);
	poller = start_watch(_metadata, O_WRONLY, POLLOUT);
	if (len > 1) {
		take(_metadata, fd, len - 1);
		ASSERT_ASLEEP_IN(ppoll, &poller);
	}
	take(_metadata, fd, 1);
	EXPECT_EQ(POLLOUT, result_of(_metadata, &poller).ret);
}

TEST_F(pipe, the_last_reader_leaving_wakes_a_sleeping_poll)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child poller;

	fill_pipe(_metadata, writer);
	poller = start_watch(_metadata, O_WRONLY, POLLOUT);
	close(reader);
	EXPECT_EQ(POLLERR, result_of(_metadata, &poller).ret);
}

/* A poll is woken beside the readers, never in place of one. */
TEST_F(pipe, a_sleeping_poll_does_not_cost_a_reader_its_wake_up)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child before = start_watch(_metadata, O_RDONLY, POLLIN);
	struct child readers[2], after;

	queue_readers(_metadata, readers, 2);
	after = start_watch(_metadata, O_RDONLY, POLLIN);
	ASSERT_EQ(3, write(writer, "xyz", 3));
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(1, result_of(_metadata, &readers[i]).ret);
	EXPECT_EQ(POLLIN, result_of(_metadata, &before).ret);
	EXPECT_EQ(POLLIN, result_of(_metadata, &after).ret);
}

TEST_F(pipe, a_sleeping_poll_does_not_cost_a_writer_its_wake_up)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child poller, writer;
	ssize_t len = atomic_len(self->capacity);

	if (!holds(_metadata, self->capacity, 2 * PIPE_BUF))
		return;
	fill_pipe(_metadata, fd);
	poller = start_watch(_metadata, O_WRONLY, POLLOUT);
	writer = start_writer(_metadata, len, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	take(_metadata, fd, 2 * len);
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

TEST_F(pipe, select_finds_bytes_and_the_end_of_file)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY);

	EXPECT_EQ(0, select_now(reader, false));
	ASSERT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ(1, select_now(reader, false));
	take(_metadata, reader, 1);
	EXPECT_EQ(0, select_now(reader, false));
	close(writer);
	EXPECT_EQ(1, select_now(reader, false));
}

TEST_F(pipe, select_finds_room_and_the_broken_pipe)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);

	EXPECT_EQ(1, select_now(writer, true));
	fill_pipe(_metadata, writer);
	EXPECT_EQ(0, select_now(writer, true));
	close(reader);
	EXPECT_EQ(1, select_now(writer, true));
}

static void watch_with_select(int report_to, const void *arg __maybe_unused)
{
	int fd = open(MINI_PIPE, O_RDONLY);
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	report(report_to, pselect(fd + 1, &set, NULL, NULL, NULL, NULL));
}

TEST_F(pipe, a_write_wakes_a_sleeping_select)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child selector = start_child(_metadata, watch_with_select, NULL);

	ASSERT_ASLEEP_IN(pselect6, &selector);
	ASSERT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ(1, result_of(_metadata, &selector).ret);
}

/* epoll */

static int epoll_on(int fd, unsigned int events)
{
	struct epoll_event event = { .events = events };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -1 : epoll;
}

/* The events there are now, or 0. */
static unsigned int epoll_now(int epoll)
{
	struct epoll_event event;

	return epoll_pwait(epoll, &event, 1, 0, NULL) == 1 ? event.events : 0;
}

TEST_F(pipe, level_triggered_epoll_tells_as_long_as_bytes_are_there)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY);
	int epoll = epoll_on(reader, EPOLLIN);

	ASSERT_LE(0, epoll);
	EXPECT_EQ(0, epoll_now(epoll));
	ASSERT_EQ(2, write(writer, "xy", 2));
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	take(_metadata, reader, 1);
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	take(_metadata, reader, 1);
	EXPECT_EQ(0, epoll_now(epoll));
}

TEST_F(pipe, edge_triggered_epoll_tells_of_each_write_once)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY);
	int epoll = epoll_on(reader, EPOLLIN | EPOLLET);

	if (!holds(_metadata, self->capacity, 5))
		return;
	for (int i = 0; i < 5; i++) {
		/* Nothing is read in between: the ring is not empty when the next one comes. */
		ASSERT_EQ(1, write(writer, "x", 1));
		EXPECT_EQ(EPOLLIN, epoll_now(epoll));
		EXPECT_EQ(0, epoll_now(epoll));
	}
}

TEST_F(pipe, edge_triggered_epoll_tells_of_a_write_after_a_part_was_read)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY);
	int epoll = epoll_on(reader, EPOLLIN | EPOLLET);

	if (!holds(_metadata, self->capacity, 4))
		return;
	ASSERT_EQ(3, write(writer, "xyz", 3));
	ASSERT_EQ(EPOLLIN, epoll_now(epoll));
	take(_metadata, reader, 1);
	epoll_now(epoll);
	ASSERT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
}

TEST_F(pipe, edge_triggered_epoll_tells_when_room_appears)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	int epoll = epoll_on(writer, EPOLLOUT | EPOLLET);

	ASSERT_EQ(EPOLLOUT, epoll_now(epoll));
	fill_pipe(_metadata, writer);
	EXPECT_EQ(0, epoll_now(epoll));
	take(_metadata, reader, self->capacity);
	EXPECT_EQ(EPOLLOUT, epoll_now(epoll));
	EXPECT_EQ(0, epoll_now(epoll));
}

TEST_F(pipe, edge_triggered_epoll_tells_of_the_hangup)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY);
	int epoll = epoll_on(reader, EPOLLIN | EPOLLET);

	EXPECT_EQ(0, epoll_now(epoll));
	close(writer);
	EXPECT_EQ(EPOLLHUP, epoll_now(epoll));
}

TEST_F(pipe, edge_triggered_epoll_tells_of_the_error)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	int epoll;

	fill_pipe(_metadata, writer);
	epoll = epoll_on(writer, EPOLLOUT | EPOLLET);
	EXPECT_EQ(0, epoll_now(epoll));
	close(reader);
	EXPECT_EQ(EPOLLERR, epoll_now(epoll));
}

struct epoll_watch {
	int end;
	unsigned int events;
	int reports;
};

static void watch_with_epoll(int report_to, const void *arg)
{
	const struct epoll_watch *watch = arg;
	int epoll = epoll_on(open(MINI_PIPE, watch->end), watch->events);
	struct epoll_event event;

	for (int i = 0; i < watch->reports; i++) {
		int ready = epoll_pwait(epoll, &event, 1, -1, NULL);

		report(report_to, ready == 1 ? (ssize_t)event.events : -1);
	}
}

TEST_F(pipe, each_write_wakes_a_sleeping_edge_triggered_epoll)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct epoll_watch watch = { O_RDONLY, EPOLLIN | EPOLLET, 3 };
	struct child poller = start_child(_metadata, watch_with_epoll, &watch);

	if (!holds(_metadata, self->capacity, 3))
		return;
	for (int i = 0; i < 3; i++) {
		ASSERT_ASLEEP_IN(epoll_pwait, &poller);
		ASSERT_EQ(1, write(writer, "x", 1));
		EXPECT_EQ(EPOLLIN, result_of(_metadata, &poller).ret);
	}
}

TEST_F(pipe, room_wakes_a_sleeping_epoll)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct epoll_watch watch = { O_WRONLY, EPOLLOUT, 1 };
	struct child poller;

	fill_pipe(_metadata, fd);
	poller = start_child(_metadata, watch_with_epoll, &watch);
	ASSERT_ASLEEP_IN(epoll_pwait, &poller);
	take(_metadata, fd, self->capacity);
	EXPECT_EQ(EPOLLOUT, result_of(_metadata, &poller).ret);
}

/* A file that is both ends queues with readers, too, and an exclusive poll ends a wake-up. */
TEST_F(pipe, an_exclusive_epoll_for_room_keeps_no_byte_from_a_reader_behind_it)
{
	struct epoll_watch watch = { O_RDWR, EPOLLOUT | EPOLLET | EPOLLEXCLUSIVE, 2 };
	struct child poller = start_child(_metadata, watch_with_epoll, &watch);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child reader;

	EXPECT_EQ(EPOLLOUT, result_of(_metadata, &poller).ret);
	ASSERT_ASLEEP_IN(epoll_pwait, &poller);
	queue_readers(_metadata, &reader, 1);
	ASSERT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
}

TEST_F(pipe, a_file_may_be_closed_while_an_epoll_watches_it)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	int epoll = epoll_on(reader, EPOLLIN);

	ASSERT_LE(0, epoll);
	close(reader);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(0, epoll_now(epoll));
}

TEST_HARNESS_MAIN
