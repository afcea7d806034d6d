# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What vm.sh and um.sh share: the settings, what is packed for the one run, and how it ends. The script
# that reads this has a function `boot`, and calls `play` last. Settings are:
#
#   RUN='command'    runs that instead of a shell, and exits with its status; its output is the script's
#   ADD='file ...'   files and folders that are copied into the directory where the command runs
#   TOOLS='name ...' programs of the toolbox that it has, too
#   MODULE=file      the module it has; what make has built for it if not said
#   LOAD='capacity=128' or LOAD=no   with what it is loaded before the command, or not at all
#   TIMEOUT=seconds  the machine is ended then, whatever it does; 120 for a command, none for a shell
#   CPUS=n           how many processors it has, 2 if not said
#   LOG=file         where the kernel's log goes

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

kernel=$("$scripts/kernel.sh" path)
run=${RUN-}
timeout=${TIMEOUT:-$([[ -n $run ]] && echo 120 || echo 0)}
module=${MODULE:-$top/build/$(basename "$kernel")/mini_pipe.ko}
[[ -e $module ]] || die "there is no $module; make vm builds it"
log=$(realpath -m "${LOG:-$top/build/vm.log}")
mkdir -p "$(dirname "$log")" "$cache"
: >"$log"
work=$(mktemp -d "$cache/vm.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Programs that are not static bring the host's libraries along.
add_libraries() {
	local file
	find "$work/root/root" -type f -perm /111 | while read -r file; do
		[[ $(head -c 4 "$file" | tr -d '\0') == $'\x7fELF' ]] || continue
		{ ldd "$file" 2>/dev/null || true; } | sed -n 's|^\t[^/]*\(/[^ ]*\).*|\1|p' |
			xargs -r cp -L --parents -t "$work/root"
	done
}

pack() {
	local root=$work/root file
	mkdir -p "$root/root" "$root/bin"
	cp "$scripts/init" "$root/init"
	cp "$module" "$root/root/mini_pipe.ko"
	for file in ${ADD-}; do
		[[ -e $file ]] || die "ADD names $file, which is not there"
		cp -rL "$file" "$root/root/"
	done
	add_libraries
	printf '%s\n' "$run" >"$root/root/.run"
	{
		printf 'load=%q\ndeadline=%d\n' "${LOAD-}" $((timeout ? $(date +%s) + timeout : 0))
		[[ -t 0 ]] && stty size | { read -r rows columns; echo "size='rows $rows cols $columns'"; }
		true
	} >"$root/settings"
	# The toolbox's programs bring the toolbox's libraries along.
	"$scripts/toolbox.sh" run sh -euc "cp /usr/bin/busybox '$root/bin/'
		for tool in ${TOOLS-}; do
			{ echo /usr/bin/\$tool; ldd /usr/bin/\$tool | grep -o '/[^ ]*'; } |
				xargs cp -L --parents -t '$root'
		done
		cd '$root' && find . | cpio --quiet -o -H newc -R 0:0 >'$work/initrd'"
}

# limited SECONDS COMMAND...: in the toolbox, ended after so long.
limited() {
	"$scripts/toolbox.sh" run timeout --foreground -k 5 "$@"
}

# Boots; $ended is the status with which the machine ended.
start() {
	ended=0
	if [[ -n $run ]]; then boot </dev/null || ended=$?; else boot || ended=$?; fi
	tr -d '\r' <"$work/log" >"$log" || true
}

ended_by_timeout() {
	[[ $ended == 124 || $ended == 137 ]]
}

# Prints the end of the kernel's log, with all stacks and the names if init said that something hangs.
tell_log() {
	local lines hanging
	lines=$(sed -n '/sysrq: Show Blocked State/,$p' "$log" | wc -l)
	tail -n $((lines > 40 ? lines : 40)) "$log"
	hanging=$(sed -n 's/^mini_pipe vm: hangs: //p' "$log" | sort -u)
	[[ -z $hanging ]] || printf "${0##*/}: this hangs: %s\n" "${hanging//$'\n'/; }"
}

# Packs, boots, and exits with the command's status, or says why there is none.
play() {
	local ended status unended
	pack
	start
	# A kernel that dies before its first process has run nothing of ours. One that QEMU emulates on two
	# processors does so now and then, with "Oops: int3": while the kernel patches itself, a processor can
	# meet a breakpoint that is no longer there.
	if ! ended_by_timeout && ! grep -q '^mini_pipe vm: up' "$log"; then
		tail -n 40 "$log" >&2
		echo "${0##*/}: the machine died before its first process; booting it once more" >&2
		start
	fi
	status=$(sed -n 's/^mini_pipe vm: exit \([0-9]*\)$/\1/p' "$log" | tail -n 1)
	unended=$(sed -n 's/^mini_pipe vm: cannot end after exit //p' "$log")
	[[ -n $unended || -z $status ]] || exit "$status"
	tell_log >&2
	if [[ -n $unended ]]; then
		die "the command ended with $unended, but the machine cannot end; the kernel's whole log is $log"
	fi
	if ended_by_timeout; then
		die "the machine was ended after TIMEOUT=$timeout seconds; the kernel's whole log is $log"
	fi
	die "the machine ended without an exit status (its own was $ended); the kernel's whole log is $log"
}
