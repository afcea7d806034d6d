#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The virtual machine: boots the stock kernel with a busybox that was packed for this one run.
#
#   vm.sh            a shell in it; Ctrl-A X ends it the hard way
#   RUN='command'    runs that instead, and exits with its status; its output is this script's
#   ADD='file ...'   files and folders that are copied into the directory where the command runs
#   TOOLS='name ...' programs of the toolbox that it has, too
#   MODULE=file      the module it has; what make has built for it if not said
#   LOAD='capacity=128' or LOAD=no   with what it is loaded before the command, or not at all
#   TIMEOUT=seconds  the machine is ended then, whatever it does; 120 for a command, none for a shell
#   ICOUNT=1         one processor, whose clock counts its instructions: a nanosecond each
#   ACCEL=kvm or tcg with what QEMU runs it; KVM where that works if not said
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
		printf 'load=%q\ntimeout=%d\n' "${LOAD-}" "$timeout"
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

qemu() {
	"$scripts/toolbox.sh" run timeout --foreground -k 5 "$@"
}

[[ -z ${ICOUNT-} ]] || CPUS=1
machine=(qemu-system-x86_64 -machine q35 -smp "${CPUS:-2}" -m 512 -display none -monitor none
	-no-reboot -nodefaults -kernel "$kernel/vmlinuz")
kvm=(-accel kvm -cpu host)
tcg=(-accel tcg -cpu qemu64)
[[ -z ${ICOUNT-} ]] || tcg=(-accel 'tcg,thread=single' -icount 'shift=0,sleep=off' -cpu qemu64)

# Where /dev/kvm is there but does not work, a kernel dies on it before it can miss its root file system.
kvm_works() {
	local verdict
	verdict=$cache/kvm-$(uname -r)
	[[ -w /dev/kvm ]] && grep -qwE 'vmx|svm' /proc/cpuinfo || return 1
	if [[ ! -e $verdict ]]; then
		qemu 20 "${machine[@]}" "${kvm[@]}" -serial "file:$work/probe" \
			-append 'console=ttyS0 panic=-1' >/dev/null 2>&1 </dev/null || return 1
		grep -c 'Unable to mount root fs' "$work/probe" >"$verdict" || true
	fi
	[[ $(cat "$verdict") != 0 ]]
}

boot() {
	local accel=("${tcg[@]}") stdio=stdio,id=user
	if [[ -z ${ICOUNT-} && ${ACCEL-} != tcg ]]; then
		if kvm_works; then
			accel=("${kvm[@]}")
		elif [[ ${ACCEL-} == kvm ]]; then
			die "KVM does not work here"
		fi
	fi
	[[ -n $run ]] || stdio+=,mux=on,signal=off
	# The first serial line is the kernel's, for the log; the second the user's.
	qemu "$timeout" "${machine[@]}" "${accel[@]}" -initrd "$work/initrd" \
		-append 'console=ttyS0 panic=-1 oops=panic quiet' -device isa-serial,chardev=kernel \
		-chardev "file,id=kernel,path=$work/log" -device isa-serial,chardev=user -chardev "$stdio"
}

pack
ended=0
if [[ -n $run ]]; then boot </dev/null || ended=$?; else boot || ended=$?; fi
tr -d '\r' <"$work/log" >"$log" || true
status=$(sed -n 's/^mini_pipe vm: exit \([0-9]*\)$/\1/p' "$log" | tail -n 1)
if [[ -n $status ]]; then
	exit "$status"
fi
tail -n 40 "$log" >&2
if [[ $ended == 124 || $ended == 137 ]]; then
	die "the machine was ended after TIMEOUT=$timeout seconds; the kernel's whole log is $log"
fi
die "the machine ended without an exit status (QEMU's was $ended); the kernel's whole log is $log"
