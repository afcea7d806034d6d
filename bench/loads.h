/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The loads. Each function measures one setting. All but memory() and fairness() return the time in
 * nanoseconds that all messages took, without the setup before and the cleanup after.
 */
#ifndef LOADS_H
#define LOADS_H

#include <glob.h>
#include <linux/membarrier.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include "bench.h"
#include "contenders.h"
#include "tasks.h"

static inline void open_channels(const struct setting *setting, struct channel *channels,
				 int count, size_t capacity)
{
	const struct contender *contender = setting->contender;

	for (int i = 0; i < count; i++)
		contender->open(&channels[i], contender->path, i, capacity);
}

static inline void close_channels(const struct channel *channels, int count)
{
	for (int i = 0; i < count; i++)
		close_channel(&channels[i]);
}

/* Two system calls that do nothing, where the other contenders make one write and one read. */
static inline void call_twice(void)
{
	syscall(SYS_getppid);
	syscall(SYS_getppid);
}

static inline void write_and_read(const struct channel *channel, size_t size)
{
	write_all(channel->write_fd, size);
	if (channel->read_fd >= 0)
		read_all(channel->read_fd, size);
}

/* One task writes a message and reads it. */
static inline unsigned long pair(const struct setting *setting)
{
	size_t capacity = setting->size > USUAL_CAPACITY ? setting->size : USUAL_CAPACITY;
	struct channel channel;
	unsigned long start, end;

	open_channels(setting, &channel, 1, capacity);
	if (setting->contender->kind == SYSCALL) {
		start = now_ns();
		for (unsigned long i = 0; i < setting->count; i++)
			call_twice();
		end = now_ns();
	} else {
		/* The first message allocates the pages. */
		write_and_read(&channel, setting->size);
		start = now_ns();
		for (unsigned long i = 0; i < setting->count; i++)
			write_and_read(&channel, setting->size);
		end = now_ns();
	}
	close_channels(&channel, 1);
	return end - start;
}

static inline unsigned long make_pipes(const struct setting *setting, bool uses)
{
	unsigned long start = now_ns();
	struct channel channel;

	for (unsigned long i = 0; i < setting->count; i++) {
		setting->contender->make(&channel);
		if (uses)
			write_and_read(&channel, setting->size);
		close_channel(&channel);
	}
	return now_ns() - start;
}

/* Pipes are made and closed, one after the other. */
static inline unsigned long create(const struct setting *setting)
{
	return make_pipes(setting, false);
}

/* The same, and a message goes through each pipe. */
static inline unsigned long create_and_use(const struct setting *setting)
{
	return make_pipes(setting, true);
}

/* The pages that nobody uses, those in the processors' lists of free pages included. */
static inline long free_pages(void)
{
	FILE *file = fopen("/proc/zoneinfo", "r");
	char line[128];
	long pages = 0, more;

	if (!file)
		die("/proc/zoneinfo");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " nr_free_pages %ld", &more) == 1 ||
		    sscanf(line, " count: %ld", &more) == 1)
			pages += more;
	fclose(file);
	return pages;
}

/* Has the kernel free what it keeps for later: objects whose grace period is over, empty slabs. */
static inline void free_unused(void)
{
	glob_t files;

	check(syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0), "membarrier");
	if (glob("/sys/kernel/slab/*/shrink", 0, NULL, &files))
		die("/sys/kernel/slab");
	for (size_t i = 0; i < files.gl_pathc; i++) {
		int fd = check(open(files.gl_pathv[i], O_WRONLY), files.gl_pathv[i]);

		check(write(fd, "1", 1), files.gl_pathv[i]);
		close(fd);
	}
	globfree(&files);
}

/* The bytes of free memory, once nothing more becomes free. */
static inline long free_memory(void)
{
	long now = free_pages(), before;

	do {
		before = now;
		free_unused();
		now = free_pages();
	} while (now > before);
	return now * sysconf(_SC_PAGESIZE);
}

/*
 * Many pipes exist at once. The size says what was done with each: 0, nothing; 1, a byte was
 * written; more: this many bytes were written, and read again. Returns the bytes of memory that all
 * pipes together have.
 */
static inline unsigned long memory(const struct setting *setting)
{
	struct rlimit limit = { 2 * MANY_PIPES + 64, 2 * MANY_PIPES + 64 };
	static struct channel channels[MANY_PIPES];
	long before;

	check(setrlimit(RLIMIT_NOFILE, &limit), "RLIMIT_NOFILE");
	before = free_memory();
	for (int i = 0; i < MANY_PIPES; i++) {
		setting->contender->make(&channels[i]);
		if (setting->size)
			write_all(channels[i].write_fd, setting->size);
		if (setting->size > 1)
			read_all(channels[i].read_fd, setting->size);
	}
	before -= free_memory();
	close_channels(channels, MANY_PIPES);
	return before > 0 ? before : 0;
}

/* Writes a message to the first pipe, moves it to the second one, and reads it there. */
static inline void splice_message(const struct setting *setting, const struct channel *channels,
				  size_t size)
{
	write_all(channels[0].write_fd, size);
	for (size_t moved = 0; moved < size;)
		moved += check(setting->contender->splice(channels[0].read_fd,
							  channels[1].write_fd, size - moved),
			       "splice");
	read_all(channels[1].read_fd, size);
}

/* One task splices messages from one pipe to another. Whole pages stay whole. */
static inline unsigned long splice_pages(const struct setting *setting)
{
	struct channel channels[2];
	unsigned long start, end;

	open_channels(setting, channels, 2, USUAL_CAPACITY);
	splice_message(setting, channels, setting->size);
	start = now_ns();
	for (unsigned long i = 0; i < setting->count; i++)
		splice_message(setting, channels, setting->size);
	end = now_ns();
	close_channels(channels, 2);
	return end - start;
}

/*
 * The same with messages of any size up to that of the setting. A byte stays in the second pipe, so
 * that the bytes lie differently in the pages of both.
 */
static inline unsigned long splice_odd(const struct setting *setting)
{
	struct channel channels[2];
	unsigned int random = 1;
	unsigned long start, end;

	open_channels(setting, channels, 2, USUAL_CAPACITY);
	write_all(channels[1].write_fd, 1);
	splice_message(setting, channels, setting->size);
	start = now_ns();
	for (unsigned long i = 0; i < setting->count; i++) {
		random = random * 1103515245 + 12345;
		splice_message(setting, channels, 1 + (random >> 8) % setting->size);
	}
	end = now_ns();
	close_channels(channels, 2);
	return end - start;
}

static inline void write_messages(const struct setting *setting, int fd)
{
	for (unsigned long i = 0; i < setting->count; i++)
		write_all(fd, setting->size);
}

/* Reads until all readers together have read every byte. */
static inline void read_messages(const struct setting *setting, int fd)
{
	unsigned long total = setting->size * setting->count * setting->tasks;
	unsigned long received;

	do {
		ssize_t n = read(fd, buffer, setting->size);

		if (n <= 0)
			die("read");
		received = atomic_fetch_add(&shared->received, n) + n;
	} while (received < total);
	finish();
}

static inline void stream_task(const struct setting *setting, const struct channel *channel,
			       int number)
{
	if (number)
		read_messages(setting, channel->read_fd);
	else
		write_messages(setting, channel->write_fd);
}

static inline unsigned long stream(const struct setting *setting)
{
	struct channel channel;
	unsigned long time;

	open_channels(setting, &channel, 1, USUAL_CAPACITY);
	time = run_tasks(setting, &channel, 2, stream_task);
	close_channels(&channel, 1);
	return time;
}

static inline void roundtrip_task(const struct setting *setting, const struct channel *channels,
				  int number)
{
	for (unsigned long i = 0; i < setting->count; i++) {
		if (number)
			read_all(channels[0].read_fd, setting->size);
		write_all(channels[number].write_fd, setting->size);
		if (!number)
			read_all(channels[1].read_fd, setting->size);
	}
	if (!number)
		finish();
}

/* Two tasks send one message back and forth through two pipes. */
static inline unsigned long roundtrip(const struct setting *setting)
{
	struct channel channels[2];
	unsigned long time;

	open_channels(setting, channels, 2, USUAL_CAPACITY);
	time = run_tasks(setting, channels, 2, roundtrip_task);
	close_channels(channels, 2);
	return time;
}

static inline void write_timed(const struct setting *setting, int fd, unsigned int *durations)
{
	for (unsigned long i = 0; i < setting->count; i++) {
		unsigned long start = now_ns();

		write_all(fd, setting->size);
		durations[i] = now_ns() - start;
	}
}

static inline void crowd_task(const struct setting *setting, const struct channel *channel,
			      int number)
{
	if (number >= setting->tasks)
		read_messages(setting, channel->read_fd);
	else
		write_timed(setting, channel->write_fd,
			    shared->durations + number * setting->count);
}

/* As many readers as writers. Stores the duration of each write in shared->durations. */
static inline unsigned long crowd(const struct setting *setting)
{
	struct channel channel;
	unsigned long time;

	open_channels(setting, &channel, 1, USUAL_CAPACITY);
	time = run_tasks(setting, &channel, 2 * setting->tasks, crowd_task);
	close_channels(&channel, 1);
	return time;
}

static inline int compare_durations(const void *a, const void *b)
{
	const unsigned int *left = a, *right = b;

	return (*left > *right) - (*left < *right);
}

/* Sorts the durations of the writes in crowd(). Returns how many there are. */
static inline size_t sort_durations(const struct setting *setting)
{
	size_t writes = setting->count * setting->tasks;

	qsort(shared->durations, writes, sizeof(*shared->durations), compare_durations);
	return writes;
}

/* Adds to the count of bytes that this task has moved. No other task adds to it. */
static inline void count_moved(int number, size_t bytes)
{
	atomic_ulong *moved = &shared->moved[number].bytes;

	atomic_store_explicit(moved, atomic_load_explicit(moved, memory_order_relaxed) + bytes,
			      memory_order_relaxed);
}

/* Of these tasks: the bytes of the one that moved fewest, divided by those of the busiest. */
static inline double share_of(int first, int count)
{
	unsigned long least = -1UL, most = 1;

	for (int i = first; i < first + count; i++) {
		unsigned long bytes = atomic_load(&shared->moved[i].bytes);

		least = bytes < least ? bytes : least;
		most = bytes > most ? bytes : most;
	}
	return (double)least / most;
}

/* Moves messages for five times the budget. Then the first writer looks at what all have moved. */
static inline void fairness_task(const struct setting *setting, const struct channel *channel,
				 int number)
{
	double writers, readers;

	do {
		if (number >= setting->tasks)
			read_all(channel->read_fd, setting->size);
		else
			write_all(channel->write_fd, setting->size);
		count_moved(number, setting->size);
	} while (number || now_ns() - shared->start < 5 * budget_ns);
	writers = share_of(0, setting->tasks);
	readers = share_of(setting->tasks, setting->tasks);
	shared->share = writers < readers ? writers : readers;
	finish();
}

/*
 * As many readers as writers. Returns what the task that moved fewest messages moved, in millionths
 * of what the busiest one did; computed for writers and for readers, the lower value.
 */
static inline unsigned long fairness(const struct setting *setting)
{
	struct channel channel;

	open_channels(setting, &channel, 1, USUAL_CAPACITY);
	run_tasks(setting, &channel, 2 * setting->tasks, fairness_task);
	close_channels(&channel, 1);
	return shared->share * 1e6;
}

/* Binds the task to processor 0. All but the first task get a real-time priority. */
static inline void set_scheduling(int number)
{
	struct sched_param param = { .sched_priority = 1 };
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	check(sched_setaffinity(0, sizeof(first), &first), "sched_setaffinity");
	if (number)
		check(sched_setscheduler(0, SCHED_FIFO, &param), "sched_setscheduler");
	atomic_fetch_add(&shared->started, 1);
}

/*
 * The readers have a higher priority than the writer, which therefore runs only while all of them
 * sleep. So the reader of a byte has read it, and sleeps again, before the next byte is written.
 */
static inline void sleepers_task(const struct setting *setting, const struct channel *channel,
				 int number)
{
	set_scheduling(number);
	if (number)
		for (;;) {
			read_all(channel->read_fd, 1);
			atomic_fetch_add(&shared->received, 1);
		}
	while (atomic_load(&shared->started) <= setting->tasks)
		sched_yield();
	shared->start = now_ns();
	write_messages(setting, channel->write_fd);
	if (atomic_load(&shared->received) != setting->count) {
		errno = EPROTO;
		die("the readers have not read every message");
	}
	finish();
}

/* Many readers sleep on one pipe; each message is for one of them. */
static inline unsigned long sleepers(const struct setting *setting)
{
	struct channel channel;
	unsigned long time;

	open_channels(setting, &channel, 1, USUAL_CAPACITY);
	time = run_tasks(setting, &channel, 1 + setting->tasks, sleepers_task);
	close_channels(&channel, 1);
	return time;
}

/* One task writes to one pipe after the other, finds each with epoll_wait(2) and reads it. */
static inline unsigned long epoll(const struct setting *setting)
{
	struct channel channels[MAX_PIPES];
	unsigned long start, end;
	int epoll_fd = check(epoll_create1(0), "epoll_create1");

	open_channels(setting, channels, setting->tasks, USUAL_CAPACITY);
	for (int i = 0; i < setting->tasks; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.fd = channels[i].read_fd };

		check(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, channels[i].read_fd, &event),
		      "epoll_ctl");
	}
	start = now_ns();
	for (unsigned long i = 0; i < setting->count; i++) {
		struct epoll_event event;

		write_all(channels[i % setting->tasks].write_fd, setting->size);
		if (epoll_wait(epoll_fd, &event, 1, -1) != 1)
			die("epoll_wait");
		read_all(event.data.fd, setting->size);
	}
	end = now_ns();
	close(epoll_fd);
	close_channels(channels, setting->tasks);
	return end - start;
}

#endif
