// SPDX-License-Identifier: GPL-2.0
/*
 * Who may outlive whom. A holder is whatever of the kernel refers to a pipe beside its two
 * descriptors. Each of them is released before the descriptors are closed and after it, meets
 * rmmod, and ends with its process; for private pipes and for the device, and for a pipe(2) beside
 * them, which must answer the same. Afterwards sync(2) returns, rmmod succeeds, and a module that
 * is loaded again works. What was not freed is in the report of the subject kmemleak.
 */
#include <sys/stat.h>
#include "lifetimes_calls.h"
#include "lifetimes_files.h"
#include "lifetimes_marks.h"

/* Sets of kinds */
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
	int (*hold)(struct scene *scene);
	int (*release)(struct scene *scene);	/* what it found is compared with pipe(2)'s */
	int keeps;		/* of which kinds it keeps the module, without the descriptors */
	int orphaned[2];	/* what release finds, by kind, if the module went first */
	int refused;		/* on which kinds there can be none */
	bool privileged;	/* the others are done by an ordinary user */
	int alone;		/* on which kinds it does not do as on a pipe(2) */
	bool beside_another;	/* somebody else has a private pipe meanwhile */
};

/* These have a file: a holder as good as a descriptor. */

FIXTURE_VARIANT_ADD(holder, descriptor)
{
	.hold = hold_descriptor, .release = release_descriptor, .keeps = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, descriptor_by_proc_in_another_process)
{
	.hold = hold_by_proc, .release = end_process, .keeps = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, descriptor_by_pidfd_getfd)
{
	.hold = hold_by_pidfd, .release = end_process, .keeps = ON_BOTH, .privileged = true,
};

FIXTURE_VARIANT_ADD(holder, descriptor_in_flight)
{
	.hold = hold_in_flight, .release = receive_it, .keeps = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, descriptor_in_flight_never_received)
{
	.hold = hold_in_flight, .release = close_sockets, .keeps = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, descriptors_in_a_cycle_of_sockets)
{
	.hold = hold_in_a_cycle, .release = close_sockets, .keeps = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, io_uring_registered_file)
{
	.hold = hold_registered, .release = release_registered, .keeps = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, io_uring_read)
{
	.hold = hold_read_request, .release = close_ring, .keeps = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, io_uring_poll)
{
	.hold = hold_poll_request, .release = close_ring, .keeps = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, read_asleep)
{
	.hold = hold_read, .release = end_process, .keeps = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, write_asleep)
{
	.hold = hold_write, .release = end_process, .keeps = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, poll_asleep)
{
	.hold = hold_poll, .release = end_process, .keeps = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, splice_asleep)
{
	.hold = hold_splice, .release = end_process, .keeps = ON_BOTH,
};

/* pipe(2) copies under its mutex, so nobody could close the descriptors of one. */
FIXTURE_VARIANT_ADD(holder, read_stuck_and_killed)
{
	.hold = hold_stuck_read, .release = kill_stuck, .keeps = ON_BOTH, .privileged = true,
	.alone = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, write_stuck_and_killed)
{
	.hold = hold_stuck_write, .release = kill_stuck, .keeps = ON_BOTH, .privileged = true,
	.alone = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, read_stuck_that_ends)
{
	.hold = hold_stuck_read, .release = end_fault, .keeps = ON_BOTH, .privileged = true,
	.alone = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, write_stuck_that_ends)
{
	.hold = hold_stuck_write, .release = end_fault, .keeps = ON_BOTH, .privileged = true,
	.alone = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, read_stuck_in_old_pages)
{
	.hold = hold_stuck_read_of_old_pages, .release = kill_stuck, .keeps = ON_BOTH,
	.privileged = true, .alone = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, write_stuck_in_old_pages)
{
	.hold = hold_stuck_write_to_old_pages, .release = end_fault, .keeps = ON_BOTH,
	.privileged = true, .alone = ON_BOTH,
};

FIXTURE_VARIANT_ADD(holder, core_dump_to_a_handler)
{
	.hold = hold_core_in_a_handler, .release = release_handler, .keeps = ON_BOTH,
	.privileged = true,
};

/* These have a path: it keeps the file system of private pipes, and not the device. */

/* The permissions of a node that is deleted go first. */
FIXTURE_VARIANT_ADD(holder, path)
{
	.hold = hold_path, .release = release_path, .keeps = ON_PRIVATE,
	.orphaned = { [DEVICE] = -EACCES },
};

FIXTURE_VARIANT_ADD(holder, path_of_a_privileged_process)
{
	.hold = hold_path, .release = release_path, .keeps = ON_PRIVATE,
	.orphaned = { [DEVICE] = -ENODEV }, .privileged = true,
};

/* A path that nobody has to a private pipe, as to a pipe(2). */
FIXTURE_VARIANT_ADD(holder, bind_mount)
{
	.hold = hold_bind_mount, .release = release_bind_mount,
	.orphaned = { [PRIVATE] = -EINVAL }, .refused = ON_PRIVATE, .privileged = true,
	.alone = ON_DEVICE,
};

FIXTURE_VARIANT_ADD(holder, open_tree)
{
	.hold = hold_open_tree, .release = close_fd,
	.orphaned = { [PRIVATE] = -EBADF }, .refused = ON_PRIVATE, .privileged = true,
	.alone = ON_DEVICE,
};

/* These have neither, and keep nothing. */

FIXTURE_VARIANT_ADD(holder, core_dump_to_a_file)
{
	.hold = hold_core_in_a_file, .release = nothing_is_left, .privileged = true,
};

FIXTURE_VARIANT_ADD(holder, aio_poll)
{
	.hold = hold_aio_poll, .release = release_aio,
};

FIXTURE_VARIANT_ADD(holder, spliced_pages)
{
	.hold = hold_spliced_pages, .release = release_spliced_pages,
	.orphaned = { SPLICED, SPLICED },
};

FIXTURE_VARIANT_ADD(holder, epoll)
{
	.hold = hold_epoll, .release = release_epoll,
};

FIXTURE_VARIANT_ADD(holder, epoll_in_an_epoll_that_ends_later)
{
	.hold = hold_nested_epoll, .release = release_inner_epoll_first,
};

FIXTURE_VARIANT_ADD(holder, epoll_in_an_epoll_that_ends_earlier)
{
	.hold = hold_nested_epoll, .release = release_outer_epoll_first,
};

FIXTURE_VARIANT_ADD(holder, locks)
{
	.hold = hold_locks, .release = release_locks, .orphaned = { -EBADF, -EBADF },
};

FIXTURE_VARIANT_ADD(holder, owner_that_is_dead)
{
	.hold = hold_by_a_dead_owner, .release = release_dead_owner,
	.orphaned = { -EBADF, -EBADF },
};

FIXTURE_VARIANT_ADD(holder, fdinfo)
{
	.hold = hold_fdinfo, .release = release_fdinfo, .orphaned = { -ENOENT, -ENOENT },
};

FIXTURE_VARIANT_ADD(holder, fanotify_mark)
{
	.hold = hold_fanotify, .release = close_fd, .privileged = true,
};

FIXTURE_VARIANT_ADD(holder, fanotify_event)
{
	.hold = hold_fanotify_event, .release = release_fanotify_event, .orphaned = { 1, 1 },
	.privileged = true,
};

/* What each was told; the device's node is deleted at rmmod, a private pipe is unmounted. */
#define CLOSED (IN_CLOSE_WRITE | IN_CLOSE_NOWRITE)
#define DELETED (CLOSED | IN_ATTRIB | IN_DELETE_SELF | IN_IGNORED)
#define UNMOUNTED (CLOSED | IN_UNMOUNT | IN_IGNORED)

FIXTURE_VARIANT_ADD(holder, inotify_mark)
{
	.hold = hold_inotify, .release = release_inotify, .orphaned = { DELETED, UNMOUNTED },
};

FIXTURE_VARIANT_ADD(holder, inotify_mark_that_is_removed)
{
	.hold = hold_inotify, .release = remove_inotify_mark, .orphaned = { -EINVAL, -EINVAL },
};

FIXTURE_VARIANT_ADD(holder, inotify_mark_beside_another_pipe)
{
	.hold = hold_inotify, .release = release_inotify, .orphaned = { DELETED, UNMOUNTED },
	.beside_another = true,
};

/* Not even begun: what there cannot be of a private pipe, as of a pipe(2) */

FIXTURE(impossible)
{
	struct scene scene;
	struct scene beside;
};

FIXTURE_VARIANT(impossible)
{
	int (*hold)(struct scene *scene);
	int err;
};

FIXTURE_VARIANT_ADD(impossible, mapping) { .hold = hold_mapping, .err = ENODEV, };
FIXTURE_VARIANT_ADD(impossible, dnotify_mark) { .hold = hold_dnotify, .err = ENOTDIR, };
FIXTURE_VARIANT_ADD(impossible, lease) { .hold = hold_lease, .err = EINVAL, };
FIXTURE_VARIANT_ADD(impossible, fanotify_mark_of_all)
{
	.hold = hold_fanotify_of_all, .err = EINVAL,
};

FIXTURE_SETUP(impossible)
{
	self->scene.kind = PRIVATE;
	self->beside.kind = PIPE_2;
	ASSERT_EQ(0, open_ends(&self->scene));
	ASSERT_EQ(0, open_ends(&self->beside));
}

FIXTURE_TEARDOWN(impossible)
{
}

TEST_F(impossible, holder_of_a_private_pipe_as_of_a_pipe_2)
{
	EXPECT_EQ(-variant->err, variant->hold(&self->beside));
	EXPECT_EQ(-variant->err, variant->hold(&self->scene));
	EXPECT_EQ(0, mappings());
	close_ends(&self->scene);
	EXPECT_EQ(0, open_files());
}

/* The life of a pipe and its holder, step by step, and of a pipe(2) and its holder */

enum order {
	RELEASED_FIRST,
	RELEASED_LAST,
	AT_EXIT,
	AFTER_THE_MODULE,
};

struct life {
	const struct _fixture_variant_holder *holder;
	enum kind kind;
	enum order order;
};

/* Without the descriptors. */
static bool keeps_module(const struct life *life)
{
	return life->holder->keeps & 1 << life->kind;
}

static bool is_refused(const struct life *life)
{
	return life->holder->refused & 1 << life->kind;
}

/* What a step found: of the pipe, and of the pipe(2). */
static void report_both(int report_to, int ret, int of_pipe_2)
{
	report_result(report_to, &(struct result){ .ret = ret, .err = of_pipe_2 });
}

static void take_step(int report_to, const struct life *life, struct scene *scenes,
		      int (*step)(struct scene *scene))
{
	bool alone = life->holder->alone & 1 << life->kind;
	int ret = step(&scenes[0]);

	report_both(report_to, ret, alone ? ret : step(&scenes[1]));
}

/* SIGUSR2, which is blocked, so that none is lost. */
static sigset_t the_order(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return set;
}

static void await_order(void)
{
	sigset_t set = the_order();
	int sig;

	sigwait(&set, &sig);
}

/* What others must be let in for: to look into /proc/self. */
static void be_ordinary(void)
{
	become(&stranger);
	prctl(PR_SET_DUMPABLE, 1);
}

static void live(int report_to, const void *arg)
{
	const struct life *life = arg;
	bool first = life->order == RELEASED_FIRST;
	sigset_t set = the_order();
	struct scene *scenes = mmap(NULL, 2 * sizeof(*scenes), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	sigprocmask(SIG_BLOCK, &set, NULL);
	if (!life->holder->privileged)
		be_ordinary();
	scenes[0].kind = life->kind;
	scenes[1].kind = PIPE_2;
	for (int i = 0; i < 2; i++)
		if (open_ends(&scenes[i]) < 0)
			_exit(KSFT_FAIL);
	take_step(report_to, life, scenes, life->holder->hold);
	await_order();
	take_step(report_to, life, scenes, first ? life->holder->release : close_ends);
	await_order();
	take_step(report_to, life, scenes, first ? close_ends : life->holder->release);
}

static void order_a_step(const struct child *child)
{
	kill(child->pid, SIGUSR2);
}

/* What the test must not do itself, for it might hang */

/* Some holders end a little later than the call that ends them. */
static int unload_soon(void)
{
	int ret = unload();

	for (int ms = 0; ms < PATIENCE_MS / 2 && ret && errno == EWOULDBLOCK; ms++) {
		a_moment();
		ret = unload();
	}
	return ret;
}

static bool is_loaded(void)
{
	return open_files() >= 0;
}

static int load_for_all(void)
{
	int ret = load("");

	return node_becomes(true) ? ret | chmod(MINI_PIPE, 0666) : -1;
}

static int pass_a_byte(void)
{
	struct scene scene = { .kind = PRIVATE };

	if (open_ends(&scene) < 0 || put_a_byte(&scene) < 0)
		return -1;
	return read_from(scene.ends.r);
}

static void rmmod(int report_to, const void *arg __maybe_unused)
{
	report(report_to, unload());
}

static void rmmod_soon(int report_to, const void *arg __maybe_unused)
{
	report(report_to, unload_soon());
}

static void sync_and_load_anew(int report_to, const void *arg __maybe_unused)
{
	sync();
	report(report_to, 0);
	report(report_to, is_loaded() ? unload_soon() : 0);
	report(report_to, load_for_all());
	be_ordinary();
	report(report_to, pass_a_byte());
}

/* The next result of a child, which is at that. */
static struct result result_at(struct __test_metadata *_metadata, const struct child *child,
			       const char *what)
{
	ASSERT_TRUE(has_reported_within(child, PATIENCE_MS))
	{
		TH_LOG("%s does not return", what);
	}
	return result_of(_metadata, child);
}

static struct result rmmod_aside(struct __test_metadata *_metadata, job_fn job)
{
	struct child child = start_child(_metadata, job, NULL);
	struct result result = result_at(_metadata, &child, "rmmod");

	dismiss(_metadata, &child);
	return result;
}

static void expect_kept(struct __test_metadata *_metadata)
{
	struct result result = rmmod_aside(_metadata, rmmod);

	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EWOULDBLOCK, result.err);
}

static void expect_unloaded(struct __test_metadata *_metadata)
{
	struct result result = rmmod_aside(_metadata, rmmod_soon);

	ASSERT_EQ(0, result.ret)
	{
		TH_LOG("rmmod: %s", strerror(result.err));
	}
}

/* Nothing is left, and what is loaded afterwards works. */
static void expect_gone(struct __test_metadata *_metadata)
{
	struct child child = start_child(_metadata, sync_and_load_anew, NULL);
	struct result result;

	EXPECT_EQ(0, result_at(_metadata, &child, "sync(2)").ret);
	result = result_at(_metadata, &child, "rmmod");
	EXPECT_EQ(0, result.ret)
	{
		TH_LOG("rmmod: %s", strerror(result.err));
	}
	EXPECT_EQ(0, result_at(_metadata, &child, "insmod").ret);
	EXPECT_EQ(1, result_at(_metadata, &child, "a new pipe").ret);
	dismiss(_metadata, &child);
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
	ASSERT_EQ(0, is_loaded() ? chmod(MINI_PIPE, 0666) : load_for_all());
}

/* What hangs keeps the stage from being cleared, so that comes last. */
FIXTURE_TEARDOWN(holder)
{
	write_file(CORE_PATTERN, self->core_pattern);
	write_file(KUNIT_FILTER, "*");
	if (!is_loaded())
		load_for_all();
	chmod(MINI_PIPE, 0600);
	clear_the_stage(_metadata);
}

static bool is_held(struct __test_metadata *_metadata, const struct life *life,
		    const struct child *child)
{
	struct result result = result_of(_metadata, child);

	EXPECT_EQ(result.err, result.ret);
	if (result.ret < 0 && !is_refused(life))
		SKIP(return false, "cannot be held here: %s", strerror(-result.ret));
	EXPECT_EQ(is_refused(life), result.ret < 0);
	expect_kept(_metadata);
	return true;
}

static void expect_same(struct __test_metadata *_metadata, const struct child *child)
{
	struct result result;

	order_a_step(child);
	result = result_of(_metadata, child);
	EXPECT_EQ(result.err, result.ret);
}

static void outlive_the_module(struct __test_metadata *_metadata, const struct life *life,
			       const struct child *child)
{
	expect_unloaded(_metadata);
	order_a_step(child);
	EXPECT_EQ(life->holder->orphaned[life->kind], result_of(_metadata, child).ret);
}

static void play(struct __test_metadata *_metadata, const struct life *life)
{
	struct ends another = { -1, -1 };
	struct child child;

	if (life->holder->beside_another && life->order != AFTER_THE_MODULE)
		another = private_pipe(_metadata, 0, 0);
	child = start_child(_metadata, live, life);
	if (!is_held(_metadata, life, &child))
		return;
	expect_same(_metadata, &child);
	switch (life->order) {
	case RELEASED_FIRST:
		expect_kept(_metadata);
		expect_same(_metadata, &child);
		break;
	case RELEASED_LAST:
		if (keeps_module(life))
			expect_kept(_metadata);
		expect_same(_metadata, &child);
		break;
	case AT_EXIT:
		break;
	case AFTER_THE_MODULE:
		outlive_the_module(_metadata, life, &child);
		break;
	}
	/* Else everything is gone before its process is. */
	if (life->order == AT_EXIT)
		dismiss(_metadata, &child);
	close(another.r);
	close(another.w);
	expect_gone(_metadata);
	if (life->order != AT_EXIT)
		dismiss(_metadata, &child);
}

static void play_in_order(struct __test_metadata *_metadata,
			  const struct _fixture_variant_holder *holder, enum kind kind,
			  enum order order)
{
	struct life life = { .holder = holder, .kind = kind, .order = order };

	play(_metadata, &life);
	/* What does not keep the module may have to do without. */
	if (order == RELEASED_LAST && !keeps_module(&life)) {
		life.order = AFTER_THE_MODULE;
		play(_metadata, &life);
	}
}

/* In a broken driver, much of it waits in vain for as long as that. */
#define LONG 60

TEST_F_TIMEOUT(holder, of_the_device_is_released_first, LONG)
{
	play_in_order(_metadata, variant, DEVICE, RELEASED_FIRST);
}

TEST_F_TIMEOUT(holder, of_the_device_is_released_last, LONG)
{
	play_in_order(_metadata, variant, DEVICE, RELEASED_LAST);
}

TEST_F_TIMEOUT(holder, of_the_device_ends_with_its_process, LONG)
{
	play_in_order(_metadata, variant, DEVICE, AT_EXIT);
}

TEST_F_TIMEOUT(holder, of_a_private_pipe_is_released_first, LONG)
{
	play_in_order(_metadata, variant, PRIVATE, RELEASED_FIRST);
}

TEST_F_TIMEOUT(holder, of_a_private_pipe_is_released_last, LONG)
{
	play_in_order(_metadata, variant, PRIVATE, RELEASED_LAST);
}

TEST_F_TIMEOUT(holder, of_a_private_pipe_ends_with_its_process, LONG)
{
	play_in_order(_metadata, variant, PRIVATE, AT_EXIT);
}

TEST_HARNESS_MAIN
