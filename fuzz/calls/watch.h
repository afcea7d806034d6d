/* SPDX-License-Identifier: GPL-2.0 */
/* Marks of inotify, fanotify and dnotify. */
#ifndef WATCH_H
#define WATCH_H

#include <sys/fanotify.h>
#include <sys/inotify.h>
#include "worker.h"

static inline void call_inotify_init(struct worker *me, const unsigned char *arg)
{
	(void)me;
	place(inotify_init1(IN_CLOEXEC | IN_NONBLOCK), arg[0]);
}

static inline int inotify_of(unsigned char arg)
{
	return arg & 128 ? slot(arg) : FIRST_FD + INOTIFY;
}

static inline void call_inotify_add(struct worker *me, const unsigned char *arg)
{
	static const unsigned int masks[] = {
		IN_ALL_EVENTS, IN_CLOSE, IN_OPEN, IN_MODIFY | IN_ACCESS, IN_ALL_EVENTS | IN_ONESHOT,
		IN_DELETE_SELF | IN_ATTRIB, IN_ALL_EVENTS | IN_MASK_ADD, 0,
	};
	char path[32];

	(void)me;
	inotify_add_watch(inotify_of(arg[0]),
			  arg[3] % 8 ? path_of(path, sizeof(path), arg[1]) : DEVICE,
			  masks[arg[2] % ARRAY_SIZE(masks)]);
}

/* The numbers of an inotify's marks begin at 1. */
static inline void call_inotify_remove(struct worker *me, const unsigned char *arg)
{
	(void)me;
	inotify_rm_watch(inotify_of(arg[0]), 1 + arg[1] % 8);
}

static inline void call_events(struct worker *me, const unsigned char *arg)
{
	(void)arg;
	read(FIRST_FD + INOTIFY, me->memory->good, PAGE);
	read(FIRST_FD + FANOTIFY, me->memory->good, PAGE);
}

/* Only notifications: after a permission event, the fuzzer would wait for its own answer. */
static inline void call_fanotify_init(struct worker *me, const unsigned char *arg)
{
	unsigned int flags = FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK;

	(void)me;
	place(fanotify_init(flags | (arg[1] % 2 ? FAN_REPORT_FID : 0), O_RDONLY | O_NONBLOCK),
	      FANOTIFY);
}

static inline void call_fanotify_mark(struct worker *me, const unsigned char *arg)
{
	static const unsigned int flags[] = {
		FAN_MARK_ADD, FAN_MARK_ADD, FAN_MARK_REMOVE, FAN_MARK_FLUSH,
		FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
		FAN_MARK_ADD | FAN_MARK_EVICTABLE,
		FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY,
	};
	char path[32];

	(void)me;
	/* An event refers to the file, and holds it until the event is read. */
	fanotify_mark(FIRST_FD + FANOTIFY, flags[arg[0] % ARRAY_SIZE(flags)],
		      FAN_CLOSE | FAN_MODIFY | (arg[3] & 1 ? FAN_OPEN | FAN_ACCESS : 0), AT_FDCWD,
		      path_of(path, sizeof(path), arg[1]));
}

/* A signal at each change in a directory. */
static inline void call_dnotify(struct worker *me, const unsigned char *arg)
{
	(void)me;
	fcntl(slot(arg[0]), F_NOTIFY, arg[1] % 2 ? 0 : DN_ACCESS | DN_MODIFY | DN_MULTISHOT);
}

#endif
