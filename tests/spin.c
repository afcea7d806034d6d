// SPDX-License-Identifier: GPL-2.0
/*
 * Spinning: on a machine with several processors, a call that has to wait may spin before it
 * sleeps, for the time of some wake-ups. Bytes, room and signals that arrive meanwhile must end the
 * spin as they end a sleep.
 *
 * Each round has a new pipe: after a wait that was longer than a spin, the next wait on the same
 * pipe does not spin.
 */
#include <time.h>
#include "ioctls.h"

#define MAX_ROUNDS 200

/* The last round that the test has started, and the last one that the child has entered. */
struct sync {
	atomic_int started;
	atomic_int reached;
};

struct run {
	struct ends pipes[MAX_ROUNDS];
	int rounds;
	ssize_t len;		/* of each read or write, and the capacity of the pipes */
	struct sync *sync;	/* shared by the test and the child */
};

static long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000 + time.tv_nsec;
}

static bool child_enters(const struct run *run, int round)
{
	long end = now() + TIMEOUT_MS * 1000000L;

	while (run->sync->reached < round && now() < end)
		sched_yield();
	return run->sync->reached >= round;
}

static void enter_round(const struct run *run, int round)
{
	while (run->sync->started < round)
		sched_yield();
	run->sync->reached = round;
}

/* In round n, the test acts n microseconds after the child has entered the round. */
static void start_round(struct __test_metadata *_metadata, const struct run *run, int round)
{
	long end;

	run->sync->started = round;
	ASSERT_TRUE(child_enters(run, round))
	{
		TH_LOG("the child still sleeps in round %d", round - 1);
	}
	end = now() + round * 1000;
	while (now() < end)
		;
}

FIXTURE(spin)
{
	struct run run;
};

/* A byte is copied at once, a mebibyte in chunks that are committed one by one. */
FIXTURE_VARIANT(spin)
{
	int rounds;
	ssize_t len;
};

FIXTURE_VARIANT_ADD(spin, one_byte) { .rounds = 200, .len = 1, };
FIXTURE_VARIANT_ADD(spin, one_page) { .rounds = 200, .len = PAGE_4K, };
FIXTURE_VARIANT_ADD(spin, one_mebibyte) { .rounds = 20, .len = 256 * PAGE_4K, };

FIXTURE_SETUP(spin)
{
	struct run *run = &self->run;

	set_up_pipe(_metadata);
	run->rounds = variant->rounds;
	run->len = in_pages(variant->len);
	run->sync = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);
	ASSERT_NE(MAP_FAILED, run->sync);
	*run->sync = (struct sync) { -1, -1 };
	for (int i = 0; i < run->rounds; i++)
		run->pipes[i] = private_pipe(_metadata, 0, run->len);
}

FIXTURE_TEARDOWN(spin)
{
	kill_children(_metadata);
}

/* The child reports in how many rounds it has read or written everything. */

static bool read_all(int fd, ssize_t len)
{
	ssize_t n, done = 0;

	do {
		n = read(fd, big_buffer(), len);
		if (n <= 0 || !is_pattern(big_buffer(), done, n))
			return false;
		done += n;
	} while (done < len);
	return done == len;
}

static void read_rounds(int report_to, const void *arg)
{
	const struct run *run = arg;
	int i;

	for (i = 0; i < run->rounds; i++) {
		enter_round(run, i);
		if (!read_all(run->pipes[i].r, run->len))
			break;
	}
	report(report_to, i);
}

static void write_rounds(int report_to, const void *arg)
{
	const struct run *run = arg;
	int i;

	put_pattern(big_buffer(), 0, run->len);
	for (i = 0; i < run->rounds; i++) {
		enter_round(run, i);
		if (write(run->pipes[i].w, big_buffer(), run->len) != run->len)
			break;
	}
	report(report_to, i);
}

TEST_F(spin, reader_gets_bytes_written_while_it_spins)
{
	struct run *run = &self->run;
	struct child reader = start_forked(_metadata, read_rounds, run);

	put_pattern(big_buffer(), 0, run->len);
	for (int i = 0; i < run->rounds; i++) {
		start_round(_metadata, run, i);
		ASSERT_EQ(run->len, write(run->pipes[i].w, big_buffer(), run->len));
	}
	EXPECT_EQ(run->rounds, result_of(_metadata, &reader).ret);
}

TEST_F(spin, writer_gets_room_freed_while_it_spins)
{
	struct run *run = &self->run;
	struct child writer;

	for (int i = 0; i < run->rounds; i++)
		write_pattern(_metadata, run->pipes[i].w, run->len);
	writer = start_forked(_metadata, write_rounds, run);
	for (int i = 0; i < run->rounds; i++) {
		start_round(_metadata, run, i);
		read_exactly(_metadata, run->pipes[i].r, run->len);
		ASSERT_TRUE(is_pattern(big_buffer(), 0, run->len));
	}
	ASSERT_EQ(run->rounds, result_of(_metadata, &writer).ret);
	for (int i = 0; i < run->rounds; i++)
		EXPECT_TRUE(read_all(run->pipes[i].r, run->len));
}

/* The handler sets O_NONBLOCK: if the signal arrives before the call, the call must not block. */

static int reading_fd;

static void set_nonblock(int sig __maybe_unused)
{
	fcntl(reading_fd, F_SETFL, O_NONBLOCK);
}

/* Reports in how many rounds the call was interrupted. */
static void count_interrupts(int report_to, const void *arg)
{
	const struct run *run = arg;
	int interrupted = 0;

	set_handler(SIGUSR2, set_nonblock, 0);
	for (int i = 0; i < run->rounds; i++) {
		ssize_t n;

		reading_fd = run->pipes[i].r;
		enter_round(run, i);
		n = read(reading_fd, big_buffer(), run->len);
		if (n >= 0 || (errno != EINTR && errno != EAGAIN))
			_exit(KSFT_FAIL);
		interrupted += errno == EINTR;
	}
	report(report_to, interrupted);
}

TEST_F(spin, signal_interrupts_reader_while_it_spins)
{
	struct run *run = &self->run;
	struct child reader = start_forked(_metadata, count_interrupts, run);

	for (int i = 0; i < run->rounds; i++) {
		start_round(_metadata, run, i);
		kill(reader.pid, SIGUSR2);
	}
	EXPECT_LT(0, result_of(_metadata, &reader).ret);
}

/* The shortest of many calls, in nanoseconds: other load can only make a call take longer. */
static long time_to_eagain(struct __test_metadata *_metadata, int fd, bool writes)
{
	long best = LONG_MAX;

	set_flag(_metadata, fd, O_NONBLOCK, true);
	for (int i = 0; i < 200; i++) {
		long start = now();

		ASSERT_EQ(-1, writes ? write(fd, "x", 1) : read(fd, big_buffer(), 1));
		ASSERT_EQ(EAGAIN, errno);
		best = smaller(best, now() - start);
	}
	return best;
}

TEST_F(spin, nonblocking_call_does_not_spin)
{
	struct ends *ends = &self->run.pipes[0];
	int pipe_2[2];
	long limit;

	ASSERT_EQ(0, pipe2(pipe_2, 0));
	/* Less than a spin, which lasts for four wake-ups. */
	limit = 10 * time_to_eagain(_metadata, pipe_2[0], false);
	EXPECT_GT(limit, time_to_eagain(_metadata, ends->r, false));
	write_pattern(_metadata, ends->w, self->run.len);
	EXPECT_GT(limit, time_to_eagain(_metadata, ends->w, true));
}

TEST_HARNESS_MAIN
