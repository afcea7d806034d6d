#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests the tests: applies each patch of tests/mutants, which breaks the module, and runs the suite
# on the result. The patches in tests/mutants/debug are for the debug kernel, which detects faults
# that no test sees. Fails if a mutant survives.
#
#   mutants.sh DIR    the test programs are in DIR
#
# RUNS=n runs each mutant n times; MUTANTS='NAME ...' selects mutants.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

programs=$1
mapfile -t expected < <(subjects)
survivors=()
patches=tests/mutants
[[ ${KERNEL-} != debug ]] || patches+=/debug

build() {
	rm -rf "$1"
	mkdir -p "$1"
	cp -r --parents Kbuild mini_pipe.rs mini_pipe tests/units.rs "$1"
	git apply --directory="$1" "$2"
	"$scripts/kernel.sh" kbuild M="$top/$1" modules
}

# Prints the tests that failed on the module in $1: unit tests, or else tests of the suite.
failures() {
	run_units "$1" >"$1/units" 2>&1
	if ! grep -q '^# exit: 0$' "$1/units"; then
		sed -n -e 's/^test \(.*\) \.\.\. FAILED$/units.\1/p' -e 's/^error.*/units: &/p' "$1/units"
		return
	fi
	SEQUENCES=${SEQUENCES:-2000} MODULE=$1/mini_pipe.ko LOG=$1/log TIMEOUT=900 \
		run_suite "$programs" 1 >"$1/results" 2>&1 || true
	"$scripts/toolbox.sh" run python3 scripts/ktap.py "$1/results" "$1/log" "${expected[@]}" |
		sed -n 's/^    FAILED   //p'
}

cd "$top"
for patch in "$patches"/*.patch; do
	name=$(basename "$patch" .patch)
	dir=build/mutants/$name
	[[ -z ${MUTANTS-} || " $MUTANTS " == *" $name "* ]] || continue
	step "$name: built" build "$dir" "$patch"
	for ((run = 1; run <= ${RUNS:-1}; run++)); do
		mapfile -t failed < <(failures "$dir")
		printf '%s, run %d: %d failures\n' "$name" "$run" "${#failed[@]}"
		if [[ ${#failed[@]} -gt 0 ]]; then
			printf '    %s\n' "${failed[@]}"
		else
			survivors+=("$name")
		fi
	done
done
[[ ${#survivors[@]} == 0 ]] || die "survived: ${survivors[*]}"
