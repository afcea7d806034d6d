/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Splice, tee and vmsplice in the differential test. None of them sleeps, and each is repeated if
 * the runner's alarm interrupts it. The other pipe of a splice or tee is of the same kind, and made
 * for the call.
 */
#ifndef DIFFERENTIAL_TRANSFERS_H
#define DIFFERENTIAL_TRANSFERS_H

#include <sys/uio.h>
#include "transfer.h"

#define TRANSFER_BYTES (16 * PAGE)

typedef int (*make_fn)(int *fds, int flags, long bytes);

/* Reads all that is in the pipe, packets one after another. */
static inline void read_all(int fd, unsigned char *to)
{
	ssize_t n;

	while ((n = read(fd, to, TRANSFER_BYTES)) > 0)
		to += n;
}

static inline long transfer_out(make_fn make, int fd, long len, bool keep, unsigned char *to)
{
	int other[2], err;
	long ret;

	if (make(other, O_NONBLOCK | O_CLOEXEC, TRANSFER_BYTES))
		return -1;
	if (keep)
		ret = TEMP_FAILURE_RETRY(do_tee(fd, other[1], len, SPLICE_F_NONBLOCK));
	else
		ret = TEMP_FAILURE_RETRY(do_splice(fd, other[1], len, SPLICE_F_NONBLOCK));
	err = errno;
	read_all(other[0], to);
	close(other[0]);
	close(other[1]);
	errno = err;
	return ret;
}

static inline long transfer_in(make_fn make, int fd, long len, const unsigned char *data)
{
	int other[2], err;
	long ret = -1;

	if (make(other, O_NONBLOCK | O_CLOEXEC, TRANSFER_BYTES))
		return -1;
	if (write(other[1], data, len) == len)
		ret = TEMP_FAILURE_RETRY(do_splice(other[0], fd, len, SPLICE_F_NONBLOCK));
	err = errno;
	close(other[0]);
	close(other[1]);
	errno = err;
	return ret;
}

static inline long transfer_memory(int fd, long len, unsigned char *memory)
{
	struct iovec iov = { memory, len };

	return TEMP_FAILURE_RETRY(do_vmsplice(fd, &iov, 1, SPLICE_F_NONBLOCK));
}

#endif
