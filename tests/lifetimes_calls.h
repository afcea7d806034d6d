/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Holders that are calls in progress: another process, which shares the descriptors, sleeps or is
 * stuck in a call on a file whose descriptor is closed meanwhile; or a process that died writes
 * its core. Each holder has a function that creates it, and one that releases it and returns a
 * result to compare.
 */
#ifndef LIFETIMES_CALLS_H
#define LIFETIMES_CALLS_H

#include <linux/aio_abi.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "lifetimes_fixture.h"

/* Asleep */

static inline void read_asleep(struct held_pipe *held)
{
	read(held->fd, big_buffer(), 1);
}

static inline void poll_asleep(struct held_pipe *held)
{
	struct pollfd pollfd = { .fd = held->fd, .events = POLLIN };

	ppoll(&pollfd, 1, NULL, NULL);
}

static inline void splice_asleep(struct held_pipe *held)
{
	splice(held->fd, NULL, held->other, NULL, 100, 0);
}

/* BIG is more than fits. */
static inline void write_asleep(struct held_pipe *held)
{
	write(held->fd, big_buffer(), BIG);
}

static inline int hold_call(struct held_pipe *held, void (*call)(struct held_pipe *held),
			    long syscall_nr)
{
	pid_t pid;
	int ret;

	held->fd = open_both(held);
	pid = clone_process(CLONE_FILES);
	if (!pid) {
		call(held);
		_exit(KSFT_FAIL);
	}
	held->pid = pid;
	ret = await_sleep(pid, syscall_nr);
	close(held->fd);
	return ret;
}

static inline int hold_read(struct held_pipe *held)
{
	return hold_call(held, read_asleep, __NR_read);
}

static inline int hold_write(struct held_pipe *held)
{
	return hold_call(held, write_asleep, __NR_write);
}

static inline int hold_poll(struct held_pipe *held)
{
	return hold_call(held, poll_asleep, __NR_ppoll);
}

/* The splice sleeps in the pipe, not in the pipe(2) for the bytes. */
static inline int hold_splice(struct held_pipe *held)
{
	int pipe_2[2];

	if (pipe2(pipe_2, O_CLOEXEC))
		return -errno;
	held->other = pipe_2[1];
	return hold_call(held, splice_asleep, __NR_splice);
}

/*
 * aio's poll of the reading end: aio refuses a file that is both ends. The last close of a writer
 * ends the poll.
 */

static inline int hold_aio_poll(struct held_pipe *held)
{
	struct iocb request = { .aio_lio_opcode = IOCB_CMD_POLL, .aio_buf = POLLIN };
	struct iocb *requests = &request;
	int ret;

	if (syscall(__NR_io_setup, 1, &held->aio))
		return -errno;
	request.aio_fildes = open_again(held->ends.r, O_RDONLY);
	ret = ret_or_errno(syscall(__NR_io_submit, held->aio, 1, &requests));
	close(request.aio_fildes);
	return ret;
}

static inline int release_aio(struct held_pipe *held)
{
	return ret_or_errno(syscall(__NR_io_destroy, held->aio));
}

/* Stuck in a fault of user memory, which lasts until the test ends it */

static inline int register_page(struct held_pipe *held)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = {
		.range = { (unsigned long)held->page, page_size() },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int faults = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (faults < 0 || ioctl(faults, UFFDIO_API, &api) ||
	    ioctl(faults, UFFDIO_REGISTER, &area))
		return -errno;
	return faults;
}

/* The userfaultfd is of the stuck process's memory; both have its descriptor. */
static inline int await_fault(struct held_pipe *held)
{
	struct pollfd fault = { .events = POLLIN };
	struct uffd_msg message;

	for (int ms = 0; ms < TIMEOUT_MS && !held->faults; ms++)
		sleep_1ms();
	if (held->faults <= 0)
		return held->faults ? held->faults : -ETIMEDOUT;
	fault.fd = held->faults;
	if (poll(&fault, 1, TIMEOUT_MS) != 1)
		return -ETIMEDOUT;
	return read(held->faults, &message, sizeof(message)) == sizeof(message) ? 0 : -errno;
}

static inline int hold_stuck(struct held_pipe *held, bool reads)
{
	pid_t pid;
	int ret;

	if (reads && write_byte(held) < 0)
		return -errno;
	held->fd = open_both(held);
	held->page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	pid = clone_process(CLONE_FILES);
	if (!pid) {
		held->faults = register_page(held);
		if (reads)
			read(held->fd, held->page, page_size());
		else
			write(held->fd, held->page, page_size());
		_exit(0);
	}
	held->pid = pid;
	ret = await_fault(held);
	close(held->fd);
	return ret;
}

static inline int hold_stuck_read(struct held_pipe *held)
{
	return hold_stuck(held, true);
}

static inline int hold_stuck_write(struct held_pipe *held)
{
	return hold_stuck(held, false);
}

/* The resize gives the pipe other storage. The copy keeps the old one; both share the pages. */
static inline int resize_while_stuck(struct held_pipe *held, int stuck)
{
	return stuck < 0 ? stuck : set_capacity(held->ends.w, 2 * capacity_of(held->ends.w));
}

static inline int hold_stuck_read_of_old_pages(struct held_pipe *held)
{
	return resize_while_stuck(held, hold_stuck_read(held));
}

static inline int hold_stuck_write_to_old_pages(struct held_pipe *held)
{
	return resize_while_stuck(held, hold_stuck_write(held));
}

/* The fault ends, so the call returns and its process exits. */
static inline int end_fault(struct held_pipe *held)
{
	struct uffdio_zeropage zeros = {
		.range = { (unsigned long)held->page, page_size() },
	};
	int status;

	if (ioctl(held->faults, UFFDIO_ZEROPAGE, &zeros))
		return -errno;
	close(held->faults);
	waitpid(held->pid, &status, 0);
	return WIFEXITED(status) ? 0 : -WTERMSIG(status);
}

static inline int kill_stuck(struct held_pipe *held)
{
	int ret = end_process(held);

	close(held->faults);
	return ret;
}

/* A core dump */

static inline void *abort_when_asleep(void *sleeper)
{
	await_sleep(*(const pid_t *)sleeper, __NR_read);
	abort();
}

/* One thread sleeps in the pipe, while another one calls abort(). */
static inline void dump_core(struct held_pipe *held)
{
	pid_t pid = getpid();
	pthread_t thread;

	signal(SIGABRT, SIG_DFL);
	if (!pthread_create(&thread, NULL, abort_when_asleep, &pid))
		read(held->fd, big_buffer(), 1);
	_exit(KSFT_FAIL);
}

static inline const char *core_of(pid_t pid)
{
	static char path[64];

	snprintf(path, sizeof(path), "/tmp/mini_pipe.core.%d", pid);
	return path;
}

/* Returns whether the process dumped. The dump is complete by then. */
static inline int hold_core_in_a_file(struct held_pipe *held)
{
	struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	pid_t pid;
	int status;

	if (!write_file(CORE_PATTERN, "/tmp/mini_pipe.core.%p"))
		return -EOPNOTSUPP;
	held->fd = open_both(held);
	pid = clone_process(0);
	if (!pid) {
		setrlimit(RLIMIT_CORE, &unlimited);
		dump_core(held);
	}
	close(held->fd);
	waitpid(pid, &status, 0);
	return WCOREDUMP(status) && unlink(core_of(pid)) == 0;
}

/* The core handler waits for a writer of a FIFO, so the dump lasts until there is one. */
static inline int hold_core_in_a_handler(struct held_pipe *held)
{
	char status[4096];
	pid_t pid;

	if (!write_file(CORE_PATTERN, "|/bin/cat /tmp/mini_pipe.core.%p"))
		return -EOPNOTSUPP;
	held->fd = open_both(held);
	pid = clone_process(0);
	if (!pid) {
		mkfifo(core_of(getpid()), 0600);
		dump_core(held);
	}
	held->pid = pid;
	close(held->fd);
	for (int ms = 0; ms < TIMEOUT_MS; ms++) {
		if (read_proc(pid, "status", status, sizeof(status)) &&
		    strstr(status, "CoreDumping:\t1"))
			return 0;
		sleep_1ms();
	}
	return -ETIMEDOUT;
}

static inline int release_handler(struct held_pipe *held)
{
	const char *path = core_of(held->pid);
	int fd = -1, status = 0;

	for (int ms = 0; ms < TIMEOUT_MS && fd < 0; ms++) {
		fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			sleep_1ms();
	}
	close(fd);
	unlink(path);
	waitpid(held->pid, &status, 0);
	return WTERMSIG(status);
}

#endif /* LIFETIMES_CALLS_H */
