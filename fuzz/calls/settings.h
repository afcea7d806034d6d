/* SPDX-License-Identifier: GPL-2.0 */
/* Calls that get and set what belongs to a file, a pipe or an inode. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <linux/fs.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include "worker.h"

/* A capacity. The largest allowed one is left out: the machine has too little memory for it. */
static inline unsigned long capacity(unsigned char arg)
{
	static const unsigned long capacities[] = {
		PIPE_BUF, 16 * PIPE_BUF, 2 * PIPE_BUF, 5000, 1, 100, 40 * PIPE_BUF, 100 * PIPE_BUF,
		0, ULONG_MAX, (1ul << 30) + 1, 3 * PIPE_BUF, 8 * PIPE_BUF, 20 * PIPE_BUF,
	};

	return capacities[arg % ARRAY_SIZE(capacities)];
}

static inline void call_resize(struct worker *me, const unsigned char *arg)
{
	(void)me;
	ioctl(slot(arg[0]), MINI_PIPE_IOC_SET_CAPACITY, capacity(arg[1]));
}

static inline void call_policy(struct worker *me, const unsigned char *arg)
{
	static const unsigned long policies[] = {
		MINI_PIPE_RENDEZVOUS, MINI_PIPE_BUFFERED, 2, ULONG_MAX,
	};

	(void)me;
	ioctl(slot(arg[0]), MINI_PIPE_IOC_SET_POLICY, policies[arg[1] % ARRAY_SIZE(policies)]);
}

static inline void call_get(struct worker *me, const unsigned char *arg)
{
	static const unsigned int numbers[] = {
		FIONREAD, MINI_PIPE_IOC_GET_CAPACITY, MINI_PIPE_IOC_GET_POLICY,
	};

	ioctl(slot(arg[0]), numbers[arg[1] % ARRAY_SIZE(numbers)], address(me, arg[2]));
}

/* Numbers much like valid ones, with another direction, size or type; and others. */
static inline void call_bad_ioctl(struct worker *me, const unsigned char *arg)
{
	static const unsigned int numbers[] = {
		_IO(MINI_PIPE_IOC_MAGIC, 0), _IO(MINI_PIPE_IOC_MAGIC, 1),
		_IO(MINI_PIPE_IOC_MAGIC, 6),
		_IOR(MINI_PIPE_IOC_MAGIC, 1, int), _IOW(MINI_PIPE_IOC_MAGIC, 3, long), FIGETBSZ,
		FIOQSIZE, FS_IOC_GETFLAGS, FIBMAP, 0, ~0u,
	};

	ioctl(slot(arg[0]), numbers[arg[1] % ARRAY_SIZE(numbers)], address(me, arg[2]));
}

static inline void call_fioasync(struct worker *me, const unsigned char *arg)
{
	int on = arg[1] % 2;

	fcntl(slot(arg[0]), F_SETOWN, task_pid(me, arg[2]));
	ioctl(slot(arg[0]), FIOASYNC, &on);
}

/*
 * Switches O_ASYNC on and off; then may put a new file, which is both ends, in the place of this
 * one. Another task may be switching O_ASYNC at the moment when the old file is closed.
 */
static inline void call_toggle_async(struct worker *me, const unsigned char *arg)
{
	int fd = slot(arg[0]), on;
	char path[32];

	fcntl(fd, F_SETOWN, task_pid(me, arg[1]));
	for (int i = 0; i < 1 + arg[2] % 4; i++) {
		on = i % 2 == arg[3] % 2;
		ioctl(fd, FIOASYNC, &on);
	}
	if (arg[3] & 2)
		place(open(arg[3] & 4 ? DEVICE : path_of(path, sizeof(path), PRIVATE_R),
			   O_RDWR | O_NONBLOCK | O_CLOEXEC), arg[0]);
}

static inline void call_fionbio(struct worker *me, const unsigned char *arg)
{
	int on = arg[1] % 2;

	(void)me;
	ioctl(slot(arg[0]), FIONBIO, &on);
}

static inline void call_setfl(struct worker *me, const unsigned char *arg)
{
	static const int flags[] = { O_ASYNC, O_NONBLOCK, O_DIRECT, O_APPEND, O_NOATIME };
	int fd = slot(arg[0]), flag = flags[arg[1] % ARRAY_SIZE(flags)];
	int old = fcntl(fd, F_GETFL);

	(void)me;
	if (old >= 0)
		fcntl(fd, F_SETFL, arg[2] % 2 ? old | flag : old & ~flag);
}

static inline void call_owner(struct worker *me, const unsigned char *arg)
{
	static const int signals[] = { 0, SIGIO, SIGUSR1, 34, 40, 64, 65, -1 };
	struct f_owner_ex owner = {
		.type = arg[3] % 4, .pid = arg[3] & 64 ? -5 : task_pid(me, arg[2]),
	};

	fcntl(slot(arg[0]), F_SETSIG, signals[arg[1] % ARRAY_SIZE(signals)]);
	if (arg[3] & 128)
		fcntl(slot(arg[0]), F_SETOWN, arg[3] & 32 ? 0 : task_pid(me, arg[2]));
	else
		fcntl(slot(arg[0]), F_SETOWN_EX, &owner);
}

static inline void call_fcntl(struct worker *me, const unsigned char *arg)
{
	static const int commands[] = {
		F_GETFD, F_GETFL, F_GETOWN, F_GETSIG, F_GETPIPE_SZ, F_GETLEASE, F_GET_SEALS,
		F_GET_RW_HINT, F_CREATED_QUERY, 0x7fffffff,
	};

	fcntl(slot(arg[0]), commands[arg[1] % ARRAY_SIZE(commands)], address(me, arg[2]));
}

static inline void call_pipe_size(struct worker *me, const unsigned char *arg)
{
	(void)me;
	fcntl(slot(arg[0]), F_SETPIPE_SZ, capacity(arg[1]));
}

static inline void call_lock(struct worker *me, const unsigned char *arg)
{
	static const short types[] = { F_RDLCK, F_WRLCK, F_UNLCK };
	struct flock lock = {
		.l_type = types[arg[1] % 3], .l_whence = SEEK_SET, .l_len = arg[3] % 4,
	};

	(void)me;
	switch (arg[2] % 4) {
	case 0:
		fcntl(slot(arg[0]), F_SETLK, &lock);
		break;
	case 1:
		fcntl(slot(arg[0]), F_OFD_SETLK, &lock);
		break;
	case 2:
		flock(slot(arg[0]), (arg[1] % 2 ? LOCK_EX : LOCK_SH) | LOCK_NB);
		break;
	default:
		fcntl(slot(arg[0]), F_SETLEASE, types[arg[1] % 3]);
	}
}

static inline void call_stat(struct worker *me, const unsigned char *arg)
{
	char path[32], target[64];
	struct stat status;
	struct statfs fs;
	int fd = slot(arg[0]);

	(void)me;
	switch (arg[1] % 4) {
	case 0:
		fstat(fd, &status);
		break;
	case 1:
		fstatfs(fd, &fs);
		break;
	case 2:
		readlink(path_of(path, sizeof(path), arg[0]), target, sizeof(target));
		break;
	default:
		stat(path_of(path, sizeof(path), arg[0]), &status);
	}
}

/* Reads /proc/PID/fdinfo of a task of the program. */
static inline void call_fdinfo(struct worker *me, const unsigned char *arg)
{
	char path[64], text[512];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", task_pid(me, arg[1]), slot(arg[0]));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	read(fd, text, sizeof(text));
	close(fd);
}

static inline void call_attributes(struct worker *me, const unsigned char *arg)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_NOW }, { .tv_sec = arg[2] } };
	char value[16];
	int fd = slot(arg[0]);

	(void)me;
	switch (arg[1] % 7) {
	case 0:
		/* The mode of the device stays, because the next programs open it, too. */
		fchmod(FIRST_FD + PRIVATE_R, arg[2]);
		break;
	case 1:
		fchown(FIRST_FD + PRIVATE_R, arg[2] % 2 ? 1000 : 0, -1);
		break;
	case 2:
		fsetxattr(fd, arg[2] % 2 ? "user.a" : "trusted.a", "b", 1, 0);
		break;
	case 3:
		fgetxattr(fd, "user.a", value, sizeof(value));
		break;
	case 4:
		flistxattr(fd, value, sizeof(value));
		break;
	case 5:
		fremovexattr(fd, "user.a");
		break;
	default:
		futimens(fd, times);
	}
}

static inline void call_flush(struct worker *me, const unsigned char *arg)
{
	int fd = slot(arg[0]);

	(void)me;
	switch (arg[1] % 8) {
	case 0:
		fsync(fd);
		break;
	case 1:
		fdatasync(fd);
		break;
	case 2:
		syncfs(fd);
		break;
	case 3:
		sync();
		break;
	case 4:
		ftruncate(fd, arg[2]);
		break;
	case 5:
		fallocate(fd, arg[2] % 4, 0, 100);
		break;
	case 6:
		posix_fadvise(fd, 0, 100, arg[2] % 7);
		break;
	default:
		readahead(fd, 0, 100);
	}
}

#endif
