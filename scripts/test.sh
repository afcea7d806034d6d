#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the whole suite: the unit tests on this host, everything else in the virtual machine.
# Prints the results by subject. On the debug kernel, `coverage` is one more: which lines have run;
# not with SUBJECTS, which leaves tests out.
#
#   test.sh DIR    the test programs are in DIR; REPEAT=n runs them n times in one machine

# shellcheck source=scripts/arch.sh
. "$(dirname "$0")/arch.sh"

programs=$1
mapfile -t expected < <(subjects)
results=$top/build/results
repeat=${REPEAT:-1}
timeout=$((120 + 480 * repeat))
counters=
if [[ ${KERNEL-} == debug ]]; then
	# The debug kernel takes several times as long.
	timeout=$((timeout * 5 + 2 * ${DURATION:-0} * repeat))
	build=$top/build/$(basename "$("$scripts/kernel.sh" path)")
	[[ ${SUBJECTS-} ]] || counters=$build/coverage/mini_pipe_coverage.ko
fi
export TIMEOUT=${TIMEOUT:-$timeout}
log_to "${LOG:-$top/build/test.log}"

{
	run_units .
	run_suite "$programs" "$repeat" "$counters" || true
} >"$results"
# A machine that did not reach the end has no counters, and is a failure itself.
if [[ $counters ]] && grep -q '^# all done' "$results"; then
	expected+=(coverage)
	cd "$top"
	"$scripts/toolbox.sh" run python3 scripts/coverage.py "$results" "$build/mini_pipe.ko" \
		tests/coverage/exceptions >"$results.coverage" || true
	cat "$results.coverage" >>"$results"
fi
# Tests that need x86_64 are skipped on others.
skip=()
[[ $arch == amd64 ]] || skip=(--may-skip)
exec "$scripts/toolbox.sh" run python3 scripts/ktap.py "${skip[@]}" "$results" "$LOG" units "${expected[@]}"
