// SPDX-License-Identifier: GPL-2.0
/*
 * The write policy, and rendezvous: a write returns when a reader has read its last byte. If it
 * returns earlier, it returns how many were read, and its other bytes are removed from the pipe.
 * module.c tests the module's parameter.
 */
#include "variants.h"

/* The policy itself */

FIXTURE(policy)
{
	int fd;			/* opened for ioctl alone */
	ssize_t capacity;
};

FIXTURE_SETUP(policy)
{
	self->capacity = set_up_pipe(_metadata);
	self->fd = open_for_ioctl(_metadata);
}

FIXTURE_TEARDOWN(policy)
{
	restore_device(_metadata, self->fd, self->capacity);
}

TEST_F(policy, default_is_buffered)
{
	EXPECT_EQ(MINI_PIPE_BUFFERED, policy_of(self->fd));
	EXPECT_EQ(0, set_policy(self->fd, MINI_PIPE_RENDEZVOUS));
	EXPECT_EQ(MINI_PIPE_RENDEZVOUS, policy_of(self->fd));
	EXPECT_EQ(0, set_policy(self->fd, MINI_PIPE_BUFFERED));
	EXPECT_EQ(MINI_PIPE_BUFFERED, policy_of(self->fd));
}

TEST_F(policy, survives_last_close)
{
	ASSERT_EQ(0, set_policy(self->fd, MINI_PIPE_RENDEZVOUS));
	close(self->fd);
	self->fd = open_pipe(_metadata, O_RDWR);
	EXPECT_EQ(MINI_PIPE_RENDEZVOUS, policy_of(self->fd));
}

TEST_F(policy, unknown_policy_gives_einval)
{
	static const unsigned long unknown[] = { 2, INT_MAX, UINT_MAX, 1UL << 32, -1UL };

	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		EXPECT_EQ(-1, set_policy(self->fd, unknown[i]))
		{
			TH_LOG("%lu", unknown[i]);
		}
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(MINI_PIPE_BUFFERED, policy_of(self->fd));
}

/* Tries to change the policy. That must fail with EBUSY, or succeed. */
static void expect_busy(struct __test_metadata *_metadata, int fd, bool busy)
{
	int is = policy_of(fd), other = MINI_PIPE_RENDEZVOUS - is;

	EXPECT_EQ(busy ? -1 : 0, set_policy(fd, other));
	if (busy)
		EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(busy ? is : other, policy_of(fd));
}

TEST_F(policy, change_gives_ebusy_while_pipe_holds_bytes)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	write_pattern(_metadata, fd, 2);
	expect_busy(_metadata, self->fd, true);
	read_exactly(_metadata, fd, 1);
	expect_busy(_metadata, self->fd, true);
	read_exactly(_metadata, fd, 1);
	expect_busy(_metadata, self->fd, false);
}

TEST_F(policy, change_gives_ebusy_while_reader_sleeps)
{
	struct child reader = start_reader(_metadata, 1);

	ASSERT_ASLEEP_IN(read, &reader);
	expect_busy(_metadata, self->fd, true);
	kill(reader.pid, SIGUSR1);
	EXPECT_EQ(EINTR, result_of(_metadata, &reader).err);
	expect_busy(_metadata, self->fd, false);
}

TEST_F(policy, change_gives_ebusy_during_rendezvous)
{
	struct child writer;

	ASSERT_EQ(0, set_policy(self->fd, MINI_PIPE_RENDEZVOUS));
	writer = start_writer(_metadata, 1, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	expect_busy(_metadata, self->fd, true);
	kill_child(_metadata, &writer);
	expect_busy(_metadata, self->fd, false);
}

/* Open files and pollers do not prevent a change of the policy. */
TEST_F(policy, can_change_while_pipe_is_open_and_polled)
{
	int both = open_pipe(_metadata, O_RDWR);
	struct child poller = start_poller(_metadata, O_RDONLY, POLLIN);

	expect_busy(_metadata, self->fd, false);
	expect_busy(_metadata, both, false);
	ASSERT_EQ(1, write(both, "x", 1));
	EXPECT_EQ(POLLIN, result_of(_metadata, &poller).ret);
}

TEST_F(policy, private_pipe_has_its_own_policy)
{
	struct ends ends;

	ASSERT_EQ(0, set_policy(self->fd, MINI_PIPE_RENDEZVOUS));
	ends = private_pipe(_metadata, O_NONBLOCK, 0);
	EXPECT_EQ(MINI_PIPE_BUFFERED, policy_of(ends.r));
	ASSERT_EQ(0, set_policy(self->fd, MINI_PIPE_BUFFERED));
	EXPECT_EQ(0, set_policy(ends.r, MINI_PIPE_RENDEZVOUS));
	EXPECT_EQ(MINI_PIPE_RENDEZVOUS, policy_of(ends.w));
	EXPECT_EQ(MINI_PIPE_BUFFERED, policy_of(self->fd));
}

TEST_F(policy, private_pipe_can_use_rendezvous)
{
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 0);
	struct child writer;

	ASSERT_EQ(0, set_policy(ends.w, MINI_PIPE_RENDEZVOUS));
	writer = start_writing(_metadata, ends.w, 0, 'w', 10);
	read_exactly(_metadata, ends.r, 9);
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, ends.r, 1);
	EXPECT_EQ(10, result_of(_metadata, &writer).ret);
}

/* Rendezvous */

FIXTURE(rendezvous)
{
	int fd;			/* opened for ioctl alone */
	ssize_t capacity;
};

FIXTURE_SETUP(rendezvous)
{
	self->capacity = set_up_pipe(_metadata);
	self->fd = open_for_ioctl(_metadata);
	ASSERT_EQ(0, set_policy(self->fd, MINI_PIPE_RENDEZVOUS));
}

FIXTURE_TEARDOWN(rendezvous)
{
	restore_device(_metadata, self->fd, self->capacity);
}

static struct child start_pattern_writer(struct __test_metadata *_metadata, ssize_t len,
					 bool restart)
{
	struct job job = { .len = len, .restart = restart };
	struct child writer = start_child(_metadata, write_once, &job);

	ASSERT_ASLEEP_IN(write, &writer);
	return writer;
}

static void read_pattern(struct __test_metadata *_metadata, int reader, ssize_t from, ssize_t len)
{
	read_exactly(_metadata, reader, len);
	EXPECT_TRUE(is_pattern(big_buffer(), from, len));
}

static void read_letters(struct __test_metadata *_metadata, int reader, unsigned char letter,
			 ssize_t len)
{
	read_exactly(_metadata, reader, len);
	for (ssize_t i = 0; i < len; i++)
		ASSERT_EQ(letter, big_buffer()[i]);
}

/* The interrupted write returns how many of its bytes were read; if none, EINTR. */
static void interrupt(struct __test_metadata *_metadata, const struct child *writer, ssize_t count)
{
	struct result result;

	kill(writer->pid, SIGUSR1);
	result = result_of(_metadata, writer);
	EXPECT_EQ(count ? count : -1, result.ret);
	EXPECT_EQ(count ? 0 : EINTR, result.err);
}

/* When a write returns */

TEST_F(rendezvous, write_returns_when_last_byte_is_read)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writer = start_pattern_writer(_metadata, 10, false);

	read_pattern(_metadata, reader, 0, 4);
	ASSERT_ASLEEP_IN(write, &writer);
	read_pattern(_metadata, reader, 4, 5);
	ASSERT_ASLEEP_IN(write, &writer);
	read_pattern(_metadata, reader, 9, 1);
	EXPECT_EQ(10, result_of(_metadata, &writer).ret);
}

TEST_F(rendezvous, write_blocks_until_reader_opens_and_reads)
{
	struct child writer = start_writer(_metadata, 1, 'w');
	int reader;

	ASSERT_ASLEEP_IN(write, &writer);
	reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	ASSERT_ASLEEP_IN(write, &writer);
	read_letters(_metadata, reader, 'w', 1);
	EXPECT_EQ(1, result_of(_metadata, &writer).ret);
}

TEST_F(rendezvous, write_completes_if_reader_sleeps)
{
	struct child reader = start_reader(_metadata, 100);
	struct child writer;
	struct result result;

	ASSERT_ASLEEP_IN(read, &reader);
	writer = start_writer(_metadata, 10, 'w');
	EXPECT_EQ(10, result_of(_metadata, &writer).ret);
	result = result_of(_metadata, &reader);
	EXPECT_EQ(10, result.ret);
	EXPECT_EQ('w', result.first);
}

TEST_F(rendezvous, write_of_capacity_returns_when_last_byte_is_read)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writer = start_pattern_writer(_metadata, self->capacity, false);

	read_pattern(_metadata, reader, 0, self->capacity - 1);
	ASSERT_ASLEEP_IN(write, &writer);
	read_pattern(_metadata, reader, self->capacity - 1, 1);
	EXPECT_EQ(self->capacity, result_of(_metadata, &writer).ret);
}

/* The write fills the pipe and waits for room, again and again. Then it waits for its last read. */
TEST_F(rendezvous, large_write_returns_when_last_byte_is_read)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	ssize_t len = 3 * self->capacity + 5;
	struct child writer = start_pattern_writer(_metadata, len, false);
	ssize_t out = 0;

	while (out < len - 1) {
		ssize_t n = read(reader, big_buffer(), len - 1 - out);

		if (n < 0) {
			ASSERT_EQ(EAGAIN, errno);
			ASSERT_FALSE(has_reported(&writer));
			sleep_1ms();
			continue;
		}
		ASSERT_TRUE(is_pattern(big_buffer(), out, n));
		out += n;
	}
	ASSERT_ASLEEP_IN(write, &writer);
	read_pattern(_metadata, reader, len - 1, 1);
	EXPECT_EQ(len, result_of(_metadata, &writer).ret);
}

TEST_F(rendezvous, empty_write_returns_at_once)
{
	struct child nothing = start_writer(_metadata, 0, 'n');
	struct child writer;

	EXPECT_EQ(0, result_of(_metadata, &nothing).ret);
	writer = start_pattern_writer(_metadata, 10, false);
	nothing = start_writer(_metadata, 0, 'n');
	EXPECT_EQ(0, result_of(_metadata, &nothing).ret);
	ASSERT_ASLEEP_IN(write, &writer);
}

static void write_to_read_write_file(int report_to, const void *arg __maybe_unused)
{
	report(report_to, write(open(MINI_PIPE, O_RDWR), "bbb", 3));
}

/* The writer could read its bytes itself, but not while it sleeps in write(2). */
TEST_F(rendezvous, read_write_file_waits_for_another_reader)
{
	struct child both = start_child(_metadata, write_to_read_write_file, NULL);
	int reader;

	ASSERT_ASLEEP_IN(write, &both);
	reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	read_letters(_metadata, reader, 'b', 3);
	EXPECT_EQ(3, result_of(_metadata, &both).ret);
}

/* One rendezvous at a time */

TEST_F(rendezvous, second_write_waits_until_first_is_read)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writers[2];

	queue_writers(_metadata, writers, 2, 10);
	EXPECT_EQ(10, bytes_in(self->fd));
	read_letters(_metadata, reader, 'a', 9);
	ASSERT_ASLEEP_IN(write, &writers[1]);
	EXPECT_EQ(1, bytes_in(self->fd));
	read_letters(_metadata, reader, 'a', 1);
	EXPECT_EQ(10, result_of(_metadata, &writers[0]).ret);
	ASSERT_ASLEEP_IN(write, &writers[1]);
	EXPECT_EQ(10, bytes_in(self->fd));
	read_letters(_metadata, reader, 'b', 10);
	EXPECT_EQ(10, result_of(_metadata, &writers[1]).ret);
}

/* Reads `len` bytes, all of them `letter`, with several reads if need be. */
static void read_all_letters(struct __test_metadata *_metadata, int reader, unsigned char letter,
			     ssize_t len)
{
	while (len > 0) {
		ssize_t n;

		await(_metadata, reader, POLLIN);
		n = read(reader, big_buffer(), len);
		ASSERT_LT(0, n);
		for (ssize_t i = 0; i < n; i++)
			ASSERT_EQ(letter, big_buffer()[i]);
		len -= n;
	}
}

TEST_F(rendezvous, large_writes_do_not_interleave)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	ssize_t len = self->capacity + 100;
	struct child writers[2];

	queue_writers(_metadata, writers, 2, len);
	read_all_letters(_metadata, reader, 'a', len);
	EXPECT_EQ(len, result_of(_metadata, &writers[0]).ret);
	read_all_letters(_metadata, reader, 'b', len);
	EXPECT_EQ(len, result_of(_metadata, &writers[1]).ret);
}

TEST_F(rendezvous, eight_writes_complete_one_at_a_time)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writers[8];
	bool seen[8] = { false };

	queue_writers(_metadata, writers, 8, 10);
	for (int i = 0; i < 8; i++) {
		int which;

		await(_metadata, reader, POLLIN);
		read_exactly(_metadata, reader, 10);
		which = big_buffer()[0] - 'a';
		ASSERT_TRUE(which >= 0 && which < 8 && !seen[which]);
		EXPECT_EQ(big_buffer()[0], big_buffer()[9]);
		EXPECT_EQ(10, result_of(_metadata, &writers[which]).ret);
		seen[which] = true;
	}
}

TEST_F(rendezvous, nonblocking_write_gives_eagain_during_rendezvous)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer = start_pattern_writer(_metadata, 10, false);

	EXPECT_EQ(0, poll_now(fd, POLLOUT));
	EXPECT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(EAGAIN, errno);
	read_pattern(_metadata, fd, 0, 9);
	EXPECT_EQ(0, poll_now(fd, POLLOUT));
	EXPECT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(EAGAIN, errno);
	read_pattern(_metadata, fd, 9, 1);
	EXPECT_EQ(10, result_of(_metadata, &writer).ret);
	EXPECT_EQ(POLLOUT, poll_now(fd, POLLOUT));
	EXPECT_EQ(1, write(fd, "x", 1));
}

TEST_F(rendezvous, end_of_rendezvous_wakes_poller)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writer = start_pattern_writer(_metadata, 10, false);
	struct child poller = start_poller(_metadata, O_WRONLY, POLLOUT);

	read_pattern(_metadata, reader, 0, 9);
	ASSERT_ASLEEP_IN(ppoll, &poller);
	read_pattern(_metadata, reader, 9, 1);
	EXPECT_EQ(10, result_of(_metadata, &writer).ret);
	EXPECT_EQ(POLLOUT, result_of(_metadata, &poller).ret);
}

TEST_F(rendezvous, interrupted_rendezvous_wakes_poller)
{
	struct child writer = start_pattern_writer(_metadata, 10, false);
	struct child poller = start_poller(_metadata, O_WRONLY, POLLOUT);

	interrupt(_metadata, &writer, 0);
	EXPECT_EQ(POLLOUT, result_of(_metadata, &poller).ret);
}

TEST_F(rendezvous, poll_reports_bytes_of_waiting_write)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child poller = start_poller(_metadata, O_RDONLY, POLLIN);
	struct child writer = start_pattern_writer(_metadata, 10, false);

	EXPECT_EQ(POLLIN, result_of(_metadata, &poller).ret);
	EXPECT_EQ(POLLIN, poll_now(reader, POLLIN));
	interrupt(_metadata, &writer, 0);
	EXPECT_EQ(0, poll_now(reader, POLLIN));
}

/* Nonblocking writes, which cannot wait for a reader */

TEST_F(rendezvous, nonblocking_write_is_buffered)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	write_pattern(_metadata, fd, 10);
	EXPECT_EQ(POLLOUT, poll_now(fd, POLLOUT));
	EXPECT_EQ(self->capacity - 10, fill_pipe(_metadata, fd));
	EXPECT_EQ(self->capacity, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 10));
	EXPECT_TRUE(is_pattern(big_buffer() + 10, 0, self->capacity - 10));
}

TEST_F(rendezvous, write_waits_for_bytes_buffered_before_it)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer;

	ASSERT_EQ(3, write(fd, "xyz", 3));
	writer = start_writer(_metadata, 10, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	EXPECT_EQ(13, bytes_in(self->fd));
	read_exactly(_metadata, fd, 3);
	EXPECT_EQ(0, memcmp(big_buffer(), "xyz", 3));
	ASSERT_ASLEEP_IN(write, &writer);
	read_letters(_metadata, fd, 'w', 10);
	EXPECT_EQ(10, result_of(_metadata, &writer).ret);
}

TEST_F(rendezvous, interrupted_write_leaves_bytes_buffered_before_it)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer;

	write_pattern(_metadata, fd, 7);
	writer = start_writer(_metadata, 10, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, fd, 4);
	interrupt(_metadata, &writer, 0);
	EXPECT_EQ(3, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 4, 3));
}

/* Interrupted writes return what was read; the rest is removed from the pipe */

static void interrupt_after(struct __test_metadata *_metadata, ssize_t len, ssize_t count)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writer = start_pattern_writer(_metadata, len, false);

	if (count)
		read_pattern(_metadata, reader, 0, count);
	ASSERT_ASLEEP_IN(write, &writer);
	interrupt(_metadata, &writer, count);
	EXPECT_EQ(0, bytes_in(reader));
	EXPECT_EQ(-1, read(reader, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	kill_child(_metadata, &writer);
	close(reader);
}

TEST_F(rendezvous, interrupted_write_returns_count_that_was_read)
{
	interrupt_after(_metadata, 10, 0);
	interrupt_after(_metadata, 10, 1);
	interrupt_after(_metadata, 10, 9);
	interrupt_after(_metadata, PIPE_BUF, 0);
	interrupt_after(_metadata, PIPE_BUF, PIPE_BUF - 1);
	interrupt_after(_metadata, self->capacity, 0);
	interrupt_after(_metadata, self->capacity, 5000);
	interrupt_after(_metadata, self->capacity, self->capacity - 1);
}

/* The first three wait for room when they are interrupted, the others for their last read. */
TEST_F(rendezvous, interrupted_large_write_returns_count_that_was_read)
{
	interrupt_after(_metadata, self->capacity + 1, 0);
	interrupt_after(_metadata, 2 * self->capacity, 0);
	interrupt_after(_metadata, 2 * self->capacity, 5000);
	interrupt_after(_metadata, 2 * self->capacity, self->capacity);
	interrupt_after(_metadata, self->capacity + 5000, self->capacity);
}

struct inherited {
	int fd;
	ssize_t len;
};

static void write_inherited(int report_to, const void *arg)
{
	const struct inherited *file = arg;

	report(report_to, write(file->fd, big_buffer(), file->len));
}

/* The writer would wait twice, but sees the flag before the second wait. */
TEST_F(rendezvous, o_nonblock_set_during_write_ends_it_before_next_sleep)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct inherited file = {
		.fd = open_pipe(_metadata, O_WRONLY), .len = 2 * self->capacity,
	};
	struct child writer = start_forked(_metadata, write_inherited, &file);

	ASSERT_ASLEEP_IN(write, &writer);
	set_flag(_metadata, file.fd, O_NONBLOCK, true);
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, reader, self->capacity);
	EXPECT_EQ(self->capacity, result_of(_metadata, &writer).ret);
	EXPECT_EQ(0, bytes_in(reader));
}

TEST_F(rendezvous, interrupted_write_frees_room_of_unread_bytes)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer = start_pattern_writer(_metadata, 2 * self->capacity, false);

	read_pattern(_metadata, fd, 0, 5000);
	interrupt(_metadata, &writer, 5000);
	EXPECT_EQ(self->capacity, fill_pipe(_metadata, fd));
	EXPECT_EQ(self->capacity, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, self->capacity));
}

TEST_F(rendezvous, sa_restart_resumes_write_without_duplicating_bytes)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writer = start_pattern_writer(_metadata, 10, true);

	for (int i = 0; i < 3; i++) {
		kill(writer.pid, SIGUSR1);
		ASSERT_ASLEEP_IN(write, &writer);
		EXPECT_EQ(10, bytes_in(reader));
	}
	read_pattern(_metadata, reader, 0, 10);
	EXPECT_EQ(10, result_of(_metadata, &writer).ret);
	EXPECT_EQ(0, bytes_in(reader));
}

TEST_F(rendezvous, sa_restart_does_not_resume_partly_read_write)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writer = start_pattern_writer(_metadata, 10, true);

	read_pattern(_metadata, reader, 0, 4);
	kill(writer.pid, SIGUSR1);
	EXPECT_EQ(4, result_of(_metadata, &writer).ret);
	EXPECT_EQ(0, bytes_in(reader));
}

TEST_F(rendezvous, interrupted_write_lets_next_write_start)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writers[3];

	queue_writers(_metadata, writers, 3, 10);
	read_letters(_metadata, reader, 'a', 4);
	interrupt(_metadata, &writers[0], 4);
	ASSERT_ASLEEP_IN(write, &writers[1]);
	EXPECT_EQ(10, bytes_in(self->fd));
	read_letters(_metadata, reader, 'b', 10);
	EXPECT_EQ(10, result_of(_metadata, &writers[1]).ret);
	ASSERT_ASLEEP_IN(write, &writers[2]);
	read_letters(_metadata, reader, 'c', 10);
	EXPECT_EQ(10, result_of(_metadata, &writers[2]).ret);
}

TEST_F(rendezvous, interrupted_queued_write_writes_nothing)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writers[2];

	queue_writers(_metadata, writers, 2, 10);
	interrupt(_metadata, &writers[1], 0);
	ASSERT_ASLEEP_IN(write, &writers[0]);
	read_letters(_metadata, reader, 'a', 10);
	EXPECT_EQ(10, result_of(_metadata, &writers[0]).ret);
	EXPECT_EQ(0, bytes_in(reader));
}

/* The signal arrives before the woken writer runs; see signals.c. */
TEST_F(rendezvous, fully_read_write_returns_full_count_despite_signal)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writer = start_pattern_writer(_metadata, 10, false);

	if (!outrank(&writer, 1))
		SKIP(return, "needs the right to outrank others (root)");
	read_pattern(_metadata, reader, 0, 10);
	interrupt(_metadata, &writer, 10);
}

TEST_F(rendezvous, writer_interrupted_while_woken_lets_next_write_start)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writers[3];

	queue_writers(_metadata, writers, 3, 10);
	if (!outrank(writers, 3))
		SKIP(return, "needs the right to outrank others (root)");
	read_letters(_metadata, reader, 'a', 10);
	kill(writers[1].pid, SIGUSR1);
	EXPECT_EQ(10, result_of(_metadata, &writers[0]).ret);
	EXPECT_EQ(EINTR, result_of(_metadata, &writers[1]).err);
	ASSERT_ASLEEP_IN(write, &writers[2]);
	read_letters(_metadata, reader, 'c', 10);
	EXPECT_EQ(10, result_of(_metadata, &writers[2]).ret);
}

TEST_F(rendezvous, killed_writer_leaves_no_unread_bytes)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child killed = start_pattern_writer(_metadata, 10, false);

	read_pattern(_metadata, reader, 0, 4);
	ASSERT_ASLEEP_IN(write, &killed);
	kill_child(_metadata, &killed);
	EXPECT_EQ(0, bytes_in(reader));
	EXPECT_EQ(-1, read(reader, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	close(writer);
	EXPECT_EQ(0, read(reader, big_buffer(), 1));
}

TEST_F(rendezvous, killed_large_write_leaves_no_bytes_and_lets_next_start)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writers[2];

	queue_writers(_metadata, writers, 2, self->capacity + 1);
	read_letters(_metadata, reader, 'a', 5000);
	kill_child(_metadata, &writers[0]);
	ASSERT_ASLEEP_IN(write, &writers[1]);
	read_letters(_metadata, reader, 'b', self->capacity);
	ASSERT_ASLEEP_IN(write, &writers[1]);
	read_letters(_metadata, reader, 'b', 1);
	EXPECT_EQ(self->capacity + 1, result_of(_metadata, &writers[1]).ret);
}

/* The last reader closes */

TEST_F(rendezvous, last_reader_close_ends_unread_write_with_epipe)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writer = start_pattern_writer(_metadata, 10, false);
	struct result result;

	close(reader);
	result = result_of(_metadata, &writer);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EPIPE, result.err);
	EXPECT_EQ(1, result.sigpipes);
	EXPECT_EQ(0, bytes_in(self->fd));
}

TEST_F(rendezvous, last_reader_close_ends_write_with_count_that_was_read)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writer = start_pattern_writer(_metadata, 10, false);
	struct result result;

	read_pattern(_metadata, reader, 0, 4);
	close(reader);
	result = result_of(_metadata, &writer);
	EXPECT_EQ(4, result.ret);
	EXPECT_EQ(1, result.sigpipes);
	EXPECT_EQ(0, bytes_in(self->fd));
}

TEST_F(rendezvous, last_reader_close_ends_large_write_with_count_that_was_read)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writer = start_pattern_writer(_metadata, 2 * self->capacity, false);
	struct result result;

	read_pattern(_metadata, reader, 0, 5000);
	ASSERT_ASLEEP_IN(write, &writer);
	close(reader);
	result = result_of(_metadata, &writer);
	EXPECT_EQ(5000, result.ret);
	EXPECT_EQ(1, result.sigpipes);
	EXPECT_EQ(0, bytes_in(self->fd));
}

/* All bytes are read before the woken writer runs, so the close of the reader does not matter. */
TEST_F(rendezvous, fully_read_write_succeeds_despite_last_reader_close)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writer = start_pattern_writer(_metadata, 10, false);
	struct result result;

	if (!outrank(&writer, 1))
		SKIP(return, "needs the right to outrank others (root)");
	read_pattern(_metadata, reader, 0, 10);
	close(reader);
	result = result_of(_metadata, &writer);
	EXPECT_EQ(10, result.ret);
	EXPECT_EQ(0, result.sigpipes);
}

TEST_F(rendezvous, last_reader_close_wakes_all_writers_with_epipe)
{
	int reader = open_pipe(_metadata, O_RDONLY);
	struct child writers[4];

	queue_writers(_metadata, writers, 4, 10);
	close(reader);
	expect_epipe(_metadata, writers, 4);
	EXPECT_EQ(0, bytes_in(self->fd));
}

TEST_F(rendezvous, write_continues_while_one_reader_is_open)
{
	int other = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writer = start_pattern_writer(_metadata, 10, false);

	open_once(_metadata, O_RDONLY);
	ASSERT_ASLEEP_IN(write, &writer);
	read_pattern(_metadata, other, 0, 10);
	EXPECT_EQ(10, result_of(_metadata, &writer).ret);
}

TEST_F(rendezvous, killed_writer_gives_end_of_file_instead_of_unread_bytes)
{
	struct child writer = start_pattern_writer(_metadata, 10, false);
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);

	read_pattern(_metadata, reader, 0, 4);
	kill_child(_metadata, &writer);
	EXPECT_EQ(POLLHUP, poll_now(reader, POLLIN));
	EXPECT_EQ(0, read(reader, big_buffer(), 1));
}

/* Bad buffers */

struct bad_write {
	unsigned char *buf;
	ssize_t len;
};

static void write_badly(int report_to, const void *arg)
{
	const struct bad_write *bad = arg;

	report(report_to, write(open(MINI_PIPE, O_WRONLY), bad->buf, bad->len));
}

/* The bad write leaves no bytes, and does not wait until the bytes of others are read. */
TEST_F(rendezvous, write_from_bad_buffer_fails_at_once)
{
	struct bad_write bad = { map_pages(_metadata, 1, PROT_NONE), 10 };
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer = start_child(_metadata, write_badly, &bad);

	EXPECT_EQ(EFAULT, result_of(_metadata, &writer).err);
	write_pattern(_metadata, fd, 3);
	writer = start_child(_metadata, write_badly, &bad);
	EXPECT_EQ(EFAULT, result_of(_metadata, &writer).err);
	EXPECT_EQ(3, drain_pipe(_metadata, fd));
}

/* The good bytes are written. When they are read, the call returns their number. */
TEST_F(rendezvous, large_write_that_faults_waits_for_its_good_bytes)
{
	unsigned char *pages = map_pages(_metadata, 3, PROT_READ | PROT_WRITE);
	ssize_t good = 2 * page_size();
	struct bad_write bad = { pages, good + 1 };
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct child writer;

	ASSERT_EQ(0, munmap(pages + good, page_size()));
	put_pattern(pages, 0, good);
	writer = start_child(_metadata, write_badly, &bad);
	ASSERT_ASLEEP_IN(write, &writer);
	read_pattern(_metadata, reader, 0, good - 1);
	ASSERT_ASLEEP_IN(write, &writer);
	read_pattern(_metadata, reader, good - 1, 1);
	EXPECT_EQ(good, result_of(_metadata, &writer).ret);
}

/* Resizing */

TEST_F(rendezvous, growing_pipe_admits_more_of_large_write)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	ssize_t len = self->capacity + 10;
	struct child writer = start_pattern_writer(_metadata, len, false);

	ASSERT_EQ(len, set_capacity(self->fd, len));
	ASSERT_ASLEEP_IN(write, &writer);
	EXPECT_EQ(len, bytes_in(reader));
	read_pattern(_metadata, reader, 0, len);
	EXPECT_EQ(len, result_of(_metadata, &writer).ret);
}

TEST_F(rendezvous, interrupted_write_removes_unread_bytes_after_resize)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer;

	write_pattern(_metadata, fd, 5000);
	read_exactly(_metadata, fd, 4999);
	writer = start_pattern_writer(_metadata, 10, false);
	read_exactly(_metadata, fd, 1);
	read_pattern(_metadata, fd, 0, 4);
	EXPECT_EQ(6, set_capacity(self->fd, 6));
	interrupt(_metadata, &writer, 4);
	EXPECT_EQ(0, bytes_in(fd));
	EXPECT_EQ(6, fill_pipe(_metadata, fd));
	EXPECT_EQ(6, drain_pipe(_metadata, fd));
}

/*
 * A writer is interrupted again and again. Each time it continues after the bytes that were read,
 * by the count of its write. If a count is wrong, the reader finds a break in the pattern.
 */

#define TRAFFIC 1048576

static void write_while_interrupted(int report_to, const void *arg __maybe_unused)
{
	int fd = open(MINI_PIPE, O_WRONLY);
	unsigned char *pattern = big_buffer();
	ssize_t n, done = 0;

	put_pattern(pattern, 0, TRAFFIC);
	do {
		n = write(fd, pattern + done, smaller(1 + done % 8999, TRAFFIC - done));
		/* No other process writes, so unread bytes can only be left from this write. */
		if (bytes_in(fd))
			break;
		done += n > 0 ? n : 0;
	} while (done < TRAFFIC && (n > 0 || errno == EINTR));
	report(report_to, done);
}

static void read_whole_pattern(int report_to, const void *arg __maybe_unused)
{
	int fd = open(MINI_PIPE, O_RDONLY);
	ssize_t n, done = 0;

	do {
		n = read(fd, big_buffer(), 1 + done % 3001);
		if (n > 0 && !is_pattern(big_buffer(), done, n))
			break;
		done += n > 0 ? n : 0;
	} while (n > 0 && done < TRAFFIC);
	report(report_to, done);
}

TEST_F(rendezvous, often_interrupted_writes_return_counts_that_were_read)
{
	struct child reader = start_child(_metadata, read_whole_pattern, NULL);
	struct child writer;

	ASSERT_ASLEEP_IN(read, &reader);
	writer = start_child(_metadata, write_while_interrupted, NULL);
	while (!has_reported(&writer) && !has_reported(&reader))
		kill(writer.pid, SIGUSR1);
	EXPECT_EQ(TRAFFIC, result_of(_metadata, &writer).ret);
	EXPECT_EQ(TRAFFIC, result_of(_metadata, &reader).ret);
}

TEST_HARNESS_MAIN
