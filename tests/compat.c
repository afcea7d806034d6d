// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctls work for 32-bit programs, too. This 64-bit program enters the kernel as those do, with
 * int $0x80, and its arguments are below 4 GiB, as theirs are. Needs x86_64, and a kernel that runs
 * 32-bit programs.
 */
#include <setjmp.h>
#include "mini_pipe_fixture.h"

#define NR_GETPID_32 20
#define NR_IOCTL_32 54

#ifdef __x86_64__

/* As syscall(2), but enters the kernel as a 32-bit program. */
static long syscall_32(unsigned int nr, unsigned int a, unsigned int b, unsigned int c)
{
	int ret;

	asm volatile("int $0x80"
		     : "=a"(ret)
		     : "a"(nr), "b"(a), "c"(b), "d"(c)
		     : "memory", "r8", "r9", "r10", "r11");
	if (ret >= 0)
		return ret;
	errno = -ret;
	return -1;
}

#else

/* On other processors, a 64-bit program cannot enter the kernel as a 32-bit one does. */
#define MAP_32BIT 0

static long syscall_32(unsigned int nr __maybe_unused, unsigned int a __maybe_unused,
		       unsigned int b __maybe_unused, unsigned int c __maybe_unused)
{
	errno = ENOSYS;
	return -1;
}

#endif

static long ioctl_32(int fd, unsigned int request, unsigned int arg)
{
	return syscall_32(NR_IOCTL_32, fd, request, arg);
}

static sigjmp_buf not_supported;

static void jump_back(int sig __maybe_unused)
{
	siglongjmp(not_supported, 1);
}

static bool enters_as_32_bit(void)
{
	if (sigsetjmp(not_supported, 1))
		return false;
	return syscall_32(NR_GETPID_32, 0, 0, 0) == getpid();
}

/* Skips the test if the kernel runs no 32-bit programs. */
static bool supports_32_bit(struct __test_metadata *_metadata)
{
	bool supported;

	set_handler(SIGSEGV, jump_back, 0);
	supported = enters_as_32_bit();
	signal(SIGSEGV, SIG_DFL);
	if (!supported)
		SKIP(return false, "needs x86_64, and a kernel that runs 32-bit programs");
	return true;
}

/* A page at an address that a 32-bit program can have. */
static void *map_low(struct __test_metadata *_metadata, int prot)
{
	void *map = mmap(NULL, page_size(), prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	ASSERT_NE(MAP_FAILED, map);
	return map;
}

static unsigned int address_32(const void *pointer)
{
	return (uintptr_t)pointer;
}

TEST_F(pipe, fionread_works_for_32_bit_program)
{
	int *bytes = map_low(_metadata, PROT_READ | PROT_WRITE);

	if (!supports_32_bit(_metadata))
		return;
	write_pattern(_metadata, self->ends.w, 300);
	bytes[1] = -1;
	EXPECT_EQ(0, ioctl_32(self->ends.r, FIONREAD, address_32(bytes)));
	EXPECT_EQ(300, bytes[0]);
	EXPECT_EQ(-1, bytes[1]);
	EXPECT_EQ(-1, ioctl_32(self->ends.r, FIONREAD, 0));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(pipe, capacity_ioctls_work_for_32_bit_program)
{
	if (!supports_32_bit(_metadata))
		return;
	EXPECT_EQ(self->capacity, ioctl_32(self->ends.r, MINI_PIPE_IOC_GET_CAPACITY, 0));
	EXPECT_EQ(5000, ioctl_32(self->ends.w, MINI_PIPE_IOC_SET_CAPACITY, 5000));
	EXPECT_EQ(5000, ioctl_32(self->ends.r, MINI_PIPE_IOC_GET_CAPACITY, 0));
	EXPECT_EQ(5000, fill_pipe(_metadata, self->ends.w));
	EXPECT_EQ(-1, ioctl_32(self->ends.w, MINI_PIPE_IOC_SET_CAPACITY, 4999));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-1, ioctl_32(self->ends.w, MINI_PIPE_IOC_SET_CAPACITY, 0));
	EXPECT_EQ(EINVAL, errno);
	/* UINT_MAX is -1 in a 32-bit program, and invalid with and without sign extension. */
	EXPECT_EQ(-1, ioctl_32(self->ends.w, MINI_PIPE_IOC_SET_CAPACITY, UINT_MAX));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(5000, drain_pipe(_metadata, self->ends.r));
}

TEST_F(pipe, policy_ioctls_work_for_32_bit_program)
{
	if (!supports_32_bit(_metadata))
		return;
	EXPECT_EQ(MINI_PIPE_BUFFERED, ioctl_32(self->ends.r, MINI_PIPE_IOC_GET_POLICY, 0));
	EXPECT_EQ(0, ioctl_32(self->ends.w, MINI_PIPE_IOC_SET_POLICY, MINI_PIPE_RENDEZVOUS));
	EXPECT_EQ(MINI_PIPE_RENDEZVOUS, policy_of(self->ends.r));
	EXPECT_EQ(MINI_PIPE_RENDEZVOUS, ioctl_32(self->ends.r, MINI_PIPE_IOC_GET_POLICY, 0));
	EXPECT_EQ(-1, ioctl_32(self->ends.w, MINI_PIPE_IOC_SET_POLICY, 2));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, ioctl_32(self->ends.w, MINI_PIPE_IOC_SET_POLICY, MINI_PIPE_BUFFERED));
}

TEST_F(pipe, unknown_ioctl_of_32_bit_program_gives_enotty)
{
	if (!supports_32_bit(_metadata))
		return;
	EXPECT_EQ(-1, ioctl_32(self->ends.r, _IO(MINI_PIPE_IOC_MAGIC, 77), 0));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl_32(self->ends.r, 0, 0));
	EXPECT_EQ(ENOTTY, errno);
}

TEST_F(pipe, pair_ioctl_works_for_32_bit_program)
{
	struct mini_pipe_pair *pair = map_low(_metadata, PROT_READ | PROT_WRITE);

	if (!supports_32_bit(_metadata))
		return;
	*pair = (struct mini_pipe_pair){ .flags = O_NONBLOCK | O_CLOEXEC, .capacity = 5000 };
	ASSERT_EQ(0, ioctl_32(self->device, MINI_PIPE_IOC_PAIR, address_32(pair)));
	EXPECT_EQ(5000, capacity_of(pair->read_fd));
	EXPECT_EQ(FD_CLOEXEC, fcntl(pair->write_fd, F_GETFD));
	EXPECT_EQ(5000, fill_pipe(_metadata, pair->write_fd));
	EXPECT_EQ(5000, drain_pipe(_metadata, pair->read_fd));
}

struct iovec_32 {
	unsigned int base;
	unsigned int len;
};

TEST_F(pipe, splice_ioctls_work_for_32_bit_program)
{
	char *map = map_low(_metadata, PROT_READ | PROT_WRITE);
	struct mini_pipe_splice *splice = (struct mini_pipe_splice *)(map + 100);
	struct mini_pipe_vmsplice *vmsplice = (struct mini_pipe_vmsplice *)(map + 200);
	struct iovec_32 *iov = (struct iovec_32 *)(map + 300);
	struct ends other = private_pipe(_metadata, O_NONBLOCK, 0);

	if (!supports_32_bit(_metadata))
		return;
	memcpy(map, "abcde", 5);
	iov[0] = (struct iovec_32){ address_32(map), 3 };
	iov[1] = (struct iovec_32){ address_32(map + 3), 2 };
	*vmsplice = (struct mini_pipe_vmsplice){ .iov = (uintptr_t)iov, .count = 2 };
	EXPECT_EQ(5, ioctl_32(self->ends.w, MINI_PIPE_IOC_VMSPLICE, address_32(vmsplice)));
	*splice = (struct mini_pipe_splice){ .fd = other.w, .len = 100 };
	EXPECT_EQ(5, ioctl_32(self->ends.r, MINI_PIPE_IOC_SPLICE_TO, address_32(splice)));
	memset(map, 0, 5);
	EXPECT_EQ(5, ioctl_32(other.r, MINI_PIPE_IOC_VMSPLICE, address_32(vmsplice)));
	EXPECT_EQ(0, memcmp(map, "abcde", 5));
}

TEST_F(pipe, pair_ioctl_of_32_bit_program_with_bad_argument_gives_efault)
{
	struct mini_pipe_pair *pair = map_low(_metadata, PROT_READ);
	int next = dup(self->device);

	if (!supports_32_bit(_metadata))
		return;
	close(next);
	EXPECT_EQ(-1, ioctl_32(self->device, MINI_PIPE_IOC_PAIR, address_32(pair)));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl_32(self->device, MINI_PIPE_IOC_PAIR, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(next, dup(self->device));
}

TEST_HARNESS_MAIN
