#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The benchmark: compares mini_pipe with pipe(2) and others, on these instruments:
#
#   icount   one emulated processor, whose clock counts instructions: exact, even on a loaded host
#   tcg      two emulated processors
#   slow     the same, about four times as slow: QEMU does not chain the blocks that it translates
#   um       two processors at the speed of the host's: ARCH=um
#   kvm      two processors under KVM, where KVM works
#
#   bench.sh run     runs the instruments that INSTRUMENTS names, by default all. Writes tables and
#                    charts to bench/, from the newest run of each instrument. QUICK=1 takes at most
#                    3 minutes: it does less of everything, uses um only if its kernel exists, and
#                    writes to build/bench/quick.
#   bench.sh guard   fails if a message costs 3 % more instructions than recorded; RECORD=1 records

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# The other instruments would not run it.
[[ ${KERNEL-} != um ]] || die "instead of KERNEL=um, say: make bench INSTRUMENTS=um"

out=build/bench/runs
results=bench
programs=(bench/{run,pipe_bench,hackbench,pipelines}.sh build/bench/bench build/tests/{pipe_bench,mini_pipe_preload.so})

# The options of the measurements: how often, for how many milliseconds, and which loads.
if [[ -n ${QUICK-} ]]; then
	out=build/bench/quick
	results=$out
	one_task='-r 3 -t 10 pair=1,512,4096,65536 create create-use memory roundtrip sleepers=1,64 epoll=1'
	largest='-r 3 -t 10 pair=1048576'
	two_tasks='-r 5 -t 60 splice splice-odd stream=1,4096,65536,1048576 roundtrip'
	crowds='-r 5 -t 60 crowd=1,16'
	fairness='-r 3 -t 40 -c mini_pipe,private,pipe fairness=16'
	slow_tasks='-r 3 -t 60 stream=65536,1048576'
	bulk='-r 5 -t 60 stream=65536,1048576'
	times=1
	loops=20
else
	one_task='-r 5 -t 20 pair create create-use memory splice splice-odd roundtrip sleepers epoll'
	largest='-r 5 -t 20 pair=1048576'
	two_tasks='-r 15 -t 200 splice splice-odd stream roundtrip'
	crowds='-r 15 -t 1000 crowd'
	fairness='-r 15 -t 200 -c mini_pipe,private,pipe fairness'
	bulk='-r 15 -t 200 stream=4096,16384,65536,1048576'
	slow_tasks='-r 15 -t 200 stream=16384,65536,1048576 roundtrip'
	times=15
	loops=50
fi
guarded='-r 9 -t 10 -c mini_pipe,private pair=1,64,512,4096,65536 create create-use'
guarded+=' roundtrip sleepers=1,64'

# The capacity of the pipes, which limits the messages of a single task.
usual='sh run.sh 65536'
large='sh run.sh 1048576'
programs_of_others="sh pipe_bench.sh $times && sh hackbench.sh $times $loops && sh pipelines.sh $times 20"

kernel() {
	"$scripts/kernel.sh" path
}

# Prints one line: kernel, machine, date, and load of the machine.
about() {
	local model
	model=$(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -n 1)
	echo "Linux $(cat "$(kernel)/release") on $(nproc) of $model, $(date -u +%F)," \
		"with a load average of $(cut -d ' ' -f 1 /proc/loadavg) before"
}

# measure NAME COMMAND: runs the command in the machine for which vm.sh is set. Lines with
# measurements go to a file, the others show progress.
measure() {
	local name=$1 begun=$SECONDS line modules
	about >"$out/$name.about"
	modules=("build/$(basename "$(kernel)")"/bench/*.ko)
	# dash brings the libraries with which pipe_bench was built.
	RUN=$2 ADD="${programs[*]} ${modules[*]}" TOOLS='dash cat hackbench' LOG=$out/$name.log TIMEOUT=3600 \
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
	ACCEL=tcg measure tcg "$usual $two_tasks && $usual $crowds && $usual $fairness && $programs_of_others"
}

slow() {
	DEVICES='-d nochain' ACCEL=tcg measure slow "$usual $slow_tasks"
}

# Measures with User-Mode Linux, which is built on demand.
um() (
	export KERNEL=um
	if [[ -n ${QUICK-} && ! -d $(kernel) ]]; then
		echo 'um: left out, because its kernel would have to be built'
		exit
	fi
	make -s bench-parts KERNEL=um ARCH=
	measure um "$usual $bulk && $usual $crowds"
)

kvm() {
	if ! ACCEL=kvm RUN=true "$scripts/vm.sh" >/dev/null 2>&1; then
		echo 'kvm: does not work here'
		return
	fi
	ACCEL=kvm measure kvm "$usual $one_task && $large $largest && $usual $two_tasks &&
		$usual $crowds && $usual $fairness && $programs_of_others"
}

run() {
	local instrument
	[[ -n ${INSTRUMENTS-} ]] || rm -f "$out"/*
	for instrument in ${INSTRUMENTS:-icount tcg slow um kvm}; do "$instrument"; done
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
