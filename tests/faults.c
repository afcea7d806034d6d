// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that fails: each call meets a fault at its first allocation or copy, then at its second,
 * and so on until it has no more of them. It fails cleanly each time, and the next try works. What
 * it did not give back is found later, when the module is unloaded: by kmemleak.
 *
 * Some can do without what failed: who gets no block of pages takes smaller ones, who cannot copy
 * at once does so with more care, and the kernel allocates for its own books, now and then. So how
 * often a call fails is not always the same; and pages that fail are followed by others, a little
 * later, until there are no smaller blocks.
 *
 * Needs a kernel with fault injection; see .config.debug. A task's fail-nth counts whatever can
 * fail; which kind it was is told by how many times that may fail still.
 */
#include <dirent.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/select.h>
#include <sys/stat.h>
#include "ioctls.h"
#include "module_fixture.h"

#define DEBUGFS "/sys/kernel/debug"
#define SLABS "/sys/kernel/slab"

enum kind {
	SLAB,
	PAGE,
	COPY,
	KINDS,
	NONE = KINDS,	/* the call had no more of them */
};

static const char *const names[KINDS] = { "failslab", "fail_page_alloc", "fail_usercopy" };

/*
 * How many of a kind may fail in a call: the nth, and of the pages some more, so that a ring of the
 * largest blocks comes down to single pages, and is refused one of those.
 */
static const char *const times[KINDS] = { "1", "5", "1" };

/* So many pages come after the first that failed, alone or in blocks, until all others fail. */
#define PAGES_BETWEEN "8"

/* How a call ended, and at what. */
struct outcome {
	ssize_t ret;
	int err;
	enum kind fault;
};

/* A whole story may be one call, if it leaves nothing behind when it fails. */
typedef ssize_t (*call_fn)(const void *arg);

static long read_number(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[32] = "";

	if (read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	close(fd);
	return strtol(text, NULL, 10);
}

static const char *knob(enum kind kind, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), DEBUGFS "/%s/%s", names[kind], name);
	return path;
}

static void turn(struct __test_metadata *_metadata, enum kind kind, const char *name,
		 const char *value)
{
	ASSERT_TRUE(write_file(knob(kind, name), value))
	{
		TH_LOG("%s: %s; is this a kernel with fault injection?", knob(kind, name),
		       strerror(errno));
	}
}

/* All but kmemleak's own, which fail for no call, and are as many as all others. */
static void let_all_caches_fail(struct __test_metadata *_metadata)
{
	DIR *slabs = opendir(SLABS);
	char path[PATH_MAX];
	struct dirent *slab;

	ASSERT_NE(NULL, slabs);
	while ((slab = readdir(slabs))) {
		snprintf(path, sizeof(path), SLABS "/%s/failslab", slab->d_name);
		if (slab->d_name[0] != '.' && !strstr(slab->d_name, "kmemleak"))
			EXPECT_TRUE(write_file(path, "1"));
	}
	closedir(slabs);
	turn(_metadata, SLAB, "cache-filter", "Y");
}

/* Nothing fails until a task asks for it with its fail-nth; returns that of this one. */
static int prepare_faults(struct __test_metadata *_metadata)
{
	int fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, fail_nth)
	{
		TH_LOG("this kernel has no fault injection");
	}
	if (access(knob(SLAB, "times"), F_OK))
		ASSERT_EQ(0, mount("debugfs", DEBUGFS, "debugfs", 0, NULL));
	for (enum kind kind = 0; kind < KINDS; kind++)
		turn(_metadata, kind, "verbose", "0");
	turn(_metadata, SLAB, "ignore-gfp-wait", "N");
	turn(_metadata, PAGE, "ignore-gfp-wait", "N");
	turn(_metadata, PAGE, "min-order", "0");
	turn(_metadata, PAGE, "task-filter", "Y");
	turn(_metadata, PAGE, "probability", "100");
	let_all_caches_fail(_metadata);
	/* No page fault of this process may meet what is meant for its calls. */
	ASSERT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
	return fail_nth;
}

/* Writes to a file of this task, which may be what fails. */
static void set_own(int fd, const char *text)
{
	while (pwrite(fd, text, strlen(text), 0) < 0)
		;
}

/* Makes the call with its nth fault. */
static struct outcome meet_fault(struct __test_metadata *_metadata, int fail_nth, int nth,
				 call_fn call, const void *arg)
{
	int fail_more = open("/proc/thread-self/make-it-fail", O_WRONLY | O_CLOEXEC);
	struct outcome outcome = { .fault = NONE };
	char text[16];
	bool failed;

	ASSERT_LE(0, fail_more);
	for (enum kind kind = 0; kind < KINDS; kind++)
		turn(_metadata, kind, "times", times[kind]);
	turn(_metadata, PAGE, "space", PAGES_BETWEEN);
	snprintf(text, sizeof(text), "%d", nth);
	set_own(fail_more, "1");
	set_own(fail_nth, text);
	outcome.ret = call(arg);
	outcome.err = outcome.ret < 0 ? errno : 0;
	/* This is a copy, too; if it is the one that fails, the call had no fault. */
	failed = pread(fail_nth, text, sizeof(text), 0) > 0 && text[0] == '0';
	set_own(fail_nth, "0");
	set_own(fail_more, "0");
	for (enum kind kind = 0; failed && kind < KINDS; kind++)
		if (read_number(knob(kind, "times")) < atoi(times[kind]))
			outcome.fault = kind;
	ASSERT_EQ(failed, outcome.fault != NONE);
	close(fail_more);
	return outcome;
}

/* A call that failed has met a fault, and says of which kind. Some can do without what failed. */
static void expect_clean(struct __test_metadata *_metadata, int nth, const struct outcome *outcome)
{
	if (outcome->ret >= 0)
		return;
	ASSERT_NE(NONE, outcome->fault);
	EXPECT_EQ(outcome->fault == COPY ? EFAULT : ENOMEM, outcome->err)
	{
		TH_LOG("fault %d, %s: %s", nth, names[outcome->fault], strerror(outcome->err));
	}
}

/* A read or a write, of one buffer or of several. */
struct transfer {
	int fd;
	bool writes;
	int buffers;	/* 0: a plain call */
	unsigned char *buf;
	ssize_t len;
};

/* More than the kernel has room for on its stack. */
#define MANY_BUFFERS 9

static ssize_t move_bytes(const void *arg)
{
	const struct transfer *transfer = arg;
	struct iovec iov[MANY_BUFFERS];
	ssize_t at = 0;

	if (!transfer->buffers)
		return transfer->writes ? write(transfer->fd, transfer->buf, transfer->len) :
					  read(transfer->fd, transfer->buf, transfer->len);
	for (int i = 0; i < transfer->buffers; i++) {
		ssize_t end = transfer->len * (i + 1) / transfer->buffers;

		iov[i] = (struct iovec) { transfer->buf + at, end - at };
		at = end;
	}
	return transfer->writes ? writev(transfer->fd, iov, transfer->buffers) :
				  readv(transfer->fd, iov, transfer->buffers);
}

/* Loading. */

FIXTURE(loading)
{
	int fail_nth;
};

/* What a larger ring adds is its blocks, so without them not each is tried. */
FIXTURE_VARIANT(loading)
{
	const char *capacity;
	ssize_t bytes;
	int step;
};

FIXTURE_VARIANT_ADD(loading, a_byte) { .capacity = "1", .bytes = 1, .step = 8, };
FIXTURE_VARIANT_ADD(loading, the_default) { .capacity = "65536", .bytes = 65536, .step = 1, };
FIXTURE_VARIANT_ADD(loading, the_largest) { .capacity = "1048576", .bytes = 1048576, .step = 1, };

FIXTURE_SETUP(loading)
{
	start_unloaded(_metadata);
	self->fail_nth = prepare_faults(_metadata);
}

FIXTURE_TEARDOWN(loading)
{
	end_loaded(_metadata);
}

/* Not finit_module(2), which warns in the kernel log when there is no memory to read the file. */
struct image {
	void *start;
	size_t size;
	char parameters[64];
};

static struct image map_module(struct __test_metadata *_metadata, const char *capacity)
{
	int fd = open_module_file();
	struct image image;
	struct stat stat;

	ASSERT_EQ(0, fstat(fd, &stat));
	image.size = stat.st_size;
	image.start = mmap(NULL, image.size, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, image.start);
	snprintf(image.parameters, sizeof(image.parameters), "capacity=%s", capacity);
	close(fd);
	return image;
}

static ssize_t load_image(const void *arg)
{
	const struct image *image = arg;

	return syscall(__NR_init_module, image->start, image->size, image->parameters);
}

TEST_F_TIMEOUT(loading, fails_cleanly_at_each_allocation_in_turn, 300)
{
	struct image image = map_module(_metadata, variant->capacity);
	ssize_t before = free_memory();
	struct outcome outcome;
	int failures = 0;
	int nth = 1;

	do {
		bool loaded;

		outcome = meet_fault(_metadata, self->fail_nth, nth, load_image, &image);
		expect_clean(_metadata, nth, &outcome);
		loaded = outcome.ret == 0;
		EXPECT_TRUE(node_becomes(loaded));
		EXPECT_EQ(loaded, !access("/sys/module/mini_pipe", F_OK));
		EXPECT_EQ(loaded, !access("/sys/class/misc/mini_pipe", F_OK));
		/* What was not loaded cannot be unloaded. */
		EXPECT_EQ(loaded ? 0 : -1, unload());
		failures += !loaded;
		nth += variant->step;
	} while (outcome.fault != NONE);
	EXPECT_LT(0, failures);
	/* Rings of the largest that were not given back would be twice as much. */
	EXPECT_GT(MEMORY_SLACK, before - free_memory());

	load_capacity(_metadata, variant->capacity);
	EXPECT_EQ(variant->bytes, measure_capacity(_metadata));
}

/* Everything else: the module is loaded, and its pipe empty. */

FIXTURE(faults)
{
	int fail_nth;
};

FIXTURE_SETUP(faults)
{
	set_the_stage(_metadata);
	self->fail_nth = prepare_faults(_metadata);
}

FIXTURE_TEARDOWN(faults)
{
	clear_the_stage(_metadata);
}

static ssize_t open_end(const void *flags)
{
	return open(MINI_PIPE, *(const int *)flags | O_CLOEXEC);
}

/* A peer that has come and left is an end, which poll tells. One that could not come is not. */
static void fails_to_come(struct __test_metadata *_metadata, int fail_nth, int end, int peer_end,
			  short gone)
{
	struct outcome outcome;
	int failures = 0;
	int nth = 1;

	do {
		int peer = open_pipe(_metadata, peer_end | O_NONBLOCK);

		outcome = meet_fault(_metadata, fail_nth, nth, open_end, &end);
		expect_clean(_metadata, nth, &outcome);
		if (outcome.ret >= 0)
			close(outcome.ret);
		EXPECT_EQ(outcome.ret >= 0 ? gone : 0, poll_now(peer, 0));
		failures += outcome.ret < 0;
		close(peer);
		nth++;
	} while (outcome.fault != NONE);
	EXPECT_LT(0, failures);
}

TEST_F(faults, a_writer_that_cannot_open_has_not_come_and_left)
{
	fails_to_come(_metadata, self->fail_nth, O_WRONLY, O_RDONLY, POLLHUP);
}

TEST_F(faults, a_reader_that_cannot_open_has_not_come_and_left)
{
	fails_to_come(_metadata, self->fail_nth, O_RDONLY, O_WRONLY, POLLERR);
}

/* Both descriptors, or neither, and nothing behind them. */
static ssize_t make_both_ends(const void *arg)
{
	struct mini_pipe_pair *pair = (void *)arg;

	return ioctl(pair->read_fd, MINI_PIPE_IOC_PAIR, pair);
}

TEST_F(faults, a_private_pipe_that_cannot_be_made_is_not_there)
{
	int device = open_neither(_metadata);
	int next = next_descriptor();
	int files = open_files();
	struct outcome outcome;
	int failures = 0;
	int nth = 1;

	do {
		struct mini_pipe_pair pair = { .flags = O_NONBLOCK, .read_fd = device };

		outcome = meet_fault(_metadata, self->fail_nth, nth, make_both_ends, &pair);
		expect_clean(_metadata, nth, &outcome);
		if (outcome.ret == 0) {
			put_in(_metadata, pair.write_fd, 10);
			EXPECT_EQ(10, drain_pipe(_metadata, pair.read_fd));
			close(pair.read_fd);
			close(pair.write_fd);
		}
		EXPECT_EQ(next, next_descriptor());
		EXPECT_EQ(files, open_files());
		failures += outcome.ret < 0;
		nth++;
	} while (outcome.fault != NONE);
	EXPECT_LT(0, failures);
}

/* A pipe is resized as a whole, or stays as it is. */

#define LARGER 131072

static ssize_t make_larger(const void *fd)
{
	return set_capacity(*(const int *)fd, LARGER);
}

TEST_F(faults, a_pipe_that_cannot_be_resized_stays_as_it_is)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	int capacity = capacity_of(fd);
	struct outcome outcome;
	int failures = 0;
	int nth = 1;

	do {
		put_in(_metadata, fd, 5000);
		outcome = meet_fault(_metadata, self->fail_nth, nth, make_larger, &fd);
		expect_clean(_metadata, nth, &outcome);
		EXPECT_EQ(outcome.ret < 0 ? capacity : LARGER, capacity_of(fd));
		EXPECT_EQ(5000, drain_pipe(_metadata, fd));
		EXPECT_TRUE(is_pattern(big_buffer(), 0, 5000));
		ASSERT_EQ(capacity, set_capacity(fd, capacity));
		failures += outcome.ret < 0;
		nth++;
	} while (outcome.fault != NONE);
	EXPECT_LT(0, failures);
}

/* A signal needs memory, but this one comes without as well. */
TEST_F(faults, a_broken_pipe_is_told_whatever_fails)
{
	struct timespec at_once = { .tv_sec = 0 };
	struct transfer transfer;
	struct outcome outcome;
	sigset_t sigpipe;
	int nth = 1;

	sigemptyset(&sigpipe);
	sigaddset(&sigpipe, SIGPIPE);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &sigpipe, NULL));
	transfer = (struct transfer) {
		.fd = open_pipe(_metadata, O_WRONLY), .writes = true, .buf = big_buffer(), .len = 1,
	};
	touch(_metadata, O_RDONLY);
	do {
		outcome = meet_fault(_metadata, self->fail_nth, nth, move_bytes, &transfer);
		EXPECT_EQ(-1, outcome.ret);
		EXPECT_EQ(EPIPE, outcome.err);
		EXPECT_EQ(SIGPIPE, sigtimedwait(&sigpipe, NULL, &at_once));
		nth++;
	} while (outcome.fault != NONE);
	EXPECT_LT(2, nth);
}

/* From the first to the second. */
static ssize_t splice_some(const void *arg)
{
	const int *fds = arg;

	return splice(fds[0], NULL, fds[1], NULL, 5 * page_size(), 0);
}

/* Whole pages, which the ring wants others for, and parts of pages, which are copied. */
TEST_F(faults, a_splice_that_finds_no_memory_leaves_what_it_does_not_take)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t len = 3 * page_size() + 200;
	struct outcome outcome;
	int failures = 0;
	int nth = 1;
	int way[2];

	ASSERT_EQ(0, pipe2(way, O_NONBLOCK));
	do {
		ssize_t taken;

		put_in(_metadata, fd, 100 + len);
		take(_metadata, fd, 100);
		outcome = meet_fault(_metadata, self->fail_nth, nth, splice_some,
				     (int[]){ fd, way[1] });
		expect_clean(_metadata, nth, &outcome);
		taken = outcome.ret < 0 ? 0 : outcome.ret;
		if (outcome.fault == NONE)
			EXPECT_EQ(len, taken);
		failures += taken < len;
		EXPECT_EQ(taken, drain_pipe(_metadata, way[0]));
		EXPECT_TRUE(is_pattern(big_buffer(), 100, taken));
		EXPECT_EQ(len - taken, drain_pipe(_metadata, fd));
		EXPECT_TRUE(is_pattern(big_buffer(), 100 + taken, len - taken));
		nth++;
	} while (outcome.fault != NONE);
	EXPECT_LT(0, failures);
}

/* Bytes: the faults are in the copies. */

FIXTURE(bytes)
{
	int fail_nth;
	struct transfer transfer;	/* of a few pages and a little more */
};

FIXTURE_VARIANT(bytes)
{
	int buffers;
};

FIXTURE_VARIANT_ADD(bytes, in_one_buffer) { .buffers = 0, };
FIXTURE_VARIANT_ADD(bytes, in_a_few_buffers) { .buffers = 3, };
FIXTURE_VARIANT_ADD(bytes, in_many_buffers) { .buffers = MANY_BUFFERS, };

FIXTURE_SETUP(bytes)
{
	set_the_stage(_metadata);
	self->fail_nth = prepare_faults(_metadata);
	self->transfer = (struct transfer) {
		.fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK),
		.buffers = variant->buffers,
		.buf = map_pages(_metadata, 4, PROT_READ | PROT_WRITE),
		.len = 3 * page_size() + 5,
	};
}

FIXTURE_TEARDOWN(bytes)
{
	clear_the_stage(_metadata);
}

/*
 * What comes back in ret is how many bytes it moved. The only thing that may be allocated is the
 * kernel's own copy of a long list of buffers. A fault need not make it fall short: between two
 * buffers, the kernel tries once more.
 */
static struct outcome move_some(struct __test_metadata *_metadata, int fail_nth, int nth,
				const struct transfer *transfer)
{
	struct outcome outcome = meet_fault(_metadata, fail_nth, nth, move_bytes, transfer);

	expect_clean(_metadata, nth, &outcome);
	EXPECT_NE(0, outcome.ret);
	EXPECT_TRUE(outcome.fault == COPY || outcome.fault == NONE ||
		    transfer->buffers == MANY_BUFFERS);
	if (outcome.fault == NONE)
		EXPECT_EQ(transfer->len, outcome.ret);
	if (outcome.ret < 0)
		outcome.ret = 0;
	return outcome;
}

TEST_F(bytes, of_a_read_that_fails_at_each_copy_in_turn_stay_or_come)
{
	struct transfer *read = &self->transfer;
	struct outcome outcome;
	ssize_t stayed;
	int nth = 1;

	do {
		put_in(_metadata, read->fd, read->len);
		outcome = move_some(_metadata, self->fail_nth, nth, read);
		EXPECT_TRUE(is_pattern(read->buf, 0, outcome.ret));
		stayed = drain_pipe(_metadata, read->fd);
		EXPECT_EQ(read->len, outcome.ret + stayed);
		EXPECT_TRUE(is_pattern(big_buffer(), outcome.ret, stayed));
		nth++;
	} while (outcome.fault != NONE);
	/* At least one for each buffer. */
	EXPECT_LT(1 + read->buffers, nth);
}

TEST_F(bytes, of_a_large_write_that_fails_at_each_copy_in_turn_are_in_if_it_says_so)
{
	struct transfer *write = &self->transfer;
	struct outcome outcome;
	int nth = 1;

	write->writes = true;
	put_pattern(write->buf, 0, write->len);
	do {
		outcome = move_some(_metadata, self->fail_nth, nth, write);
		EXPECT_EQ(outcome.ret, drain_pipe(_metadata, write->fd));
		EXPECT_TRUE(is_pattern(big_buffer(), 0, outcome.ret));
		nth++;
	} while (outcome.fault != NONE);
	EXPECT_LT(1 + write->buffers, nth);
}

TEST_F(bytes, of_an_atomic_write_that_fails_at_each_copy_in_turn_are_all_in_or_none)
{
	struct transfer *write = &self->transfer;
	struct outcome outcome;
	int nth = 1;

	write->writes = true;
	write->len = PIPE_BUF;
	put_pattern(write->buf, 100, write->len);
	do {
		/* So that its place in the pages of the ring is another one each time. */
		put_in(_metadata, write->fd, 100);
		outcome = move_some(_metadata, self->fail_nth, nth, write);
		EXPECT_TRUE(outcome.ret == 0 || outcome.ret == write->len);
		EXPECT_EQ(100 + outcome.ret, drain_pipe(_metadata, write->fd));
		EXPECT_TRUE(is_pattern(big_buffer(), 0, 100 + outcome.ret));
		nth++;
	} while (outcome.fault != NONE);
	EXPECT_LT(2, nth);
}

/* Calls that allocate, not in the module but on its account: all they leave must go with them. */

/* Enough to wait for that the kernel allocates what it waits with. */
#define FILES 64

struct files {
	int fd;				/* both ends of an empty pipe */
	int fdinfo;			/* open already: /proc says ENOENT if it finds no memory */
	struct pollfd polled[FILES];	/* the same, often */
};

static ssize_t poll_many(const void *arg)
{
	const struct files *files = arg;

	return poll((struct pollfd *)files->polled, FILES, 1);
}

static ssize_t select_many(const void *arg)
{
	struct timeval a_moment = { .tv_usec = 1000 };
	const struct files *files = arg;
	fd_set set;

	FD_ZERO(&set);
	for (int i = 0; i < FILES; i++)
		FD_SET(files->polled[i].fd, &set);
	return select(FD_SETSIZE, &set, NULL, NULL, &a_moment);
}

static ssize_t close_after(int fd, ssize_t ret)
{
	int err = errno;

	close(fd);
	errno = err;
	return ret;
}

static ssize_t add_to_epoll(const void *arg)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT };
	const struct files *files = arg;
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		return epoll;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, files->fd, &event) < 0)
		return close_after(epoll, -1);
	return close_after(epoll, epoll_wait(epoll, &event, 1, 0));
}

static ssize_t read_whole(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[4096];

	if (fd < 0)
		return fd;
	return close_after(fd, read(fd, text, sizeof(text)));
}

static ssize_t read_parameter(const void *arg __maybe_unused)
{
	return read_whole("/sys/module/mini_pipe/parameters/capacity");
}

static ssize_t read_policy(const void *arg __maybe_unused)
{
	return read_whole("/sys/module/mini_pipe/parameters/policy");
}

static ssize_t read_fdinfo(const void *arg)
{
	const struct files *files = arg;
	char text[4096];

	return pread(files->fdinfo, text, sizeof(text), 0) > 0 ? 0 : -1;
}

static ssize_t ask_for_bytes(const void *arg)
{
	const struct files *files = arg;
	int bytes;

	return ioctl(files->fd, FIONREAD, &bytes);
}

FIXTURE(a_call)
{
	int fail_nth;
	struct files files;
};

FIXTURE_VARIANT(a_call)
{
	call_fn call;
	ssize_t ret;
};

FIXTURE_VARIANT_ADD(a_call, of_poll) { .call = poll_many, .ret = 0, };
FIXTURE_VARIANT_ADD(a_call, of_select) { .call = select_many, .ret = 0, };
FIXTURE_VARIANT_ADD(a_call, of_epoll) { .call = add_to_epoll, .ret = 1, };
FIXTURE_VARIANT_ADD(a_call, of_the_parameter) { .call = read_parameter, .ret = 6, };
FIXTURE_VARIANT_ADD(a_call, of_the_policy) { .call = read_policy, .ret = 9, };
FIXTURE_VARIANT_ADD(a_call, of_fdinfo) { .call = read_fdinfo, .ret = 0, };
FIXTURE_VARIANT_ADD(a_call, of_fionread) { .call = ask_for_bytes, .ret = 0, };

FIXTURE_SETUP(a_call)
{
	struct files *files = &self->files;
	char path[32];

	set_the_stage(_metadata);
	self->fail_nth = prepare_faults(_metadata);
	files->fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", files->fd);
	files->fdinfo = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, files->fdinfo);
	for (int i = 0; i < FILES; i++)
		files->polled[i] = (struct pollfd) { .fd = dup(files->fd), .events = POLLIN };
}

FIXTURE_TEARDOWN(a_call)
{
	clear_the_stage(_metadata);
}

TEST_F(a_call, fails_cleanly_at_each_fault_in_turn)
{
	struct outcome outcome;
	int failures = 0;
	int nth = 1;

	do {
		outcome = meet_fault(_metadata, self->fail_nth, nth, variant->call, &self->files);
		expect_clean(_metadata, nth, &outcome);
		EXPECT_TRUE(outcome.ret == -1 || outcome.ret == variant->ret);
		failures += outcome.ret < 0;
		/* Who has not come to wait must not be woken. */
		put_in(_metadata, self->files.fd, 10);
		EXPECT_EQ(10, drain_pipe(_metadata, self->files.fd));
		nth++;
	} while (outcome.fault != NONE);
	EXPECT_LT(0, failures);
}

TEST_HARNESS_MAIN
