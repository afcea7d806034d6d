// SPDX-License-Identifier: GPL-2.0
/*
 * The library in preload/, beside the real thing: this program runs under it, so that what libc has
 * makes mini_pipes, while a bare system call still makes a pipe(2). Both must look the same.
 */
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include "mini_pipe_test.h"

/* A call, and what it left in errno if it failed. */
struct outcome {
	long ret;
	int err;
};

#define OUTCOME(call) ({			\
	struct outcome outcome = { .ret = (call) };	\
							\
	outcome.err = outcome.ret < 0 ? errno : 0;	\
	outcome;					\
})

#define EXPECT_SAME(theirs, ours) do {			\
	struct outcome _theirs = (theirs), _ours = (ours);	\
								\
	EXPECT_EQ(_theirs.ret, _ours.ret);			\
	EXPECT_EQ(_theirs.err, _ours.err);			\
} while (0)

static int a_file(struct __test_metadata *_metadata)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	ASSERT_LE(0, fd);
	return fd;
}

/* Made with the same flags. */
FIXTURE(pipes)
{
	int ours[2];
	int theirs[2];
};

FIXTURE_VARIANT(pipes)
{
	int flags;
};

FIXTURE_VARIANT_ADD(pipes, plain) { .flags = 0 };
FIXTURE_VARIANT_ADD(pipes, cloexec) { .flags = O_CLOEXEC };
FIXTURE_VARIANT_ADD(pipes, nonblocking) { .flags = O_NONBLOCK };
FIXTURE_VARIANT_ADD(pipes, packets) { .flags = O_DIRECT };

FIXTURE_SETUP(pipes)
{
	ASSERT_EQ(0, syscall(SYS_pipe2, self->theirs, variant->flags));
	ASSERT_EQ(0, variant->flags ? pipe2(self->ours, variant->flags) : pipe(self->ours));
}

FIXTURE_TEARDOWN(pipes)
{
}

TEST_F(pipes, ours_is_a_private_mini_pipe)
{
	char read_end[64], write_end[64];

	name_of(getpid(), self->ours[0], read_end, sizeof(read_end));
	name_of(getpid(), self->ours[1], write_end, sizeof(write_end));
	EXPECT_EQ(0, strncmp(read_end, "mini_pipe:[", 11))
	{
		TH_LOG("it is %s", read_end);
	}
	EXPECT_STREQ(read_end, write_end);
}

TEST_F(pipes, it_has_the_lowest_descriptors)
{
	close(self->ours[0]);
	close(self->ours[1]);
	EXPECT_EQ(self->ours[0], dup(0));
	EXPECT_EQ(self->ours[1], dup(0));
}

TEST_F(pipes, the_flags_are_the_same)
{
	for (int end = 0; end < 2; end++) {
		EXPECT_EQ(fcntl(self->theirs[end], F_GETFD), fcntl(self->ours[end], F_GETFD));
		EXPECT_EQ(fcntl(self->theirs[end], F_GETFL), fcntl(self->ours[end], F_GETFL));
	}
}

TEST_F(pipes, the_type_is_the_same)
{
	struct stat theirs, ours;

	for (int end = 0; end < 2; end++) {
		ASSERT_EQ(0, fstat(self->theirs[end], &theirs));
		ASSERT_EQ(0, fstat(self->ours[end], &ours));
		EXPECT_EQ(theirs.st_mode, ours.st_mode);
		EXPECT_EQ(theirs.st_uid, ours.st_uid);
		EXPECT_EQ(theirs.st_nlink, ours.st_nlink);
		EXPECT_EQ(theirs.st_size, ours.st_size);
	}
}

TEST_F(pipes, the_sizes_are_the_same)
{
	static const unsigned int sizes[] = {
		0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1,
		(1U << 31) + 1, UINT_MAX,
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int end = i % 2;

		EXPECT_SAME(OUTCOME(syscall(SYS_fcntl, self->theirs[end], F_SETPIPE_SZ, sizes[i])),
			    OUTCOME(fcntl(self->ours[end], F_SETPIPE_SZ, sizes[i])));
		EXPECT_EQ(fcntl(self->theirs[!end], F_GETPIPE_SZ),
			  fcntl(self->ours[!end], F_GETPIPE_SZ));
	}
}

TEST_F(pipes, what_is_in_the_pipe_must_fit)
{
	static const char bytes[PIPE_BUF];

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(PIPE_BUF, write(self->ours[1], bytes, PIPE_BUF));
		ASSERT_EQ(PIPE_BUF, write(self->theirs[1], bytes, PIPE_BUF));
	}
	EXPECT_SAME(OUTCOME(fcntl64(self->theirs[0], F_SETPIPE_SZ, 1)),
		    OUTCOME(fcntl64(self->ours[0], F_SETPIPE_SZ, 1)));
	EXPECT_SAME(OUTCOME(fcntl64(self->theirs[0], F_SETPIPE_SZ, PIPE_BUF + 1)),
		    OUTCOME(fcntl64(self->ours[0], F_SETPIPE_SZ, PIPE_BUF + 1)));
}

/* These were not made with the library, or are no pipes at all. */

TEST(another_pipe_keeps_its_sizes)
{
	int fds[2];

	ASSERT_EQ(0, syscall(SYS_pipe2, fds, 0));
	EXPECT_EQ(65536, fcntl(fds[0], F_GETPIPE_SZ));
	EXPECT_EQ(8192, fcntl(fds[1], F_SETPIPE_SZ, 4097));
	EXPECT_EQ(8192, fcntl64(fds[0], F_GETPIPE_SZ));
}

TEST(a_file_that_is_no_pipe_has_no_size)
{
	int file = a_file(_metadata);
	int fds[] = { file, dup(file), -1 };

	close(fds[1]);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		EXPECT_SAME(OUTCOME(syscall(SYS_fcntl, fds[i], F_GETPIPE_SZ)),
			    OUTCOME(fcntl(fds[i], F_GETPIPE_SZ)));
		EXPECT_SAME(OUTCOME(syscall(SYS_fcntl, fds[i], F_SETPIPE_SZ, 4096)),
			    OUTCOME(fcntl(fds[i], F_SETPIPE_SZ, 4096)));
	}
}

TEST(a_number_passes_through)
{
	int file = a_file(_metadata);

	EXPECT_EQ(100, fcntl(file, F_DUPFD, 100));
	EXPECT_EQ(101, fcntl64(file, F_DUPFD_CLOEXEC, 100));
	EXPECT_EQ(FD_CLOEXEC, fcntl(101, F_GETFD));
}

TEST(a_pointer_passes_through)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = 5000000000, .l_len = 7 };
	int file = a_file(_metadata);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	ASSERT_EQ(0, fcntl(file, F_OFD_SETLK, &lock));
	lock = (struct flock){ .l_type = F_RDLCK };
	ASSERT_EQ(0, fcntl64(open(path, O_RDWR), F_OFD_GETLK, &lock));
	EXPECT_EQ(F_WRLCK, lock.l_type);
	EXPECT_EQ(5000000000, lock.l_start);
	EXPECT_EQ(7, lock.l_len);
}

TEST(a_bad_flag_is_refused)
{
	int fds[2];

	EXPECT_SAME(OUTCOME(syscall(SYS_pipe2, fds, O_TRUNC)), OUTCOME(pipe2(fds, O_TRUNC)));
}

TEST(no_descriptor_is_left)
{
	struct rlimit limit = { 3, 3 };
	int fds[2];

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_SAME(OUTCOME(syscall(SYS_pipe2, fds, 0)), OUTCOME(pipe2(fds, 0)));
}

static void *pipe_while_cancelled(void *fds)
{
	pthread_cancel(pthread_self());
	if (pipe(fds))
		return "failed";
	((int *)fds)[2] = true;
	pthread_testcancel();
	return "still there";
}

TEST(a_cancelled_thread_still_gets_its_pipe)
{
	int fds[3] = { };
	pthread_t thread;
	void *end;

	ASSERT_EQ(0, pthread_create(&thread, NULL, pipe_while_cancelled, fds));
	ASSERT_EQ(0, pthread_join(thread, &end));
	EXPECT_EQ(PTHREAD_CANCELED, end);
	EXPECT_TRUE(fds[2]);
}

/* Seccomp filters, which do not know what the library calls inside pipe(). */

#define EXPECT_NAMED(prefix, fd) do {					\
	char _name[64];							\
									\
	name_of(getpid(), fd, _name, sizeof(_name));			\
	EXPECT_EQ(0, strncmp(prefix ":[", _name, sizeof(prefix) + 1))	\
	{								\
		TH_LOG("it is %s", _name);				\
	}								\
} while (0)

/* From now on this process gets @action for the system call @number. */
static void filter(struct __test_metadata *_metadata, unsigned int number, unsigned int action)
{
	struct sock_filter instructions[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { ARRAY_SIZE(instructions), instructions };

	ASSERT_EQ(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	ASSERT_EQ(0, prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

/* A filter that refuses @number with @error. */
FIXTURE(refused)
{
};

FIXTURE_VARIANT(refused)
{
	unsigned int number;
	int error;
};

FIXTURE_VARIANT_ADD(refused, openat_with_EPERM) { SYS_openat, EPERM };
FIXTURE_VARIANT_ADD(refused, openat_with_ENOSYS) { SYS_openat, ENOSYS };
FIXTURE_VARIANT_ADD(refused, ioctl_with_EPERM) { SYS_ioctl, EPERM };
FIXTURE_VARIANT_ADD(refused, ioctl_with_ENOSYS) { SYS_ioctl, ENOSYS };
FIXTURE_VARIANT_ADD(refused, dup3_with_EPERM) { SYS_dup3, EPERM };
FIXTURE_VARIANT_ADD(refused, dup3_with_ENOSYS) { SYS_dup3, ENOSYS };

FIXTURE_SETUP(refused)
{
	ASSERT_EQ(0, unsetenv("MINI_PIPE_PRELOAD_STRICT"));
	filter(_metadata, variant->number, SECCOMP_RET_ERRNO | variant->error);
}

FIXTURE_TEARDOWN(refused)
{
}

TEST_F(refused, falls_back_to_pipe2)
{
	int lowest = dup(0), fds[2];

	close(lowest);
	ASSERT_EQ(0, pipe(fds));
	EXPECT_NAMED("pipe", fds[0]);
	EXPECT_NAMED("pipe", fds[1]);
	EXPECT_EQ(lowest, fds[0]);
	EXPECT_EQ(lowest + 1, fds[1]);
	EXPECT_EQ(65536, fcntl(fds[0], F_GETPIPE_SZ));
	EXPECT_EQ(8192, fcntl(fds[1], F_SETPIPE_SZ, 8192));
}

TEST_F(refused, strict_passes_the_error_on)
{
	int lowest = dup(0), fds[2];

	close(lowest);
	ASSERT_EQ(0, setenv("MINI_PIPE_PRELOAD_STRICT", "1", true));
	EXPECT_EQ(-1, pipe(fds));
	EXPECT_EQ(variant->error, errno);
	EXPECT_EQ(lowest, dup(0));
}

/* A filter that kills for @number. */
FIXTURE(killed)
{
};

FIXTURE_VARIANT(killed)
{
	unsigned int number;
};

FIXTURE_VARIANT_ADD(killed, for_openat) { SYS_openat };
FIXTURE_VARIANT_ADD(killed, for_ioctl) { SYS_ioctl };
FIXTURE_VARIANT_ADD(killed, for_dup3) { SYS_dup3 };

FIXTURE_SETUP(killed)
{
}

FIXTURE_TEARDOWN(killed)
{
}

TEST_F_SIGNAL(killed, pipe_dies_of_SIGSYS, SIGSYS)
{
	int fds[2];

	filter(_metadata, variant->number, SECCOMP_RET_KILL_PROCESS);
	pipe(fds);
}

TEST_F(killed, not_if_the_library_is_off)
{
	int fds[2];

	ASSERT_EQ(0, setenv("MINI_PIPE_PRELOAD_OFF", "1", true));
	filter(_metadata, variant->number, SECCOMP_RET_KILL_PROCESS);
	ASSERT_EQ(0, pipe(fds));
	EXPECT_NAMED("pipe", fds[0]);
	EXPECT_EQ(65536, fcntl(fds[0], F_GETPIPE_SZ));
	EXPECT_EQ(8192, fcntl(fds[1], F_SETPIPE_SZ, 8192));
}

TEST(off_goes_before_strict)
{
	int fds[2];

	ASSERT_EQ(0, setenv("MINI_PIPE_PRELOAD_OFF", "1", true));
	ASSERT_EQ(0, setenv("MINI_PIPE_PRELOAD_STRICT", "1", true));
	ASSERT_EQ(0, pipe(fds));
	EXPECT_NAMED("pipe", fds[0]);
}

TEST_HARNESS_MAIN
