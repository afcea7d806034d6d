/* SPDX-License-Identifier: GPL-2.0 */

/*
 * mini_pipe/pipe/mod.rs: open and close, and how wake-ups are sent. (Pipe::wait is in wait.pml.)
 *
 * In all files, an atomic step is what the module does under the mutex, from a lock to the next
 * unlock. A call returns by a jump to next_call, a label of its process. Variables that are no
 * longer needed are set to 0, so that states that differ only in them are one state. What is
 * printed explains a counterexample.
 */

inline pipe_open(me, reads, writes)
{
	ends_open(me, reads, writes, !is_empty());
	ghost_open(me, reads);
	printf("%e %d opens: readers %d, writers %d\n", (reads -> reader : writer), me,
	       ends.readers.open, ends.writers.open)
}

/* The last close of an end wakes all waiters at the other end. */
inline pipe_close(me, reads, writes)
{
	atomic {
		true;
		ends_close(me, reads, writes);
		ghost_close(me, reads, writes);
		printf("%e %d closes: readers %d, writers %d\n", (reads -> reader : writer), me,
		       ends.readers.open, ends.writers.open);
		if
		:: writes && no_writers() ->
			collect(readers, wake_readers,
				(broken(CLOSE_WAKES_ONE) -> Exclusive : All));
			collect_polls(readers, wake_read_pollers, All)
		:: else
		fi;
		if
		:: reads && no_readers() ->
			collect(writers, wake_writers,
				(broken(CLOSE_WAKES_ONE) -> Exclusive : All));
			collect_polls(writers, wake_write_pollers, All)
		:: else
		fi
	};
	wake_pollers(writers, wake_write_pollers);
	wake_sleepers(writers, wake_writers);
	wake_pollers(readers, wake_read_pollers);
	wake_sleepers(readers, wake_readers)
}

inline wake_sleepers(queues, wake)
{
	if
	:: wake == None
	:: atomic { wake != None -> notify(queues, wake) }
	fi
}

inline wake_pollers(queues, wake)
{
	if
	:: wake == None
	:: atomic { wake != None -> notify_pollers(queues, wake) }
	fi
}

/*
 * Pipe::unlock_and_wake(): sends the wake-ups that a read or write has collected. Each is a step:
 * first to the writers, then to the readers, and to the pollers of a direction before its
 * sleepers.
 */
inline unlock_and_wake()
{
send_next:
	do
	:: atomic {
		wake_write_pollers != None ->
		notify_pollers(writers, wake_write_pollers);
		continue_call()
	}
	:: atomic {
		wake_write_pollers == None && wake_writers != None ->
		notify(writers, wake_writers);
		continue_call()
	}
	:: atomic {
		wake_write_pollers == None && wake_writers == None && wake_read_pollers != None ->
		notify_pollers(readers, wake_read_pollers);
		continue_call()
	}
	:: atomic {
		wake_write_pollers == None && wake_writers == None && wake_read_pollers == None ->
		notify(readers, wake_readers);
		continue_call()
	}
	od
}

#define all_are_sent()		(wake_readers == None && wake_writers == None && \
				 wake_read_pollers == None && wake_write_pollers == None)

/* A call first sends its wake-ups. Then it copies more if it has a reservation, else it returns. */
inline continue_call()
{
	if
	:: all_are_sent() && has_reservation -> goto copy_next
	:: all_are_sent() && !has_reservation -> goto next_call
	:: else -> goto send_next
	fi
}
