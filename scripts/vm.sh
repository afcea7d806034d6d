#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The virtual machine: boots the stock kernel with a busybox that was packed for this one run. With
# KERNEL=um, um.sh does that without a machine.
#
#   vm.sh            a shell in it; Ctrl-A X ends it the hard way
#   RUN='command'    runs that instead, and exits with its status; machine.sh has the other settings
#   ICOUNT=1         one processor, whose clock counts its instructions: a nanosecond each
#   APPEND='...'     further parameters of the kernel
#   ACCEL=kvm or tcg with what QEMU runs it; KVM where that works if not said

[[ ${KERNEL-} != um ]] || exec "$(dirname "$0")/um.sh"

# shellcheck source=scripts/machine.sh
. "$(dirname "$0")/machine.sh"

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
		limited 20 "${machine[@]}" "${kvm[@]}" -serial "file:$work/probe" \
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
	limited "$timeout" "${machine[@]}" "${accel[@]}" -initrd "$work/initrd" \
		-append "console=ttyS0 panic=-1 oops=panic quiet ${APPEND-}" -device isa-serial,chardev=kernel \
		-chardev "file,id=kernel,path=$work/log" -device isa-serial,chardev=user -chardev "$stdio"
}

play
