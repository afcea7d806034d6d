// SPDX-License-Identifier: GPL-2.0
/*
 * Several writers and readers at once. The bytes show who wrote them, and where in the writer's
 * stream, so that lost, duplicated and misplaced bytes are found.
 */
#include "device_fixture.h"

#define WRITERS 4
#define READERS 3

/* Kills the writers: their open files keep the readers from end of file. */
static void kill_writers(struct __test_metadata *_metadata, struct child *writers, int count)
{
	for (int i = 0; i < count; i++)
		kill_child(_metadata, &writers[i]);
}

/* Reads until end of file into big_buffer(); returns how many bytes, or -1. */
static ssize_t read_until_eof(int fd, size_t chunk)
{
	ssize_t n, total = 0;

	do {
		if (total + (ssize_t)chunk > BIG)
			return -1;
		n = read(fd, big_buffer() + total, chunk);
		if (n > 0)
			total += n;
	} while (n > 0);
	return n < 0 ? -1 : total;
}

/* Records: a header, and a body that differs from record to record. */

struct header {
	unsigned short magic;
	unsigned short writer;
	unsigned short number;
	unsigned short len;	/* including this header */
};

#define MAGIC 0x4d50
#define RECORDS 60
#define CHUNK 1777		/* of a read; no write has this length */

static unsigned char body_byte(const struct header *header, int i)
{
	return header->writer * 61 + header->number * 7 + i;
}

static int record_len(int writer, int number)
{
	const int lens[] = { PIPE_BUF, 9, 1000, PIPE_BUF - 1, 64, 2049 };

	return lens[(writer + number) % 6];
}

static ssize_t make_record(unsigned char *buf, int writer, int number)
{
	struct header header = { MAGIC, writer, number, record_len(writer, number) };

	memcpy(buf, &header, sizeof(header));
	for (int i = sizeof(header); i < header.len; i++)
		buf[i] = body_byte(&header, i);
	return header.len;
}

/* Returns the record's length, or -1 if it is not whole. */
static ssize_t check_record(const unsigned char *buf, ssize_t left, struct header *header)
{
	if (left < (ssize_t)sizeof(*header))
		return -1;
	memcpy(header, buf, sizeof(*header));
	if (header->magic != MAGIC || header->writer >= WRITERS || header->len > left)
		return -1;
	for (int i = sizeof(*header); i < header->len; i++)
		if (buf[i] != body_byte(header, i))
			return -1;
	return header->len;
}

/* Returns how many records there are, or -1 if one is torn, missing, duplicated or misplaced. */
static int check_records(const unsigned char *buf, ssize_t len)
{
	int next[WRITERS] = {}, count = 0;
	struct header header;

	for (ssize_t at = 0; at < len; count++) {
		ssize_t n = check_record(buf + at, len - at, &header);

		if (n < 0 || header.number != next[header.writer]++)
			return -1;
		at += n;
	}
	return count;
}

struct record_writer {
	int number;		/* of this writer */
	int records;
	bool use_writev;	/* instead of write */
};

static ssize_t writev_record(int fd, unsigned char *buf, ssize_t len)
{
	struct iovec iov[5];
	ssize_t piece = len / 5;

	for (int i = 0; i < 5; i++) {
		iov[i].iov_base = buf + i * piece;
		iov[i].iov_len = i < 4 ? piece : len - 4 * piece;
	}
	return writev(fd, iov, 5);
}

static void write_records(int report_to, const void *arg)
{
	const struct record_writer *job = arg;
	int fd = open(MINI_PIPE, O_WRONLY);
	unsigned char buf[PIPE_BUF];

	for (int i = 0; i < job->records; i++) {
		ssize_t len = make_record(buf, job->number, i);
		ssize_t n = job->use_writev ? writev_record(fd, buf, len) : write(fd, buf, len);

		if (n != len)
			report(report_to, -1);
	}
	report(report_to, job->records);
}

static void read_records(int report_to, const void *arg __maybe_unused)
{
	int fd = open(MINI_PIPE, O_RDONLY);
	ssize_t len = read_until_eof(fd, CHUNK);

	report(report_to, check_records(big_buffer(), len));
}

static void expect_whole_records(struct __test_metadata *_metadata, bool use_writev)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child reader = start_child(_metadata, read_records, NULL);
	struct child writers[WRITERS];

	ASSERT_ASLEEP_IN(read, &reader);
	for (int i = 0; i < WRITERS; i++) {
		struct record_writer job = { i, RECORDS, use_writev };

		writers[i] = start_child(_metadata, write_records, &job);
	}
	for (int i = 0; i < WRITERS; i++)
		EXPECT_EQ(RECORDS, result_of(_metadata, &writers[i]).ret);
	kill_writers(_metadata, writers, WRITERS);
	close(writer);
	EXPECT_EQ(WRITERS * RECORDS, result_of(_metadata, &reader).ret);
}

TEST_F(pipe, writes_up_to_pipe_buf_are_atomic)
{
	if (!has_capacity(_metadata, self->capacity, PIPE_BUF))
		return;
	expect_whole_records(_metadata, false);
}

TEST_F(pipe, writev_up_to_pipe_buf_is_atomic)
{
	if (!has_capacity(_metadata, self->capacity, PIPE_BUF))
		return;
	expect_whole_records(_metadata, true);
}

TEST_F(pipe, killed_writers_leave_whole_records)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writers[WRITERS];
	ssize_t len;

	if (!has_capacity(_metadata, self->capacity, PIPE_BUF))
		return;
	for (int i = 0; i < WRITERS; i++) {
		struct record_writer job = { i, 60000, false };

		writers[i] = start_child(_metadata, write_records, &job);
	}
	for (int i = 0; i < WRITERS; i++)
		ASSERT_ASLEEP_IN(write, &writers[i]);
	kill_writers(_metadata, writers, WRITERS);
	len = drain_pipe(_metadata, reader);
	EXPECT_LT(0, check_records(big_buffer(), len));
}

TEST_F(pipe, blocked_atomic_write_writes_nothing_until_all_bytes_fit)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t len = atomic_len(self->capacity);
	struct child writer;

	if (!has_capacity(_metadata, self->capacity, 2))
		return;
	fill_pipe(_metadata, fd);
	read_exactly(_metadata, fd, len - 1);
	writer = start_writer(_metadata, len, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	/* The writer has taken no room. */
	EXPECT_EQ(len - 1, write(fd, big_buffer(), len - 1));
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, fd, self->capacity);
	EXPECT_EQ(len, result_of(_metadata, &writer).ret);
	EXPECT_EQ(len, drain_pipe(_metadata, fd));
}

TEST_F(pipe, atomic_write_stays_blocked_while_room_is_too_small)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t len = atomic_len(self->capacity);
	struct child writer;

	if (!has_capacity(_metadata, self->capacity, 2))
		return;
	fill_pipe(_metadata, fd);
	writer = start_writer(_metadata, len, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, fd, len - 1);
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, fd, self->capacity - len + 1);
	EXPECT_EQ(len, result_of(_metadata, &writer).ret);
	/* The old bytes are read: the rest is the writer's. */
	EXPECT_EQ(len, drain_pipe(_metadata, fd));
	EXPECT_EQ('w', big_buffer()[0]);
}

/*
 * Stamps of one byte, for writes that may interleave: two bits for the writer, six for a sequence
 * number.
 */

#define STREAM 120000
#define LARGE 30011

static unsigned char stamp(int writer, int i)
{
	return writer << 6 | (i & 63);
}

static void write_stream(int report_to, const void *arg)
{
	const int *writer = arg;
	int fd = open(MINI_PIPE, O_WRONLY);
	ssize_t n, done = 0;

	for (int i = 0; i < STREAM; i++)
		big_buffer()[i] = stamp(*writer, i);
	do {
		n = write(fd, big_buffer() + done, smaller(STREAM - done, LARGE));
		done += n > 0 ? n : 0;
	} while (n > 0 && done < STREAM);
	report(report_to, done);
}

/* Whether each writer's bytes are complete and in order, whatever is between them. */
static bool streams_are_whole(const unsigned char *buf, ssize_t len)
{
	int next[WRITERS] = {};

	for (ssize_t i = 0; i < len; i++) {
		int writer = buf[i] >> 6;

		if (buf[i] != stamp(writer, next[writer]++))
			return false;
	}
	for (int i = 0; i < WRITERS; i++)
		if (next[i] != STREAM)
			return false;
	return true;
}

static void read_streams(int report_to, const void *arg __maybe_unused)
{
	int fd = open(MINI_PIPE, O_RDONLY);
	ssize_t len = read_until_eof(fd, LARGE / 2);

	report(report_to, streams_are_whole(big_buffer(), len));
}

static void start_streams(struct __test_metadata *_metadata, struct child *writers)
{
	for (int i = 0; i < WRITERS; i++)
		writers[i] = start_child(_metadata, write_stream, &i);
}

static void finish_streams(struct __test_metadata *_metadata, struct child *writers)
{
	for (int i = 0; i < WRITERS; i++)
		EXPECT_EQ(STREAM, result_of(_metadata, &writers[i]).ret);
	kill_writers(_metadata, writers, WRITERS);
}

TEST_F(pipe, large_writes_of_each_writer_stay_complete_and_in_order)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child reader = start_child(_metadata, read_streams, NULL);
	struct child writers[WRITERS];

	ASSERT_ASLEEP_IN(read, &reader);
	start_streams(_metadata, writers);
	finish_streams(_metadata, writers);
	close(writer);
	EXPECT_EQ(true, result_of(_metadata, &reader).ret);
}

/* How often all readers together have read each stamp. */
struct tally {
	atomic_int seen[256];
};

static void tally_bytes(int report_to, const void *arg)
{
	struct tally *tally = *(struct tally **)arg;
	int fd = open(MINI_PIPE, O_RDONLY);
	ssize_t len = read_until_eof(fd, CHUNK);

	for (ssize_t i = 0; i < len; i++)
		atomic_fetch_add(&tally->seen[big_buffer()[i]], 1);
	report(report_to, len);
}

static void *map_shared(struct __test_metadata *_metadata, size_t size)
{
	void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, shared);
	return shared;
}

TEST_F(pipe, several_readers_get_every_byte_exactly_once)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct tally *tally = map_shared(_metadata, sizeof(*tally));
	struct child readers[READERS], writers[WRITERS];
	ssize_t total = 0;

	for (int i = 0; i < READERS; i++) {
		readers[i] = start_child(_metadata, tally_bytes, &tally);
		ASSERT_ASLEEP_IN(read, &readers[i]);
	}
	start_streams(_metadata, writers);
	finish_streams(_metadata, writers);
	close(writer);
	for (int i = 0; i < READERS; i++)
		total += result_of(_metadata, &readers[i]).ret;
	EXPECT_EQ(WRITERS * STREAM, total);
	for (int i = 0; i < STREAM && i < 64; i++)
		for (int w = 0; w < WRITERS; w++)
			ASSERT_EQ((STREAM - i + 63) / 64, tally->seen[stamp(w, i)]);
}

/* Unique stamps of eight bytes: each must be read once, by a single reader. */

#define STAMPS 6000

struct stamp {
	unsigned int writer;
	unsigned int number;
};

struct ledger {
	atomic_int seen[WRITERS][STAMPS];
};

static void write_stamps(int report_to, const void *arg)
{
	const int *writer = arg;
	int fd = open(MINI_PIPE, O_WRONLY);
	struct stamp stamps[PIPE_BUF / sizeof(struct stamp)];
	int number = 0;

	while (number < STAMPS) {
		int count = smaller(1 + (number * 13) % 512, STAMPS - number);

		for (int i = 0; i < count; i++)
			stamps[i] = (struct stamp){ *writer, number++ };
		if (write(fd, stamps, count * sizeof(*stamps)) !=
		    count * (ssize_t)sizeof(*stamps))
			number = STAMPS + 1;
	}
	report(report_to, number);
}

/* Counts the stamps. False if one is invalid or out of its writer's order. */
static bool count_stamps(struct ledger *ledger, const struct stamp *stamps, int count, int *last)
{
	for (int i = 0; i < count; i++) {
		unsigned int writer = stamps[i].writer;
		int number = stamps[i].number;

		if (writer >= WRITERS || number >= STAMPS || number <= last[writer])
			return false;
		last[writer] = number;
		atomic_fetch_add(&ledger->seen[writer][number], 1);
	}
	return true;
}

static void read_stamps(int report_to, const void *arg)
{
	struct ledger *ledger = *(struct ledger **)arg;
	int fd = open(MINI_PIPE, O_RDONLY);
	struct stamp stamps[200];
	int last[WRITERS] = { -1, -1, -1, -1 };
	ssize_t n;

	do {
		n = read(fd, stamps, sizeof(stamps));
		if (n % (ssize_t)sizeof(*stamps) ||
		    !count_stamps(ledger, stamps, n / (ssize_t)sizeof(*stamps), last))
			n = -1;
	} while (n > 0);
	report(report_to, n);
}

TEST_F(pipe, several_readers_get_every_stamp_exactly_once)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct ledger *ledger = map_shared(_metadata, sizeof(*ledger));
	struct child readers[READERS], writers[WRITERS];

	if (!has_capacity(_metadata, self->capacity, PIPE_BUF))
		return;
	/* If the capacity is no multiple of a stamp's size, two reads can split a stamp. */
	if (self->capacity % sizeof(struct stamp))
		SKIP(return, "needs a capacity of whole stamps");
	for (int i = 0; i < READERS; i++) {
		readers[i] = start_child(_metadata, read_stamps, &ledger);
		ASSERT_ASLEEP_IN(read, &readers[i]);
	}
	for (int i = 0; i < WRITERS; i++)
		writers[i] = start_child(_metadata, write_stamps, &i);
	for (int i = 0; i < WRITERS; i++)
		EXPECT_EQ(STAMPS, result_of(_metadata, &writers[i]).ret);
	kill_writers(_metadata, writers, WRITERS);
	close(writer);
	for (int i = 0; i < READERS; i++)
		EXPECT_EQ(0, result_of(_metadata, &readers[i]).ret);
	for (int w = 0; w < WRITERS; w++)
		for (int i = 0; i < STAMPS; i++)
			ASSERT_EQ(1, ledger->seen[w][i]);
}

TEST_HARNESS_MAIN
