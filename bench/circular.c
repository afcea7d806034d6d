// SPDX-License-Identifier: GPL-2.0
/*
 * The assignment's worked answer: a circular array, one mutex and two wait queues, in C.
 *
 * Read and write copy under the mutex, and return when they have moved something. Whatever moves
 * wakes all who wait for it. Nobody counts who has it open: there is no end of file.
 *
 * Some loads want several pipes, so there are several: /dev/mini_pipe_circular, which is the first,
 * and then /dev/mini_pipe_circular1 and so on.
 */

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#define NAME "mini_pipe_circular"

static unsigned int capacity = 65536;
module_param(capacity, uint, 0444);
MODULE_PARM_DESC(capacity, "how many bytes each pipe can hold");

struct ring {
	struct mutex lock;	/* of what is in the ring */
	wait_queue_head_t readers;
	wait_queue_head_t writers;
	char *data;
	size_t bytes;	/* so many are in it, ... */
	size_t tail;	/* ... from here, where the next one is taken, ... */
	size_t head;	/* ... to here, where the next one is put */
	struct miscdevice misc;
	char name[sizeof(NAME) + 2];
};

static struct ring rings[16];

static struct ring *ring_of(const struct file *file)
{
	/* misc_open() has left it there. */
	return container_of(file->private_data, struct ring, misc);
}

static size_t advance(size_t index, size_t count)
{
	index += count;
	return index < capacity ? index : 0;
}

/* Takes count bytes, or those before a fault; in two parts, if the array ends between them. */
static size_t take(struct ring *ring, char __user *to, size_t count)
{
	size_t taken = 0;

	while (taken < count) {
		size_t part = min(count - taken, capacity - ring->tail);
		size_t missed = copy_to_user(to + taken, ring->data + ring->tail, part);

		taken += part - missed;
		ring->tail = advance(ring->tail, part - missed);
		if (missed)
			break;
	}
	ring->bytes -= taken;
	return taken;
}

static size_t put(struct ring *ring, const char __user *from, size_t count)
{
	size_t written = 0;

	while (written < count) {
		size_t part = min(count - written, capacity - ring->head);
		size_t missed = copy_from_user(ring->data + ring->head, from + written, part);

		written += part - missed;
		ring->head = advance(ring->head, part - missed);
		if (missed)
			break;
	}
	ring->bytes += written;
	return written;
}

static ssize_t circular_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	struct ring *ring = ring_of(file);
	size_t taken;

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
	taken = take(ring, to, min(count, ring->bytes));
	mutex_unlock(&ring->lock);
	if (!taken)
		return -EFAULT;
	wake_up_interruptible(&ring->writers);
	return taken;
}

static ssize_t circular_write(struct file *file, const char __user *from, size_t count, loff_t *pos)
{
	struct ring *ring = ring_of(file);
	size_t written;

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
	written = put(ring, from, min(count, capacity - ring->bytes));
	mutex_unlock(&ring->lock);
	if (!written)
		return -EFAULT;
	wake_up_interruptible(&ring->readers);
	return written;
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

static int ring_add(struct ring *ring, int number)
{
	int err;

	mutex_init(&ring->lock);
	init_waitqueue_head(&ring->readers);
	init_waitqueue_head(&ring->writers);
	ring->data = kvmalloc(capacity, GFP_KERNEL);
	if (!ring->data)
		return -ENOMEM;
	if (number)
		snprintf(ring->name, sizeof(ring->name), NAME "%d", number);
	else
		strscpy(ring->name, NAME);
	ring->misc.name = ring->name;
	ring->misc.minor = MISC_DYNAMIC_MINOR;
	ring->misc.fops = &circular_fops;
	err = misc_register(&ring->misc);
	if (err)
		kvfree(ring->data);
	return err;
}

static void remove_last(int count)
{
	while (count--) {
		misc_deregister(&rings[count].misc);
		kvfree(rings[count].data);
	}
}

static int __init circular_init(void)
{
	int err;

	if (!capacity)
		return -EINVAL;
	for (int i = 0; i < ARRAY_SIZE(rings); i++) {
		err = ring_add(&rings[i], i);
		if (err) {
			remove_last(i);
			return err;
		}
	}
	return 0;
}

static void __exit circular_exit(void)
{
	remove_last(ARRAY_SIZE(rings));
}

module_init(circular_init);
module_exit(circular_exit);

MODULE_AUTHOR("The founders of mini_pipe");
MODULE_DESCRIPTION("A pipe as the assignment's worked answer has it, for comparison");
MODULE_LICENSE("GPL");
