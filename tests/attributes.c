// SPDX-License-Identifier: GPL-2.0
/*
 * What others read and change of a private pipe's inode, and of its file, is what they read and
 * change of a pipe(2)'s: each question is asked of both, and the answers are compared.
 */
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>
#include "variants.h"
#include "credentials.h"

static const enum kind kinds[] = { PRIVATE, PIPE_2 };

FIXTURE(both)
{
	struct ends ends[ARRAY_SIZE(kinds)];
};

FIXTURE_SETUP(both)
{
	set_the_stage(_metadata);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		make_pipe(_metadata, kinds[i], O_NONBLOCK, &self->ends[i].r, &self->ends[i].w);
}

FIXTURE_TEARDOWN(both)
{
	clear_the_stage(_metadata);
}

/* Something that one can ask of an inode or its file system. */
struct fact {
	const char *name;
	long value;
};

#define MOST_FACTS 16

/* They return how many facts there are. */
typedef int (*facts_fn)(int fd, struct fact *facts);

static int facts_of_stat(int fd, struct fact *facts)
{
	struct stat stat;

	if (fstat(fd, &stat))
		return 0;
	facts[0] = (struct fact){ "st_mode", stat.st_mode };
	facts[1] = (struct fact){ "st_nlink", stat.st_nlink };
	facts[2] = (struct fact){ "st_uid", stat.st_uid };
	facts[3] = (struct fact){ "st_gid", stat.st_gid };
	facts[4] = (struct fact){ "st_size", stat.st_size };
	facts[5] = (struct fact){ "st_blksize", stat.st_blksize };
	facts[6] = (struct fact){ "st_blocks", stat.st_blocks };
	facts[7] = (struct fact){ "st_rdev", stat.st_rdev };
	return 8;
}

/* Not f_fsid, which is the number of the file system, if it is any. */
static int facts_of_statfs(int fd, struct fact *facts)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return 0;
	facts[0] = (struct fact){ "f_type", fs.f_type };
	facts[1] = (struct fact){ "f_bsize", fs.f_bsize };
	facts[2] = (struct fact){ "f_frsize", fs.f_frsize };
	facts[3] = (struct fact){ "f_blocks", fs.f_blocks };
	facts[4] = (struct fact){ "f_bfree", fs.f_bfree };
	facts[5] = (struct fact){ "f_bavail", fs.f_bavail };
	facts[6] = (struct fact){ "f_files", fs.f_files };
	facts[7] = (struct fact){ "f_ffree", fs.f_ffree };
	facts[8] = (struct fact){ "f_namelen", fs.f_namelen };
	facts[9] = (struct fact){ "f_flags", fs.f_flags };
	return 10;
}

static int facts_of_statx(int fd, struct fact *facts)
{
	struct statx status = { .stx_mask = 0 };

	if (statx(fd, "", AT_EMPTY_PATH, 0xffff, &status))
		return 0;
	facts[0] = (struct fact){ "stx_mask", status.stx_mask };
	facts[1] = (struct fact){ "stx_blksize", status.stx_blksize };
	facts[2] = (struct fact){ "stx_attributes", status.stx_attributes };
	facts[3] = (struct fact){ "stx_attributes_mask", status.stx_attributes_mask };
	facts[4] = (struct fact){ "stx_nlink", status.stx_nlink };
	facts[5] = (struct fact){ "stx_uid", status.stx_uid };
	facts[6] = (struct fact){ "stx_gid", status.stx_gid };
	facts[7] = (struct fact){ "stx_mode", status.stx_mode };
	facts[8] = (struct fact){ "stx_size", status.stx_size };
	facts[9] = (struct fact){ "stx_blocks", status.stx_blocks };
	facts[10] = (struct fact){ "stx_btime", status.stx_btime.tv_sec };
	facts[11] = (struct fact){ "stx_rdev_major", status.stx_rdev_major };
	facts[12] = (struct fact){ "stx_rdev_minor", status.stx_rdev_minor };
	return 13;
}

static void expect_same_facts(struct __test_metadata *_metadata, facts_fn facts_of, int fd, int as)
{
	struct fact seen[MOST_FACTS], expected[MOST_FACTS];
	int count = facts_of(as, expected);

	ASSERT_LT(0, count);
	ASSERT_EQ(count, facts_of(fd, seen));
	for (int i = 0; i < count; i++) {
		EXPECT_EQ(expected[i].value, seen[i].value)
		{
			TH_LOG("%s", seen[i].name);
		}
	}
}

TEST_F(both, have_the_same_status)
{
	expect_same_facts(_metadata, facts_of_stat, self->ends[0].r, self->ends[1].r);
	expect_same_facts(_metadata, facts_of_stat, self->ends[0].w, self->ends[1].w);
}

TEST_F(both, are_on_file_systems_of_the_same_type)
{
	struct statfs fs;

	expect_same_facts(_metadata, facts_of_statfs, self->ends[0].r, self->ends[1].r);
	expect_same_facts(_metadata, facts_of_statfs, self->ends[0].w, self->ends[1].w);
	ASSERT_EQ(0, fstatfs(self->ends[0].r, &fs));
	EXPECT_EQ(PIPEFS_MAGIC, fs.f_type);
}

TEST_F(both, tell_statx_the_same)
{
	expect_same_facts(_metadata, facts_of_statx, self->ends[0].r, self->ends[1].r);
	expect_same_facts(_metadata, facts_of_statx, self->ends[0].w, self->ends[1].w);
}

/* F_GETFL and F_GETFD of each end. */
TEST_F(both, have_the_same_flags)
{
	for (int cmd = 0; cmd < 2; cmd++) {
		int get = cmd ? F_GETFD : F_GETFL;

		EXPECT_EQ(fcntl(self->ends[1].r, get), fcntl(self->ends[0].r, get));
		EXPECT_EQ(fcntl(self->ends[1].w, get), fcntl(self->ends[0].w, get));
	}
}

/* Calls that are for other files, or for any. Not open with O_DIRECT: DIFF.md has that. */

typedef long (*call_fn)(int fd);

static long change_mode(int fd)
{
	return fchmod(fd, 0644);
}

static long change_mode_by_path(int fd)
{
	char path[32];

	sprintf(path, "/proc/self/fd/%d", fd);
	return chmod(path, 0611);
}

static long change_owner(int fd)
{
	return fchown(fd, STRANGER, GROUP);
}

static long change_owner_to_none(int fd)
{
	return fchown(fd, -1, -1);
}

static long set_times_to_now(int fd)
{
	return futimens(fd, NULL);
}

static long set_times(int fd)
{
	struct timespec times[] = { { 1000, 1 }, { 2000, 2 } };

	return futimens(fd, times);
}

static long synchronise(int fd)
{
	return fsync(fd);
}

static long synchronise_data(int fd)
{
	return fdatasync(fd);
}

static long synchronise_file_system(int fd)
{
	return syncfs(fd);
}

static long cut(int fd)
{
	return ftruncate(fd, 0);
}

static long cut_by_path(int fd)
{
	char path[32];

	sprintf(path, "/proc/self/fd/%d", fd);
	return truncate(path, 0);
}

static long open_and_cut(int fd)
{
	return open_again(fd, O_TRUNC | O_WRONLY | O_NONBLOCK) < 0 ? -1 : 0;
}

static long open_as_a_directory(int fd)
{
	return open_again(fd, O_DIRECTORY | O_RDONLY | O_NONBLOCK);
}

static long get_xattr(int fd)
{
	char value[8];

	return fgetxattr(fd, "user.x", value, sizeof(value));
}

static long set_xattr(int fd)
{
	return fsetxattr(fd, "user.x", "1", 1, 0);
}

static long set_trusted_xattr(int fd)
{
	return fsetxattr(fd, "trusted.x", "1", 1, 0);
}

static long remove_xattr(int fd)
{
	return fremovexattr(fd, "user.x");
}

static long list_xattrs(int fd)
{
	return flistxattr(fd, NULL, 0);
}

static long set_lease(int fd)
{
	return fcntl(fd, F_SETLEASE, F_RDLCK);
}

static long get_lease(int fd)
{
	return fcntl(fd, F_GETLEASE);
}

static long notify_directory(int fd)
{
	return fcntl(fd, F_NOTIFY, DN_MODIFY);
}

static long add_seals(int fd)
{
	return fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL);
}

static long get_write_hint(int fd)
{
	unsigned long long hint;

	return fcntl(fd, F_GET_RW_HINT, &hint);
}

static long lock_record(int fd)
{
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_SETLK, &lock);
}

static long lock_whole(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB);
}

static long change_directory(int fd)
{
	return fchdir(fd);
}

static long link_it(int fd)
{
	return linkat(fd, "", AT_FDCWD, "/tmp/linked", AT_EMPTY_PATH);
}

static long block_size(int fd)
{
	int size;

	return ioctl(fd, FIGETBSZ, &size) < 0 ? -1 : size;
}

static long async_off(int fd)
{
	return ioctl(fd, FIOASYNC, &(int){ 0 });
}

static long file_size(int fd)
{
	long size;

	return ioctl(fd, FIOQSIZE, &size);
}

static long terminal(int fd)
{
	struct termios termios;

	return ioctl(fd, TCGETS, &termios);
}

static long inode_flags(int fd)
{
	int flags;

	return ioctl(fd, FS_IOC_GETFLAGS, &flags);
}

static long file_system_uuid(int fd)
{
	struct fsuuid2 uuid;

	return ioctl(fd, FS_IOC_GETFSUUID, &uuid);
}

static long freeze(int fd)
{
	return ioctl(fd, FIFREEZE, 0);
}

static long handle_of(int fd)
{
	struct {
		struct file_handle handle;
		unsigned char bytes[MAX_HANDLE_SZ];
	} handle = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int mount;

	return name_to_handle_at(fd, "", &handle.handle, &mount, AT_EMPTY_PATH);
}

static long file_system_in_use(int fd)
{
	char path[32];
	struct statfs fs;

	sprintf(path, "/proc/self/fd/%d", fd);
	return statfs(path, &fs) ? -1 : fs.f_type;
}

/* What is left of the calls before this one. */
static long mode(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) ? -1 : (long)stat.st_mode;
}

static long owner(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) ? -1 : (long)stat.st_uid << 32 | stat.st_gid;
}

static long times(int fd)
{
	struct stat stat;

	return fstat(fd, &stat) ? -1 : stat.st_atime * 100000 + stat.st_mtime;
}

struct call {
	const char *name;
	call_fn call;
};

#define CALL(name) { #name, name }

static const struct call calls[] = {
	CALL(change_mode), CALL(mode), CALL(change_mode_by_path), CALL(mode), CALL(change_owner),
	CALL(owner), CALL(change_owner_to_none), CALL(owner), CALL(set_times_to_now),
	CALL(set_times), CALL(times), CALL(synchronise), CALL(synchronise_data),
	CALL(synchronise_file_system), CALL(cut), CALL(cut_by_path), CALL(open_and_cut),
	CALL(open_as_a_directory), CALL(get_xattr), CALL(set_xattr),
	CALL(set_trusted_xattr), CALL(remove_xattr), CALL(list_xattrs), CALL(set_lease),
	CALL(get_lease), CALL(notify_directory), CALL(add_seals), CALL(get_write_hint),
	CALL(lock_record), CALL(lock_whole), CALL(change_directory), CALL(link_it),
	CALL(block_size), CALL(async_off), CALL(file_size), CALL(terminal), CALL(inode_flags),
	CALL(file_system_uuid), CALL(freeze), CALL(handle_of), CALL(file_system_in_use),
};

/* Returns what each call gets, errors as negative numbers. */
static void call_all(int fd, long *results)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		long ret = calls[i].call(fd);

		results[i] = ret == -1 ? -errno : ret;
	}
}

static void expect_same_results(struct __test_metadata *_metadata, int fd, int as)
{
	long seen[ARRAY_SIZE(calls)], expected[ARRAY_SIZE(calls)];

	call_all(fd, seen);
	call_all(as, expected);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		EXPECT_EQ(expected[i], seen[i])
		{
			TH_LOG("%s", calls[i].name);
		}
	}
}

TEST_F(both, get_the_same_from_calls_on_the_reading_end)
{
	expect_same_results(_metadata, self->ends[0].r, self->ends[1].r);
}

TEST_F(both, get_the_same_from_calls_on_the_writing_end)
{
	expect_same_results(_metadata, self->ends[0].w, self->ends[1].w);
}

/* An ordinary user makes both, and may do less; root's it may not change at all. */

struct user {
	struct ends ends[ARRAY_SIZE(kinds)];	/* root's */
	int device;
};

/* As become(), with another group for the files it makes. */
static void become_with_fsgid(gid_t fsgid)
{
	if (setgroups(1, &stranger.supplementary) ||
	    setresgid(stranger.gid, stranger.gid, stranger.gid))
		_exit(KSFT_FAIL);
	setfsgid(fsgid);
	if (setresuid(STRANGER, STRANGER, STRANGER))
		_exit(KSFT_FAIL);
	/* Forgotten with the old identity. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void call_as_a_user(int report_to, const void *arg)
{
	const struct user *user = arg;
	long results[4][ARRAY_SIZE(calls)];
	struct stat seen, expected;
	struct ends ends;
	int fds[2];

	become_with_fsgid(GROUP);
	if (make_pair(user->device, &ends, O_NONBLOCK, 0) || pipe2(fds, O_NONBLOCK))
		_exit(KSFT_FAIL);
	fstat(ends.r, &seen);
	fstat(fds[0], &expected);
	report(report_to, seen.st_uid);
	report(report_to, expected.st_uid);
	report(report_to, seen.st_gid);
	report(report_to, expected.st_gid);
	report(report_to, seen.st_mode);
	report(report_to, expected.st_mode);
	call_all(ends.r, results[0]);
	call_all(fds[0], results[1]);
	call_all(user->ends[0].w, results[2]);
	call_all(user->ends[1].w, results[3]);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		for (int j = 0; j < 4; j++)
			report_result(report_to, &(struct result){ .ret = results[j][i] });
}

TEST_F(both, get_the_same_from_calls_of_an_ordinary_user)
{
	struct user user = { .device = open_neither(_metadata) };
	struct child child;

	if (geteuid())
		SKIP(return, "needs root");
	memcpy(user.ends, self->ends, sizeof(user.ends));
	child = start_heir(_metadata, call_as_a_user, &user);
	for (size_t i = 0; i < 3 + 2 * ARRAY_SIZE(calls); i++) {
		long seen = result_of(_metadata, &child).ret;

		if (i < 3) {
			EXPECT_EQ(result_of(_metadata, &child).ret, seen);
			continue;
		}
		EXPECT_EQ(result_of(_metadata, &child).ret, seen)
		{
			TH_LOG("%s of %s pipe", calls[(i - 3) / 2].name,
			       (i - 3) % 2 ? "root's" : "its own");
		}
	}
}

/* Times: which of them have moved since they were last asked for */

enum {
	ACCESSED = 1,
	MODIFIED = 2,
	CHANGED = 4,
};

static bool is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

static int moved(const struct stat *before, const struct stat *after)
{
	return (is_later(&after->st_atim, &before->st_atim) ? ACCESSED : 0) |
	       (is_later(&after->st_mtim, &before->st_mtim) ? MODIFIED : 0) |
	       (is_later(&after->st_ctim, &before->st_ctim) ? CHANGED : 0);
}

/* The clock that inodes take their times from moves a few hundred times a second. */
static void let_the_clock_move(void)
{
	struct timespec start, now;

	clock_gettime(CLOCK_REALTIME_COARSE, &start);
	do {
		a_moment();
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	} while (!is_later(&now, &start));
}

typedef void (*step_fn)(struct ends *ends, enum kind kind);

static ssize_t not_checked;

static void write_a_byte(struct ends *ends, enum kind kind __maybe_unused)
{
	not_checked = write(ends->w, "x", 1);
}

static void read_a_byte(struct ends *ends, enum kind kind __maybe_unused)
{
	char byte;

	not_checked = read(ends->r, &byte, 1);
}

static void read_0_bytes(struct ends *ends, enum kind kind __maybe_unused)
{
	char byte;

	not_checked = read(ends->r, &byte, 0);
}

static void write_0_bytes(struct ends *ends, enum kind kind __maybe_unused)
{
	not_checked = write(ends->w, "x", 0);
}

static void write_three_pages(struct ends *ends, enum kind kind __maybe_unused)
{
	not_checked = write(ends->w, big_buffer(), 3 * PIPE_BUF);
}

static void read_three_pages(struct ends *ends, enum kind kind __maybe_unused)
{
	not_checked = read(ends->r, big_buffer(), 3 * PIPE_BUF);
}

static void write_bad_memory(struct ends *ends, enum kind kind __maybe_unused)
{
	not_checked = write(ends->w, (void *)-1UL, 1);
}

static void read_to_bad_memory(struct ends *ends, enum kind kind __maybe_unused)
{
	not_checked = read(ends->r, (void *)-1UL, 1);
}

static void fill(struct ends *ends, enum kind kind __maybe_unused)
{
	while (write(ends->w, big_buffer(), PIECE) > 0)
		;
}

static void drain(struct ends *ends, enum kind kind __maybe_unused)
{
	while (read(ends->r, big_buffer(), BIG) > 0)
		;
}

static void ask(struct ends *ends, enum kind kind)
{
	bytes_in(ends->r);
	capacity_of_kind(ends->r, kind);
	poll_now(ends->r, POLLIN);
	poll_now(ends->w, POLLOUT);
}

static void grow(struct ends *ends, enum kind kind)
{
	resize(ends->r, kind, 131072);
}

static void open_and_close(struct ends *ends, enum kind kind __maybe_unused)
{
	close(open_again(ends->r, O_RDWR | O_NONBLOCK));
}

static void change_the_mode(struct ends *ends, enum kind kind __maybe_unused)
{
	fchmod(ends->w, 0640);
}

static void move_through_a_new_file(struct ends *ends, enum kind kind __maybe_unused)
{
	int both = open_again(ends->r, O_RDWR | O_NONBLOCK);
	char byte;

	not_checked = write(both, "x", 1);
	not_checked = read(both, &byte, 1);
	close(both);
}

static void read_without_atime(struct ends *ends, enum kind kind __maybe_unused)
{
	int reader = open_again(ends->r, O_RDONLY | O_NONBLOCK | O_NOATIME);
	char byte;

	not_checked = read(reader, &byte, 1);
	close(reader);
}

static void close_the_writer(struct ends *ends, enum kind kind __maybe_unused)
{
	close(ends->w);
}

struct step {
	const char *name;
	step_fn step;
};

#define STEP(name) { #name, name }

static const struct step steps[] = {
	STEP(read_a_byte), STEP(write_0_bytes), STEP(write_a_byte), STEP(read_0_bytes),
	STEP(write_a_byte), STEP(ask), STEP(read_a_byte), STEP(read_without_atime),
	STEP(read_a_byte), STEP(write_three_pages), STEP(write_bad_memory),
	STEP(read_to_bad_memory), STEP(grow), STEP(read_three_pages), STEP(open_and_close),
	STEP(move_through_a_new_file), STEP(change_the_mode), STEP(fill), STEP(write_a_byte),
	STEP(drain), STEP(write_a_byte), STEP(close_the_writer), STEP(read_a_byte),
	STEP(read_a_byte),
};

static int moved_by(struct __test_metadata *_metadata, const struct step *step, struct ends *ends,
		    enum kind kind)
{
	struct stat before, after;

	ASSERT_EQ(0, fstat(ends->r, &before));
	let_the_clock_move();
	step->step(ends, kind);
	ASSERT_EQ(0, fstat(ends->r, &after));
	return moved(&before, &after);
}

TEST_F(both, have_times_that_move_with_the_same_calls)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int seen = moved_by(_metadata, &steps[i], &self->ends[0], kinds[0]);
		int expected = moved_by(_metadata, &steps[i], &self->ends[1], kinds[1]);

		EXPECT_EQ(expected, seen)
		{
			TH_LOG("step %zu, %s", i, steps[i].name);
		}
	}
}

/* What that is for the calls that matter: a pipe without a name, unlike a FIFO, keeps no times. */
TEST_F(both, keep_their_times_while_they_are_written_and_read)
{
	static const struct step write = STEP(write_a_byte), read = STEP(read_a_byte);
	static const struct step change = STEP(change_the_mode);

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		EXPECT_EQ(0, moved_by(_metadata, &write, &self->ends[i], kinds[i]));
		EXPECT_EQ(0, moved_by(_metadata, &read, &self->ends[i], kinds[i]));
		EXPECT_EQ(CHANGED, moved_by(_metadata, &change, &self->ends[i], kinds[i]));
	}
}

TEST_F(both, begin_with_all_times_alike)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct stat stat;

		ASSERT_EQ(0, fstat(self->ends[i].w, &stat));
		EXPECT_FALSE(is_later(&stat.st_mtim, &stat.st_atim));
		EXPECT_FALSE(is_later(&stat.st_atim, &stat.st_ctim));
		EXPECT_FALSE(is_later(&stat.st_ctim, &stat.st_mtim));
		EXPECT_LT(0, stat.st_mtim.tv_sec);
	}
}

TEST_HARNESS_MAIN
