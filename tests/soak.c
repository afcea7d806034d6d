// SPDX-License-Identifier: GPL-2.0
/*
 * The soak test: many processes use the device for a long time, and every byte is accounted for.
 *
 *   DURATION=seconds SEED=n soak
 *
 * A cycle loads the module with one of several capacities, runs rounds for a few seconds, and
 * unloads the module. A round starts readers and writers, and may send them signals and SIGKILL
 * for a while. Then the signals stop, and without any help every write must return, every byte
 * must be read, and every reader must get end of file. At the end of the round, the ledger is
 * audited; soak_ledger.h says what that proves.
 *
 * Needs root and mini_pipe.ko, not loaded, in this directory. The output is KTAP.
 */
#include <sys/resource.h>
#include <time.h>
#include "soak_processes.h"

#define CYCLE_MS 3000

/* After a cycle, loads and unloads are repeated for this time, so that a leak of each adds up. */
#define RELOAD_MS 500

/* Memory that may be lost in the second half: a quarter of the largest ring, and some objects. */
#define MISSING_PAGES 64
#define MORE_SLAB_KB 512

static const ssize_t capacities[] = { 1048576, 65536, 1, 128, 4095, 4096, 4097 };

static unsigned long exits;
static bool disturbing;
static bool stuck;
static long start_ms;

static long ms_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static long seconds_since_start(void)
{
	return (ms_now() - start_ms) / 1000;
}

/* Starting and reaping processes */

static int count_processes(bool writes)
{
	int process_count = 0;

	for (int i = 0; i < ledger->process_count; i++)
		process_count += ledger->processes[i].writes == writes;
	return process_count;
}

static int count_running(bool writes)
{
	int running = 0;

	for (int i = 0; i < ledger->process_count; i++)
		running += ledger->processes[i].writes == writes && ledger->processes[i].pid;
	return running;
}

static bool can_start(bool writes)
{
	if (writes && ledger->round.unit == 1 && count_processes(true) == BYTE_STREAMS)
		return false;
	return ledger->process_count < MAX_PROCESSES;
}

static void start_process(bool writes)
{
	struct process *process = &ledger->processes[ledger->process_count];
	pid_t parent = getpid(), pid;

	memset(process, 0, sizeof(*process));
	process->writes = writes;
	process->stream = writes ? count_processes(true) + 1 : 0;
	process->style = random_bit(ledger->round.styles[writes]);
	process->opening = true;
	ledger->process_count++;
	pid = fork();
	if (!pid)
		run_process(process, parent);
	if (pid < 0) {
		perror("fork");
		exit(KSFT_FAIL);
	}
	/* Only the parent sets the pid, because the ledger is shared. */
	process->pid = pid;
}

static void reap(struct process *process, int status, const struct rusage *usage)
{
	bool over;

	process->pid = 0;
	exits++;
	count(PROCESSES, 1);
	count(SLEEPS, usage->ru_nvcsw);
	process->killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	if (process->killed) {
		count(KILLS, 1);
		count(KILLS_IN_CALLS, process->in_call);
		if (!process->writes)
			recover_bytes_read(process);
	} else if (status) {
		fail("a %s ended with status %#x", process->writes ? "writer" : "reader", status);
	}
	/* Replaces only some processes: a new one would hide that this one lost a wake-up. */
	over = process->writes ? ledger->stop || ledger->bytes_left <= 0 : ledger->ending;
	if (!over && can_start(process->writes) && (!count_running(process->writes) || one_in(2)))
		start_process(process->writes);
}

static void reap_children(void)
{
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0)
		for (int i = 0; i < ledger->process_count; i++)
			if (ledger->processes[i].pid == pid)
				reap(&ledger->processes[i], status, &usage);
}

/* Waiting for progress */

static void print_processes(void)
{
	char text[2048];

	for (int i = 0; i < ledger->process_count; i++) {
		const struct process *process = &ledger->processes[i];

		if (!process->pid)
			continue;
		printf("# %s %d, %s, %s, state %c:", process->writes ? "writer" : "reader",
		       process->pid, style_names[process->style],
		       process->in_call ? "in a call" : "not in a call", state_of(process->pid));
		if (process->writes)
			printf(" %lu units written, %lu offered", process->units_written,
			       process->units_offered);
		else
			printf(" %lu bytes read", process->bytes_read);
		if (read_proc(process->pid, "wchan", text, sizeof(text)))
			printf(", in %s", text);
		printf("\n");
		if (read_proc(process->pid, "stack", text, sizeof(text)))
			printf("%s", text);
	}
}

/* Bytes in the pipe, according to the ledger. */
static long bytes_in_pipe(void)
{
	long bytes = 0;

	for (int i = 0; i < ledger->process_count; i++) {
		const struct process *process = &ledger->processes[i];

		bytes += process->units_written * ledger->round.unit - process->bytes_read;
	}
	return bytes;
}

/* The sum of all units written, or of all bytes read: it changes with each successful call. */
static unsigned long moved_by(bool writers)
{
	unsigned long sum = 0;

	for (int i = 0; i < ledger->process_count; i++) {
		const struct process *process = &ledger->processes[i];

		sum += writers ? process->units_written : process->bytes_read;
	}
	return sum;
}

static unsigned long moved(void)
{
	return exits + ledger->process_count + moved_by(true) + moved_by(false);
}

static bool wait_until(bool (*done)(void), const char *what)
{
	unsigned long before = moved();
	long since = ms_now();

	while (!ledger->failed) {
		reap_children();
		if (done())
			return !ledger->failed;
		sleep_1ms();
		if (moved() != before) {
			before = moved();
			since = ms_now();
		} else if (ms_now() - since > TIMEOUT_MS) {
			stuck = true;
			fail("stuck for %d s, waiting until %s, with %ld bytes in the pipe",
			     TIMEOUT_MS / 1000, what, bytes_in_pipe());
			print_processes();
		}
	}
	return false;
}

static bool writers_have_ended(void)
{
	return !count_running(true);
}

static bool readers_have_ended(void)
{
	return !count_running(false);
}

/* All children, including the side callers of killed processes. */
static bool all_children_have_ended(void)
{
	return waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD;
}

static bool no_process_opens(void)
{
	for (int i = 0; i < ledger->process_count; i++)
		if (ledger->processes[i].pid && ledger->processes[i].opening)
			return false;
	return true;
}

/* A writer that was killed in a call may have written more than the ledger says. */
static bool all_is_read(void)
{
	return bytes_in_pipe() <= 0;
}

static bool sleeps_in_call(const struct process *process)
{
	return is_asleep_in(process->pid, process->writes ? __NR_write : __NR_read) ||
	       is_asleep_in(process->pid, process->writes ? __NR_writev : __NR_readv) ||
	       is_asleep_in(process->pid, __NR_ppoll) ||
	       is_asleep_in(process->pid, __NR_epoll_pwait);
}

static bool readers_sleep(void)
{
	for (int i = 0; i < ledger->process_count; i++) {
		const struct process *process = &ledger->processes[i];

		if (process->style != RETRYING && !sleeps_in_call(process))
			return false;
	}
	return true;
}

/* Nothing has been read yet, so room only shrinks: each writer must sleep and lack room now. */
static bool nothing_more_fits(void)
{
	long room = ledger->round.capacity - bytes_in_pipe();

	for (int i = 0; i < ledger->process_count; i++) {
		const struct process *process = &ledger->processes[i];

		if (process->pid && (!sleeps_in_call(process) || process->call_bytes <= room))
			return false;
	}
	return true;
}

/* Signals and kills */

static pid_t victim;

static bool victim_has_ended(void)
{
	for (int i = 0; i < ledger->process_count; i++)
		if (ledger->processes[i].pid == victim)
			return false;
	return true;
}

static void disturb_one(const struct process *process)
{
	if (ledger->round.signals)
		kill(process->pid, one_in(2) ? SIGUSR1 : SIGUSR2);
	if (ledger->round.kills && one_in(16) && can_replace_process()) {
		victim = process->pid;
		kill(victim, SIGKILL);
		wait_until(victim_has_ended, "a killed process has ended");
	}
}

/* Spares a direction without progress: a signal would wake a process whose wake-up was lost. */
static void disturb(void)
{
	static unsigned long before[2];
	bool moves[2];

	for (int writes = 0; writes < 2; writes++) {
		unsigned long now = moved_by(writes);

		moves[writes] = now != before[writes];
		before[writes] = now;
	}
	for (int i = 0; i < ledger->process_count; i++)
		if (ledger->processes[i].pid && moves[ledger->processes[i].writes] && one_in(2))
			disturb_one(&ledger->processes[i]);
}

static long round_end;

static bool time_is_up(void)
{
	if (disturbing)
		disturb();
	return ms_now() >= round_end || writers_have_ended();
}

/* Rounds */

static int random_styles(void)
{
	if (one_in(3))
		return 1 << BLOCKING;
	if (one_in(2))
		return 1 << random_below(STYLES);
	return 1 + random_below((1 << STYLES) - 1);
}

static void choose_round(ssize_t capacity)
{
	struct round *round = &ledger->round;
	bool of_words = word_size(capacity) > 1 && !one_in(3);

	round->number++;
	round->capacity = capacity;
	round->unit = of_words ? word_size(capacity) : 1;
	/* A large write to a small ring would take too long. */
	round->longest = smaller(one_in(2) ? MAX_CALL_BYTES : PIPE_BUF, capacity * 512);
	round->readers = one_in(3) ? 1 : random_size(8);
	round->writers = of_words ? random_size(8) : random_size(4);
	round->styles[false] = random_styles();
	round->styles[true] = random_styles();
	round->held_open = one_in(2);
	round->signals = one_in(2);
	round->kills = one_in(3);
	round->faults = one_in(3);
	round->closes_early = !round->signals && !round->kills && one_in(2);
	round->side_calls = one_in(3);
	round->late = NONE;
	round->ms = round->closes_early ? 0 : random_size(500);
	if (one_in(3))
		round->late = WRITERS;
	/* Writers fill the pipe until no write fits, before the first reader starts. */
	if (one_in(3)) {
		round->late = READERS;
		round->longest = atomic_len(capacity);
		round->styles[true] = 1 << BLOCKING;
	}
}

static void print_round(void)
{
	const struct round *round = &ledger->round;

	printf("# %4ld s: round %d, capacity %zd, units of %zd, calls of at most %zd bytes, ",
	       seconds_since_start(), round->number, round->capacity, round->unit, round->longest);
	printf("%d readers (%#x), %d writers (%#x)%s%s%s%s%s%s%s\n",
	       round->readers, round->styles[false], round->writers, round->styles[true],
	       round->held_open ? ", held open" : "", round->signals ? ", signals" : "",
	       round->kills ? ", kills" : "", round->faults ? ", faults" : "",
	       round->side_calls ? ", side calls" : "",
	       round->closes_early ? ", closes early" : "",
	       round->late == READERS ? ", readers late" : round->late == WRITERS ?
	       ", writers late" : "");
}

static void clear_ledger(void)
{
	/* A new mapping, so that all arenas are 0 again. */
	munmap(arenas, ARENAS_SIZE);
	arenas = map_shared(ARENAS_SIZE);
	ledger->process_count = 0;
	ledger->stop = false;
	ledger->ending = false;
	ledger->bytes_left = ROUND_BYTES;
	for (int i = 0; i <= MAX_PROCESSES; i++)
		ledger->read_up_to[i] = 0;
}

static int open_device(int flags)
{
	int fd = open(MINI_PIPE, flags | O_CLOEXEC);

	if (fd < 0)
		fail("open: %s", strerror(errno));
	return fd;
}

/* Side calls may have resized the pipe, which is empty now. */
static bool restore_capacity(ssize_t capacity)
{
	int fd = open_device(O_ACCMODE);
	bool restored = set_capacity(fd, capacity) == capacity;

	if (!restored)
		fail("resizing to %zd: %s", capacity, strerror(errno));
	close(fd);
	return restored;
}

static bool run_round(void)
{
	const struct round *round = &ledger->round;
	int both = round->held_open ? open_device(O_RDWR) : -1, writer;
	bool done = true;

	for (int i = 0; i < round->readers && round->late != READERS; i++)
		start_process(false);
	if (round->late == WRITERS)
		done = wait_until(readers_sleep, "the readers sleep");
	for (int i = 0; i < round->writers && done; i++)
		start_process(true);
	if (round->late == READERS) {
		done = wait_until(nothing_more_fits, "all writers sleep and lack room");
		for (int i = 0; i < round->readers && done; i++)
			start_process(false);
	}
	round_end = ms_now() + round->ms;
	disturbing = round->signals || round->kills;
	done = done && wait_until(time_is_up, "time is up");
	disturbing = false;

	writer = open_device(O_WRONLY);
	ledger->stop = true;
	done = done && wait_until(writers_have_ended, "the writers have ended their last calls");
	if (!round->closes_early)
		done = done && wait_until(all_is_read, "all bytes are read");
	ledger->ending = true;
	done = done && wait_until(no_process_opens, "no process opens the device");
	if (!done)
		return false;
	close(writer);
	close(both);
	return wait_until(readers_have_ended, "the readers have got end of file") &&
	       wait_until(all_children_have_ended, "the side callers have ended") &&
	       restore_capacity(round->capacity) && audit();
}

/* The module */

static void load(ssize_t capacity)
{
	int fd = open("mini_pipe.ko", O_RDONLY | O_CLOEXEC);
	char parameters[64];

	snprintf(parameters, sizeof(parameters), "capacity=%zd", capacity);
	if (syscall(__NR_finit_module, fd, parameters, 0))
		fail("loading with %s: %s", parameters, strerror(errno));
	close(fd);
	for (int ms = 0; ms < TIMEOUT_MS && access(MINI_PIPE, F_OK); ms++)
		sleep_1ms();
	count(LOADS, 1);
}

static void unload(void)
{
	if (syscall(__NR_delete_module, "mini_pipe", O_NONBLOCK))
		fail("unloading: %s", strerror(errno));
}

/* Memory */

/* Memory after all caches were dropped. */
struct memory {
	long pages;	/* free pages, and those that /proc/meminfo lists by use */
	long slab;	/* kB of unreclaimable slab */
};

/* /proc/meminfo does not list the pages of a ring, so a lost page is in none of these. */
static const char * const memory_names[] = {
	"MemFree", "Cached", "AnonPages", "KernelStack", "PageTables", "SReclaimable", "SUnreclaim",
};

static bool is_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(memory_names); i++)
		if (!strcmp(name, memory_names[i]))
			return true;
	return false;
}

static void shrink_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	/* 4 silences the line in the kernel's log. */
	if (write(fd, "4", 1) != 1 || write(fd, "3", 1) != 1)
		fail("dropping the caches: %s", strerror(errno));
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
	/* Pages in the per-CPU lists are free, too. */
	file = fopen("/proc/zoneinfo", "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, " count: %ld", &n) == 1)
			memory.pages += n;
	fclose(file);
	return memory;
}

static bool memory_is_lost(const struct memory *memory, const struct memory *before)
{
	return before->pages - memory->pages > MISSING_PAGES ||
	       memory->slab - before->slab > MORE_SLAB_KB;
}

/* Cycles */

static bool run_cycle(ssize_t capacity)
{
	long end = ms_now() + CYCLE_MS;

	load(capacity);
	while (!ledger->failed && ms_now() < end) {
		clear_ledger();
		choose_round(capacity);
		if (!run_round())
			print_round();
	}
	if (ledger->failed)
		return false;
	clear_ledger();
	unload();
	for (end = ms_now() + RELOAD_MS; !ledger->failed && ms_now() < end;) {
		load(MAX_CALL_BYTES);
		unload();
	}
	return !ledger->failed;
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
	int cycles = 0;
	bool lost;

	start_ms = ms_now();
	setvbuf(stdout, NULL, _IOLBF, 0);
	random_state = seed * 2 + 1;
	ledger = map_shared(sizeof(*ledger));
	arenas = map_shared(ARENAS_SIZE);
	/* The soak inherits the side callers of killed processes. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	set_handler(SIGPIPE, count_sigpipe, SA_RESTART);
	set_handler(SIGUSR1, count_signal, 0);
	set_handler(SIGUSR2, count_signal, SA_RESTART);
	printf("TAP version 13\n1..3\n# SEED=%ld\n", seed);
	while (seconds_since_start() < seconds) {
		ssize_t capacity = capacities[cycles % ARRAY_SIZE(capacities)];

		if (!run_cycle(capacity))
			break;
		cycles++;
		now = measure_memory();
		if (cycles == 1 || seconds_since_start() <= seconds / 2)
			halfway = now;
		printf("# %4ld s: cycle %d, capacity %zd; so far %d rounds, %lu MiB, %lu kills\n",
		       seconds_since_start(), cycles, capacity, ledger->round.number,
		       ledger->counts[BYTES_OUT] >> 20, ledger->counts[KILLS]);
	}

	/* Memory that is freed late is not lost. */
	for (int ms = 0; (lost = memory_is_lost(&now, &halfway)) && ms < TIMEOUT_MS; ms += 100) {
		usleep(100 * 1000);
		now = measure_memory();
	}
	printf("# %12d cycles\n# %12d rounds\n", cycles, ledger->round.number);
	for (int i = 0; i < COUNTS; i++)
		printf("# %12lu %s\n", ledger->counts[i], count_names[i]);
	printf("# %12ld pages fewer than at half time, and %ld kB more slab\n",
	       halfway.pages - now.pages, now.slab - halfway.slab);
	printf("%sok 1 every byte is accounted for\n", ledger->failed ? "not " : "");
	printf("%sok 2 no process is stuck\n", stuck ? "not " : "");
	printf("%sok 3 no memory is lost\n", lost ? "not " : "");
	return ledger->failed || lost ? KSFT_FAIL : KSFT_PASS;
}
