/* SPDX-License-Identifier: GPL-2.0 */
/* The caller's memory: mini_pipe/user.rs. */
#ifndef TWIN_USER_H
#define TWIN_USER_H

#include <linux/uaccess.h>

enum direction {
	DESTINATION,
	SOURCE,
};

struct buffer {
	char __user *at;
	size_t len;
};

/*
 * These are what copy_to_user() and copy_from_user() come to, without their check of the kernel's
 * address, which the Rust goes without, too.
 */
static __always_inline size_t buffer_copied(const struct buffer *buffer, enum direction direction,
					    char *bytes, size_t len)
{
	if (direction == DESTINATION)
		return len - _copy_to_user(buffer->at, bytes, len);
	return len - _copy_from_user(bytes, buffer->at, len);
}

static __always_inline void buffer_advance(struct buffer *buffer, size_t len)
{
	buffer->at += len;
	buffer->len -= len;
}

static __always_inline size_t buffer_copy(struct buffer *buffer, enum direction direction,
					  char *bytes, size_t len)
{
	size_t copied = buffer_copied(buffer, direction, bytes, len);

	buffer_advance(buffer, copied);
	return copied;
}

static __always_inline bool buffer_try_copy(const struct buffer *buffer, enum direction direction,
					    char *bytes, size_t len)
{
	size_t copied;

	pagefault_disable();
	copied = buffer_copied(buffer, direction, bytes, len);
	pagefault_enable();
	return copied == len;
}

#endif
