// SPDX-License-Identifier: GPL-2.0
/*
 * splice, sendfile, tee and vmsplice. One side of each splice(2) is a pipe(2): a splice out moves
 * bytes from the tested pipe to the pipe(2), a splice in moves them from the pipe(2) to the tested
 * pipe. The bytes are one long pattern, so that lost, duplicated or reordered bytes are noticed.
 */
#include <sys/sendfile.h>
#include <sys/socket.h>
#include "variants.h"

#define PAGE ((ssize_t)page_size())

static const ssize_t sizes[] = {
	1, 100, PAGE_4K - 1, PAGE_4K, PAGE_4K + 1, 5 * PAGE_4K + 3,
};

/* Offsets in a page of the ring. When the ring is empty, the next byte is at offset 0 again. */
static const ssize_t offsets[] = { 0, 1, 100, PAGE_4K - 1 };

/* The pipe(2) at the other side of splice. */
struct pipe_2 {
	int out;
	int in;
};

struct tested_pipe {
	int r;
	int w;
	size_t in;		/* how many bytes of the pattern were written to it */
	size_t out;		/* how many of those were read, spliced or not */
	size_t cases;		/* how many pairs of a size and an offset were tried */
	ssize_t padding;	/* how many bytes are in front of the tested ones */
};

/* All ends have O_NONBLOCK. */
FIXTURE(splice)
{
	struct tested_pipe pipe;
	struct pipe_2 pipe_2;
};

FIXTURE_VARIANT(splice)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(splice, device) { .kind = DEVICE, };
FIXTURE_VARIANT_ADD(splice, private_pipe) { .kind = PRIVATE, };
FIXTURE_VARIANT_ADD(splice, pipe_2) { .kind = PIPE_2, };

static struct pipe_2 make_pipe_2(struct __test_metadata *_metadata)
{
	struct pipe_2 pipe_2;

	make_pipe(_metadata, PIPE_2, O_NONBLOCK, &pipe_2.out, &pipe_2.in);
	return pipe_2;
}

FIXTURE_SETUP(splice)
{
	set_up_pipe(_metadata);
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &self->pipe.r, &self->pipe.w);
	self->pipe_2 = make_pipe_2(_metadata);
	if (!has_capacity(_metadata, capacity_of_kind(self->pipe.r, variant->kind), 12 * PAGE))
		return;
}

FIXTURE_TEARDOWN(splice)
{
	kill_children(_metadata);
}

/* Writes the next bytes of the pattern to the pipe. */
static void write_next(struct __test_metadata *_metadata, struct tested_pipe *pipe, ssize_t len)
{
	put_pattern(big_buffer(), pipe->in, len);
	ASSERT_EQ(len, write(pipe->w, big_buffer(), len));
	pipe->in += len;
}

/* Reads bytes that came from the pipe, which must be the next ones of the pattern. */
static void expect_next(struct __test_metadata *_metadata, struct tested_pipe *pipe, int fd,
			ssize_t len)
{
	ssize_t n = read(fd, big_buffer(), BIG);

	EXPECT_EQ(len, n);
	EXPECT_TRUE(is_pattern(big_buffer(), pipe->out, smaller(n, len)));
	pipe->out += len;
}

/* Splices `len` bytes, with as many calls as that takes. */
static void splice_all(struct __test_metadata *_metadata, int from, int to, ssize_t len)
{
	while (len > 0) {
		ssize_t n = splice(from, NULL, to, NULL, len, 0);

		ASSERT_LT(0, n);
		len -= n;
	}
	ASSERT_EQ(0, len);
}

/* Returns a file with a part of the pattern. Its position is 0. */
static int make_file(struct __test_metadata *_metadata, size_t from, ssize_t len)
{
	int file = memfd_create("file", MFD_CLOEXEC);

	ASSERT_LE(0, file);
	put_pattern(big_buffer(), from, len);
	ASSERT_EQ(len, pwrite(file, big_buffer(), len, 0));
	return file;
}

static unsigned char *map_pattern(struct __test_metadata *_metadata, size_t from, ssize_t len)
{
	unsigned char *map = map_pages(_metadata, len / PAGE + 1, PROT_READ | PROT_WRITE);

	put_pattern(map, from, len);
	return map;
}

/* Each size, at each offset */

/* Returns the next size, or 0 after the last. Writes padding up to the offset to test it at. */
static ssize_t next_size(struct __test_metadata *_metadata, struct tested_pipe *pipe)
{
	size_t size = pipe->cases % ARRAY_SIZE(sizes);
	size_t offset = pipe->cases / ARRAY_SIZE(sizes);

	if (offset == ARRAY_SIZE(offsets))
		return 0;
	pipe->cases++;
	pipe->padding = in_pages(offsets[offset]);
	write_next(_metadata, pipe, pipe->padding);
	return in_pages(sizes[size]);
}

/* Reads the padding, while the bytes behind it keep the ring from being empty. */
static void drop_padding(struct __test_metadata *_metadata, struct tested_pipe *pipe)
{
	ASSERT_EQ(pipe->padding, read(pipe->r, big_buffer(), pipe->padding));
	pipe->out += pipe->padding;
}

TEST_F(splice, splice_out_moves_bytes)
{
	ssize_t size;

	while ((size = next_size(_metadata, &self->pipe))) {
		write_next(_metadata, &self->pipe, size);
		drop_padding(_metadata, &self->pipe);
		splice_all(_metadata, self->pipe.r, self->pipe_2.in, size);
		expect_next(_metadata, &self->pipe, self->pipe_2.out, size);
	}
}

TEST_F(splice, splice_out_moves_bytes_to_file)
{
	ssize_t size;

	while ((size = next_size(_metadata, &self->pipe))) {
		int file = make_file(_metadata, 0, 0);

		write_next(_metadata, &self->pipe, size);
		drop_padding(_metadata, &self->pipe);
		splice_all(_metadata, self->pipe.r, self->pipe_2.in, size);
		splice_all(_metadata, self->pipe_2.out, file, size);
		ASSERT_EQ(0, lseek(file, 0, SEEK_SET));
		expect_next(_metadata, &self->pipe, file, size);
		close(file);
	}
}

TEST_F(splice, splice_out_moves_bytes_to_socket)
{
	int sockets[2];
	ssize_t size;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	while ((size = next_size(_metadata, &self->pipe))) {
		write_next(_metadata, &self->pipe, size);
		drop_padding(_metadata, &self->pipe);
		splice_all(_metadata, self->pipe.r, self->pipe_2.in, size);
		splice_all(_metadata, self->pipe_2.out, sockets[0], size);
		ASSERT_EQ(size, recv(sockets[1], big_buffer(), size, MSG_WAITALL));
		ASSERT_TRUE(is_pattern(big_buffer(), self->pipe.out, size));
		self->pipe.out += size;
	}
}

TEST_F(splice, splice_in_moves_bytes_from_file)
{
	ssize_t size;

	while ((size = next_size(_metadata, &self->pipe))) {
		int file = make_file(_metadata, self->pipe.in, size);

		splice_all(_metadata, file, self->pipe_2.in, size);
		splice_all(_metadata, self->pipe_2.out, self->pipe.w, size);
		self->pipe.in += size;
		drop_padding(_metadata, &self->pipe);
		expect_next(_metadata, &self->pipe, self->pipe.r, size);
		close(file);
	}
}

TEST_F(splice, splice_in_moves_bytes_from_socket)
{
	int sockets[2];
	ssize_t size;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	while ((size = next_size(_metadata, &self->pipe))) {
		put_pattern(big_buffer(), self->pipe.in, size);
		ASSERT_EQ(size, send(sockets[0], big_buffer(), size, 0));
		splice_all(_metadata, sockets[1], self->pipe_2.in, size);
		splice_all(_metadata, self->pipe_2.out, self->pipe.w, size);
		self->pipe.in += size;
		drop_padding(_metadata, &self->pipe);
		expect_next(_metadata, &self->pipe, self->pipe.r, size);
	}
}

TEST_F(splice, splice_in_moves_bytes_from_vmsplice)
{
	ssize_t size;

	while ((size = next_size(_metadata, &self->pipe))) {
		struct iovec iov = { .iov_len = size };

		iov.iov_base = map_pattern(_metadata, self->pipe.in, size);
		ASSERT_EQ(size, vmsplice(self->pipe_2.in, &iov, 1, 0));
		splice_all(_metadata, self->pipe_2.out, self->pipe.w, size);
		self->pipe.in += size;
		drop_padding(_metadata, &self->pipe);
		expect_next(_metadata, &self->pipe, self->pipe.r, size);
	}
}

/* Splices bytes out, duplicates them with tee, and splices one of the two copies back in. */
TEST_F(splice, tee_duplicates_spliced_bytes)
{
	struct pipe_2 other = make_pipe_2(_metadata);
	ssize_t size;

	while ((size = next_size(_metadata, &self->pipe))) {
		write_next(_metadata, &self->pipe, size);
		drop_padding(_metadata, &self->pipe);
		splice_all(_metadata, self->pipe.r, self->pipe_2.in, size);
		ASSERT_EQ(size, tee(self->pipe_2.out, other.in, size, 0));
		splice_all(_metadata, self->pipe_2.out, self->pipe.w, size);
		expect_next(_metadata, &self->pipe, other.out, size);
		self->pipe.out -= size;
		expect_next(_metadata, &self->pipe, self->pipe.r, size);
	}
}

TEST_F(splice, sendfile_moves_bytes_from_file)
{
	ssize_t size;

	while ((size = next_size(_metadata, &self->pipe))) {
		int file = make_file(_metadata, self->pipe.in, size);
		off_t offset = 0;

		/* The whole file, once from an offset and once from the file position. */
		ASSERT_EQ(size, sendfile(self->pipe.w, file, &offset, BIG));
		ASSERT_EQ(size, offset);
		ASSERT_EQ(0, lseek(file, 0, SEEK_CUR));
		self->pipe.in += size;
		drop_padding(_metadata, &self->pipe);
		expect_next(_metadata, &self->pipe, self->pipe.r, size);

		ASSERT_EQ(size, sendfile(self->pipe.w, file, NULL, size));
		ASSERT_EQ(size, lseek(file, 0, SEEK_CUR));
		self->pipe.out -= size;
		expect_next(_metadata, &self->pipe, self->pipe.r, size);
		ASSERT_EQ(0, sendfile(self->pipe.w, file, NULL, size));
		close(file);
	}
}

/* More bytes than the capacity, and splice mixed with read and write */

struct splice_job {
	int from;
	int to;
	ssize_t len;
	unsigned int flags;
	bool restart;		/* SIGUSR1 restarts the call instead of interrupting it */
};

/* Opens files of the child's own, without O_NONBLOCK. */
static struct splice_job open_own_ends(int report_to, const struct splice_job *job)
{
	struct splice_job own = *job;

	set_handler(SIGUSR1, do_nothing, job->restart ? SA_RESTART : 0);
	own.from = open_own(job->from, O_RDONLY, 0);
	own.to = open_own(job->to, O_WRONLY, 0);
	keep_only(report_to, own.from, own.to);
	return own;
}

static void splice_once(int report_to, const void *arg)
{
	struct splice_job job = open_own_ends(report_to, arg);

	report(report_to, splice(job.from, NULL, job.to, NULL, job.len, job.flags));
}

/* Several calls, because sendfile to a pipe(2) returns a partial count, not to block again. */
static void send_all(int report_to, const void *arg)
{
	struct splice_job job = open_own_ends(report_to, arg);
	ssize_t sent = 0, n;

	do {
		n = sendfile(job.to, job.from, NULL, job.len - sent);
		sent += n > 0 ? n : 0;
	} while (n > 0);
	report(report_to, sent);
}

static struct child start_splice(struct __test_metadata *_metadata, const struct splice_job *job)
{
	struct child child = start_forked(_metadata, splice_once, job);

	ASSERT_ASLEEP_IN(splice, &child);
	return child;
}

TEST_F(splice, splice_out_moves_more_than_capacity)
{
	ssize_t len = smaller(3 * capacity_of_kind(self->pipe.r, variant->kind) + 3, BIG);
	struct child writer = start_writing(_metadata, self->pipe.w, 0, 0, len);

	while ((ssize_t)self->pipe.out < len) {
		ssize_t n;

		await(_metadata, self->pipe.r, POLLIN);
		n = splice(self->pipe.r, NULL, self->pipe_2.in, NULL, len, 0);
		ASSERT_LT(0, n);
		expect_next(_metadata, &self->pipe, self->pipe_2.out, n);
	}
	EXPECT_EQ(len, result_of(_metadata, &writer).ret);
}

TEST_F(splice, sendfile_moves_more_than_capacity)
{
	ssize_t len = smaller(3 * capacity_of_kind(self->pipe.r, variant->kind) + 3, BIG);
	struct splice_job job = {
		.from = make_file(_metadata, 0, len), .to = self->pipe.w, .len = len,
	};
	struct child sender = start_forked(_metadata, send_all, &job);

	while ((ssize_t)self->pipe.out < len) {
		ssize_t n;

		await(_metadata, self->pipe.r, POLLIN);
		n = read(self->pipe.r, big_buffer(), BIG);
		ASSERT_LT(0, n);
		ASSERT_TRUE(is_pattern(big_buffer(), self->pipe.out, n));
		self->pipe.out += n;
	}
	EXPECT_EQ(len, result_of(_metadata, &sender).ret);
}

TEST_F(splice, bytes_stay_in_order_if_read_and_splice_alternate)
{
	write_next(_metadata, &self->pipe, 11 * PAGE + 77);
	while (self->pipe.in - self->pipe.out >= 997 + 5000) {
		ASSERT_EQ(997, read(self->pipe.r, big_buffer(), 997));
		ASSERT_TRUE(is_pattern(big_buffer(), self->pipe.out, 997));
		self->pipe.out += 997;
		splice_all(_metadata, self->pipe.r, self->pipe_2.in, 5000);
		expect_next(_metadata, &self->pipe, self->pipe_2.out, 5000);
	}
	expect_next(_metadata, &self->pipe, self->pipe.r, self->pipe.in - self->pipe.out);
}

TEST_F(splice, bytes_stay_in_order_if_write_and_splice_alternate)
{
	for (int i = 0; i < 5; i++) {
		write_next(_metadata, &self->pipe, 997);
		put_pattern(big_buffer(), self->pipe.in, 5000);
		ASSERT_EQ(5000, write(self->pipe_2.in, big_buffer(), 5000));
		splice_all(_metadata, self->pipe_2.out, self->pipe.w, 5000);
		self->pipe.in += 5000;
	}
	expect_next(_metadata, &self->pipe, self->pipe.r, 5 * 5997);
}

/* Blocking, and wake-ups */

TEST_F(splice, splice_out_blocks_until_there_are_bytes)
{
	struct splice_job job = { .from = self->pipe.r, .to = self->pipe_2.in, .len = 100 };
	struct child child = start_splice(_metadata, &job);

	write_next(_metadata, &self->pipe, 5);
	EXPECT_EQ(5, result_of(_metadata, &child).ret);
	expect_next(_metadata, &self->pipe, self->pipe_2.out, 5);
}

/* Fills the pipe, and writes `more` bytes to the pipe(2). Returns how many bytes fill the pipe. */
static ssize_t fill_and_queue(struct __test_metadata *_metadata, struct tested_pipe *pipe,
			      int pipe_2, ssize_t more)
{
	ssize_t len = fill_pipe(_metadata, pipe->w);

	pipe->in += len;
	put_pattern(big_buffer(), pipe->in, more);
	ASSERT_EQ(more, write(pipe_2, big_buffer(), more));
	return len;
}

TEST_F(splice, splice_in_blocks_until_there_is_room)
{
	ssize_t len = fill_and_queue(_metadata, &self->pipe, self->pipe_2.in, 10);
	struct splice_job job = { .from = self->pipe_2.out, .to = self->pipe.w, .len = 100 };
	struct child child = start_splice(_metadata, &job);

	read_exactly(_metadata, self->pipe.r, PAGE);
	self->pipe.out += PAGE;
	EXPECT_EQ(10, result_of(_metadata, &child).ret);
	expect_next(_metadata, &self->pipe, self->pipe.r, len - PAGE + 10);
}

static void expect_eintr(struct __test_metadata *_metadata, const struct child *child)
{
	struct result result;

	kill(child->pid, SIGUSR1);
	result = result_of(_metadata, child);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EINTR, result.err);
}

TEST_F(splice, signal_interrupts_splice_out)
{
	struct splice_job job = { .from = self->pipe.r, .to = self->pipe_2.in, .len = 100 };
	struct child child = start_splice(_metadata, &job);

	expect_eintr(_metadata, &child);
	write_next(_metadata, &self->pipe, 5);
	expect_next(_metadata, &self->pipe, self->pipe.r, 5);
}

TEST_F(splice, signal_interrupts_splice_in)
{
	ssize_t len = fill_and_queue(_metadata, &self->pipe, self->pipe_2.in, 10);
	struct splice_job job = { .from = self->pipe_2.out, .to = self->pipe.w, .len = 100 };
	struct child child = start_splice(_metadata, &job);

	expect_eintr(_metadata, &child);
	expect_next(_metadata, &self->pipe, self->pipe.r, len);
	expect_next(_metadata, &self->pipe, self->pipe_2.out, 10);
}

/* The splice does not wait for more room. */
TEST_F(splice, blocking_splice_in_returns_when_some_bytes_are_in)
{
	ssize_t len = capacity_of_kind(self->pipe.r, variant->kind) - PAGE;
	struct splice_job job = { .from = self->pipe_2.out, .to = self->pipe.w, .len = 3 * PAGE };
	struct child child;

	write_next(_metadata, &self->pipe, len);
	put_pattern(big_buffer(), self->pipe.in, 3 * PAGE);
	ASSERT_EQ(3 * PAGE, write(self->pipe_2.in, big_buffer(), 3 * PAGE));
	child = start_forked(_metadata, splice_once, &job);
	EXPECT_EQ(PAGE, result_of(_metadata, &child).ret);
	expect_next(_metadata, &self->pipe, self->pipe.r, len + PAGE);
	expect_next(_metadata, &self->pipe, self->pipe_2.out, 2 * PAGE);
}

TEST_F(splice, sa_restart_restarts_splice_out)
{
	struct splice_job job = {
		.from = self->pipe.r, .to = self->pipe_2.in, .len = 100, .restart = true,
	};
	struct child child = start_splice(_metadata, &job);

	kill(child.pid, SIGUSR1);
	ASSERT_ASLEEP_IN(splice, &child);
	write_next(_metadata, &self->pipe, 5);
	EXPECT_EQ(5, result_of(_metadata, &child).ret);
}

TEST_F(splice, splice_out_wakes_writer_and_poller)
{
	struct child writer, poller;

	fill_pipe(_metadata, self->pipe.w);
	writer = start_writing(_metadata, self->pipe.w, 0, 'w', 10);
	poller = start_polling(_metadata, self->pipe.w, POLLOUT);
	splice_all(_metadata, self->pipe.r, self->pipe_2.in, 2 * PAGE);
	EXPECT_EQ(10, result_of(_metadata, &writer).ret);
	EXPECT_EQ(POLLOUT, result_of(_metadata, &poller).ret);
}

TEST_F(splice, splice_in_wakes_reader_and_poller)
{
	struct child reader = start_reading(_metadata, self->pipe.r, 1);
	struct child poller = start_polling(_metadata, self->pipe.r, POLLIN);

	ASSERT_EQ(2, write(self->pipe_2.in, "xy", 2));
	splice_all(_metadata, self->pipe_2.out, self->pipe.w, 2);
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
	EXPECT_EQ(POLLIN, result_of(_metadata, &poller).ret);
}

TEST_F(splice, waiting_splice_out_does_not_block_readers_of_pipe_2)
{
	struct splice_job job = { .from = self->pipe.r, .to = self->pipe_2.in, .len = 100 };
	struct fd_job other = { .fd = self->pipe_2.out, .len = 10 };
	struct child child, reader;

	ASSERT_EQ(3, write(self->pipe_2.in, "abc", 3));
	child = start_splice(_metadata, &job);
	reader = start_forked(_metadata, read_end, &other);
	EXPECT_EQ(3, result_of(_metadata, &reader).ret);
	write_next(_metadata, &self->pipe, 5);
	EXPECT_EQ(5, result_of(_metadata, &child).ret);
}

/* A deliberate difference: between two pipe(2)s, the splice waits for room. */
TEST_F(splice, splice_out_gives_eagain_if_pipe_2_fills_during_wait)
{
	struct splice_job job = { .from = self->pipe.r, .to = self->pipe_2.in, .len = 100 };
	struct child child = start_splice(_metadata, &job);
	struct result result;

	fill_pipe(_metadata, self->pipe_2.in);
	write_next(_metadata, &self->pipe, 5);
	if (variant->kind == PIPE_2) {
		read_exactly(_metadata, self->pipe_2.out, PAGE);
		EXPECT_EQ(5, result_of(_metadata, &child).ret);
		return;
	}
	result = result_of(_metadata, &child);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EAGAIN, result.err);
	expect_next(_metadata, &self->pipe, self->pipe.r, 5);
}

static void write_inherited(int report_to, const void *fd)
{
	report(report_to, write(*(const int *)fd, "w", 1));
}

TEST_F(splice, waiting_splice_in_does_not_block_writers_of_pipe_2)
{
	ssize_t len = fill_and_queue(_metadata, &self->pipe, self->pipe_2.in, 10);
	struct splice_job job = { .from = self->pipe_2.out, .to = self->pipe.w, .len = 10 };
	struct child child = start_splice(_metadata, &job);
	struct child writer = start_forked(_metadata, write_inherited, &self->pipe_2.in);

	EXPECT_EQ(1, result_of(_metadata, &writer).ret);
	ASSERT_ASLEEP_IN(splice, &child);
	read_exactly(_metadata, self->pipe.r, len);
	EXPECT_EQ(10, result_of(_metadata, &child).ret);
}

/* A packet stays a packet; other bytes become none, whatever flags the file has. */
TEST_F(splice, packets_spliced_in_stay_packets)
{
	set_flag(_metadata, self->pipe_2.in, O_DIRECT, true);
	ASSERT_EQ(3, write(self->pipe_2.in, "abc", 3));
	ASSERT_EQ(2, write(self->pipe_2.in, "de", 2));
	ASSERT_EQ(5, splice(self->pipe_2.out, NULL, self->pipe.w, NULL, 100, 0));
	EXPECT_EQ(3, read(self->pipe.r, big_buffer(), 100));
	EXPECT_EQ(2, read(self->pipe.r, big_buffer(), 100));

	set_flag(_metadata, self->pipe_2.in, O_DIRECT, false);
	set_flag(_metadata, self->pipe.w, O_DIRECT, true);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(3, write(self->pipe_2.in, "abc", 3));
		ASSERT_EQ(3, splice(self->pipe_2.out, NULL, self->pipe.w, NULL, 100, 0));
	}
	EXPECT_EQ(6, read(self->pipe.r, big_buffer(), 100));
}

/* Not on a pipe(2), where a read goes on from the bytes into the packet. */
TEST_F(splice, splice_in_waits_until_packet_fits)
{
	ssize_t capacity = capacity_of_kind(self->pipe.r, variant->kind);
	struct splice_job job = { .from = self->pipe_2.out, .to = self->pipe.w, .len = PAGE };
	struct child child;

	if (variant->kind == PIPE_2)
		return;
	write_next(_metadata, &self->pipe, capacity - 10);
	set_flag(_metadata, self->pipe_2.in, O_DIRECT, true);
	put_pattern(big_buffer(), self->pipe.in, 100);
	ASSERT_EQ(100, write(self->pipe_2.in, big_buffer(), 100));
	child = start_splice(_metadata, &job);
	read_exactly(_metadata, self->pipe.r, PAGE);
	self->pipe.out += PAGE;
	EXPECT_EQ(100, result_of(_metadata, &child).ret);
	expect_next(_metadata, &self->pipe, self->pipe.r, capacity - 10 - PAGE);
	expect_next(_metadata, &self->pipe, self->pipe.r, 100);
}

/* A deliberate difference: a pipe(2) has no policies. A splice into the pipe is buffered. */
TEST_F(splice, splice_completes_rendezvous)
{
	struct child child;

	if (variant->kind == PIPE_2)
		return;
	ASSERT_EQ(0, set_policy(self->pipe.w, MINI_PIPE_RENDEZVOUS));
	put_pattern(big_buffer(), 0, 10);
	ASSERT_EQ(10, write(self->pipe_2.in, big_buffer(), 10));
	splice_all(_metadata, self->pipe_2.out, self->pipe.w, 10);
	expect_next(_metadata, &self->pipe, self->pipe.r, 10);

	self->pipe.out = 0;
	child = start_writing(_metadata, self->pipe.w, 0, 0, 3 * PAGE);
	splice_all(_metadata, self->pipe.r, self->pipe_2.in, 3 * PAGE);
	EXPECT_EQ(3 * PAGE, result_of(_metadata, &child).ret);
	expect_next(_metadata, &self->pipe, self->pipe_2.out, 3 * PAGE);
	EXPECT_EQ(0, set_policy(self->pipe.w, MINI_PIPE_BUFFERED));
}

/* End of file and EPIPE */

TEST_F(splice, end_of_file_follows_last_byte)
{
	write_next(_metadata, &self->pipe, 5);
	close(self->pipe.w);
	EXPECT_EQ(5, splice(self->pipe.r, NULL, self->pipe_2.in, NULL, 100, 0));
	EXPECT_EQ(0, splice(self->pipe.r, NULL, self->pipe_2.in, NULL, 100, 0));
	expect_next(_metadata, &self->pipe, self->pipe_2.out, 5);
}

TEST_F(splice, last_writer_close_ends_waiting_splice_out)
{
	struct splice_job job = { .from = self->pipe.r, .to = self->pipe_2.in, .len = 100 };
	struct child child = start_splice(_metadata, &job);

	close(self->pipe.w);
	EXPECT_EQ(0, result_of(_metadata, &child).ret);
}

TEST_F(splice, splice_in_without_reader_gives_epipe_and_sigpipe)
{
	int file = make_file(_metadata, 0, 5);

	ASSERT_EQ(5, write(self->pipe_2.in, "abcde", 5));
	close(self->pipe.r);
	EXPECT_EQ(-1, splice(self->pipe_2.out, NULL, self->pipe.w, NULL, 5, 0));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, sigpipes());
	EXPECT_EQ(5, bytes_in(self->pipe_2.out));
	EXPECT_EQ(-1, sendfile(self->pipe.w, file, NULL, 5));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(2, sigpipes());
	EXPECT_EQ(0, lseek(file, 0, SEEK_CUR));
}

TEST_F(splice, last_reader_close_ends_waiting_splice_in_with_epipe)
{
	struct splice_job job = { .from = self->pipe_2.out, .to = self->pipe.w, .len = 100 };
	struct result result;
	struct child child;

	fill_and_queue(_metadata, &self->pipe, self->pipe_2.in, 10);
	child = start_splice(_metadata, &job);
	close(self->pipe.r);
	result = result_of(_metadata, &child);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EPIPE, result.err);
	EXPECT_EQ(1, result.sigpipes);
	EXPECT_EQ(10, bytes_in(self->pipe_2.out));
}

TEST_F(splice, splice_in_without_reader_gives_epipe_at_end_of_file)
{
	close(self->pipe_2.in);
	close(self->pipe.r);
	EXPECT_EQ(-1, splice(self->pipe_2.out, NULL, self->pipe.w, NULL, 5, 0));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, sigpipes());
}

TEST_F(splice, splice_out_to_broken_pipe_2_leaves_bytes)
{
	write_next(_metadata, &self->pipe, 5);
	close(self->pipe_2.out);
	EXPECT_EQ(-1, splice(self->pipe.r, NULL, self->pipe_2.in, NULL, 5, 0));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, sigpipes());
	expect_next(_metadata, &self->pipe, self->pipe.r, 5);
}

/* EAGAIN and partial counts */

TEST_F(splice, splice_out_of_empty_pipe_gives_eagain)
{
	int blocking = open_again(self->pipe.r, O_RDONLY);
	int blocking_pipe_2 = open_again(self->pipe_2.in, O_WRONLY);

	/* O_NONBLOCK at the pipe, O_NONBLOCK at the pipe(2) or SPLICE_F_NONBLOCK is enough. */
	expect_eagain(_metadata, splice(self->pipe.r, NULL, blocking_pipe_2, NULL, 10, 0));
	expect_eagain(_metadata, splice(blocking, NULL, self->pipe_2.in, NULL, 10, 0));
	expect_eagain(_metadata, splice(blocking, NULL, blocking_pipe_2, NULL, 10,
					SPLICE_F_NONBLOCK));
	EXPECT_EQ(0, bytes_in(self->pipe_2.out));
}

/* O_NONBLOCK at one of the two, or SPLICE_F_NONBLOCK, is enough. */
TEST_F(splice, splice_in_to_full_pipe_gives_eagain)
{
	ssize_t len = fill_and_queue(_metadata, &self->pipe, self->pipe_2.in, 10);
	int blocking_pipe_2 = open_again(self->pipe_2.out, O_RDONLY);
	int blocking = open_again(self->pipe.w, O_WRONLY);

	expect_eagain(_metadata, splice(blocking_pipe_2, NULL, self->pipe.w, NULL, 10, 0));
	expect_eagain(_metadata, splice(self->pipe_2.out, NULL, blocking, NULL, 10, 0));
	expect_eagain(_metadata, splice(blocking_pipe_2, NULL, blocking, NULL, 10,
					SPLICE_F_NONBLOCK));
	expect_next(_metadata, &self->pipe, self->pipe.r, len);
	expect_next(_metadata, &self->pipe, self->pipe_2.out, 10);
}

/* O_NONBLOCK at the pipe is enough for a splice from an empty pipe(2), too. */
TEST_F(splice, splice_in_from_empty_pipe_2_gives_eagain)
{
	int blocking_pipe_2 = open_again(self->pipe_2.out, O_RDONLY);
	int blocking = open_again(self->pipe.w, O_WRONLY);

	expect_eagain(_metadata, splice(blocking_pipe_2, NULL, self->pipe.w, NULL, 10, 0));
	expect_eagain(_metadata, splice(self->pipe_2.out, NULL, blocking, NULL, 10, 0));
	expect_eagain(_metadata, splice(blocking_pipe_2, NULL, blocking, NULL, 10,
					SPLICE_F_NONBLOCK));
}

TEST_F(splice, sendfile_to_full_pipe_gives_eagain)
{
	int file = make_file(_metadata, 0, 5);

	fill_pipe(_metadata, self->pipe.w);
	expect_eagain(_metadata, sendfile(self->pipe.w, file, NULL, 5));
	EXPECT_EQ(0, lseek(file, 0, SEEK_CUR));
}

/* O_NONBLOCK at the pipe(2), or SPLICE_F_NONBLOCK, is enough. */
TEST_F(splice, splice_out_to_full_pipe_2_gives_eagain)
{
	int blocking = open_again(self->pipe_2.in, O_WRONLY);

	write_next(_metadata, &self->pipe, 10);
	fill_pipe(_metadata, self->pipe_2.in);
	expect_eagain(_metadata, splice(self->pipe.r, NULL, self->pipe_2.in, NULL, 10, 0));
	expect_eagain(_metadata, splice(self->pipe.r, NULL, blocking, NULL, 10,
					SPLICE_F_NONBLOCK));
	expect_next(_metadata, &self->pipe, self->pipe.r, 10);
}

TEST_F(splice, splice_out_moves_what_fits_in_pipe_2)
{
	ssize_t n;

	write_next(_metadata, &self->pipe, 3 * PAGE);
	fill_pipe(_metadata, self->pipe_2.in);
	read_exactly(_metadata, self->pipe_2.out, PAGE);
	n = splice(self->pipe.r, NULL, self->pipe_2.in, NULL, 3 * PAGE, 0);
	ASSERT_TRUE(n > 0 && n <= PAGE);
	read_exactly(_metadata, self->pipe_2.out, 15 * PAGE);
	expect_next(_metadata, &self->pipe, self->pipe_2.out, n);
	expect_next(_metadata, &self->pipe, self->pipe.r, 3 * PAGE - n);
}

TEST_F(splice, splice_out_waiting_for_pipe_2_leaves_bytes_to_readers)
{
	struct splice_job job = { .from = self->pipe.r, .to = self->pipe_2.in, .len = 100 };
	struct child child;

	write_next(_metadata, &self->pipe, 10);
	fill_pipe(_metadata, self->pipe_2.in);
	child = start_splice(_metadata, &job);
	expect_next(_metadata, &self->pipe, self->pipe.r, 10);
	write_next(_metadata, &self->pipe, 7);
	read_exactly(_metadata, self->pipe_2.out, 16 * PAGE);
	EXPECT_EQ(7, result_of(_metadata, &child).ret);
	expect_next(_metadata, &self->pipe, self->pipe_2.out, 7);
}

TEST_F(splice, sendfile_moves_what_fits)
{
	ssize_t len = capacity_of_kind(self->pipe.r, variant->kind) - 2 * PAGE;
	int file = make_file(_metadata, len, 5 * PAGE);

	write_next(_metadata, &self->pipe, len);
	ASSERT_EQ(2 * PAGE, sendfile(self->pipe.w, file, NULL, 5 * PAGE));
	EXPECT_EQ(2 * PAGE, lseek(file, 0, SEEK_CUR));
	expect_next(_metadata, &self->pipe, self->pipe.r, len + 2 * PAGE);
	ASSERT_EQ(3 * PAGE, sendfile(self->pipe.w, file, NULL, 5 * PAGE));
	expect_next(_metadata, &self->pipe, self->pipe.r, 3 * PAGE);
}

TEST_F(splice, splice_in_moves_what_fits)
{
	ssize_t len = capacity_of_kind(self->pipe.r, variant->kind) - 2 * PAGE;

	write_next(_metadata, &self->pipe, len);
	put_pattern(big_buffer(), self->pipe.in, 5 * PAGE);
	ASSERT_EQ(5 * PAGE, write(self->pipe_2.in, big_buffer(), 5 * PAGE));
	ASSERT_EQ(2 * PAGE, splice(self->pipe_2.out, NULL, self->pipe.w, NULL, 5 * PAGE, 0));
	expect_next(_metadata, &self->pipe, self->pipe.r, len + 2 * PAGE);
	expect_next(_metadata, &self->pipe, self->pipe_2.out, 3 * PAGE);
}

/* Spliced pages do not change, whatever happens to the pipe */

/* Fills the whole ring with other bytes, and drains it. */
static void overwrite_ring(struct __test_metadata *_metadata, struct tested_pipe *pipe)
{
	ssize_t n;

	for (int round = 0; round < 2; round++) {
		memset(big_buffer(), 0xff, BIG);
		n = write(pipe->w, big_buffer(), BIG);
		ASSERT_LT(0, n);
		ASSERT_EQ(n, drain_pipe(_metadata, pipe->r));
	}
}

TEST_F(splice, spliced_pages_are_not_overwritten)
{
	struct pipe_2 other = make_pipe_2(_metadata);

	write_next(_metadata, &self->pipe, 9 * PAGE);
	splice_all(_metadata, self->pipe.r, self->pipe_2.in, 9 * PAGE);
	ASSERT_EQ(9 * PAGE, tee(self->pipe_2.out, other.in, 9 * PAGE, 0));
	overwrite_ring(_metadata, &self->pipe);
	expect_next(_metadata, &self->pipe, self->pipe_2.out, 9 * PAGE);
	overwrite_ring(_metadata, &self->pipe);
	self->pipe.out = 0;
	expect_next(_metadata, &self->pipe, other.out, 9 * PAGE);
}

/* The pipe still uses the rest of these pages, before and after the spliced bytes. */
TEST_F(splice, spliced_parts_of_pages_are_not_overwritten)
{
	write_next(_metadata, &self->pipe, 100);
	splice_all(_metadata, self->pipe.r, self->pipe_2.in, 100);
	write_next(_metadata, &self->pipe, 9000);
	for (int i = 0; i < 9; i++)
		splice_all(_metadata, self->pipe.r, self->pipe_2.in, 1000);
	overwrite_ring(_metadata, &self->pipe);
	expect_next(_metadata, &self->pipe, self->pipe_2.out, 9100);
}

TEST_F(splice, spliced_pages_outlive_process)
{
	struct splice_job job = { .from = self->pipe.r, .to = self->pipe_2.in, .len = 9 * PAGE };
	struct child child;

	write_next(_metadata, &self->pipe, 9 * PAGE);
	child = start_forked(_metadata, splice_once, &job);
	EXPECT_EQ(9 * PAGE, result_of(_metadata, &child).ret);
	kill_child(_metadata, &child);
	overwrite_ring(_metadata, &self->pipe);
	expect_next(_metadata, &self->pipe, self->pipe_2.out, 9 * PAGE);
}

TEST_F(splice, spliced_pages_outlive_pipe)
{
	write_next(_metadata, &self->pipe, 9 * PAGE);
	splice_all(_metadata, self->pipe.r, self->pipe_2.in, 9 * PAGE);
	close(self->pipe.r);
	close(self->pipe.w);
	/* If the pages had been freed, a new pipe would get them. */
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &self->pipe.r, &self->pipe.w);
	overwrite_ring(_metadata, &self->pipe);
	expect_next(_metadata, &self->pipe, self->pipe_2.out, 9 * PAGE);
}

TEST_F(splice, splice_out_does_not_reduce_capacity)
{
	ssize_t capacity = capacity_of_kind(self->pipe.r, variant->kind);

	for (int round = 0; round < 10; round++) {
		self->pipe.out = self->pipe.in;
		write_next(_metadata, &self->pipe, 9 * PAGE);
		splice_all(_metadata, self->pipe.r, self->pipe_2.in, 9 * PAGE);
		expect_next(_metadata, &self->pipe, self->pipe_2.out, 9 * PAGE);
		ASSERT_EQ(capacity, fill_pipe(_metadata, self->pipe.w));
		ASSERT_EQ(capacity, drain_pipe(_metadata, self->pipe.r));
		ASSERT_TRUE(is_pattern(big_buffer(), 0, capacity));
		self->pipe.in += capacity;
	}
}

/* A deliberate difference: a pipe(2) goes on using the pages of the process. */
TEST_F(splice, splice_in_copies_bytes)
{
	unsigned char *map = map_pattern(_metadata, 0, 2 * PAGE);
	struct iovec iov = { map, 2 * PAGE };

	ASSERT_EQ(2 * PAGE, vmsplice(self->pipe_2.in, &iov, 1, 0));
	splice_all(_metadata, self->pipe_2.out, self->pipe.w, 2 * PAGE);
	memset(map, 0xff, 2 * PAGE);
	ASSERT_EQ(2 * PAGE, read(self->pipe.r, big_buffer(), BIG));
	EXPECT_EQ(variant->kind != PIPE_2, is_pattern(big_buffer(), 0, 2 * PAGE));
}

TEST_HARNESS_MAIN
