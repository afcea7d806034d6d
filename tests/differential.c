// SPDX-License-Identifier: GPL-2.0
/*
 * Compares mini_pipe with pipe(2). The same random sequence of calls is made on a private
 * mini_pipe and on a pipe(2), step by step. Each call must have the same outcome on both sides
 * (return value, errno, bytes, poll events, SIGPIPE), or sleep on both sides and return after the
 * same later step.
 *
 *   SEED=n SEQUENCES=n differential
 *
 * A sequence that shows a difference is printed, without the steps that the difference does not
 * need. The seed repeats the sequence.
 *
 * differential_model.h excludes the differences that are deliberate. DIFF.md has them, too:
 *
 * - A pipe(2) is full when all its buffers are used, a mini_pipe when no byte of its capacity is
 *   left. Sequences of whole pages and sequences of packets fill both at the same time. In
 *   sequences with writes of any length, the pipes never become full.
 * - F_SETPIPE_SZ rounds up, MINI_PIPE_IOC_SET_CAPACITY does not. mini_pipe is given the rounded
 *   size.
 * - A read of a mini_pipe stops before a packet that follows stream bytes. So packets are written
 *   only to a pipe that has no stream bytes.
 * - A read of a mini_pipe that runs beside a write also takes bytes that the write adds
 *   meanwhile. All processes of a pair of pipes run on one processor, so a copy is very rarely
 *   interrupted.
 * - The flags of an open file are looked at when a sleeping call is woken, and a mini_pipe does not
 *   wake the same calls as a pipe(2). So the flags of a file do not change while a call sleeps in
 *   it, and a call that is restarted finds the same file.
 * - A mini_pipe drops its mutex between the parts of a long write, so a process that the write
 *   wakes can run before the next part, and change what that part finds. A pipe(2) keeps its mutex.
 *   While others sleep, only a process that they cannot preempt makes a write of several parts.
 * - If several writers sleep, a resize wakes one writer of a pipe(2), even without new
 *   room, and all writers of a mini_pipe. A writer that sleeps again is the last in the queue. So
 *   there is no resize while several writers sleep.
 * - A descriptor that is polled is not closed: another file may get its number, and a poller that
 *   is woken together with a reader may look at that file before the reader runs, or after.
 * - A pipe(2) cannot be reopened with O_DIRECT or in access mode 3, a mini_pipe can.
 */
#include <sys/mman.h>
#include <sys/random.h>
#include "differential_model.h"

#define MAX_STEPS 40

#define ALL_EVENTS (POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLWRNORM)

struct sequence {
	enum workload workload;
	int flags;
	int pages;
	int count;
	struct step steps[MAX_STEPS];
};

/* Counts of all runners. */
static struct tally {
	atomic_bool differs;
	atomic_int shortest;
	atomic_ulong sequences;
	atomic_ulong steps;
	atomic_ulong calls[OPS];
	atomic_ulong sleeps[OPS];
	atomic_ulong errors[256];
} *tally;

static unsigned char pattern[MAX_CALL_BYTES + 251];
static bool verbose;	/* prints steps as they run */
static bool quiet;	/* prints no difference */

/* Printing a sequence */

static void print_flags(long flags)
{
	static const char * const modes[] = { "O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE" };

	printf("%s%s%s", modes[flags & O_ACCMODE], flags & O_NONBLOCK ? "|O_NONBLOCK" : "",
	       flags & O_DIRECT ? "|O_DIRECT" : "");
}

static void print_events(long events)
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

static bool has_byte_count(enum op op)
{
	return op == READ || op == WRITE || op == RESIZE || (op >= SPLICE_OUT && op <= VMSPLICE);
}

/* Whether a call returns bytes of the pipe. */
static bool returns_bytes(const struct call *call)
{
	return call->op == READ || call->op == SPLICE_OUT || call->op == TEE_OUT ||
	       (call->op == VMSPLICE && (fcntl(call->fd, F_GETFL) & O_ACCMODE) == O_RDONLY);
}

static void print_arguments(const struct step *step)
{
	if (has_byte_count(step->op))
		printf(" %ld", step->arg);
	switch (step->op) {
	case BLOCKING_POLL:
	case POLL:
		printf(" ");
		print_events(step->arg);
		break;
	case REOPEN:
	case SET_FLAGS:
		printf(" ");
		print_flags(step->arg);
		break;
	default:
		break;
	}
	if (step->op == REOPEN || step->op == DUP)
		printf(" as [%d]", step->to);
}

static void print_step(const struct step *step)
{
	static const char * const names[] = {
		"read", "write", "poll without timeout", "poll", "FIONREAD", "splice out",
		"tee out", "splice in", "vmsplice", "reopen", "dup", "close", "set flags",
		"resize", "signal", "fork", "end the child",
	};

	printf("#   %s%s", names[step->op], step->vector ? "v" : "");
	if (step->op == INTERRUPT)
		printf(" worker %d%s", step->worker, step->arg == SIGUSR2 ? ", SA_RESTART" : "");
	else if (step->op < FORK)
		printf(" [%d]", step->slot);
	print_arguments(step);
	if (step->op <= BLOCKING_POLL && step->worker)
		printf(", by worker %d", step->worker);
}

static void print_outcome(const struct worker *worker, bool ended)
{
	const struct outcome *outcome = &worker->outcome;

	if (!ended)
		printf("sleeps");
	else if (outcome->err == EINTR && !worker->pid)
		printf("sleeps until the alarm");
	else if (outcome->err)
		printf("%s", strerrorname_np(outcome->err));
	else if (worker->call.op == POLL || worker->call.op == BLOCKING_POLL)
		print_events(outcome->ret);
	else if (worker->call.op == SET_FLAGS)
		print_flags(outcome->ret);
	else
		printf("%ld", outcome->ret);
	if (ended && outcome->sigpipes)
		printf(" and SIGPIPE");
}

static void print_outcomes(struct worker *pair[2], const bool *ended, bool same)
{
	printf(": ");
	print_outcome(pair[0], ended[0]);
	if (!same) {
		printf(" on %s, ", pair[0]->side->name);
		print_outcome(pair[1], ended[1]);
		printf(" on %s", pair[1]->side->name);
		if (pair[0]->outcome.ret > 0 && pair[0]->outcome.ret == pair[1]->outcome.ret)
			printf(", different bytes");
	}
	printf("\n");
}

/* Comparing */

static bool same_outcome(const struct worker *a, const struct worker *b)
{
	if (a->outcome.ret != b->outcome.ret || a->outcome.err != b->outcome.err ||
	    a->outcome.sigpipes != b->outcome.sigpipes)
		return false;
	return a->outcome.ret <= 0 || !returns_bytes(&a->call) ||
	       !memcmp(a->bytes, b->bytes, a->outcome.ret);
}

/*
 * Returns whether worker `index` did the same on both sides. `is_new`: its call was made in the
 * current step.
 */
static bool compare_worker(int index, bool is_new)
{
	struct worker *pair[] = { &workers[0][index], &workers[1][index] };
	bool ended[] = { pair[0]->state == ENDED, pair[1]->state == ENDED };
	bool sleeps, same;

	for (int i = 0; i < 2; i++)
		if (!ended[i] && (is_new || ended[0] != ended[1]))
			ended[i] = has_ended(pair[i]);
	sleeps = !ended[0] && !ended[1];
	same = sleeps || (ended[0] && ended[1] && same_outcome(pair[0], pair[1]));
	if (is_new)
		tally->calls[pair[0]->call.op]++;
	if (is_new && sleeps)
		tally->sleeps[pair[0]->call.op]++;
	if (!sleeps)
		tally->errors[pair[0]->outcome.err & 255]++;
	if (verbose && (is_new || !sleeps)) {
		if (!is_new)
			printf("#     then worker %d", index);
		print_outcomes(pair, ended, same);
	}
	model.workers[index].in_call = sleeps;
	return same;
}

/* `caller` is the worker that made the call of the current step. */
static bool compare_all(int caller)
{
	bool same = compare_worker(caller, true);

	for (int i = 1; i <= WORKERS; i++)
		if (i != caller && model.workers[i].in_call)
			same &= compare_worker(i, false);
	return same;
}

/* Running a sequence */

/* Returns whether both sides did the same. */
static bool run_step(const struct step *step)
{
	int caller = step->op <= BLOCKING_POLL ? step->worker : 0;

	if (verbose)
		print_step(step);
	tally->steps++;
	model.workers[caller].in_call = true;
	for (int side = 0; side < 2; side++) {
		struct worker *worker = &workers[side][caller];

		worker->call = call_for(step, pattern, side);
		if (caller)
			post_call(worker);
		else
			do_call(worker);
	}
	update_model(step, caller);
	return compare_all(caller);
}

static bool run_if_allowed(const struct step *step)
{
	return !is_allowed(step) || run_step(step);
}

static void begin_sequence(const struct sequence *sequence)
{
	if (verbose)
		printf("#   a pipe of %d bytes%s%s; [0] reads, [1] writes\n",
		       sequence->pages * PAGE, sequence->flags & O_NONBLOCK ? ", O_NONBLOCK" : "",
		       sequence->flags & O_DIRECT ? ", O_DIRECT" : "");
	if (!open_pipes(sequence->workload, sequence->flags, sequence->pages))
		give_up("cannot open the pipes");
}

static bool close_all(void)
{
	bool same = true;

	for (int slot = 0; slot < SLOTS && same; slot++)
		same = run_if_allowed(&(struct step){ .op = CLOSE, .slot = slot });
	return same;
}

/*
 * Compares bytes and events a last time, closes everything and interrupts the calls that still
 * sleep.
 */
static bool finish_sequence(void)
{
	bool same = true;

	for (int slot = 0; slot < SLOTS && same; slot++) {
		struct step count = { .op = BYTES, .slot = slot };
		struct step poll = { .op = POLL, .slot = slot, .arg = ALL_EVENTS };

		same = run_if_allowed(&count) && run_if_allowed(&poll);
	}
	same = same && run_if_allowed(&(struct step){ .op = END_CHILD }) && close_all();
	for (int i = 1; i <= WORKERS && same; i++) {
		struct step wake = { .op = INTERRUPT, .worker = i, .arg = SIGUSR1 };

		same = run_if_allowed(&wake) && !model.workers[i].in_call;
	}
	return same && close_all();
}

static bool differs(const struct sequence *sequence)
{
	bool same = true;

	begin_sequence(sequence);
	for (int i = 0; i < sequence->count && same; i++)
		same = run_if_allowed(&sequence->steps[i]);
	if (same && finish_sequence())
		return false;
	reset();
	return true;
}

/* Random choices */

static unsigned long random_state;

static unsigned int random_below(unsigned int below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 16) % below;
}

static bool one_in(unsigned int times)
{
	return random_below(times) == 0;
}

/* A pipe's size in pages. */
static int random_pages(void)
{
	static const int sizes[] = { 1, 1, 2, 2, 4, 4, 8, 16 };

	return sizes[random_below(ARRAY_SIZE(sizes))];
}

static long random_length(void)
{
	const long edges[] = { 0, 1, 2, PAGE - 1, PAGE, PAGE + 1, 2 * PAGE };

	if (model.workload == PAGES)
		return PAGE * (one_in(20) ? 0 : 1 + random_below(one_in(3) ? 2 * model.pages : 2));
	switch (random_below(4)) {
	case 0:
		return edges[random_below(ARRAY_SIZE(edges))];
	case 1:
		return 1 + random_below(3 * PAGE);
	case 2:
		return 1 + random_below(PAGE);
	default:
		return 1 + random_below(20);
	}
}

static int random_flags(enum workload workload)
{
	int flags = one_in(2) ? O_NONBLOCK : 0;

	/* A sequence of packets writes nothing else. */
	return flags | (workload == PACKETS || one_in(4) ? O_DIRECT : 0);
}

static int random_slot(bool open)
{
	int slot = random_below(SLOTS);

	for (int i = 0; i < SLOTS && is_open(slot) != open; i++)
		slot = (slot + 1) % SLOTS;
	return slot;
}

/* A slot, and mostly one of another access mode. */
static int random_slot_without(int mode)
{
	int slot = random_slot(true);

	for (int i = 0; i < 4 && model.slots[slot].mode == mode; i++)
		slot = random_slot(true);
	return slot;
}

static struct step random_step(void)
{
	static const enum op weighted_ops[] = {
		READ, READ, READ, READ, READ, READ, WRITE, WRITE, WRITE, WRITE, WRITE, WRITE, WRITE,
		BLOCKING_POLL, POLL, POLL, POLL, BYTES, SPLICE_OUT, TEE_OUT, SPLICE_IN, VMSPLICE,
		REOPEN, DUP, CLOSE, CLOSE,
		SET_FLAGS, SET_FLAGS, RESIZE, RESIZE, INTERRUPT, INTERRUPT,
	};
	static const short events[] = { POLLIN, POLLOUT, POLLIN | POLLOUT, ALL_EVENTS, 0 };
	static const int modes[] = { O_RDONLY, O_WRONLY, O_RDWR };
	struct step step = {
		.op = weighted_ops[random_below(ARRAY_SIZE(weighted_ops))],
		.slot = random_slot(true),
	};

	if (one_in(300))
		step.op = forked_child ? END_CHILD : FORK;
	if (step.op == INTERRUPT)
		step.worker = 1 + random_below(WORKERS);
	switch (step.op) {
	case READ:
	case WRITE:
		step.slot = random_slot_without(step.op == READ ? O_WRONLY : O_RDONLY);
		step.vector = one_in(4);
		step.arg = random_length();
		break;
	case SPLICE_OUT:
	case TEE_OUT:
	case SPLICE_IN:
		step.slot = random_slot_without(step.op == SPLICE_IN ? O_RDONLY : O_WRONLY);
		step.arg = random_length();
		break;
	case VMSPLICE:
		step.arg = random_length();
		break;
	case BLOCKING_POLL:
	case POLL:
		step.arg = events[random_below(ARRAY_SIZE(events))];
		break;
	case REOPEN:
		step.to = random_slot(false);
		step.arg = modes[random_below(ARRAY_SIZE(modes))] | (one_in(2) ? O_NONBLOCK : 0);
		break;
	case DUP:
		step.to = random_slot(false);
		break;
	case SET_FLAGS:
		step.arg = random_flags(model.workload);
		break;
	case RESIZE:
		step.arg = one_in(2) ? PAGE * random_pages() : (long)random_below(16 * PAGE);
		break;
	case INTERRUPT:
		step.arg = one_in(3) ? SIGUSR2 : SIGUSR1;
		break;
	default:
		break;
	}
	if (step.op <= BLOCKING_POLL && (needs_worker(&step) || one_in(20)))
		step.worker = 1 + random_below(WORKERS);
	return step;
}

/* Chooses and runs the steps of a sequence. Returns whether the sides differ. */
static bool find_difference(struct sequence *sequence, unsigned long seed)
{
	bool same = true;
	int tries;

	random_state = (seed + 1) * 0x9e3779b97f4a7c15UL;
	for (int i = 0; i < 8; i++)
		random_below(2);
	sequence->workload = random_below(WORKLOADS);
	sequence->flags = random_flags(sequence->workload);
	sequence->pages = random_pages();
	sequence->count = 0;
	begin_sequence(sequence);
	/* A step that is not allowed is skipped. */
	for (tries = 3 + random_below(2 * MAX_STEPS); tries && same && !all_closed(); tries--) {
		struct step *step = &sequence->steps[sequence->count];

		if (sequence->count == MAX_STEPS)
			break;
		*step = random_step();
		if (!is_allowed(step))
			continue;
		sequence->count++;
		same = run_step(step);
	}
	if (same && finish_sequence())
		return false;
	reset();
	return true;
}

/* Minimising */

static bool keep_if_it_differs(struct sequence *sequence, const struct sequence *other)
{
	if (!differs(other))
		return false;
	*sequence = *other;
	return true;
}

static bool remove_steps(struct sequence *sequence, int from, int count)
{
	struct sequence rest = *sequence;

	count = smaller(count, rest.count - from);
	rest.count -= count;
	memmove(&rest.steps[from], &rest.steps[from + count],
		(rest.count - from) * sizeof(*rest.steps));
	return keep_if_it_differs(sequence, &rest);
}

/* Removes steps, until all that are left are needed. */
static void remove_needless_steps(struct sequence *sequence)
{
	int count = sequence->count;
	bool shorter = true;

	while (count > 1 || shorter) {
		shorter = false;
		count = (count + 1) / 2;
		for (int from = 0; from < sequence->count;) {
			if (remove_steps(sequence, from, count))
				shorter = true;
			else
				from += count;
		}
	}
}

/* Tries no flags, no vectors, single pages, slots 0 and 1: then steps may be needless. */
static void simplify_steps(struct sequence *sequence)
{
	struct sequence other = *sequence;

	other.flags = 0;
	keep_if_it_differs(sequence, &other);
	for (int i = 0; i < sequence->count; i++) {
		other = *sequence;
		other.steps[i].vector = false;
		if (has_byte_count(other.steps[i].op))
			other.steps[i].arg = PAGE;
		keep_if_it_differs(sequence, &other);
		for (int slot = 0; slot < 2; slot++) {
			other = *sequence;
			other.steps[i].slot = slot;
			keep_if_it_differs(sequence, &other);
		}
	}
}

static void minimise(struct sequence *sequence)
{
	remove_needless_steps(sequence);
	simplify_steps(sequence);
	remove_needless_steps(sequence);
}

static void report_difference(struct sequence *sequence, unsigned long seed)
{
	int steps = sequence->count;
	bool again = differs(sequence);

	if (again)
		minimise(sequence);
	if (atomic_exchange(&tally->differs, true))
		return;
	tally->shortest = sequence->count;
	if (quiet)
		return;
	printf("# SEED=%lu SEQUENCES=1: a difference, minimised to %d of %d steps%s\n", seed,
	       sequence->count, steps, again ? "" : ", not reproducible");
	verbose = true;
	differs(sequence);
	fflush(stdout);
}

/* Runners: one process for each processor */

static void run_every_nth(const struct side *first, const struct side *second, int cpu,
			  unsigned long seed, unsigned long last, int runners)
{
	struct sequence sequence;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	start_runner(first, second, cpu);
	for (; seed <= last && !tally->differs; seed += runners) {
		/* Lets processes with a lower priority run. */
		if (tally->sequences++ % 16 == 0)
			sleep_1ms();
		if (find_difference(&sequence, seed))
			report_difference(&sequence, seed);
	}
	_exit(0);
}

/* Runs the sequences, and leaves their results in the tally. */
static void run_sequences(struct __test_metadata *_metadata, const struct side *first,
			  const struct side *second, unsigned long seed, unsigned long sequences)
{
	int runners, cpu = 0, status;
	cpu_set_t set;

	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	ASSERT_NE(MAP_FAILED, tally);
	put_pattern(pattern, 0, sizeof(pattern));
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(set), &set));
	runners = CPU_COUNT(&set);
	fflush(stdout);
	for (int i = 0; i < runners; i++, cpu++) {
		while (!CPU_ISSET(cpu, &set))
			cpu++;
		if (!fork())
			run_every_nth(first, second, cpu, seed + i, seed + sequences - 1, runners);
	}
	for (int i = 0; i < runners; i++) {
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

static unsigned long setting(const char *name, unsigned long default_value)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 0) : default_value;
}

static unsigned int random_seed(void)
{
	unsigned int seed = 0;

	getrandom(&seed, sizeof(seed), 0);
	return seed;
}

/* On a kernel with lockdep, everything takes many times as long. */
static unsigned long usual_sequences(void)
{
	return access("/proc/lockdep", F_OK) ? 20000 : 1000;
}

FIXTURE(sequences)
{
};

FIXTURE_SETUP(sequences)
{
}

FIXTURE_TEARDOWN(sequences)
{
	fflush(stdout);
}

TEST_F_TIMEOUT(sequences, mini_pipe_behaves_as_pipe_2, 300)
{
	static const int errors[] = { EAGAIN, EBADF, EBUSY, EINTR, EPIPE };
	unsigned long seed = setting("SEED", random_seed());
	unsigned long sequences = setting("SEQUENCES", usual_sequences());

	printf("# SEED=%lu SEQUENCES=%lu\n", seed, sequences);
	run_sequences(_metadata, &pipe_2, &mini_pipe, seed, sequences);
	EXPECT_FALSE(tally->differs);
	printf("# %lu sequences, %lu steps; slept in %lu reads, %lu writes, %lu polls\n",
	       tally->sequences, tally->steps, tally->sleeps[READ], tally->sleeps[WRITE],
	       tally->sleeps[BLOCKING_POLL]);
	if (tally->differs || sequences < 1000)
		return;
	/* All calls, sleeps, errors must occur. */
	for (int op = 0; op < OPS; op++)
		EXPECT_LT(0, tally->calls[op]);
	for (int op = READ; op <= BLOCKING_POLL; op++)
		EXPECT_LT(0, tally->sleeps[op]);
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++)
		EXPECT_LT(0, tally->errors[errors[i]]);
}

/* Tests of this test: it finds no difference of two pipe(2)s, and that of a faulty pipe(2). */

TEST_F(sequences, two_pipe_2s_behave_alike)
{
	run_sequences(_metadata, &pipe_2, &pipe_2, 1, usual_sequences() / 40);
	EXPECT_FALSE(tally->differs);
}

static int make_blocking_pipe(int *fds, int flags, long bytes)
{
	return make_pipe(fds, flags & ~O_NONBLOCK, bytes);
}

static long refuse_size(int fd, long bytes)
{
	return bytes > 9 * PAGE ? set_pipe_size(fd, -1) : set_pipe_size(fd, bytes);
}

static void write_other_bytes(struct call *call)
{
	call->data += call->op == WRITE;
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

static void hide_pollhup(const struct call *call, struct outcome *outcome)
{
	if (call->op == POLL && outcome->ret > 0)
		outcome->ret &= ~POLLHUP;
}

FIXTURE(faulty_side)
{
};

FIXTURE_SETUP(faulty_side)
{
}

FIXTURE_TEARDOWN(faulty_side)
{
}

/* The fault, and at most how many steps show it. */
FIXTURE_VARIANT(faulty_side)
{
	struct side side;
	int steps;
};

FIXTURE_VARIANT_ADD(faulty_side, ignores_o_nonblock)
{
	.side.make = make_blocking_pipe,
	.steps = 2,
};

FIXTURE_VARIANT_ADD(faulty_side, refuses_large_sizes)
{
	.side.resize = refuse_size,
	.steps = 1,
};

FIXTURE_VARIANT_ADD(faulty_side, writes_other_bytes)
{
	.side.spoil_call = write_other_bytes,
	.steps = 2,
};

FIXTURE_VARIANT_ADD(faulty_side, restarts_after_any_signal)
{
	.side.spoil_call = interrupt_to_restart,
	.steps = 2,
};

FIXTURE_VARIANT_ADD(faulty_side, reads_less)
{
	.side.spoil_outcome = read_less,
	.steps = 2,
};

FIXTURE_VARIANT_ADD(faulty_side, hides_pollhup)
{
	.side.spoil_outcome = hide_pollhup,
	.steps = 1,
};

TEST_F(faulty_side, is_found_and_minimised)
{
	struct side faulty = variant->side;

	if (!faulty.make)
		faulty.make = make_pipe;
	if (!faulty.resize)
		faulty.resize = set_pipe_size;
	quiet = true;
	run_sequences(_metadata, &pipe_2, &faulty, 1, 1000);
	EXPECT_TRUE(tally->differs);
	EXPECT_LT(0, tally->shortest);
	EXPECT_GE(variant->steps, tally->shortest);
}

TEST_HARNESS_MAIN
