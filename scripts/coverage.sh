#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Which lines and branches of the module's core run in the unit tests and in the simulation. Prints a table by
# file, and writes a page, build/coverage/html/index.html. Fails if fewer than 97 % of the lines run, or if
# a line does not run that sim/uncovered does not list with its reason.
#
#   coverage.sh    SCHEDULES=n tries n random schedules (100000)

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

cd "$top"
out=$top/build/coverage
mkdir -p "$out"
rm -f "$out"/*.profraw

# Debian's rustc and LLVM belong together. Branches are counted only by an unstable option.
"$scripts/toolbox.sh" run env CARGO_TARGET_DIR="$out/target" LLVM_PROFILE_FILE="$out/%p-%m.profraw" \
	RUSTC_BOOTSTRAP=1 RUSTFLAGS='-Cinstrument-coverage -Zcoverage-options=branch' sh -euc "
	cd sim
	cargo test -q --locked -p mini-pipe-sim --lib
	cargo run -q --locked -- --schedules ${SCHEDULES:-100000} --exhaust 2000
	cd $out
	llvm-profdata merge -sparse *.profraw -o profile
	objects=\$(ls target/debug/deps/mini_pipe_sim-* | grep -v '\.d$' | sed 's/^/-object /')
	for format in report 'show -format=html -output-dir=html -show-branches=count' 'export -format=lcov'; do
		llvm-cov \$format target/debug/mini-pipe-sim \$objects -instr-profile=profile \
			-sources $top/mini_pipe/pipe $top/mini_pipe/ring
	done >/dev/null"
