# SPDX-License-Identifier: GPL-2.0
#
# For scripts whose tests are functions: each prints a line of KTAP.

# shellcheck shell=sh

test=0
failed=0

# ok NAME [ARGUMENT...]: passes if the function NAME succeeds.
ok() {
	test=$((test + 1))
	if ! "$@" >said 2>&1; then
		failed=1
		tail -n 12 said | sed 's/^/#   /'
		printf 'not '
	fi
	echo "ok $test $1"
}
