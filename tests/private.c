// SPDX-License-Identifier: GPL-2.0
/*
 * Private pipes: a fresh one for each MINI_PIPE_IOC_PAIR, gone with its last descriptor. What they
 * share with a pipe of pipe(2) is asked of both, side by side. limits.c has who may have how many,
 * cgroup.c who pays for them.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "variants.h"
#include "module_fixture.h"
#include "credentials.h"

#define MOST 1048576

/* From now on, so many more descriptors can be had; with ALL, as many as may be. */
#define ALL -1

static void allow_descriptors(struct __test_metadata *_metadata, int more)
{
	struct rlimit limit;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = more == ALL ? limit.rlim_max : (rlim_t)next_descriptor() + more;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
}

/* Side by side */

FIXTURE(ends)
{
	int device;		/* neither end of it, and the first one free is above */
	struct ends ends;	/* which do not block */
};

FIXTURE_VARIANT(ends)
{
	enum kind kind;
	const char *name;	/* in /proc/PID/fd, up to its number */
};

FIXTURE_VARIANT_ADD(ends, of_a_private_pipe) { .kind = PRIVATE, .name = PRIVATE_PIPE, };
FIXTURE_VARIANT_ADD(ends, of_a_pipe_2) { .kind = PIPE_2, .name = "pipe:[", };

static int make(enum kind kind, int device, struct ends *ends, int flags)
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
	set_the_stage(_metadata);
	self->device = open_neither(_metadata);
	ASSERT_EQ(0, make(variant->kind, self->device, &self->ends, O_NONBLOCK));
}

FIXTURE_TEARDOWN(ends)
{
	clear_the_stage(_metadata);
}

TEST_F(ends, are_the_first_two_descriptors_that_are_free)
{
	int next = next_descriptor();
	struct ends ends;

	ASSERT_EQ(0, make(variant->kind, self->device, &ends, 0));
	EXPECT_EQ(next, ends.r);
	EXPECT_EQ(next + 1, ends.w);
}

TEST_F(ends, are_one_for_reading_and_one_for_writing)
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

/* O_DIRECT is only for who writes. */
TEST_F(ends, have_the_flags_that_were_asked_for)
{
	for (size_t i = 0; i < ARRAY_SIZE(flag_sets); i++) {
		int cloexec = flag_sets[i] & O_CLOEXEC ? FD_CLOEXEC : 0;
		int nonblock = flag_sets[i] & O_NONBLOCK;
		int direct = flag_sets[i] & O_DIRECT;
		struct ends ends;

		ASSERT_EQ(0, make(variant->kind, self->device, &ends, flag_sets[i]));
		EXPECT_EQ(cloexec, fcntl(ends.r, F_GETFD));
		EXPECT_EQ(cloexec, fcntl(ends.w, F_GETFD));
		EXPECT_EQ(nonblock, fcntl(ends.r, F_GETFL) & (O_NONBLOCK | O_DIRECT));
		EXPECT_EQ(nonblock | direct, fcntl(ends.w, F_GETFL) & (O_NONBLOCK | O_DIRECT));
	}
}

TEST_F(ends, pass_bytes)
{
	put_in(_metadata, self->ends.w, 300);
	EXPECT_EQ(POLLIN, poll_now(self->ends.r, POLLIN));
	take(_metadata, self->ends.r, 300);
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 300));
	EXPECT_EQ(0, poll_now(self->ends.r, POLLIN));
	EXPECT_EQ(POLLOUT, poll_now(self->ends.w, POLLOUT));
	EXPECT_EQ(65536, fill_pipe(_metadata, self->ends.w));
	EXPECT_EQ(65536, drain_pipe(_metadata, self->ends.r));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 65536));
}

TEST_F(ends, of_two_pipes_do_not_meet)
{
	struct ends other;

	ASSERT_EQ(0, make(variant->kind, self->device, &other, O_NONBLOCK));
	put_in(_metadata, self->ends.w, 3);
	EXPECT_EQ(-1, read(other.r, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	close(other.w);
	EXPECT_EQ(0, read(other.r, big_buffer(), 1));
	EXPECT_EQ(3, drain_pipe(_metadata, self->ends.r));
}

TEST_F(ends, know_the_end_of_file)
{
	put_in(_metadata, self->ends.w, 3);
	close(self->ends.w);
	EXPECT_EQ(POLLIN | POLLHUP, poll_now(self->ends.r, POLLIN));
	take(_metadata, self->ends.r, 2);
	EXPECT_EQ(1, read(self->ends.r, big_buffer(), 100));
	EXPECT_EQ(0, read(self->ends.r, big_buffer(), 100));
	EXPECT_EQ(POLLHUP, poll_now(self->ends.r, POLLIN));
}

TEST_F(ends, know_the_end_of_file_without_a_byte)
{
	close(self->ends.w);
	EXPECT_EQ(0, read(self->ends.r, big_buffer(), 100));
	EXPECT_EQ(POLLHUP, poll_now(self->ends.r, POLLIN));
}

TEST_F(ends, know_a_broken_pipe)
{
	close(self->ends.r);
	EXPECT_EQ(POLLOUT | POLLERR, poll_now(self->ends.w, POLLOUT));
	EXPECT_EQ(-1, write(self->ends.w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, sigpipes());
}

TEST_F(ends, know_a_broken_pipe_that_is_full)
{
	fill_pipe(_metadata, self->ends.w);
	close(self->ends.r);
	EXPECT_EQ(POLLERR, poll_now(self->ends.w, POLLOUT));
	EXPECT_EQ(-1, write(self->ends.w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

TEST_F(ends, keep_a_reader_waiting_until_the_last_writer_leaves)
{
	struct child reader = start_reading(_metadata, self->ends.r, 1);

	close(self->ends.r);
	ASSERT_ASLEEP_IN(read, &reader);
	close(self->ends.w);
	EXPECT_EQ(0, result_of(_metadata, &reader).ret);
}

TEST_F(ends, keep_a_writer_waiting_until_the_last_reader_leaves)
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

TEST_F(ends, stay_while_a_duplicate_is_open)
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

static void just_be_there(int report_to, const void *arg __maybe_unused)
{
	report(report_to, 0);
}

TEST_F(ends, stay_while_a_forked_child_lives)
{
	struct child heir = start_heir(_metadata, just_be_there, NULL);

	ASSERT_EQ(0, result_of(_metadata, &heir).ret);
	close(self->ends.r);
	EXPECT_EQ(1, write(self->ends.w, "x", 1));
	dismiss(_metadata, &heir);
	EXPECT_EQ(-1, write(self->ends.w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

/* A message of one byte and one descriptor, which is sent, or has room. */
struct parcel {
	char byte;
	struct iovec iov;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control;
	struct msghdr message;
};

static struct cmsghdr *wrap(struct parcel *parcel)
{
	parcel->iov = (struct iovec){ &parcel->byte, 1 };
	parcel->message = (struct msghdr) {
		.msg_iov = &parcel->iov, .msg_iovlen = 1,
		.msg_control = &parcel->control, .msg_controllen = sizeof(parcel->control),
	};
	return CMSG_FIRSTHDR(&parcel->message);
}

static void send_descriptor(struct __test_metadata *_metadata, int socket, int fd)
{
	struct parcel parcel = { .byte = 'x' };
	struct cmsghdr *header = wrap(&parcel);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	ASSERT_EQ(1, sendmsg(socket, &parcel.message, 0));
}

static int receive_descriptor(struct __test_metadata *_metadata, int socket)
{
	struct parcel parcel = { .byte = 0 };
	int fd = -1;

	wrap(&parcel);
	ASSERT_EQ(1, recvmsg(socket, &parcel.message, MSG_DONTWAIT));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&parcel.message)), sizeof(fd));
	return fd;
}

TEST_F(ends, stay_while_they_are_on_their_way_and_work_where_they_arrive)
{
	int sockets[2], arrived;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	send_descriptor(_metadata, sockets[0], self->ends.w);
	close(self->ends.w);
	EXPECT_EQ(-1, read(self->ends.r, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	arrived = receive_descriptor(_metadata, sockets[1]);
	EXPECT_EQ(1, write(arrived, "x", 1));
	close(arrived);
	EXPECT_EQ(1, read(self->ends.r, big_buffer(), 100));
	EXPECT_EQ(0, read(self->ends.r, big_buffer(), 100));
}

TEST_F(ends, are_gone_with_a_message_that_nobody_takes)
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

TEST_F(ends, have_one_name_and_no_other_pipe_has_it)
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
		ASSERT_EQ(0, make(variant->kind, self->device, &ends, 0));
		name_of(getpid(), ends.r, other, sizeof(other));
		EXPECT_STRNE(r, other);
	}
}

TEST_F(ends, are_one_inode_and_no_other_pipe_is_it)
{
	struct stat r, w, other;
	struct ends ends;

	ASSERT_EQ(0, make(variant->kind, self->device, &ends, 0));
	ASSERT_EQ(0, fstat(self->ends.r, &r));
	ASSERT_EQ(0, fstat(self->ends.w, &w));
	ASSERT_EQ(0, fstat(ends.r, &other));
	EXPECT_EQ(r.st_dev, w.st_dev);
	EXPECT_EQ(r.st_ino, w.st_ino);
	EXPECT_NE(r.st_ino, other.st_ino);
	EXPECT_EQ(geteuid(), r.st_uid);
	EXPECT_EQ(S_IFIFO | 0600, r.st_mode);
}

/* Opened once more, by way of /proc/self/fd */

TEST_F(ends, can_be_opened_again_as_either)
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
	take(_metadata, reader, 1);
	take(_metadata, both, 1);
	take(_metadata, self->ends.r, 1);
	EXPECT_EQ('c', big_buffer()[0]);
	EXPECT_EQ(-1, write(reader, "x", 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, read(writer, big_buffer(), 1));
	EXPECT_EQ(EBADF, errno);
}

TEST_F(ends, that_were_opened_again_keep_the_pipe_whole)
{
	int writer = open_again(self->ends.w, O_WRONLY);

	close(self->ends.w);
	EXPECT_EQ(-1, read(self->ends.r, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	close(writer);
	EXPECT_EQ(0, read(self->ends.r, big_buffer(), 1));
	/* A writer that comes back mends it. */
	writer = open_again(self->ends.r, O_WRONLY);
	EXPECT_EQ(-1, read(self->ends.r, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
}

TEST_F(ends, that_are_opened_when_the_peer_has_left_find_that_it_has)
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

TEST_F(ends, that_were_opened_again_have_flags_of_their_own)
{
	int reader = open_again(self->ends.r, O_RDONLY);

	EXPECT_EQ(0, fcntl(reader, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(O_NONBLOCK, fcntl(self->ends.r, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(0, fcntl(reader, F_SETFL, O_NONBLOCK | O_DIRECT));
	EXPECT_EQ(O_DIRECT, fcntl(reader, F_GETFL) & O_DIRECT);
	EXPECT_EQ(0, fcntl(self->ends.r, F_GETFL) & O_DIRECT);
}

/* A path to it is no end of it. */
TEST_F(ends, are_gone_though_somebody_has_a_path_to_them)
{
	int path = open_again(self->ends.r, O_PATH);
	int both;

	ASSERT_LE(0, path);
	put_in(_metadata, self->ends.w, 3);
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

static void open_as_a_stranger(int report_to, const void *arg)
{
	const struct ends *ends = arg;

	become(&stranger);
	report(report_to, open_again(ends->r, O_WRONLY));
	report(report_to, open_again(ends->w, O_RDONLY));
	report(report_to, open_again(ends->r, O_RDONLY));
}

TEST_F(ends, of_root_are_not_opened_again_by_a_stranger)
{
	struct child child;

	if (geteuid())
		SKIP(return, "needs root");
	child = start_heir(_metadata, open_as_a_stranger, &self->ends);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(EACCES, result_of(_metadata, &child).err);
}

/* When there is no second descriptor, or not even a first */

TEST_F(ends, are_not_made_by_halves)
{
	int next = next_descriptor();
	int files = open_files();
	struct ends ends;

	for (int left = 0; left < 2; left++) {
		allow_descriptors(_metadata, left);
		EXPECT_EQ(-1, make(variant->kind, self->device, &ends, 0));
		EXPECT_EQ(EMFILE, errno);
		EXPECT_EQ(-1, ends.r);
		EXPECT_EQ(-1, ends.w);
		allow_descriptors(_metadata, ALL);
		EXPECT_EQ(next, next_descriptor());
		EXPECT_EQ(files, open_files());
	}
	allow_descriptors(_metadata, 2);
	EXPECT_EQ(0, make(variant->kind, self->device, &ends, 0));
}

/* Private pipes alone */

FIXTURE(pair)
{
	int device;
};

FIXTURE_SETUP(pair)
{
	set_the_stage(_metadata);
	self->device = open_neither(_metadata);
}

FIXTURE_TEARDOWN(pair)
{
	clear_the_stage(_metadata);
}

TEST_F(pair, is_asked_of_the_device_in_any_access_mode)
{
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		int device = open_pipe(_metadata, modes[i]);
		struct ends ends;

		EXPECT_EQ(0, make_pair(device, &ends, O_NONBLOCK, 0));
		close(device);
		put_in(_metadata, ends.w, 3);
		EXPECT_EQ(3, drain_pipe(_metadata, ends.r));
	}
}

TEST_F(pair, is_not_asked_of_a_private_pipe)
{
	struct ends ends = private_pipe(_metadata, 0, 0);
	struct ends other;

	EXPECT_EQ(-1, make_pair(ends.r, &other, 0, 0));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, make_pair(ends.w, &other, 0, 0));
	EXPECT_EQ(ENOTTY, errno);
}

TEST_F(pair, knows_no_flags_but_three)
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

TEST_F(pair, holds_the_capacity_that_was_asked_for)
{
	static const unsigned int capacities[] = { 1, 100, 4095, 4096, 4097, 5000, 65537, MOST };

	for (size_t i = 0; i < ARRAY_SIZE(capacities); i++) {
		ssize_t capacity = capacities[i];
		struct ends ends = private_pipe(_metadata, O_NONBLOCK, capacity);

		EXPECT_EQ(capacity, capacity_of(ends.r));
		EXPECT_EQ(capacity, fill_pipe(_metadata, ends.w));
		EXPECT_EQ(capacity, drain_pipe(_metadata, ends.r));
	}
}

TEST_F(pair, holds_65536_bytes_when_0_was_asked_for)
{
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 0);

	EXPECT_EQ(65536, capacity_of(ends.w));
	EXPECT_EQ(65536, fill_pipe(_metadata, ends.w));
}

TEST_F(pair, cannot_hold_more_than_a_gibibyte)
{
	int next = next_descriptor();
	struct ends ends;

	EXPECT_EQ(-1, make_pair(self->device, &ends, 0, (1U << 30) + 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, make_pair(self->device, &ends, 0, UINT_MAX));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(next, next_descriptor());
}

/* The argument can be read, but what was made cannot be told: it is not there. */
TEST_F(pair, that_cannot_be_told_is_not_made)
{
	struct mini_pipe_pair *pair = (void *)map_pages(_metadata, 1, PROT_READ);
	int next = next_descriptor();
	int files = open_files();

	EXPECT_EQ(-1, ioctl(self->device, MINI_PIPE_IOC_PAIR, pair));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(next, next_descriptor());
	EXPECT_EQ(files, open_files());
}

TEST_F(pair, whose_argument_ends_in_a_hole_is_not_made)
{
	unsigned char *pages = map_pages(_metadata, 2, PROT_READ | PROT_WRITE);
	int next = next_descriptor();
	int files = open_files();

	ASSERT_EQ(0, munmap(pages + page_size(), page_size()));
	for (size_t good = 0; good < sizeof(struct mini_pipe_pair); good += 4) {
		EXPECT_EQ(-1, ioctl(self->device, MINI_PIPE_IOC_PAIR, pages + page_size() - good));
		EXPECT_EQ(EFAULT, errno);
	}
	EXPECT_EQ(next, next_descriptor());
	EXPECT_EQ(files, open_files());
}

static struct ends fill_large_pair(struct __test_metadata *_metadata, int device)
{
	struct ends ends;

	ASSERT_EQ(0, make_pair(device, &ends, O_NONBLOCK, MOST));
	ASSERT_EQ(MOST, write(ends.w, big_buffer(), MOST));
	return ends;
}

/* Several times as much as the machine has, one after the other. */
TEST_F(pair, gives_its_memory_back_with_its_last_descriptor)
{
	ssize_t before = free_memory();
	int files = open_files();

	for (int i = 0; i < 100; i++) {
		struct ends ends = fill_large_pair(_metadata, self->device);

		close(i % 2 ? ends.r : ends.w);
		close(i % 2 ? ends.w : ends.r);
	}
	EXPECT_EQ(files, open_files());
	EXPECT_GT(MEMORY_SLACK, before - free_memory());
}

TEST_F(pair, takes_no_memory_when_it_is_not_made)
{
	struct mini_pipe_pair *pair = (void *)map_pages(_metadata, 1, PROT_READ | PROT_WRITE);
	ssize_t before = free_memory();
	struct ends ends;

	allow_descriptors(_metadata, 1);
	for (int i = 0; i < 50; i++)
		ASSERT_EQ(-1, make_pair(self->device, &ends, 0, MOST));
	pair->capacity = MOST;
	ASSERT_EQ(0, mprotect(pair, page_size(), PROT_READ));
	for (int i = 0; i < 50; i++)
		ASSERT_EQ(-1, ioctl(self->device, MINI_PIPE_IOC_PAIR, pair));
	EXPECT_GT(MEMORY_SLACK, before - free_memory());
}

/* A crash, a kill: nobody closes anything. */
static void fill_a_large_one(int report_to, const void *arg)
{
	struct ends ends;

	if (make_pair(*(const int *)arg, &ends, 0, MOST))
		_exit(KSFT_FAIL);
	report(report_to, write(ends.w, big_buffer(), MOST));
}

TEST_F(pair, is_gone_with_a_process_that_is_killed)
{
	ssize_t before = free_memory();
	int files = open_files();

	for (int i = 0; i < 20; i++) {
		struct child child = start_heir(_metadata, fill_a_large_one, &self->device);

		ASSERT_EQ(MOST, result_of(_metadata, &child).ret);
		dismiss(_metadata, &child);
	}
	EXPECT_EQ(files, open_files());
	EXPECT_GT(MEMORY_SLACK, before - free_memory());
}

/* The device beside */

TEST_F(pair, has_nothing_to_do_with_the_devices_own_pipe)
{
	int both = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 0);

	put_in(_metadata, both, 5);
	EXPECT_EQ(-1, read(ends.r, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
	ASSERT_EQ(3, write(ends.w, "xyz", 3));
	EXPECT_EQ(5, drain_pipe(_metadata, both));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 5));
	EXPECT_EQ(3, drain_pipe(_metadata, ends.r));
}

TEST_F(pair, makes_nobody_a_peer_at_the_device)
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

/* The module beneath */

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

TEST_F(module, is_in_use_until_the_last_end_of_a_private_pipe_is_closed)
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

TEST_F(module, is_in_use_while_a_private_pipe_is_open_once_more)
{
	struct ends ends;
	int again;

	load_with(_metadata, "");
	ends = private_pipe(_metadata, O_NONBLOCK, 0);
	again = open_again(ends.r, O_RDWR | O_NONBLOCK);
	close(ends.r);
	close(ends.w);
	expect_in_use(_metadata);
	put_in(_metadata, again, 3);
	EXPECT_EQ(3, drain_pipe(_metadata, again));
	close(again);
	EXPECT_EQ(0, unload());
}

TEST_F(module, is_in_use_while_there_is_a_path_to_a_private_pipe)
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

TEST_F(module, is_not_in_use_by_private_pipes_that_were_not_made)
{
	struct ends ends;
	int device;

	load_with(_metadata, "");
	device = open_neither(_metadata);
	allow_descriptors(_metadata, 1);
	EXPECT_EQ(-1, make_pair(device, &ends, 0, 0));
	allow_descriptors(_metadata, ALL);
	EXPECT_EQ(-1, ioctl(device, MINI_PIPE_IOC_PAIR, NULL));
	EXPECT_EQ(-1, make_pair(device, &ends, O_APPEND, 0));
	close(device);
	EXPECT_EQ(0, unload());
}

TEST_F(module, that_is_loaded_again_makes_new_private_pipes)
{
	for (int i = 0; i < 5; i++) {
		struct ends ends;

		load_with(_metadata, "");
		ends = private_pipe(_metadata, O_NONBLOCK, 0);
		put_in(_metadata, ends.w, 3);
		EXPECT_EQ(3, drain_pipe(_metadata, ends.r));
		close(ends.r);
		close(ends.w);
		ASSERT_EQ(0, unload());
	}
}

/* The parameters are the device's. */
TEST_F(module, with_parameters_for_its_device_makes_private_pipes_as_ever)
{
	struct ends ends;

	load_with(_metadata, "capacity=128 policy=rendezvous");
	ends = private_pipe(_metadata, O_NONBLOCK, 0);
	EXPECT_EQ(65536, capacity_of(ends.r));
	EXPECT_EQ(MINI_PIPE_BUFFERED, policy_of(ends.r));
}

TEST_HARNESS_MAIN
