/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A pipe and its holder: something in the kernel that refers to the pipe besides its two
 * descriptors. All of this runs in a child of the test, because any close may hang in a broken
 * driver.
 */
#ifndef LIFETIMES_FIXTURE_H
#define LIFETIMES_FIXTURE_H

#include "variants.h"
#include "module_fixture.h"
#include "credentials.h"
#include "uring.h"

#define CORE_PATTERN "/proc/sys/kernel/core_pattern"

/*
 * A pipe, its two descriptors, and the state of its holder. The processes of a holder share this
 * memory.
 */
struct held_pipe {
	enum kind kind;
	struct ends ends;	/* with O_NONBLOCK */
	int fd;			/* the holder's descriptor */
	int other;		/* its second one */
	pid_t pid;		/* the holder, if it is a process */
	struct uring ring;
	unsigned long aio;
	atomic_int faults;	/* a userfaultfd, or a negative errno */
	unsigned char *page;	/* faults until the holder is released */
};

/* What a system call returned, with a negative errno instead of -1. */
static inline int ret_or_errno(long ret)
{
	return ret < 0 ? -errno : ret;
}

/* A path to the file of a descriptor, for calls that take paths. */
static inline const char *path_of(int fd)
{
	static char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

static inline int open_ends(struct held_pipe *held)
{
	struct ends *ends = &held->ends;
	int device, ret, fds[2];

	switch (held->kind) {
	case DEVICE:
		ends->r = open(MINI_PIPE, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		ends->w = open(MINI_PIPE, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		return ret_or_errno(ends->r < 0 || ends->w < 0 ? -1 : 0);
	case PRIVATE:
		device = open(MINI_PIPE, O_ACCMODE | O_CLOEXEC);
		ret = ret_or_errno(make_pair(device, ends, O_NONBLOCK | O_CLOEXEC, 0));
		close(device);
		return ret;
	case PIPE_2:
		ret = ret_or_errno(pipe2(fds, O_NONBLOCK | O_CLOEXEC));
		*ends = (struct ends){ fds[0], fds[1] };
		return ret;
	}
	return -EINVAL;
}

static inline int close_ends(struct held_pipe *held)
{
	close(held->ends.r);
	close(held->ends.w);
	return 0;
}

static inline int write_byte(struct held_pipe *held)
{
	return ret_or_errno(write(held->ends.w, "x", 1));
}

/* Opens a blocking file that is both ends, so a call on it sleeps without any other file. */
static inline int open_both(struct held_pipe *held)
{
	return open_again(held->ends.r, O_RDWR);
}

/* How many bytes a read gets, up to 100. */
static inline int read_from(int fd)
{
	return ret_or_errno(read(fd, big_buffer(), 100));
}

static inline int close_fd(struct held_pipe *held)
{
	return ret_or_errno(close(held->fd));
}

/* Returns 1 if there is anything to read: the bytes are not the same for every kind of pipe. */
static inline int release_readable(struct held_pipe *held)
{
	int ret = read_from(held->fd);

	close(held->fd);
	return ret > 0 ? 1 : ret;
}

/* For holders that have ended already. */
static inline int nothing_to_release(struct held_pipe *held __maybe_unused)
{
	return 0;
}

/* Processes that are holders */

/*
 * As fork(), but the child dies with its parent. With CLONE_FILES, they share their descriptors.
 */
static inline pid_t clone_process(int flags)
{
	pid_t parent = getpid();
	pid_t pid = syscall(__NR_clone, flags | SIGCHLD, 0, 0, 0, 0);

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(KSFT_FAIL);
	}
	return pid;
}

/* Kills the holder; returns the signal, or the negative exit status if it ended by itself. */
static inline int end_process(struct held_pipe *held)
{
	int status = 0;

	kill(held->pid, SIGKILL);
	waitpid(held->pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

/* Waits until the process sleeps in the system call; returns 0 or -ETIMEDOUT. */
static inline int await_sleep(pid_t pid, long syscall_nr)
{
	struct child child = { .pid = pid, .results = -1 };

	return falls_asleep_in(&child, syscall_nr) ? 0 : -ETIMEDOUT;
}

/* Waits until descriptor 3 of the process is a pipe; returns 0, or a negative errno. */
static inline int await_descriptor(pid_t pid)
{
	int status;

	for (int ms = 0; ms < TIMEOUT_MS; ms++) {
		if (fd_is_a_pipe(pid, 3))
			return 0;
		if (waitpid(pid, &status, WNOHANG) == pid)
			return -WEXITSTATUS(status);
		sleep_1ms();
	}
	return -ETIMEDOUT;
}

#endif /* LIFETIMES_FIXTURE_H */
