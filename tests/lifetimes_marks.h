/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Holders that have neither a file nor a path of the pipe: epoll and fsnotify marks, locks,
 * owners of O_ASYNC, an open fdinfo, and pages that were spliced out. Each holder has a function
 * that creates it, and one that releases it and returns a result to compare.
 */
#ifndef LIFETIMES_MARKS_H
#define LIFETIMES_MARKS_H

#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include "lifetimes_fixture.h"

/* epoll */

static inline int epoll_with(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : epoll;
}

static inline int hold_epoll(struct held_pipe *held)
{
	held->fd = epoll_with(held->ends.r);
	return held->fd < 0 ? held->fd : write_byte(held);
}

static inline int release_epoll(struct held_pipe *held)
{
	struct epoll_event event;
	int ret = ret_or_errno(epoll_wait(held->fd, &event, 1, 0));

	close(held->fd);
	return ret;
}

/* The inner epoll watches the pipe, the outer epoll watches the inner one. */
static inline int hold_nested_epoll(struct held_pipe *held)
{
	held->other = epoll_with(held->ends.r);
	held->fd = epoll_with(held->other);
	return held->fd < 0 ? held->fd : write_byte(held);
}

static inline int release_inner_epoll_first(struct held_pipe *held)
{
	close(held->other);
	return release_epoll(held);
}

static inline int release_outer_epoll_first(struct held_pipe *held)
{
	int ret = release_epoll(held);

	close(held->other);
	return ret;
}

/* inotify */

static inline int hold_inotify(struct held_pipe *held)
{
	held->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (held->fd < 0)
		return -errno;
	held->other = inotify_add_watch(held->fd, path_of(held->ends.w), IN_ALL_EVENTS);
	return ret_or_errno(held->other);
}

/* Returns all events as a mask. None has a name. */
static inline int read_inotify_events(int fd)
{
	struct inotify_event event;
	int events = 0;

	while (read(fd, &event, sizeof(event)) == sizeof(event))
		events |= event.mask;
	return events;
}

static inline int release_inotify(struct held_pipe *held)
{
	int events = read_inotify_events(held->fd);

	close(held->fd);
	return events;
}

/* Removes the mark before it closes the inotify descriptor. */
static inline int remove_inotify_mark(struct held_pipe *held)
{
	int events = read_inotify_events(held->fd);
	int ret = ret_or_errno(inotify_rm_watch(held->fd, held->other));

	close(held->fd);
	return ret < 0 ? ret : events;
}

/* fanotify: a mark, and an unread event, which has a file handle instead of a path */

static inline int mark_with_fanotify(struct held_pipe *held, unsigned int flags)
{
	held->fd = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC | flags, O_RDONLY);
	if (held->fd < 0)
		return -errno;
	return ret_or_errno(fanotify_mark(held->fd, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD,
					  path_of(held->ends.w)));
}

static inline int hold_fanotify(struct held_pipe *held)
{
	return mark_with_fanotify(held, 0);
}

static inline int hold_fanotify_event(struct held_pipe *held)
{
	int ret = mark_with_fanotify(held, FAN_REPORT_FID);

	return ret < 0 ? ret : write_byte(held);
}

/* A mark of the pipe's file system, which would report all pipes. */
static inline int hold_fanotify_filesystem_mark(struct held_pipe *held)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC, O_RDONLY);
	int ret = ret_or_errno(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_MODIFY,
					     AT_FDCWD, path_of(held->ends.w)));

	close(fd);
	return ret;
}

/* dnotify, and leases */

static inline int hold_dnotify(struct held_pipe *held)
{
	return ret_or_errno(fcntl(held->ends.r, F_NOTIFY, DN_MODIFY | DN_MULTISHOT));
}

static inline int hold_lease(struct held_pipe *held)
{
	return ret_or_errno(fcntl(held->ends.r, F_SETLEASE, F_RDLCK));
}

/* Locks: of the process, of the open file, and flock(2)'s */

static inline int hold_locks(struct held_pipe *held)
{
	struct flock lock = { .l_type = F_RDLCK };

	if (fcntl(held->ends.r, F_SETLK, &lock) || fcntl(held->ends.r, F_OFD_SETLK, &lock))
		return -errno;
	return ret_or_errno(flock(held->ends.w, LOCK_EX));
}

static inline int release_locks(struct held_pipe *held)
{
	struct flock lock = { .l_type = F_UNLCK };

	if (fcntl(held->ends.r, F_SETLK, &lock) || fcntl(held->ends.r, F_OFD_SETLK, &lock))
		return -errno;
	return ret_or_errno(flock(held->ends.w, LOCK_UN));
}

/* O_ASYNC with an owner that has ended */

static inline int hold_with_dead_owner(struct held_pipe *held)
{
	int fd = held->ends.r;
	pid_t pid = clone_process(0);

	if (!pid) {
		for (;;)
			pause();
	}
	held->pid = pid;
	if (fcntl(fd, F_SETOWN, pid) || fcntl(fd, F_SETSIG, SIGUSR1) ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC))
		return -errno;
	end_process(held);
	return write_byte(held);
}

static inline int clear_o_async(struct held_pipe *held)
{
	return ret_or_errno(fcntl(held->ends.r, F_SETFL, O_NONBLOCK));
}

/* /proc/self/fdinfo */

static inline int hold_fdinfo(struct held_pipe *held)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", held->ends.r);
	held->fd = open(path, O_RDONLY | O_CLOEXEC);
	return ret_or_errno(held->fd < 0 ? -1 : 0);
}

/* Pages that were spliced into a pipe(2), which owns them then */

#define SPLICED (2 * PIPE_BUF)

static inline int hold_spliced_pages(struct held_pipe *held)
{
	int pipe_2[2];

	if (pipe2(pipe_2, O_NONBLOCK | O_CLOEXEC))
		return -errno;
	held->fd = pipe_2[0];
	put_pattern(big_buffer(), 0, SPLICED);
	if (write(held->ends.w, big_buffer(), SPLICED) != SPLICED)
		return -errno;
	return ret_or_errno(splice(held->ends.r, NULL, pipe_2[1], NULL, SPLICED, 0));
}

static inline int release_spliced_pages(struct held_pipe *held)
{
	int ret = ret_or_errno(read(held->fd, big_buffer(), SPLICED));

	close(held->fd);
	return ret == SPLICED && is_pattern(big_buffer(), 0, SPLICED) ? 0 : -EIO;
}

#endif /* LIFETIMES_MARKS_H */
