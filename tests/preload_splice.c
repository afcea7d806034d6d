// SPDX-License-Identifier: GPL-2.0
/*
 * splice(), tee() and vmsplice() of the library in preload/, and sendfile(2) on its pipes, compared
 * with the same calls on a pipe(2). This program runs under the library: pipe2() of libc makes a
 * private mini_pipe, and the system call pipe2(2) makes a pipe(2). Each call is made on both.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include "outcome.h"

#define FILE_SIZE 100000

/* A pipe, and what it is spliced with. */
struct side {
	int r;			/* the ends of the pipe */
	int w;
	int file;		/* FILE_SIZE bytes, at offset 0 */
	int near;		/* two sockets, connected to each other */
	int far;
	off64_t offset;
	size_t len;		/* how many bytes are in `buf` */
	char buf[2 * FILE_SIZE];
};

/* sides[0] has a pipe(2), sides[1] a mini_pipe. */
FIXTURE(both)
{
	struct side sides[2];
};

/* Makes the call twice, once for each `side`, and expects the same result. */
#define SAME(call) do {								\
	struct outcome _outcomes[2];						\
										\
	for (int _i = 0; _i < 2; _i++) {					\
		struct side *side __maybe_unused = &self->sides[_i];		\
										\
		_outcomes[_i] = OUTCOME(call);					\
	}									\
	EXPECT_EQ(_outcomes[0].ret, _outcomes[1].ret)				\
	{									\
		TH_LOG("in " #call);						\
	}									\
	EXPECT_EQ(_outcomes[0].err, _outcomes[1].err);				\
} while (0)

static int make_file(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	for (int i = 0; i < FILE_SIZE / 4; i++)
		dprintf(fd, "%03d\n", i % 1000);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

FIXTURE_SETUP(both)
{
	for (int i = 0; i < 2; i++) {
		struct side *side = &self->sides[i];
		int ends[2], sockets[2];

		ASSERT_EQ(0, i ? pipe2(ends, O_CLOEXEC) : syscall(SYS_pipe2, ends, O_CLOEXEC));
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
		side->r = ends[0];
		side->w = ends[1];
		side->near = sockets[0];
		side->far = sockets[1];
		side->file = make_file();
	}
}

FIXTURE_TEARDOWN(both)
{
	kill_children(_metadata);
}

/* Takes all that can be read from @fd into the buffer, and returns how much. */
static ssize_t take_all(struct __test_metadata *_metadata, struct side *side, int fd)
{
	ssize_t n;

	side->len = 0;
	set_flag(_metadata, fd, O_NONBLOCK, true);
	while ((n = read(fd, side->buf + side->len, sizeof(side->buf) - side->len)) > 0)
		side->len += n;
	set_flag(_metadata, fd, O_NONBLOCK, false);
	return side->len;
}

/* Expects the same bytes, and some, from @fd of each side. */
#define SAME_BYTES(fd) do {							\
	SAME(take_all(_metadata, side, fd));					\
	EXPECT_NE(0, self->sides[0].len);					\
	EXPECT_EQ(0, memcmp(self->sides[0].buf, self->sides[1].buf,		\
			    self->sides[0].len));				\
} while (0)

TEST_F(both, splice_from_file)
{
	SAME(splice(side->file, NULL, side->w, NULL, 5, 0));
	SAME(splice(side->file, NULL, side->w, NULL, 5000, SPLICE_F_MOVE));
	SAME(lseek(side->file, 0, SEEK_CUR));
	SAME_BYTES(side->r);
	/* Fills the pipe with whole pages: in a pipe(2), a part of a page takes a whole slot. */
	SAME(lseek(side->file, 0, SEEK_SET));
	SAME(splice(side->file, NULL, side->w, NULL, FILE_SIZE, 0));
	SAME_BYTES(side->r);
	SAME(splice(side->file, NULL, side->w, NULL, FILE_SIZE, 0));
	SAME_BYTES(side->r);
	SAME(splice(side->file, NULL, side->w, NULL, 5, 0));
}

TEST_F(both, splice_from_offset_in_file)
{
	SAME((side->offset = 1234, splice(side->file, &side->offset, side->w, NULL, 10000, 0)));
	SAME(side->offset);
	SAME(lseek(side->file, 0, SEEK_CUR));
	SAME_BYTES(side->r);
	SAME((side->offset = FILE_SIZE, splice(side->file, &side->offset, side->w, NULL, 1, 0)));
	SAME((side->offset = -1, splice(side->file, &side->offset, side->w, NULL, 1, 0)));
}

TEST_F(both, splice_from_file_into_full_pipe)
{
	static const char bytes[65536];

	SAME(write(side->w, bytes, 65536));
	SAME(splice(side->file, NULL, side->w, NULL, 5, SPLICE_F_NONBLOCK));
	SAME(fcntl(side->w, F_SETFL, O_NONBLOCK));
	SAME(splice(side->file, NULL, side->w, NULL, 5, 0));
	SAME(lseek(side->file, 0, SEEK_CUR));
	SAME(read(side->r, side->buf, 4096));
	SAME(splice(side->file, NULL, side->w, NULL, 10000, 0));
	SAME(lseek(side->file, 0, SEEK_CUR));
}

TEST_F(both, splice_to_file)
{
	SAME(write(side->w, "some bytes", 10));
	SAME(splice(side->r, NULL, side->file, NULL, 4, 0));
	SAME(lseek(side->file, 0, SEEK_CUR));
	SAME((side->offset = 50, splice(side->r, NULL, side->file, &side->offset, 100, 0)));
	SAME(side->offset);
	SAME(lseek(side->file, 0, SEEK_CUR));
	SAME(splice(side->r, NULL, side->file, NULL, 5, SPLICE_F_NONBLOCK));
	SAME(write(side->w, self->sides[0].buf, 50000));
	SAME(splice(side->r, NULL, side->file, NULL, 50000, SPLICE_F_MOVE));
	SAME(lseek(side->file, 0, SEEK_SET));
	SAME_BYTES(side->file);
}

TEST_F(both, splice_from_socket)
{
	SAME(splice(side->near, NULL, side->w, NULL, 5, SPLICE_F_NONBLOCK));
	SAME(write(side->far, "some bytes", 10));
	SAME(splice(side->near, NULL, side->w, NULL, 4, 0));
	SAME(splice(side->near, NULL, side->w, NULL, 100, 0));
	SAME_BYTES(side->r);
	SAME(close(side->far));
	SAME(splice(side->near, NULL, side->w, NULL, 100, 0));
}

TEST_F(both, splice_to_socket)
{
	SAME(write(side->w, "some bytes", 10));
	SAME(splice(side->r, NULL, side->near, NULL, 4, 0));
	SAME(splice(side->r, NULL, side->near, NULL, 100, SPLICE_F_MORE));
	SAME_BYTES(side->far);
	SAME(splice(side->r, NULL, side->near, NULL, 100, SPLICE_F_NONBLOCK));
}

/* No byte is lost, and none leaves the pipe once the socket is full. */
TEST_F(both, splice_to_socket_that_becomes_full)
{
	struct side *side = &self->sides[1];
	size_t moved = 0;
	ssize_t n;

	set_flag(_metadata, side->near, O_NONBLOCK, true);
	do {
		ASSERT_EQ(10000, write(side->w, self->sides[0].buf, 10000));
		while ((n = splice(side->r, NULL, side->near, NULL, 10000, 0)) > 0 &&
		       (moved += n) % 10000)
			;
	} while (n > 0);
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_LT(0, moved);
	EXPECT_EQ(10000 - moved % 10000, take_all(_metadata, side, side->r));
	while ((n = take_all(_metadata, side, side->far)) > 0)
		moved -= n;
	EXPECT_EQ(0, moved);
}

TEST_F(both, splice_at_end_of_file)
{
	SAME(write(side->w, "rest", 4));
	SAME(close(side->w));
	SAME(splice(side->r, NULL, side->near, NULL, 100, 0));
	SAME(splice(side->r, NULL, side->near, NULL, 100, 0));
	SAME(splice(side->r, NULL, side->file, NULL, 100, 0));
}

TEST_F(both, splice_without_reader)
{
	set_handler(SIGPIPE, count_sigpipe, 0);
	SAME(close(side->r));
	SAME(splice(side->file, NULL, side->w, NULL, 100, 0));
	SAME(lseek(side->file, 0, SEEK_CUR));
	SAME(splice(side->near, NULL, side->w, NULL, 100, SPLICE_F_NONBLOCK));
	EXPECT_EQ(4, sigpipes());
}

TEST_F(both, bad_calls_fail_alike)
{
	int null = open("/dev/null", O_RDWR), directory = open("/", O_RDONLY);
	int appending;

	SAME(write(side->w, "some bytes", 10));
	SAME(splice(side->file, NULL, side->r, NULL, 5, 0));
	SAME(splice(side->w, NULL, side->file, NULL, 5, 0));
	SAME(splice(-1, NULL, side->w, NULL, 5, 0));
	SAME(splice(side->r, NULL, -1, NULL, 5, 0));
	SAME(splice(side->file, NULL, side->w, &side->offset, 5, 0));
	SAME(splice(side->r, &side->offset, side->file, NULL, 5, 0));
	SAME(splice(side->file, (off64_t *)1, side->w, NULL, 5, 0));
	SAME(splice(side->r, NULL, side->file, (off64_t *)1, 5, 0));
	SAME(splice(side->near, &side->offset, side->w, NULL, 5, 0));
	SAME(splice(side->file, NULL, side->w, NULL, 5, 0x10));
	SAME(splice(side->r, NULL, side->file, NULL, 0, 0));
	SAME(splice(directory, NULL, side->w, NULL, 5, 0));
	SAME(splice(side->r, NULL, directory, NULL, 5, 0));
	SAME(splice(null, NULL, side->w, NULL, 5, 0));
	SAME(splice(side->file, NULL, side->near, NULL, 5, 0));
	SAME((appending = dup(side->file), fcntl(appending, F_SETFL, O_APPEND)));
	SAME(splice(side->r, NULL, side->file, NULL, 5, 0));
	SAME_BYTES(side->r);
}

TEST_F(both, splice_leaves_no_descriptor)
{
	int lowest = dup(0);

	close(lowest);
	SAME(splice(side->file, NULL, side->w, NULL, 5000, 0));
	SAME(splice(side->r, NULL, side->near, NULL, 5000, 0));
	EXPECT_EQ(lowest, dup(0));
}

/* Between two pipes */

/* `far` becomes the reading end, `near` the writing end; index 0 makes a pipe(2). */
static ssize_t make_second(struct side *side, int index)
{
	int ends[2];
	int ret = index ? pipe2(ends, O_CLOEXEC) : syscall(SYS_pipe2, ends, O_CLOEXEC);

	side->far = ends[0];
	side->near = ends[1];
	return ret;
}

TEST_F(both, splice_between_pipes)
{
	SAME(make_second(side, side - self->sides));
	SAME(splice(side->r, NULL, side->near, NULL, 5, SPLICE_F_NONBLOCK));
	SAME(splice(side->file, NULL, side->w, NULL, 20000, 0));
	SAME(splice(side->r, NULL, side->near, NULL, 5, 0));
	SAME(splice(side->r, NULL, side->near, NULL, 30000, SPLICE_F_MOVE));
	SAME_BYTES(side->far);
	SAME(splice(side->r, NULL, side->w, NULL, 5, 0));
	SAME(splice(side->r, &side->offset, side->near, NULL, 5, 0));
	SAME(splice(side->r, &side->offset, side->near, NULL, 5, 0x10));
	SAME(splice(side->r, NULL, side->near, &side->offset, 5, 0));
	SAME(splice(side->r, NULL, side->far, NULL, 5, 0));
	SAME(close(side->w));
	SAME(splice(side->r, NULL, side->near, NULL, 5, 0));
}

TEST_F(both, tee_between_pipes)
{
	SAME(make_second(side, side - self->sides));
	SAME(tee(side->r, side->near, 5, SPLICE_F_NONBLOCK));
	SAME(splice(side->file, NULL, side->w, NULL, 20000, 0));
	SAME(tee(side->r, side->near, 5, 0));
	SAME(tee(side->r, side->near, 30000, 0));
	SAME_BYTES(side->far);
	SAME_BYTES(side->r);
	SAME(tee(side->r, side->w, 5, 0));
	SAME(tee(side->near, side->w, 5, 0));
	SAME(tee(side->r, side->near, 5, 0x10));
	SAME(tee(side->r, side->file, 5, 0));
	SAME(tee(side->file, side->near, 5, 0));
	SAME(tee(side->r, side->near, 0, 0));
}

/* From here on, the second pipe is a pipe(2): a program may inherit one. */
TEST_F(both, tee_at_end_of_file_without_reader)
{
	set_handler(SIGPIPE, count_sigpipe, 0);
	SAME(make_second(side, 0));
	SAME(close(side->w));
	SAME(close(side->far));
	SAME(tee(side->r, side->near, 5, 0));
	EXPECT_EQ(2, sigpipes());
}

TEST_F(both, tee_from_pipe_2_at_end_of_file_without_reader)
{
	set_handler(SIGPIPE, count_sigpipe, 0);
	SAME(make_second(side, 0));
	SAME(close(side->near));
	SAME(close(side->r));
	SAME(tee(side->far, side->w, 5, 0));
	EXPECT_EQ(2, sigpipes());
}

TEST_F(both, tee_to_and_from_pipe_2)
{
	SAME(make_second(side, 0));
	SAME(tee(side->r, side->near, 5, SPLICE_F_NONBLOCK));
	SAME(tee(side->far, side->w, 5, SPLICE_F_NONBLOCK));
	SAME(splice(side->file, NULL, side->w, NULL, 20000, 0));
	SAME(tee(side->r, side->near, 5, 0));
	SAME(tee(side->r, side->near, 30000, 0));
	SAME_BYTES(side->far);
	SAME_BYTES(side->r);
	SAME(splice(side->file, NULL, side->near, NULL, 20000, 0));
	SAME(tee(side->far, side->w, 5, 0));
	SAME(tee(side->far, side->w, 30000, 0));
	SAME_BYTES(side->r);
	SAME_BYTES(side->far);
	SAME(tee(side->r, side->near, 5, 0x10));
	SAME(tee(side->near, side->w, 5, 0));
	SAME(fcntl(side->near, F_SETFL, O_NONBLOCK));
	SAME(tee(side->r, side->near, 5, 0));
	SAME(fcntl(side->near, F_SETFL, 0));
	SAME(fcntl(side->r, F_SETFL, O_NONBLOCK));
	SAME(tee(side->r, side->near, 5, 0));
	SAME(close(side->w));
	SAME(tee(side->r, side->near, 5, 0));
}

/* In a pipe(2), a part of a page takes a whole slot, so all bytes here are whole pages. */
TEST_F(both, tee_to_full_pipe_2)
{
	SAME(make_second(side, 0));
	SAME(splice(side->file, NULL, side->near, NULL, 65536, 0));
	SAME(lseek(side->file, 0, SEEK_SET));
	SAME(splice(side->file, NULL, side->w, NULL, 65536, 0));
	SAME(tee(side->r, side->near, 65536, SPLICE_F_NONBLOCK));
	SAME(fcntl(side->r, F_SETFL, O_NONBLOCK));
	SAME(tee(side->r, side->near, 65536, 0));
	SAME(read(side->far, side->buf, 8192));
	SAME(tee(side->r, side->near, 65536, 0));
	SAME_BYTES(side->far);
	SAME_BYTES(side->r);
}

TEST_F(both, vmsplice_writes)
{
	struct iovec parts[] = { { "some ", 5 }, { NULL, 0 }, { "bytes", 5 } };
	struct iovec page = { map_pages(_metadata, 1, PROT_READ | PROT_WRITE), PIPE_BUF };

	SAME(vmsplice(side->w, parts, 3, 0));
	SAME(vmsplice(side->w, parts, 0, 0));
	SAME(vmsplice(side->w, &page, 1, SPLICE_F_GIFT));
	SAME_BYTES(side->r);
	SAME(vmsplice(side->w, parts, 3, 0x10));
	SAME(vmsplice(side->w, parts, -1, 0));
	SAME(vmsplice(side->w, NULL, 1, 0));
	SAME(vmsplice(-1, parts, 3, 0));
	SAME(vmsplice(side->file, parts, 3, 0));
}

TEST_F(both, vmsplice_into_full_pipe)
{
	/* Whole pages: in a pipe(2), a part of a page takes a whole slot. */
	struct iovec large = { map_pages(_metadata, 25, PROT_READ | PROT_WRITE), 25 * PIPE_BUF };

	SAME(vmsplice(side->w, &large, 1, 0));
	SAME(vmsplice(side->w, &large, 1, SPLICE_F_NONBLOCK));
	SAME(take_all(_metadata, side, side->r));
	set_handler(SIGPIPE, count_sigpipe, 0);
	SAME(close(side->r));
	SAME(vmsplice(side->w, &large, 1, 0));
	EXPECT_EQ(2, sigpipes());
}

TEST_F(both, vmsplice_reads)
{
	char first[3], second[100];
	struct iovec parts[] = { { first, 3 }, { second, 100 } };

	SAME(vmsplice(side->r, parts, 2, SPLICE_F_NONBLOCK));
	SAME(write(side->w, "some bytes", 10));
	SAME((memset(first, 0, 3), vmsplice(side->r, parts, 1, 0)));
	EXPECT_EQ(0, memcmp(first, "som", 3));
	SAME((memset(second, 0, 4), vmsplice(side->r, parts, 2, 0)));
	EXPECT_EQ(0, memcmp(second, "ytes", 4));
	SAME(close(side->w));
	SAME(vmsplice(side->r, parts, 2, 0));
}

TEST_F(both, sendfile_into_pipe)
{
	SAME(sendfile(side->w, side->file, NULL, 5000));
	SAME((side->offset = 70000, sendfile64(side->w, side->file, &side->offset, 60000)));
	SAME(side->offset);
	SAME_BYTES(side->r);
	SAME(sendfile(side->r, side->file, NULL, 5));
}

static void splice_to_near(int report_to, const void *arg)
{
	const struct side *side = arg;

	report(report_to, splice(side->r, NULL, side->near, NULL, 100, 0));
}

TEST_F(both, splice_waits_for_bytes)
{
	for (int i = 0; i < 2; i++) {
		struct side *side = &self->sides[i];
		struct child child = start_forked(_metadata, splice_to_near, side);

		EXPECT_TRUE(falls_asleep_in(&child, i ? __NR_ioctl : __NR_splice));
		ASSERT_EQ(10, splice(side->file, NULL, side->w, NULL, 10, 0));
		EXPECT_EQ(10, result_of(_metadata, &child).ret);
		EXPECT_EQ(10, take_all(_metadata, side, side->far));
	}
}

static void splice_from_file(int report_to, const void *arg)
{
	const struct side *side = arg;

	report(report_to, splice(side->file, NULL, side->w, NULL, 4096, 0));
}

TEST_F(both, splice_waits_for_room)
{
	for (int i = 0; i < 2; i++) {
		struct side *side = &self->sides[i];
		struct child child;

		ASSERT_EQ(65536, splice(side->file, NULL, side->w, NULL, 65536, 0));
		child = start_forked(_metadata, splice_from_file, side);
		/* In splice(2) for the pipe(2), in ioctl(2) for the mini_pipe. */
		EXPECT_TRUE(falls_asleep_in(&child, i ? __NR_ioctl : __NR_splice));
		ASSERT_EQ(4096, splice(side->r, NULL, side->near, NULL, 4096, 0));
		EXPECT_EQ(4096, result_of(_metadata, &child).ret);
		EXPECT_EQ(4096, take_all(_metadata, side, side->far));
		EXPECT_EQ(65536, take_all(_metadata, side, side->r));
	}
}

/* A thread's call from the first to the second descriptor. */
struct call {
	void *(*run)(void *call);
	long nr;		/* of the system call on a pipe(2) */
	int fds[2];
	atomic_int thread;	/* its ID, once it runs */
};

static void *run_splice(void *arg)
{
	struct call *call = arg;

	call->thread = gettid();
	splice(call->fds[0], NULL, call->fds[1], NULL, 100, 0);
	return NULL;
}

static void *run_tee(void *arg)
{
	struct call *call = arg;

	call->thread = gettid();
	tee(call->fds[0], call->fds[1], 100, 0);
	return NULL;
}

static void *run_vmsplice(void *arg)
{
	struct call *call = arg;
	char bytes[100];
	struct iovec memory = { bytes, sizeof(bytes) };

	call->thread = gettid();
	vmsplice(call->fds[0], &memory, 1, 0);
	return NULL;
}

/* Cancels the thread when it sleeps in the system call @number. */
static void expect_cancelled(struct __test_metadata *_metadata, struct call *call, long number)
{
	pthread_t thread;
	void *end;

	ASSERT_EQ(0, pthread_create(&thread, NULL, call->run, call));
	for (int ms = 0; ms < TIMEOUT_MS && !is_asleep_in(call->thread, number); ms++)
		sleep_1ms();
	ASSERT_TRUE(is_asleep_in(call->thread, number));
	ASSERT_EQ(0, pthread_cancel(thread));
	ASSERT_EQ(0, pthread_join(thread, &end));
	EXPECT_EQ(PTHREAD_CANCELED, end);
}

TEST_F(both, cancellation_ends_a_sleep)
{
	for (int i = 0; i < 2; i++) {
		struct side *side = &self->sides[i];
		int other[2], ret = i ? pipe(other) : syscall(SYS_pipe2, other, 0);
		struct call calls[] = {
			{ .run = run_splice, .nr = __NR_splice, .fds = { side->r, side->near } },
			{ .run = run_tee, .nr = __NR_tee, .fds = { side->r, other[1] } },
			{ .run = run_vmsplice, .nr = __NR_vmsplice, .fds = { side->r } },
		};

		ASSERT_EQ(0, ret);
		for (size_t j = 0; j < ARRAY_SIZE(calls); j++)
			expect_cancelled(_metadata, &calls[j], i ? __NR_ioctl : calls[j].nr);
	}
}

TEST_HARNESS_MAIN
