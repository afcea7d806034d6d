/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The soak's books: who wrote what, who got what, and whether the two agree.
 *
 * Every writing process has a stream of its own, numbered from 1: a sequence of units, all of one
 * size, of which each says where it belongs. Every reading process has an arena of its own, into
 * which its calls store directly, one after the other. Both are in memory that outlives the
 * process, so a SIGKILL takes nothing with it:
 *
 * - Before a call, a writer notes how far its stream may get by it, and after the call how far it
 *   got. Of one that was killed in a call it is therefore known what of its stream must be there
 *   and what more can be, which is the bytes of that one call. How much of it is there is what the
 *   readers got, and that must be the beginning of it, or all or nothing if the call was atomic.
 * - No unit begins with a 0, and a reader's arena is 0 where nothing was stored. What a reader took
 *   in a call that it did not come back from is therefore there, too, and is counted.
 *
 * A unit has one of two forms.
 *
 * Words: 8 bytes or some more, a divisor of the capacity. All calls are for whole units, and so the
 * ring always holds whole ones, however large a write is and however it is cut. A word names its
 * stream and its place in it. What is proven, with any number of readers: each word was read once,
 * each reader got those of a stream in their order, and no call got one that is older than what
 * another call, which had ended before this one began, got of that stream. Words of an atomic write
 * stood side by side wherever one call got more than one of them and its reader lived to look.
 *
 * Bytes: calls are for any number of them. A byte has its stream and five bits that depend on its
 * place. With one reader at a time, each byte is compared with the one that its stream has at that
 * place. With several, nobody knows the order in which they were served, and it is only proven that
 * the readers together got as many of each of the 32 values as that length of the stream has.
 */
#ifndef SOAK_BOOKS_H
#define SOAK_BOOKS_H

#include <sys/mman.h>
#include "mini_pipe_test.h"

/* The most bytes of one call, and of all writes of an episode. */
#define LONGEST 1048576
#define VOLUME (16 << 20)

/* A reader could get all of it, and always has room for a call of any size. */
#define ARENA (VOLUME + 2 * LONGEST)
#define ARENAS ((size_t)LIVES * ARENA)

/* Processes in an episode; the last ones only replace others. */
#define LIVES 64
#define LAST_LIVES 16

/* Of the writers, those that bytes have names for. */
#define STREAMS_OF_BYTES 7
#define VALUES 32

enum style { BLOCKING, SPINNING, POLL, EPOLL, EPOLL_EDGES, EPOLL_ALONE, STYLES };

static const char * const style_names[STYLES] = {
	"blocking", "non-blocking", "poll", "epoll", "epoll, edge-triggered", "epoll, exclusive",
};

/* What is added up over the whole soak. */
enum count {
	BYTES_IN, BYTES_OUT, CALLS, OPENS, PROCESSES, SLEEPS, SIGNALS, EINTRS, EAGAINS, EFAULTS,
	ENDS_OF_FILE, BROKEN_PIPES, KILLS, KILLS_IN_CALLS, MEDDLINGS, LOADS,
	COUNTS
};

static const char * const count_names[COUNTS] = {
	"bytes in", "bytes out", "calls", "opens", "processes",
	"sleeps (their voluntary context switches, in the device or elsewhere)",
	"signals caught", "calls that a signal ended (EINTR)", "calls in vain (EAGAIN)",
	"calls with bad memory only (EFAULT)", "ends of file", "broken pipes (EPIPE)",
	"kills survived (SIGKILL)", "of them in a call",
	"other calls beside these", "loads, and as many unloads",
};

/* One process's life in an episode. */
struct life {
	pid_t pid;		/* 0 when it is over */
	bool writes;
	bool killed;
	int stream;		/* a writer's */
	enum style style;
	atomic_bool opening;
	atomic_bool calling;
	atomic_bool atomic;	/* the call on the way is to go in as a whole */
	atomic_long wanted;	/* the bytes of the call on the way, good or bad */
	atomic_ulong put;	/* units of the stream that are in, as far as the writer knows */
	atomic_ulong offered;	/* how far the call on the way may get */
	atomic_ulong taken;	/* bytes in the reader's arena */
};

/* How an episode is played. */
struct play {
	int number;
	ssize_t capacity;
	ssize_t unit;
	ssize_t longest;	/* bytes of a call */
	int readers, writers;
	int styles[2];		/* a bit for each style that readers and writers may have */
	bool anchored;		/* somebody has both ends open all the time */
	bool signals, kills, faults;
	bool meddled;		/* other processes make other calls on the same open files */
	bool hasty;		/* the end of file may come while there are bytes */
	enum { NOBODY, READERS, WRITERS } late;
	int ms;
};

/* All that outlives a process. */
struct books {
	struct play play;
	atomic_bool stop;	/* writers write no more */
	atomic_bool ending;	/* readers open no more, and leave at the end of file */
	atomic_bool failed;
	atomic_long budget;	/* bytes that may still be offered */
	atomic_ulong counts[COUNTS];
	atomic_ulong read_up_to[LIVES + 1];	/* of each stream, by calls that have ended */
	int lives;
	struct life life[LIVES];
};

static struct books *books;
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

static inline unsigned char *arena_of(const struct life *life)
{
	return arenas + (life - books->life) * (size_t)ARENA;
}

static inline void count(enum count what, unsigned long n)
{
	atomic_fetch_add(&books->counts[what], n);
}

/* Something is wrong. Always false. */
#define complain(format, ...) ({							\
	atomic_store(&books->failed, true);						\
	dprintf(STDOUT_FILENO, "# episode %d, process %d: " format "\n",		\
		books->play.number, getpid(), ##__VA_ARGS__);				\
	false;										\
})

/* Units */

struct word {
	unsigned char stream;
	unsigned char check;
	unsigned short left;		/* words of the same atomic write that follow at once */
	unsigned int place;
};

/* The smallest unit that can be a word, or a byte if the capacity has no such divisor. */
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
	return stream * VALUES + scramble(stream, place) % VALUES;
}

/* Puts units of a stream into buf, from the one at place on. */
static inline void put_units(unsigned char *buf, int stream, unsigned int place, size_t units,
			     bool atomic)
{
	ssize_t size = books->play.unit;

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
	if (!word->stream || word->stream > LIVES || word->check != check_of(word))
		return complain("no writer wrote the word %016lx", *(const unsigned long *)buf);
	for (ssize_t rest = sizeof(*word); rest < books->play.unit; rest++)
		if (buf[rest] != (unsigned char)(word->check + rest))
			return complain("a word of stream %d is torn", word->stream);
	return true;
}

/* What one call of a reader got: are the words of atomic writes together, is nothing old? */
static inline bool check_words(const unsigned char *buf, ssize_t len,
			       const unsigned long *read_before)
{
	struct word before = { 0 }, word;

	for (; len > 0; len -= books->play.unit, buf += books->play.unit) {
		if (!get_word(buf, &word))
			return false;
		if (before.left && (word.stream != before.stream ||
				    word.place != before.place + 1 || word.left != before.left - 1))
			return complain("an atomic write of stream %d was cut at word %u",
					before.stream, before.place);
		if (word.place < read_before[word.stream])
			return complain("word %u of stream %d was read after word %lu",
					word.place, word.stream, read_before[word.stream] - 1);
		before = word;
	}
	return true;
}

/* Tells the other readers what has been read, for what they read from now on must be newer. */
static inline void publish_words(const unsigned char *buf, ssize_t len)
{
	for (; len > 0; len -= books->play.unit, buf += books->play.unit) {
		struct word word;
		unsigned long old;

		memcpy(&word, buf, sizeof(word));
		old = atomic_load(&books->read_up_to[word.stream]);
		while (old < word.place + 1UL &&
		       !atomic_compare_exchange_weak(&books->read_up_to[word.stream], &old,
						     word.place + 1UL))
			;
	}
}

/* What a reader that was killed had got by the call that it did not come back from. */
static inline void recover(struct life *life)
{
	unsigned char *arena = arena_of(life);

	while (arena[life->taken])
		life->taken += books->play.unit;
}

/* The reckoning of an episode that is over */

static inline struct life *writer_of(unsigned int stream)
{
	for (int i = 0; i < books->lives; i++)
		if (books->life[i].writes && books->life[i].stream == (int)stream)
			return &books->life[i];
	return NULL;
}

/* Marks the words that a reader got as seen. */
static inline bool mark_words(const struct life *reader, unsigned char **seen)
{
	const unsigned char *arena = arena_of(reader);
	unsigned long next[LIVES + 1] = { 0 };
	struct word word;

	for (unsigned long at = 0; at < reader->taken; at += books->play.unit) {
		const struct life *writer;

		if (!get_word(arena + at, &word))
			return false;
		writer = writer_of(word.stream);
		if (!writer || word.place >= writer->offered)
			return complain("word %u of stream %d was read and never written",
					word.place, word.stream);
		if (seen[word.stream][word.place])
			return complain("word %u of stream %d was read twice", word.place,
					word.stream);
		if (word.place < next[word.stream])
			return complain("word %u of stream %d was read after word %lu", word.place,
					word.stream, next[word.stream] - 1);
		next[word.stream] = word.place + 1;
		seen[word.stream][word.place] = true;
	}
	return true;
}

/* How many words from its beginning on were read of each stream; none may be after them. */
static inline bool measure_words(unsigned char **seen, unsigned long *got)
{
	for (int i = 0; i < books->lives; i++) {
		const struct life *life = &books->life[i];
		unsigned long place = 0;

		if (!life->writes)
			continue;
		while (place < life->offered && seen[life->stream][place])
			place++;
		got[life->stream] = place;
		for (; place < life->offered; place++)
			if (seen[life->stream][place])
				return complain("stream %d lacks words %lu to %lu", life->stream,
						got[life->stream], place - 1);
	}
	return true;
}

static inline bool reckon_words(unsigned long *got)
{
	unsigned char *seen[LIVES + 1] = { 0 };
	bool right = true;

	for (int i = 0; i < books->lives; i++)
		if (books->life[i].writes)
			seen[books->life[i].stream] = calloc(books->life[i].offered + 1, 1);
	for (int i = 0; i < books->lives && right; i++)
		if (!books->life[i].writes)
			right = mark_words(&books->life[i], seen);
	right = right && measure_words(seen, got);
	for (int i = 0; i <= LIVES; i++)
		free(seen[i]);
	return right;
}

/* With one reader at a time, the arenas in their order have all bytes in theirs. */
static inline bool reckon_bytes_in_order(unsigned long *got)
{
	for (int i = 0; i < books->lives; i++) {
		const struct life *life = &books->life[i];

		for (unsigned long at = 0; !life->writes && at < life->taken; at++) {
			unsigned char byte = arena_of(life)[at];
			int stream = byte / VALUES;

			if (byte != byte_at(stream, got[stream]))
				return complain("byte %lu of stream %d is not the next: %#x",
						got[stream], stream, byte);
			got[stream]++;
		}
	}
	return true;
}

static inline bool reckon_bytes_by_value(unsigned long *got)
{
	long of_value[256] = { 0 };

	for (int i = 0; i < books->lives; i++) {
		const struct life *life = &books->life[i];

		for (unsigned long at = 0; !life->writes && at < life->taken; at++) {
			of_value[arena_of(life)[at]]++;
			got[arena_of(life)[at] / VALUES]++;
		}
	}
	for (int stream = 1; stream <= STREAMS_OF_BYTES; stream++)
		for (unsigned long place = 0; place < got[stream]; place++)
			of_value[byte_at(stream, place)]--;
	for (int value = 0; value < 256; value++)
		if (of_value[value])
			return complain("of the first %lu bytes of stream %d, %ld too many are %#x",
					got[value / VALUES], value / VALUES, of_value[value],
					value);
	return true;
}

/* Compares what was read with what was written, to the byte, when nobody is left. */
static inline bool reckon(void)
{
	unsigned long got[LIVES + 1] = { 0 };
	bool right;

	if (books->play.unit > 1)
		right = reckon_words(got);
	else if (books->play.readers == 1)
		right = reckon_bytes_in_order(got);
	else
		right = reckon_bytes_by_value(got);

	for (int i = 0; i < books->lives; i++) {
		const struct life *life = &books->life[i];
		unsigned long read = got[life->stream];

		if (!life->writes) {
			count(BYTES_OUT, life->taken);
			continue;
		}
		got[life->stream] = 0;
		count(BYTES_IN, read * books->play.unit);
		if (!right)
			continue;
		if (read < life->put || read > (life->killed ? life->offered : life->put))
			right = complain("stream %d: %lu units written, %lu read", life->stream,
					 life->put, read);
		else if (life->atomic && read != life->put && read != life->offered)
			right = complain("stream %d: an atomic write of %lu units left %lu",
					 life->stream, life->offered - life->put,
					 read - life->put);
	}
	for (int stream = 0; stream <= LIVES && right; stream++)
		if (got[stream])
			right = complain("%lu bytes of stream %d, which nobody wrote", got[stream],
					 stream);
	return right;
}

#endif
