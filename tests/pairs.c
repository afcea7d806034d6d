// SPDX-License-Identifier: GPL-2.0
/*
 * Every pair of the calls in pairs_calls.h, beside each other for a moment, by two threads that
 * share their descriptors and by two processes that share the open file; for the debug kernel,
 * which reports what is wrong underneath.
 *
 *   DURATION=seconds pairs    so long all of the moments take together; 40 if not said
 *
 * The kernel's log has a line for each pair before it begins. After it, the kernel must not have
 * become tainted, no byte may be there that nobody wrote, and both callers must have ended.
 */
#include <sys/socket.h>
#include "pairs_async.h"

/* A row is the moments of a call beside itself and those after it in the table. */
#define ROWS_PER_CALL 8
#define MOMENTS (ROWS_PER_CALL * CALL_COUNT * (CALL_COUNT + 1) / 2)

/* No caller needs more, however fast the machine is. */
#define CALLS_PER_MS 200

/* A row, for its share of any DURATION that somebody has time for. */
#define ROW_SECONDS 3600

static long moment_ns(void)
{
	const char *seconds = getenv("DURATION");

	return (seconds && *seconds ? atol(seconds) : 40) * 1000000000L / MOMENTS;
}

/* The two callers */

/* A call that is made beside itself and all those after it in the table. */
struct row {
	int first;
	enum where where;
	bool threads;
	struct shared *shared;
	struct caller *callers;		/* two of them */
	int device;			/* neither end of it */
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
	handle(SIGUSR1, do_nothing, 0);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGIO, SIG_IGN);
	row->first = variant->first;
	row->device = open_neither(_metadata);
	row->capacity = capacity_of(row->device);
	ASSERT_EQ(0, reports());
	row->shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, row->shared);
	row->callers = (struct caller *)(row->shared + 1);
}

FIXTURE_TEARDOWN(pairs)
{
	restore_the_stage(_metadata, self->row.device, self->row.capacity);
}

/* Orders: that a moment begins, and to a process also the open files of its pipe */

#define FILES 3

union files {
	char space[CMSG_SPACE(FILES * sizeof(int))];
	struct cmsghdr align;
};

static bool send_order(int socket, const int *fds, int count)
{
	char order = 0;
	struct iovec iov = { &order, 1 };
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

/* Puts the files at READ_FD, PATH_FD and WRITE_FD. False: no more moments. */
static bool take_order(int socket)
{
	static const int places[FILES] = { READ_FD, PATH_FD, WRITE_FD };
	char order;
	struct iovec iov = { &order, 1 };
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
		dup2(fds[i], places[i]);
		close(fds[i]);
	}
	return true;
}

static void *be_a_thread(void *arg)
{
	struct caller *me = arg;

	me->tid = syscall(__NR_gettid);
	while (take_order(me->orders)) {
		repeat(me);
		me->shared->ended++;
	}
	return NULL;
}

static void be_a_process(int report_to __maybe_unused, const void *arg)
{
	struct caller *me = *(struct caller * const *)arg;

	me->tid = getpid();
	while (take_order(me->orders)) {
		repeat(me);
		close_stage();
		me->shared->ended++;
	}
	_exit(0);
}

static void say_where(struct __test_metadata *_metadata, const struct caller *caller)
{
	char stack[2048] = "";

	read_proc(caller->tid, "stack", stack, sizeof(stack));
	TH_LOG("%s, state %c, after %lu calls: %s", calls[caller->call].name,
	       state_of(caller->tid), caller->step, stack);
}

/* Gets a caller out of a call in which it waits. */
static void interrupt(const struct caller *callers)
{
	for (int i = 0; i < 2; i++)
		syscall(__NR_tkill, callers[i].tid, SIGUSR1);
}

/* Returns when both have ended, which they may do before. */
static void wait_for_callers(struct __test_metadata *_metadata, struct shared *shared,
			     const struct caller *callers)
{
	long end;

	while (shared->ready < 2)
		sched_yield();
	end = ns_now() + moment_ns();
	shared->go = true;
	while (shared->ended < 2 && ns_now() < end) {
		a_moment();
		interrupt(callers);
	}
	shared->stop = true;
	for (int ms = 0; shared->ended < 2 && ms < PATIENCE_MS; ms++) {
		interrupt(callers);
		a_moment();
	}
	ASSERT_EQ(2, shared->ended)
	{
		say_where(_metadata, &callers[0]);
		say_where(_metadata, &callers[1]);
	}
}

static void start_pair(struct shared *shared, struct caller *callers, int first, int second)
{
	bool both = shared->both;

	memset(shared, 0, sizeof(*shared));
	shared->both = both;
	shared->calls = CALLS_PER_MS * (moment_ns() / 1000000 + 1);
	for (int i = 0; i < 2; i++) {
		callers[i].call = i ? second : first;
		callers[i].partner = &callers[!i];
	}
}

/*
 * The test has no end of the pipe itself while processes use it, so whichever of them ends last is
 * the last to close it.
 */
static void play_pair(struct __test_metadata *_metadata, struct shared *shared,
		      struct caller *callers, const int *sockets, bool threads)
{
	const int fds[FILES] = { READ_FD, PATH_FD, WRITE_FD };
	int files = threads ? 0 : shared->both ? 2 : 3;

	for (int i = 0; i < 2; i++)
		ASSERT_TRUE(send_order(sockets[i], fds, files));
	if (!threads) {
		close(READ_FD);
		close(WRITE_FD);
	}
	wait_for_callers(_metadata, shared, callers);
	if (!threads)
		move(_metadata, reopen(O_RDONLY), READ_FD);
}

/* Takes what is left, and compares. */
static void check_bytes(struct __test_metadata *_metadata, struct shared *shared,
			struct caller *caller, bool lossy)
{
	ssize_t n;

	fcntl(READ_FD, F_SETFL, O_NONBLOCK);
	while ((n = read(READ_FD, caller->buffer, MOST)) > 0)
		count_got(caller, n);
	EXPECT_LE(shared->got, shared->put);
	if (!lossy)
		EXPECT_EQ(shared->got, shared->put);
	EXPECT_EQ(0, shared->strange)
	{
		TH_LOG("bytes or errors that nothing explains; an error: %s",
		       shared->strange_errno ? strerror(shared->strange_errno) : "none");
	}
}

static void play_moments(struct __test_metadata *_metadata, const struct row *row,
			 const int *sockets)
{
	for (int second = row->first; second < CALL_COUNT; second++) {
		bool packets = row->first == CALL_O_DIRECT || second == CALL_O_DIRECT;
		char line[128];

		snprintf(line, sizeof(line), "%s beside %s, %s %s", calls[row->first].name,
			 calls[second].name, row->threads ? "threads" : "processes",
			 where_names[row->where]);
		log_line(line);
		open_stage(_metadata, row->where);
		row->shared->both = row->where == DEVICE_BOTH || row->where == PRIVATE_BOTH;
		start_pair(row->shared, row->callers, row->first, second);
		play_pair(_metadata, row->shared, row->callers, sockets, row->threads);
		/* A read takes a packet whole, and the last one to close a pipe takes all. */
		check_bytes(_metadata, row->shared, row->callers, packets || !row->threads);
		close_stage();
		set_policy(row->device, MINI_PIPE_BUFFERED);
		EXPECT_EQ(0, reports());
		ASSERT_TRUE(__test_passed(_metadata))
		{
			TH_LOG("%s", line);
		}
	}
}

/* Each of them starts two callers, plays the row, and sees them end. */

static void play_by_threads(struct __test_metadata *_metadata, struct row *row, enum where where)
{
	int sockets[2][2], mine[2];
	pthread_t threads[2];

	row->where = where;
	row->threads = true;
	for (int i = 0; i < 2; i++) {
		struct caller *caller = &row->callers[i];

		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets[i]));
		mine[i] = sockets[i][0];
		caller->orders = sockets[i][1];
		caller->shared = row->shared;
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, be_a_thread, caller));
	}
	play_moments(_metadata, row, mine);
	for (int i = 0; i < 2; i++) {
		shutdown(mine[i], SHUT_RDWR);
		pthread_join(threads[i], NULL);
	}
}

static void play_by_processes(struct __test_metadata *_metadata, struct row *row,
			      enum where where)
{
	int sockets[2][2], mine[2];
	struct child children[2];

	row->where = where;
	row->threads = false;
	for (int i = 0; i < 2; i++) {
		struct caller *caller = &row->callers[i];

		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets[i]));
		mine[i] = sockets[i][0];
		caller->orders = sockets[i][1];
		caller->shared = row->shared;
		children[i] = start_heir(_metadata, be_a_process, &caller);
	}
	play_moments(_metadata, row, mine);
	for (int i = 0; i < 2; i++) {
		shutdown(mine[i], SHUT_RDWR);
		EXPECT_EQ(0, end_of(_metadata, &children[i]));
	}
}

TEST_F_TIMEOUT(pairs, threads_on_the_device, ROW_SECONDS)
{
	play_by_threads(_metadata, &self->row, DEVICE);
}

TEST_F_TIMEOUT(pairs, threads_on_a_private_pipe, ROW_SECONDS)
{
	play_by_threads(_metadata, &self->row, PRIVATE);
}

TEST_F_TIMEOUT(pairs, threads_on_both_ends_of_the_device, ROW_SECONDS)
{
	play_by_threads(_metadata, &self->row, DEVICE_BOTH);
}

TEST_F_TIMEOUT(pairs, threads_on_both_ends_of_a_private_pipe, ROW_SECONDS)
{
	play_by_threads(_metadata, &self->row, PRIVATE_BOTH);
}

TEST_F_TIMEOUT(pairs, processes_on_the_device, ROW_SECONDS)
{
	play_by_processes(_metadata, &self->row, DEVICE);
}

TEST_F_TIMEOUT(pairs, processes_on_a_private_pipe, ROW_SECONDS)
{
	play_by_processes(_metadata, &self->row, PRIVATE);
}

TEST_F_TIMEOUT(pairs, processes_on_both_ends_of_the_device, ROW_SECONDS)
{
	play_by_processes(_metadata, &self->row, DEVICE_BOTH);
}

TEST_F_TIMEOUT(pairs, processes_on_both_ends_of_a_private_pipe, ROW_SECONDS)
{
	play_by_processes(_metadata, &self->row, PRIVATE_BOTH);
}

TEST_HARNESS_MAIN
