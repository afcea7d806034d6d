/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The ioctls of /dev/mini_pipe and of the private pipes that it makes; see mini_pipe(4).
 *
 * FIONREAD of <sys/ioctl.h> stores the number of bytes that can be read, as an int. The commands
 * that every file has, such as FIONBIO, work, too. Commands that are not listed fail with ENOTTY.
 *
 * All capacities are in bytes. This interface is stable: a number is never reused for another
 * command, and all structures are the same for 32-bit and 64-bit programs.
 */
#ifndef _UAPI_MINI_PIPE_H
#define _UAPI_MINI_PIPE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MINI_PIPE_IOC_MAGIC 0xBB

/**
 * struct mini_pipe_pair - argument of MINI_PIPE_IOC_PAIR
 * @flags:    in: 0, or any of O_CLOEXEC and O_NONBLOCK for both ends, and O_DIRECT for the writing
 *            end
 * @capacity: in: the capacity of the new pipe in bytes, or 0 for the default
 * @read_fd:  out: the file descriptor of the reading end
 * @write_fd: out: the file descriptor of the writing end
 */
struct mini_pipe_pair {
	__u32 flags;
	__u32 capacity;
	__s32 read_fd;
	__s32 write_fd;
};

/**
 * enum mini_pipe_policy - when a blocking write returns
 * @MINI_PIPE_BUFFERED:   when its last byte is in the pipe, as for pipe(2)
 * @MINI_PIPE_RENDEZVOUS: when its last byte has been read. If a signal or the close of the last
 *                        reader ends the wait, the write removes its unread bytes from the pipe,
 *                        and returns how many were read.
 */
enum mini_pipe_policy {
	MINI_PIPE_BUFFERED = 0,
	MINI_PIPE_RENDEZVOUS = 1,
};

/**
 * struct mini_pipe_splice - argument of MINI_PIPE_IOC_SPLICE_TO, MINI_PIPE_IOC_SPLICE_FROM and
 *                           MINI_PIPE_IOC_TEE_TO
 * @fd:     in: a file descriptor of the other file
 * @flags:  in: 0, or any of SPLICE_F_MOVE, SPLICE_F_NONBLOCK, SPLICE_F_MORE and SPLICE_F_GIFT
 * @len:    in: how many bytes are moved at most
 * @offset: in: 0, or the address of a __s64 with the offset in the other file
 */
struct mini_pipe_splice {
	__s32 fd;
	__u32 flags;
	__aligned_u64 len;
	__aligned_u64 offset;
};

/*
 * Makes a private pipe, as pipe2(2) makes a pipe, and returns 0. The bytes of the pipe are freed
 * when its last reader and its last writer have closed.
 *
 * The ioctl works on any open file of /dev/mini_pipe. A program that needs nothing else of the
 * device opens it with access mode 3 (O_ACCMODE), which opens neither end of the device's own pipe.
 *
 * The default capacity is 16 pages, as for pipe(2): 65536 bytes if a page has 4096. If the module's
 * parameter max_capacity is less and the caller has no CAP_SYS_RESOURCE, the default is
 * max_capacity, but at least a page. If the pipes of the user would have more pages than the
 * parameter user_pages_soft, and the caller has neither CAP_SYS_RESOURCE nor CAP_SYS_ADMIN, the
 * default is two pages. 0 in user_pages_soft or user_pages_hard stands for no limit.
 *
 * On error, no pipe is made:
 *
 * EFAULT: the argument cannot be read or cannot be written.
 * EINVAL: an unknown flag, or a capacity of more than 1 GiB.
 * EMFILE: too many open files in this process.
 * ENFILE: too many open files in the system; or the pipes of the user would have more pages than
 *         the parameter user_pages_hard, and the caller has neither CAP_SYS_RESOURCE nor
 *         CAP_SYS_ADMIN.
 * ENOMEM: not enough memory, or less than the pipe would hold.
 * ENOTTY: the file is a private pipe.
 * EPERM:  a capacity of more than max_capacity bytes, without CAP_SYS_RESOURCE; or a capacity other
 *         than 0 while the pipes of the user would have more pages than user_pages_soft, with
 *         neither CAP_SYS_RESOURCE nor CAP_SYS_ADMIN.
 */
#define MINI_PIPE_IOC_PAIR _IOWR(MINI_PIPE_IOC_MAGIC, 1, struct mini_pipe_pair)

/*
 * Returns the capacity of the pipe in bytes, as F_GETPIPE_SZ does. The argument is ignored. There
 * are no errors.
 */
#define MINI_PIPE_IOC_GET_CAPACITY _IO(MINI_PIPE_IOC_MAGIC, 2)

/*
 * Sets the capacity of the pipe to the argument, an unsigned long in bytes, and returns the new
 * capacity. It is like F_SETPIPE_SZ, but does not round up. The bytes in the pipe stay, in order,
 * and reads and writes in progress continue. The current capacity is always allowed.
 *
 * On error, the capacity does not change:
 *
 * EBUSY:  the bytes or packets that are in the pipe, or are being written, do not fit.
 * EINVAL: the capacity is 0 or more than 1 GiB.
 * ENOMEM: less memory than the pipe would hold. The OOM killer is not invoked for the pages.
 * EPERM:  the pipe would grow to more than max_capacity bytes, without CAP_SYS_RESOURCE; or a
 *         private pipe would grow while the pipes of the user who made it would have more pages
 *         than user_pages_soft or user_pages_hard, with neither CAP_SYS_RESOURCE nor CAP_SYS_ADMIN.
 */
#define MINI_PIPE_IOC_SET_CAPACITY _IO(MINI_PIPE_IOC_MAGIC, 3)

/*
 * Returns the policy of the pipe, a value of enum mini_pipe_policy. The argument is ignored. There
 * are no errors.
 */
#define MINI_PIPE_IOC_GET_POLICY _IO(MINI_PIPE_IOC_MAGIC, 4)

/*
 * Sets the policy of the pipe to the argument, an unsigned long with a value of enum
 * mini_pipe_policy, and returns 0.
 *
 * On error, the policy does not change:
 *
 * EBUSY:  the pipe is not empty, or a read or write is copying or sleeps.
 * EINVAL: the argument is no policy.
 */
#define MINI_PIPE_IOC_SET_POLICY _IO(MINI_PIPE_IOC_MAGIC, 5)

/*
 * The next three do with mini_pipes what splice(2) and tee(2) do with pipe(2)s. They are needed
 * because splice(2) wants a pipe(2) at one side, tee(2) at both, and a mini_pipe does not count as
 * one. They return how many bytes were moved, or 0 at end of file:
 *
 * MINI_PIPE_IOC_SPLICE_TO:   moves bytes from the pipe to the other file: another pipe of
 *                            mini_pipe, or a file that is no pipe. For a pipe(2), use splice(2).
 * MINI_PIPE_IOC_SPLICE_FROM: moves bytes from the other file to the pipe.
 * MINI_PIPE_IOC_TEE_TO:      copies bytes from the pipe to another pipe of mini_pipe. They stay in
 *                            the pipe.
 *
 * Each waits for the first byte, and for room for it, and returns when some bytes were moved. It
 * does not wait if SPLICE_F_NONBLOCK is given or if a pipe has O_NONBLOCK. Even so, a file that is
 * no pipe may wait, unless it has O_NONBLOCK itself; but a socket does not wait for bytes. A packet
 * is moved to a pipe as a packet. The other flags are hints, and change nothing. If the policy is
 * rendezvous, the call does not wait until its bytes have been read. At most 2147479552 bytes are
 * moved, if a page has 4096, as by read(2). If len is 0, the call returns 0; but
 * MINI_PIPE_IOC_TEE_TO looks at the flags first.
 *
 * Without an offset, a file that is no pipe is used at its position, which is moved. With one, its
 * position stays, and the offset is changed.
 *
 * On error, no byte has been moved, with one exception under EFAULT:
 *
 * EAGAIN: the call would have to wait (also: another call excludes it), and must not.
 * EBADF:  fd is not an open file; or the file from which bytes are moved is not open for reading,
 *         or the file to which they are moved is not open for writing.
 * EFAULT: the argument or the offset cannot be read. If the offset cannot be written, the bytes
 *         have been moved.
 * EINTR:  a signal came while the call waited.
 * EINVAL: an unknown flag; both files are of the same pipe; fd is a pipe(2), or, for
 *         MINI_PIPE_IOC_TEE_TO, no pipe of mini_pipe; or what splice(2) says of files: the file
 *         does not support splicing, it has O_APPEND, or it has no offsets and one was given.
 * ENOMEM: not enough memory.
 * EPIPE:  the last reader of the pipe to which bytes are moved was closed. The caller gets SIGPIPE.
 * ESPIPE: an offset was given, and fd is a pipe of mini_pipe.
 *
 * Further, the errors of reading or writing a file that is no pipe.
 */
#define MINI_PIPE_IOC_SPLICE_TO _IOW(MINI_PIPE_IOC_MAGIC, 6, struct mini_pipe_splice)
#define MINI_PIPE_IOC_SPLICE_FROM _IOW(MINI_PIPE_IOC_MAGIC, 7, struct mini_pipe_splice)
#define MINI_PIPE_IOC_TEE_TO _IOW(MINI_PIPE_IOC_MAGIC, 8, struct mini_pipe_splice)

/**
 * struct mini_pipe_vmsplice - argument of MINI_PIPE_IOC_VMSPLICE
 * @iov:   in: the address of an array of struct iovec, of the program's word size
 * @count: in: how many elements it has
 * @flags: in: as in struct mini_pipe_splice
 */
struct mini_pipe_vmsplice {
	__aligned_u64 iov;
	__u32 count;
	__u32 flags;
};

/*
 * Does what vmsplice(2) does with a pipe(2): copies bytes from memory to the pipe if the file is
 * open for writing, else from the pipe to memory. Waits for the first byte, or for room for it,
 * unless SPLICE_F_NONBLOCK is given: O_NONBLOCK does not count. Returns how many bytes were moved.
 * The bytes are always copied, also with SPLICE_F_GIFT, and never written as packets.
 *
 * On error, no byte has been moved: EAGAIN, EBADF, EINTR and EPIPE as above.
 *
 * EFAULT: the argument, the array or the memory cannot be used.
 * EINVAL: an unknown flag, more than 1024 elements, or one of negative length.
 * ENOMEM: not enough memory.
 */
#define MINI_PIPE_IOC_VMSPLICE _IOW(MINI_PIPE_IOC_MAGIC, 9, struct mini_pipe_vmsplice)

#endif
