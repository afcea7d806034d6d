/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For tests that load and unload the module. They need root and the module's file: MINI_PIPE_KO
 * names it, or it is mini_pipe.ko in this directory or the one above. Each test ends with the
 * module loaded with its defaults.
 */
#ifndef MODULE_FIXTURE_H
#define MODULE_FIXTURE_H

#include "mini_pipe_test.h"

/* KUnit runs the module's cases at each load, unless this filters them out. */
#define KUNIT_FILTER "/sys/module/kunit/parameters/filter_glob"

static inline bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = strlen(text);
	bool written = write(fd, text, len) == len;

	close(fd);
	return written;
}

static inline int open_module_file(void)
{
	const char *named = getenv("MINI_PIPE_KO");
	int fd = open(named ? named : "mini_pipe.ko", O_RDONLY | O_CLOEXEC);

	return fd < 0 && !named ? open("../mini_pipe.ko", O_RDONLY | O_CLOEXEC) : fd;
}

/* Returns 0, or -1 with errno, as insmod would. */
static inline int load(const char *parameters)
{
	int fd = open_module_file();
	int ret = syscall(__NR_finit_module, fd, parameters, 0);
	int err = errno;

	close(fd);
	errno = err;
	return ret;
}

static inline int unload(void)
{
	return syscall(__NR_delete_module, "mini_pipe", O_NONBLOCK);
}

static inline bool node_exists(void)
{
	return access(MINI_PIPE, F_OK) == 0;
}

/* Where udev makes the nodes, they appear and disappear a little later than the device. */
static inline bool wait_for_node(bool there)
{
	for (int ms = 0; ms < TIMEOUT_MS && node_exists() != there; ms++)
		sleep_1ms();
	return node_exists() == there;
}

static inline void load_with(struct __test_metadata *_metadata, const char *parameters)
{
	ASSERT_EQ(0, load(parameters))
	{
		TH_LOG("loading with \"%s\": %s", parameters, strerror(errno));
	}
	ASSERT_TRUE(wait_for_node(true));
}

static inline void load_capacity(struct __test_metadata *_metadata, const char *capacity)
{
	char parameters[64];

	snprintf(parameters, sizeof(parameters), "capacity=%s", capacity);
	load_with(_metadata, parameters);
}

/* Unloads the module, if it can be loaded again; otherwise skips the test. */
static inline void start_unloaded(struct __test_metadata *_metadata)
{
	int fd = open_module_file();

	close(fd);
	set_handler(SIGPIPE, count_sigpipe, SA_RESTART);
	if (geteuid())
		SKIP(return, "needs root");
	if (fd < 0)
		SKIP(return, "needs mini_pipe.ko in . or .., or named by MINI_PIPE_KO");
	if (unload() && errno != ENOENT)
		SKIP(return, "cannot unload mini_pipe: %s", strerror(errno));
	write_file(KUNIT_FILTER, "none");
}

/* A test that failed may have left children, open files, and the module loaded or not. */
static inline void end_loaded(struct __test_metadata *_metadata)
{
	kill_children(_metadata);
	syscall(__NR_close_range, 3, ~0U, 0);
	unload();
	load_with(_metadata, "");
	write_file(KUNIT_FILTER, "*");
}

#endif
