#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A shell runs COUNT pipelines of three programs on pipe(2), and as many on private mini_pipes, which the
# library of preload/ gives it instead. Prints lines of JSON as bench does: the time that a pipeline takes.
#
#   pipelines.sh RUNS COUNT

# The time since boot, in hundredths of a second.
now() {
	tr -d . </proc/uptime | cut -d ' ' -f 1
}

# measure CONTENDER VARIABLE=VALUE...: runs the pipelines with these in their environment.
measure() {
	contender=$1
	shift
	start=$(now)
	# shellcheck disable=SC2016 # The inner shell expands it.
	env "$@" dash -c 'i=0
		while [ $i -lt "$1" ]; do
			cat /proc/version | cat | cat >/dev/null || exit
			i=$((i + 1))
		done' dash "$count" || exit
	echo "{\"load\":\"pipelines\",\"size\":1,\"contender\":\"$contender\",\"run\":$run,\
\"value\":$((($(now) - start) * 10000000 / count)),\"unit\":\"ns\"}"
}

count=$2
echo 'pipelines of three programs' >&2
for run in $(seq 0 $(($1 - 1))); do
	measure pipe
	measure private LD_PRELOAD="$PWD/mini_pipe_preload.so" MINI_PIPE_PRELOAD_STRICT=1
done
