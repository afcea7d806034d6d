// SPDX-License-Identifier: GPL-2.0
/* IOCB_CMD_POLL of Linux's own asynchronous I/O, by its system calls. The same on a pipe(2). */
#include <linux/aio_abi.h>
#include "same_fixture.h"

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

/* What the next one tells that is complete; waits for it that long. Nothing is 0. */
static long told_within(aio_context_t context, int seconds)
{
	struct timespec time = { .tv_sec = seconds };
	struct io_event event;
	int told = syscall(__NR_io_getevents, context, seconds > 0, 1, &event, &time);

	return told == 1 ? event.res : 0;
}

static long told(aio_context_t context)
{
	return told_within(context, PATIENCE_MS / 1000);
}

TEST_F(same, bytes_complete_a_poll_with_all_that_they_are)
{
	aio_context_t context = open_context(_metadata);

	if (!context)
		return;
	submit_poll(_metadata, context, self->r, POLLIN);
	EXPECT_EQ(0, told_within(context, 0));
	ASSERT_EQ(1, write(self->w, "x", 1));
	EXPECT_EQ(READABLE, told(context));
	syscall(__NR_io_destroy, context);
}

TEST_F(same, bytes_that_are_there_complete_a_poll_with_what_it_asked_for)
{
	aio_context_t context = open_context(_metadata);

	if (!context)
		return;
	ASSERT_EQ(1, write(self->w, "x", 1));
	submit_poll(_metadata, context, self->r, POLLIN);
	EXPECT_EQ(POLLIN, told(context));
	submit_poll(_metadata, context, self->r, READABLE);
	EXPECT_EQ(READABLE, told(context));
	syscall(__NR_io_destroy, context);
}

TEST_F(same, room_completes_a_poll_with_all_that_it_is)
{
	aio_context_t context = open_context(_metadata);

	if (!context)
		return;
	fill_pipe(_metadata, self->w);
	submit_poll(_metadata, context, self->w, POLLOUT);
	EXPECT_EQ(0, told_within(context, 0));
	drain_pipe(_metadata, self->r);
	EXPECT_EQ(WRITABLE, told(context));
	syscall(__NR_io_destroy, context);
}

TEST_F(same, the_end_and_the_broken_pipe_complete_polls)
{
	aio_context_t context = open_context(_metadata);
	int r, w;

	if (!context)
		return;
	submit_poll(_metadata, context, self->r, POLLIN);
	close(self->w);
	EXPECT_EQ(POLLHUP, told(context));
	close(self->r);
	sprintf(pipe_path(), "%s", MINI_PIPE);
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &r, &w);
	fill_pipe(_metadata, w);
	submit_poll(_metadata, context, w, POLLOUT);
	close(r);
	EXPECT_EQ(POLLERR, told(context));
	syscall(__NR_io_destroy, context);
}

/* The poll holds the file. */
TEST_F(same, a_poll_completes_though_its_descriptor_is_closed)
{
	aio_context_t context = open_context(_metadata);

	if (!context)
		return;
	submit_poll(_metadata, context, self->r, POLLIN);
	close(self->r);
	ASSERT_EQ(1, write(self->w, "x", 1));
	EXPECT_EQ(READABLE, told(context));
	syscall(__NR_io_destroy, context);
}

TEST_HARNESS_MAIN
