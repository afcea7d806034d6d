/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What one can ask of /dev/mini_pipe, and of a private pipe that was made by it, with ioctl(2).
 *
 * FIONREAD of <sys/ioctl.h> works, too: how many bytes wait for a reader, as an int.
 *
 * A number is never used again for something else. 32-bit programs use the same ones: all
 * structures are the same for them.
 */
#ifndef _UAPI_MINI_PIPE_H
#define _UAPI_MINI_PIPE_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MINI_PIPE_IOC_MAGIC 0xBB

/**
 * struct mini_pipe_pair - a private pipe, as pipe2(2) makes one
 * @flags:    in: O_CLOEXEC and O_NONBLOCK for both ends, O_DIRECT for the writing one; or none
 * @capacity: in: how many bytes it is to hold; 0 for as many as pipe(2)
 * @read_fd:  out: the descriptor to read from
 * @write_fd: out: the descriptor to write to
 */
struct mini_pipe_pair {
	__u32 flags;
	__u32 capacity;
	__s32 read_fd;
	__s32 write_fd;
};

/**
 * enum mini_pipe_policy - when a blocking write returns
 * @MINI_PIPE_BUFFERED:   when its last byte is in the pipe, as with pipe(2)
 * @MINI_PIPE_RENDEZVOUS: when its last byte has been taken out. Interrupted, it takes back what
 *                        nobody has taken, and returns the count that was taken.
 */
enum mini_pipe_policy {
	MINI_PIPE_BUFFERED = 0,
	MINI_PIPE_RENDEZVOUS = 1,
};

/*
 * Makes a private pipe: a fresh one, gone with its last descriptor. On /dev/mini_pipe only, opened
 * in any access mode; mode 3 leaves the device's own pipe alone.
 *
 * EINVAL: another flag, or a capacity that no pipe can have. EPERM: a capacity above the limit
 * (see SET_CAPACITY), or any capacity but 0 when there are too many pages in the user's pipes.
 * ENFILE: far too many, or files. EMFILE, ENOMEM, EFAULT: as pipe2(2); nothing was made. ENOTTY:
 * on a private pipe.
 */
#define MINI_PIPE_IOC_PAIR _IOWR(MINI_PIPE_IOC_MAGIC, 1, struct mini_pipe_pair)

/* Returns how many bytes the pipe can hold, as F_GETPIPE_SZ does. */
#define MINI_PIPE_IOC_GET_CAPACITY _IO(MINI_PIPE_IOC_MAGIC, 2)

/*
 * Changes how many bytes the pipe can hold to the argument, exactly, and returns that, as
 * F_SETPIPE_SZ does. What is in the pipe stays, in order.
 *
 * EINVAL: no pipe can hold 0 bytes, or more than 1 GiB. EPERM: more than it does, and either more
 * than the module's parameter max_capacity, without CAP_SYS_RESOURCE, or too many pages in the
 * user's pipes. EBUSY: the bytes (or packets) that are in the pipe do not fit, or those that are
 * being written. ENOMEM: nothing has changed, and no process was killed for memory. The size that
 * it has is always allowed.
 */
#define MINI_PIPE_IOC_SET_CAPACITY _IO(MINI_PIPE_IOC_MAGIC, 3)

/* Returns the pipe's policy, a value of enum mini_pipe_policy. */
#define MINI_PIPE_IOC_GET_POLICY _IO(MINI_PIPE_IOC_MAGIC, 4)

/*
 * Changes the pipe's policy to the argument, a value of enum mini_pipe_policy.
 *
 * EINVAL: there is no such policy. EBUSY: the pipe is not idle: there are bytes in it, or somebody
 * reads or writes, or waits to.
 */
#define MINI_PIPE_IOC_SET_POLICY _IO(MINI_PIPE_IOC_MAGIC, 5)

#endif
