// SPDX-License-Identifier: GPL-2.0
/*
 * Splice and tee between two pipes: by ioctl between mini_pipes, by splice(2) and tee(2) between
 * two pipe(2)s. The bytes are one long pattern, so that lost, duplicated or reordered bytes are
 * noticed.
 */
#include "transfer_fixture.h"

static const ssize_t sizes[] = {
	1, 100, PAGE_4K - 1, PAGE_4K, PAGE_4K + 1, 5 * PAGE_4K + 3,
};

static const ssize_t offsets[] = { 0, 1, 100, PAGE_4K - 1 };

/* All ends have O_NONBLOCK. */
FIXTURE(transfer)
{
	struct ends from;
	struct ends to;
	ssize_t capacity;	/* of the destination */
};

FIXTURE_VARIANT(transfer)
{
	enum kind from;
	enum kind to;
};

FIXTURE_VARIANT_ADD(transfer, private_pipes) { .from = PRIVATE, .to = PRIVATE, };
FIXTURE_VARIANT_ADD(transfer, from_device) { .from = DEVICE, .to = PRIVATE, };
FIXTURE_VARIANT_ADD(transfer, to_device) { .from = PRIVATE, .to = DEVICE, };
FIXTURE_VARIANT_ADD(transfer, pipe_2) { .from = PIPE_2, .to = PIPE_2, };

FIXTURE_SETUP(transfer)
{
	set_up_pipe(_metadata);
	make_pipe(_metadata, variant->from, O_NONBLOCK, &self->from.r, &self->from.w);
	make_pipe(_metadata, variant->to, O_NONBLOCK, &self->to.r, &self->to.w);
	self->capacity = capacity_of_kind(self->to.w, variant->to);
	if (!has_capacity(_metadata, self->capacity, 8 * PAGE) ||
	    !has_capacity(_metadata, capacity_of_kind(self->from.w, variant->from), 8 * PAGE))
		return;
}

FIXTURE_TEARDOWN(transfer)
{
	kill_children(_metadata);
}

static void write_packet(struct __test_metadata *_metadata, int fd, const char *text)
{
	set_flag(_metadata, fd, O_DIRECT, true);
	ASSERT_EQ((ssize_t)strlen(text), write(fd, text, strlen(text)));
	set_flag(_metadata, fd, O_DIRECT, false);
}

static void expect_text(struct __test_metadata *_metadata, int fd, const char *text)
{
	char got[100] = "";

	EXPECT_EQ((ssize_t)strlen(text), read(fd, got, sizeof(got) - 1));
	EXPECT_STREQ(text, got);
}

/* A call in a child, on files of its own without O_NONBLOCK */

struct splice_job {
	int from;
	int to;
	ssize_t len;
	bool tee;
};

static void splice_once(int report_to, const void *arg)
{
	const struct splice_job *job = arg;
	int from, to;

	set_handler(SIGUSR1, do_nothing, 0);
	from = open_own(job->from, O_RDONLY, 0);
	to = open_own(job->to, O_WRONLY, 0);
	keep_only(report_to, from, to);
	report(report_to, job->tee ? do_tee(from, to, job->len, 0) :
	       do_splice(from, to, job->len, 0));
}

static struct child start_splice(struct __test_metadata *_metadata, const struct splice_job *job)
{
	struct child child = start_forked(_metadata, splice_once, job);
	long nr = __NR_ioctl;

	if (is_pipe_2(job->from))
		nr = job->tee ? __NR_tee : __NR_splice;
	ASSERT_TRUE(falls_asleep_in(&child, nr));
	return child;
}

static void expect_error(struct __test_metadata *_metadata, const struct child *child, int err)
{
	struct result result = result_of(_metadata, child);

	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(err, result.err);
}

/* Bytes */

TEST_F(transfer, splice_moves_bytes_at_several_offsets)
{
	size_t at = 0;

	for (size_t i = 0; i < ARRAY_SIZE(offsets) * ARRAY_SIZE(offsets); i++) {
		ssize_t in = in_pages(offsets[i % ARRAY_SIZE(offsets)]);
		ssize_t out = in_pages(offsets[i / ARRAY_SIZE(offsets)]);

		for (size_t j = 0; j < ARRAY_SIZE(sizes); j++) {
			ssize_t size = in_pages(sizes[j]);

			/* The padding is read while other bytes keep the ring from being empty. */
			write_at(_metadata, self->from.w, 0, in);
			write_at(_metadata, self->to.w, 0, out);
			write_at(_metadata, self->from.w, at, size);
			ASSERT_EQ(in, read(self->from.r, big_buffer(), in));
			ASSERT_EQ(size, do_splice(self->from.r, self->to.w, BIG, 0));
			ASSERT_EQ(out, read(self->to.r, big_buffer(), out));
			expect_at(_metadata, self->to.r, at, size);
			expect_empty(_metadata, self->from.r);
			at += size;
		}
	}
}

TEST_F(transfer, splice_moves_no_more_than_asked_for)
{
	write_at(_metadata, self->from.w, 0, 3 * PAGE);
	ASSERT_EQ(100, do_splice(self->from.r, self->to.w, 100, 0));
	ASSERT_EQ(PAGE, do_splice(self->from.r, self->to.w, PAGE, 0));
	expect_at(_metadata, self->to.r, 0, PAGE + 100);
	expect_at(_metadata, self->from.r, PAGE + 100, 2 * PAGE - 100);
}

TEST_F(transfer, splice_moves_what_fits)
{
	write_at(_metadata, self->to.w, 0, self->capacity - PAGE);
	write_at(_metadata, self->from.w, self->capacity - PAGE, 3 * PAGE);
	ASSERT_EQ(PAGE, do_splice(self->from.r, self->to.w, BIG, 0));
	expect_at(_metadata, self->to.r, 0, self->capacity);
	expect_at(_metadata, self->from.r, self->capacity, 2 * PAGE);
}

TEST_F(transfer, splice_moves_more_than_capacity)
{
	ssize_t len = smaller(3 * self->capacity + 3, BIG), done = 0;
	struct child writer = start_writing(_metadata, self->from.w, 0, 0, len);

	while (done < len) {
		ssize_t n;

		await(_metadata, self->from.r, POLLIN);
		n = do_splice(self->from.r, self->to.w, 5000, 0);
		ASSERT_LT(0, n);
		expect_at(_metadata, self->to.r, done, n);
		done += n;
	}
	EXPECT_EQ(len, result_of(_metadata, &writer).ret);
}

/* The pages of either pipe are not changed by what happens to the other. */
TEST_F(transfer, spliced_bytes_are_not_overwritten)
{
	for (int round = 0; round < 3; round++) {
		write_at(_metadata, self->from.w, round, 4 * PAGE);
		ASSERT_EQ(4 * PAGE, do_splice(self->from.r, self->to.w, BIG, 0));
		write_at(_metadata, self->from.w, 77, 6 * PAGE);
		expect_at(_metadata, self->to.r, round, 4 * PAGE);
		write_at(_metadata, self->to.w, 99, 6 * PAGE);
		expect_at(_metadata, self->from.r, 77, 6 * PAGE);
		expect_at(_metadata, self->to.r, 99, 6 * PAGE);
	}
}

TEST_F(transfer, tee_copies_bytes_and_leaves_them)
{
	write_at(_metadata, self->from.w, 0, 5 * PAGE + 3);
	ASSERT_EQ(100, do_tee(self->from.r, self->to.w, 100, 0));
	expect_at(_metadata, self->to.r, 0, 100);
	ASSERT_EQ(5 * PAGE + 3, do_tee(self->from.r, self->to.w, BIG, 0));
	EXPECT_EQ(5 * PAGE + 3, bytes_in(self->from.r));
	expect_at(_metadata, self->from.r, 0, 5 * PAGE + 3);
	write_at(_metadata, self->from.w, 77, 6 * PAGE);
	expect_at(_metadata, self->to.r, 0, 5 * PAGE + 3);
	expect_at(_metadata, self->from.r, 77, 6 * PAGE);
}

TEST_F(transfer, tee_copies_what_fits)
{
	write_at(_metadata, self->to.w, 0, self->capacity - PAGE);
	write_at(_metadata, self->from.w, self->capacity - PAGE, 3 * PAGE);
	ASSERT_EQ(PAGE, do_tee(self->from.r, self->to.w, BIG, 0));
	expect_at(_metadata, self->to.r, 0, self->capacity);
	expect_at(_metadata, self->from.r, self->capacity - PAGE, 3 * PAGE);
}

/* Packets */

TEST_F(transfer, packets_stay_packets)
{
	write_packet(_metadata, self->from.w, "abc");
	write_packet(_metadata, self->from.w, "de");
	ASSERT_EQ(5, do_tee(self->from.r, self->to.w, BIG, 0));
	expect_text(_metadata, self->to.r, "abc");
	expect_text(_metadata, self->to.r, "de");
	ASSERT_EQ(5, do_splice(self->from.r, self->to.w, BIG, 0));
	expect_text(_metadata, self->to.r, "abc");
	expect_text(_metadata, self->to.r, "de");
	expect_empty(_metadata, self->to.r);
	expect_empty(_metadata, self->from.r);
}

/* The destination has O_DIRECT. A write there would make packets; a splice does not. */
TEST_F(transfer, bytes_do_not_become_packets)
{
	set_flag(_metadata, self->to.w, O_DIRECT, true);
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(3, write(self->from.w, "abc", 3));
		ASSERT_EQ(3, do_splice(self->from.r, self->to.w, BIG, 0));
	}
	expect_text(_metadata, self->to.r, "abcabc");
}

TEST_F(transfer, rest_of_spliced_packet_stays_packet)
{
	write_packet(_metadata, self->from.w, "abcdef");
	write_packet(_metadata, self->from.w, "gh");
	ASSERT_EQ(2, do_splice(self->from.r, self->to.w, 2, 0));
	expect_text(_metadata, self->to.r, "ab");
	ASSERT_EQ(1, do_tee(self->from.r, self->to.w, 1, 0));
	expect_text(_metadata, self->to.r, "c");
	ASSERT_EQ(5, do_splice(self->from.r, self->to.w, 5, 0));
	expect_text(_metadata, self->to.r, "cdef");
	expect_text(_metadata, self->to.r, "g");
	expect_text(_metadata, self->from.r, "h");
}

/* A pipe(2) counts slots, not bytes. */
TEST_F(transfer, splice_waits_until_packet_fits)
{
	struct splice_job job = { .from = self->from.r, .to = self->to.w, .len = 100 };
	struct child child;

	if (variant->from == PIPE_2)
		return;
	write_at(_metadata, self->to.w, 0, self->capacity - 2);
	write_packet(_metadata, self->from.w, "abc");
	expect_eagain(_metadata, do_splice(self->from.r, self->to.w, 100, 0));
	child = start_splice(_metadata, &job);
	expect_at(_metadata, self->to.r, 0, self->capacity - 2);
	EXPECT_EQ(3, result_of(_metadata, &child).ret);
	expect_text(_metadata, self->to.r, "abc");
}

/* Waiting */

TEST_F(transfer, splice_waits_for_bytes)
{
	struct splice_job job = { .from = self->from.r, .to = self->to.w, .len = 100 };
	struct child child = start_splice(_metadata, &job);

	/* Both pipes stay usable. */
	ASSERT_EQ(2, write(self->to.w, "ab", 2));
	expect_text(_metadata, self->to.r, "ab");
	ASSERT_EQ(2, write(self->from.w, "cd", 2));
	EXPECT_EQ(2, result_of(_metadata, &child).ret);
	expect_text(_metadata, self->to.r, "cd");
}

TEST_F(transfer, splice_waits_for_room)
{
	struct splice_job job = { .from = self->from.r, .to = self->to.w, .len = 100 };
	ssize_t len = fill_pipe(_metadata, self->to.w);
	struct child child;

	ASSERT_EQ(2, write(self->from.w, "ab", 2));
	child = start_splice(_metadata, &job);
	/* Another reader gets the bytes. */
	expect_text(_metadata, self->from.r, "ab");
	ASSERT_EQ(2, write(self->from.w, "cd", 2));
	expect_at(_metadata, self->to.r, 0, len);
	EXPECT_EQ(2, result_of(_metadata, &child).ret);
	expect_text(_metadata, self->to.r, "cd");
}

TEST_F(transfer, tee_waits_for_bytes_and_room)
{
	struct splice_job job = {
		.from = self->from.r, .to = self->to.w, .len = 100, .tee = true,
	};
	ssize_t len = fill_pipe(_metadata, self->to.w);
	struct child child = start_splice(_metadata, &job);

	ASSERT_EQ(2, write(self->from.w, "ab", 2));
	expect_at(_metadata, self->to.r, 0, len);
	EXPECT_EQ(2, result_of(_metadata, &child).ret);
	expect_text(_metadata, self->to.r, "ab");
	expect_text(_metadata, self->from.r, "ab");
}

TEST_F(transfer, signal_ends_wait_for_bytes)
{
	struct splice_job job = { .from = self->from.r, .to = self->to.w, .len = 100 };
	struct child child = start_splice(_metadata, &job);

	kill(child.pid, SIGUSR1);
	expect_error(_metadata, &child, EINTR);
}

TEST_F(transfer, signal_ends_wait_for_room)
{
	struct splice_job job = { .from = self->from.r, .to = self->to.w, .len = 100 };
	struct child child;

	fill_pipe(_metadata, self->to.w);
	ASSERT_EQ(2, write(self->from.w, "ab", 2));
	child = start_splice(_metadata, &job);
	kill(child.pid, SIGUSR1);
	expect_error(_metadata, &child, EINTR);
	expect_text(_metadata, self->from.r, "ab");
}

/* O_NONBLOCK at one of the two, or SPLICE_F_NONBLOCK, is enough. */
static void expect_eagain_of_all(struct __test_metadata *_metadata, struct ends from,
				 struct ends to,
				 ssize_t (*call)(int from, int to, size_t len, unsigned int flags))
{
	int r = open_again(from.r, O_RDONLY), w = open_again(to.w, O_WRONLY);

	expect_eagain(_metadata, call(r, to.w, 100, 0));
	expect_eagain(_metadata, call(from.r, w, 100, 0));
	expect_eagain(_metadata, call(r, w, 100, SPLICE_F_NONBLOCK));
	close(r);
	close(w);
}

TEST_F(transfer, splice_gives_eagain)
{
	expect_eagain_of_all(_metadata, self->from, self->to, do_splice);
	fill_pipe(_metadata, self->to.w);
	ASSERT_EQ(2, write(self->from.w, "ab", 2));
	expect_eagain_of_all(_metadata, self->from, self->to, do_splice);
	expect_text(_metadata, self->from.r, "ab");
}

TEST_F(transfer, tee_gives_eagain)
{
	expect_eagain_of_all(_metadata, self->from, self->to, do_tee);
	fill_pipe(_metadata, self->to.w);
	ASSERT_EQ(2, write(self->from.w, "ab", 2));
	expect_eagain_of_all(_metadata, self->from, self->to, do_tee);
	expect_text(_metadata, self->from.r, "ab");
}

TEST_F(transfer, splice_wakes_reader_and_writer)
{
	struct child reader = start_reading(_metadata, self->to.r, 1);
	struct child poller = start_polling(_metadata, self->to.r, POLLIN);
	ssize_t len = fill_pipe(_metadata, self->from.w);
	struct child writer = start_writing(_metadata, self->from.w, 0, 'w', 10);

	ASSERT_EQ(smaller(len, self->capacity), do_splice(self->from.r, self->to.w, len, 0));
	EXPECT_EQ(1, result_of(_metadata, &reader).ret);
	EXPECT_EQ(POLLIN, result_of(_metadata, &poller).ret);
	EXPECT_EQ(10, result_of(_metadata, &writer).ret);
}

/* Closed ends */

TEST_F(transfer, end_of_file)
{
	ASSERT_EQ(2, write(self->from.w, "ab", 2));
	close(self->from.w);
	EXPECT_EQ(2, do_tee(self->from.r, self->to.w, 100, 0));
	EXPECT_EQ(2, do_splice(self->from.r, self->to.w, 100, 0));
	EXPECT_EQ(0, do_splice(self->from.r, self->to.w, 100, 0));
	EXPECT_EQ(0, do_tee(self->from.r, self->to.w, 100, 0));
	expect_text(_metadata, self->to.r, "abab");
}

TEST_F(transfer, last_writer_close_ends_wait)
{
	struct splice_job job = { .from = self->from.r, .to = self->to.w, .len = 100 };
	struct child child = start_splice(_metadata, &job);

	close(self->from.w);
	EXPECT_EQ(0, result_of(_metadata, &child).ret);
}

/* A splice and a tee to a pipe without readers. */
static void expect_broken(struct __test_metadata *_metadata, int from, int to)
{
	EXPECT_EQ(-1, do_splice(from, to, 100, 0));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(1, sigpipes());
	EXPECT_EQ(-1, do_tee(from, to, 100, 0));
	EXPECT_EQ(EPIPE, errno);
	EXPECT_EQ(2, sigpipes());
}

TEST_F(transfer, broken_destination_gives_epipe_and_sigpipe)
{
	ASSERT_EQ(2, write(self->from.w, "ab", 2));
	close(self->to.r);
	expect_broken(_metadata, self->from.r, self->to.w);
	expect_text(_metadata, self->from.r, "ab");
}

TEST_F(transfer, broken_destination_gives_epipe_at_end_of_file)
{
	close(self->from.w);
	close(self->to.r);
	expect_broken(_metadata, self->from.r, self->to.w);
}

/* Two tasks that splice two pipes into each other */

struct ring_job {
	int from;
	int to;
	int times;
};

static void splice_often(int report_to, const void *arg)
{
	const struct ring_job *job = arg;
	int from = open_own(job->from, O_RDONLY, 0), to = open_own(job->to, O_WRONLY, 0);
	int i;

	for (i = 0; i < job->times; i++)
		if (do_splice(from, to, 10 + i % 5000, 0) <= 0)
			break;
	report(report_to, i);
}

/* All bytes together fit into one pipe, so neither is ever full. A pipe(2) may lack slots. */
TEST_F(transfer, two_tasks_splice_into_each_other)
{
	struct ring_job jobs[] = {
		{ .from = self->from.r, .to = self->to.w, .times = 2000 },
		{ .from = self->to.r, .to = self->from.w, .times = 2000 },
	};
	struct child children[2];
	size_t sum = 0;
	int ended = -1;

	if (variant->from == PIPE_2)
		return;
	for (int i = 0; i < 2; i++) {
		int fd = i ? self->to.w : self->from.w;

		write_at(_metadata, fd, 0, 3 * PAGE + 5);
	}
	for (int i = 0; i < 2; i++)
		children[i] = start_forked(_metadata, splice_often, &jobs[i]);
	/* When one task has ended, the other may wait for bytes for ever. */
	for (int ms = 0; ms < TIMEOUT_MS && ended < 0; ms++) {
		if (has_reported(&children[0]))
			ended = 0;
		else if (has_reported_within(&children[1], 1))
			ended = 1;
	}
	ASSERT_LE(0, ended);
	EXPECT_EQ(2000, result_of(_metadata, &children[ended]).ret);
	kill_children(_metadata);
	for (int i = 0; i < 2; i++) {
		ssize_t n = read(i ? self->to.r : self->from.r, big_buffer(), BIG);

		for (ssize_t j = 0; j < n; j++)
			sum += big_buffer()[j];
	}
	put_pattern(big_buffer(), 0, 3 * PAGE + 5);
	for (ssize_t j = 0; j < 3 * PAGE + 5; j++)
		sum -= 2 * big_buffer()[j];
	EXPECT_EQ(0, sum);
}

/* Bad calls */

TEST_F(transfer, splice_of_0_bytes_returns_0)
{
	EXPECT_EQ(0, do_splice(self->from.r, -1, 0, 0));
	EXPECT_EQ(0, do_splice(self->from.r, self->to.w, 0, ~0u));
	EXPECT_EQ(0, do_tee(self->from.r, -1, 0, 0));
	EXPECT_EQ(-1, do_tee(self->from.r, -1, 0, ~0u));
	EXPECT_EQ(EINVAL, errno);
	if (variant->to != PIPE_2)
		EXPECT_EQ(0, by_ioctl(MINI_PIPE_IOC_SPLICE_FROM, self->to.w, -1, 0, 0));
}

TEST_F(transfer, unknown_flags_give_einval)
{
	ASSERT_EQ(2, write(self->from.w, "ab", 2));
	for (int bit = 4; bit < 32; bit++) {
		EXPECT_FAILS(EINVAL, do_splice(self->from.r, self->to.w, 1, 1u << bit));
		EXPECT_FAILS(EINVAL, do_tee(self->from.r, self->to.w, 1, 1u << bit));
	}
	EXPECT_EQ(2, do_splice(self->from.r, self->to.w, 100, SPLICE_F_MOVE | SPLICE_F_MORE |
			       SPLICE_F_GIFT | SPLICE_F_NONBLOCK));
}

TEST_F(transfer, closed_descriptor_gives_ebadf)
{
	EXPECT_FAILS(EBADF, do_splice(self->from.r, -1, 1, 0));
	EXPECT_FAILS(EBADF, do_splice(self->from.r, INT_MAX, 1, 0));
	EXPECT_FAILS(EBADF, do_tee(self->from.r, next_descriptor(), 1, 0));
}

TEST_F(transfer, wrong_end_gives_ebadf)
{
	EXPECT_FAILS(EBADF, do_splice(self->from.w, self->to.w, 1, 0));
	EXPECT_FAILS(EBADF, do_splice(self->from.r, self->to.r, 1, 0));
	EXPECT_FAILS(EBADF, do_tee(self->from.w, self->to.w, 1, 0));
	EXPECT_FAILS(EBADF, do_tee(self->from.r, self->to.r, 1, 0));
}

TEST_F(transfer, o_path_descriptor_gives_ebadf)
{
	int path = open_again(self->to.w, O_PATH);

	EXPECT_FAILS(EBADF, do_splice(self->from.r, path, 1, 0));
}

TEST_F(transfer, same_pipe_gives_einval)
{
	ASSERT_EQ(2, write(self->from.w, "ab", 2));
	EXPECT_FAILS(EINVAL, do_splice(self->from.r, self->from.w, 1, 0));
	EXPECT_FAILS(EINVAL, do_tee(self->from.r, self->from.w, 1, 0));
	expect_text(_metadata, self->from.r, "ab");
}

TEST_F(transfer, bad_argument_gives_efault)
{
	if (variant->from == PIPE_2)
		return;
	EXPECT_FAILS(EFAULT, ioctl(self->from.r, MINI_PIPE_IOC_SPLICE_TO, NULL));
	EXPECT_FAILS(EFAULT, ioctl(self->to.w, MINI_PIPE_IOC_SPLICE_FROM, NULL));
	EXPECT_FAILS(EFAULT, ioctl(self->from.r, MINI_PIPE_IOC_TEE_TO, NULL));
}

TEST_F(transfer, offset_gives_espipe)
{
	loff_t offset = 0;
	struct mini_pipe_splice request = {
		.fd = self->to.w, .len = 1, .offset = (uintptr_t)&offset,
	};

	if (variant->from == PIPE_2)
		return;
	EXPECT_FAILS(ESPIPE, ioctl(self->from.r, MINI_PIPE_IOC_SPLICE_TO, &request));
	EXPECT_FAILS(ESPIPE, ioctl(self->from.r, MINI_PIPE_IOC_TEE_TO, &request));
}

TEST_F(transfer, splice_from_is_splice_to_with_ends_exchanged)
{
	if (variant->from == PIPE_2)
		return;
	ASSERT_EQ(3, write(self->from.w, "abc", 3));
	EXPECT_EQ(3, by_ioctl(MINI_PIPE_IOC_SPLICE_FROM, self->to.w, self->from.r, BIG, 0));
	expect_text(_metadata, self->to.r, "abc");
	EXPECT_FAILS(EBADF, by_ioctl(MINI_PIPE_IOC_SPLICE_FROM, self->to.r, self->from.r, 1, 0));
	EXPECT_FAILS(EBADF, by_ioctl(MINI_PIPE_IOC_SPLICE_FROM, self->to.w, self->from.w, 1, 0));
	EXPECT_FAILS(EINVAL, by_ioctl(MINI_PIPE_IOC_SPLICE_FROM, self->to.w, self->to.r, 1, 0));
}

/* For a pipe(2), there is splice(2). */
TEST_F(transfer, pipe_2_gives_einval)
{
	int r, w;

	if (variant->from == PIPE_2)
		return;
	make_pipe(_metadata, PIPE_2, O_NONBLOCK, &r, &w);
	EXPECT_FAILS(EINVAL, by_ioctl(MINI_PIPE_IOC_SPLICE_TO, self->from.r, w, 1, 0));
	EXPECT_FAILS(EINVAL, by_ioctl(MINI_PIPE_IOC_SPLICE_FROM, self->to.w, r, 1, 0));
}

/* A splice is buffered under either policy, and waits while a rendezvous is active. */
TEST_F(transfer, splice_into_rendezvous_pipe_is_buffered)
{
	struct splice_job job = { .from = self->from.r, .to = self->to.w, .len = 100 };
	struct child writer, child;

	if (variant->from == PIPE_2)
		return;
	ASSERT_EQ(0, set_policy(self->to.w, MINI_PIPE_RENDEZVOUS));
	ASSERT_EQ(3, write(self->from.w, "abc", 3));
	EXPECT_EQ(3, do_splice(self->from.r, self->to.w, 100, 0));
	expect_text(_metadata, self->to.r, "abc");
	writer = start_writing(_metadata, self->to.w, 0, 'w', 1);
	ASSERT_EQ(3, write(self->from.w, "abc", 3));
	expect_eagain(_metadata, do_splice(self->from.r, self->to.w, 100, 0));
	child = start_splice(_metadata, &job);
	expect_text(_metadata, self->to.r, "w");
	EXPECT_EQ(1, result_of(_metadata, &writer).ret);
	EXPECT_EQ(3, result_of(_metadata, &child).ret);
	expect_text(_metadata, self->to.r, "abc");
	EXPECT_EQ(0, set_policy(self->to.w, MINI_PIPE_BUFFERED));
}

TEST_HARNESS_MAIN
