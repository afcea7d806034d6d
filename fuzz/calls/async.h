/* SPDX-License-Identifier: GPL-2.0 */
/* io_uring and libaio, by their system calls. Each task has a ring and a context of its own. */
#ifndef ASYNC_H
#define ASYNC_H

#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include "worker.h"

#define RING_ENTRIES 8

/* Above all descriptors that call_close_range() and dup3() of any task reach. */
#define FIRST_RING_FD (FIRST_FD + SLOTS + MORE_CLOSED)

static inline bool open_ring(struct worker *me)
{
	struct io_uring_params params = { .flags = IORING_SETUP_NO_SQARRAY };
	struct ring *ring = &me->ring;
	char *rings;
	int fd;

	if (me->ring_tried)
		return ring->sqes;
	me->ring_tried = true;
	fd = syscall(__NR_io_uring_setup, RING_ENTRIES, &params);
	if (fd < 0)
		return false;
	ring->fd = FIRST_RING_FD + me->index;
	dup3(fd, ring->fd, O_CLOEXEC);
	close(fd);
	/* With RING_ENTRIES entries, each mapping fits into a page. */
	rings = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
	if (rings == MAP_FAILED)
		return false;
	ring->sqes = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
			  IORING_OFF_SQES);
	if (ring->sqes == MAP_FAILED)
		ring->sqes = NULL;
	ring->sq_head = (atomic_uint *)(rings + params.sq_off.head);
	ring->sq_tail = (atomic_uint *)(rings + params.sq_off.tail);
	ring->cq_head = (atomic_uint *)(rings + params.cq_off.head);
	ring->cq_tail = (atomic_uint *)(rings + params.cq_off.tail);
	return ring->sqes;
}

/* Submits what is queued; if `wait`, also waits for a completion, or for a signal. */
static inline void enter_ring(struct worker *me, bool wait)
{
	struct ring *ring = &me->ring;

	syscall(__NR_io_uring_enter, ring->fd, *ring->sq_tail - *ring->sq_head, wait,
		wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
	*ring->cq_head = *ring->cq_tail;
}

static inline void call_uring(struct worker *me, const unsigned char *arg)
{
	static const unsigned char ops[] = {
		IORING_OP_READ, IORING_OP_WRITE, IORING_OP_POLL_ADD, IORING_OP_POLL_ADD,
		IORING_OP_ASYNC_CANCEL, IORING_OP_POLL_REMOVE, IORING_OP_SPLICE, IORING_OP_TEE,
		IORING_OP_CLOSE, IORING_OP_FSYNC, IORING_OP_READ_MULTISHOT, IORING_OP_NOP,
	};
	int op = ops[arg[1] % ARRAY_SIZE(ops)];
	struct io_uring_sqe sqe = {
		.opcode = op,
		.fd = slot(arg[0]),
		.off = -1,
		.addr = (unsigned long)address(me, arg[2]),
		.len = size(arg[3]),
		.flags = (arg[1] & 32 ? IOSQE_ASYNC : 0) | (arg[1] & 64 ? IOSQE_IO_LINK : 0),
		.user_data = arg[1] & 16,
	};

	if (!open_ring(me) || *me->ring.sq_tail - *me->ring.sq_head >= RING_ENTRIES)
		return;
	if (arg[1] & 128) {
		/* fd is an index into the registered files. */
		sqe.flags |= IOSQE_FIXED_FILE;
		sqe.fd = arg[0] % 4;
	}
	switch (op) {
	case IORING_OP_POLL_ADD:
		sqe.poll32_events = arg[2] & 1 ? POLLIN : POLLOUT;
		sqe.len = arg[3] & 1 ? IORING_POLL_ADD_MULTI : 0;
		sqe.addr = 0;
		sqe.off = 0;
		break;
	case IORING_OP_ASYNC_CANCEL:
		sqe.cancel_flags = arg[2] % 8;
		sqe.addr = arg[3] & 16;
		sqe.off = 0;
		sqe.len = 0;
		break;
	case IORING_OP_POLL_REMOVE:
		sqe.addr = arg[3] & 16;
		sqe.len = 0;
		sqe.off = 0;
		break;
	case IORING_OP_SPLICE:
	case IORING_OP_TEE:
		sqe.splice_fd_in = slot(arg[2]);
		sqe.splice_off_in = -1;
		break;
	case IORING_OP_CLOSE:
		sqe.off = 0;
		sqe.addr = 0;
		sqe.len = 0;
		break;
	default:
		break;
	}
	me->ring.sqes[*me->ring.sq_tail % RING_ENTRIES] = sqe;
	*me->ring.sq_tail += 1;
	enter_ring(me, arg[3] & 128);
}

/* Registers files, which the ring then holds without a descriptor; updates or drops them. */
static inline void call_uring_files(struct worker *me, const unsigned char *arg)
{
	int fds[4];
	struct io_uring_files_update update = { .fds = (unsigned long)fds, .offset = arg[3] % 4 };

	if (!open_ring(me))
		return;
	for (int i = 0; i < 4; i++)
		fds[i] = arg[0] & 1 << i ? slot(arg[1] + i) : -1;
	switch (arg[2] % 3) {
	case 0:
		syscall(__NR_io_uring_register, me->ring.fd, IORING_REGISTER_FILES, fds, 4);
		break;
	case 1:
		syscall(__NR_io_uring_register, me->ring.fd, IORING_REGISTER_FILES_UPDATE, &update,
			1);
		break;
	default:
		syscall(__NR_io_uring_register, me->ring.fd, IORING_UNREGISTER_FILES, NULL, 0);
	}
}

static inline void call_uring_close(struct worker *me, const unsigned char *arg)
{
	(void)arg;
	if (me->ring_tried && me->ring.sqes)
		close(me->ring.fd);
}

static inline void call_aio(struct worker *me, const unsigned char *arg)
{
	static const unsigned short ops[] = {
		IOCB_CMD_PREAD, IOCB_CMD_PWRITE, IOCB_CMD_POLL, IOCB_CMD_POLL, IOCB_CMD_FSYNC,
	};
	unsigned short op = ops[arg[1] % ARRAY_SIZE(ops)];
	struct iocb iocb = {
		.aio_lio_opcode = op,
		.aio_fildes = slot(arg[0]),
		.aio_buf = op == IOCB_CMD_POLL ? (arg[2] & 1 ? POLLIN : POLLOUT) :
						 (unsigned long)address(me, arg[2]),
		.aio_nbytes = op == IOCB_CMD_POLL ? 0 : size(arg[3]),
		.aio_rw_flags = op == IOCB_CMD_POLL ? 0 : arg[1] & 64 ? RWF_NOWAIT : 0,
	};
	struct iocb *iocbs[] = { &iocb };
	struct io_event event;
	struct timespec now = { 0 };

	if (!me->aio && syscall(__NR_io_setup, 4, &me->aio))
		return;
	syscall(__NR_io_submit, me->aio, 1, iocbs);
	if (arg[3] & 32)
		syscall(__NR_io_cancel, me->aio, &iocb, &event);
	if (arg[3] & 64)
		syscall(__NR_io_getevents, me->aio, 0, 1, &event, &now);
	if (arg[3] & 128) {
		syscall(__NR_io_destroy, me->aio);
		me->aio = 0;
	}
}

#endif
