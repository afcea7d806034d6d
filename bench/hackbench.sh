#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs hackbench, the scheduler's benchmark, on pipe(2) and on private mini_pipes, which the library of
# preload/ gives it instead: 2 groups of 20 senders and 20 receivers, processes or threads. Prints lines of
# JSON as bench does: the time that all messages of 100 bytes took.
#
#   hackbench.sh RUNS LOOPS

# measure CONTENDER KIND VARIABLE=VALUE...: runs hackbench with these variables. It reports seconds.
measure() {
	contender=$1 kind=$2
	shift 2
	env "$@" hackbench --pipe "--$kind" --groups 2 --loops "$loops" >output || exit
	echo "{\"load\":\"hackbench-$kind\",\"size\":100,\"tasks\":40,\"readers\":40,\
\"contender\":\"$contender\",\"run\":$run,\
\"value\":$(awk '/^Time:/ { printf "%.0f", $2 * 1e9 }' output),\"unit\":\"ns\"}"
}

loops=$2
for kind in process threads; do
	echo "hackbench, $kind" >&2
	for run in $(seq 0 $(($1 - 1))); do
		measure pipe "$kind"
		measure private "$kind" LD_PRELOAD="$PWD/mini_pipe_preload.so" MINI_PIPE_PRELOAD_STRICT=1
	done
done
