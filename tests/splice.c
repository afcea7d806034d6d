// SPDX-License-Identifier: GPL-2.0
/*
 * splice, sendfile, tee and vmsplice, into a pipe and out of it, by way of a pipe(2). What is in
 * flight is always the pattern, which goes on with each byte.
 */
#include <sys/sendfile.h>
#include <sys/socket.h>
#include "variants.h"

#define PAGE ((ssize_t)PIPE_BUF)

static const ssize_t sizes[] = { 1, 100, PAGE - 1, PAGE, PAGE + 1, 5 * PAGE + 3 };
/* Where in a page of the ring they begin. An empty ring goes on at the beginning of one. */
static const ssize_t places[] = { 0, 1, 100, PAGE - 1 };

/* A pipe(2). */
struct way {
	int out;
	int in;
};

/* The pipe itself. */
struct tested {
	int r;
	int w;
	size_t in;	/* how many bytes of the pattern went into it */
	size_t out;	/* how many of those have been read, here or on their way */
	size_t cases;	/* of sizes and places; how many there have been */
	ssize_t before;	/* how many bytes are in it that lead to the place */
};

/* All ends are non-blocking. */
FIXTURE(splice)
{
	struct tested pipe;
	struct way way;
};

FIXTURE_VARIANT(splice)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(splice, of_the_device) { .kind = DEVICE, };
FIXTURE_VARIANT_ADD(splice, of_a_private_pipe) { .kind = PRIVATE, };
FIXTURE_VARIANT_ADD(splice, of_pipe_2) { .kind = PIPE_2, };

static struct way make_way(struct __test_metadata *_metadata)
{
	struct way way;

	make_pipe(_metadata, PIPE_2, O_NONBLOCK, &way.out, &way.in);
	return way;
}

FIXTURE_SETUP(splice)
{
	set_the_stage(_metadata);
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &self->pipe.r, &self->pipe.w);
	self->way = make_way(_metadata);
	if (!holds(_metadata, capacity_of_kind(self->pipe.r, variant->kind), 12 * PAGE))
		return;
}

FIXTURE_TEARDOWN(splice)
{
	clear_the_stage(_metadata);
}

/* Into the pipe, by write. */
static void put_on(struct __test_metadata *_metadata, struct tested *pipe, ssize_t len)
{
	put_pattern(big_buffer(), pipe->in, len);
	ASSERT_EQ(len, write(pipe->w, big_buffer(), len));
	pipe->in += len;
}

/* What came out goes on where it left off, wherever it is read from. */
static void expect_from(struct __test_metadata *_metadata, struct tested *pipe, int fd, ssize_t len)
{
	ssize_t n = read(fd, big_buffer(), BIG);

	EXPECT_EQ(len, n);
	EXPECT_TRUE(is_pattern(big_buffer(), pipe->out, smaller(n, len)));
	pipe->out += len;
}

/* By as many calls as it takes. */
static void move(struct __test_metadata *_metadata, int from, int to, ssize_t len)
{
	while (len > 0) {
		ssize_t n = splice(from, NULL, to, NULL, len, 0);

		ASSERT_LT(0, n);
		len -= n;
	}
	ASSERT_EQ(0, len);
}

/* It is read from its beginning. */
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

/* Each size, at each place */

/* Leads to the next place with other bytes, and returns the next size; 0 after the last. */
static ssize_t next_size(struct __test_metadata *_metadata, struct tested *pipe)
{
	size_t size = pipe->cases % ARRAY_SIZE(sizes);
	size_t place = pipe->cases / ARRAY_SIZE(sizes);

	if (place == ARRAY_SIZE(places))
		return 0;
	pipe->cases++;
	pipe->before = places[place];
	put_on(_metadata, pipe, pipe->before);
	return sizes[size];
}

/* Takes out the other bytes, now that what is to begin at the place is in. */
static void come_to_place(struct __test_metadata *_metadata, struct tested *pipe)
{
	ASSERT_EQ(pipe->before, read(pipe->r, big_buffer(), pipe->before));
	pipe->out += pipe->before;
}

TEST_F(splice, takes_bytes_out)
{
	ssize_t size;

	while ((size = next_size(_metadata, &self->pipe))) {
		put_on(_metadata, &self->pipe, size);
		come_to_place(_metadata, &self->pipe);
		move(_metadata, self->pipe.r, self->way.in, size);
		expect_from(_metadata, &self->pipe, self->way.out, size);
	}
}

TEST_F(splice, takes_bytes_out_to_a_file)
{
	ssize_t size;

	while ((size = next_size(_metadata, &self->pipe))) {
		int file = make_file(_metadata, 0, 0);

		put_on(_metadata, &self->pipe, size);
		come_to_place(_metadata, &self->pipe);
		move(_metadata, self->pipe.r, self->way.in, size);
		move(_metadata, self->way.out, file, size);
		ASSERT_EQ(0, lseek(file, 0, SEEK_SET));
		expect_from(_metadata, &self->pipe, file, size);
		close(file);
	}
}

TEST_F(splice, takes_bytes_out_to_a_socket)
{
	int sockets[2];
	ssize_t size;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	while ((size = next_size(_metadata, &self->pipe))) {
		put_on(_metadata, &self->pipe, size);
		come_to_place(_metadata, &self->pipe);
		move(_metadata, self->pipe.r, self->way.in, size);
		move(_metadata, self->way.out, sockets[0], size);
		ASSERT_EQ(size, recv(sockets[1], big_buffer(), size, MSG_WAITALL));
		ASSERT_TRUE(is_pattern(big_buffer(), self->pipe.out, size));
		self->pipe.out += size;
	}
}

TEST_F(splice, brings_bytes_in_from_a_file)
{
	ssize_t size;

	while ((size = next_size(_metadata, &self->pipe))) {
		int file = make_file(_metadata, self->pipe.in, size);

		move(_metadata, file, self->way.in, size);
		move(_metadata, self->way.out, self->pipe.w, size);
		self->pipe.in += size;
		come_to_place(_metadata, &self->pipe);
		expect_from(_metadata, &self->pipe, self->pipe.r, size);
		close(file);
	}
}

TEST_F(splice, brings_bytes_in_from_a_socket)
{
	int sockets[2];
	ssize_t size;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	while ((size = next_size(_metadata, &self->pipe))) {
		put_pattern(big_buffer(), self->pipe.in, size);
		ASSERT_EQ(size, send(sockets[0], big_buffer(), size, 0));
		move(_metadata, sockets[1], self->way.in, size);
		move(_metadata, self->way.out, self->pipe.w, size);
		self->pipe.in += size;
		come_to_place(_metadata, &self->pipe);
		expect_from(_metadata, &self->pipe, self->pipe.r, size);
	}
}

TEST_F(splice, brings_in_what_vmsplice_lends)
{
	ssize_t size;

	while ((size = next_size(_metadata, &self->pipe))) {
		struct iovec lent = { .iov_len = size };

		lent.iov_base = map_pattern(_metadata, self->pipe.in, size);
		ASSERT_EQ(size, vmsplice(self->way.in, &lent, 1, 0));
		move(_metadata, self->way.out, self->pipe.w, size);
		self->pipe.in += size;
		come_to_place(_metadata, &self->pipe);
		expect_from(_metadata, &self->pipe, self->pipe.r, size);
	}
}

/* Out, twice over by tee, and one of the two back in. */
TEST_F(splice, takes_out_what_tee_can_double)
{
	struct way other = make_way(_metadata);
	ssize_t size;

	while ((size = next_size(_metadata, &self->pipe))) {
		put_on(_metadata, &self->pipe, size);
		come_to_place(_metadata, &self->pipe);
		move(_metadata, self->pipe.r, self->way.in, size);
		ASSERT_EQ(size, tee(self->way.out, other.in, size, 0));
		move(_metadata, self->way.out, self->pipe.w, size);
		expect_from(_metadata, &self->pipe, other.out, size);
		self->pipe.out -= size;
		expect_from(_metadata, &self->pipe, self->pipe.r, size);
	}
}

TEST_F(splice, is_what_sendfile_does)
{
	ssize_t size;

	while ((size = next_size(_metadata, &self->pipe))) {
		int file = make_file(_metadata, self->pipe.in, size);
		off_t offset = 0;

		/* All there is, at an offset, and again from where the file is. */
		ASSERT_EQ(size, sendfile(self->pipe.w, file, &offset, BIG));
		ASSERT_EQ(size, offset);
		ASSERT_EQ(0, lseek(file, 0, SEEK_CUR));
		self->pipe.in += size;
		come_to_place(_metadata, &self->pipe);
		expect_from(_metadata, &self->pipe, self->pipe.r, size);

		ASSERT_EQ(size, sendfile(self->pipe.w, file, NULL, size));
		ASSERT_EQ(size, lseek(file, 0, SEEK_CUR));
		self->pipe.out -= size;
		expect_from(_metadata, &self->pipe, self->pipe.r, size);
		ASSERT_EQ(0, sendfile(self->pipe.w, file, NULL, size));
		close(file);
	}
}

/* More than the pipe holds, and beside read and write */

struct flow {
	int from;
	int to;
	ssize_t len;
	unsigned int flags;
	bool restart;	/* SIGUSR1 restarts the call, rather than interrupting it */
};

/* Open files of the child's own, which wait. */
static struct flow open_flow(int report_to, const struct flow *flow)
{
	struct flow own = *flow;

	handle(SIGUSR1, do_nothing, flow->restart ? SA_RESTART : 0);
	own.from = open_own(flow->from, O_RDONLY, 0);
	own.to = open_own(flow->to, O_WRONLY, 0);
	keep_only(report_to, own.from, own.to);
	return own;
}

static void splice_once(int report_to, const void *arg)
{
	struct flow flow = open_flow(report_to, arg);

	report(report_to, splice(flow.from, NULL, flow.to, NULL, flow.len, flow.flags));
}

/* Those who wait in a pipe(2) return with what went in at once. */
static void send_all(int report_to, const void *arg)
{
	struct flow flow = open_flow(report_to, arg);
	ssize_t sent = 0, n;

	do {
		n = sendfile(flow.to, flow.from, NULL, flow.len - sent);
		sent += n > 0 ? n : 0;
	} while (n > 0);
	report(report_to, sent);
}

static struct child start_splice(struct __test_metadata *_metadata, const struct flow *flow)
{
	struct child child = start_heir(_metadata, splice_once, flow);

	ASSERT_ASLEEP_IN(splice, &child);
	return child;
}

TEST_F(splice, takes_out_more_than_the_pipe_holds)
{
	ssize_t len = smaller(3 * capacity_of_kind(self->pipe.r, variant->kind) + 3, BIG);
	struct child writer = start_writing(_metadata, self->pipe.w, 0, 0, len);

	while ((ssize_t)self->pipe.out < len) {
		ssize_t n;

		await(_metadata, self->pipe.r, POLLIN);
		n = splice(self->pipe.r, NULL, self->way.in, NULL, len, 0);
		ASSERT_LT(0, n);
		expect_from(_metadata, &self->pipe, self->way.out, n);
	}
	EXPECT_EQ(len, result_of(_metadata, &writer).ret);
}

TEST_F(splice, brings_in_more_than_the_pipe_holds)
{
	ssize_t len = smaller(3 * capacity_of_kind(self->pipe.r, variant->kind) + 3, BIG);
	struct flow flow = {
		.from = make_file(_metadata, 0, len), .to = self->pipe.w, .len = len,
	};
	struct child sender = start_heir(_metadata, send_all, &flow);

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

TEST_F(splice, keeps_the_order_among_reads)
{
	put_on(_metadata, &self->pipe, 11 * PAGE + 77);
	while (self->pipe.in - self->pipe.out >= 997 + 5000) {
		ASSERT_EQ(997, read(self->pipe.r, big_buffer(), 997));
		ASSERT_TRUE(is_pattern(big_buffer(), self->pipe.out, 997));
		self->pipe.out += 997;
		move(_metadata, self->pipe.r, self->way.in, 5000);
		expect_from(_metadata, &self->pipe, self->way.out, 5000);
	}
	expect_from(_metadata, &self->pipe, self->pipe.r, self->pipe.in - self->pipe.out);
}

TEST_F(splice, keeps_the_order_among_writes)
{
	for (int i = 0; i < 5; i++) {
		put_on(_metadata, &self->pipe, 997);
		put_pattern(big_buffer(), self->pipe.in, 5000);
		ASSERT_EQ(5000, write(self->way.in, big_buffer(), 5000));
		move(_metadata, self->way.out, self->pipe.w, 5000);
		self->pipe.in += 5000;
	}
	expect_from(_metadata, &self->pipe, self->pipe.r, 5 * 5997);
}

/* Waiting, and whom it wakes */

TEST_F(splice, waits_for_bytes)
{
	struct flow flow = { .from = self->pipe.r, .to = self->way.in, .len = 100 };
	struct child child = start_splice(_metadata, &flow);

	put_on(_metadata, &self->pipe, 5);
	EXPECT_EQ(5, result_of(_metadata, &child).ret);
	expect_from(_metadata, &self->pipe, self->way.out, 5);
}

/* Fills the pipe, and puts some more on the way to it; returns how many bytes it is full of. */
static ssize_t fill_up(struct __test_metadata *_metadata, struct tested *pipe, int way,
		       ssize_t more)
{
	ssize_t len = fill_pipe(_metadata, pipe->w);

	pipe->in += len;
	put_pattern(big_buffer(), pipe->in, more);
	ASSERT_EQ(more, write(way, big_buffer(), more));
	return len;
}

TEST_F(splice, waits_for_room)
{
	ssize_t len = fill_up(_metadata, &self->pipe, self->way.in, 10);
	struct flow flow = { .from = self->way.out, .to = self->pipe.w, .len = 100 };
	struct child child = start_splice(_metadata, &flow);

	take(_metadata, self->pipe.r, PAGE);
	self->pipe.out += PAGE;
	EXPECT_EQ(10, result_of(_metadata, &child).ret);
	expect_from(_metadata, &self->pipe, self->pipe.r, len - PAGE + 10);
}

static void expect_eintr(struct __test_metadata *_metadata, const struct child *child)
{
	struct result result;

	kill(child->pid, SIGUSR1);
	result = result_of(_metadata, child);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EINTR, result.err);
}

TEST_F(splice, is_interrupted_while_it_waits_for_bytes)
{
	struct flow flow = { .from = self->pipe.r, .to = self->way.in, .len = 100 };
	struct child child = start_splice(_metadata, &flow);

	expect_eintr(_metadata, &child);
	put_on(_metadata, &self->pipe, 5);
	expect_from(_metadata, &self->pipe, self->pipe.r, 5);
}

TEST_F(splice, is_interrupted_while_it_waits_for_room)
{
	ssize_t len = fill_up(_metadata, &self->pipe, self->way.in, 10);
	struct flow flow = { .from = self->way.out, .to = self->pipe.w, .len = 100 };
	struct child child = start_splice(_metadata, &flow);

	expect_eintr(_metadata, &child);
	expect_from(_metadata, &self->pipe, self->pipe.r, len);
	expect_from(_metadata, &self->pipe, self->way.out, 10);
}

/* Who splices into a pipe(2) need not be: it returns with what went in at once. */
TEST_F(splice, tells_what_went_in_when_it_is_interrupted)
{
	ssize_t len = capacity_of_kind(self->pipe.r, variant->kind) - PAGE;
	struct flow flow = { .from = self->way.out, .to = self->pipe.w, .len = 3 * PAGE };
	struct child child;

	put_on(_metadata, &self->pipe, len);
	put_pattern(big_buffer(), self->pipe.in, 3 * PAGE);
	ASSERT_EQ(3 * PAGE, write(self->way.in, big_buffer(), 3 * PAGE));
	child = start_heir(_metadata, splice_once, &flow);
	if (variant->kind != PIPE_2) {
		ASSERT_ASLEEP_IN(splice, &child);
		kill(child.pid, SIGUSR1);
	}
	EXPECT_EQ(PAGE, result_of(_metadata, &child).ret);
	expect_from(_metadata, &self->pipe, self->pipe.r, len + PAGE);
	expect_from(_metadata, &self->pipe, self->way.out, 2 * PAGE);
}

TEST_F(splice, is_restarted)
{
	struct flow flow = {
		.from = self->pipe.r, .to = self->way.in, .len = 100, .restart = true,
	};
	struct child child = start_splice(_metadata, &flow);

	kill(child.pid, SIGUSR1);
	ASSERT_ASLEEP_IN(splice, &child);
	put_on(_metadata, &self->pipe, 5);
	EXPECT_EQ(5, result_of(_metadata, &child).ret);
}

TEST_F(splice, wakes_those_who_wait_for_room)
{
	struct child writer, poller;

	fill_pipe(_metadata, self->pipe.w);
	writer = start_writing(_metadata, self->pipe.w, 0, 'w', 10);
	poller = start_polling(_metadata, self->pipe.w, POLLOUT);
	move(_metadata, self->pipe.r, self->way.in, 2 * PAGE);
	EXPECT_EQ(10, result_of(_metadata, &writer).ret);
	EXPECT_EQ(POLLOUT, result_of(_metadata, &poller).ret);
}

TEST_F(splice, wakes_those_who_wait_for_bytes)
{
	struct child reader = start_reading(_metadata, self->pipe.r, 1);
	struct child poller = start_polling(_metadata, self->pipe.r, POLLIN);

	ASSERT_EQ(2, write(self->way.in, "xy", 2));
	move(_metadata, self->way.out, self->pipe.w, 2);
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
	EXPECT_EQ(POLLIN, result_of(_metadata, &poller).ret);
}

TEST_F(splice, leaves_the_way_to_others_while_it_waits_for_bytes)
{
	struct flow flow = { .from = self->pipe.r, .to = self->way.in, .len = 100 };
	struct kind_job other = { .fd = self->way.out, .len = 10 };
	struct child child, reader;

	ASSERT_EQ(3, write(self->way.in, "abc", 3));
	child = start_splice(_metadata, &flow);
	reader = start_heir(_metadata, read_end, &other);
	EXPECT_EQ(3, result_of(_metadata, &reader).ret);
	put_on(_metadata, &self->pipe, 5);
	EXPECT_EQ(5, result_of(_metadata, &child).ret);
}

/* A meant difference: it does not begin to wait for the way, as with pipe(2). */
TEST_F(splice, gives_eagain_when_others_fill_the_way_while_it_waits_for_bytes)
{
	struct flow flow = { .from = self->pipe.r, .to = self->way.in, .len = 100 };
	struct child child = start_splice(_metadata, &flow);
	struct result result;

	fill_pipe(_metadata, self->way.in);
	put_on(_metadata, &self->pipe, 5);
	if (variant->kind == PIPE_2) {
		take(_metadata, self->way.out, PAGE);
		EXPECT_EQ(5, result_of(_metadata, &child).ret);
		return;
	}
	result = result_of(_metadata, &child);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EAGAIN, result.err);
	expect_from(_metadata, &self->pipe, self->pipe.r, 5);
}

static void write_inherited(int report_to, const void *fd)
{
	report(report_to, write(*(const int *)fd, "w", 1));
}

/*
 * A meant difference: whatever is not a pipe(2) writes while the kernel keeps the way locked, even
 * from those that would not wait in it.
 */
TEST_F(splice, keeps_others_off_the_way_while_it_waits_for_room)
{
	ssize_t len = fill_up(_metadata, &self->pipe, self->way.in, 10);
	struct flow flow = { .from = self->way.out, .to = self->pipe.w, .len = 10 };
	struct child child = start_splice(_metadata, &flow);
	struct child writer = start_heir(_metadata, write_inherited, &self->way.in);

	if (variant->kind == PIPE_2)
		EXPECT_TRUE(has_reported_within(&writer, PATIENCE_MS));
	if (variant->kind != PIPE_2)
		EXPECT_TRUE(falls_into_deep_sleep(&writer));
	take(_metadata, self->pipe.r, len);
	EXPECT_EQ(10, result_of(_metadata, &child).ret);
	EXPECT_EQ(1, result_of(_metadata, &writer).ret);
}

/* A meant difference: there is no such pipe(2). */
TEST_F(splice, meets_its_reader_or_writer_in_a_rendezvous)
{
	struct flow flow = { .from = self->way.out, .to = self->pipe.w, .len = 10 };
	struct child child;

	if (variant->kind == PIPE_2)
		return;
	ASSERT_EQ(0, set_policy(self->pipe.w, MINI_PIPE_RENDEZVOUS));
	put_pattern(big_buffer(), 0, 10);
	ASSERT_EQ(10, write(self->way.in, big_buffer(), 10));
	child = start_splice(_metadata, &flow);
	expect_from(_metadata, &self->pipe, self->pipe.r, 10);
	EXPECT_EQ(10, result_of(_metadata, &child).ret);

	self->pipe.out = 0;
	child = start_writing(_metadata, self->pipe.w, 0, 0, 3 * PAGE);
	move(_metadata, self->pipe.r, self->way.in, 3 * PAGE);
	EXPECT_EQ(3 * PAGE, result_of(_metadata, &child).ret);
	expect_from(_metadata, &self->pipe, self->way.out, 3 * PAGE);
	EXPECT_EQ(0, set_policy(self->pipe.w, MINI_PIPE_BUFFERED));
}

/* Ends */

TEST_F(splice, meets_the_end_after_the_bytes)
{
	put_on(_metadata, &self->pipe, 5);
	close(self->pipe.w);
	EXPECT_EQ(5, splice(self->pipe.r, NULL, self->way.in, NULL, 100, 0));
	EXPECT_EQ(0, splice(self->pipe.r, NULL, self->way.in, NULL, 100, 0));
	expect_from(_metadata, &self->pipe, self->way.out, 5);
}

TEST_F(splice, meets_the_end_in_its_sleep)
{
	struct flow flow = { .from = self->pipe.r, .to = self->way.in, .len = 100 };
	struct child child = start_splice(_metadata, &flow);

	close(self->pipe.w);
	EXPECT_EQ(0, result_of(_metadata, &child).ret);
}

TEST_F(splice, gets_epipe_and_sigpipe_without_a_reader)
{
	int file = make_file(_metadata, 0, 5);

	ASSERT_EQ(5, write(self->way.in, "abcde", 5));
	close(self->pipe.r);
	EXPECT_EQ(-1, splice(self->way.out, NULL, self->pipe.w, NULL, 5, 0));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, sigpipes());
	EXPECT_EQ(5, bytes_in(self->way.out));
	EXPECT_EQ(-1, sendfile(self->pipe.w, file, NULL, 5));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(2, sigpipes());
	EXPECT_EQ(0, lseek(file, 0, SEEK_CUR));
}

TEST_F(splice, gets_epipe_and_sigpipe_in_its_sleep)
{
	struct flow flow = { .from = self->way.out, .to = self->pipe.w, .len = 100 };
	struct result result;
	struct child child;

	fill_up(_metadata, &self->pipe, self->way.in, 10);
	child = start_splice(_metadata, &flow);
	close(self->pipe.r);
	result = result_of(_metadata, &child);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EPIPE, result.err);
	EXPECT_EQ(1, result.sigpipes);
	EXPECT_EQ(10, bytes_in(self->way.out));
}

TEST_F(splice, leaves_the_bytes_when_the_way_is_broken)
{
	put_on(_metadata, &self->pipe, 5);
	close(self->way.out);
	EXPECT_EQ(-1, splice(self->pipe.r, NULL, self->way.in, NULL, 5, 0));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, sigpipes());
	expect_from(_metadata, &self->pipe, self->pipe.r, 5);
}

/* Not waiting */

TEST_F(splice, gives_eagain_without_bytes)
{
	int waiting = open_again(self->pipe.r, O_RDONLY);
	int waiting_way = open_again(self->way.in, O_WRONLY);

	/* Of the pipe, the way and the call, one that does not wait is enough. */
	expect_eagain(_metadata, splice(self->pipe.r, NULL, waiting_way, NULL, 10, 0));
	expect_eagain(_metadata, splice(waiting, NULL, self->way.in, NULL, 10, 0));
	expect_eagain(_metadata, splice(waiting, NULL, waiting_way, NULL, 10, SPLICE_F_NONBLOCK));
	EXPECT_EQ(0, bytes_in(self->way.out));
}

/*
 * A meant difference: a call that does not wait, or a way that does not, is enough for pipe(2)
 * alone. Any other file waits unless it has O_NONBLOCK itself: see splice(2).
 */
TEST_F(splice, gives_eagain_without_room)
{
	ssize_t len = fill_up(_metadata, &self->pipe, self->way.in, 10);
	int waiting_way = open_again(self->way.out, O_RDONLY);
	int waiting = open_again(self->pipe.w, O_WRONLY);
	struct flow flow = {
		.from = self->way.out, .to = self->pipe.w, .len = 10, .flags = SPLICE_F_NONBLOCK,
	};
	struct child child;

	expect_eagain(_metadata, splice(waiting_way, NULL, self->pipe.w, NULL, 10, 0));
	if (variant->kind == PIPE_2) {
		expect_eagain(_metadata, splice(self->way.out, NULL, waiting, NULL, 10, 0));
		expect_eagain(_metadata, splice(waiting_way, NULL, waiting, NULL, 10,
						SPLICE_F_NONBLOCK));
	} else {
		child = start_splice(_metadata, &flow);
		expect_eintr(_metadata, &child);
	}
	expect_from(_metadata, &self->pipe, self->pipe.r, len);
	expect_from(_metadata, &self->pipe, self->way.out, 10);
}

TEST_F(splice, gives_eagain_to_sendfile_without_room)
{
	int file = make_file(_metadata, 0, 5);

	fill_pipe(_metadata, self->pipe.w);
	expect_eagain(_metadata, sendfile(self->pipe.w, file, NULL, 5));
	EXPECT_EQ(0, lseek(file, 0, SEEK_CUR));
}

/* A way that does not wait, or such a call; a pipe that does not is enough for another pipe(2). */
TEST_F(splice, gives_eagain_without_room_on_the_way)
{
	int waiting = open_again(self->way.in, O_WRONLY);

	put_on(_metadata, &self->pipe, 10);
	fill_pipe(_metadata, self->way.in);
	expect_eagain(_metadata, splice(self->pipe.r, NULL, self->way.in, NULL, 10, 0));
	expect_eagain(_metadata, splice(self->pipe.r, NULL, waiting, NULL, 10,
					SPLICE_F_NONBLOCK));
	expect_from(_metadata, &self->pipe, self->pipe.r, 10);
}

TEST_F(splice, leaves_what_has_no_room_on_the_way)
{
	ssize_t n;

	put_on(_metadata, &self->pipe, 3 * PAGE);
	fill_pipe(_metadata, self->way.in);
	take(_metadata, self->way.out, PAGE);
	n = splice(self->pipe.r, NULL, self->way.in, NULL, 3 * PAGE, 0);
	ASSERT_TRUE(n > 0 && n <= PAGE);
	take(_metadata, self->way.out, 15 * PAGE);
	expect_from(_metadata, &self->pipe, self->way.out, n);
	expect_from(_metadata, &self->pipe, self->pipe.r, 3 * PAGE - n);
}

TEST_F(splice, leaves_the_bytes_to_others_while_it_waits_for_the_way)
{
	struct flow flow = { .from = self->pipe.r, .to = self->way.in, .len = 100 };
	struct child child;

	put_on(_metadata, &self->pipe, 10);
	fill_pipe(_metadata, self->way.in);
	child = start_splice(_metadata, &flow);
	expect_from(_metadata, &self->pipe, self->pipe.r, 10);
	put_on(_metadata, &self->pipe, 7);
	take(_metadata, self->way.out, 16 * PAGE);
	EXPECT_EQ(7, result_of(_metadata, &child).ret);
	expect_from(_metadata, &self->pipe, self->way.out, 7);
}

TEST_F(splice, brings_in_what_has_room)
{
	ssize_t len = capacity_of_kind(self->pipe.r, variant->kind) - 2 * PAGE;
	int file = make_file(_metadata, len, 5 * PAGE);

	put_on(_metadata, &self->pipe, len);
	ASSERT_EQ(2 * PAGE, sendfile(self->pipe.w, file, NULL, 5 * PAGE));
	EXPECT_EQ(2 * PAGE, lseek(file, 0, SEEK_CUR));
	expect_from(_metadata, &self->pipe, self->pipe.r, len + 2 * PAGE);
	ASSERT_EQ(3 * PAGE, sendfile(self->pipe.w, file, NULL, 5 * PAGE));
	expect_from(_metadata, &self->pipe, self->pipe.r, 3 * PAGE);
}

TEST_F(splice, leaves_on_the_way_what_has_no_room)
{
	ssize_t len = capacity_of_kind(self->pipe.r, variant->kind) - 2 * PAGE;

	put_on(_metadata, &self->pipe, len);
	put_pattern(big_buffer(), self->pipe.in, 5 * PAGE);
	ASSERT_EQ(5 * PAGE, write(self->way.in, big_buffer(), 5 * PAGE));
	ASSERT_EQ(2 * PAGE, splice(self->way.out, NULL, self->pipe.w, NULL, 5 * PAGE, 0));
	expect_from(_metadata, &self->pipe, self->pipe.r, len + 2 * PAGE);
	expect_from(_metadata, &self->pipe, self->way.out, 3 * PAGE);
}

/* What is out stays as it was, whatever becomes of the pipe */

/* Writes something else all over the ring, and takes it out again. */
static void use_again(struct __test_metadata *_metadata, struct tested *pipe)
{
	ssize_t n;

	for (int round = 0; round < 2; round++) {
		memset(big_buffer(), 0xff, BIG);
		n = write(pipe->w, big_buffer(), BIG);
		ASSERT_LT(0, n);
		ASSERT_EQ(n, drain_pipe(_metadata, pipe->r));
	}
}

TEST_F(splice, takes_pages_out_that_nobody_writes_to_again)
{
	struct way other = make_way(_metadata);

	put_on(_metadata, &self->pipe, 9 * PAGE);
	move(_metadata, self->pipe.r, self->way.in, 9 * PAGE);
	ASSERT_EQ(9 * PAGE, tee(self->way.out, other.in, 9 * PAGE, 0));
	use_again(_metadata, &self->pipe);
	expect_from(_metadata, &self->pipe, self->way.out, 9 * PAGE);
	use_again(_metadata, &self->pipe);
	self->pipe.out = 0;
	expect_from(_metadata, &self->pipe, other.out, 9 * PAGE);
}

/* The rest of their page, before and behind them, is still the pipe's. */
TEST_F(splice, takes_parts_of_pages_out_that_nobody_writes_to_again)
{
	put_on(_metadata, &self->pipe, 100);
	move(_metadata, self->pipe.r, self->way.in, 100);
	put_on(_metadata, &self->pipe, 9000);
	for (int i = 0; i < 9; i++)
		move(_metadata, self->pipe.r, self->way.in, 1000);
	use_again(_metadata, &self->pipe);
	expect_from(_metadata, &self->pipe, self->way.out, 9100);
}

TEST_F(splice, takes_pages_out_that_outlive_who_took_them)
{
	struct flow flow = { .from = self->pipe.r, .to = self->way.in, .len = 9 * PAGE };
	struct child child;

	put_on(_metadata, &self->pipe, 9 * PAGE);
	child = start_heir(_metadata, splice_once, &flow);
	EXPECT_EQ(9 * PAGE, result_of(_metadata, &child).ret);
	dismiss(_metadata, &child);
	use_again(_metadata, &self->pipe);
	expect_from(_metadata, &self->pipe, self->way.out, 9 * PAGE);
}

TEST_F(splice, takes_pages_out_that_outlive_the_pipe)
{
	put_on(_metadata, &self->pipe, 9 * PAGE);
	move(_metadata, self->pipe.r, self->way.in, 9 * PAGE);
	close(self->pipe.r);
	close(self->pipe.w);
	/* Whoever has the memory now, if it was freed. */
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &self->pipe.r, &self->pipe.w);
	use_again(_metadata, &self->pipe);
	expect_from(_metadata, &self->pipe, self->way.out, 9 * PAGE);
}

TEST_F(splice, leaves_a_pipe_that_holds_as_much_as_before)
{
	ssize_t capacity = capacity_of_kind(self->pipe.r, variant->kind);

	for (int round = 0; round < 10; round++) {
		self->pipe.out = self->pipe.in;
		put_on(_metadata, &self->pipe, 9 * PAGE);
		move(_metadata, self->pipe.r, self->way.in, 9 * PAGE);
		expect_from(_metadata, &self->pipe, self->way.out, 9 * PAGE);
		ASSERT_EQ(capacity, fill_pipe(_metadata, self->pipe.w));
		ASSERT_EQ(capacity, drain_pipe(_metadata, self->pipe.r));
		ASSERT_TRUE(is_pattern(big_buffer(), 0, capacity));
		self->pipe.in += capacity;
	}
}

/* A meant difference: in a pipe(2) they would still be whose they were. */
TEST_F(splice, brings_in_copies)
{
	unsigned char *map = map_pattern(_metadata, 0, 2 * PAGE);
	struct iovec lent = { map, 2 * PAGE };

	ASSERT_EQ(2 * PAGE, vmsplice(self->way.in, &lent, 1, 0));
	move(_metadata, self->way.out, self->pipe.w, 2 * PAGE);
	memset(map, 0xff, 2 * PAGE);
	ASSERT_EQ(2 * PAGE, read(self->pipe.r, big_buffer(), BIG));
	EXPECT_EQ(variant->kind != PIPE_2, is_pattern(big_buffer(), 0, 2 * PAGE));
}

TEST_HARNESS_MAIN
