/* SPDX-License-Identifier: GPL-2.0 */

/*
 * What must hold in every state. The notes say what somebody was promised; the pipe does not look at
 * them.
 */

bool met_writer[MAX + 1];	/* since this reader is here a writer was, or bytes were when it came */
bool met_reader[MAX + 1];	/* since this writer is here a reader was */
bool kept_out_writer[MAX];	/* this writer fell asleep under another one's lease ... */
bool owed_room[MAX];		/* ... which left enough room for it when it ended */

hidden byte who;

inline note_open(me, reads)
{
	d_step {
		if
		:: reads -> met_writer[me] = !is_empty()
		:: else
		fi;
		for (who : 0 .. MAX) {
			met_writer[who] = met_writer[who] ||
				(!no_writers() && ends.readers.seat[who] != ABSENT);
			met_reader[who] = met_reader[who] ||
				(!no_readers() && ends.writers.seat[who] != ABSENT)
		}
	}
}

inline note_close(me, reads, writes)
{
	d_step {
		met_writer[me] = met_writer[me] && !reads;
		met_reader[me] = met_reader[me] && !writes;
		note_news(writes && no_writers())
	}
}

inline note_kept_out(me, is_out)
{
	kept_out_writer[me] = is_out;
	owed_room[me] = false
}

inline note_move(writes, moved, ended)
{
	d_step {
		for (who : 0 .. MAX - 1) {
			owed_room[who] = kept_out_writer[who] && room() >= writers.need[who] &&
				((writes && ended) || owed_room[who])
		}
		note_news(writes && moved > 0)
	}
}

/* An edge-triggered poller is told of every write, and of the end. */
inline note_news(is_new)
{
	for (who : 0 .. MAX - 1) {
		readers.hopeful[who] = readers.hopeful[who] || (is_new && readers.looked[who])
	}
}

inline note_eagain(condvar, me)
{
	condvar.hopeful[me] = condvar.polled[me]
}

#define any(it)			(it(0) || it(1) || it(2))

#define end_of_file(me)		(is_empty() && no_writers() && met_writer[me])
#define broken_pipe(me)		(no_readers() && met_reader[me])
#define reader_could(me)	((bytes() > 0 && !is_reading()) || end_of_file(me))
#define writer_could(me, level)	((room() >= level && !is_writing()) || broken_pipe(me))

/* Sleepers need PIPE_BUF of room, unless the ring has less, or another one's lease kept them out. */
#define level_for(me)		(PIPE_BUF <= CAPACITY && !owed_room[me] -> PIPE_BUF : writers.need[me])
#define level_for_pollers()	(PIPE_BUF <= CAPACITY -> PIPE_BUF : CAPACITY)

/* 1. Nobody sleeps while its condition holds, unless somebody is on the way to wake it. */
#define reader_is_forgotten(me)	(is_asleep(readers, me) && reader_could(me))
#define writer_is_forgotten(me)	(is_asleep(writers, me) && writer_could(me, level_for(me)))
#define reader_is_coming(me)	is_coming(readers, me)
#define writer_is_coming(me)	is_coming(writers, me)
#define readers_hear()		(readers.due || any(reader_is_coming))
#define writers_hear()		(writers.due || any(writer_is_coming))

/* Likewise those that poll; every wake-up is for all of them. */
#define read_poller_is_forgotten(me)	(readers.hopeful[me] && !readers.triggered[me] && \
					 reader_could(me))
#define write_poller_is_forgotten(me)	(writers.hopeful[me] && !writers.triggered[me] && \
					 writer_could(me, level_for_pollers()))

/* 2. There is no deadlock: if all sleep, they wait for peers that have not come. */
#define poller_is_coming(me)	(readers.triggered[me] || writers.triggered[me])
#define all_sleep()		(at_work == 0 && !readers_hear() && !writers_hear() && \
				 !readers.polls_due && !writers.polls_due && \
				 !any(poller_is_coming))
#define reader_is_stuck(me)	((readers.need[me] || readers.hopeful[me]) && met_writer[me])
#define writer_is_stuck(me)	((writers.need[me] || writers.hopeful[me]) && met_reader[me])

/*
 * 3. Every byte comes out once, and in order: copy_to() in ring.pml sees to it. And none is lost.
 */
#if COLOURS
#define is_in_ring(colour)	(ring[0] == colour || ring[1 % CAPACITY] == colour || \
				 ring[2 % CAPACITY] == colour || ring[3 % CAPACITY] == colour)
#define is_lost(colour, in, out) ((in) && !(out) && !is_in_ring(colour))
#define some_are_lost()		(is_lost(red, last_in != white, last_out != white) || \
				 is_lost(blue, last_in == blue, last_out == blue))
#else
#define some_are_lost()		false
#endif

/*
 * 4. Every lease comes back: whoever has one neither sleeps nor goes, and if all sleep, none is out.
 */
#define lease_is_lost()		(all_sleep() && (is_reading() || is_writing()))

#define wrong(is, what)		atomic { is -> printf(what); assert(false) }

proctype Monitor()
{
end_of_monitor:
	if
	:: wrong(any(reader_is_forgotten) && !readers_hear(), "wrong: a reader is forgotten\n")
	:: wrong(any(writer_is_forgotten) && !writers_hear(), "wrong: a writer is forgotten\n")
	:: wrong(any(read_poller_is_forgotten) && !readers.polls_due, "wrong: a poller is not told of bytes\n")
	:: wrong(any(write_poller_is_forgotten) && !writers.polls_due, "wrong: a poller is not told of room\n")
	:: wrong(all_sleep() && (any(reader_is_stuck) || any(writer_is_stuck)), "wrong: deadlock\n")
	:: wrong(some_are_lost(), "wrong: a byte is lost\n")
	:: wrong(lease_is_lost(), "wrong: a lease is lost\n")
	fi
}
