#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Writes tests/logs anew, from one real run of the demo and one of the suite.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

logs=$top/build/logs
release=$(cat "$("$scripts/kernel.sh" path)/release")

# Runs a verb of the Makefile, with the kernel's log where it is looked for below.
verb() {
	make -s --no-print-directory "$1" LOG="build/$1.log"
}

# Puts what ran, and on what, above standard input.
head_of() {
	printf '# %s, on Linux %s in a virtual machine, %s\n\n' "$1" "$release" "$(date -u +%F)"
	cat
}

cd "$top"
rm -rf "$logs"
mkdir -p "$logs"
verb demo | head_of 'make demo' >"$logs/demo.log"
verb test | head_of 'make test' >"$logs/summary.log"
awk -v logs="$logs" -v release="$release" '
	/^# subject: / { file = logs "/" $3 ".log"; print "# on Linux " release >file }
	file { print >file }
	/^# exit: / { file = "" }' build/results
head_of 'the kernel'\''s log of make test' <build/test.log >"$logs/kernel.log"
rm -rf tests/logs
mv "$logs" tests/logs
ls -l tests/logs
