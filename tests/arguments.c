// SPDX-License-Identifier: GPL-2.0
/*
 * Calls with bad or odd arguments, and calls for other kinds of file, each on the device and on a
 * pipe(2). No byte is lost, duplicated or invented, and the device loses no room.
 * CALLS.md has the same rows in words; make check compares the two.
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

/* Many C libraries do not define these. */
#define RWF_NOAPPEND_ 0x20
#define RWF_ATOMIC_ 0x40
#define RWF_DONTCACHE_ 0x80
#define RWF_NOSIGNAL_ 0x100
#define RWF_UNKNOWN 0x40000000

/* How many bytes of the pattern each pipe holds before the call. */
#define HELD 10

/* Too many bytes for any one call. */
#define HUGE_LEN 0x100000000UL

#define KERNEL ((char *)(~0UL << 20))
#define NOT_CANONICAL ((char *)0x4000000000000000UL)
/* Five bytes from here on reach beyond the last address. */
#define LAST_BYTES ((char *)-3L)

static char scratch[2 * LARGEST_PAGE];

/* The pattern from byte HELD on, for calls that write. */
static unsigned char more[2 * LARGEST_PAGE];

/* The system call itself, because the C library has checks of its own. */
#define sys(call, ...) syscall(__NR_##call, __VA_ARGS__)

struct ends {
	const char *path;
	int r;
	int w;
};

/* Both pipes are non-blocking and hold the same bytes. */
FIXTURE(call)
{
	ssize_t capacity;
	struct ends device;
	struct ends pipe;
};

struct row {
	void (*make)(const char *path, int r, int w, long *ret);
	/* The result, or -errno. */
	long on_device;
	long on_pipe;
	/* The result is bytes read (removes) or written (inserts), or a capacity (resizes). */
	bool removes;
	bool inserts;
	bool resizes;
};

FIXTURE_VARIANT(call)
{
	struct row row;
};

#define ROW(name, on_device_, on_pipe_, kind, ...)						\
	static void make_##name(const char *path __maybe_unused, int r __maybe_unused,		\
				int w __maybe_unused, long *ret)				\
	{											\
		*ret = __VA_ARGS__;								\
	}											\
	FIXTURE_VARIANT_ADD(call, name)								\
	{											\
		.row = {									\
			.make = make_##name, .on_device = on_device_, .on_pipe = on_pipe_, kind	\
		},										\
	}

/* A call that leaves all bytes in place: its results on the device and on a pipe(2). */
#define RETURNS(name, on_device, on_pipe, ...)							\
	ROW(name, on_device, on_pipe, .resizes = false, __VA_ARGS__)
/* The result is a capacity, or a count of bytes read, or written: see in_pages(). */
#define RESIZES(name, on_device, on_pipe, ...)							\
	ROW(name, on_device, on_pipe, .resizes = true, __VA_ARGS__)
#define REMOVES(name, on_device, on_pipe, ...)							\
	ROW(name, on_device, on_pipe, .removes = true, __VA_ARGS__)
#define INSERTS(name, on_device, on_pipe, ...)							\
	ROW(name, on_device, on_pipe, .inserts = true, __VA_ARGS__)

static void write_held_bytes(struct __test_metadata *_metadata, const struct ends *ends)
{
	put_pattern(big_buffer(), 0, HELD);
	ASSERT_EQ(HELD, write(ends->w, big_buffer(), HELD));
}

static ssize_t room_needed(const struct row *row)
{
	return row->inserts && row->on_device > 0 ? in_pages(row->on_device) : HELD;
}

FIXTURE_SETUP(call)
{
	static char path[32];
	int fds[2];

	self->capacity = set_up_pipe(_metadata);
	if (!has_capacity(_metadata, self->capacity, HELD + room_needed(&variant->row)))
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
	write_held_bytes(_metadata, &self->device);
	write_held_bytes(_metadata, &self->pipe);
}

FIXTURE_TEARDOWN(call)
{
	kill_children(_metadata);
}

/* Whether the call uses before_unmapped(). */
static bool faults;

static void expect(struct __test_metadata *_metadata, const struct row *row,
		   const struct ends *ends, long expected)
{
	long got, moved, from, to;

	faults = false;
	row->make(ends->path, ends->r, ends->w, &got);
	if (got < 0)
		got = -errno;
	if (got == -ENOSYS)
		SKIP(return, "this machine does not have or allow the call");
	if (row->removes || row->inserts || row->resizes)
		expected = in_pages(expected);
	if (!faults || !is_count_until_fault(got, expected))
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

TEST_F(call, returns_what_calls_md_says)
{
	expect(_metadata, &variant->row, &self->device, variant->row.on_device);
	expect(_metadata, &variant->row, &self->pipe, variant->row.on_pipe);
	EXPECT_EQ(self->capacity, fill_pipe(_metadata, self->device.w));
}

/* Arguments */

static char *map(int pages, int prot)
{
	return mmap(NULL, pages * page_size(), prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static char *page(int prot)
{
	return map(1, prot);
}

/* The pattern from byte HELD on: in_pages(good) bytes, right before an unmapped page. */
static char *before_unmapped(size_t good)
{
	char *unmapped = map(3, PROT_READ | PROT_WRITE) + 2 * page_size();
	size_t len = in_pages(good);

	faults = true;
	munmap(unmapped, page_size());
	return memcpy(unmapped - len, more, len);
}

static char *unmapped(void)
{
	return before_unmapped(0);
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

/* The pattern from byte HELD on, in elements of one byte. */
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

static int pipe_2_end(int end)
{
	int fds[2];

	pipe2(fds, O_NONBLOCK);
	return fds[end];
}

/* The reading end of another pipe(2), with 5 bytes of the pattern, from HELD on. */
static int filled_pipe(void)
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

static long read_overlapping(int r)
{
	struct iovec overlapping[] = { { scratch, 5 }, { scratch + 2, 3 } };
	long n = readv(r, overlapping, 2);

	return memcmp(scratch, (char[]){ 0, 1, 5, 6, 7 }, 5) == 0 ? n : 0;
}

/* At offset -1, preadv2 and pwritev2 act as readv and writev. */
static long read_with(int r, int flags)
{
	return sys(preadv2, r, one(scratch, 5), 1, -1L, -1L, flags);
}

static long write_with(int w, int flags)
{
	return sys(pwritev2, w, one(more, 5), 1, -1L, -1L, flags);
}

/* Returns 0 if the file can be opened with these flags. */
static long try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_NONBLOCK, 0600);

	return fd < 0 ? fd : close(fd);
}

static long try_openat2(const char *path, long flags, long resolve)
{
	struct open_how how = { .flags = flags, .resolve = resolve };
	int fd = sys(openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? fd : close(fd);
}

static long try_mmap(int fd, int prot, int flags)
{
	return mmap(NULL, PIPE_BUF, prot, flags, fd, 0) == MAP_FAILED ? -1 : 0;
}

static long set_lock(int fd, int cmd, short type)
{
	struct flock lock = { .l_type = type, .l_len = 1 };

	return fcntl(fd, cmd, &lock);
}

static long get_flag_after(int fd, int flags, int flag)
{
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	return fcntl(fd, F_GETFL) & flag;
}

static long ioctl_int(int fd, int request, int on)
{
	return ioctl(fd, request, &on);
}

static long ioctl_pair(int fd, unsigned int flags, unsigned int capacity)
{
	struct mini_pipe_pair pair = { .flags = flags, .capacity = capacity };

	return sys(ioctl, fd, MINI_PIPE_IOC_PAIR, &pair);
}

static long do_poll(int fd, short events, int count)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	return sys(ppoll, &pollfd, count, &(struct timespec){}, NULL, 0);
}

static long change_epoll(int epoll, int fd, int op, int events)
{
	struct epoll_event event = { .events = events };

	return sys(epoll_ctl, epoll, op, fd, &event);
}

static int epoll_of(int fd)
{
	int epoll = epoll_create1(0);

	if (fd >= 0)
		change_epoll(epoll, fd, EPOLL_CTL_ADD, EPOLLIN);
	return epoll;
}

/* One operation of io_uring, complete on return. The offset -1 is the position of the file. */
static long make_uring(int op, int fd, void *buf, unsigned int len, long offset, int flags)
{
	struct completion completion;
	struct uring ring;

	if (!uring_open(&ring)) {
		errno = ENOSYS;
		return -1;
	}
	uring_queue(&ring, (struct io_uring_sqe){
		.opcode = op, .fd = fd, .addr = (unsigned long)buf, .len = len, .off = offset,
		.rw_flags = flags,
	});
	if (uring_enter(&ring, 1) != 1 || !uring_reap(&ring, &completion))
		return -1;
	errno = -completion.res;
	return completion.res < 0 ? -1 : completion.res;
}

#define uring(op, ...) make_uring(IORING_OP_##op, __VA_ARGS__)

static long do_select(int count, int fd)
{
	struct timespec now = {};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return sys(pselect6, count, &set, NULL, NULL, &now, NULL);
}

/* open */
RETURNS(open_with_o_path, 0, 0, try_open(path, O_PATH));
RETURNS(read_from_o_path_descriptor, -EBADF, -EBADF, sys(read, open(path, O_PATH), scratch, 5));
RETURNS(open_with_o_creat, 0, 0, try_open(path, O_RDWR | O_CREAT));
RETURNS(open_with_o_creat_and_o_excl, -EEXIST, -EEXIST, try_open(path, O_RDWR | O_CREAT | O_EXCL));
RETURNS(open_with_o_directory, -ENOTDIR, -ENOTDIR, try_open(path, O_RDONLY | O_DIRECTORY));
RETURNS(open_with_o_tmpfile, -ENOTDIR, -ENOTDIR, try_open(path, O_RDWR | O_TMPFILE));
RETURNS(open_with_o_trunc, 0, 0, try_open(path, O_WRONLY | O_TRUNC));
RETURNS(open_with_o_append, 0, 0, try_open(path, O_WRONLY | O_APPEND));
RETURNS(open_with_o_direct, 0, -EINVAL, try_open(path, O_RDWR | O_DIRECT));
RETURNS(open_with_o_async, 0, 0, try_open(path, O_RDWR | O_ASYNC));
RETURNS(open_with_o_sync, 0, 0, try_open(path, O_RDWR | O_SYNC));
RETURNS(open_with_access_mode_3, 0, -EINVAL, try_open(path, O_ACCMODE));
RETURNS(open_with_unknown_flags, 0, 0, try_open(path, O_RDWR | 0x40000000));
RETURNS(openat2_with_unknown_flags, -EINVAL, -EINVAL, try_openat2(path, 0x40000000, 0));
RETURNS(openat2_with_unknown_resolve, -EINVAL, -EINVAL, try_openat2(path, O_RDWR, 0x40000000));

/* The buffers of read and write */
RETURNS(read_into_null, -EFAULT, -EFAULT, sys(read, r, NULL, 5));
RETURNS(read_into_unmapped_page, -EFAULT, -EFAULT, sys(read, r, unmapped(), 5));
RETURNS(read_into_prot_none_page, -EFAULT, -EFAULT, sys(read, r, page(PROT_NONE), 5));
RETURNS(read_into_read_only_page, -EFAULT, -EFAULT, sys(read, r, page(PROT_READ), 5));
RETURNS(read_into_kernel_address, -EFAULT, -EFAULT, sys(read, r, KERNEL, 5));
RETURNS(read_into_non_canonical_address, -EFAULT, -EFAULT, sys(read, r, NOT_CANONICAL, 5));
RETURNS(read_past_last_address, -EFAULT, -EFAULT, sys(read, r, LAST_BYTES, 5));
REMOVES(read_into_partly_mapped_buffer, 3, -EFAULT, sys(read, r, before_unmapped(3), 5));
RETURNS(write_from_null, -EFAULT, -EFAULT, sys(write, w, NULL, 5));
RETURNS(write_from_unmapped_page, -EFAULT, -EFAULT, sys(write, w, unmapped(), 5));
RETURNS(write_from_prot_none_page, -EFAULT, -EFAULT, sys(write, w, page(PROT_NONE), 5));
RETURNS(write_from_kernel_address, -EFAULT, -EFAULT, sys(write, w, KERNEL, 5));
RETURNS(write_from_non_canonical_address, -EFAULT, -EFAULT, sys(write, w, NOT_CANONICAL, 5));
RETURNS(write_past_last_address, -EFAULT, -EFAULT, sys(write, w, LAST_BYTES, 5));
RETURNS(write_from_partly_mapped_buffer, -EFAULT, -EFAULT, sys(write, w, before_unmapped(3), 5));
INSERTS(large_write_from_partly_mapped_buffer, 5000, 1904,
	sys(write, w, before_unmapped(5000), in_pages(6000)));
RETURNS(large_write_from_null, -EFAULT, -EFAULT, sys(write, w, NULL, in_pages(6000)));

/* The lengths of read and write */
RETURNS(read_0_bytes, 0, 0, sys(read, r, scratch, 0));
RETURNS(read_0_bytes_into_null, 0, 0, sys(read, r, NULL, 0));
RETURNS(read_0_bytes_into_kernel_address, -EFAULT, -EFAULT, sys(read, r, KERNEL, 0));
REMOVES(read_int_max_bytes, 10, 10, sys(read, r, scratch, INT_MAX));
REMOVES(read_more_than_int_max_bytes, 10, 10, sys(read, r, scratch, HUGE_LEN));
RETURNS(read_ssize_max_bytes, -EFAULT, -EFAULT, sys(read, r, scratch, SSIZE_MAX));
RETURNS(read_size_max_bytes, -EFAULT, -EFAULT, sys(read, r, scratch, SIZE_MAX));
RETURNS(write_0_bytes, 0, 0, sys(write, w, scratch, 0));
RETURNS(write_0_bytes_from_null, 0, 0, sys(write, w, NULL, 0));
RETURNS(write_0_bytes_from_kernel_address, -EFAULT, -EFAULT, sys(write, w, KERNEL, 0));
INSERTS(write_int_max_bytes, 5000, 4096, sys(write, w, before_unmapped(5000), INT_MAX));
INSERTS(write_more_than_int_max_bytes, 5000, 4096, sys(write, w, before_unmapped(5000), HUGE_LEN));
RETURNS(write_ssize_max_bytes, -EFAULT, -EFAULT, sys(write, w, more, SSIZE_MAX));
RETURNS(write_size_max_bytes, -EFAULT, -EFAULT, sys(write, w, more, SIZE_MAX));

/* The wrong end */
RETURNS(read_from_writing_end, -EBADF, -EBADF, sys(read, w, scratch, 5));
RETURNS(write_to_reading_end, -EBADF, -EBADF, sys(write, r, more, 5));
RETURNS(read_0_bytes_from_writing_end, -EBADF, -EBADF, sys(read, w, scratch, 0));
RETURNS(write_0_bytes_to_reading_end, -EBADF, -EBADF, sys(write, r, more, 0));
RETURNS(readv_from_writing_end, -EBADF, -EBADF, sys(readv, w, one(scratch, 5), 1));
RETURNS(writev_to_reading_end, -EBADF, -EBADF, sys(writev, r, one(more, 5), 1));

/* Vectors */
RETURNS(readv_of_0_elements, 0, 0, sys(readv, r, one(scratch, 5), 0));
RETURNS(readv_of_0_elements_at_null, 0, 0, sys(readv, r, NULL, 0));
REMOVES(readv_of_1024_elements, 10, 10, sys(readv, r, vector(1024, scratch, 1), 1024));
RETURNS(readv_of_1025_elements, -EINVAL, -EINVAL, sys(readv, r, vector(1025, scratch, 1), 1025));
RETURNS(readv_of_minus_1_elements, -EINVAL, -EINVAL, sys(readv, r, one(scratch, 1), -1L));
RETURNS(readv_with_vector_at_null, -EFAULT, -EFAULT, sys(readv, r, NULL, 1));
RETURNS(readv_with_unmapped_vector, -EFAULT, -EFAULT, sys(readv, r, unmapped(), 1));
RETURNS(readv_with_partly_mapped_vector, -EFAULT, -EFAULT, sys(readv, r, before_unmapped(16), 2));
RETURNS(readv_with_vector_at_kernel_address, -EFAULT, -EFAULT, sys(readv, r, KERNEL, 1));
RETURNS(readv_of_empty_elements, 0, 0, sys(readv, r, vector(1024, NULL, 0), 1024));
REMOVES(readv_past_empty_element_at_null, 7, 7,
	sys(readv, r, ((struct iovec[]){ { scratch, 3 }, { NULL, 0 }, { scratch, 4 } }), 3));
REMOVES(readv_that_ends_at_null, 3, -EFAULT,
	sys(readv, r, ((struct iovec[]){ { scratch, 3 }, { NULL, 4 } }), 2));
RETURNS(readv_that_begins_at_null, -EFAULT, -EFAULT,
	sys(readv, r, ((struct iovec[]){ { NULL, 3 }, { scratch, 4 } }), 2));
RETURNS(readv_of_negative_length, -EINVAL, -EINVAL, sys(readv, r, one(scratch, SIZE_MAX), 1));
REMOVES(readv_of_ssize_max_bytes, 10, 10, sys(readv, r, one(scratch, SSIZE_MAX), 1));
RETURNS(readv_of_lengths_that_overflow, -EFAULT, -EFAULT,
	sys(readv, r, vector(3, scratch, SSIZE_MAX), 3));
REMOVES(readv_of_more_than_int_max_bytes, 10, 10, sys(readv, r, vector(9, scratch, INT_MAX), 9));
REMOVES(readv_into_overlapping_elements, 8, 8, read_overlapping(r));
RETURNS(writev_of_0_elements, 0, 0, sys(writev, w, one(more, 5), 0));
RETURNS(writev_of_0_elements_at_null, 0, 0, sys(writev, w, NULL, 0));
INSERTS(writev_of_1024_elements, 1024, 1024, sys(writev, w, bytes(1024), 1024));
RETURNS(writev_of_1025_elements, -EINVAL, -EINVAL, sys(writev, w, bytes(1025), 1025));
RETURNS(writev_of_minus_1_elements, -EINVAL, -EINVAL, sys(writev, w, bytes(1), -1L));
RETURNS(writev_with_vector_at_null, -EFAULT, -EFAULT, sys(writev, w, NULL, 1));
RETURNS(writev_with_unmapped_vector, -EFAULT, -EFAULT, sys(writev, w, unmapped(), 1));
RETURNS(writev_with_partly_mapped_vector, -EFAULT, -EFAULT, sys(writev, w, before_unmapped(16), 2));
RETURNS(writev_with_vector_at_kernel_address, -EFAULT, -EFAULT, sys(writev, w, KERNEL, 1));
RETURNS(writev_of_empty_elements, 0, 0, sys(writev, w, vector(1024, NULL, 0), 1024));
INSERTS(writev_past_empty_element_at_null, 7, 7,
	sys(writev, w, ((struct iovec[]){ { more, 3 }, { NULL, 0 }, { more + 3, 4 } }), 3));
RETURNS(writev_that_ends_at_null, -EFAULT, -EFAULT,
	sys(writev, w, ((struct iovec[]){ { more, 3 }, { NULL, 4 } }), 2));
RETURNS(writev_that_begins_at_null, -EFAULT, -EFAULT,
	sys(writev, w, ((struct iovec[]){ { NULL, 3 }, { more, 4 } }), 2));
RETURNS(writev_of_negative_length, -EINVAL, -EINVAL, sys(writev, w, one(more, SIZE_MAX), 1));
INSERTS(writev_of_ssize_max_bytes, 5000, 4096,
	sys(writev, w, one(before_unmapped(5000), SSIZE_MAX), 1));
RETURNS(writev_of_lengths_that_overflow, -EFAULT, -EFAULT,
	sys(writev, w, vector(3, more, SSIZE_MAX), 3));
INSERTS(writev_of_more_than_int_max_bytes, 5000, 4096,
	sys(writev, w, vector(9, before_unmapped(5000), INT_MAX), 9));
/* The pattern's period is 351 - 100. */
INSERTS(writev_from_overlapping_elements, 451, 451,
	sys(writev, w, ((struct iovec[]){ { more, 351 }, { more + 100, 100 } }), 2));

/* preadv2 and pwritev2: flags, and offsets */
REMOVES(preadv2_with_rwf_hipri, 5, 5, read_with(r, RWF_HIPRI));
REMOVES(preadv2_with_rwf_dsync, 5, 5, read_with(r, RWF_DSYNC));
REMOVES(preadv2_with_rwf_sync, 5, 5, read_with(r, RWF_SYNC));
REMOVES(preadv2_with_rwf_nowait, 5, 5, read_with(r, RWF_NOWAIT));
REMOVES(preadv2_with_rwf_append, 5, 5, read_with(r, RWF_APPEND));
REMOVES(preadv2_with_rwf_noappend, 5, 5, read_with(r, RWF_NOAPPEND_));
RETURNS(preadv2_with_rwf_atomic, -EOPNOTSUPP, -EOPNOTSUPP, read_with(r, RWF_ATOMIC_));
RETURNS(preadv2_with_rwf_dontcache, -EOPNOTSUPP, -EOPNOTSUPP, read_with(r, RWF_DONTCACHE_));
REMOVES(preadv2_with_rwf_nosignal, 5, 5, read_with(r, RWF_NOSIGNAL_));
RETURNS(preadv2_with_unknown_flags, -EOPNOTSUPP, -EOPNOTSUPP, read_with(r, RWF_UNKNOWN));
RETURNS(preadv2_at_offset_0, -ESPIPE, -ESPIPE, sys(preadv2, r, one(scratch, 5), 1, 0L, 0L, 0));
RETURNS(preadv2_at_offset_minus_2, -EINVAL, -EINVAL,
	sys(preadv2, r, one(scratch, 5), 1, -2L, -1L, 0));
INSERTS(pwritev2_with_rwf_hipri, 5, 5, write_with(w, RWF_HIPRI));
INSERTS(pwritev2_with_rwf_dsync, 5, 5, write_with(w, RWF_DSYNC));
INSERTS(pwritev2_with_rwf_sync, 5, 5, write_with(w, RWF_SYNC));
INSERTS(pwritev2_with_rwf_nowait, 5, 5, write_with(w, RWF_NOWAIT));
INSERTS(pwritev2_with_rwf_append, 5, 5, write_with(w, RWF_APPEND));
INSERTS(pwritev2_with_rwf_noappend, 5, 5, write_with(w, RWF_NOAPPEND_));
RETURNS(pwritev2_with_rwf_append_and_noappend, -EINVAL, -EINVAL,
	write_with(w, RWF_APPEND | RWF_NOAPPEND_));
RETURNS(pwritev2_with_rwf_atomic, -EOPNOTSUPP, -EOPNOTSUPP, write_with(w, RWF_ATOMIC_));
RETURNS(pwritev2_with_rwf_dontcache, -EOPNOTSUPP, -EOPNOTSUPP, write_with(w, RWF_DONTCACHE_));
INSERTS(pwritev2_with_rwf_nosignal, 5, 5, write_with(w, RWF_NOSIGNAL_));
RETURNS(pwritev2_with_unknown_flags, -EOPNOTSUPP, -EOPNOTSUPP, write_with(w, RWF_UNKNOWN));
RETURNS(pwritev2_at_offset_0, -ESPIPE, -ESPIPE, sys(pwritev2, w, one(more, 5), 1, 0L, 0L, 0));
RETURNS(pwritev2_at_offset_minus_2, -EINVAL, -EINVAL,
	sys(pwritev2, w, one(more, 5), 1, -2L, -1L, 0));

/* Positions */
RETURNS(lseek_with_seek_cur, -ESPIPE, -ESPIPE, sys(lseek, r, 0L, SEEK_CUR));
RETURNS(lseek_with_seek_set, -ESPIPE, -ESPIPE, sys(lseek, r, 10L, SEEK_SET));
RETURNS(lseek_with_seek_end, -ESPIPE, -ESPIPE, sys(lseek, w, 0L, SEEK_END));
RETURNS(lseek_with_seek_data, -ESPIPE, -ESPIPE, sys(lseek, r, 0L, SEEK_DATA));
RETURNS(lseek_with_unknown_whence, -EINVAL, -EINVAL, sys(lseek, r, 0L, 77));
RETURNS(pread_at_offset_0, -ESPIPE, -ESPIPE, sys(pread64, r, scratch, 5, 0L));
RETURNS(pread_at_negative_offset, -EINVAL, -EINVAL, sys(pread64, r, scratch, 5, -1L));
RETURNS(preadv_at_offset_0, -ESPIPE, -ESPIPE, sys(preadv, r, one(scratch, 5), 1, 0L, 0L));
RETURNS(pwrite_at_offset_0, -ESPIPE, -ESPIPE, sys(pwrite64, w, more, 5, 0L));
RETURNS(pwrite_at_negative_offset, -EINVAL, -EINVAL, sys(pwrite64, w, more, 5, -1L));
RETURNS(pwritev_at_offset_0, -ESPIPE, -ESPIPE, sys(pwritev, w, one(more, 5), 1, 0L, 0L));

/* ioctl */
RETURNS(ioctl_fionread, 0, 0, sys(ioctl, r, FIONREAD, scratch));
RETURNS(ioctl_fionread_into_null, -EFAULT, -EFAULT, sys(ioctl, r, FIONREAD, NULL));
RETURNS(ioctl_fionread_into_read_only_page, -EFAULT, -EFAULT,
	sys(ioctl, w, FIONREAD, page(PROT_READ)));
RETURNS(ioctl_fionread_into_kernel_address, -EFAULT, -EFAULT, sys(ioctl, w, FIONREAD, KERNEL));
RETURNS(ioctl_fionread_of_o_path_descriptor, -EBADF, -EBADF,
	sys(ioctl, open(path, O_PATH), FIONREAD, scratch));
RETURNS(ioctl_tcgets, -ENOTTY, -ENOTTY, sys(ioctl, r, TCGETS, scratch));
RETURNS(ioctl_tiocgwinsz, -ENOTTY, -ENOTTY, sys(ioctl, w, TIOCGWINSZ, scratch));
RETURNS(ioctl_unknown, -ENOTTY, -ENOTTY, sys(ioctl, r, _IO('?', 77), scratch));
RETURNS(ioctl_unknown_into_kernel_address, -ENOTTY, -ENOTTY,
	sys(ioctl, r, _IOWR('?', 77, long), KERNEL));
RETURNS(ioctl_0, -ENOTTY, -ENOTTY, sys(ioctl, r, 0, NULL));
RETURNS(ioctl_fs_ioc_getflags, -ENOTTY, -ENOTTY, sys(ioctl, r, FS_IOC_GETFLAGS, scratch));
RETURNS(ioctl_fionbio, 0, 0, ioctl_int(r, FIONBIO, 1));
RETURNS(ioctl_fionbio_from_null, -EFAULT, -EFAULT, sys(ioctl, r, FIONBIO, NULL));
RETURNS(ioctl_fioasync, 0, 0, ioctl_int(r, FIOASYNC, 1));
RETURNS(ioctl_fioclex, 0, 0, sys(ioctl, r, FIOCLEX, 0));

/* The ioctls of uapi/mini_pipe.h, which a pipe(2) does not have */
RETURNS(pair_with_null, -EFAULT, -ENOTTY, sys(ioctl, r, MINI_PIPE_IOC_PAIR, NULL));
RETURNS(pair_with_unmapped_argument, -EFAULT, -ENOTTY,
	sys(ioctl, r, MINI_PIPE_IOC_PAIR, unmapped()));
RETURNS(pair_with_partly_mapped_argument, -EFAULT, -ENOTTY,
	sys(ioctl, r, MINI_PIPE_IOC_PAIR, before_unmapped(8)));
RETURNS(pair_with_read_only_argument, -EFAULT, -ENOTTY,
	sys(ioctl, r, MINI_PIPE_IOC_PAIR, page(PROT_READ)));
RETURNS(pair_with_kernel_address, -EFAULT, -ENOTTY, sys(ioctl, r, MINI_PIPE_IOC_PAIR, KERNEL));
RETURNS(pair_with_unknown_flags, -EINVAL, -ENOTTY, ioctl_pair(r, 0x40000000, 0));
RETURNS(pair_with_access_mode, -EINVAL, -ENOTTY, ioctl_pair(r, O_RDWR, 0));
RETURNS(pair_of_more_than_1_gib, -EINVAL, -ENOTTY, ioctl_pair(r, 0, (1U << 30) + 1));
RETURNS(pair_of_uint_max, -EINVAL, -ENOTTY, ioctl_pair(r, 0, UINT_MAX));
RETURNS(pair_with_argument_of_another_size, -ENOTTY, -ENOTTY,
	sys(ioctl, r, _IOWR(MINI_PIPE_IOC_MAGIC, 1, long), scratch));
RESIZES(get_capacity_ignores_its_argument, 65536, -ENOTTY,
	sys(ioctl, r, MINI_PIPE_IOC_GET_CAPACITY, KERNEL));
RETURNS(set_capacity_to_0, -EINVAL, -ENOTTY, sys(ioctl, w, MINI_PIPE_IOC_SET_CAPACITY, 0L));
RETURNS(set_capacity_below_bytes_held, -EBUSY, -ENOTTY,
	sys(ioctl, w, MINI_PIPE_IOC_SET_CAPACITY, 9L));
RETURNS(set_capacity_above_1_gib, -EINVAL, -ENOTTY,
	sys(ioctl, w, MINI_PIPE_IOC_SET_CAPACITY, (1L << 30) + 1));
RETURNS(set_capacity_above_uint_max, -EINVAL, -ENOTTY,
	sys(ioctl, w, MINI_PIPE_IOC_SET_CAPACITY, HUGE_LEN + 65536));
RETURNS(set_capacity_to_minus_1, -EINVAL, -ENOTTY,
	sys(ioctl, w, MINI_PIPE_IOC_SET_CAPACITY, -1L));
RETURNS(get_policy_ignores_its_argument, 0, -ENOTTY,
	sys(ioctl, r, MINI_PIPE_IOC_GET_POLICY, KERNEL));
RETURNS(set_policy_to_unknown_policy, -EINVAL, -ENOTTY,
	sys(ioctl, r, MINI_PIPE_IOC_SET_POLICY, 2L));
RETURNS(set_policy_above_uint_max, -EINVAL, -ENOTTY,
	sys(ioctl, r, MINI_PIPE_IOC_SET_POLICY, HUGE_LEN + 1));
RETURNS(set_policy_to_minus_1, -EINVAL, -ENOTTY, sys(ioctl, r, MINI_PIPE_IOC_SET_POLICY, -1L));
RETURNS(set_policy_while_pipe_holds_bytes, -EBUSY, -ENOTTY,
	sys(ioctl, r, MINI_PIPE_IOC_SET_POLICY, 1L));
RETURNS(ioctl_unknown_with_magic_of_mini_pipe, -ENOTTY, -ENOTTY,
	sys(ioctl, r, _IO(MINI_PIPE_IOC_MAGIC, 77), scratch));

/* fcntl */
RESIZES(fcntl_f_getpipe_sz, -EBADF, 65536, sys(fcntl, r, F_GETPIPE_SZ, 0));
RESIZES(fcntl_f_setpipe_sz, -EBADF, 8192, sys(fcntl, r, F_SETPIPE_SZ, 2 * PIPE_BUF));
RETURNS(fcntl_o_direct, 0, 0, sys(fcntl, r, F_SETFL, O_DIRECT | O_NONBLOCK));
RETURNS(fcntl_o_async, 0, 0, sys(fcntl, r, F_SETFL, O_ASYNC | O_NONBLOCK));
RETURNS(fcntl_o_async_stays, O_ASYNC, O_ASYNC, get_flag_after(r, O_ASYNC, O_ASYNC));
RETURNS(fcntl_o_append, 0, 0, sys(fcntl, w, F_SETFL, O_APPEND | O_NONBLOCK));
RETURNS(fcntl_o_wronly_at_reading_end, 0, 0, get_flag_after(r, O_WRONLY, O_ACCMODE));
RETURNS(fcntl_f_setlk_shared, 0, 0, set_lock(r, F_SETLK, F_RDLCK));
RETURNS(fcntl_f_setlk_shared_at_writing_end, -EBADF, -EBADF, set_lock(w, F_SETLK, F_RDLCK));
RETURNS(fcntl_f_setlk_of_unknown_type, -EINVAL, -EINVAL, set_lock(r, F_SETLK, 77));
RETURNS(fcntl_f_setlease, -EINVAL, -EINVAL, sys(fcntl, r, F_SETLEASE, F_RDLCK));
RETURNS(fcntl_f_get_seals, -EINVAL, -EINVAL, sys(fcntl, r, F_GET_SEALS, 0));
RETURNS(fcntl_f_add_seals, -EINVAL, -EINVAL, sys(fcntl, w, F_ADD_SEALS, F_SEAL_WRITE));
RETURNS(fcntl_f_setsig_77, -EINVAL, -EINVAL, sys(fcntl, r, F_SETSIG, 77));
RETURNS(fcntl_unknown, -EINVAL, -EINVAL, sys(fcntl, r, 7777, 0));

/* Calls not for pipes */
RETURNS(mmap_shared, -ENODEV, -ENODEV, try_mmap(r, PROT_READ, MAP_SHARED));
RETURNS(mmap_private, -ENODEV, -ENODEV, try_mmap(r, PROT_READ, MAP_PRIVATE));
RETURNS(mmap_writing_end, -EACCES, -EACCES, try_mmap(w, PROT_WRITE, MAP_SHARED));
RETURNS(ftruncate_to_0, -EINVAL, -EINVAL, sys(ftruncate, w, 0L));
RETURNS(ftruncate_to_minus_1, -EINVAL, -EINVAL, sys(ftruncate, w, -1L));
RETURNS(ftruncate_reading_end, -EINVAL, -EINVAL, sys(ftruncate, r, 0L));
RETURNS(fallocate_of_5_bytes, -ENODEV, -ESPIPE, sys(fallocate, w, 0, 0L, 5L));
RETURNS(fsync_writing_end, -EINVAL, -EINVAL, sys(fsync, w));
RETURNS(fdatasync_writing_end, -EINVAL, -EINVAL, sys(fdatasync, w));
RETURNS(sync_file_range_of_5_bytes, -ESPIPE, -ESPIPE, sys(sync_file_range, w, 0L, 5L, 0));
RETURNS(readahead_of_5_bytes, -EINVAL, -EINVAL, sys(readahead, r, 0L, 5L));
RETURNS(fadvise_dontneed, 0, -ESPIPE, sys(fadvise64, r, 0L, 5L, POSIX_FADV_DONTNEED));
RETURNS(fadvise_unknown, -EINVAL, -ESPIPE, sys(fadvise64, r, 0L, 5L, 77));
RETURNS(fstat_into_null, -EFAULT, -EFAULT, sys(fstat, r, NULL));
RETURNS(fstatfs_into_buffer, 0, 0, sys(fstatfs, r, scratch));
RETURNS(flock_exclusive, 0, 0, sys(flock, r, LOCK_EX | LOCK_NB));
RETURNS(flock_unknown, -EINVAL, -EINVAL, sys(flock, r, 77));
RETURNS(execveat_reading_end, -EACCES, -EACCES,
	sys(execveat, r, "", NULL, NULL, AT_EMPTY_PATH));

/* Calls for directories and sockets */
RETURNS(getdents_of_reading_end, -ENOTDIR, -ENOTDIR, sys(getdents64, r, scratch, sizeof(scratch)));
RETURNS(fchdir_to_reading_end, -ENOTDIR, -ENOTDIR, sys(fchdir, r));
RETURNS(openat_below_reading_end, -ENOTDIR, -ENOTDIR, sys(openat, r, "below", O_RDONLY, 0));
RETURNS(connect_reading_end, -ENOTSOCK, -ENOTSOCK, sys(connect, r, scratch, 16));
RETURNS(bind_reading_end, -ENOTSOCK, -ENOTSOCK, sys(bind, r, scratch, 16));
RETURNS(send_on_writing_end, -ENOTSOCK, -ENOTSOCK, sys(sendto, w, more, 5, 0, NULL, 0));
RETURNS(receive_from_reading_end, -ENOTSOCK, -ENOTSOCK,
	sys(recvfrom, r, scratch, 5, 0, NULL, NULL));
RETURNS(shutdown_writing_end, -ENOTSOCK, -ENOTSOCK, sys(shutdown, w, SHUT_WR));

/* splice, sendfile, tee, vmsplice and copy_file_range */
INSERTS(sendfile_to_writing_end, 5, 5, sys(sendfile, w, file(), NULL, 5));
INSERTS(sendfile_more_than_file_holds, 5, 5, sys(sendfile, w, file(), NULL, INT_MAX));
INSERTS(sendfile_to_writing_end_with_o_append, -EINVAL, 5,
	sys(sendfile, appending(w), file(), NULL, 5));
RETURNS(sendfile_to_reading_end, -EBADF, -EBADF, sys(sendfile, r, file(), NULL, 5));
RETURNS(sendfile_from_reading_end_to_file, -EINVAL, -EINVAL, sys(sendfile, file(), r, NULL, 5));
REMOVES(sendfile_from_reading_end_to_pipe_2, 5, -EINVAL, sys(sendfile, pipe_2_end(1), r, NULL, 5));
RETURNS(sendfile_from_offset_of_reading_end, -ESPIPE, -ESPIPE,
	sys(sendfile, pipe_2_end(1), r, memset(scratch, 0, 8), 5));
INSERTS(splice_to_writing_end, 5, 5, sys(splice, filled_pipe(), NULL, w, NULL, 5, 0));
INSERTS(splice_to_writing_end_with_o_append, -EINVAL, 5,
	sys(splice, filled_pipe(), NULL, appending(w), NULL, 5, 0));
RETURNS(splice_to_offset_of_writing_end, -EINVAL, -ESPIPE,
	sys(splice, filled_pipe(), NULL, w, scratch, 5, 0));
RETURNS(splice_to_reading_end, -EBADF, -EBADF, sys(splice, filled_pipe(), NULL, r, NULL, 5, 0));
INSERTS(splice_from_file, -EINVAL, 5, sys(splice, file(), NULL, w, NULL, 5, 0));
REMOVES(splice_from_reading_end, 5, 5, sys(splice, r, NULL, pipe_2_end(1), NULL, 5, 0));
REMOVES(splice_more_than_pipe_holds, 10, 10,
	sys(splice, r, NULL, pipe_2_end(1), NULL, SSIZE_MAX, 0));
RETURNS(splice_from_offset_of_reading_end, -EINVAL, -ESPIPE,
	sys(splice, r, scratch, pipe_2_end(1), NULL, 5, 0));
RETURNS(splice_from_writing_end, -EBADF, -EBADF,
	sys(splice, w, NULL, pipe_2_end(1), NULL, 5, 0));
REMOVES(splice_to_file, -EINVAL, 5, sys(splice, r, NULL, file(), NULL, 5, 0));
REMOVES(splice_to_private_pipe, -EINVAL, 5,
	sys(splice, r, NULL, private_end(1), NULL, 5, 0));
RETURNS(splice_to_the_same_pipe, -EINVAL, -EINVAL, sys(splice, r, NULL, w, NULL, 5, 0));
RETURNS(splice_0_bytes, 0, 0, sys(splice, r, NULL, pipe_2_end(1), NULL, 0, 0));
RETURNS(splice_with_unknown_flags, -EINVAL, -EINVAL,
	sys(splice, r, NULL, pipe_2_end(1), NULL, 5, 0x40000000));
RETURNS(tee_from_reading_end, -EINVAL, 5, sys(tee, r, pipe_2_end(1), 5, 0));
INSERTS(tee_to_writing_end, -EINVAL, 5, sys(tee, filled_pipe(), w, 5, 0));
RETURNS(tee_from_writing_end, -EBADF, -EBADF, sys(tee, w, pipe_2_end(1), 5, 0));
INSERTS(vmsplice_to_writing_end, -EBADF, 5, sys(vmsplice, w, one(more, 5), 1, 0));
REMOVES(vmsplice_from_reading_end, -EBADF, 5, sys(vmsplice, r, one(scratch, 5), 1, 0));
RETURNS(copy_file_range_to_writing_end, -EINVAL, -EINVAL,
	sys(copy_file_range, file(), NULL, w, NULL, 5, 0));
RETURNS(copy_file_range_from_reading_end, -EINVAL, -EINVAL,
	sys(copy_file_range, r, NULL, file(), NULL, 5, 0));

/* poll, select, epoll */
RETURNS(poll_for_all_events, 1, 1, do_poll(r, -1, 1));
RETURNS(poll_for_no_events, 0, 0, do_poll(r, 0, 1));
RETURNS(poll_for_unsupported_events, 0, 0,
	do_poll(r, POLLPRI | POLLRDBAND | POLLMSG | POLLRDHUP, 1));
RETURNS(poll_reading_end_for_pollout, 0, 0, do_poll(r, POLLOUT, 1));
RETURNS(poll_writing_end_for_pollin, 0, 0, do_poll(w, POLLIN, 1));
RETURNS(poll_of_null, -EFAULT, -EFAULT, sys(ppoll, NULL, 1, &(struct timespec){}, NULL, 0));
RETURNS(poll_of_minus_1_files, -EINVAL, -EINVAL, do_poll(r, POLLIN, -1));
RETURNS(select_of_minus_1_files, -EINVAL, -EINVAL, do_select(-1, r));
RETURNS(select_of_files_below_reading_end, 0, 0, do_select(r, r));
RETURNS(select_of_int_max_files, 1, 1, do_select(INT_MAX, r));
RETURNS(select_of_set_at_kernel_address, -EFAULT, -EFAULT,
	sys(pselect6, r + 1, KERNEL, NULL, NULL, NULL, NULL));
RETURNS(epoll_add_twice, -EEXIST, -EEXIST, change_epoll(epoll_of(r), r, EPOLL_CTL_ADD, EPOLLIN));
RETURNS(epoll_add_with_null_event, -EFAULT, -EFAULT,
	sys(epoll_ctl, epoll_of(-1), EPOLL_CTL_ADD, r, NULL));
RETURNS(epoll_add_to_reading_end, -EINVAL, -EINVAL, change_epoll(r, w, EPOLL_CTL_ADD, EPOLLIN));
RETURNS(epoll_exclusive_and_oneshot, -EINVAL, -EINVAL,
	change_epoll(epoll_of(-1), r, EPOLL_CTL_ADD, EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT));
RETURNS(epoll_modify_file_that_was_not_added, -ENOENT, -ENOENT,
	change_epoll(epoll_of(-1), r, EPOLL_CTL_MOD, EPOLLIN));
RETURNS(epoll_delete_file_that_was_not_added, -ENOENT, -ENOENT,
	change_epoll(epoll_of(-1), r, EPOLL_CTL_DEL, 0));
RETURNS(epoll_unknown, -EINVAL, -EINVAL, change_epoll(epoll_of(-1), r, 77, EPOLLIN));

/* io_uring */
REMOVES(uring_read_at_offset, 5, 5, uring(READ, r, scratch, 5, 77, 0));
RETURNS(uring_read_into_null, -EFAULT, -EFAULT, uring(READ, r, NULL, 5, -1, 0));
RETURNS(uring_read_into_kernel_address, -EFAULT, -EFAULT, uring(READ, r, KERNEL, 5, -1, 0));
RETURNS(uring_read_0_bytes, 0, 0, uring(READ, r, NULL, 0, -1, 0));
REMOVES(uring_read_uint_max_bytes, 10, 10, uring(READ, r, scratch, UINT_MAX, -1, 0));
RETURNS(uring_read_from_writing_end, -EBADF, -EBADF, uring(READ, w, scratch, 5, -1, 0));
REMOVES(uring_read_with_rwf_nowait, 5, 5, uring(READ, r, scratch, 5, -1, RWF_NOWAIT));
RETURNS(uring_read_with_unknown_flags, -EOPNOTSUPP, -EOPNOTSUPP,
	uring(READ, r, scratch, 5, -1, RWF_UNKNOWN));
RETURNS(uring_readv_of_1025_elements, -EINVAL, -EINVAL,
	uring(READV, r, vector(1025, scratch, 1), 1025, -1, 0));
RETURNS(uring_read_into_unregistered_buffer, -EFAULT, -EFAULT,
	uring(READ_FIXED, r, scratch, 5, -1, 0));
INSERTS(uring_write_at_offset, 5, 5, uring(WRITE, w, more, 5, 77, 0));
RETURNS(uring_write_from_null, -EFAULT, -EFAULT, uring(WRITE, w, NULL, 5, -1, 0));
RETURNS(uring_write_to_reading_end, -EBADF, -EBADF, uring(WRITE, r, more, 5, -1, 0));
RETURNS(uring_fsync, -EINVAL, -EINVAL, uring(FSYNC, w, NULL, 0, 0, 0));
RETURNS(uring_ftruncate, -EINVAL, -EINVAL, uring(FTRUNCATE, w, NULL, 0, 0, 0));
RETURNS(uring_receive, -ENOTSOCK, -ENOTSOCK, uring(RECV, r, scratch, 5, 0, 0));
RETURNS(uring_unknown, -EINVAL, -EINVAL, make_uring(250, r, scratch, 5, -1, 0));

TEST_HARNESS_MAIN
