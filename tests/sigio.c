// SPDX-License-Identifier: GPL-2.0
/*
 * O_ASYNC: a write signals readers, a read signals writers, and the last close of one end signals
 * the other end; as on a pipe(2).
 *
 * A signal is pending when the call that sends it returns. So the tests need not wait: neither for
 * a signal, nor to be sure that there is none.
 */
#include <pthread.h>
#include <sys/sendfile.h>
#include "any_pipe_fixture.h"

/* A real-time signal: each one is queued, with its siginfo. */
#define SIGNAL SIGRTMIN

#define READABLE (POLLIN | POLLRDNORM)
#define WRITABLE (POLLOUT | POLLWRNORM | POLLWRBAND)

static sigset_t tested_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigaddset(&set, SIGNAL);
	return set;
}

/* From now on, the tested signals stay pending, in the test and in its children. */
static void block_signals(void)
{
	sigset_t set = tested_signals();

	sigprocmask(SIG_BLOCK, &set, NULL);
}

/* Takes the next pending signal, or returns 0 after that time. */
static int take_signal_within(int ms, siginfo_t *info)
{
	struct timespec time = { .tv_sec = ms / 1000 };
	sigset_t set = tested_signals();
	int sig = sigtimedwait(&set, info, &time);

	return sig < 0 ? 0 : sig;
}

static int take_signal(siginfo_t *info)
{
	return take_signal_within(0, info);
}

/* From now on, the file signals `pid`, which is a process or, if negative, a process group. */
static void enable_async_for(struct __test_metadata *_metadata, int fd, int sig, pid_t pid)
{
	block_signals();
	ASSERT_EQ(0, fcntl(fd, F_SETOWN, pid));
	ASSERT_EQ(0, fcntl(fd, F_SETSIG, sig));
	set_flag(_metadata, fd, O_ASYNC, true);
}

static void enable_async(struct __test_metadata *_metadata, int fd)
{
	enable_async_for(_metadata, fd, SIGNAL, getpid());
}

static void expect_signal(struct __test_metadata *_metadata, int fd, int code, long band)
{
	siginfo_t info = {};

	EXPECT_EQ(SIGNAL, take_signal(&info));
	EXPECT_EQ(code, info.si_code);
	EXPECT_EQ(fd, info.si_fd);
	EXPECT_EQ(band, info.si_band);
}

static void expect_poll_in(struct __test_metadata *_metadata, int fd)
{
	expect_signal(_metadata, fd, POLL_IN, READABLE);
}

static void expect_poll_out(struct __test_metadata *_metadata, int fd)
{
	expect_signal(_metadata, fd, POLL_OUT, WRITABLE);
}

#define EXPECT_NO_SIGNAL() EXPECT_EQ(0, take_signal(NULL))

/* Which call signals which end */

TEST_F(any_pipe, each_write_signals_reader)
{
	enable_async(_metadata, self->r);
	EXPECT_NO_SIGNAL();
	for (int i = 0; i < 3; i++) {
		write_pattern(_metadata, self->w, 1);
		expect_poll_in(_metadata, self->r);
		EXPECT_NO_SIGNAL();
	}
}

TEST_F(any_pipe, each_read_signals_writer)
{
	write_pattern(_metadata, self->w, 3);
	enable_async(_metadata, self->w);
	for (int i = 0; i < 3; i++) {
		read_exactly(_metadata, self->r, 1);
		expect_poll_out(_metadata, self->w);
		EXPECT_NO_SIGNAL();
	}
}

TEST_F(any_pipe, write_signals_no_writer_and_read_signals_no_reader)
{
	enable_async(_metadata, self->w);
	write_pattern(_metadata, self->w, 1);
	EXPECT_NO_SIGNAL();
	set_flag(_metadata, self->w, O_ASYNC, false);
	enable_async(_metadata, self->r);
	read_exactly(_metadata, self->r, 1);
	EXPECT_NO_SIGNAL();
}

/* The first reader to be woken hands the wake-up on to the second one. */
TEST_F(any_pipe, wake_up_that_is_handed_on_sends_no_signal)
{
	struct child readers[2];

	queue_readers(_metadata, readers, 2);
	enable_async(_metadata, self->r);
	write_pattern(_metadata, self->w, 2);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(1, result_of(_metadata, &readers[i]).ret);
	expect_poll_in(_metadata, self->r);
	EXPECT_NO_SIGNAL();
}

TEST_F(any_pipe, empty_read_or_write_sends_no_signal)
{
	enable_async(_metadata, self->r);
	enable_async(_metadata, self->w);
	EXPECT_EQ(0, write(self->w, "", 0));
	EXPECT_EQ(0, read(self->r, big_buffer(), 0));
	EXPECT_NO_SIGNAL();
}

TEST_F(any_pipe, sendfile_signals_reader_and_splice_signals_writer)
{
	int file = memfd_create("file", MFD_CLOEXEC);
	off_t start = 0;
	int pipe_2[2];

	ASSERT_EQ(0, pipe2(pipe_2, O_CLOEXEC));
	ASSERT_EQ(3, write(file, "xyz", 3));
	enable_async(_metadata, self->r);
	ASSERT_EQ(3, sendfile(self->w, file, &start, 3));
	expect_poll_in(_metadata, self->r);
	EXPECT_NO_SIGNAL();
	enable_async(_metadata, self->w);
	ASSERT_EQ(3, splice(self->r, NULL, pipe_2[1], NULL, 3, 0));
	expect_poll_out(_metadata, self->w);
	EXPECT_NO_SIGNAL();
}

/* A pipe(2) signals at the end of every call, a mini_pipe only if the call has moved bytes. */
TEST_F(any_pipe, failed_call_sends_signal_only_on_pipe_2)
{
	bool signalled = variant->kind == PIPE_2;

	enable_async(_metadata, self->r);
	enable_async(_metadata, self->w);
	ASSERT_EQ(-1, read(self->r, big_buffer(), 1));
	EXPECT_EQ(signalled ? SIGNAL : 0, take_signal(NULL));
	set_flag(_metadata, self->r, O_ASYNC, false);
	fill_pipe(_metadata, self->w);
	set_flag(_metadata, self->r, O_ASYNC, true);
	ASSERT_EQ(-1, write(self->w, "x", 1));
	EXPECT_EQ(signalled ? SIGNAL : 0, take_signal(NULL));
	EXPECT_NO_SIGNAL();
}

TEST_F(any_pipe, call_that_faults_sends_signal_only_on_pipe_2)
{
	void *nothing = map_pages(_metadata, 1, PROT_NONE);
	bool signalled = variant->kind == PIPE_2;

	enable_async(_metadata, self->r);
	ASSERT_EQ(-1, write(self->w, nothing, 1));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(signalled ? SIGNAL : 0, take_signal(NULL));
	set_flag(_metadata, self->r, O_ASYNC, false);
	write_pattern(_metadata, self->w, 1);
	enable_async(_metadata, self->w);
	ASSERT_EQ(-1, read(self->r, nothing, 1));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(signalled ? SIGNAL : 0, take_signal(NULL));
	EXPECT_NO_SIGNAL();
}

TEST_F(any_pipe, write_signals_all_readers)
{
	int other = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	siginfo_t info;
	int signalled = 0;

	enable_async(_metadata, self->r);
	enable_async(_metadata, other);
	write_pattern(_metadata, self->w, 1);
	while (take_signal(&info))
		signalled += info.si_fd;
	EXPECT_EQ(self->r + other, signalled);
}

TEST_F(any_pipe, read_write_file_is_signalled_for_both_ends)
{
	int both = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

	enable_async(_metadata, both);
	write_pattern(_metadata, both, 1);
	expect_poll_in(_metadata, both);
	EXPECT_NO_SIGNAL();
	read_exactly(_metadata, both, 1);
	expect_poll_out(_metadata, both);
	EXPECT_NO_SIGNAL();
}

static void write_more_than_fits(int report_to, const void *arg)
{
	int fd = open(pipe_path(), O_WRONLY);

	memset(big_buffer(), 'w', BIG);
	report(report_to, write(fd, big_buffer(), *(const ssize_t *)arg));
}

TEST_F(any_pipe, blocked_write_has_signalled_reader)
{
	ssize_t done, len = fill_pipe(_metadata, self->w) + PIPE_BUF;
	struct child writer;

	drain_pipe(_metadata, self->r);
	enable_async(_metadata, self->r);
	writer = start_child(_metadata, write_more_than_fits, &len);
	/* The write cannot return: the test reads only after the signal. */
	EXPECT_EQ(SIGNAL, take_signal_within(TIMEOUT_MS, NULL));
	EXPECT_FALSE(has_reported(&writer));
	for (done = drain_pipe(_metadata, self->r); done < len;
	     done += drain_pipe(_metadata, self->r))
		ASSERT_EQ(SIGNAL, take_signal_within(TIMEOUT_MS, NULL));
	EXPECT_EQ(len, done);
	EXPECT_EQ(len, result_of(_metadata, &writer).ret);
}

#define ROUNDS 100
#define OTHER_READERS 100

/* Polls for the signal in a loop, to read as soon as it arrives. */
static void read_at_each_signal(int report_to, const void *arg __maybe_unused)
{
	int fd = open(pipe_path(), O_RDONLY | O_NONBLOCK);

	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC);
	report(report_to, 0);
	for (int i = 0; i < ROUNDS; i++) {
		while (!take_signal(NULL))
			;
		report(report_to, read(fd, big_buffer(), 1));
	}
}

/*
 * The file that enabled O_ASYNC last is signalled first. The others keep the writer busy while the
 * reader reads.
 */
TEST_F(any_pipe, byte_is_readable_when_signal_arrives)
{
	struct child reader;

	for (int i = 0; i < OTHER_READERS; i++)
		enable_async_for(_metadata, open_pipe(_metadata, O_RDONLY), 0, getpid());
	reader = start_child(_metadata, read_at_each_signal, NULL);
	ASSERT_EQ(0, result_of(_metadata, &reader).ret);
	for (int i = 0; i < ROUNDS; i++) {
		write_pattern(_metadata, self->w, 1);
		ASSERT_EQ(1, result_of(_metadata, &reader).ret);
	}
}

/* The last close of an end */

TEST_F(any_pipe, last_writer_close_signals_reader)
{
	int other = open_pipe(_metadata, O_WRONLY);

	enable_async(_metadata, self->r);
	close(other);
	EXPECT_NO_SIGNAL();
	close(self->w);
	expect_poll_in(_metadata, self->r);
	EXPECT_NO_SIGNAL();
	EXPECT_EQ(0, read(self->r, big_buffer(), 1));
}

TEST_F(any_pipe, last_reader_close_signals_writer)
{
	int other = open_pipe(_metadata, O_RDONLY);

	enable_async(_metadata, self->w);
	close(other);
	EXPECT_NO_SIGNAL();
	close(self->r);
	expect_poll_out(_metadata, self->w);
	EXPECT_NO_SIGNAL();
	EXPECT_EQ(-1, write(self->w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

/* Which signal is sent, and to which process */

TEST_F(any_pipe, default_signal_is_sigio)
{
	siginfo_t info = {};

	enable_async_for(_metadata, self->r, 0, getpid());
	write_pattern(_metadata, self->w, 1);
	EXPECT_EQ(SIGIO, take_signal(&info));
	EXPECT_EQ(SI_KERNEL, info.si_code);
	EXPECT_NO_SIGNAL();
}

TEST_F(any_pipe, sigio_set_by_f_setsig_carries_siginfo)
{
	siginfo_t info = {};

	enable_async_for(_metadata, self->w, SIGIO, getpid());
	write_pattern(_metadata, self->w, 1);
	read_exactly(_metadata, self->r, 1);
	EXPECT_EQ(SIGIO, take_signal(&info));
	EXPECT_EQ(POLL_OUT, info.si_code);
	EXPECT_EQ(self->w, info.si_fd);
	EXPECT_EQ(WRITABLE, info.si_band);
	EXPECT_NO_SIGNAL();
}

static void enable_sigio(int report_to, const void *arg __maybe_unused)
{
	int fd = open(pipe_path(), O_RDONLY);

	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETFL, O_ASYNC);
	report(report_to, 0);
}

TEST_F(any_pipe, sigio_without_handler_kills_process)
{
	struct child reader = start_child(_metadata, enable_sigio, NULL);
	int status;

	EXPECT_EQ(0, result_of(_metadata, &reader).ret);
	write_pattern(_metadata, self->w, 1);
	status = wait_for_exit(_metadata, &reader);
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(SIGIO, WTERMSIG(status));
}

static void report_signal(int report_to, const void *arg)
{
	if (arg)
		setpgid(0, *(const pid_t *)arg);
	report(report_to, 0);
	report(report_to, take_signal_within(TIMEOUT_MS, NULL));
}

static struct child start_receiver(struct __test_metadata *_metadata, const pid_t *group)
{
	struct child child;

	block_signals();
	child = start_child(_metadata, report_signal, group);
	EXPECT_EQ(0, result_of(_metadata, &child).ret);
	return child;
}

TEST_F(any_pipe, f_setown_can_name_another_process)
{
	struct child receiver = start_receiver(_metadata, NULL);

	enable_async_for(_metadata, self->r, SIGNAL, receiver.pid);
	write_pattern(_metadata, self->w, 1);
	EXPECT_EQ(SIGNAL, result_of(_metadata, &receiver).ret);
	EXPECT_NO_SIGNAL();
}

TEST_F(any_pipe, f_setown_can_name_process_group)
{
	pid_t group = 0;
	struct child receivers[2];

	receivers[0] = start_receiver(_metadata, &group);
	group = receivers[0].pid;
	receivers[1] = start_receiver(_metadata, &group);
	enable_async_for(_metadata, self->r, SIGNAL, -group);
	write_pattern(_metadata, self->w, 1);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(SIGNAL, result_of(_metadata, &receivers[i]).ret);
	EXPECT_NO_SIGNAL();
}

/* A thread that takes a signal once `may_take` is set. */
struct receiver {
	pthread_t thread;
	atomic_int tid;
	atomic_bool may_take;
	int signal;
};

static void *take_signal_in_thread(void *arg)
{
	struct receiver *receiver = arg;

	receiver->tid = syscall(__NR_gettid);
	while (!receiver->may_take)
		sleep_1ms();
	receiver->signal = take_signal(NULL);
	return NULL;
}

TEST_F(any_pipe, f_setown_ex_can_name_single_thread)
{
	struct f_owner_ex owner = { .type = F_OWNER_TID };
	struct receiver receiver = {};

	enable_async(_metadata, self->r);
	ASSERT_EQ(0, pthread_create(&receiver.thread, NULL, take_signal_in_thread, &receiver));
	while (!receiver.tid)
		sleep_1ms();
	owner.pid = receiver.tid;
	ASSERT_EQ(0, fcntl(self->r, F_SETOWN_EX, &owner));
	write_pattern(_metadata, self->w, 1);
	/* The signal is not for this thread, although this thread asks first. */
	EXPECT_NO_SIGNAL();
	receiver.may_take = true;
	ASSERT_EQ(0, pthread_join(receiver.thread, NULL));
	EXPECT_EQ(SIGNAL, receiver.signal);
}

TEST_F(any_pipe, write_succeeds_after_owner_exits)
{
	struct child receiver = start_receiver(_metadata, NULL);

	enable_async_for(_metadata, self->r, SIGNAL, receiver.pid);
	kill_child(_metadata, &receiver);
	write_pattern(_metadata, self->w, 1);
	EXPECT_NO_SIGNAL();
}

/* Setting and clearing O_ASYNC */

TEST_F(any_pipe, no_signal_while_o_async_is_off)
{
	int ends[] = { self->r, self->w };

	for (int i = 0; i < 3; i++) {
		for (int end = 0; end < 2; end++) {
			if (i == 1)
				enable_async(_metadata, ends[end]);
			else
				set_flag(_metadata, ends[end], O_ASYNC, false);
			EXPECT_EQ(i == 1 ? O_ASYNC : 0, fcntl(ends[end], F_GETFL) & O_ASYNC);
		}
		write_pattern(_metadata, self->w, 1);
		read_exactly(_metadata, self->r, 1);
		if (i == 1) {
			expect_poll_in(_metadata, self->r);
			expect_poll_out(_metadata, self->w);
		}
		EXPECT_NO_SIGNAL();
	}
}

TEST_F(any_pipe, setting_o_async_twice_signals_once)
{
	enable_async(_metadata, self->r);
	enable_async(_metadata, self->r);
	write_pattern(_metadata, self->w, 1);
	expect_poll_in(_metadata, self->r);
	EXPECT_NO_SIGNAL();
	set_flag(_metadata, self->r, O_ASYNC, false);
	write_pattern(_metadata, self->w, 1);
	EXPECT_NO_SIGNAL();
}

TEST_F(any_pipe, closed_file_causes_no_signal)
{
	for (int i = 0; i < 100; i++) {
		int both = open_pipe(_metadata, O_RDWR | O_NONBLOCK);

		enable_async(_metadata, both);
		ASSERT_EQ(O_ASYNC, fcntl(both, F_GETFL) & O_ASYNC);
		close(both);
		write_pattern(_metadata, self->w, 1);
		read_exactly(_metadata, self->r, 1);
		EXPECT_NO_SIGNAL();
	}
}

/* open(2) accepts the flag, which has no effect, as for any other file. */
TEST_F(any_pipe, o_async_in_open_has_no_effect)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK | O_ASYNC);

	block_signals();
	ASSERT_EQ(0, fcntl(reader, F_SETOWN, getpid()));
	write_pattern(_metadata, self->w, 1);
	EXPECT_NO_SIGNAL();
	close(reader);
	write_pattern(_metadata, self->w, 1);
	EXPECT_NO_SIGNAL();
}

/* Policy rendezvous: while a write waits for its reader, non-blocking ones get EAGAIN */

FIXTURE(rendezvous)
{
	int r;
	int w;
	struct child writer;
};

FIXTURE_SETUP(rendezvous)
{
	set_up_pipe(_metadata);
	make_pipe(_metadata, PRIVATE, O_NONBLOCK, &self->r, &self->w);
	ASSERT_EQ(0, ioctl(self->r, MINI_PIPE_IOC_SET_POLICY, MINI_PIPE_RENDEZVOUS));
	sprintf(pipe_path(), "/proc/%d/fd/%d", getpid(), self->r);
	self->writer = start_writer(_metadata, 1, 'w');
	ASSERT_ASLEEP_IN(write, &self->writer);
	enable_async(_metadata, self->w);
	ASSERT_EQ(-1, write(self->w, "x", 1));
	EXPECT_NO_SIGNAL();
}

FIXTURE_TEARDOWN(rendezvous)
{
	kill_children(_metadata);
}

/* At the first signal, which the read sends, the rendezvous may still be active. */
TEST_F(rendezvous, read_and_end_of_rendezvous_both_signal_writer)
{
	read_exactly(_metadata, self->r, 1);
	EXPECT_EQ(1, result_of(_metadata, &self->writer).ret);
	for (int i = 0; i < 2; i++)
		expect_poll_out(_metadata, self->w);
	EXPECT_NO_SIGNAL();
	EXPECT_EQ(1, write(self->w, "x", 1));
}

TEST_F(rendezvous, interrupted_rendezvous_signals_writer)
{
	kill(self->writer.pid, SIGUSR1);
	EXPECT_EQ(EINTR, result_of(_metadata, &self->writer).err);
	expect_poll_out(_metadata, self->w);
	EXPECT_NO_SIGNAL();
	EXPECT_EQ(1, write(self->w, "x", 1));
}

TEST_HARNESS_MAIN
