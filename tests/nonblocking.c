// SPDX-License-Identifier: GPL-2.0
/* O_NONBLOCK: a call moves at once what it can, or fails with EAGAIN. */
#include "device_fixture.h"

TEST_F(pipe, read_from_empty_pipe_gives_eagain)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	char byte;

	open_pipe(_metadata, O_WRONLY);
	EXPECT_EQ(-1, read(reader, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(pipe, read_returns_what_is_there)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	char buf[100];

	ASSERT_EQ(7, write(fd, "0123456", 7));
	EXPECT_EQ(7, read(fd, buf, sizeof(buf)));
	EXPECT_EQ(-1, read(fd, buf, sizeof(buf)));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(pipe, write_to_full_pipe_gives_eagain)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	fill_pipe(_metadata, fd);
	EXPECT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(pipe, failed_write_leaves_bytes_unchanged)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t total = fill_pipe(_metadata, fd);

	ASSERT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(total, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, total));
}

TEST_F(pipe, pipe_holds_its_capacity_each_time_it_is_filled)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	for (int round = 0; round < 5; round++) {
		ASSERT_EQ(self->capacity, fill_pipe(_metadata, fd));
		ASSERT_EQ(self->capacity, drain_pipe(_metadata, fd));
		ASSERT_TRUE(is_pattern(big_buffer(), 0, self->capacity));
		/* So that the next round starts one byte further in the ring. */
		ASSERT_EQ(1, write(fd, "x", 1));
		read_exactly(_metadata, fd, 1);
	}
}

TEST_F(pipe, large_write_writes_what_fits)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	if (!has_capacity(_metadata, self->capacity, PIPE_BUF + 100))
		return;
	fill_pipe(_metadata, fd);
	read_exactly(_metadata, fd, 100);
	put_pattern(big_buffer(), 5, PIPE_BUF + 1);
	ASSERT_EQ(100, write(fd, big_buffer(), PIPE_BUF + 1));
	read_exactly(_metadata, fd, self->capacity - 100);
	read_exactly(_metadata, fd, 100);
	EXPECT_TRUE(is_pattern(big_buffer(), 5, 100));
}

TEST_F(pipe, write_of_capacity_plus_one_returns_capacity)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	EXPECT_EQ(self->capacity, write(fd, big_buffer(), self->capacity + 1));
}

TEST_F(pipe, atomic_write_one_byte_too_long_gives_eagain)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t len = atomic_len(self->capacity);

	if (!has_capacity(_metadata, self->capacity, 2))
		return;
	fill_pipe(_metadata, fd);
	read_exactly(_metadata, fd, len - 1);
	EXPECT_EQ(-1, write(fd, big_buffer(), len));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(self->capacity - len + 1, drain_pipe(_metadata, fd));
}

TEST_F(pipe, atomic_write_that_just_fits_succeeds)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t len = atomic_len(self->capacity);

	fill_pipe(_metadata, fd);
	read_exactly(_metadata, fd, len);
	EXPECT_EQ(len, write(fd, big_buffer(), len));
	EXPECT_EQ(self->capacity, drain_pipe(_metadata, fd));
}

TEST_F(pipe, smaller_write_fits_where_larger_did_not)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	if (!has_capacity(_metadata, self->capacity, 100))
		return;
	fill_pipe(_metadata, fd);
	read_exactly(_metadata, fd, 50);
	EXPECT_EQ(-1, write(fd, big_buffer(), 51));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(50, write(fd, big_buffer(), 50));
	EXPECT_EQ(-1, write(fd, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(pipe, fcntl_sets_o_nonblock)
{
	int fd = open_pipe(_metadata, O_RDWR);
	char byte;

	set_flag(_metadata, fd, O_NONBLOCK, true);
	EXPECT_EQ(-1, read(fd, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
	fill_pipe(_metadata, fd);
	EXPECT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(EAGAIN, errno);
}

static void read_inherited(int report_to, const void *arg)
{
	const int *fd = arg;

	report(report_to, read(*fd, big_buffer(), 1));
}

TEST_F(pipe, fcntl_clears_o_nonblock)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child reader;

	set_flag(_metadata, fd, O_NONBLOCK, false);
	reader = start_forked(_metadata, read_inherited, &fd);
	ASSERT_ASLEEP_IN(read, &reader);
	ASSERT_EQ(1, write(fd, "x", 1));
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
}

struct write_job {
	int fd;
	ssize_t len;
};

static void write_long(int report_to, const void *arg)
{
	const struct write_job *job = arg;

	report(report_to, write(job->fd, big_buffer(), job->len));
}

/* The writer would sleep twice, but sees the flag before the second sleep. */
TEST_F(pipe, o_nonblock_set_during_write_ends_it_before_next_sleep)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t room = atomic_len(self->capacity);
	struct write_job job = {
		.fd = open_pipe(_metadata, O_WRONLY), .len = self->capacity + PIPE_BUF,
	};
	struct child writer;

	fill_pipe(_metadata, fd);
	writer = start_forked(_metadata, write_long, &job);
	ASSERT_ASLEEP_IN(write, &writer);
	set_flag(_metadata, job.fd, O_NONBLOCK, true);
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, fd, room);
	EXPECT_EQ(room, result_of(_metadata, &writer).ret);
}

TEST_F(pipe, o_nonblock_is_per_open_file)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child reader = start_reader(_metadata, 1);
	char byte;

	ASSERT_ASLEEP_IN(read, &reader);
	EXPECT_EQ(-1, read(fd, &byte, 1));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_ASLEEP_IN(read, &reader);
}

TEST_F(pipe, open_never_blocks)
{
	open_once(_metadata, O_RDONLY);
	open_once(_metadata, O_WRONLY);
}

TEST_F(pipe, nonblocking_write_wakes_reader)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child reader = start_reader(_metadata, 1);

	ASSERT_ASLEEP_IN(read, &reader);
	ASSERT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
}

TEST_F(pipe, nonblocking_read_wakes_writer)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer;

	fill_pipe(_metadata, fd);
	writer = start_writer(_metadata, 1, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, fd, self->capacity);
	EXPECT_EQ(1, result_of(_metadata, &writer).ret);
}

/* Odd sizes, so that calls start at many different offsets in the ring. */
TEST_F(pipe, bytes_stay_in_order)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t goal = smaller(3 * self->capacity, 300000);
	ssize_t in = 0, out = 0, n;

	while (out < goal) {
		put_pattern(big_buffer(), in, 997);
		n = write(fd, big_buffer(), 997);
		in += n > 0 ? n : 0;
		n = read(fd, big_buffer(), in % 2 ? 331 : 1013);
		if (n < 0)
			continue;
		ASSERT_TRUE(is_pattern(big_buffer(), out, n));
		out += n;
	}
	n = drain_pipe(_metadata, fd);
	EXPECT_EQ(in - out, n);
	EXPECT_TRUE(is_pattern(big_buffer(), out, n));
}

TEST_HARNESS_MAIN
