/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The ioctls of /dev/mini_pipe and of the private pipes that it makes; see mini_pipe(4).
 *
 * FIONREAD of <sys/ioctl.h> stores the number of bytes that can be read, as an int. The commands
 * that every file has, such as FIONBIO, work, too. All other commands fail with ENOTTY.
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
 * default is two pages. If user_pages_soft or user_pages_hard is 0, there is no such limit.
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

#endif
