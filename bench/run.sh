#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs the benchmark on a machine that has /dev/mini_pipe, beside those of the C modules that are in
# this directory. Their pipes hold CAPACITY bytes, since one task can have no larger message there.
#
#   run.sh CAPACITY ARGUMENT...    with bench's arguments

capacity=$1
shift
for module in circular plain; do
	[ -e $module.ko ] || continue
	[ ! -e /sys/module/$module ] || rmmod $module
	insmod $module.ko capacity="$capacity" || exit
done
exec ./bench "$@"
