// SPDX-License-Identifier: GPL-2.0
/*
 * Which page is where: what is spliced out of a pipe, whole pages of it, moves and is not copied.
 * The kernel's trace of its page allocator tells: what comes free when the bytes are read at last
 * is what the pipe had before they were spliced. If they had been copied, it would be what was
 * allocated while they were spliced. It also tells that the name of a pipe, which the kernel may
 * ask for where nobody may sleep, takes no memory.
 *
 * Needs a kernel with tracing, as those of distributions are.
 */
#include <sys/mount.h>
#include <sys/stat.h>
#include "variants.h"

#define TRACEFS "/sys/kernel/tracing"
#define INSTANCE TRACEFS "/instances/mini_pipe"

/* Between what is done before the splice, for the splice, for reading the bytes, and then. */
#define MARK "mini_pipe: next"

#define PAGE ((ssize_t)PIPE_BUF)

/* All ends are non-blocking. */
struct route {
	int r;
	int w;
	int way_out;	/* a pipe(2) */
	int way_in;
};

FIXTURE(pages)
{
	struct route route;
};

FIXTURE_VARIANT(pages)
{
	enum kind kind;
	int of_four;	/* of which the first and the last have other bytes, too */
};

FIXTURE_VARIANT_ADD(pages, of_a_private_pipe) { .kind = PRIVATE, .of_four = 2, };
FIXTURE_VARIANT_ADD(pages, of_pipe_2) { .kind = PIPE_2, .of_four = 4, };

static void tell(struct __test_metadata *_metadata, const char *file, const char *text)
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

/* From here on, the pages that this process allocates and frees are traced, in their order. */
static void start_tracing(struct __test_metadata *_metadata)
{
	char pid[16];

	if (access(TRACEFS "/instances", F_OK))
		ASSERT_EQ(0, mount("tracefs", TRACEFS, "tracefs", 0, NULL));
	ASSERT_EQ(0, mkdir(INSTANCE, 0700));
	snprintf(pid, sizeof(pid), "%d", getpid());
	tell(_metadata, "set_event_pid", pid);
	tell(_metadata, "trace_clock", "counter");
	tell(_metadata, "events/kmem/mm_page_alloc/enable", "1");
	tell(_metadata, "events/kmem/mm_page_free/enable", "1");
}

FIXTURE_SETUP(pages)
{
	struct route *route = &self->route;

	set_the_stage(_metadata);
	make_pipe(_metadata, PIPE_2, O_NONBLOCK, &route->way_out, &route->way_in);
	rmdir(INSTANCE);
	start_tracing(_metadata);
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &route->r, &route->w);
}

FIXTURE_TEARDOWN(pages)
{
	clear_the_stage(_metadata);
	rmdir(INSTANCE);
}

enum doing {
	WRITING,
	SPLICING,
	READING,
	DONE,
};

/* Pages that are allocated, and not freed again. */
struct held {
	unsigned long pages[4096];
	int count;
};

/* They come alone or in blocks, which are freed page by page. */
static void add_to(struct held *held, unsigned long page, unsigned long order)
{
	for (int i = 0; i < 1 << order && held->count < (int)ARRAY_SIZE(held->pages); i++)
		held->pages[held->count++] = page + i;
}

static bool remove_from(struct held *held, unsigned long page)
{
	for (int i = 0; i < held->count; i++) {
		if (held->pages[i] == page) {
			held->pages[i] = held->pages[--held->count];
			return true;
		}
	}
	return false;
}

/* What stands behind that name in a line of the trace. */
static unsigned long number_in(const char *line, const char *name)
{
	const char *found = strstr(line, name);

	return found ? strtoul(found + strlen(name), NULL, 0) : 0;
}

/* How many pages were allocated while writing, and freed while reading. */
static int count_moved(struct __test_metadata *_metadata)
{
	FILE *trace = fopen(INSTANCE "/trace", "r");
	struct held held = { .count = 0 };
	enum doing doing = WRITING;
	char line[512];
	int count = 0;

	ASSERT_NE(NULL, trace);
	while (fgets(line, sizeof(line), trace)) {
		unsigned long page = number_in(line, "pfn=");

		if (strstr(line, MARK))
			doing++;
		else if (strstr(line, "mm_page_free:") && remove_from(&held, page))
			count += doing == READING;
		else if (strstr(line, "mm_page_alloc:") && doing == WRITING)
			add_to(&held, page, number_in(line, "order="));
	}
	fclose(trace);
	EXPECT_EQ(DONE, doing);
	return count;
}

/* How many of its pages leave the pipe when so many bytes are spliced, behind those before. */
static int moved(struct __test_metadata *_metadata, const struct route *route, ssize_t before,
		 ssize_t len)
{
	put_in(_metadata, route->w, before + len);
	take(_metadata, route->r, before);
	tell(_metadata, "trace_marker", MARK);
	for (ssize_t left = len, n; left; left -= n) {
		n = splice(route->r, NULL, route->way_in, NULL, left, 0);
		ASSERT_LT(0, n);
	}
	tell(_metadata, "trace_marker", MARK);
	ASSERT_EQ(len, drain_pipe(_metadata, route->way_out));
	ASSERT_TRUE(is_pattern(big_buffer(), before, len));
	/* A pipe(2) keeps a few for itself. */
	close(route->way_out);
	close(route->way_in);
	tell(_metadata, "trace_marker", MARK);
	return count_moved(_metadata);
}

TEST_F(pages, that_are_whole_move)
{
	EXPECT_EQ(8, moved(_metadata, &self->route, 0, 8 * PAGE));
}

TEST_F(pages, that_are_whole_move_from_among_those_that_are_not)
{
	EXPECT_EQ(variant->of_four, moved(_metadata, &self->route, 100, 3 * PAGE));
}

/* How often the kernel allocates memory while it tells the name of that descriptor. */
static int allocations_for_the_name(struct __test_metadata *_metadata, int fd)
{
	char name[64], line[512];
	int count = 0;
	FILE *trace;

	tell(_metadata, "trace", "\n");
	name_of(getpid(), fd, name, sizeof(name));
	trace = fopen(INSTANCE "/trace", "r");
	ASSERT_NE(NULL, trace);
	EXPECT_TRUE(names_a_pipe(name));
	while (fgets(line, sizeof(line), trace))
		count += number_in(line, "bytes_alloc=") > 0;
	fclose(trace);
	return count;
}

TEST_F(pages, are_not_needed_to_tell_the_name)
{
	int expected;

	tell(_metadata, "events/kmem/kmalloc/enable", "1");
	tell(_metadata, "events/kmem/kmem_cache_alloc/enable", "1");
	/* The first time, more may be needed for /proc itself. */
	allocations_for_the_name(_metadata, self->route.way_out);
	allocations_for_the_name(_metadata, self->route.r);
	expected = allocations_for_the_name(_metadata, self->route.way_out);
	EXPECT_LT(0, expected);
	EXPECT_EQ(expected, allocations_for_the_name(_metadata, self->route.r));
}

TEST_HARNESS_MAIN
