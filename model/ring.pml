/* SPDX-License-Identifier: GPL-2.0 */

/*
 * mini_pipe/ring/mod.rs: the copies and the commits, and what the bytes are.
 *
 * The pipe never looks at its bytes, so three colours are enough to check their order (Wolper,
 * 1986): a writer writes one red byte and then one blue byte, anywhere in a stream of white ones.
 * If these two are read once and in this order wherever they are, then so is every byte: any byte
 * could be the red one, so none is lost; any two could be the red and the blue one, so no two
 * change places.
 */

#if COLOURS

mtype:colour = { white, red, blue };

mtype:colour ring[CAPACITY];		/* from tail on; 0 where no byte was written */
mtype:colour last_in = white;		/* the last of red and blue that was written ... */
mtype:colour last_out = white;		/* ... and that was read */

hidden mtype:colour last;
hidden byte place, cell;

#endif

/* Reservation::copy() by a reader. */
inline copy_to_user(copied)
{
	assert(copied <= reserved_read);
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

/* Reservation::copy() by a writer. */
inline copy_from_user(copied)
{
	assert(copied <= reserved_write);
#if COLOURS
	last = last_in;
	for (place : length .. length + copied - 1) {
		assert(ring[place] == 0);
		if
		:: ring[place] = white
		:: last == white -> ring[place] = red; last = red
		:: last == red -> ring[place] = blue; last = blue
		fi
	}
#endif
}

/* The oldest bytes have been read: the others move to the front. */
inline remove_oldest(count)
{
	assert(count <= reserved_read && reserved_read <= length);
#if COLOURS
	d_step {
		for (cell : 0 .. CAPACITY - 1) {
			ring[cell] = (cell + count < CAPACITY ->
					ring[(cell + count) % CAPACITY] : 0)
		}
	}
#endif
}

inline commit_read(count)
{
	remove_oldest(count);
	indices_commit_read(count)
}

inline commit_read_part(count)
{
	remove_oldest(count);
	indices_commit_read_part(count)
}

/* The first bytes of a reservation have been written. The others that were copied do not count. */
inline keep_first(count)
{
	assert(count <= reserved_write && length + reserved_write <= CAPACITY);
#if COLOURS
	d_step {
		for (cell : length .. length + reserved_write - 1) {
			if
			:: cell >= length + count -> ring[cell] = 0
			:: cell < length + count && ring[cell] != white -> last_in = ring[cell]
			:: else
			fi
		}
	}
#endif
}

inline commit_write(count)
{
	keep_first(count);
	indices_commit_write(count)
}

inline commit_write_part(count)
{
	keep_first(count);
	indices_commit_write_part(count)
}
