#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The benchmark: mini_pipe beside pipe(2) and others, in machines of several kinds, the instruments:
#
#   icount   one processor, whose clock counts its instructions: exact, on a loaded host, too
#   tcg      two processors, emulated
#   um       two processors at this one's own speed: ARCH=um
#   kvm      the same, where KVM works
#
#   bench.sh run     those that INSTRUMENTS names, else all; leaves tables and charts in bench/, from the
#                    newest runs of all instruments. QUICK=1: less of everything in at most 3 minutes,
#                    um only if its kernel is there, and all is left in build/bench/quick
#   bench.sh guard   fails if a message costs more instructions than recorded; RECORD=1 records them

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

out=build/bench/runs
results=bench
programs=(bench/{run,pipe_bench}.sh build/bench/bench build/tests/{pipe_bench,mini_pipe_preload.so})

# What is measured: how often, for how many milliseconds, and which loads.
if [[ -n ${QUICK-} ]]; then
	out=build/bench/quick
	results=$out
	one_task='-r 3 -t 10 pair=1,512,4096,65536 roundtrip sleepers=1,64 epoll=1'
	largest='-r 3 -t 10 pair=1048576'
	two_tasks='-r 5 -t 60 stream=1,4096,65536,1048576 crowd=1,16'
	bulk='-r 5 -t 60 stream=65536,1048576 crowd=16'
	times=1
else
	one_task='-r 5 -t 20 pair roundtrip sleepers epoll'
	largest='-r 5 -t 20 pair=1048576'
	two_tasks='-r 15 -t 200 stream crowd roundtrip'
	bulk='-r 15 -t 200 stream=4096,16384,65536,1048576 crowd'
	times=5
fi
guarded='-r 3 -t 10 -c mini_pipe,private pair=1,64,512,4096,65536 roundtrip sleepers=1,64'

# As many bytes as the pipes hold limit a task that is alone with its messages.
usual='sh run.sh 65536'
large='sh run.sh 1048576'

kernel() {
	"$scripts/kernel.sh" path
}

# In a line: which kernel, on which machine, when, and what else that had to do.
about() {
	local model
	model=$(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1)
	echo "Linux $(cat "$(kernel)/release") on $(nproc) of $model, $(date -u +%F)," \
		"with a load average of $(cut -d ' ' -f 1 /proc/loadavg) before"
}

# measure NAME COMMAND: in the machine that vm.sh is set for; measurements go to a file, the rest is
# progress.
measure() {
	local name=$1 begun=$SECONDS line modules
	about >"$out/$name.about"
	modules=("build/$(basename "$(kernel)")"/bench/*.ko)
	# A tool brings the libraries that pipe_bench was built with.
	RUN=$2 ADD="${programs[*]} ${modules[*]}" TOOLS=dash LOG=$out/$name.log TIMEOUT=3600 \
		"$scripts/vm.sh" |
		while IFS= read -r line; do
			case $line in
			"{"*) echo "$line" >&3 ;;
			*) printf '%-6s %4d s  %s\n' "$name" $((SECONDS - begun)) "$line" ;;
			esac
		done 3>"$out/$name.jsonl"
}

icount() {
	ICOUNT=1 measure icount "$usual $one_task && $large $largest"
}

tcg() {
	ACCEL=tcg measure tcg "$usual $two_tasks && sh pipe_bench.sh $times"
}

# Its kernel is set up and built for on demand.
um() (
	export KERNEL=um
	if [[ -n ${QUICK-} && ! -d $(kernel) ]]; then
		echo 'um: left out, for its kernel would have to be built'
		exit
	fi
	make -s bench-parts
	measure um "$usual $bulk"
)

kvm() {
	if ! ACCEL=kvm RUN=true "$scripts/vm.sh" >/dev/null 2>&1; then
		echo 'kvm: does not work here'
		return
	fi
	ACCEL=kvm measure kvm "$usual $one_task && $large $largest && $usual $two_tasks &&
		sh pipe_bench.sh $times"
}

run() {
	local instrument
	[[ -n ${INSTRUMENTS-} ]] || rm -f "$out"/*
	for instrument in ${INSTRUMENTS:-icount tcg um kvm}; do "$instrument"; done
	"$scripts/toolbox.sh" run python3 bench/report.py "$results" "$out"
}

guard() {
	out=build/bench
	ICOUNT=1 measure guard "$usual $guarded"
	"$scripts/toolbox.sh" run python3 bench/guard.py ${RECORD:+--record} \
		"$(cat "$(kernel)/release")" bench/recorded.json "$out/guard.jsonl"
}

cd "$top"
mkdir -p "$out"
case ${1-} in
run | guard) "$1" ;;
*) die "usage: bench.sh run | guard" ;;
esac
