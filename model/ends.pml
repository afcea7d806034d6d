/* SPDX-License-Identifier: GPL-2.0 */

/* mini_pipe/ends.rs: who has the pipe open, and what an empty or a full ring therefore means. */

/* A seat is what a file knew of the other side when it was opened. */
#define ABSENT			0	/* it is not open */
#define SEEN			1
#define UNSEEN(side)		(2 + side.arrivals)

typedef Side {
	byte open;
	byte arrivals;
	byte seat[MAX + 1]
};

typedef Ends {
	Side readers;
	Side writers
};

Ends ends;

#define no_readers()		(ends.readers.open == 0)
#define no_writers()		(ends.writers.open == 0)

/* Whether Ends::peer returns Peer::Left. */
#define left(side, seat)	(side.open == 0 && \
				 (seat != UNSEEN(side) || broken(END_BEFORE_PEER_CAME)))
#define readers_left(me)	left(ends.readers, ends.writers.seat[me])
#define writers_left(me)	left(ends.writers, ends.readers.seat[me])

inline arrive(side)
{
	side.open++;
	side.arrivals++
}

inline ends_open(me, reads, writes, bytes_left)
{
	if
	:: reads -> arrive(ends.readers)
	:: !reads
	fi;
	if
	:: writes -> arrive(ends.writers)
	:: !writes
	fi;
	if
	:: reads -> ends.readers.seat[me] = (ends.writers.open > 0 || bytes_left -> SEEN :
							UNSEEN(ends.writers))
	:: !reads
	fi;
	if
	:: writes -> ends.writers.seat[me] = (ends.readers.open > 0 -> SEEN : UNSEEN(ends.readers))
	:: !writes
	fi
}

inline ends_close(me, reads, writes)
{
	if
	:: reads -> ends.readers.open--; ends.readers.seat[me] = ABSENT
	:: !reads
	fi;
	if
	:: writes -> ends.writers.open--; ends.writers.seat[me] = ABSENT
	:: !writes
	fi
}
