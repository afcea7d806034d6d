// SPDX-License-Identifier: GPL-2.0
/*
 * Runs every pair of the calls in pairs_calls.h concurrently for a short time: by two threads
 * that share their descriptors, and by two processes that share the open file. For the debug
 * kernel, which reports the faults that no caller sees.
 *
 *   DURATION=seconds pairs    the total time of all pairs, by default 40
 *
 * Before a pair begins, its name is written to the kernel's log. After it, the kernel must not be
 * tainted, every byte that was read must have been written, and both callers must have ended.
 */
#include <sys/socket.h>
#include "pairs_async.h"

/* A row is one call paired with itself and with each call after it in the table. */
#define ROWS_PER_CALL 8
#define PAIR_COUNT (ROWS_PER_CALL * CALL_COUNT * (CALL_COUNT + 1) / 2)

/* On a fast machine, a caller makes at most this many calls. */
#define CALLS_PER_MS 200

/* The timeout of a row, enough for a DURATION of days. */
#define ROW_SECONDS 3600

static long pair_ns(void)
{
	const char *seconds = getenv("DURATION");

	return (seconds && *seconds ? atol(seconds) : 40) * 1000000000L / PAIR_COUNT;
}

/* The two callers */

/* A call that is paired with itself and with each call after it in the table. */
struct row {
	int first;
	enum target target;
	bool threads;
	struct shared *shared;
	struct caller *callers;		/* two of them */
	int device;			/* opened for ioctl alone */
	int capacity;
};

FIXTURE(pairs)
{
	struct row row;
};

FIXTURE_VARIANT(pairs)
{
	int first;
};

FIXTURE_VARIANT_ADD(pairs, read) { .first = CALL_READ, };
FIXTURE_VARIANT_ADD(pairs, readv) { .first = CALL_READV, };
FIXTURE_VARIANT_ADD(pairs, write) { .first = CALL_WRITE, };
FIXTURE_VARIANT_ADD(pairs, splice_from) { .first = CALL_SPLICE_FROM, };
FIXTURE_VARIANT_ADD(pairs, splice_to) { .first = CALL_SPLICE_TO, };
FIXTURE_VARIANT_ADD(pairs, poll) { .first = CALL_POLL, };
FIXTURE_VARIANT_ADD(pairs, epoll) { .first = CALL_EPOLL, };
FIXTURE_VARIANT_ADD(pairs, o_async) { .first = CALL_O_ASYNC, };
FIXTURE_VARIANT_ADD(pairs, o_nonblock) { .first = CALL_O_NONBLOCK, };
FIXTURE_VARIANT_ADD(pairs, o_direct) { .first = CALL_O_DIRECT, };
FIXTURE_VARIANT_ADD(pairs, resize) { .first = CALL_RESIZE, };
FIXTURE_VARIANT_ADD(pairs, policy) { .first = CALL_POLICY, };
FIXTURE_VARIANT_ADD(pairs, fionread) { .first = CALL_FIONREAD, };
FIXTURE_VARIANT_ADD(pairs, close) { .first = CALL_CLOSE, };
FIXTURE_VARIANT_ADD(pairs, dup2) { .first = CALL_DUP2, };
FIXTURE_VARIANT_ADD(pairs, reopen) { .first = CALL_REOPEN, };
FIXTURE_VARIANT_ADD(pairs, fdinfo) { .first = CALL_FDINFO, };
FIXTURE_VARIANT_ADD(pairs, name) { .first = CALL_NAME, };
FIXTURE_VARIANT_ADD(pairs, inotify) { .first = CALL_INOTIFY, };
FIXTURE_VARIANT_ADD(pairs, uring_read) { .first = CALL_URING_READ, };
FIXTURE_VARIANT_ADD(pairs, uring_write) { .first = CALL_URING_WRITE, };
FIXTURE_VARIANT_ADD(pairs, uring_poll) { .first = CALL_URING_POLL, };
FIXTURE_VARIANT_ADD(pairs, fork) { .first = CALL_FORK, };

FIXTURE_SETUP(pairs)
{
	struct row *row = &self->row;
	size_t size = sizeof(*row->shared) + 2 * sizeof(*row->callers);

	empty_pipe(_metadata);
	set_handler(SIGUSR1, do_nothing, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGIO, SIG_IGN);
	row->first = variant->first;
	row->device = open_for_ioctl(_metadata);
	row->capacity = capacity_of(row->device);
	ASSERT_EQ(0, kernel_reports());
	row->shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, row->shared);
	row->callers = (struct caller *)(row->shared + 1);
}

FIXTURE_TEARDOWN(pairs)
{
	restore_device(_metadata, self->row.device, self->row.capacity);
}

/* Messages that start a pair. They also bring a process the open files of the pipe. */

#define FILES 3

union files {
	char space[CMSG_SPACE(FILES * sizeof(int))];
	struct cmsghdr align;
};

static bool send_start(int socket, const int *fds, int count)
{
	char start = 0;
	struct iovec iov = { &start, 1 };
	union files files = { 0 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *header;

	if (count) {
		message.msg_control = &files;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	}
	return sendmsg(socket, &message, 0) == 1;
}

/* Puts the files at READ_FD, PATH_FD and WRITE_FD. Returns false if there are no more pairs. */
static bool receive_start(int socket)
{
	static const int numbers[FILES] = { READ_FD, PATH_FD, WRITE_FD };
	char start;
	struct iovec iov = { &start, 1 };
	union files files;
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &files, .msg_controllen = sizeof(files),
	};
	struct cmsghdr *header;
	int fds[FILES], count;
	ssize_t n;

	do
		n = recvmsg(socket, &message, 0);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		return false;
	header = CMSG_FIRSTHDR(&message);
	if (!header)
		return true;
	count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	memcpy(fds, CMSG_DATA(header), count * sizeof(int));
	for (int i = 0; i < count; i++) {
		dup2(fds[i], numbers[i]);
		close(fds[i]);
	}
	return true;
}

static void *caller_thread(void *arg)
{
	struct caller *me = arg;

	me->tid = syscall(__NR_gettid);
	while (receive_start(me->start_socket)) {
		repeat_call(me);
		me->shared->ended++;
	}
	return NULL;
}

static void caller_process(int report_to __maybe_unused, const void *arg)
{
	struct caller *me = *(struct caller * const *)arg;

	me->tid = getpid();
	while (receive_start(me->start_socket)) {
		repeat_call(me);
		close_files();
		me->shared->ended++;
	}
	_exit(0);
}

static void log_caller(struct __test_metadata *_metadata, const struct caller *caller)
{
	char stack[2048] = "";

	read_proc(caller->tid, "stack", stack, sizeof(stack));
	TH_LOG("%s, state %c, after %lu calls: %s", calls[caller->call].name,
	       state_of(caller->tid), caller->step, stack);
}

/* Ends the calls in which the callers sleep. */
static void interrupt(const struct caller *callers)
{
	for (int i = 0; i < 2; i++)
		syscall(__NR_tkill, callers[i].tid, SIGUSR1);
}

/* Lets both callers run for the time of a pair, or until both have made all their calls. */
static void wait_for_callers(struct __test_metadata *_metadata, struct shared *shared,
			     const struct caller *callers)
{
	long end;

	while (shared->ready < 2)
		sched_yield();
	end = ns_now() + pair_ns();
	shared->go = true;
	while (shared->ended < 2 && ns_now() < end) {
		sleep_1ms();
		interrupt(callers);
	}
	shared->stop = true;
	for (int ms = 0; shared->ended < 2 && ms < TIMEOUT_MS; ms++) {
		interrupt(callers);
		sleep_1ms();
	}
	ASSERT_EQ(2, shared->ended)
	{
		log_caller(_metadata, &callers[0]);
		log_caller(_metadata, &callers[1]);
	}
}

static void prepare_pair(struct shared *shared, struct caller *callers, int first, int second)
{
	bool both = shared->both;

	memset(shared, 0, sizeof(*shared));
	shared->both = both;
	shared->calls = CALLS_PER_MS * (pair_ns() / 1000000 + 1);
	for (int i = 0; i < 2; i++) {
		callers[i].call = i ? second : first;
		callers[i].partner = &callers[!i];
	}
}

/*
 * While processes use the pipe, the test has no end of it open, so the last close is made by the
 * process that ends last.
 */
static void run_pair(struct __test_metadata *_metadata, struct shared *shared,
		     struct caller *callers, const int *sockets, bool threads)
{
	const int fds[FILES] = { READ_FD, PATH_FD, WRITE_FD };
	int files = threads ? 0 : shared->both ? 2 : 3;

	for (int i = 0; i < 2; i++)
		ASSERT_TRUE(send_start(sockets[i], fds, files));
	if (!threads) {
		close(READ_FD);
		close(WRITE_FD);
	}
	wait_for_callers(_metadata, shared, callers);
	if (!threads)
		move(_metadata, reopen(O_RDONLY), READ_FD);
}

/* Reads the remaining bytes, and compares the numbers of bytes written and read. */
static void check_bytes(struct __test_metadata *_metadata, struct shared *shared,
			struct caller *caller, bool may_lose_bytes)
{
	ssize_t n;

	fcntl(READ_FD, F_SETFL, O_NONBLOCK);
	while ((n = read(READ_FD, caller->buffer, MAX_BYTES)) > 0)
		count_read(caller, n);
	EXPECT_LE(shared->bytes_read, shared->bytes_written);
	if (!may_lose_bytes)
		EXPECT_EQ(shared->bytes_read, shared->bytes_written);
	EXPECT_EQ(0, shared->unexplained)
	{
		TH_LOG("unexplained bytes or errors; the last error: %s",
		       shared->unexplained_errno ? strerror(shared->unexplained_errno) : "none");
	}
}

static void run_pairs(struct __test_metadata *_metadata, const struct row *row,
		      const int *sockets)
{
	for (int second = row->first; second < CALL_COUNT; second++) {
		bool packets = row->first == CALL_O_DIRECT || second == CALL_O_DIRECT;
		bool is_private = row->target == PRIVATE || row->target == PRIVATE_BOTH;
		char line[128];

		snprintf(line, sizeof(line), "%s beside %s, %s %s", calls[row->first].name,
			 calls[second].name, row->threads ? "threads" : "processes",
			 target_names[row->target]);
		log_line(line);
		open_files_of(_metadata, row->target);
		row->shared->both = row->target == DEVICE_BOTH || row->target == PRIVATE_BOTH;
		prepare_pair(row->shared, row->callers, row->first, second);
		run_pair(_metadata, row->shared, row->callers, sockets, row->threads);
		/* A short read loses a packet's rest, a private pipe's last close all its bytes. */
		check_bytes(_metadata, row->shared, row->callers,
			    packets || (is_private && !row->threads));
		close_files();
		set_policy(row->device, MINI_PIPE_BUFFERED);
		EXPECT_EQ(0, kernel_reports());
		ASSERT_TRUE(__test_passed(_metadata))
		{
			TH_LOG("%s", line);
		}
	}
}

/* Starts two callers, runs a row of pairs, and waits until the callers have ended. */
static void run_row(struct __test_metadata *_metadata, struct row *row, enum target target,
		    bool by_threads)
{
	struct child children[2] = { 0 };
	int sockets[2][2], mine[2];
	pthread_t threads[2];

	row->target = target;
	row->threads = by_threads;
	for (int i = 0; i < 2; i++) {
		struct caller *caller = &row->callers[i];

		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets[i]));
		mine[i] = sockets[i][0];
		caller->start_socket = sockets[i][1];
		caller->shared = row->shared;
		if (!by_threads)
			children[i] = start_forked(_metadata, caller_process, &caller);
		else
			ASSERT_EQ(0, pthread_create(&threads[i], NULL, caller_thread, caller));
	}
	run_pairs(_metadata, row, mine);
	for (int i = 0; i < 2; i++) {
		shutdown(mine[i], SHUT_RDWR);
		if (by_threads)
			pthread_join(threads[i], NULL);
		else
			EXPECT_EQ(0, wait_for_exit(_metadata, &children[i]));
	}
}

TEST_F_TIMEOUT(pairs, threads_on_the_device, ROW_SECONDS)
{
	run_row(_metadata, &self->row, DEVICE, true);
}

TEST_F_TIMEOUT(pairs, threads_on_a_private_pipe, ROW_SECONDS)
{
	run_row(_metadata, &self->row, PRIVATE, true);
}

TEST_F_TIMEOUT(pairs, threads_on_both_ends_of_the_device, ROW_SECONDS)
{
	run_row(_metadata, &self->row, DEVICE_BOTH, true);
}

TEST_F_TIMEOUT(pairs, threads_on_both_ends_of_a_private_pipe, ROW_SECONDS)
{
	run_row(_metadata, &self->row, PRIVATE_BOTH, true);
}

TEST_F_TIMEOUT(pairs, processes_on_the_device, ROW_SECONDS)
{
	run_row(_metadata, &self->row, DEVICE, false);
}

TEST_F_TIMEOUT(pairs, processes_on_a_private_pipe, ROW_SECONDS)
{
	run_row(_metadata, &self->row, PRIVATE, false);
}

TEST_F_TIMEOUT(pairs, processes_on_both_ends_of_the_device, ROW_SECONDS)
{
	run_row(_metadata, &self->row, DEVICE_BOTH, false);
}

TEST_F_TIMEOUT(pairs, processes_on_both_ends_of_a_private_pipe, ROW_SECONDS)
{
	run_row(_metadata, &self->row, PRIVATE_BOTH, false);
}

TEST_HARNESS_MAIN
