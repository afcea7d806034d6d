// SPDX-License-Identifier: GPL-2.0
/*
 * Which page is where: what is spliced out of a pipe, whole pages of it, moves and is not copied.
 * The kernel's trace of its page allocator tells: what comes free when the bytes are read at last
 * is what the pipe had before they were spliced. If they had been copied, it would be what was
 * allocated while they were spliced.
 *
 * Needs a kernel with tracing, as those of distributions are.
 */
#include <sys/mount.h>
#include <sys/stat.h>
#include "kinds.h"

#define TRACEFS "/sys/kernel/tracing"
#define INSTANCE TRACEFS "/instances/mini_pipe"

#define PAGE ((ssize_t)PIPE_BUF)

/* More than a test allocates or frees. */
#define MANY 4096

struct pages {
	unsigned long numbers[MANY];
	int count;
};

struct phase {
	struct pages allocated;	/* and not freed again */
	struct pages freed;
};

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

/* This process's pages are traced from here on. */
static void start_tracing(struct __test_metadata *_metadata)
{
	char pid[16];

	if (access(TRACEFS "/instances", F_OK))
		ASSERT_EQ(0, mount("tracefs", TRACEFS, "tracefs", 0, NULL));
	ASSERT_TRUE(mkdir(INSTANCE, 0700) == 0 || errno == EEXIST);
	snprintf(pid, sizeof(pid), "%d", getpid());
	tell(_metadata, "set_event_pid", pid);
	tell(_metadata, "events/kmem/mm_page_alloc/enable", "1");
	tell(_metadata, "events/kmem/mm_page_free/enable", "1");
	tell(_metadata, "trace", "");
}

static void add(struct pages *pages, unsigned long number)
{
	if (pages->count < MANY)
		pages->numbers[pages->count++] = number;
}

static bool remove_from(struct pages *pages, unsigned long number)
{
	for (int i = 0; i < pages->count; i++) {
		if (pages->numbers[i] == number) {
			pages->numbers[i] = pages->numbers[--pages->count];
			return true;
		}
	}
	return false;
}

/* One line of the trace. */
static void note(struct phase *phase, const char *line)
{
	const char *number = strstr(line, "pfn=0x");
	unsigned long pfn;

	if (!number || !strstr(line, "order=0"))
		return;
	pfn = strtoul(number + strlen("pfn=0x"), NULL, 16);
	if (strstr(line, "mm_page_alloc:"))
		add(&phase->allocated, pfn);
	else if (!remove_from(&phase->allocated, pfn))
		add(&phase->freed, pfn);
}

/* What has happened since the last time. */
static struct phase *next_phase(struct __test_metadata *_metadata)
{
	struct phase *phase = calloc(1, sizeof(*phase));
	FILE *trace = fopen(INSTANCE "/trace", "r");
	char line[512];

	ASSERT_NE(NULL, phase);
	ASSERT_NE(NULL, trace);
	while (fgets(line, sizeof(line), trace))
		note(phase, line);
	fclose(trace);
	tell(_metadata, "trace", "");
	return phase;
}

/* How many are in both. */
static int common(struct pages *one, const struct pages *other)
{
	int count = 0;

	for (int i = 0; i < other->count; i++)
		count += remove_from(one, other->numbers[i]);
	return count;
}

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
	int whole_of_three;	/* written at no beginning of a page */
};

FIXTURE_VARIANT_ADD(pages, of_a_private_pipe) { .kind = PRIVATE, .whole_of_three = 2, };
/* It begins a page with each write that is a page. */
FIXTURE_VARIANT_ADD(pages, of_pipe_2) { .kind = PIPE_2, .whole_of_three = 3, };

FIXTURE_SETUP(pages)
{
	struct route *route = &self->route;

	set_the_stage(_metadata);
	make_pipe(_metadata, PIPE_2, O_NONBLOCK, &route->way_out, &route->way_in);
	start_tracing(_metadata);
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &route->r, &route->w);
}

FIXTURE_TEARDOWN(pages)
{
	clear_the_stage(_metadata);
	tell(_metadata, "events/enable", "0");
	rmdir(INSTANCE);
}

/* How many of the pages that the pipe had leave it when so many bytes are spliced. */
static int moved(struct __test_metadata *_metadata, const struct route *route, ssize_t len)
{
	struct phase *before, *after;

	put_in(_metadata, route->w, len);
	before = next_phase(_metadata);
	for (ssize_t left = len, n; left; left -= n) {
		n = splice(route->r, NULL, route->way_in, NULL, left, 0);
		ASSERT_LT(0, n);
	}
	next_phase(_metadata);
	ASSERT_EQ(len, drain_pipe(_metadata, route->way_out));
	ASSERT_TRUE(is_pattern(big_buffer(), 0, len));
	/* A pipe(2) keeps a few for itself. */
	close(route->way_out);
	close(route->way_in);
	after = next_phase(_metadata);
	return common(&before->allocated, &after->freed);
}

TEST_F(pages, that_are_whole_move)
{
	EXPECT_EQ(8, moved(_metadata, &self->route, 8 * PAGE));
}

TEST_F(pages, that_are_whole_move_from_among_those_that_are_not)
{
	put_in(_metadata, self->route.w, 100);
	take(_metadata, self->route.r, 100);
	EXPECT_EQ(variant->whole_of_three, moved(_metadata, &self->route, 3 * PAGE));
}

TEST_HARNESS_MAIN
