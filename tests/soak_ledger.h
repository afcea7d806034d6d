/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The soak's ledger: what each process wrote and read, and the audit that compares the two.
 *
 * Each writer has a stream of its own, numbered from 1: a sequence of units of one size. Each
 * unit encodes its stream and its place in it. Each reader has an arena of its own, into which
 * its calls store directly, one behind the other. Ledger and arenas are in shared memory that
 * outlives the process, so a SIGKILL loses nothing:
 *
 * - Before a call, a writer notes how far its stream may get by this call, and after the call how
 *   far it got. If a writer is killed in a call, it is therefore known which units must be there,
 *   and which units of the last call may be there. Of those, the readers must have got the first
 *   ones, or all or none if the call was atomic.
 * - No unit begins with a 0, and an arena is 0 where nothing was stored. So what a reader got in
 *   the call in which it was killed is found in its arena, and is counted.
 *
 * A unit is a word or a byte.
 *
 * Words have 8 bytes or a few more, so that the size divides the capacity. All calls are for
 * whole units, so the ring always holds whole words, however long a write is and wherever it is
 * split. A word names its stream and its place. With any number of readers, the audit proves that
 * each word was read once, that each reader got the words of a stream in order, and that no call
 * got an older word of a stream than a call that had ended before it began. If one call got several
 * words of an atomic write, they are contiguous, unless the reader was killed in that call.
 *
 * Bytes are used in calls of any length. A byte encodes its stream and five bits that depend on
 * its place. With one reader at a time, each byte is compared with the byte of its stream at that
 * place. With several readers, the order in which they read is unknown. Then the audit only
 * proves that all readers together got each of the 32 values as often as it is among the first n
 * bytes of the stream, where n is how many they got.
 */
#ifndef SOAK_LEDGER_H
#define SOAK_LEDGER_H

#include <sys/mman.h>
#include "mini_pipe_test.h"

/* The most bytes of one call, and of all writes of a round. */
#define MAX_CALL_BYTES 1048576
#define ROUND_BYTES (16 << 20)

/* Room for all bytes of a round and for a call of any size, in the arena of each reader. */
#define ARENA_SIZE (ROUND_BYTES + 2 * MAX_CALL_BYTES)
#define ARENAS_SIZE ((size_t)MAX_PROCESSES * ARENA_SIZE)

/* Processes in a round; the reserved ones only replace others. */
#define MAX_PROCESSES 64
#define RESERVED_PROCESSES 16

/* How many streams and values a byte can encode. */
#define BYTE_STREAMS 7
#define BYTE_VALUES 32

enum style { BLOCKING, RETRYING, POLL, EPOLL, EPOLL_EDGE, EPOLL_EXCLUSIVE, STYLES };

static const char * const style_names[STYLES] = {
	"blocking", "non-blocking", "poll", "epoll", "epoll, edge-triggered", "epoll, exclusive",
};

/* Counters of the whole soak. */
enum count {
	BYTES_IN, BYTES_OUT, CALLS, OPENS, PROCESSES, SLEEPS, SIGNALS, EINTRS, EAGAINS, EFAULTS,
	ENDS_OF_FILE, BROKEN_PIPES, KILLS, KILLS_IN_CALLS, SIDE_CALLS, LOADS,
	COUNTS
};

static const char * const count_names[COUNTS] = {
	"bytes written", "bytes read", "calls", "opens", "processes",
	"sleeps (voluntary context switches, in the device or elsewhere)",
	"signals caught", "calls that a signal ended (EINTR)", "calls that would block (EAGAIN)",
	"calls with unmapped memory (EFAULT)", "ends of file", "broken pipes (EPIPE)",
	"processes killed (SIGKILL)", "of these in a call",
	"side calls on the same open files", "module loads, and as many unloads",
};

/* A reader or a writer. */
struct process {
	pid_t pid;		/* 0 when it has ended */
	bool writes;
	bool killed;
	int stream;		/* a writer's */
	enum style style;
	atomic_bool opening;	/* it opens the device, or is about to */
	atomic_bool in_call;
	atomic_bool atomic;	/* the current call is an atomic write */
	atomic_long call_bytes;	/* of the current call, unmapped bytes included */
	atomic_ulong units_written;	/* by the calls that have returned */
	atomic_ulong units_offered;	/* units_written, and what the current call may write */
	atomic_ulong bytes_read;	/* in the reader's arena */
};

/* The settings of a round. */
struct round {
	int number;
	ssize_t capacity;
	ssize_t unit;
	ssize_t longest;	/* the most bytes of a call */
	int readers, writers;
	int styles[2];		/* a bit for each style that readers and writers may have */
	bool held_open;		/* the test has both ends open all the time */
	bool signals, kills, faults;
	bool side_calls;	/* other processes make other calls on the same open files */
	bool closes_early;	/* the last writer may close before all bytes are read */
	enum { NONE, READERS, WRITERS } late;	/* who starts when the others sleep */
	int ms;
};

/* The ledger: shared by all processes, and kept when one is killed. */
struct ledger {
	struct round round;
	atomic_bool stop;	/* writers start no more calls */
	atomic_bool ending;	/* readers do not reopen, and exit at the end of file */
	atomic_bool failed;
	atomic_long bytes_left;	/* that may still be written in this round */
	atomic_ulong counts[COUNTS];
	/* How far each stream was read by the calls that have ended. */
	atomic_ulong read_up_to[MAX_PROCESSES + 1];
	int process_count;
	struct process processes[MAX_PROCESSES];
};

static struct ledger *ledger;
static unsigned char *arenas;

static inline void *map_shared(size_t size)
{
	void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED) {
		perror("mmap");
		exit(KSFT_FAIL);
	}
	return map;
}

static inline unsigned char *arena_of(const struct process *process)
{
	return arenas + (process - ledger->processes) * (size_t)ARENA_SIZE;
}

/* Whether a process may end before its time: enough are left to replace it. */
static inline bool can_replace_process(void)
{
	return ledger->process_count < MAX_PROCESSES - RESERVED_PROCESSES;
}

static inline void count(enum count what, unsigned long n)
{
	atomic_fetch_add(&ledger->counts[what], n);
}

/* Reports a failure of the test. Always false. */
#define fail(format, ...) ({								\
	atomic_store(&ledger->failed, true);						\
	dprintf(STDOUT_FILENO, "# round %d, process %d: " format "\n",			\
		ledger->round.number, getpid(), ##__VA_ARGS__);				\
	false;										\
})

/* Units */

struct word {
	unsigned char stream;
	unsigned char check;
	unsigned short left;		/* words of the same atomic write that must follow */
	unsigned int place;
};

/* The smallest size of a word that divides the capacity; 1, for bytes, if there is none. */
static inline ssize_t word_size(ssize_t capacity)
{
	for (ssize_t size = sizeof(struct word); size <= capacity; size++)
		if (capacity % size == 0)
			return size;
	return 1;
}

static inline unsigned char scramble(unsigned int stream, unsigned int place)
{
	unsigned int x = place * 0x9e3779b1u + stream * 0x85ebca77u;

	return (x ^ x >> 13) * 0xc2b2ae35u >> 24;
}

static inline unsigned char check_of(const struct word *word)
{
	return scramble(word->stream + word->left * 256u, word->place);
}

static inline unsigned char byte_at(int stream, unsigned int place)
{
	return stream * BYTE_VALUES + scramble(stream, place) % BYTE_VALUES;
}

/* Fills buf with units of a stream, starting with the one at place. */
static inline void put_units(unsigned char *buf, int stream, unsigned int place, size_t units,
			     bool atomic)
{
	ssize_t size = ledger->round.unit;

	for (size_t i = 0; i < units; i++, buf += size) {
		struct word word = {
			.stream = stream,
			.left = atomic ? units - 1 - i : 0,
			.place = place + i,
		};

		if (size == 1) {
			*buf = byte_at(stream, place + i);
			continue;
		}
		word.check = check_of(&word);
		memcpy(buf, &word, sizeof(word));
		for (ssize_t rest = sizeof(word); rest < size; rest++)
			buf[rest] = word.check + rest;
	}
}

static inline bool get_word(const unsigned char *buf, struct word *word)
{
	memcpy(word, buf, sizeof(*word));
	if (!word->stream || word->stream > MAX_PROCESSES || word->check != check_of(word))
		return fail("no writer wrote the word %016lx", *(const unsigned long *)buf);
	for (ssize_t rest = sizeof(*word); rest < ledger->round.unit; rest++)
		if (buf[rest] != (unsigned char)(word->check + rest))
			return fail("a word of stream %d is torn", word->stream);
	return true;
}

/* Checks what one call read: atomic writes are contiguous, and no word is older than allowed. */
static inline bool check_words(const unsigned char *buf, ssize_t len,
			       const unsigned long *read_before)
{
	struct word before = { 0 }, word;

	for (; len > 0; len -= ledger->round.unit, buf += ledger->round.unit) {
		if (!get_word(buf, &word))
			return false;
		if (before.left && (word.stream != before.stream ||
				    word.place != before.place + 1 || word.left != before.left - 1))
			return fail("an atomic write of stream %d was cut at word %u",
				    before.stream, before.place);
		if (word.place < read_before[word.stream])
			return fail("word %u of stream %d was read after word %lu",
				    word.place, word.stream, read_before[word.stream] - 1);
		before = word;
	}
	return true;
}

/* Publishes what this call has read: calls that start from now on must read newer words. */
static inline void publish_words(const unsigned char *buf, ssize_t len)
{
	for (; len > 0; len -= ledger->round.unit, buf += ledger->round.unit) {
		struct word word;
		unsigned long old;

		memcpy(&word, buf, sizeof(word));
		old = atomic_load(&ledger->read_up_to[word.stream]);
		while (old < word.place + 1UL &&
		       !atomic_compare_exchange_weak(&ledger->read_up_to[word.stream], &old,
						     word.place + 1UL))
			;
	}
}

/* Counts the bytes that a killed reader had got in its last call. */
static inline void recover_bytes_read(struct process *process)
{
	unsigned char *arena = arena_of(process);

	while (arena[process->bytes_read])
		process->bytes_read += ledger->round.unit;
}

/* The audit, at the end of a round */

static inline struct process *writer_of(unsigned int stream)
{
	for (int i = 0; i < ledger->process_count; i++)
		if (ledger->processes[i].writes && ledger->processes[i].stream == (int)stream)
			return &ledger->processes[i];
	return NULL;
}

/* Marks as seen the words that a reader got. */
static inline bool mark_words(const struct process *reader, unsigned char **seen)
{
	const unsigned char *arena = arena_of(reader);
	unsigned long next[MAX_PROCESSES + 1] = { 0 };
	struct word word;

	for (unsigned long at = 0; at < reader->bytes_read; at += ledger->round.unit) {
		const struct process *writer;

		if (!get_word(arena + at, &word))
			return false;
		writer = writer_of(word.stream);
		if (!writer || word.place >= writer->units_offered)
			return fail("word %u of stream %d was read and never written",
				    word.place, word.stream);
		if (seen[word.stream][word.place])
			return fail("word %u of stream %d was read twice", word.place,
				    word.stream);
		if (word.place < next[word.stream])
			return fail("word %u of stream %d was read after word %lu", word.place,
				    word.stream, next[word.stream] - 1);
		next[word.stream] = word.place + 1;
		seen[word.stream][word.place] = true;
	}
	return true;
}

/* Counts the words read of each stream, which must be its first ones, without a gap. */
static inline bool count_words_read(unsigned char **seen, unsigned long *got)
{
	for (int i = 0; i < ledger->process_count; i++) {
		const struct process *process = &ledger->processes[i];
		unsigned long place = 0;

		if (!process->writes)
			continue;
		while (place < process->units_offered && seen[process->stream][place])
			place++;
		got[process->stream] = place;
		for (; place < process->units_offered; place++)
			if (seen[process->stream][place])
				return fail("stream %d lacks words %lu to %lu", process->stream,
					    got[process->stream], place - 1);
	}
	return true;
}

static inline bool audit_words(unsigned long *got)
{
	unsigned char *seen[MAX_PROCESSES + 1] = { 0 };
	bool right = true;

	for (int i = 0; i < ledger->process_count; i++) {
		const struct process *process = &ledger->processes[i];

		if (process->writes)
			seen[process->stream] = calloc(process->units_offered + 1, 1);
	}
	for (int i = 0; i < ledger->process_count && right; i++)
		if (!ledger->processes[i].writes)
			right = mark_words(&ledger->processes[i], seen);
	right = right && count_words_read(seen, got);
	for (int i = 0; i <= MAX_PROCESSES; i++)
		free(seen[i]);
	return right;
}

/* With one reader at a time, the arenas, put in a row, have all bytes in order. */
static inline bool audit_bytes_in_order(unsigned long *got)
{
	for (int i = 0; i < ledger->process_count; i++) {
		const struct process *process = &ledger->processes[i];

		for (unsigned long at = 0; !process->writes && at < process->bytes_read; at++) {
			unsigned char byte = arena_of(process)[at];
			int stream = byte / BYTE_VALUES;

			if (byte != byte_at(stream, got[stream]))
				return fail("byte %lu of stream %d is not the next: %#x",
					    got[stream], stream, byte);
			got[stream]++;
		}
	}
	return true;
}

static inline bool audit_bytes_by_value(unsigned long *got)
{
	long of_value[256] = { 0 };

	for (int i = 0; i < ledger->process_count; i++) {
		const struct process *process = &ledger->processes[i];

		for (unsigned long at = 0; !process->writes && at < process->bytes_read; at++) {
			of_value[arena_of(process)[at]]++;
			got[arena_of(process)[at] / BYTE_VALUES]++;
		}
	}
	for (int stream = 1; stream <= BYTE_STREAMS; stream++)
		for (unsigned long place = 0; place < got[stream]; place++)
			of_value[byte_at(stream, place)]--;
	for (int value = 0; value < 256; value++)
		if (of_value[value])
			return fail("of the first %lu bytes of stream %d, %ld too many are %#x",
				    got[value / BYTE_VALUES], value / BYTE_VALUES, of_value[value],
				    value);
	return true;
}

/* Compares what was read with what was written, to the byte, after all processes have ended. */
static inline bool audit(void)
{
	unsigned long got[MAX_PROCESSES + 1] = { 0 };
	bool right;

	if (ledger->round.unit > 1)
		right = audit_words(got);
	else if (ledger->round.readers == 1)
		right = audit_bytes_in_order(got);
	else
		right = audit_bytes_by_value(got);

	for (int i = 0; i < ledger->process_count; i++) {
		const struct process *process = &ledger->processes[i];
		unsigned long written = process->units_written, offered = process->units_offered;
		unsigned long read = got[process->stream];

		if (!process->writes) {
			count(BYTES_OUT, process->bytes_read);
			continue;
		}
		got[process->stream] = 0;
		count(BYTES_IN, read * ledger->round.unit);
		if (!right)
			continue;
		if (read < written || read > (process->killed ? offered : written))
			right = fail("stream %d: %lu units written, %lu read", process->stream,
				     written, read);
		else if (process->atomic && read != written && read != offered)
			right = fail("stream %d: %lu of %lu units of an atomic write were read",
				     process->stream, read - written, offered - written);
	}
	for (int stream = 0; stream <= MAX_PROCESSES && right; stream++)
		if (got[stream])
			right = fail("%lu bytes of stream %d that no writer wrote", got[stream],
				     stream);
	return right;
}

#endif
