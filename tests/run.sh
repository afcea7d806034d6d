#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs the test programs one after another, on a machine that has /dev/mini_pipe. The output of each
# stands between a line "# subject: NAME" and a line "# exit: STATUS".
#
#   run.sh [PROGRAM[:TEST]...]    runs each program, or its TEST; fails if one fails

failed=
for program; do
	name=${program%%:*}
	test=${program#"$name"}
	test=${test#:}
	echo "# subject: ${name##*/}"
	"$name" ${test:+-t "$test"}
	status=$?
	echo "# exit: $status"
	[ $status = 0 ] || failed="$failed ${name##*/}"
done
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
