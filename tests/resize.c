// SPDX-License-Identifier: GPL-2.0
/*
 * A resize gives the ring other storage, which shares the pages that have bytes. No byte is lost or
 * reordered: wherever the bytes are in the ring, while a reader or a writer is stuck in a copy, and
 * while spliced pages are in a pipe(2). Reads and writes do not wait long for a resize. capacity.c
 * tests what a resize returns, limits.c who may resize.
 */
#include <pthread.h>
#include <time.h>
#include "mini_pipe_fixture.h"
#include "stream.h"
#include "userfault.h"

#define PAGE page_size()

/* Offsets in a page: the first byte, the second, one in the middle, the last. */
#define OFFSETS 4

static size_t offset(int i)
{
	const size_t offsets[OFFSETS] = { 0, 1, 2000, PAGE - 1 };

	return offsets[i];
}

/* Fills the pipe, then reads and checks all bytes. */
static void expect_all_in_order(struct __test_metadata *_metadata, struct stream *stream)
{
	size_t capacity = capacity_of(stream->ends.r);

	ASSERT_EQ((int)(stream->in - stream->out), bytes_in(stream->ends.r));
	write_next(_metadata, stream, capacity - (stream->in - stream->out));
	expect_full(_metadata, stream);
	read_next(_metadata, stream, capacity);
	ASSERT_EQ(0, bytes_in(stream->ends.r));
}

/* No other calls in progress: many positions and sizes */

struct span {
	size_t position;	/* in the ring, of the first byte */
	size_t len;
};

static void resize_there_and_back(struct __test_metadata *_metadata, struct stream *stream,
				  const struct span *span, size_t from, size_t to)
{
	ASSERT_EQ((int)from, set_capacity(stream->ends.w, from));
	advance(_metadata, stream, from, span->position);
	write_next(_metadata, stream, span->len - 1);
	ASSERT_EQ((int)to, set_capacity(stream->ends.w, to))
	{
		TH_LOG("%zu to %zu, %zu bytes at %zu", from, to, span->len, span->position);
	}
	ASSERT_EQ((int)from, set_capacity(stream->ends.w, from));
	expect_all_in_order(_metadata, stream);
}

/* To more pages, to fewer and to as many, and back, from positions all over the ring. */
TEST_F(pipe, bytes_stay_in_order_wherever_ring_wraps)
{
	const size_t to[] = {
		2 * PAGE, 2 * PAGE + 1, 3 * PAGE + 5, 4 * PAGE, 4 * PAGE + 1, 9 * PAGE,
	};
	struct stream stream = { .ends = self->ends };
	const size_t from = 4 * PAGE;

	for (size_t position = 0; position < from; position += 509) {
		for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
			size_t fits = smaller(from, to[i]);
			struct span all = { position, fits };
			struct span some = { position, fits / 2 + position % 7 };

			resize_there_and_back(_metadata, &stream, &all, from, to[i]);
			resize_there_and_back(_metadata, &stream, &some, from, to[i]);
		}
	}
}

TEST_F(pipe, bytes_stay_in_order_if_ring_wraps_near_page_boundary)
{
	const size_t to[] = {
		2 * PAGE, 2 * PAGE + 1, 3 * PAGE - 1, 8 * PAGE - 1, 16 * PAGE,
	};
	struct stream stream = { .ends = self->ends };
	const size_t from = 3 * PAGE;

	for (size_t i = 0; i < 4 * OFFSETS * ARRAY_SIZE(to); i++) {
		size_t position = i % 4 * PAGE + offset(i / 4 % OFFSETS);
		size_t size = to[i / 4 / OFFSETS];

		for (size_t less = 0; less < 3; less++) {
			struct span span = { position, 2 * PAGE - less };

			resize_there_and_back(_metadata, &stream, &span, from, size);
		}
	}
}

TEST_F(pipe, resize_to_same_capacity_changes_nothing)
{
	struct stream stream = { .ends = self->ends };

	for (size_t i = 0; i < OFFSETS; i++) {
		struct span span = { offset(i), 3 * PAGE };

		resize_there_and_back(_metadata, &stream, &span, 4 * PAGE, 4 * PAGE);
		resize_there_and_back(_metadata, &stream, &span, 4 * PAGE - 288, 4 * PAGE - 288);
	}
}

/* Resizes while copies are stuck in page faults */

FIXTURE(stuck_copies)
{
	int device;
	int device_capacity;
};

/*
 * A row of the table. In the order of the ring: bytes of the reader, other bytes, bytes of the
 * writer, free room.
 */
struct layout {
	size_t capacity;
	size_t held;		/* bytes in the pipe, including those of the reader */
	size_t reading;		/* reserved by the stuck reader */
	size_t writing;		/* reserved by the stuck writer */
	size_t sizes[5];	/* the capacities to resize to, one after the other; 0 ends */
};

FIXTURE_VARIANT(stuck_copies)
{
	struct layout layout;
};

FIXTURE_VARIANT_ADD(stuck_copies, reader)
{
	.layout = {
		.capacity = 4 * PAGE_4K, .held = 3 * PAGE_4K + 100, .reading = 2 * PAGE_4K + 50,
		.sizes = { 8 * PAGE_4K, 3 * PAGE_4K + 100, 16 * PAGE_4K, 5 * PAGE_4K },
	},
};

FIXTURE_VARIANT_ADD(stuck_copies, reader_of_full_pipe)
{
	.layout = {
		.capacity = 4 * PAGE_4K, .held = 4 * PAGE_4K, .reading = 4 * PAGE_4K,
		.sizes = { 4 * PAGE_4K + 1, 4 * PAGE_4K, 9 * PAGE_4K, 4 * PAGE_4K },
	},
};

FIXTURE_VARIANT_ADD(stuck_copies, writer_of_4000_bytes)
{
	.layout = {
		.capacity = PAGE_4K, .held = 10, .writing = 4000,
		.sizes = { 2 * PAGE_4K, 4010, 256 * PAGE_4K, PAGE_4K },
	},
};

/* If the bytes begin in the middle of a page, they may end in the same page. */
FIXTURE_VARIANT_ADD(stuck_copies, writer_that_fills_pipe)
{
	.layout = {
		.capacity = 4 * PAGE_4K, .held = 1, .writing = 4 * PAGE_4K - 1,
		.sizes = { 4 * PAGE_4K + 1, 9 * PAGE_4K, 4 * PAGE_4K, 16 * PAGE_4K },
	},
};

FIXTURE_VARIANT_ADD(stuck_copies, writer_in_ring_of_one_page)
{
	.layout = {
		.capacity = PAGE_4K, .held = 1, .writing = PAGE_4K - 1,
		.sizes = { 3 * PAGE_4K, PAGE_4K, 2 * PAGE_4K, PAGE_4K },
	},
};

FIXTURE_VARIANT_ADD(stuck_copies, reader_and_writer)
{
	.layout = {
		.capacity = 4 * PAGE_4K, .held = 2 * PAGE_4K + 10, .reading = PAGE_4K + 100,
		.writing = 2 * PAGE_4K - 10,
		.sizes = { 6 * PAGE_4K, 4 * PAGE_4K, 64 * PAGE_4K, 4 * PAGE_4K },
	},
};

FIXTURE_VARIANT_ADD(stuck_copies, reader_and_writer_of_adjacent_bytes)
{
	.layout = {
		.capacity = 3 * PAGE_4K, .held = PAGE_4K + 1, .reading = PAGE_4K + 1,
		.writing = 2 * PAGE_4K - 1,
		.sizes = { 3 * PAGE_4K + 1, 3 * PAGE_4K, 7 * PAGE_4K, 3 * PAGE_4K + 1 },
	},
};

FIXTURE_VARIANT_ADD(stuck_copies, reader_and_writer_in_partial_pages)
{
	.layout = {
		.capacity = 9000, .held = 1500, .reading = 1499, .writing = 7000,
		.sizes = { 9001, 8500, 12345, 8501 },
	},
};

FIXTURE_VARIANT_ADD(stuck_copies, reader_and_writer_in_large_pipe)
{
	.layout = {
		.capacity = 64 * PAGE_4K, .held = 20 * PAGE_4K + 1, .reading = 10 * PAGE_4K,
		.writing = 12 * PAGE_4K + 7,
		.sizes = { 256 * PAGE_4K, 32 * PAGE_4K + 8, 100 * PAGE_4K, 33 * PAGE_4K },
	},
};

FIXTURE_SETUP(stuck_copies)
{
	self->device_capacity = set_up_pipe(_metadata);
	self->device = open_for_ioctl(_metadata);
}

FIXTURE_TEARDOWN(stuck_copies)
{
	restore_device(_metadata, self->device, self->device_capacity);
}

/* How the stuck copies end. */
struct ending {
	bool writer_first;
	bool reader_killed;
	bool writer_killed;
	bool partial;		/* they copy their first page between two resizes */
};

/* Lets the copy continue up to its second page. */
static void copy_first_page(struct __test_metadata *_metadata, struct stuck *stuck)
{
	if (stuck->len <= (ssize_t)PAGE)
		return;
	resolve_page(_metadata, stuck, 0);
	expect_fault(_metadata, stuck);
}

static void resolve_all(struct __test_metadata *_metadata, struct stuck *stuck, bool partial)
{
	size_t pages = faulting_len(stuck) / PAGE;

	for (size_t i = partial && pages > 1; i < pages; i++)
		resolve_page(_metadata, stuck, i);
}

/* The most that a killed copy may have committed. */
static size_t copied_at_most(const struct stuck *stuck, bool partial)
{
	return partial && stuck->len > (ssize_t)PAGE ? PAGE : 0;
}

static void finish_copy(struct __test_metadata *_metadata, struct stuck *stuck,
			const struct ending *ending, struct stream *stream)
{
	bool reads = stuck->end == O_RDONLY;
	int before = bytes_in(stream->ends.r);
	size_t copied = stuck->len;

	if (reads ? ending->reader_killed : ending->writer_killed) {
		kill_child(_metadata, &stuck->child);
		copied = bytes_in(stream->ends.r) - before;
		if (reads)
			copied = stuck->len - copied;
		ASSERT_GE(copied_at_most(stuck, ending->partial), copied);
	} else {
		resolve_all(_metadata, stuck, ending->partial);
		ASSERT_EQ(stuck->len, result_of(_metadata, &stuck->child).ret);
		if (reads)
			ASSERT_TRUE(result_of(_metadata, &stuck->child).ret);
		kill_child(_metadata, &stuck->child);
	}
	if (reads)
		stream->out += copied;
	else
		stream->in += copied;
	close(stuck->faults);
	munmap(stuck->buf, faulting_len(stuck));
}

/* Returns false if the test was skipped because the machine lacks userfaultfd. */
static bool resize_during_copies(struct __test_metadata *_metadata, const struct layout *layout,
				 const struct ends *ends, size_t position,
				 const struct ending *ending)
{
	size_t min_capacity = layout->held + layout->writing;
	struct stuck reader = { .len = 0 }, writer = { .len = 0 };
	struct stream stream = { .ends = *ends };

	ASSERT_EQ((int)layout->capacity, set_capacity(ends->w, layout->capacity));
	advance(_metadata, &stream, layout->capacity, position);
	write_next(_metadata, &stream, layout->held - 1);
	if (layout->reading && !start_stuck_with(_metadata, &reader, ends->r, O_RDONLY, stream.out,
						 layout->reading))
		return false;
	if (layout->writing && !start_stuck_with(_metadata, &writer, ends->w, O_WRONLY, stream.in,
						 layout->writing))
		return false;

	for (int i = 0; layout->sizes[i]; i++) {
		ASSERT_EQ(-1, set_capacity(ends->r, min_capacity - 1));
		ASSERT_EQ(EBUSY, errno);
		ASSERT_EQ((int)layout->sizes[i], set_capacity(ends->r, layout->sizes[i]))
		{
			TH_LOG("to %zu, at %zu", layout->sizes[i], position);
		}
		ASSERT_EQ((int)(layout->held - layout->reading), bytes_in(ends->r));
		if (ending->partial && i == 1) {
			copy_first_page(_metadata, &reader);
			copy_first_page(_metadata, &writer);
		}
	}
	if (!layout->reading)
		read_next(_metadata, &stream, layout->held / 2);
	if (!layout->writing && layout->sizes[3] > min_capacity)
		write_next(_metadata, &stream, layout->sizes[3] - min_capacity);

	for (int i = 0; i < 2; i++) {
		struct stuck *stuck = ending->writer_first == !i ? &writer : &reader;

		if (stuck->len)
			finish_copy(_metadata, stuck, ending, &stream);
	}
	expect_all_in_order(_metadata, &stream);
	return true;
}

static void resize_at_each_position(struct __test_metadata *_metadata,
				    const struct layout *row, struct ending ending)
{
	struct layout layout = {
		.capacity = in_pages(row->capacity), .held = in_pages(row->held),
		.reading = in_pages(row->reading), .writing = in_pages(row->writing),
	};
	struct ends ends;

	for (size_t i = 0; i < ARRAY_SIZE(layout.sizes); i++)
		layout.sizes[i] = in_pages(row->sizes[i]);
	for (size_t i = 0; i < 2 * OFFSETS; i++) {
		ending.partial = i % 2;
		make_pipe(_metadata, PRIVATE, O_NONBLOCK, &ends.r, &ends.w);
		if (!resize_during_copies(_metadata, &layout, &ends, offset(i / 2), &ending))
			return;
		close(ends.r);
		close(ends.w);
	}
	make_pipe(_metadata, DEVICE, O_NONBLOCK, &ends.r, &ends.w);
	resize_during_copies(_metadata, &layout, &ends, 2000, &ending);
	close(ends.r);
	close(ends.w);
}

TEST_F(stuck_copies, copies_complete_after_resizes)
{
	resize_at_each_position(_metadata, &variant->layout, (struct ending){});
}

TEST_F(stuck_copies, copies_complete_after_resizes_writer_first)
{
	resize_at_each_position(_metadata, &variant->layout, (struct ending){
		.writer_first = true,
	});
}

TEST_F(stuck_copies, killed_copies_lose_and_duplicate_no_bytes_after_resizes)
{
	resize_at_each_position(_metadata, &variant->layout, (struct ending){
		.reader_killed = true, .writer_killed = true,
	});
}

TEST_F(stuck_copies, writer_completes_after_resizes_if_reader_is_killed)
{
	resize_at_each_position(_metadata, &variant->layout, (struct ending){
		.reader_killed = true,
	});
}

TEST_F(stuck_copies, reader_completes_after_resizes_if_writer_is_killed)
{
	resize_at_each_position(_metadata, &variant->layout, (struct ending){
		.writer_first = true, .writer_killed = true,
	});
}

/* Spliced pages in a pipe(2) */

static void splice_pages(struct __test_metadata *_metadata, struct stream *stream, int pipe_2,
			 size_t len)
{
	ASSERT_EQ((ssize_t)len, splice(stream->ends.r, NULL, pipe_2, NULL, len, SPLICE_F_NONBLOCK));
	stream->out += len;
}

static void expect_spliced(struct __test_metadata *_metadata, int pipe_2, size_t from, size_t len)
{
	ASSERT_EQ((ssize_t)len, read(pipe_2, big_buffer(), len));
	ASSERT_EQ(0, memcmp(big_buffer(), pattern(from), len));
}

/* After each resize the whole ring is written. It must not have the pages in the pipe(2). */
TEST_F(pipe, resize_does_not_change_spliced_pages)
{
	const size_t sizes[] = { 16 * PAGE, 5 * PAGE, 64 * PAGE, 8 * PAGE };
	const size_t len = 3 * PAGE + 700;
	struct stream stream = { .ends = self->ends };
	int pipe_2[2];

	ASSERT_EQ(0, pipe2(pipe_2, O_NONBLOCK));
	for (size_t i = 0; i < OFFSETS * ARRAY_SIZE(sizes); i++) {
		size_t from;

		ASSERT_EQ((int)(8 * PAGE), set_capacity(self->ends.w, 8 * PAGE));
		advance(_metadata, &stream, 8 * PAGE, offset(i / ARRAY_SIZE(sizes)));
		write_next(_metadata, &stream, 5 * PAGE - 1);
		from = stream.out;
		splice_pages(_metadata, &stream, pipe_2[1], len);
		ASSERT_EQ((int)sizes[i % ARRAY_SIZE(sizes)],
			  set_capacity(self->ends.w, sizes[i % ARRAY_SIZE(sizes)]));
		expect_all_in_order(_metadata, &stream);
		expect_all_in_order(_metadata, &stream);
		expect_spliced(_metadata, pipe_2[0], from, len);
	}
}

TEST_F(pipe, resize_during_stuck_write_does_not_change_spliced_pages)
{
	const size_t len = 2 * PAGE + 700;
	int pipe_2[2];

	ASSERT_EQ(0, pipe2(pipe_2, O_NONBLOCK));
	for (size_t i = 0; i < OFFSETS; i++) {
		struct stream stream = { .ends = self->ends };
		struct ending ending = {};
		struct stuck writer;
		size_t from;

		ASSERT_EQ((int)(8 * PAGE), set_capacity(self->ends.w, 8 * PAGE));
		advance(_metadata, &stream, 8 * PAGE, offset(i));
		write_next(_metadata, &stream, 4 * PAGE - 1);
		from = stream.out;
		if (!start_stuck_with(_metadata, &writer, self->ends.w, O_WRONLY, stream.in,
				      4 * PAGE))
			return;
		splice_pages(_metadata, &stream, pipe_2[1], len);
		ASSERT_EQ((int)(32 * PAGE), set_capacity(self->ends.w, 32 * PAGE));
		splice_pages(_metadata, &stream, pipe_2[1], PAGE);
		ASSERT_EQ((int)(8 * PAGE), set_capacity(self->ends.w, 8 * PAGE));
		finish_copy(_metadata, &writer, &ending, &stream);
		expect_all_in_order(_metadata, &stream);
		expect_all_in_order(_metadata, &stream);
		expect_spliced(_metadata, pipe_2[0], from, len + PAGE);
	}
}

/* Resizes while other processes read and write */

#define TRAFFIC ((size_t)32 << 20)

/* The writer goes on until there were at least this many resizes. */
#define RESIZES 20

struct traffic_job {
	struct ends ends;
	atomic_int *resized;	/* how often; shared by all */
};

static int open_end(int report_to, const struct ends *ends, int end)
{
	int fd = open_own(end == O_RDONLY ? ends->r : ends->w, end, 0);

	keep_only(report_to, fd, fd);
	return fd;
}

static void write_stream(int report_to, const void *arg)
{
	const struct traffic_job *job = arg;
	int fd = open_end(report_to, &job->ends, O_WRONLY);
	ssize_t n, done = 0;

	do {
		n = write(fd, pattern(done), 1 + done % 70001);
		done += n > 0 ? n : 0;
	} while (n > 0 && (done < (ssize_t)TRAFFIC || *job->resized < RESIZES));
	report(report_to, done);
}

static void read_stream(int report_to, const void *arg)
{
	const struct traffic_job *job = arg;
	int fd = open_end(report_to, &job->ends, O_RDONLY);
	ssize_t n, done = 0;

	do {
		n = read(fd, big_buffer(), 1 + done % 60013);
		if (n > 0 && memcmp(big_buffer(), pattern(done), n))
			break;
		done += n > 0 ? n : 0;
	} while (n > 0);
	report(report_to, done);
}

static void resize_in_loop(int report_to, const void *arg)
{
	const struct traffic_job *job = arg;
	int fd = open_end(report_to, &job->ends, O_RDONLY);
	unsigned int random = 1;

	for (;;) {
		unsigned int size;

		random = random * 1664525 + 1013904223;
		size = PAGE + (random >> 8) % (LARGEST - PAGE + 1);
		if (set_capacity(fd, size) == (int)size)
			(*job->resized)++;
		else if (errno != EBUSY)
			_exit(KSFT_FAIL);
	}
}

TEST_F(pipe, bytes_stay_in_order_during_random_resizes)
{
	struct traffic_job job = { .ends = self->ends };
	struct child reader, writer, resizer;
	ssize_t written;

	pattern(0);
	job.resized = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			   -1, 0);
	ASSERT_NE(MAP_FAILED, job.resized);
	resizer = start_forked(_metadata, resize_in_loop, &job);
	reader = start_forked(_metadata, read_stream, &job);
	writer = start_forked(_metadata, write_stream, &job);
	close(self->ends.r);
	close(self->ends.w);
	written = result_of(_metadata, &writer).ret;
	EXPECT_LE((ssize_t)TRAFFIC, written);
	kill_child(_metadata, &writer);
	EXPECT_EQ(written, result_of(_metadata, &reader).ret);
	EXPECT_EQ(0, waitpid(resizer.pid, NULL, WNOHANG));
	EXPECT_LE(RESIZES, *job.resized);
}

/* How long reads and writes wait for a resize */

#define LARGE_CAPACITY ((size_t)256 << 20)

/* Other load on the machine may delay a call by this much, however short the resize is. */
#define NOISE_US 10000

struct resizes {
	int fd;
	size_t capacity;
	atomic_bool done;
	int failed;
};

static long now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void *grow_and_shrink(void *arg)
{
	struct resizes *resizes = arg;

	resizes->failed += set_capacity(resizes->fd, resizes->capacity + PAGE) < 0;
	resizes->failed += set_capacity(resizes->fd, resizes->capacity) < 0;
	resizes->done = true;
	return NULL;
}

/* How long a copy of so many bytes takes on this machine. */
static long copy_us(struct __test_metadata *_metadata, size_t len)
{
	unsigned char *bytes = map_pages(_metadata, 2 * LARGEST / PAGE, PROT_READ | PROT_WRITE);
	long shortest = LONG_MAX;

	memset(bytes, 1, 2 * LARGEST);
	for (int i = 0; i < 3; i++) {
		long start = now_us();

		for (size_t done = 0; done < len; done += LARGEST)
			memcpy(bytes + done % (2 * LARGEST),
			       bytes + (done + LARGEST) % (2 * LARGEST), LARGEST);
		if (now_us() - start < shortest)
			shortest = now_us() - start;
	}
	munmap(bytes, 2 * LARGEST);
	return shortest;
}

/* Returns the longest time that a write and a read of a byte together took during the resizes. */
static long longest_round_trip_us(struct __test_metadata *_metadata, const struct ends *ends,
				  struct resizes *resizes)
{
	long longest = 0;
	pthread_t thread;

	resizes->done = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, grow_and_shrink, resizes));
	while (!resizes->done) {
		long start = now_us();
		char byte = 'x';

		ASSERT_EQ(1, write(ends->w, &byte, 1));
		ASSERT_EQ(1, read(ends->r, &byte, 1));
		if (now_us() - start > longest)
			longest = now_us() - start;
	}
	ASSERT_EQ(0, pthread_join(thread, NULL));
	return longest;
}

FIXTURE(large_pipe)
{
	struct ends ends;
	size_t capacity;
};

/* If the OOM killer kills a process, it is to be the test or one of its children. */
static void prefer_for_oom_kill(struct __test_metadata *_metadata)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	ASSERT_EQ(4, write(fd, "1000", 4));
	close(fd);
}

FIXTURE_SETUP(large_pipe)
{
	if (geteuid())
		SKIP(return, "needs root");
	set_up_pipe(_metadata);
	prefer_for_oom_kill(_metadata);
	/* A power of two of pages: to grow by one page, the ring doubles. */
	for (self->capacity = LARGE_CAPACITY; 4 * (ssize_t)self->capacity > free_memory();)
		self->capacity /= 2;
	self->ends = private_pipe(_metadata, O_NONBLOCK, 0);
}

FIXTURE_TEARDOWN(large_pipe)
{
	kill_children(_metadata);
}

static void write_bytes(struct __test_metadata *_metadata, const struct ends *ends, size_t len)
{
	ssize_t n;

	for (size_t done = 0; done < len; done += n) {
		n = write(ends->w, big_buffer(), smaller(LARGEST, len - done));
		ASSERT_LT(0, n);
	}
}

/*
 * Rounds with other load on the machine take longer, so one short round is enough. If a resize
 * copied all bytes under the lock, in each round a read or write would wait for the whole copy.
 */
TEST_F_TIMEOUT(large_pipe, resize_of_full_pipe_does_not_block_read_and_write, 120)
{
	struct resizes resizes = { .fd = self->ends.w, .capacity = self->capacity };
	long limit = NOISE_US + copy_us(_metadata, self->capacity) / 20;
	long longest, shortest = LONG_MAX;

	ASSERT_EQ((int)self->capacity, set_capacity(self->ends.w, self->capacity));
	write_bytes(_metadata, &self->ends, self->capacity - PAGE);
	for (int i = 0; i < 30 && shortest > limit; i++) {
		longest = longest_round_trip_us(_metadata, &self->ends, &resizes);
		shortest = longest < shortest ? longest : shortest;
	}
	EXPECT_EQ(0, resizes.failed);
	EXPECT_GE(limit, shortest)
	{
		TH_LOG("%zu MiB resized: a byte took %ld us", self->capacity >> 20, shortest);
	}
}

/* Capacities above the memory of the machine */

static void resize_to(int report_to, const void *arg)
{
	const struct resizes *resizes = arg;

	report(report_to, set_capacity(resizes->fd, resizes->capacity));
}

static size_t total_memory(void)
{
	struct sysinfo info = { .totalram = 0 };

	sysinfo(&info);
	return info.totalram * info.mem_unit;
}

/* How many processes the OOM killer has killed, or -1 if the kernel does not count them. */
static long oom_kills(void)
{
	char line[128];
	FILE *file = fopen("/proc/vmstat", "re");
	long count = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "oom_kill %ld", &count) == 1)
			break;
	if (file)
		fclose(file);
	return count;
}

static void expect_no_memory(struct __test_metadata *_metadata, const struct ends *ends,
			     size_t capacity)
{
	struct resizes resizes = { .fd = ends->w, .capacity = capacity };
	struct stream stream = { .ends = *ends };
	long killed = oom_kills();
	struct result result;
	struct child child;

	if (total_memory() > capacity)
		SKIP(return, "needs a machine of less memory than %zu MiB", capacity >> 20);
	write_next(_metadata, &stream, 5000);
	child = start_forked(_metadata, resize_to, &resizes);
	/* poll(2) also returns if the child was killed. */
	while (!has_reported_within(&child, TIMEOUT_MS))
		;
	result = result_of(_metadata, &child);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(ENOMEM, result.err);
	EXPECT_EQ(killed, oom_kills());
	EXPECT_EQ(DEFAULT_CAPACITY, capacity_of(ends->r));
	read_next(_metadata, &stream, 5000);
}

TEST_F_TIMEOUT(large_pipe, resize_to_1_gib_gives_enomem_and_no_oom_kill, 120)
{
	expect_no_memory(_metadata, &self->ends, (size_t)1 << 30);
}

TEST_F_TIMEOUT(large_pipe, resize_to_600_mib_gives_enomem_and_no_oom_kill, 120)
{
	expect_no_memory(_metadata, &self->ends, (size_t)600 << 20);
}

/* The device's pipe gets all its pages in the resize, so free memory falls. */
TEST_F_TIMEOUT(large_pipe, killed_resize_of_device_changes_nothing, 120)
{
	struct resizes resizes = { .fd = open_for_ioctl(_metadata), .capacity = 64 << 20 };
	ssize_t memory = free_memory();
	int capacity = capacity_of(resizes.fd);
	struct child child;

	if (memory < (ssize_t)resizes.capacity + MEMORY_SLACK)
		SKIP(return, "needs %zu MiB of free memory", resizes.capacity >> 20);
	child = start_forked(_metadata, resize_to, &resizes);
	while (free_memory() > memory - MEMORY_SLACK && !has_reported(&child))
		;
	ASSERT_FALSE(has_reported(&child));
	kill(child.pid, SIGKILL);
	EXPECT_TRUE(WIFSIGNALED(wait_for_exit(_metadata, &child)));
	EXPECT_EQ(capacity, capacity_of(resizes.fd));
	restore_device(_metadata, resizes.fd, capacity);
	EXPECT_TRUE(is_free_again(memory));
}

/* A new pipe of such a size, by MINI_PIPE_IOC_PAIR. */
static void make_large_pair(int report_to, const void *arg)
{
	const struct resizes *resizes = arg;
	struct ends ends;

	report(report_to, make_pair(resizes->fd, &ends, 0, resizes->capacity));
}

TEST_F_TIMEOUT(large_pipe, pair_of_1_gib_gives_enomem_and_no_oom_kill, 120)
{
	struct resizes resizes = {
		.fd = open_for_ioctl(_metadata), .capacity = (size_t)1 << 30,
	};
	long killed = oom_kills();
	struct result result;
	struct child child;

	if (total_memory() > resizes.capacity)
		SKIP(return, "needs a machine of less memory than a gibibyte");
	child = start_forked(_metadata, make_large_pair, &resizes);
	/* poll(2) also returns if the child was killed. */
	while (!has_reported_within(&child, TIMEOUT_MS))
		;
	result = result_of(_metadata, &child);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(ENOMEM, result.err);
	EXPECT_EQ(killed, oom_kills());
}

TEST_HARNESS_MAIN
