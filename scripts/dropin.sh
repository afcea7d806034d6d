#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# In the virtual machine, runs programs that were written for pipe(2) on mini_pipes, and tests
# mini-pipe(1).
#
#   dropin.sh DIR COMMAND    the library and the test programs are in DIR; COMMAND is mini-pipe, static;
#                            LONG=1 also runs CPython's own tests

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

subjects=(preload{,32} preload_splice{,32} programs command)
files=("$2" "$top"/tests/{run.sh,ok.sh,jobserver.mk} "$1"/{mini_pipe_preload.so,mini_pipe_preload32.so,pipe_bench})
results=$top/build/dropin.results
packages="libc6-i386 lib32gcc-s1 perl parallel pv moreutils socat"
each=2
timeout=300
# The debug kernel takes several times as long.
if [[ ${KERNEL-} == debug ]]; then
	# It runs no 32-bit programs.
	subjects=(preload preload_splice programs command kmemleak)
	each=10
	timeout=1200
fi
if [[ ${LONG-} ]]; then
	subjects+=(cpython)
	packages+=" python3.13 libpython3.13-testsuite"
	timeout=$((timeout * 12))
fi
[[ -z ${SUBJECTS-} ]] || read -ra subjects <<<"$SUBJECTS"

sysroot=$("$scripts/packages.sh" libc6-dev-i386 lib32gcc-14-dev)
"$scripts/toolbox.sh" run make -s -C "$top/tests" O="$top/$1" SYSROOT32="$sysroot" \
	KSELFTEST="$("$scripts/kernel.sh" path)/source/tools/testing/selftests" dropin32

log_to "${LOG:-$top/build/dropin.log}"
export TIMEOUT=${TIMEOUT:-$timeout} MEMORY=1024 PACKAGES=$packages
export TOOLS="dash bash tar gzip make stress-ng hackbench"
# The loader finds each of the two libraries for the programs of its kind.
RUN="printf '%s\n' root:x:0:0::/root:/bin/sh nobody:x:65534:65534::/:/bin/false >/etc/passwd
	printf '%s\n' root:x:0: nogroup:x:65534: >/etc/group
	cp mini_pipe_preload.so /lib/x86_64-linux-gnu
	cp mini_pipe_preload32.so /lib32/mini_pipe_preload.so
	export EACH=$each LD_PRELOAD=mini_pipe_preload.so
	sh run.sh ${subjects[*]/#/./}; echo '# all done'" \
	ADD="${files[*]} ${subjects[*]/#/$1/}" "$scripts/vm.sh" | tee "$results" || true
exec "$scripts/toolbox.sh" run python3 scripts/ktap.py "$results" "$LOG" "${subjects[@]}"
