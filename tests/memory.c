// SPDX-License-Identifier: GPL-2.0
/*
 * Bad and slow user memory: EFAULT or a short count, and no byte lost, doubled or invented; and
 * whoever is stuck in a fault keeps neither the other side nor its own from their business.
 */
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include "pipe_fixture.h"

static size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static unsigned char *map_pages(struct __test_metadata *_metadata, int pages, int prot)
{
	unsigned char *map = mmap(NULL, pages * page_size(), prot,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, map);
	return map;
}

/* Good pages, followed by one that is not there. */
static unsigned char *map_before_a_hole(struct __test_metadata *_metadata, int good_pages)
{
	unsigned char *map = map_pages(_metadata, good_pages + 1, PROT_READ | PROT_WRITE);

	ASSERT_EQ(0, munmap(map + good_pages * page_size(), page_size()));
	return map;
}

static void put_in(struct __test_metadata *_metadata, int fd, ssize_t len)
{
	put_pattern(big_buffer(), 0, len);
	ASSERT_EQ(len, write(fd, big_buffer(), len));
}

static void fails_to_read_into(struct __test_metadata *_metadata, void *bad)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	put_in(_metadata, fd, 10);
	EXPECT_EQ(-1, read(fd, bad, 10));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(10, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 10));
}

TEST_F(pipe, reading_into_null_leaves_the_bytes)
{
	fails_to_read_into(_metadata, NULL);
}

TEST_F(pipe, reading_into_forbidden_memory_leaves_the_bytes)
{
	fails_to_read_into(_metadata, map_pages(_metadata, 1, PROT_NONE));
}

TEST_F(pipe, reading_into_read_only_memory_leaves_the_bytes)
{
	fails_to_read_into(_metadata, map_pages(_metadata, 1, PROT_READ));
}

TEST_F(pipe, reading_into_the_kernel_leaves_the_bytes)
{
	fails_to_read_into(_metadata, (void *)(~0UL << 20));
}

static void fails_to_write_from(struct __test_metadata *_metadata, const void *bad, ssize_t len)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	put_in(_metadata, fd, 3);
	EXPECT_EQ(-1, write(fd, bad, len));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(3, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 3));
}

TEST_F(pipe, writing_from_null_puts_nothing_in)
{
	if (!holds(_metadata, self->capacity, 13))
		return;
	fails_to_write_from(_metadata, NULL, 10);
}

TEST_F(pipe, writing_from_forbidden_memory_puts_nothing_in)
{
	if (!holds(_metadata, self->capacity, 13))
		return;
	fails_to_write_from(_metadata, map_pages(_metadata, 1, PROT_NONE), 10);
}

TEST_F(pipe, a_large_write_from_forbidden_memory_puts_nothing_in)
{
	fails_to_write_from(_metadata, map_pages(_metadata, 3, PROT_NONE), 3 * page_size());
}

TEST_F(pipe, an_atomic_write_that_faults_midway_puts_nothing_in)
{
	unsigned char *map = map_before_a_hole(_metadata, 1);

	if (!holds(_metadata, self->capacity, PIPE_BUF + 3))
		return;
	fails_to_write_from(_metadata, map + page_size() - 100, 200);
}

TEST_F(pipe, a_faulting_atomic_write_takes_no_room)
{
	unsigned char *map = map_before_a_hole(_metadata, 1);
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	for (int i = 0; i < 100; i++)
		ASSERT_EQ(-1, write(fd, map + page_size() - 100, PIPE_BUF));
	EXPECT_EQ(self->capacity, fill_pipe(_metadata, fd));
}

TEST_F(pipe, a_large_write_that_faults_midway_puts_in_what_was_good)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t good = 3 * page_size();
	unsigned char *map = map_before_a_hole(_metadata, 3);
	ssize_t n;

	if (!holds(_metadata, self->capacity, 4 * page_size()))
		return;
	put_pattern(map, 0, good);
	n = write(fd, map, 4 * page_size());
	EXPECT_EQ(good, n);
	EXPECT_EQ(n, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, n));
}

TEST_F(pipe, a_read_that_faults_midway_leaves_the_rest)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	unsigned char *map = map_before_a_hole(_metadata, 1);
	unsigned char *buf = map + page_size() - 100;
	ssize_t n;

	if (!holds(_metadata, self->capacity, 300))
		return;
	put_in(_metadata, fd, 300);
	n = read(fd, buf, 300);
	ASSERT_EQ(100, n);
	EXPECT_TRUE(is_pattern(buf, 0, n));
	EXPECT_EQ(300 - n, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), n, 300 - n));
}

TEST_F(pipe, a_large_read_that_faults_midway_leaves_the_rest)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	unsigned char *map = map_before_a_hole(_metadata, 2);
	ssize_t good = 2 * page_size();
	ssize_t n;

	if (!holds(_metadata, self->capacity, good + 1))
		return;
	fill_pipe(_metadata, fd);
	n = read(fd, map, self->capacity);
	ASSERT_EQ(good, n);
	EXPECT_TRUE(is_pattern(map, 0, n));
	EXPECT_EQ(self->capacity - n, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), n, self->capacity - n));
}

TEST_F(pipe, a_readv_stops_at_a_bad_buffer)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	unsigned char good[10], after[10];
	struct iovec iov[] = {
		{ good, 10 }, { map_pages(_metadata, 1, PROT_NONE), 10 }, { after, 10 },
	};

	if (!holds(_metadata, self->capacity, 30))
		return;
	put_in(_metadata, fd, 30);
	ASSERT_EQ(10, readv(fd, iov, 3));
	EXPECT_TRUE(is_pattern(good, 0, 10));
	EXPECT_EQ(20, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 10, 20));
}

TEST_F(pipe, an_atomic_writev_with_a_bad_buffer_puts_nothing_in)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct iovec iov[] = {
		{ big_buffer(), 10 }, { map_pages(_metadata, 1, PROT_NONE), 10 },
		{ big_buffer(), 10 },
	};

	if (!holds(_metadata, self->capacity, 30))
		return;
	EXPECT_EQ(-1, writev(fd, iov, 3));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, drain_pipe(_metadata, fd));
}

TEST_F(pipe, a_large_writev_stops_at_a_bad_buffer)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct iovec iov[] = {
		{ big_buffer(), PIPE_BUF + 50 }, { map_pages(_metadata, 1, PROT_NONE), 10 },
		{ big_buffer(), 10 },
	};

	if (!holds(_metadata, self->capacity, PIPE_BUF + 70))
		return;
	put_pattern(big_buffer(), 0, PIPE_BUF + 50);
	ASSERT_EQ(PIPE_BUF + 50, writev(fd, iov, 3));
	EXPECT_EQ(PIPE_BUF + 50, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, PIPE_BUF + 50));
}

/*
 * Memory that turns bad while its owner sleeps in the pipe: a mapping of a file that the test
 * cuts off. The owner is woken, faults and leaves; the wake-up must go on to the next in line.
 */

struct rotten {
	int fd;			/* the file behind the buffer */
	unsigned char *buf;
	ssize_t len;
};

static struct rotten map_rotten(struct __test_metadata *_metadata, ssize_t len)
{
	struct rotten rotten = { .fd = memfd_create("rotten", MFD_CLOEXEC), .len = len };

	ASSERT_LE(0, rotten.fd);
	ASSERT_EQ(0, ftruncate(rotten.fd, BIG));
	rotten.buf = mmap(NULL, BIG, PROT_READ | PROT_WRITE, MAP_SHARED, rotten.fd, 0);
	ASSERT_NE(MAP_FAILED, rotten.buf);
	memset(rotten.buf, 'r', len);
	return rotten;
}

static void read_into_rotten(int report_to, const void *arg)
{
	const struct rotten *rotten = arg;

	report(report_to, read(open(MINI_PIPE, O_RDONLY), rotten->buf, rotten->len));
}

static void write_from_rotten(int report_to, const void *arg)
{
	const struct rotten *rotten = arg;

	report(report_to, write(open(MINI_PIPE, O_WRONLY), rotten->buf, rotten->len));
}

static void expect_efault(struct __test_metadata *_metadata, const struct child *child)
{
	struct result result = result_of(_metadata, child);

	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EFAULT, result.err);
}

TEST_F(pipe, a_reader_that_faults_hands_its_byte_to_the_next)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct rotten rotten = map_rotten(_metadata, 1);
	struct child first = start_child(_metadata, read_into_rotten, &rotten);
	struct child second;

	ASSERT_ASLEEP_IN(read, &first);
	queue_readers(_metadata, &second, 1);
	ASSERT_EQ(0, ftruncate(rotten.fd, 0));
	ASSERT_EQ(1, write(writer, "x", 1));
	expect_efault(_metadata, &first);
	EXPECT_EQ(1, result_of(_metadata, &second).ret);
}

TEST_F(pipe, a_writer_that_faults_hands_its_room_to_the_next)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t len = atomic_len(self->capacity);
	struct rotten rotten = map_rotten(_metadata, len);
	struct child first, second;

	fill_pipe(_metadata, fd);
	first = start_child(_metadata, write_from_rotten, &rotten);
	ASSERT_ASLEEP_IN(write, &first);
	queue_writers(_metadata, &second, 1, len);
	ASSERT_EQ(0, ftruncate(rotten.fd, 0));
	take(_metadata, fd, len);
	expect_efault(_metadata, &first);
	EXPECT_EQ(len, result_of(_metadata, &second).ret);
	EXPECT_EQ(self->capacity, drain_pipe(_metadata, fd));
	EXPECT_EQ('a', big_buffer()[self->capacity - 1]);
}

TEST_F(pipe, a_large_write_whose_memory_goes_bad_tells_how_far_it_came)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct rotten rotten = map_rotten(_metadata, self->capacity + PIPE_BUF);
	struct child writer = start_child(_metadata, write_from_rotten, &rotten);

	ASSERT_ASLEEP_IN(write, &writer);
	ASSERT_EQ(0, ftruncate(rotten.fd, 0));
	take(_metadata, reader, self->capacity);
	EXPECT_EQ(self->capacity, result_of(_metadata, &writer).ret);
	EXPECT_EQ(0, drain_pipe(_metadata, reader));
}

/*
 * Memory that faults for as long as the test likes, with userfaultfd: the stuck child registers
 * its buffer, tells the number of its userfaultfd, and makes its call; the test takes a copy of
 * the descriptor and decides when, and whether, the fault ends.
 */

struct stuck {
	unsigned char *buf;	/* mapped by the test, never touched before the call */
	ssize_t len;
	int end;		/* O_RDONLY reads, O_WRONLY writes */
	struct child child;
	int faults;		/* the test's copy of the userfaultfd */
};

static int register_faults(const struct stuck *stuck)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = {
		.range = { (unsigned long)stuck->buf, stuck->len },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int faults = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (faults < 0 || ioctl(faults, UFFDIO_API, &api) ||
	    ioctl(faults, UFFDIO_REGISTER, &area))
		return -1;
	return faults;
}

static void get_stuck(int report_to, const void *arg)
{
	const struct stuck *stuck = arg;
	int fd = open(MINI_PIPE, stuck->end);
	int faults = register_faults(stuck);

	report(report_to, faults);
	if (faults < 0)
		return;
	if (stuck->end == O_RDONLY)
		report(report_to, read(fd, stuck->buf, stuck->len));
	else
		report(report_to, write(fd, stuck->buf, stuck->len));
}

static int copy_descriptor(pid_t pid, int fd)
{
	int pidfd = syscall(__NR_pidfd_open, pid, 0);
	int copy = syscall(__NR_pidfd_getfd, pidfd, fd, 0);

	close(pidfd);
	return copy;
}

/* Returns when the child is in the fault; false, having skipped, if this machine cannot. */
static bool start_stuck(struct __test_metadata *_metadata, struct stuck *stuck, int end, int pages)
{
	struct pollfd fault = { .events = POLLIN };
	struct uffd_msg message;
	struct result result;

	stuck->buf = map_pages(_metadata, pages, PROT_READ | PROT_WRITE);
	stuck->len = pages * page_size();
	stuck->end = end;
	stuck->child = start_child(_metadata, get_stuck, stuck);
	result = result_of(_metadata, &stuck->child);
	if (result.ret < 0)
		SKIP(return false, "needs userfaultfd: %s", strerror(result.err));
	stuck->faults = copy_descriptor(stuck->child.pid, result.ret);
	if (stuck->faults < 0)
		SKIP(return false, "needs pidfd_getfd: %s", strerror(errno));
	fault.fd = stuck->faults;
	ASSERT_EQ(1, poll(&fault, 1, PATIENCE_MS));
	ASSERT_EQ((ssize_t)sizeof(message), read(stuck->faults, &message, sizeof(message)));
	ASSERT_EQ(UFFD_EVENT_PAGEFAULT, message.event);
	return true;
}

/* Zeros in every page: the fault ends well. */
static void release(struct __test_metadata *_metadata, struct stuck *stuck)
{
	struct uffdio_zeropage zeros = {
		.range = { (unsigned long)stuck->buf, stuck->len },
	};

	ASSERT_EQ(0, ioctl(stuck->faults, UFFDIO_ZEROPAGE, &zeros));
}

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

TEST_F(pipe, a_second_reader_waits_for_the_stuck_one_and_can_be_interrupted)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct stuck stuck;
	struct child second;

	put_in(_metadata, fd, 1);
	if (!start_stuck(_metadata, &stuck, O_RDONLY, 1))
		return;
	EXPECT_EQ(-1, read(fd, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, poll_now(fd, POLLIN));
	second = start_reader(_metadata, 1);
	ASSERT_ASLEEP_IN(read, &second);
	kill(second.pid, SIGUSR1);
	EXPECT_EQ(EINTR, result_of(_metadata, &second).err);
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

/* What is left when the stuck one is done is less than sleeping writers wait for, but enough. */
TEST_F(pipe, small_writers_behind_a_stuck_one_go_in_after_it_without_a_reader)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child small[2];
	struct stuck stuck;

	if (!holds(_metadata, self->capacity, page_size() + 100))
		return;
	put_in(_metadata, fd, self->capacity - page_size() - 100);
	if (!start_stuck(_metadata, &stuck, O_WRONLY, 1))
		return;
	queue_writers(_metadata, small, 2, 40);
	release(_metadata, &stuck);
	EXPECT_EQ(stuck.len, result_of(_metadata, &stuck.child).ret);
	EXPECT_EQ(40, result_of(_metadata, &small[0]).ret);
	EXPECT_EQ(40, result_of(_metadata, &small[1]).ret);
}

TEST_F(pipe, whoever_waits_behind_a_stuck_writer_can_be_interrupted)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct stuck stuck;
	struct child second, waiting_reader;

	if (!start_stuck(_metadata, &stuck, O_WRONLY, 2))
		return;
	queue_writers(_metadata, &second, 1, 1);
	kill(second.pid, SIGUSR1);
	EXPECT_EQ(EINTR, result_of(_metadata, &second).err);
	EXPECT_EQ(0, drain_pipe(_metadata, reader));
	waiting_reader = start_reader(_metadata, 1);
	ASSERT_ASLEEP_IN(read, &waiting_reader);
	kill(waiting_reader.pid, SIGUSR1);
	EXPECT_EQ(EINTR, result_of(_metadata, &waiting_reader).err);
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

TEST_HARNESS_MAIN
