#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs programs that were written for pipe(2) on mini_pipes, in the virtual machine.
#
#   dropin.sh DIR    the library and the test programs are in DIR

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

subjects=(preload programs)
files=("$top"/tests/{run.sh,jobserver.mk} "$1"/{mini_pipe_preload.so,pipe_bench})
results=$top/build/dropin.results
each=2
timeout=240
# The debug kernel takes several times as long.
if [[ ${KERNEL-} == debug ]]; then
	subjects+=(kmemleak)
	each=10
	timeout=900
fi

export LOG=${LOG:-$top/build/dropin.log} TIMEOUT=${TIMEOUT:-$timeout}
export TOOLS="dash bash tar gzip make stress-ng hackbench"
RUN="export EACH=$each LD_PRELOAD=/root/mini_pipe_preload.so
	sh run.sh ${subjects[*]/#/./}; echo '# all done'" \
	ADD="${files[*]} ${subjects[*]/#/$1/}" "$scripts/vm.sh" | tee "$results" || true
exec "$scripts/toolbox.sh" run python3 scripts/ktap.py "$results" "$LOG" "${subjects[@]}"
