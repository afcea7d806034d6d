// SPDX-License-Identifier: GPL-2.0
/*
 * epoll: level-triggered, edge-triggered, one-shot, exclusive and nested, and files that are closed
 * meanwhile. All tests hold for a pipe(2), too.
 */
#include <pthread.h>
#include <sys/epoll.h>
#include "any_pipe_fixture.h"

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

/* Returns the events that epoll reports now, or 0. */
static unsigned int epoll_now(int epoll)
{
	struct epoll_event event;

	return epoll_pwait(epoll, &event, 1, 0, NULL) == 1 ? event.events : 0;
}

static void write_byte(struct __test_metadata *_metadata, int fd)
{
	ASSERT_EQ(1, write(fd, "x", 1));
}

/* Level-triggered */

TEST_F(any_pipe, level_triggered_epollin_lasts_while_bytes_are_there)
{
	int epoll = epoll_on(self->r, EPOLLIN);

	ASSERT_LE(0, epoll);
	EXPECT_EQ(0, epoll_now(epoll));
	ASSERT_EQ(2, write(self->w, "xy", 2));
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	read_exactly(_metadata, self->r, 1);
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	read_exactly(_metadata, self->r, 1);
	EXPECT_EQ(0, epoll_now(epoll));
}

TEST_F(any_pipe, level_triggered_epollout_lasts_while_room_is_there)
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

TEST_F(any_pipe, epollhup_and_epollerr_need_not_be_requested)
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

/* Edge-triggered */

TEST_F(any_pipe, edge_triggered_epoll_reports_each_write_once)
{
	int epoll = epoll_on(self->r, EPOLLIN | EPOLLET);

	for (int i = 0; i < 5; i++) {
		/* Nothing is read in between: the pipe is not empty at the next write. */
		write_byte(_metadata, self->w);
		EXPECT_EQ(EPOLLIN, epoll_now(epoll));
		EXPECT_EQ(0, epoll_now(epoll));
	}
}

TEST_F(any_pipe, edge_triggered_epoll_reports_each_write_beside_level_triggered_one)
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

TEST_F(any_pipe, edge_triggered_epollin_reports_writes_but_not_reads)
{
	int epoll = epoll_on(self->r, EPOLLIN | EPOLLET);

	ASSERT_EQ(3, write(self->w, "xyz", 3));
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	read_exactly(_metadata, self->r, 1);
	EXPECT_EQ(0, epoll_now(epoll));
	write_byte(_metadata, self->w);
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
}

TEST_F(any_pipe, edge_triggered_epollout_reports_when_full_pipe_has_room)
{
	int epoll = epoll_on(self->w, EPOLLOUT | EPOLLET);
	ssize_t capacity;

	EXPECT_EQ(EPOLLOUT, epoll_now(epoll));
	capacity = fill_pipe(_metadata, self->w);
	EXPECT_EQ(0, epoll_now(epoll));
	read_exactly(_metadata, self->r, capacity);
	EXPECT_EQ(EPOLLOUT, epoll_now(epoll));
	EXPECT_EQ(0, epoll_now(epoll));
}

TEST_F(any_pipe, edge_triggered_epollout_does_not_report_additional_room)
{
	int epoll = epoll_on(self->w, EPOLLOUT | EPOLLET);

	EXPECT_EQ(EPOLLOUT, epoll_now(epoll));
	write_byte(_metadata, self->w);
	read_exactly(_metadata, self->r, 1);
	EXPECT_EQ(0, epoll_now(epoll));
}

TEST_F(any_pipe, edge_triggered_epoll_reports_hangup_once)
{
	int epoll = epoll_on(self->r, EPOLLIN | EPOLLET);

	EXPECT_EQ(0, epoll_now(epoll));
	close(self->w);
	EXPECT_EQ(EPOLLHUP, epoll_now(epoll));
	EXPECT_EQ(0, epoll_now(epoll));
}

TEST_F(any_pipe, edge_triggered_epoll_reports_hangup_while_bytes_are_there)
{
	int epoll = epoll_on(self->r, EPOLLIN | EPOLLET);

	write_byte(_metadata, self->w);
	EXPECT_EQ(EPOLLIN, epoll_now(epoll));
	close(self->w);
	EXPECT_EQ(EPOLLIN | EPOLLHUP, epoll_now(epoll));
	EXPECT_EQ(0, epoll_now(epoll));
}

/* The hang-up was already reported, with the bytes. */
TEST_F(any_pipe, edge_triggered_epoll_reports_no_second_hangup_after_last_byte)
{
	int epoll = epoll_on(self->r, EPOLLIN | EPOLLET);

	ASSERT_EQ(2, write(self->w, "xy", 2));
	close(self->w);
	EXPECT_EQ(EPOLLIN | EPOLLHUP, epoll_now(epoll));
	read_exactly(_metadata, self->r, 1);
	EXPECT_EQ(0, epoll_now(epoll));
	read_exactly(_metadata, self->r, 1);
	EXPECT_EQ(0, epoll_now(epoll));
	EXPECT_EQ(0, read(self->r, big_buffer(), 1));
	EXPECT_EQ(0, epoll_now(epoll));
}

TEST_F(any_pipe, edge_triggered_epoll_reports_error_once)
{
	int epoll;

	fill_pipe(_metadata, self->w);
	epoll = epoll_on(self->w, EPOLLOUT | EPOLLET);
	EXPECT_EQ(0, epoll_now(epoll));
	close(self->r);
	EXPECT_EQ(EPOLLERR, epoll_now(epoll));
	EXPECT_EQ(0, epoll_now(epoll));
}

/* One-shot */

TEST_F(any_pipe, one_shot_epoll_reports_once_each_time_it_is_armed)
{
	int epoll = epoll_on(self->r, EPOLLIN | EPOLLONESHOT);

	for (int i = 0; i < 2; i++) {
		write_byte(_metadata, self->w);
		EXPECT_EQ(EPOLLIN, epoll_now(epoll));
		write_byte(_metadata, self->w);
		EXPECT_EQ(0, epoll_now(epoll));
		/* Bytes that were written meanwhile are reported at once. */
		ASSERT_EQ(0, set_event(epoll, EPOLL_CTL_MOD, self->r, EPOLLIN | EPOLLONESHOT));
		EXPECT_EQ(EPOLLIN, epoll_now(epoll));
		drain_pipe(_metadata, self->r);
		ASSERT_EQ(0, set_event(epoll, EPOLL_CTL_MOD, self->r, EPOLLIN | EPOLLONESHOT));
		EXPECT_EQ(0, epoll_now(epoll));
	}
}

TEST_F(any_pipe, one_shot_edge_triggered_epoll_reports_once_each_time_it_is_armed)
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

TEST_F(any_pipe, one_shot_epollout_reports_once_each_time_it_is_armed)
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

TEST_F(any_pipe, disarmed_one_shot_epoll_reports_hangup_when_armed_again)
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

struct epoll_job {
	int end;
	unsigned int events;
	int reports;
};

static void report_events(int report_to, const void *arg)
{
	const struct epoll_job *job = arg;
	int epoll = epoll_on(open(pipe_path(), job->end), job->events);
	struct epoll_event event;

	for (int i = 0; i < job->reports; i++) {
		int ready = epoll_pwait(epoll, &event, 1, -1, NULL);

		report(report_to, ready == 1 ? (ssize_t)event.events : -1);
	}
}

static void start_epollers(struct __test_metadata *_metadata, struct child *epolls, int count,
			   job_fn run, const struct epoll_job *job)
{
	for (int i = 0; i < count; i++) {
		epolls[i] = start_child(_metadata, run, job);
		ASSERT_ASLEEP_IN(epoll_pwait, &epolls[i]);
	}
}

TEST_F(any_pipe, each_write_wakes_sleeping_edge_triggered_epoll)
{
	struct epoll_job job = { O_RDONLY, EPOLLIN | EPOLLET, 3 };
	struct child poller = start_child(_metadata, report_events, &job);

	for (int i = 0; i < 3; i++) {
		ASSERT_ASLEEP_IN(epoll_pwait, &poller);
		write_byte(_metadata, self->w);
		EXPECT_EQ(EPOLLIN, result_of(_metadata, &poller).ret);
	}
}

TEST_F(any_pipe, read_from_full_pipe_wakes_sleeping_epoll)
{
	struct epoll_job job = { O_WRONLY, EPOLLOUT, 1 };
	struct child poller;

	fill_pipe(_metadata, self->w);
	start_epollers(_metadata, &poller, 1, report_events, &job);
	drain_pipe(_metadata, self->r);
	EXPECT_EQ(EPOLLOUT, result_of(_metadata, &poller).ret);
}

TEST_F(any_pipe, write_wakes_all_sleeping_epolls)
{
	struct epoll_job job = { O_RDONLY, EPOLLIN, 1 };
	struct child pollers[3];

	start_epollers(_metadata, pollers, 3, report_events, &job);
	write_byte(_metadata, self->w);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(EPOLLIN, result_of(_metadata, &pollers[i]).ret);
}

/* Exclusive: each process has an epoll of its own, and a change may wake only some of them. */

#define POLLERS 4

/* Waits until one more poller has reported, and returns its report. */
static struct result next_result(struct __test_metadata *_metadata, struct child *pollers)
{
	struct pollfd results[POLLERS];
	struct result result = { .ret = -1 };

	for (int i = 0; i < POLLERS; i++)
		results[i] = (struct pollfd){ .fd = pollers[i].results, .events = POLLIN };
	ASSERT_LE(1, poll(results, POLLERS, TIMEOUT_MS))
	{
		TH_LOG("no poller was woken");
	}
	for (int i = 0; i < POLLERS; i++) {
		if (!results[i].revents)
			continue;
		result = result_of(_metadata, &pollers[i]);
		pollers[i].results = -1;
		break;
	}
	return result;
}

static void expect_others_asleep(struct __test_metadata *_metadata, const struct child *pollers)
{
	for (int i = 0; i < POLLERS; i++)
		if (pollers[i].results >= 0)
			ASSERT_ASLEEP_IN(epoll_pwait, &pollers[i]);
}

/* Reads or writes PIPE_BUF bytes when epoll says so; waits again if another process was faster. */
static void transfer_when_ready(int report_to, const void *arg)
{
	const struct epoll_job *job = arg;
	int fd = open(pipe_path(), job->end | O_NONBLOCK);
	int epoll = epoll_on(fd, job->events);
	struct epoll_event event;
	ssize_t n;

	do {
		epoll_pwait(epoll, &event, 1, -1, NULL);
		if (job->end == O_RDONLY)
			n = read(fd, big_buffer(), PIPE_BUF);
		else
			n = write(fd, big_buffer(), PIPE_BUF);
	} while (n < 0 && errno == EAGAIN);
	report(report_to, n);
}

static void expect_each_write_reaches_one(struct __test_metadata *_metadata, int w, uint32_t events)
{
	struct epoll_job job = { O_RDONLY, events, 1 };
	struct child pollers[POLLERS];

	start_epollers(_metadata, pollers, POLLERS, transfer_when_ready, &job);
	for (int i = 0; i < POLLERS; i++) {
		write_byte(_metadata, w);
		EXPECT_EQ(1, next_result(_metadata, pollers).ret);
		expect_others_asleep(_metadata, pollers);
	}
}

TEST_F(any_pipe, each_write_reaches_one_exclusive_epoll)
{
	expect_each_write_reaches_one(_metadata, self->w, EPOLLIN | EPOLLEXCLUSIVE);
}

TEST_F(any_pipe, each_write_reaches_one_exclusive_edge_triggered_epoll)
{
	expect_each_write_reaches_one(_metadata, self->w, EPOLLIN | EPOLLET | EPOLLEXCLUSIVE);
}

TEST_F(any_pipe, freed_room_reaches_one_exclusive_epoll)
{
	struct epoll_job job = { O_WRONLY, EPOLLOUT | EPOLLEXCLUSIVE, 1 };
	struct child pollers[POLLERS];

	fill_pipe(_metadata, self->w);
	start_epollers(_metadata, pollers, POLLERS, transfer_when_ready, &job);
	for (int i = 0; i < POLLERS; i++) {
		read_exactly(_metadata, self->r, PIPE_BUF);
		EXPECT_EQ(PIPE_BUF, next_result(_metadata, pollers).ret);
		expect_others_asleep(_metadata, pollers);
	}
}

TEST_F(any_pipe, hangup_wakes_all_exclusive_epolls)
{
	struct epoll_job job = { O_RDONLY, EPOLLIN | EPOLLEXCLUSIVE, 1 };
	struct child pollers[POLLERS];

	start_epollers(_metadata, pollers, POLLERS, report_events, &job);
	close(self->w);
	for (int i = 0; i < POLLERS; i++)
		EXPECT_EQ(EPOLLHUP, result_of(_metadata, &pollers[i]).ret);
}

/*
 * A poller of a read-write file is also in the queue of readers, and a wake-up ends at the first
 * exclusive poller that takes it.
 */
TEST_F(any_pipe, exclusive_epollout_takes_no_wake_up_from_reader_behind_it)
{
	struct epoll_job job = { O_RDWR, EPOLLOUT | EPOLLET | EPOLLEXCLUSIVE, 2 };
	struct child poller = start_child(_metadata, report_events, &job);
	struct child reader;

	EXPECT_EQ(EPOLLOUT, result_of(_metadata, &poller).ret);
	ASSERT_ASLEEP_IN(epoll_pwait, &poller);
	queue_readers(_metadata, &reader, 1);
	write_byte(_metadata, self->w);
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
}

TEST_F(any_pipe, exclusive_epoll_that_nobody_waits_in_takes_no_wake_up_from_reader)
{
	int epoll = epoll_on(self->r, EPOLLIN | EPOLLEXCLUSIVE);
	struct child reader;

	ASSERT_LE(0, epoll);
	queue_readers(_metadata, &reader, 1);
	write_byte(_metadata, self->w);
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
	EXPECT_EQ(0, epoll_now(epoll));
}

/* Nested */

TEST_F(any_pipe, nested_epoll_reports_while_bytes_are_there)
{
	int outer = epoll_on(epoll_on(self->r, EPOLLIN), EPOLLIN);

	EXPECT_EQ(0, epoll_now(outer));
	write_byte(_metadata, self->w);
	for (int i = 0; i < 2; i++)
		EXPECT_EQ(EPOLLIN, epoll_now(outer));
	read_exactly(_metadata, self->r, 1);
	EXPECT_EQ(0, epoll_now(outer));
}

TEST_F(any_pipe, nested_edge_triggered_epoll_reports_each_write)
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

TEST_F(any_pipe, closed_file_is_removed_from_epoll)
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

TEST_F(any_pipe, file_stays_in_epoll_until_last_descriptor_is_closed)
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

TEST_F(any_pipe, epoll_can_be_used_after_its_files_are_closed)
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

/* A thread of the test that sleeps in poll or epoll_wait. */
struct waiter {
	pthread_t thread;
	atomic_int tid;
	int fd;
	short events;		/* for poll */
	struct epoll_event event;
};

static void *wait_in_poll(void *arg)
{
	struct waiter *waiter = arg;
	struct pollfd pollfd = { .fd = waiter->fd, .events = waiter->events };

	waiter->tid = syscall(__NR_gettid);
	ppoll(&pollfd, 1, NULL, NULL);
	waiter->event.events = pollfd.revents;
	return NULL;
}

static void *wait_in_epoll(void *arg)
{
	struct waiter *waiter = arg;

	waiter->tid = syscall(__NR_gettid);
	epoll_pwait(waiter->fd, &waiter->event, 1, -1, NULL);
	return NULL;
}

static bool thread_falls_asleep_in(const struct waiter *waiter, long syscall_nr)
{
	struct child child = { .pid = waiter->tid, .results = -1 };

	return falls_asleep_in(&child, syscall_nr);
}

/* Returns when the thread sleeps. */
static void start_waiter(struct __test_metadata *_metadata, struct waiter *waiter,
			 void *(*wait)(void *arg), long syscall_nr)
{
	ASSERT_EQ(0, pthread_create(&waiter->thread, NULL, wait, waiter));
	while (!waiter->tid)
		sleep_1ms();
	ASSERT_TRUE(thread_falls_asleep_in(waiter, syscall_nr));
}

/* poll holds a reference to the file. When it is woken, it looks up the descriptor again. */
TEST_F(any_pipe, file_closed_during_poll_stays_open_until_poll_returns)
{
	struct waiter waiter = { .fd = self->r, .events = POLLIN };

	start_waiter(_metadata, &waiter, wait_in_poll, __NR_ppoll);
	close(self->r);
	ASSERT_TRUE(thread_falls_asleep_in(&waiter, __NR_ppoll));
	EXPECT_EQ(POLLOUT, poll_now(self->w, POLLOUT));
	write_byte(_metadata, self->w);
	ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
	EXPECT_EQ(POLLNVAL, waiter.event.events);
	EXPECT_EQ(-1, write(self->w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
}

/* Starts a thread that sleeps in ppoll. Closes what it polls. */
static void start_closed_poll(struct __test_metadata *_metadata, struct waiter *waiter, int fd,
			      short events)
{
	*waiter = (struct waiter){ .fd = fd, .events = events };
	start_waiter(_metadata, waiter, wait_in_poll, __NR_ppoll);
	close(fd);
	ASSERT_TRUE(thread_falls_asleep_in(waiter, __NR_ppoll));
}

/*
 * Only requested events wake a poll. Any other wake-up would end it, because its descriptor is
 * closed.
 */
TEST_F(any_pipe, poll_is_not_woken_by_events_it_did_not_request)
{
	struct waiter waiter;

	start_closed_poll(_metadata, &waiter, self->r, POLLPRI);
	for (int i = 0; i < 3; i++) {
		write_byte(_metadata, self->w);
		ASSERT_TRUE(thread_falls_asleep_in(&waiter, __NR_ppoll));
	}
	close(self->w);
	ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
	EXPECT_EQ(POLLNVAL, waiter.event.events);
}

TEST_F(any_pipe, poll_for_pollpri_of_read_write_file_is_not_woken_by_room_or_bytes)
{
	int both = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	struct waiter waiter;

	fill_pipe(_metadata, self->w);
	start_closed_poll(_metadata, &waiter, both, POLLPRI);
	drain_pipe(_metadata, self->r);
	ASSERT_TRUE(thread_falls_asleep_in(&waiter, __NR_ppoll));
	write_byte(_metadata, self->w);
	ASSERT_TRUE(thread_falls_asleep_in(&waiter, __NR_ppoll));
	pthread_cancel(waiter.thread);
	ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
}

TEST_F(any_pipe, poll_for_pollout_of_read_write_file_is_not_woken_by_bytes)
{
	int both = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ssize_t capacity = fill_pipe(_metadata, self->w);
	struct waiter waiter;

	/*
	 * One byte is free, which is too little for POLLOUT. With the epoll, each write sends a
	 * wake-up to pollers for bytes.
	 */
	ASSERT_EQ(capacity, drain_pipe(_metadata, self->r));
	write_pattern(_metadata, self->w, capacity - 1);
	ASSERT_LE(0, epoll_on(self->r, EPOLLIN | EPOLLET));
	start_closed_poll(_metadata, &waiter, both, POLLOUT);
	write_byte(_metadata, self->w);
	ASSERT_TRUE(thread_falls_asleep_in(&waiter, __NR_ppoll));
	ASSERT_EQ(capacity, drain_pipe(_metadata, self->r));
	ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
	EXPECT_EQ(POLLNVAL, waiter.event.events);
}

TEST_F(any_pipe, closing_file_leaves_epoll_wait_asleep)
{
	struct waiter waiter = { .fd = epoll_on(self->r, EPOLLIN) };
	int last[2];

	ASSERT_EQ(0, pipe2(last, O_CLOEXEC));
	ASSERT_EQ(0, set_event(waiter.fd, EPOLL_CTL_ADD, last[0], EPOLLIN));
	start_waiter(_metadata, &waiter, wait_in_epoll, __NR_epoll_pwait);
	close(self->r);
	EXPECT_EQ(-1, write(self->w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	ASSERT_TRUE(thread_falls_asleep_in(&waiter, __NR_epoll_pwait));
	write_byte(_metadata, last[1]);
	ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
	EXPECT_EQ(EPOLLIN, waiter.event.events);
	EXPECT_EQ(last[0], waiter.event.data.fd);
}

/* The threads race for the same files, so which events are reported is left to chance. */

#define ROUNDS 300

static void *wait_until_last(void *arg)
{
	struct waiter *waiter = arg;
	struct epoll_event event;

	do {
		epoll_pwait(waiter->fd, &event, 1, -1, NULL);
	} while (event.data.fd != waiter->event.data.fd);
	return NULL;
}

TEST_F(any_pipe, files_can_be_opened_and_closed_during_epoll_wait)
{
	struct waiter waiter = { .fd = epoll_on(self->r, EPOLLIN | EPOLLET) };
	int last[2];

	ASSERT_EQ(0, pipe2(last, O_CLOEXEC));
	waiter.event.data.fd = last[0];
	ASSERT_EQ(0, set_event(waiter.fd, EPOLL_CTL_ADD, last[0], EPOLLIN));
	ASSERT_EQ(0, pthread_create(&waiter.thread, NULL, wait_until_last, &waiter));
	for (int i = 0; i < ROUNDS; i++) {
		int reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);

		ASSERT_EQ(0, set_event(waiter.fd, EPOLL_CTL_ADD, reader,
				       i % 2 ? EPOLLIN : EPOLLIN | EPOLLEXCLUSIVE));
		write_byte(_metadata, self->w);
		close(reader);
		read_exactly(_metadata, self->r, 1);
	}
	write_byte(_metadata, last[1]);
	ASSERT_EQ(0, pthread_join(waiter.thread, NULL));
	EXPECT_EQ(0, poll_now(self->r, POLLIN));
}

TEST_HARNESS_MAIN
