#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Programs that were written for pipe(2), unmodified, on mini_pipes: under the library of preload/,
# which counts what it made. Needs root, /dev/mini_pipe, and in this directory mini_pipe.ko,
# mini_pipe_preload.so, pipe_bench and jobserver.mk. EACH is how many seconds stress-ng's loads take.

# shellcheck disable=SC2317 # Functions are called by try.

here=$PWD
test=0
failed=0

# No program gets a pipe(2) from libc. The shell that runs this is static, and has no others.
export LD_PRELOAD="$here/mini_pipe_preload.so"
export MINI_PIPE_PRELOAD_LOG="$here/made" MINI_PIPE_PRELOAD_STRICT=1

# result STATUS NAME
result() {
	test=$((test + 1))
	if [ "$1" != 0 ]; then
		failed=1
		sed 's/^/#   /' said
		printf 'not '
	fi
	echo "ok $test $2"
}

# try NAME PROGRAM COMMAND...: good if COMMAND is, and PROGRAM made mini_pipes.
try() {
	test_name=$1 program=$2
	shift 2
	: >made
	read -r start _ </proc/uptime
	"$@" >said 2>&1
	status=$?
	read -r end _ </proc/uptime
	cut -d ' ' -f 1 made | sort | uniq -c |
		awk -v start="$start" -v end="$end" '
			{ made = made ", " $1 " by " $2 }
			END { printf "# %.1f s; mini_pipes: %s\n", end - start, substr(made, 3) }'
	grep -q "^$program " made || status=1
	result $status "$test_name"
}

# The files that the pipelines carry, and their checksums.
mkdir from
seq 1 200000 >from/numbers
head -c 3000000 /dev/urandom >from/noise
cp /bin/busybox from/program
: >from/nothing
(cd from && sha256sum -- *) >sums

# carry SHELL
carry() {
	rm -rf to
	mkdir to
	"$1" -c 'tar -c from | gzip -1 | tar -xz -C to' && (cd to/from && sha256sum -c ../../sums)
}

# shellcheck disable=SC2016 # It is for the shells that are tried.
talk='set -eu
[ "$(seq 1 20000 | tac | sort -n | wc -l)" = 20000 ]
[ "$(yes | head -c 1000000 | wc -c)" = 1000000 ]
[ "$(echo "by its name" | { [ -p /proc/self/fd/0 ] && cat /proc/self/fd/0; })" = "by its name" ]
[ "$(cat <<END
$(seq 1 20000)
END
)" = "$(seq 1 20000)" ]'

# shellcheck disable=SC2016
bash_talk='set -eu
cmp <(seq 1 20000) <(seq 1 20000)
coproc cat
echo there >&"${COPROC[1]}"
read -r word <&"${COPROC[0]}"
[ "$word" = there ]
yes | head -n 1
[ "${PIPESTATUS[0]}" = 141 ]'

# Process substitution goes by this.
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd

# Two makes tell of two descriptors each, of one pipe; eight jobs run, never more than four at once.
share() (
	mkdir jobs
	cd jobs || exit
	timeout 60 make -j4 --jobserver-style=pipe -f ../jobserver.mk >../said 2>&1 || exit
	cat ../said
	[ "$(grep -c '^mini_pipe:\[[0-9]*\]$' ../said)" = 4 ] &&
		[ "$(grep '^mini_pipe' ../said | sort -u | wc -l)" = 1 ] &&
		[ "$(grep -c '^[1-4]$' ../said)" = 8 ] &&
		[ "$(grep -v '^mini_pipe' ../said | sort -n | tail -n 1)" = 4 ]
)

# load NAME OPTION...: one of stress-ng's loads, twice; each has to come round.
load() {
	name=$1
	shift
	stress-ng --verify --oom-avoid --metrics --timeout "${EACH:-2}" "--$name" 2 "$@" >loaded 2>&1
	status=$?
	cat loaded
	[ "$status" = 0 ] && grep -Eq "metrc:.* $name +[1-9]" loaded
}

# Each of its nine sets of readers and writers got bytes across, at the size that it asked for.
bench() {
	./pipe_bench -d 1 2>&1 | tee benched
	[ "$(grep -c '^writes: total=[1-9]' benched)" = 9 ] && ! grep -q F_SETPIPE_SZ benched
}

echo "TAP version 13"
try dash_tar_gzip_tar dash carry dash
try bash_tar_gzip_tar bash carry bash
try dash_substitutions dash dash -c "$talk"
try bash_substitutions bash bash -c "$talk"
try bash_coprocess bash bash -c "$bash_talk"
try make_jobserver make share
for load in pipe pipeherd sigpipe sigio poll close fd-abuse; do
	try "stress_ng_$load" stress-ng load $load
done
try stress_ng_ring-pipe stress-ng load ring-pipe --ring-pipe-num 32
try stress_ng_switch stress-ng load switch --switch-method pipe
try hackbench_processes hackbench hackbench --pipe --groups 2 --loops 100
try hackbench_threads hackbench hackbench --pipe --threads --groups 2 --loops 100
try pipe_bench pipe_bench bench

# Nothing is left behind by any of them, or the module would not go. Then there is no device.
rmmod mini_pipe >said 2>&1
result $? the_module_is_unloaded
! dash -c 'echo a | cat' >said 2>&1
result $? without_the_device_there_is_no_pipe
: >made
[ "$(env -u MINI_PIPE_PRELOAD_STRICT dash -c 'echo a | cat' 2>&1 | tee said)$(cat made)" = a ]
result $? or_a_pipe_if_it_need_not_be_strict
insmod mini_pipe.ko
echo "1..$test"
exit $failed
