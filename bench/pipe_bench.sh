#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own load for pipes, tools/testing/selftests/pipe/pipe_bench, on pipes and on the private
# mini_pipes that the library of preload/ has it get instead. Prints what the benchmark prints: the
# throughput and, as a power of two that it is below, the 99th percentile of how long a write took.
#
#   pipe_bench.sh RUNS

# line CONTENDER LOAD VALUE UNIT
line() {
	echo "{\"load\":\"$2\",\"size\":65536,\"tasks\":$writers,\"readers\":$readers,\
\"contender\":\"$1\",\"run\":$run,\"value\":$3,\"unit\":\"$4\"}"
}

# measure CONTENDER VARIABLE...: with these in its environment. It counts in MiB.
measure() {
	contender=$1
	shift
	env "$@" ./pipe_bench -w "$writers" -r "$readers" -d 1 2>/dev/null >said || exit
	line "$contender" pipe_bench \
		"$(awk '/^throughput_MBps:/ { printf "%.1f", $2 * 1.048576 }' said)" MB/s
	line "$contender" pipe_bench-p99 "$(awk '/^lat_p99_ns_upper:/ { print $2 }' said)" ns
}

# The corners and the middle of the sets that it has by itself.
for set in 1:1 2:5 5:10; do
	writers=${set%:*} readers=${set#*:}
	echo "pipe_bench, $writers writers, $readers readers" >&2
	for run in $(seq 0 $(($1 - 1))); do
		measure pipe
		measure private LD_PRELOAD="$PWD/mini_pipe_preload.so" MINI_PIPE_PRELOAD_STRICT=1
	done
done
