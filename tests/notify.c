// SPDX-License-Identifier: GPL-2.0
/*
 * What inotify and fanotify tell of a private pipe is what they tell of a pipe(2): the same story
 * is played with both, and every event is compared, in its order.
 */
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include "variants.h"
#include "uring.h"

struct event_name {
	unsigned long long mask;
	const char *name;
};

static const struct event_name inotify_names[] = {
	{ IN_ACCESS, "ACCESS" }, { IN_MODIFY, "MODIFY" }, { IN_ATTRIB, "ATTRIB" },
	{ IN_OPEN, "OPEN" }, { IN_CLOSE_WRITE, "CLOSE_WRITE" },
	{ IN_CLOSE_NOWRITE, "CLOSE_NOWRITE" }, { IN_DELETE_SELF, "DELETE_SELF" },
	{ IN_MOVE_SELF, "MOVE_SELF" }, { IN_UNMOUNT, "UNMOUNT" }, { IN_IGNORED, "IGNORED" },
	{ IN_Q_OVERFLOW, "Q_OVERFLOW" }, { IN_ISDIR, "ISDIR" }, {},
};

static const struct event_name fanotify_names[] = {
	{ FAN_ACCESS, "ACCESS" }, { FAN_MODIFY, "MODIFY" }, { FAN_OPEN, "OPEN" },
	{ FAN_CLOSE_WRITE, "CLOSE_WRITE" }, { FAN_CLOSE_NOWRITE, "CLOSE_NOWRITE" },
	{ FAN_OPEN_PERM, "OPEN_PERM" }, { FAN_ACCESS_PERM, "ACCESS_PERM" }, {},
};

/* All that was told, in words. */
struct story_told {
	char text[4096];
	size_t len;
};

static void add_word(struct story_told *told, const char *word)
{
	told->len += snprintf(told->text + told->len, sizeof(told->text) - told->len, "%s ", word);
}

static void add_event(struct story_told *told, const struct event_name *names,
		      unsigned long long mask)
{
	char rest[32];

	for (; names->name; names++) {
		if (mask & names->mask)
			add_word(told, names->name);
		mask &= ~names->mask;
	}
	if (mask) {
		snprintf(rest, sizeof(rest), "%#llx", mask);
		add_word(told, rest);
	}
	add_word(told, "/");
}

static void add_number(struct story_told *told, const char *what, long number)
{
	char text[64];

	snprintf(text, sizeof(text), "%s=%ld", what, number);
	add_word(told, text);
}

/* Two kinds, and of each another pipe that nobody watches. */
static const enum kind kinds[] = { PRIVATE, PIPE_2 };

typedef void (*play_fn)(struct ends *ends, enum kind kind);

struct story {
	play_fn play;
	bool is_silent;		/* of what nobody tells anything, before the ends are closed */
};

/* A pipe of that kind, which is watched, and another one. */
struct stage {
	enum kind kind;
	struct ends ends;
	struct ends other;
};

FIXTURE(story)
{
	struct stage stages[ARRAY_SIZE(kinds)];
};

FIXTURE_VARIANT(story)
{
	struct story story;
};

/* Failures are no matter here: they are told of, or not, as on the other side. */
static void ignore(long ret __maybe_unused)
{
}

static void write_and_read(struct ends *ends, enum kind kind __maybe_unused)
{
	char bytes[10];

	for (int i = 0; i < 3; i++) {
		ignore(write(ends->w, "abc", 3));
		ignore(read(ends->r, bytes, 2));
	}
	ignore(read(ends->r, bytes, 10));
}

static void move_vectors(struct ends *ends, enum kind kind __maybe_unused)
{
	char bytes[10];
	struct iovec iov[] = { { bytes, 2 }, { bytes + 2, 3 } };

	ignore(writev(ends->w, iov, 2));
	ignore(readv(ends->r, iov, 2));
	ignore(pwritev2(ends->w, iov, 2, -1, RWF_NOWAIT));
	ignore(preadv2(ends->r, iov, 2, -1, RWF_NOWAIT));
}

static void move_nothing(struct ends *ends, enum kind kind __maybe_unused)
{
	char byte;

	ignore(read(ends->r, &byte, 1));
	ignore(read(ends->r, &byte, 0));
	ignore(write(ends->w, &byte, 0));
	ignore(write(ends->w, (void *)-1UL, 1));
	ignore(read(ends->w, &byte, 1));
	ignore(write(ends->r, &byte, 1));
	while (write(ends->w, big_buffer(), PIECE) > 0)
		;
	ignore(write(ends->w, &byte, 1));
}

static void meet_the_end(struct ends *ends, enum kind kind __maybe_unused)
{
	char byte;

	ignore(write(ends->w, "x", 1));
	close(ends->w);
	ignore(read(ends->r, &byte, 1));
	ignore(read(ends->r, &byte, 1));
}

static void break_the_pipe(struct ends *ends, enum kind kind __maybe_unused)
{
	ignore(write(ends->w, "x", 1));
	close(ends->r);
	ignore(write(ends->w, "x", 1));
}

static void splice_both_ways(struct ends *ends, enum kind kind __maybe_unused)
{
	int way[2];

	ignore(pipe2(way, O_NONBLOCK));
	ignore(write(way[1], big_buffer(), 5000));
	ignore(splice(way[0], NULL, ends->w, NULL, 5000, SPLICE_F_NONBLOCK));
	ignore(splice(ends->r, NULL, way[1], NULL, 5000, SPLICE_F_NONBLOCK));
	ignore(splice(ends->r, NULL, way[1], NULL, 1, SPLICE_F_NONBLOCK));
	close(way[0]);
	close(way[1]);
}

static void send_a_file(struct ends *ends, enum kind kind __maybe_unused)
{
	int file = memfd_create("notify", MFD_CLOEXEC);
	off_t start = 0;

	ignore(write(file, big_buffer(), 5000));
	ignore(sendfile(ends->w, file, &start, 5000));
	ignore(read(ends->r, big_buffer(), 5000));
	close(file);
}

static void open_again_in_all_ways(struct ends *ends, enum kind kind __maybe_unused)
{
	char byte = 'x';
	int fd;

	close(open_again(ends->r, O_RDONLY | O_NONBLOCK));
	close(open_again(ends->r, O_WRONLY | O_NONBLOCK));
	close(open_again(ends->w, O_RDWR | O_NONBLOCK));
	close(open_again(ends->w, O_PATH));
	fd = open_again(ends->w, O_RDWR | O_NONBLOCK);
	ignore(write(fd, &byte, 1));
	ignore(read(fd, &byte, 1));
	close(fd);
}

static void change_attributes(struct ends *ends, enum kind kind __maybe_unused)
{
	ignore(fchmod(ends->r, 0644));
	ignore(fchmod(ends->w, 0600));
	ignore(fchown(ends->r, 1, 1));
	ignore(futimens(ends->w, NULL));
}

static void ask_and_duplicate(struct ends *ends, enum kind kind)
{
	struct stat stat;

	ignore(fstat(ends->r, &stat));
	ignore(bytes_in(ends->r));
	ignore(poll_now(ends->r, POLLIN));
	ignore(poll_now(ends->w, POLLOUT));
	ignore(fcntl(ends->r, F_SETFL, O_NONBLOCK | O_ASYNC));
	ignore(fcntl(ends->r, F_SETFL, O_NONBLOCK));
	ignore(resize(ends->w, kind, 8192));
	close(dup(ends->r));
}

static void fork_and_exit(struct ends *ends __maybe_unused, enum kind kind __maybe_unused)
{
	pid_t child = fork();

	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
}

static void move_in_a_ring(struct ends *ends, enum kind kind __maybe_unused)
{
	struct completion completion;
	struct uring ring;

	if (!uring_open(&ring))
		return;
	uring_put(&ring, (struct io_uring_sqe){
		.opcode = IORING_OP_WRITE, .fd = ends->w, .addr = (unsigned long)"abc", .len = 3,
		.off = -1,
	});
	ignore(uring_enter(&ring, 1));
	uring_take(&ring, &completion);
	uring_put(&ring, (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .fd = ends->r, .addr = (unsigned long)big_buffer(),
		.len = 3, .off = -1,
	});
	ignore(uring_enter(&ring, 1));
	uring_take(&ring, &completion);
	close(ring.fd);
}

static void close_the_reader_first(struct ends *ends, enum kind kind __maybe_unused)
{
	close(ends->r);
	close(ends->w);
}

FIXTURE_VARIANT_ADD(story, writing_and_reading) { .story = { write_and_read }, };
FIXTURE_VARIANT_ADD(story, vectors) { .story = { move_vectors }, };
FIXTURE_VARIANT_ADD(story, moving_nothing) { .story = { move_nothing }, };
FIXTURE_VARIANT_ADD(story, end_of_file) { .story = { meet_the_end }, };
FIXTURE_VARIANT_ADD(story, broken_pipe) { .story = { break_the_pipe }, };
FIXTURE_VARIANT_ADD(story, splice) { .story = { splice_both_ways }, };
FIXTURE_VARIANT_ADD(story, sendfile) { .story = { send_a_file }, };
FIXTURE_VARIANT_ADD(story, opening_again) { .story = { open_again_in_all_ways }, };
FIXTURE_VARIANT_ADD(story, attributes) { .story = { change_attributes }, };
FIXTURE_VARIANT_ADD(story, asking_and_duplicating)
{
	.story = { ask_and_duplicate, .is_silent = true },
};

FIXTURE_VARIANT_ADD(story, fork_and_exit)
{
	.story = { fork_and_exit, .is_silent = true },
};

FIXTURE_VARIANT_ADD(story, io_uring) { .story = { move_in_a_ring }, };
FIXTURE_VARIANT_ADD(story, closing_the_reader_first) { .story = { close_the_reader_first }, };

/* Kernels can be without; fanotify is for root. */
static bool can_watch(struct __test_metadata *_metadata)
{
	int fd = inotify_init1(IN_CLOEXEC);

	if (fd < 0)
		SKIP(return false, "needs inotify: %s", strerror(errno));
	close(fd);
	fd = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC, O_RDONLY);
	if (fd < 0)
		SKIP(return false, "needs fanotify, and root: %s", strerror(errno));
	close(fd);
	return true;
}

FIXTURE_SETUP(story)
{
	set_the_stage(_metadata);
	if (!can_watch(_metadata))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct stage *stage = &self->stages[i];

		stage->kind = kinds[i];
		make_pipe(_metadata, kinds[i], O_NONBLOCK, &stage->ends.r, &stage->ends.w);
		make_pipe(_metadata, kinds[i], O_NONBLOCK, &stage->other.r, &stage->other.w);
	}
}

FIXTURE_TEARDOWN(story)
{
	clear_the_stage(_metadata);
}

/* Of that pipe nothing must be told. */
static void use_the_other(struct __test_metadata *_metadata, const struct ends *other)
{
	ASSERT_EQ(1, write(other->w, "x", 1));
	take(_metadata, other->r, 1);
}

static void collect_inotify(int in, struct story_told *told)
{
	union {
		struct inotify_event first;
		char bytes[4096];
	} events;
	ssize_t n;

	while ((n = read(in, &events, sizeof(events))) > 0) {
		for (char *at = events.bytes; at < events.bytes + n;) {
			const struct inotify_event *event = (void *)at;

			add_event(told, inotify_names, event->mask);
			at += sizeof(*event) + event->len;
		}
	}
}

/* Returns false if it cannot be watched; that is told, too. */
static bool watch_with_inotify(int in, int fd, struct story_told *told)
{
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = inotify_add_watch(in, path, IN_ALL_EVENTS);
	add_number(told, "watch", ret < 0 ? errno : 0);
	return ret >= 0;
}

static void play_for_inotify(struct __test_metadata *_metadata, const struct story *story,
			     struct stage *stage, bool by_writing_end, struct story_told *told)
{
	int in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct ends *ends = &stage->ends;
	size_t before;

	ASSERT_LE(0, in);
	ASSERT_TRUE(watch_with_inotify(in, by_writing_end ? ends->w : ends->r, told));
	before = told->len;
	story->play(ends, stage->kind);
	use_the_other(_metadata, &stage->other);
	collect_inotify(in, told);
	EXPECT_EQ(story->is_silent, told->len == before);
	close(ends->w);
	close(ends->r);
	collect_inotify(in, told);
	close(in);
}

TEST_F(story, is_told_by_inotify_as_of_pipe_2_when_the_reading_end_is_watched)
{
	struct story_told told[ARRAY_SIZE(kinds)] = {};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		play_for_inotify(_metadata, &variant->story, &self->stages[i], false, &told[i]);
	EXPECT_STREQ(told[1].text, told[0].text);
}

TEST_F(story, is_told_by_inotify_as_of_pipe_2_when_the_writing_end_is_watched)
{
	struct story_told told[ARRAY_SIZE(kinds)] = {};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		play_for_inotify(_metadata, &variant->story, &self->stages[i], true, &told[i]);
	EXPECT_STREQ(told[1].text, told[0].text);
}

/*
 * fanotify: groups that get a file handle with each event. Those that get a descriptor are told of
 * regular files and directories alone.
 */

static int mark(int fan, unsigned int flags, unsigned long long mask, int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fanotify_mark(fan, FAN_MARK_ADD | flags, mask, AT_FDCWD, path);
}

static void collect_fanotify(int fan, struct story_told *told)
{
	union {
		struct fanotify_event_metadata first;
		char bytes[4096];
	} events;
	struct fanotify_event_metadata *event;
	ssize_t n;

	while ((n = read(fan, &events, sizeof(events))) > 0) {
		for (event = &events.first; FAN_EVENT_OK(event, n);
		     event = FAN_EVENT_NEXT(event, n)) {
			if (event->fd >= 0)
				close(event->fd);
			add_event(told, fanotify_names, event->mask);
		}
	}
	add_number(told, "read", n < 0 ? errno : n);
}

static void play_for_fanotify(struct __test_metadata *_metadata, const struct story *story,
			      struct stage *stage, unsigned int report, struct story_told *told)
{
	int fan = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC | report, O_RDONLY);
	struct ends *ends = &stage->ends;

	ASSERT_LE(0, fan);
	ASSERT_EQ(0, mark(fan, 0, FAN_ACCESS | FAN_MODIFY | FAN_OPEN | FAN_CLOSE, ends->r))
	{
		TH_LOG("%s", strerror(errno));
	}
	story->play(ends, stage->kind);
	use_the_other(_metadata, &stage->other);
	close(ends->w);
	close(ends->r);
	collect_fanotify(fan, told);
	close(fan);
}

TEST_F(story, is_told_by_fanotify_as_of_pipe_2)
{
	struct story_told told[ARRAY_SIZE(kinds)] = {};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		play_for_fanotify(_metadata, &variant->story, &self->stages[i], FAN_REPORT_FID,
				  &told[i]);
	EXPECT_STREQ(told[1].text, told[0].text);
	EXPECT_TRUE(strstr(told[1].text, "CLOSE_NOWRITE"));
}

TEST_F(story, is_told_by_fanotify_with_descriptors_as_of_pipe_2)
{
	struct story_told told[ARRAY_SIZE(kinds)] = {};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		play_for_fanotify(_metadata, &variant->story, &self->stages[i], 0, &told[i]);
	EXPECT_STREQ(told[1].text, told[0].text);
}

/* What each of them says by itself, so that both are not silent for the same reason. */

FIXTURE(pipe)
{
	struct ends ends;
	struct story_told told;
};

FIXTURE_VARIANT(pipe)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(pipe, private) { .kind = PRIVATE, };
FIXTURE_VARIANT_ADD(pipe, of_pipe_2) { .kind = PIPE_2, };

FIXTURE_SETUP(pipe)
{
	set_the_stage(_metadata);
	if (!can_watch(_metadata))
		return;
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &self->ends.r, &self->ends.w);
}

FIXTURE_TEARDOWN(pipe)
{
	clear_the_stage(_metadata);
}

TEST_F(pipe, is_accessed_and_modified_and_closed_twice)
{
	int in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	ASSERT_LE(0, in);
	ASSERT_TRUE(watch_with_inotify(in, self->ends.r, &self->told));
	ASSERT_EQ(1, write(self->ends.w, "x", 1));
	take(_metadata, self->ends.r, 1);
	close(self->ends.w);
	close(self->ends.r);
	collect_inotify(in, &self->told);
	close(in);
	EXPECT_STREQ("watch=0 MODIFY / ACCESS / CLOSE_WRITE / CLOSE_NOWRITE / ", self->told.text);
}

TEST_F(pipe, cannot_be_watched_with_all_its_kind)
{
	int fan = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY);

	ASSERT_LE(0, fan);
	EXPECT_EQ(-1, mark(fan, FAN_MARK_MOUNT, FAN_ACCESS, self->ends.r));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, mark(fan, FAN_MARK_FILESYSTEM, FAN_ACCESS, self->ends.r));
	EXPECT_EQ(EINVAL, errno);
	close(fan);
}

/*
 * Permission, which nobody is asked for of a pipe(2), be it opened again. A child makes the calls,
 * and the test would answer.
 */

struct asker {
	struct ends ends;
};

static void ask_for_permission(int report_to, const void *arg)
{
	const struct asker *asker = arg;
	char byte = 'x';
	int fd;

	report(report_to, write(asker->ends.w, &byte, 1));
	report(report_to, read(asker->ends.r, &byte, 1));
	fd = open_again(asker->ends.r, O_RDWR | O_NONBLOCK);
	report(report_to, fd < 0 ? -1 : 0);
	report(report_to, write(fd, &byte, 1));
	report(report_to, read(fd, &byte, 1));
}

#define CALLS 5

/* Answers until the child has reported. */
static void answer(struct __test_metadata *_metadata, int fan, const struct child *child,
		   unsigned int response, struct story_told *told)
{
	struct fanotify_response answer = { .response = response };
	struct fanotify_event_metadata event;

	while (!has_reported_within(child, 0)) {
		struct pollfd either[] = {
			{ .fd = fan, .events = POLLIN }, { .fd = child->results, .events = POLLIN },
		};

		ASSERT_LT(0, poll(either, 2, PATIENCE_MS));
		if (!either[0].revents)
			continue;
		ASSERT_EQ((ssize_t)sizeof(event), read(fan, &event, sizeof(event)));
		add_event(told, fanotify_names, event.mask);
		answer.fd = event.fd;
		ASSERT_EQ((ssize_t)sizeof(answer), write(fan, &answer, sizeof(answer)));
		close(event.fd);
	}
}

static void tell_of_permissions(struct __test_metadata *_metadata, enum kind kind,
				unsigned int response, struct story_told *told)
{
	int fan = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);
	struct asker asker;
	struct child child;

	ASSERT_LE(0, fan);
	make_pipe(_metadata, kind, O_NONBLOCK, &asker.ends.r, &asker.ends.w);
	if (mark(fan, 0, FAN_OPEN_PERM | FAN_ACCESS_PERM, asker.ends.r)) {
		add_number(told, "mark", errno);
		close(fan);
		return;
	}
	child = start_heir(_metadata, ask_for_permission, &asker);
	for (int i = 0; i < CALLS; i++) {
		struct result result;

		answer(_metadata, fan, &child, response, told);
		result = result_of(_metadata, &child);
		add_number(told, "call", result.ret < 0 ? -result.err : result.ret);
	}
	dismiss(_metadata, &child);
	close(fan);
	close(asker.ends.r);
	close(asker.ends.w);
}

FIXTURE(permission)
{
};

FIXTURE_VARIANT(permission)
{
	unsigned int response;
};

FIXTURE_VARIANT_ADD(permission, given) { .response = FAN_ALLOW, };
FIXTURE_VARIANT_ADD(permission, refused) { .response = FAN_DENY, };

FIXTURE_SETUP(permission)
{
	set_the_stage(_metadata);
	can_watch(_metadata);
}

FIXTURE_TEARDOWN(permission)
{
	clear_the_stage(_metadata);
}

TEST_F(permission, is_asked_for_as_of_pipe_2)
{
	struct story_told told[ARRAY_SIZE(kinds)] = {};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		tell_of_permissions(_metadata, kinds[i], variant->response, &told[i]);
	EXPECT_NE(0, told[1].len);
	EXPECT_STREQ(told[1].text, told[0].text);
}

TEST_HARNESS_MAIN
