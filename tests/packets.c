// SPDX-License-Identifier: GPL-2.0
/* Packets: with O_DIRECT, a write of up to PIPE_BUF bytes is one packet; a read returns one. */
#include "variants.h"

/* More than any packet. */
#define ENOUGH (2 * PIPE_BUF)

/* Both ends have O_NONBLOCK; w writes packets. */
FIXTURE(packets)
{
	int r;
	int w;
	ssize_t slots;	/* how many packets the pipe can hold */
};

FIXTURE_VARIANT(packets)
{
	enum kind kind;
};

/* The device is opened with O_DIRECT; the others are made with it. */
FIXTURE_VARIANT_ADD(packets, device) { .kind = DEVICE, };
FIXTURE_VARIANT_ADD(packets, private_pipe) { .kind = PRIVATE, };
FIXTURE_VARIANT_ADD(packets, pipe_2) { .kind = PIPE_2, };

/* The capacity in pages, rounded up to a power of two. */
static ssize_t count_slots(int fd, enum kind kind)
{
	ssize_t slots = 1;

	while (slots * (ssize_t)page_size() < capacity_of_kind(fd, kind))
		slots *= 2;
	return slots;
}

/* The tests need at least eight pages, and a power of two of them; skips other capacities. */
static bool has_pages(struct __test_metadata *_metadata, int fd, enum kind kind)
{
	ssize_t slots = count_slots(fd, kind);
	ssize_t pages = slots < 8 ? 8 : slots;

	return has_capacity(_metadata, capacity_of_kind(fd, kind), pages * page_size());
}

FIXTURE_SETUP(packets)
{
	set_up_pipe(_metadata);
	make_pipe(_metadata, variant->kind, O_NONBLOCK | O_DIRECT, &self->r, &self->w);
	self->slots = count_slots(self->r, variant->kind);
	if (!has_pages(_metadata, self->r, variant->kind))
		return;
}

FIXTURE_TEARDOWN(packets)
{
	kill_children(_metadata);
}

static ssize_t write_filled(int fd, char fill, ssize_t len)
{
	memset(big_buffer(), fill, len);
	return write(fd, big_buffer(), len);
}

static bool is_filled_with(const unsigned char *buf, char fill, ssize_t len)
{
	while (len > 0)
		if (buf[--len] != fill)
			return false;
	return true;
}

/* The next read must return `len` bytes, all `fill`. */
static void expect_next(struct __test_metadata *_metadata, int fd, char fill, ssize_t len)
{
	EXPECT_EQ(len, read(fd, big_buffer(), ENOUGH));
	EXPECT_TRUE(is_filled_with(big_buffer(), fill, len));
}

static void expect_empty(struct __test_metadata *_metadata, int fd)
{
	EXPECT_EQ(0, bytes_in(fd));
	expect_eagain(_metadata, read(fd, big_buffer(), 1));
}

/* Opens the same writing end without O_DIRECT: it writes a stream of bytes. */
static int open_stream_writer(struct __test_metadata *_metadata, int w)
{
	int fd = open_again(w, O_WRONLY | O_NONBLOCK);

	ASSERT_LE(0, fd);
	return fd;
}

/* Writes packets until the pipe is full; returns how many. */
static ssize_t fill_with_packets(int fd, ssize_t len)
{
	ssize_t count = 0;

	while (write_filled(fd, 'a' + count % 26, len) == len)
		count++;
	return errno == EAGAIN ? count : -1;
}

TEST_F(packets, read_returns_one_packet)
{
	ASSERT_EQ(1, write_filled(self->w, 'a', 1));
	ASSERT_EQ(300, write_filled(self->w, 'b', 300));
	ASSERT_EQ(2, write_filled(self->w, 'c', 2));
	EXPECT_EQ(303, bytes_in(self->r));
	expect_next(_metadata, self->r, 'a', 1);
	expect_next(_metadata, self->r, 'b', 300);
	EXPECT_EQ(2, bytes_in(self->r));
	expect_next(_metadata, self->r, 'c', 2);
	expect_empty(_metadata, self->r);
}

TEST_F(packets, short_read_discards_rest_of_packet)
{
	ASSERT_EQ(100, write_filled(self->w, 'a', 100));
	ASSERT_EQ(5, write_filled(self->w, 'b', 5));
	EXPECT_EQ(10, read(self->r, big_buffer(), 10));
	EXPECT_TRUE(is_filled_with(big_buffer(), 'a', 10));
	EXPECT_EQ(5, bytes_in(self->r));
	expect_next(_metadata, self->r, 'b', 5);
	expect_empty(_metadata, self->r);
}

TEST_F(packets, empty_read_leaves_packet)
{
	ASSERT_EQ(5, write_filled(self->w, 'a', 5));
	EXPECT_EQ(0, read(self->r, big_buffer(), 0));
	expect_next(_metadata, self->r, 'a', 5);
}

TEST_F(packets, empty_write_makes_no_packet)
{
	EXPECT_EQ(0, write(self->w, "x", 0));
	EXPECT_EQ(0, poll_now(self->r, POLLIN));
	expect_empty(_metadata, self->r);
	ASSERT_EQ(1, write_filled(self->w, 'a', 1));
	EXPECT_EQ(0, write(self->w, "x", 0));
	ASSERT_EQ(1, write_filled(self->w, 'b', 1));
	expect_next(_metadata, self->r, 'a', 1);
	expect_next(_metadata, self->r, 'b', 1);
}

TEST_F(packets, poll_reports_each_packet)
{
	ASSERT_EQ(5, write_filled(self->w, 'a', 5));
	ASSERT_EQ(5, write_filled(self->w, 'b', 5));
	EXPECT_EQ(POLLIN, poll_now(self->r, POLLIN));
	expect_next(_metadata, self->r, 'a', 5);
	EXPECT_EQ(POLLIN, poll_now(self->r, POLLIN));
	expect_next(_metadata, self->r, 'b', 5);
	EXPECT_EQ(0, poll_now(self->r, POLLIN));
}

TEST_F(packets, packet_holds_up_to_pipe_buf)
{
	ASSERT_EQ(PIPE_BUF, write_filled(self->w, 'a', PIPE_BUF));
	ASSERT_EQ(1, write_filled(self->w, 'b', 1));
	expect_next(_metadata, self->r, 'a', PIPE_BUF);
	expect_next(_metadata, self->r, 'b', 1);
}

TEST_F(packets, large_write_is_cut_into_packets)
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

TEST_F(packets, writev_is_cut_at_pipe_buf_not_at_elements)
{
	unsigned char *buf = big_buffer();
	ssize_t len = PIPE_BUF + 914;
	struct iovec iov[] = { { buf, 3000 }, { buf + 3000, 10 }, { buf + 3010, len - 3010 } };

	put_pattern(buf, 0, len);
	ASSERT_EQ(len, writev(self->w, iov, 3));
	EXPECT_EQ(PIPE_BUF, read(self->r, buf, ENOUGH));
	EXPECT_TRUE(is_pattern(buf, 0, PIPE_BUF));
	EXPECT_EQ(len - PIPE_BUF, read(self->r, buf, ENOUGH));
	EXPECT_TRUE(is_pattern(buf, PIPE_BUF, len - PIPE_BUF));
}

TEST_F(packets, readv_returns_one_packet)
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

TEST_F(packets, packet_across_pages_stays_whole)
{
	/* 997 is prime, and the pipe never empty: packets begin at many offsets in a page. */
	for (ssize_t from = 0; from < 300000; from += 997) {
		put_pattern(big_buffer(), from, 997);
		ASSERT_EQ(997, write(self->w, big_buffer(), 997));
		if (from) {
			ASSERT_EQ(997, read(self->r, big_buffer(), ENOUGH));
			ASSERT_TRUE(is_pattern(big_buffer(), from - 997, 997));
		}
	}
}

/* How many packets a pipe holds */

TEST_F(packets, pipe_is_full_with_one_packet_per_page)
{
	EXPECT_EQ(POLLOUT, poll_now(self->w, POLLOUT));
	ASSERT_EQ(self->slots, fill_with_packets(self->w, 1));
	EXPECT_EQ(self->slots, bytes_in(self->r));
	EXPECT_EQ(0, poll_now(self->w, POLLOUT));
	for (ssize_t i = 0; i < 3 * self->slots; i++) {
		expect_next(_metadata, self->r, 'a' + i % self->slots % 26, 1);
		EXPECT_EQ(POLLOUT, poll_now(self->w, POLLOUT));
		EXPECT_EQ(1, write_filled(self->w, 'a' + i % self->slots % 26, 1));
		EXPECT_EQ(0, poll_now(self->w, POLLOUT));
		expect_eagain(_metadata, write_filled(self->w, 'x', 1));
	}
}

TEST_F(packets, pipe_full_of_packets_is_full_for_stream_writes)
{
	int stream = open_stream_writer(_metadata, self->w);

	ASSERT_EQ(self->slots, fill_with_packets(self->w, 1));
	EXPECT_EQ(0, poll_now(stream, POLLOUT));
	expect_eagain(_metadata, write_filled(stream, 'x', 1));
	expect_next(_metadata, self->r, 'a', 1);
	EXPECT_EQ(POLLOUT, poll_now(stream, POLLOUT));
	EXPECT_EQ(1, write_filled(stream, 'x', 1));
}

TEST_F(packets, pipe_holds_one_packet_of_pipe_buf_per_page)
{
	EXPECT_EQ(self->slots, fill_with_packets(self->w, PIPE_BUF));
	EXPECT_EQ(self->slots * PIPE_BUF, bytes_in(self->r));
}

TEST_F(packets, nonblocking_write_writes_packets_that_fit)
{
	ssize_t room = 2 * PIPE_BUF;

	for (ssize_t i = 2; i < self->slots; i++)
		ASSERT_EQ(1, write_filled(self->w, 'a', 1));
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

/* Sleeping and waking */

TEST_F(packets, reading_packet_wakes_writer)
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

/* Each read makes room for one packet, and so for one writer. */
TEST_F(packets, each_packet_read_admits_one_writer)
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

TEST_F(packets, reading_packet_wakes_stream_writer)
{
	struct child writer;

	ASSERT_EQ(self->slots, fill_with_packets(self->w, 1));
	writer = start_writing(_metadata, self->w, 0, 's', 1);
	expect_next(_metadata, self->r, 'a', 1);
	EXPECT_EQ(1, result_of(_metadata, &writer).ret);
}

TEST_F(packets, reading_packet_wakes_poller)
{
	struct child poller;

	ASSERT_EQ(self->slots, fill_with_packets(self->w, 1));
	poller = start_polling(_metadata, self->w, POLLOUT);
	expect_next(_metadata, self->r, 'a', 1);
	EXPECT_EQ(POLLOUT, result_of(_metadata, &poller).ret);
}

/* The write wakes one reader, which wakes the next one for the second packet. */
TEST_F(packets, each_sleeping_reader_gets_one_packet)
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

TEST_F(packets, interrupted_write_returns_bytes_of_written_packets)
{
	struct child writer = start_writing(_metadata, self->w, O_DIRECT, 'a', BIG);

	kill(writer.pid, SIGUSR1);
	EXPECT_EQ(self->slots * PIPE_BUF, result_of(_metadata, &writer).ret);
	for (ssize_t i = 0; i < self->slots; i++)
		expect_next(_metadata, self->r, 'a', PIPE_BUF);
	expect_empty(_metadata, self->r);
}

TEST_F(packets, packets_stay_after_writer_closes)
{
	ASSERT_EQ(5, write_filled(self->w, 'a', 5));
	ASSERT_EQ(6, write_filled(self->w, 'b', 6));
	close(self->w);
	expect_next(_metadata, self->r, 'a', 5);
	expect_next(_metadata, self->r, 'b', 6);
	EXPECT_EQ(0, read(self->r, big_buffer(), 1));
}

TEST_F(packets, packet_without_reader_gives_epipe)
{
	close(self->r);
	EXPECT_EQ(-1, write_filled(self->w, 'a', 5));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, sigpipes());
}

/* Several writers; the letter of a packet tells its writer, its size tells its number. */

#define WRITERS 4
#define EACH 100

static ssize_t size_of_packet(int writer, int packet)
{
	return 1 + (writer * 1009 + packet * 331) % 1500;
}

static void write_packets(int report_to, const void *arg)
{
	const struct fd_job *job = arg;
	int fd = open_own(job->fd, O_WRONLY, O_DIRECT);

	for (int i = 0; i < EACH; i++) {
		ssize_t len = size_of_packet(job->fill - 'a', i);

		if (write_filled(fd, job->fill, len) != len)
			_exit(KSFT_FAIL);
	}
	report(report_to, EACH);
}

TEST_F(packets, packets_of_several_writers_stay_whole)
{
	struct child writers[WRITERS];
	int seen[WRITERS] = {};

	for (int i = 0; i < WRITERS; i++) {
		struct fd_job job = { .fd = self->w, .fill = 'a' + i };

		writers[i] = start_forked(_metadata, write_packets, &job);
	}
	for (int i = 0; i < WRITERS * EACH; i++) {
		ssize_t n;
		int who;

		await(_metadata, self->r, POLLIN);
		n = read(self->r, big_buffer(), ENOUGH);
		who = big_buffer()[0] - 'a';
		ASSERT_TRUE(who >= 0 && who < WRITERS);
		ASSERT_EQ(size_of_packet(who, seen[who]), n);
		ASSERT_TRUE(is_filled_with(big_buffer(), 'a' + who, n));
		seen[who]++;
	}
	for (int i = 0; i < WRITERS; i++)
		EXPECT_EQ(EACH, result_of(_metadata, &writers[i]).ret);
	expect_empty(_metadata, self->r);
}

/* Which files write packets, and when */

TEST_F(packets, o_direct_is_set_at_writing_end)
{
	EXPECT_EQ(O_DIRECT, fcntl(self->w, F_GETFL) & O_DIRECT);
	if (variant->kind != DEVICE)
		EXPECT_EQ(0, fcntl(self->r, F_GETFL) & O_DIRECT);
}

TEST_F(packets, fcntl_o_direct_switches_packets_on_and_off)
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

TEST_F(packets, o_direct_at_reading_end_makes_no_packets)
{
	ASSERT_EQ(0, fcntl(self->w, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, fcntl(self->r, F_SETFL, O_NONBLOCK | O_DIRECT));
	ASSERT_EQ(3, write(self->w, "aaa", 3));
	ASSERT_EQ(3, write(self->w, "aaa", 3));
	EXPECT_EQ(2, read(self->r, big_buffer(), 2));
	expect_next(_metadata, self->r, 'a', 4);
}

TEST_F(packets, reader_without_o_direct_reads_packets)
{
	ASSERT_EQ(0, fcntl(self->r, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(3, write(self->w, "aaa", 3));
	ASSERT_EQ(3, write(self->w, "bbb", 3));
	EXPECT_EQ(2, read(self->r, big_buffer(), 2));
	expect_next(_metadata, self->r, 'b', 3);
}

TEST_F(packets, packet_is_not_merged_with_stream_after_it)
{
	int stream = open_stream_writer(_metadata, self->w);

	ASSERT_EQ(3, write(self->w, "aaa", 3));
	ASSERT_EQ(3, write(stream, "bbb", 3));
	ASSERT_EQ(3, write(stream, "bbb", 3));
	expect_next(_metadata, self->r, 'a', 3);
	expect_next(_metadata, self->r, 'b', 6);
	expect_empty(_metadata, self->r);
}

/*
 * Deliberately different. A pipe(2) appends a packet to the last page of the stream before it, if
 * it fits. If not, a read continues from the stream into the packet and discards the packet's rest.
 */
TEST_F(packets, packet_is_not_merged_with_stream_before_it)
{
	int stream = open_stream_writer(_metadata, self->w);

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

	ASSERT_EQ(PIPE_BUF, write_filled(stream, 'a', PIPE_BUF));
	ASSERT_EQ(3, write(self->w, "bbb", 3));
	if (variant->kind == PIPE_2) {
		EXPECT_EQ(PIPE_BUF + 1, read(self->r, big_buffer(), PIPE_BUF + 1));
		EXPECT_EQ('b', big_buffer()[PIPE_BUF]);
	} else {
		EXPECT_EQ(PIPE_BUF, read(self->r, big_buffer(), PIPE_BUF + 1));
		EXPECT_TRUE(is_filled_with(big_buffer(), 'a', PIPE_BUF));
		expect_next(_metadata, self->r, 'b', 3);
	}
	expect_empty(_metadata, self->r);
}

/* A read that the stream satisfies in full does not touch the packet behind it. */
TEST_F(packets, short_read_of_stream_leaves_packet_after_it)
{
	int stream = open_stream_writer(_metadata, self->w);

	ASSERT_EQ(PIPE_BUF, write_filled(stream, 'a', PIPE_BUF));
	ASSERT_EQ(3, write(self->w, "bbb", 3));
	EXPECT_EQ(PIPE_BUF - 1, read(self->r, big_buffer(), PIPE_BUF - 1));
	EXPECT_EQ(1, read(self->r, big_buffer(), 1));
	EXPECT_EQ('a', big_buffer()[0]);
	expect_next(_metadata, self->r, 'b', 3);
}

/*
 * splice: from a mini_pipe, one packet for each call, as plain bytes. Deliberately different:
 * between two pipe(2)s, one call moves as many packets as fit, and they stay packets.
 */

TEST_F(packets, splice_moves_one_packet)
{
	int r, w;

	make_pipe(_metadata, PIPE_2, O_NONBLOCK, &r, &w);
	ASSERT_EQ(5, write_filled(self->w, 'a', 5));
	ASSERT_EQ(PIPE_BUF, write_filled(self->w, 'b', PIPE_BUF));
	ASSERT_EQ(100, write_filled(self->w, 'c', 100));
	if (variant->kind == PIPE_2) {
		EXPECT_EQ(105 + PIPE_BUF, splice(self->r, NULL, w, NULL, ENOUGH, 0));
		expect_next(_metadata, r, 'a', 5);
		return;
	}
	EXPECT_EQ(5, splice(self->r, NULL, w, NULL, ENOUGH, 0));
	EXPECT_EQ(PIPE_BUF, splice(self->r, NULL, w, NULL, ENOUGH, 0));
	/* The rest of the packet is discarded, as with read(2). */
	EXPECT_EQ(10, splice(self->r, NULL, w, NULL, 10, 0));
	expect_empty(_metadata, self->r);
	EXPECT_EQ(15 + PIPE_BUF, read(r, big_buffer(), ENOUGH));
	EXPECT_TRUE(is_filled_with(big_buffer(), 'a', 5));
	EXPECT_TRUE(is_filled_with(big_buffer() + 5, 'b', PIPE_BUF));
	EXPECT_TRUE(is_filled_with(big_buffer() + 5 + PIPE_BUF, 'c', 10));
}

/* The packet lies in two pages of the ring, but takes one slot of the pipe(2). */
TEST_F(packets, splice_moves_whole_packet_into_last_slot)
{
	int r, w;

	make_pipe(_metadata, PIPE_2, O_NONBLOCK, &r, &w);
	fill_pipe(_metadata, w);
	read_exactly(_metadata, r, PIPE_BUF);
	ASSERT_EQ(PIPE_BUF - 100, write_filled(self->w, 'a', PIPE_BUF - 100));
	put_pattern(big_buffer(), 0, 1000);
	ASSERT_EQ(1000, write(self->w, big_buffer(), 1000));
	expect_next(_metadata, self->r, 'a', PIPE_BUF - 100);
	EXPECT_EQ(1000, splice(self->r, NULL, w, NULL, ENOUGH, 0));
	expect_empty(_metadata, self->r);
	read_exactly(_metadata, r, 15 * PIPE_BUF);
	EXPECT_EQ(1000, read(r, big_buffer(), ENOUGH));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 1000));
}

/* Plain bytes do not become packets, though the file has O_DIRECT. */
TEST_F(packets, splice_into_pipe_makes_no_packets)
{
	int r, w;

	make_pipe(_metadata, PIPE_2, O_NONBLOCK, &r, &w);
	put_pattern(big_buffer(), 0, PIPE_BUF + 10);
	ASSERT_EQ(PIPE_BUF + 10, write(w, big_buffer(), PIPE_BUF + 10));
	EXPECT_EQ(PIPE_BUF + 10, splice(r, NULL, self->w, NULL, ENOUGH, 0));
	EXPECT_EQ(PIPE_BUF + 10, read(self->r, big_buffer(), ENOUGH));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, PIPE_BUF + 10));
	expect_empty(_metadata, self->r);
}

/* Bad buffers */

/* Returns `good` mapped bytes before an unmapped page. */
static unsigned char *map_before_hole(struct __test_metadata *_metadata, int good)
{
	unsigned char *map = map_pages(_metadata, 3, PROT_READ | PROT_WRITE);

	ASSERT_EQ(0, munmap(map + 2 * page_size(), page_size()));
	return map + 2 * page_size() - good;
}

TEST_F(packets, faulting_read_leaves_packet_whole)
{
	ASSERT_EQ(100, write_filled(self->w, 'a', 100));
	ASSERT_EQ(5, write_filled(self->w, 'b', 5));
	EXPECT_EQ(-1, read(self->r, map_before_hole(_metadata, 0), 50));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(self->r, map_before_hole(_metadata, 30), 100));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, read(self->r, map_before_hole(_metadata, 30), 50));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(105, bytes_in(self->r));
	expect_next(_metadata, self->r, 'a', 100);
	expect_next(_metadata, self->r, 'b', 5);
}

TEST_F(packets, read_needs_memory_only_for_packet)
{
	ASSERT_EQ(30, write_filled(self->w, 'a', 30));
	EXPECT_EQ(30, read(self->r, map_before_hole(_metadata, 30), 100));
	expect_empty(_metadata, self->r);
}

TEST_F(packets, faulting_write_makes_no_packet)
{
	EXPECT_EQ(-1, write(self->w, map_before_hole(_metadata, 30), 50));
	EXPECT_EQ(EFAULT, errno);
	expect_empty(_metadata, self->r);
	/* Only the first packet has good memory. */
	EXPECT_EQ(PIPE_BUF, write(self->w, map_before_hole(_metadata, PIPE_BUF + 904),
				  PIPE_BUF + 1904));
	EXPECT_EQ(PIPE_BUF, read(self->r, big_buffer(), ENOUGH));
	expect_empty(_metadata, self->r);
	EXPECT_EQ(self->slots, fill_with_packets(self->w, 1));
}

/* Resizing */

/* A pipe of 16 pages that holds one packet, 'x', of one byte. */
FIXTURE(resized_packets)
{
	int r;
	int w;
};

FIXTURE_VARIANT(resized_packets)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(resized_packets, private_pipe) { .kind = PRIVATE, };
FIXTURE_VARIANT_ADD(resized_packets, pipe_2) { .kind = PIPE_2, };

FIXTURE_SETUP(resized_packets)
{
	set_up_pipe(_metadata);
	make_pipe(_metadata, variant->kind, O_NONBLOCK | O_DIRECT, &self->r, &self->w);
	ASSERT_EQ(16 * PIPE_BUF, resize(self->r, variant->kind, 16 * PIPE_BUF));
	/* 'x' is in the last slot, near the end of the ring: the next slots and bytes wrap. */
	for (int i = 0; i < 15; i++)
		ASSERT_EQ(PIPE_BUF - 5, write_filled(self->w, 'w', PIPE_BUF - 5));
	ASSERT_EQ(1, write_filled(self->w, 'x', 1));
	for (int i = 0; i < 15; i++)
		expect_next(_metadata, self->r, 'w', PIPE_BUF - 5);
}

FIXTURE_TEARDOWN(resized_packets)
{
	kill_children(_metadata);
}

TEST_F(resized_packets, resize_keeps_packet_boundaries)
{
	const ssize_t sizes[] = { 300, PIPE_BUF, 2 };
	const ssize_t capacities[] = { 32 * PIPE_BUF, 4 * PIPE_BUF, 64 * PIPE_BUF };

	for (int i = 0; i < 3; i++) {
		for (int j = 0; j < 3; j++)
			ASSERT_EQ(sizes[j], write_filled(self->w, 'a' + j, sizes[j]));
		EXPECT_EQ(capacities[i], resize(self->w, variant->kind, capacities[i]));
		EXPECT_EQ(303 + PIPE_BUF, bytes_in(self->r));
		expect_next(_metadata, self->r, 'x', 1);
		for (int j = 0; j < 3; j++)
			expect_next(_metadata, self->r, 'a' + j, sizes[j]);
		expect_empty(_metadata, self->r);
		ASSERT_EQ(1, write_filled(self->w, 'x', 1));
	}
}

TEST_F(resized_packets, shrink_below_packet_count_gives_ebusy)
{
	ASSERT_EQ(1, write_filled(self->w, 'a', 1));
	ASSERT_EQ(1, write_filled(self->w, 'b', 1));
	EXPECT_EQ(-1, resize(self->w, variant->kind, 2 * PIPE_BUF));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(16 * PIPE_BUF, capacity_of_kind(self->w, variant->kind));
	EXPECT_EQ(4 * PIPE_BUF, resize(self->w, variant->kind, 4 * PIPE_BUF));
	ASSERT_EQ(1, write_filled(self->w, 'c', 1));
	expect_eagain(_metadata, write_filled(self->w, 'd', 1));
	expect_next(_metadata, self->r, 'x', 1);
	for (int i = 0; i < 3; i++)
		expect_next(_metadata, self->r, 'a' + i, 1);
	expect_empty(_metadata, self->r);
}

TEST_F(resized_packets, grown_pipe_holds_more_packets)
{
	ASSERT_EQ(15, fill_with_packets(self->w, 1));
	EXPECT_EQ(32 * PIPE_BUF, resize(self->w, variant->kind, 32 * PIPE_BUF));
	EXPECT_EQ(POLLOUT, poll_now(self->w, POLLOUT));
	EXPECT_EQ(16, fill_with_packets(self->w, 1));
	expect_next(_metadata, self->r, 'x', 1);
	for (int i = 0; i < 31; i++)
		expect_next(_metadata, self->r, 'a' + (i < 15 ? i : i - 15), 1);
}

TEST_F(resized_packets, growing_pipe_wakes_all_writers)
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

/* Capacities of no whole number of pages. A pipe(2) has none of these. At first, 128 bytes. */

FIXTURE(packets_of_any_capacity)
{
	int r;
	int w;
};

FIXTURE_SETUP(packets_of_any_capacity)
{
	set_up_pipe(_metadata);
	make_private(_metadata, O_NONBLOCK | O_DIRECT, 128, &self->r, &self->w);
}

FIXTURE_TEARDOWN(packets_of_any_capacity)
{
	kill_children(_metadata);
}

TEST_F(packets_of_any_capacity, pipe_smaller_than_page_holds_one_packet)
{
	int stream = open_stream_writer(_metadata, self->w);

	for (int i = 0; i < 40; i++) {
		ASSERT_EQ(10, write_filled(self->w, 'a' + i % 26, 10));
		EXPECT_EQ(0, poll_now(self->w, POLLOUT));
		expect_eagain(_metadata, write_filled(self->w, 'x', 1));
		expect_eagain(_metadata, write_filled(stream, 'x', 1));
		expect_next(_metadata, self->r, 'a' + i % 26, 10);
		EXPECT_EQ(POLLOUT, poll_now(self->w, POLLOUT));
	}
}

TEST_F(packets_of_any_capacity, packet_holds_up_to_capacity)
{
	ASSERT_EQ(128, write_filled(self->w, 'a', 128));
	expect_next(_metadata, self->r, 'a', 128);
	EXPECT_EQ(128, write_filled(self->w, 'b', 129));
	expect_next(_metadata, self->r, 'b', 128);
	expect_empty(_metadata, self->r);
}

TEST_F(packets_of_any_capacity, blocking_large_write_is_cut_into_packets)
{
	struct child writer = start_writing(_metadata, self->w, O_DIRECT, 'a', 300);
	const ssize_t sizes[] = { 128, 128, 44 };

	for (int i = 0; i < 3; i++) {
		await(_metadata, self->r, POLLIN);
		expect_next(_metadata, self->r, 'a', sizes[i]);
	}
	EXPECT_EQ(300, result_of(_metadata, &writer).ret);
}

TEST_F(packets_of_any_capacity, packet_is_written_whole_or_not_at_all)
{
	ssize_t rest = 904;

	ASSERT_EQ(PIPE_BUF + rest, resize(self->w, PRIVATE, PIPE_BUF + rest));
	ASSERT_EQ(PIPE_BUF, write_filled(self->w, 'a', PIPE_BUF));
	EXPECT_EQ(0, poll_now(self->w, POLLOUT));
	expect_eagain(_metadata, write_filled(self->w, 'x', rest + 1));
	EXPECT_EQ(PIPE_BUF, bytes_in(self->r));
	EXPECT_EQ(rest, write_filled(self->w, 'b', rest));
	expect_next(_metadata, self->r, 'a', PIPE_BUF);
	expect_next(_metadata, self->r, 'b', rest);
	/* This capacity needs two pages, so it has two slots for packets. */
	EXPECT_EQ(2, fill_with_packets(self->w, 1));
}

TEST_F(packets_of_any_capacity, shrink_below_packet_bytes_gives_ebusy)
{
	ASSERT_EQ(5 * PIPE_BUF, resize(self->w, PRIVATE, 5 * PIPE_BUF));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1000, write_filled(self->w, 'a' + i, 1000));
	EXPECT_EQ(-1, resize(self->w, PRIVATE, 2999));
	EXPECT_EQ(EBUSY, errno);
	/* The bytes fit in one page, but three packets need three pages. */
	EXPECT_EQ(-1, resize(self->w, PRIVATE, 3000));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(2 * PIPE_BUF + 1, resize(self->w, PRIVATE, 2 * PIPE_BUF + 1));
	for (int i = 0; i < 3; i++)
		expect_next(_metadata, self->r, 'a' + i, 1000);
}

/* With rendezvous, the bytes that a short read discards count as read. */
TEST_F(packets_of_any_capacity, short_read_completes_rendezvous_of_packet)
{
	struct child writer;

	ASSERT_EQ(0, set_policy(self->w, MINI_PIPE_RENDEZVOUS));
	writer = start_writing(_metadata, self->w, O_DIRECT, 'a', 100);
	EXPECT_EQ(10, read(self->r, big_buffer(), 10));
	EXPECT_EQ(100, result_of(_metadata, &writer).ret);
	expect_empty(_metadata, self->r);
}

TEST_F(packets_of_any_capacity, interrupted_rendezvous_removes_unread_packet)
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
	/* The slot of the removed packet is free. */
	EXPECT_EQ(POLLOUT, poll_now(self->w, POLLOUT));
	EXPECT_EQ(5, write_filled(self->w, 'b', 5));
	EXPECT_EQ(3, read(self->r, big_buffer(), 3));
	expect_empty(_metadata, self->r);
}

TEST_HARNESS_MAIN
