// SPDX-License-Identifier: GPL-2.0
/*
 * User memory that faults for as long as it likes: whoever is stuck in such a fault keeps neither
 * the other side nor its own from their business, and nobody from a signal.
 */
#include <sys/epoll.h>
#include "pipe_fixture.h"
#include "userfault.h"
#include "uring.h"

TEST_F(pipe, a_reader_stuck_in_a_fault_does_not_stop_writers)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck stuck;

	if (!holds(_metadata, self->capacity, PIPE_BUF + 1))
		return;
	put_in(_metadata, fd, 1);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	EXPECT_EQ(PIPE_BUF, write(fd, big_buffer(), PIPE_BUF));
	EXPECT_EQ(self->capacity - PIPE_BUF - 1, fill_pipe(_metadata, fd));
	release(_metadata, &stuck);
	EXPECT_EQ(1, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(self->capacity - 1, drain_pipe(_metadata, fd));
}

TEST_F(pipe, a_reader_that_does_not_wait_is_turned_away_by_a_stuck_one)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck stuck;

	put_in(_metadata, fd, 1);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	EXPECT_EQ(-1, read(fd, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, poll_now(fd, POLLIN));
	release(_metadata, &stuck);
	EXPECT_EQ(1, result_of(_metadata, &stuck.child).ret);
}

TEST_F(pipe, a_reader_killed_in_its_fault_leaves_its_bytes_to_the_next)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck stuck;
	struct child second;
	struct result result;

	ASSERT_EQ(1, write(fd, "x", 1));
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	queue_readers(_metadata, &second, 1);
	dismiss(_metadata, &stuck.child);
	result = result_of(_metadata, &second);
	EXPECT_EQ(1, result.ret);
	EXPECT_EQ('x', result.first);
}

TEST_F(pipe, bytes_that_a_stuck_reader_leaves_wake_a_sleeping_poll)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck stuck;
	struct child poller;

	ASSERT_EQ(1, write(fd, "x", 1));
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	poller = start_watch(_metadata, O_RDONLY, POLLIN);
	dismiss(_metadata, &stuck.child);
	EXPECT_EQ(POLLIN, result_of(_metadata, &poller).ret);
}

/* A poll that finds the bytes kept from it by a reader is told when that one is done. */
TEST_F(pipe, bytes_behind_those_of_a_stuck_reader_wake_a_sleeping_poll_after_it)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck stuck;
	struct child poller;

	if (!holds(_metadata, self->capacity, page_size() + 1))
		return;
	put_in(_metadata, fd, page_size() + 1);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	poller = start_watch(_metadata, O_RDONLY, POLLIN);
	release(_metadata, &stuck);
	EXPECT_EQ(stuck.len, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(POLLIN, result_of(_metadata, &poller).ret);
	EXPECT_EQ(1, drain_pipe(_metadata, fd));
}

TEST_F(pipe, room_beside_that_of_a_stuck_writer_wakes_a_sleeping_poll_after_it)
{
	struct stuck stuck;
	struct child poller;

	if (!holds(_metadata, self->capacity, page_size() + PIPE_BUF))
		return;
	if (!start_stuck(_metadata, &stuck, O_WRONLY, 1))
		return;
	poller = start_watch(_metadata, O_WRONLY, POLLOUT);
	release(_metadata, &stuck);
	EXPECT_EQ(stuck.len, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(POLLOUT, result_of(_metadata, &poller).ret);
}

/*
 * The end that it cannot be told of yet, an edge-triggered poll is told of when the copy ends, and
 * only once.
 */
TEST_F(pipe, an_edge_triggered_poll_behind_a_stuck_reader_is_told_of_the_end_after_it)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct stuck stuck;

	ASSERT_EQ(1, write(writer, "x", 1));
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, reader, &event));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	EXPECT_EQ(-1, read(reader, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	close(writer);
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	release(_metadata, &stuck);
	EXPECT_EQ(1, result_of(_metadata, &stuck.child).ret);
	ASSERT_EQ(1, epoll_wait(epoll, &event, 1, 0));
	EXPECT_EQ(EPOLLHUP, event.events);
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	EXPECT_EQ(0, read(reader, big_buffer(), 1));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
}

/* Until the stuck one is done, nobody knows whether there are bytes left before the end. */
TEST_F(pipe, a_reader_behind_a_stuck_one_meets_the_end_after_it)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct stuck stuck;
	struct child second;

	ASSERT_EQ(1, write(writer, "x", 1));
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	queue_readers(_metadata, &second, 1);
	close(writer);
	ASSERT_ASLEEP_IN(read, &second);
	release(_metadata, &stuck);
	EXPECT_EQ(1, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(0, result_of(_metadata, &second).ret);
}

TEST_F(pipe, a_writer_stuck_in_a_fault_does_not_stop_readers)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t len = 2 * page_size();
	struct stuck stuck;

	if (!holds(_metadata, self->capacity, len + 5))
		return;
	put_in(_metadata, fd, 5);
	if (!start_stuck(_metadata, &stuck, O_WRONLY, 2))
		return;
	EXPECT_EQ(5, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 5));
	release(_metadata, &stuck);
	EXPECT_EQ(len, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(len, drain_pipe(_metadata, fd));
}

TEST_F(pipe, a_writer_behind_a_stuck_one_goes_in_after_it)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	ssize_t len = 2 * page_size();
	struct stuck stuck;
	struct child second;

	if (!holds(_metadata, self->capacity, len + 1))
		return;
	if (!start_stuck(_metadata, &stuck, O_WRONLY, 2))
		return;
	second = start_writer(_metadata, 1, 'a');
	ASSERT_ASLEEP_IN(write, &second);
	release(_metadata, &stuck);
	EXPECT_EQ(len, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(1, result_of(_metadata, &second).ret);
	EXPECT_EQ(len + 1, drain_pipe(_metadata, reader));
	EXPECT_EQ('a', big_buffer()[len]);
}

/* What is left when the stuck one is done is not enough for the first, but for the others. */
TEST_F(pipe, small_writers_behind_a_stuck_one_go_in_after_it_without_a_reader)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child large, small[2];
	struct stuck stuck;

	if (!holds(_metadata, self->capacity, page_size() + 100))
		return;
	put_in(_metadata, fd, self->capacity - page_size() - 100);
	if (!start_stuck(_metadata, &stuck, O_WRONLY, 1))
		return;
	queue_writers(_metadata, &large, 1, PIPE_BUF);
	queue_writers(_metadata, small, 2, 40);
	release(_metadata, &stuck);
	EXPECT_EQ(stuck.len, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(40, result_of(_metadata, &small[0]).ret);
	EXPECT_EQ(40, result_of(_metadata, &small[1]).ret);
	ASSERT_ASLEEP_IN(write, &large);
}

TEST_F(pipe, a_read_takes_what_was_there_when_it_began)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t page = page_size();
	struct stuck reader;

	if (!holds(_metadata, self->capacity, 4 * page))
		return;
	put_in(_metadata, fd, 2 * page);
	if (!start_stuck(_metadata, &reader, O_RDONLY, 4))
		return;
	put_in(_metadata, fd, page);
	release(_metadata, &reader);
	EXPECT_EQ(2 * page, result_of(_metadata, &reader.child).ret);
	EXPECT_EQ(page, drain_pipe(_metadata, fd));
}

TEST_F(pipe, a_read_that_meets_a_writer_goes_on_with_what_that_one_brings)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck reader, writer;
	ssize_t page = page_size();

	if (!holds(_metadata, self->capacity, 4 * page))
		return;
	put_in(_metadata, fd, 2 * page);
	if (!start_stuck(_metadata, &writer, O_WRONLY, 1) ||
	    !start_stuck(_metadata, &reader, O_RDONLY, 4))
		return;
	release(_metadata, &writer);
	EXPECT_EQ(page, result_of(_metadata, &writer.child).ret);
	release(_metadata, &reader);
	EXPECT_EQ(3 * page, result_of(_metadata, &reader.child).ret);
	EXPECT_EQ(0, drain_pipe(_metadata, fd));
}

TEST_F(pipe, a_writer_killed_in_its_fault_leaves_the_room_to_others)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck stuck;

	if (!start_stuck(_metadata, &stuck, O_WRONLY, 2))
		return;
	dismiss(_metadata, &stuck.child);
	EXPECT_EQ(self->capacity, fill_pipe(_metadata, fd));
	EXPECT_EQ(self->capacity, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, self->capacity));
}

/* Splice copies nothing to user memory, but it keeps to the leases of those that do. */
TEST_F(pipe, splice_is_turned_away_by_those_that_are_stuck)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck reader, writer;
	int way[2];

	if (!holds(_metadata, self->capacity, 3 * page_size()))
		return;
	ASSERT_EQ(0, pipe2(way, O_NONBLOCK));
	put_in(_metadata, fd, page_size() + 5);
	if (!start_stuck(_metadata, &reader, O_RDONLY, 1))
		return;
	EXPECT_EQ(-1, splice(fd, NULL, way[1], NULL, 5, 0));
	EXPECT_EQ(EAGAIN, errno);
	dismiss(_metadata, &reader.child);
	EXPECT_EQ(5, splice(fd, NULL, way[1], NULL, 5, 0));

	if (!start_stuck(_metadata, &writer, O_WRONLY, 1))
		return;
	EXPECT_EQ(-1, splice(way[0], NULL, fd, NULL, 5, 0));
	EXPECT_EQ(EAGAIN, errno);
	dismiss(_metadata, &writer.child);
	EXPECT_EQ(5, splice(way[0], NULL, fd, NULL, 5, 0));
	EXPECT_EQ((ssize_t)page_size() + 5, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 5, page_size()));
	EXPECT_TRUE(is_pattern(big_buffer() + page_size(), 0, 5));
}

/*
 * Beside a stuck process the pipe can be asked, and resized: nothing waits for the copy, and the
 * copy does not notice.
 */

FIXTURE(settings)
{
	int fd;			/* both ends, which do not block */
	ssize_t capacity;
};

FIXTURE_SETUP(settings)
{
	self->capacity = set_the_stage(_metadata);
	self->fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
}

FIXTURE_TEARDOWN(settings)
{
	restore_the_stage(_metadata, self->fd, self->capacity);
}

TEST_F(settings, what_a_stuck_reader_is_about_to_get_is_not_there_for_others)
{
	int fd = self->fd;
	struct stuck stuck;

	put_in(_metadata, fd, page_size() + 10);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	EXPECT_EQ(10, bytes_in(fd));
	dismiss(_metadata, &stuck.child);
	EXPECT_EQ((int)page_size() + 10, bytes_in(fd));
}

TEST_F(settings, what_a_stuck_writer_is_about_to_bring_is_not_there_yet)
{
	int fd = self->fd;
	struct stuck stuck;

	put_in(_metadata, fd, 10);
	if (!start_stuck(_metadata, &stuck, O_WRONLY, 1))
		return;
	EXPECT_EQ(10, bytes_in(fd));
	release(_metadata, &stuck);
	EXPECT_EQ(stuck.len, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(10 + stuck.len, bytes_in(fd));
}

TEST_F(settings, of_policy_do_not_change_while_a_reader_is_stuck)
{
	int fd = self->fd;
	struct stuck stuck;

	put_in(_metadata, fd, 1);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	EXPECT_EQ(0, bytes_in(fd));
	EXPECT_EQ(-1, set_policy(fd, MINI_PIPE_RENDEZVOUS));
	EXPECT_EQ(EBUSY, errno);
	release(_metadata, &stuck);
	EXPECT_EQ(1, result_of(_metadata, &stuck.child).ret);
}

TEST_F(settings, of_policy_do_not_change_while_a_writer_is_stuck)
{
	int fd = self->fd;
	struct stuck stuck;

	if (!start_stuck(_metadata, &stuck, O_WRONLY, 1))
		return;
	EXPECT_EQ(-1, set_policy(fd, MINI_PIPE_RENDEZVOUS));
	EXPECT_EQ(EBUSY, errno);
	dismiss(_metadata, &stuck.child);
}

/* A page of bytes, which the stuck one has a lease on, and a few behind it. */
static void resize_beside_a_reader(struct __test_metadata *_metadata, int fd, bool killed)
{
	ssize_t page = page_size();
	struct stuck stuck;

	put_in(_metadata, fd, page + 10);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	EXPECT_EQ(-1, set_capacity(fd, page + 9));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(page + 10, set_capacity(fd, page + 10));
	EXPECT_EQ(0, poll_now(fd, POLLOUT));
	EXPECT_EQ(BIG / 2, set_capacity(fd, BIG / 2));
	put_pattern(big_buffer(), page + 10, 10000);
	EXPECT_EQ(10000, write(fd, big_buffer(), 10000));
	EXPECT_EQ(10010, bytes_in(fd));
	if (killed) {
		dismiss(_metadata, &stuck.child);
		EXPECT_EQ(page + 10010, drain_pipe(_metadata, fd));
		EXPECT_TRUE(is_pattern(big_buffer(), 0, page + 10010));
	} else {
		release(_metadata, &stuck);
		EXPECT_EQ(page, result_of(_metadata, &stuck.child).ret);
		EXPECT_EQ(10010, drain_pipe(_metadata, fd));
		EXPECT_TRUE(is_pattern(big_buffer(), page, 10010));
	}
}

TEST_F(settings, of_capacity_change_beside_a_stuck_reader)
{
	resize_beside_a_reader(_metadata, self->fd, false);
}

TEST_F(settings, of_capacity_change_beside_a_stuck_reader_that_is_killed)
{
	resize_beside_a_reader(_metadata, self->fd, true);
}

/* What the stuck one brings comes between bytes that are there before and after. */
static void resize_beside_a_writer(struct __test_metadata *_metadata, int fd, bool killed)
{
	ssize_t page = page_size(), brought = killed ? 0 : 2 * page;
	struct stuck stuck;

	put_in(_metadata, fd, 10);
	if (!start_stuck(_metadata, &stuck, O_WRONLY, 2))
		return;
	EXPECT_EQ(-1, set_capacity(fd, 2 * page + 9));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(2 * page + 10, set_capacity(fd, 2 * page + 10));
	take(_metadata, fd, 1);
	EXPECT_EQ(BIG / 2, set_capacity(fd, BIG / 2));
	EXPECT_EQ(9, bytes_in(fd));
	if (killed) {
		dismiss(_metadata, &stuck.child);
	} else {
		release_with_pattern(_metadata, &stuck);
		EXPECT_EQ(brought, result_of(_metadata, &stuck.child).ret);
	}
	EXPECT_EQ(3, write(fd, "xyz", 3));
	EXPECT_EQ(9 + brought + 3, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 1, 9));
	EXPECT_TRUE(is_pattern(big_buffer() + 9, 0, brought));
	EXPECT_EQ(0, memcmp(big_buffer() + 9 + brought, "xyz", 3));
}

TEST_F(settings, of_capacity_change_beside_a_stuck_writer)
{
	resize_beside_a_writer(_metadata, self->fd, false);
}

TEST_F(settings, of_capacity_change_beside_a_stuck_writer_that_is_killed)
{
	resize_beside_a_writer(_metadata, self->fd, true);
}

/* Rendezvous: what is on its way to a reader counts as taken, and comes back to the pipe if not. */

static void interrupt_beside_a_reader(struct __test_metadata *_metadata, int fd, bool killed)
{
	ssize_t page = page_size();
	struct child writer;
	struct stuck stuck;

	ASSERT_EQ(0, set_policy(fd, MINI_PIPE_RENDEZVOUS));
	writer = start_writer(_metadata, page + 10, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	kill(writer.pid, SIGUSR1);
	EXPECT_EQ(page, result_of(_metadata, &writer).ret);
	EXPECT_EQ(0, bytes_in(fd));
	if (killed) {
		dismiss(_metadata, &stuck.child);
	} else {
		release(_metadata, &stuck);
		EXPECT_EQ(page, result_of(_metadata, &stuck.child).ret);
	}
	EXPECT_EQ(killed ? page : 0, drain_pipe(_metadata, fd));
}

TEST_F(settings, an_interrupted_rendezvous_counts_what_a_stuck_reader_gets)
{
	interrupt_beside_a_reader(_metadata, self->fd, false);
}

TEST_F(settings, an_interrupted_rendezvous_leaves_what_a_killed_reader_did_not_get)
{
	interrupt_beside_a_reader(_metadata, self->fd, true);
}

TEST_F(settings, a_rendezvous_is_not_over_before_a_stuck_reader_is)
{
	int fd = self->fd;
	struct child writer;
	struct stuck stuck;

	ASSERT_EQ(0, set_policy(fd, MINI_PIPE_RENDEZVOUS));
	writer = start_writer(_metadata, 10, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	ASSERT_ASLEEP_IN(write, &writer);
	release(_metadata, &stuck);
	EXPECT_EQ(10, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(10, result_of(_metadata, &writer).ret);
}

/* Who was turned away hears of it by a signal, too, if it asked for one. */

static void ask_for_sigio(struct __test_metadata *_metadata, int fd)
{
	sigset_t sigio;

	sigemptyset(&sigio);
	sigaddset(&sigio, SIGIO);
	sigprocmask(SIG_BLOCK, &sigio, NULL);
	ASSERT_EQ(0, fcntl(fd, F_SETOWN, getpid()));
	set_flag(_metadata, fd, O_ASYNC, true);
}

/* Whether the signal is there, which it then is no more. */
static bool heard_sigio(void)
{
	struct timespec now = {};
	sigset_t sigio;

	sigemptyset(&sigio);
	sigaddset(&sigio, SIGIO);
	return sigtimedwait(&sigio, NULL, &now) == SIGIO;
}

TEST_F(pipe, bytes_behind_those_of_a_stuck_reader_signal_after_it)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct stuck stuck;

	if (!holds(_metadata, self->capacity, PIPE_BUF + 1))
		return;
	put_in(_metadata, writer, PIPE_BUF + 1);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	ask_for_sigio(_metadata, reader);
	EXPECT_EQ(-1, read(reader, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_FALSE(heard_sigio());
	release(_metadata, &stuck);
	EXPECT_EQ(PIPE_BUF, result_of(_metadata, &stuck.child).ret);
	EXPECT_TRUE(heard_sigio());
	take(_metadata, reader, 1);
}

TEST_F(pipe, room_beside_that_of_a_stuck_writer_signals_after_it)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct stuck stuck;

	if (!holds(_metadata, self->capacity, 2 * PIPE_BUF))
		return;
	if (!start_stuck(_metadata, &stuck, O_WRONLY, 1))
		return;
	ask_for_sigio(_metadata, writer);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_FALSE(heard_sigio());
	release(_metadata, &stuck);
	EXPECT_EQ(PIPE_BUF, result_of(_metadata, &stuck.child).ret);
	EXPECT_TRUE(heard_sigio());
	EXPECT_EQ(1, write(writer, "x", 1));
}

/* A ring waits for a stuck reader; whoever handed it the read goes on. */
TEST_F(pipe, a_read_in_a_ring_gets_the_bytes_behind_those_of_a_stuck_reader)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	int reader = open_pipe(_metadata, O_RDONLY);
	struct completion completion;
	struct stuck stuck;
	struct uring ring;

	if (!holds(_metadata, self->capacity, PIPE_BUF + 1))
		return;
	if (!uring_open(&ring))
		SKIP(return, "needs io_uring: %s", strerror(errno));
	put_in(_metadata, fd, PIPE_BUF + 1);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	uring_put(&ring, (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .fd = reader, .addr = (unsigned long)big_buffer(),
		.len = 10, .off = -1,
	});
	EXPECT_EQ(1, uring_enter(&ring, 0));
	EXPECT_FALSE(uring_take(&ring, &completion));
	release(_metadata, &stuck);
	EXPECT_EQ(PIPE_BUF, result_of(_metadata, &stuck.child).ret);
	uring_enter(&ring, 1);
	ASSERT_TRUE(uring_take(&ring, &completion));
	EXPECT_EQ(1, completion.res);
}

static void splice_once(int report_to, const void *way)
{
	int fd = open(MINI_PIPE, O_RDONLY);

	report(report_to, splice(fd, NULL, *(const int *)way, NULL, 100, 0));
}

/* It was the first in line, and is woken for them, but cannot take them yet. */
TEST_F(pipe, a_splice_into_a_pipe_2_with_a_stuck_reader_leaves_the_bytes_to_others)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child splicer, reader;
	struct stuck stuck;
	int way[2];

	ASSERT_EQ(0, pipe(way));
	ASSERT_EQ(1, write(way[1], "x", 1));
	splicer = start_heir(_metadata, splice_once, &way[1]);
	ASSERT_ASLEEP_IN(splice, &splicer);
	queue_readers(_metadata, &reader, 1);
	if (!start_stuck_in(_metadata, &stuck, way[0], O_RDONLY, 1))
		return;
	ASSERT_EQ(1, write(writer, "a", 1));
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
	release(_metadata, &stuck);
	EXPECT_EQ(1, result_of(_metadata, &stuck.child).ret);
	ASSERT_ASLEEP_IN(splice, &splicer);
	ASSERT_EQ(2, write(writer, "bc", 2));
	EXPECT_EQ(2, result_of(_metadata, &splicer).ret);
}

/* It wants a slot of its own, in a pipe of another size, too. */
TEST_F(pipe, a_packet_stuck_on_its_way_in_stays_one)
{
	struct ends ends = private_pipe(_metadata, O_NONBLOCK | O_DIRECT, 4 * PIPE_BUF);
	struct stuck stuck;

	ASSERT_EQ(1, write(ends.w, "a", 1));
	ASSERT_EQ(1, write(ends.w, "b", 1));
	if (!start_stuck_in(_metadata, &stuck, ends.w, O_WRONLY, 1))
		return;
	EXPECT_EQ(8 * PIPE_BUF, set_capacity(ends.w, 8 * PIPE_BUF));
	EXPECT_EQ(-1, set_capacity(ends.w, 2 * PIPE_BUF));
	EXPECT_EQ(EBUSY, errno);
	release(_metadata, &stuck);
	EXPECT_EQ(stuck.len, result_of(_metadata, &stuck.child).ret);
	take(_metadata, ends.r, 1);
	take(_metadata, ends.r, 1);
	EXPECT_EQ(stuck.len, bytes_in(ends.r));
	take(_metadata, ends.r, 1);
	EXPECT_EQ(0, bytes_in(ends.r));
}

/*
 * What a stuck process, at either end, does to everybody else: here, and in a pipe of pipe(2).
 */

FIXTURE(everybody_else)
{
	ssize_t capacity;
};

FIXTURE_VARIANT(everybody_else)
{
	int stuck_end;
};

FIXTURE_VARIANT_ADD(everybody_else, beside_a_stuck_reader) { .stuck_end = O_RDONLY, };
FIXTURE_VARIANT_ADD(everybody_else, beside_a_stuck_writer) { .stuck_end = O_WRONLY, };

FIXTURE_SETUP(everybody_else)
{
	self->capacity = set_the_stage(_metadata);
}

FIXTURE_TEARDOWN(everybody_else)
{
	clear_the_stage(_metadata);
}

static void expect_interrupted(struct __test_metadata *_metadata, const struct child *child)
{
	struct result result;

	kill(child->pid, SIGUSR1);
	result = result_of(_metadata, child);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EINTR, result.err);
}

static void expect_killed(struct __test_metadata *_metadata, const struct child *child)
{
	int status;

	kill(child->pid, SIGKILL);
	status = end_of(_metadata, child);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
}

/* Asleep is what /proc/PID/stat calls S: interruptible. */
TEST_F(everybody_else, goes_on_or_sleeps_where_each_signal_ends_it)
{
	bool reader_is_stuck = variant->stuck_end == O_RDONLY;
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child readers[3], writers[3];
	struct stuck stuck;
	ssize_t gone_on;

	if (!holds(_metadata, self->capacity, page_size() + 1))
		return;
	put_in(_metadata, fd, 1);
	if (!start_stuck(_metadata, &stuck, variant->stuck_end, 1))
		return;
	gone_on = reader_is_stuck ? fill_pipe(_metadata, fd) : drain_pipe(_metadata, fd);
	EXPECT_EQ(reader_is_stuck ? self->capacity - 1 : 1, gone_on);

	queue_readers(_metadata, readers, 3);
	queue_writers(_metadata, writers, 3, 1);
	expect_interrupted(_metadata, &readers[0]);
	expect_interrupted(_metadata, &writers[0]);
	expect_killed(_metadata, &readers[1]);
	expect_killed(_metadata, &writers[1]);
	ASSERT_ASLEEP_IN(read, &readers[2]);
	ASSERT_ASLEEP_IN(write, &writers[2]);
	EXPECT_FALSE(has_reported(&stuck.child));

	release(_metadata, &stuck);
	EXPECT_EQ(reader_is_stuck ? 1 : stuck.len, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(1, result_of(_metadata, &readers[2]).ret);
	take(_metadata, fd, PIPE_BUF - 1);
	EXPECT_EQ(1, result_of(_metadata, &writers[2]).ret);
}

/*
 * The same with pipe(2), to show the difference: fs/pipe.c copies under its mutex, and waits for
 * that uninterruptibly. The test itself must not touch the pipe meanwhile.
 */

FIXTURE(with_pipe_2_everybody_else)
{
	int ends[2];	/* by O_RDONLY and O_WRONLY, which are 0 and 1 */
};

FIXTURE_VARIANT(with_pipe_2_everybody_else)
{
	int stuck_end;
};

FIXTURE_VARIANT_ADD(with_pipe_2_everybody_else, beside_a_stuck_reader)
{
	.stuck_end = O_RDONLY,
};

FIXTURE_VARIANT_ADD(with_pipe_2_everybody_else, beside_a_stuck_writer)
{
	.stuck_end = O_WRONLY,
};

FIXTURE_SETUP(with_pipe_2_everybody_else)
{
	handle(SIGUSR1, do_nothing, 0);
	ASSERT_EQ(0, pipe(self->ends));
}

FIXTURE_TEARDOWN(with_pipe_2_everybody_else)
{
	clear_the_stage(_metadata);
}

static void read_inherited(int report_to, const void *fd)
{
	report(report_to, read(*(const int *)fd, big_buffer(), 1));
}

static void write_inherited(int report_to, const void *fd)
{
	report(report_to, write(*(const int *)fd, big_buffer(), 1));
}

/* An open file of its own, so that the child's end is what closes it. */
static void open_once_more(int report_to, const void *fd)
{
	report(report_to, open_again(*(const int *)fd, O_RDONLY));
}

/* A line of /proc/PID/status whose value is hexadecimal. */
static unsigned long long mask_of(pid_t pid, const char *name)
{
	unsigned long long mask = 0;
	char text[4096];
	char *line;

	if (read_proc(pid, "status", text, sizeof(text))) {
		line = strstr(text, name);
		if (line)
			sscanf(line + strlen(name), "%llx", &mask);
	}
	return mask;
}

/* Whether the signal, once sent, has been neither taken nor noticed. */
static bool sleeps_through(const struct child *child, int sig)
{
	unsigned long long pending;

	kill(child->pid, sig);
	pending = mask_of(child->pid, "SigPnd:") | mask_of(child->pid, "ShdPnd:");
	return pending & 1ULL << (sig - 1) && is_in_deep_sleep(child);
}

TEST_F(with_pipe_2_everybody_else, sleeps_where_no_signal_ends_it_not_even_sigkill)
{
	struct child others[4];
	struct stuck stuck;

	ASSERT_EQ(1, write(self->ends[O_WRONLY], "x", 1));
	if (!start_stuck_in(_metadata, &stuck, self->ends[variant->stuck_end],
			    variant->stuck_end, 1))
		return;
	for (int i = 0; i < 4; i++) {
		others[i] = start_heir(_metadata, i % 2 ? write_inherited : read_inherited,
				       &self->ends[i % 2]);
		ASSERT_TRUE(falls_into_deep_sleep(&others[i]));
		EXPECT_TRUE(sleeps_through(&others[i], SIGUSR1));
		EXPECT_TRUE(sleeps_through(&others[i], SIGKILL));
		EXPECT_EQ(0, waitpid(others[i].pid, NULL, WNOHANG));
	}
	release(_metadata, &stuck);
	EXPECT_LT(0, result_of(_metadata, &stuck.child).ret);
	for (int i = 0; i < 4; i++)
		expect_killed(_metadata, &others[i]);
}

TEST_F(with_pipe_2_everybody_else, cannot_even_leave_the_pipe)
{
	struct child other = start_heir(_metadata, open_once_more, &self->ends[O_RDONLY]);
	struct stuck stuck;

	ASSERT_LE(0, result_of(_metadata, &other).ret);
	ASSERT_EQ(1, write(self->ends[O_WRONLY], "x", 1));
	if (!start_stuck_in(_metadata, &stuck, self->ends[variant->stuck_end],
			    variant->stuck_end, 1))
		return;
	kill(other.pid, SIGKILL);
	ASSERT_TRUE(falls_into_deep_sleep(&other));
	EXPECT_EQ(0, waitpid(other.pid, NULL, WNOHANG));
	release(_metadata, &stuck);
	EXPECT_LT(0, result_of(_metadata, &stuck.child).ret);
	expect_killed(_metadata, &other);
}

TEST_HARNESS_MAIN
