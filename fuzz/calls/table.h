/* SPDX-License-Identifier: GPL-2.0 */
/* The table of all calls. A number of a call is its row. */
#ifndef TABLE_H
#define TABLE_H

#include "async.h"
#include "copy.h"
#include "memory.h"
#include "open.h"
#include "process.h"
#include "settings.h"
#include "wait.h"
#include "watch.h"

/* How often the generator picks a call, beside others. */
#define OFTEN 6
#define SOMETIMES 3
#define RARELY 1

#define CALLS(X) \
	X(read, OFTEN) X(write, OFTEN) X(readv, SOMETIMES) X(writev, SOMETIMES) \
	X(position, RARELY) X(splice, SOMETIMES) X(splice_pipe, SOMETIMES) X(tee, RARELY) \
	X(vmsplice, RARELY) X(sendfile, RARELY) X(copy_file_range, RARELY) X(drain, SOMETIMES) \
	X(open, OFTEN) X(reopen, OFTEN) X(openat, RARELY) X(pair, OFTEN) X(pair_at, RARELY) \
	X(pipe2, RARELY) X(socketpair, RARELY) X(memfd, RARELY) X(close, OFTEN) \
	X(close_range, SOMETIMES) X(dup, SOMETIMES) X(send_fd, SOMETIMES) X(receive_fd, SOMETIMES) \
	X(pidfd_getfd, RARELY) X(poll, SOMETIMES) X(select, RARELY) X(epoll_create, RARELY) \
	X(epoll_ctl, OFTEN) X(epoll_wait, SOMETIMES) X(resize, OFTEN) X(policy, SOMETIMES) \
	X(get, SOMETIMES) X(bad_ioctl, RARELY) X(fioasync, OFTEN) X(toggle_async, SOMETIMES) \
	X(fionbio, RARELY) X(setfl, OFTEN) X(owner, SOMETIMES) X(fcntl, RARELY) \
	X(pipe_size, RARELY) X(lock, SOMETIMES) X(stat, RARELY) X(fdinfo, RARELY) \
	X(attributes, RARELY) X(flush, RARELY) X(uring, OFTEN) X(uring_files, SOMETIMES) \
	X(uring_close, RARELY) X(aio, SOMETIMES) X(inotify_init, RARELY) \
	X(inotify_add, SOMETIMES) X(inotify_remove, SOMETIMES) X(events, RARELY) \
	X(fanotify_init, RARELY) X(fanotify_mark, SOMETIMES) X(dnotify, RARELY) X(mmap, RARELY) \
	X(mprotect, RARELY) X(discard, SOMETIMES) X(userfault, RARELY) X(resolve, RARELY) \
	X(process_vm, RARELY) X(signal, SOMETIMES) X(kill9, RARELY) X(mask, RARELY) \
	X(fork, SOMETIMES) X(exit, RARELY) X(sleep, RARELY) X(yield, RARELY) X(priority, RARELY) \
	X(unload, RARELY) X(load, RARELY)

#define NUMBER_OF(name, weight) CALL_##name,
#define ROW_OF(name, weight) { #name, call_##name, weight },

enum { CALLS(NUMBER_OF) CALL_COUNT };

static const struct {
	const char *name;
	void (*make)(struct worker *me, const unsigned char *arg);
	unsigned int weight;
} calls[] = { CALLS(ROW_OF) };

#endif
