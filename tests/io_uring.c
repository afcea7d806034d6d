// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that must not block, whatever the file's flags are: those of io_uring, which waits itself,
 * and preadv2 and pwritev2 with RWF_NOWAIT. All is as on a pipe(2), except RWF_NOWAIT on a file
 * that was opened again.
 */
#include <dirent.h>
#include "any_pipe_fixture.h"
#include "uring.h"

static struct uring open_ring(struct __test_metadata *_metadata)
{
	struct uring ring;

	ASSERT_TRUE(uring_open(&ring))
	{
		TH_LOG("this machine does not have or allow io_uring: %s", strerror(errno));
	}
	return ring;
}

/* Clears O_NONBLOCK. */
static void set_blocking(struct __test_metadata *_metadata, int fd)
{
	set_flag(_metadata, fd, O_NONBLOCK, false);
}

static struct io_uring_sqe reading(int fd, void *buf, unsigned int len)
{
	return (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .fd = fd, .addr = (unsigned long)buf, .len = len,
		.off = -1,
	};
}

static struct io_uring_sqe writing(int fd, const void *buf, unsigned int len)
{
	struct io_uring_sqe sqe = reading(fd, (void *)buf, len);

	sqe.opcode = IORING_OP_WRITE;
	return sqe;
}

static struct io_uring_sqe polling(int fd, unsigned int events)
{
	return (struct io_uring_sqe){
		.opcode = IORING_OP_POLL_ADD, .fd = fd, .poll32_events = events,
	};
}

/* Cancels all operations that have this opcode. */
static struct io_uring_sqe cancelling(int opcode)
{
	return (struct io_uring_sqe){
		.opcode = IORING_OP_ASYNC_CANCEL, .addr = opcode,
		.cancel_flags = IORING_ASYNC_CANCEL_ALL,
	};
}

static struct io_uring_sqe nothing(void)
{
	return (struct io_uring_sqe){ .opcode = IORING_OP_NOP };
}

/* The next operation starts when this one is complete, and never if this one fails. */
static struct io_uring_sqe linked(struct io_uring_sqe sqe)
{
	sqe.flags |= IOSQE_IO_LINK;
	return sqe;
}

/* Submits one operation, without waiting for it. */
static void submit(struct __test_metadata *_metadata, struct uring *ring, struct io_uring_sqe sqe)
{
	uring_queue(ring, sqe);
	ASSERT_EQ(1, uring_enter(ring, 0));
}

/* Returns whether an operation is complete; reaps its completion. */
static bool is_complete(struct uring *ring)
{
	struct completion completion;

	uring_enter(ring, 0);
	return uring_reap(ring, &completion);
}

static struct completion next_completion(struct __test_metadata *_metadata, struct uring *ring)
{
	struct completion completion = {};

	uring_enter(ring, 1);
	ASSERT_TRUE(uring_reap(ring, &completion))
	{
		TH_LOG("no operation completes");
	}
	return completion;
}

/* The next operation that completes has the opcode IORING_OP_##op_ and this result. */
#define EXPECT_COMPLETION(ring, op_, result)							\
	do {											\
		struct completion completion_ = next_completion(_metadata, ring);		\
												\
		EXPECT_EQ(IORING_OP_##op_, completion_.op);					\
		EXPECT_EQ(result, completion_.res);						\
	} while (0)

/* An operation and its links, `count` in all, were cancelled, and complete in any order. */
static void expect_cancelled(struct __test_metadata *_metadata, struct uring *ring, int count)
{
	for (int i = 0; i < count + 1; i++) {
		struct completion completion = next_completion(_metadata, ring);

		EXPECT_EQ(completion.op == IORING_OP_ASYNC_CANCEL ? 1 : -ECANCELED, completion.res);
	}
}

/* How many threads this process has. A worker of io_uring would be one more. */
static int count_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	struct dirent *task;
	int count = 0;

	while ((task = readdir(tasks)))
		count += task->d_name[0] != '.';
	closedir(tasks);
	return count;
}

/* Reading and writing */

TEST_F(any_pipe, read_and_write_complete_at_once_if_they_can)
{
	struct uring ring = open_ring(_metadata);

	set_blocking(_metadata, self->r);
	set_blocking(_metadata, self->w);
	submit(_metadata, &ring, writing(self->w, "abc", 3));
	EXPECT_COMPLETION(&ring, WRITE, 3);
	submit(_metadata, &ring, reading(self->r, big_buffer(), 10));
	EXPECT_COMPLETION(&ring, READ, 3);
	EXPECT_EQ(0, memcmp(big_buffer(), "abc", 3));
	EXPECT_EQ(1, count_threads());
}

TEST_F(any_pipe, registered_buffers_work)
{
	struct iovec buffer = { map_pages(_metadata, 3, PROT_READ | PROT_WRITE), 3 * page_size() };
	unsigned char *bytes = buffer.iov_base;
	struct uring ring = open_ring(_metadata);
	const ssize_t len = page_size() + 100;
	struct io_uring_sqe sqe;

	ASSERT_EQ(0, syscall(__NR_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, &buffer, 1));
	put_pattern(bytes, 0, len);
	sqe = writing(self->w, bytes, len);
	sqe.opcode = IORING_OP_WRITE_FIXED;
	submit(_metadata, &ring, sqe);
	EXPECT_COMPLETION(&ring, WRITE_FIXED, len);
	sqe = reading(self->r, bytes + page_size() - 50, len);
	sqe.opcode = IORING_OP_READ_FIXED;
	submit(_metadata, &ring, sqe);
	EXPECT_COMPLETION(&ring, READ_FIXED, len);
	EXPECT_TRUE(is_pattern(bytes + page_size() - 50, 0, len));
}

TEST_F(any_pipe, waiting_read_needs_no_worker_thread)
{
	struct uring ring = open_ring(_metadata);

	set_blocking(_metadata, self->r);
	submit(_metadata, &ring, reading(self->r, big_buffer(), 10));
	EXPECT_FALSE(is_complete(&ring));
	EXPECT_EQ(3, write(self->w, "abc", 3));
	EXPECT_COMPLETION(&ring, READ, 3);
	EXPECT_EQ(0, memcmp(big_buffer(), "abc", 3));
	EXPECT_EQ(1, count_threads());
}

TEST_F(any_pipe, waiting_write_needs_no_worker_thread)
{
	struct uring ring = open_ring(_metadata);

	fill_pipe(_metadata, self->w);
	set_blocking(_metadata, self->w);
	submit(_metadata, &ring, writing(self->w, big_buffer(), PIPE_BUF));
	EXPECT_FALSE(is_complete(&ring));
	read_exactly(_metadata, self->r, PIPE_BUF);
	EXPECT_COMPLETION(&ring, WRITE, PIPE_BUF);
	EXPECT_EQ(1, count_threads());
}

TEST_F(any_pipe, read_and_write_wait_despite_o_nonblock)
{
	struct uring ring = open_ring(_metadata);

	submit(_metadata, &ring, reading(self->r, big_buffer(), 10));
	EXPECT_FALSE(is_complete(&ring));
	write_pattern(_metadata, self->w, 5);
	EXPECT_COMPLETION(&ring, READ, 5);
	fill_pipe(_metadata, self->w);
	submit(_metadata, &ring, writing(self->w, big_buffer(), 5));
	EXPECT_FALSE(is_complete(&ring));
	read_exactly(_metadata, self->r, PIPE_BUF);
	EXPECT_COMPLETION(&ring, WRITE, 5);
}

TEST_F(any_pipe, read_and_write_wait_on_read_write_file)
{
	int both = open_pipe(_metadata, O_RDWR);
	struct uring ring = open_ring(_metadata);

	submit(_metadata, &ring, reading(both, big_buffer(), 10));
	EXPECT_FALSE(is_complete(&ring));
	write_pattern(_metadata, self->w, 5);
	EXPECT_COMPLETION(&ring, READ, 5);
	fill_pipe(_metadata, self->w);
	submit(_metadata, &ring, writing(both, big_buffer(), PIPE_BUF));
	EXPECT_FALSE(is_complete(&ring));
	read_exactly(_metadata, self->r, PIPE_BUF);
	EXPECT_COMPLETION(&ring, WRITE, PIPE_BUF);
	EXPECT_EQ(1, count_threads());
}

TEST_F(any_pipe, large_write_writes_what_fits)
{
	struct uring ring = open_ring(_metadata);
	ssize_t capacity = fill_pipe(_metadata, self->w);

	read_exactly(_metadata, self->r, capacity);
	set_blocking(_metadata, self->w);
	put_pattern(big_buffer(), 0, capacity + 1);
	submit(_metadata, &ring, writing(self->w, big_buffer(), capacity + 1));
	EXPECT_COMPLETION(&ring, WRITE, capacity);
	EXPECT_EQ(capacity, drain_pipe(_metadata, self->r));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, capacity));
}

TEST_F(any_pipe, one_write_completes_all_waiting_reads)
{
	unsigned char bytes[3] = {};
	struct uring ring = open_ring(_metadata);

	for (int i = 0; i < 3; i++)
		submit(_metadata, &ring, reading(self->r, &bytes[i], 1));
	EXPECT_FALSE(is_complete(&ring));
	ASSERT_EQ(3, write(self->w, "aaa", 3));
	for (int i = 0; i < 3; i++)
		EXPECT_COMPLETION(&ring, READ, 1);
	EXPECT_EQ(0, memcmp(bytes, "aaa", 3));
}

TEST_F(any_pipe, waiting_read_takes_no_wake_up_from_sleeping_reader)
{
	struct uring ring = open_ring(_metadata);
	struct child reader;
	char byte;

	submit(_metadata, &ring, reading(self->r, &byte, 1));
	queue_readers(_metadata, &reader, 1);
	ASSERT_EQ(2, write(self->w, "xy", 2));
	EXPECT_COMPLETION(&ring, READ, 1);
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
}

TEST_F(any_pipe, last_writer_close_completes_waiting_read)
{
	struct uring ring = open_ring(_metadata);

	set_blocking(_metadata, self->r);
	submit(_metadata, &ring, reading(self->r, big_buffer(), 10));
	EXPECT_FALSE(is_complete(&ring));
	close(self->w);
	EXPECT_COMPLETION(&ring, READ, 0);
	EXPECT_EQ(1, count_threads());
}

TEST_F(any_pipe, last_reader_close_fails_waiting_write)
{
	struct uring ring = open_ring(_metadata);

	fill_pipe(_metadata, self->w);
	set_blocking(_metadata, self->w);
	submit(_metadata, &ring, writing(self->w, "x", 1));
	EXPECT_FALSE(is_complete(&ring));
	close(self->r);
	EXPECT_COMPLETION(&ring, WRITE, -EPIPE);
	EXPECT_EQ(1, sigpipes());
	EXPECT_EQ(1, count_threads());
}

/* RWF_NOWAIT */

TEST_F(any_pipe, rwf_nowait_gives_eagain_in_io_uring)
{
	struct uring ring = open_ring(_metadata);
	struct io_uring_sqe read = reading(self->r, big_buffer(), 10);
	struct io_uring_sqe write = writing(self->w, big_buffer(), 10);

	read.rw_flags = RWF_NOWAIT;
	write.rw_flags = RWF_NOWAIT;
	set_blocking(_metadata, self->r);
	submit(_metadata, &ring, read);
	EXPECT_COMPLETION(&ring, READ, -EAGAIN);
	submit(_metadata, &ring, write);
	EXPECT_COMPLETION(&ring, WRITE, 10);
	submit(_metadata, &ring, read);
	EXPECT_COMPLETION(&ring, READ, 10);
	fill_pipe(_metadata, self->w);
	set_blocking(_metadata, self->w);
	submit(_metadata, &ring, write);
	EXPECT_COMPLETION(&ring, WRITE, -EAGAIN);
}

static ssize_t read_nowait(int fd, ssize_t len)
{
	struct iovec iov = { big_buffer(), len };

	return preadv2(fd, &iov, 1, -1, RWF_NOWAIT);
}

static ssize_t write_nowait(int fd, ssize_t len)
{
	struct iovec iov = { big_buffer(), len };

	return pwritev2(fd, &iov, 1, -1, RWF_NOWAIT);
}

TEST_F(any_pipe, preadv2_with_rwf_nowait_does_not_block)
{
	set_blocking(_metadata, self->r);
	EXPECT_EQ(-1, read_nowait(self->r, 10));
	EXPECT_EQ(EAGAIN, errno);
	write_pattern(_metadata, self->w, 5);
	EXPECT_EQ(5, read_nowait(self->r, 10));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 5));
	close(self->w);
	EXPECT_EQ(0, read_nowait(self->r, 10));
}

TEST_F(any_pipe, pwritev2_with_rwf_nowait_does_not_block)
{
	ssize_t capacity = fill_pipe(_metadata, self->w);

	set_blocking(_metadata, self->w);
	EXPECT_EQ(-1, write_nowait(self->w, 1));
	EXPECT_EQ(EAGAIN, errno);
	read_exactly(_metadata, self->r, PIPE_BUF);
	EXPECT_EQ(PIPE_BUF, write_nowait(self->w, PIPE_BUF));
	EXPECT_EQ(capacity, drain_pipe(_metadata, self->r));
	EXPECT_EQ(capacity, write_nowait(self->w, capacity + 1));
}

TEST_F(any_pipe, reopened_file_supports_rwf_nowait_except_on_pipe_2)
{
	int reader = open_pipe(_metadata, O_RDONLY);

	write_pattern(_metadata, self->w, 5);
	if (variant->kind == PIPE_2) {
		EXPECT_EQ(-1, read_nowait(reader, 10));
		EXPECT_EQ(EOPNOTSUPP, errno);
	} else {
		EXPECT_EQ(5, read_nowait(reader, 10));
	}
}

/* poll */

TEST_F(any_pipe, poll_completes_when_end_becomes_ready)
{
	struct uring ring = open_ring(_metadata);

	submit(_metadata, &ring, polling(self->r, POLLIN | POLLRDNORM));
	EXPECT_FALSE(is_complete(&ring));
	write_pattern(_metadata, self->w, 1);
	EXPECT_COMPLETION(&ring, POLL_ADD, POLLIN | POLLRDNORM);
	/* A poll of an end that is ready completes at once. */
	submit(_metadata, &ring, polling(self->r, POLLIN));
	EXPECT_COMPLETION(&ring, POLL_ADD, POLLIN);
	fill_pipe(_metadata, self->w);
	submit(_metadata, &ring, polling(self->w, POLLOUT));
	EXPECT_FALSE(is_complete(&ring));
	drain_pipe(_metadata, self->r);
	EXPECT_COMPLETION(&ring, POLL_ADD, POLLOUT);
}

TEST_F(any_pipe, last_writer_close_completes_poll_with_pollhup)
{
	struct uring ring = open_ring(_metadata);

	submit(_metadata, &ring, polling(self->r, POLLIN));
	EXPECT_FALSE(is_complete(&ring));
	close(self->w);
	EXPECT_COMPLETION(&ring, POLL_ADD, POLLHUP);
}

TEST_F(any_pipe, last_reader_close_completes_poll_with_pollerr)
{
	struct uring ring = open_ring(_metadata);

	fill_pipe(_metadata, self->w);
	submit(_metadata, &ring, polling(self->w, POLLOUT));
	EXPECT_FALSE(is_complete(&ring));
	close(self->r);
	EXPECT_COMPLETION(&ring, POLL_ADD, POLLERR);
}

TEST_F(any_pipe, multishot_poll_completes_once_per_write)
{
	struct io_uring_sqe poll = polling(self->r, POLLIN);
	struct uring ring = open_ring(_metadata);
	struct completion completion;

	poll.len = IORING_POLL_ADD_MULTI;
	submit(_metadata, &ring, poll);
	for (int i = 0; i < 3; i++) {
		EXPECT_FALSE(is_complete(&ring));
		write_pattern(_metadata, self->w, 1);
		completion = next_completion(_metadata, &ring);
		EXPECT_EQ(POLLIN, completion.res);
		EXPECT_EQ(IORING_CQE_F_MORE, completion.flags);
	}
	read_exactly(_metadata, self->r, 3);
	EXPECT_FALSE(is_complete(&ring));
	close(self->w);
	EXPECT_COMPLETION(&ring, POLL_ADD, POLLHUP);
	submit(_metadata, &ring, cancelling(IORING_OP_POLL_ADD));
	expect_cancelled(_metadata, &ring, 1);
}

/* A multishot read chooses one of these buffers for each completion. */
#define BUFFERS 4
#define BUFFER_LEN 8

static unsigned char *provide_buffers(struct __test_metadata *_metadata, struct uring *ring)
{
	unsigned char *map = map_pages(_metadata, 2, PROT_READ | PROT_WRITE);
	struct io_uring_buf_ring *buffers = (struct io_uring_buf_ring *)map;
	struct io_uring_buf_reg reg = {
		.ring_addr = (unsigned long)map, .ring_entries = BUFFERS,
	};
	unsigned char *bytes = map + page_size();

	ASSERT_EQ(0, syscall(__NR_io_uring_register, ring->fd, IORING_REGISTER_PBUF_RING, &reg, 1));
	for (int i = 0; i < BUFFERS; i++) {
		buffers->bufs[i].addr = (unsigned long)(bytes + i * BUFFER_LEN);
		buffers->bufs[i].len = BUFFER_LEN;
		buffers->bufs[i].bid = i;
	}
	__atomic_store_n(&buffers->tail, BUFFERS, __ATOMIC_RELEASE);
	return bytes;
}

TEST_F(any_pipe, multishot_read_completes_per_write_until_end_of_file)
{
	struct io_uring_sqe read = {
		.opcode = IORING_OP_READ_MULTISHOT, .flags = IOSQE_BUFFER_SELECT,
		.fd = self->r, .off = -1,
	};
	struct uring ring = open_ring(_metadata);
	unsigned char *buffers = provide_buffers(_metadata, &ring);
	struct completion completion;
	int buffer;

	set_blocking(_metadata, self->r);
	submit(_metadata, &ring, read);
	for (int len = 1; len < BUFFERS; len++) {
		EXPECT_FALSE(is_complete(&ring));
		write_pattern(_metadata, self->w, len);
		completion = next_completion(_metadata, &ring);
		EXPECT_EQ(len, completion.res);
		EXPECT_TRUE(completion.flags & IORING_CQE_F_MORE);
		buffer = completion.flags >> IORING_CQE_BUFFER_SHIFT;
		EXPECT_TRUE(is_pattern(buffers + buffer * BUFFER_LEN, 0, len));
	}
	close(self->w);
	completion = next_completion(_metadata, &ring);
	EXPECT_EQ(0, completion.res);
	EXPECT_FALSE(completion.flags & IORING_CQE_F_MORE);
	EXPECT_EQ(1, count_threads());
}

/* Links */

TEST_F(any_pipe, linked_read_gets_bytes_of_write_before_it)
{
	struct uring ring = open_ring(_metadata);

	uring_queue(&ring, linked(writing(self->w, "abc", 3)));
	uring_queue(&ring, reading(self->r, big_buffer(), 10));
	EXPECT_EQ(2, uring_enter(&ring, 2));
	EXPECT_COMPLETION(&ring, WRITE, 3);
	EXPECT_COMPLETION(&ring, READ, 3);
	EXPECT_EQ(0, memcmp(big_buffer(), "abc", 3));
}

TEST_F(any_pipe, linked_operation_runs_after_waiting_read)
{
	struct uring ring = open_ring(_metadata);

	uring_queue(&ring, linked(reading(self->r, big_buffer(), 5)));
	uring_queue(&ring, nothing());
	EXPECT_EQ(2, uring_enter(&ring, 0));
	EXPECT_FALSE(is_complete(&ring));
	write_pattern(_metadata, self->w, 5);
	EXPECT_COMPLETION(&ring, READ, 5);
	EXPECT_COMPLETION(&ring, NOP, 0);
}

TEST_F(any_pipe, timed_out_read_consumes_nothing)
{
	struct __kernel_timespec one_millisecond = { .tv_nsec = 1000000 };
	struct io_uring_sqe timeout = {
		.opcode = IORING_OP_LINK_TIMEOUT, .addr = (unsigned long)&one_millisecond, .len = 1,
	};
	struct uring ring = open_ring(_metadata);

	set_blocking(_metadata, self->r);
	uring_queue(&ring, linked(reading(self->r, big_buffer(), 10)));
	uring_queue(&ring, timeout);
	EXPECT_EQ(2, uring_enter(&ring, 2));
	for (int i = 0; i < 2; i++) {
		struct completion completion = next_completion(_metadata, &ring);

		EXPECT_EQ(completion.op == IORING_OP_READ ? -ECANCELED : -ETIME, completion.res);
	}
	write_pattern(_metadata, self->w, 5);
	EXPECT_FALSE(is_complete(&ring));
	read_exactly(_metadata, self->r, 5);
}

/* Cancelling */

TEST_F(any_pipe, cancelled_read_consumes_nothing)
{
	struct uring ring = open_ring(_metadata);

	set_blocking(_metadata, self->r);
	uring_queue(&ring, linked(reading(self->r, big_buffer(), 10)));
	uring_queue(&ring, nothing());
	EXPECT_EQ(2, uring_enter(&ring, 0));
	submit(_metadata, &ring, cancelling(IORING_OP_READ));
	expect_cancelled(_metadata, &ring, 2);
	write_pattern(_metadata, self->w, 5);
	EXPECT_FALSE(is_complete(&ring));
	read_exactly(_metadata, self->r, 5);
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 5));
}

TEST_F(any_pipe, cancelled_write_writes_nothing)
{
	ssize_t capacity = fill_pipe(_metadata, self->w);
	struct uring ring = open_ring(_metadata);

	set_blocking(_metadata, self->w);
	submit(_metadata, &ring, writing(self->w, big_buffer(), PIPE_BUF));
	submit(_metadata, &ring, cancelling(IORING_OP_WRITE));
	expect_cancelled(_metadata, &ring, 1);
	EXPECT_EQ(capacity, drain_pipe(_metadata, self->r));
	EXPECT_FALSE(is_complete(&ring));
}

static void write_byte_by_byte(int report_to, const void *arg)
{
	int fd = open(pipe_path(), O_WRONLY);
	ssize_t i, len = *(const ssize_t *)arg;

	put_pattern(big_buffer(), 0, len);
	for (i = 0; i < len && write(fd, big_buffer() + i, 1) == 1; i++)
		;
	report(report_to, i);
}

/* Each read is cancelled while the writer writes: either the read or the cancellation wins. */
TEST_F(any_pipe, cancelling_reads_during_writes_loses_no_bytes)
{
	const ssize_t len = 500;
	struct uring ring = open_ring(_metadata);
	struct child writer = start_child(_metadata, write_byte_by_byte, &len);
	ssize_t before, consumed = 0;
	struct completion completion;
	bool writer_is_done;

	set_blocking(_metadata, self->r);
	do {
		writer_is_done = has_reported(&writer);
		before = consumed;
		submit(_metadata, &ring, reading(self->r, big_buffer() + consumed, 1));
		submit(_metadata, &ring, cancelling(IORING_OP_READ));
		for (int i = 0; i < 2; i++) {
			completion = next_completion(_metadata, &ring);
			if (completion.op != IORING_OP_READ)
				continue;
			ASSERT_TRUE(completion.res == 1 || completion.res == -ECANCELED);
			consumed += completion.res == 1;
		}
	} while (!writer_is_done || consumed > before);
	EXPECT_EQ(len, result_of(_metadata, &writer).ret);
	EXPECT_EQ(len, consumed);
	EXPECT_TRUE(is_pattern(big_buffer(), 0, consumed));
}

static void submit_read_and_sleep(int report_to, const void *arg __maybe_unused)
{
	struct uring ring;

	if (!uring_open(&ring))
		_exit(KSFT_FAIL);
	uring_queue(&ring, reading(open(pipe_path(), O_RDONLY), big_buffer(), 10));
	report(report_to, uring_enter(&ring, 0));
}

TEST_F(any_pipe, killed_process_leaves_no_read_waiting)
{
	struct child child = start_child(_metadata, submit_read_and_sleep, NULL);
	struct pollfd broken = { .fd = self->w };

	EXPECT_EQ(1, result_of(_metadata, &child).ret);
	kill_child(_metadata, &child);
	write_pattern(_metadata, self->w, 5);
	read_exactly(_metadata, self->r, 5);
	close(self->r);
	/* The ring keeps the file open, and the kernel frees the ring some time after the exit. */
	EXPECT_EQ(1, poll(&broken, 1, TIMEOUT_MS));
	EXPECT_EQ(POLLERR, broken.revents);
}

/* The names of files */

#define FILES 256

static int count_lines(const char *text, const char *end_of_line)
{
	int count = 0;

	for (text = strstr(text, end_of_line); text; text = strstr(text + 1, end_of_line))
		count++;
	return count;
}

/*
 * The fdinfo of a ring has the name of each registered file. If the kernel's buffer is too small,
 * the kernel asks for names that do not fit, and starts again with a larger buffer. Each round adds
 * a line of 17 characters, for /dev/null, in front of the lines of the pipe. These have fewer than
 * 34 characters each, and not 17. So in some round, the buffer ends within a name of the pipe.
 */
TEST_F(any_pipe, fdinfo_has_whole_names_wherever_buffer_ends)
{
	int other = open("/dev/null", O_RDONLY);
	char name[64], end_of_line[80];
	static char text[1 << 16];
	int files[FILES];

	name_of(getpid(), self->r, name, sizeof(name));
	snprintf(end_of_line, sizeof(end_of_line), ": %s\n", name);
	for (int others = 0; others < 34; others++) {
		struct uring ring = open_ring(_metadata);
		char path[32];
		int fdinfo;

		for (int i = 0; i < FILES; i++)
			files[i] = i < others ? other : self->r;
		ASSERT_EQ(0, syscall(__NR_io_uring_register, ring.fd, IORING_REGISTER_FILES, files,
				     FILES));
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ring.fd);
		fdinfo = open(path, O_RDONLY);
		memset(text, 0, sizeof(text));
		ASSERT_LT(0, read(fdinfo, text, sizeof(text) - 1));
		EXPECT_EQ(FILES - others, count_lines(text, end_of_line));
		close(fdinfo);
		/* Closing the ring releases them later. */
		syscall(__NR_io_uring_register, ring.fd, IORING_UNREGISTER_FILES, NULL, 0);
		uring_close(&ring);
	}
}

TEST_HARNESS_MAIN
