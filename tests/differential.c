// SPDX-License-Identifier: GPL-2.0
/*
 * Side by side with the real thing: the same random game is played with a private mini_pipe and
 * with a pipe(2), step by step, and each call must get the same: what it returns, errno, the bytes,
 * the events, SIGPIPE; or it must sleep on both sides, until the same later step.
 *
 *   SEED=n SEQUENCES=n differential
 *
 * A sequence of steps that makes a difference is shortened to one that does not without any of its
 * steps, and told. Its own seed plays it again.
 *
 * Differences that are meant, and kept out of the game by differential_stage.h; DIFF.md has them,
 * too:
 *
 * - A pipe(2) is full when it has no slot left, a mini_pipe when it has no byte left. Where that is
 *   the same, it must be the same: in games of whole pages, and in games of packets. In games of
 *   anything, the pipes never become full.
 * - F_SETPIPE_SZ rounds, MINI_PIPE_IOC_SET_CAPACITY does not: it is asked for what comes of that.
 * - A read of a mini_pipe ends before a packet that comes after other bytes: a packet is only
 *   written where there are none.
 * - A read of a mini_pipe that meets a writer goes on with what that one brings: a side has all its
 *   processes on one processor, where a copy is not met, but by a rare accident.
 * - A mini_pipe looks at the flags of a file once a call, a pipe(2) each time before it sleeps:
 *   they stay as they are while a call sleeps, and it does not start again in another file.
 * - A write to a mini_pipe that does not go in at once can be overtaken by whom it wakes, and finds
 *   what that one has left; in a pipe(2) it has the mutex. Only somebody who cannot be overtaken
 *   makes such a write while others sleep.
 * - Of several writers that sleep, a resize wakes one of a pipe(2), even if there is no more room,
 *   and all of a mini_pipe, and whoever sleeps again is the last in the queue: while several
 *   sleep, there is no resize.
 * - A descriptor that is polled is not closed: another file may get its number, and whether the
 *   poller looks at that before or after a reader that is woken beside it is not settled.
 * - A pipe(2) cannot be opened again with O_DIRECT or in access mode 3, a mini_pipe can.
 */
#include <sys/mman.h>
#include <sys/random.h>
#include "differential_stage.h"

#define MOST_STEPS 40

#define ALL_EVENTS (POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLWRNORM)

struct sequence {
	enum game game;
	int flags;
	int pages;
	int count;
	struct step steps[MOST_STEPS];
};

/* What was seen, by all masters. */
static struct tally {
	atomic_bool differs;
	atomic_int shortest;
	atomic_ulong sequences;
	atomic_ulong steps;
	atomic_ulong calls[OPS];
	atomic_ulong sleeps[OPS];
	atomic_ulong errors[256];
} *tally;

static unsigned char pattern[LONGEST + 251];
static bool telling;
static bool quiet;

/* Telling a story */

static void tell_flags(long flags)
{
	static const char * const modes[] = { "O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE" };

	printf("%s%s%s", modes[flags & O_ACCMODE], flags & O_NONBLOCK ? "|O_NONBLOCK" : "",
	       flags & O_DIRECT ? "|O_DIRECT" : "");
}

static void tell_events(long events)
{
	static const struct {
		short bit;
		const char *name;
	} names[] = {
		{ POLLIN, "POLLIN" },
		{ POLLPRI, "POLLPRI" },
		{ POLLOUT, "POLLOUT" },
		{ POLLERR, "POLLERR" },
		{ POLLHUP, "POLLHUP" },
		{ POLLNVAL, "POLLNVAL" },
		{ POLLRDNORM, "POLLRDNORM" },
		{ POLLWRNORM, "POLLWRNORM" },
	};
	const char *between = "";

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (events & names[i].bit) {
			printf("%s%s", between, names[i].name);
			between = "|";
		}
	}
	if (!*between)
		printf("0");
}

static bool takes_bytes(enum op op)
{
	return op == READ || op == WRITE || op == RESIZE;
}

static void tell_arguments(const struct step *step)
{
	if (takes_bytes(step->op))
		printf(" %ld", step->arg);
	switch (step->op) {
	case WAIT:
	case POLL:
		printf(" ");
		tell_events(step->arg);
		break;
	case OPEN:
	case FLAGS:
		printf(" ");
		tell_flags(step->arg);
		break;
	default:
		break;
	}
	if (step->op == OPEN || step->op == DUP)
		printf(" as [%d]", step->to);
}

static void tell_step(const struct step *step)
{
	static const char * const names[] = {
		"read", "write", "poll, for ever", "poll", "FIONREAD", "open again", "dup", "close",
		"set the flags", "resize", "interrupt", "fork", "the child ends",
	};

	printf("#   %s%s", names[step->op], step->vector ? "v" : "");
	if (step->op == INTERRUPT)
		printf(" worker %d%s", step->worker, step->arg == SIGUSR2 ? ", to restart" : "");
	else if (step->op < FORK)
		printf(" [%d]", step->slot);
	tell_arguments(step);
	if (step->op <= WAIT && step->worker)
		printf(", by worker %d", step->worker);
}

static void tell_outcome(const struct desk *desk, bool ended)
{
	const struct outcome *outcome = &desk->outcome;

	if (!ended)
		printf("sleeps");
	else if (outcome->err == EINTR && !desk->worker)
		printf("sleeps, until an alarm");
	else if (outcome->err)
		printf("%s", strerrorname_np(outcome->err));
	else if (desk->call.op == POLL || desk->call.op == WAIT)
		tell_events(outcome->ret);
	else if (desk->call.op == FLAGS)
		tell_flags(outcome->ret);
	else
		printf("%ld", outcome->ret);
	if (ended && outcome->sigpipes)
		printf(" and SIGPIPE");
}

static void tell_both(struct desk *desk[2], const bool *ended, bool same)
{
	printf(": ");
	tell_outcome(desk[0], ended[0]);
	if (!same) {
		printf(" from %s, ", desks[0][0].side->name);
		tell_outcome(desk[1], ended[1]);
		printf(" from %s", desks[1][0].side->name);
		if (desk[0]->outcome.ret > 0 && desk[0]->outcome.ret == desk[1]->outcome.ret)
			printf(", with other bytes");
	}
	printf("\n");
}

/* Comparing */

static bool same_outcome(const struct desk *a, const struct desk *b)
{
	if (a->outcome.ret != b->outcome.ret || a->outcome.err != b->outcome.err ||
	    a->outcome.sigpipes != b->outcome.sigpipes)
		return false;
	return a->call.op != READ || a->outcome.ret <= 0 ||
	       !memcmp(a->bytes, b->bytes, a->outcome.ret);
}

/* Whether both sides of that place did the same; `news`: a call was made there just now. */
static bool agree_at(int at, bool news)
{
	struct desk *desk[] = { &desks[0][at], &desks[1][at] };
	bool ended[] = { desk[0]->state == ENDED, desk[1]->state == ENDED };
	bool sleeps, same;

	for (int i = 0; i < 2; i++)
		if (!ended[i] && (news || ended[0] != ended[1]))
			ended[i] = has_ended_for_certain(desk[i]);
	sleeps = !ended[0] && !ended[1];
	same = sleeps || (ended[0] && ended[1] && same_outcome(desk[0], desk[1]));
	if (news)
		tally->calls[desk[0]->call.op]++;
	if (news && sleeps)
		tally->sleeps[desk[0]->call.op]++;
	if (!sleeps)
		tally->errors[desk[0]->outcome.err & 255]++;
	if (telling && (news || !sleeps)) {
		if (!news)
			printf("#     worker %d goes on", at);
		tell_both(desk, ended, same);
	}
	stage.at[at].busy = sleeps;
	return same;
}

/* `at` is where a call was made just now. */
static bool all_agree(int at)
{
	bool agreed = agree_at(at, true);

	for (int i = 1; i <= WORKERS; i++)
		if (i != at && stage.at[i].busy)
			agreed &= agree_at(i, false);
	return agreed;
}

/* Playing */

/* Returns whether both sides did the same. */
static bool play(const struct step *step)
{
	int at = step->op <= WAIT ? step->worker : 0;

	if (telling)
		tell_step(step);
	tally->steps++;
	stage.at[at].busy = true;
	for (int side = 0; side < 2; side++) {
		struct desk *desk = &desks[side][at];

		desk->call = call_of(step, pattern, side);
		if (at)
			post_call(desk);
		else
			do_call(desk);
	}
	note(step, at);
	return all_agree(at);
}

static bool play_if_allowed(const struct step *step)
{
	return !may_play(step) || play(step);
}

static void begin(const struct sequence *sequence)
{
	if (telling)
		printf("#   a pipe of %d bytes%s%s; [0] reads, [1] writes\n",
		       sequence->pages * PAGE, sequence->flags & O_NONBLOCK ? ", O_NONBLOCK" : "",
		       sequence->flags & O_DIRECT ? ", O_DIRECT" : "");
	if (!set_stage(sequence->game, sequence->flags, sequence->pages))
		give_up("no pipes");
}

static bool close_all(void)
{
	bool agreed = true;

	for (int slot = 0; slot < SLOTS && agreed; slot++)
		agreed = play_if_allowed(&(struct step){ .op = CLOSE, .slot = slot });
	return agreed;
}

/* A last look at everything, then all is closed, and whoever sleeps on is interrupted. */
static bool end(void)
{
	bool agreed = true;

	for (int slot = 0; slot < SLOTS && agreed; slot++) {
		struct step count = { .op = BYTES, .slot = slot };
		struct step poll = { .op = POLL, .slot = slot, .arg = ALL_EVENTS };

		agreed = play_if_allowed(&count) && play_if_allowed(&poll);
	}
	agreed = agreed && play_if_allowed(&(struct step){ .op = BURY }) && close_all();
	for (int i = 1; i <= WORKERS && agreed; i++) {
		struct step wake = { .op = INTERRUPT, .worker = i, .arg = SIGUSR1 };

		agreed = play_if_allowed(&wake) && !stage.at[i].busy;
	}
	return agreed && close_all();
}

static bool makes_a_difference(const struct sequence *sequence)
{
	bool agreed = true;

	begin(sequence);
	for (int i = 0; i < sequence->count && agreed; i++)
		agreed = play_if_allowed(&sequence->steps[i]);
	if (agreed && end())
		return false;
	clear_stage();
	return true;
}

/* Choosing */

static unsigned long luck;

static unsigned int at_random(unsigned int below)
{
	luck ^= luck << 13;
	luck ^= luck >> 7;
	luck ^= luck << 17;
	return (luck >> 16) % below;
}

static bool once_in(unsigned int times)
{
	return at_random(times) == 0;
}

/* Of a pipe, in pages. */
static int any_size(void)
{
	static const int sizes[] = { 1, 1, 2, 2, 4, 4, 8, 16 };

	return sizes[at_random(ARRAY_SIZE(sizes))];
}

static long any_length(void)
{
	static const long edges[] = { 0, 1, 2, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE };

	if (stage.game == PAGES)
		return PAGE * (once_in(20) ? 0 : 1 + at_random(once_in(3) ? 2 * stage.pages : 2));
	switch (at_random(4)) {
	case 0:
		return edges[at_random(ARRAY_SIZE(edges))];
	case 1:
		return 1 + at_random(3 * PAGE);
	case 2:
		return 1 + at_random(PAGE);
	default:
		return 1 + at_random(20);
	}
}

static int any_flags(enum game game)
{
	int flags = once_in(2) ? O_NONBLOCK : 0;

	/* In a game of packets, nothing else can be written. */
	return flags | (game == PACKETS || once_in(4) ? O_DIRECT : 0);
}

static int any_slot(bool open)
{
	int slot = at_random(SLOTS);

	for (int i = 0; i < SLOTS && is_open(slot) != open; i++)
		slot = (slot + 1) % SLOTS;
	return slot;
}

/* Mostly one of the right end. */
static int any_slot_not(int mode)
{
	int slot = any_slot(true);

	for (int i = 0; i < 4 && stage.slots[slot].mode == mode; i++)
		slot = any_slot(true);
	return slot;
}

static struct step any_step(void)
{
	static const enum op often[] = {
		READ, READ, READ, READ, READ, READ, WRITE, WRITE, WRITE, WRITE, WRITE, WRITE, WRITE,
		WAIT, POLL, POLL, POLL, BYTES, OPEN, DUP, CLOSE, CLOSE, FLAGS, FLAGS,
		RESIZE, RESIZE, INTERRUPT, INTERRUPT,
	};
	static const short events[] = { POLLIN, POLLOUT, POLLIN | POLLOUT, ALL_EVENTS, 0 };
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	struct step step = { .op = often[at_random(ARRAY_SIZE(often))], .slot = any_slot(true) };

	if (once_in(300))
		step.op = heir ? BURY : FORK;
	if (step.op == INTERRUPT)
		step.worker = 1 + at_random(WORKERS);
	switch (step.op) {
	case READ:
	case WRITE:
		step.slot = any_slot_not(step.op == READ ? O_WRONLY : O_RDONLY);
		step.vector = once_in(4);
		step.arg = any_length();
		break;
	case WAIT:
	case POLL:
		step.arg = events[at_random(ARRAY_SIZE(events))];
		break;
	case OPEN:
		step.to = any_slot(false);
		step.arg = modes[at_random(ARRAY_SIZE(modes))] | (once_in(2) ? O_NONBLOCK : 0);
		break;
	case DUP:
		step.to = any_slot(false);
		break;
	case FLAGS:
		step.arg = any_flags(stage.game);
		break;
	case RESIZE:
		step.arg = once_in(2) ? PAGE * any_size() : (long)at_random(16 * PAGE);
		break;
	case INTERRUPT:
		step.arg = once_in(3) ? SIGUSR2 : SIGUSR1;
		break;
	default:
		break;
	}
	if (step.op <= WAIT && (needs_a_worker(&step) || once_in(20)))
		step.worker = 1 + at_random(WORKERS);
	return step;
}

/* Makes up a sequence while it plays it. */
static bool find_a_difference(struct sequence *sequence, unsigned long seed)
{
	bool agreed = true;
	int tries;

	luck = (seed + 1) * 0x9e3779b97f4a7c15UL;
	for (int i = 0; i < 8; i++)
		at_random(2);
	sequence->game = at_random(GAMES);
	sequence->flags = any_flags(sequence->game);
	sequence->pages = any_size();
	sequence->count = 0;
	begin(sequence);
	/* Not all that is tried is allowed. */
	for (tries = 3 + at_random(2 * MOST_STEPS); tries && agreed && !is_over(); tries--) {
		struct step *step = &sequence->steps[sequence->count];

		if (sequence->count == MOST_STEPS)
			break;
		*step = any_step();
		if (!may_play(step))
			continue;
		sequence->count++;
		agreed = play(step);
	}
	if (agreed && end())
		return false;
	clear_stage();
	return true;
}

/* Shortening */

static bool does_as_well(struct sequence *sequence, const struct sequence *other)
{
	if (!makes_a_difference(other))
		return false;
	*sequence = *other;
	return true;
}

static bool leave_out(struct sequence *sequence, int from, int count)
{
	struct sequence rest = *sequence;

	count = smaller(count, rest.count - from);
	rest.count -= count;
	memmove(&rest.steps[from], &rest.steps[from + count],
		(rest.count - from) * sizeof(*rest.steps));
	return does_as_well(sequence, &rest);
}

/* Until no step can be left out. */
static void leave_out_steps(struct sequence *sequence)
{
	int count = sequence->count;
	bool shorter = true;

	while (count > 1 || shorter) {
		shorter = false;
		count = (count + 1) / 2;
		for (int from = 0; from < sequence->count;) {
			if (leave_out(sequence, from, count))
				shorter = true;
			else
				from += count;
		}
	}
}

/* Round numbers, and the descriptors and flags that are there anyway, may spare more steps. */
static void make_simpler(struct sequence *sequence)
{
	struct sequence other = *sequence;

	other.flags = 0;
	does_as_well(sequence, &other);
	for (int i = 0; i < sequence->count; i++) {
		other = *sequence;
		other.steps[i].vector = false;
		if (takes_bytes(other.steps[i].op))
			other.steps[i].arg = PAGE;
		does_as_well(sequence, &other);
		for (int slot = 0; slot < 2; slot++) {
			other = *sequence;
			other.steps[i].slot = slot;
			does_as_well(sequence, &other);
		}
	}
}

static void shorten(struct sequence *sequence)
{
	leave_out_steps(sequence);
	make_simpler(sequence);
	leave_out_steps(sequence);
}

static void report_difference(struct sequence *sequence, unsigned long seed)
{
	int steps = sequence->count;
	bool again = makes_a_difference(sequence);

	if (again)
		shorten(sequence);
	if (atomic_exchange(&tally->differs, true))
		return;
	tally->shortest = sequence->count;
	if (quiet)
		return;
	printf("# SEED=%lu SEQUENCES=1: a difference, in %d of %d steps%s\n", seed,
	       sequence->count, steps, again ? "" : ", but not each time");
	telling = true;
	makes_a_difference(sequence);
	fflush(stdout);
}

/* Masters, one for each processor */

static void be_a_master(const struct side *first, const struct side *second, int cpu,
			unsigned long seed, unsigned long last, int masters)
{
	struct sequence sequence;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	open_office(first, second, cpu);
	for (; seed <= last && !tally->differs; seed += masters) {
		/* Others get a turn. */
		if (tally->sequences++ % 16 == 0)
			a_moment();
		if (find_a_difference(&sequence, seed))
			report_difference(&sequence, seed);
	}
	_exit(0);
}

/* Plays so many sequences; the tally has what came of it. */
static void play_all(struct __test_metadata *_metadata, const struct side *first,
		     const struct side *second, unsigned long seed, unsigned long sequences)
{
	int masters, cpu = 0, status;
	cpu_set_t set;

	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	ASSERT_NE(MAP_FAILED, tally);
	put_pattern(pattern, 0, sizeof(pattern));
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(set), &set));
	masters = CPU_COUNT(&set);
	fflush(stdout);
	for (int i = 0; i < masters; i++, cpu++) {
		while (!CPU_ISSET(cpu, &set))
			cpu++;
		if (!fork())
			be_a_master(first, second, cpu, seed + i, seed + sequences - 1, masters);
	}
	for (int i = 0; i < masters; i++) {
		ASSERT_LT(0, wait(&status));
		ASSERT_EQ(0, status);
	}
}

static const struct side pipe_2 = {
	.name = "pipe(2)",
	.make = make_pipe,
	.resize = set_pipe_size,
};

static const struct side mini_pipe = {
	.name = "mini_pipe",
	.make = make_mini_pipe,
	.resize = set_mini_pipe_size,
};

static unsigned long setting(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 0) : otherwise;
}

static unsigned int any_seed(void)
{
	unsigned int seed = 0;

	getrandom(&seed, sizeof(seed), 0);
	return seed;
}

/* A kernel with lockdep takes many times as long for everything. */
static unsigned long usual_sequences(void)
{
	return access("/proc/lockdep", F_OK) ? 20000 : 1000;
}

FIXTURE(game)
{
};

FIXTURE_SETUP(game)
{
}

FIXTURE_TEARDOWN(game)
{
	fflush(stdout);
}

TEST_F_TIMEOUT(game, a_mini_pipe_does_as_a_pipe_2, 300)
{
	static const int errors[] = { EAGAIN, EBADF, EBUSY, EINTR, EPIPE };
	unsigned long seed = setting("SEED", any_seed());
	unsigned long sequences = setting("SEQUENCES", usual_sequences());

	printf("# SEED=%lu SEQUENCES=%lu\n", seed, sequences);
	play_all(_metadata, &pipe_2, &mini_pipe, seed, sequences);
	EXPECT_FALSE(tally->differs);
	printf("# %lu sequences, %lu steps; asleep in %lu reads, %lu writes, %lu polls\n",
	       tally->sequences, tally->steps, tally->sleeps[READ], tally->sleeps[WRITE],
	       tally->sleeps[WAIT]);
	if (tally->differs || sequences < 1000)
		return;
	/* It was all there. */
	for (int op = 0; op < OPS; op++)
		EXPECT_LT(0, tally->calls[op]);
	for (int op = READ; op <= WAIT; op++)
		EXPECT_LT(0, tally->sleeps[op]);
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		EXPECT_LT(0, tally->errors[errors[i]]);
}

/* The game itself: two pipe(2)s do the same, and one that was spoilt on purpose does not. */

TEST_F(game, two_pipe_2s_do_the_same)
{
	play_all(_metadata, &pipe_2, &pipe_2, 1, usual_sequences() / 40);
	EXPECT_FALSE(tally->differs);
}

static int make_a_waiting_pipe(int *fds, int flags, long bytes)
{
	return make_pipe(fds, flags & ~O_NONBLOCK, bytes);
}

static long refuse_size(int fd, long bytes)
{
	return bytes > 9 * PAGE ? set_pipe_size(fd, -1) : set_pipe_size(fd, bytes);
}

static void write_other_bytes(struct call *call)
{
	call->from += call->op == WRITE;
}

static void interrupt_to_restart(struct call *call)
{
	if (call->op == INTERRUPT)
		call->arg = SIGUSR2;
}

static void read_less(const struct call *call, struct outcome *outcome)
{
	outcome->ret -= call->op == READ && outcome->ret > 1;
}

static void hide_the_end(const struct call *call, struct outcome *outcome)
{
	if (call->op == POLL && outcome->ret > 0)
		outcome->ret &= ~POLLHUP;
}

FIXTURE(fault)
{
};

FIXTURE_SETUP(fault)
{
}

FIXTURE_TEARDOWN(fault)
{
}

/* What is spoilt, and in how many steps that shows. */
FIXTURE_VARIANT(fault)
{
	struct side side;
	int steps;
};

FIXTURE_VARIANT_ADD(fault, that_waits_when_it_should_not)
{
	.side.make = make_a_waiting_pipe,
	.steps = 1,
};

FIXTURE_VARIANT_ADD(fault, that_refuses_a_size)
{
	.side.resize = refuse_size,
	.steps = 1,
};

FIXTURE_VARIANT_ADD(fault, that_writes_other_bytes)
{
	.side.before = write_other_bytes,
	.steps = 2,
};

FIXTURE_VARIANT_ADD(fault, that_heeds_no_signal)
{
	.side.before = interrupt_to_restart,
	.steps = 2,
};

FIXTURE_VARIANT_ADD(fault, that_reads_less)
{
	.side.after = read_less,
	.steps = 2,
};

FIXTURE_VARIANT_ADD(fault, that_hides_the_end)
{
	.side.after = hide_the_end,
	.steps = 1,
};

TEST_F(fault, is_found_and_shortened)
{
	struct side spoilt = variant->side;

	if (!spoilt.make)
		spoilt.make = make_pipe;
	if (!spoilt.resize)
		spoilt.resize = set_pipe_size;
	quiet = true;
	play_all(_metadata, &pipe_2, &spoilt, 1, 1000);
	EXPECT_TRUE(tally->differs);
	EXPECT_LT(0, tally->shortest);
	EXPECT_GE(variant->steps, tally->shortest);
}

TEST_HARNESS_MAIN
