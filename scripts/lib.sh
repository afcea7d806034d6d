# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the scripts share: where the cache is, how a step is shown, how a script gives up.

set -euo pipefail

# An ordinary user's may lack the place of chroot.
PATH=$PATH:/usr/sbin:/sbin

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034 # For the scripts that read this.
top=$(dirname "$scripts")
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/mini_pipe

die() {
	printf '%s: %s\n' "$(basename "$0")" "$1" >&2
	exit 1
}

if [[ "$top$cache" == *[[:space:]]* || $cache != /* ]]; then
	die "neither the clone ($top) nor the cache ($cache) may have a space in its path, and the cache must \
be an absolute path: kbuild cannot do with less. Move the clone, or set XDG_CACHE_HOME."
fi

# A short key for what is made from the given words.
key_of() {
	printf '%s\n' "$@" | sha256sum | cut -c1-12
}

# Tells every minute how far the log $1 of a long step has come.
watch() {
	local minute=0 never
	exec {never}<> <(:)
	while ! read -rt 60 -u "$never"; do
		minute=$((minute + 1))
		printf '\n    %2d min, line %5d: %-43.43s' $minute "$(wc -l <"$1")" "$(tail -n 1 "$1")" >&2
	done
}

# step TEXT COMMAND...: one line with its time; what the command says goes to a log, shown if it fails.
step() {
	local text=$1 start=$SECONDS log status watcher
	shift
	mkdir -p "$cache/logs"
	log=$cache/logs/$(date +%H%M%S)-$$.log
	printf '  %-66s ' "$text" >&2
	: >"$log"
	watch "$log" &
	watcher=$!
	# Not as a condition: there, set -e would not hold inside a function.
	set +e
	(set -e; "$@") >"$log" 2>&1 </dev/null
	status=$?
	kill $watcher
	wait $watcher 2>/dev/null
	set -e
	if [[ $status == 0 ]]; then
		printf '%4d s\n' $((SECONDS - start)) >&2
		rm -f "$log"
	else
		printf 'failed\n' >&2
		tail -n 25 "$log" >&2
		die "'$text' failed; its whole log is $log. Mend the cause and call the same make again: \
it goes on from here."
	fi
}

# The suite's programs, a line each.
subjects() {
	local list=list
	[[ ${KERNEL-} != debug ]] || list="list-debug"
	make -s --no-print-directory -C "$top/tests" $list
}

# run_suite DIR TIMES: runs the programs in DIR in the virtual machine, and prints what they say. SELinux,
# in the place of the distribution's AppArmor, does nothing until the subject selinux loads a policy.
run_suite() {
	local names
	mapfile -t names < <(subjects)
	APPEND="security=selinux" RUN="export SEED=${SEED-} SEQUENCES=${SEQUENCES-} DURATION=${DURATION-}
		for i in \$(seq $2); do sh run.sh ${names[*]/#/tests/}; done; echo '# all done'" \
		ADD="$top/tests/run.sh $1" "$scripts/vm.sh"
}

# Holds the cache for this process, so that two makes do not build the same thing at once.
lock_cache() {
	mkdir -p "$cache"
	exec 9>"$cache/lock"
	if ! flock -n 9; then
		echo "  another make is setting up $cache; waiting for it" >&2
		flock 9
	fi
}
