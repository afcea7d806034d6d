// SPDX-License-Identifier: GPL-2.0
/*
 * The assignment's C solution: a circular array, one mutex and two wait queues.
 *
 * read() and write() copy with the mutex held, and return as soon as they have copied anything.
 * Each of them wakes all waiters of the other side. The module does not count open files, so there
 * is no end of file.
 */

#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include "numbered.h"

#define NAME "mini_pipe_circular"

static unsigned int capacity = 65536;
module_param(capacity, uint, 0444);
MODULE_PARM_DESC(capacity, "capacity of each pipe in bytes");

struct ring {
	struct mutex lock;	/* protects bytes, tail, head and data */
	wait_queue_head_t readers;
	wait_queue_head_t writers;
	char *data;
	size_t bytes;	/* in the ring */
	size_t tail;	/* index of the next byte to read */
	size_t head;	/* index of the next byte to write */
	struct numbered_device device;
};

static struct ring rings[DEVICES];

static struct ring *ring_of(const struct file *file)
{
	/* misc_open() stores the miscdevice in private_data. */
	return container_of(file->private_data, struct ring, device.misc);
}

static size_t advance(size_t index, size_t count)
{
	index += count;
	return index < capacity ? index : 0;
}

/* Copies count bytes, in two parts if they wrap around. Returns less than count after a fault. */
static size_t copy_out(struct ring *ring, char __user *to, size_t count)
{
	size_t copied = 0;

	while (copied < count) {
		size_t part = min(count - copied, capacity - ring->tail);
		size_t missed = copy_to_user(to + copied, ring->data + ring->tail, part);

		copied += part - missed;
		ring->tail = advance(ring->tail, part - missed);
		if (missed)
			break;
	}
	ring->bytes -= copied;
	return copied;
}

static size_t copy_in(struct ring *ring, const char __user *from, size_t count)
{
	size_t copied = 0;

	while (copied < count) {
		size_t part = min(count - copied, capacity - ring->head);
		size_t missed = copy_from_user(ring->data + ring->head, from + copied, part);

		copied += part - missed;
		ring->head = advance(ring->head, part - missed);
		if (missed)
			break;
	}
	ring->bytes += copied;
	return copied;
}

static ssize_t circular_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	struct ring *ring = ring_of(file);
	size_t copied;

	if (!count)
		return 0;
	if (mutex_lock_interruptible(&ring->lock))
		return -ERESTARTSYS;
	while (!ring->bytes) {
		mutex_unlock(&ring->lock);
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(ring->readers, READ_ONCE(ring->bytes)))
			return -ERESTARTSYS;
		if (mutex_lock_interruptible(&ring->lock))
			return -ERESTARTSYS;
	}
	copied = copy_out(ring, to, min(count, ring->bytes));
	mutex_unlock(&ring->lock);
	if (!copied)
		return -EFAULT;
	wake_up_interruptible(&ring->writers);
	return copied;
}

static ssize_t circular_write(struct file *file, const char __user *from, size_t count, loff_t *pos)
{
	struct ring *ring = ring_of(file);
	size_t copied;

	if (!count)
		return 0;
	if (mutex_lock_interruptible(&ring->lock))
		return -ERESTARTSYS;
	while (ring->bytes == capacity) {
		mutex_unlock(&ring->lock);
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(ring->writers, READ_ONCE(ring->bytes) < capacity))
			return -ERESTARTSYS;
		if (mutex_lock_interruptible(&ring->lock))
			return -ERESTARTSYS;
	}
	copied = copy_in(ring, from, min(count, capacity - ring->bytes));
	mutex_unlock(&ring->lock);
	if (!copied)
		return -EFAULT;
	wake_up_interruptible(&ring->readers);
	return copied;
}

static __poll_t circular_poll(struct file *file, poll_table *table)
{
	struct ring *ring = ring_of(file);
	__poll_t mask = 0;

	if (file->f_mode & FMODE_READ)
		poll_wait(file, &ring->readers, table);
	if (file->f_mode & FMODE_WRITE)
		poll_wait(file, &ring->writers, table);

	mutex_lock(&ring->lock);
	if (file->f_mode & FMODE_READ && ring->bytes)
		mask |= EPOLLIN | EPOLLRDNORM;
	if (file->f_mode & FMODE_WRITE && ring->bytes < capacity)
		mask |= EPOLLOUT | EPOLLWRNORM;
	mutex_unlock(&ring->lock);
	return mask;
}

static const struct file_operations circular_fops = {
	.owner = THIS_MODULE,
	.open = stream_open,
	.read = circular_read,
	.write = circular_write,
	.poll = circular_poll,
};

static int ring_add(int number)
{
	struct ring *ring = &rings[number];
	int err;

	mutex_init(&ring->lock);
	init_waitqueue_head(&ring->readers);
	init_waitqueue_head(&ring->writers);
	ring->data = kvmalloc(capacity, GFP_KERNEL);
	if (!ring->data)
		return -ENOMEM;
	err = numbered_add(&ring->device, NAME, number, &circular_fops);
	if (err)
		kvfree(ring->data);
	return err;
}

static void ring_remove(int number)
{
	misc_deregister(&rings[number].device.misc);
	kvfree(rings[number].data);
}

static int __init circular_init(void)
{
	return capacity ? numbered_add_all(ring_add, ring_remove) : -EINVAL;
}

static void __exit circular_exit(void)
{
	numbered_remove(DEVICES, ring_remove);
}

module_init(circular_init);
module_exit(circular_exit);

MODULE_AUTHOR("The founders of mini_pipe");
MODULE_DESCRIPTION("The assignment's C solution of a pipe, for comparison");
MODULE_LICENSE("GPL");
