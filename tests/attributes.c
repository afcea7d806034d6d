// SPDX-License-Identifier: GPL-2.0
/*
 * The inode and the file of a private pipe look and behave as those of a pipe(2): each call is made
 * on both, and the results are compared.
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

FIXTURE(private_pipe)
{
	struct ends ends[ARRAY_SIZE(kinds)];
};

FIXTURE_SETUP(private_pipe)
{
	set_up_pipe(_metadata);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		make_pipe(_metadata, kinds[i], O_NONBLOCK, &self->ends[i].r, &self->ends[i].w);
}

FIXTURE_TEARDOWN(private_pipe)
{
	kill_children(_metadata);
}

/* A field of struct stat, statfs or statx. */
struct field {
	const char *name;
	long value;
};

#define MAX_FIELDS 16

/* Returns how many fields there are. */
typedef int (*fields_fn)(int fd, struct field *fields);

static int stat_fields(int fd, struct field *fields)
{
	struct stat stat;

	if (fstat(fd, &stat))
		return 0;
	fields[0] = (struct field){ "st_mode", stat.st_mode };
	fields[1] = (struct field){ "st_nlink", stat.st_nlink };
	fields[2] = (struct field){ "st_uid", stat.st_uid };
	fields[3] = (struct field){ "st_gid", stat.st_gid };
	fields[4] = (struct field){ "st_size", stat.st_size };
	fields[5] = (struct field){ "st_blksize", stat.st_blksize };
	fields[6] = (struct field){ "st_blocks", stat.st_blocks };
	fields[7] = (struct field){ "st_rdev", stat.st_rdev };
	return 8;
}

/* Without f_fsid, which identifies a file system. */
static int statfs_fields(int fd, struct field *fields)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return 0;
	fields[0] = (struct field){ "f_type", fs.f_type };
	fields[1] = (struct field){ "f_bsize", fs.f_bsize };
	fields[2] = (struct field){ "f_frsize", fs.f_frsize };
	fields[3] = (struct field){ "f_blocks", fs.f_blocks };
	fields[4] = (struct field){ "f_bfree", fs.f_bfree };
	fields[5] = (struct field){ "f_bavail", fs.f_bavail };
	fields[6] = (struct field){ "f_files", fs.f_files };
	fields[7] = (struct field){ "f_ffree", fs.f_ffree };
	fields[8] = (struct field){ "f_namelen", fs.f_namelen };
	fields[9] = (struct field){ "f_flags", fs.f_flags };
	return 10;
}

static int statx_fields(int fd, struct field *fields)
{
	struct statx status = { .stx_mask = 0 };

	if (statx(fd, "", AT_EMPTY_PATH, 0xffff, &status))
		return 0;
	fields[0] = (struct field){ "stx_mask", status.stx_mask };
	fields[1] = (struct field){ "stx_blksize", status.stx_blksize };
	fields[2] = (struct field){ "stx_attributes", status.stx_attributes };
	fields[3] = (struct field){ "stx_attributes_mask", status.stx_attributes_mask };
	fields[4] = (struct field){ "stx_nlink", status.stx_nlink };
	fields[5] = (struct field){ "stx_uid", status.stx_uid };
	fields[6] = (struct field){ "stx_gid", status.stx_gid };
	fields[7] = (struct field){ "stx_mode", status.stx_mode };
	fields[8] = (struct field){ "stx_size", status.stx_size };
	fields[9] = (struct field){ "stx_blocks", status.stx_blocks };
	fields[10] = (struct field){ "stx_btime", status.stx_btime.tv_sec };
	fields[11] = (struct field){ "stx_rdev_major", status.stx_rdev_major };
	fields[12] = (struct field){ "stx_rdev_minor", status.stx_rdev_minor };
	return 13;
}

static void expect_same_fields(struct __test_metadata *_metadata, fields_fn fields_of, int fd,
			       int pipe_2)
{
	struct field seen[MAX_FIELDS], expected[MAX_FIELDS];
	int count = fields_of(pipe_2, expected);

	ASSERT_LT(0, count);
	ASSERT_EQ(count, fields_of(fd, seen));
	for (int i = 0; i < count; i++) {
		EXPECT_EQ(expected[i].value, seen[i].value)
		{
			TH_LOG("%s", seen[i].name);
		}
	}
}

TEST_F(private_pipe, has_same_stat_as_pipe_2)
{
	expect_same_fields(_metadata, stat_fields, self->ends[0].r, self->ends[1].r);
	expect_same_fields(_metadata, stat_fields, self->ends[0].w, self->ends[1].w);
}

TEST_F(private_pipe, has_same_statfs_as_pipe_2)
{
	struct statfs fs;

	expect_same_fields(_metadata, statfs_fields, self->ends[0].r, self->ends[1].r);
	expect_same_fields(_metadata, statfs_fields, self->ends[0].w, self->ends[1].w);
	ASSERT_EQ(0, fstatfs(self->ends[0].r, &fs));
	EXPECT_EQ(PIPEFS_MAGIC, fs.f_type);
}

TEST_F(private_pipe, has_same_statx_as_pipe_2)
{
	expect_same_fields(_metadata, statx_fields, self->ends[0].r, self->ends[1].r);
	expect_same_fields(_metadata, statx_fields, self->ends[0].w, self->ends[1].w);
}

/* Compares F_GETFL and F_GETFD. */
TEST_F(private_pipe, has_same_flags_as_pipe_2)
{
	for (int cmd = 0; cmd < 2; cmd++) {
		int get = cmd ? F_GETFD : F_GETFL;

		EXPECT_EQ(fcntl(self->ends[1].r, get), fcntl(self->ends[0].r, get));
		EXPECT_EQ(fcntl(self->ends[1].w, get), fcntl(self->ends[0].w, get));
	}
}

/*
 * Calls for any file, and calls not for pipes. open(2) with O_DIRECT is left out: it differs, and
 * DIFF.md says why.
 */

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
	return fchown(fd, UNPRIVILEGED_ID, MEMBER_GID);
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

static long truncate_file(int fd)
{
	return ftruncate(fd, 0);
}

static long truncate_by_path(int fd)
{
	char path[32];

	sprintf(path, "/proc/self/fd/%d", fd);
	return truncate(path, 0);
}

static long open_with_o_trunc(int fd)
{
	return open_again(fd, O_TRUNC | O_WRONLY | O_NONBLOCK) < 0 ? -1 : 0;
}

static long open_as_directory(int fd)
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

static long lock_file(int fd)
{
	return flock(fd, LOCK_EX | LOCK_NB);
}

static long change_directory(int fd)
{
	return fchdir(fd);
}

static long link_file(int fd)
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

static long get_termios(int fd)
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

static long get_file_handle(int fd)
{
	struct {
		struct file_handle handle;
		unsigned char bytes[MAX_HANDLE_SZ];
	} handle = { .handle.handle_bytes = MAX_HANDLE_SZ };
	int mount;

	return name_to_handle_at(fd, "", &handle.handle, &mount, AT_EMPTY_PATH);
}

static long file_system_type(int fd)
{
	char path[32];
	struct statfs fs;

	sprintf(path, "/proc/self/fd/%d", fd);
	return statfs(path, &fs) ? -1 : fs.f_type;
}

/* In calls[], each shows what the last call changed. */
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
	CALL(synchronise_file_system), CALL(truncate_file), CALL(truncate_by_path),
	CALL(open_with_o_trunc), CALL(open_as_directory), CALL(get_xattr), CALL(set_xattr),
	CALL(set_trusted_xattr), CALL(remove_xattr), CALL(list_xattrs), CALL(set_lease),
	CALL(get_lease), CALL(notify_directory), CALL(add_seals), CALL(get_write_hint),
	CALL(lock_record), CALL(lock_file), CALL(change_directory), CALL(link_file),
	CALL(block_size), CALL(async_off), CALL(file_size), CALL(get_termios), CALL(inode_flags),
	CALL(file_system_uuid), CALL(freeze), CALL(get_file_handle), CALL(file_system_type),
};

/* Stores what each call returns, errors as -errno. */
static void call_all(int fd, long *results)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		long ret = calls[i].call(fd);

		results[i] = ret == -1 ? -errno : ret;
	}
}

static void expect_same_results(struct __test_metadata *_metadata, int fd, int pipe_2)
{
	long seen[ARRAY_SIZE(calls)], expected[ARRAY_SIZE(calls)];

	call_all(fd, seen);
	call_all(pipe_2, expected);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		EXPECT_EQ(expected[i], seen[i])
		{
			TH_LOG("%s", calls[i].name);
		}
	}
}

TEST_F(private_pipe, calls_on_reading_end_return_same_as_on_pipe_2)
{
	expect_same_results(_metadata, self->ends[0].r, self->ends[1].r);
}

TEST_F(private_pipe, calls_on_writing_end_return_same_as_on_pipe_2)
{
	expect_same_results(_metadata, self->ends[0].w, self->ends[1].w);
}

/*
 * The same calls by an unprivileged user: on its own pipes, and on root's, which only root may
 * change.
 */

struct user {
	struct ends ends[ARRAY_SIZE(kinds)];	/* root's */
	int device;
};

/* As switch_to(), but new files get the group `fsgid`. */
static void become_with_fsgid(gid_t fsgid)
{
	if (setgroups(1, &unprivileged_user.supplementary) ||
	    setresgid(unprivileged_user.gid, unprivileged_user.gid, unprivileged_user.gid))
		_exit(KSFT_FAIL);
	setfsgid(fsgid);
	if (setresuid(UNPRIVILEGED_ID, UNPRIVILEGED_ID, UNPRIVILEGED_ID))
		_exit(KSFT_FAIL);
	/* New credentials clear this signal. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void call_as_user(int report_to, const void *arg)
{
	const struct user *user = arg;
	long results[4][ARRAY_SIZE(calls)];
	struct stat seen, expected;
	struct ends ends;
	int fds[2];

	become_with_fsgid(MEMBER_GID);
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

TEST_F(private_pipe, calls_of_unprivileged_user_return_same_as_on_pipe_2)
{
	struct user user = { .device = open_for_ioctl(_metadata) };
	struct child child;

	if (geteuid())
		SKIP(return, "needs root");
	memcpy(user.ends, self->ends, sizeof(user.ends));
	child = start_forked(_metadata, call_as_user, &user);
	for (size_t i = 0; i < 3 + 2 * ARRAY_SIZE(calls); i++) {
		long seen = result_of(_metadata, &child).ret;

		if (i < 3) {
			EXPECT_EQ(result_of(_metadata, &child).ret, seen);
			continue;
		}
		EXPECT_EQ(result_of(_metadata, &child).ret, seen)
		{
			TH_LOG("%s on %s pipe", calls[(i - 3) / 2].name,
			       (i - 3) % 2 ? "root's" : "its own");
		}
	}
}

/* Timestamps, and which of them a call changes */

enum {
	ACCESSED = 1,
	MODIFIED = 2,
	CHANGED = 4,
};

static bool is_later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

static int changed_times(const struct stat *before, const struct stat *after)
{
	return (is_later(&after->st_atim, &before->st_atim) ? ACCESSED : 0) |
	       (is_later(&after->st_mtim, &before->st_mtim) ? MODIFIED : 0) |
	       (is_later(&after->st_ctim, &before->st_ctim) ? CHANGED : 0);
}

/* Inodes get their timestamps from a clock that ticks a few hundred times a second. */
static void wait_for_clock_tick(void)
{
	struct timespec start, now;

	clock_gettime(CLOCK_REALTIME_COARSE, &start);
	do {
		sleep_1ms();
		clock_gettime(CLOCK_REALTIME_COARSE, &now);
	} while (!is_later(&now, &start));
}

typedef void (*step_fn)(struct ends *ends, enum kind kind);

static ssize_t ignored;

static void write_byte(struct ends *ends, enum kind kind __maybe_unused)
{
	ignored = write(ends->w, "x", 1);
}

static void read_byte(struct ends *ends, enum kind kind __maybe_unused)
{
	char byte;

	ignored = read(ends->r, &byte, 1);
}

static void read_0_bytes(struct ends *ends, enum kind kind __maybe_unused)
{
	char byte;

	ignored = read(ends->r, &byte, 0);
}

static void write_0_bytes(struct ends *ends, enum kind kind __maybe_unused)
{
	ignored = write(ends->w, "x", 0);
}

static void write_three_pages(struct ends *ends, enum kind kind __maybe_unused)
{
	ignored = write(ends->w, big_buffer(), 3 * PIPE_BUF);
}

static void read_three_pages(struct ends *ends, enum kind kind __maybe_unused)
{
	ignored = read(ends->r, big_buffer(), 3 * PIPE_BUF);
}

static void write_from_bad_memory(struct ends *ends, enum kind kind __maybe_unused)
{
	ignored = write(ends->w, (void *)-1UL, 1);
}

static void read_to_bad_memory(struct ends *ends, enum kind kind __maybe_unused)
{
	ignored = read(ends->r, (void *)-1UL, 1);
}

static void fill(struct ends *ends, enum kind kind __maybe_unused)
{
	while (write(ends->w, big_buffer(), ABOVE_PIPE_BUF) > 0)
		;
}

static void drain(struct ends *ends, enum kind kind __maybe_unused)
{
	while (read(ends->r, big_buffer(), BIG) > 0)
		;
}

static void query(struct ends *ends, enum kind kind)
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

static void change_permissions(struct ends *ends, enum kind kind __maybe_unused)
{
	fchmod(ends->w, 0640);
}

static void transfer_through_new_file(struct ends *ends, enum kind kind __maybe_unused)
{
	int both = open_again(ends->r, O_RDWR | O_NONBLOCK);
	char byte;

	ignored = write(both, "x", 1);
	ignored = read(both, &byte, 1);
	close(both);
}

static void read_without_atime(struct ends *ends, enum kind kind __maybe_unused)
{
	int reader = open_again(ends->r, O_RDONLY | O_NONBLOCK | O_NOATIME);
	char byte;

	ignored = read(reader, &byte, 1);
	close(reader);
}

static void close_writer(struct ends *ends, enum kind kind __maybe_unused)
{
	close(ends->w);
}

struct step {
	const char *name;
	step_fn step;
};

#define STEP(name) { #name, name }

static const struct step steps[] = {
	STEP(read_byte), STEP(write_0_bytes), STEP(write_byte), STEP(read_0_bytes),
	STEP(write_byte), STEP(query), STEP(read_byte), STEP(read_without_atime),
	STEP(read_byte), STEP(write_three_pages), STEP(write_from_bad_memory),
	STEP(read_to_bad_memory), STEP(grow), STEP(read_three_pages), STEP(open_and_close),
	STEP(transfer_through_new_file), STEP(change_permissions), STEP(fill), STEP(write_byte),
	STEP(drain), STEP(write_byte), STEP(close_writer), STEP(read_byte),
	STEP(read_byte),
};

static int times_changed_by(struct __test_metadata *_metadata, const struct step *step,
			    struct ends *ends, enum kind kind)
{
	struct stat before, after;

	ASSERT_EQ(0, fstat(ends->r, &before));
	wait_for_clock_tick();
	step->step(ends, kind);
	ASSERT_EQ(0, fstat(ends->r, &after));
	return changed_times(&before, &after);
}

TEST_F(private_pipe, calls_change_same_timestamps_as_on_pipe_2)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int seen = times_changed_by(_metadata, &steps[i], &self->ends[0], kinds[0]);
		int expected = times_changed_by(_metadata, &steps[i], &self->ends[1], kinds[1]);

		EXPECT_EQ(expected, seen)
		{
			TH_LOG("step %zu, %s", i, steps[i].name);
		}
	}
}

/* Reads and writes change the timestamps of a FIFO, not those of an anonymous pipe. */
TEST_F(private_pipe, read_and_write_change_no_timestamps)
{
	static const struct step write = STEP(write_byte), read = STEP(read_byte);
	static const struct step change = STEP(change_permissions);

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		EXPECT_EQ(0, times_changed_by(_metadata, &write, &self->ends[i], kinds[i]));
		EXPECT_EQ(0, times_changed_by(_metadata, &read, &self->ends[i], kinds[i]));
		EXPECT_EQ(CHANGED, times_changed_by(_metadata, &change, &self->ends[i], kinds[i]));
	}
}

TEST_F(private_pipe, new_pipe_has_three_equal_timestamps)
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
