/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Holders of a file or of a path: descriptors of all kinds, sockets, rings, mounts. Each holder has
 * a function that creates it, and one that releases it and returns a result to compare.
 */
#ifndef LIFETIMES_FILES_H
#define LIFETIMES_FILES_H

#include <dirent.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include "lifetimes_fixture.h"

/* Descriptors */

static inline int hold_descriptor(struct held_pipe *held)
{
	held->fd = dup(held->ends.r);
	return write_byte(held);
}

static inline int release_descriptor(struct held_pipe *held)
{
	int ret = read_from(held->fd);

	close(held->fd);
	return ret;
}

static inline int hold_path(struct held_pipe *held)
{
	held->fd = open_again(held->ends.r, O_PATH);
	return ret_or_errno(held->fd < 0 ? -1 : 0);
}

/* Opened by its path, the pipe passes bytes, even if all its ends were closed before. */
static inline int release_path(struct held_pipe *held)
{
	int fd = open_again(held->fd, O_RDWR | O_NONBLOCK);
	int ret = ret_or_errno(fd < 0 ? -1 : 0);

	if (fd >= 0) {
		ret = ret_or_errno(write(fd, "abc", 3));
		if (ret > 0)
			ret = read_from(fd);
	}
	close(fd);
	close(held->fd);
	return ret;
}

/* Descriptors that another process takes from this one */

static inline int hold_in_another_process(struct held_pipe *held,
					  int (*take_copy)(pid_t pid, int fd))
{
	pid_t parent = getpid();
	pid_t pid = clone_process(0);

	if (!pid) {
		/* The first free descriptor is 3, which the parent waits for. */
		syscall(__NR_close_range, 3, ~0U, 0);
		if (take_copy(parent, held->ends.r) < 0)
			_exit(errno);
		for (;;)
			pause();
	}
	held->pid = pid;
	return await_descriptor(pid);
}

static inline int open_by_proc(pid_t pid, int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	return open(path, O_RDONLY | O_NONBLOCK);
}

static inline int hold_by_proc(struct held_pipe *held)
{
	return hold_in_another_process(held, open_by_proc);
}

static inline int take_by_pidfd(pid_t pid, int fd)
{
	int pidfd = syscall(__NR_pidfd_open, pid, 0);
	int copy = syscall(__NR_pidfd_getfd, pidfd, fd, 0);

	return copy < 0 ? -1 : dup2(copy, pidfd);
}

static inline int hold_by_pidfd(struct held_pipe *held)
{
	return hold_in_another_process(held, take_by_pidfd);
}

/* In flight: SCM_RIGHTS in a socket that has not been read from */

#define MAX_SENT 3

static inline int send_descriptors(int socket, const int *fds, int count)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int[MAX_SENT]))];
	} control = { .header = {
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(sizeof(int) * count),
	} };
	struct iovec byte = { "x", 1 };
	struct msghdr message = {
		.msg_iov = &byte, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = CMSG_SPACE(sizeof(int) * count),
	};

	memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * count);
	return ret_or_errno(sendmsg(socket, &message, 0));
}

static inline bool open_sockets(struct held_pipe *held)
{
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return false;
	held->fd = sockets[0];
	held->other = sockets[1];
	return true;
}

static inline int hold_in_flight(struct held_pipe *held)
{
	if (write_byte(held) < 0 || !open_sockets(held))
		return -errno;
	return send_descriptors(held->other, &held->ends.r, 1);
}

static inline int receive_descriptor(int socket)
{
	char control[CMSG_SPACE(sizeof(int))];
	char byte;
	struct iovec iovec = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iovec, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(socket, &message, MSG_DONTWAIT) == 1 && CMSG_FIRSTHDR(&message))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static inline int close_sockets(struct held_pipe *held)
{
	close(held->fd);
	close(held->other);
	return 0;
}

/* The received descriptor reads the bytes that were in the pipe. */
static inline int receive_and_read(struct held_pipe *held)
{
	int fd = receive_descriptor(held->fd);
	int ret = read_from(fd);

	close(fd);
	close_sockets(held);
	return ret;
}

/* The receiving socket is in its own queue: once closed, only AF_UNIX's collector can free it. */
static inline int hold_in_a_cycle(struct held_pipe *held)
{
	if (!open_sockets(held))
		return -errno;
	return send_descriptors(held->other, (int[]){ held->fd, held->ends.r, held->ends.w }, 3);
}

/* io_uring: registered files, and requests in flight whose file has no descriptor any more */

static inline int open_ring(struct held_pipe *held)
{
	return uring_open(&held->ring) ? 0 : -errno;
}

static inline int close_ring(struct held_pipe *held)
{
	struct completion completion;
	int ret = uring_reap(&held->ring, &completion) ? completion.res : 0;

	uring_close(&held->ring);
	return ret;
}

static inline int hold_registered(struct held_pipe *held)
{
	int ret = open_ring(held);

	if (ret == 0)
		ret = write_byte(held);
	if (ret < 0)
		return ret;
	return ret_or_errno(syscall(__NR_io_uring_register, held->ring.fd, IORING_REGISTER_FILES,
				    &held->ends.r, 1));
}

/* The ring reads from the registered file, which needs no descriptor. */
static inline int release_registered(struct held_pipe *held)
{
	uring_queue(&held->ring, (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .fd = 0, .flags = IOSQE_FIXED_FILE,
		.addr = (unsigned long)big_buffer(), .len = 100, .off = -1,
	});
	uring_enter(&held->ring, 1);
	return close_ring(held);
}

static inline int hold_request(struct held_pipe *held, struct io_uring_sqe request)
{
	int opened = open_ring(held);
	int ret;

	if (opened < 0)
		return opened;
	request.fd = open_both(held);
	uring_queue(&held->ring, request);
	ret = uring_enter(&held->ring, 0);
	close(request.fd);
	return ret_or_errno(ret);
}

static inline int hold_read_request(struct held_pipe *held)
{
	return hold_request(held, (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .addr = (unsigned long)big_buffer(), .len = 100,
		.off = -1,
	});
}

static inline int hold_poll_request(struct held_pipe *held)
{
	return hold_request(held, (struct io_uring_sqe){
		.opcode = IORING_OP_POLL_ADD, .poll32_events = POLLIN,
	});
}

/* Mounts: only the device node can be mounted elsewhere */

/* Any file will do as mount point, in a mount namespace that ends with the process. */
#define MOUNTED "/dev/null"

static inline int hold_bind_mount(struct held_pipe *held)
{
	const char *path = held->kind == DEVICE ? MINI_PIPE : path_of(held->ends.r);

	if (unshare(CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	return ret_or_errno(mount(path, MOUNTED, NULL, MS_BIND, NULL));
}

static inline int release_bind_mount(struct held_pipe *held __maybe_unused)
{
	return ret_or_errno(umount2(MOUNTED, 0));
}

static inline int hold_open_tree(struct held_pipe *held)
{
	held->fd = syscall(__NR_open_tree, AT_FDCWD, path_of(held->ends.r),
			   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return ret_or_errno(held->fd < 0 ? -1 : 0);
}

/* A mapping, which no pipe supports */

static inline int hold_mapping(struct held_pipe *held)
{
	void *map = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, held->ends.r, 0);

	return ret_or_errno(map == MAP_FAILED ? -1 : 0);
}

/* How many mappings of this process are of a pipe. */
static inline int count_mappings(void)
{
	DIR *files = opendir("/proc/self/map_files");
	struct dirent *entry;
	char name[64];
	int count = 0;

	if (!files)
		return -errno;
	while ((entry = readdir(files))) {
		ssize_t len = readlinkat(dirfd(files), entry->d_name, name, sizeof(name) - 1);

		name[len > 0 ? len : 0] = '\0';
		count += is_pipe_name(name);
	}
	closedir(files);
	return count;
}

#endif /* LIFETIMES_FILES_H */
