/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The soak's readers and writers: processes that repeatedly open the device, make calls of random
 * size and kind, and close it. They record their calls in the ledger, and check that each call
 * returns what it may return.
 */
#ifndef SOAK_PROCESSES_H
#define SOAK_PROCESSES_H

#include <sys/epoll.h>
#include "soak_side_calls.h"

/* Each process has its own copy of these. */
static struct process *me;
static unsigned long random_state;
static atomic_ulong signals_caught;

static void count_signal(int sig __maybe_unused)
{
	signals_caught++;
	count(SIGNALS, 1);
}

static inline unsigned int random_below(unsigned int below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 16) % below;
}

/* True once in `times` times. */
static inline bool one_in(unsigned int times)
{
	return random_below(times) == 0;
}

/* The number of a random bit that is set in bits. */
static inline int random_bit(int bits)
{
	int bit;

	do
		bit = random_below(STYLES);
	while (!(bits & 1 << bit));
	return bit;
}

/* From 1 to most; each order of magnitude is equally likely. */
static inline size_t random_size(size_t most)
{
	int bits = 0;

	while (most >> bits > 1)
		bits++;
	return 1 + random_below(smaller(most, 1UL << random_below(bits + 2)));
}

/* Memory that faults. */
static inline void *unmapped_memory(void)
{
	static void *map;

	if (!map)
		map = mmap(NULL, MAX_CALL_BYTES, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return map;
}

struct session {
	int fd;
	int epoll;
	short events;
	pid_t side_caller;		/* 0 if there is none */
};

static inline void start_session(struct session *session)
{
	int end = me->writes ? O_WRONLY : O_RDONLY;
	struct epoll_event event = { 0 };

	session->events = me->writes ? POLLOUT : POLLIN;
	session->epoll = -1;
	session->fd = open(MINI_PIPE, end | (me->style == BLOCKING ? 0 : O_NONBLOCK));
	if (session->fd < 0) {
		fail("open: %s", strerror(errno));
		_exit(KSFT_FAIL);
	}
	count(OPENS, 1);
	session->side_caller = ledger->round.side_calls && one_in(2) ?
			   start_side_caller(session->fd, me) : 0;
	if (me->style < EPOLL)
		return;
	/* EPOLLIN and EPOLLOUT have the values of POLLIN and POLLOUT. */
	event.events = session->events | (me->style == EPOLL_EDGE ? EPOLLET : 0) |
		       (me->style == EPOLL_EXCLUSIVE ? EPOLLEXCLUSIVE : 0);
	session->epoll = epoll_create1(0);
	if (session->epoll < 0 || epoll_ctl(session->epoll, EPOLL_CTL_ADD, session->fd, &event)) {
		fail("epoll: %s", strerror(errno));
		_exit(KSFT_FAIL);
	}
}

static inline void end_session(const struct session *session)
{
	if (session->side_caller > 0)
		end_side_caller(session->side_caller);
	close(session->fd);
	if (session->epoll >= 0)
		close(session->epoll);
}

/*
 * An exclusive wake-up wakes one poller, as with pipe(2), and that one may close or be killed
 * before it reads or writes. So exclusive pollers have a timeout.
 */
#define EXCLUSIVE_MS 50

static inline void wait_until_ready(const struct session *session)
{
	struct pollfd pollfd = { .fd = session->fd, .events = session->events };
	struct epoll_event event;

	if (me->style == RETRYING)
		sleep_1ms();
	else if (me->style == POLL)
		ppoll(&pollfd, 1, NULL, NULL);
	else
		epoll_pwait(session->epoll, &event, 1,
			    me->style == EPOLL_EXCLUSIVE ? EXCLUSIVE_MS : -1, NULL);
}

/* Makes a call of random kind for len bytes, of which only the first `mapped` are mapped. */
static inline ssize_t make_call(const struct session *session, unsigned char *buf, size_t mapped,
				size_t len)
{
	size_t half = random_below(mapped + 1);
	struct iovec iov[] = {
		{ buf, half }, { buf + half, mapped - half }, { unmapped_memory(), len - mapped },
	};
	bool plain = mapped == len && one_in(2);
	ssize_t n;
	int err;

	me->call_bytes = len;
	me->in_call = true;
	if (me->writes)
		n = plain ? write(session->fd, buf, len) : writev(session->fd, iov, 3);
	else
		n = plain ? read(session->fd, buf, len) : readv(session->fd, iov, 3);
	err = errno;
	me->in_call = false;
	count(CALLS, 1);
	errno = err;
	return n;
}

/*
 * Handles the errno of a call. Returns true if the session continues; an unexplained errno ends
 * the process. During the call, SIGUSR1 or SIGUSR2 was caught if `signals`, and SIGPIPE if
 * `sigpipe`. A part of its memory was not mapped if `partly_unmapped`.
 */
static inline bool may_continue(const struct session *session, bool signals, bool partly_unmapped,
				bool sigpipe)
{
	switch (errno) {
	case EINTR:
		count(EINTRS, 1);
		/* Some processes exit: a wake-up that came with the signal must be handed on. */
		if (signals && !ledger->stop && one_in(2) && can_replace_process())
			_exit(KSFT_PASS);
		if (signals)
			return true;
		break;
	case EAGAIN:
		count(EAGAINS, 1);
		if (me->style != BLOCKING) {
			wait_until_ready(session);
			return true;
		}
		break;
	case EFAULT:
		count(EFAULTS, 1);
		if (partly_unmapped)
			return true;
		break;
	case EPIPE:
		count(BROKEN_PIPES, 1);
		if (me->writes && sigpipe && !ledger->round.held_open)
			return false;
		break;
	}
	fail("a %s %s: %s", style_names[me->style], me->writes ? "writer" : "reader",
	     strerror(errno));
	_exit(KSFT_FAIL);
}

static inline bool write_some(const struct session *session)
{
	const struct round *round = &ledger->round;
	size_t units = random_size(round->longest / round->unit);
	size_t mapped = round->faults && one_in(8) ? random_below(units + 1) : units;
	ssize_t len = units * round->unit, limit = mapped * round->unit, n;
	bool atomic = len <= atomic_len(round->capacity), partly_unmapped = mapped < units;
	unsigned long caught = signals_caught;
	int pipes = sigpipes();

	/* All writes of a round must fit in the arena of one reader. */
	if (atomic_fetch_sub(&ledger->bytes_left, len) < len)
		return false;
	put_units(big_buffer(), me->stream, me->units_written, units, atomic);
	me->atomic = atomic;
	/* An atomic write that meets unmapped memory writes nothing. */
	me->units_offered = me->units_written + (atomic && partly_unmapped ? 0 : mapped);
	n = make_call(session, big_buffer(), limit, len);
	if (n > 0)
		me->units_written += n / round->unit;
	me->units_offered = me->units_written;
	atomic_fetch_add(&ledger->bytes_left, len - (n > 0 ? n : 0));
	if (n < 0)
		return may_continue(session, signals_caught != caught, partly_unmapped,
				    sigpipes() != pipes);

	if (n == 0 || n > limit || n % round->unit || (n < len && atomic)) {
		fail("a write of %zd bytes, %zd of them mapped, returned %zd", len, limit, n);
		_exit(KSFT_FAIL);
	}
	if (n < len && me->style == BLOCKING && !partly_unmapped && signals_caught == caught &&
	    sigpipes() == pipes) {
		fail("a blocking write of %zd bytes ended after %zd", len, n);
		_exit(KSFT_FAIL);
	}
	return true;
}

/* Touches the arena first, so that no copy into it faults, and a call stores all that it reads. */
static inline void populate(unsigned char *arena, size_t needed)
{
	static size_t there;

	for (; there < needed; there += MAX_CALL_BYTES)
		memset(arena + there, 0, MAX_CALL_BYTES);
}

static inline bool read_some(const struct session *session)
{
	const struct round *round = &ledger->round;
	unsigned char *to = arena_of(me) + me->bytes_read;
	size_t units = random_size(round->longest / round->unit);
	size_t mapped = round->faults && one_in(8) ? random_below(units + 1) : units;
	ssize_t len = units * round->unit, limit = mapped * round->unit, n;
	unsigned long caught = signals_caught, read_before[MAX_PROCESSES + 1];
	bool ending = ledger->ending;

	for (int stream = 0; stream <= MAX_PROCESSES; stream++)
		read_before[stream] = ledger->read_up_to[stream];
	populate(arena_of(me), me->bytes_read + limit + 1);
	n = make_call(session, to, limit, len);
	if (n < 0)
		return may_continue(session, signals_caught != caught, mapped < units, false);
	if (n == 0) {
		count(ENDS_OF_FILE, 1);
		/* The test has a write end open until it sets ledger->ending. */
		if (ending)
			_exit(KSFT_PASS);
		if (!round->held_open || ledger->ending)
			return false;
		fail("end of file while a write end is open");
		_exit(KSFT_FAIL);
	}
	if (n > limit || n % round->unit || !to[n - round->unit] || to[n]) {
		fail("a read of %zd bytes, %zd of them mapped, returned %zd and stored %s", len,
		     limit, n, to[n] ? "more" : "wrong bytes");
		_exit(KSFT_FAIL);
	}
	if (round->unit > 1) {
		if (!check_words(to, n, read_before))
			_exit(KSFT_FAIL);
		publish_words(to, n);
	}
	me->bytes_read += n;
	return true;
}

/*
 * A writer runs until ledger->stop is set. A reader runs until ledger->ending is set and it gets
 * end of file, so that no byte stays in the pipe.
 */
static inline void run_process(struct process *process, pid_t parent)
{
	struct session session;

	init_child(parent, STDERR_FILENO, false);
	me = process;
	random_state ^= (process - ledger->processes + 1) * 0x9e3779b97f4a7c15;
	/* A low priority, so that much can happen between the wake-up of a process and its run. */
	if (one_in(2))
		nice(19);
	start_session(&session);
	for (;;) {
		int calls = random_size(256);

		me->opening = false;
		while (calls-- && !(me->writes && ledger->stop))
			if (!(me->writes ? write_some(&session) : read_some(&session)))
				break;
		if (me->writes && (ledger->stop || ledger->bytes_left <= 0))
			_exit(KSFT_PASS);
		/* Set before `ending` is read: the test sets `ending`, then waits for !opening. */
		me->opening = true;
		if (ledger->ending)
			continue;
		end_session(&session);
		start_session(&session);
	}
}

#endif
