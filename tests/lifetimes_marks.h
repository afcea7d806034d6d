/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Holders that are no path to the pipe: who watches it, who locks it, who is told of it, and what
 * has left it. For each of them one function that makes it, and one that lets go and returns what
 * it found.
 */
#ifndef LIFETIMES_MARKS_H
#define LIFETIMES_MARKS_H

#include <sys/epoll.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include "lifetimes_scene.h"

/* epoll */

static inline int epoll_with(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : epoll;
}

static inline int hold_epoll(struct scene *scene)
{
	scene->fd = epoll_with(scene->ends.r);
	return scene->fd < 0 ? scene->fd : put_a_byte(scene);
}

static inline int release_epoll(struct scene *scene)
{
	struct epoll_event event;
	int ret = answer(epoll_wait(scene->fd, &event, 1, 0));

	close(scene->fd);
	return ret;
}

/* The inner one goes first, or last. */
static inline int hold_nested_epoll(struct scene *scene)
{
	scene->other = epoll_with(scene->ends.r);
	scene->fd = epoll_with(scene->other);
	return scene->fd < 0 ? scene->fd : put_a_byte(scene);
}

static inline int release_inner_epoll_first(struct scene *scene)
{
	close(scene->other);
	return release_epoll(scene);
}

static inline int release_outer_epoll_first(struct scene *scene)
{
	int ret = release_epoll(scene);

	close(scene->other);
	return ret;
}

/* inotify */

static inline int hold_inotify(struct scene *scene)
{
	scene->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (scene->fd < 0)
		return -errno;
	scene->other = inotify_add_watch(scene->fd, path_of(scene->ends.w), IN_ALL_EVENTS);
	return answer(scene->other);
}

/* All that it was told. No event has a name. */
static inline int told_by_inotify(int fd)
{
	struct inotify_event event;
	int told = 0;

	while (read(fd, &event, sizeof(event)) == sizeof(event))
		told |= event.mask;
	return told;
}

static inline int release_inotify(struct scene *scene)
{
	int told = told_by_inotify(scene->fd);

	close(scene->fd);
	return told;
}

/* The mark goes by itself, and what it belonged to afterwards. */
static inline int remove_inotify_mark(struct scene *scene)
{
	int told = told_by_inotify(scene->fd);
	int ret = answer(inotify_rm_watch(scene->fd, scene->other));

	close(scene->fd);
	return ret < 0 ? ret : told;
}

/* fanotify: a mark; and an event that nobody has read, which has no path, but a file handle */

static inline int mark_with_fanotify(struct scene *scene, unsigned int flags)
{
	scene->fd = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC | flags, O_RDONLY);
	if (scene->fd < 0)
		return -errno;
	return answer(fanotify_mark(scene->fd, FAN_MARK_ADD, FAN_MODIFY, AT_FDCWD,
				    path_of(scene->ends.w)));
}

static inline int hold_fanotify(struct scene *scene)
{
	return mark_with_fanotify(scene, 0);
}

static inline int hold_fanotify_event(struct scene *scene)
{
	int ret = mark_with_fanotify(scene, FAN_REPORT_FID);

	return ret < 0 ? ret : put_a_byte(scene);
}

static inline int release_fanotify_event(struct scene *scene)
{
	int ret = read_from(scene->fd);

	close(scene->fd);
	return ret > 0 ? 1 : ret;
}

/* A mark of the file system that the pipe is in: it would tell of all pipes. */
static inline int hold_fanotify_of_all(struct scene *scene)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC, O_RDONLY);
	int ret = answer(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_MODIFY,
				       AT_FDCWD, path_of(scene->ends.w)));

	close(fd);
	return ret;
}

/* dnotify, and leases */

static inline int hold_dnotify(struct scene *scene)
{
	return answer(fcntl(scene->ends.r, F_NOTIFY, DN_MODIFY | DN_MULTISHOT));
}

static inline int hold_lease(struct scene *scene)
{
	return answer(fcntl(scene->ends.r, F_SETLEASE, F_RDLCK));
}

/* Locks: by process, by file, and flock's */

static inline int hold_locks(struct scene *scene)
{
	struct flock lock = { .l_type = F_RDLCK };

	if (fcntl(scene->ends.r, F_SETLK, &lock) || fcntl(scene->ends.r, F_OFD_SETLK, &lock))
		return -errno;
	return answer(flock(scene->ends.w, LOCK_EX));
}

static inline int release_locks(struct scene *scene)
{
	struct flock lock = { .l_type = F_UNLCK };

	if (fcntl(scene->ends.r, F_SETLK, &lock) || fcntl(scene->ends.r, F_OFD_SETLK, &lock))
		return -errno;
	return answer(flock(scene->ends.w, LOCK_UN));
}

/* O_ASYNC to a process that is gone */

static inline int hold_by_a_dead_owner(struct scene *scene)
{
	int fd = scene->ends.r;
	pid_t pid = clone_process(0);

	if (!pid) {
		for (;;)
			pause();
	}
	scene->pid = pid;
	if (fcntl(fd, F_SETOWN, pid) || fcntl(fd, F_SETSIG, SIGUSR1) ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC))
		return -errno;
	end_process(scene);
	return put_a_byte(scene);
}

static inline int release_dead_owner(struct scene *scene)
{
	return answer(fcntl(scene->ends.r, F_SETFL, O_NONBLOCK));
}

/* /proc/self/fdinfo */

static inline int hold_fdinfo(struct scene *scene)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", scene->ends.r);
	scene->fd = open(path, O_RDONLY | O_CLOEXEC);
	return answer(scene->fd < 0 ? -1 : 0);
}

/* Whether it tells anything; the texts differ. */
static inline int release_fdinfo(struct scene *scene)
{
	int ret = read_from(scene->fd);

	close(scene->fd);
	return ret > 0 ? 1 : ret;
}

/* Pages that were spliced out: in a pipe(2), which has them to itself */

#define SPLICED (2 * PIPE_BUF)

static inline int hold_spliced_pages(struct scene *scene)
{
	int way[2];

	if (pipe2(way, O_NONBLOCK | O_CLOEXEC))
		return -errno;
	scene->fd = way[0];
	put_pattern(big_buffer(), 0, SPLICED);
	if (write(scene->ends.w, big_buffer(), SPLICED) != SPLICED)
		return -errno;
	return answer(splice(scene->ends.r, NULL, way[1], NULL, SPLICED, 0));
}

static inline int release_spliced_pages(struct scene *scene)
{
	int ret = answer(read(scene->fd, big_buffer(), SPLICED));

	close(scene->fd);
	return is_pattern(big_buffer(), 0, SPLICED) ? ret : -EIO;
}

#endif /* LIFETIMES_MARKS_H */
