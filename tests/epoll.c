// SPDX-License-Identifier: GPL-2.0
/*
 * epoll: levels, edges, one shot, exclusive and nested; and files that are closed meanwhile. All of
 * it is the same on a pipe(2).
 */
#include <pthread.h>
#include <sys/epoll.h>
#include "same_fixture.h"

static int set_event(int epoll, int op, int fd, unsigned int events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(epoll, op, fd, &event);
}

static int epoll_on(int fd, unsigned int events)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	return set_event(epoll, EPOLL_CTL_ADD, fd, events) ? -1 : epoll;
}

/* The events there are now, or 0. */
static unsigned int epoll_now(int epoll)
{
	struct epoll_event event;

	return epoll_pwait(epoll, &event, 1, 0, NULL) == 1 ? event.events : 0;
}

static void write_byte(struct __test_metadata *_metadata, int fd)
{
	ASSERT_EQ(1, write(fd, "x", 1));
}

/* Levels */

TEST_F(same, level_triggered_epoll_tells_as_long_as_bytes_are_there)
{
	int epoll = epoll_on(self->r, EPOLLIN);

	ASSERT_LE(0, epoll);
	EXPECT_EQ(0, epoll_now(epoll));
	ASSERT_EQ(2, write(self->w, "xy", 2));
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	take(_metadata, self->r, 1);
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	take(_metadata, self->r, 1);
	EXPECT_EQ(0, epoll_now(epoll));
}

TEST_F(same, level_triggered_epoll_tells_as_long_as_room_is_there)
{
	int epoll = epoll_on(self->w, EPOLLOUT);

	for (int i = 0; i < 2; i++)
		EXPECT_EQ(EPOLLOUT, epoll_now(epoll));
	fill_pipe(_metadata, self->w);
	EXPECT_EQ(0, epoll_now(epoll));
	drain_pipe(_metadata, self->r);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(EPOLLOUT, epoll_now(epoll));
}

TEST_F(same, epoll_for_nothing_tells_of_the_hangup_and_the_error)
{
	int hangup = epoll_on(self->r, 0), error = epoll_on(self->w, 0);

	write_byte(_metadata, self->w);
	EXPECT_EQ(0, epoll_now(hangup));
	EXPECT_EQ(0, epoll_now(error));
	close(self->w);
	EXPECT_EQ(EPOLLHUP, epoll_now(hangup));
	self->w = open_pipe(_metadata, O_WRONLY);
	error = epoll_on(self->w, 0);
	close(self->r);
	EXPECT_EQ(EPOLLERR, epoll_now(error));
}

/* Edges */

TEST_F(same, edge_triggered_epoll_tells_of_each_write_once)
{
	int epoll = epoll_on(self->r, EPOLLIN | EPOLLET);

	for (int i = 0; i < 5; i++) {
		/* Nothing is read in between: the pipe is not empty when the next one comes. */
		write_byte(_metadata, self->w);
		EXPECT_EQ(EPOLLIN, epoll_now(epoll));
		EXPECT_EQ(0, epoll_now(epoll));
	}
}

TEST_F(same, edge_triggered_epoll_tells_of_each_write_beside_a_level_triggered_one)
{
	int level = epoll_on(self->r, EPOLLIN);
	int edge = epoll_on(self->r, EPOLLIN | EPOLLET);

	for (int i = 0; i < 3; i++) {
		write_byte(_metadata, self->w);
		EXPECT_EQ(EPOLLIN, epoll_now(level));
		EXPECT_EQ(EPOLLIN, epoll_now(edge));
		EXPECT_EQ(0, epoll_now(edge));
	}
}

TEST_F(same, edge_triggered_epoll_tells_of_writes_and_not_of_reads)
{
	int epoll = epoll_on(self->r, EPOLLIN | EPOLLET);

	ASSERT_EQ(3, write(self->w, "xyz", 3));
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	take(_metadata, self->r, 1);
	EXPECT_EQ(0, epoll_now(epoll));
	write_byte(_metadata, self->w);
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
}

TEST_F(same, edge_triggered_epoll_tells_when_room_appears)
{
	int epoll = epoll_on(self->w, EPOLLOUT | EPOLLET);
	ssize_t capacity;

	EXPECT_EQ(EPOLLOUT, epoll_now(epoll));
	capacity = fill_pipe(_metadata, self->w);
	EXPECT_EQ(0, epoll_now(epoll));
	take(_metadata, self->r, capacity);
	EXPECT_EQ(EPOLLOUT, epoll_now(epoll));
	EXPECT_EQ(0, epoll_now(epoll));
}

TEST_F(same, edge_triggered_epoll_does_not_tell_of_room_beside_room)
{
	int epoll = epoll_on(self->w, EPOLLOUT | EPOLLET);

	EXPECT_EQ(EPOLLOUT, epoll_now(epoll));
	write_byte(_metadata, self->w);
	take(_metadata, self->r, 1);
	EXPECT_EQ(0, epoll_now(epoll));
}

TEST_F(same, edge_triggered_epoll_tells_of_the_hangup)
{
	int epoll = epoll_on(self->r, EPOLLIN | EPOLLET);

	EXPECT_EQ(0, epoll_now(epoll));
	close(self->w);
	EXPECT_EQ(EPOLLHUP, epoll_now(epoll));
	EXPECT_EQ(0, epoll_now(epoll));
}

TEST_F(same, edge_triggered_epoll_tells_of_the_hangup_beside_the_bytes)
{
	int epoll = epoll_on(self->r, EPOLLIN | EPOLLET);

	write_byte(_metadata, self->w);
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	close(self->w);
	EXPECT_EQ(EPOLLIN | EPOLLHUP, epoll_now(epoll));
	EXPECT_EQ(0, epoll_now(epoll));
}

/* Whoever reads the last byte knows of the end already. */
TEST_F(same, edge_triggered_epoll_tells_nothing_more_after_the_last_byte_before_the_end)
{
	int epoll = epoll_on(self->r, EPOLLIN | EPOLLET);

	ASSERT_EQ(2, write(self->w, "xy", 2));
	close(self->w);
	EXPECT_EQ(EPOLLIN | EPOLLHUP, epoll_now(epoll));
	take(_metadata, self->r, 1);
	EXPECT_EQ(0, epoll_now(epoll));
	take(_metadata, self->r, 1);
	EXPECT_EQ(0, epoll_now(epoll));
	EXPECT_EQ(0, read(self->r, big_buffer(), 1));
	EXPECT_EQ(0, epoll_now(epoll));
}

TEST_F(same, edge_triggered_epoll_tells_of_the_error)
{
	int epoll;

	fill_pipe(_metadata, self->w);
	epoll = epoll_on(self->w, EPOLLOUT | EPOLLET);
	EXPECT_EQ(0, epoll_now(epoll));
	close(self->r);
	EXPECT_EQ(EPOLLERR, epoll_now(epoll));
	EXPECT_EQ(0, epoll_now(epoll));
}

/* One shot */

TEST_F(same, one_shot_epoll_tells_once_each_time_it_is_armed)
{
	int epoll = epoll_on(self->r, EPOLLIN | EPOLLONESHOT);

	for (int i = 0; i < 2; i++) {
		write_byte(_metadata, self->w);
		EXPECT_EQ(EPOLLIN, epoll_now(epoll));
		write_byte(_metadata, self->w);
		EXPECT_EQ(0, epoll_now(epoll));
		/* What came meanwhile is told at once. */
		ASSERT_EQ(0, set_event(epoll, EPOLL_CTL_MOD, self->r, EPOLLIN | EPOLLONESHOT));
		EXPECT_EQ(EPOLLIN, epoll_now(epoll));
		drain_pipe(_metadata, self->r);
		ASSERT_EQ(0, set_event(epoll, EPOLL_CTL_MOD, self->r, EPOLLIN | EPOLLONESHOT));
		EXPECT_EQ(0, epoll_now(epoll));
	}
}

TEST_F(same, one_shot_epoll_for_edges_tells_once_each_time_it_is_armed)
{
	unsigned int events = EPOLLIN | EPOLLET | EPOLLONESHOT;
	int epoll = epoll_on(self->r, events);

	for (int i = 0; i < 3; i++) {
		write_byte(_metadata, self->w);
		EXPECT_EQ(EPOLLIN, epoll_now(epoll));
		write_byte(_metadata, self->w);
		EXPECT_EQ(0, epoll_now(epoll));
		ASSERT_EQ(0, set_event(epoll, EPOLL_CTL_MOD, self->r, events));
		EXPECT_EQ(EPOLLIN, epoll_now(epoll));
		ASSERT_EQ(0, set_event(epoll, EPOLL_CTL_MOD, self->r, events));
		EXPECT_EQ(EPOLLIN, epoll_now(epoll));
		drain_pipe(_metadata, self->r);
		ASSERT_EQ(0, set_event(epoll, EPOLL_CTL_MOD, self->r, events));
	}
}

TEST_F(same, one_shot_epoll_tells_of_room_once_each_time_it_is_armed)
{
	int epoll = epoll_on(self->w, EPOLLOUT | EPOLLONESHOT);

	for (int i = 0; i < 2; i++) {
		EXPECT_EQ(EPOLLOUT, epoll_now(epoll));
		fill_pipe(_metadata, self->w);
		drain_pipe(_metadata, self->r);
		EXPECT_EQ(0, epoll_now(epoll));
		ASSERT_EQ(0, set_event(epoll, EPOLL_CTL_MOD, self->w, EPOLLOUT | EPOLLONESHOT));
	}
}

TEST_F(same, one_shot_epoll_that_has_told_does_not_tell_of_the_end_until_it_is_armed)
{
	int epoll = epoll_on(self->r, EPOLLIN | EPOLLONESHOT);

	write_byte(_metadata, self->w);
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	close(self->w);
	EXPECT_EQ(0, epoll_now(epoll));
	ASSERT_EQ(0, set_event(epoll, EPOLL_CTL_MOD, self->r, EPOLLIN | EPOLLONESHOT));
	EXPECT_EQ(EPOLLIN | EPOLLHUP, epoll_now(epoll));
}

/* Asleep in epoll_wait */

struct epoll_watch {
	int end;
	unsigned int events;
	int reports;
};

static void watch_with_epoll(int report_to, const void *arg)
{
	const struct epoll_watch *watch = arg;
	int epoll = epoll_on(open(pipe_path(), watch->end), watch->events);
	struct epoll_event event;

	for (int i = 0; i < watch->reports; i++) {
		int ready = epoll_pwait(epoll, &event, 1, -1, NULL);

		report(report_to, ready == 1 ? (ssize_t)event.events : -1);
	}
}

static void start_epolls(struct __test_metadata *_metadata, struct child *epolls, int count,
			 job_fn job, const struct epoll_watch *watch)
{
	for (int i = 0; i < count; i++) {
		epolls[i] = start_child(_metadata, job, watch);
		ASSERT_ASLEEP_IN(epoll_pwait, &epolls[i]);
	}
}

TEST_F(same, each_write_wakes_a_sleeping_edge_triggered_epoll)
{
	struct epoll_watch watch = { O_RDONLY, EPOLLIN | EPOLLET, 3 };
	struct child poller = start_child(_metadata, watch_with_epoll, &watch);

	for (int i = 0; i < 3; i++) {
		ASSERT_ASLEEP_IN(epoll_pwait, &poller);
		write_byte(_metadata, self->w);
		EXPECT_EQ(EPOLLIN, result_of(_metadata, &poller).ret);
	}
}

TEST_F(same, room_wakes_a_sleeping_epoll)
{
	struct epoll_watch watch = { O_WRONLY, EPOLLOUT, 1 };
	struct child poller;

	fill_pipe(_metadata, self->w);
	start_epolls(_metadata, &poller, 1, watch_with_epoll, &watch);
	drain_pipe(_metadata, self->r);
	EXPECT_EQ(EPOLLOUT, result_of(_metadata, &poller).ret);
}

TEST_F(same, a_write_wakes_every_sleeping_epoll)
{
	struct epoll_watch watch = { O_RDONLY, EPOLLIN, 1 };
	struct child pollers[3];

	start_epolls(_metadata, pollers, 3, watch_with_epoll, &watch);
	write_byte(_metadata, self->w);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(EPOLLIN, result_of(_metadata, &pollers[i]).ret);
}

/* Exclusive: each has an epoll of its own, and not all of them need be woken for one change. */

#define WATCHERS 4

/* Returns when one more of them has reported, and forgets that one. */
static struct result next_result(struct __test_metadata *_metadata, struct child *pollers)
{
	struct pollfd results[WATCHERS];
	struct result result = { .ret = -1 };

	for (int i = 0; i < WATCHERS; i++)
		results[i] = (struct pollfd){ .fd = pollers[i].results, .events = POLLIN };
	ASSERT_LE(1, poll(results, WATCHERS, PATIENCE_MS))
	{
		TH_LOG("nobody has been woken");
	}
	for (int i = 0; i < WATCHERS; i++) {
		if (!results[i].revents)
			continue;
		result = result_of(_metadata, &pollers[i]);
		pollers[i].results = -1;
		break;
	}
	return result;
}

static void expect_the_rest_asleep(struct __test_metadata *_metadata, const struct child *pollers)
{
	for (int i = 0; i < WATCHERS; i++)
		if (pollers[i].results >= 0)
			ASSERT_ASLEEP_IN(epoll_pwait, &pollers[i]);
}

/* Moves PIPE_BUF bytes, once epoll says so; waits again if another one was faster. */
static void move_when_told(int report_to, const void *arg)
{
	const struct epoll_watch *watch = arg;
	int fd = open(pipe_path(), watch->end | O_NONBLOCK);
	int epoll = epoll_on(fd, watch->events);
	struct epoll_event event;
	ssize_t n;

	do {
		epoll_pwait(epoll, &event, 1, -1, NULL);
		if (watch->end == O_RDONLY)
			n = read(fd, big_buffer(), PIPE_BUF);
		else
			n = write(fd, big_buffer(), PIPE_BUF);
	} while (n < 0 && errno == EAGAIN);
	report(report_to, n);
}

static void each_write_reaches_one(struct __test_metadata *_metadata, int w, uint32_t events)
{
	struct epoll_watch watch = { O_RDONLY, events, 1 };
	struct child pollers[WATCHERS];

	start_epolls(_metadata, pollers, WATCHERS, move_when_told, &watch);
	for (int i = 0; i < WATCHERS; i++) {
		write_byte(_metadata, w);
		EXPECT_EQ(1, next_result(_metadata, pollers).ret);
		expect_the_rest_asleep(_metadata, pollers);
	}
}

TEST_F(same, each_write_reaches_one_of_the_exclusive_epolls)
{
	each_write_reaches_one(_metadata, self->w, EPOLLIN | EPOLLEXCLUSIVE);
}

TEST_F(same, each_write_reaches_one_of_the_exclusive_epolls_for_edges)
{
	each_write_reaches_one(_metadata, self->w, EPOLLIN | EPOLLET | EPOLLEXCLUSIVE);
}

TEST_F(same, room_reaches_one_of_the_exclusive_epolls)
{
	struct epoll_watch watch = { O_WRONLY, EPOLLOUT | EPOLLEXCLUSIVE, 1 };
	struct child pollers[WATCHERS];

	fill_pipe(_metadata, self->w);
	start_epolls(_metadata, pollers, WATCHERS, move_when_told, &watch);
	for (int i = 0; i < WATCHERS; i++) {
		take(_metadata, self->r, PIPE_BUF);
		EXPECT_EQ(PIPE_BUF, next_result(_metadata, pollers).ret);
		expect_the_rest_asleep(_metadata, pollers);
	}
}

TEST_F(same, the_hangup_wakes_every_exclusive_epoll)
{
	struct epoll_watch watch = { O_RDONLY, EPOLLIN | EPOLLEXCLUSIVE, 1 };
	struct child pollers[WATCHERS];

	start_epolls(_metadata, pollers, WATCHERS, watch_with_epoll, &watch);
	close(self->w);
	for (int i = 0; i < WATCHERS; i++)
		EXPECT_EQ(EPOLLHUP, result_of(_metadata, &pollers[i]).ret);
}

/* A file that is both ends queues with readers, too, and an exclusive poll ends a wake-up. */
TEST_F(same, an_exclusive_epoll_for_room_keeps_no_byte_from_a_reader_behind_it)
{
	struct epoll_watch watch = { O_RDWR, EPOLLOUT | EPOLLET | EPOLLEXCLUSIVE, 2 };
	struct child poller = start_child(_metadata, watch_with_epoll, &watch);
	struct child reader;

	EXPECT_EQ(EPOLLOUT, result_of(_metadata, &poller).ret);
	ASSERT_ASLEEP_IN(epoll_pwait, &poller);
	queue_readers(_metadata, &reader, 1);
	write_byte(_metadata, self->w);
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
}

TEST_F(same, an_exclusive_epoll_that_nobody_waits_for_keeps_no_byte_from_a_reader_behind_it)
{
	int epoll = epoll_on(self->r, EPOLLIN | EPOLLEXCLUSIVE);
	struct child reader;

	ASSERT_LE(0, epoll);
	queue_readers(_metadata, &reader, 1);
	write_byte(_metadata, self->w);
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
	EXPECT_EQ(0, epoll_now(epoll));
}

/* An epoll in an epoll */

TEST_F(same, an_epoll_in_an_epoll_tells_as_long_as_bytes_are_there)
{
	int outer = epoll_on(epoll_on(self->r, EPOLLIN), EPOLLIN);

	EXPECT_EQ(0, epoll_now(outer));
	write_byte(_metadata, self->w);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(EPOLLIN, epoll_now(outer));
	take(_metadata, self->r, 1);
	EXPECT_EQ(0, epoll_now(outer));
}

TEST_F(same, an_epoll_in_an_epoll_tells_of_each_write)
{
	int inner = epoll_on(self->r, EPOLLIN | EPOLLET);
	int outer = epoll_on(inner, EPOLLIN | EPOLLET);

	for (int i = 0; i < 3; i++) {
		write_byte(_metadata, self->w);
		EXPECT_EQ(EPOLLIN, epoll_now(outer));
		EXPECT_EQ(0, epoll_now(outer));
		EXPECT_EQ(EPOLLIN, epoll_now(inner));
	}
}

/* Files that are closed meanwhile */

TEST_F(same, a_file_that_is_closed_leaves_its_epoll)
{
	int epoll = epoll_on(self->r, EPOLLIN);

	write_byte(_metadata, self->w);
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	close(self->r);
	EXPECT_EQ(0, epoll_now(epoll));
	EXPECT_EQ(-1, set_event(epoll, EPOLL_CTL_DEL, self->r, 0));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(-1, write(self->w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(0, epoll_now(epoll));
}

TEST_F(same, a_file_with_a_duplicate_leaves_its_epoll_with_that)
{
	int epoll = epoll_on(self->r, EPOLLIN);
	int duplicate = dup(self->r);

	close(self->r);
	write_byte(_metadata, self->w);
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	close(duplicate);
	EXPECT_EQ(0, epoll_now(epoll));
	EXPECT_EQ(-1, write(self->w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

TEST_F(same, an_epoll_outlives_the_pipe_it_watched)
{
	int epoll = epoll_on(self->r, EPOLLIN | EPOLLET);
	int r, w;

	ASSERT_EQ(0, set_event(epoll, EPOLL_CTL_ADD, self->w, EPOLLOUT | EPOLLET));
	close(self->r);
	close(self->w);
	EXPECT_EQ(0, epoll_now(epoll));
	sprintf(pipe_path(), "%s", MINI_PIPE);
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &r, &w);
	EXPECT_EQ(0, epoll_now(epoll));
	ASSERT_EQ(0, set_event(epoll, EPOLL_CTL_ADD, r, EPOLLIN | EPOLLET));
	write_byte(_metadata, w);
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
}

/* A thread of the test that sleeps in poll or epoll_wait until it is told of something. */
struct waiter {
	pthread_t thread;
	atomic_int tid;
	int fd;
	short events;		/* that poll asks for */
	struct epoll_event told;
};

static void *wait_in_poll(void *arg)
{
	struct waiter *waiter = arg;
	struct pollfd pollfd = { .fd = waiter->fd, .events = waiter->events };

	waiter->tid = syscall(__NR_gettid);
	ppoll(&pollfd, 1, NULL, NULL);
	waiter->told.events = pollfd.revents;
	return NULL;
}

static void *wait_in_epoll(void *arg)
{
	struct waiter *waiter = arg;

	waiter->tid = syscall(__NR_gettid);
	epoll_pwait(waiter->fd, &waiter->told, 1, -1, NULL);
	return NULL;
}

static bool is_or_falls_asleep(const struct waiter *waiter, long syscall_nr)
{
	struct child child = { .pid = waiter->tid, .results = -1 };

	return falls_asleep_in(&child, syscall_nr);
}

/* Returns when it sleeps. */
static void start_waiter(struct __test_metadata *_metadata, struct waiter *waiter,
			 void *(*wait)(void *arg), long syscall_nr)
{
	ASSERT_EQ(0, pthread_create(&waiter->thread, NULL, wait, waiter));
	while (!waiter->tid)
		a_moment();
	ASSERT_TRUE(is_or_falls_asleep(waiter, syscall_nr));
}

/* poll keeps the file, and looks for its descriptor again when it is woken. */
TEST_F(same, a_file_that_is_closed_while_a_thread_polls_it_is_open_until_that_ends)
{
	struct waiter waiter = { .fd = self->r, .events = POLLIN };

	start_waiter(_metadata, &waiter, wait_in_poll, __NR_ppoll);
	close(self->r);
	ASSERT_TRUE(is_or_falls_asleep(&waiter, __NR_ppoll));
	EXPECT_EQ(POLLOUT, poll_now(self->w, POLLOUT));
	write_byte(_metadata, self->w);
	ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
	EXPECT_EQ(POLLNVAL, waiter.told.events);
	EXPECT_EQ(-1, write(self->w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

/* A thread that sleeps in ppoll, its descriptor closed. */
static void start_closed_poll(struct __test_metadata *_metadata, struct waiter *waiter, int fd,
			      short events)
{
	*waiter = (struct waiter){ .fd = fd, .events = events };
	start_waiter(_metadata, waiter, wait_in_poll, __NR_ppoll);
	close(fd);
	ASSERT_TRUE(is_or_falls_asleep(waiter, __NR_ppoll));
}

/* What it did not ask for does not wake it: it would find out about its descriptor. */
TEST_F(same, a_poll_whose_descriptor_is_closed_sleeps_on_while_nothing_comes_that_it_asked_for)
{
	struct waiter waiter;

	start_closed_poll(_metadata, &waiter, self->r, POLLPRI);
	for (int i = 0; i < 3; i++) {
		write_byte(_metadata, self->w);
		ASSERT_TRUE(is_or_falls_asleep(&waiter, __NR_ppoll));
	}
	close(self->w);
	ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
	EXPECT_EQ(POLLNVAL, waiter.told.events);
}

TEST_F(same, a_poll_for_bytes_of_a_closed_file_that_was_both_ends_sleeps_on_when_room_appears)
{
	int both = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct waiter waiter;

	fill_pipe(_metadata, self->w);
	start_closed_poll(_metadata, &waiter, both, POLLPRI);
	drain_pipe(_metadata, self->r);
	ASSERT_TRUE(is_or_falls_asleep(&waiter, __NR_ppoll));
	write_byte(_metadata, self->w);
	ASSERT_TRUE(is_or_falls_asleep(&waiter, __NR_ppoll));
	pthread_cancel(waiter.thread);
	ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
}

TEST_F(same, a_poll_for_room_of_a_closed_file_that_was_both_ends_sleeps_on_when_bytes_come)
{
	int both = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t capacity = fill_pipe(_metadata, self->w);
	struct waiter waiter;

	/* One byte fits, which is not enough for POLLOUT; it wakes readers because of the epoll. */
	ASSERT_EQ(capacity, drain_pipe(_metadata, self->r));
	put_in(_metadata, self->w, capacity - 1);
	ASSERT_LE(0, epoll_on(self->r, EPOLLIN | EPOLLET));
	start_closed_poll(_metadata, &waiter, both, POLLOUT);
	write_byte(_metadata, self->w);
	ASSERT_TRUE(is_or_falls_asleep(&waiter, __NR_ppoll));
	ASSERT_EQ(capacity, drain_pipe(_metadata, self->r));
	ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
	EXPECT_EQ(POLLNVAL, waiter.told.events);
}

TEST_F(same, a_file_that_is_closed_while_a_thread_waits_for_its_epoll_tells_that_nothing)
{
	struct waiter waiter = { .fd = epoll_on(self->r, EPOLLIN) };
	int last[2];

	ASSERT_EQ(0, pipe2(last, O_CLOEXEC));
	ASSERT_EQ(0, set_event(waiter.fd, EPOLL_CTL_ADD, last[0], EPOLLIN));
	start_waiter(_metadata, &waiter, wait_in_epoll, __NR_epoll_pwait);
	close(self->r);
	EXPECT_EQ(-1, write(self->w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	ASSERT_TRUE(is_or_falls_asleep(&waiter, __NR_epoll_pwait));
	write_byte(_metadata, last[1]);
	ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
	EXPECT_EQ(EPOLLIN, waiter.told.events);
	EXPECT_EQ(last[0], waiter.told.data.fd);
}

/* Both threads are at the same files at the same time; nobody knows who finds what. */

#define ROUNDS 300

static void *wait_again_and_again(void *arg)
{
	struct waiter *waiter = arg;
	struct epoll_event event;

	do {
		epoll_pwait(waiter->fd, &event, 1, -1, NULL);
	} while (event.data.fd != waiter->told.data.fd);
	return NULL;
}

TEST_F(same, files_come_and_go_while_a_thread_waits_for_their_epoll)
{
	struct waiter waiter = { .fd = epoll_on(self->r, EPOLLIN | EPOLLET) };
	int last[2];

	ASSERT_EQ(0, pipe2(last, O_CLOEXEC));
	waiter.told.data.fd = last[0];
	ASSERT_EQ(0, set_event(waiter.fd, EPOLL_CTL_ADD, last[0], EPOLLIN));
	ASSERT_EQ(0, pthread_create(&waiter.thread, NULL, wait_again_and_again, &waiter));
	for (int i = 0; i < ROUNDS; i++) {
		int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);

		ASSERT_EQ(0, set_event(waiter.fd, EPOLL_CTL_ADD, reader,
				       i % 2 ? EPOLLIN : EPOLLIN | EPOLLEXCLUSIVE));
		write_byte(_metadata, self->w);
		close(reader);
		take(_metadata, self->r, 1);
	}
	write_byte(_metadata, last[1]);
	ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
	EXPECT_EQ(0, poll_now(self->r, POLLIN));
}

TEST_HARNESS_MAIN
