/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The soak's readers and writers: processes that open the device, make some calls of any size and
 * kind, close it and open it again, and note in the books what they do. Each call must return what
 * can be explained.
 */
#ifndef SOAK_LIVES_H
#define SOAK_LIVES_H

#include <sys/epoll.h>
#include "soak_meddlers.h"

/* Each process has its own. */
static struct life *me;
static unsigned long luck;
static atomic_ulong signals_caught;

static void count_signal(int sig __maybe_unused)
{
	signals_caught++;
	count(SIGNALS, 1);
}

static inline unsigned int at_random(unsigned int below)
{
	luck ^= luck << 13;
	luck ^= luck >> 7;
	luck ^= luck << 17;
	return (luck >> 16) % below;
}

/* One in so many. */
static inline bool once_in(unsigned int times)
{
	return at_random(times) == 0;
}

/* One of the bits that are set. */
static inline int any_of(int bits)
{
	int bit;

	do
		bit = at_random(STYLES);
	while (!(bits & 1 << bit));
	return bit;
}

/* From 1 to most, each order of magnitude as likely as the others. */
static inline size_t any_size(size_t most)
{
	int bits = 0;

	while (most >> bits > 1)
		bits++;
	return 1 + at_random(smaller(most, 1UL << at_random(bits + 2)));
}

/* Memory that is not there. */
static inline void *hole(void)
{
	static void *map;

	if (!map)
		map = mmap(NULL, LONGEST, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return map;
}

struct session {
	int fd;
	int epoll;
	short events;
	pid_t meddler;		/* 0 if there is none */
};

static inline void start_session(struct session *session)
{
	int end = me->writes ? O_WRONLY : O_RDONLY;
	struct epoll_event event = { 0 };

	session->events = me->writes ? POLLOUT : POLLIN;
	session->epoll = -1;
	session->fd = open(MINI_PIPE, end | (me->style == BLOCKING ? 0 : O_NONBLOCK));
	if (session->fd < 0) {
		complain("open: %s", strerror(errno));
		_exit(KSFT_FAIL);
	}
	count(OPENS, 1);
	session->meddler = books->play.meddled && once_in(2) ?
			   start_side_calls(session->fd, me) : 0;
	if (me->style < EPOLL)
		return;
	/* The values of EPOLLIN and EPOLLOUT are those of POLLIN and POLLOUT. */
	event.events = session->events | (me->style == EPOLL_EDGES ? EPOLLET : 0) |
		       (me->style == EPOLL_ALONE ? EPOLLEXCLUSIVE : 0);
	session->epoll = epoll_create1(0);
	if (session->epoll < 0 || epoll_ctl(session->epoll, EPOLL_CTL_ADD, session->fd, &event)) {
		complain("epoll: %s", strerror(errno));
		_exit(KSFT_FAIL);
	}
}

static inline void end_session(const struct session *session)
{
	if (session->meddler > 0)
		end_side_calls(session->meddler);
	close(session->fd);
	if (session->epoll >= 0)
		close(session->epoll);
}

/*
 * Of several that poll exclusively one is woken, as with pipe(2), and it may leave, or be killed,
 * before it has done anything. So those that are not look again after a moment.
 */
#define EXCLUSIVE_MS 50

static inline void wait_until_ready(const struct session *session)
{
	struct pollfd pollfd = { .fd = session->fd, .events = session->events };
	struct epoll_event event;

	if (me->style == SPINNING)
		a_moment();
	else if (me->style == POLL)
		ppoll(&pollfd, 1, NULL, NULL);
	else
		epoll_pwait(session->epoll, &event, 1,
			    me->style == EPOLL_ALONE ? EXCLUSIVE_MS : -1, NULL);
}

/* One call, of any kind, for len bytes of which only good are there. */
static inline ssize_t make_call(const struct session *session, unsigned char *buf, size_t good,
				size_t len)
{
	size_t half = at_random(good + 1);
	struct iovec iov[] = {
		{ buf, half }, { buf + half, good - half }, { hole(), len - good },
	};
	bool plain = good == len && once_in(2);
	ssize_t n;
	int err;

	me->wanted = len;
	me->calling = true;
	if (me->writes)
		n = plain ? write(session->fd, buf, len) : writev(session->fd, iov, 3);
	else
		n = plain ? read(session->fd, buf, len) : readv(session->fd, iov, 3);
	err = errno;
	me->calling = false;
	count(CALLS, 1);
	errno = err;
	return n;
}

/*
 * What a call that failed is to be followed by: true if the session goes on. What nothing explains
 * ends the process: signals tells whether one came since the call was made, bad whether its memory
 * was, sigpipe whether that signal came.
 */
static inline bool goes_on(const struct session *session, bool signals, bool bad, bool sigpipe)
{
	switch (errno) {
	case EINTR:
		count(EINTRS, 1);
		/* Had a wake-up come, too, and it leaves with that, nobody else takes its turn. */
		if (signals && !books->stop && once_in(2) && books->lives < LIVES - LAST_LIVES)
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
		if (bad)
			return true;
		break;
	case EPIPE:
		count(BROKEN_PIPES, 1);
		if (me->writes && sigpipe && !books->play.anchored)
			return false;
		break;
	}
	complain("a %s %s: %s", style_names[me->style], me->writes ? "writer" : "reader",
		 strerror(errno));
	_exit(KSFT_FAIL);
}

static inline bool write_some(const struct session *session)
{
	const struct play *play = &books->play;
	size_t units = any_size(play->longest / play->unit);
	size_t good = play->faults && once_in(8) ? at_random(units + 1) : units;
	ssize_t len = units * play->unit, limit = good * play->unit, n;
	bool atomic = len <= atomic_len(play->capacity), bad = good < units;
	unsigned long caught = signals_caught;
	int pipes = sigpipes();

	/* Nobody reads more than an arena holds, so nobody writes more. */
	if (atomic_fetch_sub(&books->budget, len) < len)
		return false;
	put_units(big_buffer(), me->stream, me->put, units, atomic);
	me->atomic = atomic;
	me->offered = me->put + good;
	n = make_call(session, big_buffer(), limit, len);
	if (n > 0)
		me->put += n / play->unit;
	me->offered = me->put;
	atomic_fetch_add(&books->budget, len - (n > 0 ? n : 0));
	if (n < 0)
		return goes_on(session, signals_caught != caught, bad, sigpipes() != pipes);

	if (n == 0 || n > limit || n % play->unit || (n < len && atomic)) {
		complain("a write of %zd bytes, %zd of them good, returned %zd", len, limit, n);
		_exit(KSFT_FAIL);
	}
	if (n < len && me->style == BLOCKING && !bad && signals_caught == caught &&
	    sigpipes() == pipes) {
		complain("a blocking write of %zd bytes ended after %zd", len, n);
		_exit(KSFT_FAIL);
	}
	return true;
}

/* So that no copy into the arena faults: what a call has stored is then what it has taken. */
static inline void populate(unsigned char *arena, size_t needed)
{
	static size_t there;

	for (; there < needed; there += LONGEST)
		memset(arena + there, 0, LONGEST);
}

static inline bool read_some(const struct session *session)
{
	const struct play *play = &books->play;
	unsigned char *to = arena_of(me) + me->taken;
	size_t units = any_size(play->longest / play->unit);
	size_t good = play->faults && once_in(8) ? at_random(units + 1) : units;
	ssize_t len = units * play->unit, limit = good * play->unit, n;
	unsigned long caught = signals_caught, read_before[LIVES + 1];
	bool ending = books->ending;

	for (int stream = 0; stream <= LIVES; stream++)
		read_before[stream] = books->read_up_to[stream];
	populate(arena_of(me), me->taken + limit + 1);
	n = make_call(session, to, limit, len);
	if (n < 0)
		return goes_on(session, signals_caught != caught, good < units, false);
	if (n == 0) {
		count(ENDS_OF_FILE, 1);
		/* Then somebody had the pipe open to write until it was the very end. */
		if (ending)
			_exit(KSFT_PASS);
		if (!play->anchored || books->ending)
			return false;
		complain("end of file while a writer is there");
		_exit(KSFT_FAIL);
	}
	if (n > limit || n % play->unit || !to[n - play->unit] || to[n]) {
		complain("a read of %zd bytes, %zd of them good, returned %zd and stored %s", len,
			 limit, n, to[n] ? "more" : "others");
		_exit(KSFT_FAIL);
	}
	if (play->unit > 1) {
		if (!check_words(to, n, read_before))
			_exit(KSFT_FAIL);
		publish_words(to, n);
	}
	me->taken += n;
	return true;
}

/*
 * A writer lives until it is told to stop. A reader lives until all is over, which it learns from
 * the end of file: as long as it lives, no byte stays behind.
 */
static inline void live(struct life *life, pid_t parent)
{
	struct session session;

	be_a_child(parent, STDERR_FILENO, false);
	me = life;
	luck ^= (life - books->life + 1) * 0x9e3779b97f4a7c15;
	/* Some are woken long before they run, and much can happen to them meanwhile. */
	if (once_in(2))
		nice(19);
	start_session(&session);
	for (;;) {
		int calls = any_size(256);

		me->opening = false;
		while (calls-- && !(me->writes && books->stop))
			if (!(me->writes ? write_some(&session) : read_some(&session)))
				break;
		if (me->writes && (books->stop || books->budget <= 0))
			_exit(KSFT_PASS);
		/* Before it looks at books->ending: who ends waits for who is opening. */
		me->opening = true;
		if (books->ending)
			continue;
		end_session(&session);
		start_session(&session);
	}
}

#endif
