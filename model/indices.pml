/* SPDX-License-Identifier: GPL-2.0 */

/*
 * mini_pipe/ring/indices.rs: how many bytes there are, and which of them are reserved. Each
 * direction has at most one reservation: a reader reserves the oldest bytes, a writer reserves
 * room after the newest. Where the bytes lie in the pages is left out: counted from tail, all
 * places are alike.
 */

byte length;		/* head - tail: the bytes in the ring; len() in Rust */
byte reserved_read;	/* how many of them a reader has reserved; 0: no reservation is out */
byte reserved_write;	/* how many bytes of room a writer has reserved; 0: no reservation is out */

#define is_empty()			(length == 0)
#define readable()			(length - reserved_read)
#define writable()			(CAPACITY - length - reserved_write)
#define is_reserved_read()		(reserved_read != 0)
#define is_reserved_write()		(reserved_write != 0)

/* Whether reserve_read() and reserve_write() return a reservation. */
#define can_reserve_read()		(!is_reserved_read() && !is_empty())
#define can_reserve_write(least)	(!is_reserved_write() && writable() > 0 && \
					 writable() >= least)

inline reserve_read(most)
{
	reserved_read = (most < length -> most : length)
}

inline reserve_write(most)
{
	reserved_write = (most < writable() -> most : writable());
	assert(length + reserved_write <= CAPACITY)
}

inline indices_commit_read(count)
{
	length = length - count;
	reserved_read = 0
}

inline indices_commit_read_part(count)
{
	assert(count < reserved_read);
	length = length - count;
	reserved_read = reserved_read - count
}

inline indices_commit_write(count)
{
	length = length + count;
	reserved_write = 0
}

inline indices_commit_write_part(count)
{
	assert(count < reserved_write);
	length = length + count;
	reserved_write = reserved_write - count
}
