// SPDX-License-Identifier: GPL-2.0
/*
 * mini_pipe's own algorithm in C, line for line: what is between the two is what Rust costs.
 *
 * Each room of mini_pipe is a header in twin/, and the reasons for everything are told there, in
 * the Rust. It has the same fields, looks at them in the same order and takes the lock as often.
 *
 * Left out is what no load asks for: readv(2) and its kin, splice(2), ioctls, fdinfo, private
 * pipes, writes that wait for their reader, another capacity. Whether anybody has asked for that
 * is looked at all the same.
 */

#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include "numbered.h"
#include "twin/transfer.h"
#include "twin/waiting.h"

#define NAME "mini_pipe_twin"

static unsigned int capacity = 65536;
module_param(capacity, uint, 0444);
MODULE_PARM_DESC(capacity, "how many bytes each pipe can hold");

struct pipe_device {
	struct pipe pipe;
	struct numbered_device device;
};

static struct pipe_device pipes[DEVICES];

struct pipe_file {
	struct pipe *pipe;
	struct seat seat;
};

static __always_inline ssize_t
read_with_care(struct pipe *pipe, const struct seat *seat, unsigned int flags, struct buffer *to)
{
	struct wait wait = { 0 };

	if (!to->len) {
		mutex_unlock(&pipe->lock);
		return 0;
	}
	for (;;) {
		struct bytes_lease lease;
		size_t rest, taken;
		int err;

		lease = pipe_lease_bytes(pipe, to->len, &rest);
		if (lease.extent.span.len) {
			mutex_unlock(&pipe->lock);
			return drain(pipe, lease, rest, to) ?: -EFAULT;
		}
		if (pipe_is_at_end(pipe, seat)) {
			mutex_unlock(&pipe->lock);
			return 0;
		}
		err = wait_for_bytes(pipe, flags, &wait);
		if (err)
			return err;
		taken = ring_try_take(&pipe->ring, to);
		if (taken)
			return moved_at_once(pipe, READER, taken);
	}
}

static __always_inline ssize_t
write_with_care(struct pipe *pipe, const struct seat *seat, unsigned int flags, struct buffer *from)
{
	struct wait wait = { 0 };
	size_t whole = from->len;
	size_t written = 0;

	if (!whole || (pipe->policy == RENDEZVOUS && !(flags & O_NONBLOCK))) {
		mutex_unlock(&pipe->lock);
		return whole ? -EOPNOTSUPP : 0;
	}
	for (;;) {
		struct room_lease lease;
		size_t put;
		int err;

		if (ends_readers(&pipe->ends, seat) == PEER_LEFT) {
			mutex_unlock(&pipe->lock);
			send_sig(SIGPIPE, current, 0);
			return written ?: -EPIPE;
		}
		lease = pipe_lease_room(pipe, flags, whole, from->len);
		if (lease.extent.span.len) {
			bool fault;

			mutex_unlock(&pipe->lock);
			written += fill(pipe, lease, flags, whole, from, &fault);
			if (fault)
				return written ?: -EFAULT;
			if (!from->len)
				return written;
			mutex_lock(&pipe->lock);
			continue;
		}
		err = wait_for_room(pipe, flags, &wait);
		if (err)
			return written ?: err;
		put = pipe_try_write(pipe, seat, flags, from);
		if (put)
			return written + moved_at_once(pipe, WRITER, put);
	}
}

static ssize_t twin_read(struct file *file, char __user *at, size_t len, loff_t *pos)
{
	const struct pipe_file *me = file->private_data;
	unsigned int flags = READ_ONCE(file->f_flags);
	struct buffer to = { at, len };
	struct pipe *pipe = me->pipe;
	size_t taken;

	mutex_lock(&pipe->lock);
	taken = ring_try_take(&pipe->ring, &to);
	if (likely(taken))
		return moved_at_once(pipe, READER, taken);
	return read_with_care(pipe, &me->seat, flags, &to);
}

static ssize_t twin_write(struct file *file, const char __user *at, size_t len, loff_t *pos)
{
	const struct pipe_file *me = file->private_data;
	unsigned int flags = READ_ONCE(file->f_flags);
	struct buffer from = { (char __user *)at, len };
	struct pipe *pipe = me->pipe;
	size_t put;

	mutex_lock(&pipe->lock);
	put = pipe_try_write(pipe, &me->seat, flags, &from);
	if (likely(put))
		return moved_at_once(pipe, WRITER, put);
	return write_with_care(pipe, &me->seat, flags, &from);
}

static __poll_t twin_poll(struct file *file, poll_table *table)
{
	const struct pipe_file *me = file->private_data;
	__poll_t key = table ? table->_key : 0, mask = 0;
	struct interest interest = { key & EPOLLET, key & EPOLLEXCLUSIVE };
	const struct seat *seat = &me->seat;
	struct pipe *pipe = me->pipe;

	mutex_lock(&pipe->lock);
	if (seat->reads)
		waiters_poll(&pipe->waiting_readers, interest);
	if (seat->writes) {
		interest.edges = false;
		waiters_poll(&pipe->waiting_writers, interest);
	}
	if (table && table->_qproc) {
		mutex_unlock(&pipe->lock);
		if (seat->reads)
			poll_wait(file, &pipe->readers.queue, table);
		if (seat->writes)
			poll_wait(file, &pipe->writers.queue, table);
		mutex_lock(&pipe->lock);
	}
	if (seat->reads && !pipe_refuse_reader(pipe)) {
		if (indices_bytes(&pipe->ring.indices))
			mask |= EPOLLIN | EPOLLRDNORM;
		if (ends_writers(&pipe->ends, seat) == PEER_LEFT)
			mask |= EPOLLHUP;
	}
	if (seat->writes) {
		if (!pipe_refuse_writer(pipe) && ring_room(&pipe->ring) >= pipe_atomic_limit(pipe))
			mask |= EPOLLOUT | EPOLLWRNORM;
		if (ends_readers(&pipe->ends, seat) == PEER_LEFT)
			mask |= EPOLLERR;
	}
	mutex_unlock(&pipe->lock);
	return mask;
}

static int twin_fasync(int fd, struct file *file, int on)
{
	const struct pipe_file *me = file->private_data;
	struct pipe *pipe = me->pipe;
	int readers = 0, writers = 0;

	if (me->seat.reads)
		readers = fasync_helper(fd, file, on, &pipe->readers.subscribers);
	if (readers < 0)
		return readers;
	if (me->seat.writes)
		writers = fasync_helper(fd, file, on, &pipe->writers.subscribers);
	if (writers < 0 && readers)
		fasync_helper(fd, file, 0, &pipe->readers.subscribers);
	return writers < 0 ? writers : readers || writers;
}

static int twin_open(struct inode *inode, struct file *file)
{
	struct miscdevice *misc = file->private_data;
	struct pipe_file *me = kmalloc_obj(*me);
	struct pipe *pipe;

	if (!me)
		return -ENOMEM;
	pipe = &container_of(misc, struct pipe_device, device.misc)->pipe;
	me->pipe = pipe;
	me->seat.reads = file->f_mode & FMODE_READ;
	me->seat.writes = file->f_mode & FMODE_WRITE;
	mutex_lock(&pipe->lock);
	ends_open(&pipe->ends, &me->seat, !indices_is_empty(&pipe->ring.indices));
	mutex_unlock(&pipe->lock);
	file->private_data = me;
	file->f_mode |= FMODE_NOWAIT | FMODE_CAN_ODIRECT;
	return stream_open(inode, file);
}

static int twin_release(struct inode *inode, struct file *file)
{
	struct pipe_file *me = file->private_data;
	bool end_of_file, broken;
	struct pipe *pipe = me->pipe;
	enum wake readers, writers;

	mutex_lock(&pipe->lock);
	ends_close(&pipe->ends, &me->seat);
	end_of_file = me->seat.writes && !pipe->ends.writers.open;
	broken = me->seat.reads && !pipe->ends.readers.open;
	if (broken)
		waiters_forget_pollers(&pipe->waiting_readers);
	if (end_of_file)
		waiters_forget_pollers(&pipe->waiting_writers);
	readers = waiters_all_if(&pipe->waiting_readers, end_of_file);
	writers = waiters_all_if(&pipe->waiting_writers, broken);
	mutex_unlock(&pipe->lock);

	watch_tell(&pipe->readers.watch);
	watch_tell(&pipe->writers.watch);
	side_wake(&pipe->readers, readers);
	side_wake(&pipe->writers, writers);
	if (end_of_file)
		side_signal(&pipe->readers, POLL_IN);
	if (broken) {
		wake_up(&pipe->turn_queue);
		side_signal(&pipe->writers, POLL_OUT);
	}
	kfree(me);
	return 0;
}

static const struct file_operations twin_fops = {
	.owner = THIS_MODULE,
	.open = twin_open,
	.release = twin_release,
	.read = twin_read,
	.write = twin_write,
	.poll = twin_poll,
	.fasync = twin_fasync,
};

static int pipe_add(int number)
{
	struct pipe *pipe = &pipes[number].pipe;
	int err = pipe_init(pipe, capacity);

	err = err ?: numbered_add(&pipes[number].device, NAME, number, &twin_fops);
	if (err)
		pipe_free(pipe);
	return err;
}

static void pipe_remove(int number)
{
	misc_deregister(&pipes[number].device.misc);
	pipe_free(&pipes[number].pipe);
}

static int __init twin_init(void)
{
	return capacity ? numbered_add_all(pipe_add, pipe_remove) : -EINVAL;
}

static void __exit twin_exit(void)
{
	numbered_remove(DEVICES, pipe_remove);
}

module_init(twin_init);
module_exit(twin_exit);

MODULE_AUTHOR("The founders of mini_pipe");
MODULE_DESCRIPTION("mini_pipe's own algorithm in C, for comparison");
MODULE_LICENSE("GPL");
