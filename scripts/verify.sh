#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks the model of how tasks sleep and are woken, with the model checker Spin, in all its states:
# the model as it is, in several configurations, and the model broken in each of several ways, which
# must be noticed. Fails if the model has an error, if a search did not end, or if a broken model
# was not noticed.
#
#   verify.sh             runs one search per processor at a time; VERIFY='NAME ...' selects some
#   verify.sh run ...     for the script itself

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# The model as it is: a name, and a configuration. model/mini_pipe.pml has the defaults.
clean=(
	'two-and-two        READERS=2 WRITERS=2 FAULTS=0 SPIN=0'
	'faults             READERS=2 WRITERS=2 CALLS=BLOCKING SIGNALS=0'
	'three-readers      READERS=3 WRITERS=1'
	'three-writers      READERS=1 WRITERS=3 CALLS=BLOCKING FAULTS=0 SIGNALS=0'
	'small-ring         READERS=2 WRITERS=2 CAPACITY=2 PIPE_BUF=3 FAULTS=0'
	'parts              READERS=2 WRITERS=1 CAPACITY=4'
	'order              READERS=2 WRITERS=1 COLOURS=1'
	'order-two-writers  READERS=1 WRITERS=2 COLOURS=1 CALLS=BLOCKING SIGNALS=0'
	'open-close         READERS=2 WRITERS=1 OPENS=2 FAULTS=0'
	'pollers            READERS=1 WRITERS=1 READ_POLLERS=1 WRITE_POLLERS=1 CALLS=BLOCKING SIGNALS=0 SPIN=0'
	'edge-triggered     READERS=1 WRITERS=1 READ_POLLERS=1 EDGE_TRIGGERED=1'
	'exclusive-poller   READERS=1 WRITERS=2 EXCLUSIVE_POLLER=1 FAULTS=0 CALLS=BLOCKING'
)

# The broken model: the way it is broken, and a configuration that notices it.
broken=(
	'SIGNAL_BEFORE_CONDITION     READERS=2 WRITERS=1'
	'WAKEUP_NOT_HANDED_ON        READERS=2 WRITERS=1'
	'WOKEN_FOR_EVER              READERS=2 WRITERS=1'
	'COMMIT_AFTER_WAKEUP         READERS=1 WRITERS=1'
	'RESERVATION_KEPT_ON_FAULT   READERS=1 WRITERS=1'
	'FAULT_LOSES_BYTES           READERS=1 WRITERS=1 COLOURS=1'
	'NO_ATOMICITY                READERS=1 WRITERS=1'
	'ATOMIC_WRITE_FAULTS_MIDWAY  READERS=1 WRITERS=1'
	'CLOSE_WAKES_ONE             READERS=2 WRITERS=1'
	'EOF_NOT_HANDED_ON           READERS=2 WRITERS=1'
	'EOF_BEFORE_PEER_OPENED      READERS=1 WRITERS=1 OPENS=1'
	'CONTENDED_FORGOTTEN         READERS=1 WRITERS=3'
	'EAGAIN_NOT_WOKEN            READERS=1 WRITERS=1 READ_POLLERS=1'
	'SMALL_RING_NOT_WOKEN        READERS=1 WRITERS=2 CAPACITY=2 PIPE_BUF=3'
	'EDGE_NOT_WOKEN              READERS=1 WRITERS=1 READ_POLLERS=1 EDGE_TRIGGERED=1'
	'ONE_QUEUE                   READERS=1 WRITERS=2 EXCLUSIVE_POLLER=1'
	'POLL_TESTS_BEFORE_QUEUED    READERS=1 WRITERS=1 READ_POLLERS=1'
	'SLEEPERS_NOT_COUNTED        READERS=1 WRITERS=1'
	'NO_TEST_AFTER_SPIN          READERS=1 WRITERS=1'
	'PART_NOT_WOKEN              READERS=1 WRITERS=1'
)

model=$top/model/mini_pipe.pml
work=build/verify
# search NAME DEFINE...: builds the search in a directory of its own, and runs it. If it finds an
# error, the steps that lead to it are in the file counterexample there.
search() {
	local dir=$work/$1
	shift
	rm -rf "$dir"
	mkdir -p "$dir"
	"$scripts/toolbox.sh" run sh -euc "cd $dir
		spin -a ${*/#/-D} $model
		gcc -O1 -DSAFETY -DCOLLAPSE -DMEMLIM=5000 -o pan pan.c
		./pan -n -m30000000 -w24 || true
		[ ! -e mini_pipe.pml.trail ] ||
			spin -k mini_pipe.pml.trail ${*/#/-D} $model >counterexample"
}

# run EXPECTED NAME DEFINE...: searches, and prints a line with the verdict. Fails if it is another one.
run() {
	local expected=$1 name=$2 out=$work/$2.log start=$SECONDS verdict states
	shift 2
	search "$name" "$@" >"$out" 2>&1 || true
	if grep -qE 'too small|out of memory|aborted' "$out"; then
		verdict='search did not end'
	elif grep -q 'errors: 0$' "$out"; then
		verdict=clean
	elif grep -q 'errors: 1$' "$out"; then
		verdict=noticed
	else
		verdict='not run'
	fi
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$out")
	printf '%-28s %9s states %4d s  %s\n' "$name" "${states:-0}" $((SECONDS - start)) "$verdict"
	[[ $verdict != "$expected" ]] || return 0
	tail -n 20 "$work/$name/counterexample" 2>/dev/null || tail -n 20 "$out"
	return 1
}

# Prints the arguments of run for each search.
searches() {
	local line
	for line in "${clean[@]}"; do echo "clean $line"; done
	for line in "${broken[@]}"; do echo "noticed ${line%% *} BROKEN=$line"; done
}

cd "$top"
if [[ ${1-} == run ]]; then
	shift
	run "$@"
	exit
fi
mkdir -p "$work"
searches | awk -v only="${VERIFY-}" 'only == "" || index(" " only " ", " " $2 " ")' |
	xargs -P "$(nproc)" -L 1 "$0" run | tee "$work/verdicts" ||
	die "unexpected verdict; $work has the logs, and a counterexample for each error"
echo "verified: $(grep -c ' clean$' "$work/verdicts") clean in all states," \
	"$(grep -c ' noticed$' "$work/verdicts") broken ones noticed"
