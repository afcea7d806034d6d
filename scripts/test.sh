#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the whole suite: the ring's arithmetic on this host, everything else in the virtual machine.
# Prints the results by subject.
#
#   test.sh DIR    the test programs are in DIR; REPEAT=n runs them n times in one machine

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

programs=$1
mapfile -t expected < <(subjects)
results=$top/build/results
repeat=${REPEAT:-1}
timeout=$((120 + 480 * repeat))
# The debug kernel takes several times as long.
[[ ${KERNEL-} != debug ]] || timeout=$((timeout * 5 + 2 * ${DURATION:-0} * repeat))
export LOG=${LOG:-$top/build/test.log} TIMEOUT=${TIMEOUT:-$timeout}

{
	run_units .
	run_suite "$programs" "$repeat" || true
} >"$results"
exec "$scripts/toolbox.sh" run python3 scripts/ktap.py "$results" "$LOG" units "${expected[@]}"
