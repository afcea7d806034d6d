// SPDX-License-Identifier: GPL-2.0
/*
 * The floor, /dev/mini_pipe_plain: a write copies into a flat buffer, a read copies out of it.
 *
 * A pipe can hardly cost less. There is neither a lock nor a position: each call starts at the
 * beginning of the buffer.
 */

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

static unsigned int capacity = 65536;
module_param(capacity, uint, 0444);
MODULE_PARM_DESC(capacity, "largest number of bytes that a read or write copies");

static char *buffer;

static ssize_t plain_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	count = min(count, capacity);
	return copy_to_user(to, buffer, count) ? -EFAULT : count;
}

static ssize_t plain_write(struct file *file, const char __user *from, size_t count, loff_t *pos)
{
	count = min(count, capacity);
	return copy_from_user(buffer, from, count) ? -EFAULT : count;
}

static const struct file_operations plain_fops = {
	.owner = THIS_MODULE,
	.open = stream_open,
	.read = plain_read,
	.write = plain_write,
};

static struct miscdevice plain_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mini_pipe_plain",
	.fops = &plain_fops,
};

static int __init plain_init(void)
{
	int err;

	/* Zeroed, because a read may precede the first write. */
	buffer = kvzalloc(capacity, GFP_KERNEL);
	if (!buffer)
		return -ENOMEM;
	err = misc_register(&plain_misc);
	if (err)
		kvfree(buffer);
	return err;
}

static void __exit plain_exit(void)
{
	misc_deregister(&plain_misc);
	kvfree(buffer);
}

module_init(plain_init);
module_exit(plain_exit);

MODULE_AUTHOR("The founders of mini_pipe");
MODULE_DESCRIPTION("A plain copy per write and per read: roughly the least that a pipe costs");
MODULE_LICENSE("GPL");
