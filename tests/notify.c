// SPDX-License-Identifier: GPL-2.0
/*
 * inotify and fanotify report the same events for a private pipe as for a pipe(2): the test makes
 * the same calls on both, and compares the events in their order.
 */
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include "transfer.h"
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

/* All events, as text. */
struct event_log {
	char text[4096];
	size_t len;
};

static void add_word(struct event_log *log, const char *word)
{
	log->len += snprintf(log->text + log->len, sizeof(log->text) - log->len, "%s ", word);
}

static void add_event(struct event_log *log, const struct event_name *names,
		      unsigned long long mask)
{
	char rest[32];

	for (; names->name; names++) {
		if (mask & names->mask)
			add_word(log, names->name);
		mask &= ~names->mask;
	}
	if (mask) {
		snprintf(rest, sizeof(rest), "%#llx", mask);
		add_word(log, rest);
	}
	add_word(log, "/");
}

static void add_number(struct event_log *log, const char *what, long number)
{
	char text[64];

	snprintf(text, sizeof(text), "%s=%ld", what, number);
	add_word(log, text);
}

/* Of each kind there are two pipes; only one is watched. */
static const enum kind kinds[] = { PRIVATE, PIPE_2 };

typedef void (*calls_fn)(struct ends *ends, enum kind kind);

struct calls {
	calls_fn make;
	bool no_events;		/* the calls cause none; the closes do */
};

/* Two pipes of a kind; only `ends` is watched. */
struct pipes {
	enum kind kind;
	struct ends ends;
	struct ends other;
};

FIXTURE(events)
{
	struct pipes pipes[ARRAY_SIZE(kinds)];
};

FIXTURE_VARIANT(events)
{
	struct calls calls;
};

/* A call may fail. Its result is not compared, only the events that it causes. */
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

static void make_empty_and_failing_calls(struct ends *ends, enum kind kind __maybe_unused)
{
	char byte;

	ignore(read(ends->r, &byte, 1));
	ignore(read(ends->r, &byte, 0));
	ignore(write(ends->w, &byte, 0));
	ignore(write(ends->w, (void *)-1UL, 1));
	ignore(read(ends->w, &byte, 1));
	ignore(write(ends->r, &byte, 1));
	while (write(ends->w, big_buffer(), ABOVE_PIPE_BUF) > 0)
		;
	ignore(write(ends->w, &byte, 1));
}

static void read_to_end_of_file(struct ends *ends, enum kind kind __maybe_unused)
{
	char byte;

	ignore(write(ends->w, "x", 1));
	close(ends->w);
	ignore(read(ends->r, &byte, 1));
	ignore(read(ends->r, &byte, 1));
}

static void write_without_reader(struct ends *ends, enum kind kind __maybe_unused)
{
	ignore(write(ends->w, "x", 1));
	close(ends->r);
	ignore(write(ends->w, "x", 1));
}

static void splice_in_and_out(struct ends *ends, enum kind kind __maybe_unused)
{
	int other[2];

	ignore(pipe2(other, O_NONBLOCK));
	ignore(write(other[1], big_buffer(), 5000));
	ignore(splice(other[0], NULL, ends->w, NULL, 5000, SPLICE_F_NONBLOCK));
	ignore(splice(ends->r, NULL, other[1], NULL, 5000, SPLICE_F_NONBLOCK));
	ignore(splice(ends->r, NULL, other[1], NULL, 1, SPLICE_F_NONBLOCK));
	close(other[0]);
	close(other[1]);
}

/* On mini_pipes by ioctl, on pipe(2)s by system call. */
static void splice_and_tee(struct ends *ends, enum kind kind)
{
	int device = open(MINI_PIPE, O_ACCMODE | O_CLOEXEC);
	struct iovec iov = { big_buffer(), 5 };
	struct ends other;
	int fds[2];

	if (kind == PIPE_2) {
		ignore(pipe2(fds, O_NONBLOCK));
		other = (struct ends){ fds[0], fds[1] };
	} else {
		ignore(make_pair(device, &other, O_NONBLOCK, 0));
	}
	close(device);
	ignore(do_vmsplice(ends->w, &iov, 1, 0));
	ignore(do_tee(ends->r, other.w, 2, 0));
	ignore(do_splice(ends->r, other.w, 2, 0));
	ignore(do_splice(other.r, ends->w, 1, 0));
	ignore(do_vmsplice(ends->r, &iov, 1, 0));
	ignore(do_tee(other.r, other.w, 1, 0));
	ignore(do_splice(ends->r, other.w, 1, SPLICE_F_NONBLOCK));
	close(other.r);
	close(other.w);
}

static void sendfile_in(struct ends *ends, enum kind kind __maybe_unused)
{
	int file = memfd_create("notify", MFD_CLOEXEC);
	off_t start = 0;

	ignore(write(file, big_buffer(), 5000));
	ignore(sendfile(ends->w, file, &start, 5000));
	ignore(read(ends->r, big_buffer(), 5000));
	close(file);
}

static void open_again_in_each_mode(struct ends *ends, enum kind kind __maybe_unused)
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

static void query_and_duplicate(struct ends *ends, enum kind kind)
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

static void read_and_write_with_io_uring(struct ends *ends, enum kind kind __maybe_unused)
{
	struct completion completion;
	struct uring ring;

	if (!uring_open(&ring))
		return;
	uring_queue(&ring, (struct io_uring_sqe){
		.opcode = IORING_OP_WRITE, .fd = ends->w, .addr = (unsigned long)"abc", .len = 3,
		.off = -1,
	});
	ignore(uring_enter(&ring, 1));
	uring_reap(&ring, &completion);
	uring_queue(&ring, (struct io_uring_sqe){
		.opcode = IORING_OP_READ, .fd = ends->r, .addr = (unsigned long)big_buffer(),
		.len = 3, .off = -1,
	});
	ignore(uring_enter(&ring, 1));
	uring_reap(&ring, &completion);
	close(ring.fd);
}

static void close_reader_first(struct ends *ends, enum kind kind __maybe_unused)
{
	close(ends->r);
	close(ends->w);
}

FIXTURE_VARIANT_ADD(events, write_and_read) { .calls = { write_and_read }, };
FIXTURE_VARIANT_ADD(events, vectored_calls) { .calls = { move_vectors }, };
FIXTURE_VARIANT_ADD(events, empty_and_failing_calls) { .calls = { make_empty_and_failing_calls }, };
FIXTURE_VARIANT_ADD(events, end_of_file) { .calls = { read_to_end_of_file }, };
FIXTURE_VARIANT_ADD(events, broken_pipe) { .calls = { write_without_reader }, };
FIXTURE_VARIANT_ADD(events, splice) { .calls = { splice_in_and_out }, };
FIXTURE_VARIANT_ADD(events, splice_and_tee) { .calls = { splice_and_tee }, };
FIXTURE_VARIANT_ADD(events, sendfile) { .calls = { sendfile_in }, };
FIXTURE_VARIANT_ADD(events, reopen) { .calls = { open_again_in_each_mode }, };
FIXTURE_VARIANT_ADD(events, attributes) { .calls = { change_attributes }, };
FIXTURE_VARIANT_ADD(events, queries_and_dup)
{
	.calls = { query_and_duplicate, .no_events = true },
};

FIXTURE_VARIANT_ADD(events, fork_and_exit)
{
	.calls = { fork_and_exit, .no_events = true },
};

FIXTURE_VARIANT_ADD(events, io_uring) { .calls = { read_and_write_with_io_uring }, };
FIXTURE_VARIANT_ADD(events, close_reader_first) { .calls = { close_reader_first }, };

/* Skips the test without root, or if the kernel has no inotify or fanotify. */
static bool has_inotify_and_fanotify(struct __test_metadata *_metadata)
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

FIXTURE_SETUP(events)
{
	set_up_pipe(_metadata);
	if (!has_inotify_and_fanotify(_metadata))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct pipes *pipes = &self->pipes[i];

		pipes->kind = kinds[i];
		make_pipe(_metadata, kinds[i], O_NONBLOCK, &pipes->ends.r, &pipes->ends.w);
		make_pipe(_metadata, kinds[i], O_NONBLOCK, &pipes->other.r, &pipes->other.w);
	}
}

FIXTURE_TEARDOWN(events)
{
	kill_children(_metadata);
}

/* This pipe is not watched. */
static void use_other_pipe(struct __test_metadata *_metadata, const struct ends *other)
{
	ASSERT_EQ(1, write(other->w, "x", 1));
	read_exactly(_metadata, other->r, 1);
}

static void read_inotify_events(int in, struct event_log *log)
{
	union {
		struct inotify_event first;
		char bytes[4096];
	} events;
	ssize_t n;

	while ((n = read(in, &events, sizeof(events))) > 0) {
		for (char *at = events.bytes; at < events.bytes + n;) {
			const struct inotify_event *event = (void *)at;

			add_event(log, inotify_names, event->mask);
			at += sizeof(*event) + event->len;
		}
	}
}

/* Returns false if the file cannot be watched; the log says so, too. */
static bool add_inotify_watch(int in, int fd, struct event_log *log)
{
	char path[32];
	int ret;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ret = inotify_add_watch(in, path, IN_ALL_EVENTS);
	add_number(log, "watch", ret < 0 ? errno : 0);
	return ret >= 0;
}

static void log_inotify(struct __test_metadata *_metadata, const struct calls *calls,
			struct pipes *pipes, bool at_writing_end, struct event_log *log)
{
	int in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	struct ends *ends = &pipes->ends;
	size_t before;

	ASSERT_LE(0, in);
	ASSERT_TRUE(add_inotify_watch(in, at_writing_end ? ends->w : ends->r, log));
	before = log->len;
	calls->make(ends, pipes->kind);
	use_other_pipe(_metadata, &pipes->other);
	read_inotify_events(in, log);
	EXPECT_EQ(calls->no_events, log->len == before);
	close(ends->w);
	close(ends->r);
	read_inotify_events(in, log);
	close(in);
}

TEST_F(events, inotify_on_reading_end_matches_pipe_2)
{
	struct event_log log[ARRAY_SIZE(kinds)] = {};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		log_inotify(_metadata, &variant->calls, &self->pipes[i], false, &log[i]);
	EXPECT_STREQ(log[1].text, log[0].text);
}

TEST_F(events, inotify_on_writing_end_matches_pipe_2)
{
	struct event_log log[ARRAY_SIZE(kinds)] = {};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		log_inotify(_metadata, &variant->calls, &self->pipes[i], true, &log[i]);
	EXPECT_STREQ(log[1].text, log[0].text);
}

/*
 * fanotify: groups that get a file handle with each event. Groups that get a descriptor get no
 * events but those of regular files and directories.
 */

static int add_mark(int fan, unsigned int flags, unsigned long long mask, int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fanotify_mark(fan, FAN_MARK_ADD | flags, mask, AT_FDCWD, path);
}

static void read_fanotify_events(int fan, struct event_log *log)
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
			add_event(log, fanotify_names, event->mask);
		}
	}
	add_number(log, "read", n < 0 ? errno : n);
}

static void log_fanotify(struct __test_metadata *_metadata, const struct calls *calls,
			 struct pipes *pipes, unsigned int report, struct event_log *log)
{
	int fan = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC | report, O_RDONLY);
	struct ends *ends = &pipes->ends;

	ASSERT_LE(0, fan);
	ASSERT_EQ(0, add_mark(fan, 0, FAN_ACCESS | FAN_MODIFY | FAN_OPEN | FAN_CLOSE, ends->r))
	{
		TH_LOG("%s", strerror(errno));
	}
	calls->make(ends, pipes->kind);
	use_other_pipe(_metadata, &pipes->other);
	close(ends->w);
	close(ends->r);
	read_fanotify_events(fan, log);
	close(fan);
}

TEST_F(events, fanotify_matches_pipe_2)
{
	struct event_log log[ARRAY_SIZE(kinds)] = {};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		log_fanotify(_metadata, &variant->calls, &self->pipes[i], FAN_REPORT_FID,
			     &log[i]);
	EXPECT_STREQ(log[1].text, log[0].text);
	EXPECT_TRUE(strstr(log[1].text, "CLOSE_NOWRITE"));
}

TEST_F(events, fanotify_with_descriptors_matches_pipe_2)
{
	struct event_log log[ARRAY_SIZE(kinds)] = {};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		log_fanotify(_metadata, &variant->calls, &self->pipes[i], 0, &log[i]);
	EXPECT_STREQ(log[1].text, log[0].text);
}

/* The expected events themselves: a comparison alone passes if both kinds are equally wrong. */

FIXTURE(pipe)
{
	struct ends ends;
	struct event_log log;
};

FIXTURE_VARIANT(pipe)
{
	enum kind kind;
};

FIXTURE_VARIANT_ADD(pipe, private_pipe) { .kind = PRIVATE, };
FIXTURE_VARIANT_ADD(pipe, pipe_2) { .kind = PIPE_2, };

FIXTURE_SETUP(pipe)
{
	set_up_pipe(_metadata);
	if (!has_inotify_and_fanotify(_metadata))
		return;
	make_pipe(_metadata, variant->kind, O_NONBLOCK, &self->ends.r, &self->ends.w);
}

FIXTURE_TEARDOWN(pipe)
{
	kill_children(_metadata);
}

TEST_F(pipe, inotify_reports_modify_access_and_two_closes)
{
	int in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	ASSERT_LE(0, in);
	ASSERT_TRUE(add_inotify_watch(in, self->ends.r, &self->log));
	ASSERT_EQ(1, write(self->ends.w, "x", 1));
	read_exactly(_metadata, self->ends.r, 1);
	close(self->ends.w);
	close(self->ends.r);
	read_inotify_events(in, &self->log);
	close(in);
	EXPECT_STREQ("watch=0 MODIFY / ACCESS / CLOSE_WRITE / CLOSE_NOWRITE / ", self->log.text);
}

TEST_F(pipe, fanotify_cannot_mark_mount_or_filesystem)
{
	int fan = fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY);

	ASSERT_LE(0, fan);
	EXPECT_EQ(-1, add_mark(fan, FAN_MARK_MOUNT, FAN_ACCESS, self->ends.r));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, add_mark(fan, FAN_MARK_FILESYSTEM, FAN_ACCESS, self->ends.r));
	EXPECT_EQ(EINVAL, errno);
	close(fan);
}

/*
 * Permission events, which a pipe(2) never causes, even when it is opened again. A child makes the
 * calls, and the test answers the events, if there are any.
 */

struct pipe {
	struct ends ends;
};

static void make_calls(int report_to, const void *arg)
{
	const struct pipe *pipe = arg;
	char byte = 'x';
	int fd;

	report(report_to, write(pipe->ends.w, &byte, 1));
	report(report_to, read(pipe->ends.r, &byte, 1));
	fd = open_again(pipe->ends.r, O_RDWR | O_NONBLOCK);
	report(report_to, fd < 0 ? -1 : 0);
	report(report_to, write(fd, &byte, 1));
	report(report_to, read(fd, &byte, 1));
}

#define CALLS 5

/* Answers the events until the child has reported. */
static void answer_events(struct __test_metadata *_metadata, int fan, const struct child *child,
			  unsigned int response, struct event_log *log)
{
	struct fanotify_response answer = { .response = response };
	struct fanotify_event_metadata event;

	while (!has_reported_within(child, 0)) {
		struct pollfd either[] = {
			{ .fd = fan, .events = POLLIN }, { .fd = child->results, .events = POLLIN },
		};

		ASSERT_LT(0, poll(either, 2, TIMEOUT_MS));
		if (!either[0].revents)
			continue;
		ASSERT_EQ((ssize_t)sizeof(event), read(fan, &event, sizeof(event)));
		add_event(log, fanotify_names, event.mask);
		answer.fd = event.fd;
		ASSERT_EQ((ssize_t)sizeof(answer), write(fan, &answer, sizeof(answer)));
		close(event.fd);
	}
}

static void log_permission_calls(struct __test_metadata *_metadata, enum kind kind,
				 unsigned int response, struct event_log *log)
{
	int fan = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, O_RDONLY);
	struct pipe pipe;
	struct child child;

	ASSERT_LE(0, fan);
	make_pipe(_metadata, kind, O_NONBLOCK, &pipe.ends.r, &pipe.ends.w);
	if (add_mark(fan, 0, FAN_OPEN_PERM | FAN_ACCESS_PERM, pipe.ends.r)) {
		add_number(log, "mark", errno);
		close(fan);
		return;
	}
	child = start_forked(_metadata, make_calls, &pipe);
	for (int i = 0; i < CALLS; i++) {
		struct result result;

		answer_events(_metadata, fan, &child, response, log);
		result = result_of(_metadata, &child);
		add_number(log, "call", result.ret < 0 ? -result.err : result.ret);
	}
	kill_child(_metadata, &child);
	close(fan);
	close(pipe.ends.r);
	close(pipe.ends.w);
}

FIXTURE(permission)
{
};

FIXTURE_VARIANT(permission)
{
	unsigned int response;
};

FIXTURE_VARIANT_ADD(permission, allowed) { .response = FAN_ALLOW, };
FIXTURE_VARIANT_ADD(permission, denied) { .response = FAN_DENY, };

FIXTURE_SETUP(permission)
{
	set_up_pipe(_metadata);
	has_inotify_and_fanotify(_metadata);
}

FIXTURE_TEARDOWN(permission)
{
	kill_children(_metadata);
}

TEST_F(permission, fanotify_permission_matches_pipe_2)
{
	struct event_log log[ARRAY_SIZE(kinds)] = {};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		log_permission_calls(_metadata, kinds[i], variant->response, &log[i]);
	EXPECT_NE(0, log[1].len);
	EXPECT_STREQ(log[1].text, log[0].text);
}

TEST_HARNESS_MAIN
