/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of mini_pipe share: set-up and clean-up, child processes that report what their
 * calls returned, and checks that a child sleeps in a call on a pipe.
 *
 * On a pipe, the test process itself makes only calls that return at once. Calls that may sleep are
 * made by children, which die with the test: a test that fails leaves no process behind.
 */
#ifndef MINI_PIPE_TEST_H
#define MINI_PIPE_TEST_H

#include <fcntl.h>
#include <limits.h>
#include <linux/limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <time.h>
#include "kselftest_harness.h"

#ifndef MINI_PIPE
#define MINI_PIPE "/dev/mini_pipe"
#endif

/* The name of a private pipe begins like this; its number and a bracket follow. */
#define PRIVATE_PIPE "mini_pipe:["

/* The helpers open the pipe at this path. A fixture may put another path here. */
static inline char *pipe_path(void)
{
	static char path[64] = MINI_PIPE;

	return path;
}

/* How long to wait for what must happen. Even a slow emulator needs only a fraction of it. */
#define TIMEOUT_MS 10000

static inline size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/*
 * A write of up to a page of the running kernel is atomic, for pipe(2) and for mini_pipe.
 * The constant of the same name in <limits.h> is the least that any kernel has.
 */
#undef PIPE_BUF
#define PIPE_BUF ((int)page_size())

/* The capacity of a pipe for which its maker gave none: 16 pages, as for pipe(2). */
#define DEFAULT_CAPACITY (16 * PIPE_BUF)

/*
 * Tables are constant, so they are written for pages of 4 KiB. in_pages() turns a size in a table,
 * like 2 * PAGE_4K - 1, into one for the pages of the running kernel.
 */
#define PAGE_4K 4096

static inline ssize_t in_pages(ssize_t size)
{
	ssize_t pages = (size + PAGE_4K / 2) / PAGE_4K;

	return pages * PIPE_BUF + size - pages * PAGE_4K;
}

/* A write of this length fills any pipe, except the large ones of resize.c and cgroup.c. */
#define BIG (512 * PIPE_BUF)

/* No kernel has larger pages. */
#define LARGEST_PAGE 65536

/* More than PIPE_BUF: a write of this length writes a part if the whole does not fit. */
#define ABOVE_PIPE_BUF (DEFAULT_CAPACITY + 1)

#define MAX_CHILDREN 64

/* What a child reports about one call. */
struct result {
	ssize_t ret;
	int err;		/* errno, or 0 if the call did not fail */
	int sigpipes;		/* caught so far */
	unsigned char first;	/* the first byte a reader got */
};

/* A child process. After its job it sleeps, with its files open, until it is killed. */
struct child {
	pid_t pid;
	int results;		/* a pipe(2) from the child */
};

typedef void (*job_fn)(int report_to, const void *arg);

/* The arguments of the common jobs: open, make one call, report. */
struct job {
	int flags;		/* for open, besides O_RDONLY or O_WRONLY */
	ssize_t len;
	unsigned char fill;	/* a writer's byte; 0 writes the pattern from its start */
	bool restart;		/* SIGUSR1 restarts the call, rather than interrupting it */
	bool sigpipe_kills;
};

/* Each process has a buffer of its own. */
static inline unsigned char *big_buffer(void)
{
	static unsigned char buffer[512 * LARGEST_PAGE];

	return buffer;
}

/* 251 is prime: bytes that are shifted by a page do not fit the pattern. */
static inline void put_pattern(unsigned char *buf, size_t from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (from + i) % 251;
}

static inline bool is_pattern(const unsigned char *buf, size_t from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (buf[i] != (from + i) % 251)
			return false;
	return true;
}

static inline ssize_t smaller(ssize_t a, ssize_t b)
{
	return a < b ? a : b;
}

/* The largest write that is atomic in a pipe of that capacity. */
static inline ssize_t atomic_len(ssize_t capacity)
{
	return smaller(capacity, PIPE_BUF);
}

static inline long ns_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000L + now.tv_nsec;
}

static inline void sleep_1ms(void)
{
	usleep(1000);
}

/* Signals: SIGPIPE is counted; SIGUSR1 only interrupts. */

static inline atomic_int *sigpipe_counter(void)
{
	static atomic_int count;

	return &count;
}

static inline int sigpipes(void)
{
	return *sigpipe_counter();
}

static inline void count_sigpipe(int sig __maybe_unused)
{
	(*sigpipe_counter())++;
}

static inline void do_nothing(int sig __maybe_unused)
{
}

static inline void set_handler(int sig, void (*handler)(int sig), int sa_flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = sa_flags };

	sigaction(sig, &action, NULL);
}

/* Children */

static inline pid_t *children(void)
{
	static pid_t pids[MAX_CHILDREN];

	return pids;
}

static inline void add_child(struct __test_metadata *_metadata, pid_t pid)
{
	for (int i = 0; i < MAX_CHILDREN; i++) {
		if (!children()[i]) {
			children()[i] = pid;
			return;
		}
	}
	ASSERT_TRUE(false)
	{
		kill(pid, SIGKILL);
		TH_LOG("more than %d children", MAX_CHILDREN);
	}
}

static inline void remove_child(pid_t pid)
{
	for (int i = 0; i < MAX_CHILDREN; i++)
		if (children()[i] == pid)
			children()[i] = 0;
}

static inline void report_result(int report_to, const struct result *result)
{
	if (write(report_to, result, sizeof(*result)) != sizeof(*result))
		_exit(KSFT_FAIL);
}

static inline void report(int report_to, ssize_t ret)
{
	struct result result = {
		.ret = ret,
		.err = ret < 0 ? errno : 0,
		.sigpipes = sigpipes(),
		.first = ret > 0 ? big_buffer()[0] : 0,
	};

	report_result(report_to, &result);
}

static inline void init_child(pid_t parent, int report_to, bool keeps_files)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(KSFT_FAIL);
	*sigpipe_counter() = 0;
	if (keeps_files)
		return;
	/* The child must not keep the test's ends of the pipe open. */
	if (report_to > 3)
		syscall(__NR_close_range, 3, report_to - 1, 0);
	syscall(__NR_close_range, report_to + 1, ~0U, 0);
}

static inline struct child start(struct __test_metadata *_metadata, job_fn job, const void *arg,
				 bool keeps_files)
{
	pid_t parent = getpid();
	struct child child;
	int pipe_fds[2];

	ASSERT_EQ(0, pipe2(pipe_fds, O_CLOEXEC));
	child.results = pipe_fds[0];
	child.pid = fork();
	ASSERT_LE(0, child.pid);
	if (!child.pid) {
		init_child(parent, pipe_fds[1], keeps_files);
		job(pipe_fds[1], arg);
		for (;;)
			pause();
	}
	close(pipe_fds[1]);
	add_child(_metadata, child.pid);
	return child;
}

static inline struct child start_child(struct __test_metadata *_metadata, job_fn job,
				       const void *arg)
{
	return start(_metadata, job, arg, false);
}

/* The child inherits the test's open descriptors, as after any fork(2). */
static inline struct child start_forked(struct __test_metadata *_metadata, job_fn job,
					const void *arg)
{
	return start(_metadata, job, arg, true);
}

static inline bool has_reported_within(const struct child *child, int ms)
{
	struct pollfd results = { .fd = child->results, .events = POLLIN };

	return poll(&results, 1, ms) == 1;
}

static inline bool has_reported(const struct child *child)
{
	return has_reported_within(child, 0);
}

static inline struct result result_of(struct __test_metadata *_metadata, const struct child *child)
{
	struct result result = { .ret = -1 };

	ASSERT_TRUE(has_reported_within(child, TIMEOUT_MS))
	{
		TH_LOG("child %d does not report", child->pid);
	}
	ASSERT_EQ((ssize_t)sizeof(result), read(child->results, &result, sizeof(result)))
	{
		TH_LOG("child %d exited without a report", child->pid);
	}
	return result;
}

/* Waits until the child exits, and returns its status. */
static inline int wait_for_exit(struct __test_metadata *_metadata, const struct child *child)
{
	int status = 0;
	pid_t ended = 0;

	for (int ms = 0; ms < TIMEOUT_MS && !ended; ms++) {
		ended = waitpid(child->pid, &status, WNOHANG);
		if (!ended)
			sleep_1ms();
	}
	ASSERT_EQ(child->pid, ended)
	{
		TH_LOG("child %d does not exit", child->pid);
	}
	remove_child(child->pid);
	close(child->results);
	return status;
}

/* Kills the child. When this returns, its files are closed. */
static inline void kill_child(struct __test_metadata *_metadata, const struct child *child)
{
	kill(child->pid, SIGKILL);
	wait_for_exit(_metadata, child);
}

/* Children that sleep in a call on a pipe */

static inline bool read_proc(pid_t pid, const char *file, char *text, size_t size)
{
	char path[64];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = read(fd, text, size - 1);
	close(fd);
	text[len > 0 ? len : 0] = '\0';
	return len > 0;
}

static inline char state_of(pid_t pid)
{
	char text[512];
	char *name_end;

	if (!read_proc(pid, "stat", text, sizeof(text)))
		return '?';
	name_end = strrchr(text, ')');
	return name_end && name_end[1] ? name_end[2] : '?';
}

/* Whether a link in /proc/PID/fd names the device, a private pipe or a pipe(2). */
static inline bool is_pipe_name(const char *target)
{
	return strcmp(target, MINI_PIPE) == 0 ||
	       strncmp(target, PRIVATE_PIPE, strlen(PRIVATE_PIPE)) == 0 ||
	       strncmp(target, "pipe:[", 6) == 0;
}

/* Reads the link of a descriptor in /proc/PID/fd. */
static inline void name_of(pid_t pid, unsigned long fd, char *name, size_t size)
{
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/fd/%lu", pid, fd);
	len = readlink(path, name, size - 1);
	name[len > 0 ? len : 0] = '\0';
}

static inline bool fd_is_a_pipe(pid_t pid, unsigned long fd)
{
	char name[64];

	name_of(pid, fd, name, sizeof(name));
	return is_pipe_name(name);
}

/* These calls wait for a set of files: their first argument is no descriptor of a pipe. */
static inline bool waits_for_many(long syscall_nr)
{
	return syscall_nr == __NR_ppoll || syscall_nr == __NR_pselect6 ||
	       syscall_nr == __NR_epoll_pwait;
}

static inline bool is_asleep_in(pid_t pid, long syscall_nr)
{
	unsigned long first_arg, third_arg;
	char text[256];
	long nr;

	if (state_of(pid) != 'S' || !read_proc(pid, "syscall", text, sizeof(text)))
		return false;
	if (sscanf(text, "%ld %lx %*x %lx", &nr, &first_arg, &third_arg) != 3 || nr != syscall_nr)
		return false;
	/* The third argument of splice(2) is the file that gets the bytes. */
	return waits_for_many(nr) || fd_is_a_pipe(pid, first_arg) ||
	       (nr == __NR_splice && fd_is_a_pipe(pid, third_arg));
}

/*
 * Waits until the child sleeps in that system call. To prove that an event does not end a sleep,
 * check again after the event: a call sends its wake-ups before it returns. After its return, a
 * child that was woken either runs, or has checked its condition and gone back to sleep.
 */
static inline bool falls_asleep_in(const struct child *child, long syscall_nr)
{
	for (int ms = 0; ms < TIMEOUT_MS; ms++) {
		if (has_reported(child))
			return false;
		if (is_asleep_in(child->pid, syscall_nr))
			return true;
		sleep_1ms();
	}
	return false;
}

#define ASSERT_ASLEEP_IN(call, child) ASSERT_TRUE(falls_asleep_in(child, __NR_##call))

static inline bool bind_to_first_processor(pid_t pid)
{
	cpu_set_t set;
	int cpu = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		return false;
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(pid, sizeof(set), &set) == 0;
}

/*
 * From now on, a sleeper that is woken does not run until the test sleeps: all are bound to one
 * processor, and the test has a real-time priority there.
 */
static inline bool outrank(const struct child *sleepers, int count)
{
	struct sched_param param = { .sched_priority = 1 };

	for (int i = 0; i < count; i++)
		if (!bind_to_first_processor(sleepers[i].pid))
			return false;
	return bind_to_first_processor(0) && sched_setscheduler(0, SCHED_FIFO, &param) == 0;
}

/* Whether the child sleeps in fs/pipe.c in the state D, which is uninterruptible. */
static inline bool is_uninterruptible(const struct child *child)
{
	char stack[4096];

	return state_of(child->pid) == 'D' &&
	       read_proc(child->pid, "stack", stack, sizeof(stack)) && strstr(stack, "pipe_");
}

static inline bool sleeps_uninterruptibly(const struct child *child)
{
	for (int ms = 0; ms < TIMEOUT_MS && !is_uninterruptible(child); ms++)
		sleep_1ms();
	return is_uninterruptible(child);
}

/* Common jobs of children */

static inline int open_for(const struct job *job, int end)
{
	int fd;

	set_handler(SIGUSR1, do_nothing, job->restart ? SA_RESTART : 0);
	if (job->sigpipe_kills)
		signal(SIGPIPE, SIG_DFL);
	fd = open(pipe_path(), end | job->flags);
	if (fd < 0)
		_exit(KSFT_FAIL);
	return fd;
}

static inline void read_once(int report_to, const void *arg)
{
	const struct job *job = arg;
	int fd = open_for(job, O_RDONLY);

	report(report_to, read(fd, big_buffer(), job->len));
}

static inline void write_once(int report_to, const void *arg)
{
	const struct job *job = arg;
	int fd = open_for(job, O_WRONLY);

	if (job->fill)
		memset(big_buffer(), job->fill, job->len);
	else
		put_pattern(big_buffer(), 0, job->len);
	report(report_to, write(fd, big_buffer(), job->len));
}

/* The end that a poller opens, and what it polls for. */
struct poll_job {
	int end;
	short events;
};

static inline void do_poll_job(int report_to, const void *arg)
{
	const struct poll_job *job = arg;
	struct pollfd pollfd = { .fd = open(pipe_path(), job->end), .events = job->events };
	int ready = ppoll(&pollfd, 1, NULL, NULL);

	report(report_to, ready == 1 ? pollfd.revents : -1);
}

/* Returns when the poller sleeps. The poller reports the events. */
static inline struct child start_poller(struct __test_metadata *_metadata, int end,
					short events)
{
	struct poll_job job = { end, events };
	struct child poller = start_child(_metadata, do_poll_job, &job);

	ASSERT_ASLEEP_IN(ppoll, &poller);
	return poller;
}

static inline struct child start_reader(struct __test_metadata *_metadata, ssize_t len)
{
	struct job job = { .len = len };

	return start_child(_metadata, read_once, &job);
}

static inline struct child start_writer(struct __test_metadata *_metadata, ssize_t len,
					unsigned char fill)
{
	struct job job = { .len = len, .fill = fill };

	return start_child(_metadata, write_once, &job);
}

/* The readers fall asleep one after the other, so they queue in the order of the array. */
static inline void queue_readers(struct __test_metadata *_metadata, struct child *readers,
				 int count)
{
	for (int i = 0; i < count; i++) {
		readers[i] = start_reader(_metadata, 1);
		ASSERT_ASLEEP_IN(read, &readers[i]);
	}
}

static inline void queue_writers(struct __test_metadata *_metadata, struct child *writers,
				 int count, ssize_t len)
{
	for (int i = 0; i < count; i++) {
		writers[i] = start_writer(_metadata, len, 'a' + i);
		ASSERT_ASLEEP_IN(write, &writers[i]);
	}
}

/* Each of the writers failed with EPIPE and got one SIGPIPE. */
static inline void expect_epipe(struct __test_metadata *_metadata, struct child *writers,
				int count)
{
	for (int i = 0; i < count; i++) {
		struct result result = result_of(_metadata, &writers[i]);

		EXPECT_EQ(-1, result.ret);
		EXPECT_EQ(EPIPE, result.err);
		EXPECT_EQ(1, result.sigpipes);
	}
}

/* Opens and closes one end. */
static inline void open_once(struct __test_metadata *_metadata, int end)
{
	int fd = open(pipe_path(), end);

	ASSERT_LE(0, fd);
	close(fd);
}

/* The test's own ends */

static inline int open_pipe(struct __test_metadata *_metadata, int flags)
{
	int fd = open(pipe_path(), flags | O_CLOEXEC);

	ASSERT_LE(0, fd)
	{
		TH_LOG("cannot open %s: %s (sudo insmod mini_pipe.ko ?)", pipe_path(),
		       strerror(errno));
	}
	return fd;
}

/* Sets or clears a flag with F_SETFL. */
static inline void set_flag(struct __test_metadata *_metadata, int fd, int flag, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	ASSERT_LE(0, flags);
	flags = on ? flags | flag : flags & ~flag;
	ASSERT_EQ(0, fcntl(fd, F_SETFL, flags));
}

static inline short poll_now(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	return poll(&pollfd, 1, 0) < 0 ? -1 : pollfd.revents;
}

/* Writes the pattern until the pipe is full; returns how many bytes. */
static inline ssize_t fill_pipe(struct __test_metadata *_metadata, int fd)
{
	ssize_t n, total = 0;

	do {
		put_pattern(big_buffer(), total, ABOVE_PIPE_BUF);
		n = write(fd, big_buffer(), ABOVE_PIPE_BUF);
		if (n > 0)
			total += n;
	} while (n > 0);
	ASSERT_EQ(EAGAIN, errno);
	return total;
}

/* Reads all bytes into big_buffer(); returns how many. */
static inline ssize_t drain_pipe(struct __test_metadata *_metadata, int fd)
{
	ssize_t n, total = 0;

	do {
		ASSERT_GE(BIG, total);
		n = read(fd, big_buffer() + total, BIG - total);
		if (n > 0)
			total += n;
	} while (n > 0);
	ASSERT_TRUE(n == 0 || errno == EAGAIN);
	return total;
}

/* Writes `len` bytes of the pattern, for which there must be room. */
static inline void write_pattern(struct __test_metadata *_metadata, int fd, ssize_t len)
{
	put_pattern(big_buffer(), 0, len);
	ASSERT_EQ(len, write(fd, big_buffer(), len));
}

/* Reads `len` bytes, which must be there. */
static inline void read_exactly(struct __test_metadata *_metadata, int fd, ssize_t len)
{
	ASSERT_EQ(len, read(fd, big_buffer(), len));
}

static inline void empty_pipe(struct __test_metadata *_metadata)
{
	int fd = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);

	drain_pipe(_metadata, fd);
	close(fd);
}

static inline ssize_t measure_capacity(struct __test_metadata *_metadata)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t capacity = write(fd, big_buffer(), BIG);

	ASSERT_LT(0, capacity);
	ASSERT_EQ(capacity, drain_pipe(_metadata, fd));
	close(fd);
	return capacity;
}

/* Before each test: installs signal handlers, empties the pipe and returns its capacity. */
static inline ssize_t set_up_pipe(struct __test_metadata *_metadata)
{
	set_handler(SIGPIPE, count_sigpipe, SA_RESTART);
	/* Children inherit the handler: no signal kills a child before it sets its own handler. */
	set_handler(SIGUSR1, do_nothing, 0);
	empty_pipe(_metadata);
	return measure_capacity(_metadata);
}

/* After each test: kills all children. */
static inline void kill_children(struct __test_metadata *_metadata)
{
	/* A failed assertion leaves this set, which would make all assertions below fail. */
	_metadata->trigger = 0;
	/* Kill all before the first wait: one child may keep another one from exiting. */
	for (int i = 0; i < MAX_CHILDREN; i++)
		if (children()[i])
			kill(children()[i], SIGKILL);
	for (int i = 0; i < MAX_CHILDREN; i++) {
		struct child child = { .pid = children()[i], .results = -1 };

		if (child.pid)
			kill_child(_metadata, &child);
	}
}

/* Skips a test that needs a larger capacity than the pipe has. */
static inline bool has_capacity(struct __test_metadata *_metadata, ssize_t capacity, ssize_t needed)
{
	if (capacity < needed)
		SKIP(return false, "needs a capacity of %zd bytes", needed);
	return true;
}

/* Memory */

/* A difference in free memory that is no leak: the kernel's own use varies. */
#define MEMORY_SLACK (8 << 20)

static inline ssize_t free_memory(void)
{
	struct sysinfo info = { .freeram = 0 };

	sysinfo(&info);
	return info.freeram * info.mem_unit;
}

/* Waits until as much memory is free as before: the kernel frees some of it late. */
static inline bool is_free_again(ssize_t before)
{
	for (int ms = 0; ms < TIMEOUT_MS; ms++) {
		if (before - free_memory() < MEMORY_SLACK)
			return true;
		sleep_1ms();
	}
	return false;
}

/*
 * Whether a call may return `got` if `good` bytes could be copied before a fault. x86 tells to the
 * byte how far a copy came. arm64 loads up to 64 bytes before it stores them, and does not count
 * those that it has not stored; but it copies at least one byte. This is so for all calls that use
 * the kernel's copies, on a pipe(2), too.
 */
static inline bool is_count_until_fault(ssize_t got, ssize_t good)
{
#ifdef __x86_64__
	return got == good;
#else
	return got > 0 && got <= good && good - got < 64;
#endif
}

static inline unsigned char *map_pages(struct __test_metadata *_metadata, int pages, int prot)
{
	unsigned char *map = mmap(NULL, pages * page_size(), prot,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, map);
	return map;
}

#endif /* MINI_PIPE_TEST_H */
