// SPDX-License-Identifier: GPL-2.0
/*
 * EPOLLEXCLUSIVE, in epoll and io_uring: as on a pipe(2), bytes, or room, wake a single exclusive
 * poller, which polls for them; the last close of the other end wakes all. Unlike on a pipe(2), a
 * reader or writer that sleeps behind an exclusive poller is woken as well.
 */
#include <sys/epoll.h>
#include "any_pipe_fixture.h"
#include "uring.h"

#define POLLERS 8

/* What a poller polls for, with a file and an epoll of its own. */
struct poller {
	int mode;		/* O_RDONLY, O_WRONLY or O_RDWR */
	unsigned int events;
};

static int make_epoll(int fd, unsigned int events)
{
	struct epoll_event event = { .events = events };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		_exit(KSFT_FAIL);
	return epoll;
}

static void epoll_once(int report_to, const void *arg)
{
	const struct poller *poller = arg;
	int epoll = make_epoll(open(pipe_path(), poller->mode | O_NONBLOCK), poller->events);
	struct epoll_event event;

	report(report_to, epoll_pwait(epoll, &event, 1, -1, NULL) == 1 ? event.events : 0);
}

static void start_pollers(struct __test_metadata *_metadata, struct child *pollers, int count,
			  const struct poller *poller)
{
	for (int i = 0; i < count; i++) {
		pollers[i] = start_child(_metadata, epoll_once, poller);
		ASSERT_ASLEEP_IN(epoll_pwait, &pollers[i]);
	}
}

/* Returns how many pollers were woken. The others are still asleep. */
static int count_woken(struct __test_metadata *_metadata, const struct child *pollers, int count,
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

static void expect_write_wakes(struct __test_metadata *_metadata, int w, unsigned int events,
			       int count)
{
	struct poller poller = { O_RDONLY, EPOLLIN | events };
	struct child pollers[POLLERS];

	start_pollers(_metadata, pollers, POLLERS, &poller);
	ASSERT_EQ(1, write(w, "x", 1));
	EXPECT_EQ(count, count_woken(_metadata, pollers, POLLERS, EPOLLIN));
}

TEST_F(any_pipe, write_wakes_one_of_8_exclusive_pollers)
{
	expect_write_wakes(_metadata, self->w, EPOLLEXCLUSIVE, 1);
}

TEST_F(any_pipe, write_wakes_one_of_8_exclusive_edge_triggered_pollers)
{
	expect_write_wakes(_metadata, self->w, EPOLLEXCLUSIVE | EPOLLET, 1);
}

TEST_F(any_pipe, write_wakes_all_edge_triggered_pollers)
{
	expect_write_wakes(_metadata, self->w, EPOLLET, POLLERS);
}

TEST_F(any_pipe, write_wakes_all_level_triggered_pollers)
{
	expect_write_wakes(_metadata, self->w, 0, POLLERS);
}

/* The kernel queues exclusive pollers behind all others. */
TEST_F(any_pipe, write_wakes_one_exclusive_poller_and_all_others)
{
	struct poller exclusive = { O_RDONLY, EPOLLIN | EPOLLEXCLUSIVE };
	struct poller other = { O_RDONLY, EPOLLIN };
	struct child exclusives[4], others[2];

	start_pollers(_metadata, exclusives, 4, &exclusive);
	start_pollers(_metadata, others, 2, &other);
	ASSERT_EQ(1, write(self->w, "x", 1));
	EXPECT_EQ(2, count_woken(_metadata, others, 2, EPOLLIN));
	EXPECT_EQ(1, count_woken(_metadata, exclusives, 4, EPOLLIN));
}

TEST_F(any_pipe, freed_room_wakes_one_of_8_exclusive_pollers)
{
	struct poller poller = { O_WRONLY, EPOLLOUT | EPOLLEXCLUSIVE };
	struct child pollers[POLLERS];

	fill_pipe(_metadata, self->w);
	start_pollers(_metadata, pollers, POLLERS, &poller);
	read_exactly(_metadata, self->r, PIPE_BUF);
	EXPECT_EQ(1, count_woken(_metadata, pollers, POLLERS, EPOLLOUT));
}

TEST_F(any_pipe, last_writer_close_wakes_all_exclusive_pollers)
{
	struct poller poller = { O_RDONLY, EPOLLIN | EPOLLEXCLUSIVE };
	struct child pollers[POLLERS];

	start_pollers(_metadata, pollers, POLLERS, &poller);
	close(self->w);
	EXPECT_EQ(POLLERS, count_woken(_metadata, pollers, POLLERS, EPOLLHUP));
}

/*
 * Each write wakes one of the pollers that are still asleep. A poller that was woken is killed, so
 * it is no longer in the queue.
 */
TEST_F(any_pipe, each_write_wakes_one_more_exclusive_poller)
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
				kill_child(_metadata, &pollers[i]);
		ASSERT_EQ(left - 1, count);
		memcpy(pollers, asleep, sizeof(pollers));
		read_exactly(_metadata, self->r, 1);
	}
}

/* How many readers a write wakes */

#define READERS 5

/* After outrank(), readers that were woken stay runnable until the test sleeps. */
static int count_runnable(const struct child *children, int count)
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
		SKIP(return, "needs a real-time priority (root)");
	ASSERT_EQ(1, write(w, "x", 1));
	EXPECT_EQ(1, count_runnable(readers, READERS));
	EXPECT_EQ(1, result_of(_metadata, &readers[0]).ret);
	for (int i = 1; i < READERS; i++)
		ASSERT_ASLEEP_IN(read, &readers[i]);
}

TEST_F(any_pipe, write_wakes_one_reader)
{
	expect_one_reader_woken(_metadata, self->w);
}

TEST_F(any_pipe, write_wakes_one_reader_after_exclusive_poller_exited)
{
	struct poller poller = { O_RDONLY, EPOLLIN | EPOLLEXCLUSIVE };
	struct child pollers[2];

	start_pollers(_metadata, pollers, 2, &poller);
	ASSERT_EQ(1, write(self->w, "x", 1));
	EXPECT_EQ(1, count_woken(_metadata, pollers, 2, EPOLLIN));
	for (int i = 0; i < 2; i++)
		kill_child(_metadata, &pollers[i]);
	read_exactly(_metadata, self->r, 1);
	expect_one_reader_woken(_metadata, self->w);
}

TEST_F(any_pipe, write_wakes_one_reader_after_exclusive_io_uring_poll_was_cancelled)
{
	struct uring ring;

	if (!uring_open(&ring))
		SKIP(return, "needs io_uring: %s", strerror(errno));
	uring_queue(&ring, (struct io_uring_sqe){
		.opcode = IORING_OP_POLL_ADD, .fd = self->r,
		.poll32_events = POLLIN | EPOLLEXCLUSIVE,
	});
	ASSERT_EQ(1, uring_enter(&ring, 0));
	uring_queue(&ring, (struct io_uring_sqe){
		.opcode = IORING_OP_ASYNC_CANCEL, .addr = IORING_OP_POLL_ADD,
	});
	ASSERT_EQ(1, uring_enter(&ring, 2));
	close(ring.fd);
	expect_one_reader_woken(_metadata, self->w);
}

/*
 * A reader or writer that sleeps behind an exclusive poller which reads or writes nothing. On a
 * pipe(2), it is not woken.
 */

FIXTURE(mini_pipe)
{
	struct ends ends;
};

FIXTURE_VARIANT(mini_pipe)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(mini_pipe, device) { .kind = DEVICE, };
FIXTURE_VARIANT_ADD(mini_pipe, private_pipe) { .kind = PRIVATE, };

FIXTURE_SETUP(mini_pipe)
{
	set_up_pipe(_metadata);
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &self->ends.r, &self->ends.w);
	sprintf(pipe_path(), "/proc/%d/fd/%d", getpid(), self->ends.r);
}

FIXTURE_TEARDOWN(mini_pipe)
{
	kill_children(_metadata);
}

#define ROUNDS 20

TEST_F(mini_pipe, reader_behind_exclusive_poller_is_woken)
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
		kill_child(_metadata, &first);
		kill_child(_metadata, &reader);
	}
}

TEST_F(mini_pipe, writer_behind_exclusive_poller_is_woken)
{
	struct poller poller = { O_WRONLY, EPOLLOUT | EPOLLEXCLUSIVE };

	for (int i = 0; i < ROUNDS; i++) {
		struct child first, writer;

		fill_pipe(_metadata, self->ends.w);
		start_pollers(_metadata, &first, 1, &poller);
		queue_writers(_metadata, &writer, 1, PIPE_BUF);
		read_exactly(_metadata, self->ends.r, PIPE_BUF);
		ASSERT_EQ(PIPE_BUF, result_of(_metadata, &writer).ret)
		{
			TH_LOG("round %d", i);
		}
		kill_child(_metadata, &first);
		kill_child(_metadata, &writer);
	}
}

TEST_F(mini_pipe, reader_behind_exclusive_io_uring_poll_is_woken)
{
	struct uring ring;

	if (!uring_open(&ring))
		SKIP(return, "needs io_uring: %s", strerror(errno));
	for (int i = 0; i < ROUNDS; i++) {
		struct completion completion;
		struct child reader;

		uring_queue(&ring, (struct io_uring_sqe){
			.opcode = IORING_OP_POLL_ADD, .fd = self->ends.r,
			.poll32_events = POLLIN | EPOLLEXCLUSIVE,
		});
		ASSERT_EQ(1, uring_enter(&ring, 0));
		queue_readers(_metadata, &reader, 1);
		/* Two bytes, so that the poll has an event even if the reader was faster. */
		ASSERT_EQ(2, write(self->ends.w, "xy", 2));
		ASSERT_EQ(1, result_of(_metadata, &reader).ret)
		{
			TH_LOG("round %d", i);
		}
		uring_enter(&ring, 1);
		ASSERT_TRUE(uring_reap(&ring, &completion));
		EXPECT_EQ(POLLIN, completion.res);
		read_exactly(_metadata, self->ends.r, 1);
		kill_child(_metadata, &reader);
	}
}

/*
 * A read-write file: room does not wake a poller for bytes, nor do bytes wake a poller for room.
 * Edge-triggered pollers show this, because each wake-up gives them an event. epoll.c has more
 * tests.
 */

static unsigned int events_now(int epoll)
{
	struct epoll_event event;

	return epoll_pwait(epoll, &event, 1, 0, NULL) == 1 ? event.events : 0;
}

TEST_F(any_pipe, room_gives_no_epollin_edge_to_read_write_file)
{
	int both = open_pipe(_metadata, O_RDWR | O_NONBLOCK), epoll;

	fill_pipe(_metadata, self->w);
	epoll = make_epoll(both, EPOLLIN | EPOLLET);
	EXPECT_EQ(EPOLLIN, events_now(epoll));
	read_exactly(_metadata, self->r, 2 * PIPE_BUF);
	EXPECT_EQ(0, events_now(epoll));
	ASSERT_EQ(1, write(self->w, "x", 1));
	EXPECT_EQ(EPOLLIN, events_now(epoll));
}

TEST_F(any_pipe, bytes_give_no_epollout_edge_to_read_write_file)
{
	int both = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	int epoll = make_epoll(both, EPOLLOUT | EPOLLET);

	EXPECT_EQ(EPOLLOUT, events_now(epoll));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(1, write(self->w, "x", 1));
	EXPECT_EQ(0, events_now(epoll));
	fill_pipe(_metadata, self->w);
	EXPECT_EQ(0, events_now(epoll));
	drain_pipe(_metadata, self->r);
	EXPECT_EQ(EPOLLOUT, events_now(epoll));
}

static void epoll_twice(int report_to, const void *arg)
{
	const struct poller *poller = arg;
	int epoll = make_epoll(open(pipe_path(), poller->mode | O_NONBLOCK), poller->events);
	struct epoll_event event;

	for (int i = 0; i < 2; i++)
		report(report_to, epoll_pwait(epoll, &event, 1, -1, NULL) == 1 ? event.events : 0);
}

TEST_F(any_pipe, exclusive_epollout_poller_takes_no_wake_up_from_epollin_poller)
{
	struct poller room = { O_RDWR, EPOLLOUT | EPOLLET | EPOLLEXCLUSIVE };
	struct poller bytes = { O_RDONLY, EPOLLIN | EPOLLEXCLUSIVE };
	struct child first = start_child(_metadata, epoll_twice, &room), second;

	EXPECT_EQ(EPOLLOUT, result_of(_metadata, &first).ret);
	ASSERT_ASLEEP_IN(epoll_pwait, &first);
	start_pollers(_metadata, &second, 1, &bytes);
	ASSERT_EQ(1, write(self->w, "x", 1));
	EXPECT_EQ(1, count_woken(_metadata, &second, 1, EPOLLIN));
	ASSERT_ASLEEP_IN(epoll_pwait, &first);
}

TEST_HARNESS_MAIN
