/* SPDX-License-Identifier: GPL-2.0 */

/*
 * The wait queues of each direction: mini_pipe/pipe/wait/queues.rs, mini_pipe/sys/poll.rs, and
 * what the kernel does with them. Sleepers wait on a CondVar (rust/kernel/sync/condvar.rs), which
 * is a wait queue (kernel/sched/wait.c). Pollers have a queue of their own (fs/select.c,
 * fs/eventpoll.c), so that no poller takes an exclusive wake-up from a sleeper.
 */

#define MAX		3	/* the most tasks of one direction that sleep or poll */
#define EXCLUSIVE_ID	MAX	/* the exclusive poller, which polls both directions */

typedef Queues {
	chan sleepers = [MAX + 1] of { byte };	/* the oldest first */
	bool signalled[MAX];	/* this sleeper got a signal, and is still queued */
	bool polled[MAX];	/* this poller is queued */
	bool triggered[MAX];	/* this poller was woken, and has not tested since */
	bool expects_wakeup[MAX];	/* for properties.pml: this poller found no event */
	bool tested[MAX];	/* for it, too: this edge-triggered poller has tested */
	byte needs[MAX];	/* the level that this sleeper needs; 0 if it does not sleep */
	byte pending;		/* wake-ups of sleepers that are collected, but not sent yet */
	byte polls_pending	/* the same, of pollers */
};

Queues readers, writers;

/*
 * Tasks that neither sleep nor have exited. An edge-triggered poller that waits counts, too: it may
 * wait for ever.
 */
byte running;

hidden byte poller, entry, to_visit;

#define is_polled(queues)	(queues.polled[0] || queues.polled[1] || queues.polled[2])
#define is_queued(queues, me)	(queues.sleepers ?? [eval(me)])
#define is_asleep(queues, me)	(queues.needs[me] && is_queued(queues, me) && \
				 !queues.signalled[me])
#define is_woken(queues, me)	(queues.needs[me] && !(is_queued(queues, me) && \
				 !queues.signalled[me]))

/*
 * CondVar::wait_interruptible(). An atomic step that blocks in its middle lets other tasks run,
 * and goes on later: just as the mutex is dropped around schedule(), and taken again before
 * finish_wait().
 */
inline wait_interruptible(queues, me, level, signal_pending)
{
	queues.sleepers ! me;		/* prepare_to_wait_exclusive() */
	queues.needs[me] = level;
	running--;
end_asleep:
	!is_asleep(queues, me);		/* schedule() */
	running++;
	queues.needs[me] = 0;
	if				/* finish_wait() */
	:: is_queued(queues, me) -> queues.sleepers ?? eval(me)
	:: else
	fi;
	queues.signalled[me] = false;
	/* A signal may come after a wake-up; one that ended the sleep may be taken elsewhere. */
	if
	:: signal_pending = false
	:: SIGNALS -> signal_pending = true
	fi
}

/*
 * PollQueue::add(). An exclusive poller can take a wake-up from other exclusive pollers, but the
 * model has only one. It takes none from sleepers, unless ONE_QUEUE puts it into their queue.
 */
inline add_poller(queues, me)
{
	if
	:: me == EXCLUSIVE_ID && broken(ONE_QUEUE) && !is_queued(queues, me) -> queues.sleepers ! me
	:: me != EXCLUSIVE_ID -> queues.polled[me] = true
	:: else
	fi
}

/* PollQueue::wake() and wake_all(): both wake every poller of the model. Sets wake to None. */
inline notify_pollers(queues, wake)
{
	d_step {
		queues.polls_pending--;
		wake = None;
		for (poller : 0 .. MAX - 1) {
			queues.triggered[poller] = queues.triggered[poller] || queues.polled[poller]
		}
	}
}

/* CondVar::notify_sync() and notify_all(). Sets wake to None. */
inline notify(queues, wake)
{
	queues.pending--;
	to_visit = len(queues.sleepers);
	do
	:: to_visit == 0 ->
		break
	:: to_visit > 0 && wake == None ->	/* enough are woken; the others keep their places */
		queues.sleepers ? entry;
		queues.sleepers ! entry;
		to_visit--
	:: to_visit > 0 && wake != None ->
		queues.sleepers ? entry;
		to_visit--;
		if
		:: entry == EXCLUSIVE_ID ->	/* ep_poll_callback(): is a task in epoll_wait()? */
			queues.sleepers ! entry;
			if
			:: wake == Exclusive -> wake = None
			:: true
			fi
		:: entry != EXCLUSIVE_ID ->	/* autoremove_wake_function() */
			queues.signalled[entry] = false;
			wake = (wake == Exclusive -> None : wake)
		:: entry != EXCLUSIVE_ID && queues.signalled[entry] ->
			queues.sleepers ! entry	/* try_to_wake_up(): it runs already */
		fi
	od;
	wake = None
}

/*
 * poll(2) stays queued, and tests again after each wake-up, until it finds an event.
 * epoll_wait(2), edge-triggered, tests only after a wake-up, and the file stays queued. Both test
 * once at the start: triggered is true then.
 */
inline wait_for_events(queues, me, reads, writes)
{
	do
	:: atomic {
		true;
		running = running - !EDGE_TRIGGERED;
end_polling:	queues.triggered[me];
		running = running + !EDGE_TRIGGERED;
		queues.triggered[me] = false;
		queues.expects_wakeup[me] = false
	};
#if BROKEN != POLL_TESTS_BEFORE_QUEUED
	atomic { pipe_add_poll(me, reads, writes) };
#endif
	atomic {
		pipe_poll(me, reads, writes, EDGE_TRIGGERED);
		queues.expects_wakeup[me] = !events;
		queues.tested[me] = EDGE_TRIGGERED;
		if
		:: events ->
			queues.polled[me] = EDGE_TRIGGERED;
			queues.triggered[me] = !EDGE_TRIGGERED;
			break
		:: else
		fi
	}
#if BROKEN == POLL_TESTS_BEFORE_QUEUED
	atomic { pipe_add_poll(me, reads, writes) }
#endif
	od
}

inline stop_polling(queues, me)
{
	atomic {
		true;
		queues.polled[me] = false;
		queues.triggered[me] = false;
		queues.expects_wakeup[me] = false;
		queues.tested[me] = false
	}
}

#if SIGNALS

#define signal(queues, me)	atomic { is_asleep(queues, me) -> queues.signalled[me] = true }

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
