// SPDX-License-Identifier: GPL-2.0
/*
 * The assignment's own test: a writer sends 200 bytes through a ring of 128, and a reader that
 * starts later takes 64 at a time. It prints the log of the assignment's worked answer, in its
 * wording.
 *
 * Load the module with capacity=128 first.
 *
 * The worked answer's write() returned as soon as something was in. One that blocks goes on, as
 * that of pipe(7), until all of it is in; so the writer asks without blocking for what fits, and
 * then sends blocking pieces of the reader's size. Its reader slept for two seconds; this one waits
 * until the writer is asleep or has left.
 */

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEVICE "/dev/mini_pipe"
#define TOTAL 200
#define PIECE 64

static int open_device(int flags)
{
	int fd = open(DEVICE, flags);

	if (fd < 0)
		err(EXIT_FAILURE, DEVICE);
	return fd;
}

/* After its first write, the writer prints only when the reader has printed: turn tells it. */
static void writer(int turn)
{
	char data[TOTAL] = { 0 };
	size_t sent = 0;
	char token;
	int fd;

	fd = open_device(O_WRONLY | O_NONBLOCK);
	printf("[Writer] Ready to write %d bytes (Buffer size is 128)...\n", TOTAL);
	while (sent < TOTAL) {
		size_t rest = TOTAL - sent;
		ssize_t n = write(fd, data + sent, sent && rest > PIECE ? PIECE : rest);

		if (n < 0)
			err(EXIT_FAILURE, "write");
		if (sent && read(turn, &token, 1) != 1)
			err(EXIT_FAILURE, "read");
		sent += n;
		printf("[Writer] Wrote %zd bytes (Total: %zu/%d). Buffer might be full now...\n",
		       n, sent, TOTAL);
		if (fcntl(fd, F_SETFL, 0))
			err(EXIT_FAILURE, "fcntl");
	}
	printf("[Writer] Done. All data sent.\n");
	exit(EXIT_SUCCESS);
}

/* Returns when the process sleeps or has ended. */
static void wait_until_quiet(pid_t pid)
{
	char path[32], state = 0;
	FILE *stat;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (state != 'S' && state != 'Z') {
		stat = fopen(path, "r");
		if (!stat)
			err(EXIT_FAILURE, "%s", path);
		if (fscanf(stat, "%*d %*s %c", &state) != 1)
			errx(EXIT_FAILURE, "%s cannot be read", path);
		fclose(stat);
	}
}

int main(void)
{
	char data[PIECE];
	int fd, status, turn[2];
	pid_t pid;
	ssize_t n;

	if (pipe(turn))
		err(EXIT_FAILURE, "pipe");
	/* A line at a time, whoever prints it. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	pid = fork();
	if (pid < 0)
		err(EXIT_FAILURE, "fork");
	if (!pid)
		writer(turn[0]);
	wait_until_quiet(pid);
	fd = open_device(O_RDONLY);
	printf("[Reader] Starting to read (should unblock Writer)...\n");
	while ((n = read(fd, data, sizeof(data))) > 0) {
		printf("[Reader] Read %zd bytes\n", n);
		if (write(turn[1], "", 1) != 1)
			err(EXIT_FAILURE, "write");
		wait_until_quiet(pid);
	}
	if (n < 0)
		err(EXIT_FAILURE, "read");
	if (waitpid(pid, &status, 0) != pid || status)
		errx(EXIT_FAILURE, "the writer failed");
	return EXIT_SUCCESS;
}
