#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Programs that were written for pipe(2), in the virtual machine, on mini_pipes.
#
#   dropin.sh DIR    the library and the test programs are in DIR

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

subjects=(preload programs)
files=("$top"/tests/{run.sh,jobserver.mk} "$1"/{mini_pipe_preload.so,pipe_bench})
results=$top/build/dropin.results
each=2
patience=240
# What a watching kernel does takes several times as long.
if [[ ${KERNEL-} == debug ]]; then
	subjects+=(kmemleak)
	each=10
	patience=900
fi

export LOG=${LOG:-$top/build/dropin.log} TIMEOUT=${TIMEOUT:-$patience}
export TOOLS="dash bash tar gzip make stress-ng hackbench"
RUN="export EACH=$each LD_PRELOAD=/root/mini_pipe_preload.so
	sh run.sh ${subjects[*]/#/./}; echo '# all done'" \
	ADD="${files[*]} ${subjects[*]/#/$1/}" "$scripts/vm.sh" | tee "$results" || true
exec "$scripts/toolbox.sh" run python3 scripts/ktap.py "$results" "$LOG" "${subjects[@]}"
