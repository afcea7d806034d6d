/* SPDX-License-Identifier: GPL-2.0 */

/*
 * What must hold in every state. The ghost variables record what a task has seen or must be woken
 * for; only the properties use them, the pipe does not.
 */

bool seen_writer[MAX + 1];	/* this reader has had a writer, or bytes when it opened */
bool seen_reader[MAX + 1];	/* this writer has had a reader */
bool contended_writer[MAX];	/* this writer began to sleep under another reservation ... */
bool got_enough[MAX];	/* ... the end of which left enough room for it */

hidden byte task;

inline ghost_open(me, reads)
{
	d_step {
		if
		:: reads -> seen_writer[me] = !is_empty()
		:: else
		fi;
		for (task : 0 .. MAX) {
			seen_writer[task] = seen_writer[task] ||
				(!no_writers() && ends.readers.snapshot[task] != NOT_OPEN);
			seen_reader[task] = seen_reader[task] ||
				(!no_readers() && ends.writers.snapshot[task] != NOT_OPEN)
		}
	}
}

inline ghost_close(me, reads, writes)
{
	d_step {
		seen_writer[me] = seen_writer[me] && !reads;
		seen_reader[me] = seen_reader[me] && !writes;
		ghost_edge(writes && no_writers())
	}
}

inline ghost_contended(me, is_contended)
{
	contended_writer[me] = is_contended;
	got_enough[me] = false
}

inline ghost_move(writes, moved, ended)
{
	d_step {
		for (task : 0 .. MAX - 1) {
			got_enough[task] = contended_writer[task] &&
				writable() >= writers.needs[task] &&
				((writes && ended) || got_enough[task])
		}
		ghost_edge(writes && moved > 0)
	}
}

/* Every write, and the last close of the write end, must wake an edge-triggered poller. */
inline ghost_edge(is_edge)
{
	for (task : 0 .. MAX - 1) {
		readers.expects_wakeup[task] = readers.expects_wakeup[task] ||
			(is_edge && readers.tested[task])
	}
}

/* A poller that got EAGAIN must be woken when it can make its call again. */
inline ghost_eagain(queues, me)
{
	queues.expects_wakeup[me] = queues.polled[me]
}

#define any(it)			(it(0) || it(1) || it(2))

#define end_of_file(me)		(is_empty() && no_writers() && seen_writer[me])
#define broken_pipe(me)		(no_readers() && seen_reader[me])
#define reader_could(me)	((readable() > 0 && !is_reserved_read()) || end_of_file(me))
#define writer_could(me, level)	((writable() >= level && !is_reserved_write()) || broken_pipe(me))

/*
 * A sleeping writer is woken at PIPE_BUF of room. It is woken at the level that it needs if the
 * capacity is below PIPE_BUF, or if it slept contended and the end of the other reservation left
 * that level.
 */
#define level_for(me)		(PIPE_BUF <= CAPACITY && !got_enough[me] -> PIPE_BUF : \
				 writers.needs[me])
#define level_for_pollers()	(PIPE_BUF <= CAPACITY -> PIPE_BUF : CAPACITY)

/*
 * 1. No wake-up is lost: no task sleeps while its condition holds, unless a wake-up of its
 *    direction is pending, or a woken task of its direction has not tested its own condition yet.
 */
#define reader_sleeps_on(me)	(is_asleep(readers, me) && reader_could(me))
#define writer_sleeps_on(me)	(is_asleep(writers, me) && writer_could(me, level_for(me)))
#define reader_is_woken(me)	is_woken(readers, me)
#define writer_is_woken(me)	is_woken(writers, me)
#define reader_will_test()	(readers.pending || any(reader_is_woken))
#define writer_will_test()	(writers.pending || any(writer_is_woken))

/* Likewise pollers. Each of their wake-ups wakes all of them. */
#define read_poller_sleeps_on(me)	(readers.expects_wakeup[me] && !readers.triggered[me] && \
					 reader_could(me))
#define write_poller_sleeps_on(me)	(writers.expects_wakeup[me] && !writers.triggered[me] && \
					 writer_could(me, level_for_pollers()))

/*
 * 2. There is no deadlock: if all tasks sleep, they wait for peers that have not opened the pipe
 *    yet.
 */
#define poller_will_test(me)	(readers.triggered[me] || writers.triggered[me])
#define all_sleep()		(running == 0 && !reader_will_test() && !writer_will_test() && \
				 !readers.polls_pending && !writers.polls_pending && \
				 !any(poller_will_test))
#define reader_is_stuck(me)	((readers.needs[me] || readers.expects_wakeup[me]) && \
				 seen_writer[me])
#define writer_is_stuck(me)	((writers.needs[me] || writers.expects_wakeup[me]) && \
				 seen_reader[me])

/*
 * 3. Every byte is read once, and in order: copy_to_user() in ring.pml asserts that. And no byte
 *    is lost:
 */
#if COLOURS
#define is_in_ring(colour)	(ring[0] == colour || ring[1 % CAPACITY] == colour || \
				 ring[2 % CAPACITY] == colour || ring[3 % CAPACITY] == colour)
#define is_lost(colour, in, out) ((in) && !(out) && !is_in_ring(colour))
#define byte_is_lost()		(is_lost(red, last_in != white, last_out != white) || \
				 is_lost(blue, last_in == blue, last_out == blue))
#else
#define byte_is_lost()		false
#endif

/*
 * 4. Every reservation is committed: a task that has one neither sleeps nor exits; so if all
 *    tasks sleep, no reservation is out.
 */
#define reservation_is_lost()	(all_sleep() && (is_reserved_read() || is_reserved_write()))

#define wrong(is, what)		atomic { is -> printf(what); assert(false) }

proctype Monitor()
{
end_of_monitor:
	if
	:: wrong(any(reader_sleeps_on) && !reader_will_test(), "wrong: a reader lost its wake-up\n")
	:: wrong(any(writer_sleeps_on) && !writer_will_test(), "wrong: a writer lost its wake-up\n")
	:: wrong(any(read_poller_sleeps_on) && !readers.polls_pending,
		 "wrong: a read poller lost its wake-up\n")
	:: wrong(any(write_poller_sleeps_on) && !writers.polls_pending,
		 "wrong: a write poller lost its wake-up\n")
	:: wrong(all_sleep() && (any(reader_is_stuck) || any(writer_is_stuck)), "wrong: deadlock\n")
	:: wrong(byte_is_lost(), "wrong: a byte is lost\n")
	:: wrong(reservation_is_lost(), "wrong: a reservation is lost\n")
	fi
}
