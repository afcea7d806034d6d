#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The whole suite: the ring's arithmetic here, everything else in the virtual machine; then adds it up.
#
#   test.sh DIR    the test programs are in DIR; with REPEAT=n, the machine runs them n times

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

programs=$1
mapfile -t expected < <(subjects)
results=$top/build/results
repeat=${REPEAT:-1}
patience=$((120 + 480 * repeat))
# What a watching kernel does takes several times as long.
[[ ${KERNEL-} != debug ]] || patience=$((patience * 5 + 2 * ${DURATION:-0} * repeat))
export LOG=${LOG:-$top/build/test.log} TIMEOUT=${TIMEOUT:-$patience}

{
	echo "# subject: units"
	"$scripts/toolbox.sh" run sh -c "rustc --edition=2021 --test -o build/units \
		tests/units.rs && build/units" && status=0 || status=$?
	echo "# exit: $status"
	run_suite "$programs" "$repeat" || true
} >"$results"
exec "$scripts/toolbox.sh" run python3 scripts/ktap.py "$results" "$LOG" units "${expected[@]}"
