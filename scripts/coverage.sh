#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Which lines and branches of the module's core run in its unit tests and in the simulation. Prints a
# table by file, and makes a page with all lines, build/coverage/html/index.html. Fails if fewer than
# 97 % of the lines run, or if one does not run that sim/uncovered does not list.
#
#   coverage.sh    SCHEDULES=n tries at least n random schedules (100000)

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

least=97
out=$top/build/coverage
core=(mini_pipe/pipe mini_pipe/ring)

# Runs the core with counters. Counters of branches need an option that is not stable. Debian's LLVM
# has the version with which its rustc is built.
measure() {
	rm -f "$out"/*.profraw
	"$scripts/toolbox.sh" run env CARGO_TARGET_DIR="$out/target" LLVM_PROFILE_FILE="$out/%p-%m.profraw" \
		RUSTC_BOOTSTRAP=1 RUSTFLAGS='-Cinstrument-coverage -Zcoverage-options=branch' sh -euc "
		cargo test -q --locked --lib
		cargo run -q --locked -- --schedules ${SCHEDULES:-100000} --exhaust 2000
		llvm-profdata merge -sparse $out/*.profraw -o $out/profile"
}

# report COMMAND OPTION...: runs this command of llvm-cov on the core.
report() {
	local programs=() program
	for program in "$out"/target/debug/deps/mini_pipe_sim-*; do
		[[ $program == *.* ]] || programs+=(-object "$program")
	done
	"$scripts/toolbox.sh" run llvm-cov "$@" -instr-profile="$out/profile" \
		"$out/target/debug/mini-pipe-sim" "${programs[@]}" -sources "${core[@]}" 2>/dev/null
}

# Prints the lines that did not run, as FILE: TEXT.
uncovered() {
	awk -F '[:,]' '$1 == "SF" { file = $2 } $1 == "DA" && $3 == 0 { print file, $2 }' "$out/lcov" |
		while read -r file number; do
			printf '%s: %s\n' "${file#"$top/"}" "$(sed -n "${number}s/^[[:space:]]*//p" "$file")"
		done
}

cd "$top"
mkdir -p "$out"
step "coverage: the core built with counters, and run" measure
report report -show-functions=false -show-region-summary=false -show-branch-summary |
	grep -v '^--*$'
report show -format=html -output-dir="$out/html" -show-branches=count >/dev/null
report export -format=lcov >"$out/lcov"
percent=$(awk -F: '$1 == "LF" { all += $2 } $1 == "LH" { ran += $2 } END { print int(100 * ran / all) }' \
	"$out/lcov")
unlisted=$(uncovered | sort -u | grep -vxFf <(sed -n 's/^\t//p' sim/uncovered) || true)
[[ -z $unlisted ]] || die "these lines do not run, and sim/uncovered does not list them:
$unlisted"
[[ $percent -ge $least ]] || die "$percent % of the lines run; $least % must"
