#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the soak test for DURATION seconds in the virtual machine; a sixth of it is for stress-ng.
#
#   soak.sh DIR    the programs are in DIR; SEED=n seeds the random choices

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

duration=${DURATION:-60}
[[ $duration -ge 12 ]] || die "DURATION must be at least 12 seconds"
seed=${SEED:-$RANDOM}
results=$top/build/soak.results
each=$((duration / 12))
subjects=(soak stress_ng)
[[ ${KERNEL-} != debug ]] || subjects+=(kmemleak)
programs=("${subjects[@]/#/$1/}")

log_to "${LOG:-$top/build/soak.log}"
export TIMEOUT=${TIMEOUT:-$((duration + 300))} LOAD=no TOOLS=stress-ng
RUN="export DURATION=$((duration - 2 * each)) SEED=$seed EACH=$each
	sh run.sh ${subjects[*]/#/./}; echo '# all done'" \
	ADD="$top/tests/run.sh ${programs[*]}" "$scripts/vm.sh" | tee "$results" || true
"$scripts/toolbox.sh" run python3 scripts/ktap.py "$results" "$LOG" "${subjects[@]}" ||
	die "failed; to repeat the same choices: make soak DURATION=$duration SEED=$seed"
echo "passed: $duration seconds on Linux $(cat "$("$scripts/kernel.sh" path)/release")"
