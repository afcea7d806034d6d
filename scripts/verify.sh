#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks the model of the waking with Spin, in all its states: as it is, for several companies of
# readers and writers, and broken in each of several ways, which must be noticed. Fails if the model
# has an error, if a search did not come to its end, or if something broken was not noticed.
#
#   verify.sh    with VERIFY='NAME ...', only those

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# As it is: a name, and who is there; model/mini_pipe.pml has what is taken for granted.
clean=(
	'two-and-two      READERS=2 WRITERS=2 FAULTS=0 AWAKE=0'
	'faults           READERS=2 WRITERS=2 CALLS=BLOCKING SIGNALS=0'
	'three-readers    READERS=3 WRITERS=1'
	'three-writers    READERS=1 WRITERS=3 CALLS=BLOCKING FAULTS=0 SIGNALS=0'
	'small-ring       READERS=2 WRITERS=2 CAPACITY=2 PIPE_BUF=3 FAULTS=0'
	'parts            READERS=2 WRITERS=1 CAPACITY=4'
	'order            READERS=2 WRITERS=1 COLOURS=1'
	'order-of-many    READERS=1 WRITERS=2 COLOURS=1 CALLS=BLOCKING SIGNALS=0'
	'comings-goings   READERS=2 WRITERS=1 VISITS=2 FAULTS=0'
	'pollers          READERS=1 WRITERS=1 READ_POLLERS=1 WRITE_POLLERS=1 CALLS=BLOCKING SIGNALS=0 AWAKE=0'
	'edges            READERS=1 WRITERS=1 READ_POLLERS=1 EDGES=1'
	'exclusive        READERS=1 WRITERS=2 EXCLUSIVE_POLLER=1 FAULTS=0 CALLS=BLOCKING'
)

# Broken: in which way, and who is there to notice it.
broken=(
	'SIGNAL_FIRST             READERS=2 WRITERS=1'
	'NO_HAND_ON               READERS=2 WRITERS=1'
	'PUBLISH_AFTER_WAKE       READERS=1 WRITERS=1'
	'LEASE_KEPT_ON_FAULT      READERS=1 WRITERS=1'
	'FAULT_LOSES_BYTES        READERS=1 WRITERS=1 COLOURS=1'
	'NO_ATOMICITY             READERS=1 WRITERS=1'
	'ATOMIC_FAULTS_MIDWAY     READERS=1 WRITERS=1'
	'END_WAKES_ONE            READERS=2 WRITERS=1'
	'END_NOT_HANDED_ON        READERS=2 WRITERS=1'
	'END_BEFORE_PEER_CAME     READERS=1 WRITERS=1 VISITS=1'
	'KEPT_OUT_FORGOTTEN       READERS=1 WRITERS=3'
	'REFUSED_NOT_TOLD         READERS=1 WRITERS=1 READ_POLLERS=1'
	'SMALL_RING_NOT_WATCHED   READERS=1 WRITERS=2 CAPACITY=2 PIPE_BUF=3'
	'EDGE_NOT_TOLD            READERS=1 WRITERS=1 READ_POLLERS=1 EDGES=1'
	'ONE_QUEUE                READERS=1 WRITERS=2 EXCLUSIVE_POLLER=1'
	'LOOKS_BEFORE_QUEUED      READERS=1 WRITERS=1 READ_POLLERS=1'
	'SLEEPERS_NOT_SEEN        READERS=1 WRITERS=1'
	'WATCHED_BLINDLY          READERS=1 WRITERS=1'
	'PART_NOT_TOLD            READERS=1 WRITERS=1'
)

work=build/verify
declare -A seen=([clean]=0 [noticed]=0)
failed=()

# search NAME DEFINE...: builds the search in its own folder and runs it; a trail is made readable there.
search() {
	local dir=$work/$1
	shift
	rm -rf "$dir"
	mkdir -p "$dir"
	"$scripts/toolbox.sh" run sh -euc "cd $dir
		spin -a ${*/#/-D} $top/model/mini_pipe.pml
		gcc -O1 -DSAFETY -DCOLLAPSE -DMEMLIM=5000 -o pan pan.c
		./pan -n -m8000000 -w24 || true
		[ ! -e mini_pipe.pml.trail ] || spin -k mini_pipe.pml.trail ${*/#/-D} $top/model/mini_pipe.pml >story"
}

# run NAME EXPECTED DEFINE...: a line that says how it went.
run() {
	local name=$1 expected=$2 out=$work/$1.log start=$SECONDS verdict states
	shift 2
	[[ -z ${VERIFY-} || " $VERIFY " == *" $name "* ]] || return 0
	search "$name" "$@" >"$out" 2>&1 || true
	if grep -qE 'too small|out of memory|aborted' "$out"; then
		verdict='not searched to its end'
	elif grep -q 'errors: 0$' "$out"; then
		verdict=clean
	elif grep -q 'errors: 1$' "$out"; then
		verdict=noticed
	else
		verdict='not run'
	fi
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$out")
	printf '%-24s %9s states %4d s  %s\n' "$name" "${states:-0}" $((SECONDS - start)) "$verdict"
	if [[ $verdict == "$expected" ]]; then
		seen[$verdict]=$((seen[$verdict] + 1))
	else
		failed+=("$name")
		tail -n 20 "$work/$name/story" 2>/dev/null || tail -n 20 "$out"
	fi
}

cd "$top"
mkdir -p "$work"
echo "The model as it is, in all its states:"
for line in "${clean[@]}"; do
	read -ra words <<<"$line"
	run "${words[0]}" clean "${words[@]:1}"
done
echo "Broken on purpose:"
for line in "${broken[@]}"; do
	read -ra words <<<"$line"
	run "${words[0]}" noticed "BROKEN=${words[0]}" "${words[@]:1}"
done
[[ ${#failed[@]} == 0 ]] || die "not as it should be: ${failed[*]}; $work has the logs, and a story for each error"
echo "verified: ${seen[clean]} clean in all states, ${seen[noticed]} broken ones noticed"
