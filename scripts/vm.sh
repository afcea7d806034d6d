#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Boots the kernel in a virtual machine, with a root file system of busybox and the programs for
# this run. With KERNEL=um, um.sh runs it as a program instead.
#
#   vm.sh            starts a shell in it; Ctrl-A X kills the machine
#   RUN='command'    runs this instead, and exits with its status; machine.sh has the other settings
#   ICOUNT=1         one processor, whose clock counts instructions, a nanosecond each
#   APPEND='...'     further parameters of the kernel
#   DEVICES='...'    further options of QEMU
#   ACCEL=kvm or tcg QEMU's accelerator; by default KVM where it works

[[ ${KERNEL-} != um ]] || exec "$(dirname "$0")/um.sh"

# shellcheck source=scripts/machine.sh
. "$(dirname "$0")/machine.sh"

[[ -z ${ICOUNT-} ]] || CPUS=1
case $arch in
amd64)
	machine=(qemu-system-x86_64 -machine q35 -m "${MEMORY:-512}")
	cpu=qemu64 serial=isa-serial
	;;
arm64)
	# The kernel with pages of 16 KiB needs more memory, and a processor that has them.
	machine=(qemu-system-aarch64 -machine "virt,gic-version=max" -m "${MEMORY:-1024}")
	cpu=max,pauth-impdef=on serial=pci-serial
	;;
esac
machine+=(-smp "${CPUS:-2}" -display none -monitor none -no-reboot -nodefaults -kernel "$kernel/vmlinuz")
kvm=(-accel kvm -cpu host)
tcg=(-accel tcg -cpu "$cpu")
[[ -z ${ICOUNT-} ]] || tcg=(-accel 'tcg,thread=single' -icount 'shift=0,sleep=off' -cpu "$cpu")

# A usable /dev/kvm boots a kernel as far as the panic for its missing root file system. Some hosts
# have a /dev/kvm that does not work.
kvm_works() {
	local verdict
	verdict=$cache/kvm-$(uname -r)
	[[ ! $cross && -w /dev/kvm ]] || return 1
	[[ $arch != amd64 ]] || grep -qwE 'vmx|svm' /proc/cpuinfo || return 1
	if [[ ! -e $verdict ]]; then
		limited 20 "${machine[@]}" "${kvm[@]}" -device "$serial,chardev=probe" -chardev "file,id=probe,path=$work/probe" \
			-append 'console=ttyS0 panic=-1' >/dev/null 2>&1 </dev/null || return 1
		grep -c 'Unable to mount root fs' "$work/probe" >"$work/verdict" || true
		mv "$work/verdict" "$verdict"
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
	# The first serial line is the kernel's log, the second is the user's.
	# shellcheck disable=SC2086 # Several options are several words.
	limited "$timeout" "${machine[@]}" "${accel[@]}" ${DEVICES-} -initrd "$work/initrd" \
		-append "console=ttyS0 panic=-1 oops=panic quiet ${APPEND-}" -device $serial,chardev=kernel \
		-chardev "file,id=kernel,path=$work/log" -device $serial,chardev=user -chardev "$stdio"
}

run_machine
