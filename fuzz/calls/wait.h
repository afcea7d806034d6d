/* SPDX-License-Identifier: GPL-2.0 */
/* Calls that wait for readiness. */
#ifndef WAIT_H
#define WAIT_H

#include <sys/select.h>
#include "worker.h"

static inline short poll_events(unsigned char arg)
{
	return (arg & 1 ? POLLIN : 0) | (arg & 2 ? POLLOUT : 0) | (arg & 4 ? POLLRDHUP : 0) |
	       (arg & 8 ? POLLPRI | POLLRDNORM | POLLWRNORM : 0);
}

static inline void call_poll(struct worker *me, const unsigned char *arg)
{
	struct pollfd fds[] = {
		{ .fd = slot(arg[0]), .events = poll_events(arg[2]) },
		{ .fd = slot(arg[1]), .events = poll_events(arg[2] / 16) },
	};
	struct timespec time = { .tv_nsec = arg[3] % 4 * 1000000 };

	(void)me;
	if (arg[3] & 16)
		ppoll(fds, 1 + arg[3] / 32 % 2, &time, NULL);
	else
		poll(fds, 1 + arg[3] / 32 % 2, arg[3] % 4);
}

static inline void call_select(struct worker *me, const unsigned char *arg)
{
	struct timeval time = { .tv_usec = arg[3] % 4 * 1000 };
	fd_set read, write, except;

	(void)me;
	FD_ZERO(&read);
	FD_ZERO(&write);
	FD_ZERO(&except);
	FD_SET(slot(arg[0]), &read);
	FD_SET(slot(arg[1]), &write);
	FD_SET(slot(arg[2]), &except);
	select(FIRST_FD + SLOTS, &read, &write, &except, &time);
}

static inline void call_epoll_create(struct worker *me, const unsigned char *arg)
{
	(void)me;
	place(epoll_create1(EPOLL_CLOEXEC), arg[0]);
}

static inline int epoll_of(unsigned char arg)
{
	return arg & 128 ? slot(arg) : FIRST_FD + EPOLL;
}

static inline void call_epoll_ctl(struct worker *me, const unsigned char *arg)
{
	static const int ops[] = { EPOLL_CTL_ADD, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL };
	struct epoll_event event = {
		.events = poll_events(arg[2]) | (arg[2] & 16 ? EPOLLET : 0) |
			  (arg[2] & 32 ? EPOLLEXCLUSIVE : 0) | (arg[2] & 64 ? EPOLLONESHOT : 0) |
			  (arg[2] & 128 ? EPOLLWAKEUP : 0),
	};

	(void)me;
	epoll_ctl(epoll_of(arg[0]), ops[arg[3] % ARRAY_SIZE(ops)], slot(arg[1]), &event);
}

static inline void call_epoll_wait(struct worker *me, const unsigned char *arg)
{
	struct epoll_event events[4];

	(void)me;
	epoll_wait(epoll_of(arg[0]), events, 1 + arg[1] % 4, arg[2] % 4);
}

#endif
