// SPDX-License-Identifier: GPL-2.0
/*
 * Private pipes: each MINI_PIPE_IOC_PAIR makes a new one, which is freed with its last descriptor.
 * Tests that hold for a pipe(2) as well run on both. limits.c tests the limits per user, cgroup.c
 * the charges to memory cgroups.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "variants.h"
#include "module_fixture.h"
#include "credentials.h"

/* The module's default of max_capacity. */
#define LARGEST 1048576

/* From now on, the test can open `more` more descriptors, or ALL that the hard limit allows. */
#define ALL -1

static void allow_descriptors(struct __test_metadata *_metadata, int more)
{
	struct rlimit limit;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = more == ALL ? limit.rlim_max : (rlim_t)next_descriptor() + more;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
}

/* A private pipe and a pipe(2) */

FIXTURE(ends)
{
	int device;		/* opened for ioctl alone */
	struct ends ends;	/* with O_NONBLOCK */
};

FIXTURE_VARIANT(ends)
{
	enum kind kind;
	const char *name;	/* the link in /proc/PID/fd, up to the inode number */
};

FIXTURE_VARIANT_ADD(ends, private_pipe) { .kind = PRIVATE, .name = PRIVATE_PIPE, };
FIXTURE_VARIANT_ADD(ends, pipe_2) { .kind = PIPE_2, .name = "pipe:[", };

static int make_ends(enum kind kind, int device, struct ends *ends, int flags)
{
	int fds[2] = { -1, -1 };
	int ret;

	if (kind == PRIVATE)
		return make_pair(device, ends, flags, 0);
	ret = pipe2(fds, flags);
	*ends = (struct ends){ fds[0], fds[1] };
	return ret;
}

FIXTURE_SETUP(ends)
{
	set_up_pipe(_metadata);
	self->device = open_for_ioctl(_metadata);
	ASSERT_EQ(0, make_ends(variant->kind, self->device, &self->ends, O_NONBLOCK));
}

FIXTURE_TEARDOWN(ends)
{
	kill_children(_metadata);
}

TEST_F(ends, use_lowest_free_descriptors)
{
	int next = next_descriptor();
	struct ends ends;

	ASSERT_EQ(0, make_ends(variant->kind, self->device, &ends, 0));
	EXPECT_EQ(next, ends.r);
	EXPECT_EQ(next + 1, ends.w);
}

TEST_F(ends, one_is_read_only_and_one_is_write_only)
{
	char byte;

	EXPECT_EQ(O_RDONLY, fcntl(self->ends.r, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(O_WRONLY, fcntl(self->ends.w, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(-1, read(self->ends.w, &byte, 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, write(self->ends.r, "x", 1));
	EXPECT_EQ(EBADF, errno);
}

static const int flag_sets[] = {
	0, O_CLOEXEC, O_NONBLOCK, O_DIRECT, O_CLOEXEC | O_NONBLOCK | O_DIRECT,
};

/* O_DIRECT applies to the writing end only. */
TEST_F(ends, requested_flags_are_set)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_sets); i++) {
		int cloexec = flag_sets[i] & O_CLOEXEC ? FD_CLOEXEC : 0;
		int nonblock = flag_sets[i] & O_NONBLOCK;
		int direct = flag_sets[i] & O_DIRECT;
		struct ends ends;

		ASSERT_EQ(0, make_ends(variant->kind, self->device, &ends, flag_sets[i]));
		EXPECT_EQ(cloexec, fcntl(ends.r, F_GETFD));
		EXPECT_EQ(cloexec, fcntl(ends.w, F_GETFD));
		EXPECT_EQ(nonblock, fcntl(ends.r, F_GETFL) & (O_NONBLOCK | O_DIRECT));
		EXPECT_EQ(nonblock | direct, fcntl(ends.w, F_GETFL) & (O_NONBLOCK | O_DIRECT));
	}
}

TEST_F(ends, bytes_pass_from_writer_to_reader)
{
	write_pattern(_metadata, self->ends.w, 300);
	EXPECT_EQ(POLLIN, poll_now(self->ends.r, POLLIN));
	read_exactly(_metadata, self->ends.r, 300);
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 300));
	EXPECT_EQ(0, poll_now(self->ends.r, POLLIN));
	EXPECT_EQ(POLLOUT, poll_now(self->ends.w, POLLOUT));
	EXPECT_EQ(DEFAULT_CAPACITY, fill_pipe(_metadata, self->ends.w));
	EXPECT_EQ(DEFAULT_CAPACITY, drain_pipe(_metadata, self->ends.r));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, DEFAULT_CAPACITY));
}

TEST_F(ends, two_pipes_are_independent)
{
	struct ends other;

	ASSERT_EQ(0, make_ends(variant->kind, self->device, &other, O_NONBLOCK));
	write_pattern(_metadata, self->ends.w, 3);
	EXPECT_EQ(-1, read(other.r, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	close(other.w);
	EXPECT_EQ(0, read(other.r, big_buffer(), 1));
	EXPECT_EQ(3, drain_pipe(_metadata, self->ends.r));
}

TEST_F(ends, end_of_file_follows_last_byte)
{
	write_pattern(_metadata, self->ends.w, 3);
	close(self->ends.w);
	EXPECT_EQ(POLLIN | POLLHUP, poll_now(self->ends.r, POLLIN));
	read_exactly(_metadata, self->ends.r, 2);
	EXPECT_EQ(1, read(self->ends.r, big_buffer(), 100));
	EXPECT_EQ(0, read(self->ends.r, big_buffer(), 100));
	EXPECT_EQ(POLLHUP, poll_now(self->ends.r, POLLIN));
}

TEST_F(ends, last_writer_close_gives_end_of_file)
{
	close(self->ends.w);
	EXPECT_EQ(0, read(self->ends.r, big_buffer(), 100));
	EXPECT_EQ(POLLHUP, poll_now(self->ends.r, POLLIN));
}

TEST_F(ends, last_reader_close_gives_epipe_and_sigpipe)
{
	close(self->ends.r);
	EXPECT_EQ(POLLOUT | POLLERR, poll_now(self->ends.w, POLLOUT));
	EXPECT_EQ(-1, write(self->ends.w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, sigpipes());
}

TEST_F(ends, last_reader_close_gives_epipe_on_full_pipe)
{
	fill_pipe(_metadata, self->ends.w);
	close(self->ends.r);
	EXPECT_EQ(POLLERR, poll_now(self->ends.w, POLLOUT));
	EXPECT_EQ(-1, write(self->ends.w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

TEST_F(ends, reader_sleeps_until_last_writer_closes)
{
	struct child reader = start_reading(_metadata, self->ends.r, 1);

	close(self->ends.r);
	ASSERT_ASLEEP_IN(read, &reader);
	close(self->ends.w);
	EXPECT_EQ(0, result_of(_metadata, &reader).ret);
}

TEST_F(ends, writer_sleeps_until_last_reader_closes)
{
	struct child writer;
	struct result result;

	fill_pipe(_metadata, self->ends.w);
	writer = start_writing(_metadata, self->ends.w, 0, 'w', 1);
	close(self->ends.r);
	result = result_of(_metadata, &writer);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EPIPE, result.err);
	EXPECT_EQ(1, result.sigpipes);
}

TEST_F(ends, dup_keeps_writing_end_open)
{
	int duplicate = dup(self->ends.w);

	close(self->ends.w);
	EXPECT_EQ(-1, read(self->ends.r, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(1, write(duplicate, "x", 1));
	close(duplicate);
	EXPECT_EQ(1, read(self->ends.r, big_buffer(), 100));
	EXPECT_EQ(0, read(self->ends.r, big_buffer(), 100));
}

static void report_and_stay(int report_to, const void *arg __maybe_unused)
{
	report(report_to, 0);
}

TEST_F(ends, forked_child_keeps_reading_end_open)
{
	struct child child = start_forked(_metadata, report_and_stay, NULL);

	ASSERT_EQ(0, result_of(_metadata, &child).ret);
	close(self->ends.r);
	EXPECT_EQ(1, write(self->ends.w, "x", 1));
	kill_child(_metadata, &child);
	EXPECT_EQ(-1, write(self->ends.w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

/* A message of one byte and one descriptor. */
struct fd_message {
	char byte;
	struct iovec iov;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control;
	struct msghdr message;
};

static struct cmsghdr *init_message(struct fd_message *fd_message)
{
	fd_message->iov = (struct iovec){ &fd_message->byte, 1 };
	fd_message->message = (struct msghdr) {
		.msg_iov = &fd_message->iov, .msg_iovlen = 1,
		.msg_control = &fd_message->control, .msg_controllen = sizeof(fd_message->control),
	};
	return CMSG_FIRSTHDR(&fd_message->message);
}

static void send_descriptor(struct __test_metadata *_metadata, int socket, int fd)
{
	struct fd_message fd_message = { .byte = 'x' };
	struct cmsghdr *header = init_message(&fd_message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	ASSERT_EQ(1, sendmsg(socket, &fd_message.message, 0));
}

static int receive_descriptor(struct __test_metadata *_metadata, int socket)
{
	struct fd_message fd_message = { .byte = 0 };
	int fd = -1;

	init_message(&fd_message);
	ASSERT_EQ(1, recvmsg(socket, &fd_message.message, MSG_DONTWAIT));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&fd_message.message)), sizeof(fd));
	return fd;
}

TEST_F(ends, scm_rights_passes_open_end)
{
	int sockets[2], received;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	send_descriptor(_metadata, sockets[0], self->ends.w);
	close(self->ends.w);
	EXPECT_EQ(-1, read(self->ends.r, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	received = receive_descriptor(_metadata, sockets[1]);
	EXPECT_EQ(1, write(received, "x", 1));
	close(received);
	EXPECT_EQ(1, read(self->ends.r, big_buffer(), 100));
	EXPECT_EQ(0, read(self->ends.r, big_buffer(), 100));
}

TEST_F(ends, discarded_scm_rights_message_closes_end)
{
	int sockets[2];

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	send_descriptor(_metadata, sockets[0], self->ends.w);
	close(self->ends.w);
	close(sockets[0]);
	close(sockets[1]);
	EXPECT_EQ(0, read(self->ends.r, big_buffer(), 1));
}

/* Names */

TEST_F(ends, both_have_one_name_unique_to_their_pipe)
{
	size_t len = strlen(variant->name);
	char r[64], w[64], other[64];
	struct stat stat;
	struct ends ends;
	char *end;

	name_of(getpid(), self->ends.r, r, sizeof(r));
	name_of(getpid(), self->ends.w, w, sizeof(w));
	EXPECT_STREQ(r, w);
	ASSERT_EQ(0, strncmp(variant->name, r, len))
	{
		TH_LOG("%s", r);
	}
	ASSERT_EQ(0, fstat(self->ends.r, &stat));
	EXPECT_EQ(stat.st_ino, strtoul(r + len, &end, 10));
	EXPECT_STREQ("]", end);
	for (int i = 0; i < 50; i++) {
		ASSERT_EQ(0, make_ends(variant->kind, self->device, &ends, 0));
		name_of(getpid(), ends.r, other, sizeof(other));
		EXPECT_STRNE(r, other);
	}
}

TEST_F(ends, both_have_one_inode_unique_to_their_pipe)
{
	struct stat r, w, other;
	struct ends ends;

	ASSERT_EQ(0, make_ends(variant->kind, self->device, &ends, 0));
	ASSERT_EQ(0, fstat(self->ends.r, &r));
	ASSERT_EQ(0, fstat(self->ends.w, &w));
	ASSERT_EQ(0, fstat(ends.r, &other));
	EXPECT_EQ(r.st_dev, w.st_dev);
	EXPECT_EQ(r.st_ino, w.st_ino);
	EXPECT_NE(r.st_ino, other.st_ino);
	EXPECT_EQ(geteuid(), r.st_uid);
	EXPECT_EQ(S_IFIFO | 0600, r.st_mode);
}

/* Reopened through /proc/self/fd */

TEST_F(ends, either_can_be_reopened_in_any_mode)
{
	int reader = open_again(self->ends.w, O_RDONLY | O_NONBLOCK);
	int writer = open_again(self->ends.r, O_WRONLY | O_NONBLOCK);
	int both = open_again(self->ends.r, O_RDWR | O_NONBLOCK);

	ASSERT_LE(0, reader);
	ASSERT_LE(0, writer);
	ASSERT_LE(0, both);
	EXPECT_EQ(1, write(writer, "a", 1));
	EXPECT_EQ(1, write(both, "b", 1));
	EXPECT_EQ(1, write(self->ends.w, "c", 1));
	read_exactly(_metadata, reader, 1);
	read_exactly(_metadata, both, 1);
	read_exactly(_metadata, self->ends.r, 1);
	EXPECT_EQ('c', big_buffer()[0]);
	EXPECT_EQ(-1, write(reader, "x", 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, read(writer, big_buffer(), 1));
	EXPECT_EQ(EBADF, errno);
}

TEST_F(ends, reopened_writer_delays_and_clears_end_of_file)
{
	int writer = open_again(self->ends.w, O_WRONLY);

	close(self->ends.w);
	EXPECT_EQ(-1, read(self->ends.r, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	close(writer);
	EXPECT_EQ(0, read(self->ends.r, big_buffer(), 1));
	/* A new writer clears the end of file. */
	writer = open_again(self->ends.r, O_WRONLY);
	EXPECT_EQ(-1, read(self->ends.r, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(ends, reopened_end_sees_that_peer_is_closed)
{
	int writer, reader;

	close(self->ends.w);
	reader = open_again(self->ends.r, O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(0, read(reader, big_buffer(), 1));
	EXPECT_EQ(POLLHUP, poll_now(reader, POLLIN));
	writer = open_again(self->ends.r, O_WRONLY | O_NONBLOCK);
	close(self->ends.r);
	close(reader);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	close(open_again(writer, O_RDONLY));
	EXPECT_EQ(-1, write(open_again(writer, O_WRONLY), "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

TEST_F(ends, reopened_end_has_flags_of_its_own)
{
	int reader = open_again(self->ends.r, O_RDONLY);

	EXPECT_EQ(0, fcntl(reader, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(O_NONBLOCK, fcntl(self->ends.r, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(0, fcntl(reader, F_SETFL, O_NONBLOCK | O_DIRECT));
	EXPECT_EQ(O_DIRECT, fcntl(reader, F_GETFL) & O_DIRECT);
	EXPECT_EQ(0, fcntl(self->ends.r, F_GETFL) & O_DIRECT);
}

/* After the last close, the descriptor can be reopened, and the pipe is empty. */
TEST_F(ends, o_path_descriptor_keeps_no_end_open)
{
	int path = open_again(self->ends.r, O_PATH);
	int both;

	ASSERT_LE(0, path);
	write_pattern(_metadata, self->ends.w, 3);
	close(self->ends.r);
	EXPECT_EQ(-1, write(self->ends.w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	close(self->ends.w);
	both = open_again(path, O_RDWR | O_NONBLOCK);
	ASSERT_LE(0, both);
	EXPECT_EQ(-1, read(both, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(1, write(both, "x", 1));
	EXPECT_EQ(1, read(both, big_buffer(), 100));
}

static void reopen_unprivileged(int report_to, const void *arg)
{
	const struct ends *ends = arg;

	switch_to(&unprivileged_user);
	report(report_to, open_again(ends->r, O_WRONLY));
	report(report_to, open_again(ends->w, O_RDONLY));
	report(report_to, open_again(ends->r, O_RDONLY));
}

TEST_F(ends, unprivileged_user_cannot_reopen_pipe_of_root)
{
	struct child child;

	if (geteuid())
		SKIP(return, "needs root");
	child = start_forked(_metadata, reopen_unprivileged, &self->ends);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(EACCES, result_of(_metadata, &child).err);
}

/* Without two free descriptors */

TEST_F(ends, missing_descriptor_gives_emfile_and_makes_no_end)
{
	int next = next_descriptor();
	int files = open_files();
	struct ends ends;

	for (int free_fds = 0; free_fds < 2; free_fds++) {
		allow_descriptors(_metadata, free_fds);
		EXPECT_EQ(-1, make_ends(variant->kind, self->device, &ends, 0));
		EXPECT_EQ(EMFILE, errno);
		EXPECT_EQ(-1, ends.r);
		EXPECT_EQ(-1, ends.w);
		allow_descriptors(_metadata, ALL);
		EXPECT_EQ(next, next_descriptor());
		EXPECT_EQ(files, open_files());
	}
	allow_descriptors(_metadata, 2);
	EXPECT_EQ(0, make_ends(variant->kind, self->device, &ends, 0));
}

/* MINI_PIPE_IOC_PAIR */

FIXTURE(pair)
{
	int device;
};

FIXTURE_SETUP(pair)
{
	set_up_pipe(_metadata);
	self->device = open_for_ioctl(_metadata);
}

FIXTURE_TEARDOWN(pair)
{
	kill_children(_metadata);
}

TEST_F(pair, device_makes_pairs_in_any_access_mode)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		int device = open_pipe(_metadata, modes[i]);
		struct ends ends;

		EXPECT_EQ(0, make_pair(device, &ends, O_NONBLOCK, 0));
		close(device);
		write_pattern(_metadata, ends.w, 3);
		EXPECT_EQ(3, drain_pipe(_metadata, ends.r));
	}
}

TEST_F(pair, private_pipe_gives_enotty)
{
	struct ends ends = private_pipe(_metadata, 0, 0);
	struct ends other;

	EXPECT_EQ(-1, make_pair(ends.r, &other, 0, 0));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, make_pair(ends.w, &other, 0, 0));
	EXPECT_EQ(ENOTTY, errno);
}

TEST_F(pair, unknown_flag_gives_einval)
{
	int next = next_descriptor();
	struct ends ends;

	for (unsigned int flag = 1; flag; flag <<= 1) {
		if (flag & (O_CLOEXEC | O_NONBLOCK | O_DIRECT))
			continue;
		EXPECT_EQ(-1, make_pair(self->device, &ends, flag, 0))
		{
			TH_LOG("flag %#x", flag);
		}
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(-1, make_pair(self->device, &ends, flag | O_CLOEXEC, 0));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(next, next_descriptor());
}

TEST_F(pair, requested_capacity_is_exact)
{
	static const unsigned int capacities[] = {
		1, 100, 4095, 4096, 4097, 5000, 65537, LARGEST,
	};

	for (size_t i = 0; i < ARRAY_SIZE(capacities); i++) {
		ssize_t capacity = capacities[i];
		struct ends ends = private_pipe(_metadata, O_NONBLOCK, capacity);

		EXPECT_EQ(capacity, capacity_of(ends.r));
		EXPECT_EQ(capacity, fill_pipe(_metadata, ends.w));
		EXPECT_EQ(capacity, drain_pipe(_metadata, ends.r));
	}
}

TEST_F(pair, capacity_0_means_16_pages)
{
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 0);

	EXPECT_EQ(DEFAULT_CAPACITY, capacity_of(ends.w));
	EXPECT_EQ(DEFAULT_CAPACITY, fill_pipe(_metadata, ends.w));
}

TEST_F(pair, capacity_above_1_gib_gives_einval)
{
	int next = next_descriptor();
	struct ends ends;

	EXPECT_EQ(-1, make_pair(self->device, &ends, 0, (1U << 30) + 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, make_pair(self->device, &ends, 0, UINT_MAX));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(next, next_descriptor());
}

/* The kernel can read the argument, but cannot write the descriptors to it. */
TEST_F(pair, read_only_argument_gives_efault_and_makes_nothing)
{
	struct mini_pipe_pair *pair = (void *)map_pages(_metadata, 1, PROT_READ);
	int next = next_descriptor();
	int files = open_files();

	EXPECT_EQ(-1, ioctl(self->device, MINI_PIPE_IOC_PAIR, pair));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(next, next_descriptor());
	EXPECT_EQ(files, open_files());
}

TEST_F(pair, partly_unmapped_argument_gives_efault_and_makes_nothing)
{
	unsigned char *pages = map_pages(_metadata, 2, PROT_READ | PROT_WRITE);
	int next = next_descriptor();
	int files = open_files();

	ASSERT_EQ(0, munmap(pages + page_size(), page_size()));
	for (size_t mapped = 0; mapped < sizeof(struct mini_pipe_pair); mapped += 4) {
		EXPECT_EQ(-1, ioctl(self->device, MINI_PIPE_IOC_PAIR,
				    pages + page_size() - mapped));
		EXPECT_EQ(EFAULT, errno);
	}
	EXPECT_EQ(next, next_descriptor());
	EXPECT_EQ(files, open_files());
}

static struct ends fill_large_pair(struct __test_metadata *_metadata, int device)
{
	struct ends ends;

	ASSERT_EQ(0, make_pair(device, &ends, O_NONBLOCK, LARGEST));
	ASSERT_EQ(LARGEST, write(ends.w, big_buffer(), LARGEST));
	return ends;
}

/* 100 MiB in total, one pipe after the other: a leak would show in the free memory. */
TEST_F(pair, last_close_frees_memory)
{
	ssize_t before = free_memory();
	int files = open_files();

	for (int i = 0; i < 100; i++) {
		struct ends ends = fill_large_pair(_metadata, self->device);

		close(i % 2 ? ends.r : ends.w);
		close(i % 2 ? ends.w : ends.r);
	}
	EXPECT_EQ(files, open_files());
	EXPECT_TRUE(is_free_again(before));
}

TEST_F(pair, failed_call_leaks_no_memory)
{
	struct mini_pipe_pair *pair = (void *)map_pages(_metadata, 1, PROT_READ | PROT_WRITE);
	ssize_t before = free_memory();
	struct ends ends;

	allow_descriptors(_metadata, 1);
	/* A new pipe has no pages yet: only many small leaks would show. */
	for (int i = 0; i < 2000; i++) {
		ASSERT_EQ(-1, make_pair(self->device, &ends, 0, LARGEST));
		ASSERT_EQ(EMFILE, errno);
	}
	allow_descriptors(_metadata, ALL);
	pair->capacity = LARGEST;
	ASSERT_EQ(0, mprotect(pair, page_size(), PROT_READ));
	for (int i = 0; i < 2000; i++) {
		ASSERT_EQ(-1, ioctl(self->device, MINI_PIPE_IOC_PAIR, pair));
		ASSERT_EQ(EFAULT, errno);
	}
	EXPECT_TRUE(is_free_again(before));
}

/* The test kills the child, so the kernel closes its descriptors. */
static void make_and_fill_large_pair(int report_to, const void *arg)
{
	struct ends ends;

	if (make_pair(*(const int *)arg, &ends, 0, LARGEST))
		_exit(KSFT_FAIL);
	report(report_to, write(ends.w, big_buffer(), LARGEST));
}

TEST_F(pair, killed_process_leaks_no_pipe)
{
	ssize_t before = free_memory();
	int files = open_files();

	for (int i = 0; i < 20; i++) {
		struct child child = start_forked(_metadata, make_and_fill_large_pair,
						  &self->device);

		ASSERT_EQ(LARGEST, result_of(_metadata, &child).ret);
		kill_child(_metadata, &child);
	}
	EXPECT_EQ(files, open_files());
	EXPECT_TRUE(is_free_again(before));
}

/* Private pipes and the device */

TEST_F(pair, private_pipe_and_device_share_no_bytes)
{
	int both = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 0);

	write_pattern(_metadata, both, 5);
	EXPECT_EQ(-1, read(ends.r, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(3, write(ends.w, "xyz", 3));
	EXPECT_EQ(5, drain_pipe(_metadata, both));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 5));
	EXPECT_EQ(3, drain_pipe(_metadata, ends.r));
}

TEST_F(pair, private_pipe_is_no_peer_of_device)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 0);
	int writer;

	EXPECT_EQ(-1, read(reader, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	close(ends.r);
	close(ends.w);
	EXPECT_EQ(-1, read(reader, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	close(reader);

	writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	ends = private_pipe(_metadata, O_NONBLOCK, 0);
	close(ends.r);
	close(ends.w);
	EXPECT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ(0, sigpipes());
}

/* Private pipes and the module */

FIXTURE(module)
{
};

FIXTURE_SETUP(module)
{
	start_unloaded(_metadata);
}

FIXTURE_TEARDOWN(module)
{
	end_loaded(_metadata);
}

static void expect_in_use(struct __test_metadata *_metadata)
{
	EXPECT_EQ(-1, unload());
	EXPECT_EQ(EWOULDBLOCK, errno);
}

TEST_F(module, cannot_unload_until_last_end_of_private_pipe_closes)
{
	struct ends ends;

	load_with(_metadata, "");
	ends = private_pipe(_metadata, O_NONBLOCK, 0);
	expect_in_use(_metadata);
	close(ends.r);
	expect_in_use(_metadata);
	close(ends.w);
	EXPECT_EQ(0, unload());
}

TEST_F(module, cannot_unload_while_reopened_end_is_open)
{
	struct ends ends;
	int again;

	load_with(_metadata, "");
	ends = private_pipe(_metadata, O_NONBLOCK, 0);
	again = open_again(ends.r, O_RDWR | O_NONBLOCK);
	close(ends.r);
	close(ends.w);
	expect_in_use(_metadata);
	write_pattern(_metadata, again, 3);
	EXPECT_EQ(3, drain_pipe(_metadata, again));
	close(again);
	EXPECT_EQ(0, unload());
}

TEST_F(module, cannot_unload_while_o_path_descriptor_is_open)
{
	struct ends ends;
	int path;

	load_with(_metadata, "");
	ends = private_pipe(_metadata, O_NONBLOCK, 0);
	path = open_again(ends.r, O_PATH);
	close(ends.r);
	close(ends.w);
	expect_in_use(_metadata);
	close(path);
	EXPECT_EQ(0, unload());
}

TEST_F(module, failed_pair_ioctls_do_not_prevent_unload)
{
	struct ends ends;
	int device;

	load_with(_metadata, "");
	device = open_for_ioctl(_metadata);
	allow_descriptors(_metadata, 1);
	EXPECT_EQ(-1, make_pair(device, &ends, 0, 0));
	allow_descriptors(_metadata, ALL);
	EXPECT_EQ(-1, ioctl(device, MINI_PIPE_IOC_PAIR, NULL));
	EXPECT_EQ(-1, make_pair(device, &ends, O_APPEND, 0));
	close(device);
	EXPECT_EQ(0, unload());
}

TEST_F(module, reloaded_module_makes_private_pipes)
{
	for (int i = 0; i < 5; i++) {
		struct ends ends;

		load_with(_metadata, "");
		ends = private_pipe(_metadata, O_NONBLOCK, 0);
		write_pattern(_metadata, ends.w, 3);
		EXPECT_EQ(3, drain_pipe(_metadata, ends.r));
		close(ends.r);
		close(ends.w);
		ASSERT_EQ(0, unload());
	}
}

TEST_F(module, parameters_of_device_do_not_apply_to_private_pipes)
{
	struct ends ends;

	load_with(_metadata, "capacity=128 policy=rendezvous");
	ends = private_pipe(_metadata, O_NONBLOCK, 0);
	EXPECT_EQ(DEFAULT_CAPACITY, capacity_of(ends.r));
	EXPECT_EQ(MINI_PIPE_BUFFERED, policy_of(ends.r));
}

TEST_HARNESS_MAIN
