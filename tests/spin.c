// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that have only just begun to wait. Where there are several processors, they may do so awake
 * for a little while, up to 100 us; whatever comes then must end the wait as it ends a sleep.
 *
 * Each round has a new pipe: one where that has not helped is one where nobody tries it for now.
 */
#include <time.h>
#include "ioctls.h"

#define MOST_ROUNDS 200

/* The rounds that the test wants to begin, and in which the child is about to wait. */
struct clock {
	atomic_int wanted;
	atomic_int begun;
};

struct meeting {
	struct ends pipes[MOST_ROUNDS];
	int rounds;
	ssize_t len;		/* of what is read or written in a round; a full pipe */
	struct clock *clock;	/* shared by the test and the child */
};

static long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000 + time.tv_nsec;
}

static bool comes_to(const struct meeting *meeting, int round)
{
	long end = now() + PATIENCE_MS * 1000000L;

	while (meeting->clock->begun < round && now() < end)
		sched_yield();
	return meeting->clock->begun >= round;
}

static void begin(const struct meeting *meeting, int round)
{
	while (meeting->clock->wanted < round)
		sched_yield();
	meeting->clock->begun = round;
}

/* The test comes a microsecond later each time. */
static void meet(struct __test_metadata *_metadata, const struct meeting *meeting, int round)
{
	long end;

	meeting->clock->wanted = round;
	ASSERT_TRUE(comes_to(meeting, round))
	{
		TH_LOG("it sleeps on after round %d", round - 1);
	}
	end = now() + round * 1000;
	while (now() < end)
		;
}

FIXTURE(awake)
{
	struct meeting meeting;
};

/* A byte is moved at once, a mebibyte in pieces that are handed over one by one. */
FIXTURE_VARIANT(awake)
{
	int rounds;
	ssize_t len;
};

FIXTURE_VARIANT_ADD(awake, for_a_byte) { .rounds = 200, .len = 1, };
FIXTURE_VARIANT_ADD(awake, for_a_page) { .rounds = 200, .len = PIPE_BUF, };
FIXTURE_VARIANT_ADD(awake, for_a_mebibyte) { .rounds = 20, .len = 1048576, };

FIXTURE_SETUP(awake)
{
	struct meeting *meeting = &self->meeting;

	set_the_stage(_metadata);
	meeting->rounds = variant->rounds;
	meeting->len = variant->len;
	meeting->clock = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, meeting->clock);
	*meeting->clock = (struct clock) { -1, -1 };
	for (int i = 0; i < meeting->rounds; i++)
		meeting->pipes[i] = private_pipe(_metadata, 0, variant->len);
}

FIXTURE_TEARDOWN(awake)
{
	clear_the_stage(_metadata);
}

/* They report in how many rounds they got what they wait for. */

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

static void read_each(int report_to, const void *arg)
{
	const struct meeting *meeting = arg;
	int i;

	for (i = 0; i < meeting->rounds; i++) {
		begin(meeting, i);
		if (!read_all(meeting->pipes[i].r, meeting->len))
			break;
	}
	report(report_to, i);
}

static void write_each(int report_to, const void *arg)
{
	const struct meeting *meeting = arg;
	int i;

	put_pattern(big_buffer(), 0, meeting->len);
	for (i = 0; i < meeting->rounds; i++) {
		begin(meeting, i);
		if (write(meeting->pipes[i].w, big_buffer(), meeting->len) != meeting->len)
			break;
	}
	report(report_to, i);
}

TEST_F(awake, a_reader_gets_what_comes)
{
	struct meeting *meeting = &self->meeting;
	struct child reader = start_heir(_metadata, read_each, meeting);

	put_pattern(big_buffer(), 0, meeting->len);
	for (int i = 0; i < meeting->rounds; i++) {
		meet(_metadata, meeting, i);
		ASSERT_EQ(meeting->len, write(meeting->pipes[i].w, big_buffer(), meeting->len));
	}
	EXPECT_EQ(meeting->rounds, result_of(_metadata, &reader).ret);
}

TEST_F(awake, a_writer_gets_the_room_that_comes)
{
	struct meeting *meeting = &self->meeting;
	struct child writer;

	for (int i = 0; i < meeting->rounds; i++)
		put_in(_metadata, meeting->pipes[i].w, meeting->len);
	writer = start_heir(_metadata, write_each, meeting);
	for (int i = 0; i < meeting->rounds; i++) {
		meet(_metadata, meeting, i);
		take(_metadata, meeting->pipes[i].r, meeting->len);
		ASSERT_TRUE(is_pattern(big_buffer(), 0, meeting->len));
	}
	ASSERT_EQ(meeting->rounds, result_of(_metadata, &writer).ret);
	for (int i = 0; i < meeting->rounds; i++)
		EXPECT_TRUE(read_all(meeting->pipes[i].r, meeting->len));
}

/* A signal that comes even before the call sees to it that the call does not wait. */

static int waits_in;

static void do_not_wait(int sig __maybe_unused)
{
	fcntl(waits_in, F_SETFL, O_NONBLOCK);
}

/* Reports in how many rounds it was interrupted. */
static void be_interrupted(int report_to, const void *arg)
{
	const struct meeting *meeting = arg;
	int interrupted = 0;

	handle(SIGUSR2, do_not_wait, 0);
	for (int i = 0; i < meeting->rounds; i++) {
		ssize_t n;

		waits_in = meeting->pipes[i].r;
		begin(meeting, i);
		n = read(waits_in, big_buffer(), meeting->len);
		if (n >= 0 || (errno != EINTR && errno != EAGAIN))
			_exit(KSFT_FAIL);
		interrupted += errno == EINTR;
	}
	report(report_to, interrupted);
}

TEST_F(awake, a_reader_is_interrupted)
{
	struct meeting *meeting = &self->meeting;
	struct child reader = start_heir(_metadata, be_interrupted, meeting);

	for (int i = 0; i < meeting->rounds; i++) {
		meet(_metadata, meeting, i);
		kill(reader.pid, SIGUSR2);
	}
	EXPECT_LT(0, result_of(_metadata, &reader).ret);
}

/* The best of many, in nanoseconds: what else the machine does may only make it longer. */
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

TEST_F(awake, nobody_waits_who_is_told_to_come_again)
{
	struct ends *ends = &self->meeting.pipes[0];
	long most = 50000;
	int pipe_2[2];

	ASSERT_EQ(0, pipe2(pipe_2, 0));
	most += time_to_eagain(_metadata, pipe_2[0], false);
	EXPECT_GT(most, time_to_eagain(_metadata, ends->r, false));
	put_in(_metadata, ends->w, variant->len);
	EXPECT_GT(most, time_to_eagain(_metadata, ends->w, true));
}

TEST_HARNESS_MAIN
