/* SPDX-License-Identifier: GPL-2.0 */
/* Processes that are stuck in a copy: their buffer faults for as long as the test likes. */
#ifndef USERFAULT_H
#define USERFAULT_H

#include <linux/userfaultfd.h>
#include "ioctls.h"

/*
 * Memory that faults for as long as the test likes, with userfaultfd: the stuck child registers
 * its buffer, tells the number of its userfaultfd, and makes its call; the test takes a copy of
 * the descriptor and decides when, and whether, the fault ends.
 */

struct stuck {
	unsigned char *buf;	/* mapped by the test, never touched before the call */
	ssize_t len;
	size_t from;		/* where in the pattern its bytes begin */
	int end;		/* O_RDONLY reads, O_WRONLY writes */
	int inherited;		/* the descriptor it uses; 0: it opens the device */
	struct child child;
	int faults;		/* the test's copy of the userfaultfd */
};

/* A userfaultfd is for whole pages. */
static inline size_t faulting_len(const struct stuck *stuck)
{
	return (stuck->len + page_size() - 1) / page_size() * page_size();
}

static inline int register_faults(const struct stuck *stuck)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = {
		.range = { (unsigned long)stuck->buf, faulting_len(stuck) },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int faults = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (faults < 0 || ioctl(faults, UFFDIO_API, &api) ||
	    ioctl(faults, UFFDIO_REGISTER, &area))
		return -1;
	return faults;
}

/* A reader reports its count, and then whether its bytes are those of the pattern. */
static inline void get_stuck(int report_to, const void *arg)
{
	const struct stuck *stuck = arg;
	int fd = stuck->inherited ? stuck->inherited : open(MINI_PIPE, stuck->end);
	int faults = register_faults(stuck);
	ssize_t n;

	report(report_to, faults);
	if (faults < 0)
		return;
	if (stuck->end == O_RDONLY) {
		n = read(fd, stuck->buf, stuck->len);
		report(report_to, n);
		report(report_to, n >= 0 && is_pattern(stuck->buf, stuck->from, n));
	} else {
		report(report_to, write(fd, stuck->buf, stuck->len));
	}
}

static inline int copy_descriptor(pid_t pid, int fd)
{
	int pidfd = syscall(__NR_pidfd_open, pid, 0);
	int copy = syscall(__NR_pidfd_getfd, pidfd, fd, 0);

	close(pidfd);
	return copy;
}

/* Returns when the child is in the next fault that nobody has looked at. */
static inline void expect_fault(struct __test_metadata *_metadata, const struct stuck *stuck)
{
	struct pollfd fault = { .fd = stuck->faults, .events = POLLIN };
	struct uffd_msg message;

	ASSERT_EQ(1, poll(&fault, 1, PATIENCE_MS));
	ASSERT_EQ((ssize_t)sizeof(message), read(stuck->faults, &message, sizeof(message)));
	ASSERT_EQ(UFFD_EVENT_PAGEFAULT, message.event);
}

/*
 * A call of so many bytes, on an inherited descriptor or, with 0, the device; a reader expects the
 * pattern from that byte on. Returns when the child is in the fault; false, having skipped, if this
 * machine cannot.
 */
static inline bool start_stuck_with(struct __test_metadata *_metadata, struct stuck *stuck,
				    int inherited, int end, size_t from, ssize_t len)
{
	struct result result;

	stuck->len = len;
	stuck->from = from;
	stuck->buf = map_pages(_metadata, faulting_len(stuck) / page_size(),
			       PROT_READ | PROT_WRITE);
	stuck->end = end;
	stuck->inherited = inherited;
	stuck->child = start(_metadata, get_stuck, stuck, inherited);
	result = result_of(_metadata, &stuck->child);
	if (result.ret < 0)
		SKIP(return false, "needs userfaultfd: %s", strerror(result.err));
	stuck->faults = copy_descriptor(stuck->child.pid, result.ret);
	if (stuck->faults < 0)
		SKIP(return false, "needs pidfd_getfd: %s", strerror(errno));
	expect_fault(_metadata, stuck);
	return true;
}

static inline bool start_stuck_in(struct __test_metadata *_metadata, struct stuck *stuck,
				  int inherited, int end, int pages)
{
	return start_stuck_with(_metadata, stuck, inherited, end, 0, pages * page_size());
}

static inline bool start_stuck(struct __test_metadata *_metadata, struct stuck *stuck, int end,
			       int pages)
{
	return start_stuck_in(_metadata, stuck, 0, end, pages);
}

/* Zeros in every page: the fault ends well. */
static inline void release(struct __test_metadata *_metadata, struct stuck *stuck)
{
	struct uffdio_zeropage zeros = {
		.range = { (unsigned long)stuck->buf, faulting_len(stuck) },
	};

	ASSERT_EQ(0, ioctl(stuck->faults, UFFDIO_ZEROPAGE, &zeros));
}

/* The pattern in a page of the buffer: the copy goes on to the next one. */
static inline void release_page(struct __test_metadata *_metadata, struct stuck *stuck, int page)
{
	size_t offset = page * page_size();
	struct uffdio_copy copy = {
		.dst = (unsigned long)stuck->buf + offset, .src = (unsigned long)big_buffer(),
		.len = page_size(),
	};

	put_pattern(big_buffer(), stuck->from + offset, page_size());
	ASSERT_EQ(0, ioctl(stuck->faults, UFFDIO_COPY, &copy));
}

/* The pattern in every page: the fault ends well, and a writer has something to tell. */
static inline void release_with_pattern(struct __test_metadata *_metadata, struct stuck *stuck)
{
	struct uffdio_copy copy = {
		.dst = (unsigned long)stuck->buf, .src = (unsigned long)big_buffer(),
		.len = faulting_len(stuck),
	};

	put_pattern(big_buffer(), stuck->from, faulting_len(stuck));
	ASSERT_EQ(0, ioctl(stuck->faults, UFFDIO_COPY, &copy));
}

#endif /* USERFAULT_H */
