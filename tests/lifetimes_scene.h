/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A pipe and its holder: whatever of the kernel refers to the pipe beside its two descriptors. All
 * of this runs in a child of the test, for any close may hang in a driver that is broken.
 */
#ifndef LIFETIMES_SCENE_H
#define LIFETIMES_SCENE_H

#include "variants.h"
#include "module_fixture.h"
#include "credentials.h"
#include "uring.h"

#define CORE_PATTERN "/proc/sys/kernel/core_pattern"

/*
 * A pipe, its two descriptors, and what its holder needs to remember. Processes of the holder's
 * share this memory.
 */
struct scene {
	enum kind kind;
	struct ends ends;	/* neither of them blocks */
	int fd;			/* the holder's descriptor */
	int other;		/* and a second one */
	pid_t pid;		/* the holder, if it is a process */
	struct uring ring;
	unsigned long aio;
	atomic_int faults;	/* a userfaultfd, or what was wrong with it, negative */
	unsigned char *page;	/* that faults until told otherwise */
};

/* 0 or more, or a negative errno: what a system call returned. */
static inline int answer(long ret)
{
	return ret < 0 ? -errno : ret;
}

/* A descriptor, for calls that take paths. */
static inline const char *path_of(int fd)
{
	static char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

static inline int open_ends(struct scene *scene)
{
	struct ends *ends = &scene->ends;
	int device, ret, fds[2];

	switch (scene->kind) {
	case DEVICE:
		ends->r = open(MINI_PIPE, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		ends->w = open(MINI_PIPE, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		return answer(ends->r < 0 || ends->w < 0 ? -1 : 0);
	case PRIVATE:
		device = open(MINI_PIPE, O_ACCMODE | O_CLOEXEC);
		ret = answer(make_pair(device, ends, O_NONBLOCK | O_CLOEXEC, 0));
		close(device);
		return ret;
	case PIPE_2:
		ret = answer(pipe2(fds, O_NONBLOCK | O_CLOEXEC));
		*ends = (struct ends){ fds[0], fds[1] };
		return ret;
	}
	return -EINVAL;
}

static inline int close_ends(struct scene *scene)
{
	close(scene->ends.r);
	close(scene->ends.w);
	return 0;
}

static inline int put_a_byte(struct scene *scene)
{
	return answer(write(scene->ends.w, "x", 1));
}

/* A file that blocks and is both ends, so that whoever has it waits alone. */
static inline int open_both(struct scene *scene)
{
	return open_again(scene->ends.r, O_RDWR);
}

/* How many bytes a read gets, up to 100. */
static inline int read_from(int fd)
{
	return answer(read(fd, big_buffer(), 100));
}

static inline int close_fd(struct scene *scene)
{
	return answer(close(scene->fd));
}

/* For holders that are gone by themselves. */
static inline int nothing_is_left(struct scene *scene __maybe_unused)
{
	return 0;
}

/* Processes that hold */

/* As fork(), but it does not outlive its parent. With CLONE_FILES, they share their descriptors. */
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

/* Its signal, or its exit status if it ended by itself. */
static inline int end_process(struct scene *scene)
{
	int status = 0;

	kill(scene->pid, SIGKILL);
	waitpid(scene->pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

/* Waits until the process is asleep in that system call: 0, or ETIMEDOUT. */
static inline int await_sleep(pid_t pid, long syscall_nr)
{
	struct child child = { .pid = pid, .results = -1 };

	return falls_asleep_in(&child, syscall_nr) ? 0 : -ETIMEDOUT;
}

/* Waits until descriptor 3 of the process is a pipe, or it gave up: then with what errno. */
static inline int await_descriptor(pid_t pid)
{
	int status;

	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		if (fd_is_a_pipe(pid, 3))
			return 0;
		if (waitpid(pid, &status, WNOHANG) == pid)
			return -WEXITSTATUS(status);
		a_moment();
	}
	return -ETIMEDOUT;
}

#endif /* LIFETIMES_SCENE_H */
