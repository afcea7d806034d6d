// SPDX-License-Identifier: GPL-2.0
/*
 * debugfs: the file mini_pipe/pipes has a line for each pipe, private ones too. Needs root. Where
 * debugfs is not mounted, the tests mount it.
 */
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "mini_pipe_fixture.h"
#include "module_fixture.h"
#include "credentials.h"

#define DEBUGFS "/sys/kernel/debug"
#define FOLDER DEBUGFS "/mini_pipe"
#define PIPES FOLDER "/pipes"

/* The columns. All but "pipe" and "...-sleepers" are lines of fdinfo, too. */
static const char *const columns[] = {
	"pipe", "capacity", "bytes", "readers", "writers", "reader-sleepers", "writer-sleepers",
	"policy", "bytes-in", "bytes-out", "reader-sleeps", "writer-sleeps",
	"reader-wakeups", "writer-wakeups",
};

static bool is_in_fdinfo(int column)
{
	return column && !strstr(columns[column], "-sleepers");
}

static bool can_list(struct __test_metadata *_metadata)
{
	if (geteuid() ||
	    (access(FOLDER, F_OK) && mount("debugfs", DEBUGFS, "debugfs", 0, NULL)))
		SKIP(return false, "needs root and debugfs");
	return true;
}

/* Returns the whole text of an open file. The caller frees it. */
static char *read_all(struct __test_metadata *_metadata, int fd)
{
	size_t size = 1 << 20, len = 0;
	char *text = malloc(size);
	ssize_t n;

	ASSERT_NE(NULL, text);
	ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
	while ((n = read(fd, text + len, size - len - 1)) > 0)
		len += n;
	ASSERT_EQ(0, n);
	text[len] = '\0';
	return text;
}

static char *read_pipes(struct __test_metadata *_metadata)
{
	int fd = open(PIPES, O_RDONLY | O_CLOEXEC);
	char *text;

	ASSERT_LE(0, fd)
	{
		TH_LOG("%s: %s", PIPES, strerror(errno));
	}
	text = read_all(_metadata, fd);
	close(fd);
	return text;
}

/* Returns how many lines the pipe `name` has. Stores the last line's value in `column`. */
static int find_pipe(char *text, const char *name, int column, char *value, size_t size)
{
	int count = 0;

	for (char *line = text; *line; line += strcspn(line, "\n") + 1) {
		size_t len = strcspn(line, "\t");

		if (len != strlen(name) || strncmp(line, name, len))
			continue;
		for (int i = 0; i < column; i++)
			line += strcspn(line, "\t\n") + 1;
		snprintf(value, size, "%.*s", (int)strcspn(line, "\t\n"), line);
		count++;
	}
	return count;
}

static int count_lines_of(struct __test_metadata *_metadata, const char *name)
{
	char *text = read_pipes(_metadata);
	char value[64];
	int count = find_pipe(text, name, 0, value, sizeof(value));

	free(text);
	return count;
}

/* The value in a column, on the line of the pipe that the descriptor has open. */
static const char *value_of(struct __test_metadata *_metadata, int fd, const char *column)
{
	char *text = read_pipes(_metadata);
	static char value[64];
	char name[64];
	size_t i = 0;

	while (strcmp(columns[i], column))
		i++;
	name_of(getpid(), fd, name, sizeof(name));
	ASSERT_EQ(1, find_pipe(text, name, i, value, sizeof(value)))
	{
		TH_LOG("lines of %s in\n%s", name, text);
	}
	free(text);
	return value;
}

#define EXPECT_VALUE(value, column)						\
	EXPECT_STREQ(value, value_of(_metadata, self->ends.r, column))

/* Checks the header, and that each line has as many columns. Returns how many lines. */
static int check_form(struct __test_metadata *_metadata, char *text)
{
	int lines = -1;

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		size_t len = strlen(columns[i]);

		ASSERT_EQ(0, strncmp(text, columns[i], len));
		ASSERT_EQ(i + 1 == ARRAY_SIZE(columns) ? '\n' : '\t', text[len]);
		text += len + 1;
		lines = 0;
	}
	for (; *text; lines++) {
		size_t tabs = 0;

		for (; *text != '\n'; text++) {
			ASSERT_NE('\0', *text);
			tabs += *text == '\t';
		}
		ASSERT_EQ(ARRAY_SIZE(columns) - 1, tabs);
		text++;
	}
	return lines;
}

TEST_F(pipe, line_agrees_with_fdinfo)
{
	char fdinfo[4096], path[32], start[32];

	if (!can_list(_metadata))
		return;
	write_pattern(_metadata, self->ends.w, 300);
	read_exactly(_metadata, self->ends.r, 100);
	snprintf(path, sizeof(path), "fdinfo/%d", self->ends.r);
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		char *line;

		if (!is_in_fdinfo(i))
			continue;
		ASSERT_TRUE(read_proc(getpid(), path, fdinfo, sizeof(fdinfo)));
		snprintf(start, sizeof(start), "\n%s:\t", columns[i]);
		line = strstr(fdinfo, start);
		ASSERT_NE(NULL, line);
		line += strlen(start);
		line[strcspn(line, "\n")] = '\0';
		EXPECT_STREQ(line, value_of(_metadata, self->ends.r, columns[i]))
		{
			TH_LOG("%s: %s", columns[i],
			       value_of(_metadata, self->ends.r, columns[i]));
		}
	}
}

TEST_F(pipe, line_shows_state)
{
	if (!can_list(_metadata))
		return;
	write_pattern(_metadata, self->ends.w, 300);
	EXPECT_VALUE("300", "bytes");
	EXPECT_VALUE("1", "readers");
	EXPECT_VALUE("1", "writers");
	EXPECT_VALUE("buffered", "policy");
	drain_pipe(_metadata, self->ends.r);
	EXPECT_VALUE("0", "bytes");
	ASSERT_EQ(0, set_policy(self->ends.w, MINI_PIPE_RENDEZVOUS));
	EXPECT_VALUE("rendezvous", "policy");
	ASSERT_EQ(5000, set_capacity(self->ends.w, 5000));
	EXPECT_VALUE("5000", "capacity");
	close(self->ends.w);
	EXPECT_VALUE("0", "writers");
}

TEST_F(pipe, line_counts_sleeping_readers)
{
	struct child readers[2];

	if (!can_list(_metadata))
		return;
	EXPECT_VALUE("0", "reader-sleepers");
	readers[0] = start_reading(_metadata, self->ends.r, 1);
	readers[1] = start_reading(_metadata, self->ends.r, 1);
	EXPECT_VALUE("2", "reader-sleepers");
	EXPECT_VALUE("0", "writer-sleepers");
	write_pattern(_metadata, self->ends.w, 2);
	result_of(_metadata, &readers[0]);
	result_of(_metadata, &readers[1]);
	EXPECT_VALUE("0", "reader-sleepers");
}

TEST_F(pipe, line_counts_sleeping_writers)
{
	if (!can_list(_metadata))
		return;
	fill_pipe(_metadata, self->ends.w);
	start_writing(_metadata, self->ends.w, 0, 'w', 1);
	EXPECT_VALUE("1", "writer-sleepers");
	EXPECT_VALUE("0", "reader-sleepers");
}

/* Writer 0 waits until its bytes have been read, writer 1 until that rendezvous ends. */
TEST_F(pipe, line_counts_sleeping_writers_in_rendezvous)
{
	struct child writers[2];

	if (!can_list(_metadata))
		return;
	ASSERT_EQ(0, set_policy(self->ends.w, MINI_PIPE_RENDEZVOUS));
	writers[0] = start_writing(_metadata, self->ends.w, 0, 'a', 10);
	EXPECT_VALUE("1", "writer-sleepers");
	writers[1] = start_writing(_metadata, self->ends.w, 0, 'b', 10);
	EXPECT_VALUE("2", "writer-sleepers");
	kill_child(_metadata, &writers[0]);
	ASSERT_ASLEEP_IN(write, &writers[1]);
	EXPECT_VALUE("1", "writer-sleepers");
	kill_child(_metadata, &writers[1]);
	EXPECT_VALUE("0", "writer-sleepers");
}

/* Tests of the list as a whole. */
FIXTURE(list)
{
};

FIXTURE_SETUP(list)
{
	can_list(_metadata);
}

FIXTURE_TEARDOWN(list)
{
	kill_children(_metadata);
}

TEST_F(list, first_line_names_all_columns)
{
	char *text = read_pipes(_metadata);

	EXPECT_LE(1, check_form(_metadata, text));
	free(text);
}

TEST_F(list, device_is_always_listed)
{
	EXPECT_EQ(1, count_lines_of(_metadata, MINI_PIPE));
}

static void open_as_user(int report_to, const void *arg __maybe_unused)
{
	switch_to(&unprivileged_user);
	report(report_to, open(PIPES, O_RDONLY));
}

/* Even if all may enter debugfs itself. */
TEST_F(list, only_root_can_open)
{
	struct stat root, folder, file;
	struct result result;
	struct child child;

	ASSERT_EQ(0, stat(PIPES, &file));
	EXPECT_EQ(0, file.st_mode & 0222);
	ASSERT_EQ(0, stat(FOLDER, &folder));
	EXPECT_EQ(S_IFDIR | 0700, folder.st_mode);
	EXPECT_EQ(0, folder.st_uid);
	ASSERT_EQ(0, stat(DEBUGFS, &root));
	ASSERT_EQ(0, chmod(DEBUGFS, 0755));
	child = start_child(_metadata, open_as_user, NULL);
	result = result_of(_metadata, &child);
	chmod(DEBUGFS, root.st_mode & 07777);
	EXPECT_EQ(-1, result.ret);
	EXPECT_EQ(EACCES, result.err);
}

TEST_F(list, private_pipe_is_listed_until_last_path_is_closed)
{
	struct ends ends = private_pipe(_metadata, 0, 0);
	char name[64];
	int path;

	name_of(getpid(), ends.r, name, sizeof(name));
	EXPECT_EQ(1, count_lines_of(_metadata, name));
	path = open_again(ends.r, O_PATH);
	close(ends.r);
	close(ends.w);
	EXPECT_STREQ("0", value_of(_metadata, path, "readers"));
	EXPECT_STREQ("0", value_of(_metadata, path, "writers"));
	close(path);
	EXPECT_EQ(0, count_lines_of(_metadata, name));
}

/* A mark holds the inode, but not the pipe. */
TEST_F(list, pipe_is_not_listed_when_only_a_mark_is_left)
{
	struct ends ends = private_pipe(_metadata, 0, 0);
	int marks = inotify_init1(IN_CLOEXEC);
	char name[64], path[32];

	name_of(getpid(), ends.r, name, sizeof(name));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends.r);
	ASSERT_LE(0, inotify_add_watch(marks, path, IN_ALL_EVENTS));
	EXPECT_EQ(1, count_lines_of(_metadata, name));
	close(ends.r);
	close(ends.w);
	EXPECT_EQ(0, count_lines_of(_metadata, name));
	close(marks);
	EXPECT_EQ(0, count_lines_of(_metadata, name));
}

/* More text than fits a page. */
TEST_F(list, each_of_many_pipes_is_listed_once)
{
	struct ends ends[400];
	char *text, name[64];

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		ends[i] = private_pipe(_metadata, 0, 4096);
	text = read_pipes(_metadata);
	EXPECT_LE((int)ARRAY_SIZE(ends) + 1, check_form(_metadata, text));
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		char value[64];

		name_of(getpid(), ends[i].w, name, sizeof(name));
		EXPECT_EQ(1, find_pipe(text, name, 1, value, sizeof(value)));
		EXPECT_STREQ("4096", value);
	}
	free(text);
}

/* Makes and closes 3000 pipes, one after the other. */
static void make_and_close(int report_to, const void *arg __maybe_unused)
{
	const struct timespec pause = { .tv_nsec = 200000 };
	int device = open(MINI_PIPE, O_ACCMODE | O_CLOEXEC);
	struct ends ends;
	int made = 0;

	while (made < 3000 && make_pair(device, &ends, 0, 0) == 0) {
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		close(ends.r);
		close(ends.w);
		made++;
	}
	report(report_to, made);
}

/*
 * The child runs on the reader's processor, with a real-time priority. So wherever a read can be
 * preempted, the child can close the pipe and make another one. If the read still uses the closed
 * pipe, KASAN reports that on the debug kernel.
 */
TEST_F(list, is_read_while_pipes_are_made_and_closed)
{
	const struct sched_param param = { .sched_priority = 1 };
	int fd = open(PIPES, O_RDONLY | O_CLOEXEC);
	struct child maker = start_child(_metadata, make_and_close, NULL);

	ASSERT_LE(0, fd);
	ASSERT_TRUE(bind_to_first_processor(maker.pid));
	ASSERT_TRUE(bind_to_first_processor(0));
	ASSERT_EQ(0, sched_setscheduler(maker.pid, SCHED_FIFO, &param));
	while (!has_reported(&maker))
		ASSERT_LT(0, pread(fd, big_buffer(), PIPE_BUF, 0));
	EXPECT_EQ(3000, result_of(_metadata, &maker).ret);
}

/* Loading and unloading. */
FIXTURE(reload)
{
};

FIXTURE_SETUP(reload)
{
	if (can_list(_metadata))
		start_unloaded(_metadata);
}

FIXTURE_TEARDOWN(reload)
{
	end_loaded(_metadata);
}

TEST_F(reload, folder_comes_and_goes_with_module)
{
	EXPECT_EQ(-1, access(FOLDER, F_OK));
	load_with(_metadata, "");
	EXPECT_EQ(0, access(PIPES, F_OK));
	ASSERT_EQ(0, unload());
	EXPECT_EQ(-1, access(FOLDER, F_OK));
	EXPECT_EQ(-1, load("capacity=0"));
	EXPECT_EQ(-1, access(FOLDER, F_OK));
}

/* A file or path that stays open does not refer to the module. */
TEST_F(reload, open_file_and_path_do_not_hold_module)
{
	char text[64];
	int file, path;

	load_with(_metadata, "");
	path = open(PIPES, O_PATH | O_CLOEXEC);
	ASSERT_LE(0, path);
	EXPECT_EQ(0, unload());
	EXPECT_EQ(-1, open_again(path, O_RDONLY));
	EXPECT_EQ(ENOENT, errno);

	load_with(_metadata, "");
	file = open(PIPES, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, file);
	EXPECT_LT(0, read(file, text, sizeof(text)));
	EXPECT_EQ(0, unload());
	EXPECT_EQ(-1, read(file, text, sizeof(text)));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(0, close(file));
	close(path);
}

static void read_endlessly(int report_to __maybe_unused, const void *arg __maybe_unused)
{
	char text[4096];
	int fd;

	for (;;) {
		while ((fd = open(PIPES, O_RDONLY | O_CLOEXEC)) < 0)
			sleep_1ms();
		while (read(fd, text, sizeof(text)) > 0)
			;
		close(fd);
	}
}

TEST_F_TIMEOUT(reload, list_is_read_during_loads_and_unloads, 120)
{
	start_child(_metadata, read_endlessly, NULL);
	for (int i = 0; i < 10; i++) {
		load_with(_metadata, "");
		EXPECT_EQ(0, unload());
	}
}

TEST_HARNESS_MAIN
