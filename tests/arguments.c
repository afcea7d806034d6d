// SPDX-License-Identifier: GPL-2.0
/*
 * What calls get that make no sense, or none on a pipe: each is made on the device and on a
 * pipe(2), and whatever they get, no byte is lost, doubled or invented, and no room. CALLS.md says
 * the same in words; make check compares the two.
 */
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include "../uapi/mini_pipe.h"
#include "uring.h"

/* Newer than many a libc. */
#define RWF_NOAPPEND_ 0x20
#define RWF_ATOMIC_ 0x40
#define RWF_DONTCACHE_ 0x80
#define RWF_NOSIGNAL_ 0x100
#define RWF_UNKNOWN 0x40000000

/* How many bytes of the pattern are in the pipe when the call is made. */
#define HELD 10

/* More than the kernel moves in one call. */
#define HUGE_LEN 0x100000000UL

#define KERNEL ((char *)(~0UL << 20))
#define NOT_CANONICAL ((char *)0x4000000000000000UL)
/* Five bytes from here on end beyond the last address. */
#define LAST_BYTES ((char *)-3L)

static char scratch[8192];

/* What the pattern goes on with, for calls that put in what they should not. */
static unsigned char more[8192];

/* The system call itself: the C library has opinions of its own on bad arguments. */
#define sys(call, ...) syscall(__NR_##call, __VA_ARGS__)

struct ends {
	const char *path;
	int r;
	int w;
};

/* Both are non-blocking and hold the same bytes. */
FIXTURE(call)
{
	ssize_t capacity;
	struct ends device;
	struct ends pipe;
};

struct row {
	void (*make)(const char *path, int r, int w, long *ret);
	/* What it returns, or -errno. */
	long on_device;
	long on_pipe;
	/* Whether what it returns are bytes that it took out, or put in. */
	bool removes;
	bool inserts;
};

FIXTURE_VARIANT(call)
{
	struct row row;
};

#define ROW(name, on_device_, on_pipe_, removes_, inserts_, ...)				\
	static void make_##name(const char *path __maybe_unused, int r __maybe_unused,		\
				int w __maybe_unused, long *ret)				\
	{											\
		*ret = __VA_ARGS__;								\
	}											\
	FIXTURE_VARIANT_ADD(call, name)								\
	{											\
		.row = {									\
			.make = make_##name, .on_device = on_device_, .on_pipe = on_pipe_,	\
			.removes = removes_, .inserts = inserts_,				\
		},										\
	}

/* A call that leaves the bytes alone, and what it gets on the device and on a pipe(2). */
#define RETURNS(name, on_device, on_pipe, ...)							\
	ROW(name, on_device, on_pipe, false, false, __VA_ARGS__)
/* The same for calls that return how many they took out, or put in. */
#define REMOVES(name, on_device, on_pipe, ...)							\
	ROW(name, on_device, on_pipe, true, false, __VA_ARGS__)
#define INSERTS(name, on_device, on_pipe, ...)							\
	ROW(name, on_device, on_pipe, false, true, __VA_ARGS__)

static void hold(struct __test_metadata *_metadata, const struct ends *ends)
{
	put_pattern(big_buffer(), 0, HELD);
	ASSERT_EQ(HELD, write(ends->w, big_buffer(), HELD));
}

static ssize_t room_for(const struct row *row)
{
	return row->inserts && row->on_device > 0 ? row->on_device : HELD;
}

FIXTURE_SETUP(call)
{
	static char path[32];
	int fds[2];

	self->capacity = set_the_stage(_metadata);
	if (!holds(_metadata, self->capacity, HELD + room_for(&variant->row)))
		return;
	put_pattern(more, HELD, sizeof(more));
	ASSERT_EQ(0, pipe2(fds, O_NONBLOCK | O_CLOEXEC));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	self->pipe = (struct ends){ path, fds[0], fds[1] };
	self->device = (struct ends){
		MINI_PIPE,
		open_pipe(_metadata, O_RDONLY | O_NONBLOCK),
		open_pipe(_metadata, O_WRONLY | O_NONBLOCK),
	};
	hold(_metadata, &self->device);
	hold(_metadata, &self->pipe);
}

FIXTURE_TEARDOWN(call)
{
	clear_the_stage(_metadata);
}

static void expect(struct __test_metadata *_metadata, const struct row *row,
		   const struct ends *ends, long expected)
{
	long got, moved, from, to;

	row->make(ends->path, ends->r, ends->w, &got);
	if (got < 0)
		got = -errno;
	if (got == -EPERM)
		SKIP(return, "this machine does not have or allow the call");
	EXPECT_EQ(expected, got)
	{
		TH_LOG("%s: %s", ends->path, strerror(got < 0 ? -got : 0));
	}
	moved = got > 0 ? got : 0;
	from = row->removes ? moved : 0;
	to = row->inserts ? HELD + moved : HELD;
	EXPECT_EQ(to - from, drain_pipe(_metadata, ends->r));
	EXPECT_TRUE(is_pattern(big_buffer(), from, to - from));
}

TEST_F(call, gets_what_the_page_says)
{
	expect(_metadata, &variant->row, &self->device, variant->row.on_device);
	expect(_metadata, &variant->row, &self->pipe, variant->row.on_pipe);
	EXPECT_EQ(self->capacity, fill_pipe(_metadata, self->device.w));
}

/* Makes of arguments */

static char *map(int pages, int prot)
{
	return mmap(NULL, pages * PIPE_BUF, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static char *page(int prot)
{
	return map(1, prot);
}

/* What the pattern goes on with, up to the end of a page, after which nothing is mapped. */
static char *before_a_hole(size_t good)
{
	char *hole = map(3, PROT_READ | PROT_WRITE) + 2 * PIPE_BUF;

	munmap(hole, PIPE_BUF);
	return memcpy(hole - good, more, good);
}

static char *hole(void)
{
	return before_a_hole(0);
}

static struct iovec *vector(size_t count, void *base, size_t len)
{
	static struct iovec vector[IOV_MAX + 1];

	for (size_t i = 0; i < count; i++)
		vector[i] = (struct iovec){ base, len };
	return vector;
}

static struct iovec *one(void *base, size_t len)
{
	return vector(1, base, len);
}

/* The pattern, one byte an element. */
static struct iovec *bytes(size_t count)
{
	struct iovec *bytes = vector(count, NULL, 1);

	for (size_t i = 0; i < count; i++)
		bytes[i].iov_base = more + i;
	return bytes;
}

static int file(void)
{
	int fd = memfd_create("file", 0);

	pwrite(fd, more, 5, 0);
	return fd;
}

static int other_end(int end)
{
	int fds[2];

	pipe2(fds, O_NONBLOCK);
	return fds[end];
}

/* The reading end of another pipe(2), with what the pattern goes on with. */
static int filled(void)
{
	int fds[2];

	pipe2(fds, O_NONBLOCK);
	write(fds[1], more, 5);
	return fds[0];
}

static int private_end(int end)
{
	struct mini_pipe_pair pair = { .flags = O_NONBLOCK };

	ioctl(open(MINI_PIPE, O_ACCMODE), MINI_PIPE_IOC_PAIR, &pair);
	return end ? pair.write_fd : pair.read_fd;
}

static int appending(int fd)
{
	fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK);
	return fd;
}

static long reads_overlapping(int r)
{
	struct iovec overlapping[] = { { scratch, 5 }, { scratch + 2, 3 } };
	long n = readv(r, overlapping, 2);

	return memcmp(scratch, (char[]){ 0, 1, 5, 6, 7 }, 5) == 0 ? n : 0;
}

/* At no offset, which makes them readv and writev. */
static long reads_with(int r, int flags)
{
	return sys(preadv2, r, one(scratch, 5), 1, -1L, -1L, flags);
}

static long writes_with(int w, int flags)
{
	return sys(pwritev2, w, one(more, 5), 1, -1L, -1L, flags);
}

/* 0 if it can be opened so. */
static long opens(const char *path, int flags)
{
	int fd = open(path, flags | O_NONBLOCK, 0600);

	return fd < 0 ? fd : close(fd);
}

static long opens2(const char *path, long flags, long resolve)
{
	struct open_how how = { .flags = flags, .resolve = resolve };
	int fd = sys(openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? fd : close(fd);
}

static long maps(int fd, int prot, int flags)
{
	return mmap(NULL, PIPE_BUF, prot, flags, fd, 0) == MAP_FAILED ? -1 : 0;
}

static long locks(int fd, int cmd, short type)
{
	struct flock lock = { .l_type = type, .l_len = 1 };

	return fcntl(fd, cmd, &lock);
}

static long has_flag_after(int fd, int flags, int flag)
{
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	return fcntl(fd, F_GETFL) & flag;
}

static long sets_on(int fd, int request, int on)
{
	return ioctl(fd, request, &on);
}

static long makes_pair(int fd, unsigned int flags, unsigned int capacity)
{
	struct mini_pipe_pair pair = { .flags = flags, .capacity = capacity };

	return sys(ioctl, fd, MINI_PIPE_IOC_PAIR, &pair);
}

static long polls(int fd, short events, int count)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	return sys(poll, &pollfd, count, 0);
}

static long adds(int epoll, int fd, int op, int events)
{
	struct epoll_event event = { .events = events };

	return sys(epoll_ctl, epoll, op, fd, &event);
}

static int epoll_of(int fd)
{
	int epoll = epoll_create1(0);

	if (fd >= 0)
		adds(epoll, fd, EPOLL_CTL_ADD, EPOLLIN);
	return epoll;
}

/* One operation of io_uring, made when this returns. The offset -1 is the file's position. */
static long make_uring(int op, int fd, void *buf, unsigned int len, long offset, int flags)
{
	struct completion completion;
	struct uring ring;

	if (!uring_open(&ring)) {
		errno = EPERM;
		return -1;
	}
	uring_put(&ring, (struct io_uring_sqe){
		.opcode = op, .fd = fd, .addr = (unsigned long)buf, .len = len, .off = offset,
		.rw_flags = flags,
	});
	if (uring_enter(&ring, 1) != 1 || !uring_take(&ring, &completion))
		return -1;
	errno = -completion.res;
	return completion.res < 0 ? -1 : completion.res;
}

#define uring(op, ...) make_uring(IORING_OP_##op, __VA_ARGS__)

static long selects(int count, int fd)
{
	struct timeval now = {};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return sys(select, count, &set, NULL, NULL, &now);
}

/* Opening */
RETURNS(open_with_o_path, 0, 0, opens(path, O_PATH));
RETURNS(read_what_is_open_with_o_path, -EBADF, -EBADF, sys(read, open(path, O_PATH), scratch, 5));
RETURNS(open_with_o_creat, 0, 0, opens(path, O_RDWR | O_CREAT));
RETURNS(open_with_o_creat_and_o_excl, -EEXIST, -EEXIST, opens(path, O_RDWR | O_CREAT | O_EXCL));
RETURNS(open_with_o_directory, -ENOTDIR, -ENOTDIR, opens(path, O_RDONLY | O_DIRECTORY));
RETURNS(open_with_o_tmpfile, -ENOTDIR, -ENOTDIR, opens(path, O_RDWR | O_TMPFILE));
RETURNS(open_with_o_trunc, 0, 0, opens(path, O_WRONLY | O_TRUNC));
RETURNS(open_with_o_append, 0, 0, opens(path, O_WRONLY | O_APPEND));
RETURNS(open_with_o_direct, 0, -EINVAL, opens(path, O_RDWR | O_DIRECT));
RETURNS(open_with_o_async, 0, 0, opens(path, O_RDWR | O_ASYNC));
RETURNS(open_with_o_sync, 0, 0, opens(path, O_RDWR | O_SYNC));
RETURNS(open_with_access_mode_3, 0, -EINVAL, opens(path, O_ACCMODE));
RETURNS(open_with_unknown_flags, 0, 0, opens(path, O_RDWR | 0x40000000));
RETURNS(openat2_with_unknown_flags, -EINVAL, -EINVAL, opens2(path, 0x40000000, 0));
RETURNS(openat2_with_unknown_resolve, -EINVAL, -EINVAL, opens2(path, O_RDWR, 0x40000000));

/* The memory of read and write */
RETURNS(read_into_null, -EFAULT, -EFAULT, sys(read, r, NULL, 5));
RETURNS(read_into_a_hole, -EFAULT, -EFAULT, sys(read, r, hole(), 5));
RETURNS(read_into_prot_none, -EFAULT, -EFAULT, sys(read, r, page(PROT_NONE), 5));
RETURNS(read_into_read_only, -EFAULT, -EFAULT, sys(read, r, page(PROT_READ), 5));
RETURNS(read_into_the_kernel, -EFAULT, -EFAULT, sys(read, r, KERNEL, 5));
RETURNS(read_into_no_address, -EFAULT, -EFAULT, sys(read, r, NOT_CANONICAL, 5));
RETURNS(read_beyond_the_last_address, -EFAULT, -EFAULT, sys(read, r, LAST_BYTES, 5));
REMOVES(read_up_to_a_hole, 3, -EFAULT, sys(read, r, before_a_hole(3), 5));
RETURNS(write_from_null, -EFAULT, -EFAULT, sys(write, w, NULL, 5));
RETURNS(write_from_a_hole, -EFAULT, -EFAULT, sys(write, w, hole(), 5));
RETURNS(write_from_prot_none, -EFAULT, -EFAULT, sys(write, w, page(PROT_NONE), 5));
RETURNS(write_from_the_kernel, -EFAULT, -EFAULT, sys(write, w, KERNEL, 5));
RETURNS(write_from_no_address, -EFAULT, -EFAULT, sys(write, w, NOT_CANONICAL, 5));
RETURNS(write_beyond_the_last_address, -EFAULT, -EFAULT, sys(write, w, LAST_BYTES, 5));
RETURNS(write_up_to_a_hole, -EFAULT, -EFAULT, sys(write, w, before_a_hole(3), 5));
INSERTS(large_write_up_to_a_hole, 5000, 1904, sys(write, w, before_a_hole(5000), 6000));
RETURNS(large_write_from_null, -EFAULT, -EFAULT, sys(write, w, NULL, 6000));

/* Their lengths */
RETURNS(read_nothing, 0, 0, sys(read, r, scratch, 0));
RETURNS(read_nothing_into_null, 0, 0, sys(read, r, NULL, 0));
RETURNS(read_nothing_into_the_kernel, -EFAULT, -EFAULT, sys(read, r, KERNEL, 0));
REMOVES(read_int_max, 10, 10, sys(read, r, scratch, INT_MAX));
REMOVES(read_more_than_int_max, 10, 10, sys(read, r, scratch, HUGE_LEN));
RETURNS(read_ssize_max, -EFAULT, -EFAULT, sys(read, r, scratch, SSIZE_MAX));
RETURNS(read_size_max, -EFAULT, -EFAULT, sys(read, r, scratch, SIZE_MAX));
RETURNS(write_nothing, 0, 0, sys(write, w, scratch, 0));
RETURNS(write_nothing_from_null, 0, 0, sys(write, w, NULL, 0));
RETURNS(write_nothing_from_the_kernel, -EFAULT, -EFAULT, sys(write, w, KERNEL, 0));
INSERTS(write_int_max, 5000, 4096, sys(write, w, before_a_hole(5000), INT_MAX));
INSERTS(write_more_than_int_max, 5000, 4096, sys(write, w, before_a_hole(5000), HUGE_LEN));
RETURNS(write_ssize_max, -EFAULT, -EFAULT, sys(write, w, more, SSIZE_MAX));
RETURNS(write_size_max, -EFAULT, -EFAULT, sys(write, w, more, SIZE_MAX));

/* The wrong end */
RETURNS(read_from_the_writing_end, -EBADF, -EBADF, sys(read, w, scratch, 5));
RETURNS(write_to_the_reading_end, -EBADF, -EBADF, sys(write, r, more, 5));
RETURNS(read_nothing_from_the_writing_end, -EBADF, -EBADF, sys(read, w, scratch, 0));
RETURNS(write_nothing_to_the_reading_end, -EBADF, -EBADF, sys(write, r, more, 0));
RETURNS(readv_from_the_writing_end, -EBADF, -EBADF, sys(readv, w, one(scratch, 5), 1));
RETURNS(writev_to_the_reading_end, -EBADF, -EBADF, sys(writev, r, one(more, 5), 1));

/* Vectors */
RETURNS(readv_of_no_element, 0, 0, sys(readv, r, one(scratch, 5), 0));
RETURNS(readv_of_no_vector, 0, 0, sys(readv, r, NULL, 0));
REMOVES(readv_of_1024_elements, 10, 10, sys(readv, r, vector(1024, scratch, 1), 1024));
RETURNS(readv_of_1025_elements, -EINVAL, -EINVAL, sys(readv, r, vector(1025, scratch, 1), 1025));
RETURNS(readv_of_minus_one_elements, -EINVAL, -EINVAL, sys(readv, r, one(scratch, 1), -1L));
RETURNS(readv_with_a_vector_at_null, -EFAULT, -EFAULT, sys(readv, r, NULL, 1));
RETURNS(readv_with_a_vector_in_a_hole, -EFAULT, -EFAULT, sys(readv, r, hole(), 1));
RETURNS(readv_with_half_a_vector, -EFAULT, -EFAULT, sys(readv, r, before_a_hole(16), 2));
RETURNS(readv_with_a_vector_in_the_kernel, -EFAULT, -EFAULT, sys(readv, r, KERNEL, 1));
RETURNS(readv_of_empty_elements, 0, 0, sys(readv, r, vector(1024, NULL, 0), 1024));
REMOVES(readv_past_an_empty_element_at_null, 7, 7,
	sys(readv, r, ((struct iovec[]){ { scratch, 3 }, { NULL, 0 }, { scratch, 4 } }), 3));
REMOVES(readv_that_ends_in_null, 3, -EFAULT,
	sys(readv, r, ((struct iovec[]){ { scratch, 3 }, { NULL, 4 } }), 2));
RETURNS(readv_that_begins_in_null, -EFAULT, -EFAULT,
	sys(readv, r, ((struct iovec[]){ { NULL, 3 }, { scratch, 4 } }), 2));
RETURNS(readv_of_a_negative_length, -EINVAL, -EINVAL, sys(readv, r, one(scratch, SIZE_MAX), 1));
REMOVES(readv_of_ssize_max, 10, 10, sys(readv, r, one(scratch, SSIZE_MAX), 1));
RETURNS(readv_of_lengths_that_overflow, -EFAULT, -EFAULT,
	sys(readv, r, vector(3, scratch, SSIZE_MAX), 3));
REMOVES(readv_of_more_than_int_max, 10, 10, sys(readv, r, vector(9, scratch, INT_MAX), 9));
REMOVES(readv_into_overlapping_elements, 8, 8, reads_overlapping(r));
RETURNS(writev_of_no_element, 0, 0, sys(writev, w, one(more, 5), 0));
RETURNS(writev_of_no_vector, 0, 0, sys(writev, w, NULL, 0));
INSERTS(writev_of_1024_elements, 1024, 1024, sys(writev, w, bytes(1024), 1024));
RETURNS(writev_of_1025_elements, -EINVAL, -EINVAL, sys(writev, w, bytes(1025), 1025));
RETURNS(writev_of_minus_one_elements, -EINVAL, -EINVAL, sys(writev, w, bytes(1), -1L));
RETURNS(writev_with_a_vector_at_null, -EFAULT, -EFAULT, sys(writev, w, NULL, 1));
RETURNS(writev_with_a_vector_in_a_hole, -EFAULT, -EFAULT, sys(writev, w, hole(), 1));
RETURNS(writev_with_half_a_vector, -EFAULT, -EFAULT, sys(writev, w, before_a_hole(16), 2));
RETURNS(writev_with_a_vector_in_the_kernel, -EFAULT, -EFAULT, sys(writev, w, KERNEL, 1));
RETURNS(writev_of_empty_elements, 0, 0, sys(writev, w, vector(1024, NULL, 0), 1024));
INSERTS(writev_past_an_empty_element_at_null, 7, 7,
	sys(writev, w, ((struct iovec[]){ { more, 3 }, { NULL, 0 }, { more + 3, 4 } }), 3));
RETURNS(writev_that_ends_in_null, -EFAULT, -EFAULT,
	sys(writev, w, ((struct iovec[]){ { more, 3 }, { NULL, 4 } }), 2));
RETURNS(writev_that_begins_in_null, -EFAULT, -EFAULT,
	sys(writev, w, ((struct iovec[]){ { NULL, 3 }, { more, 4 } }), 2));
RETURNS(writev_of_a_negative_length, -EINVAL, -EINVAL, sys(writev, w, one(more, SIZE_MAX), 1));
INSERTS(writev_of_ssize_max, 5000, 4096, sys(writev, w, one(before_a_hole(5000), SSIZE_MAX), 1));
RETURNS(writev_of_lengths_that_overflow, -EFAULT, -EFAULT,
	sys(writev, w, vector(3, more, SSIZE_MAX), 3));
INSERTS(writev_of_more_than_int_max, 5000, 4096,
	sys(writev, w, vector(9, before_a_hole(5000), INT_MAX), 9));
/* The pattern comes again after 251 bytes. */
INSERTS(writev_from_overlapping_elements, 451, 451,
	sys(writev, w, ((struct iovec[]){ { more, 351 }, { more + 100, 100 } }), 2));

/* preadv2 and pwritev2: flags, and offsets */
REMOVES(preadv2_with_rwf_hipri, 5, 5, reads_with(r, RWF_HIPRI));
REMOVES(preadv2_with_rwf_dsync, 5, 5, reads_with(r, RWF_DSYNC));
REMOVES(preadv2_with_rwf_sync, 5, 5, reads_with(r, RWF_SYNC));
REMOVES(preadv2_with_rwf_nowait, 5, 5, reads_with(r, RWF_NOWAIT));
REMOVES(preadv2_with_rwf_append, 5, 5, reads_with(r, RWF_APPEND));
REMOVES(preadv2_with_rwf_noappend, 5, 5, reads_with(r, RWF_NOAPPEND_));
RETURNS(preadv2_with_rwf_atomic, -EOPNOTSUPP, -EOPNOTSUPP, reads_with(r, RWF_ATOMIC_));
RETURNS(preadv2_with_rwf_dontcache, -EOPNOTSUPP, -EOPNOTSUPP, reads_with(r, RWF_DONTCACHE_));
REMOVES(preadv2_with_rwf_nosignal, 5, 5, reads_with(r, RWF_NOSIGNAL_));
RETURNS(preadv2_with_unknown_flags, -EOPNOTSUPP, -EOPNOTSUPP, reads_with(r, RWF_UNKNOWN));
RETURNS(preadv2_at_an_offset, -ESPIPE, -ESPIPE, sys(preadv2, r, one(scratch, 5), 1, 0L, 0L, 0));
RETURNS(preadv2_at_minus_two, -EINVAL, -EINVAL, sys(preadv2, r, one(scratch, 5), 1, -2L, -1L, 0));
INSERTS(pwritev2_with_rwf_hipri, 5, 5, writes_with(w, RWF_HIPRI));
INSERTS(pwritev2_with_rwf_dsync, 5, 5, writes_with(w, RWF_DSYNC));
INSERTS(pwritev2_with_rwf_sync, 5, 5, writes_with(w, RWF_SYNC));
INSERTS(pwritev2_with_rwf_nowait, 5, 5, writes_with(w, RWF_NOWAIT));
INSERTS(pwritev2_with_rwf_append, 5, 5, writes_with(w, RWF_APPEND));
INSERTS(pwritev2_with_rwf_noappend, 5, 5, writes_with(w, RWF_NOAPPEND_));
RETURNS(pwritev2_with_rwf_append_and_noappend, -EINVAL, -EINVAL,
	writes_with(w, RWF_APPEND | RWF_NOAPPEND_));
RETURNS(pwritev2_with_rwf_atomic, -EOPNOTSUPP, -EOPNOTSUPP, writes_with(w, RWF_ATOMIC_));
RETURNS(pwritev2_with_rwf_dontcache, -EOPNOTSUPP, -EOPNOTSUPP, writes_with(w, RWF_DONTCACHE_));
INSERTS(pwritev2_with_rwf_nosignal, 5, 5, writes_with(w, RWF_NOSIGNAL_));
RETURNS(pwritev2_with_unknown_flags, -EOPNOTSUPP, -EOPNOTSUPP, writes_with(w, RWF_UNKNOWN));
RETURNS(pwritev2_at_an_offset, -ESPIPE, -ESPIPE, sys(pwritev2, w, one(more, 5), 1, 0L, 0L, 0));
RETURNS(pwritev2_at_minus_two, -EINVAL, -EINVAL, sys(pwritev2, w, one(more, 5), 1, -2L, -1L, 0));

/* Positions */
RETURNS(lseek_to_where_it_is, -ESPIPE, -ESPIPE, sys(lseek, r, 0L, SEEK_CUR));
RETURNS(lseek_to_an_offset, -ESPIPE, -ESPIPE, sys(lseek, r, 10L, SEEK_SET));
RETURNS(lseek_to_the_end, -ESPIPE, -ESPIPE, sys(lseek, w, 0L, SEEK_END));
RETURNS(lseek_to_data, -ESPIPE, -ESPIPE, sys(lseek, r, 0L, SEEK_DATA));
RETURNS(lseek_to_nowhere, -EINVAL, -EINVAL, sys(lseek, r, 0L, 77));
RETURNS(pread_at_an_offset, -ESPIPE, -ESPIPE, sys(pread64, r, scratch, 5, 0L));
RETURNS(pread_at_a_negative_offset, -EINVAL, -EINVAL, sys(pread64, r, scratch, 5, -1L));
RETURNS(preadv_at_an_offset, -ESPIPE, -ESPIPE, sys(preadv, r, one(scratch, 5), 1, 0L, 0L));
RETURNS(pwrite_at_an_offset, -ESPIPE, -ESPIPE, sys(pwrite64, w, more, 5, 0L));
RETURNS(pwrite_at_a_negative_offset, -EINVAL, -EINVAL, sys(pwrite64, w, more, 5, -1L));
RETURNS(pwritev_at_an_offset, -ESPIPE, -ESPIPE, sys(pwritev, w, one(more, 5), 1, 0L, 0L));

/* ioctl */
RETURNS(ioctl_fionread, 0, 0, sys(ioctl, r, FIONREAD, scratch));
RETURNS(ioctl_fionread_into_null, -EFAULT, -EFAULT, sys(ioctl, r, FIONREAD, NULL));
RETURNS(ioctl_fionread_into_read_only, -EFAULT, -EFAULT,
	sys(ioctl, w, FIONREAD, page(PROT_READ)));
RETURNS(ioctl_fionread_into_the_kernel, -EFAULT, -EFAULT, sys(ioctl, w, FIONREAD, KERNEL));
RETURNS(ioctl_fionread_of_o_path, -EBADF, -EBADF,
	sys(ioctl, open(path, O_PATH), FIONREAD, scratch));
RETURNS(ioctl_tcgets, -ENOTTY, -ENOTTY, sys(ioctl, r, TCGETS, scratch));
RETURNS(ioctl_tiocgwinsz, -ENOTTY, -ENOTTY, sys(ioctl, w, TIOCGWINSZ, scratch));
RETURNS(ioctl_nobody_has, -ENOTTY, -ENOTTY, sys(ioctl, r, _IO('?', 77), scratch));
RETURNS(ioctl_nobody_has_into_the_kernel, -ENOTTY, -ENOTTY,
	sys(ioctl, r, _IOWR('?', 77, long), KERNEL));
RETURNS(ioctl_zero, -ENOTTY, -ENOTTY, sys(ioctl, r, 0, NULL));
RETURNS(ioctl_fs_ioc_getflags, -ENOTTY, -ENOTTY, sys(ioctl, r, FS_IOC_GETFLAGS, scratch));
RETURNS(ioctl_fionbio, 0, 0, sets_on(r, FIONBIO, 1));
RETURNS(ioctl_fionbio_from_null, -EFAULT, -EFAULT, sys(ioctl, r, FIONBIO, NULL));
RETURNS(ioctl_fioasync, 0, 0, sets_on(r, FIOASYNC, 1));
RETURNS(ioctl_fioclex, 0, 0, sys(ioctl, r, FIOCLEX, 0));

/* The ioctls of uapi/mini_pipe.h, which a pipe(2) does not have */
RETURNS(pair_of_null, -EFAULT, -ENOTTY, sys(ioctl, r, MINI_PIPE_IOC_PAIR, NULL));
RETURNS(pair_of_a_hole, -EFAULT, -ENOTTY, sys(ioctl, r, MINI_PIPE_IOC_PAIR, hole()));
RETURNS(pair_of_half_an_argument, -EFAULT, -ENOTTY,
	sys(ioctl, r, MINI_PIPE_IOC_PAIR, before_a_hole(8)));
RETURNS(pair_of_read_only, -EFAULT, -ENOTTY, sys(ioctl, r, MINI_PIPE_IOC_PAIR, page(PROT_READ)));
RETURNS(pair_of_the_kernel, -EFAULT, -ENOTTY, sys(ioctl, r, MINI_PIPE_IOC_PAIR, KERNEL));
RETURNS(pair_with_unknown_flags, -EINVAL, -ENOTTY, makes_pair(r, 0x40000000, 0));
RETURNS(pair_with_an_access_mode, -EINVAL, -ENOTTY, makes_pair(r, O_RDWR, 0));
RETURNS(pair_of_more_than_a_gibibyte, -EINVAL, -ENOTTY, makes_pair(r, 0, (1U << 30) + 1));
RETURNS(pair_of_uint_max, -EINVAL, -ENOTTY, makes_pair(r, 0, UINT_MAX));
RETURNS(pair_of_another_size, -ENOTTY, -ENOTTY,
	sys(ioctl, r, _IOWR(MINI_PIPE_IOC_MAGIC, 1, long), scratch));
RETURNS(get_capacity_whatever_the_argument, 65536, -ENOTTY,
	sys(ioctl, r, MINI_PIPE_IOC_GET_CAPACITY, KERNEL));
RETURNS(set_capacity_to_0, -EINVAL, -ENOTTY, sys(ioctl, w, MINI_PIPE_IOC_SET_CAPACITY, 0L));
RETURNS(set_capacity_to_fewer_than_it_holds, -EBUSY, -ENOTTY,
	sys(ioctl, w, MINI_PIPE_IOC_SET_CAPACITY, 9L));
RETURNS(set_capacity_to_more_than_a_gibibyte, -EINVAL, -ENOTTY,
	sys(ioctl, w, MINI_PIPE_IOC_SET_CAPACITY, (1L << 30) + 1));
RETURNS(set_capacity_to_more_than_int_max, -EINVAL, -ENOTTY,
	sys(ioctl, w, MINI_PIPE_IOC_SET_CAPACITY, HUGE_LEN + 65536));
RETURNS(set_capacity_to_minus_one, -EINVAL, -ENOTTY,
	sys(ioctl, w, MINI_PIPE_IOC_SET_CAPACITY, -1L));
RETURNS(get_policy_whatever_the_argument, 0, -ENOTTY,
	sys(ioctl, r, MINI_PIPE_IOC_GET_POLICY, KERNEL));
RETURNS(set_policy_to_none_that_there_is, -EINVAL, -ENOTTY,
	sys(ioctl, r, MINI_PIPE_IOC_SET_POLICY, 2L));
RETURNS(set_policy_to_more_than_int_max, -EINVAL, -ENOTTY,
	sys(ioctl, r, MINI_PIPE_IOC_SET_POLICY, HUGE_LEN + 1));
RETURNS(set_policy_to_minus_one, -EINVAL, -ENOTTY, sys(ioctl, r, MINI_PIPE_IOC_SET_POLICY, -1L));
RETURNS(set_policy_while_there_are_bytes, -EBUSY, -ENOTTY,
	sys(ioctl, r, MINI_PIPE_IOC_SET_POLICY, 1L));
RETURNS(ioctl_of_its_kind_that_is_not_there, -ENOTTY, -ENOTTY,
	sys(ioctl, r, _IO(MINI_PIPE_IOC_MAGIC, 77), scratch));

/* fcntl */
RETURNS(fcntl_f_getpipe_sz, -EBADF, 65536, sys(fcntl, r, F_GETPIPE_SZ, 0));
RETURNS(fcntl_f_setpipe_sz, -EBADF, 8192, sys(fcntl, r, F_SETPIPE_SZ, 8192));
RETURNS(fcntl_o_direct, 0, 0, sys(fcntl, r, F_SETFL, O_DIRECT | O_NONBLOCK));
RETURNS(fcntl_o_async, 0, 0, sys(fcntl, r, F_SETFL, O_ASYNC | O_NONBLOCK));
RETURNS(fcntl_o_async_stays, O_ASYNC, O_ASYNC, has_flag_after(r, O_ASYNC, O_ASYNC));
RETURNS(fcntl_o_append, 0, 0, sys(fcntl, w, F_SETFL, O_APPEND | O_NONBLOCK));
RETURNS(fcntl_o_wronly_on_a_reader, 0, 0, has_flag_after(r, O_WRONLY, O_ACCMODE));
RETURNS(fcntl_f_setlk_shared, 0, 0, locks(r, F_SETLK, F_RDLCK));
RETURNS(fcntl_f_setlk_shared_on_a_writer, -EBADF, -EBADF, locks(w, F_SETLK, F_RDLCK));
RETURNS(fcntl_f_setlk_of_no_type, -EINVAL, -EINVAL, locks(r, F_SETLK, 77));
RETURNS(fcntl_f_setlease, -EINVAL, -EINVAL, sys(fcntl, r, F_SETLEASE, F_RDLCK));
RETURNS(fcntl_f_get_seals, -EINVAL, -EINVAL, sys(fcntl, r, F_GET_SEALS, 0));
RETURNS(fcntl_f_add_seals, -EINVAL, -EINVAL, sys(fcntl, w, F_ADD_SEALS, F_SEAL_WRITE));
RETURNS(fcntl_f_setsig_77, -EINVAL, -EINVAL, sys(fcntl, r, F_SETSIG, 77));
RETURNS(fcntl_nobody_has, -EINVAL, -EINVAL, sys(fcntl, r, 7777, 0));

/* What files have */
RETURNS(mmap_shared, -ENODEV, -ENODEV, maps(r, PROT_READ, MAP_SHARED));
RETURNS(mmap_private, -ENODEV, -ENODEV, maps(r, PROT_READ, MAP_PRIVATE));
RETURNS(mmap_the_writing_end, -EACCES, -EACCES, maps(w, PROT_WRITE, MAP_SHARED));
RETURNS(ftruncate_to_0, -EINVAL, -EINVAL, sys(ftruncate, w, 0L));
RETURNS(ftruncate_to_minus_1, -EINVAL, -EINVAL, sys(ftruncate, w, -1L));
RETURNS(ftruncate_of_the_reading_end, -EINVAL, -EINVAL, sys(ftruncate, r, 0L));
RETURNS(fallocate_of_5_bytes, -ENODEV, -ESPIPE, sys(fallocate, w, 0, 0L, 5L));
RETURNS(fsync_of_the_writing_end, -EINVAL, -EINVAL, sys(fsync, w));
RETURNS(fdatasync_of_the_writing_end, -EINVAL, -EINVAL, sys(fdatasync, w));
RETURNS(sync_file_range_of_5_bytes, -ESPIPE, -ESPIPE, sys(sync_file_range, w, 0L, 5L, 0));
RETURNS(readahead_of_5_bytes, -EINVAL, -EINVAL, sys(readahead, r, 0L, 5L));
RETURNS(fadvise_dontneed, 0, -ESPIPE, sys(fadvise64, r, 0L, 5L, POSIX_FADV_DONTNEED));
RETURNS(fadvise_nothing_known, -EINVAL, -ESPIPE, sys(fadvise64, r, 0L, 5L, 77));
RETURNS(fstat_into_null, -EFAULT, -EFAULT, sys(fstat, r, NULL));
RETURNS(fstatfs_into_scratch, 0, 0, sys(fstatfs, r, scratch));
RETURNS(flock_exclusively, 0, 0, sys(flock, r, LOCK_EX | LOCK_NB));
RETURNS(flock_in_no_way, -EINVAL, -EINVAL, sys(flock, r, 77));
RETURNS(execveat_the_reading_end, -EACCES, -EACCES,
	sys(execveat, r, "", NULL, NULL, AT_EMPTY_PATH));

/* What directories and sockets have */
RETURNS(getdents_of_it, -ENOTDIR, -ENOTDIR, sys(getdents64, r, scratch, sizeof(scratch)));
RETURNS(fchdir_to_it, -ENOTDIR, -ENOTDIR, sys(fchdir, r));
RETURNS(openat_below_it, -ENOTDIR, -ENOTDIR, sys(openat, r, "below", O_RDONLY, 0));
RETURNS(connect_it, -ENOTSOCK, -ENOTSOCK, sys(connect, r, scratch, 16));
RETURNS(bind_it, -ENOTSOCK, -ENOTSOCK, sys(bind, r, scratch, 16));
RETURNS(send_on_it, -ENOTSOCK, -ENOTSOCK, sys(sendto, w, more, 5, 0, NULL, 0));
RETURNS(receive_from_it, -ENOTSOCK, -ENOTSOCK, sys(recvfrom, r, scratch, 5, 0, NULL, NULL));
RETURNS(shutdown_it, -ENOTSOCK, -ENOTSOCK, sys(shutdown, w, SHUT_WR));

/* From file to file */
INSERTS(sendfile_to_it, 5, 5, sys(sendfile, w, file(), NULL, 5));
INSERTS(sendfile_more_than_there_is_to_it, 5, 5, sys(sendfile, w, file(), NULL, INT_MAX));
INSERTS(sendfile_to_it_with_o_append, -EINVAL, 5, sys(sendfile, appending(w), file(), NULL, 5));
RETURNS(sendfile_to_the_reading_end, -EBADF, -EBADF, sys(sendfile, r, file(), NULL, 5));
RETURNS(sendfile_from_it, -EINVAL, -EINVAL, sys(sendfile, file(), r, NULL, 5));
REMOVES(sendfile_from_it_to_a_pipe, 5, -EINVAL, sys(sendfile, other_end(1), r, NULL, 5));
RETURNS(sendfile_from_an_offset_of_it, -ESPIPE, -ESPIPE,
	sys(sendfile, other_end(1), r, memset(scratch, 0, 8), 5));
INSERTS(splice_to_it, 5, 5, sys(splice, filled(), NULL, w, NULL, 5, 0));
INSERTS(splice_to_it_with_o_append, -EINVAL, 5,
	sys(splice, filled(), NULL, appending(w), NULL, 5, 0));
RETURNS(splice_to_an_offset_of_it, -EINVAL, -ESPIPE,
	sys(splice, filled(), NULL, w, scratch, 5, 0));
RETURNS(splice_to_the_reading_end, -EBADF, -EBADF, sys(splice, filled(), NULL, r, NULL, 5, 0));
INSERTS(splice_from_a_file_to_it, -EINVAL, 5, sys(splice, file(), NULL, w, NULL, 5, 0));
REMOVES(splice_from_it, 5, 5, sys(splice, r, NULL, other_end(1), NULL, 5, 0));
REMOVES(splice_more_than_there_is, 10, 10, sys(splice, r, NULL, other_end(1), NULL, SSIZE_MAX, 0));
RETURNS(splice_from_an_offset_of_it, -EINVAL, -ESPIPE,
	sys(splice, r, scratch, other_end(1), NULL, 5, 0));
RETURNS(splice_from_the_writing_end, -EBADF, -EBADF,
	sys(splice, w, NULL, other_end(1), NULL, 5, 0));
REMOVES(splice_from_it_to_a_file, -EINVAL, 5, sys(splice, r, NULL, file(), NULL, 5, 0));
REMOVES(splice_from_it_to_a_private_pipe, -EINVAL, 5,
	sys(splice, r, NULL, private_end(1), NULL, 5, 0));
RETURNS(splice_from_it_to_itself, -EINVAL, -EINVAL, sys(splice, r, NULL, w, NULL, 5, 0));
RETURNS(splice_nothing, 0, 0, sys(splice, r, NULL, other_end(1), NULL, 0, 0));
RETURNS(splice_with_unknown_flags, -EINVAL, -EINVAL,
	sys(splice, r, NULL, other_end(1), NULL, 5, 0x40000000));
RETURNS(tee_from_it, -EINVAL, 5, sys(tee, r, other_end(1), 5, 0));
INSERTS(tee_to_it, -EINVAL, 5, sys(tee, filled(), w, 5, 0));
RETURNS(tee_from_the_writing_end, -EBADF, -EBADF, sys(tee, w, other_end(1), 5, 0));
INSERTS(vmsplice_to_it, -EBADF, 5, sys(vmsplice, w, one(more, 5), 1, 0));
REMOVES(vmsplice_from_it, -EBADF, 5, sys(vmsplice, r, one(scratch, 5), 1, 0));
RETURNS(copy_file_range_to_it, -EINVAL, -EINVAL, sys(copy_file_range, file(), NULL, w, NULL, 5, 0));
RETURNS(copy_file_range_from_it, -EINVAL, -EINVAL,
	sys(copy_file_range, r, NULL, file(), NULL, 5, 0));

/* poll, select, epoll */
RETURNS(poll_for_all_events, 1, 1, polls(r, -1, 1));
RETURNS(poll_for_no_events, 0, 0, polls(r, 0, 1));
RETURNS(poll_for_what_it_never_has, 0, 0, polls(r, POLLPRI | POLLRDBAND | POLLMSG | POLLRDHUP, 1));
RETURNS(poll_for_writing_at_the_reading_end, 0, 0, polls(r, POLLOUT, 1));
RETURNS(poll_for_reading_at_the_writing_end, 0, 0, polls(w, POLLIN, 1));
RETURNS(poll_of_no_set, -EFAULT, -EFAULT, sys(poll, NULL, 1, 0));
RETURNS(poll_of_more_than_can_be_open, -EINVAL, -EINVAL, polls(r, POLLIN, -1));
RETURNS(select_of_minus_1, -EINVAL, -EINVAL, selects(-1, r));
RETURNS(select_of_fewer, 0, 0, selects(r, r));
RETURNS(select_of_more_than_can_be_open, 1, 1, selects(INT_MAX, r));
RETURNS(select_of_a_set_in_the_kernel, -EFAULT, -EFAULT,
	sys(select, r + 1, KERNEL, NULL, NULL, NULL));
RETURNS(epoll_add_twice, -EEXIST, -EEXIST, adds(epoll_of(r), r, EPOLL_CTL_ADD, EPOLLIN));
RETURNS(epoll_add_no_event, -EFAULT, -EFAULT, sys(epoll_ctl, epoll_of(-1), EPOLL_CTL_ADD, r, NULL));
RETURNS(epoll_add_to_it, -EINVAL, -EINVAL, adds(r, w, EPOLL_CTL_ADD, EPOLLIN));
RETURNS(epoll_exclusive_and_oneshot, -EINVAL, -EINVAL,
	adds(epoll_of(-1), r, EPOLL_CTL_ADD, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT));
RETURNS(epoll_modify_what_is_not_in, -ENOENT, -ENOENT,
	adds(epoll_of(-1), r, EPOLL_CTL_MOD, EPOLLIN));
RETURNS(epoll_delete_what_is_not_in, -ENOENT, -ENOENT, adds(epoll_of(-1), r, EPOLL_CTL_DEL, 0));
RETURNS(epoll_do_nothing_known, -EINVAL, -EINVAL, adds(epoll_of(-1), r, 77, EPOLLIN));

/* io_uring */
REMOVES(uring_read_at_an_offset, 5, 5, uring(READ, r, scratch, 5, 77, 0));
RETURNS(uring_read_into_null, -EFAULT, -EFAULT, uring(READ, r, NULL, 5, -1, 0));
RETURNS(uring_read_into_the_kernel, -EFAULT, -EFAULT, uring(READ, r, KERNEL, 5, -1, 0));
RETURNS(uring_read_nothing, 0, 0, uring(READ, r, NULL, 0, -1, 0));
REMOVES(uring_read_uint_max, 10, 10, uring(READ, r, scratch, UINT_MAX, -1, 0));
RETURNS(uring_read_from_the_writing_end, -EBADF, -EBADF, uring(READ, w, scratch, 5, -1, 0));
REMOVES(uring_read_with_rwf_nowait, 5, 5, uring(READ, r, scratch, 5, -1, RWF_NOWAIT));
RETURNS(uring_read_with_unknown_flags, -EOPNOTSUPP, -EOPNOTSUPP,
	uring(READ, r, scratch, 5, -1, RWF_UNKNOWN));
RETURNS(uring_readv_of_1025_elements, -EINVAL, -EINVAL,
	uring(READV, r, vector(1025, scratch, 1), 1025, -1, 0));
RETURNS(uring_read_into_no_registered_buffer, -EFAULT, -EFAULT,
	uring(READ_FIXED, r, scratch, 5, -1, 0));
INSERTS(uring_write_at_an_offset, 5, 5, uring(WRITE, w, more, 5, 77, 0));
RETURNS(uring_write_from_null, -EFAULT, -EFAULT, uring(WRITE, w, NULL, 5, -1, 0));
RETURNS(uring_write_to_the_reading_end, -EBADF, -EBADF, uring(WRITE, r, more, 5, -1, 0));
RETURNS(uring_fsync, -EINVAL, -EINVAL, uring(FSYNC, w, NULL, 0, 0, 0));
RETURNS(uring_ftruncate, -EINVAL, -EINVAL, uring(FTRUNCATE, w, NULL, 0, 0, 0));
RETURNS(uring_receive, -ENOTSOCK, -ENOTSOCK, uring(RECV, r, scratch, 5, 0, 0));
RETURNS(uring_nothing_known, -EINVAL, -EINVAL, make_uring(250, r, scratch, 5, -1, 0));

TEST_HARNESS_MAIN
