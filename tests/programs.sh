#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Unmodified programs, written for pipe(2), run on mini_pipes with the library of preload/, which
# logs the pipes that it makes. Needs root, /dev/mini_pipe, and in this directory mini_pipe.ko,
# mini_pipe_preload.so, pipe_bench and jobserver.mk. Each load of stress-ng takes EACH seconds.

# shellcheck disable=SC2016,SC2317 # The shells under test expand what they are given; try calls the functions.

here=$PWD
test=0
failed=0

# From here on, libc gives no program a pipe(2). The shell that runs this script is static, so the
# library is not loaded into it: its pipes are pipe(2)s.
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

# try NAME PROGRAM COMMAND...: passes if COMMAND succeeds and PROGRAM, unless it is -, made mini_pipes.
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
	[ "$program" = - ] || grep -q "^$program " made || status=1
	result $status "$test_name"
}

# The files that go through the pipelines, and their checksums.
mkdir from
seq 1 200000 >from/numbers
head -c 3000000 /dev/urandom >from/noise
cp /bin/busybox from/program
: >from/nothing
(cd from && sha256sum -- *) >sums

# copy_files SHELL
copy_files() {
	rm -rf to
	mkdir to
	"$1" -c 'tar -c from | gzip -1 | tar -xz -C to' && (cd to/from && sha256sum -c ../../sums)
}

substitutions='set -eu
[ "$(seq 1 20000 | tac | sort -n | wc -l)" = 20000 ]
[ "$(yes | head -c 1000000 | wc -c)" = 1000000 ]
[ "$(echo "by its name" | { [ -p /proc/self/fd/0 ] && cat /proc/self/fd/0; })" = "by its name" ]
[ "$(cat <<END
$(seq 1 20000)
END
)" = "$(seq 1 20000)" ]'

coprocess='set -eu
cmp <(seq 1 20000) <(seq 1 20000)
coproc cat
echo there >&"${COPROC[1]}"
read -r word <&"${COPROC[0]}"
[ "$word" = there ]
yes | head -n 1
[ "${PIPESTATUS[0]}" = 141 ]'

opens='use strict; use warnings; use IPC::Open2; use IPC::Open3; use Symbol "gensym";
my $pid = open2(my $sorted, my $unsorted, "sort", "-n");
print $unsorted "$_\n" for reverse 1 .. 20000;
close $unsorted;
join("", <$sorted>) eq join("", map { "$_\n" } 1 .. 20000) or die "open2";
waitpid($pid, 0);
$pid = open3(my $in, my $out, my $err = gensym, "sh", "-c", "cat; echo there >&2; exit 7");
print $in "here";
close $in;
join("", <$out>) eq "here" && join("", <$err>) eq "there\n" or die "open3";
waitpid($pid, 0);
$? >> 8 == 7 or die "its status";'

parallel='[ "$(seq 1 100000 | parallel --will-cite --keep-order --pipe --block 100k --jobs 4 cat | cksum)" = "$(
	seq 1 100000 | cksum)" ]'

pv='[ "$(pv --quiet from/noise | pv --quiet --rate-limit 10m | sha256sum)" = "$(
	sha256sum <from/noise)" ]'

moreutils='set -eu
[ "$(seq 1 20000 | ifne wc -l)" = 20000 ]
[ "$(ifne echo said </dev/null)" = "" ]
mispipe "echo through; exit 7" cat && exit 1 || [ $? = 7 ]
[ "$(seq 1 20000 | pee "wc -l" "tail -n 1" | sort | uniq -c | tr -s " ")" = " 2 20000" ]
seq 1 20000 | sponge | cmp - <(seq 1 20000)'

socat='[ "$(seq 1 20000 | socat -t 60 - EXEC:"sort -n",pipes | cksum)" = "$(seq 1 20000 | cksum)" ]'

# Process substitution needs /dev/fd.
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd

# Two makes print two descriptors each, all of one pipe; eight jobs run, at most four at once.
run_jobserver() (
	mkdir jobs
	cd jobs || exit
	timeout 60 make -j4 --jobserver-style=pipe -f ../jobserver.mk >printed 2>&1
	status=$?
	cat printed
	[ "$status" = 0 ] && [ "$(grep -c '^mini_pipe:\[[0-9]*\]$' printed)" = 4 ] &&
		[ "$(grep '^mini_pipe' printed | sort -u | wc -l)" = 1 ] &&
		[ "$(grep -c '^[1-4]$' printed)" = 8 ] &&
		[ "$(grep -v '^mini_pipe' printed | sort -n | tail -n 1)" = 4 ]
)

# load NAME OPTION...: two instances of stress-ng's load NAME must complete an operation.
load() {
	name=$1
	shift
	stress-ng --verify --oom-avoid --metrics --timeout "${EACH:-2}" "--$name" 2 "$@" >loaded 2>&1
	status=$?
	cat loaded
	[ "$status" = 0 ] && grep -Eq "metrc:.* $name +[1-9]" loaded
}

# Each of pipe_bench's nine sets of readers and writers moves bytes, and gets its pipe size.
bench() {
	./pipe_bench -d 1 2>&1 | tee benched
	[ "$(grep -c '^writes: total=[1-9]' benched)" = 9 ] && ! grep -q F_SETPIPE_SZ benched
}

echo "TAP version 13"
try dash_tar_gzip_tar dash copy_files dash
try bash_tar_gzip_tar bash copy_files bash
try dash_substitutions dash dash -c "$substitutions"
try bash_substitutions bash bash -c "$substitutions"
try bash_coprocess bash bash -c "$coprocess"
try make_jobserver make run_jobserver
try perl_open2_open3 perl perl -e "$opens"
try parallel_pipe perl bash -c "$parallel"
try pv_pipeline bash bash -c "$pv"
try moreutils mispipe bash -c "$moreutils"
try socat_pipes socat bash -c "$socat"
for load in pipe pipeherd splice tee vm-splice sigpipe sigio poll close fd-abuse; do
	try "stress_ng_$load" stress-ng load $load
done
# These make no pipes. The library must not be in their way.
for load in sendfile epoll fd-race dup; do
	try "stress_ng_$load" - load $load
done
try stress_ng_ring-pipe stress-ng load ring-pipe --ring-pipe-num 32
try stress_ng_switch stress-ng load switch --switch-method pipe
try hackbench_processes hackbench hackbench --pipe --groups 2 --loops 100
try hackbench_threads hackbench hackbench --pipe --threads --groups 2 --loops 100
try pipe_bench pipe_bench bench

# If a program had left a pipe open, this would fail. After it, there is no device.
rmmod mini_pipe >said 2>&1
result $? module_unloads
! dash -c 'echo a | cat' >said 2>&1
result $? strict_library_fails_without_device
: >made
[ "$(env -u MINI_PIPE_PRELOAD_STRICT dash -c 'echo a | cat' 2>&1 | tee said)$(cat made)" = a ]
result $? library_falls_back_to_pipe_2_unless_strict
insmod mini_pipe.ko
echo "1..$test"
exit $failed
