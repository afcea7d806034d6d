/* SPDX-License-Identifier: GPL-2.0 */
/* The contenders: the pipes, and the floors, which cost roughly the least that a pipe can. */
#ifndef CONTENDERS_H
#define CONTENDERS_H

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "bench.h"
#include "../uapi/mini_pipe.h"

/* The two ends of a pipe. read_fd is -1 for a floor that is only written to. */
struct channel {
	int read_fd;
	int write_fd;
};

enum kind {
	ONE_PIPE,	/* only one exists; where a load needs a second, it is a private one */
	PIPE,
	FLOOR,		/* no pipe: the copies alone */
	SYSCALL,	/* no pipe: the system calls alone */
};

struct contender {
	const char *name;
	enum kind kind;
	void (*open)(struct channel *channel, const char *path, int number, size_t capacity);
	const char *path;	/* a contender without it is left out */
	void (*make)(struct channel *channel);	/* makes a pipe, with one system call */
	/* moves bytes from one such pipe to another */
	ssize_t (*splice)(int from, int to, size_t size);
};

/* The default capacity of pipe(2). Only pair() uses a larger one, for larger messages. */
#define USUAL_CAPACITY 65536UL

static inline void open_private(struct channel *channel, const char *path, int number,
				size_t capacity)
{
	struct mini_pipe_pair pair = { .capacity = capacity };
	int device = check(open(path, O_ACCMODE), path);

	check(ioctl(device, MINI_PIPE_IOC_PAIR, &pair), "MINI_PIPE_IOC_PAIR");
	close(device);
	*channel = (struct channel){ pair.read_fd, pair.write_fd };
}

static inline void make_private(struct channel *channel)
{
	struct mini_pipe_pair pair = { .flags = O_CLOEXEC };
	static int device = -1;

	if (device < 0)
		device = check(open("/dev/mini_pipe", O_ACCMODE | O_CLOEXEC), "/dev/mini_pipe");
	check(ioctl(device, MINI_PIPE_IOC_PAIR, &pair), "MINI_PIPE_IOC_PAIR");
	*channel = (struct channel){ pair.read_fd, pair.write_fd };
}

static inline void make_pipe(struct channel *channel)
{
	int fds[2];

	check(pipe2(fds, O_CLOEXEC), "pipe2");
	*channel = (struct channel){ fds[0], fds[1] };
}

static inline ssize_t splice_private(int from, int to, size_t size)
{
	struct mini_pipe_splice request = { .fd = to, .len = size };

	return ioctl(from, MINI_PIPE_IOC_SPLICE_TO, &request);
}

static inline ssize_t splice_pipe(int from, int to, size_t size)
{
	return splice(from, NULL, to, NULL, size, 0);
}

static inline void open_ends(struct channel *channel, const char *path)
{
	channel->read_fd = check(open(path, O_RDONLY | O_NONBLOCK), path);
	channel->write_fd = check(open(path, O_WRONLY), path);
	check(fcntl(channel->read_fd, F_SETFL, 0), "F_SETFL");
}

static inline void open_device(struct channel *channel, const char *path, int number,
			       size_t capacity)
{
	if (number) {
		open_private(channel, path, number, capacity);
		return;
	}
	open_ends(channel, path);
	check(ioctl(channel->write_fd, MINI_PIPE_IOC_SET_CAPACITY, capacity), "SET_CAPACITY");
}

static inline void open_pipe(struct channel *channel, const char *path, int number,
			     size_t capacity)
{
	int fds[2];

	check(pipe2(fds, 0), "pipe2");
	check(fcntl(fds[1], F_SETPIPE_SZ, capacity), "F_SETPIPE_SZ");
	*channel = (struct channel){ fds[0], fds[1] };
}

static inline void open_fifo(struct channel *channel, const char *path, int number,
			     size_t capacity)
{
	check(mkfifo("/tmp/fifo", 0600), "mkfifo");
	open_ends(channel, "/tmp/fifo");
	check(unlink("/tmp/fifo"), "unlink");
	check(fcntl(channel->write_fd, F_SETPIPE_SZ, capacity), "F_SETPIPE_SZ");
}

/* A socket buffer also counts overhead. The default one holds more bytes than a pipe(2). */
static inline void open_sockets(struct channel *channel, const char *path, int number,
				size_t capacity)
{
	int fds[2], room = 2 * capacity;

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), "socketpair");
	if (capacity > USUAL_CAPACITY)
		check(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)),
		      "SO_SNDBUFFORCE");
	*channel = (struct channel){ fds[0], fds[1] };
}

/* A C module's device NAME; circular also has NAME1, ... The capacity is a parameter of it. */
static inline void open_numbered(struct channel *channel, const char *path, int number,
				 size_t capacity)
{
	char name[64];

	snprintf(name, sizeof(name), number ? "%s%d" : "%s", path, number);
	open_ends(channel, name);
}

static inline void open_null_zero(struct channel *channel, const char *path, int number,
				  size_t capacity)
{
	channel->read_fd = check(open("/dev/zero", O_RDONLY), "/dev/zero");
	channel->write_fd = check(open("/dev/null", O_WRONLY), "/dev/null");
}

static inline void open_writer(struct channel *channel, const char *path, int number,
			       size_t capacity)
{
	channel->read_fd = -1;
	channel->write_fd = check(open(path, O_WRONLY), path);
}

static inline void open_none(struct channel *channel, const char *path, int number,
			     size_t capacity)
{
	*channel = (struct channel){ -1, -1 };
}

static inline void close_channel(const struct channel *channel)
{
	if (channel->read_fd >= 0)
		close(channel->read_fd);
	if (channel->write_fd >= 0)
		close(channel->write_fd);
}

static const struct contender contenders[] = {
	{ "mini_pipe", ONE_PIPE, open_device, "/dev/mini_pipe", NULL, splice_private },
	{ "private", PIPE, open_private, "/dev/mini_pipe", make_private, splice_private },
	{ "pipe", PIPE, open_pipe, "/", make_pipe, splice_pipe },
	{ "fifo", PIPE, open_fifo, "/", NULL, NULL },
	{ "socketpair", PIPE, open_sockets, "/", NULL, NULL },
	{ "circular", PIPE, open_numbered, "/dev/mini_pipe_circular", NULL, NULL },
	{ "syscall", SYSCALL, open_none, "/", NULL, NULL },
	{ "null-zero", FLOOR, open_null_zero, "/", NULL, NULL },
	{ "copy-one", FLOOR, open_writer, "/dev/mini_pipe_plain", NULL, NULL },
	{ "copy-two", FLOOR, open_numbered, "/dev/mini_pipe_plain", NULL, NULL },
};

#endif
