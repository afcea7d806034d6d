// SPDX-License-Identifier: GPL-2.0
/* Loading and unloading the module, and its parameters. */
#include "variants.h"
#include "module_fixture.h"

#define RANGE "1 to 1048576"

/* Values that the parameter capacity rejects. */

FIXTURE(invalid_capacity)
{
};

FIXTURE_VARIANT(invalid_capacity)
{
	const char *parameters;
};

FIXTURE_VARIANT_ADD(invalid_capacity, zero) { .parameters = "capacity=0", };
FIXTURE_VARIANT_ADD(invalid_capacity, above_maximum) { .parameters = "capacity=1048577", };
FIXTURE_VARIANT_ADD(invalid_capacity, negative) { .parameters = "capacity=-1", };
FIXTURE_VARIANT_ADD(invalid_capacity, not_a_number) { .parameters = "capacity=abc", };
FIXTURE_VARIANT_ADD(invalid_capacity, empty_value) { .parameters = "capacity=", };
FIXTURE_VARIANT_ADD(invalid_capacity, missing_value) { .parameters = "capacity", };
FIXTURE_VARIANT_ADD(invalid_capacity, leading_space) { .parameters = "capacity=\" 5\"", };
FIXTURE_VARIANT_ADD(invalid_capacity, with_unit) { .parameters = "capacity=64K", };
FIXTURE_VARIANT_ADD(invalid_capacity, overflow)
{
	.parameters = "capacity=99999999999999999999",
};

FIXTURE_VARIANT_ADD(invalid_capacity, trailing_letter) { .parameters = "capacity=128x", };

FIXTURE_SETUP(invalid_capacity)
{
	start_unloaded(_metadata);
}

FIXTURE_TEARDOWN(invalid_capacity)
{
	end_loaded(_metadata);
}

/* Two words that a line of the kernel's log holds. */
struct words {
	const char *first;
	const char *second;
};

/* Opens the log at its end: only later lines are counted. */
static int open_kernel_log(struct __test_metadata *_metadata)
{
	int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	ASSERT_LE(0, log);
	ASSERT_LE(0, lseek(log, 0, SEEK_END));
	return log;
}

static int count_log_lines(int log, const struct words *words)
{
	char record[8192];
	int count = 0;
	ssize_t n;

	/* EPIPE: older records were overwritten; the next read continues behind them. */
	while ((n = read(log, record, sizeof(record) - 1)) > 0 || (n < 0 && errno == EPIPE)) {
		record[n > 0 ? n : 0] = '\0';
		if (strstr(record, "mini_pipe") && strstr(record, words->first) &&
		    strstr(record, words->second))
			count++;
	}
	return count;
}

static void expect_einval(struct __test_metadata *_metadata, const char *parameters,
			  const struct words *words)
{
	int log = open_kernel_log(_metadata);

	EXPECT_EQ(-1, load(parameters));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(1, count_log_lines(log, words));
	EXPECT_TRUE(wait_for_node(false));
	/* The failed load leaves nothing behind that makes the next one fail. */
	EXPECT_EQ(0, load(""));
}

TEST_F(invalid_capacity, fails_with_einval_and_logs_range)
{
	expect_einval(_metadata, variant->parameters, &(struct words){ RANGE, "capacity" });
}

/* Values that the parameter policy rejects. */

FIXTURE(invalid_policy)
{
};

FIXTURE_VARIANT(invalid_policy)
{
	const char *parameters;
};

FIXTURE_VARIANT_ADD(invalid_policy, unknown_word) { .parameters = "policy=lossy", };
FIXTURE_VARIANT_ADD(invalid_policy, empty_word) { .parameters = "policy=", };
FIXTURE_VARIANT_ADD(invalid_policy, missing_word) { .parameters = "policy", };
FIXTURE_VARIANT_ADD(invalid_policy, number_of_policy) { .parameters = "policy=1", };
FIXTURE_VARIANT_ADD(invalid_policy, wrong_case) { .parameters = "policy=Rendezvous", };
FIXTURE_VARIANT_ADD(invalid_policy, missing_letter) { .parameters = "policy=buffere", };
FIXTURE_VARIANT_ADD(invalid_policy, extra_letter) { .parameters = "policy=bufferedx", };
FIXTURE_VARIANT_ADD(invalid_policy, trailing_space) { .parameters = "policy=\"buffered \"", };

FIXTURE_SETUP(invalid_policy)
{
	start_unloaded(_metadata);
}

FIXTURE_TEARDOWN(invalid_policy)
{
	end_loaded(_metadata);
}

TEST_F(invalid_policy, fails_with_einval_and_logs_policies)
{
	expect_einval(_metadata, variant->parameters, &(struct words){ "buffered", "rendezvous" });
}

/* Values that the parameters of the limits reject: no number, or a negative one. */

FIXTURE(invalid_limit)
{
};

FIXTURE_VARIANT(invalid_limit)
{
	const char *parameters;
};

FIXTURE_VARIANT_ADD(invalid_limit, max_capacity_not_a_number)
{
	.parameters = "max_capacity=much",
};

FIXTURE_VARIANT_ADD(invalid_limit, max_capacity_negative) { .parameters = "max_capacity=-1", };
FIXTURE_VARIANT_ADD(invalid_limit, user_pages_soft_trailing_letter)
{
	.parameters = "user_pages_soft=1x",
};

FIXTURE_VARIANT_ADD(invalid_limit, user_pages_hard_empty) { .parameters = "user_pages_hard=", };
FIXTURE_VARIANT_ADD(invalid_limit, max_spin_us_negative) { .parameters = "max_spin_us=-1", };

FIXTURE_SETUP(invalid_limit)
{
	start_unloaded(_metadata);
}

FIXTURE_TEARDOWN(invalid_limit)
{
	end_loaded(_metadata);
}

/* The kernel itself logs it, so the log is not checked. */
TEST_F(invalid_limit, fails_with_einval)
{
	EXPECT_EQ(-1, load(variant->parameters));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_TRUE(wait_for_node(false));
}

/* Values that the parameter capacity accepts. */

FIXTURE(valid_capacity)
{
};

FIXTURE_VARIANT(valid_capacity)
{
	const char *value;
	ssize_t bytes;
};

FIXTURE_VARIANT_ADD(valid_capacity, one) { .value = "1", .bytes = 1, };
FIXTURE_VARIANT_ADD(valid_capacity, default_of_assignment) { .value = "128", .bytes = 128, };
FIXTURE_VARIANT_ADD(valid_capacity, odd) { .value = "4097", .bytes = 4097, };
FIXTURE_VARIANT_ADD(valid_capacity, not_whole_pages) { .value = "5000", .bytes = 5000, };
FIXTURE_VARIANT_ADD(valid_capacity, default_of_4k_pages) { .value = "65536", .bytes = 65536, };
FIXTURE_VARIANT_ADD(valid_capacity, maximum) { .value = "1048576", .bytes = 1048576, };
FIXTURE_VARIANT_ADD(valid_capacity, hexadecimal) { .value = "0x1000", .bytes = 4096, };

FIXTURE_SETUP(valid_capacity)
{
	start_unloaded(_metadata);
}

FIXTURE_TEARDOWN(valid_capacity)
{
	end_loaded(_metadata);
}

TEST_F(valid_capacity, pipe_holds_that_many_bytes)
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

/* An odd number, so that the ring wraps at another place in each lap. */
static ssize_t odd_chunk(ssize_t bytes, int divisor)
{
	return bytes / divisor | 1;
}

TEST_F(valid_capacity, bytes_stay_in_order_when_ring_wraps)
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

#define TRANSFERRED 300

struct passing {
	ssize_t total;
	ssize_t chunk;
};

static void read_to_end_of_file(int report_to, const void *arg)
{
	const struct passing *passing = arg;
	int fd = open(MINI_PIPE, O_RDONLY);
	ssize_t n, total = 0;

	do {
		n = read(fd, big_buffer() + total, passing->chunk);
		total += n > 0 ? n : 0;
	} while (n > 0 && total <= passing->total);
	report(report_to, is_pattern(big_buffer(), 0, total) ? total : -1);
}

TEST_F(valid_capacity, blocking_reader_and_writer_pass_300_bytes)
{
	struct passing passing = { TRANSFERRED, 7 };
	struct job job = { .len = TRANSFERRED };
	struct child reader, writer;

	load_capacity(_metadata, variant->value);
	reader = start_child(_metadata, read_to_end_of_file, &passing);
	ASSERT_ASLEEP_IN(read, &reader);
	writer = start_child(_metadata, write_once, &job);
	EXPECT_EQ(TRANSFERRED, result_of(_metadata, &writer).ret);
	kill_child(_metadata, &writer);
	EXPECT_EQ(TRANSFERRED, result_of(_metadata, &reader).ret);
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

TEST_F(module, default_capacity_is_16_pages)
{
	load_with(_metadata, "");
	EXPECT_EQ(DEFAULT_CAPACITY, measure_capacity(_metadata));
}

TEST_F(module, node_exists_while_loaded)
{
	EXPECT_TRUE(wait_for_node(false));
	load_with(_metadata, "");
	EXPECT_TRUE(node_exists());
	ASSERT_EQ(0, unload());
	EXPECT_TRUE(wait_for_node(false));
	EXPECT_EQ(-1, open(MINI_PIPE, O_RDONLY));
}

/* delete_module(2) fails with EWOULDBLOCK; rmmod says that the module is in use. */
static void expect_busy_while_open(struct __test_metadata *_metadata, int flags)
{
	int fd;

	load_with(_metadata, "");
	fd = open_pipe(_metadata, flags);
	EXPECT_EQ(-1, unload());
	EXPECT_EQ(EWOULDBLOCK, errno);
	close(fd);
	EXPECT_EQ(0, unload());
}

TEST_F(module, cannot_unload_while_reader_is_open)
{
	expect_busy_while_open(_metadata, O_RDONLY);
}

TEST_F(module, cannot_unload_while_writer_is_open)
{
	expect_busy_while_open(_metadata, O_WRONLY);
}

TEST_F(module, cannot_unload_while_reader_sleeps)
{
	struct child reader;

	load_with(_metadata, "");
	reader = start_reader(_metadata, 1);
	ASSERT_ASLEEP_IN(read, &reader);
	EXPECT_EQ(-1, unload());
	EXPECT_EQ(EWOULDBLOCK, errno);
	kill_child(_metadata, &reader);
	EXPECT_EQ(0, unload());
}

TEST_F(module, unload_discards_bytes_in_pipe)
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

/* Whole pages and a part of one, spliced from the device and from a private pipe. */
TEST_F(module, spliced_bytes_survive_unload)
{
	ssize_t len = 3 * PIPE_BUF + 5;
	int r, w, out_r, out_w;

	make_pipe(_metadata, PIPE_2, O_NONBLOCK, &out_r, &out_w);
	load_with(_metadata, "");
	for (enum kind kind = DEVICE; kind <= PRIVATE; kind++) {
		make_pipe(_metadata, kind, O_NONBLOCK, &r, &w);
		write_pattern(_metadata, w, len);
		EXPECT_EQ(len, splice(r, NULL, out_w, NULL, len, 0));
		close(r);
		close(w);
	}
	EXPECT_EQ(0, unload());
	/* If the pages had been freed, this would get and overwrite them. */
	load_with(_metadata, "");
	make_pipe(_metadata, DEVICE, O_NONBLOCK, &r, &w);
	memset(big_buffer(), 0xff, BIG);
	ASSERT_LT(0, write(w, big_buffer(), BIG));
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(len, read(out_r, big_buffer(), len));
		EXPECT_TRUE(is_pattern(big_buffer(), 0, len));
	}
}

TEST_F(module, loads_and_unloads_twenty_times)
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

TEST_F(module, cannot_load_twice)
{
	load_with(_metadata, "");
	EXPECT_EQ(-1, load(""));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_EQ(DEFAULT_CAPACITY, measure_capacity(_metadata));
}

TEST_F(module, last_capacity_parameter_wins)
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
	fd = open_for_ioctl(_metadata);
	EXPECT_EQ(policy, policy_of(fd));
	close(fd);
}

TEST_F(module, policy_parameter_sets_policy)
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

TEST_F(module, policy_rendezvous_makes_writer_wait_for_reader)
{
	struct child writer;
	int reader;

	load_with(_metadata, "policy=rendezvous");
	writer = start_writer(_metadata, 10, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	read_exactly(_metadata, reader, 10);
	EXPECT_EQ(10, result_of(_metadata, &writer).ret);
}

TEST_F(module, capacity_with_leading_zero_is_octal)
{
	load_with(_metadata, "capacity=010");
	EXPECT_EQ(8, measure_capacity(_metadata));
}

/* The kernel logs the unknown parameter and loads the module. */
TEST_F(module, unknown_parameter_is_ignored)
{
	load_with(_metadata, "capacty=1");
	EXPECT_EQ(DEFAULT_CAPACITY, measure_capacity(_metadata));
}

/*
 * The example in the assignment: 200 bytes through a pipe of 128, read 64 at a time. The writer
 * writes 128 and sleeps; after the first read it writes another 64, after the second the last 8.
 */
TEST_F(module, capacity_128_passes_example_of_assignment)
{
	struct job job = { .len = 200 };
	struct child writer;
	int reader;

	load_capacity(_metadata, "128");
	writer = start_child(_metadata, write_once, &job);
	ASSERT_ASLEEP_IN(write, &writer);
	reader = open_pipe(_metadata, O_RDONLY | O_NONBLOCK);
	read_exactly(_metadata, reader, 64);
	EXPECT_TRUE(is_pattern(big_buffer(), 0, 64));
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, reader, 64);
	EXPECT_TRUE(is_pattern(big_buffer(), 64, 64));
	EXPECT_EQ(200, result_of(_metadata, &writer).ret);
	read_exactly(_metadata, reader, 64);
	EXPECT_TRUE(is_pattern(big_buffer(), 128, 64));
	read_exactly(_metadata, reader, 8);
	EXPECT_TRUE(is_pattern(big_buffer(), 192, 8));
}

/* A write of up to PIPE_BUF that is larger than the capacity cannot be atomic. */
TEST_F(module, capacity_128_splits_write_of_pipe_buf)
{
	int fd;

	load_capacity(_metadata, "128");
	fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	EXPECT_EQ(128, write(fd, big_buffer(), PIPE_BUF));
	read_exactly(_metadata, fd, 64);
	EXPECT_EQ(64, write(fd, big_buffer(), PIPE_BUF));
}

TEST_F(module, capacity_128_keeps_write_of_128_atomic)
{
	int fd;

	load_capacity(_metadata, "128");
	fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ASSERT_EQ(1, write(fd, "x", 1));
	EXPECT_EQ(-1, write(fd, big_buffer(), 128));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, poll_now(fd, POLLOUT));
	read_exactly(_metadata, fd, 1);
	EXPECT_EQ(POLLOUT, poll_now(fd, POLLOUT));
	EXPECT_EQ(128, write(fd, big_buffer(), 128));
}

TEST_F(module, capacity_128_admits_small_write_once_it_fits)
{
	struct child writer;
	int fd;

	load_capacity(_metadata, "128");
	fd = open_pipe(_metadata, O_RDWR | O_NONBLOCK);
	ASSERT_EQ(128, fill_pipe(_metadata, fd));
	writer = start_writer(_metadata, 64, 'w');
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, fd, 63);
	ASSERT_ASLEEP_IN(write, &writer);
	read_exactly(_metadata, fd, 1);
	EXPECT_EQ(64, result_of(_metadata, &writer).ret);
}

TEST_HARNESS_MAIN
