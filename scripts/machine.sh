# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What vm.sh and um.sh share: the settings, the root file system, and the end of the machine. A
# script that sources this defines a function `boot`, and calls `run_machine` last. Settings:
#
#   RUN='command'    runs this instead of a shell, prints its output and exits with its status
#   ADD='file ...'   files and folders that are copied into the directory where the command runs
#   TOOLS='name ...' programs of the toolbox that are added to the machine
#   PACKAGES='name ...' packages of the distribution that are added, with all that they depend on
#   MODULE=file      the module; by default the one that make has built for this kernel
#   LOAD='capacity=128' or LOAD=no   parameters of the module, which is loaded first; no: not loaded
#   TIMEOUT=seconds  kills the machine after that time; default: 120 for a command, none for a shell
#   CPUS=n           the number of processors; by default 2
#   MEMORY=n         MiB of memory; by default 512, for arm64 1024
#   LOG=file         where the kernel's log goes

# shellcheck source=scripts/arch.sh
. "$(dirname "$0")/arch.sh"

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

# Adds the libraries of the programs that are not static, from the host.
add_libraries() {
	local file
	find "$work/root/root" -type f -perm /111 | while read -r file; do
		[[ $(head -c 4 "$file" | tr -d '\0') == $'\x7fELF' ]] || continue
		{ ldd "$file" 2>/dev/null || true; } | sed -n 's|^\t[^/]*\(/[^ ]*\).*|\1|p' |
			xargs -r cp -L --parents -t "$work/root"
	done
}

pack() {
	local root=$work/root file dir packages=
	# shellcheck disable=SC2086 # Several packages are several words.
	[[ -z ${PACKAGES-} ]] || packages=$("$scripts/packages.sh" $PACKAGES)
	# As in the distribution, /bin and the like are in /usr.
	for dir in bin sbin lib lib64; do
		mkdir -p "$root/usr/$dir"
		ln -s "usr/$dir" "$root/$dir"
	done
	mkdir -p "$root/root"
	cp "$scripts/init" "$root/init"
	cp "$module" "$root/root/mini_pipe.ko"
	for file in ${ADD-}; do
		[[ -e $file ]] || die "ADD names $file, which is not there"
		cp -rL "$file" "$root/root/"
	done
	add_libraries
	[[ ! $cross || -z ${TOOLS-} ]] || die "TOOLS are the toolbox's programs, which are for $host_arch"
	printf '%s\n' "$run" >"$root/root/.run"
	{
		printf 'load=%q\ndeadline=%d\n' "${LOAD-}" $((timeout ? $(date +%s) + timeout : 0))
		[[ -t 0 ]] && stty size | { read -r rows columns; echo "size='rows $rows cols $columns'"; }
		true
	} >"$root/settings"
	# The toolbox's programs get their libraries from the toolbox.
	"$scripts/toolbox.sh" run sh -euc "cp /usr/bin/busybox '$root/bin/'
		for tool in ${TOOLS-}; do
			{ echo /usr/bin/\$tool; ldd /usr/bin/\$tool | grep -o '/[^ ]*'; } |
				xargs cp -L --parents -t '$root'
		done
		# The kernel unpacks one archive after the other.
		for dir in $packages '$root'; do
			cd \$dir
			find . | cpio --quiet -o -H newc -R 0:0
		done >'$work/initrd'"
}

# limited SECONDS COMMAND...: runs a command in the toolbox, and kills it after that time.
limited() {
	"$scripts/toolbox.sh" run timeout --foreground -k 5 "$@"
}

# Boots the machine; $ended is the exit status of its program.
start() {
	ended=0
	if [[ -n $run ]]; then boot </dev/null || ended=$?; else boot || ended=$?; fi
	tr -d '\r' <"$work/log" >"$log" || true
}

ended_by_timeout() {
	[[ $ended == 124 || $ended == 137 ]]
}

# Prints the end of the kernel's log. If init reported that a process hangs, also prints all stacks
# and the name of the process.
print_log() {
	local lines hanging
	lines=$(sed -n '/sysrq: Show Blocked State/,$p' "$log" | wc -l)
	tail -n $((lines > 40 ? lines : 40)) "$log"
	hanging=$(sed -n 's/^mini_pipe vm: hangs: //p' "$log" | sort -u)
	[[ -z $hanging ]] || printf "${0##*/}: this hangs: %s\n" "${hanging//$'\n'/; }"
}

# Packs, boots, and exits with the command's status, or says why there is none.
run_machine() {
	local ended status unended
	pack
	start
	# If the kernel crashes before its first process starts, the module is not the cause, so it
	# is booted once more. With two processors emulated by QEMU, this happens sometimes, with
	# "Oops: int3": while the kernel patches its code, the other processor can trap on a
	# breakpoint that is already removed.
	if ! ended_by_timeout && ! grep -q '^mini_pipe vm: up' "$log"; then
		tail -n 40 "$log" >&2
		echo "${0##*/}: the kernel crashed before its first process; booting once more" >&2
		start
	fi
	status=$(sed -n 's/^mini_pipe vm: exit \([0-9]*\)$/\1/p' "$log" | tail -n 1)
	unended=$(sed -n 's/^mini_pipe vm: cannot end after exit //p' "$log")
	[[ -n $unended || -z $status ]] || exit "$status"
	print_log >&2
	if [[ -n $unended ]]; then
		die "the command ended with $unended, but the machine did not shut down; the kernel's whole log is $log"
	fi
	if ended_by_timeout; then
		die "the machine was killed after TIMEOUT=$timeout seconds; the kernel's whole log is $log"
	fi
	die "the machine ended without the command's exit status (its own was $ended); the kernel's whole log is $log"
}
