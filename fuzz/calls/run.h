/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Runs a program. A first process, the leader, opens the descriptors and starts the tasks: threads
 * of its own, or processes. The parent of the leader kills what is left of the program. A process
 * that does not end then hangs in the kernel.
 */
#ifndef RUN_H
#define RUN_H

#include <linux/kcov.h>
#include <sys/resource.h>
#include "table.h"

/* How long tasks run, how long the leader waits for their start or end, and its time in all. */
#define TASKS_MS 60
#define WAIT_MS 250
#define LEADER_MS 2000

/* A process that got SIGKILL ends within this time, even under an emulator on a busy machine. */
#define HANG_MS 10000

/* At this interval, each task gets a signal, which ends a sleep. */
#define SIGNAL_NS 1000000

#define ORDINARY_USER 1000

/* Hidden descriptors: no call uses them. */
#define HIDDEN_DEVICE 200
#define HIDDEN_RW 201
#define HIDDEN_PRIVATE 202

#define STACK_BYTES (64 << 10)

static inline long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void do_nothing(int sig)
{
	(void)sig;
}

/* The program survives each signal that a call may send, except SIGKILL. */
static inline void set_handlers(void)
{
	static const int signals[] = { SIGUSR1, SIGUSR2, SIGIO, SIGPIPE, SIGXFSZ, 34, 40, 64 };
	struct sigaction nothing = { .sa_handler = do_nothing };

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &nothing, NULL);
}

/* Interrupts this thread's calls again and again. */
static inline void start_timer(void)
{
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2,
		._sigev_un._tid = gettid(),
	};
	struct itimerspec interval = { { 0, SIGNAL_NS }, { 0, SIGNAL_NS } };
	timer_t timer;

	if (!timer_create(CLOCK_MONOTONIC, &event, &timer))
		timer_settime(timer, 0, &interval, NULL);
}

static inline int run_task(void *arg)
{
	struct worker *me = arg;
	struct shared *shared = me->shared;
	const struct task *task = &me->program->tasks[me->index];
	long end;

	start_timer();
	shared->pids[me->index] = getpid();
	shared->ready++;
	while (!shared->go)
		usleep(200);
	end = now_ms() + TASKS_MS;
	if (me->coverage) {
		me->coverage->areas[me->index][0] = 0;
		ioctl(me->coverage->fds[me->index], KCOV_ENABLE, KCOV_TRACE_PC);
	}
	for (int round = 0; round < me->program->repeat; round++) {
		for (int i = 0; i < task->count && now_ms() < end && !shared->stop; i++) {
			const struct call *call = &task->calls[i];

			me->step++;
			calls[call->nr % CALL_COUNT].make(me, call->arg);
			shared->calls++;
		}
	}
	if (me->coverage)
		ioctl(me->coverage->fds[me->index], KCOV_DISABLE, 0);
	shared->ended++;
	return 0;
}

static inline void *run_thread(void *arg)
{
	run_task(arg);
	return NULL;
}

/* Whether a call of the program is in list.h from first to last. */
static inline bool has_call(const struct program *program, int first, int last)
{
	for (int i = 0; i < program->count; i++)
		for (int j = 0; j < program->tasks[i].count; j++)
			if (program->tasks[i].calls[j].nr >= first &&
			    program->tasks[i].calls[j].nr <= last)
				return true;
	return false;
}

/* Opens what the calls of the program need. */
static inline void open_others(struct worker *me, const struct program *program)
{
	if (has_call(program, CALL_splice, CALL_vmsplice))
		call_pipe2(me, (unsigned char[ARGS]) { PIPE_R, PIPE_W, 1 });
	if (has_call(program, CALL_transfer, CALL_copy_file_range))
		call_memfd(me, (unsigned char[ARGS]) { FILE_RW, 250 });
	if (has_call(program, CALL_send_fd, CALL_receive_fd) ||
	    has_call(program, CALL_transfer, CALL_transfer))
		call_socketpair(me, (unsigned char[ARGS]) { SOCKET_A, SOCKET_B });
	if (has_call(program, CALL_epoll_ctl, CALL_epoll_wait))
		call_epoll_create(me, (unsigned char[ARGS]) { EPOLL });
	if (has_call(program, CALL_inotify_add, CALL_inotify_remove))
		call_inotify_init(me, (unsigned char[ARGS]) { INOTIFY });
	if (has_call(program, CALL_fanotify_mark, CALL_fanotify_mark))
		call_fanotify_init(me, (unsigned char[ARGS]) { 0 });
}

static inline void open_first(struct worker *me, unsigned char setup)
{
	unsigned char blocking = setup & SETUP_BLOCKING ? 1 : 0;

	for (unsigned char end = DEVICE_R; end <= DEVICE_RW; end++)
		call_open(me, (unsigned char[ARGS]) { end, end, blocking | 0x10 });
	if (setup & SETUP_NO_PRIVATE)
		return;
	call_pair(me, (unsigned char[ARGS]) {
		PRIVATE_R, PRIVATE_W, blocking, setup & SETUP_SMALL ? 1 + 4 * 6 : 0,
	});
	if (!(setup & SETUP_MORE))
		return;
	call_reopen(me, (unsigned char[ARGS]) { PRIVATE_RW, PRIVATE_R, 2, blocking | 0x10 });
	call_reopen(me, (unsigned char[ARGS]) { PATH_ONLY, PRIVATE_R, 5, 0 });
}

static inline void open_hidden(unsigned char setup)
{
	char path[32];

	if (!(setup & SETUP_HIDDEN))
		return;
	dup3(open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC), HIDDEN_RW, O_CLOEXEC);
	dup3(open(path_of(path, sizeof(path), PRIVATE_R), O_RDWR | O_NONBLOCK | O_CLOEXEC),
	     HIDDEN_PRIVATE, O_CLOEXEC);
	close_range(3, FIRST_FD - 1, CLOSE_RANGE_CLOEXEC);
}

/* Has the hidden files' pipes send SIGIO, after the program has closed its own files. */
static inline void signal_owners(struct worker *me)
{
	for (int fd = HIDDEN_RW; fd <= HIDDEN_PRIVATE; fd++) {
		write(fd, me->memory->good, 1);
		read(fd, me->memory->good, GOOD_BYTES);
	}
}

/*
 * A process has descriptors of its own, but shares the memory, because a copy would take long. For
 * the same reason, the stacks are static.
 */
static inline void start_task(struct worker *worker)
{
	static unsigned char stacks[MAX_TASKS][STACK_BYTES];
	unsigned char *stack = stacks[worker->index];
	pthread_attr_t attr;
	pthread_t thread;

	if (worker->program->tasks[worker->index].process) {
		clone(run_task, stack + STACK_BYTES, CLONE_VM | SIGCHLD, worker);
		return;
	}
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, stack, STACK_BYTES);
	pthread_create(&thread, &attr, run_thread, worker);
}

static inline void lead(const struct program *program, struct memory *memory,
			struct shared *shared, const struct coverage *coverage)
{
	static struct worker workers[MAX_TASKS];
	struct worker first = { .memory = memory, .program = program, .shared = shared };
	int count = program->count % (MAX_TASKS + 1);
	long end;

	setpgid(0, 0);
	first.device = HIDDEN_DEVICE;
	dup3(open(DEVICE, O_ACCMODE), HIDDEN_DEVICE, O_CLOEXEC);
	if (program->setup & SETUP_USER) {
		setresgid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER);
		setresuid(ORDINARY_USER, ORDINARY_USER, ORDINARY_USER);
		/* Otherwise /proc/self/fd belongs to root. */
		prctl(PR_SET_DUMPABLE, 1);
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	open_first(&first, program->setup);
	open_others(&first, program);
	open_hidden(program->setup);
	for (int i = 0; i < count; i++) {
		workers[i] = first;
		workers[i].index = i;
		workers[i].coverage = coverage;
		start_task(&workers[i]);
	}
	end = now_ms() + WAIT_MS;
	while (shared->ready < count && now_ms() < end)
		usleep(200);
	shared->go = true;
	end = now_ms() + WAIT_MS;
	while (shared->ended < count && now_ms() < end)
		usleep(2000);
	shared->stop = true;
	/* At exit, the kernel would release the last file first, and so marks before pipes. */
	for (int fd = FIRST_FD; fd < FIRST_FD + SLOTS; fd++)
		close(fd);
	if (program->setup & SETUP_HIDDEN)
		signal_owners(&first);
	/* The threads end, too. */
	_exit(0);
}

/* Reaps a child that has ended. Returns whether there was one. */
static inline bool reap(void)
{
	return waitpid(-1, NULL, WNOHANG | __WALL) > 0;
}

static inline bool has_children(void)
{
	siginfo_t info;

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

/* Prepares this process to run programs. */
static inline struct shared *prepare(struct memory *memory)
{
	struct rlimit limit = { 256 << 20, 256 << 20 };

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	set_handlers();
	setrlimit(RLIMIT_AS, &limit);
	*memory = make_memory();
	return mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* Runs the program. Returns false if a process does not end. */
static inline bool run_program(const struct program *program, struct memory *memory,
			       struct shared *shared, const struct coverage *coverage)
{
	pid_t leader;
	long end;

	*shared = (struct shared) { 0 };
	leader = fork();
	if (leader < 0)
		return true;
	if (!leader)
		lead(program, memory, shared, coverage);
	setpgid(leader, leader);
	end = now_ms() + LEADER_MS;
	while (now_ms() < end && waitpid(leader, NULL, WNOHANG) != leader)
		usleep(2000);
	end = now_ms() + HANG_MS;
	while (has_children()) {
		kill(-leader, SIGKILL);
		while (reap())
			;
		if (now_ms() > end)
			return false;
		usleep(1000);
	}
	return true;
}

#endif
