// SPDX-License-Identifier: GPL-2.0
/*
 * EPOLLEXCLUSIVE, in epoll and in io_uring: one change wakes one poller, as on a pipe(2), and what
 * a wake-up is for decides whom it wakes. And better than on a pipe(2): a reader or writer that is
 * asleep behind an exclusive poller is woken as well.
 */
#include <sys/epoll.h>
#include "same_fixture.h"
#include "uring.h"

#define POLLERS 8

/* What each of the pollers asks for, in a file and an epoll of its own. */
struct poller {
	int mode;		/* O_RDONLY, O_WRONLY or O_RDWR */
	unsigned int events;
};

static int own_epoll(int fd, unsigned int events)
{
	struct epoll_event event = { .events = events };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		_exit(KSFT_FAIL);
	return epoll;
}

static void poll_once(int report_to, const void *arg)
{
	const struct poller *poller = arg;
	int epoll = own_epoll(open(pipe_path(), poller->mode | O_NONBLOCK), poller->events);
	struct epoll_event event;

	report(report_to, epoll_pwait(epoll, &event, 1, -1, NULL) == 1 ? event.events : 0);
}

static void start_pollers(struct __test_metadata *_metadata, struct child *pollers, int count,
			  const struct poller *poller)
{
	for (int i = 0; i < count; i++) {
		pollers[i] = start_child(_metadata, poll_once, poller);
		ASSERT_ASLEEP_IN(epoll_pwait, &pollers[i]);
	}
}

/* Returns how many have been woken: whoever has not, is asleep still. */
static int woken(struct __test_metadata *_metadata, const struct child *pollers, int count,
		 unsigned int events)
{
	int woken = 0;

	for (int i = 0; i < count; i++) {
		if (falls_asleep_in(&pollers[i], __NR_epoll_pwait))
			continue;
		EXPECT_EQ(events, result_of(_metadata, &pollers[i]).ret);
		woken++;
	}
	return woken;
}

static void expect_woken(struct __test_metadata *_metadata, int w, unsigned int events, int count)
{
	struct poller poller = { O_RDONLY, EPOLLIN | events };
	struct child pollers[POLLERS];

	start_pollers(_metadata, pollers, POLLERS, &poller);
	ASSERT_EQ(1, write(w, "x", 1));
	EXPECT_EQ(count, woken(_metadata, pollers, POLLERS, EPOLLIN));
}

TEST_F(same, a_byte_wakes_one_of_eight_exclusive_pollers)
{
	expect_woken(_metadata, self->w, EPOLLEXCLUSIVE, 1);
}

TEST_F(same, a_byte_wakes_one_of_eight_exclusive_pollers_for_edges)
{
	expect_woken(_metadata, self->w, EPOLLEXCLUSIVE | EPOLLET, 1);
}

TEST_F(same, a_byte_wakes_all_pollers_for_edges)
{
	expect_woken(_metadata, self->w, EPOLLET, POLLERS);
}

TEST_F(same, a_byte_wakes_all_pollers_for_levels)
{
	expect_woken(_metadata, self->w, 0, POLLERS);
}

/* Those that are not exclusive come first, and one of the others with them. */
TEST_F(same, a_byte_wakes_one_of_the_exclusive_pollers_beside_all_others)
{
	struct poller exclusive = { O_RDONLY, EPOLLIN | EPOLLEXCLUSIVE };
	struct poller other = { O_RDONLY, EPOLLIN };
	struct child some[4], others[2];

	start_pollers(_metadata, some, 4, &exclusive);
	start_pollers(_metadata, others, 2, &other);
	ASSERT_EQ(1, write(self->w, "x", 1));
	EXPECT_EQ(2, woken(_metadata, others, 2, EPOLLIN));
	EXPECT_EQ(1, woken(_metadata, some, 4, EPOLLIN));
}

TEST_F(same, room_wakes_one_of_eight_exclusive_pollers)
{
	struct poller poller = { O_WRONLY, EPOLLOUT | EPOLLEXCLUSIVE };
	struct child pollers[POLLERS];

	fill_pipe(_metadata, self->w);
	start_pollers(_metadata, pollers, POLLERS, &poller);
	take(_metadata, self->r, PIPE_BUF);
	EXPECT_EQ(1, woken(_metadata, pollers, POLLERS, EPOLLOUT));
}

TEST_F(same, the_end_wakes_all_exclusive_pollers)
{
	struct poller poller = { O_RDONLY, EPOLLIN | EPOLLEXCLUSIVE };
	struct child pollers[POLLERS];

	start_pollers(_metadata, pollers, POLLERS, &poller);
	close(self->w);
	EXPECT_EQ(POLLERS, woken(_metadata, pollers, POLLERS, EPOLLHUP));
}

/*
 * Each byte wakes one of those that are still asleep. On the way, a poller that was woken is in no
 * queue any more, for it does not wait again.
 */
TEST_F(same, every_byte_wakes_one_more_exclusive_poller)
{
	struct poller poller = { O_RDONLY, EPOLLIN | EPOLLEXCLUSIVE };
	struct child pollers[4];

	start_pollers(_metadata, pollers, 4, &poller);
	for (int left = 4; left > 0; left--) {
		struct child asleep[4];
		int count = 0;

		ASSERT_EQ(1, write(self->w, "x", 1));
		for (int i = 0; i < left; i++)
			if (falls_asleep_in(&pollers[i], __NR_epoll_pwait))
				asleep[count++] = pollers[i];
			else
				dismiss(_metadata, &pollers[i]);
		ASSERT_EQ(left - 1, count);
		memcpy(pollers, asleep, sizeof(pollers));
		take(_metadata, self->r, 1);
	}
}

/* When the exclusive poller is gone */

#define READERS 5

/* Those that were woken cannot run before the test sleeps. */
static int runnable(const struct child *children, int count)
{
	int runnable = 0;

	for (int i = 0; i < count; i++)
		runnable += state_of(children[i].pid) == 'R';
	return runnable;
}

static void expect_one_reader_woken(struct __test_metadata *_metadata, int w)
{
	struct child readers[READERS];

	queue_readers(_metadata, readers, READERS);
	if (!outrank(readers, READERS))
		SKIP(return, "needs the right to outrank others (root)");
	ASSERT_EQ(1, write(w, "x", 1));
	EXPECT_EQ(1, runnable(readers, READERS));
	EXPECT_EQ(1, result_of(_metadata, &readers[0]).ret);
	for (int i = 1; i < READERS; i++)
		ASSERT_ASLEEP_IN(read, &readers[i]);
}

TEST_F(same, a_byte_wakes_one_reader)
{
	expect_one_reader_woken(_metadata, self->w);
}

TEST_F(same, a_byte_wakes_one_reader_after_an_exclusive_poller_is_gone)
{
	struct poller poller = { O_RDONLY, EPOLLIN | EPOLLEXCLUSIVE };
	struct child pollers[2];

	start_pollers(_metadata, pollers, 2, &poller);
	ASSERT_EQ(1, write(self->w, "x", 1));
	EXPECT_EQ(1, woken(_metadata, pollers, 2, EPOLLIN));
	for (int i = 0; i < 2; i++)
		dismiss(_metadata, &pollers[i]);
	take(_metadata, self->r, 1);
	expect_one_reader_woken(_metadata, self->w);
}

TEST_F(same, a_byte_wakes_one_reader_after_an_exclusive_poll_in_a_ring_was_cancelled)
{
	struct uring ring;

	if (!uring_open(&ring))
		SKIP(return, "needs io_uring: %s", strerror(errno));
	uring_put(&ring, (struct io_uring_sqe){
		.opcode = IORING_OP_POLL_ADD, .fd = self->r,
		.poll32_events = POLLIN | EPOLLEXCLUSIVE,
	});
	ASSERT_EQ(1, uring_enter(&ring, 0));
	uring_put(&ring, (struct io_uring_sqe){
		.opcode = IORING_OP_ASYNC_CANCEL, .addr = IORING_OP_POLL_ADD,
	});
	ASSERT_EQ(1, uring_enter(&ring, 2));
	close(ring.fd);
	expect_one_reader_woken(_metadata, self->w);
}

/* A reader or writer asleep behind an exclusive poller that takes nothing: not so on a pipe(2). */

FIXTURE(sleeper)
{
	struct ends ends;
};

FIXTURE_VARIANT(sleeper)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(sleeper, at_the_device) { .kind = DEVICE, };
FIXTURE_VARIANT_ADD(sleeper, in_a_private_pipe) { .kind = PRIVATE, };

FIXTURE_SETUP(sleeper)
{
	set_the_stage(_metadata);
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &self->ends.r, &self->ends.w);
	sprintf(pipe_path(), "/proc/%d/fd/%d", getpid(), self->ends.r);
}

FIXTURE_TEARDOWN(sleeper)
{
	clear_the_stage(_metadata);
}

#define ROUNDS 20

TEST_F(sleeper, behind_an_exclusive_poller_gets_its_byte)
{
	struct poller poller = { O_RDONLY, EPOLLIN | EPOLLEXCLUSIVE };

	for (int i = 0; i < ROUNDS; i++) {
		struct child first, reader;

		start_pollers(_metadata, &first, 1, &poller);
		queue_readers(_metadata, &reader, 1);
		ASSERT_EQ(1, write(self->ends.w, "x", 1));
		ASSERT_EQ(1, result_of(_metadata, &reader).ret)
		{
			TH_LOG("round %d", i);
		}
		dismiss(_metadata, &first);
		dismiss(_metadata, &reader);
	}
}

TEST_F(sleeper, behind_an_exclusive_poller_gets_its_room)
{
	struct poller poller = { O_WRONLY, EPOLLOUT | EPOLLEXCLUSIVE };

	for (int i = 0; i < ROUNDS; i++) {
		struct child first, writer;

		fill_pipe(_metadata, self->ends.w);
		start_pollers(_metadata, &first, 1, &poller);
		queue_writers(_metadata, &writer, 1, PIPE_BUF);
		take(_metadata, self->ends.r, PIPE_BUF);
		ASSERT_EQ(PIPE_BUF, result_of(_metadata, &writer).ret)
		{
			TH_LOG("round %d", i);
		}
		dismiss(_metadata, &first);
		dismiss(_metadata, &writer);
	}
}

TEST_F(sleeper, behind_an_exclusive_poll_of_a_ring_gets_its_byte)
{
	struct uring ring;

	if (!uring_open(&ring))
		SKIP(return, "needs io_uring: %s", strerror(errno));
	for (int i = 0; i < ROUNDS; i++) {
		struct completion completion;
		struct child reader;

		uring_put(&ring, (struct io_uring_sqe){
			.opcode = IORING_OP_POLL_ADD, .fd = self->ends.r,
			.poll32_events = POLLIN | EPOLLEXCLUSIVE,
		});
		ASSERT_EQ(1, uring_enter(&ring, 0));
		queue_readers(_metadata, &reader, 1);
		/* Two, so that the poll has something to tell when the reader was first. */
		ASSERT_EQ(2, write(self->ends.w, "xy", 2));
		ASSERT_EQ(1, result_of(_metadata, &reader).ret)
		{
			TH_LOG("round %d", i);
		}
		uring_enter(&ring, 1);
		ASSERT_TRUE(uring_take(&ring, &completion));
		EXPECT_EQ(POLLIN, completion.res);
		take(_metadata, self->ends.r, 1);
		dismiss(_metadata, &reader);
	}
}

/*
 * A file that is both ends: who polls it for bytes is not woken by room, nor the other way round. A
 * poller for edges shows it, which has an event for whatever wakes it; epoll.c has more of it.
 */

static unsigned int events_now(int epoll)
{
	struct epoll_event event;

	return epoll_pwait(epoll, &event, 1, 0, NULL) == 1 ? event.events : 0;
}

TEST_F(same, room_in_a_file_that_is_both_ends_is_no_edge_for_who_waits_for_bytes)
{
	int both = open_pipe(_metadata, O_RDWR | O_NONBLOCK), epoll;

	fill_pipe(_metadata, self->w);
	epoll = own_epoll(both, EPOLLIN | EPOLLET);
	EXPECT_EQ(EPOLLIN, events_now(epoll));
	take(_metadata, self->r, 2 * PIPE_BUF);
	EXPECT_EQ(0, events_now(epoll));
	ASSERT_EQ(1, write(self->w, "x", 1));
	EXPECT_EQ(EPOLLIN, events_now(epoll));
}

TEST_F(same, bytes_in_a_file_that_is_both_ends_are_no_edge_for_who_waits_for_room)
{
	int both = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	int epoll = own_epoll(both, EPOLLOUT | EPOLLET);

	EXPECT_EQ(EPOLLOUT, events_now(epoll));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1, write(self->w, "x", 1));
	EXPECT_EQ(0, events_now(epoll));
	fill_pipe(_metadata, self->w);
	EXPECT_EQ(0, events_now(epoll));
	drain_pipe(_metadata, self->r);
	EXPECT_EQ(EPOLLOUT, events_now(epoll));
}

static void poll_twice(int report_to, const void *arg)
{
	const struct poller *poller = arg;
	int epoll = own_epoll(open(pipe_path(), poller->mode | O_NONBLOCK), poller->events);
	struct epoll_event event;

	for (int i = 0; i < 2; i++)
		report(report_to, epoll_pwait(epoll, &event, 1, -1, NULL) == 1 ? event.events : 0);
}

TEST_F(same, an_exclusive_poller_for_room_takes_no_wake_up_from_one_for_bytes)
{
	struct poller room = { O_RDWR, EPOLLOUT | EPOLLET | EPOLLEXCLUSIVE };
	struct poller bytes = { O_RDONLY, EPOLLIN | EPOLLEXCLUSIVE };
	struct child first = start_child(_metadata, poll_twice, &room), second;

	EXPECT_EQ(EPOLLOUT, result_of(_metadata, &first).ret);
	ASSERT_ASLEEP_IN(epoll_pwait, &first);
	start_pollers(_metadata, &second, 1, &bytes);
	ASSERT_EQ(1, write(self->w, "x", 1));
	EXPECT_EQ(1, woken(_metadata, &second, 1, EPOLLIN));
	ASSERT_ASLEEP_IN(epoll_pwait, &first);
}

TEST_HARNESS_MAIN
