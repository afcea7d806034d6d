// SPDX-License-Identifier: GPL-2.0
/*
 * O_ASYNC: a signal for readers when bytes come, for writers when bytes go, and for both when the
 * other side has left; as on a pipe(2).
 *
 * A signal is there when the call returns that sends it, so nobody has to wait for one, nor to see
 * that there is none.
 */
#include <pthread.h>
#include <sys/sendfile.h>
#include "same_fixture.h"

/* These queue: each of them is there, with all it says. */
#define SIGNAL SIGRTMIN

#define READABLE (POLLIN | POLLRDNORM)
#define WRITABLE (POLLOUT | POLLWRNORM | POLLWRBAND)

static sigset_t listened(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIGNAL);
	return set;
}

/* Signals wait from now on until they are asked for, here and in children. */
static void block_signals(void)
{
	sigset_t set = listened();

	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* The next signal within that time, or 0. */
static int hear_within(int ms, siginfo_t *info)
{
	struct timespec time = { .tv_sec = ms / 1000 };
	sigset_t set = listened();
	int sig = sigtimedwait(&set, info, &time);

	return sig < 0 ? 0 : sig;
}

static int hear(siginfo_t *info)
{
	return hear_within(0, info);
}

/* From now on, `pid` gets that signal for the file: a process, or, negative, a group. */
static void tell_from_now_on(struct __test_metadata *_metadata, int fd, int sig, pid_t pid)
{
	block_signals();
	ASSERT_EQ(0, fcntl(fd, F_SETOWN, pid));
	ASSERT_EQ(0, fcntl(fd, F_SETSIG, sig));
	set_flag(_metadata, fd, O_ASYNC, true);
}

static void listen_to(struct __test_metadata *_metadata, int fd)
{
	tell_from_now_on(_metadata, fd, SIGNAL, getpid());
}

static void expect_signal(struct __test_metadata *_metadata, int fd, int code, long band)
{
	siginfo_t info = {};

	EXPECT_EQ(SIGNAL, hear(&info));
	EXPECT_EQ(code, info.si_code);
	EXPECT_EQ(fd, info.si_fd);
	EXPECT_EQ(band, info.si_band);
}

static void expect_bytes_at(struct __test_metadata *_metadata, int fd)
{
	expect_signal(_metadata, fd, POLL_IN, READABLE);
}

static void expect_room_at(struct __test_metadata *_metadata, int fd)
{
	expect_signal(_metadata, fd, POLL_OUT, WRITABLE);
}

#define EXPECT_SILENCE() EXPECT_EQ(0, hear(NULL))

/* What signals whom */

TEST_F(same, each_write_signals_a_reader)
{
	listen_to(_metadata, self->r);
	EXPECT_SILENCE();
	for (int i = 0; i < 3; i++) {
		put_in(_metadata, self->w, 1);
		expect_bytes_at(_metadata, self->r);
		EXPECT_SILENCE();
	}
}

TEST_F(same, each_read_signals_a_writer)
{
	put_in(_metadata, self->w, 3);
	listen_to(_metadata, self->w);
	for (int i = 0; i < 3; i++) {
		take(_metadata, self->r, 1);
		expect_room_at(_metadata, self->w);
		EXPECT_SILENCE();
	}
}

TEST_F(same, a_write_signals_no_writer_and_a_read_no_reader)
{
	listen_to(_metadata, self->w);
	put_in(_metadata, self->w, 1);
	EXPECT_SILENCE();
	set_flag(_metadata, self->w, O_ASYNC, false);
	listen_to(_metadata, self->r);
	take(_metadata, self->r, 1);
	EXPECT_SILENCE();
}

TEST_F(same, a_call_of_0_bytes_signals_nobody)
{
	listen_to(_metadata, self->r);
	listen_to(_metadata, self->w);
	EXPECT_EQ(0, write(self->w, "", 0));
	EXPECT_EQ(0, read(self->r, big_buffer(), 0));
	EXPECT_SILENCE();
}

TEST_F(same, sendfile_signals_as_a_write_and_splice_as_a_read)
{
	int file = memfd_create("file", MFD_CLOEXEC);
	off_t start = 0;
	int aside[2];

	ASSERT_EQ(0, pipe2(aside, O_CLOEXEC));
	ASSERT_EQ(3, write(file, "xyz", 3));
	listen_to(_metadata, self->r);
	ASSERT_EQ(3, sendfile(self->w, file, &start, 3));
	expect_bytes_at(_metadata, self->r);
	EXPECT_SILENCE();
	listen_to(_metadata, self->w);
	ASSERT_EQ(3, splice(self->r, NULL, aside[1], NULL, 3, 0));
	expect_room_at(_metadata, self->w);
	EXPECT_SILENCE();
}

/* A pipe(2) signals at the end of every call; a mini_pipe, when something has changed. */
TEST_F(same, a_call_that_moves_nothing_signals_only_on_pipe_2)
{
	bool told = variant->kind == PIPE_2;

	listen_to(_metadata, self->r);
	listen_to(_metadata, self->w);
	ASSERT_EQ(-1, read(self->r, big_buffer(), 1));
	EXPECT_EQ(told ? SIGNAL : 0, hear(NULL));
	set_flag(_metadata, self->r, O_ASYNC, false);
	fill_pipe(_metadata, self->w);
	set_flag(_metadata, self->r, O_ASYNC, true);
	ASSERT_EQ(-1, write(self->w, "x", 1));
	EXPECT_EQ(told ? SIGNAL : 0, hear(NULL));
	EXPECT_SILENCE();
}

TEST_F(same, a_write_signals_every_reader)
{
	int other = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	siginfo_t info;
	int told = 0;

	listen_to(_metadata, self->r);
	listen_to(_metadata, other);
	put_in(_metadata, self->w, 1);
	while (hear(&info))
		told += info.si_fd;
	EXPECT_EQ(self->r + other, told);
}

TEST_F(same, a_file_that_is_both_ends_is_told_of_both)
{
	int both = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	listen_to(_metadata, both);
	put_in(_metadata, both, 1);
	expect_bytes_at(_metadata, both);
	EXPECT_SILENCE();
	take(_metadata, both, 1);
	expect_room_at(_metadata, both);
	EXPECT_SILENCE();
}

static void write_more_than_fits(int report_to, const void *arg)
{
	int fd = open(pipe_path(), O_WRONLY);

	memset(big_buffer(), 'w', BIG);
	report(report_to, write(fd, big_buffer(), *(const ssize_t *)arg));
}

TEST_F(same, a_write_that_waits_signals_of_what_is_in)
{
	ssize_t taken, len = fill_pipe(_metadata, self->w) + PIPE_BUF;
	struct child writer;

	drain_pipe(_metadata, self->r);
	listen_to(_metadata, self->r);
	writer = start_child(_metadata, write_more_than_fits, &len);
	/* It cannot return, for nobody reads until the signal is here. */
	EXPECT_EQ(SIGNAL, hear_within(PATIENCE_MS, NULL));
	EXPECT_FALSE(has_reported(&writer));
	for (taken = drain_pipe(_metadata, self->r); taken < len;
	     taken += drain_pipe(_metadata, self->r))
		ASSERT_EQ(SIGNAL, hear_within(PATIENCE_MS, NULL));
	EXPECT_EQ(len, taken);
	EXPECT_EQ(len, result_of(_metadata, &writer).ret);
}

#define ROUNDS 100
#define CROWD 100

/* Awake all the time, to be there as soon as the signal is. */
static void read_at_each_signal(int report_to, const void *arg __maybe_unused)
{
	int fd = open(pipe_path(), O_RDONLY | O_NONBLOCK);

	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC);
	report(report_to, 0);
	for (int i = 0; i < ROUNDS; i++) {
		while (!hear(NULL))
			;
		report(report_to, read(fd, big_buffer(), 1));
	}
}

/* Who comes last is signalled first: the crowd keeps the writer busy while the reader looks. */
TEST_F(same, when_a_signal_is_there_its_byte_is_too)
{
	struct child reader;

	for (int i = 0; i < CROWD; i++)
		tell_from_now_on(_metadata, open_pipe(_metadata, O_RDONLY), 0, getpid());
	reader = start_child(_metadata, read_at_each_signal, NULL);
	ASSERT_EQ(0, result_of(_metadata, &reader).ret);
	for (int i = 0; i < ROUNDS; i++) {
		put_in(_metadata, self->w, 1);
		ASSERT_EQ(1, result_of(_metadata, &reader).ret);
	}
}

/* The end */

TEST_F(same, the_last_writer_leaving_signals_a_reader)
{
	int other = open_pipe(_metadata, O_WRONLY);

	listen_to(_metadata, self->r);
	close(other);
	EXPECT_SILENCE();
	close(self->w);
	expect_bytes_at(_metadata, self->r);
	EXPECT_SILENCE();
	EXPECT_EQ(0, read(self->r, big_buffer(), 1));
}

TEST_F(same, the_last_reader_leaving_signals_a_writer)
{
	int other = open_pipe(_metadata, O_RDONLY);

	listen_to(_metadata, self->w);
	close(other);
	EXPECT_SILENCE();
	close(self->r);
	expect_room_at(_metadata, self->w);
	EXPECT_SILENCE();
	EXPECT_EQ(-1, write(self->w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

/* Which signal, and whose */

TEST_F(same, the_signal_is_sigio_unless_another_one_was_asked_for)
{
	siginfo_t info = {};

	tell_from_now_on(_metadata, self->r, 0, getpid());
	put_in(_metadata, self->w, 1);
	EXPECT_EQ(SIGIO, hear(&info));
	EXPECT_EQ(SI_KERNEL, info.si_code);
	EXPECT_SILENCE();
}

TEST_F(same, a_sigio_that_was_asked_for_says_what_happened)
{
	siginfo_t info = {};

	tell_from_now_on(_metadata, self->w, SIGIO, getpid());
	put_in(_metadata, self->w, 1);
	take(_metadata, self->r, 1);
	EXPECT_EQ(SIGIO, hear(&info));
	EXPECT_EQ(POLL_OUT, info.si_code);
	EXPECT_EQ(self->w, info.si_fd);
	EXPECT_EQ(WRITABLE, info.si_band);
	EXPECT_SILENCE();
}

static void be_killed_by_sigio(int report_to, const void *arg __maybe_unused)
{
	int fd = open(pipe_path(), O_RDONLY);

	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETFL, O_ASYNC);
	report(report_to, 0);
}

TEST_F(same, sigio_kills_who_does_not_expect_it)
{
	struct child reader = start_child(_metadata, be_killed_by_sigio, NULL);
	int status;

	EXPECT_EQ(0, result_of(_metadata, &reader).ret);
	put_in(_metadata, self->w, 1);
	status = end_of(_metadata, &reader);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGIO, WTERMSIG(status));
}

static void hear_once(int report_to, const void *arg)
{
	if (arg)
		setpgid(0, *(const pid_t *)arg);
	report(report_to, 0);
	report(report_to, hear_within(PATIENCE_MS, NULL));
}

static struct child start_listener(struct __test_metadata *_metadata, const pid_t *group)
{
	struct child child;

	block_signals();
	child = start_child(_metadata, hear_once, group);
	EXPECT_EQ(0, result_of(_metadata, &child).ret);
	return child;
}

TEST_F(same, another_process_may_be_told)
{
	struct child listener = start_listener(_metadata, NULL);

	tell_from_now_on(_metadata, self->r, SIGNAL, listener.pid);
	put_in(_metadata, self->w, 1);
	EXPECT_EQ(SIGNAL, result_of(_metadata, &listener).ret);
	EXPECT_SILENCE();
}

TEST_F(same, a_group_may_be_told)
{
	pid_t group = 0;
	struct child listeners[2];

	listeners[0] = start_listener(_metadata, &group);
	group = listeners[0].pid;
	listeners[1] = start_listener(_metadata, &group);
	tell_from_now_on(_metadata, self->r, SIGNAL, -group);
	put_in(_metadata, self->w, 1);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(SIGNAL, result_of(_metadata, &listeners[i]).ret);
	EXPECT_SILENCE();
}

/* A thread that hears its own signals when it is let. */
struct listener {
	pthread_t thread;
	atomic_int tid;
	atomic_bool may_listen;
	int heard;
};

static void *hear_in_a_thread(void *arg)
{
	struct listener *listener = arg;

	listener->tid = syscall(__NR_gettid);
	while (!listener->may_listen)
		a_moment();
	listener->heard = hear(NULL);
	return NULL;
}

TEST_F(same, a_single_thread_may_be_told)
{
	struct f_owner_ex owner = { .type = F_OWNER_TID };
	struct listener listener = {};

	listen_to(_metadata, self->r);
	ASSERT_EQ(0, pthread_create(&listener.thread, NULL, hear_in_a_thread, &listener));
	while (!listener.tid)
		a_moment();
	owner.pid = listener.tid;
	ASSERT_EQ(0, fcntl(self->r, F_SETOWN_EX, &owner));
	put_in(_metadata, self->w, 1);
	/* Not for this one, though it asks first. */
	EXPECT_SILENCE();
	listener.may_listen = true;
	ASSERT_EQ(0, pthread_join(listener.thread, NULL));
	EXPECT_EQ(SIGNAL, listener.heard);
}

TEST_F(same, nobody_need_be_left_to_be_told)
{
	struct child listener = start_listener(_metadata, NULL);

	tell_from_now_on(_metadata, self->r, SIGNAL, listener.pid);
	dismiss(_metadata, &listener);
	put_in(_metadata, self->w, 1);
	EXPECT_SILENCE();
}

/* On and off */

TEST_F(same, nobody_is_told_before_o_async_is_on_and_after_it_is_off)
{
	int ends[] = { self->r, self->w };

	for (int i = 0; i < 3; i++) {
		for (int end = 0; end < 2; end++) {
			if (i == 1)
				listen_to(_metadata, ends[end]);
			else
				set_flag(_metadata, ends[end], O_ASYNC, false);
			EXPECT_EQ(i == 1 ? O_ASYNC : 0, fcntl(ends[end], F_GETFL) & O_ASYNC);
		}
		put_in(_metadata, self->w, 1);
		take(_metadata, self->r, 1);
		if (i == 1) {
			expect_bytes_at(_metadata, self->r);
			expect_room_at(_metadata, self->w);
		}
		EXPECT_SILENCE();
	}
}

TEST_F(same, o_async_that_is_on_twice_signals_once)
{
	listen_to(_metadata, self->r);
	listen_to(_metadata, self->r);
	put_in(_metadata, self->w, 1);
	expect_bytes_at(_metadata, self->r);
	EXPECT_SILENCE();
	set_flag(_metadata, self->r, O_ASYNC, false);
	put_in(_metadata, self->w, 1);
	EXPECT_SILENCE();
}

TEST_F(same, a_file_that_is_closed_with_o_async_on_is_told_no_more)
{
	for (int i = 0; i < 100; i++) {
		int both = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

		listen_to(_metadata, both);
		ASSERT_EQ(O_ASYNC, fcntl(both, F_GETFL) & O_ASYNC);
		close(both);
		put_in(_metadata, self->w, 1);
		take(_metadata, self->r, 1);
		EXPECT_SILENCE();
	}
}

/* open takes the flag, too, and as for any file that means nothing. */
TEST_F(same, a_file_that_is_opened_with_o_async_is_told_nothing)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK | O_ASYNC);

	block_signals();
	ASSERT_EQ(0, fcntl(reader, F_SETOWN, getpid()));
	put_in(_metadata, self->w, 1);
	EXPECT_SILENCE();
	close(reader);
	put_in(_metadata, self->w, 1);
	EXPECT_SILENCE();
}

/* A pipe whose writes wait for their reader: while one does, others are turned away. */

FIXTURE(rendezvous)
{
	int r;
	int w;
	struct child writer;
};

FIXTURE_SETUP(rendezvous)
{
	set_the_stage(_metadata);
	make_pipe(_metadata, PRIVATE, O_NONBLOCK, &self->r, &self->w);
	ASSERT_EQ(0, ioctl(self->r, MINI_PIPE_IOC_SET_POLICY, MINI_PIPE_RENDEZVOUS));
	sprintf(pipe_path(), "/proc/%d/fd/%d", getpid(), self->r);
	self->writer = start_writer(_metadata, 1, 'w');
	ASSERT_ASLEEP_IN(write, &self->writer);
	listen_to(_metadata, self->w);
	ASSERT_EQ(-1, write(self->w, "x", 1));
	EXPECT_SILENCE();
}

FIXTURE_TEARDOWN(rendezvous)
{
	clear_the_stage(_metadata);
}

/* The read signals, too, but whoever writes at that signal may find the other one still there. */
TEST_F(rendezvous, the_end_of_anothers_turn_signals_a_writer_beside_the_read)
{
	take(_metadata, self->r, 1);
	EXPECT_EQ(1, result_of(_metadata, &self->writer).ret);
	for (int i = 0; i < 2; i++)
		expect_room_at(_metadata, self->w);
	EXPECT_SILENCE();
	EXPECT_EQ(1, write(self->w, "x", 1));
}

TEST_F(rendezvous, a_turn_that_was_interrupted_signals_a_writer)
{
	kill(self->writer.pid, SIGUSR1);
	EXPECT_EQ(EINTR, result_of(_metadata, &self->writer).err);
	expect_room_at(_metadata, self->w);
	EXPECT_SILENCE();
	EXPECT_EQ(1, write(self->w, "x", 1));
}

TEST_HARNESS_MAIN
