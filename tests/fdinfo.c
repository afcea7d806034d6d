// SPDX-License-Identifier: GPL-2.0
/* /proc/PID/fdinfo of a pipe: its state, and counters of what has happened since it was made. */
#include "mini_pipe_fixture.h"

static const char *const names[] = {
	"capacity", "bytes", "readers", "writers", "policy", "bytes-in", "bytes-out",
	"reader-sleeps", "writer-sleeps", "reader-wakeups", "writer-wakeups",
	"reader-spin-ns", "writer-spin-ns",
};

static void read_fdinfo(struct __test_metadata *_metadata, int fd, char *text, size_t size)
{
	char file[32];

	snprintf(file, sizeof(file), "fdinfo/%d", fd);
	ASSERT_TRUE(read_proc(getpid(), file, text, size));
}

/* Returns the value on the line of `name`. */
static const char *value_of(struct __test_metadata *_metadata, int fd, const char *name)
{
	static char text[4096];
	char start[32];
	char *value;

	snprintf(start, sizeof(start), "\n%s:\t", name);
	read_fdinfo(_metadata, fd, text, sizeof(text));
	value = strstr(text, start);
	ASSERT_NE(NULL, value)
	{
		TH_LOG("no %s in\n%s", name, text);
	}
	value += strlen(start);
	value[strcspn(value, "\n")] = '\0';
	return value;
}

static long number_of(struct __test_metadata *_metadata, int fd, const char *name)
{
	const char *value = value_of(_metadata, fd, name);
	long number;
	char *end;

	number = strtol(value, &end, 10);
	ASSERT_TRUE(end != value && !*end)
	{
		TH_LOG("%s: %s", name, value);
	}
	return number;
}

#define EXPECT_NUMBER(number, name)						\
	EXPECT_EQ(number, number_of(_metadata, self->ends.r, name))
#define EXPECT_WORD(word, name)							\
	EXPECT_STREQ(word, value_of(_metadata, self->ends.r, name))

TEST_F(pipe, fdinfo_has_each_line_once_after_kernel_lines)
{
	char text[4096], start[32];
	char *last, *line;

	read_fdinfo(_metadata, self->ends.w, text, sizeof(text));
	last = strstr(text, "\nino:\t");
	ASSERT_NE(NULL, last);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(start, sizeof(start), "\n%s:\t", names[i]);
		line = strstr(text, start);
		ASSERT_LT(last, line)
		{
			TH_LOG("%s in\n%s", names[i], text);
		}
		EXPECT_EQ(NULL, strstr(line + 1, start));
		last = line;
	}
}

TEST_F(pipe, fdinfo_shows_capacity)
{
	EXPECT_NUMBER(self->capacity, "capacity");
	ASSERT_EQ(5000, set_capacity(self->ends.w, 5000));
	EXPECT_NUMBER(5000, "capacity");
}

TEST_F(pipe, fdinfo_shows_bytes_in_pipe)
{
	EXPECT_NUMBER(0, "bytes");
	write_pattern(_metadata, self->ends.w, 300);
	EXPECT_NUMBER(300, "bytes");
	read_exactly(_metadata, self->ends.r, 299);
	EXPECT_NUMBER(1, "bytes");
	fill_pipe(_metadata, self->ends.w);
	EXPECT_NUMBER(self->capacity, "bytes");
}

TEST_F(pipe, fdinfo_is_the_same_at_both_ends)
{
	write_pattern(_metadata, self->ends.w, 300);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char value[64];

		snprintf(value, sizeof(value), "%s",
			 value_of(_metadata, self->ends.r, names[i]));
		EXPECT_STREQ(value, value_of(_metadata, self->ends.w, names[i]));
	}
}

static void report_start(int report_to, const void *arg __maybe_unused)
{
	report(report_to, 0);
}

/* Open files are counted: a duplicated or inherited descriptor is of the same open file. */
TEST_F(pipe, fdinfo_counts_readers_and_writers)
{
	struct child child = start_forked(_metadata, report_start, NULL);
	int reader, both;

	ASSERT_EQ(0, result_of(_metadata, &child).ret);
	EXPECT_NUMBER(1, "readers");
	EXPECT_NUMBER(1, "writers");
	dup(self->ends.w);
	EXPECT_NUMBER(1, "writers");
	reader = open_again(self->ends.r, O_RDONLY);
	both = open_again(self->ends.r, O_RDWR);
	EXPECT_NUMBER(3, "readers");
	EXPECT_NUMBER(2, "writers");
	close(reader);
	close(both);
	kill_child(_metadata, &child);
	EXPECT_NUMBER(1, "readers");
	EXPECT_NUMBER(1, "writers");
}

TEST_F(pipe, fdinfo_shows_0_writers_after_last_close)
{
	struct child child = start_forked(_metadata, report_start, NULL);

	ASSERT_EQ(0, result_of(_metadata, &child).ret);
	close(self->ends.w);
	EXPECT_NUMBER(1, "writers");
	kill_child(_metadata, &child);
	EXPECT_NUMBER(0, "writers");
	EXPECT_NUMBER(1, "readers");
}

TEST_F(pipe, fdinfo_shows_policy)
{
	EXPECT_WORD("buffered", "policy");
	ASSERT_EQ(0, set_policy(self->ends.w, MINI_PIPE_RENDEZVOUS));
	EXPECT_WORD("rendezvous", "policy");
}

TEST_F(pipe, fdinfo_counts_bytes_written_and_read)
{
	long in = number_of(_metadata, self->ends.r, "bytes-in");
	long out = number_of(_metadata, self->ends.r, "bytes-out");

	EXPECT_EQ(in, out);
	write_pattern(_metadata, self->ends.w, 300);
	write_pattern(_metadata, self->ends.w, 5000);
	EXPECT_NUMBER(in + 5300, "bytes-in");
	EXPECT_NUMBER(out, "bytes-out");
	read_exactly(_metadata, self->ends.r, 100);
	read_exactly(_metadata, self->ends.r, 1);
	EXPECT_NUMBER(in + 5300, "bytes-in");
	EXPECT_NUMBER(out + 101, "bytes-out");
	drain_pipe(_metadata, self->ends.r);
	EXPECT_NUMBER(out + 5300, "bytes-out");
	for (int i = 0; i < 100; i++) {
		fill_pipe(_metadata, self->ends.w);
		drain_pipe(_metadata, self->ends.r);
	}
	EXPECT_NUMBER(in + 5300 + 100 * self->capacity, "bytes-in");
	EXPECT_NUMBER(out + 5300 + 100 * self->capacity, "bytes-out");
}

/* Calls that fail or transfer nothing count no bytes. */
TEST_F(pipe, fdinfo_counts_no_bytes_of_failed_calls)
{
	long in = number_of(_metadata, self->ends.r, "bytes-in");
	long out = number_of(_metadata, self->ends.r, "bytes-out");
	unsigned char *bad = map_pages(_metadata, 1, PROT_NONE);

	EXPECT_EQ(-1, read(self->ends.r, big_buffer(), 1));
	EXPECT_EQ(-1, write(self->ends.w, bad, 10));
	EXPECT_EQ(0, write(self->ends.w, "", 0));
	write_pattern(_metadata, self->ends.w, 10);
	EXPECT_EQ(-1, read(self->ends.r, bad, 10));
	EXPECT_NUMBER(in + 10, "bytes-in");
	EXPECT_NUMBER(out, "bytes-out");
	ASSERT_EQ(100, set_capacity(self->ends.w, 100));
	EXPECT_NUMBER(in + 10, "bytes-in");
	EXPECT_NUMBER(out, "bytes-out");
}

/* A write that is interrupted removes its unread bytes, which do not count as written. */
TEST_F(pipe, fdinfo_counts_no_bytes_that_rendezvous_removes)
{
	long in = number_of(_metadata, self->ends.r, "bytes-in");
	long out = number_of(_metadata, self->ends.r, "bytes-out");
	struct child writer;

	ASSERT_EQ(0, set_policy(self->ends.w, MINI_PIPE_RENDEZVOUS));
	writer = start_writing(_metadata, self->ends.w, 0, 'w', 10);
	read_exactly(_metadata, self->ends.r, 4);
	kill_child(_metadata, &writer);
	EXPECT_NUMBER(in + 4, "bytes-in");
	EXPECT_NUMBER(out + 4, "bytes-out");
}

TEST_F(pipe, fdinfo_counts_sleeps_and_wake_ups_of_readers)
{
	long sleeps = number_of(_metadata, self->ends.r, "reader-sleeps");
	long wakeups = number_of(_metadata, self->ends.r, "reader-wakeups");
	struct child readers[3];

	for (int i = 0; i < 3; i++) {
		readers[i] = start_reading(_metadata, self->ends.r, 1);
		EXPECT_NUMBER(sleeps + i + 1, "reader-sleeps");
	}
	EXPECT_NUMBER(wakeups, "reader-wakeups");
	for (int i = 0; i < 3; i++) {
		write_pattern(_metadata, self->ends.w, 1);
		EXPECT_EQ(1, result_of(_metadata, &readers[i]).ret);
		EXPECT_NUMBER(wakeups + i + 1, "reader-wakeups");
	}
	EXPECT_NUMBER(sleeps + 3, "reader-sleeps");
}

TEST_F(pipe, fdinfo_counts_sleeps_and_wake_ups_of_writers)
{
	long sleeps = number_of(_metadata, self->ends.r, "writer-sleeps");
	long wakeups = number_of(_metadata, self->ends.r, "writer-wakeups");
	struct child writers[3];

	fill_pipe(_metadata, self->ends.w);
	for (int i = 0; i < 3; i++) {
		writers[i] = start_writing(_metadata, self->ends.w, 0, 'w', PIPE_BUF);
		EXPECT_NUMBER(sleeps + i + 1, "writer-sleeps");
	}
	EXPECT_NUMBER(wakeups, "writer-wakeups");
	for (int i = 0; i < 3; i++) {
		read_exactly(_metadata, self->ends.r, PIPE_BUF);
		EXPECT_EQ(PIPE_BUF, result_of(_metadata, &writers[i]).ret);
		EXPECT_NUMBER(wakeups + i + 1, "writer-wakeups");
	}
	EXPECT_NUMBER(sleeps + 3, "writer-sleeps");
}

/* Writer 0 sleeps until its bytes are read; writer 1 until then, and again for its own. */
TEST_F(pipe, fdinfo_counts_sleeps_of_writers_in_rendezvous)
{
	long sleeps = number_of(_metadata, self->ends.r, "writer-sleeps");
	struct child writers[2];

	ASSERT_EQ(0, set_policy(self->ends.w, MINI_PIPE_RENDEZVOUS));
	writers[0] = start_writing(_metadata, self->ends.w, 0, 'a', 10);
	EXPECT_NUMBER(sleeps + 1, "writer-sleeps");
	writers[1] = start_writing(_metadata, self->ends.w, 0, 'b', 10);
	EXPECT_NUMBER(sleeps + 2, "writer-sleeps");
	read_exactly(_metadata, self->ends.r, 10);
	EXPECT_EQ(10, result_of(_metadata, &writers[0]).ret);
	ASSERT_ASLEEP_IN(write, &writers[1]);
	EXPECT_NUMBER(sleeps + 3, "writer-sleeps");
}

TEST_F(pipe, fdinfo_counts_no_sleeps_of_calls_that_do_not_block)
{
	long readers = number_of(_metadata, self->ends.r, "reader-sleeps");
	long writers = number_of(_metadata, self->ends.r, "writer-sleeps");

	read(self->ends.r, big_buffer(), 1);
	poll_now(self->ends.r, POLLIN);
	fill_pipe(_metadata, self->ends.w);
	poll_now(self->ends.w, POLLOUT);
	drain_pipe(_metadata, self->ends.r);
	EXPECT_NUMBER(readers, "reader-sleeps");
	EXPECT_NUMBER(writers, "writer-sleeps");
}

TEST_F(pipe, counters_of_private_pipe_start_at_0)
{
	struct ends ends = private_pipe(_metadata, O_NONBLOCK, 0);

	for (size_t i = 5; strcmp(names[i], "reader-spin-ns"); i++)
		EXPECT_EQ(0, number_of(_metadata, ends.r, names[i]));
	write_pattern(_metadata, self->ends.w, 300);
	EXPECT_EQ(0, number_of(_metadata, ends.r, "bytes-in"));
}

TEST_HARNESS_MAIN
