#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs the loads of stress-ng that accept a device, each for EACH seconds. Needs root, stress-ng,
# and mini_pipe.ko, not loaded, in this directory.
#
# dev makes all system calls that a device file can get; fd-fork duplicates its standard input
# thousands of times and forks.

test=0
failed=0

# result STATUS NAME
result() {
	test=$((test + 1))
	[ "$1" = 0 ] || { failed=1; printf 'not '; }
	echo "ok $test $2"
}

# stress NAME OPTION...
stress() {
	name=$1
	shift
	stress-ng --quiet --verify --oom-avoid --timeout "${EACH:-5}" "$@" </dev/mini_pipe
	result $? "$name"
}

echo "TAP version 13"
echo "1..3"
insmod mini_pipe.ko
stress dev --dev 4 --dev-file /dev/mini_pipe
stress fd-fork --fd-fork 2 --fd-fork-file stdin
rmmod mini_pipe && insmod mini_pipe.ko
result $? module_unloads_and_loads_again
exit $failed
