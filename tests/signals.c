// SPDX-License-Identifier: GPL-2.0
/* Signals: which calls they interrupt and which not, and that no signal loses a wake-up. */
#include "device_fixture.h"

#define ROUNDS 50

static struct child start_with_restart(struct __test_metadata *_metadata, job_fn call, ssize_t len)
{
	struct job job = { .len = len, .fill = 'w', .restart = true };

	return start_child(_metadata, call, &job);
}

TEST_F(pipe, signal_interrupts_reader)
{
	struct child reader = start_reader(_metadata, 1);
	struct result result;

	ASSERT_ASLEEP_IN(read, &reader);
	kill(reader.pid, SIGUSR1);
	result = result_of(_metadata, &reader);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EINTR, result.err);
}

TEST_F(pipe, signal_interrupts_writer)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer;
	struct result result;

	fill_pipe(_metadata, fd);
	writer = start_writer(_metadata, 1, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	kill(writer.pid, SIGUSR1);
	result = result_of(_metadata, &writer);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EINTR, result.err);
	EXPECT_EQ(self->capacity, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, self->capacity));
}

TEST_F(pipe, sa_restart_restarts_read)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child reader = start_with_restart(_metadata, read_once, 1);

	ASSERT_ASLEEP_IN(read, &reader);
	kill(reader.pid, SIGUSR1);
	ASSERT_ASLEEP_IN(read, &reader);
	ASSERT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
}

TEST_F(pipe, sa_restart_restarts_write)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer;

	fill_pipe(_metadata, fd);
	writer = start_with_restart(_metadata, write_once, 1);
	ASSERT_ASLEEP_IN(write, &writer);
	kill(writer.pid, SIGUSR1);
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, fd, self->capacity);
	EXPECT_EQ(1, result_of(_metadata, &writer).ret);
	EXPECT_EQ(1, drain_pipe(_metadata, fd));
}

static void interrupt_partial_write(struct __test_metadata *_metadata, ssize_t capacity,
				    bool restart)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	struct job job = { .len = capacity + 10000, .restart = restart };
	struct child writer = start_child(_metadata, write_once, &job);

	ASSERT_ASLEEP_IN(write, &writer);
	kill(writer.pid, SIGUSR1);
	EXPECT_EQ(capacity, result_of(_metadata, &writer).ret);
	EXPECT_EQ(capacity, drain_pipe(_metadata, reader));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, capacity));
}

TEST_F(pipe, interrupted_write_returns_partial_count)
{
	interrupt_partial_write(_metadata, self->capacity, false);
}

TEST_F(pipe, sa_restart_does_not_restart_partial_write)
{
	interrupt_partial_write(_metadata, self->capacity, true);
}

TEST_F(pipe, interrupted_write_counts_bytes_already_read)
{
	int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	ssize_t len = atomic_len(self->capacity);
	struct job job = { .len = self->capacity + 2 * PIPE_BUF };
	struct child writer = start_child(_metadata, write_once, &job);
	ssize_t written;

	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, reader, len);
	ASSERT_ASLEEP_IN(write, &writer);
	kill(writer.pid, SIGUSR1);
	written = result_of(_metadata, &writer).ret;
	EXPECT_EQ(self->capacity + len, written);
	EXPECT_EQ(written - len, drain_pipe(_metadata, reader));
	EXPECT_TRUE(is_pattern(big_buffer(), len, written - len));
}

TEST_F(pipe, ignored_signal_does_not_interrupt)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child reader = start_reader(_metadata, 1);

	ASSERT_ASLEEP_IN(read, &reader);
	/* SIGWINCH is ignored by default. */
	kill(reader.pid, SIGWINCH);
	ASSERT_ASLEEP_IN(read, &reader);
	ASSERT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
}

static void stop_and_continue(struct __test_metadata *_metadata, const struct child *child)
{
	int status = 0;

	kill(child->pid, SIGSTOP);
	ASSERT_EQ(child->pid, waitpid(child->pid, &status, WUNTRACED));
	ASSERT_TRUE(WIFSTOPPED(status));
	kill(child->pid, SIGCONT);
}

TEST_F(pipe, read_continues_after_sigstop_and_sigcont)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	struct child reader = start_reader(_metadata, 1);

	ASSERT_ASLEEP_IN(read, &reader);
	stop_and_continue(_metadata, &reader);
	ASSERT_ASLEEP_IN(read, &reader);
	ASSERT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
}

TEST_F(pipe, write_continues_after_sigstop_and_sigcont)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writer;

	fill_pipe(_metadata, fd);
	writer = start_writer(_metadata, 1, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	stop_and_continue(_metadata, &writer);
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, fd, self->capacity);
	EXPECT_EQ(1, result_of(_metadata, &writer).ret);
}

TEST_F(pipe, sigkill_ends_sleeping_reader)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child readers[2];
	int status;

	queue_readers(_metadata, readers, 2);
	kill(readers[0].pid, SIGKILL);
	status = wait_for_exit(_metadata, &readers[0]);
	EXPECT_TRUE(WIFSIGNALED(status));
	ASSERT_ASLEEP_IN(read, &readers[1]);
	ASSERT_EQ(1, write(writer, "x", 1));
	EXPECT_EQ(1, result_of(_metadata, &readers[1]).ret);
}

TEST_F(pipe, sigkill_ends_sleeping_writer)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct child writers[2];
	int status;

	fill_pipe(_metadata, fd);
	queue_writers(_metadata, writers, 2, 1);
	kill(writers[0].pid, SIGKILL);
	status = wait_for_exit(_metadata, &writers[0]);
	EXPECT_TRUE(WIFSIGNALED(status));
	ASSERT_ASLEEP_IN(write, &writers[1]);
	read_exactly(_metadata, fd, self->capacity);
	EXPECT_EQ(1, result_of(_metadata, &writers[1]).ret);
	EXPECT_EQ(1, drain_pipe(_metadata, fd));
	EXPECT_EQ('b', big_buffer()[0]);
}

TEST_F(pipe, interrupted_reader_leaves_other_readers_queued)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child readers[3];

	queue_readers(_metadata, readers, 3);
	kill(readers[0].pid, SIGUSR1);
	EXPECT_EQ(EINTR, result_of(_metadata, &readers[0]).err);
	ASSERT_EQ(2, write(writer, "xy", 2));
	EXPECT_EQ(1, result_of(_metadata, &readers[1]).ret);
	EXPECT_EQ(1, result_of(_metadata, &readers[2]).ret);
}

TEST_F(pipe, signal_interrupts_poll)
{
	struct child poller = start_poller(_metadata, O_RDONLY, POLLIN);

	kill(poller.pid, SIGUSR1);
	EXPECT_EQ(EINTR, result_of(_metadata, &poller).err);
}

TEST_F(pipe, blocked_sigpipe_stays_pending)
{
	int writer = open_pipe(_metadata, O_WRONLY);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	ASSERT_EQ(0, sigprocmask(SIG_BLOCK, &set, NULL));
	open_once(_metadata, O_RDONLY);
	EXPECT_EQ(-1, write(writer, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(0, sigpipes());
	ASSERT_EQ(0, sigpending(&set));
	EXPECT_EQ(1, sigismember(&set, SIGPIPE));
}

/*
 * A wake-up and a signal at the same time
 *
 * The test has a higher priority than the sleepers, so none of them runs between the wake-up and
 * the signal: when the woken task runs, it finds both. It must check its condition before it checks
 * for signals. If it returned EINTR instead, the wake-up would be lost, and the next sleeper would
 * sleep although there is a byte or room for it.
 */

static void read_in_loop(int report_to, const void *arg)
{
	int fd = open_for(arg, O_RDONLY);

	for (;;)
		report(report_to, read(fd, big_buffer(), 1));
}

static void write_in_loop(int report_to, const void *arg)
{
	const struct job *job = arg;
	int fd = open_for(job, O_WRONLY);

	for (;;)
		report(report_to, write(fd, big_buffer(), job->len));
}

/* The task that has slept longest is woken, so the two alternate. */
TEST_F(pipe, reader_woken_and_signalled_at_once_reads_its_byte)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct job job = {};
	struct child readers[2];

	for (int i = 0; i < 2; i++) {
		readers[i] = start_child(_metadata, read_in_loop, &job);
		ASSERT_ASLEEP_IN(read, &readers[i]);
	}
	if (!outrank(readers, 2))
		SKIP(return, "needs a real-time priority (root)");
	for (int i = 0; i < ROUNDS; i++) {
		struct child *first = &readers[i % 2];

		ASSERT_EQ(1, write(writer, "x", 1));
		kill(first->pid, SIGUSR1);
		ASSERT_EQ(1, result_of(_metadata, first).ret)
		{
			TH_LOG("round %d: the woken reader did not read the byte", i);
		}
		ASSERT_ASLEEP_IN(read, &readers[0]);
		ASSERT_ASLEEP_IN(read, &readers[1]);
	}
}

TEST_F(pipe, writer_woken_and_signalled_at_once_writes)
{
	int fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct job job = { .len = atomic_len(self->capacity) };
	struct child writers[2];

	fill_pipe(_metadata, fd);
	for (int i = 0; i < 2; i++) {
		writers[i] = start_child(_metadata, write_in_loop, &job);
		ASSERT_ASLEEP_IN(write, &writers[i]);
	}
	if (!outrank(writers, 2))
		SKIP(return, "needs a real-time priority (root)");
	for (int i = 0; i < ROUNDS; i++) {
		struct child *first = &writers[i % 2];

		read_exactly(_metadata, fd, job.len);
		kill(first->pid, SIGUSR1);
		ASSERT_EQ(job.len, result_of(_metadata, first).ret)
		{
			TH_LOG("round %d: the woken writer did not write", i);
		}
		ASSERT_ASLEEP_IN(write, &writers[0]);
		ASSERT_ASLEEP_IN(write, &writers[1]);
	}
}

/* The same without real-time priority: one of the two must read the byte, whichever was woken. */
TEST_F(pipe, signal_at_wake_up_loses_no_wake_up)
{
	int writer = open_pipe(_metadata, O_WRONLY | O_NONBLOCK);
	struct child readers[2];

	for (int i = 0; i < ROUNDS / 5; i++) {
		queue_readers(_metadata, readers, 2);
		ASSERT_EQ(1, write(writer, "x", 1));
		kill(readers[0].pid, SIGUSR1);
		EXPECT_TRUE(result_of(_metadata, &readers[0]).ret == 1 ||
			    result_of(_metadata, &readers[1]).ret == 1);
		kill_child(_metadata, &readers[0]);
		kill_child(_metadata, &readers[1]);
	}
}

/* Many signals */

#define STREAM 100000

static void write_stream(int report_to, const void *arg)
{
	int fd = open_for(arg, O_WRONLY);
	ssize_t n, done = 0;

	while (done < STREAM) {
		put_pattern(big_buffer(), done, STREAM - done);
		n = write(fd, big_buffer(), smaller(STREAM - done, 2 * PIPE_BUF));
		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? n : 0;
	}
	report(report_to, done);
}

static void read_stream(int report_to, const void *arg)
{
	int fd = open_for(arg, O_RDONLY);
	ssize_t n, done = 0;

	while (done < STREAM) {
		n = read(fd, big_buffer(), smaller(STREAM - done, 1000));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || !is_pattern(big_buffer(), done, n))
			break;
		done += n;
	}
	report(report_to, done);
}

static void stream_under_signals(struct __test_metadata *_metadata, bool restart)
{
	struct job job = { .restart = restart };
	struct child writer = start_child(_metadata, write_stream, &job);
	struct child reader = start_child(_metadata, read_stream, &job);

	for (int i = 0; i < TIMEOUT_MS && !has_reported(&reader); i++) {
		kill(writer.pid, SIGUSR1);
		kill(reader.pid, SIGUSR1);
		usleep(300);
	}
	EXPECT_EQ(STREAM, result_of(_metadata, &reader).ret);
	EXPECT_EQ(STREAM, result_of(_metadata, &writer).ret);
}

TEST_F(pipe, many_signals_lose_no_bytes)
{
	stream_under_signals(_metadata, false);
}

TEST_F(pipe, many_signals_with_sa_restart_lose_no_bytes)
{
	stream_under_signals(_metadata, true);
}

TEST_HARNESS_MAIN
