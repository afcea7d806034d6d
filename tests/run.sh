#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs the test programs one after another, on a machine that has /dev/mini_pipe. The output of each
# stands between a line "# subject: NAME" and a line "# exit: STATUS".
#
#   run.sh [PROGRAM...]    fails if a program fails

failed=
for program; do
	echo "# subject: ${program##*/}"
	"$program"
	status=$?
	echo "# exit: $status"
	[ $status = 0 ] || failed="$failed ${program##*/}"
done
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
