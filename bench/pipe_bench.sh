#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs the kernel's own benchmark of pipes, tools/testing/selftests/pipe/pipe_bench, on pipe(2) and on
# private mini_pipes, which the library of preload/ gives it instead. Prints lines of JSON as bench does:
# the throughput, and the 99th percentile of the duration of a write, rounded up to a power of two.
#
#   pipe_bench.sh RUNS

# line CONTENDER LOAD VALUE UNIT
line() {
	echo "{\"load\":\"$2\",\"size\":65536,\"tasks\":$writers,\"readers\":$readers,\
\"contender\":\"$1\",\"run\":$run,\"value\":$3,\"unit\":\"$4\"}"
}

# measure CONTENDER VARIABLE=VALUE...: runs pipe_bench with these variables. It reports MiB/s.
measure() {
	contender=$1
	shift
	env "$@" ./pipe_bench -w "$writers" -r "$readers" -d 1 2>/dev/null >output || exit
	line "$contender" pipe_bench \
		"$(awk '/^throughput_MBps:/ { printf "%.1f", $2 * 1.048576 }' output)" MB/s
	line "$contender" pipe_bench-p99 "$(awk '/^lat_p99_ns_upper:/ { print $2 }' output)" ns
}

# The smallest, a middle and the largest of its default sets of writers and readers.
for set in 1:1 2:5 5:10; do
	writers=${set%:*} readers=${set#*:}
	echo "pipe_bench, $writers writers, $readers readers" >&2
	for run in $(seq 0 $(($1 - 1))); do
		measure pipe
		measure private LD_PRELOAD="$PWD/mini_pipe_preload.so" MINI_PIPE_PRELOAD_STRICT=1
	done
done
