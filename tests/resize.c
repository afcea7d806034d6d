// SPDX-License-Identifier: GPL-2.0
/*
 * Resizing moves bytes to other pages: all of them stay, in order, wherever in the ring they are,
 * also while a reader or a writer is stuck in a copy, and while pages are on their way through a
 * pipe(2). Nobody waits long for it. capacity.c has what a resize returns, limits.c who may.
 */
#include <pthread.h>
#include <time.h>
#include "pipes_fixture.h"
#include "stream.h"
#include "userfault.h"

#define PAGE ((size_t)PIPE_BUF)

/* Of each: the start, the second byte, the middle, the last byte of a page. */
static const size_t places[] = { 0, 1, 2000, PAGE - 1 };

/* Fills the pipe, and takes all out again. */
static void expect_all_in_order(struct __test_metadata *_metadata, struct stream *stream)
{
	size_t capacity = capacity_of(stream->ends.r);

	ASSERT_EQ((int)(stream->in - stream->out), bytes_in(stream->ends.r));
	put(_metadata, stream, capacity - (stream->in - stream->out));
	expect_full(_metadata, stream);
	get(_metadata, stream, capacity);
	ASSERT_EQ(0, bytes_in(stream->ends.r));
}

/* Nobody else at work: every alignment */

struct span {
	size_t place;		/* where in the ring the bytes begin */
	size_t len;
};

static void resize_with(struct __test_metadata *_metadata, struct stream *stream,
			const struct span *span, size_t from, size_t to)
{
	ASSERT_EQ((int)from, set_capacity(stream->ends.w, from));
	advance(_metadata, stream, from, span->place);
	put(_metadata, stream, span->len - 1);
	ASSERT_EQ((int)to, set_capacity(stream->ends.w, to))
	{
		TH_LOG("%zu to %zu, %zu bytes from %zu on", from, to, span->len, span->place);
	}
	ASSERT_EQ((int)from, set_capacity(stream->ends.w, from));
	expect_all_in_order(_metadata, stream);
}

/* Into more pages, fewer and as many, and back, from everywhere in the ring. */
TEST_F(pipe, a_ring_that_wraps_anywhere_survives_growing_and_shrinking)
{
	static const size_t to[] = { 2 * PAGE + 1, 3 * PAGE + 5, 4 * PAGE, 4 * PAGE + 1, 9 * PAGE };
	struct stream stream = { .ends = self->ends };
	const size_t from = 4 * PAGE;

	for (size_t place = 0; place < from; place += 509) {
		for (size_t i = 0; i < ARRAY_SIZE(to); i++) {
			size_t fits = smaller(from, to[i]);
			struct span all = { place, fits }, some = { place, fits / 2 + place % 7 };

			resize_with(_metadata, &stream, &all, from, to[i]);
			resize_with(_metadata, &stream, &some, from, to[i]);
		}
	}
}

TEST_F(pipe, a_ring_that_wraps_at_a_page_border_survives_growing_and_shrinking)
{
	static const size_t to[] = {
		2 * PAGE, 2 * PAGE + 1, 3 * PAGE - 1, 8 * PAGE - 1, 16 * PAGE,
	};
	struct stream stream = { .ends = self->ends };
	const size_t from = 3 * PAGE;

	for (size_t i = 0; i < 4 * ARRAY_SIZE(places) * ARRAY_SIZE(to); i++) {
		size_t place = i % 4 * PAGE + places[i / 4 % ARRAY_SIZE(places)];
		size_t size = to[i / 4 / ARRAY_SIZE(places)];

		for (size_t less = 0; less < 3; less++) {
			struct span span = { place, 2 * PAGE - less };

			resize_with(_metadata, &stream, &span, from, size);
		}
	}
}

TEST_F(pipe, a_pipe_that_is_resized_to_the_size_it_has_stays_as_it_is)
{
	struct stream stream = { .ends = self->ends };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct span span = { places[i], 3 * PAGE };

		resize_with(_metadata, &stream, &span, 4 * PAGE, 4 * PAGE);
		resize_with(_metadata, &stream, &span, 12000 + PAGE, 12000 + PAGE);
	}
}

/* Beside copies that are stuck */

FIXTURE(stuck)
{
	int device;
	int device_capacity;
};

/* In the order of the ring: bytes for the reader, bytes that wait, bytes from the writer, room. */
struct scene {
	size_t capacity;
	size_t held;		/* by the pipe, those for the reader among them */
	size_t reading;		/* on their way to a stuck reader */
	size_t writing;		/* on their way from a stuck writer */
	size_t sizes[5];	/* one after the other */
};

FIXTURE_VARIANT(stuck)
{
	struct scene scene;
};

FIXTURE_VARIANT_ADD(stuck, reader)
{
	.scene = {
		.capacity = 4 * PAGE, .held = 3 * PAGE + 100, .reading = 2 * PAGE + 50,
		.sizes = { 8 * PAGE, 3 * PAGE + 100, 16 * PAGE, 5 * PAGE },
	},
};

FIXTURE_VARIANT_ADD(stuck, reader_of_all_that_a_full_pipe_holds)
{
	.scene = {
		.capacity = 4 * PAGE, .held = 4 * PAGE, .reading = 4 * PAGE,
		.sizes = { 4 * PAGE + 1, 4 * PAGE, 9 * PAGE, 4 * PAGE },
	},
};

FIXTURE_VARIANT_ADD(stuck, writer_of_a_little)
{
	.scene = {
		.capacity = PAGE, .held = 10, .writing = 4000,
		.sizes = { 2 * PAGE, 4010, 256 * PAGE, PAGE },
	},
};

/* From within a page, its bytes end in that same page. */
FIXTURE_VARIANT_ADD(stuck, writer_of_nearly_the_whole_ring)
{
	.scene = {
		.capacity = 4 * PAGE, .held = 1, .writing = 4 * PAGE - 1,
		.sizes = { 4 * PAGE + 1, 9 * PAGE, 4 * PAGE, 16 * PAGE },
	},
};

FIXTURE_VARIANT_ADD(stuck, writer_of_nearly_a_single_page)
{
	.scene = {
		.capacity = PAGE, .held = 1, .writing = PAGE - 1,
		.sizes = { 3 * PAGE, PAGE, 2 * PAGE, PAGE },
	},
};

FIXTURE_VARIANT_ADD(stuck, reader_and_writer)
{
	.scene = {
		.capacity = 4 * PAGE, .held = 2 * PAGE + 10, .reading = PAGE + 100,
		.writing = 2 * PAGE - 10, .sizes = { 6 * PAGE, 4 * PAGE, 64 * PAGE, 4 * PAGE },
	},
};

FIXTURE_VARIANT_ADD(stuck, reader_and_writer_with_nothing_between)
{
	.scene = {
		.capacity = 3 * PAGE, .held = PAGE + 1, .reading = PAGE + 1,
		.writing = 2 * PAGE - 1,
		.sizes = { 3 * PAGE + 1, 3 * PAGE, 7 * PAGE, 3 * PAGE + 1 },
	},
};

FIXTURE_VARIANT_ADD(stuck, reader_and_writer_in_no_whole_pages)
{
	.scene = {
		.capacity = 9000, .held = 1500, .reading = 1499, .writing = 7000,
		.sizes = { 9001, 8500, 12345, 8501 },
	},
};

FIXTURE_VARIANT_ADD(stuck, reader_and_writer_in_a_large_pipe)
{
	.scene = {
		.capacity = 64 * PAGE, .held = 20 * PAGE + 1, .reading = 10 * PAGE,
		.writing = 12 * PAGE + 7,
		.sizes = { 256 * PAGE, 32 * PAGE + 8, 100 * PAGE, 33 * PAGE },
	},
};

FIXTURE_SETUP(stuck)
{
	self->device_capacity = set_the_stage(_metadata);
	self->device = open_neither(_metadata);
}

FIXTURE_TEARDOWN(stuck)
{
	restore_the_stage(_metadata, self->device, self->device_capacity);
}

/* How it ends for those that are stuck. */
struct ending {
	bool writer_first;
	bool reader_killed;
	bool writer_killed;
	bool partly;		/* they copy a page between two resizes */
};

/* Lets the copy go on as far as its second page. */
static void copy_a_page(struct __test_metadata *_metadata, struct stuck *stuck)
{
	if (stuck->len <= (ssize_t)PAGE)
		return;
	release_page(_metadata, stuck, 0);
	expect_fault(_metadata, stuck);
}

static void release_all(struct __test_metadata *_metadata, struct stuck *stuck, bool partly)
{
	size_t pages = faulting_len(stuck) / PAGE;

	for (size_t i = partly && pages > 1; i < pages; i++)
		release_page(_metadata, stuck, i);
}

/* Who is killed may have copied as much as it was let. */
static size_t copied_at_most(const struct stuck *stuck, bool partly)
{
	return partly && stuck->len > (ssize_t)PAGE ? PAGE : 0;
}

static void end_stuck(struct __test_metadata *_metadata, struct stuck *stuck,
		      const struct ending *ending, struct stream *stream)
{
	bool reads = stuck->end == O_RDONLY;
	int before = bytes_in(stream->ends.r);
	size_t copied = stuck->len;

	if (reads ? ending->reader_killed : ending->writer_killed) {
		dismiss(_metadata, &stuck->child);
		copied = bytes_in(stream->ends.r) - before;
		if (reads)
			copied = stuck->len - copied;
		ASSERT_GE(copied_at_most(stuck, ending->partly), copied);
	} else {
		release_all(_metadata, stuck, ending->partly);
		ASSERT_EQ(stuck->len, result_of(_metadata, &stuck->child).ret);
		if (reads)
			ASSERT_TRUE(result_of(_metadata, &stuck->child).ret);
		dismiss(_metadata, &stuck->child);
	}
	if (reads)
		stream->out += copied;
	else
		stream->in += copied;
	close(stuck->faults);
	munmap(stuck->buf, faulting_len(stuck));
}

/* Returns false, having skipped, if this machine cannot. */
static bool resize_beside(struct __test_metadata *_metadata, const struct scene *scene,
			  const struct ends *ends, size_t place, const struct ending *ending)
{
	size_t least = scene->held + scene->writing;
	struct stuck reader = { .len = 0 }, writer = { .len = 0 };
	struct stream stream = { .ends = *ends };

	ASSERT_EQ((int)scene->capacity, set_capacity(ends->w, scene->capacity));
	advance(_metadata, &stream, scene->capacity, place);
	put(_metadata, &stream, scene->held - 1);
	if (scene->reading && !start_stuck_with(_metadata, &reader, ends->r, O_RDONLY, stream.out,
						scene->reading))
		return false;
	if (scene->writing && !start_stuck_with(_metadata, &writer, ends->w, O_WRONLY, stream.in,
						scene->writing))
		return false;

	for (int i = 0; scene->sizes[i]; i++) {
		ASSERT_EQ(-1, set_capacity(ends->r, least - 1));
		ASSERT_EQ(EBUSY, errno);
		ASSERT_EQ((int)scene->sizes[i], set_capacity(ends->r, scene->sizes[i]))
		{
			TH_LOG("to %zu, from %zu on", scene->sizes[i], place);
		}
		ASSERT_EQ((int)(scene->held - scene->reading), bytes_in(ends->r));
		if (ending->partly && i == 1) {
			copy_a_page(_metadata, &reader);
			copy_a_page(_metadata, &writer);
		}
	}
	if (!scene->reading)
		get(_metadata, &stream, scene->held / 2);
	if (!scene->writing && scene->sizes[3] > least)
		put(_metadata, &stream, scene->sizes[3] - least);

	for (int i = 0; i < 2; i++) {
		struct stuck *stuck = ending->writer_first == !i ? &writer : &reader;

		if (stuck->len)
			end_stuck(_metadata, stuck, ending, &stream);
	}
	expect_all_in_order(_metadata, &stream);
	return true;
}

static void resize_beside_everywhere(struct __test_metadata *_metadata,
				     const struct scene *scene, struct ending ending)
{
	struct ends ends;

	for (size_t i = 0; i < 2 * ARRAY_SIZE(places); i++) {
		ending.partly = i % 2;
		make_pipe(_metadata, PRIVATE, O_NONBLOCK, &ends.r, &ends.w);
		if (!resize_beside(_metadata, scene, &ends, places[i / 2], &ending))
			return;
		close(ends.r);
		close(ends.w);
	}
	make_pipe(_metadata, DEVICE, O_NONBLOCK, &ends.r, &ends.w);
	resize_beside(_metadata, scene, &ends, 2000, &ending);
	close(ends.r);
	close(ends.w);
}

TEST_F(stuck, copies_end_well_after_resizes)
{
	resize_beside_everywhere(_metadata, &variant->scene, (struct ending){});
}

TEST_F(stuck, copies_end_well_after_resizes_the_writers_first)
{
	resize_beside_everywhere(_metadata, &variant->scene, (struct ending){
		.writer_first = true,
	});
}

TEST_F(stuck, copies_that_are_killed_after_resizes_lose_and_double_nothing)
{
	resize_beside_everywhere(_metadata, &variant->scene, (struct ending){
		.reader_killed = true, .writer_killed = true,
	});
}

TEST_F(stuck, writers_end_well_after_resizes_when_the_reader_is_killed)
{
	resize_beside_everywhere(_metadata, &variant->scene, (struct ending){
		.reader_killed = true,
	});
}

TEST_F(stuck, readers_end_well_after_resizes_when_the_writer_is_killed)
{
	resize_beside_everywhere(_metadata, &variant->scene, (struct ending){
		.writer_first = true, .writer_killed = true,
	});
}

/* Pages that are on their way through a pipe(2) */

static void splice_pages(struct __test_metadata *_metadata, struct stream *stream, int way,
			 size_t len)
{
	ASSERT_EQ((ssize_t)len, splice(stream->ends.r, NULL, way, NULL, len, SPLICE_F_NONBLOCK));
	stream->out += len;
}

static void expect_spliced(struct __test_metadata *_metadata, int way, size_t from, size_t len)
{
	ASSERT_EQ((ssize_t)len, read(way, big_buffer(), len));
	ASSERT_EQ(0, memcmp(big_buffer(), pattern(from), len));
}

/* After each resize the whole ring is written, and the pages in the pipe(2) must not be of it. */
TEST_F(pipe, pages_that_were_spliced_out_do_not_change_when_the_ring_is_resized)
{
	static const size_t sizes[] = { 16 * PAGE, 5 * PAGE, 64 * PAGE, 8 * PAGE };
	const size_t len = 3 * PAGE + 700;
	struct stream stream = { .ends = self->ends };
	int way[2];

	ASSERT_EQ(0, pipe2(way, O_NONBLOCK));
	for (size_t i = 0; i < ARRAY_SIZE(places) * ARRAY_SIZE(sizes); i++) {
		size_t from;

		ASSERT_EQ((int)(8 * PAGE), set_capacity(self->ends.w, 8 * PAGE));
		advance(_metadata, &stream, 8 * PAGE, places[i / ARRAY_SIZE(sizes)]);
		put(_metadata, &stream, 5 * PAGE - 1);
		from = stream.out;
		splice_pages(_metadata, &stream, way[1], len);
		ASSERT_EQ((int)sizes[i % ARRAY_SIZE(sizes)],
			  set_capacity(self->ends.w, sizes[i % ARRAY_SIZE(sizes)]));
		expect_all_in_order(_metadata, &stream);
		expect_all_in_order(_metadata, &stream);
		expect_spliced(_metadata, way[0], from, len);
	}
}

TEST_F(pipe, pages_that_were_spliced_out_beside_a_stuck_writer_do_not_change)
{
	const size_t len = 2 * PAGE + 700;
	int way[2];

	ASSERT_EQ(0, pipe2(way, O_NONBLOCK));
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct stream stream = { .ends = self->ends };
		struct ending ending = {};
		struct stuck writer;
		size_t from;

		ASSERT_EQ((int)(8 * PAGE), set_capacity(self->ends.w, 8 * PAGE));
		advance(_metadata, &stream, 8 * PAGE, places[i]);
		put(_metadata, &stream, 4 * PAGE - 1);
		from = stream.out;
		if (!start_stuck_with(_metadata, &writer, self->ends.w, O_WRONLY, stream.in,
				      4 * PAGE))
			return;
		splice_pages(_metadata, &stream, way[1], len);
		ASSERT_EQ((int)(32 * PAGE), set_capacity(self->ends.w, 32 * PAGE));
		splice_pages(_metadata, &stream, way[1], PAGE);
		ASSERT_EQ((int)(8 * PAGE), set_capacity(self->ends.w, 8 * PAGE));
		end_stuck(_metadata, &writer, &ending, &stream);
		expect_all_in_order(_metadata, &stream);
		expect_all_in_order(_metadata, &stream);
		expect_spliced(_metadata, way[0], from, len + PAGE);
	}
}

/* While others read and write */

#define TRAFFIC ((size_t)32 << 20)

struct work {
	struct ends ends;
	atomic_int *resized;	/* shared */
};

static int sit_down(int report_to, const struct ends *ends, int end)
{
	int fd = open_own(end == O_RDONLY ? ends->r : ends->w, end, 0);

	keep_only(report_to, fd, fd);
	return fd;
}

static void write_all(int report_to, const void *arg)
{
	const struct work *work = arg;
	int fd = sit_down(report_to, &work->ends, O_WRONLY);
	ssize_t n, done = 0;

	do {
		n = write(fd, pattern(done), smaller(1 + done % 70001, TRAFFIC - done));
		done += n > 0 ? n : 0;
	} while (n > 0 && done < (ssize_t)TRAFFIC);
	report(report_to, done);
}

static void read_all(int report_to, const void *arg)
{
	const struct work *work = arg;
	int fd = sit_down(report_to, &work->ends, O_RDONLY);
	ssize_t n, done = 0;

	do {
		n = read(fd, big_buffer(), 1 + done % 60013);
		if (n > 0 && memcmp(big_buffer(), pattern(done), n))
			break;
		done += n > 0 ? n : 0;
	} while (n > 0);
	report(report_to, done);
}

static void resize_for_ever(int report_to, const void *arg)
{
	const struct work *work = arg;
	int fd = sit_down(report_to, &work->ends, O_RDONLY);
	unsigned int random = 1;

	for (;;) {
		unsigned int size;

		random = random * 1664525 + 1013904223;
		size = PAGE + (random >> 8) % (MOST - PAGE + 1);
		if (set_capacity(fd, size) == (int)size)
			(*work->resized)++;
		else if (errno != EBUSY)
			_exit(KSFT_FAIL);
	}
}

TEST_F(pipe, a_stream_arrives_in_order_while_its_pipe_has_any_size_up_to_a_mebibyte)
{
	struct work work = { .ends = self->ends };
	struct child reader, writer, resizer;

	pattern(0);
	work.resized = mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	ASSERT_NE(MAP_FAILED, work.resized);
	resizer = start_heir(_metadata, resize_for_ever, &work);
	reader = start_heir(_metadata, read_all, &work);
	writer = start_heir(_metadata, write_all, &work);
	close(self->ends.r);
	close(self->ends.w);
	EXPECT_EQ((ssize_t)TRAFFIC, result_of(_metadata, &writer).ret);
	dismiss(_metadata, &writer);
	EXPECT_EQ((ssize_t)TRAFFIC, result_of(_metadata, &reader).ret);
	EXPECT_EQ(0, waitpid(resizer.pid, NULL, WNOHANG));
	EXPECT_LT(20, *work.resized);
}

/* How long others wait */

#define LARGE ((size_t)256 << 20)

/* What may be due to others in the machine, however short the resize is. */
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

/* How long the machine takes to copy so many bytes. */
static long copying_us(struct __test_metadata *_metadata, size_t len)
{
	unsigned char *bytes = map_pages(_metadata, 2 * MOST / PAGE, PROT_READ | PROT_WRITE);
	long shortest = LONG_MAX;

	memset(bytes, 1, 2 * MOST);
	for (int i = 0; i < 3; i++) {
		long start = now_us();

		for (size_t done = 0; done < len; done += MOST)
			memcpy(bytes + done % (2 * MOST), bytes + (done + MOST) % (2 * MOST), MOST);
		if (now_us() - start < shortest)
			shortest = now_us() - start;
	}
	munmap(bytes, 2 * MOST);
	return shortest;
}

/* Returns the longest that a write and read of a byte took meanwhile. */
static long longest_meanwhile(struct __test_metadata *_metadata, const struct ends *ends,
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

FIXTURE(large)
{
	struct ends ends;
	size_t capacity;
};

/* If the kernel kills somebody for want of memory, that is this process, or a child of it. */
static void ask_to_be_killed_first(struct __test_metadata *_metadata)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	ASSERT_EQ(4, write(fd, "1000", 4));
	close(fd);
}

FIXTURE_SETUP(large)
{
	if (geteuid())
		SKIP(return, "needs root");
	set_the_stage(_metadata);
	ask_to_be_killed_first(_metadata);
	/* While it grows to the next power of two, it has three times as much; and leaves some. */
	for (self->capacity = LARGE; 4 * (ssize_t)self->capacity > free_memory();)
		self->capacity /= 2;
	self->ends = private_pipe(_metadata, O_NONBLOCK, 0);
}

FIXTURE_TEARDOWN(large)
{
	clear_the_stage(_metadata);
}

static void fill_up_to(struct __test_metadata *_metadata, const struct ends *ends, size_t len)
{
	ssize_t n;

	for (size_t done = 0; done < len; done += n) {
		n = write(ends->w, big_buffer(), smaller(MOST, len - done));
		ASSERT_LT(0, n);
	}
}

/*
 * The shortest of several rounds is free of what else goes on in the machine. A resize that copied
 * all bytes under the lock would keep others for as long as that copy takes, or longer.
 */
TEST_F_TIMEOUT(large, pipes_full_of_bytes_are_resized_without_stopping_others, 120)
{
	struct resizes resizes = { .fd = self->ends.w, .capacity = self->capacity };
	long limit = NOISE_US + copying_us(_metadata, self->capacity) / 20;
	long longest, shortest = LONG_MAX;

	ASSERT_EQ((int)self->capacity, set_capacity(self->ends.w, self->capacity));
	fill_up_to(_metadata, &self->ends, self->capacity - PAGE);
	for (int i = 0; i < 5; i++) {
		longest = longest_meanwhile(_metadata, &self->ends, &resizes);
		shortest = longest < shortest ? longest : shortest;
	}
	EXPECT_EQ(0, resizes.failed);
	EXPECT_GE(limit, shortest)
	{
		TH_LOG("%zu MiB resized: a byte took %ld us", self->capacity >> 20, shortest);
	}
}

/* Memory that is not there */

static void resize_to(int report_to, const void *arg)
{
	const struct resizes *resizes = arg;

	report(report_to, set_capacity(resizes->fd, resizes->capacity));
}

static size_t memory(void)
{
	struct sysinfo info = { .totalram = 0 };

	sysinfo(&info);
	return info.totalram * info.mem_unit;
}

/* How many processes the kernel has killed for want of memory; -1 if it does not tell. */
static long killed_for_memory(void)
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
	long killed = killed_for_memory();
	struct result result;
	struct child child;

	if (memory() > capacity)
		SKIP(return, "needs a machine of less memory than %zu MiB", capacity >> 20);
	put(_metadata, &stream, 5000);
	child = start_heir(_metadata, resize_to, &resizes);
	/* Or has ended without a word. */
	while (!has_reported_within(&child, PATIENCE_MS))
		;
	result = result_of(_metadata, &child);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(ENOMEM, result.err);
	EXPECT_EQ(killed, killed_for_memory());
	EXPECT_EQ(65536, capacity_of(ends->r));
	get(_metadata, &stream, 5000);
}

TEST_F_TIMEOUT(large, pipes_of_a_gibibyte_are_refused_where_there_is_not_so_much, 120)
{
	expect_no_memory(_metadata, &self->ends, (size_t)1 << 30);
}

TEST_F_TIMEOUT(large, pipes_of_600_mebibytes_are_refused_where_there_is_not_so_much, 120)
{
	expect_no_memory(_metadata, &self->ends, (size_t)600 << 20);
}

/* The same for a pipe that is made so large. */
static void make_large(int report_to, const void *arg)
{
	const struct resizes *resizes = arg;
	struct ends ends;

	report(report_to, make_pair(resizes->fd, &ends, 0, resizes->capacity));
}

TEST_F_TIMEOUT(large, pipes_are_not_made_where_there_is_not_so_much_memory, 120)
{
	struct resizes resizes = {
		.fd = open_neither(_metadata), .capacity = (size_t)1 << 30,
	};
	long killed = killed_for_memory();
	struct result result;
	struct child child;

	if (memory() > resizes.capacity)
		SKIP(return, "needs a machine of less memory than a gibibyte");
	child = start_heir(_metadata, make_large, &resizes);
	/* Or has ended without a word. */
	while (!has_reported_within(&child, PATIENCE_MS))
		;
	result = result_of(_metadata, &child);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(ENOMEM, result.err);
	EXPECT_EQ(killed, killed_for_memory());
}

TEST_HARNESS_MAIN
