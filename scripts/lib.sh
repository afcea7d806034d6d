# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts share: the place of the cache, the display of a step, and the end with an error.

set -euo pipefail

# The PATH of an ordinary user may lack the directory of chroot.
PATH=$PATH:/usr/sbin:/sbin

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # The scripts that source this file use it.
top=$(dirname "$scripts")
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/mini_pipe

die() {
	printf '%s: %s\n' "$(basename "$0")" "$1" >&2
	exit 1
}

if [[ "$top$cache" == *[[:space:]]* || $cache != /* ]]; then
	die "neither the clone ($top) nor the cache ($cache) may have a space in its path, and the cache must \
be an absolute path: kbuild needs that. Move the clone, or set XDG_CACHE_HOME."
fi

# Prints a short key of the given words, for the name of what is built from them.
key_of() {
	printf '%s\n' "$@" | sha256sum | cut -c1-12
}

# Prints the last line of the log $1 every minute, during a long step. Ends if the script is killed.
report_progress() {
	local minute=0 never
	exec {never}<> <(:)
	while ! read -rt 60 -u "$never"; do
		kill -0 $$ 2>/dev/null || return
		minute=$((minute + 1))
		printf '\n    %2d min, line %5d: %-43.43s' $minute "$(wc -l <"$1")" "$(tail -n 1 "$1")" >&2
	done
}

# step TEXT COMMAND...: prints a line with the time it took. The output goes to a log, whose end is
# printed if the command fails.
step() {
	local text=$1 start=$SECONDS log status reporter
	shift
	mkdir -p "$cache/logs"
	log=$cache/logs/$(date +%H%M%S)-$$.log
	printf '  %-66s ' "$text" >&2
	: >"$log"
	# Without the lock of the cache, which it would hold for a minute after a kill of the script.
	report_progress "$log" 9>&- &
	reporter=$!
	# Not in a condition, because set -e has no effect inside one.
	set +e
	(set -e; "$@") >"$log" 2>&1 </dev/null
	status=$?
	kill $reporter
	wait $reporter 2>/dev/null
	set -e
	if [[ $status == 0 ]]; then
		printf '%4d s\n' $((SECONDS - start)) >&2
		rm -f "$log"
	else
		printf 'failed\n' >&2
		tail -n 25 "$log" >&2
		die "'$text' failed; its whole log is $log. Remove the cause and call the same make again: \
what is finished stays."
	fi
}

# Prints the names of the suite's programs, or those that SUBJECTS names, one a line.
subjects() {
	local list=list
	if [[ ${SUBJECTS-} ]]; then
		# `units` is no program, and always runs.
		tr -s ' ' '\n' <<<"$SUBJECTS" | sed '/^units$/d'
		return
	fi
	[[ ${KERNEL-} != debug ]] || list="list-debug"
	make -s --no-print-directory -C "$top/tests" $list
}

# run_units TREE: runs the unit tests of the module in TREE, in user space, and prints their output.
run_units() {
	local program=$1/build/units status
	echo "# subject: units"
	mkdir -p "$1/build"
	"$scripts/toolbox.sh" run sh -c "rustc --edition=2021 --test -o $program $1/tests/units.rs && $program" &&
		status=0 || status=$?
	echo "# exit: $status"
}

# run_suite DIR TIMES [COUNTERS]: runs the suite's programs, which are in DIR, in the virtual
# machine and prints their output. COUNTERS is tests/coverage/mini_pipe_coverage.c, built for the machine's
# kernel: then the module's counters are printed, too. The machine boots with SELinux instead of the
# distribution's AppArmor. SELinux does nothing until the subject selinux loads a policy.
run_suite() {
	local names counters=${3-}
	mapfile -t names < <(subjects)
	APPEND="security=selinux" RUN="export SEED=${SEED-} SEQUENCES=${SEQUENCES-} DURATION=${DURATION-}
		${counters:+insmod ${counters##*/}}
		for i in \$(seq $2); do sh run.sh ${names[*]/#/tests/}; done
		${counters:+sh print.sh}
		echo '# all done'" \
		ADD="$top/tests/run.sh $1 ${counters:+$counters $top/tests/coverage/print.sh}" "$scripts/vm.sh"
}

# log_to FILE: sets LOG, where the log of the machine's kernel goes. The toolbox sees its folder.
log_to() {
	LOG=$(realpath -m "$1")
	export LOG SHARE=${LOG%/*}
	mkdir -p "$SHARE"
}

# Locks the cache until this process ends, so that two makes do not build the same thing at once.
lock_cache() {
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	if ! flock -n 9; then
		echo "  another make is setting up $cache; waiting for it" >&2
		flock 9
	fi
}
