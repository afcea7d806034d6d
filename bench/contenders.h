/* SPDX-License-Identifier: GPL-2.0 */
/* Who runs: the pipes, and the floors that none of them can be below. */
#ifndef CONTENDERS_H
#define CONTENDERS_H

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "bench.h"
#include "../uapi/mini_pipe.h"

/* One way for bytes. A floor that only writes has no descriptor to read from. */
struct channel {
	int read_fd;
	int write_fd;
};

enum kind {
	ONE_PIPE,	/* there is only one; its peer in a round trip is a private one */
	PIPE,
	FLOOR,		/* moves bytes, but does not keep them */
	SYSCALL,	/* not even that */
};

struct contender {
	const char *name;
	enum kind kind;
	void (*open)(struct channel *channel, const char *path, int number, size_t capacity);
	const char *path;	/* what must be there */
};

/* What all but the largest messages go through, as it is pipe(2)'s own. */
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

/* It counts more than the bytes, and as it comes holds more than a pipe(2). */
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

/* The C modules have many pipes, NAME, NAME1 and so on, of the capacity that they came with. */
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
	{ "mini_pipe", ONE_PIPE, open_device, "/dev/mini_pipe" },
	{ "private", PIPE, open_private, "/dev/mini_pipe" },
	{ "pipe", PIPE, open_pipe, "/" },
	{ "fifo", PIPE, open_fifo, "/" },
	{ "socketpair", PIPE, open_sockets, "/" },
	{ "circular", PIPE, open_numbered, "/dev/mini_pipe_circular" },
	{ "syscall", SYSCALL, open_none, "/" },
	{ "null-zero", FLOOR, open_null_zero, "/" },
	{ "copy-one", FLOOR, open_writer, "/dev/mini_pipe_plain" },
	{ "copy-two", FLOOR, open_numbered, "/dev/mini_pipe_plain" },
};

#endif
