/* SPDX-License-Identifier: GPL-2.0 */

/*
 * The kernel's part: a CondVar (rust/kernel/sync/condvar.rs) is a wait queue (kernel/sched/wait.c), and so
 * are the Pollers beside it (mini_pipe/pollers.rs; fs/select.c, fs/eventpoll.c).
 */

#define MAX		3	/* so many that sleep or poll on one side */
#define EXCLUSIVE	MAX	/* the exclusive poller, which is a poller of both sides */

typedef WaitQueues {
	chan queue = [MAX + 1] of { byte };	/* the sleepers, the oldest first */
	bool signalled[MAX];	/* this sleeper got a signal, and is still in the queue */
	bool polled[MAX];	/* this one is among the pollers */
	bool triggered[MAX];	/* this poller was told, and has not looked since */
	bool hopeful[MAX];	/* for properties.pml: this poller waits to be told */
	bool looked[MAX];	/* and has looked, edge-triggered, since it is among them */
	byte need[MAX];		/* and the level this sleeper needs; 0 while it does not sleep */
	byte due;		/* and how many wake-ups are decided on, but not sent yet, to sleepers */
	byte polls_due		/* and to pollers */
};

WaitQueues readers, writers;

byte at_work;			/* those that neither sleep nor have gone */

hidden byte poller, entry, unseen;

#define is_polled(side)		(side.polled[0] || side.polled[1] || side.polled[2])
#define is_queued(condvar, me)	(condvar.queue ?? [eval(me)])
#define is_asleep(condvar, me)	(condvar.need[me] && is_queued(condvar, me) && \
				 !condvar.signalled[me])
#define is_coming(condvar, me)	(condvar.need[me] && !(is_queued(condvar, me) && \
				 !condvar.signalled[me]))

/*
 * Where an atomic step cannot go on, the others can, and later it does: as the mutex is dropped around
 * schedule(), and taken again before finish_wait().
 */
inline wait_interruptible(condvar, me, level, signal_pending)
{
	condvar.queue ! me;		/* prepare_to_wait_exclusive() */
	condvar.need[me] = level;
	at_work--;
end_asleep:
	!is_asleep(condvar, me);	/* schedule() */
	at_work++;
	condvar.need[me] = 0;
	if				/* finish_wait() */
	:: is_queued(condvar, me) -> condvar.queue ?? eval(me)
	:: else
	fi;
	condvar.signalled[me] = false;
	if				/* one may have come with a wake-up; other threads take some away */
	:: signal_pending = false
	:: SIGNALS -> signal_pending = true
	fi
}

/*
 * Pollers::add(). An exclusive poller takes a wake-up from other pollers, which the model has not; the
 * sleepers are in another queue, unless that is broken.
 */
inline add_poller(side, me)
{
	if
	:: me == EXCLUSIVE && broken(ONE_QUEUE) && !is_queued(side, me) -> side.queue ! me
	:: me != EXCLUSIVE -> side.polled[me] = true
	:: else
	fi
}

/* Pollers::wake() and wake_all(); whom is zeroed. */
inline notify_pollers(side, whom)
{
	d_step {
		side.polls_due--;
		whom = nobody;
		for (poller : 0 .. MAX - 1) {
			side.triggered[poller] = side.triggered[poller] || side.polled[poller]
		}
	}
}

/* CondVar::notify_sync() and notify_all(); whom is zeroed. */
inline notify(condvar, whom)
{
	condvar.due--;
	unseen = len(condvar.queue);
	do
	:: unseen == 0 ->
		break
	:: unseen > 0 && whom == nobody ->	/* enough are awake; the others keep their places */
		condvar.queue ? entry;
		condvar.queue ! entry;
		unseen--
	:: unseen > 0 && whom != nobody ->
		condvar.queue ? entry;
		unseen--;
		if
		:: entry == EXCLUSIVE ->	/* ep_poll_callback(): is somebody in epoll_wait()? */
			condvar.queue ! entry;
			if
			:: whom == one -> whom = nobody
			:: true
			fi
		:: entry != EXCLUSIVE ->	/* autoremove_wake_function() */
			condvar.signalled[entry] = false;
			whom = (whom == one -> nobody : whom)
		:: entry != EXCLUSIVE && condvar.signalled[entry] ->
			condvar.queue ! entry	/* try_to_wake_up(): it is awake already */
		fi
	od;
	whom = nobody
}

/*
 * poll(2) looks, and is in the queue until there is something. epoll_wait(2), edge-triggered, looks
 * only if it was told, and stays in the queue; so that it looks once, it is triggered at first.
 */
inline wait_for_events(condvar, me, reads, writes)
{
	do
	:: atomic {
		true;
		at_work = at_work - !EDGES;
end_polling:	condvar.triggered[me];
		at_work = at_work + !EDGES;
		condvar.triggered[me] = false;
		condvar.hopeful[me] = false
	};
#if BROKEN != LOOKS_BEFORE_QUEUED
	atomic { pipe_poll_queues(me, reads, writes) };
#endif
	atomic {
		pipe_poll_looks(me, reads, writes, EDGES);
		condvar.hopeful[me] = !events;
		condvar.looked[me] = EDGES;
		if
		:: events ->
			condvar.polled[me] = EDGES;
			condvar.triggered[me] = !EDGES;
			break
		:: else
		fi
	}
#if BROKEN == LOOKS_BEFORE_QUEUED
	atomic { pipe_poll_queues(me, reads, writes) }
#endif
	od
}

inline stop_polling(condvar, me)
{
	atomic {
		true;
		condvar.polled[me] = false;
		condvar.triggered[me] = false;
		condvar.hopeful[me] = false;
		condvar.looked[me] = false
	}
}

#if SIGNALS

#define signal(condvar, me)	atomic { is_asleep(condvar, me) -> condvar.signalled[me] = true }

proctype Signals()
{
end_of_signals:
	do
	:: signal(readers, 0)
	:: signal(readers, 1)
	:: signal(readers, 2)
	:: signal(writers, 0)
	:: signal(writers, 1)
	:: signal(writers, 2)
	od
}

#endif
