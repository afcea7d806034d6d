#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Replaces tests/logs by the logs of one run of the demo and one of the suite.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

logs=$top/build/logs
release=$(cat "$("$scripts/kernel.sh" path)/release")

# Runs a target of the Makefile, with the kernel's log where the code below expects it.
run_target() {
	make -s --no-print-directory "$1" LOG="build/$1.log"
}

# Prints what ran, and on which kernel, above standard input.
add_head() {
	printf '# %s, on Linux %s in a virtual machine, %s\n\n' "$1" "$release" "$(date -u +%F)"
	cat
}

cd "$top"
rm -rf "$logs"
mkdir -p "$logs"
run_target demo | add_head 'make demo' >"$logs/demo.log"
run_target test | add_head 'make test' >"$logs/summary.log"
awk -v logs="$logs" -v release="$release" '
	/^# subject: / { file = logs "/" $3 ".log"; print "# on Linux " release >file }
	file { print >file }
	/^# exit: / { file = "" }' build/results
add_head 'the kernel'\''s log of make test' <build/test.log >"$logs/kernel.log"
rm -rf tests/logs
mv "$logs" tests/logs
ls -l tests/logs
