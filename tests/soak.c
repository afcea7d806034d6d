// SPDX-License-Identifier: GPL-2.0
/*
 * A soak: many processes at the device for a while, with every byte accounted for.
 *
 *   DURATION=seconds SEED=n soak
 *
 * A round loads the module with one of several capacities and unloads it again. In a round, episode
 * follows episode: some readers and writers are born, disturb each other for a moment and are left
 * in peace again; then every write must come to its end, every byte to a reader and every reader to
 * the end of file, by themselves. Then the books are compared. soak_books.h says what that proves.
 *
 * Needs root and mini_pipe.ko, unloaded, in this directory. It speaks KTAP.
 */
#include <sys/resource.h>
#include <time.h>
#include "soak_lives.h"

#define ROUND_MS 3000

/* Loads and unloads after a round, so that what each leaves behind adds up: a handful. */
#define RELOADS_MS 500

/* What may be missing at the end that was there halfway: a quarter of a ring, and some objects. */
#define MISSING_PAGES 64
#define MORE_SLAB_KB 512

static const ssize_t capacities[] = { 1048576, 65536, 1, 128, 4095, 4096, 4097 };

static unsigned long exits;
static bool disturbing;
static bool stuck;
static long beginning;

static long ms_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static long seconds_since_start(void)
{
	return (ms_now() - beginning) / 1000;
}

/* Births and deaths */

static int count_lives(bool writes)
{
	int lives = 0;

	for (int i = 0; i < books->lives; i++)
		lives += books->life[i].writes == writes;
	return lives;
}

static int count_living(bool writes)
{
	int living = 0;

	for (int i = 0; i < books->lives; i++)
		living += books->life[i].writes == writes && books->life[i].pid;
	return living;
}

static bool can_be_born(bool writes)
{
	if (writes && books->play.unit == 1 && count_lives(true) == STREAMS_OF_BYTES)
		return false;
	return books->lives < LIVES;
}

static void give_birth(bool writes)
{
	struct life *life = &books->life[books->lives];
	pid_t parent = getpid(), pid;

	memset(life, 0, sizeof(*life));
	life->writes = writes;
	life->stream = writes ? count_lives(true) + 1 : 0;
	life->style = any_of(books->play.styles[writes]);
	life->opening = true;
	books->lives++;
	pid = fork();
	if (!pid)
		live(life, parent);
	if (pid < 0) {
		perror("fork");
		exit(KSFT_FAIL);
	}
	/* Not by the child, too: the books are shared. */
	life->pid = pid;
}

static void bury(struct life *life, int status, const struct rusage *usage)
{
	bool over;

	life->pid = 0;
	exits++;
	count(PROCESSES, 1);
	count(SLEEPS, usage->ru_nvcsw);
	life->killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	if (life->killed) {
		count(KILLS, 1);
		count(KILLS_IN_CALLS, life->calling);
		if (!life->writes)
			recover(life);
	} else if (status) {
		complain("a %s ended with status %#x", life->writes ? "writer" : "reader", status);
	}
	/* Not each has a successor: that one would do what the dead has left undone. */
	over = life->writes ? books->stop || books->budget <= 0 : books->ending;
	if (!over && can_be_born(life->writes) && (!count_living(life->writes) || once_in(2)))
		give_birth(life->writes);
}

static void bury_the_dead(void)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0)
		for (int i = 0; i < books->lives; i++)
			if (books->life[i].pid == pid)
				bury(&books->life[i], status, &usage);
}

/* Waiting for what must come */

static void say_who_is_where(void)
{
	char text[2048];

	for (int i = 0; i < books->lives; i++) {
		const struct life *life = &books->life[i];

		if (!life->pid)
			continue;
		printf("# %s %d, %s, %s, state %c:", life->writes ? "writer" : "reader", life->pid,
		       style_names[life->style], life->calling ? "in a call" : "not in a call",
		       state_of(life->pid));
		if (life->writes)
			printf(" %lu units in, %lu offered", life->put, life->offered);
		else
			printf(" %lu bytes read", life->taken);
		if (read_proc(life->pid, "wchan", text, sizeof(text)))
			printf(", in %s", text);
		printf("\n");
		if (read_proc(life->pid, "stack", text, sizeof(text)))
			printf("%s", text);
	}
}

/* Bytes that are in the pipe, as far as the writers have said. */
static long bytes_in_pipe(void)
{
	long bytes = 0;

	for (int i = 0; i < books->lives; i++)
		bytes += books->life[i].put * books->play.unit - books->life[i].taken;
	return bytes;
}

/* Units or bytes: changes when anything is written, or read. */
static unsigned long moved_by(bool writers)
{
	unsigned long sum = 0;

	for (int i = 0; i < books->lives; i++)
		sum += writers ? books->life[i].put : books->life[i].taken;
	return sum;
}

static unsigned long moved(void)
{
	return exits + books->lives + moved_by(true) + moved_by(false);
}

static bool wait_until(bool (*done)(void), const char *what)
{
	unsigned long before = moved();
	long since = ms_now();

	while (!books->failed) {
		bury_the_dead();
		if (done())
			return !books->failed;
		a_moment();
		if (moved() != before) {
			before = moved();
			since = ms_now();
		} else if (ms_now() - since > PATIENCE_MS) {
			stuck = true;
			complain("stuck for %d s, waiting until %s, with %ld bytes in the pipe",
				 PATIENCE_MS / 1000, what, bytes_in_pipe());
			say_who_is_where();
		}
	}
	return false;
}

static bool writers_are_gone(void)
{
	return !count_living(true);
}

static bool readers_are_gone(void)
{
	return !count_living(false);
}

/* Among them the meddlers of those who were killed. */
static bool all_children_are_gone(void)
{
	return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

static bool nobody_opens(void)
{
	for (int i = 0; i < books->lives; i++)
		if (books->life[i].pid && books->life[i].opening)
			return false;
	return true;
}

/* What a writer left that was killed in a call may still be there. */
static bool all_is_read(void)
{
	return bytes_in_pipe() <= 0;
}

static bool sleeps_in_call(const struct life *life)
{
	return is_asleep_in(life->pid, life->writes ? __NR_write : __NR_read) ||
	       is_asleep_in(life->pid, life->writes ? __NR_writev : __NR_readv) ||
	       is_asleep_in(life->pid, __NR_ppoll) || is_asleep_in(life->pid, __NR_epoll_pwait);
}

static bool readers_sleep(void)
{
	for (int i = 0; i < books->lives; i++)
		if (books->life[i].style != SPINNING && !sleeps_in_call(&books->life[i]))
			return false;
	return true;
}

/* Nobody has read yet, so room has only become less: who sleeps has never had what it needs. */
static bool nothing_more_fits(void)
{
	long room = books->play.capacity - bytes_in_pipe();

	for (int i = 0; i < books->lives; i++) {
		const struct life *life = &books->life[i];

		if (life->pid && (!sleeps_in_call(life) || life->wanted <= room))
			return false;
	}
	return true;
}

/* Disturbances */

static pid_t doomed;

static bool doomed_is_dead(void)
{
	for (int i = 0; i < books->lives; i++)
		if (books->life[i].pid == doomed)
			return false;
	return true;
}

static void disturb_one(const struct life *life)
{
	if (books->play.signals)
		kill(life->pid, once_in(2) ? SIGUSR1 : SIGUSR2);
	if (books->play.kills && once_in(16) && books->lives < LIVES - LAST_LIVES) {
		doomed = life->pid;
		kill(doomed, SIGKILL);
		wait_until(doomed_is_dead, "a killed process is dead");
	}
}

/* Only a side that moves: a signal would help up one that sleeps though it should not. */
static void disturb(void)
{
	static unsigned long before[2];
	bool moves[2];

	for (int writes = 0; writes < 2; writes++) {
		unsigned long now = moved_by(writes);

		moves[writes] = now != before[writes];
		before[writes] = now;
	}
	for (int i = 0; i < books->lives; i++)
		if (books->life[i].pid && moves[books->life[i].writes] && once_in(2))
			disturb_one(&books->life[i]);
}

static long episode_end;

static bool time_is_up(void)
{
	if (disturbing)
		disturb();
	return ms_now() >= episode_end || writers_are_gone();
}

/* Episodes */

static int some_styles(void)
{
	if (once_in(3))
		return 1 << BLOCKING;
	if (once_in(2))
		return 1 << at_random(STYLES);
	return 1 + at_random((1 << STYLES) - 1);
}

static void choose_play(ssize_t capacity)
{
	struct play *play = &books->play;
	bool words = word_size(capacity) > 1 && !once_in(3);

	play->number++;
	play->capacity = capacity;
	play->unit = words ? word_size(capacity) : 1;
	/* A large write to a small ring would outlast the soak. */
	play->longest = smaller(once_in(2) ? LONGEST : PIPE_BUF, capacity * 512);
	play->readers = once_in(3) ? 1 : any_size(8);
	play->writers = words ? any_size(8) : any_size(4);
	play->styles[false] = some_styles();
	play->styles[true] = some_styles();
	play->anchored = once_in(2);
	play->signals = once_in(2);
	play->kills = once_in(3);
	play->faults = once_in(3);
	play->hasty = !play->signals && !play->kills && once_in(2);
	play->meddled = once_in(3);
	play->late = NOBODY;
	play->ms = play->hasty ? 0 : any_size(500);
	if (once_in(3))
		play->late = WRITERS;
	/* To fill the pipe, all wait in writes that fit or do not. */
	if (once_in(3)) {
		play->late = READERS;
		play->longest = atomic_len(capacity);
		play->styles[true] = 1 << BLOCKING;
	}
}

static void say_the_play(void)
{
	const struct play *play = &books->play;

	printf("# %4ld s: episode %d, capacity %zd, units of %zd, calls of at most %zd bytes, ",
	       seconds_since_start(), play->number, play->capacity, play->unit, play->longest);
	printf("%d readers (%#x), %d writers (%#x)%s%s%s%s%s%s%s\n",
	       play->readers, play->styles[false], play->writers, play->styles[true],
	       play->anchored ? ", anchored" : "", play->signals ? ", signals" : "",
	       play->kills ? ", kills" : "", play->faults ? ", faults" : "",
	       play->meddled ? ", meddled" : "", play->hasty ? ", hasty" : "",
	       play->late == READERS ? ", readers late" : play->late == WRITERS ?
	       ", writers late" : "");
}

static void clear_the_books(void)
{
	/* They start at 0 again. */
	munmap(arenas, ARENAS);
	arenas = map_shared(ARENAS);
	books->lives = 0;
	books->stop = false;
	books->ending = false;
	books->budget = VOLUME;
	for (int i = 0; i <= LIVES; i++)
		books->read_up_to[i] = 0;
}

static int open_anchor(int flags)
{
	int fd = open(MINI_PIPE, flags | O_CLOEXEC);

	if (fd < 0)
		complain("open: %s", strerror(errno));
	return fd;
}

/* The pipe is empty. */
static bool restore_capacity(ssize_t capacity)
{
	int fd = open_anchor(O_ACCMODE);
	bool restored = set_capacity(fd, capacity) == capacity;

	if (!restored)
		complain("resizing to %zd: %s", capacity, strerror(errno));
	close(fd);
	return restored;
}

static bool play_through(void)
{
	const struct play *play = &books->play;
	int both = play->anchored ? open_anchor(O_RDWR) : -1, writer;
	bool done = true;

	for (int i = 0; i < play->readers && play->late != READERS; i++)
		give_birth(false);
	if (play->late == WRITERS)
		done = wait_until(readers_sleep, "the readers sleep");
	for (int i = 0; i < play->writers && done; i++)
		give_birth(true);
	if (play->late == READERS) {
		done = wait_until(nothing_more_fits, "no writer sleeps though its bytes fit");
		for (int i = 0; i < play->readers && done; i++)
			give_birth(false);
	}
	episode_end = ms_now() + play->ms;
	disturbing = play->signals || play->kills;
	done = done && wait_until(time_is_up, "time is up");
	disturbing = false;

	writer = open_anchor(O_WRONLY);
	books->stop = true;
	done = done && wait_until(writers_are_gone, "the writers have written what they had begun");
	if (!play->hasty)
		done = done && wait_until(all_is_read, "all is read");
	books->ending = true;
	done = done && wait_until(nobody_opens, "nobody opens any more");
	if (!done)
		return false;
	close(writer);
	close(both);
	return wait_until(readers_are_gone, "the readers have met the end of file") &&
	       wait_until(all_children_are_gone, "the meddlers are gone") &&
	       restore_capacity(play->capacity) && reckon();
}

/* The module */

static void load(ssize_t capacity)
{
	int fd = open("mini_pipe.ko", O_RDONLY | O_CLOEXEC);
	char parameters[64];

	snprintf(parameters, sizeof(parameters), "capacity=%zd", capacity);
	if (syscall(__NR_finit_module, fd, parameters, 0))
		complain("loading with %s: %s", parameters, strerror(errno));
	close(fd);
	for (int ms = 0; ms < PATIENCE_MS && access(MINI_PIPE, F_OK); ms++)
		a_moment();
	count(LOADS, 1);
}

static void unload(void)
{
	if (syscall(__NR_delete_module, "mini_pipe", O_NONBLOCK))
		complain("unloading: %s", strerror(errno));
}

/* Memory */

/* What there is when all caches are dropped. */
struct memory {
	long pages;	/* that are free, or that /proc/meminfo has under some name */
	long slab;	/* kB that the kernel's small objects take */
};

/* A ring's pages have no name there, so one that is lost is in none of these. */
static const char * const names_of_memory[] = {
	"MemFree", "Cached", "AnonPages", "KernelStack", "PageTables", "SReclaimable", "SUnreclaim",
};

static bool is_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(names_of_memory); i++)
		if (!strcmp(name, names_of_memory[i]))
			return true;
	return false;
}

static void shrink_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	/* 4: without a line in the kernel's log, from now on. */
	if (write(fd, "4", 1) != 1 || write(fd, "3", 1) != 1)
		complain("dropping the caches: %s", strerror(errno));
	close(fd);
}

static struct memory measure_memory(void)
{
	struct memory memory = { 0 };
	char line[128], name[32];
	FILE *file;
	long n;

	shrink_caches();
	file = fopen("/proc/meminfo", "r");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%31[^:]: %ld", name, &n) != 2)
			continue;
		if (is_named(name))
			memory.pages += n * 1024 / sysconf(_SC_PAGESIZE);
		if (!strcmp(name, "SUnreclaim"))
			memory.slab = n;
	}
	fclose(file);
	/* Free, too: what each processor keeps at hand. */
	file = fopen("/proc/zoneinfo", "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " count: %ld", &n) == 1)
			memory.pages += n;
	fclose(file);
	return memory;
}

static bool is_less(const struct memory *memory, const struct memory *before)
{
	return before->pages - memory->pages > MISSING_PAGES ||
	       memory->slab - before->slab > MORE_SLAB_KB;
}

/* Rounds */

static bool play_round(ssize_t capacity)
{
	long end = ms_now() + ROUND_MS;

	load(capacity);
	while (!books->failed && ms_now() < end) {
		clear_the_books();
		choose_play(capacity);
		if (!play_through())
			say_the_play();
	}
	if (books->failed)
		return false;
	clear_the_books();
	unload();
	for (end = ms_now() + RELOADS_MS; !books->failed && ms_now() < end;) {
		load(LONGEST);
		unload();
	}
	return !books->failed;
}

static long setting(const char *name, long otherwise)
{
	const char *value = getenv(name);

	return value && *value ? atol(value) : otherwise;
}

int main(void)
{
	long seconds = setting("DURATION", 60), seed = setting("SEED", ms_now());
	struct memory halfway = { 0 }, now = { 0 };
	int rounds = 0;
	bool lost;

	beginning = ms_now();
	setvbuf(stdout, NULL, _IOLBF, 0);
	luck = seed * 2 + 1;
	books = map_shared(sizeof(*books));
	arenas = map_shared(ARENAS);
	/* Of meddlers whose parents were killed. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	handle(SIGPIPE, count_sigpipe, SA_RESTART);
	handle(SIGUSR1, count_signal, 0);
	handle(SIGUSR2, count_signal, SA_RESTART);
	printf("TAP version 13\n1..3\n# SEED=%ld\n", seed);
	while (seconds_since_start() < seconds) {
		ssize_t capacity = capacities[rounds % ARRAY_SIZE(capacities)];

		if (!play_round(capacity))
			break;
		rounds++;
		now = measure_memory();
		if (rounds == 1 || seconds_since_start() <= seconds / 2)
			halfway = now;
		printf("# %4ld s: round %d, capacity %zd; in all %d episodes, %lu MiB, %lu kills\n",
		       seconds_since_start(), rounds, capacity, books->play.number,
		       books->counts[BYTES_OUT] >> 20, books->counts[KILLS]);
	}

	/* What is only freed late is not lost. */
	for (int ms = 0; (lost = is_less(&now, &halfway)) && ms < PATIENCE_MS; ms += 100) {
		usleep(100 * 1000);
		now = measure_memory();
	}
	printf("# %12d rounds\n# %12d episodes\n", rounds, books->play.number);
	for (int i = 0; i < COUNTS; i++)
		printf("# %12lu %s\n", books->counts[i], count_names[i]);
	printf("# %12ld pages lost in the second half, and %ld kB more slab\n",
	       halfway.pages - now.pages, now.slab - halfway.slab);
	printf("%sok 1 every byte is accounted for\n", books->failed && !stuck ? "not " : "");
	printf("%sok 2 nobody is stuck\n", stuck ? "not " : "");
	printf("%sok 3 no memory is lost\n", lost ? "not " : "");
	return books->failed || lost ? KSFT_FAIL : KSFT_PASS;
}
