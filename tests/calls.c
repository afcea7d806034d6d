// SPDX-License-Identifier: GPL-2.0
/* What system calls do on a pipe. Calls that make no sense on it: see arguments.c. */
#include <sys/stat.h>
#include "device_fixture.h"

TEST_F(pipe, fstat_reports_character_device)
{
	struct stat stat;

	ASSERT_EQ(0, fstat(open_pipe(_metadata, O_RDONLY), &stat));
	EXPECT_TRUE(S_ISCHR(stat.st_mode));
}

/* At offset -1, preadv2 and pwritev2 act as readv and writev. */
TEST_F(pipe, preadv2_and_pwritev2_accept_offset_minus_one)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	char byte = 'x';
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };

	EXPECT_EQ(1, pwritev2(fd, &iov, 1, -1, 0));
	EXPECT_EQ(1, preadv2(fd, &iov, 1, -1, 0));
	EXPECT_EQ('x', byte);
}

TEST_F(pipe, read_of_0_bytes_does_not_block)
{
	struct child reader = start_reader(_metadata, 0);

	EXPECT_EQ(0, result_of(_metadata, &reader).ret);
}

TEST_F(pipe, write_of_0_bytes_to_full_pipe_does_not_block)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer;

	fill_pipe(_metadata, fd);
	writer = start_writer(_metadata, 0, 'w');
	EXPECT_EQ(0, result_of(_metadata, &writer).ret);
	EXPECT_EQ(self->capacity, drain_pipe(_metadata, fd));
}

TEST_F(pipe, ioctl_only_file_cannot_read_or_write)
{
	int fd = open_pipe(_metadata, O_WRONLY | O_RDWR | O_NONBLOCK);
	char byte;

	EXPECT_EQ(-1, read(fd, &byte, 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(EBADF, errno);
}

TEST_F(pipe, readv_fills_buffers_in_order)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	char a[3] = "", b[3] = "", c[9] = "";
	struct iovec iov[] = { { a, 2 }, { NULL, 0 }, { b, 2 }, { c, 8 } };

	ASSERT_EQ(7, write(fd, "abcdefg", 7));
	EXPECT_EQ(7, readv(fd, iov, 4));
	EXPECT_STREQ("ab", a);
	EXPECT_STREQ("cd", b);
	EXPECT_STREQ("efg", c);
}

TEST_F(pipe, writev_joins_buffers)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct iovec iov[] = { { (char *)"ab", 2 }, { NULL, 0 }, { (char *)"cde", 3 } };

	EXPECT_EQ(5, writev(fd, iov, 3));
	read_exactly(_metadata, fd, 5);
	EXPECT_EQ(0, memcmp(big_buffer(), "abcde", 5));
}

TEST_HARNESS_MAIN
