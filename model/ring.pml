/* SPDX-License-Identifier: GPL-2.0 */

/*
 * mini_pipe/ring.rs: the copies, and what the bytes are.
 *
 * Nobody looks at the bytes, so they need not differ: if one red byte and then one blue byte,
 * anywhere in a stream of white ones, come out once and in this order, then any bytes do (Wolper,
 * 1986). No red one is lost, so none is; blue never comes before red, so no two bytes change places.
 */

#if COLOURS

mtype:colour = { white, red, blue };

mtype:colour ring[CAPACITY];		/* from tail on; 0 where nothing was put */
mtype:colour last_in = white;		/* the last of red and blue that went in ... */
mtype:colour last_out = white;		/* ... and that came out */

hidden mtype:colour last;
hidden byte place, cell;

#endif

inline copy_to(copied)
{
	assert(copied <= reading);
#if COLOURS
	for (place : 0 .. copied - 1) {
		if
		:: ring[place] == white
		:: ring[place] == red -> assert(last_out == white); last_out = red
		:: ring[place] == blue -> assert(last_out == red); last_out = blue
		:: ring[place] == 0 -> assert(false)
		fi
	}
#endif
}

inline copy_from(copied)
{
	assert(copied <= writing);
#if COLOURS
	last = last_in;
	for (place : held .. held + copied - 1) {
		assert(ring[place] == 0);
		if
		:: ring[place] = white
		:: last == white -> ring[place] = red; last = red
		:: last == red -> ring[place] = blue; last = blue
		fi
	}
#endif
}

inline take_out(taken)
{
	assert(taken <= reading && reading <= held);
#if COLOURS
	d_step {
		for (cell : 0 .. CAPACITY - 1) {
			ring[cell] = (cell + taken < CAPACITY -> ring[(cell + taken) % CAPACITY] : 0)
		}
	}
#endif
}

inline ring_take(taken)
{
	take_out(taken);
	take(taken)
}

inline ring_take_part(taken)
{
	take_out(taken);
	take_part(taken)
}

inline put_in(count)
{
	assert(count <= writing && held + writing <= CAPACITY);
#if COLOURS
	d_step {
		for (cell : held .. held + writing - 1) {
			if
			:: cell >= held + count -> ring[cell] = 0
			:: cell < held + count && ring[cell] != white -> last_in = ring[cell]
			:: else
			fi
		}
	}
#endif
}

inline ring_put(count)
{
	put_in(count);
	put(count)
}

inline ring_put_part(count)
{
	put_in(count);
	put_part(count)
}
