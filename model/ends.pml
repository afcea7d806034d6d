/* SPDX-License-Identifier: GPL-2.0 */

/*
 * mini_pipe/pipe/ends.rs: who has the pipe open, and what an empty or a full ring therefore
 * means.
 *
 * After the last close of one end, reads at the other end return end of file, and writes fail
 * with EPIPE; but only for files that have seen a peer. So each file keeps a snapshot of the
 * other end's count of opens, taken when it was opened, as fs/pipe.c does with r_counter and
 * w_counter.
 */

/* A snapshot, or what stands for it. */
#define NOT_OPEN		0	/* the file itself is not open */
#define SEEN			1	/* the file has seen a peer */
#define UNSEEN(peer)		(2 + peer.opens)	/* not yet: how often the peer had been opened */

typedef End {
	byte open;			/* files that have it open */
	byte opens;			/* how often it has been opened */
	byte snapshot[MAX + 1]		/* of the other end, for each file of this one */
};

typedef Ends {
	End readers;
	End writers
};

Ends ends;

#define no_readers()		(ends.readers.open == 0)
#define no_writers()		(ends.writers.open == 0)

/* Whether Ends::peer() returns Peer::Closed. Else, if the peer is not open, it is Unseen. */
#define peer_closed(peer, seen)	(peer.open == 0 && \
				 (seen != UNSEEN(peer) || broken(EOF_BEFORE_PEER_OPENED)))
#define readers_closed(me)	peer_closed(ends.readers, ends.writers.snapshot[me])
#define writers_closed(me)	peer_closed(ends.writers, ends.readers.snapshot[me])

inline count_open(end)
{
	end.open++;
	end.opens++
}

inline ends_open(me, reads, writes, has_bytes)
{
	if
	:: reads -> count_open(ends.readers)
	:: !reads
	fi;
	if
	:: writes -> count_open(ends.writers)
	:: !writes
	fi;
	if
	:: reads -> ends.readers.snapshot[me] = (ends.writers.open > 0 || has_bytes -> SEEN :
								UNSEEN(ends.writers))
	:: !reads
	fi;
	if
	:: writes -> ends.writers.snapshot[me] = (ends.readers.open > 0 -> SEEN :
								UNSEEN(ends.readers))
	:: !writes
	fi
}

inline ends_close(me, reads, writes)
{
	if
	:: reads -> ends.readers.open--; ends.readers.snapshot[me] = NOT_OPEN
	:: !reads
	fi;
	if
	:: writes -> ends.writers.open--; ends.writers.snapshot[me] = NOT_OPEN
	:: !writes
	fi
}
