#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Loads those C modules that are in this directory, and runs the benchmark. Their pipes get CAPACITY
# bytes: a single task can write no larger message without blocking.
#
#   run.sh CAPACITY ARGUMENT...    with the arguments of bench

capacity=$1
shift
for module in circular plain; do
	[ -e $module.ko ] || continue
	[ ! -e /sys/module/$module ] || rmmod $module
	insmod $module.ko capacity="$capacity" || exit
done
exec ./bench "$@"
