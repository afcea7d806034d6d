// SPDX-License-Identifier: GPL-2.0
/*
 * Compares mini_pipe with pipe(2) and others: the cost of a message, and the throughput.
 *
 *   bench [-t MS] [-r RUNS] [-c NAME,...] LOAD[=N,...]...
 *
 * LOAD is pair, create, create-use, memory, splice, splice-odd, stream, roundtrip, crowd, fairness,
 * sleepers or epoll.
 * N is a number of bytes or, for the last four, of tasks or pipes. Each run measures every
 * contender once, or only the contenders that -c names; there are RUNS runs for each N. One
 * measurement takes about MS milliseconds.
 *
 * Each measurement is printed as a line of JSON to standard output, progress to standard error.
 * Needs root, /dev/mini_pipe and, for some contenders, the modules of this directory. To measure
 * pair with messages of more than 65536 bytes, load the modules with a capacity of that size.
 */
#include <termios.h>
#include "bench.h"
#include "contenders.h"
#include "tasks.h"
#include "loads.h"

struct load {
	const char *name;
	unsigned long (*measure)(const struct setting *setting);
	bool has_floors;
	bool makes;		/* only for contenders that make a pipe with one system call */
	bool splices;		/* only for contenders that can splice to one another */
	bool fixed;		/* it does not depend on the number of messages */
	bool is_rate;		/* the result is in MB/s; otherwise in ns per message */
	size_t size;		/* of a message; 0 if the numbers are sizes, not tasks */
	const char *numbers;	/* the default numbers */
	int max;		/* the largest number allowed */
};

static const struct load loads[] = {
	{ "pair", pair, .has_floors = true, .numbers = "1,64,512,4096,16384,65536",
	  .max = MAX_MESSAGE },
	{ "create", create, .makes = true, .numbers = "1", .max = 1 },
	{ "create-use", create_and_use, .makes = true, .numbers = "1", .max = MAX_MESSAGE },
	{ "memory", memory, .makes = true, .fixed = true, .numbers = "0,1,65536", .max = 65536 },
	{ "splice", splice_pages, .splices = true, .numbers = "4096,16384,65536", .max = 65536 },
	{ "splice-odd", splice_odd, .splices = true, .numbers = "4096,32768", .max = 32768 },
	{ "stream", stream, .is_rate = true, .numbers = "1,64,512,4096,16384,65536,1048576",
	  .max = MAX_MESSAGE },
	{ "roundtrip", roundtrip, .numbers = "1", .max = MAX_MESSAGE },
	{ "crowd", crowd, .is_rate = true, .size = 4096, .numbers = "1,2,4,8,16", .max = 32 },
	{ "fairness", fairness, .fixed = true, .size = 4096, .numbers = "2,4,8,16", .max = 32 },
	{ "sleepers", sleepers, .size = 1, .numbers = "1,2,4,8,16,32,64", .max = 64 },
	{ "epoll", epoll, .size = 1, .numbers = "1,16", .max = MAX_PIPES },
};

static int runs = 5;
static const char *only;

static bool is_named(const char *names, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = names; (at = strstr(at, name)); at += len)
		if ((at == names || at[-1] == ',') && (!at[len] || at[len] == ','))
			return true;
	return false;
}

static bool is_applicable(const struct contender *contender, const struct load *load,
			  const struct setting *setting)
{
	if (access(contender->path, F_OK) || (only && !is_named(only, contender->name)))
		return false;
	if (load->makes)
		return contender->make;
	if (load->splices)
		return contender->splice;
	switch (contender->kind) {
	case ONE_PIPE:
		return load->measure != epoll || setting->tasks == 1;
	case PIPE:
		return true;
	case FLOOR:
		return load->has_floors;
	case SYSCALL:
		return load->has_floors && setting->size == 1;
	}
	return false;
}

/* Drains the serial line, so that its interrupts do not disturb the next measurement. */
static void end_line(void)
{
	putchar('\n');
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
}

static void print_value(const struct load *load, const char *suffix, const struct setting *setting,
			int run, double value, const char *unit)
{
	printf("{\"load\":\"%s%s\",\"size\":%zu,", load->name, suffix, setting->size);
	if (load->size)
		printf("\"tasks\":%d,", setting->tasks);
	printf("\"contender\":\"%s\",\"run\":%d,\"value\":%.6g,\"unit\":\"%s\"}",
	       setting->contender->name, run, value, unit);
	end_line();
}

static void print_result(const struct load *load, const struct setting *setting, int run,
			 unsigned long time)
{
	if (load->measure == memory)
		print_value(load, "", setting, run, (double)time / MANY_PIPES, "B");
	else if (load->measure == fairness)
		print_value(load, "", setting, run, time / 1e6, "least/most");
	else if (load->is_rate)
		print_value(load, "", setting, run,
			    1e3 * setting->size * setting->count * setting->tasks / time, "MB/s");
	else
		print_value(load, "", setting, run, (double)time / setting->count, "ns");
	if (load->measure == crowd && setting->tasks > 1) {
		size_t writes = sort_durations(setting);

		print_value(load, "-p99", setting, run,
			    shared->durations[(writes * 99 + 99) / 100 - 1], "ns");
		print_value(load, "-worst", setting, run, shared->durations[writes - 1], "ns");
	}
}

/* The shorter of two times. The second is measured only if the first one seems long enough. */
static unsigned long shortest_time(const struct load *load, const struct setting *setting)
{
	unsigned long time = load->measure(setting), again = time;

	if (time >= budget_ns / 2)
		again = load->measure(setting);
	return again < time ? again : time;
}

/* Finds a number of messages, a power of two, that takes about budget_ns. */
static unsigned long calibrate(const struct load *load, struct setting *setting)
{
	unsigned long max = MAX_WRITES / setting->tasks, time;

	setting->count = 1;
	for (;;) {
		time = shortest_time(load, setting);
		if (time >= budget_ns / 2 || 16 * setting->count > max)
			return setting->count;
		setting->count *= time < budget_ns / 32 ? 16 : 2;
	}
}

static void measure(const struct load *load, int number)
{
	unsigned long counts[ARRAY_SIZE(contenders)] = { 0 };
	struct setting setting = {
		.size = load->size ?: (size_t)number,
		.tasks = load->size ? number : 1,
	};

	for (int run = 0; run < runs; run++) {
		for (size_t i = 0; i < ARRAY_SIZE(contenders); i++) {
			setting.contender = &contenders[i];
			if (!is_applicable(&contenders[i], load, &setting))
				continue;
			if (!counts[i])
				counts[i] = load->fixed ? 1 : calibrate(load, &setting);
			setting.count = counts[i];
			print_result(load, &setting, run, load->measure(&setting));
		}
	}
}

/* The idle time of all processors together since boot, in hundredths of a second. */
static long idle_time(void)
{
	double up, idle;
	FILE *uptime = fopen("/proc/uptime", "r");

	if (!uptime || fscanf(uptime, "%lf %lf", &up, &idle) != 2)
		die("/proc/uptime");
	fclose(uptime);
	return idle * 100;
}

/* For some seconds after boot, the kernel runs self-tests in the background. */
static void wait_for_idle(void)
{
	long enough_idle = 95 * sysconf(_SC_NPROCESSORS_ONLN);

	for (int i = 0; i < 60; i++) {
		long before = idle_time();

		sleep(1);
		if (idle_time() - before >= enough_idle)
			return;
	}
	fputs("bench: the system does not become idle; the figures will be less exact\n", stderr);
}

/* Measures load with each of the numbers in the list, and prints the progress. */
static void run_load(const struct load *load, const char *numbers, int *settings_left)
{
	char *rest;

	do {
		int number = strtoul(numbers, &rest, 10);

		if (number < !load->makes || number > load->max || (*rest && *rest != ',')) {
			fprintf(stderr, "bench: %s: invalid number: %s\n", load->name, numbers);
			exit(2);
		}
		fprintf(stderr, "%s, %d %s; %d more\n", load->name, number,
			load->size ? "tasks" : "bytes", --*settings_left);
		measure(load, number);
		numbers = rest + 1;
	} while (*rest);
}

static noreturn void print_usage(void)
{
	fputs("usage: bench [-t MS] [-r RUNS] [-c NAME,...] LOAD[=N,...]...\n", stderr);
	exit(2);
}

/* word is an argument, LOAD or LOAD=N,... */
static const struct load *find_load(const char *word)
{
	size_t len = strcspn(word, "=");

	for (size_t i = 0; i < ARRAY_SIZE(loads); i++)
		if (!strncmp(loads[i].name, word, len) && !loads[i].name[len])
			return &loads[i];
	print_usage();
}

static const char *numbers_of(const char *word)
{
	const char *numbers = strchr(word, '=');

	return numbers ? numbers + 1 : find_load(word)->numbers;
}

static int count_settings(const char *word)
{
	int count = 1;

	for (const char *at = numbers_of(word); (at = strchr(at, ',')); at++)
		count++;
	return count;
}

int main(int argc, char **argv)
{
	int option, settings = 0;

	while ((option = getopt(argc, argv, "t:r:c:")) > 0) {
		switch (option) {
		case 't':
			budget_ns = atof(optarg) * 1e6;
			break;
		case 'r':
			runs = atoi(optarg);
			break;
		case 'c':
			only = optarg;
			break;
		default:
			print_usage();
		}
	}
	map_shared();
	memset(buffer, 1, sizeof(buffer));
	wait_for_idle();
	for (char **word = argv + optind; *word; word++)
		settings += count_settings(*word);
	for (char **word = argv + optind; *word; word++)
		run_load(find_load(*word), numbers_of(*word), &settings);
	return 0;
}
