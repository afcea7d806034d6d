/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Holders that are calls in progress: another thread of control, which shares the descriptors, is
 * asleep or stuck in a call on a file, whose descriptor is closed meanwhile; or a process that
 * died and writes its core. For each of them one function that makes it, and one that lets go and
 * returns what it found.
 */
#ifndef LIFETIMES_CALLS_H
#define LIFETIMES_CALLS_H

#include <linux/aio_abi.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "lifetimes_scene.h"

/* Asleep */

static inline void read_asleep(struct scene *scene)
{
	read(scene->fd, big_buffer(), 1);
}

static inline void poll_asleep(struct scene *scene)
{
	struct pollfd pollfd = { .fd = scene->fd, .events = POLLIN };

	ppoll(&pollfd, 1, NULL, NULL);
}

static inline void splice_asleep(struct scene *scene)
{
	splice(scene->fd, NULL, scene->other, NULL, 100, 0);
}

/* More than there is room for. */
static inline void write_asleep(struct scene *scene)
{
	write(scene->fd, big_buffer(), BIG);
}

static inline int hold_call(struct scene *scene, void (*call)(struct scene *scene), long syscall_nr)
{
	pid_t pid;
	int ret;

	scene->fd = open_both(scene);
	pid = clone_process(CLONE_FILES);
	if (!pid) {
		call(scene);
		_exit(KSFT_FAIL);
	}
	scene->pid = pid;
	ret = await_sleep(pid, syscall_nr);
	close(scene->fd);
	return ret;
}

static inline int hold_read(struct scene *scene)
{
	return hold_call(scene, read_asleep, __NR_read);
}

static inline int hold_write(struct scene *scene)
{
	return hold_call(scene, write_asleep, __NR_write);
}

static inline int hold_poll(struct scene *scene)
{
	return hold_call(scene, poll_asleep, __NR_ppoll);
}

/* It is asleep in the pipe, not in the pipe(2) where the bytes shall go. */
static inline int hold_splice(struct scene *scene)
{
	int way[2];

	if (pipe2(way, O_CLOEXEC))
		return -errno;
	scene->other = way[1];
	return hold_call(scene, splice_asleep, __NR_splice);
}

/* libaio's poll, which no file of both ends has; it is over when the last writer has closed. */

static inline int hold_aio_poll(struct scene *scene)
{
	struct iocb request = { .aio_lio_opcode = IOCB_CMD_POLL, .aio_buf = POLLIN };
	struct iocb *requests = &request;
	int ret;

	if (syscall(__NR_io_setup, 1, &scene->aio))
		return -errno;
	request.aio_fildes = open_again(scene->ends.r, O_RDONLY);
	ret = answer(syscall(__NR_io_submit, scene->aio, 1, &requests));
	close(request.aio_fildes);
	return ret;
}

static inline int release_aio(struct scene *scene)
{
	return answer(syscall(__NR_io_destroy, scene->aio));
}

/* Stuck in a fault of user memory, which lasts until the test ends it */

static inline int fault_in(struct scene *scene)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = {
		.range = { (unsigned long)scene->page, page_size() },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int faults = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (faults < 0 || ioctl(faults, UFFDIO_API, &api) ||
	    ioctl(faults, UFFDIO_REGISTER, &area))
		return -errno;
	return faults;
}

/* The userfaultfd is of the stuck process's memory, but a descriptor of both. */
static inline int await_fault(struct scene *scene)
{
	struct pollfd fault = { .events = POLLIN };
	struct uffd_msg message;

	for (int ms = 0; ms < PATIENCE_MS && !scene->faults; ms++)
		a_moment();
	if (scene->faults <= 0)
		return scene->faults ? scene->faults : -ETIMEDOUT;
	fault.fd = scene->faults;
	if (poll(&fault, 1, PATIENCE_MS) != 1)
		return -ETIMEDOUT;
	return read(scene->faults, &message, sizeof(message)) == sizeof(message) ? 0 : -errno;
}

static inline int hold_stuck(struct scene *scene, bool reads)
{
	pid_t pid;
	int ret;

	if (reads && put_a_byte(scene) < 0)
		return -errno;
	scene->fd = open_both(scene);
	scene->page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	pid = clone_process(CLONE_FILES);
	if (!pid) {
		scene->faults = fault_in(scene);
		if (reads)
			read(scene->fd, scene->page, page_size());
		else
			write(scene->fd, scene->page, page_size());
		_exit(0);
	}
	scene->pid = pid;
	ret = await_fault(scene);
	close(scene->fd);
	return ret;
}

static inline int hold_stuck_read(struct scene *scene)
{
	return hold_stuck(scene, true);
}

static inline int hold_stuck_write(struct scene *scene)
{
	return hold_stuck(scene, false);
}

/* The pipe is given other pages, so those that are copied from or to belong to no pipe. */
static inline int resize_beside(struct scene *scene, int stuck)
{
	return stuck < 0 ? stuck : set_capacity(scene->ends.w, 2 * capacity_of(scene->ends.w));
}

static inline int hold_stuck_read_of_old_pages(struct scene *scene)
{
	return resize_beside(scene, hold_stuck_read(scene));
}

static inline int hold_stuck_write_to_old_pages(struct scene *scene)
{
	return resize_beside(scene, hold_stuck_write(scene));
}

/* The call comes to its end, and its process by itself. */
static inline int end_fault(struct scene *scene)
{
	struct uffdio_zeropage zeros = {
		.range = { (unsigned long)scene->page, page_size() },
	};
	int status;

	if (ioctl(scene->faults, UFFDIO_ZEROPAGE, &zeros))
		return -errno;
	close(scene->faults);
	waitpid(scene->pid, &status, 0);
	return WIFEXITED(status) ? 0 : -WTERMSIG(status);
}

static inline int kill_stuck(struct scene *scene)
{
	int ret = end_process(scene);

	close(scene->faults);
	return ret;
}

/* A core dump */

static inline void *die_beside_a_sleeper(void *sleeper)
{
	await_sleep(*(const pid_t *)sleeper, __NR_read);
	abort();
}

/* One thread sleeps in the pipe, another one makes the process dump its core. */
static inline void dump(struct scene *scene)
{
	pid_t pid = getpid();
	pthread_t thread;

	signal(SIGABRT, SIG_DFL);
	if (!pthread_create(&thread, NULL, die_beside_a_sleeper, &pid))
		read(scene->fd, big_buffer(), 1);
	_exit(KSFT_FAIL);
}

static inline const char *core_of(pid_t pid)
{
	static char path[64];

	snprintf(path, sizeof(path), "/tmp/mini_pipe.core.%d", pid);
	return path;
}

/* Whether it dumped: all is over when this returns. */
static inline int hold_core_in_a_file(struct scene *scene)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	pid_t pid;
	int status;

	if (!write_file(CORE_PATTERN, "/tmp/mini_pipe.core.%p"))
		return -EOPNOTSUPP;
	scene->fd = open_both(scene);
	pid = clone_process(0);
	if (!pid) {
		setrlimit(RLIMIT_CORE, &unlimited);
		dump(scene);
	}
	close(scene->fd);
	waitpid(pid, &status, 0);
	return WCOREDUMP(status) && unlink(core_of(pid)) == 0;
}

/* The handler reads nothing of the core, but first waits for a writer of a FIFO. */
static inline int hold_core_in_a_handler(struct scene *scene)
{
	char status[4096];
	pid_t pid;

	if (!write_file(CORE_PATTERN, "|/bin/cat /tmp/mini_pipe.core.%p"))
		return -EOPNOTSUPP;
	scene->fd = open_both(scene);
	pid = clone_process(0);
	if (!pid) {
		mkfifo(core_of(getpid()), 0600);
		dump(scene);
	}
	scene->pid = pid;
	close(scene->fd);
	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		if (read_proc(pid, "status", status, sizeof(status)) &&
		    strstr(status, "CoreDumping:\t1"))
			return 0;
		a_moment();
	}
	return -ETIMEDOUT;
}

static inline int release_handler(struct scene *scene)
{
	const char *path = core_of(scene->pid);
	int fd = -1, status = 0;

	for (int ms = 0; ms < PATIENCE_MS && fd < 0; ms++) {
		fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			a_moment();
	}
	close(fd);
	unlink(path);
	waitpid(scene->pid, &status, 0);
	return WTERMSIG(status);
}

#endif /* LIFETIMES_CALLS_H */
