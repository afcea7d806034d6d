/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The loads. Each function measures one setting and returns the time in nanoseconds that all
 * messages took, without the setup before and the cleanup after.
 */
#ifndef LOADS_H
#define LOADS_H

#include <sys/epoll.h>
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

/* The 99th percentile of the durations of the writes in crowd(). */
static inline unsigned int percentile_99(const struct setting *setting)
{
	size_t writes = setting->count * setting->tasks;

	qsort(shared->durations, writes, sizeof(*shared->durations), compare_durations);
	return shared->durations[(writes * 99 + 99) / 100 - 1];
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
