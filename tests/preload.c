// SPDX-License-Identifier: GPL-2.0
/*
 * Compares the library in preload/ with pipe(2). This program runs under the library: pipe() and
 * pipe2() of libc make private mini_pipes, and the system call pipe2(2) makes a pipe(2). Both must
 * behave the same.
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
#include <sys/wait.h>
#include "outcome.h"

#define EXPECT_NAMED(prefix, fd) do {					\
	char _name[64];							\
									\
	name_of(getpid(), fd, _name, sizeof(_name));			\
	EXPECT_EQ(0, strncmp(prefix ":[", _name, sizeof(prefix) + 1))	\
	{								\
		TH_LOG("it is %s", _name);				\
	}								\
} while (0)

static int make_file(struct __test_metadata *_metadata)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	ASSERT_LE(0, fd);
	return fd;
}

/* Two pipes, made with the same flags. */
FIXTURE(pipes)
{
	int mini[2];		/* a mini_pipe, made by the library */
	int real[2];		/* a pipe(2), made by the system call */
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
	ASSERT_EQ(0, syscall(SYS_pipe2, self->real, variant->flags));
	ASSERT_EQ(0, variant->flags ? pipe2(self->mini, variant->flags) : pipe(self->mini));
}

FIXTURE_TEARDOWN(pipes)
{
}

TEST_F(pipes, library_makes_private_mini_pipe)
{
	char read_end[64], write_end[64];

	name_of(getpid(), self->mini[0], read_end, sizeof(read_end));
	name_of(getpid(), self->mini[1], write_end, sizeof(write_end));
	EXPECT_EQ(0, strncmp(read_end, "mini_pipe:[", 11))
	{
		TH_LOG("it is %s", read_end);
	}
	EXPECT_STREQ(read_end, write_end);
}

TEST_F(pipes, gets_lowest_descriptors)
{
	close(self->mini[0]);
	close(self->mini[1]);
	EXPECT_EQ(self->mini[0], dup(0));
	EXPECT_EQ(self->mini[1], dup(0));
}

TEST_F(pipes, has_same_flags)
{
	for (int end = 0; end < 2; end++) {
		EXPECT_EQ(fcntl(self->real[end], F_GETFD), fcntl(self->mini[end], F_GETFD));
		EXPECT_EQ(fcntl(self->real[end], F_GETFL), fcntl(self->mini[end], F_GETFL));
	}
}

TEST_F(pipes, has_same_mode_owner_and_size)
{
	struct stat real, mini;

	for (int end = 0; end < 2; end++) {
		ASSERT_EQ(0, fstat(self->real[end], &real));
		ASSERT_EQ(0, fstat(self->mini[end], &mini));
		EXPECT_EQ(real.st_mode, mini.st_mode);
		EXPECT_EQ(real.st_uid, mini.st_uid);
		EXPECT_EQ(real.st_nlink, mini.st_nlink);
		EXPECT_EQ(real.st_size, mini.st_size);
	}
}

TEST_F(pipes, f_setpipe_sz_gives_same_sizes)
{
	static const unsigned int sizes[] = {
		0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1,
		(1U << 31) + 1, UINT_MAX,
	};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		int end = i % 2;

		EXPECT_SAME(OUTCOME(syscall(SYS_fcntl, self->real[end], F_SETPIPE_SZ, sizes[i])),
			    OUTCOME(fcntl(self->mini[end], F_SETPIPE_SZ, sizes[i])));
		EXPECT_EQ(fcntl(self->real[!end], F_GETPIPE_SZ),
			  fcntl(self->mini[!end], F_GETPIPE_SZ));
	}
}

TEST_F(pipes, f_setpipe_sz_fails_if_bytes_do_not_fit)
{
	const unsigned char *bytes = big_buffer();

	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(PIPE_BUF, write(self->mini[1], bytes, PIPE_BUF));
		ASSERT_EQ(PIPE_BUF, write(self->real[1], bytes, PIPE_BUF));
	}
	EXPECT_SAME(OUTCOME(fcntl64(self->real[0], F_SETPIPE_SZ, 1)),
		    OUTCOME(fcntl64(self->mini[0], F_SETPIPE_SZ, 1)));
	EXPECT_SAME(OUTCOME(fcntl64(self->real[0], F_SETPIPE_SZ, PIPE_BUF + 1)),
		    OUTCOME(fcntl64(self->mini[0], F_SETPIPE_SZ, PIPE_BUF + 1)));
}

/* fs.pipe-max-size */

static void set_max_size(struct __test_metadata *_metadata, const char *size)
{
	int fd = open("/proc/sys/fs/pipe-max-size", O_WRONLY);

	ASSERT_EQ((ssize_t)strlen(size), write(fd, size, strlen(size)));
	close(fd);
}

/* All sizes are tried with CAP_SYS_RESOURCE, and then without. */
TEST_F(pipes, f_setpipe_sz_obeys_pipe_max_size)
{
	static const unsigned int sizes[] = { 65536, 131072, 131073, 262144, 65536, 4096, 1 << 20 };

	set_max_size(_metadata, "131072");
	for (uid_t user = 0; user <= 1; user++) {
		ASSERT_EQ(0, seteuid(user));
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			unsigned int size = sizes[i];

			EXPECT_SAME(OUTCOME(syscall(SYS_fcntl, self->real[0], F_SETPIPE_SZ, size)),
				    OUTCOME(fcntl(self->mini[0], F_SETPIPE_SZ, size)));
			EXPECT_SAME(OUTCOME(syscall(SYS_fcntl, self->real[0], F_GETPIPE_SZ)),
				    OUTCOME(fcntl(self->mini[0], F_GETPIPE_SZ)));
		}
	}
	ASSERT_EQ(0, seteuid(0));
	set_max_size(_metadata, "1048576");
}

/* Calls on files that the library did not make, and calls that fail */

TEST(pipe_sizes_of_pipe_2_pass_through)
{
	int fds[2];

	ASSERT_EQ(0, syscall(SYS_pipe2, fds, 0));
	EXPECT_EQ(DEFAULT_CAPACITY, fcntl(fds[0], F_GETPIPE_SZ));
	EXPECT_EQ(8192, fcntl(fds[1], F_SETPIPE_SZ, 4097));
	EXPECT_EQ(8192, fcntl64(fds[0], F_GETPIPE_SZ));
}

TEST(pipe_sizes_fail_on_other_files)
{
	int file = make_file(_metadata);
	int fds[] = { file, dup(file), -1 };

	close(fds[1]);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		EXPECT_SAME(OUTCOME(syscall(SYS_fcntl, fds[i], F_GETPIPE_SZ)),
			    OUTCOME(fcntl(fds[i], F_GETPIPE_SZ)));
		EXPECT_SAME(OUTCOME(syscall(SYS_fcntl, fds[i], F_SETPIPE_SZ, 4096)),
			    OUTCOME(fcntl(fds[i], F_SETPIPE_SZ, 4096)));
	}
}

TEST(integer_argument_passes_through)
{
	int file = make_file(_metadata);

	EXPECT_EQ(100, fcntl(file, F_DUPFD, 100));
	EXPECT_EQ(101, fcntl64(file, F_DUPFD_CLOEXEC, 100));
	EXPECT_EQ(FD_CLOEXEC, fcntl(101, F_GETFD));
}

/* In 32-bit programs, the structures of fcntl() and of fcntl64() differ. */
TEST(pointer_argument_passes_through)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = 500, .l_len = 7 };
	struct flock64 lock64 = { .l_type = F_RDLCK };
	int file = make_file(_metadata);
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	ASSERT_EQ(0, fcntl(file, F_OFD_SETLK, &lock));
	ASSERT_EQ(0, fcntl64(open(path, O_RDWR), F_OFD_GETLK, &lock64));
	EXPECT_EQ(F_WRLCK, lock64.l_type);
	EXPECT_EQ(500, lock64.l_start);
	EXPECT_EQ(7, lock64.l_len);

	lock64 = (struct flock64){ .l_type = F_WRLCK, .l_start = 5000000000, .l_len = 7 };
	ASSERT_EQ(0, fcntl64(file, F_OFD_SETLK, &lock64));
	lock64 = (struct flock64){ .l_type = F_RDLCK, .l_start = 1000 };
	ASSERT_EQ(0, fcntl64(open(path, O_RDWR), F_OFD_GETLK, &lock64));
	EXPECT_EQ(F_WRLCK, lock64.l_type);
	EXPECT_EQ(5000000000, lock64.l_start);
}

TEST(invalid_flag_gives_same_error)
{
	int fds[2];

	EXPECT_SAME(OUTCOME(syscall(SYS_pipe2, fds, O_TRUNC)), OUTCOME(pipe2(fds, O_TRUNC)));
}

TEST(no_free_descriptor_gives_same_error)
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
	((int *)fds)[2] = true;	/* pipe() has returned */
	pthread_testcancel();
	return "still there";
}

TEST(pipe_is_no_cancellation_point)
{
	int fds[3] = { };
	pthread_t thread;
	void *end;

	ASSERT_EQ(0, pthread_create(&thread, NULL, pipe_while_cancelled, fds));
	ASSERT_EQ(0, pthread_join(thread, &end));
	EXPECT_EQ(PTHREAD_CANCELED, end);
	EXPECT_TRUE(fds[2]);
}

/* popen() and pclose() of the library, and glibc's own popen(), as _IO_popen() */

typeof(popen) _IO_popen;

/* The first line that a shell prints, of at most 255 bytes. */
static const char *output_of(FILE *file)
{
	static char line[256];

	line[0] = '\0';
	return fgets(line, sizeof(line), file) ? line : "";
}

TEST(popen_makes_mini_pipe)
{
	FILE *reader = popen("readlink /proc/self/fd/1", "r");
	char name[64], target[64] = "";
	FILE *writer;
	int ends[2];

	ASSERT_NE(NULL, reader);
	EXPECT_NAMED("mini_pipe", fileno(reader));
	name_of(getpid(), fileno(reader), name, sizeof(name));
	EXPECT_EQ(0, strncmp(name, output_of(reader), strlen(name)));
	EXPECT_EQ(0, pclose(reader));

	ASSERT_EQ(0, pipe(ends));
	ASSERT_EQ(9, dup2(ends[1], 9));
	writer = popen("readlink /proc/self/fd/0 >&9; cat >&9", "w");
	ASSERT_NE(NULL, writer);
	name_of(getpid(), fileno(writer), name, sizeof(name));
	fputs("and this", writer);
	EXPECT_EQ(0, pclose(writer));
	EXPECT_LT(0, read(ends[0], target, sizeof(target) - 1));
	EXPECT_EQ(0, strncmp(name, target, strlen(name)));
	EXPECT_NE(NULL, strstr(target, "and this"));
}

TEST(pclose_gives_same_status)
{
	static const char *const commands[] = {
		"true", "exit 3", "kill -9 $$", "kill -15 $$", "no_such_program 2>&-", "-c", "",
	};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		for (int end = 0; end < 2; end++) {
			const char *type = end ? "w" : "r";
			FILE *expected = _IO_popen(commands[i], type);
			FILE *actual = popen(commands[i], type);

			ASSERT_NE(NULL, expected);
			ASSERT_NE(NULL, actual);
			/* For a stream of glibc's popen(), pclose() just calls glibc's pclose(). */
			EXPECT_SAME(OUTCOME(pclose(expected)), OUTCOME(pclose(actual)));
		}
	}
}

/* A pointer, because the compiler warns of fclose() where it expects pclose(). */
int (*close_file)(FILE *file) = fclose;

TEST(fclose_waits_as_pclose_does)
{
	EXPECT_SAME(OUTCOME(close_file(_IO_popen("exit 5", "r"))),
		    OUTCOME(close_file(popen("exit 5", "r"))));
	EXPECT_EQ(-1, waitpid(-1, NULL, WNOHANG));
	EXPECT_EQ(ECHILD, errno);
}

TEST(popen_does_not_clear_errno)
{
	FILE *stream;

	errno = E2BIG;
	stream = popen(":", "r");
	EXPECT_NE(0, errno);
	EXPECT_EQ(0, pclose(stream));
}

TEST(popen_checks_type_as_glibc_does)
{
	static const char *const types[] = {
		"r", "w", "re", "we", "er", "rr", "", "e", "rw", "wr", "r+", "rb", "a",
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		FILE *expected, *actual;
		int err;

		errno = 0;
		expected = _IO_popen(":", types[i]);
		err = errno;
		errno = 0;
		actual = popen(":", types[i]);
		EXPECT_EQ(!expected, !actual)
		{
			TH_LOG("type '%s'", types[i]);
		}
		if (!expected || !actual) {
			EXPECT_EQ(err, errno);
			continue;
		}
		EXPECT_EQ(fcntl(fileno(expected), F_GETFD), fcntl(fileno(actual), F_GETFD));
		EXPECT_EQ(fcntl(fileno(expected), F_GETFL) & O_ACCMODE,
			  fcntl(fileno(actual), F_GETFL) & O_ACCMODE);
		pclose(expected);
		pclose(actual);
	}
}

/* If the second child had the writing end of the first pipe, the first cat would not end. */
TEST(popen_closes_earlier_streams_in_child)
{
	FILE *first = popen("cat", "w");
	FILE *second = popen("cat", "w");
	FILE *third = popen("cat", "w");

	EXPECT_EQ(0, pclose(first));
	EXPECT_EQ(0, pclose(third));
	EXPECT_EQ(0, pclose(second));
}

TEST(popen_works_with_standard_descriptors_closed)
{
	FILE *reader, *writer;

	close(0);
	close(1);
	reader = popen("echo read", "r");
	ASSERT_NE(NULL, reader);
	EXPECT_EQ(0, fileno(reader));
	EXPECT_STREQ("read\n", output_of(reader));
	EXPECT_EQ(0, pclose(reader));

	writer = popen("read word && [ $word = written ]", "w");
	ASSERT_NE(NULL, writer);
	EXPECT_EQ(1, fileno(writer));
	fputs("written\n", writer);
	EXPECT_EQ(0, pclose(writer));
}

TEST(popen_without_free_descriptor_gives_same_error)
{
	struct rlimit limit = { 3, 3 };

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_SAME(OUTCOME(_IO_popen(":", "r") ? 0 : -1), OUTCOME(popen(":", "r") ? 0 : -1));
}

TEST(popen_is_glibcs_if_library_is_off)
{
	FILE *file;

	ASSERT_EQ(0, setenv("MINI_PIPE_PRELOAD_OFF", "1", true));
	file = popen("exit 4", "r");
	ASSERT_NE(NULL, file);
	EXPECT_NAMED("pipe", fileno(file));
	EXPECT_EQ(4 << 8, pclose(file));
}

/* A fork() while another thread is in popen() */

#define LOG "/tmp/mini_pipe.log"

static void *popen_in_thread(void *thread)
{
	*(atomic_int *)thread = gettid();
	return popen(":", "r");
}

static bool sleeps_in_openat(pid_t thread)
{
	char text[256];

	return state_of(thread) == 'S' && read_proc(thread, "syscall", text, sizeof(text)) &&
		atoi(text) == __NR_openat;
}

static void close_file_and_popen(int report_to, const void *arg __maybe_unused)
{
	report(report_to, close_file(fopen("/dev/null", "r")));
	report(report_to, pclose(popen("exit 6", "r")));
}

/*
 * The log of the library is a FIFO without a reader, where popen() sleeps. While a stream is open,
 * any fclose() has to look whether it closes this one.
 */
TEST(fork_during_popen_leaves_child_nothing_locked)
{
	FILE *stream = popen("cat", "w");
	atomic_int thread = 0;
	struct child child;
	pthread_t id;

	ASSERT_NE(NULL, stream);
	unlink(LOG);
	ASSERT_EQ(0, mkfifo(LOG, 0600));
	ASSERT_EQ(0, setenv("MINI_PIPE_PRELOAD_LOG", LOG, true));
	ASSERT_EQ(0, pthread_create(&id, NULL, popen_in_thread, &thread));
	for (int ms = 0; ms < TIMEOUT_MS && !sleeps_in_openat(thread); ms++)
		sleep_1ms();
	ASSERT_TRUE(sleeps_in_openat(thread));
	ASSERT_EQ(0, unlink(LOG));
	ASSERT_EQ(0, unsetenv("MINI_PIPE_PRELOAD_LOG"));

	child = start_forked(_metadata, close_file_and_popen, NULL);
	EXPECT_EQ(0, result_of(_metadata, &child).ret);
	EXPECT_EQ(6 << 8, result_of(_metadata, &child).ret);
	EXPECT_TRUE(sleeps_in_openat(thread));
	kill_child(_metadata, &child);
}

/* Seccomp filters that do not allow the system calls that the library makes inside pipe() */

/* From now on, the system call @number has the result @action. */
static void add_seccomp_filter(struct __test_metadata *_metadata, unsigned int number,
			       unsigned int action)
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

/* A filter that makes the system call @number fail with @error. */
FIXTURE(seccomp_error)
{
};

FIXTURE_VARIANT(seccomp_error)
{
	unsigned int number;
	int error;
};

FIXTURE_VARIANT_ADD(seccomp_error, openat_eperm) { SYS_openat, EPERM };
FIXTURE_VARIANT_ADD(seccomp_error, openat_enosys) { SYS_openat, ENOSYS };
FIXTURE_VARIANT_ADD(seccomp_error, ioctl_eperm) { SYS_ioctl, EPERM };
FIXTURE_VARIANT_ADD(seccomp_error, ioctl_enosys) { SYS_ioctl, ENOSYS };
FIXTURE_VARIANT_ADD(seccomp_error, dup3_eperm) { SYS_dup3, EPERM };
FIXTURE_VARIANT_ADD(seccomp_error, dup3_enosys) { SYS_dup3, ENOSYS };

FIXTURE_SETUP(seccomp_error)
{
	ASSERT_EQ(0, unsetenv("MINI_PIPE_PRELOAD_STRICT"));
	add_seccomp_filter(_metadata, variant->number, SECCOMP_RET_ERRNO | variant->error);
}

FIXTURE_TEARDOWN(seccomp_error)
{
}

TEST_F(seccomp_error, pipe_falls_back_to_pipe_2)
{
	int lowest = dup(0), fds[2];

	close(lowest);
	errno = E2BIG;
	ASSERT_EQ(0, pipe(fds));
	EXPECT_EQ(E2BIG, errno);
	EXPECT_NAMED("pipe", fds[0]);
	EXPECT_NAMED("pipe", fds[1]);
	EXPECT_EQ(lowest, fds[0]);
	EXPECT_EQ(lowest + 1, fds[1]);
	EXPECT_EQ(DEFAULT_CAPACITY, fcntl(fds[0], F_GETPIPE_SZ));
	EXPECT_EQ(8192, fcntl(fds[1], F_SETPIPE_SZ, 8192));
}

TEST_F(seccomp_error, strict_returns_error)
{
	int lowest = dup(0), fds[2];

	close(lowest);
	ASSERT_EQ(0, setenv("MINI_PIPE_PRELOAD_STRICT", "1", true));
	EXPECT_EQ(-1, pipe(fds));
	EXPECT_EQ(variant->error, errno);
	EXPECT_EQ(lowest, dup(0));
}

/* A filter that kills the process at the system call @number. */
FIXTURE(seccomp_kill)
{
};

FIXTURE_VARIANT(seccomp_kill)
{
	unsigned int number;
};

FIXTURE_VARIANT_ADD(seccomp_kill, openat) { SYS_openat };
FIXTURE_VARIANT_ADD(seccomp_kill, ioctl) { SYS_ioctl };
FIXTURE_VARIANT_ADD(seccomp_kill, dup3) { SYS_dup3 };

FIXTURE_SETUP(seccomp_kill)
{
}

FIXTURE_TEARDOWN(seccomp_kill)
{
}

TEST_F_SIGNAL(seccomp_kill, sigsys_kills_caller_of_pipe, SIGSYS)
{
	int fds[2];

	add_seccomp_filter(_metadata, variant->number, SECCOMP_RET_KILL_PROCESS);
	pipe(fds);
}

TEST_F(seccomp_kill, pipe_works_if_library_is_off)
{
	int fds[2];

	ASSERT_EQ(0, setenv("MINI_PIPE_PRELOAD_OFF", "1", true));
	add_seccomp_filter(_metadata, variant->number, SECCOMP_RET_KILL_PROCESS);
	ASSERT_EQ(0, pipe(fds));
	EXPECT_NAMED("pipe", fds[0]);
	EXPECT_EQ(DEFAULT_CAPACITY, fcntl(fds[0], F_GETPIPE_SZ));
	EXPECT_EQ(8192, fcntl(fds[1], F_SETPIPE_SZ, 8192));
}

TEST(off_overrides_strict)
{
	int fds[2];

	ASSERT_EQ(0, setenv("MINI_PIPE_PRELOAD_OFF", "1", true));
	ASSERT_EQ(0, setenv("MINI_PIPE_PRELOAD_STRICT", "1", true));
	ASSERT_EQ(0, pipe(fds));
	EXPECT_NAMED("pipe", fds[0]);
}

TEST_HARNESS_MAIN
