// SPDX-License-Identifier: GPL-2.0
/*
 * Readers and writers that are stuck: a page fault of their buffer lasts until the test resolves it
 * (userfaultfd). A stuck call holds its reservation, but no lock. So calls at the other end
 * continue, calls at the same end wait for the reservation interruptibly, and signals work as
 * always.
 */
#include <sys/epoll.h>
#include "device_fixture.h"
#include "userfault.h"
#include "uring.h"

TEST_F(pipe, stuck_reader_does_not_block_writers)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck stuck;

	if (!has_capacity(_metadata, self->capacity, PIPE_BUF + 1))
		return;
	write_pattern(_metadata, fd, 1);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	EXPECT_EQ(PIPE_BUF, write(fd, big_buffer(), PIPE_BUF));
	EXPECT_EQ(self->capacity - PIPE_BUF - 1, fill_pipe(_metadata, fd));
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(1, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(self->capacity - 1, drain_pipe(_metadata, fd));
}

TEST_F(pipe, nonblocking_read_gives_eagain_during_stuck_read)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck stuck;

	write_pattern(_metadata, fd, 1);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	EXPECT_EQ(-1, read(fd, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, poll_now(fd, POLLIN));
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(1, result_of(_metadata, &stuck.child).ret);
}

TEST_F(pipe, killed_stuck_reader_leaves_bytes_to_next_reader)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck stuck;
	struct child second;
	struct result result;

	ASSERT_EQ(1, write(fd, "x", 1));
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	queue_readers(_metadata, &second, 1);
	kill_child(_metadata, &stuck.child);
	result = result_of(_metadata, &second);
	EXPECT_EQ(1, result.ret);
	EXPECT_EQ('x', result.first);
}

TEST_F(pipe, killed_stuck_reader_wakes_poller)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck stuck;
	struct child poller;

	ASSERT_EQ(1, write(fd, "x", 1));
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	poller = start_poller(_metadata, O_RDONLY, POLLIN);
	kill_child(_metadata, &stuck.child);
	EXPECT_EQ(POLLIN, result_of(_metadata, &poller).ret);
}

/* The stuck reader has a reservation, so the pipe is not readable before its read ends. */
TEST_F(pipe, end_of_stuck_read_wakes_poller_for_remaining_bytes)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck stuck;
	struct child poller;

	if (!has_capacity(_metadata, self->capacity, page_size() + 1))
		return;
	write_pattern(_metadata, fd, page_size() + 1);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	poller = start_poller(_metadata, O_RDONLY, POLLIN);
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(stuck.len, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(POLLIN, result_of(_metadata, &poller).ret);
	EXPECT_EQ(1, drain_pipe(_metadata, fd));
}

/* The poller waits for POLLHUP alone, which is not reported while the read is stuck. */
TEST_F(pipe, end_of_stuck_read_wakes_poller_for_hangup_with_bytes_left)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct stuck stuck;
	struct child poller;

	if (!has_capacity(_metadata, self->capacity, page_size() + 1))
		return;
	write_pattern(_metadata, writer, page_size() + 1);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	poller = start_poller(_metadata, O_RDONLY, 0);
	close(writer);
	ASSERT_ASLEEP_IN(ppoll, &poller);
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(stuck.len, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(POLLHUP, result_of(_metadata, &poller).ret);
	EXPECT_EQ(1, read(reader, big_buffer(), 2));
}

TEST_F(pipe, end_of_stuck_write_wakes_poller_for_remaining_room)
{
	struct stuck stuck;
	struct child poller;

	if (!has_capacity(_metadata, self->capacity, page_size() + PIPE_BUF))
		return;
	if (!start_stuck(_metadata, &stuck, O_WRONLY, 1))
		return;
	poller = start_poller(_metadata, O_WRONLY, POLLOUT);
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(stuck.len, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(POLLOUT, result_of(_metadata, &poller).ret);
}

/*
 * While the read is stuck, no end of file is reported. When the read ends, an edge-triggered poller
 * gets exactly one event for the end of file.
 */
TEST_F(pipe, end_of_stuck_read_gives_one_edge_triggered_epollhup)
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
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(1, result_of(_metadata, &stuck.child).ret);
	ASSERT_EQ(1, epoll_wait(epoll, &event, 1, 0));
	EXPECT_EQ(EPOLLHUP, event.events);
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	EXPECT_EQ(0, read(reader, big_buffer(), 1));
	EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
}

/* The end of file waits for the stuck read: if that fails, its bytes stay in the pipe. */
TEST_F(pipe, next_reader_gets_end_of_file_after_stuck_read)
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
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(1, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(0, result_of(_metadata, &second).ret);
}

TEST_F(pipe, stuck_writer_does_not_block_readers)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t len = 2 * page_size();
	struct stuck stuck;

	if (!has_capacity(_metadata, self->capacity, len + 5))
		return;
	write_pattern(_metadata, fd, 5);
	if (!start_stuck(_metadata, &stuck, O_WRONLY, 2))
		return;
	EXPECT_EQ(5, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 5));
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(len, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(len, drain_pipe(_metadata, fd));
}

TEST_F(pipe, next_writer_writes_after_stuck_write)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	ssize_t len = 2 * page_size();
	struct stuck stuck;
	struct child second;

	if (!has_capacity(_metadata, self->capacity, len + 1))
		return;
	if (!start_stuck(_metadata, &stuck, O_WRONLY, 2))
		return;
	second = start_writer(_metadata, 1, 'a');
	ASSERT_ASLEEP_IN(write, &second);
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(len, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(1, result_of(_metadata, &second).ret);
	EXPECT_EQ(len + 1, drain_pipe(_metadata, reader));
	EXPECT_EQ('a', big_buffer()[len]);
}

/* The room after the stuck write is too small for the first writer, but not for the others. */
TEST_F(pipe, small_writes_behind_large_one_complete_after_stuck_write)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child large, small[2];
	struct stuck stuck;

	if (!has_capacity(_metadata, self->capacity, page_size() + 100))
		return;
	write_pattern(_metadata, fd, self->capacity - page_size() - 100);
	if (!start_stuck(_metadata, &stuck, O_WRONLY, 1))
		return;
	queue_writers(_metadata, &large, 1, PIPE_BUF);
	queue_writers(_metadata, small, 2, 40);
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(stuck.len, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(40, result_of(_metadata, &small[0]).ret);
	EXPECT_EQ(40, result_of(_metadata, &small[1]).ret);
	ASSERT_ASLEEP_IN(write, &large);
}

TEST_F(pipe, read_returns_bytes_that_were_there_when_it_began)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t page = page_size();
	struct stuck reader;

	if (!has_capacity(_metadata, self->capacity, 4 * page))
		return;
	write_pattern(_metadata, fd, 2 * page);
	if (!start_stuck(_metadata, &reader, O_RDONLY, 4))
		return;
	write_pattern(_metadata, fd, page);
	resolve_faults(_metadata, &reader);
	EXPECT_EQ(2 * page, result_of(_metadata, &reader.child).ret);
	EXPECT_EQ(page, drain_pipe(_metadata, fd));
}

TEST_F(pipe, read_during_stuck_write_returns_its_bytes_too)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck reader, writer;
	ssize_t page = page_size();

	if (!has_capacity(_metadata, self->capacity, 4 * page))
		return;
	write_pattern(_metadata, fd, 2 * page);
	if (!start_stuck(_metadata, &writer, O_WRONLY, 1) ||
	    !start_stuck(_metadata, &reader, O_RDONLY, 4))
		return;
	resolve_faults(_metadata, &writer);
	EXPECT_EQ(page, result_of(_metadata, &writer.child).ret);
	resolve_faults(_metadata, &reader);
	EXPECT_EQ(3 * page, result_of(_metadata, &reader.child).ret);
	EXPECT_EQ(0, drain_pipe(_metadata, fd));
}

TEST_F(pipe, killed_stuck_writer_leaves_room_to_others)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck stuck;

	if (!start_stuck(_metadata, &stuck, O_WRONLY, 2))
		return;
	kill_child(_metadata, &stuck.child);
	EXPECT_EQ(self->capacity, fill_pipe(_metadata, fd));
	EXPECT_EQ(self->capacity, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, self->capacity));
}

/* splice(2) copies nothing to user memory, but it respects the reservations of other calls. */
TEST_F(pipe, splice_gives_eagain_during_stuck_read_or_write)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck reader, writer;
	int pipe_2[2];

	if (!has_capacity(_metadata, self->capacity, 3 * page_size()))
		return;
	ASSERT_EQ(0, pipe2(pipe_2, O_NONBLOCK));
	write_pattern(_metadata, fd, page_size() + 5);
	if (!start_stuck(_metadata, &reader, O_RDONLY, 1))
		return;
	EXPECT_EQ(-1, splice(fd, NULL, pipe_2[1], NULL, 5, 0));
	EXPECT_EQ(EAGAIN, errno);
	kill_child(_metadata, &reader.child);
	EXPECT_EQ(5, splice(fd, NULL, pipe_2[1], NULL, 5, 0));

	if (!start_stuck(_metadata, &writer, O_WRONLY, 1))
		return;
	EXPECT_EQ(-1, splice(pipe_2[0], NULL, fd, NULL, 5, 0));
	EXPECT_EQ(EAGAIN, errno);
	kill_child(_metadata, &writer.child);
	EXPECT_EQ(5, splice(pipe_2[0], NULL, fd, NULL, 5, 0));
	EXPECT_EQ((ssize_t)page_size() + 5, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 5, page_size()));
	EXPECT_TRUE(is_pattern(big_buffer() + page_size(), 0, 5));
}

/*
 * During a stuck copy, the ioctls of the pipe do not wait for it. A resize does not disturb the
 * copy.
 */

FIXTURE(settings)
{
	int fd;			/* opened with O_RDWR and O_NONBLOCK */
	ssize_t capacity;
};

FIXTURE_SETUP(settings)
{
	self->capacity = set_up_pipe(_metadata);
	self->fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
}

FIXTURE_TEARDOWN(settings)
{
	restore_device(_metadata, self->fd, self->capacity);
}

TEST_F(settings, fionread_excludes_bytes_of_stuck_reader)
{
	int fd = self->fd;
	struct stuck stuck;

	write_pattern(_metadata, fd, page_size() + 10);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	EXPECT_EQ(10, bytes_in(fd));
	kill_child(_metadata, &stuck.child);
	EXPECT_EQ((int)page_size() + 10, bytes_in(fd));
}

TEST_F(settings, fionread_excludes_bytes_of_stuck_writer)
{
	int fd = self->fd;
	struct stuck stuck;

	write_pattern(_metadata, fd, 10);
	if (!start_stuck(_metadata, &stuck, O_WRONLY, 1))
		return;
	EXPECT_EQ(10, bytes_in(fd));
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(stuck.len, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(10 + stuck.len, bytes_in(fd));
}

TEST_F(settings, set_policy_gives_ebusy_during_stuck_read)
{
	int fd = self->fd;
	struct stuck stuck;

	write_pattern(_metadata, fd, 1);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	EXPECT_EQ(0, bytes_in(fd));
	EXPECT_EQ(-1, set_policy(fd, MINI_PIPE_RENDEZVOUS));
	EXPECT_EQ(EBUSY, errno);
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(1, result_of(_metadata, &stuck.child).ret);
}

TEST_F(settings, set_policy_gives_ebusy_during_stuck_write)
{
	int fd = self->fd;
	struct stuck stuck;

	if (!start_stuck(_metadata, &stuck, O_WRONLY, 1))
		return;
	EXPECT_EQ(-1, set_policy(fd, MINI_PIPE_RENDEZVOUS));
	EXPECT_EQ(EBUSY, errno);
	kill_child(_metadata, &stuck.child);
}

/* The stuck reader has reserved a page of bytes. A few more bytes follow. */
static void resize_during_stuck_read(struct __test_metadata *_metadata, int fd, bool killed)
{
	ssize_t page = page_size();
	struct stuck stuck;

	write_pattern(_metadata, fd, page + 10);
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
		kill_child(_metadata, &stuck.child);
		EXPECT_EQ(page + 10010, drain_pipe(_metadata, fd));
		EXPECT_TRUE(is_pattern(big_buffer(), 0, page + 10010));
	} else {
		resolve_faults(_metadata, &stuck);
		EXPECT_EQ(page, result_of(_metadata, &stuck.child).ret);
		EXPECT_EQ(10010, drain_pipe(_metadata, fd));
		EXPECT_TRUE(is_pattern(big_buffer(), page, 10010));
	}
}

TEST_F(settings, resize_works_during_stuck_read)
{
	resize_during_stuck_read(_metadata, self->fd, false);
}

TEST_F(settings, resize_works_during_stuck_read_that_is_killed)
{
	resize_during_stuck_read(_metadata, self->fd, true);
}

/* The bytes of the stuck writer follow those written before, and precede later ones. */
static void resize_during_stuck_write(struct __test_metadata *_metadata, int fd, bool killed)
{
	ssize_t page = page_size(), written = killed ? 0 : 2 * page;
	struct stuck stuck;

	write_pattern(_metadata, fd, 10);
	if (!start_stuck(_metadata, &stuck, O_WRONLY, 2))
		return;
	EXPECT_EQ(-1, set_capacity(fd, 2 * page + 9));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(2 * page + 10, set_capacity(fd, 2 * page + 10));
	read_exactly(_metadata, fd, 1);
	EXPECT_EQ(BIG / 2, set_capacity(fd, BIG / 2));
	EXPECT_EQ(9, bytes_in(fd));
	if (killed) {
		kill_child(_metadata, &stuck.child);
	} else {
		resolve_with_pattern(_metadata, &stuck);
		EXPECT_EQ(written, result_of(_metadata, &stuck.child).ret);
	}
	EXPECT_EQ(3, write(fd, "xyz", 3));
	EXPECT_EQ(9 + written + 3, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 1, 9));
	EXPECT_TRUE(is_pattern(big_buffer() + 9, 0, written));
	EXPECT_EQ(0, memcmp(big_buffer() + 9 + written, "xyz", 3));
}

TEST_F(settings, resize_works_during_stuck_write)
{
	resize_during_stuck_write(_metadata, self->fd, false);
}

TEST_F(settings, resize_works_during_stuck_write_that_is_killed)
{
	resize_during_stuck_write(_metadata, self->fd, true);
}

/* Rendezvous: bytes that a reader has reserved count as read, but stay if the read fails. */

static void interrupt_rendezvous(struct __test_metadata *_metadata, int fd, bool killed)
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
		kill_child(_metadata, &stuck.child);
	} else {
		resolve_faults(_metadata, &stuck);
		EXPECT_EQ(page, result_of(_metadata, &stuck.child).ret);
	}
	EXPECT_EQ(killed ? page : 0, drain_pipe(_metadata, fd));
}

TEST_F(settings, interrupted_rendezvous_counts_bytes_of_stuck_reader)
{
	interrupt_rendezvous(_metadata, self->fd, false);
}

TEST_F(settings, interrupted_rendezvous_leaves_bytes_of_killed_reader)
{
	interrupt_rendezvous(_metadata, self->fd, true);
}

TEST_F(settings, rendezvous_lasts_until_stuck_read_ends)
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
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(10, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(10, result_of(_metadata, &writer).ret);
}

/* A file with O_ASYNC whose call got EAGAIN gets a signal when the contention ends */

static void enable_sigio(struct __test_metadata *_metadata, int fd)
{
	sigset_t sigio;

	sigemptyset(&sigio);
	sigaddset(&sigio, SIGIO);
	sigprocmask(SIG_BLOCK, &sigio, NULL);
	ASSERT_EQ(0, fcntl(fd, F_SETOWN, getpid()));
	set_flag(_metadata, fd, O_ASYNC, true);
}

/* Takes a pending SIGIO. Returns false if there is none. */
static bool take_sigio(void)
{
	struct timespec now = {};
	sigset_t sigio;

	sigemptyset(&sigio);
	sigaddset(&sigio, SIGIO);
	return sigtimedwait(&sigio, NULL, &now) == SIGIO;
}

TEST_F(pipe, end_of_stuck_read_sends_sigio_for_remaining_bytes)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct stuck stuck;

	if (!has_capacity(_metadata, self->capacity, PIPE_BUF + 1))
		return;
	write_pattern(_metadata, writer, PIPE_BUF + 1);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	enable_sigio(_metadata, reader);
	EXPECT_EQ(-1, read(reader, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_FALSE(take_sigio());
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(PIPE_BUF, result_of(_metadata, &stuck.child).ret);
	EXPECT_TRUE(take_sigio());
	read_exactly(_metadata, reader, 1);
}

TEST_F(pipe, end_of_stuck_write_sends_sigio_for_remaining_room)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct stuck stuck;

	if (!has_capacity(_metadata, self->capacity, 2 * PIPE_BUF))
		return;
	if (!start_stuck(_metadata, &stuck, O_WRONLY, 1))
		return;
	enable_sigio(_metadata, writer);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_FALSE(take_sigio());
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(PIPE_BUF, result_of(_metadata, &stuck.child).ret);
	EXPECT_TRUE(take_sigio());
	EXPECT_EQ(1, write(writer, "x", 1));
}

/* After its copy, too, a rendezvous excludes other writers, until it ends and frees the room. */
TEST_F(settings, end_of_rendezvous_sends_sigio_after_eagain_during_its_copy)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct stuck stuck;

	ASSERT_EQ(0, set_policy(self->fd, MINI_PIPE_RENDEZVOUS));
	if (!start_stuck(_metadata, &stuck, O_WRONLY, 1))
		return;
	enable_sigio(_metadata, writer);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EAGAIN, errno);
	resolve_faults(_metadata, &stuck);
	ASSERT_ASLEEP_IN(write, &stuck.child);
	EXPECT_FALSE(take_sigio());
	kill(stuck.child.pid, SIGUSR1);
	EXPECT_EQ(EINTR, result_of(_metadata, &stuck.child).err);
	EXPECT_TRUE(take_sigio());
	EXPECT_EQ(1, write(writer, "x", 1));
}

/* The read waits in the io_uring for the stuck reader, and its submitter continues. */
TEST_F(pipe, io_uring_read_completes_after_stuck_read)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	int reader = open_pipe(_metadata, O_RDONLY);
	struct completion completion;
	struct stuck stuck;
	struct uring ring;

	if (!has_capacity(_metadata, self->capacity, PIPE_BUF + 1))
		return;
	if (!uring_open(&ring))
		SKIP(return, "needs io_uring: %s", strerror(errno));
	write_pattern(_metadata, fd, PIPE_BUF + 1);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	uring_queue(&ring, (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .fd = reader, .addr = (unsigned long)big_buffer(),
		.len = 10, .off = -1,
	});
	EXPECT_EQ(1, uring_enter(&ring, 0));
	EXPECT_FALSE(uring_reap(&ring, &completion));
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(PIPE_BUF, result_of(_metadata, &stuck.child).ret);
	uring_enter(&ring, 1);
	ASSERT_TRUE(uring_reap(&ring, &completion));
	EXPECT_EQ(1, completion.res);
}

static void splice_once(int report_to, const void *pipe_2)
{
	int fd = open(MINI_PIPE, O_RDONLY);

	report(report_to, splice(fd, NULL, *(const int *)pipe_2, NULL, 100, 0));
}

/* The splice is first in the queue and is woken, but the stuck reader blocks its pipe(2). */
TEST_F(pipe, splice_to_pipe_2_with_stuck_reader_leaves_bytes_to_others)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child splicer, reader;
	struct stuck stuck;
	int pipe_2[2];

	ASSERT_EQ(0, pipe(pipe_2));
	ASSERT_EQ(1, write(pipe_2[1], "x", 1));
	splicer = start_forked(_metadata, splice_once, &pipe_2[1]);
	ASSERT_ASLEEP_IN(splice, &splicer);
	queue_readers(_metadata, &reader, 1);
	if (!start_stuck_in(_metadata, &stuck, pipe_2[0], O_RDONLY, 1))
		return;
	ASSERT_EQ(1, write(writer, "a", 1));
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(1, result_of(_metadata, &stuck.child).ret);
	ASSERT_ASLEEP_IN(splice, &splicer);
	ASSERT_EQ(2, write(writer, "bc", 2));
	EXPECT_EQ(2, result_of(_metadata, &splicer).ret);
}

/* The packet needs a slot of its own, also after a resize. */
TEST_F(pipe, stuck_write_of_packet_stays_one_packet)
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
	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(stuck.len, result_of(_metadata, &stuck.child).ret);
	read_exactly(_metadata, ends.r, 1);
	read_exactly(_metadata, ends.r, 1);
	EXPECT_EQ(stuck.len, bytes_in(ends.r));
	read_exactly(_metadata, ends.r, 1);
	EXPECT_EQ(0, bytes_in(ends.r));
}

/* What a stuck call at either end means for other tasks: on a mini_pipe, then on a pipe(2) */

FIXTURE(other_tasks)
{
	ssize_t capacity;
};

FIXTURE_VARIANT(other_tasks)
{
	int stuck_end;
};

FIXTURE_VARIANT_ADD(other_tasks, stuck_reader) { .stuck_end = O_RDONLY, };
FIXTURE_VARIANT_ADD(other_tasks, stuck_writer) { .stuck_end = O_WRONLY, };

FIXTURE_SETUP(other_tasks)
{
	self->capacity = set_up_pipe(_metadata);
}

FIXTURE_TEARDOWN(other_tasks)
{
	kill_children(_metadata);
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
	status = wait_for_exit(_metadata, child);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGKILL, WTERMSIG(status));
}

/* ASSERT_ASLEEP_IN() checks for state S, which is interruptible. */
TEST_F(other_tasks, continue_or_sleep_interruptibly)
{
	bool reader_is_stuck = variant->stuck_end == O_RDONLY;
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child readers[3], writers[3];
	struct stuck stuck;
	ssize_t moved;

	if (!has_capacity(_metadata, self->capacity, page_size() + 1))
		return;
	write_pattern(_metadata, fd, 1);
	if (!start_stuck(_metadata, &stuck, variant->stuck_end, 1))
		return;
	moved = reader_is_stuck ? fill_pipe(_metadata, fd) : drain_pipe(_metadata, fd);
	EXPECT_EQ(reader_is_stuck ? self->capacity - 1 : 1, moved);

	queue_readers(_metadata, readers, 3);
	queue_writers(_metadata, writers, 3, 1);
	expect_interrupted(_metadata, &readers[0]);
	expect_interrupted(_metadata, &writers[0]);
	expect_killed(_metadata, &readers[1]);
	expect_killed(_metadata, &writers[1]);
	ASSERT_ASLEEP_IN(read, &readers[2]);
	ASSERT_ASLEEP_IN(write, &writers[2]);
	EXPECT_FALSE(has_reported(&stuck.child));

	resolve_faults(_metadata, &stuck);
	EXPECT_EQ(reader_is_stuck ? 1 : stuck.len, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(1, result_of(_metadata, &readers[2]).ret);
	read_exactly(_metadata, fd, PIPE_BUF - 1);
	EXPECT_EQ(1, result_of(_metadata, &writers[2]).ret);
}

/*
 * On a pipe(2), to show the difference: fs/pipe.c copies under its mutex, and other calls wait for
 * the mutex uninterruptibly. So the test itself must not use the pipe meanwhile.
 */

FIXTURE(other_tasks_of_pipe_2)
{
	int ends[2];	/* the index is O_RDONLY or O_WRONLY, which are 0 and 1 */
};

FIXTURE_VARIANT(other_tasks_of_pipe_2)
{
	int stuck_end;
};

FIXTURE_VARIANT_ADD(other_tasks_of_pipe_2, stuck_reader)
{
	.stuck_end = O_RDONLY,
};

FIXTURE_VARIANT_ADD(other_tasks_of_pipe_2, stuck_writer)
{
	.stuck_end = O_WRONLY,
};

FIXTURE_SETUP(other_tasks_of_pipe_2)
{
	set_handler(SIGUSR1, do_nothing, 0);
	ASSERT_EQ(0, pipe(self->ends));
}

FIXTURE_TEARDOWN(other_tasks_of_pipe_2)
{
	kill_children(_metadata);
}

static void read_inherited(int report_to, const void *fd)
{
	report(report_to, read(*(const int *)fd, big_buffer(), 1));
}

static void write_inherited(int report_to, const void *fd)
{
	report(report_to, write(*(const int *)fd, big_buffer(), 1));
}

/* An open file of the child's own, which the exit of the child closes. */
static void reopen_inherited(int report_to, const void *fd)
{
	report(report_to, open_again(*(const int *)fd, O_RDONLY));
}

/* The hexadecimal mask on the line `name` of /proc/PID/status. */
static unsigned long long signal_mask(pid_t pid, const char *name)
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

/* Sends the signal. Returns whether it stays pending and the child sleeps on. */
static bool ignores_signal(const struct child *child, int sig)
{
	unsigned long long pending;

	kill(child->pid, sig);
	pending = signal_mask(child->pid, "SigPnd:") | signal_mask(child->pid, "ShdPnd:");
	return pending & 1ULL << (sig - 1) && is_uninterruptible(child);
}

TEST_F(other_tasks_of_pipe_2, sleep_uninterruptibly_despite_sigkill)
{
	struct child others[4];
	struct stuck stuck;

	ASSERT_EQ(1, write(self->ends[O_WRONLY], "x", 1));
	if (!start_stuck_in(_metadata, &stuck, self->ends[variant->stuck_end],
			    variant->stuck_end, 1))
		return;
	for (int i = 0; i < 4; i++) {
		others[i] = start_forked(_metadata, i % 2 ? write_inherited : read_inherited,
					 &self->ends[i % 2]);
		ASSERT_TRUE(sleeps_uninterruptibly(&others[i]));
		EXPECT_TRUE(ignores_signal(&others[i], SIGUSR1));
		EXPECT_TRUE(ignores_signal(&others[i], SIGKILL));
		EXPECT_EQ(0, waitpid(others[i].pid, NULL, WNOHANG));
	}
	resolve_faults(_metadata, &stuck);
	EXPECT_LT(0, result_of(_metadata, &stuck.child).ret);
	for (int i = 0; i < 4; i++)
		expect_killed(_metadata, &others[i]);
}

TEST_F(other_tasks_of_pipe_2, close_sleeps_uninterruptibly)
{
	struct child other = start_forked(_metadata, reopen_inherited, &self->ends[O_RDONLY]);
	struct stuck stuck;

	ASSERT_LE(0, result_of(_metadata, &other).ret);
	ASSERT_EQ(1, write(self->ends[O_WRONLY], "x", 1));
	if (!start_stuck_in(_metadata, &stuck, self->ends[variant->stuck_end],
			    variant->stuck_end, 1))
		return;
	kill(other.pid, SIGKILL);
	ASSERT_TRUE(sleeps_uninterruptibly(&other));
	EXPECT_EQ(0, waitpid(other.pid, NULL, WNOHANG));
	resolve_faults(_metadata, &stuck);
	EXPECT_LT(0, result_of(_metadata, &stuck.child).ret);
	expect_killed(_metadata, &other);
}

TEST_HARNESS_MAIN
