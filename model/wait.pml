/* SPDX-License-Identifier: GPL-2.0 */

/*
 * Pipe::wait() of mini_pipe/pipe/mod.rs, and mini_pipe/pipe/wait/spin.rs.
 *
 * A call that cannot go on may first spin without the mutex, and then sleeps on the queue of its
 * direction. After each wait it tests its condition again under the mutex. If it finds another
 * reservation of its own direction, it is contended while it sleeps: the end of the reservation
 * must wake it.
 */

inline wait_readable(me)
{
	spin_first();
go_to_sleep:
	contended = is_reserved_read();
	add_waiter(read_waiters, contended);
	printf("reader %d sleeps, contended %d\n", me, contended);
	wait_interruptible(readers, me, 1, interrupted);
	printf("reader %d runs again, signal %d\n", me, interrupted);
	remove_waiter(read_waiters, contended);
	contended = false
}

inline wait_writable(me, level)
{
	spin_first();
go_to_sleep:
	contended = is_reserved_write();
	add_waiter(write_waiters, contended);
	ghost_contended(me, contended);
	printf("writer %d sleeps, needs %d, contended %d\n", me, level, contended);
	wait_interruptible(writers, me, level, interrupted);
	printf("writer %d runs again, signal %d\n", me, interrupted);
	ghost_contended(me, false);
	remove_waiter(write_waiters, contended);
	contended = false
}

/* A call spins first, or sleeps at once. SpinTime, which decides that, is left out. */
inline spin_first()
{
	if
	:: SPIN -> goto spins
	:: true
	fi
}

/* Spinner::spin(), for any time; then the call tests its condition again. */
inline spin_and_test()
{
spins:
	do
	:: atomic { !broken(NO_TEST_AFTER_SPIN) -> goto test_condition }
	:: atomic {
		SIGNALS && !broken(NO_TEST_AFTER_SPIN) -> interrupted = true;
		goto test_condition
	}
	:: atomic { broken(NO_TEST_AFTER_SPIN) -> goto go_to_sleep }
	od
}
