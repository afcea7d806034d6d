// SPDX-License-Identifier: GPL-2.0
/*
 * Splice between a pipe and a file that is no pipe, and vmsplice: by ioctl for a mini_pipe, by
 * splice(2) and vmsplice(2) for a pipe(2).
 */
#include <sys/socket.h>
#include "transfer_fixture.h"

/* Both ends have O_NONBLOCK. */
FIXTURE(foreign)
{
	int r;
	int w;
	ssize_t capacity;
	int file;		/* a regular file of 3 pages, at position 0 */
	int sockets[2];		/* connected */
};

FIXTURE_VARIANT(foreign)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(foreign, device) { .kind = DEVICE, };
FIXTURE_VARIANT_ADD(foreign, private_pipe) { .kind = PRIVATE, };
FIXTURE_VARIANT_ADD(foreign, pipe_2) { .kind = PIPE_2, };

FIXTURE_SETUP(foreign)
{
	set_up_pipe(_metadata);
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &self->r, &self->w);
	self->capacity = capacity_of_kind(self->r, variant->kind);
	if (!has_capacity(_metadata, self->capacity, 8 * PAGE))
		return;
	self->file = memfd_create("file", MFD_CLOEXEC);
	ASSERT_LE(0, self->file);
	put_pattern(big_buffer(), 0, 3 * PAGE);
	ASSERT_EQ(3 * PAGE, pwrite(self->file, big_buffer(), 3 * PAGE, 0));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, self->sockets));
}

FIXTURE_TEARDOWN(foreign)
{
	kill_children(_metadata);
}

static ssize_t splice_from(int file, loff_t *offset, int pipe, size_t len, unsigned int flags)
{
	struct mini_pipe_splice request = {
		.fd = file, .flags = flags, .len = len, .offset = (uintptr_t)offset,
	};

	if (is_pipe_2(pipe))
		return splice(file, offset, pipe, NULL, len, flags);
	return ioctl(pipe, MINI_PIPE_IOC_SPLICE_FROM, &request);
}

static ssize_t splice_to(int pipe, int file, loff_t *offset, size_t len, unsigned int flags)
{
	struct mini_pipe_splice request = {
		.fd = file, .flags = flags, .len = len, .offset = (uintptr_t)offset,
	};

	if (is_pipe_2(pipe))
		return splice(pipe, NULL, file, offset, len, flags);
	return ioctl(pipe, MINI_PIPE_IOC_SPLICE_TO, &request);
}

/* A call in a child, on a file of its own without O_NONBLOCK */

struct foreign_job {
	int pipe;
	int file;
	bool in;	/* into the pipe */
};

static void splice_once(int report_to, const void *arg)
{
	const struct foreign_job *job = arg;
	int pipe = open_own(job->pipe, job->in ? O_WRONLY : O_RDONLY, 0);

	set_handler(SIGUSR1, do_nothing, 0);
	keep_only(report_to, pipe, job->file);
	report(report_to, job->in ? splice_from(job->file, NULL, pipe, 100, 0) :
	       splice_to(pipe, job->file, NULL, 100, 0));
}

static struct child start_splice(struct __test_metadata *_metadata, const struct foreign_job *job)
{
	struct child child = start_forked(_metadata, splice_once, job);

	ASSERT_TRUE(falls_asleep_in(&child, is_pipe_2(job->pipe) ? __NR_splice : __NR_ioctl));
	return child;
}

/* Regular files */

TEST_F(foreign, splice_from_file_moves_its_position)
{
	EXPECT_EQ(100, splice_from(self->file, NULL, self->w, 100, 0));
	EXPECT_EQ(100, lseek(self->file, 0, SEEK_CUR));
	EXPECT_EQ(3 * PAGE - 100, splice_from(self->file, NULL, self->w, BIG, 0));
	EXPECT_EQ(0, splice_from(self->file, NULL, self->w, BIG, 0));
	EXPECT_EQ(3 * PAGE, lseek(self->file, 0, SEEK_CUR));
	expect_at(_metadata, self->r, 0, 3 * PAGE);
}

TEST_F(foreign, splice_from_offset_leaves_position)
{
	loff_t offset = 77;

	EXPECT_EQ(100, splice_from(self->file, &offset, self->w, 100, 0));
	EXPECT_EQ(177, offset);
	EXPECT_EQ(0, lseek(self->file, 0, SEEK_CUR));
	expect_at(_metadata, self->r, 77, 100);
}

TEST_F(foreign, splice_to_file_moves_its_position)
{
	write_at(_metadata, self->w, 1000, PAGE + 5);
	EXPECT_EQ(7, lseek(self->file, 7, SEEK_SET));
	EXPECT_EQ(100, splice_to(self->r, self->file, NULL, 100, 0));
	EXPECT_EQ(PAGE - 95, splice_to(self->r, self->file, NULL, BIG, 0));
	EXPECT_EQ(PAGE + 12, lseek(self->file, 0, SEEK_CUR));
	ASSERT_EQ(PAGE + 5, pread(self->file, big_buffer(), PAGE + 5, 7));
	EXPECT_TRUE(is_pattern(big_buffer(), 1000, PAGE + 5));
}

TEST_F(foreign, splice_to_offset_leaves_position)
{
	loff_t offset = PAGE;

	write_at(_metadata, self->w, 1000, 100);
	EXPECT_EQ(100, splice_to(self->r, self->file, &offset, BIG, 0));
	EXPECT_EQ(PAGE + 100, offset);
	EXPECT_EQ(0, lseek(self->file, 0, SEEK_CUR));
	ASSERT_EQ(100, pread(self->file, big_buffer(), 100, PAGE));
	EXPECT_TRUE(is_pattern(big_buffer(), 1000, 100));
}

TEST_F(foreign, splice_moves_whole_content_to_file)
{
	ssize_t len = fill_pipe(_metadata, self->w);

	EXPECT_EQ(len, splice_to(self->r, self->file, NULL, BIG, 0));
	ASSERT_EQ(len, pread(self->file, big_buffer(), len, 0));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, len));
}

TEST_F(foreign, splice_from_file_moves_what_fits)
{
	write_at(_metadata, self->w, 0, self->capacity - PAGE);
	EXPECT_EQ(PAGE, splice_from(self->file, NULL, self->w, BIG, 0));
	EXPECT_EQ(PAGE, lseek(self->file, 0, SEEK_CUR));
	read_exactly(_metadata, self->r, self->capacity - PAGE);
	expect_at(_metadata, self->r, 0, PAGE);
}

/* A file gets the bytes of packets, and no more than was asked for. */
TEST_F(foreign, packets_go_to_file_as_bytes)
{
	set_flag(_metadata, self->w, O_DIRECT, true);
	ASSERT_EQ(3, write(self->w, "abc", 3));
	ASSERT_EQ(3, write(self->w, "def", 3));
	ASSERT_EQ(3, write(self->w, "ghi", 3));
	EXPECT_EQ(4, splice_to(self->r, self->file, NULL, 4, 0));
	EXPECT_EQ(2, read(self->r, big_buffer(), 100));
	EXPECT_EQ(3, splice_to(self->r, self->file, NULL, BIG, 0));
	ASSERT_EQ(7, pread(self->file, big_buffer(), 7, 0));
	EXPECT_EQ(0, memcmp(big_buffer(), "abcdghi", 7));
}

TEST_F(foreign, bytes_of_file_are_no_packets)
{
	set_flag(_metadata, self->w, O_DIRECT, true);
	EXPECT_EQ(100, splice_from(self->file, NULL, self->w, 100, 0));
	EXPECT_EQ(100, splice_from(self->file, NULL, self->w, 100, 0));
	expect_at(_metadata, self->r, 0, 200);
}

/* Sockets */

TEST_F(foreign, splice_between_socket_and_pipe)
{
	put_pattern(big_buffer(), 0, 5000);
	ASSERT_EQ(5000, write(self->sockets[0], big_buffer(), 5000));
	EXPECT_EQ(5000, splice_from(self->sockets[1], NULL, self->w, BIG, 0));
	expect_at(_metadata, self->r, 0, 5000);
	write_at(_metadata, self->w, 77, 5000);
	EXPECT_EQ(5000, splice_to(self->r, self->sockets[0], NULL, BIG, 0));
	expect_at(_metadata, self->sockets[1], 77, 5000);
}

TEST_F(foreign, splice_from_socket_waits_for_bytes)
{
	struct foreign_job job = { .pipe = self->w, .file = self->sockets[1], .in = true };
	struct child child = start_splice(_metadata, &job);

	ASSERT_EQ(2, write(self->sockets[0], "ab", 2));
	EXPECT_EQ(2, result_of(_metadata, &child).ret);
	EXPECT_EQ(2, read(self->r, big_buffer(), 100));
}

TEST_F(foreign, splice_from_empty_socket_gives_eagain)
{
	expect_eagain(_metadata, splice_from(self->sockets[1], NULL, self->w, 100, 0));
	set_flag(_metadata, self->w, O_NONBLOCK, false);
	expect_eagain(_metadata, splice_from(self->sockets[1], NULL, self->w, 100,
					     SPLICE_F_NONBLOCK));
	set_flag(_metadata, self->sockets[1], O_NONBLOCK, true);
	expect_eagain(_metadata, splice_from(self->sockets[1], NULL, self->w, 100, 0));
	close(self->sockets[0]);
	EXPECT_EQ(0, splice_from(self->sockets[1], NULL, self->w, 100, 0));
}

TEST_F(foreign, splice_to_full_socket_leaves_the_rest)
{
	ssize_t sent = 0, n;

	set_flag(_metadata, self->sockets[0], O_NONBLOCK, true);
	do {
		fill_pipe(_metadata, self->w);
		n = splice_to(self->r, self->sockets[0], NULL, BIG, 0);
		sent += n > 0 ? n : 0;
		read_exactly(_metadata, self->r, bytes_in(self->r));
	} while (n == self->capacity);
	write_at(_metadata, self->w, 0, 5);
	expect_eagain(_metadata, splice_to(self->r, self->sockets[0], NULL, BIG, 0));
	expect_at(_metadata, self->r, 0, 5);
	EXPECT_LT(0, sent);
}

TEST_F(foreign, splice_to_closed_socket_gives_epipe_and_sigpipe)
{
	write_at(_metadata, self->w, 0, 5);
	close(self->sockets[1]);
	EXPECT_FAILS(EPIPE, splice_to(self->r, self->sockets[0], NULL, 5, 0));
	EXPECT_EQ(1, sigpipes());
	expect_at(_metadata, self->r, 0, 5);
}

/* A datagram that fits is moved as one, even across the end of a page. */
TEST_F(foreign, datagram_is_moved_as_one)
{
	int pair[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair));
	write_at(_metadata, self->w, 0, PAGE - 10);
	put_pattern(big_buffer(), PAGE - 10, 100);
	ASSERT_EQ(100, write(pair[0], big_buffer(), 100));
	EXPECT_EQ(100, splice_from(pair[1], NULL, self->w, BIG, 0));
	read_exactly(_metadata, self->r, PAGE - 10);
	EXPECT_EQ(100, splice_to(self->r, pair[0], NULL, BIG, 0));
	expect_at(_metadata, pair[1], PAGE - 10, 100);
}

/* Waiting */

TEST_F(foreign, splice_to_file_waits_for_bytes)
{
	struct foreign_job job = { .pipe = self->r, .file = self->file };
	struct child child = start_splice(_metadata, &job);

	write_at(_metadata, self->w, 0, 5);
	EXPECT_EQ(5, result_of(_metadata, &child).ret);
	expect_eagain(_metadata, splice_to(self->r, self->file, NULL, 100, 0));
}

TEST_F(foreign, splice_from_file_waits_for_room)
{
	struct foreign_job job = { .pipe = self->w, .file = self->file, .in = true };
	ssize_t len = fill_pipe(_metadata, self->w);
	struct child child;

	expect_eagain(_metadata, splice_from(self->file, NULL, self->w, 100, 0));
	child = start_splice(_metadata, &job);
	read_exactly(_metadata, self->r, len);
	EXPECT_EQ(100, result_of(_metadata, &child).ret);
	expect_at(_metadata, self->r, 0, 100);
}

TEST_F(foreign, signal_ends_wait_for_bytes_and_for_room)
{
	struct foreign_job in = { .pipe = self->w, .file = self->file, .in = true };
	struct foreign_job out = { .pipe = self->r, .file = self->file };
	struct child child = start_splice(_metadata, &out);
	struct result result;

	kill(child.pid, SIGUSR1);
	result = result_of(_metadata, &child);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EINTR, result.err);
	if (variant->kind == PIPE_2)
		return;
	fill_pipe(_metadata, self->w);
	child = start_splice(_metadata, &in);
	kill(child.pid, SIGUSR1);
	result = result_of(_metadata, &child);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EINTR, result.err);
}

/* Closed ends */

TEST_F(foreign, closed_ends_give_end_of_file_or_epipe)
{
	close(self->w);
	EXPECT_EQ(0, splice_to(self->r, self->file, NULL, 100, 0));
	close(self->r);
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &self->r, &self->w);
	close(self->r);
	EXPECT_FAILS(EPIPE, splice_from(self->file, NULL, self->w, 100, 0));
	EXPECT_EQ(1, sigpipes());
	EXPECT_EQ(0, lseek(self->file, 0, SEEK_CUR));
}

/* Bad calls */

TEST_F(foreign, directory_gives_einval)
{
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	EXPECT_FAILS(EINVAL, splice_from(dir, NULL, self->w, 100, 0));
}

TEST_F(foreign, wrong_access_mode_gives_ebadf)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	write_at(_metadata, self->w, 0, 5);
	EXPECT_FAILS(EBADF, splice_to(self->r, zero, NULL, 100, 0));
	EXPECT_FAILS(EBADF, splice_from(null, NULL, self->w, 100, 0));
	EXPECT_FAILS(EBADF, splice_to(self->w, null, NULL, 100, 0));
	EXPECT_FAILS(EBADF, splice_from(zero, NULL, self->r, 100, 0));
	EXPECT_EQ(5, splice_to(self->r, null, NULL, 100, 0));
	EXPECT_EQ(100, splice_from(zero, NULL, self->w, 100, 0));
}

TEST_F(foreign, file_with_o_append_gives_einval)
{
	write_at(_metadata, self->w, 0, 5);
	set_flag(_metadata, self->file, O_APPEND, true);
	EXPECT_FAILS(EINVAL, splice_to(self->r, self->file, NULL, 100, 0));
	expect_at(_metadata, self->r, 0, 5);
}

TEST_F(foreign, offset_of_socket_gives_einval)
{
	loff_t offset = 0;

	write_at(_metadata, self->w, 0, 5);
	EXPECT_FAILS(EINVAL, splice_to(self->r, self->sockets[0], &offset, 100, 0));
	EXPECT_FAILS(EINVAL, splice_from(self->sockets[0], &offset, self->w, 100, 0));
}

/* At once, even if there is no byte to splice, or no room. */
TEST_F(foreign, impossible_offset_gives_einval)
{
	const loff_t offsets[] = { -1, LLONG_MAX };

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		loff_t offset = offsets[i];

		EXPECT_FAILS(EINVAL, splice_to(self->r, self->file, &offset, 100, 0));
		EXPECT_FAILS(EINVAL, splice_from(self->file, &offset, self->w, 100, 0));
		fill_pipe(_metadata, self->w);
		EXPECT_FAILS(EINVAL, splice_to(self->r, self->file, &offset, 100, 0));
		EXPECT_FAILS(EINVAL, splice_from(self->file, &offset, self->w, 100, 0));
		EXPECT_EQ(offsets[i], offset);
		EXPECT_EQ(self->capacity, bytes_in(self->r));
		read_exactly(_metadata, self->r, self->capacity);
	}
}

TEST_F(foreign, unmapped_offset_gives_efault)
{
	loff_t *offset = (loff_t *)map_pages(_metadata, 1, PROT_NONE);

	write_at(_metadata, self->w, 0, 5);
	EXPECT_FAILS(EFAULT, splice_to(self->r, self->file, offset, 100, 0));
	EXPECT_FAILS(EFAULT, splice_from(self->file, offset, self->w, 100, 0));
	expect_at(_metadata, self->r, 0, 5);
}

/* vmsplice */

TEST_F(foreign, vmsplice_moves_bytes_both_ways)
{
	unsigned char *map = map_pages(_metadata, 4, PROT_READ | PROT_WRITE);
	struct iovec iov[] = { { map, 100 }, { map + 100, 0 }, { map + 100, 2 * PAGE } };
	struct iovec to[] = { { big_buffer(), 77 }, { big_buffer() + 77, 3 * PAGE } };

	put_pattern(map, 0, 2 * PAGE + 100);
	EXPECT_EQ(2 * PAGE + 100, do_vmsplice(self->w, iov, 3, 0));
	EXPECT_EQ(2 * PAGE + 100, do_vmsplice(self->r, to, 2, 0));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 2 * PAGE + 100));
	expect_empty(_metadata, self->r);
}

TEST_F(foreign, vmsplice_moves_what_fits)
{
	unsigned char *map = map_pages(_metadata, self->capacity / PAGE + 1,
				       PROT_READ | PROT_WRITE);
	struct iovec iov = { map, self->capacity + PAGE };

	put_pattern(map, 0, self->capacity + PAGE);
	EXPECT_EQ(self->capacity, do_vmsplice(self->w, &iov, 1, 0));
	expect_eagain(_metadata, do_vmsplice(self->w, &iov, 1, SPLICE_F_NONBLOCK));
	expect_at(_metadata, self->r, 0, self->capacity);
	expect_eagain(_metadata, do_vmsplice(self->r, &iov, 1, SPLICE_F_NONBLOCK));
}

struct vmsplice_job {
	int fd;
	int mode;
};

/* Opens its own file, with O_NONBLOCK. */
static void vmsplice_once(int report_to, const void *arg)
{
	const struct vmsplice_job *job = arg;
	struct iovec iov = { big_buffer(), 100 };
	int fd = open_own(job->fd, job->mode, O_NONBLOCK);

	report(report_to, do_vmsplice(fd, &iov, 1, 0));
}

TEST_F(foreign, vmsplice_waits_despite_o_nonblock)
{
	long nr = is_pipe_2(self->r) ? __NR_vmsplice : __NR_ioctl;
	struct vmsplice_job in = { self->w, O_WRONLY }, out = { self->r, O_RDONLY };
	struct child child = start_forked(_metadata, vmsplice_once, &out);

	ASSERT_TRUE(falls_asleep_in(&child, nr));
	write_at(_metadata, self->w, 0, 100);
	EXPECT_EQ(100, result_of(_metadata, &child).ret);

	write_at(_metadata, self->w, 0, self->capacity);
	child = start_forked(_metadata, vmsplice_once, &in);
	ASSERT_TRUE(falls_asleep_in(&child, nr));
	read_exactly(_metadata, self->r, self->capacity);
	EXPECT_EQ(100, result_of(_metadata, &child).ret);
}

TEST_F(foreign, vmsplice_makes_no_packets)
{
	unsigned char *map = map_pages(_metadata, 1, PROT_READ | PROT_WRITE);
	struct iovec iov = { map, 10 };

	set_flag(_metadata, self->w, O_DIRECT, true);
	EXPECT_EQ(10, do_vmsplice(self->w, &iov, 1, SPLICE_F_GIFT));
	EXPECT_EQ(10, do_vmsplice(self->w, &iov, 1, 0));
	EXPECT_EQ(20, read(self->r, big_buffer(), 100));
}

/* The rest of the packet stays. */
TEST_F(foreign, vmsplice_out_takes_part_of_packet)
{
	struct iovec iov = { big_buffer(), 4 };

	set_flag(_metadata, self->w, O_DIRECT, true);
	ASSERT_EQ(3, write(self->w, "abc", 3));
	ASSERT_EQ(3, write(self->w, "def", 3));
	EXPECT_EQ(4, do_vmsplice(self->r, &iov, 1, 0));
	EXPECT_EQ(2, read(self->r, big_buffer(), 100));
}

TEST_F(foreign, bad_vmsplice_gives_error_and_moves_nothing)
{
	struct iovec iov = { map_pages(_metadata, 1, PROT_NONE), 10 };
	struct iovec *unmapped = iov.iov_base;

	EXPECT_FAILS(EFAULT, do_vmsplice(self->w, &iov, 1, 0));
	EXPECT_FAILS(EFAULT, do_vmsplice(self->w, unmapped, 1, 0));
	EXPECT_FAILS(EINVAL, do_vmsplice(self->w, &iov, 1025, 0));
	EXPECT_FAILS(EINVAL, do_vmsplice(self->w, &iov, 1, 16));
	EXPECT_EQ(0, do_vmsplice(self->w, &iov, 0, 0));
	write_at(_metadata, self->w, 0, 10);
	EXPECT_FAILS(EFAULT, do_vmsplice(self->r, &iov, 1, 0));
	expect_at(_metadata, self->r, 0, 10);
}

TEST_F(foreign, vmsplice_without_reader_gives_epipe)
{
	struct iovec iov = { big_buffer(), 10 };

	close(self->r);
	EXPECT_FAILS(EPIPE, do_vmsplice(self->w, &iov, 1, 0));
	EXPECT_EQ(1, sigpipes());
}

/* Access mode 3 opens neither end. */
TEST_F(foreign, file_for_ioctl_alone_gives_ebadf)
{
	struct iovec iov = { big_buffer(), 10 };
	int fd = open_for_ioctl(_metadata);

	EXPECT_FAILS(EBADF, do_vmsplice(fd, &iov, 1, 0));
	EXPECT_FAILS(EBADF, splice_to(fd, self->file, NULL, 100, 0));
	EXPECT_FAILS(EBADF, splice_from(self->file, NULL, fd, 100, 0));
	if (variant->kind != PIPE_2)
		EXPECT_FAILS(EBADF, do_tee(fd, self->w, 100, 0));
}

TEST_F(foreign, tee_to_file_gives_einval)
{
	write_at(_metadata, self->w, 0, 5);
	EXPECT_FAILS(EINVAL, do_tee(self->r, self->file, 100, 0));
	expect_at(_metadata, self->r, 0, 5);
}

TEST_F(foreign, vmsplice_with_null_argument_gives_efault)
{
	if (variant->kind == PIPE_2)
		return;
	EXPECT_FAILS(EFAULT, ioctl(self->w, MINI_PIPE_IOC_VMSPLICE, NULL));
}

TEST_HARNESS_MAIN
