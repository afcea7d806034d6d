// SPDX-License-Identifier: GPL-2.0
/* IOCB_CMD_POLL of Linux's asynchronous I/O, io_submit(2): the same as on a pipe(2). */
#include <linux/aio_abi.h>
#include "any_pipe_fixture.h"

#define READABLE (POLLIN | POLLRDNORM)
#define WRITABLE (POLLOUT | POLLWRNORM)

static aio_context_t open_context(struct __test_metadata *_metadata)
{
	aio_context_t context = 0;

	if (syscall(__NR_io_setup, 4, &context))
		SKIP(return 0, "needs asynchronous I/O: %s", strerror(errno));
	return context;
}

static void submit_poll(struct __test_metadata *_metadata, aio_context_t context, int fd,
			short events)
{
	struct iocb iocb = {
		.aio_lio_opcode = IOCB_CMD_POLL, .aio_fildes = fd, .aio_buf = events,
	};
	struct iocb *iocbs[] = { &iocb };

	ASSERT_EQ(1, syscall(__NR_io_submit, context, 1, iocbs));
}

/* Returns the events of the next completion, or 0 if none comes within `seconds`. */
static long completed_within(aio_context_t context, int seconds)
{
	struct timespec time = { .tv_sec = seconds };
	struct io_event event;
	int completed = syscall(__NR_io_getevents, context, seconds > 0, 1, &event, &time);

	return completed == 1 ? event.res : 0;
}

static long completed(aio_context_t context)
{
	return completed_within(context, TIMEOUT_MS / 1000);
}

TEST_F(any_pipe, write_completes_waiting_poll_with_pollin_and_pollrdnorm)
{
	aio_context_t context = open_context(_metadata);

	if (!context)
		return;
	submit_poll(_metadata, context, self->r, POLLIN);
	EXPECT_EQ(0, completed_within(context, 0));
	ASSERT_EQ(1, write(self->w, "x", 1));
	EXPECT_EQ(READABLE, completed(context));
	syscall(__NR_io_destroy, context);
}

TEST_F(any_pipe, poll_of_readable_end_completes_with_requested_events)
{
	aio_context_t context = open_context(_metadata);

	if (!context)
		return;
	ASSERT_EQ(1, write(self->w, "x", 1));
	submit_poll(_metadata, context, self->r, POLLIN);
	EXPECT_EQ(POLLIN, completed(context));
	submit_poll(_metadata, context, self->r, READABLE);
	EXPECT_EQ(READABLE, completed(context));
	syscall(__NR_io_destroy, context);
}

TEST_F(any_pipe, read_completes_waiting_poll_with_pollout_and_pollwrnorm)
{
	aio_context_t context = open_context(_metadata);

	if (!context)
		return;
	fill_pipe(_metadata, self->w);
	submit_poll(_metadata, context, self->w, POLLOUT);
	EXPECT_EQ(0, completed_within(context, 0));
	drain_pipe(_metadata, self->r);
	EXPECT_EQ(WRITABLE, completed(context));
	syscall(__NR_io_destroy, context);
}

TEST_F(any_pipe, last_close_of_peer_completes_poll_with_pollhup_or_pollerr)
{
	aio_context_t context = open_context(_metadata);
	int r, w;

	if (!context)
		return;
	submit_poll(_metadata, context, self->r, POLLIN);
	close(self->w);
	EXPECT_EQ(POLLHUP, completed(context));
	close(self->r);
	sprintf(pipe_path(), "%s", MINI_PIPE);
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &r, &w);
	fill_pipe(_metadata, w);
	submit_poll(_metadata, context, w, POLLOUT);
	close(r);
	EXPECT_EQ(POLLERR, completed(context));
	syscall(__NR_io_destroy, context);
}

/* The poll holds a reference to the file. */
TEST_F(any_pipe, poll_completes_after_its_descriptor_is_closed)
{
	aio_context_t context = open_context(_metadata);

	if (!context)
		return;
	submit_poll(_metadata, context, self->r, POLLIN);
	close(self->r);
	ASSERT_EQ(1, write(self->w, "x", 1));
	EXPECT_EQ(READABLE, completed(context));
	syscall(__NR_io_destroy, context);
}

TEST_HARNESS_MAIN
