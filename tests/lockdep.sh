#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Which locks were taken under the pipe's mutex in the programs that ran before, on a kernel with
# CONFIG_PROVE_LOCKING. fs_reclaim stands for an allocation that may have to reclaim memory first.
# If it did so under the mutex, all other calls on the pipe would wait, and no signal could
# interrupt them.

nested=$(sed -n '/: mini_pipe$/,/^$/p' /proc/lockdep)
echo 1..2
case $nested in
*mini_pipe_readers*) echo "ok 1 waiters_are_queued_under_mutex" ;;
*) echo "not ok 1 waiters_are_queued_under_mutex" ;;
esac
case $nested in
*fs_reclaim*) echo "not ok 2 no_memory_is_allocated_under_mutex" ;;
*) echo "ok 2 no_memory_is_allocated_under_mutex" ;;
esac
