/* SPDX-License-Identifier: GPL-2.0 */
/* Calls that change the memory which other calls use, and mappings of descriptors. */
#ifndef MEMORY_H
#define MEMORY_H

#include <linux/userfaultfd.h>
#include "worker.h"

static inline struct memory make_memory(void)
{
	int file = memfd_create("fuzz", MFD_CLOEXEC);
	struct memory memory = {
		.good = mmap(NULL, GOOD_BYTES + PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		.faulting = mmap(NULL, FAULTING_BYTES, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		.changing = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				 -1, 0),
		.beyond = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0),
	};

	close(file);
	mprotect(memory.good + GOOD_BYTES, PAGE, PROT_NONE);
	return memory;
}

static inline void call_mmap(struct worker *me, const unsigned char *arg)
{
	void *area = mmap(NULL, PAGE, PROT_READ | (arg[1] & 1 ? PROT_WRITE : 0),
			  arg[1] & 2 ? MAP_SHARED : MAP_PRIVATE, slot(arg[0]), 0);

	(void)me;
	if (area != MAP_FAILED)
		munmap(area, PAGE);
}

static inline void call_mprotect(struct worker *me, const unsigned char *arg)
{
	static const int protections[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };

	mprotect(me->memory->changing, PAGE, protections[arg[0] % ARRAY_SIZE(protections)]);
}

/* The pages are no longer present: the next access faults. */
static inline void call_discard(struct worker *me, const unsigned char *arg)
{
	if (arg[0] % 2)
		madvise(me->memory->good + arg[1] % 32 * PAGE, 8 * PAGE, MADV_DONTNEED);
	else
		madvise(me->memory->faulting, FAULTING_BYTES, MADV_DONTNEED);
}

/* From now on, a fault in memory->faulting lasts until a task resolves it. */
static inline void call_userfault(struct worker *me, const unsigned char *arg)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = {
		.range = { (unsigned long)me->memory->faulting, FAULTING_BYTES },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return;
	ioctl(fd, UFFDIO_API, &api);
	ioctl(fd, UFFDIO_REGISTER, &area);
	place(fd, arg[0]);
}

static inline void call_resolve(struct worker *me, const unsigned char *arg)
{
	struct uffdio_zeropage zeros = {
		.range = { (unsigned long)me->memory->faulting, (1 + arg[1] % 4) * PAGE },
	};

	ioctl(slot(arg[0]), UFFDIO_ZEROPAGE, &zeros);
}

/* Writes to the memory of a process of the program, or reads from it. */
static inline void call_process_vm(struct worker *me, const unsigned char *arg)
{
	struct iovec here = { me->memory->good, size(arg[1]) };
	struct iovec there = { address(me, arg[2]), size(arg[1]) };

	if (here.iov_len > GOOD_BYTES)
		return;
	if (arg[3] % 2)
		process_vm_writev(task_pid(me, arg[0]), &here, 1, &there, 1, 0);
	else
		process_vm_readv(task_pid(me, arg[0]), &here, 1, &there, 1, 0);
}

#endif
