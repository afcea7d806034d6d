/* SPDX-License-Identifier: GPL-2.0 */
/* Readers and writers that are stuck in a copy, in a page fault that the test controls. */
#ifndef USERFAULT_H
#define USERFAULT_H

#include <linux/userfaultfd.h>
#include "ioctls.h"

/*
 * The child registers its buffer with a userfaultfd, reports the descriptor's number, and makes its
 * call. The test copies the descriptor with pidfd_getfd(2). Then the test resolves the fault when
 * it wants to, or kills the child.
 */

struct stuck {
	unsigned char *buf;	/* mapped by the test, not accessed before the call */
	ssize_t len;
	size_t from;		/* the position in the pattern of its first byte */
	int end;		/* O_RDONLY reads, O_WRONLY writes */
	int inherited;		/* the descriptor that it uses, or 0 to open the device */
	struct child child;
	int faults;		/* the test's copy of the userfaultfd */
};

/* A userfaultfd works on whole pages. */
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

/* A reader reports how many bytes it read, and then whether they are those of the pattern. */
static inline void read_or_write_stuck(int report_to, const void *arg)
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

/* Waits for the next page fault of the child. */
static inline void expect_fault(struct __test_metadata *_metadata, const struct stuck *stuck)
{
	struct pollfd fault = { .fd = stuck->faults, .events = POLLIN };
	struct uffd_msg message;

	ASSERT_EQ(1, poll(&fault, 1, TIMEOUT_MS));
	ASSERT_EQ((ssize_t)sizeof(message), read(stuck->faults, &message, sizeof(message)));
	ASSERT_EQ(UFFD_EVENT_PAGEFAULT, message.event);
}

/*
 * Starts a child that reads or writes `len` bytes, on an inherited descriptor or, if that is 0, on
 * the device. A reader expects the pattern from byte `from` on. Returns true when the child is in
 * the fault, or false if the test was skipped because the machine lacks userfaultfd.
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
	stuck->child = start(_metadata, read_or_write_stuck, stuck, inherited);
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

/* Resolves the faults of all pages, with pages of zeros. */
static inline void resolve_faults(struct __test_metadata *_metadata, struct stuck *stuck)
{
	struct uffdio_zeropage zeros = {
		.range = { (unsigned long)stuck->buf, faulting_len(stuck) },
	};

	ASSERT_EQ(0, ioctl(stuck->faults, UFFDIO_ZEROPAGE, &zeros));
}

/*
 * Resolves the fault of one page: for a writer with the pattern, for a reader with zeros, which its
 * read has to replace. The copy continues to the next page.
 */
static inline void resolve_page(struct __test_metadata *_metadata, struct stuck *stuck, int page)
{
	size_t offset = page * page_size();
	struct uffdio_copy copy = {
		.dst = (unsigned long)stuck->buf + offset, .src = (unsigned long)big_buffer(),
		.len = page_size(),
	};

	if (stuck->end == O_RDONLY)
		memset(big_buffer(), 0, page_size());
	else
		put_pattern(big_buffer(), stuck->from + offset, page_size());
	ASSERT_EQ(0, ioctl(stuck->faults, UFFDIO_COPY, &copy));
}

/* Resolves the faults of all pages with the pattern, for a writer whose bytes are checked. */
static inline void resolve_with_pattern(struct __test_metadata *_metadata, struct stuck *stuck)
{
	struct uffdio_copy copy = {
		.dst = (unsigned long)stuck->buf, .src = (unsigned long)big_buffer(),
		.len = faulting_len(stuck),
	};

	put_pattern(big_buffer(), stuck->from, faulting_len(stuck));
	ASSERT_EQ(0, ioctl(stuck->faults, UFFDIO_COPY, &copy));
}

#endif /* USERFAULT_H */
