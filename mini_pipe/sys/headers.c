// SPDX-License-Identifier: GPL-2.0
/*
 * Asserts the values and layouts of headers.rs and linux_7_2.rs against the headers of the kernel
 * that the module is built for. It only has to compile, and is not linked into the module.
 */
#include <linux/bits.h>
#include <linux/fs.h>
#include <linux/eventpoll.h>
#include <linux/magic.h>
#include <linux/pipe_fs_i.h>
#include <linux/pseudo_fs.h>
#include <linux/sched/stat.h>
#include <linux/sched/user.h>
#include <linux/splice.h>
#include <asm/ioctls.h>

#define IS_BIT(name, bit)	static_assert((__force unsigned int)(name) == BIT_U32(bit))

IS_BIT(IOCB_NOWAIT, 3);
IS_BIT(IOCB_NOSIGNAL, 8);
IS_BIT(RWF_NOWAIT, 3);
IS_BIT(FMODE_READ, 0);
IS_BIT(FMODE_WRITE, 1);
IS_BIT(FMODE_PREAD, 3);
IS_BIT(FMODE_PWRITE, 4);
IS_BIT(FMODE_CAN_ODIRECT, 22);
IS_BIT(FMODE_NONOTIFY, 25);
IS_BIT(FMODE_NONOTIFY_PERM, 26);
IS_BIT(FMODE_NOWAIT, 27);
IS_BIT(SPLICE_F_NONBLOCK, 1);
IS_BIT(SPLICE_F_MOVE, 0);
IS_BIT(SPLICE_F_MORE, 2);
IS_BIT(SPLICE_F_GIFT, 3);
IS_BIT(PIPE_BUF_FLAG_PACKET, 3);
IS_BIT(EPOLLET, 31);
static_assert(PIPEFS_MAGIC == 0x50495045);

/* linux_7_2.rs */
static_assert(FIONREAD == 0x541b);

static_assert(sizeof(struct partial_page) == 16);
static_assert(offsetof(struct partial_page, len) == 4);
static_assert(offsetof(struct partial_page, private) == 8);

static_assert(sizeof(struct splice_pipe_desc) == 40);
static_assert(offsetof(struct splice_pipe_desc, partial) == 8);
static_assert(offsetof(struct splice_pipe_desc, nr_pages) == 16);
static_assert(offsetof(struct splice_pipe_desc, nr_pages_max) == 20);
static_assert(offsetof(struct splice_pipe_desc, ops) == 24);
static_assert(offsetof(struct splice_pipe_desc, spd_release) == 32);

static_assert(sizeof(struct pipe_buffer) == 40);
static_assert(offsetof(struct pipe_buffer, offset) == 8);
static_assert(offsetof(struct pipe_buffer, len) == 12);
static_assert(offsetof(struct pipe_buffer, ops) == 16);
static_assert(offsetof(struct pipe_buffer, flags) == 24);
static_assert(offsetof(struct pipe_buffer, private) == 32);

static_assert(sizeof(struct splice_desc) == 64);
static_assert(offsetof(struct splice_desc, len) == 8);
static_assert(offsetof(struct splice_desc, flags) == 12);
static_assert(offsetof(struct splice_desc, u) == 16);
static_assert(offsetof(struct splice_desc, splice_eof) == 24);
static_assert(offsetof(struct splice_desc, pos) == 32);
static_assert(offsetof(struct splice_desc, opos) == 40);
static_assert(offsetof(struct splice_desc, num_spliced) == 48);
static_assert(offsetof(struct splice_desc, need_wakeup) == 56);

static_assert(sizeof(struct pseudo_fs_context) == 48);
static_assert(offsetof(struct pseudo_fs_context, eops) == 8);
static_assert(offsetof(struct pseudo_fs_context, xattr) == 16);
static_assert(offsetof(struct pseudo_fs_context, dops) == 24);
static_assert(offsetof(struct pseudo_fs_context, magic) == 32);
static_assert(offsetof(struct pseudo_fs_context, s_d_flags) == 40);

/* The functions, by their types. */
static_assert(__same_type(splice_to_pipe,
			  ssize_t(struct pipe_inode_info *, struct splice_pipe_desc *)));
static_assert(__same_type(__splice_from_pipe,
			  ssize_t(struct pipe_inode_info *, struct splice_desc *,
				  splice_actor *)));
static_assert(__same_type(pipe_lock, void(struct pipe_inode_info *)));
static_assert(__same_type(pipe_unlock, void(struct pipe_inode_info *)));
static_assert(__same_type(init_pseudo,
			  struct pseudo_fs_context *(struct fs_context *, unsigned long)));
static_assert(__same_type(single_task_running, bool(void)));

/* Fields that the module accesses without a function of the kernel, and whose width it assumes. */
static_assert(sizeof_field(struct file, f_mode) == sizeof(unsigned int));
static_assert(sizeof_field(struct task_struct, pagefault_disabled) == sizeof(int));
static_assert(sizeof_field(struct user_struct, pipe_bufs) == sizeof(long));
