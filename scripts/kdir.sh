#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks whether a Rust module can be built against a kernel build directory.
#
#   kdir.sh find          prints the running kernel's directory, if a module can be built against it
#   kdir.sh check [DIR]   says why DIR, or the running kernel's, does not work, and what to do

set -euo pipefail

running=/lib/modules/$(uname -r)/build

# Prints why a module cannot be built against $1, or nothing.
why_not() {
	local release
	release=$(cat "$1/include/config/kernel.release" 2>/dev/null || true)
	if [[ ! -e $1/.config ]]; then
		echo "$1 is not a kernel build directory: it has no .config"
	elif [[ $(printf '%s\n' 7.2 "$release" | sort -V | head -n 1) != 7.2 ]]; then
		echo "the kernel of $1 is ${release:-not built yet}; mini_pipe needs 7.2 or newer"
	elif ! grep -q '^CONFIG_RUST=y' "$1/.config"; then
		echo "the kernel of $1 was configured without Rust: CONFIG_RUST is not set in its .config"
	elif [[ ! -e $1/rust/libkernel.rmeta ]]; then
		echo "$1 lacks the Rust metadata: distributions leave rust/*.rmeta out of their headers packages"
	fi
}

case ${1-} in
find)
	[[ -n $(why_not "$running") ]] || echo "$running"
	;;
check)
	reason=$(why_not "${2-$running}")
	[[ -n $reason ]] || exit 0
	cat >&2 <<-EOF
		$reason.
		What to do, one of:
		  - Use make demo, make test or make vm. They bring their own kernel and need nothing of yours.
		  - If yours is one of Debian's, 7.2 or newer, generate its metadata again, and build for it:
		        make KERNEL=$(uname -r)
		  - Build a kernel with the options of .config.fragment, and give its directory:
		        make KDIR=/path/to/linux
	EOF
	exit 1
	;;
*)
	echo "usage: kdir.sh find | check [DIR]" >&2
	exit 2
	;;
esac
