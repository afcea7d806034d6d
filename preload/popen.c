// SPDX-License-Identifier: GPL-2.0
/*
 * popen() and pclose(). glibc's popen() makes its pipe without calling pipe2() of this library. So
 * the library has its own popen(), which does the same as glibc's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <paths.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "preload.h"

/* A stream that popen() has opened, and that is not closed yet. */
struct stream {
	struct stream *next;
	FILE *file;
	pid_t child;
};

/*
 * Only changed with the lock held. Each change is a single store, so the list is whole in a child
 * of fork(), too, whatever the other threads were doing.
 */
static struct stream *streams;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * If another thread had the lock, that thread is not in the child. Nobody takes the lock before a
 * fork(): a handler that has run earlier may hold what popen() needs, such as a lock of malloc().
 */
static void free_lock_in_child(void)
{
	lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

__attribute__((constructor)) static void prepare_for_fork(void)
{
	pthread_atfork(NULL, NULL, free_lock_in_child);
}

/* Starts a shell whose descriptor @standard is @end. Returns an error number. */
static int spawn_shell(const char *command, int end, int standard, pid_t *child)
{
	char *const arguments[] = { "sh", "-c", "--", (char *)command, NULL };
	posix_spawn_file_actions_t actions;
	int error;

	error = posix_spawn_file_actions_init(&actions);
	if (error)
		return error;
	/* If @end is @standard already, this clears its FD_CLOEXEC. */
	error = posix_spawn_file_actions_adddup2(&actions, end, standard);
	/*
	 * POSIX: the child closes the streams of earlier popen() calls. The dup2() above has closed
	 * one whose number is @standard.
	 */
	for (struct stream *stream = streams; stream && !error; stream = stream->next) {
		if (fileno(stream->file) != standard)
			error = posix_spawn_file_actions_addclose(&actions, fileno(stream->file));
	}
	if (!error)
		error = posix_spawn(child, _PATH_BSHELL, &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

/* Opens a stream of a new pipe to a shell. On error, returns false, and sets errno. */
static bool open_stream(struct stream *stream, const char *command, bool reads, bool cloexec)
{
	int error, ours, theirs, fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return false;
	ours = fds[!reads];
	theirs = fds[reads];
	stream->file = fdopen(ours, reads ? "r" : "w");
	if (!stream->file) {
		error = errno;
		close(ours);
	} else {
		error = spawn_shell(command, theirs, reads, &stream->child);
		if (error)
			NEXT(fclose)(stream->file);
		else if (!cloexec)
			fcntl(ours, F_SETFD, 0);
	}
	close(theirs);
	if (error)
		errno = error;
	return !error;
}

FILE *popen(const char *command, const char *type)
{
	bool reads = strchr(type, 'r');
	struct stream *stream;
	int cancel;

	if (is_off())
		return NEXT(popen)(command, type);
	if (type[strspn(type, "rwe")] || reads == !!strchr(type, 'w')) {
		errno = EINVAL;
		return NULL;
	}
	stream = malloc(sizeof(*stream));
	if (!stream)
		return NULL;
	/* popen() may be a cancellation point, but must not leave the lock held. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	pthread_mutex_lock(&lock);
	if (open_stream(stream, command, reads, strchr(type, 'e'))) {
		stream->next = streams;
		__atomic_store_n(&streams, stream, __ATOMIC_RELEASE);
	} else {
		free(stream);
		stream = NULL;
	}
	pthread_mutex_unlock(&lock);
	pthread_setcancelstate(cancel, NULL);
	return stream ? stream->file : NULL;
}

/* Takes the stream of a file off the list. Returns NULL if popen() has not opened it. */
static struct stream *take_stream(FILE *file)
{
	struct stream **link, *stream;

	/* Most programs never call popen(), and need no lock for an fclose(). */
	if (!__atomic_load_n(&streams, __ATOMIC_RELAXED))
		return NULL;
	pthread_mutex_lock(&lock);
	for (link = &streams; *link && (*link)->file != file; link = &(*link)->next)
		;
	stream = *link;
	if (stream)
		*link = stream->next;
	pthread_mutex_unlock(&lock);
	return stream;
}

/* As glibc's: a file that popen() has opened is closed as by pclose(). */
int fclose(FILE *file)
{
	struct stream *stream = take_stream(file);
	int closed = NEXT(fclose)(file);
	int cancel, status;
	pid_t ended;

	if (!stream)
		return closed;
	/* glibc's pclose() is no cancellation point. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	do {
		ended = waitpid(stream->child, &status, 0);
	} while (ended < 0 && errno == EINTR);
	pthread_setcancelstate(cancel, NULL);
	free(stream);
	if (ended < 0)
		return -1;
	return status ? status : closed;
}

int pclose(FILE *file)
{
	return fclose(file);
}
