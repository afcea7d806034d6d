// SPDX-License-Identifier: GPL-2.0
/*
 * The tracepoints mini_pipe:*, as tracefs shows them. Needs root. Where tracefs is not mounted, the
 * tests mount it. They trace into an instance of their own.
 */
#include <sys/mount.h>
#include <sys/stat.h>
#include "mini_pipe_fixture.h"
#include "module_fixture.h"
#include "transfer.h"

#define TRACEFS "/sys/kernel/tracing"
#define EVENTS TRACEFS "/events/mini_pipe"
#define INSTANCE TRACEFS "/instances/mini_pipe_test"

static const char *const names[] = {
	"read", "write", "reserve", "commit", "block", "wake", "hand_on", "resize", "open", "close",
	"eof", "epipe",
};

static bool has_tracefs(void)
{
	return access(TRACEFS "/instances", F_OK) == 0 ||
	       (mount("tracefs", TRACEFS, "tracefs", 0, NULL) == 0 &&
		access(TRACEFS "/instances", F_OK) == 0);
}

static bool can_trace(struct __test_metadata *_metadata)
{
	if (geteuid() || !has_tracefs() || access(EVENTS, F_OK))
		SKIP(return false, "needs root, tracefs and CONFIG_TRACEPOINTS");
	return true;
}

/* Returns false, after a SKIP, if it cannot trace. */
static bool begin_trace(struct __test_metadata *_metadata)
{
	if (!can_trace(_metadata))
		return false;
	ASSERT_TRUE(mkdir(INSTANCE, 0700) == 0 || errno == EEXIST);
	ASSERT_TRUE(write_file(INSTANCE "/trace", "\n"));
	ASSERT_TRUE(write_file(INSTANCE "/events/mini_pipe/enable", "1"));
	return true;
}

static void end_trace(void)
{
	write_file(INSTANCE "/events/mini_pipe/enable", "0");
	rmdir(INSTANCE);
}

static char *read_trace(struct __test_metadata *_metadata)
{
	static char text[1 << 20];
	size_t len = 0;
	ssize_t n;
	int fd = open(INSTANCE "/trace", O_RDONLY | O_CLOEXEC);

	ASSERT_LE(0, fd);
	while ((n = read(fd, text + len, sizeof(text) - len - 1)) > 0)
		len += n;
	close(fd);
	text[len] = '\0';
	return text;
}

/* The number of a pipe in the trace: the one in its name, or 0 for the device. */
static unsigned long number_of(int fd)
{
	char name[64];
	char *number;

	name_of(getpid(), fd, name, sizeof(name));
	number = strstr(name, PRIVATE_PIPE);
	return number ? strtoul(number + strlen(PRIVATE_PIPE), NULL, 10) : 0;
}

/* How many events `name` of the pipe the trace has, with `fields` after the field pipe. */
static int count_events(struct __test_metadata *_metadata, int fd, const char *name,
			const char *fields)
{
	char *text = read_trace(_metadata);
	char line[128];
	int count = 0;

	snprintf(line, sizeof(line), ": %s: pipe=%lu%s\n", name, number_of(fd), fields);
	for (char *at = text; (at = strstr(at, line)); at++)
		count++;
	return count;
}

static void expect_events(struct __test_metadata *_metadata, int fd, int count, const char *name,
			  const char *fields)
{
	EXPECT_EQ(count, count_events(_metadata, fd, name, fields))
	{
		TH_LOG("%s:%s in\n%s", name, fields, read_trace(_metadata));
	}
}

#define EXPECT_EVENTS(count, name, fields)					\
	expect_events(_metadata, self->ends.r, count, name, fields)

TEST_F(pipe, read_and_write_show_length_and_result)
{
	if (!begin_trace(_metadata))
		return;
	write_pattern(_metadata, self->ends.w, 300);
	EXPECT_EVENTS(1, "write", " len=300 ret=300");
	ASSERT_EQ(300, read(self->ends.r, big_buffer(), 1000));
	EXPECT_EVENTS(1, "read", " len=1000 ret=300");
	ASSERT_EQ(-1, read(self->ends.r, big_buffer(), 10));
	EXPECT_EVENTS(1, "read", " len=10 ret=-11");
	fill_pipe(_metadata, self->ends.w);
	ASSERT_EQ(-1, write(self->ends.w, big_buffer(), 10));
	EXPECT_EVENTS(1, "write", " len=10 ret=-11");
	end_trace();
}

TEST_F(pipe, calls_with_iterators_and_splices_are_traced)
{
	struct iovec iov[2] = { { big_buffer(), 3 }, { big_buffer() + 3, 4 } };
	int dest[2];

	ASSERT_EQ(0, pipe2(dest, O_CLOEXEC));
	if (!begin_trace(_metadata))
		return;
	ASSERT_EQ(7, writev(self->ends.w, iov, 2));
	EXPECT_EVENTS(1, "write", " len=7 ret=7");
	ASSERT_EQ(3, readv(self->ends.r, iov, 1));
	EXPECT_EVENTS(1, "read", " len=3 ret=3");
	ASSERT_EQ(4, splice(self->ends.r, NULL, dest[1], NULL, 100, 0));
	EXPECT_EVENTS(1, "read", " len=100 ret=4");
	end_trace();
}

TEST_F(pipe, splice_by_ioctl_is_traced_as_read_and_write_tee_as_write)
{
	struct ends to = private_pipe(_metadata, O_NONBLOCK, 0);
	struct iovec iov = { big_buffer(), 5 };

	if (!begin_trace(_metadata))
		return;
	ASSERT_EQ(5, do_vmsplice(self->ends.w, &iov, 1, 0));
	EXPECT_EVENTS(1, "write", " len=5 ret=5");
	ASSERT_EQ(5, do_tee(self->ends.r, to.w, 100, 0));
	EXPECT_EVENTS(0, "read", " len=100 ret=5");
	ASSERT_EQ(5, do_splice(self->ends.r, to.w, 100, 0));
	EXPECT_EVENTS(1, "read", " len=100 ret=5");
	EXPECT_EQ(2, count_events(_metadata, to.w, "write", " len=100 ret=5"));
	iov.iov_len = 10;
	ASSERT_EQ(10, do_vmsplice(to.r, &iov, 1, 0));
	EXPECT_EQ(1, count_events(_metadata, to.r, "read", " len=10 ret=10"));
	end_trace();
}

/* Bytes that cross a page border are reserved, copied and committed. */
TEST_F(pipe, reserve_and_commit_show_direction_and_length)
{
	ssize_t len = page_size() + 904;
	char reserved[64], committed[64];

	if (!begin_trace(_metadata))
		return;
	write_pattern(_metadata, self->ends.w, len);
	snprintf(reserved, sizeof(reserved), " dir=write len=%zd", len);
	snprintf(committed, sizeof(committed), " dir=write moved=%zd ended=1", len);
	EXPECT_EVENTS(1, "reserve", reserved);
	EXPECT_EVENTS(1, "commit", committed);
	read_exactly(_metadata, self->ends.r, len);
	snprintf(reserved, sizeof(reserved), " dir=read len=%zd", len);
	snprintf(committed, sizeof(committed), " dir=read moved=%zd ended=1", len);
	EXPECT_EVENTS(1, "reserve", reserved);
	EXPECT_EVENTS(1, "commit", committed);
	end_trace();
}

TEST_F(pipe, short_copies_reserve_nothing)
{
	if (!begin_trace(_metadata))
		return;
	write_pattern(_metadata, self->ends.w, 100);
	read_exactly(_metadata, self->ends.r, 50);
	EXPECT_EVENTS(0, "reserve", " dir=write len=100");
	EXPECT_EVENTS(0, "reserve", " dir=read len=50");
	end_trace();
}

TEST_F(pipe, block_and_wake_show_sleeper)
{
	struct child child;

	if (!begin_trace(_metadata))
		return;
	child = start_reading(_metadata, self->ends.r, 1);
	EXPECT_EVENTS(1, "block", " dir=read");
	write_pattern(_metadata, self->ends.w, 1);
	EXPECT_EVENTS(1, "wake", " dir=read sleepers=one pollers=none");
	EXPECT_EQ(1, result_of(_metadata, &child).ret);
	EXPECT_EVENTS(1, "block", " dir=read");

	fill_pipe(_metadata, self->ends.w);
	child = start_writing(_metadata, self->ends.w, 0, 'w', PIPE_BUF);
	EXPECT_EVENTS(1, "block", " dir=write");
	read_exactly(_metadata, self->ends.r, PIPE_BUF);
	EXPECT_EVENTS(1, "wake", " dir=write sleepers=one pollers=none");
	EXPECT_EQ(PIPE_BUF, result_of(_metadata, &child).ret);
	end_trace();
}

TEST_F(pipe, wake_shows_pollers)
{
	struct child child;

	if (!begin_trace(_metadata))
		return;
	child = start_polling(_metadata, self->ends.r, POLLIN);
	EXPECT_EVENTS(0, "block", " dir=read");
	write_pattern(_metadata, self->ends.w, 1);
	EXPECT_EVENTS(1, "wake", " dir=read sleepers=none pollers=some");
	result_of(_metadata, &child);
	end_trace();
}

TEST_F(pipe, hand_on_shows_that_a_reader_wakes_the_next)
{
	struct child readers[2];

	if (!begin_trace(_metadata))
		return;
	readers[0] = start_reading(_metadata, self->ends.r, 1);
	readers[1] = start_reading(_metadata, self->ends.r, 1);
	EXPECT_EVENTS(0, "hand_on", " dir=read");
	write_pattern(_metadata, self->ends.w, 2);
	result_of(_metadata, &readers[0]);
	result_of(_metadata, &readers[1]);
	EXPECT_EVENTS(1, "hand_on", " dir=read");
	EXPECT_EVENTS(2, "wake", " dir=read sleepers=one pollers=none");
	end_trace();
}

/* The writer sleeps on a queue of its own until its bytes are read. */
TEST_F(pipe, rendezvous_shows_its_sleep_and_wake_up)
{
	struct child child;

	if (!begin_trace(_metadata))
		return;
	ASSERT_EQ(0, set_policy(self->ends.w, MINI_PIPE_RENDEZVOUS));
	child = start_writing(_metadata, self->ends.w, 0, 'w', 10);
	EXPECT_EVENTS(1, "block", " dir=write");
	read_exactly(_metadata, self->ends.r, 10);
	EXPECT_EVENTS(1, "wake", " dir=write sleepers=one pollers=none");
	EXPECT_EQ(10, result_of(_metadata, &child).ret);
	end_trace();
}

TEST_F(pipe, resize_shows_both_capacities)
{
	char fields[64];

	if (!begin_trace(_metadata))
		return;
	ASSERT_EQ(5000, set_capacity(self->ends.w, 5000));
	snprintf(fields, sizeof(fields), " from=%zd to=5000", self->capacity);
	EXPECT_EVENTS(1, "resize", fields);
	ASSERT_EQ(5000, set_capacity(self->ends.w, 5000));
	EXPECT_EVENTS(0, "resize", " from=5000 to=5000");
	write_pattern(_metadata, self->ends.w, 300);
	ASSERT_EQ(-1, set_capacity(self->ends.w, 100));
	EXPECT_EVENTS(0, "resize", " from=5000 to=100");
	end_trace();
}

TEST_F(pipe, open_and_close_show_the_open_ends)
{
	int fd;

	if (!begin_trace(_metadata))
		return;
	fd = open_again(self->ends.r, O_RDONLY);
	EXPECT_EVENTS(1, "open", " reads=1 writes=0 readers=2 writers=1");
	close(fd);
	EXPECT_EVENTS(1, "close", " reads=1 writes=0 readers=1 writers=1");
	fd = open_again(self->ends.r, O_RDWR);
	EXPECT_EVENTS(1, "open", " reads=1 writes=1 readers=2 writers=2");
	close(fd);
	EXPECT_EVENTS(1, "close", " reads=1 writes=1 readers=1 writers=1");
	close(self->ends.w);
	EXPECT_EVENTS(1, "close", " reads=0 writes=1 readers=1 writers=0");
	end_trace();
}

TEST_F(pipe, eof_is_shown_for_each_read)
{
	if (!begin_trace(_metadata))
		return;
	ASSERT_EQ(-1, read(self->ends.r, big_buffer(), 1));
	EXPECT_EVENTS(0, "eof", "");
	close(self->ends.w);
	ASSERT_EQ(0, read(self->ends.r, big_buffer(), 1));
	ASSERT_EQ(0, read(self->ends.r, big_buffer(), 1));
	EXPECT_EVENTS(2, "eof", "");
	end_trace();
}

TEST_F(pipe, epipe_is_shown_for_each_write)
{
	int w = self->ends.w;

	if (!begin_trace(_metadata))
		return;
	/* EXPECT_EVENTS needs a file of the pipe in ends.r: one that is neither end. */
	self->ends.w = open_again(self->ends.r, O_ACCMODE);
	close(self->ends.r);
	self->ends.r = self->ends.w;
	ASSERT_EQ(-1, write(w, "x", 1));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EVENTS(1, "epipe", "");
	EXPECT_EVENTS(1, "write", " len=1 ret=-32");
	ASSERT_EQ(0, set_policy(w, MINI_PIPE_RENDEZVOUS));
	set_flag(_metadata, w, O_NONBLOCK, false);
	ASSERT_EQ(-1, write(w, "x", 1));
	EXPECT_EVENTS(2, "epipe", "");
	end_trace();
}

TEST_F(pipe, events_that_are_off_are_not_shown)
{
	if (!begin_trace(_metadata))
		return;
	ASSERT_TRUE(write_file(INSTANCE "/events/mini_pipe/write/enable", "0"));
	write_pattern(_metadata, self->ends.w, 10);
	read_exactly(_metadata, self->ends.r, 10);
	EXPECT_EVENTS(0, "write", " len=10 ret=10");
	EXPECT_EVENTS(1, "read", " len=10 ret=10");
	end_trace();
}

TEST(each_event_has_its_pipe)
{
	char path[128], text[2048];

	if (!can_trace(_metadata))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int fd;
		ssize_t n;

		snprintf(path, sizeof(path), EVENTS "/%s/format", names[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, fd);
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
		text[n > 0 ? n : 0] = '\0';
		EXPECT_NE(NULL, strstr(text, "field:u64 pipe;"));
	}
}

FIXTURE(reload)
{
};

FIXTURE_SETUP(reload)
{
	if (can_trace(_metadata))
		start_unloaded(_metadata);
}

FIXTURE_TEARDOWN(reload)
{
	end_trace();
	end_loaded(_metadata);
}

/* Even while somebody listens to the events. */
TEST_F(reload, events_come_and_go_with_module)
{
	EXPECT_EQ(-1, access(EVENTS, F_OK));
	for (int i = 0; i < 3; i++) {
		load_with(_metadata, "");
		ASSERT_TRUE(begin_trace(_metadata));
		EXPECT_EQ(0, unload());
		EXPECT_EQ(-1, access(EVENTS, F_OK));
	}
}

TEST_HARNESS_MAIN
