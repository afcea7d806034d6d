#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs User-Mode Linux: the kernel is a program of the host. Its processors are threads, which copy
# at the speed of the host's processor. A system call costs much more than elsewhere, so only bulk
# transfer is worth measuring.
#
#   um.sh            starts a shell in it
#   RUN='command'    runs this instead, and exits with its status; machine.sh has the other settings

export KERNEL=um
# shellcheck source=scripts/machine.sh
. "$(dirname "$0")/machine.sh"

# As in vm.sh, the first serial line is the kernel's log and the second is the user's. The kernel
# sets O_NONBLOCK on its lines and polls them, so they are pipes of their own.
boot() {
	local line=null,fd:1
	[[ -n $run ]] || line=tty:$(tty)
	{
		limited -s KILL "$timeout" "$kernel/linux" "mem=${MEMORY:-512}M" "ncpus=${CPUS:-2}" seccomp=on noreboot \
			initrd="$work/initrd" uml_dir="$work" con=null ssl=null "ssl0=null,fd:3" "ssl1=$line" \
			console=ttyS0 panic=-1 oops=panic quiet 2>&1 3>&1 >&4 | cat >"$work/log"
	} 4>&1 | cat
}

run_machine
