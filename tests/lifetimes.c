// SPDX-License-Identifier: GPL-2.0
/*
 * Lifetimes: what can refer to a pipe for longer than its descriptors do, and what each reference
 * pins.
 *
 * A holder is anything in the kernel that refers to a pipe besides its two descriptors. Each
 * holder is released before the descriptors are closed, after they are closed, and by the exit of
 * its process, on the device and on a private pipe. rmmod is tried in between. The same is done
 * to a pipe(2), which must return the same. Afterwards sync(2) must return, rmmod must succeed,
 * and a module that is loaded again must work. The subject kmemleak reports what was not freed.
 */
#include <sys/stat.h>
#include "lifetimes_calls.h"
#include "lifetimes_files.h"
#include "lifetimes_marks.h"

/* Sets of pipe kinds */
enum {
	ON_DEVICE = 1 << DEVICE,
	ON_PRIVATE = 1 << PRIVATE,
	ON_BOTH = ON_DEVICE | ON_PRIVATE,
};

FIXTURE(holder)
{
	char core_pattern[256];
};

FIXTURE_VARIANT(holder)
{
	int (*hold)(struct held_pipe *held);
	int (*release)(struct held_pipe *held);	/* returns the same on a pipe(2) */
	int pins_module;	/* kinds on which the holder alone pins the module */
	int after_unload[2];	/* what release returns, by kind, after the module was unloaded */
	int unsupported;	/* kinds on which hold fails */
	bool needs_root;	/* the others run as an ordinary user */
	int not_on_pipe_2;	/* kinds whose results are not compared with a pipe(2)'s */
	bool with_another_pipe;	/* another private pipe is open meanwhile */
};

/* These hold an open file, so they pin the module as a descriptor does. */

FIXTURE_VARIANT_ADD(holder, descriptor)
{
	.hold = hold_descriptor, .release = release_descriptor, .pins_module = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, descriptor_opened_by_proc)
{
	.hold = hold_by_proc, .release = end_process, .pins_module = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, descriptor_by_pidfd_getfd)
{
	.hold = hold_by_pidfd, .release = end_process, .pins_module = ON_BOTH, .needs_root = true,
};

FIXTURE_VARIANT_ADD(holder, descriptor_in_flight_received)
{
	.hold = hold_in_flight, .release = receive_and_read, .pins_module = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, descriptor_in_flight_never_received)
{
	.hold = hold_in_flight, .release = close_sockets, .pins_module = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, descriptors_in_a_socket_cycle)
{
	.hold = hold_in_a_cycle, .release = close_sockets, .pins_module = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, io_uring_registered_file)
{
	.hold = hold_registered, .release = release_registered, .pins_module = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, io_uring_read)
{
	.hold = hold_read_request, .release = close_ring, .pins_module = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, io_uring_poll)
{
	.hold = hold_poll_request, .release = close_ring, .pins_module = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, read_asleep)
{
	.hold = hold_read, .release = end_process, .pins_module = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, write_asleep)
{
	.hold = hold_write, .release = end_process, .pins_module = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, poll_asleep)
{
	.hold = hold_poll, .release = end_process, .pins_module = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, splice_asleep)
{
	.hold = hold_splice, .release = end_process, .pins_module = ON_BOTH,
};

/* pipe(2) copies under its mutex, so its descriptors could not be closed during the fault. */
FIXTURE_VARIANT_ADD(holder, read_stuck_and_killed)
{
	.hold = hold_stuck_read, .release = kill_stuck, .pins_module = ON_BOTH, .needs_root = true,
	.not_on_pipe_2 = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, write_stuck_and_killed)
{
	.hold = hold_stuck_write, .release = kill_stuck, .pins_module = ON_BOTH, .needs_root = true,
	.not_on_pipe_2 = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, read_stuck_until_fault_ends)
{
	.hold = hold_stuck_read, .release = end_fault, .pins_module = ON_BOTH, .needs_root = true,
	.not_on_pipe_2 = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, write_stuck_until_fault_ends)
{
	.hold = hold_stuck_write, .release = end_fault, .pins_module = ON_BOTH, .needs_root = true,
	.not_on_pipe_2 = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, read_stuck_in_old_pages)
{
	.hold = hold_stuck_read_of_old_pages, .release = kill_stuck, .pins_module = ON_BOTH,
	.needs_root = true, .not_on_pipe_2 = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, write_stuck_in_old_pages)
{
	.hold = hold_stuck_write_to_old_pages, .release = end_fault, .pins_module = ON_BOTH,
	.needs_root = true, .not_on_pipe_2 = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, core_dump_to_a_handler)
{
	.hold = hold_core_in_a_handler, .release = release_handler, .pins_module = ON_BOTH,
	.needs_root = true,
};

/* These hold a path: it pins the file system of private pipes, but not the device. */

/* The permissions of the deleted device node are checked before the device is looked up. */
FIXTURE_VARIANT_ADD(holder, o_path_descriptor)
{
	.hold = hold_path, .release = release_path, .pins_module = ON_PRIVATE,
	.after_unload = { [DEVICE] = -EACCES },
};

FIXTURE_VARIANT_ADD(holder, o_path_descriptor_of_root)
{
	.hold = hold_path, .release = release_path, .pins_module = ON_PRIVATE,
	.after_unload = { [DEVICE] = -ENODEV }, .needs_root = true,
};

/* A private pipe, like a pipe(2), has no path that can be mounted. */
FIXTURE_VARIANT_ADD(holder, bind_mount)
{
	.hold = hold_bind_mount, .release = release_bind_mount,
	.after_unload = { [PRIVATE] = -EINVAL }, .unsupported = ON_PRIVATE, .needs_root = true,
	.not_on_pipe_2 = ON_DEVICE,
};

FIXTURE_VARIANT_ADD(holder, open_tree)
{
	.hold = hold_open_tree, .release = close_fd,
	.after_unload = { [PRIVATE] = -EBADF }, .unsupported = ON_PRIVATE, .needs_root = true,
	.not_on_pipe_2 = ON_DEVICE,
};

/* These hold neither a file nor a path, and pin nothing. */

FIXTURE_VARIANT_ADD(holder, core_dump_to_a_file)
{
	.hold = hold_core_in_a_file, .release = nothing_to_release, .needs_root = true,
};

/* A poll holds a file, but ends with the last close of a writer. */
FIXTURE_VARIANT_ADD(holder, aio_poll)
{
	.hold = hold_aio_poll, .release = release_aio,
};

FIXTURE_VARIANT_ADD(holder, spliced_pages)
{
	.hold = hold_spliced_pages, .release = release_spliced_pages,
};

FIXTURE_VARIANT_ADD(holder, epoll)
{
	.hold = hold_epoll, .release = release_epoll,
};

FIXTURE_VARIANT_ADD(holder, nested_epoll_inner_closed_first)
{
	.hold = hold_nested_epoll, .release = release_inner_epoll_first,
};

FIXTURE_VARIANT_ADD(holder, nested_epoll_outer_closed_first)
{
	.hold = hold_nested_epoll, .release = release_outer_epoll_first,
};

FIXTURE_VARIANT_ADD(holder, locks)
{
	.hold = hold_locks, .release = release_locks, .after_unload = { -EBADF, -EBADF },
};

FIXTURE_VARIANT_ADD(holder, dead_fasync_owner)
{
	.hold = hold_with_dead_owner, .release = clear_o_async,
	.after_unload = { -EBADF, -EBADF },
};

FIXTURE_VARIANT_ADD(holder, open_fdinfo)
{
	.hold = hold_fdinfo, .release = release_readable, .after_unload = { -ENOENT, -ENOENT },
};

FIXTURE_VARIANT_ADD(holder, fanotify_mark)
{
	.hold = hold_fanotify, .release = close_fd, .needs_root = true,
};

FIXTURE_VARIANT_ADD(holder, fanotify_event)
{
	.hold = hold_fanotify_event, .release = release_readable, .after_unload = { 1, 1 },
	.needs_root = true,
};

/* The events of an inotify mark: rmmod deletes the device's node, and unmounts a private pipe. */
#define CLOSED (IN_CLOSE_WRITE | IN_CLOSE_NOWRITE)
#define DELETED (CLOSED | IN_ATTRIB | IN_DELETE_SELF | IN_IGNORED)
#define UNMOUNTED (CLOSED | IN_UNMOUNT | IN_IGNORED)

FIXTURE_VARIANT_ADD(holder, inotify_mark)
{
	.hold = hold_inotify, .release = release_inotify, .after_unload = { DELETED, UNMOUNTED },
};

FIXTURE_VARIANT_ADD(holder, inotify_mark_removed)
{
	.hold = hold_inotify, .release = remove_inotify_mark, .after_unload = { -EINVAL, -EINVAL },
};

FIXTURE_VARIANT_ADD(holder, inotify_mark_with_another_pipe_open)
{
	.hold = hold_inotify, .release = release_inotify, .after_unload = { DELETED, UNMOUNTED },
	.with_another_pipe = true,
};

/* Holders that neither a private pipe nor a pipe(2) supports */

FIXTURE(unsupported)
{
	struct held_pipe pipe;
	struct held_pipe pipe_2;
};

FIXTURE_VARIANT(unsupported)
{
	int (*hold)(struct held_pipe *held);
	int err;
};

FIXTURE_VARIANT_ADD(unsupported, mapping) { .hold = hold_mapping, .err = ENODEV, };
FIXTURE_VARIANT_ADD(unsupported, dnotify_mark) { .hold = hold_dnotify, .err = ENOTDIR, };
FIXTURE_VARIANT_ADD(unsupported, lease) { .hold = hold_lease, .err = EINVAL, };
FIXTURE_VARIANT_ADD(unsupported, fanotify_filesystem_mark)
{
	.hold = hold_fanotify_filesystem_mark, .err = EINVAL,
};

FIXTURE_SETUP(unsupported)
{
	self->pipe.kind = PRIVATE;
	self->pipe_2.kind = PIPE_2;
	ASSERT_EQ(0, open_ends(&self->pipe));
	ASSERT_EQ(0, open_ends(&self->pipe_2));
}

FIXTURE_TEARDOWN(unsupported)
{
}

TEST_F(unsupported, fails_as_on_pipe_2)
{
	EXPECT_EQ(-variant->err, variant->hold(&self->pipe_2));
	EXPECT_EQ(-variant->err, variant->hold(&self->pipe));
	EXPECT_EQ(0, count_mappings());
	close_ends(&self->pipe);
	EXPECT_EQ(0, open_files());
}

/* One lifetime of a pipe and its holder, step by step, beside a pipe(2) and its holder */

/* When the holder is released, in relation to the close of the descriptors. */
enum order {
	BEFORE_CLOSE,
	AFTER_CLOSE,
	AT_EXIT,
	AFTER_UNLOAD,	/* of the module, and after the close */
};

struct lifetime {
	const struct _fixture_variant_holder *holder;
	enum kind kind;
	enum order order;
};

/* Whether the holder pins the module without the descriptors. */
static bool pins_the_module(const struct lifetime *lifetime)
{
	return lifetime->holder->pins_module & 1 << lifetime->kind;
}

static bool is_unsupported(const struct lifetime *lifetime)
{
	return lifetime->holder->unsupported & 1 << lifetime->kind;
}

/* Reports the results of a step: on the pipe, and on the pipe(2). */
static void report_both(int report_to, int ret, int of_pipe_2)
{
	report_result(report_to, &(struct result){ .ret = ret, .err = of_pipe_2 });
}

static void run_step(int report_to, const struct lifetime *lifetime, struct held_pipe *pipes,
		     int (*step)(struct held_pipe *held))
{
	bool not_on_pipe_2 = lifetime->holder->not_on_pipe_2 & 1 << lifetime->kind;
	int ret = step(&pipes[0]);

	report_both(report_to, ret, not_on_pipe_2 ? ret : step(&pipes[1]));
}

/* SIGUSR2 starts the next step. It is blocked, so that none is lost before sigwait(). */
static sigset_t step_signal(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return set;
}

static void await_step_signal(void)
{
	sigset_t set = step_signal();
	int sig;

	sigwait(&set, &sig);
}

/* The process stays dumpable, so that it and the test may look into its /proc directory. */
static void become_ordinary_user(void)
{
	switch_to(&unprivileged_user);
	prctl(PR_SET_DUMPABLE, 1);
}

static void run_holder(int report_to, const void *arg)
{
	const struct lifetime *lifetime = arg;
	bool early = lifetime->order == BEFORE_CLOSE;
	sigset_t set = step_signal();
	struct held_pipe *pipes = mmap(NULL, 2 * sizeof(*pipes), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	sigprocmask(SIG_BLOCK, &set, NULL);
	if (!lifetime->holder->needs_root)
		become_ordinary_user();
	pipes[0].kind = lifetime->kind;
	pipes[1].kind = PIPE_2;
	for (int i = 0; i < 2; i++)
		if (open_ends(&pipes[i]) < 0)
			_exit(KSFT_FAIL);
	run_step(report_to, lifetime, pipes, lifetime->holder->hold);
	await_step_signal();
	run_step(report_to, lifetime, pipes, early ? lifetime->holder->release : close_ends);
	await_step_signal();
	run_step(report_to, lifetime, pipes, early ? close_ends : lifetime->holder->release);
}

static void signal_next_step(const struct child *child)
{
	kill(child->pid, SIGUSR2);
}

/* Calls that might hang in a broken driver, so a child of the test makes them */

/* Some holders are released a little later than the call that releases them returns. */
static int unload_soon(void)
{
	int ret = unload();

	for (int ms = 0; ms < TIMEOUT_MS / 2 && ret && errno == EWOULDBLOCK; ms++) {
		sleep_1ms();
		ret = unload();
	}
	return ret;
}

static bool is_loaded(void)
{
	return open_files() >= 0;
}

static int load_for_all_users(void)
{
	int ret = load("");

	return wait_for_node(true) ? ret | chmod(MINI_PIPE, 0666) : -1;
}

static int pass_byte(void)
{
	struct held_pipe held = { .kind = PRIVATE };

	if (open_ends(&held) < 0 || write_byte(&held) < 0)
		return -1;
	return read_from(held.ends.r);
}

static void rmmod(int report_to, const void *arg __maybe_unused)
{
	report(report_to, unload());
}

static void rmmod_soon(int report_to, const void *arg __maybe_unused)
{
	report(report_to, unload_soon());
}

static void sync_and_reload(int report_to, const void *arg __maybe_unused)
{
	sync();
	report(report_to, 0);
	report(report_to, is_loaded() ? unload_soon() : 0);
	report(report_to, load_for_all_users());
	become_ordinary_user();
	report(report_to, pass_byte());
}

/* The next result of a child that makes the call `what`. */
static struct result result_at(struct __test_metadata *_metadata, const struct child *child,
			       const char *what)
{
	ASSERT_TRUE(has_reported_within(child, TIMEOUT_MS))
	{
		TH_LOG("%s does not return", what);
	}
	return result_of(_metadata, child);
}

static struct result run_rmmod(struct __test_metadata *_metadata, job_fn job)
{
	struct child child = start_child(_metadata, job, NULL);
	struct result result = result_at(_metadata, &child, "rmmod");

	kill_child(_metadata, &child);
	return result;
}

static void expect_pinned(struct __test_metadata *_metadata)
{
	struct result result = run_rmmod(_metadata, rmmod);

	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EWOULDBLOCK, result.err);
}

static void expect_unloaded(struct __test_metadata *_metadata)
{
	struct result result = run_rmmod(_metadata, rmmod_soon);

	ASSERT_EQ(0, result.ret)
	{
		TH_LOG("rmmod: %s", strerror(result.err));
	}
}

/* sync(2) returns, the module can be unloaded, and a module that is loaded again works. */
static void expect_all_freed(struct __test_metadata *_metadata)
{
	struct child child = start_child(_metadata, sync_and_reload, NULL);
	struct result result;

	EXPECT_EQ(0, result_at(_metadata, &child, "sync(2)").ret);
	result = result_at(_metadata, &child, "rmmod");
	EXPECT_EQ(0, result.ret)
	{
		TH_LOG("rmmod: %s", strerror(result.err));
	}
	EXPECT_EQ(0, result_at(_metadata, &child, "insmod").ret);
	EXPECT_EQ(1, result_at(_metadata, &child, "a new pipe").ret);
	kill_child(_metadata, &child);
}

FIXTURE_SETUP(holder)
{
	int fd = open_module_file();

	close(fd);
	if (geteuid())
		SKIP(return, "needs root");
	if (fd < 0)
		SKIP(return, "needs mini_pipe.ko, in MINI_PIPE_KO, . or ..");
	write_file(KUNIT_FILTER, "none");
	fd = open(CORE_PATTERN, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		read(fd, self->core_pattern, sizeof(self->core_pattern) - 1);
	close(fd);
	ASSERT_EQ(0, is_loaded() ? chmod(MINI_PIPE, 0666) : load_for_all_users());
}

/* kill_children() comes last: a child that hangs keeps it from returning. */
FIXTURE_TEARDOWN(holder)
{
	write_file(CORE_PATTERN, self->core_pattern);
	write_file(KUNIT_FILTER, "*");
	if (!is_loaded())
		load_for_all_users();
	chmod(MINI_PIPE, 0600);
	kill_children(_metadata);
}

static bool is_held(struct __test_metadata *_metadata, const struct lifetime *lifetime,
		    const struct child *child)
{
	struct result result = result_of(_metadata, child);

	EXPECT_EQ(result.err, result.ret);
	if (result.ret < 0 && !is_unsupported(lifetime))
		SKIP(return false, "cannot be held here: %s", strerror(-result.ret));
	EXPECT_EQ(is_unsupported(lifetime), result.ret < 0);
	expect_pinned(_metadata);
	return true;
}

static void expect_same_next_step(struct __test_metadata *_metadata, const struct child *child)
{
	struct result result;

	signal_next_step(child);
	result = result_of(_metadata, child);
	EXPECT_EQ(result.err, result.ret);
}

static void release_after_unload(struct __test_metadata *_metadata, const struct lifetime *lifetime,
				 const struct child *child)
{
	expect_unloaded(_metadata);
	signal_next_step(child);
	EXPECT_EQ(lifetime->holder->after_unload[lifetime->kind], result_of(_metadata, child).ret);
}

static void run_lifetime(struct __test_metadata *_metadata, const struct lifetime *lifetime)
{
	struct ends another = { -1, -1 };
	struct child child;

	if (lifetime->holder->with_another_pipe && lifetime->order != AFTER_UNLOAD)
		another = private_pipe(_metadata, 0, 0);
	child = start_child(_metadata, run_holder, lifetime);
	if (!is_held(_metadata, lifetime, &child))
		return;
	expect_same_next_step(_metadata, &child);
	switch (lifetime->order) {
	case BEFORE_CLOSE:
		expect_pinned(_metadata);
		expect_same_next_step(_metadata, &child);
		break;
	case AFTER_CLOSE:
		if (pins_the_module(lifetime))
			expect_pinned(_metadata);
		expect_same_next_step(_metadata, &child);
		break;
	case AT_EXIT:
		break;
	case AFTER_UNLOAD:
		release_after_unload(_metadata, lifetime, &child);
		break;
	}
	/* At exit, the process ends first; else all must be freed while it runs. */
	if (lifetime->order == AT_EXIT)
		kill_child(_metadata, &child);
	close(another.r);
	close(another.w);
	expect_all_freed(_metadata);
	if (lifetime->order != AT_EXIT)
		kill_child(_metadata, &child);
}

static void run_order(struct __test_metadata *_metadata,
		      const struct _fixture_variant_holder *holder, enum kind kind,
		      enum order order)
{
	struct lifetime lifetime = { .holder = holder, .kind = kind, .order = order };

	run_lifetime(_metadata, &lifetime);
	/* A holder that does not pin the module must also work after it is unloaded. */
	if (order == AFTER_CLOSE && !pins_the_module(&lifetime)) {
		lifetime.order = AFTER_UNLOAD;
		run_lifetime(_metadata, &lifetime);
	}
}

/* In a broken driver, several steps wait for TIMEOUT_MS each. */
#define TEST_SECONDS 60

TEST_F_TIMEOUT(holder, on_device_released_before_close, TEST_SECONDS)
{
	run_order(_metadata, variant, DEVICE, BEFORE_CLOSE);
}

TEST_F_TIMEOUT(holder, on_device_released_after_close, TEST_SECONDS)
{
	run_order(_metadata, variant, DEVICE, AFTER_CLOSE);
}

TEST_F_TIMEOUT(holder, on_device_released_at_exit, TEST_SECONDS)
{
	run_order(_metadata, variant, DEVICE, AT_EXIT);
}

TEST_F_TIMEOUT(holder, on_private_pipe_released_before_close, TEST_SECONDS)
{
	run_order(_metadata, variant, PRIVATE, BEFORE_CLOSE);
}

TEST_F_TIMEOUT(holder, on_private_pipe_released_after_close, TEST_SECONDS)
{
	run_order(_metadata, variant, PRIVATE, AFTER_CLOSE);
}

TEST_F_TIMEOUT(holder, on_private_pipe_released_at_exit, TEST_SECONDS)
{
	run_order(_metadata, variant, PRIVATE, AT_EXIT);
}

TEST_HARNESS_MAIN
