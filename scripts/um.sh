#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel as a program of this machine: User-Mode Linux, with what was packed for this one run. Its
# processors are threads that copy at the processor's own speed; a system call costs much more than
# elsewhere, so that only bulk transfer tells.
#
#   um.sh            a shell in it
#   RUN='command'    runs that instead, and exits with its status; machine.sh has the other settings

export KERNEL=um
# shellcheck source=scripts/machine.sh
. "$(dirname "$0")/machine.sh"

# As in vm.sh, the first serial line is the kernel's, for the log; the second the user's. The kernel
# makes its lines not block and asks whether they are ready, so they are pipes that nobody else has.
boot() {
	local line=null,fd:1
	[[ -n $run ]] || line=tty:$(tty)
	{
		limited -s KILL "$timeout" "$kernel/linux" mem=512M "ncpus=${CPUS:-2}" seccomp=on noreboot \
			initrd="$work/initrd" uml_dir="$work" con=null ssl=null "ssl0=null,fd:3" "ssl1=$line" \
			console=ttyS0 panic=-1 oops=panic quiet 2>&1 3>&1 >&4 | cat >"$work/log"
	} 4>&1 | cat
}

play
