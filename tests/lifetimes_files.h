/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Holders of a file or of a path: descriptors of all kinds, sockets, rings, mounts. For each of
 * them one function that makes it, and one that lets go and returns what it found.
 */
#ifndef LIFETIMES_FILES_H
#define LIFETIMES_FILES_H

#include <dirent.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include "lifetimes_scene.h"

/* Descriptors */

static inline int hold_descriptor(struct scene *scene)
{
	scene->fd = dup(scene->ends.r);
	return put_a_byte(scene);
}

static inline int release_descriptor(struct scene *scene)
{
	int ret = read_from(scene->fd);

	close(scene->fd);
	return ret;
}

static inline int hold_path(struct scene *scene)
{
	scene->fd = open_again(scene->ends.r, O_PATH);
	return answer(scene->fd < 0 ? -1 : 0);
}

/* The path opens as a pipe that passes bytes, also when all its ends were closed before. */
static inline int release_path(struct scene *scene)
{
	int fd = open_again(scene->fd, O_RDWR | O_NONBLOCK);
	int ret = answer(fd < 0 ? -1 : 0);

	if (fd >= 0) {
		ret = answer(write(fd, "abc", 3));
		if (ret > 0)
			ret = read_from(fd);
	}
	close(fd);
	close(scene->fd);
	return ret;
}

/* Descriptors of another process, which takes them by itself */

static inline int hold_in_another_process(struct scene *scene, int (*take_copy)(pid_t pid, int fd))
{
	pid_t parent = getpid();
	pid_t pid = clone_process(0);

	if (!pid) {
		/* The first that is free is 3, which the parent waits for. */
		syscall(__NR_close_range, 3, ~0U, 0);
		if (take_copy(parent, scene->ends.r) < 0)
			_exit(errno);
		for (;;)
			pause();
	}
	scene->pid = pid;
	return await_descriptor(pid);
}

static inline int open_by_proc(pid_t pid, int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	return open(path, O_RDONLY | O_NONBLOCK);
}

static inline int hold_by_proc(struct scene *scene)
{
	return hold_in_another_process(scene, open_by_proc);
}

static inline int take_by_pidfd(pid_t pid, int fd)
{
	int pidfd = syscall(__NR_pidfd_open, pid, 0);
	int copy = syscall(__NR_pidfd_getfd, pidfd, fd, 0);

	return copy < 0 ? -1 : dup2(copy, pidfd);
}

static inline int hold_by_pidfd(struct scene *scene)
{
	return hold_in_another_process(scene, take_by_pidfd);
}

/* In flight: SCM_RIGHTS in a socket that nobody has read from */

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
	return answer(sendmsg(socket, &message, 0));
}

static inline int hold_in_flight(struct scene *scene)
{
	int sockets[2], put = put_a_byte(scene);

	if (put < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	scene->fd = sockets[0];
	scene->other = sockets[1];
	return send_descriptors(scene->other, &scene->ends.r, 1);
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

static inline int close_sockets(struct scene *scene)
{
	close(scene->fd);
	close(scene->other);
	return 0;
}

/* It comes out whole: what was in the pipe is there. */
static inline int receive_it(struct scene *scene)
{
	int fd = receive_descriptor(scene->fd);
	int ret = read_from(fd);

	close(fd);
	close_sockets(scene);
	return ret;
}

/* The socket that has them in its queue is itself in its queue: nobody can read them any more. */
static inline int hold_in_a_cycle(struct scene *scene)
{
	int sockets[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets))
		return -errno;
	scene->fd = sockets[0];
	scene->other = sockets[1];
	return send_descriptors(sockets[1], (int[]){ sockets[0], scene->ends.r, scene->ends.w }, 3);
}

/* io_uring: registered files, and requests in flight, whose file has no descriptor any more */

static inline int open_ring(struct scene *scene)
{
	return uring_open(&scene->ring) ? 0 : -errno;
}

static inline int close_ring(struct scene *scene)
{
	struct completion completion;
	int ret = uring_take(&scene->ring, &completion) ? completion.res : 0;

	uring_close(&scene->ring);
	return ret;
}

static inline int hold_registered(struct scene *scene)
{
	int opened = open_ring(scene);

	if (opened < 0 || put_a_byte(scene) < 0)
		return opened;
	return answer(syscall(__NR_io_uring_register, scene->ring.fd, IORING_REGISTER_FILES,
			      &scene->ends.r, 1));
}

/* Without a descriptor, the ring still reads from it. */
static inline int release_registered(struct scene *scene)
{
	uring_put(&scene->ring, (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .fd = 0, .flags = IOSQE_FIXED_FILE,
		.addr = (unsigned long)big_buffer(), .len = 100, .off = -1,
	});
	uring_enter(&scene->ring, 1);
	return close_ring(scene);
}

static inline int hold_request(struct scene *scene, struct io_uring_sqe request)
{
	int opened = open_ring(scene);
	int ret;

	if (opened < 0)
		return opened;
	request.fd = open_both(scene);
	uring_put(&scene->ring, request);
	ret = uring_enter(&scene->ring, 0);
	close(request.fd);
	return answer(ret);
}

static inline int hold_read_request(struct scene *scene)
{
	return hold_request(scene, (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .addr = (unsigned long)big_buffer(), .len = 100,
		.off = -1,
	});
}

static inline int hold_poll_request(struct scene *scene)
{
	return hold_request(scene, (struct io_uring_sqe){
		.opcode = IORING_OP_POLL_ADD, .poll32_events = POLLIN,
	});
}

/* Mounts: only the device is in a mount that can be mounted elsewhere */

/* Any file will do, in a mount namespace that ends with the process. */
#define MOUNTED "/dev/null"

static inline int hold_bind_mount(struct scene *scene)
{
	const char *path = scene->kind == DEVICE ? MINI_PIPE : path_of(scene->ends.r);

	if (unshare(CLONE_NEWNS) || mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -errno;
	return answer(mount(path, MOUNTED, NULL, MS_BIND, NULL));
}

static inline int release_bind_mount(struct scene *scene __maybe_unused)
{
	return answer(umount2(MOUNTED, 0));
}

static inline int hold_open_tree(struct scene *scene)
{
	scene->fd = syscall(__NR_open_tree, AT_FDCWD, path_of(scene->ends.r),
			    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return answer(scene->fd < 0 ? -1 : 0);
}

/* A mapping, if there could be one */

static inline int hold_mapping(struct scene *scene)
{
	void *map = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, scene->ends.r, 0);

	return answer(map == MAP_FAILED ? -1 : 0);
}

/* How many of this process's are of a pipe. */
static inline int mappings(void)
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
		count += names_a_pipe(name);
	}
	closedir(files);
	return count;
}

#endif /* LIFETIMES_FILES_H */
