// SPDX-License-Identifier: GPL-2.0
/*
 * Splicing whole pages out of a pipe moves the pages instead of copying their bytes. The trace
 * events of the page allocator show it: the pages freed when the spliced bytes are read are those
 * that the pipe allocated when the bytes were written. If splice(2) had copied, they would be pages
 * that were allocated during the splice.
 *
 * The trace also shows that the name of a private pipe is made with no more allocations than that
 * of a pipe(2): the kernel may ask for the name in atomic context.
 *
 * Needs a kernel with tracing, as distributions have.
 */
#include <sys/mount.h>
#include <sys/stat.h>
#include "transfer.h"
#include "variants.h"

#define TRACEFS "/sys/kernel/tracing"
#define INSTANCE TRACEFS "/instances/mini_pipe"

/* Written to the trace between the phases. */
#define MARK "mini_pipe: next"

#define PAGE ((ssize_t)page_size())

/* All ends are non-blocking. */
struct pipes {
	int r;
	int w;
	int out_r;	/* the pipe that is spliced into */
	int out_w;
};

FIXTURE(pages)
{
	struct pipes pipes;
};

FIXTURE_VARIANT(pages)
{
	enum kind kind;
	enum kind to;
	int moved;	/* pages, if only a part of the first and of the last is spliced */
};

FIXTURE_VARIANT_ADD(pages, private_to_pipe_2) { .kind = PRIVATE, .to = PIPE_2, .moved = 2, };
/* The bytes begin 100 bytes into a page, but must go to the start of one: no page can move. */
FIXTURE_VARIANT_ADD(pages, private_to_private) { .kind = PRIVATE, .to = PRIVATE, .moved = 0, };
FIXTURE_VARIANT_ADD(pages, pipe_2) { .kind = PIPE_2, .to = PIPE_2, .moved = 4, };

static void write_tracefs(struct __test_metadata *_metadata, const char *file, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), INSTANCE "/%s", file);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ASSERT_EQ((ssize_t)strlen(text), write(fd, text, strlen(text)))
	{
		TH_LOG("%s: %s", path, strerror(errno));
	}
	close(fd);
}

/* From here on, the kernel traces the pages that this process allocates and frees, in order. */
static void start_tracing(struct __test_metadata *_metadata)
{
	char pid[16];

	if (access(TRACEFS "/instances", F_OK))
		ASSERT_EQ(0, mount("tracefs", TRACEFS, "tracefs", 0, NULL));
	ASSERT_EQ(0, mkdir(INSTANCE, 0700));
	snprintf(pid, sizeof(pid), "%d", getpid());
	write_tracefs(_metadata, "set_event_pid", pid);
	write_tracefs(_metadata, "trace_clock", "counter");
	write_tracefs(_metadata, "events/kmem/mm_page_alloc/enable", "1");
	write_tracefs(_metadata, "events/kmem/mm_page_free/enable", "1");
}

FIXTURE_SETUP(pages)
{
	struct pipes *pipes = &self->pipes;

	set_up_pipe(_metadata);
	make_pipe(_metadata, variant->to, O_NONBLOCK, &pipes->out_r, &pipes->out_w);
	rmdir(INSTANCE);
	start_tracing(_metadata);
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &pipes->r, &pipes->w);
}

FIXTURE_TEARDOWN(pages)
{
	kill_children(_metadata);
	rmdir(INSTANCE);
}

enum phase {
	WRITING,
	SPLICING,
	READING,
	DONE,
};

/* Pages that writing allocated, not yet freed. */
struct live_pages {
	unsigned long pages[4096];
	int count;
};

/* A block of 2^order pages, which may be freed page by page. */
static void add_pages(struct live_pages *live, unsigned long page, unsigned long order)
{
	for (int i = 0; i < 1 << order && live->count < (int)ARRAY_SIZE(live->pages); i++)
		live->pages[live->count++] = page + i;
}

static bool remove_page(struct live_pages *live, unsigned long page)
{
	for (int i = 0; i < live->count; i++) {
		if (live->pages[i] == page) {
			live->pages[i] = live->pages[--live->count];
			return true;
		}
	}
	return false;
}

/* The number behind that name in a line of the trace. */
static unsigned long number_in(const char *line, const char *name)
{
	const char *found = strstr(line, name);

	return found ? strtoul(found + strlen(name), NULL, 0) : 0;
}

/* How many of the pages that writing allocated were freed while reading. */
static int count_freed_while_reading(struct __test_metadata *_metadata)
{
	FILE *trace = fopen(INSTANCE "/trace", "r");
	struct live_pages live = { .count = 0 };
	enum phase phase = WRITING;
	char line[512];
	int count = 0;

	ASSERT_NE(NULL, trace);
	while (fgets(line, sizeof(line), trace)) {
		unsigned long page = number_in(line, "pfn=");

		if (strstr(line, MARK))
			phase++;
		else if (strstr(line, "mm_page_free:") && remove_page(&live, page))
			count += phase == READING;
		else if (strstr(line, "mm_page_alloc:") && phase == WRITING)
			add_pages(&live, page, number_in(line, "order="));
	}
	fclose(trace);
	EXPECT_EQ(DONE, phase);
	return count;
}

/* Splices `len` bytes, which begin at offset `before`, and counts the pages that moved. */
static int count_moved_pages(struct __test_metadata *_metadata, const struct pipes *pipes,
			     ssize_t before, ssize_t len)
{
	write_pattern(_metadata, pipes->w, before + len);
	read_exactly(_metadata, pipes->r, before);
	write_tracefs(_metadata, "trace_marker", MARK);
	for (ssize_t left = len, n; left; left -= n) {
		n = is_pipe_2(pipes->out_w) ? splice(pipes->r, NULL, pipes->out_w, NULL, left, 0) :
					      do_splice(pipes->r, pipes->out_w, left, 0);
		ASSERT_LT(0, n);
	}
	write_tracefs(_metadata, "trace_marker", MARK);
	ASSERT_EQ(len, drain_pipe(_metadata, pipes->out_r));
	ASSERT_TRUE(is_pattern(big_buffer(), before, len));
	/* A pipe(2) caches a few free pages; closing it frees them. */
	close(pipes->out_r);
	close(pipes->out_w);
	write_tracefs(_metadata, "trace_marker", MARK);
	return count_freed_while_reading(_metadata);
}

TEST_F(pages, splice_moves_whole_pages)
{
	EXPECT_EQ(8, count_moved_pages(_metadata, &self->pipes, 0, 8 * PAGE));
}

TEST_F(pages, splice_from_within_page_moves_expected_pages)
{
	EXPECT_EQ(variant->moved, count_moved_pages(_metadata, &self->pipes, 100, 3 * PAGE));
}

/* How often the kernel allocates memory while it makes the name of that descriptor. */
static int count_allocations_for_name(struct __test_metadata *_metadata, int fd)
{
	char name[64], line[512];
	int count = 0;
	FILE *trace;

	write_tracefs(_metadata, "trace", "\n");
	name_of(getpid(), fd, name, sizeof(name));
	trace = fopen(INSTANCE "/trace", "r");
	ASSERT_NE(NULL, trace);
	EXPECT_TRUE(is_pipe_name(name));
	while (fgets(line, sizeof(line), trace))
		count += number_in(line, "bytes_alloc=") > 0;
	fclose(trace);
	return count;
}

TEST_F(pages, reading_pipe_name_allocates_no_more_than_for_pipe_2)
{
	int expected;

	/* Two pipes of one kind have nothing to compare. */
	if (variant->kind == variant->to)
		return;
	write_tracefs(_metadata, "events/kmem/kmalloc/enable", "1");
	write_tracefs(_metadata, "events/kmem/kmem_cache_alloc/enable", "1");
	/* The first time, /proc itself may allocate more. */
	count_allocations_for_name(_metadata, self->pipes.out_r);
	count_allocations_for_name(_metadata, self->pipes.r);
	expected = count_allocations_for_name(_metadata, self->pipes.out_r);
	EXPECT_LT(0, expected);
	EXPECT_EQ(expected, count_allocations_for_name(_metadata, self->pipes.r));
}

TEST_HARNESS_MAIN
