#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests the tests: applies each patch of tests/mutants, which breaks the module, and shows what notices it.
# The simulation is asked first, if it has the code that the patch changes; then the unit tests; then, in
# the virtual machine, the subjects that the patch names; then the whole suite. The patches in
# tests/mutants/debug are for the debug kernel, which detects faults that no test sees. Fails if a mutant
# survives.
#
#   mutants.sh DIR    the test programs are in DIR
#
# MUTANTS='NAME ...' selects mutants.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

programs=$1
mapfile -t all < <(subjects)
patches=tests/mutants
[[ ${KERNEL-} != debug ]] || patches+=/debug
work=build/mutants
# The simulation is built in one place, so that cargo builds only what differs.
sim=$work/sim
survivors=$work/survivors

# copy_tree DIR PATCH: puts the module's source into DIR, broken by the patch.
copy_tree() {
	rm -rf "$1/mini_pipe" "$1/tests"
	mkdir -p "$1"
	cp -r --parents Kbuild mini_pipe.rs mini_pipe tests/units.rs "$1"
	git apply --directory="$1" "$2"
}

is_simulated() {
	grep -qE '^\+\+\+ b/mini_pipe/(ring|pipe)/' "$1"
}

# Prints how the simulation fails with the module in $sim, or that it does not build.
ask_simulation() {
	cp -r sim "$sim/"
	"$scripts/toolbox.sh" run env CARGO_TARGET_DIR="$top/build/sim" sh -c "
		cargo build -q --locked --manifest-path $sim/sim/Cargo.toml 2>&1 | sed -n '/^error/{p;q}'
		timeout 40 build/sim/debug/mini-pipe-sim --schedules 0 --duration 30 --no-shrink ||
			echo 'it fails'" |
		grep -v 'no failure$' | head -2 | paste -sd' '
}

# Prints the unit tests that fail on the module in $1.
ask_units() {
	run_units "$1" >"$1/units" 2>&1
	grep -q '^# exit: 0$' "$1/units" ||
		sed -n -e 's/^test \(.*\) \.\.\. FAILED$/units.\1/p' -e 's/^error.*/units: &/p' "$1/units"
}

# ask_suite DIR SUBJECT...: prints the tests of these subjects that fail on the module in DIR.
ask_suite() {
	local dir=$1
	shift
	SUBJECTS="$*" SEQUENCES=${SEQUENCES:-2000} MODULE=$dir/mini_pipe.ko LOG=$dir/log TIMEOUT=900 \
		run_suite "$programs" 1 >"$dir/results" 2>&1 || true
	"$scripts/toolbox.sh" run python3 scripts/ktap.py "$dir/results" "$dir/log" "$@" |
		sed -n 's/^    FAILED   //p'
}

# Prints what notices the mutant.
noticed_by() {
	local name=$1 dir=$2 patch=$3 named found
	if is_simulated "$patch" && found=$(ask_simulation || true) && [[ $found ]]; then
		echo "simulation: $found"
		return
	fi
	ask_units "$dir" | grep . && return
	"$scripts/kernel.sh" kbuild M="$top/$dir" modules >"$dir/build.log" 2>&1 || {
		echo "it does not build: $dir/build.log"
		return
	}
	read -ra named < <(sed -n 's/^Subjects: //p' "$patch")
	[[ ${#named[@]} == 0 ]] || ask_suite "$dir" "${named[@]}" | grep . && return
	ask_suite "$dir" "${all[@]}"
}

# try PATCH...: tries these mutants, one after the other.
try() {
	local patch name dir failed start
	for patch; do
		name=$(basename "$patch" .patch)
		[[ -z ${MUTANTS-} || " $MUTANTS " == *" $name "* ]] || continue
		dir=$work/$name
		! is_simulated "$patch" || dir=$sim
		start=$SECONDS
		copy_tree "$dir" "$patch"
		mapfile -t failed < <(noticed_by "$name" "$dir" "$patch")
		[[ ${#failed[@]} -gt 0 ]] || { failed=("NOTHING notices it"); echo "$name" >>"$survivors"; }
		printf '%-44s %3d s  %s\n' "$name" $((SECONDS - start)) "${failed[0]:0:140}"
		[[ ${#failed[@]} == 1 ]] || printf '%54s and %d more\n' '' $((${#failed[@]} - 1))
	done
}

cd "$top"
mkdir -p $work
: >$survivors
simulated=() others=()
for patch in "$patches"/*.patch; do
	if is_simulated "$patch"; then simulated+=("$patch"); else others+=("$patch"); fi
done
try "${others[@]}" &
try "${simulated[@]}"
wait
[[ ! -s $survivors ]] || die "survived: $(paste -sd' ' $survivors)"
