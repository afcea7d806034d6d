/* SPDX-License-Identifier: GPL-2.0 */
/* What the tests of pairs.c share: the pipes that are tested, and the reports of the kernel. */
#ifndef PAIRS_FIXTURE_H
#define PAIRS_FIXTURE_H

#include <time.h>
#include "pairs_calls.h"

enum target { DEVICE, PRIVATE, DEVICE_BOTH, PRIVATE_BOTH };

static const char * const target_names[] = {
	"on the device", "on a private pipe",
	"on a file that is both ends of the device",
	"on a file that is both ends of a private pipe",
};

/* The taint flags of reports: KASAN or a bad page, an oops, a warning, a soft lockup. */
#define REPORTS (0x20 | 0x80 | 0x200 | 0x4000)

/* Not 0 once the kernel has reported something. It possibly reports no second thing. */
static inline long kernel_reports(void)
{
	char text[32] = "";
	int fd = open("/proc/sys/kernel/tainted", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	close(fd);
	return n > 0 ? atol(text) & REPORTS : -1;
}

/* Writes to the kernel's log. The rate limit is per open file, so each line opens its own. */
static inline void log_line(const char *line)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	dprintf(fd, "pairs: %s\n", line);
	close(fd);
}

static inline void move(struct __test_metadata *_metadata, int from, int to)
{
	ASSERT_LE(0, from);
	ASSERT_EQ(to, dup2(from, to));
	close(from);
}

/* Opens the pipe at READ_FD, PATH_FD and, unless `both`, WRITE_FD. */
static inline void open_files_of(struct __test_metadata *_metadata, enum target target)
{
	bool both = target == DEVICE_BOTH || target == PRIVATE_BOTH;
	int device = open_for_ioctl(_metadata);
	struct ends ends = { -1, -1 };

	if (target == PRIVATE || target == PRIVATE_BOTH) {
		ASSERT_EQ(0, make_pair(device, &ends, O_NONBLOCK | O_CLOEXEC, 0));
		move(_metadata, open_again(ends.r, O_PATH), PATH_FD);
	} else {
		move(_metadata, open(MINI_PIPE, O_PATH | O_CLOEXEC), PATH_FD);
	}
	move(_metadata, reopen(both ? O_RDWR : O_RDONLY), READ_FD);
	if (!both)
		move(_metadata, reopen(O_WRONLY), WRITE_FD);
	close(ends.r);
	close(ends.w);
	close(device);
}

static inline void close_files(void)
{
	close(READ_FD);
	close(WRITE_FD);
	close(PATH_FD);
}

#endif
