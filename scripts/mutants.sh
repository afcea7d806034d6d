#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests the tests: applies each patch of tests/mutants, which breaks the module, and shows what notices it
# first. The simulation and its unit tests are asked first, if they have the code that the patch changes,
# else the other unit tests; then, in the virtual machine, the subjects that the patch names, where
# SUBJECT:TEST is one test of a subject; then the whole suite. The patches in tests/mutants/debug are for the
# debug kernel, which detects faults that no test sees. Two mutants are tried at a time. Fails if one survives,
# or does not build.
#
#   mutants.sh DIR              the test programs are in DIR
#   mutants.sh DIR try PATCH    tries this one; for the script itself
#
# MUTANTS='NAME ...' selects mutants.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

programs=$1
patches=tests/mutants
[[ ${KERNEL-} != debug ]] || patches+=/debug
work=build/mutants
survivors=$work/survivors
# A mutant may hang its machine.
limit=240
[[ ${KERNEL-} != debug ]] || limit=1800

# copy_tree DIR PATCH: puts the module, broken by the patch, and the simulation into DIR. Only what is new
# of the simulation is copied, so that cargo does not build it all again.
copy_tree() {
	mkdir -p "$1"
	rm -rf "$1/mini_pipe"
	cp -r --parents Kbuild mini_pipe.rs mini_pipe tests/units.rs "$1"
	cp -ru Cargo.toml Cargo.lock sim "$1"
	git apply --directory="$1" "$2"
}

is_simulated() {
	grep -qE '^\+\+\+ b/mini_pipe/(ring|pipe)/' "$1"
}

# Prints how the simulation fails with the module in $1, or that it does not build.
ask_simulation() {
	"$scripts/toolbox.sh" run env -C "$1" CARGO_TARGET_DIR="$top/$1/target" sh -c "
		cargo build -q --locked 2>build.log ||
			{ sed -n '/^error/{s/^/it does not build: /p;q}' build.log; exit; }
		timeout 40 target/debug/mini-pipe-sim --schedules 0 --duration 30 --no-shrink || echo 'it fails'" |
		grep -v 'no failure$' | head -2 | paste -sd' '
}

# Prints the unit tests that fail in the simulation's workspace with the module in $1.
ask_simulated_units() {
	"$scripts/toolbox.sh" run env -C "$1" CARGO_TARGET_DIR="$top/$1/target" \
		cargo test -q --locked -p mini-pipe-sim --lib >"$1/units" 2>&1 || sed -n 's/^    \([a-z_]*::.*\)/\1/p' "$1/units"
}

# Prints the unit tests that fail on the module in $1.
ask_units() {
	run_units "$1" >"$1/units" 2>&1
	grep -q '^# exit: 0$' "$1/units" ||
		sed -n -e 's/^test \(.*\) \.\.\. FAILED$/units.\1/p' -e 's/^error/it does not build: &/p' "$1/units"
}

# Waits for the job $1. When a test has failed in the results $2, ends the job, with all its
# processes.
end_at_first_failure() {
	if grep -qm1 '^not ok' < <(tail --pid="$1" -s 0.2 -n +1 -f "$2"); then
		kill -TERM -- -"$1" 2>/dev/null || true
	fi
	wait "$1" 2>/dev/null || true
}

# ask_suite DIR SUBJECT...: prints the tests of these subjects that fail on the module in DIR. The
# machine runs until one has failed.
ask_suite() {
	local dir=$1
	shift
	: >"$dir/results"
	set -m
	SUBJECTS="$*" SEQUENCES=${SEQUENCES:-2000} MODULE=$dir/mini_pipe.ko LOG=$dir/log TIMEOUT=$limit \
		run_suite "$programs" 1 >"$dir/results" 2>&1 &
	set +m
	end_at_first_failure $! "$dir/results"
	{ "$scripts/toolbox.sh" run python3 scripts/ktap.py "$dir/results" "$dir/log" "${@%%:*}" || true; } |
		sed -n 's/^    FAILED   //p'
}

# noticed_by DIR PATCH: prints what notices the mutant in DIR.
noticed_by() {
	local dir=$1 patch=$2 named found
	if is_simulated "$patch"; then
		# No configuration of the simulation splices by ioctl; its unit tests do.
		grep -q '^+++ .*/transfer\.rs' "$patch" || found=$(ask_simulation "$dir" || true)
		[[ ${found-} ]] || found=$(ask_simulated_units "$dir" | sort -u)
		[[ ! $found ]] || { echo "simulation: $found" && return; }
	else
		ask_units "$dir" | grep . && return
	fi
	"$scripts/kernel.sh" kbuild M="$top/$dir" modules >"$dir/build.log" 2>&1 || {
		echo "it does not build: $dir/build.log"
		return
	}
	read -ra named < <(sed -n 's/^Subjects: //p' "$patch")
	if [[ ${#named[@]} != 0 ]] && ask_suite "$dir" "${named[@]}" | grep .; then
		return
	fi
	mapfile -t named < <(subjects)
	ask_suite "$dir" "${named[@]}"
}

# Tries the mutant $1 in the directory of this worker, which still has the worker's earlier build.
try() {
	local name dir=$work/${worker:?} start=$SECONDS failed
	name=$(basename "$1" .patch)
	copy_tree "$dir" "$1"
	failed=$(noticed_by "$dir" "$1" | head -n 1 || true)
	failed=${failed:-NOTHING notices it}
	[[ $failed != *@(NOTHING|"it does not build")* ]] || echo "$name" >>"$survivors"
	printf '%-44s %3d s  %s\n' "$name" $((SECONDS - start)) "${failed:0:140}"
}

# Prints the selected mutants, those that need a machine first.
selected() {
	local patch others=() simulated=()
	for patch in "$patches"/*.patch; do
		[[ -z ${MUTANTS-} || " $MUTANTS " == *" $(basename "$patch" .patch) "* ]] || continue
		if is_simulated "$patch"; then simulated+=("$patch"); else others+=("$patch"); fi
	done
	printf '%s\n' "${others[@]}" "${simulated[@]}" | grep .
}

cd "$top"
if [[ ${2-} == try ]]; then
	try "$3"
	exit
fi
mkdir -p $work
: >$survivors
selected | xargs -P 2 -n 1 --process-slot-var=worker "$0" "$programs" try
[[ ! -s $survivors ]] || die "survived, or did not build: $(paste -sd' ' $survivors)"
