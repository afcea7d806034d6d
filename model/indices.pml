/* SPDX-License-Identifier: GPL-2.0 */

/*
 * mini_pipe/indices.rs: how many bytes there are, and who holds which of them. Where they are in the
 * pages is left out: counting from tail, every place of the ring is like every other.
 */

byte held;		/* head - tail: bytes that have gone in and not come out; Rust's len() */
byte reading;		/* how many of them are leased to a reader; 0 when there is no such lease */
byte writing;		/* how much room is leased to a writer; 0 when there is no such lease */

#define is_empty()	(held == 0)
#define bytes()		(held - reading)
#define room()		(CAPACITY - held - writing)
#define is_reading()	(reading != 0)
#define is_writing()	(writing != 0)

/* Whether lease_bytes() and lease_room() return a lease. */
#define bytes_to_lease()	(!is_reading() && !is_empty())
#define room_to_lease(least)	(!is_writing() && room() > 0 && room() >= least)

inline lease_bytes(most)
{
	reading = (most < held -> most : held)
}

inline lease_room(most)
{
	writing = (most < room() -> most : room());
	assert(held + writing <= CAPACITY)
}

inline take(taken)
{
	held = held - taken;
	reading = 0
}

inline take_part(taken)
{
	assert(taken < reading);
	held = held - taken;
	reading = reading - taken
}

inline put(count)
{
	held = held + count;
	writing = 0
}

inline put_part(count)
{
	assert(count < writing);
	held = held + count;
	writing = writing - count
}
