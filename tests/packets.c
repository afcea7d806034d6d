// SPDX-License-Identifier: GPL-2.0
/* Packets: what one writes with O_DIRECT is read as it was written, one piece at a time. */
#include "variants.h"

/* More than any packet. */
#define ENOUGH (2 * PIPE_BUF)

/* Both ends are non-blocking; what is written to w is packets. */
FIXTURE(packets)
{
	int r;
	int w;
	ssize_t slots;	/* how many packets the pipe holds */
};

FIXTURE_VARIANT(packets)
{
	enum kind kind;
};

/* Opened with O_DIRECT, or made with it. */
FIXTURE_VARIANT_ADD(packets, of_the_device) { .kind = DEVICE, };
FIXTURE_VARIANT_ADD(packets, of_a_private_pipe) { .kind = PRIVATE, };
FIXTURE_VARIANT_ADD(packets, of_pipe_2) { .kind = PIPE_2, };

/* The capacity in pages, of which there is always a power of two. */
static ssize_t slots_of(int fd, enum kind kind)
{
	ssize_t slots = 1;

	while (slots * (ssize_t)page_size() < capacity_of_kind(fd, kind))
		slots *= 2;
	return slots;
}

/* The tests have sizes in mind: of pages that are full, and of some that are left. */
static bool suits(struct __test_metadata *_metadata, int fd, enum kind kind)
{
	ssize_t slots = slots_of(fd, kind);

	return holds(_metadata, capacity_of_kind(fd, kind), (slots < 8 ? 8 : slots) * page_size());
}

FIXTURE_SETUP(packets)
{
	set_the_stage(_metadata);
	make_pipe(_metadata, variant->kind, O_NONBLOCK | O_DIRECT, &self->r, &self->w);
	self->slots = slots_of(self->r, variant->kind);
	if (!suits(_metadata, self->r, variant->kind))
		return;
}

FIXTURE_TEARDOWN(packets)
{
	clear_the_stage(_metadata);
}

static ssize_t put(int fd, char fill, ssize_t len)
{
	memset(big_buffer(), fill, len);
	return write(fd, big_buffer(), len);
}

static bool is_all(const unsigned char *buf, char fill, ssize_t len)
{
	while (len > 0)
		if (buf[--len] != fill)
			return false;
	return true;
}

/* The next read gives exactly that. */
static void expect_next(struct __test_metadata *_metadata, int fd, char fill, ssize_t len)
{
	EXPECT_EQ(len, read(fd, big_buffer(), ENOUGH));
	EXPECT_TRUE(is_all(big_buffer(), fill, len));
}

static void expect_empty(struct __test_metadata *_metadata, int fd)
{
	EXPECT_EQ(0, bytes_in(fd));
	expect_eagain(_metadata, read(fd, big_buffer(), 1));
}

/* A file of the same end that writes a stream of bytes. */
static int plain(struct __test_metadata *_metadata, int w)
{
	int fd = open_again(w, O_WRONLY | O_NONBLOCK);

	ASSERT_LE(0, fd);
	return fd;
}

/* As many as go in; returns how many those were. */
static ssize_t fill_with_packets(int fd, ssize_t len)
{
	ssize_t count = 0;

	while (put(fd, 'a' + count % 26, len) == len)
		count++;
	return errno == EAGAIN ? count : -1;
}

TEST_F(packets, are_read_one_by_one)
{
	ASSERT_EQ(1, put(self->w, 'a', 1));
	ASSERT_EQ(300, put(self->w, 'b', 300));
	ASSERT_EQ(2, put(self->w, 'c', 2));
	EXPECT_EQ(303, bytes_in(self->r));
	expect_next(_metadata, self->r, 'a', 1);
	expect_next(_metadata, self->r, 'b', 300);
	EXPECT_EQ(2, bytes_in(self->r));
	expect_next(_metadata, self->r, 'c', 2);
	expect_empty(_metadata, self->r);
}

TEST_F(packets, lose_what_a_read_does_not_take)
{
	ASSERT_EQ(100, put(self->w, 'a', 100));
	ASSERT_EQ(5, put(self->w, 'b', 5));
	EXPECT_EQ(10, read(self->r, big_buffer(), 10));
	EXPECT_TRUE(is_all(big_buffer(), 'a', 10));
	EXPECT_EQ(5, bytes_in(self->r));
	expect_next(_metadata, self->r, 'b', 5);
	expect_empty(_metadata, self->r);
}

TEST_F(packets, stay_when_nothing_is_read)
{
	ASSERT_EQ(5, put(self->w, 'a', 5));
	EXPECT_EQ(0, read(self->r, big_buffer(), 0));
	expect_next(_metadata, self->r, 'a', 5);
}

TEST_F(packets, are_not_made_of_nothing)
{
	EXPECT_EQ(0, write(self->w, "x", 0));
	EXPECT_EQ(0, poll_now(self->r, POLLIN));
	expect_empty(_metadata, self->r);
	ASSERT_EQ(1, put(self->w, 'a', 1));
	EXPECT_EQ(0, write(self->w, "x", 0));
	ASSERT_EQ(1, put(self->w, 'b', 1));
	expect_next(_metadata, self->r, 'a', 1);
	expect_next(_metadata, self->r, 'b', 1);
}

TEST_F(packets, are_told_of_by_poll)
{
	ASSERT_EQ(5, put(self->w, 'a', 5));
	ASSERT_EQ(5, put(self->w, 'b', 5));
	EXPECT_EQ(POLLIN, poll_now(self->r, POLLIN));
	expect_next(_metadata, self->r, 'a', 5);
	EXPECT_EQ(POLLIN, poll_now(self->r, POLLIN));
	expect_next(_metadata, self->r, 'b', 5);
	EXPECT_EQ(0, poll_now(self->r, POLLIN));
}

TEST_F(packets, hold_up_to_pipe_buf)
{
	ASSERT_EQ(PIPE_BUF, put(self->w, 'a', PIPE_BUF));
	ASSERT_EQ(1, put(self->w, 'b', 1));
	expect_next(_metadata, self->r, 'a', PIPE_BUF);
	expect_next(_metadata, self->r, 'b', 1);
}

TEST_F(packets, are_cut_from_larger_writes)
{
	put_pattern(big_buffer(), 0, 3 * PIPE_BUF + 5);
	ASSERT_EQ(3 * PIPE_BUF + 5, write(self->w, big_buffer(), 3 * PIPE_BUF + 5));
	for (ssize_t from = 0; from < 3 * PIPE_BUF; from += PIPE_BUF) {
		EXPECT_EQ(PIPE_BUF, read(self->r, big_buffer(), ENOUGH));
		EXPECT_TRUE(is_pattern(big_buffer(), from, PIPE_BUF));
	}
	EXPECT_EQ(5, read(self->r, big_buffer(), ENOUGH));
	EXPECT_TRUE(is_pattern(big_buffer(), 3 * PIPE_BUF, 5));
	expect_empty(_metadata, self->r);
}

TEST_F(packets, are_cut_where_pipe_buf_ends_and_not_where_an_element_does)
{
	unsigned char *buf = big_buffer();
	struct iovec iov[] = { { buf, 3000 }, { buf + 3000, 10 }, { buf + 3010, 2000 } };

	put_pattern(buf, 0, 5010);
	ASSERT_EQ(5010, writev(self->w, iov, 3));
	EXPECT_EQ(PIPE_BUF, read(self->r, buf, ENOUGH));
	EXPECT_TRUE(is_pattern(buf, 0, PIPE_BUF));
	EXPECT_EQ(5010 - PIPE_BUF, read(self->r, buf, ENOUGH));
	EXPECT_TRUE(is_pattern(buf, PIPE_BUF, 5010 - PIPE_BUF));
}

TEST_F(packets, are_one_to_a_readv)
{
	char a[3] = "", b[9] = "";
	struct iovec iov[] = { { a, 2 }, { b, 8 } };

	ASSERT_EQ(5, write(self->w, "abcde", 5));
	ASSERT_EQ(3, write(self->w, "fgh", 3));
	EXPECT_EQ(5, readv(self->r, iov, 2));
	EXPECT_STREQ("ab", a);
	EXPECT_STREQ("cde", b);
	EXPECT_EQ(3, readv(self->r, iov, 2));
	EXPECT_STREQ("fg", a);
	EXPECT_STREQ("hde", b);
}

TEST_F(packets, that_lie_across_pages_come_out_whole)
{
	/* 997 is prime, and the pipe never empty: they begin anywhere. */
	for (ssize_t from = 0; from < 300000; from += 997) {
		put_pattern(big_buffer(), from, 997);
		ASSERT_EQ(997, write(self->w, big_buffer(), 997));
		if (from) {
			ASSERT_EQ(997, read(self->r, big_buffer(), ENOUGH));
			ASSERT_TRUE(is_pattern(big_buffer(), from - 997, 997));
		}
	}
}

/* How many there may be */

TEST_F(packets, fill_the_pipe_when_there_are_as_many_as_pages)
{
	EXPECT_EQ(POLLOUT, poll_now(self->w, POLLOUT));
	ASSERT_EQ(self->slots, fill_with_packets(self->w, 1));
	EXPECT_EQ(self->slots, bytes_in(self->r));
	EXPECT_EQ(0, poll_now(self->w, POLLOUT));
	for (ssize_t i = 0; i < 3 * self->slots; i++) {
		expect_next(_metadata, self->r, 'a' + i % self->slots % 26, 1);
		EXPECT_EQ(POLLOUT, poll_now(self->w, POLLOUT));
		EXPECT_EQ(1, put(self->w, 'a' + i % self->slots % 26, 1));
		EXPECT_EQ(0, poll_now(self->w, POLLOUT));
		expect_eagain(_metadata, put(self->w, 'x', 1));
	}
}

TEST_F(packets, fill_the_pipe_for_those_who_write_streams_too)
{
	int stream = plain(_metadata, self->w);

	ASSERT_EQ(self->slots, fill_with_packets(self->w, 1));
	EXPECT_EQ(0, poll_now(stream, POLLOUT));
	expect_eagain(_metadata, put(stream, 'x', 1));
	expect_next(_metadata, self->r, 'a', 1);
	EXPECT_EQ(POLLOUT, poll_now(stream, POLLOUT));
	EXPECT_EQ(1, put(stream, 'x', 1));
}

TEST_F(packets, of_pipe_buf_fill_the_pipe_as_well)
{
	EXPECT_EQ(self->slots, fill_with_packets(self->w, PIPE_BUF));
	EXPECT_EQ(self->slots * PIPE_BUF, bytes_in(self->r));
}

TEST_F(packets, that_do_not_fit_are_left_out_of_a_nonblocking_write)
{
	ssize_t room = 2 * PIPE_BUF;

	for (ssize_t i = 2; i < self->slots; i++)
		ASSERT_EQ(1, put(self->w, 'a', 1));
	put_pattern(big_buffer(), 0, BIG);
	EXPECT_EQ(room, write(self->w, big_buffer(), BIG));
	for (ssize_t i = 2; i < self->slots; i++)
		expect_next(_metadata, self->r, 'a', 1);
	for (ssize_t from = 0; from < room; from += PIPE_BUF) {
		EXPECT_EQ(PIPE_BUF, read(self->r, big_buffer(), ENOUGH));
		EXPECT_TRUE(is_pattern(big_buffer(), from, PIPE_BUF));
	}
	expect_empty(_metadata, self->r);
}

/* Waiting */

TEST_F(packets, let_a_sleeping_writer_in_when_one_is_read)
{
	struct child writer;

	ASSERT_EQ(self->slots, fill_with_packets(self->w, 1));
	writer = start_writing(_metadata, self->w, O_DIRECT, 'z', 3);
	expect_next(_metadata, self->r, 'a', 1);
	EXPECT_EQ(3, result_of(_metadata, &writer).ret);
	for (ssize_t i = 1; i < self->slots; i++)
		expect_next(_metadata, self->r, 'a' + i % 26, 1);
	expect_next(_metadata, self->r, 'z', 3);
}

/* One read makes room for one of them; the next read, for the next. */
TEST_F(packets, let_sleeping_writers_in_one_by_one)
{
	struct child writers[3];

	ASSERT_EQ(self->slots, fill_with_packets(self->w, 1));
	for (int i = 0; i < 3; i++)
		writers[i] = start_writing(_metadata, self->w, O_DIRECT, 'x' + i, 2);
	for (int i = 0; i < 3; i++) {
		expect_next(_metadata, self->r, 'a' + i, 1);
		EXPECT_EQ(2, result_of(_metadata, &writers[i]).ret);
		for (int j = i + 1; j < 3; j++)
			ASSERT_ASLEEP_IN(write, &writers[j]);
	}
}

TEST_F(packets, let_a_sleeping_stream_in_when_one_is_read)
{
	struct child writer;

	ASSERT_EQ(self->slots, fill_with_packets(self->w, 1));
	writer = start_writing(_metadata, self->w, 0, 's', 1);
	expect_next(_metadata, self->r, 'a', 1);
	EXPECT_EQ(1, result_of(_metadata, &writer).ret);
}

TEST_F(packets, wake_a_poll_for_room_when_one_is_read)
{
	struct child poller;

	ASSERT_EQ(self->slots, fill_with_packets(self->w, 1));
	poller = start_polling(_metadata, self->w, POLLOUT);
	expect_next(_metadata, self->r, 'a', 1);
	EXPECT_EQ(POLLOUT, result_of(_metadata, &poller).ret);
}

/* Each of them gets one, though the first is woken by a pipe that is empty no more. */
TEST_F(packets, go_to_one_sleeping_reader_each)
{
	struct child readers[2];
	struct result results[2];

	for (int i = 0; i < 2; i++)
		readers[i] = start_reading(_metadata, self->r, ENOUGH);
	put_pattern(big_buffer(), 0, PIPE_BUF + 7);
	ASSERT_EQ(PIPE_BUF + 7, write(self->w, big_buffer(), PIPE_BUF + 7));
	for (int i = 0; i < 2; i++)
		results[i] = result_of(_metadata, &readers[i]);
	EXPECT_EQ(PIPE_BUF + 7, results[0].ret + results[1].ret);
	EXPECT_TRUE(results[0].ret == 7 || results[1].ret == 7);
	expect_empty(_metadata, self->r);
}

TEST_F(packets, that_went_in_are_the_count_of_an_interrupted_write)
{
	struct child writer = start_writing(_metadata, self->w, O_DIRECT, 'a', BIG);

	kill(writer.pid, SIGUSR1);
	EXPECT_EQ(self->slots * PIPE_BUF, result_of(_metadata, &writer).ret);
	for (ssize_t i = 0; i < self->slots; i++)
		expect_next(_metadata, self->r, 'a', PIPE_BUF);
	expect_empty(_metadata, self->r);
}

TEST_F(packets, outlive_their_writer)
{
	ASSERT_EQ(5, put(self->w, 'a', 5));
	ASSERT_EQ(6, put(self->w, 'b', 6));
	close(self->w);
	expect_next(_metadata, self->r, 'a', 5);
	expect_next(_metadata, self->r, 'b', 6);
	EXPECT_EQ(0, read(self->r, big_buffer(), 1));
}

TEST_F(packets, break_the_pipe_without_a_reader)
{
	close(self->r);
	EXPECT_EQ(-1, put(self->w, 'a', 5));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, sigpipes());
}

/* Many writers; each of them writes packets of sizes that tell whose they are and which. */

#define WRITERS 4
#define EACH 100

static ssize_t size_of(int writer, int packet)
{
	return 1 + (writer * 1009 + packet * 331) % 1500;
}

static void write_many(int report_to, const void *arg)
{
	const struct kind_job *job = arg;
	int fd = open_own(job->fd, O_WRONLY, O_DIRECT);

	for (int i = 0; i < EACH; i++) {
		ssize_t len = size_of(job->fill - 'a', i);

		if (put(fd, job->fill, len) != len)
			_exit(KSFT_FAIL);
	}
	report(report_to, EACH);
}

TEST_F(packets, of_several_writers_never_mix)
{
	struct child writers[WRITERS];
	int seen[WRITERS] = {};

	for (int i = 0; i < WRITERS; i++) {
		struct kind_job job = { .fd = self->w, .fill = 'a' + i };

		writers[i] = start_heir(_metadata, write_many, &job);
	}
	for (int i = 0; i < WRITERS * EACH; i++) {
		ssize_t n;
		int who;

		await(_metadata, self->r, POLLIN);
		n = read(self->r, big_buffer(), ENOUGH);
		who = big_buffer()[0] - 'a';
		ASSERT_TRUE(who >= 0 && who < WRITERS);
		ASSERT_EQ(size_of(who, seen[who]), n);
		ASSERT_TRUE(is_all(big_buffer(), 'a' + who, n));
		seen[who]++;
	}
	for (int i = 0; i < WRITERS; i++)
		EXPECT_EQ(EACH, result_of(_metadata, &writers[i]).ret);
	expect_empty(_metadata, self->r);
}

/* Who writes packets, and when */

TEST_F(packets, are_the_business_of_writers)
{
	EXPECT_EQ(O_DIRECT, fcntl(self->w, F_GETFL) & O_DIRECT);
	if (variant->kind != DEVICE)
		EXPECT_EQ(0, fcntl(self->r, F_GETFL) & O_DIRECT);
}

TEST_F(packets, begin_and_end_with_the_flag)
{
	ASSERT_EQ(0, fcntl(self->w, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(0, fcntl(self->w, F_GETFL) & O_DIRECT);
	ASSERT_EQ(3, write(self->w, "aaa", 3));
	ASSERT_EQ(3, write(self->w, "aaa", 3));
	expect_next(_metadata, self->r, 'a', 6);

	ASSERT_EQ(0, fcntl(self->w, F_SETFL, O_NONBLOCK | O_DIRECT));
	EXPECT_EQ(O_DIRECT, fcntl(self->w, F_GETFL) & O_DIRECT);
	ASSERT_EQ(3, write(self->w, "bbb", 3));
	ASSERT_EQ(3, write(self->w, "ccc", 3));

	ASSERT_EQ(0, fcntl(self->w, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(3, write(self->w, "ddd", 3));
	ASSERT_EQ(3, write(self->w, "ddd", 3));
	expect_next(_metadata, self->r, 'b', 3);
	expect_next(_metadata, self->r, 'c', 3);
	expect_next(_metadata, self->r, 'd', 6);
	expect_empty(_metadata, self->r);
}

TEST_F(packets, are_not_made_by_a_reader_that_has_the_flag)
{
	ASSERT_EQ(0, fcntl(self->w, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, fcntl(self->r, F_SETFL, O_NONBLOCK | O_DIRECT));
	ASSERT_EQ(3, write(self->w, "aaa", 3));
	ASSERT_EQ(3, write(self->w, "aaa", 3));
	EXPECT_EQ(2, read(self->r, big_buffer(), 2));
	expect_next(_metadata, self->r, 'a', 4);
}

TEST_F(packets, are_packets_to_a_reader_that_has_no_flag)
{
	ASSERT_EQ(0, fcntl(self->r, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(3, write(self->w, "aaa", 3));
	ASSERT_EQ(3, write(self->w, "bbb", 3));
	EXPECT_EQ(2, read(self->r, big_buffer(), 2));
	expect_next(_metadata, self->r, 'b', 3);
}

TEST_F(packets, keep_apart_from_a_stream_that_follows)
{
	int stream = plain(_metadata, self->w);

	ASSERT_EQ(3, write(self->w, "aaa", 3));
	ASSERT_EQ(3, write(stream, "bbb", 3));
	ASSERT_EQ(3, write(stream, "bbb", 3));
	expect_next(_metadata, self->r, 'a', 3);
	expect_next(_metadata, self->r, 'b', 6);
	expect_empty(_metadata, self->r);
}

/*
 * A meant difference: pipe(2) puts a packet that fits into the last page of the stream before it,
 * and it is none; else a read goes on from the stream into the packet, and discards its rest.
 */
TEST_F(packets, end_a_stream_before_them)
{
	int stream = plain(_metadata, self->w);

	ASSERT_EQ(3, write(stream, "aaa", 3));
	ASSERT_EQ(3, write(self->w, "bbb", 3));
	if (variant->kind == PIPE_2) {
		EXPECT_EQ(6, read(self->r, big_buffer(), ENOUGH));
		EXPECT_EQ(0, memcmp(big_buffer(), "aaabbb", 6));
	} else {
		expect_next(_metadata, self->r, 'a', 3);
		expect_next(_metadata, self->r, 'b', 3);
	}
	expect_empty(_metadata, self->r);

	ASSERT_EQ(PIPE_BUF, put(stream, 'a', PIPE_BUF));
	ASSERT_EQ(3, write(self->w, "bbb", 3));
	if (variant->kind == PIPE_2) {
		EXPECT_EQ(PIPE_BUF + 1, read(self->r, big_buffer(), PIPE_BUF + 1));
		EXPECT_EQ('b', big_buffer()[PIPE_BUF]);
	} else {
		EXPECT_EQ(PIPE_BUF, read(self->r, big_buffer(), PIPE_BUF + 1));
		EXPECT_TRUE(is_all(big_buffer(), 'a', PIPE_BUF));
		expect_next(_metadata, self->r, 'b', 3);
	}
	expect_empty(_metadata, self->r);
}

/* A read that finds only a part of the stream leaves the packet to another. */
TEST_F(packets, are_not_reached_by_reads_of_the_stream_before_them)
{
	int stream = plain(_metadata, self->w);

	ASSERT_EQ(PIPE_BUF, put(stream, 'a', PIPE_BUF));
	ASSERT_EQ(3, write(self->w, "bbb", 3));
	EXPECT_EQ(PIPE_BUF - 1, read(self->r, big_buffer(), PIPE_BUF - 1));
	EXPECT_EQ(1, read(self->r, big_buffer(), 1));
	EXPECT_EQ('a', big_buffer()[0]);
	expect_next(_metadata, self->r, 'b', 3);
}

/*
 * By splice. A meant difference: from pipe(2) to pipe(2), they go as many at once as fit, and are
 * still packets there.
 */

TEST_F(packets, are_spliced_one_by_one)
{
	int r, w;

	make_pipe(_metadata, PIPE_2, O_NONBLOCK, &r, &w);
	ASSERT_EQ(5, put(self->w, 'a', 5));
	ASSERT_EQ(PIPE_BUF, put(self->w, 'b', PIPE_BUF));
	ASSERT_EQ(100, put(self->w, 'c', 100));
	if (variant->kind == PIPE_2) {
		EXPECT_EQ(105 + PIPE_BUF, splice(self->r, NULL, w, NULL, ENOUGH, 0));
		expect_next(_metadata, r, 'a', 5);
		return;
	}
	EXPECT_EQ(5, splice(self->r, NULL, w, NULL, ENOUGH, 0));
	EXPECT_EQ(PIPE_BUF, splice(self->r, NULL, w, NULL, ENOUGH, 0));
	/* The rest is discarded, as when it is read. */
	EXPECT_EQ(10, splice(self->r, NULL, w, NULL, 10, 0));
	expect_empty(_metadata, self->r);
	EXPECT_EQ(15 + PIPE_BUF, read(r, big_buffer(), ENOUGH));
	EXPECT_TRUE(is_all(big_buffer(), 'a', 5));
	EXPECT_TRUE(is_all(big_buffer() + 5, 'b', PIPE_BUF));
	EXPECT_TRUE(is_all(big_buffer() + 5 + PIPE_BUF, 'c', 10));
}

/* Though it lies in two pages of the ring. */
TEST_F(packets, are_spliced_whole_into_the_last_slot)
{
	int r, w;

	make_pipe(_metadata, PIPE_2, O_NONBLOCK, &r, &w);
	fill_pipe(_metadata, w);
	take(_metadata, r, PIPE_BUF);
	ASSERT_EQ(PIPE_BUF - 100, put(self->w, 'a', PIPE_BUF - 100));
	put_pattern(big_buffer(), 0, 1000);
	ASSERT_EQ(1000, write(self->w, big_buffer(), 1000));
	expect_next(_metadata, self->r, 'a', PIPE_BUF - 100);
	EXPECT_EQ(1000, splice(self->r, NULL, w, NULL, ENOUGH, 0));
	expect_empty(_metadata, self->r);
	take(_metadata, r, 15 * PIPE_BUF);
	EXPECT_EQ(1000, read(r, big_buffer(), ENOUGH));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 1000));
}

/* A meant difference: between pipe(2)s, they would be what they were before. */
TEST_F(packets, are_what_is_spliced_in)
{
	int r, w;

	make_pipe(_metadata, PIPE_2, O_NONBLOCK, &r, &w);
	put_pattern(big_buffer(), 0, PIPE_BUF + 10);
	ASSERT_EQ(PIPE_BUF + 10, write(w, big_buffer(), PIPE_BUF + 10));
	EXPECT_EQ(PIPE_BUF + 10, splice(r, NULL, self->w, NULL, ENOUGH, 0));
	if (variant->kind == PIPE_2) {
		EXPECT_EQ(PIPE_BUF + 10, read(self->r, big_buffer(), ENOUGH));
	} else {
		EXPECT_EQ(PIPE_BUF, read(self->r, big_buffer(), ENOUGH));
		EXPECT_TRUE(is_pattern(big_buffer(), 0, PIPE_BUF));
		EXPECT_EQ(10, read(self->r, big_buffer(), ENOUGH));
		EXPECT_TRUE(is_pattern(big_buffer(), PIPE_BUF, 10));
	}
	expect_empty(_metadata, self->r);
}

/* Bad memory */

/* Good bytes, and then nothing that is mapped. */
static unsigned char *before_a_hole(struct __test_metadata *_metadata, int good)
{
	unsigned char *map = map_pages(_metadata, 3, PROT_READ | PROT_WRITE);

	ASSERT_EQ(0, munmap(map + 2 * page_size(), page_size()));
	return map + 2 * page_size() - good;
}

TEST_F(packets, stay_whole_when_a_read_faults)
{
	ASSERT_EQ(100, put(self->w, 'a', 100));
	ASSERT_EQ(5, put(self->w, 'b', 5));
	EXPECT_EQ(-1, read(self->r, before_a_hole(_metadata, 0), 50));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(self->r, before_a_hole(_metadata, 30), 100));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(self->r, before_a_hole(_metadata, 30), 50));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(105, bytes_in(self->r));
	expect_next(_metadata, self->r, 'a', 100);
	expect_next(_metadata, self->r, 'b', 5);
}

TEST_F(packets, need_no_more_memory_than_they_fill)
{
	ASSERT_EQ(30, put(self->w, 'a', 30));
	EXPECT_EQ(30, read(self->r, before_a_hole(_metadata, 30), 100));
	expect_empty(_metadata, self->r);
}

TEST_F(packets, are_not_begun_by_a_write_that_faults)
{
	EXPECT_EQ(-1, write(self->w, before_a_hole(_metadata, 30), 50));
	EXPECT_EQ(EFAULT, errno);
	expect_empty(_metadata, self->r);
	/* The first packet is good, and the second is not. */
	EXPECT_EQ(PIPE_BUF, write(self->w, before_a_hole(_metadata, 5000), 6000));
	EXPECT_EQ(PIPE_BUF, read(self->r, big_buffer(), ENOUGH));
	expect_empty(_metadata, self->r);
	EXPECT_EQ(self->slots, fill_with_packets(self->w, 1));
}

/* In a pipe whose size changes */

/* It holds a packet, 'x', of one byte. */
FIXTURE(packets_in_a_pipe)
{
	int r;
	int w;
};

FIXTURE_VARIANT(packets_in_a_pipe)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(packets_in_a_pipe, private) { .kind = PRIVATE, };
FIXTURE_VARIANT_ADD(packets_in_a_pipe, of_pipe_2) { .kind = PIPE_2, };

FIXTURE_SETUP(packets_in_a_pipe)
{
	set_the_stage(_metadata);
	make_pipe(_metadata, variant->kind, O_NONBLOCK | O_DIRECT, &self->r, &self->w);
	ASSERT_EQ(16 * PIPE_BUF, resize(self->r, variant->kind, 16 * PIPE_BUF));
	/* An empty ring would begin anew. Packets behind this one wrap, and so do their bytes. */
	for (int i = 0; i < 14; i++)
		ASSERT_EQ(PIPE_BUF - 5, put(self->w, 'w', PIPE_BUF - 5));
	ASSERT_EQ(1, put(self->w, 'x', 1));
	for (int i = 0; i < 14; i++)
		expect_next(_metadata, self->r, 'w', PIPE_BUF - 5);
}

FIXTURE_TEARDOWN(packets_in_a_pipe)
{
	clear_the_stage(_metadata);
}

TEST_F(packets_in_a_pipe, keep_their_bounds_when_it_grows_and_shrinks)
{
	const ssize_t sizes[] = { 300, PIPE_BUF, 2 };
	const ssize_t capacities[] = { 32 * PIPE_BUF, 4 * PIPE_BUF, 64 * PIPE_BUF };

	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < 3; j++)
			ASSERT_EQ(sizes[j], put(self->w, 'a' + j, sizes[j]));
		EXPECT_EQ(capacities[i], resize(self->w, variant->kind, capacities[i]));
		EXPECT_EQ(303 + PIPE_BUF, bytes_in(self->r));
		expect_next(_metadata, self->r, 'x', 1);
		for (int j = 0; j < 3; j++)
			expect_next(_metadata, self->r, 'a' + j, sizes[j]);
		expect_empty(_metadata, self->r);
		ASSERT_EQ(1, put(self->w, 'x', 1));
	}
}

TEST_F(packets_in_a_pipe, keep_it_from_shrinking_below_them)
{
	ASSERT_EQ(1, put(self->w, 'a', 1));
	ASSERT_EQ(1, put(self->w, 'b', 1));
	EXPECT_EQ(-1, resize(self->w, variant->kind, 2 * PIPE_BUF));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(16 * PIPE_BUF, capacity_of_kind(self->w, variant->kind));
	EXPECT_EQ(4 * PIPE_BUF, resize(self->w, variant->kind, 4 * PIPE_BUF));
	ASSERT_EQ(1, put(self->w, 'c', 1));
	expect_eagain(_metadata, put(self->w, 'd', 1));
	expect_next(_metadata, self->r, 'x', 1);
	for (int i = 0; i < 3; i++)
		expect_next(_metadata, self->r, 'a' + i, 1);
	expect_empty(_metadata, self->r);
}

TEST_F(packets_in_a_pipe, are_more_when_it_has_grown)
{
	ASSERT_EQ(15, fill_with_packets(self->w, 1));
	EXPECT_EQ(32 * PIPE_BUF, resize(self->w, variant->kind, 32 * PIPE_BUF));
	EXPECT_EQ(POLLOUT, poll_now(self->w, POLLOUT));
	EXPECT_EQ(16, fill_with_packets(self->w, 1));
	expect_next(_metadata, self->r, 'x', 1);
	for (int i = 0; i < 31; i++)
		expect_next(_metadata, self->r, 'a' + (i < 15 ? i : i - 15), 1);
}

TEST_F(packets_in_a_pipe, go_in_from_sleeping_writers_when_it_has_grown)
{
	struct child writers[2];

	ASSERT_EQ(15, fill_with_packets(self->w, 1));
	for (int i = 0; i < 2; i++)
		writers[i] = start_writing(_metadata, self->w, O_DIRECT, 'y' + i, 1);
	EXPECT_EQ(32 * PIPE_BUF, resize(self->w, variant->kind, 32 * PIPE_BUF));
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(1, result_of(_metadata, &writers[i]).ret);
	EXPECT_EQ(18, bytes_in(self->r));
}

/* In a pipe whose capacity is no number of pages, which pipe(2) does not have */

FIXTURE(packets_in_a_small_pipe)
{
	int r;
	int w;
};

FIXTURE_SETUP(packets_in_a_small_pipe)
{
	set_the_stage(_metadata);
	make_private(_metadata, O_NONBLOCK | O_DIRECT, 128, &self->r, &self->w);
}

FIXTURE_TEARDOWN(packets_in_a_small_pipe)
{
	clear_the_stage(_metadata);
}

TEST_F(packets_in_a_small_pipe, are_one_at_a_time)
{
	int stream = plain(_metadata, self->w);

	for (int i = 0; i < 40; i++) {
		ASSERT_EQ(10, put(self->w, 'a' + i % 26, 10));
		EXPECT_EQ(0, poll_now(self->w, POLLOUT));
		expect_eagain(_metadata, put(self->w, 'x', 1));
		expect_eagain(_metadata, put(stream, 'x', 1));
		expect_next(_metadata, self->r, 'a' + i % 26, 10);
		EXPECT_EQ(POLLOUT, poll_now(self->w, POLLOUT));
	}
}

TEST_F(packets_in_a_small_pipe, hold_as_much_as_it_does)
{
	ASSERT_EQ(128, put(self->w, 'a', 128));
	expect_next(_metadata, self->r, 'a', 128);
	EXPECT_EQ(128, put(self->w, 'b', 129));
	expect_next(_metadata, self->r, 'b', 128);
	expect_empty(_metadata, self->r);
}

TEST_F(packets_in_a_small_pipe, are_cut_from_a_larger_write_that_waits)
{
	struct child writer = start_writing(_metadata, self->w, O_DIRECT, 'a', 300);
	const ssize_t sizes[] = { 128, 128, 44 };

	for (int i = 0; i < 3; i++) {
		await(_metadata, self->r, POLLIN);
		expect_next(_metadata, self->r, 'a', sizes[i]);
	}
	EXPECT_EQ(300, result_of(_metadata, &writer).ret);
}

TEST_F(packets_in_a_small_pipe, fit_in_whole_or_not_at_all)
{
	ASSERT_EQ(5000, resize(self->w, PRIVATE, 5000));
	ASSERT_EQ(PIPE_BUF, put(self->w, 'a', PIPE_BUF));
	EXPECT_EQ(0, poll_now(self->w, POLLOUT));
	expect_eagain(_metadata, put(self->w, 'x', 5001 - PIPE_BUF));
	EXPECT_EQ(PIPE_BUF, bytes_in(self->r));
	EXPECT_EQ(5000 - PIPE_BUF, put(self->w, 'b', 5000 - PIPE_BUF));
	expect_next(_metadata, self->r, 'a', PIPE_BUF);
	expect_next(_metadata, self->r, 'b', 5000 - PIPE_BUF);
	/* 5000 bytes need two pages. */
	EXPECT_EQ(2, fill_with_packets(self->w, 1));
}

TEST_F(packets_in_a_small_pipe, keep_it_from_shrinking_below_their_bytes)
{
	ASSERT_EQ(5 * PIPE_BUF, resize(self->w, PRIVATE, 5 * PIPE_BUF));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1000, put(self->w, 'a' + i, 1000));
	EXPECT_EQ(-1, resize(self->w, PRIVATE, 2999));
	EXPECT_EQ(EBUSY, errno);
	/* The bytes fit in one page, but three packets want as many. */
	EXPECT_EQ(-1, resize(self->w, PRIVATE, 3000));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(2 * PIPE_BUF + 1, resize(self->w, PRIVATE, 2 * PIPE_BUF + 1));
	for (int i = 0; i < 3; i++)
		expect_next(_metadata, self->r, 'a' + i, 1000);
}

/* Where a write waits for its reader, what a packet's reader discards is taken as well. */
TEST_F(packets_in_a_small_pipe, are_taken_from_a_rendezvous_whatever_becomes_of_their_rest)
{
	struct child writer;

	ASSERT_EQ(0, set_policy(self->w, MINI_PIPE_RENDEZVOUS));
	writer = start_writing(_metadata, self->w, O_DIRECT, 'a', 100);
	EXPECT_EQ(10, read(self->r, big_buffer(), 10));
	EXPECT_EQ(100, result_of(_metadata, &writer).ret);
	expect_empty(_metadata, self->r);
}

TEST_F(packets_in_a_small_pipe, that_nobody_took_from_a_rendezvous_are_taken_back)
{
	struct child writer;

	ASSERT_EQ(0, set_policy(self->w, MINI_PIPE_RENDEZVOUS));
	writer = start_writing(_metadata, self->w, O_DIRECT, 'a', 300);
	expect_next(_metadata, self->r, 'a', 128);
	await(_metadata, self->r, POLLIN);
	ASSERT_ASLEEP_IN(write, &writer);
	kill(writer.pid, SIGUSR1);
	EXPECT_EQ(128, result_of(_metadata, &writer).ret);
	expect_empty(_metadata, self->r);
	/* Its slot is free. */
	EXPECT_EQ(POLLOUT, poll_now(self->w, POLLOUT));
	EXPECT_EQ(5, put(self->w, 'b', 5));
	EXPECT_EQ(3, read(self->r, big_buffer(), 3));
	expect_empty(_metadata, self->r);
}

TEST_HARNESS_MAIN
