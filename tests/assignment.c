// SPDX-License-Identifier: GPL-2.0
/*
 * The assignment's own test: a writer sends 200 bytes through a ring of 128, and a reader that
 * starts later reads 64 at a time. The log is that of the assignment's C solution, word for word.
 *
 * Load the module with capacity=128 first.
 *
 * In the C solution, write() returns as soon as it has written some bytes. Here a blocking write
 * returns when all of its bytes are written, as pipe(7) says. So the writer's first write is
 * non-blocking and writes what fits; the others block, and are as long as the reader's reads. The C
 * solution's reader sleeps for two seconds; this one waits until the writer sleeps or has exited.
 */

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEVICE "/dev/mini_pipe"
#define TOTAL 200
#define CHUNK 64

static int open_device(int flags)
{
	int fd = open(DEVICE, flags);

	if (fd < 0)
		err(EXIT_FAILURE, DEVICE);
	return fd;
}

/* After its first write, the writer prints only when the reader has printed. */
static void writer(int reader_printed)
{
	char data[TOTAL] = { 0 };
	size_t sent = 0;
	char token;
	int fd;

	fd = open_device(O_WRONLY | O_NONBLOCK);
	printf("[Writer] Ready to write %d bytes (Buffer size is 128)...\n", TOTAL);
	while (sent < TOTAL) {
		size_t rest = TOTAL - sent;
		ssize_t n = write(fd, data + sent, sent && rest > CHUNK ? CHUNK : rest);

		if (n < 0)
			err(EXIT_FAILURE, "write");
		if (sent && read(reader_printed, &token, 1) != 1)
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

/* Returns when the process sleeps or has exited. */
static void wait_until_asleep_or_exited(pid_t pid)
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
	char data[CHUNK];
	int fd, status, reader_printed[2];
	pid_t pid;
	ssize_t n;

	if (pipe(reader_printed))
		err(EXIT_FAILURE, "pipe");
	/* Line buffering, because both processes print. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	pid = fork();
	if (pid < 0)
		err(EXIT_FAILURE, "fork");
	if (!pid)
		writer(reader_printed[0]);
	wait_until_asleep_or_exited(pid);
	fd = open_device(O_RDONLY);
	printf("[Reader] Starting to read (should unblock Writer)...\n");
	while ((n = read(fd, data, sizeof(data))) > 0) {
		printf("[Reader] Read %zd bytes\n", n);
		if (write(reader_printed[1], "", 1) != 1)
			err(EXIT_FAILURE, "write");
		wait_until_asleep_or_exited(pid);
	}
	if (n < 0)
		err(EXIT_FAILURE, "read");
	if (waitpid(pid, &status, 0) != pid || status)
		errx(EXIT_FAILURE, "the writer failed");
	return EXIT_SUCCESS;
}
