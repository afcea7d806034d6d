#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What lockdep saw of the pipe's mutex in the programs that ran before, on a kernel with
# CONFIG_PROVE_LOCKING. Allocating memory may mean to reclaim some first: under the mutex, everybody
# else would wait for that, and no signal would end it.

below=$(sed -n '/: mini_pipe$/,/^$/p' /proc/lockdep)
echo 1..2
case $below in
*mini_pipe_readers*) echo "ok 1 sleepers_queue_under_the_mutex" ;;
*) echo "not ok 1 sleepers_queue_under_the_mutex" ;;
esac
case $below in
*fs_reclaim*) echo "not ok 2 nothing_is_allocated_under_the_mutex" ;;
*) echo "ok 2 nothing_is_allocated_under_the_mutex" ;;
esac
