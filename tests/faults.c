// SPDX-License-Identifier: GPL-2.0
/*
 * Fault injection: a call is made with a fault at its first allocation or copy, then at its second,
 * and so on, until no fault is met. Each call that fails must fail cleanly, and the next one must
 * work. kmemleak finds leaked memory later, after the module is unloaded.
 *
 * Some calls succeed despite a fault: a ring that gets no large blocks of pages takes small ones, a
 * copy that fails with page faults disabled is made again with page faults enabled, and the kernel
 * also allocates for its own purposes. So the number of failures varies. After a page allocation
 * that fails, later ones fail as well, so often that there are no smaller blocks to fall back to.
 *
 * Needs a kernel with fault injection; see .config.debug. A task's fail-nth counts faults of all
 * kinds. Which kind it was shows in how often each kind may still fail.
 */
#include <dirent.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/select.h>
#include <sys/stat.h>
#include "ioctls.h"
#include "module_fixture.h"
#include "transfer.h"

#define DEBUGFS "/sys/kernel/debug"
#define SLABS "/sys/kernel/slab"

enum kind {
	SLAB,
	PAGE,
	COPY,
	KINDS,
	NONE = KINDS,	/* the call met no fault */
};

static const char *const names[KINDS] = { "failslab", "fail_page_alloc", "fail_usercopy" };

/*
 * How often each kind may fail in a call: once; pages more often, so that a ring of the largest
 * blocks falls back to single pages, and fails to get one of these, too.
 */
static const char *const times[KINDS] = { "1", "5", "1" };

/* After the first failure, fewer pages than this are allocated before the next one fails. */
#define PAGES_BETWEEN "8"

/* The result of a call, and its fault. */
struct outcome {
	ssize_t ret;
	int err;
	enum kind fault;
};

/* One system call, or several, if they leave nothing behind when one of them fails. */
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

static void set_knob(struct __test_metadata *_metadata, enum kind kind, const char *name,
		     const char *value)
{
	ASSERT_TRUE(write_file(knob(kind, name), value))
	{
		TH_LOG("%s: %s; is this a kernel with fault injection?", knob(kind, name),
		       strerror(errno));
	}
}

/* Not kmemleak's own caches: half of all allocations are theirs, and their faults fail no call. */
static void enable_all_caches(struct __test_metadata *_metadata)
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
	set_knob(_metadata, SLAB, "cache-filter", "Y");
}

/* Nothing fails until a task sets its fail-nth. Returns the caller's, opened. */
static int enable_faults(struct __test_metadata *_metadata)
{
	int fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, fail_nth)
	{
		TH_LOG("this kernel has no fault injection");
	}
	if (access(knob(SLAB, "times"), F_OK))
		ASSERT_EQ(0, mount("debugfs", DEBUGFS, "debugfs", 0, NULL));
	for (enum kind kind = 0; kind < KINDS; kind++)
		set_knob(_metadata, kind, "verbose", "0");
	set_knob(_metadata, SLAB, "ignore-gfp-wait", "N");
	set_knob(_metadata, PAGE, "ignore-gfp-wait", "N");
	set_knob(_metadata, PAGE, "min-order", "0");
	set_knob(_metadata, PAGE, "task-filter", "Y");
	set_knob(_metadata, PAGE, "probability", "100");
	enable_all_caches(_metadata);
	/* Page faults of this process must not take the faults that are meant for its calls. */
	ASSERT_EQ(0, mlockall(MCL_CURRENT | MCL_FUTURE));
	return fail_nth;
}

/* Writes to a file of this task in /proc; again, if this write itself gets the fault. */
static void write_task_file(int fd, const char *text)
{
	while (pwrite(fd, text, strlen(text), 0) < 0)
		;
}

/* Makes the call, with a fault at its nth allocation or copy. */
static struct outcome inject_fault(struct __test_metadata *_metadata, int fail_nth, int nth,
				   call_fn call, const void *arg)
{
	int fail_more = open("/proc/thread-self/make-it-fail", O_WRONLY | O_CLOEXEC);
	struct outcome outcome = { .fault = NONE };
	char text[16];
	bool failed;

	ASSERT_LE(0, fail_more);
	for (enum kind kind = 0; kind < KINDS; kind++)
		set_knob(_metadata, kind, "times", times[kind]);
	set_knob(_metadata, PAGE, "space", PAGES_BETWEEN);
	snprintf(text, sizeof(text), "%d", nth);
	write_task_file(fail_more, "1");
	write_task_file(fail_nth, text);
	outcome.ret = call(arg);
	outcome.err = outcome.ret < 0 ? errno : 0;
	/* This read copies as well. If it gets the fault, the call met none. */
	failed = pread(fail_nth, text, sizeof(text), 0) > 0 && text[0] == '0';
	write_task_file(fail_nth, "0");
	write_task_file(fail_more, "0");
	for (enum kind kind = 0; failed && kind < KINDS; kind++)
		if (read_number(knob(kind, "times")) < atoi(times[kind]))
			outcome.fault = kind;
	ASSERT_EQ(failed, outcome.fault != NONE);
	close(fail_more);
	return outcome;
}

/* A call can fail only because of a fault, and with the error of that fault's kind. */
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
	int buffers;	/* 0: read or write, else readv or writev */
	unsigned char *buf;
	ssize_t len;
};

/* One more than UIO_FASTIOV: the kernel has to allocate its copy of the iovec. */
#define MANY_BUFFERS 9

static ssize_t transfer_bytes(const void *arg)
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

/* Rings differ in their blocks only. So for the smallest, not every allocation is tried. */
FIXTURE_VARIANT(loading)
{
	const char *capacity;
	ssize_t bytes;
	int step;
};

FIXTURE_VARIANT_ADD(loading, capacity_1) { .capacity = "1", .bytes = 1, .step = 8, };
FIXTURE_VARIANT_ADD(loading, default_capacity) { .capacity = "65536", .bytes = 65536, .step = 1, };
FIXTURE_VARIANT_ADD(loading, maximum) { .capacity = "1048576", .bytes = 1048576, .step = 1, };

FIXTURE_SETUP(loading)
{
	start_unloaded(_metadata);
	self->fail_nth = enable_faults(_metadata);
}

FIXTURE_TEARDOWN(loading)
{
	end_loaded(_metadata);
}

/*
 * For init_module(2), because finit_module(2) warns in the kernel log if it has no memory to read
 * the file.
 */
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

TEST_F_TIMEOUT(loading, fails_cleanly_at_each_allocation, 300)
{
	struct image image = map_module(_metadata, variant->capacity);
	ssize_t before = free_memory();
	struct outcome outcome;
	int failures = 0;
	int nth = 1;

	do {
		bool loaded;

		outcome = inject_fault(_metadata, self->fail_nth, nth, load_image, &image);
		expect_clean(_metadata, nth, &outcome);
		loaded = outcome.ret == 0;
		EXPECT_TRUE(wait_for_node(loaded));
		EXPECT_EQ(loaded, !access("/sys/module/mini_pipe", F_OK));
		EXPECT_EQ(loaded, !access("/sys/class/misc/mini_pipe", F_OK));
		/* A module that is not loaded cannot be unloaded. */
		EXPECT_EQ(loaded ? 0 : -1, unload());
		failures += !loaded;
		nth += variant->step;
	} while (outcome.fault != NONE);
	EXPECT_LT(0, failures);
	/* A leak of the largest ring at each load would be more than MEMORY_SLACK. */
	EXPECT_TRUE(is_free_again(before));

	load_capacity(_metadata, variant->capacity);
	EXPECT_EQ(variant->bytes, measure_capacity(_metadata));
}

/* All other tests: the module is loaded, and its pipe is empty. */

FIXTURE(faults)
{
	int fail_nth;
};

FIXTURE_SETUP(faults)
{
	set_up_pipe(_metadata);
	self->fail_nth = enable_faults(_metadata);
}

FIXTURE_TEARDOWN(faults)
{
	kill_children(_metadata);
}

static ssize_t open_end(const void *flags)
{
	return open(MINI_PIPE, *(const int *)flags | O_CLOEXEC);
}

/* poll reports a hang-up after a peer has opened and closed, but not after an open that failed. */
static void expect_failed_open_is_no_peer(struct __test_metadata *_metadata, int fail_nth, int end,
					  int peer_end, short hangup)
{
	struct outcome outcome;
	int failures = 0;
	int nth = 1;

	do {
		int peer = open_pipe(_metadata, peer_end | O_NONBLOCK);

		outcome = inject_fault(_metadata, fail_nth, nth, open_end, &end);
		expect_clean(_metadata, nth, &outcome);
		if (outcome.ret >= 0)
			close(outcome.ret);
		EXPECT_EQ(outcome.ret >= 0 ? hangup : 0, poll_now(peer, 0));
		failures += outcome.ret < 0;
		close(peer);
		nth++;
	} while (outcome.fault != NONE);
	EXPECT_LT(0, failures);
}

TEST_F(faults, failed_open_for_writing_gives_no_pollhup)
{
	expect_failed_open_is_no_peer(_metadata, self->fail_nth, O_WRONLY, O_RDONLY, POLLHUP);
}

TEST_F(faults, failed_open_for_reading_gives_no_pollerr)
{
	expect_failed_open_is_no_peer(_metadata, self->fail_nth, O_RDONLY, O_WRONLY, POLLERR);
}

/* Makes both descriptors, or neither. At first, read_fd is the device. */
static ssize_t make_both_ends(const void *arg)
{
	struct mini_pipe_pair *pair = (void *)arg;

	return ioctl(pair->read_fd, MINI_PIPE_IOC_PAIR, pair);
}

TEST_F(faults, failed_pair_ioctl_leaves_no_files_behind)
{
	int device = open_for_ioctl(_metadata);
	int next = next_descriptor();
	int files = open_files();
	struct outcome outcome;
	int failures = 0;
	int nth = 1;

	do {
		struct mini_pipe_pair pair = { .flags = O_NONBLOCK, .read_fd = device };

		outcome = inject_fault(_metadata, self->fail_nth, nth, make_both_ends, &pair);
		expect_clean(_metadata, nth, &outcome);
		if (outcome.ret == 0) {
			write_pattern(_metadata, pair.write_fd, 10);
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

/*
 * Without memory for its pages, a write to an empty private pipe puts in what it has pages for: at
 * least a page.
 */
static void write_without_memory(struct __test_metadata *_metadata, int fail_nth, ssize_t len)
{
	ssize_t least = smaller(len, page_size());
	struct outcome outcome;
	int met = 0;
	int nth = 1;

	do {
		struct ends ends = private_pipe(_metadata, O_NONBLOCK, 0);
		struct transfer transfer = {
			.fd = ends.w, .writes = true, .buf = big_buffer(), .len = len,
		};

		put_pattern(big_buffer(), 0, len);
		outcome = inject_fault(_metadata, fail_nth, nth, transfer_bytes, &transfer);
		if (outcome.fault != COPY)
			ASSERT_LE(least, outcome.ret);
		met += outcome.fault == PAGE;
		EXPECT_EQ(outcome.ret < 0 ? 0 : outcome.ret, drain_pipe(_metadata, ends.r));
		EXPECT_TRUE(outcome.ret < 0 || is_pattern(big_buffer(), 0, outcome.ret));
		write_pattern(_metadata, ends.w, len);
		read_exactly(_metadata, ends.r, len);
		close(ends.r);
		close(ends.w);
		nth++;
	} while (outcome.fault != NONE);
	EXPECT_LT(0, met);
}

TEST_F(faults, short_write_to_private_pipe_without_memory_succeeds)
{
	write_without_memory(_metadata, self->fail_nth, 100);
}

TEST_F(faults, large_write_to_private_pipe_without_memory_writes_a_page_or_more)
{
	write_without_memory(_metadata, self->fail_nth, 65536);
}

/* A resize that fails changes nothing. */

#define LARGER 131072

static ssize_t make_larger(const void *fd)
{
	return set_capacity(*(const int *)fd, LARGER);
}

TEST_F(faults, failed_resize_leaves_pipe_unchanged)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	int capacity = capacity_of(fd);
	struct outcome outcome;
	int failures = 0;
	int nth = 1;

	do {
		write_pattern(_metadata, fd, 5000);
		outcome = inject_fault(_metadata, self->fail_nth, nth, make_larger, &fd);
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

/* Sending a signal allocates memory, but SIGPIPE is sent even if that fails. */
TEST_F(faults, broken_pipe_gives_epipe_and_sigpipe_despite_faults)
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
	open_once(_metadata, O_RDONLY);
	do {
		outcome = inject_fault(_metadata, self->fail_nth, nth, transfer_bytes, &transfer);
		EXPECT_EQ(-1, outcome.ret);
		EXPECT_EQ(EPIPE, outcome.err);
		EXPECT_EQ(SIGPIPE, sigtimedwait(&sigpipe, NULL, &at_once));
		nth++;
	} while (outcome.fault != NONE);
	EXPECT_LT(2, nth);
}

/* Splices from fds[0] to fds[1]. */
static ssize_t splice_some(const void *arg)
{
	const int *fds = arg;

	return splice(fds[0], NULL, fds[1], NULL, 5 * page_size(), 0);
}

/* Splices whole pages, which the ring replaces, and parts of pages, which are copied. */
TEST_F(faults, splice_without_memory_leaves_remaining_bytes)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t len = 3 * page_size() + 200;
	struct outcome outcome;
	int failures = 0;
	int nth = 1;
	int dest[2];

	ASSERT_EQ(0, pipe2(dest, O_NONBLOCK));
	do {
		ssize_t spliced;

		write_pattern(_metadata, fd, 100 + len);
		read_exactly(_metadata, fd, 100);
		outcome = inject_fault(_metadata, self->fail_nth, nth, splice_some,
				       (int[]){ fd, dest[1] });
		expect_clean(_metadata, nth, &outcome);
		spliced = outcome.ret < 0 ? 0 : outcome.ret;
		if (outcome.fault == NONE)
			EXPECT_EQ(len, spliced);
		failures += spliced < len;
		EXPECT_EQ(spliced, drain_pipe(_metadata, dest[0]));
		EXPECT_TRUE(is_pattern(big_buffer(), 100, spliced));
		EXPECT_EQ(len - spliced, drain_pipe(_metadata, fd));
		EXPECT_TRUE(is_pattern(big_buffer(), 100 + spliced, len - spliced));
		nth++;
	} while (outcome.fault != NONE);
	EXPECT_LT(0, failures);
}

/* Here fds[1] is a file. */
static ssize_t splice_to_file(const void *arg)
{
	const int *fds = arg;

	return by_ioctl(MINI_PIPE_IOC_SPLICE_TO, fds[0], fds[1], 5 * page_size(), 0);
}

/* The call copies the bytes into pages of its own, and the file needs pages, too. */
TEST_F(faults, splice_to_file_without_memory_leaves_remaining_bytes)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	int file = memfd_create("spliced", MFD_CLOEXEC);
	ssize_t len = 3 * page_size() + 200;
	struct outcome outcome;
	int failures = 0;
	int nth = 1;

	ASSERT_LE(0, file);
	do {
		ssize_t spliced;

		ASSERT_EQ(0, ftruncate(file, 0));
		ASSERT_EQ(0, lseek(file, 0, SEEK_SET));
		write_pattern(_metadata, fd, len);
		outcome = inject_fault(_metadata, self->fail_nth, nth, splice_to_file,
				       (int[]){ fd, file });
		expect_clean(_metadata, nth, &outcome);
		spliced = outcome.ret < 0 ? 0 : outcome.ret;
		if (outcome.fault == NONE)
			EXPECT_EQ(len, spliced);
		failures += spliced < len;
		EXPECT_EQ(spliced, pread(file, big_buffer(), BIG, 0));
		EXPECT_TRUE(is_pattern(big_buffer(), 0, spliced));
		EXPECT_EQ(len - spliced, drain_pipe(_metadata, fd));
		EXPECT_TRUE(is_pattern(big_buffer(), spliced, len - spliced));
		nth++;
	} while (outcome.fault != NONE);
	EXPECT_LT(0, failures);
}

/* Reads and writes: the faults are in the copies. */

FIXTURE(copies)
{
	int fail_nth;
	struct transfer transfer;	/* of three pages and a little more */
};

FIXTURE_VARIANT(copies)
{
	int buffers;
};

FIXTURE_VARIANT_ADD(copies, one_buffer) { .buffers = 0, };
FIXTURE_VARIANT_ADD(copies, few_buffers) { .buffers = 3, };
FIXTURE_VARIANT_ADD(copies, many_buffers) { .buffers = MANY_BUFFERS, };

FIXTURE_SETUP(copies)
{
	set_up_pipe(_metadata);
	self->fail_nth = enable_faults(_metadata);
	self->transfer = (struct transfer) {
		.fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK),
		.buffers = variant->buffers,
		.buf = map_pages(_metadata, 4, PROT_READ | PROT_WRITE),
		.len = 3 * page_size() + 5,
	};
}

FIXTURE_TEARDOWN(copies)
{
	kill_children(_metadata);
}

/*
 * The outcome's ret is how many bytes were transferred, 0 after an error. The only allocation is
 * the kernel's copy of a long iovec. A fault need not make the count short: between two buffers,
 * the kernel tries again.
 */
static struct outcome transfer_with_fault(struct __test_metadata *_metadata, int fail_nth, int nth,
					  const struct transfer *transfer)
{
	struct outcome outcome = inject_fault(_metadata, fail_nth, nth, transfer_bytes, transfer);

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

TEST_F(copies, read_with_failing_copy_loses_no_bytes)
{
	struct transfer *read = &self->transfer;
	struct outcome outcome;
	ssize_t rest;
	int nth = 1;

	do {
		write_pattern(_metadata, read->fd, read->len);
		outcome = transfer_with_fault(_metadata, self->fail_nth, nth, read);
		EXPECT_TRUE(is_pattern(read->buf, 0, outcome.ret));
		rest = drain_pipe(_metadata, read->fd);
		EXPECT_EQ(read->len, outcome.ret + rest);
		EXPECT_TRUE(is_pattern(big_buffer(), outcome.ret, rest));
		nth++;
	} while (outcome.fault != NONE);
	/* At least one copy for each buffer. */
	EXPECT_LT(1 + (read->buffers ? read->buffers : 1), nth);
}

TEST_F(copies, large_write_with_failing_copy_returns_exact_count)
{
	struct transfer *write = &self->transfer;
	struct outcome outcome;
	int nth = 1;

	write->writes = true;
	put_pattern(write->buf, 0, write->len);
	do {
		outcome = transfer_with_fault(_metadata, self->fail_nth, nth, write);
		EXPECT_EQ(outcome.ret, drain_pipe(_metadata, write->fd));
		EXPECT_TRUE(is_pattern(big_buffer(), 0, outcome.ret));
		nth++;
	} while (outcome.fault != NONE);
	EXPECT_LT(1 + (write->buffers ? write->buffers : 1), nth);
}

TEST_F(copies, atomic_write_with_failing_copy_writes_all_or_nothing)
{
	struct transfer *write = &self->transfer;
	struct outcome outcome;
	int nth = 1;

	write->writes = true;
	write->len = PIPE_BUF;
	put_pattern(write->buf, 100, write->len);
	do {
		/* The next write is at offset 100, so it crosses the end of a page. */
		write_pattern(_metadata, write->fd, 100);
		outcome = transfer_with_fault(_metadata, self->fail_nth, nth, write);
		EXPECT_TRUE(outcome.ret == 0 || outcome.ret == write->len);
		EXPECT_EQ(100 + outcome.ret, drain_pipe(_metadata, write->fd));
		EXPECT_TRUE(is_pattern(big_buffer(), 0, 100 + outcome.ret));
		nth++;
	} while (outcome.fault != NONE);
	EXPECT_LT(2, nth);
}

/*
 * Calls for which the kernel allocates, not the module. If they fail, they must leave nothing
 * behind.
 */

/* Enough that the kernel allocates memory to wait for them. */
#define FILES 64

struct files {
	int fd;				/* both ends of an empty pipe */
	int fdinfo;			/* opened before: without memory, open gives ENOENT */
	struct pollfd polled[FILES];	/* dups of fd */
};

static ssize_t poll_many(const void *arg)
{
	const struct files *files = arg;

	return poll((struct pollfd *)files->polled, FILES, 1);
}

static ssize_t select_many(const void *arg)
{
	struct timeval timeout = { .tv_usec = 1000 };
	const struct files *files = arg;
	fd_set set;

	FD_ZERO(&set);
	for (int i = 0; i < FILES; i++)
		FD_SET(files->polled[i].fd, &set);
	return select(FD_SETSIZE, &set, NULL, NULL, &timeout);
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

static ssize_t read_capacity(const void *arg __maybe_unused)
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

static ssize_t query_bytes(const void *arg)
{
	const struct files *files = arg;
	int bytes;

	return ioctl(files->fd, FIONREAD, &bytes);
}

/* With O_ASYNC, a file that is both ends is on two lists; without it, on none. */
static ssize_t switch_o_async(const void *arg)
{
	const struct files *files = arg;
	int flags = fcntl(files->fd, F_GETFL);

	if (fcntl(files->fd, F_SETFL, flags | O_ASYNC) < 0)
		return -1;
	return fcntl(files->fd, F_SETFL, flags);
}

FIXTURE(system_call)
{
	int fail_nth;
	struct files files;
};

FIXTURE_VARIANT(system_call)
{
	call_fn call;
	ssize_t ret;
};

FIXTURE_VARIANT_ADD(system_call, poll) { .call = poll_many, .ret = 0, };
FIXTURE_VARIANT_ADD(system_call, select) { .call = select_many, .ret = 0, };
FIXTURE_VARIANT_ADD(system_call, epoll) { .call = add_to_epoll, .ret = 1, };
FIXTURE_VARIANT_ADD(system_call, read_of_parameter_capacity) { .call = read_capacity, .ret = 6, };
FIXTURE_VARIANT_ADD(system_call, read_of_parameter_policy) { .call = read_policy, .ret = 9, };
FIXTURE_VARIANT_ADD(system_call, read_of_fdinfo) { .call = read_fdinfo, .ret = 0, };
FIXTURE_VARIANT_ADD(system_call, fionread) { .call = query_bytes, .ret = 0, };
FIXTURE_VARIANT_ADD(system_call, o_async) { .call = switch_o_async, .ret = 0, };

FIXTURE_SETUP(system_call)
{
	struct files *files = &self->files;
	char path[32];

	set_up_pipe(_metadata);
	self->fail_nth = enable_faults(_metadata);
	files->fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	/* The SIGIO of a file that stays on a list would kill the test. */
	ASSERT_EQ(0, fcntl(files->fd, F_SETOWN, getpid()));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", files->fd);
	files->fdinfo = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, files->fdinfo);
	for (int i = 0; i < FILES; i++)
		files->polled[i] = (struct pollfd) { .fd = dup(files->fd), .events = POLLIN };
}

FIXTURE_TEARDOWN(system_call)
{
	kill_children(_metadata);
}

TEST_F(system_call, fails_cleanly_at_each_fault)
{
	struct outcome outcome;
	int failures = 0;
	int nth = 1;

	do {
		outcome = inject_fault(_metadata, self->fail_nth, nth, variant->call, &self->files);
		expect_clean(_metadata, nth, &outcome);
		EXPECT_TRUE(outcome.ret == -1 || outcome.ret == variant->ret);
		failures += outcome.ret < 0;
		/* These calls would wake a poller that the failed call has left behind. */
		write_pattern(_metadata, self->files.fd, 10);
		EXPECT_EQ(10, drain_pipe(_metadata, self->files.fd));
		nth++;
	} while (outcome.fault != NONE);
	EXPECT_LT(0, failures);
}

TEST_HARNESS_MAIN
