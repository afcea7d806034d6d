/* SPDX-License-Identifier: GPL-2.0 */
/* Common helpers: the clock, errors, and reads and writes of whole messages. */
#ifndef BENCH_H
#define BENCH_H

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* The largest message in bytes, and the largest number of pipes that are open at once. */
#define MAX_MESSAGE 1048576UL
#define MAX_PIPES 16
/* The number of pipes whose memory is measured. */
#define MANY_PIPES 2000

struct contender;

/* What is measured: one contender under one load. */
struct setting {
	const struct contender *contender;
	size_t size;		/* bytes of a message */
	int tasks;		/* number of writers, sleepers or pipes, depending on the load */
	unsigned long count;	/* messages per writer */
};

/* Each task has a copy of its own. Page-aligned, so that a message touches few pages. */
static alignas(4096) unsigned char buffer[MAX_MESSAGE];

/* A measurement takes about this long. */
static unsigned long budget_ns = 50000000;

/* A task writes a byte here to end the measurement. -1 in the parent process. */
static int done_fd = -1;

static inline unsigned long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000UL + now.tv_nsec;
}

static inline noreturn void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	/* The parent process then gives up, too. */
	if (done_fd >= 0 && write(done_fd, "!", 1) != 1)
		perror("bench: cannot report the error");
	exit(1);
}

static inline int check(int ret, const char *what)
{
	if (ret < 0)
		die(what);
	return ret;
}

static inline void write_all(int fd, size_t size)
{
	for (size_t written = 0; written < size;) {
		ssize_t n = write(fd, buffer + written, size - written);

		if (n <= 0)
			die("write");
		written += n;
	}
}

static inline void read_all(int fd, size_t size)
{
	for (size_t received = 0; received < size;) {
		ssize_t n = read(fd, buffer + received, size - received);

		if (n <= 0)
			die("read");
		received += n;
	}
}

#endif
