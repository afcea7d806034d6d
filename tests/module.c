// SPDX-License-Identifier: GPL-2.0
/*
 * The module's life and its parameters.
 */
#include "variants.h"
#include "module_fixture.h"

#define DEFAULT_CAPACITY 65536
#define RANGE "1 to 1048576"

/* What the capacity may not be. */

FIXTURE(refused_capacity)
{
};

FIXTURE_VARIANT(refused_capacity)
{
	const char *parameters;
};

FIXTURE_VARIANT_ADD(refused_capacity, zero) { .parameters = "capacity=0", };
FIXTURE_VARIANT_ADD(refused_capacity, one_too_many) { .parameters = "capacity=1048577", };
FIXTURE_VARIANT_ADD(refused_capacity, negative) { .parameters = "capacity=-1", };
FIXTURE_VARIANT_ADD(refused_capacity, a_word) { .parameters = "capacity=abc", };
FIXTURE_VARIANT_ADD(refused_capacity, nothing) { .parameters = "capacity=", };
FIXTURE_VARIANT_ADD(refused_capacity, no_value) { .parameters = "capacity", };
FIXTURE_VARIANT_ADD(refused_capacity, a_space_and_a_number) { .parameters = "capacity=\" 5\"", };
FIXTURE_VARIANT_ADD(refused_capacity, a_number_and_a_unit) { .parameters = "capacity=64K", };
FIXTURE_VARIANT_ADD(refused_capacity, beyond_any_integer)
{
	.parameters = "capacity=99999999999999999999",
};

FIXTURE_VARIANT_ADD(refused_capacity, a_number_and_more) { .parameters = "capacity=128x", };

FIXTURE_SETUP(refused_capacity)
{
	start_unloaded(_metadata);
}

FIXTURE_TEARDOWN(refused_capacity)
{
	end_loaded(_metadata);
}

/* What a line of the kernel's log names. */
struct words {
	const char *first;
	const char *second;
};

/* From here on; later lines are counted. */
static int open_kernel_log(struct __test_metadata *_metadata)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	ASSERT_LE(0, log);
	ASSERT_LE(0, lseek(log, 0, SEEK_END));
	return log;
}

static int count_lines_that_name(int log, const struct words *words)
{
	char record[8192];
	int count = 0;
	ssize_t n;

	/* EPIPE says that older records were overwritten, and the next read goes on. */
	while ((n = read(log, record, sizeof(record) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		record[n > 0 ? n : 0] = '\0';
		if (strstr(record, "mini_pipe") && strstr(record, words->first) &&
		    strstr(record, words->second))
			count++;
	}
	return count;
}

static void expect_refused(struct __test_metadata *_metadata, const char *parameters,
			   const struct words *words)
{
	int log = open_kernel_log(_metadata);

	EXPECT_EQ(-1, load(parameters));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(1, count_lines_that_name(log, words));
	EXPECT_TRUE(node_becomes(false));
	/* Nothing of the failed one is in the way of the next. */
	EXPECT_EQ(0, load(""));
}

TEST_F(refused_capacity, gives_einval_and_one_line_that_names_the_range)
{
	expect_refused(_metadata, variant->parameters, &(struct words){ RANGE, "capacity" });
}

/* What the policy may not be. */

FIXTURE(refused_policy)
{
};

FIXTURE_VARIANT(refused_policy)
{
	const char *parameters;
};

FIXTURE_VARIANT_ADD(refused_policy, that_nobody_has) { .parameters = "policy=lossy", };
FIXTURE_VARIANT_ADD(refused_policy, of_no_word) { .parameters = "policy=", };
FIXTURE_VARIANT_ADD(refused_policy, without_a_value) { .parameters = "policy", };
FIXTURE_VARIANT_ADD(refused_policy, that_is_its_number) { .parameters = "policy=1", };
FIXTURE_VARIANT_ADD(refused_policy, in_capitals) { .parameters = "policy=Rendezvous", };
FIXTURE_VARIANT_ADD(refused_policy, cut_short) { .parameters = "policy=buffere", };
FIXTURE_VARIANT_ADD(refused_policy, and_more) { .parameters = "policy=bufferedx", };
FIXTURE_VARIANT_ADD(refused_policy, and_a_space) { .parameters = "policy=\"buffered \"", };

FIXTURE_SETUP(refused_policy)
{
	start_unloaded(_metadata);
}

FIXTURE_TEARDOWN(refused_policy)
{
	end_loaded(_metadata);
}

TEST_F(refused_policy, gives_einval_and_one_line_that_names_what_there_is)
{
	expect_refused(_metadata, variant->parameters, &(struct words){ "buffered", "rendezvous" });
}

/* What is not a number where a number is meant. */

FIXTURE(refused_limit)
{
};

FIXTURE_VARIANT(refused_limit)
{
	const char *parameters;
};

FIXTURE_VARIANT_ADD(refused_limit, of_capacity) { .parameters = "max_capacity=much", };
FIXTURE_VARIANT_ADD(refused_limit, below_zero) { .parameters = "max_capacity=-1", };
FIXTURE_VARIANT_ADD(refused_limit, of_pages_soft) { .parameters = "user_pages_soft=1x", };
FIXTURE_VARIANT_ADD(refused_limit, of_pages_hard) { .parameters = "user_pages_hard=", };

FIXTURE_SETUP(refused_limit)
{
	start_unloaded(_metadata);
}

FIXTURE_TEARDOWN(refused_limit)
{
	end_loaded(_metadata);
}

/* The kernel says in its log which one it is. */
TEST_F(refused_limit, gives_einval)
{
	EXPECT_EQ(-1, load(variant->parameters));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(node_becomes(false));
}

/* What it may be. */

FIXTURE(accepted_capacity)
{
};

FIXTURE_VARIANT(accepted_capacity)
{
	const char *value;
	ssize_t bytes;
};

FIXTURE_VARIANT_ADD(accepted_capacity, one) { .value = "1", .bytes = 1, };
FIXTURE_VARIANT_ADD(accepted_capacity, of_the_assignment) { .value = "128", .bytes = 128, };
FIXTURE_VARIANT_ADD(accepted_capacity, odd) { .value = "4097", .bytes = 4097, };
FIXTURE_VARIANT_ADD(accepted_capacity, no_whole_pages) { .value = "5000", .bytes = 5000, };
FIXTURE_VARIANT_ADD(accepted_capacity, the_default) { .value = "65536", .bytes = 65536, };
FIXTURE_VARIANT_ADD(accepted_capacity, the_largest) { .value = "1048576", .bytes = 1048576, };
FIXTURE_VARIANT_ADD(accepted_capacity, hexadecimal) { .value = "0x1000", .bytes = 4096, };

FIXTURE_SETUP(accepted_capacity)
{
	start_unloaded(_metadata);
}

FIXTURE_TEARDOWN(accepted_capacity)
{
	end_loaded(_metadata);
}

TEST_F(accepted_capacity, is_how_many_bytes_the_pipe_holds)
{
	int fd;

	load_capacity(_metadata, variant->value);
	fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	EXPECT_EQ(variant->bytes, fill_pipe(_metadata, fd));
	EXPECT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(variant->bytes, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), 0, variant->bytes));
}

/* What divides neither the capacity nor a page, so that each lap wraps elsewhere. */
static ssize_t odd_chunk(ssize_t bytes, int of_what)
{
	return bytes / of_what | 1;
}

TEST_F(accepted_capacity, keeps_every_byte_in_its_order_while_the_ring_wraps)
{
	ssize_t goal = 2 * variant->bytes + 1000;
	ssize_t in = 0, out = 0, n;
	int fd;

	load_capacity(_metadata, variant->value);
	fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	while (out < goal) {
		ssize_t len = odd_chunk(variant->bytes, 3);

		put_pattern(big_buffer(), in, len);
		n = write(fd, big_buffer(), len);
		in += n > 0 ? n : 0;
		n = read(fd, big_buffer(), odd_chunk(variant->bytes, 5));
		ASSERT_LT(0, n);
		ASSERT_TRUE(is_pattern(big_buffer(), out, n));
		out += n;
	}
	EXPECT_EQ(in - out, drain_pipe(_metadata, fd));
	EXPECT_TRUE(is_pattern(big_buffer(), out, in - out));
}

#define PASSED 300

struct passing {
	ssize_t total;
	ssize_t at_once;
};

static void read_to_the_end(int report_to, const void *arg)
{
	const struct passing *passing = arg;
	int fd = open(MINI_PIPE, O_RDONLY);
	ssize_t n, total = 0;

	do {
		n = read(fd, big_buffer() + total, passing->at_once);
		total += n > 0 ? n : 0;
	} while (n > 0 && total <= passing->total);
	report(report_to, is_pattern(big_buffer(), 0, total) ? total : -1);
}

TEST_F(accepted_capacity, lets_a_waiting_reader_and_writer_pass_three_hundred_bytes)
{
	struct passing passing = { PASSED, 7 };
	struct job job = { .len = PASSED };
	struct child reader, writer;

	load_capacity(_metadata, variant->value);
	reader = start_child(_metadata, read_to_the_end, &passing);
	ASSERT_ASLEEP_IN(read, &reader);
	writer = start_child(_metadata, write_once, &job);
	EXPECT_EQ(PASSED, result_of(_metadata, &writer).ret);
	dismiss(_metadata, &writer);
	EXPECT_EQ(PASSED, result_of(_metadata, &reader).ret);
}

/* Loading and unloading. */

FIXTURE(module)
{
};

FIXTURE_SETUP(module)
{
	start_unloaded(_metadata);
}

FIXTURE_TEARDOWN(module)
{
	end_loaded(_metadata);
}

TEST_F(module, holds_65536_bytes_by_default)
{
	load_with(_metadata, "");
	EXPECT_EQ(DEFAULT_CAPACITY, measure_capacity(_metadata));
}

TEST_F(module, shows_its_node_while_it_is_loaded)
{
	EXPECT_TRUE(node_becomes(false));
	load_with(_metadata, "");
	EXPECT_TRUE(node_exists());
	ASSERT_EQ(0, unload());
	EXPECT_TRUE(node_becomes(false));
	EXPECT_EQ(-1, open(MINI_PIPE, O_RDONLY));
}

/* delete_module(2) speaks of EWOULDBLOCK, rmmod of a module in use. */
static void cannot_unload_while_open(struct __test_metadata *_metadata, int flags)
{
	int fd;

	load_with(_metadata, "");
	fd = open_pipe(_metadata, flags);
	EXPECT_EQ(-1, unload());
	EXPECT_EQ(EWOULDBLOCK, errno);
	close(fd);
	EXPECT_EQ(0, unload());
}

TEST_F(module, cannot_be_unloaded_while_a_reader_has_it_open)
{
	cannot_unload_while_open(_metadata, O_RDONLY);
}

TEST_F(module, cannot_be_unloaded_while_a_writer_has_it_open)
{
	cannot_unload_while_open(_metadata, O_WRONLY);
}

TEST_F(module, cannot_be_unloaded_while_a_reader_sleeps_in_it)
{
	struct child reader;

	load_with(_metadata, "");
	reader = start_reader(_metadata, 1);
	ASSERT_ASLEEP_IN(read, &reader);
	EXPECT_EQ(-1, unload());
	EXPECT_EQ(EWOULDBLOCK, errno);
	dismiss(_metadata, &reader);
	EXPECT_EQ(0, unload());
}

TEST_F(module, forgets_its_bytes_when_it_is_unloaded)
{
	int fd;

	load_with(_metadata, "");
	fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	fill_pipe(_metadata, fd);
	close(fd);
	ASSERT_EQ(0, unload());
	load_with(_metadata, "");
	fd = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	EXPECT_EQ(0, poll_now(fd, POLLIN));
	EXPECT_EQ(-1, read(fd, big_buffer(), 1));
	EXPECT_EQ(EAGAIN, errno);
}

/* Whole pages, and a part of one; from each kind of pipe that it has. */
TEST_F(module, forgets_no_bytes_that_were_spliced_out)
{
	ssize_t len = 3 * PIPE_BUF + 5;
	int r, w, way_out, way_in;

	make_pipe(_metadata, PIPE_2, O_NONBLOCK, &way_out, &way_in);
	load_with(_metadata, "");
	for (enum kind kind = DEVICE; kind <= PRIVATE; kind++) {
		make_pipe(_metadata, kind, O_NONBLOCK, &r, &w);
		put_in(_metadata, w, len);
		EXPECT_EQ(len, splice(r, NULL, way_in, NULL, len, 0));
		close(r);
		close(w);
	}
	EXPECT_EQ(0, unload());
	/* Whoever has the memory now, if it was freed. */
	load_with(_metadata, "");
	make_pipe(_metadata, DEVICE, O_NONBLOCK, &r, &w);
	memset(big_buffer(), 0xff, BIG);
	ASSERT_LT(0, write(w, big_buffer(), BIG));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(len, read(way_out, big_buffer(), len));
		EXPECT_TRUE(is_pattern(big_buffer(), 0, len));
	}
}

TEST_F(module, can_be_loaded_and_unloaded_twenty_times)
{
	for (int i = 0; i < 20; i++) {
		int fd;

		load_with(_metadata, "");
		fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
		ASSERT_EQ(1, write(fd, "x", 1));
		close(fd);
		ASSERT_EQ(0, unload());
	}
}

TEST_F(module, cannot_be_loaded_twice)
{
	load_with(_metadata, "");
	EXPECT_EQ(-1, load(""));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_EQ(DEFAULT_CAPACITY, measure_capacity(_metadata));
}

TEST_F(module, takes_the_last_capacity_that_it_is_given)
{
	load_with(_metadata, "capacity=0 capacity=5");
	EXPECT_EQ(5, measure_capacity(_metadata));
}

static void expect_policy(struct __test_metadata *_metadata, int policy, const char *word)
{
	int fd = open("/sys/module/mini_pipe/parameters/policy", O_RDONLY);
	char text[32] = "";

	ASSERT_LT(0, read(fd, text, sizeof(text) - 1));
	close(fd);
	EXPECT_STREQ(word, text);
	fd = open_neither(_metadata);
	EXPECT_EQ(policy, policy_of(fd));
	close(fd);
}

TEST_F(module, is_loaded_with_either_policy)
{
	load_with(_metadata, "");
	expect_policy(_metadata, MINI_PIPE_BUFFERED, "buffered\n");
	ASSERT_EQ(0, unload());
	load_with(_metadata, "policy=rendezvous");
	expect_policy(_metadata, MINI_PIPE_RENDEZVOUS, "rendezvous\n");
	ASSERT_EQ(0, unload());
	load_with(_metadata, "policy=rendezvous policy=buffered");
	expect_policy(_metadata, MINI_PIPE_BUFFERED, "buffered\n");
}

TEST_F(module, of_the_policy_rendezvous_has_writers_wait_for_their_reader)
{
	struct child writer;
	int reader;

	load_with(_metadata, "policy=rendezvous");
	writer = start_writer(_metadata, 10, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	take(_metadata, reader, 10);
	EXPECT_EQ(10, result_of(_metadata, &writer).ret);
}

TEST_F(module, takes_a_capacity_that_begins_with_0_for_octal)
{
	load_with(_metadata, "capacity=010");
	EXPECT_EQ(8, measure_capacity(_metadata));
}

/* The kernel says so in its log, and goes on. */
TEST_F(module, ignores_parameters_that_it_does_not_have)
{
	load_with(_metadata, "capacty=1");
	EXPECT_EQ(DEFAULT_CAPACITY, measure_capacity(_metadata));
}

/*
 * The log of the assignment: 200 bytes through 128, taken 64 at a time. The writer puts in 128
 * and waits; each reading of 64 lets it go on with 64, then with the last 8.
 */
TEST_F(module, of_128_bytes_plays_the_scenario_of_the_assignment)
{
	struct job job = { .len = 200 };
	struct child writer;
	int reader;

	load_capacity(_metadata, "128");
	writer = start_child(_metadata, write_once, &job);
	ASSERT_ASLEEP_IN(write, &writer);
	reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	take(_metadata, reader, 64);
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 64));
	ASSERT_ASLEEP_IN(write, &writer);
	take(_metadata, reader, 64);
	EXPECT_TRUE(is_pattern(big_buffer(), 64, 64));
	EXPECT_EQ(200, result_of(_metadata, &writer).ret);
	take(_metadata, reader, 64);
	EXPECT_TRUE(is_pattern(big_buffer(), 128, 64));
	take(_metadata, reader, 8);
	EXPECT_TRUE(is_pattern(big_buffer(), 192, 8));
}

/* A write of at most PIPE_BUF that the ring can never hold whole is treated as a large one. */
TEST_F(module, of_128_bytes_takes_a_write_of_pipe_buf_in_parts)
{
	int fd;

	load_capacity(_metadata, "128");
	fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	EXPECT_EQ(128, write(fd, big_buffer(), PIPE_BUF));
	take(_metadata, fd, 64);
	EXPECT_EQ(64, write(fd, big_buffer(), PIPE_BUF));
}

TEST_F(module, of_128_bytes_keeps_a_write_of_128_whole)
{
	int fd;

	load_capacity(_metadata, "128");
	fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ASSERT_EQ(1, write(fd, "x", 1));
	EXPECT_EQ(-1, write(fd, big_buffer(), 128));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, poll_now(fd, POLLOUT));
	take(_metadata, fd, 1);
	EXPECT_EQ(POLLOUT, poll_now(fd, POLLOUT));
	EXPECT_EQ(128, write(fd, big_buffer(), 128));
}

TEST_F(module, of_128_bytes_lets_a_small_write_in_as_soon_as_it_fits)
{
	struct child writer;
	int fd;

	load_capacity(_metadata, "128");
	fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ASSERT_EQ(128, fill_pipe(_metadata, fd));
	writer = start_writer(_metadata, 64, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	take(_metadata, fd, 63);
	ASSERT_ASLEEP_IN(write, &writer);
	take(_metadata, fd, 1);
	EXPECT_EQ(64, result_of(_metadata, &writer).ret);
}

TEST_HARNESS_MAIN
