#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks whether a Rust module can be built against a kernel build directory.
#
#   kdir.sh find                   prints the running kernel's directory, if a module can be built against it
#   kdir.sh check [DIR [STATUS]]   says why DIR, or the running kernel's, does not work, and what to do, and
#                                  exits with STATUS, or 1

set -euo pipefail

running=/lib/modules/$(uname -r)/build

# Prints the release of the kernel of $1.
release_of() {
	cat "$1/include/config/kernel.release" 2>/dev/null || true
}

# Prints the version of the compiler that made the Rust metadata of $1, from the metadata itself:
# .config has only that of the compiler that configured the kernel.
made_by() {
	head -c 300 "$1/rust/libcore.rmeta" | LC_ALL=C grep -aoE 'rustc [0-9.]+[^ ]* \([^)]*\)( \([^)]*\))?' |
		head -n 1
}

# Prints what this machine lacks to make Rust metadata, with the names of Debian's packages.
makers_missing() {
	local missing=() sources
	sources=${RUST_LIB_SRC:-$("${RUSTC:-rustc}" --print sysroot 2>/dev/null || true)/lib/rustlib/src/rust/library}
	command -v "${RUSTC:-rustc}" >/dev/null || missing+=(rustc)
	command -v "${BINDGEN:-bindgen}" >/dev/null || missing+=(bindgen)
	[[ -e $sources/core/src/lib.rs ]] || missing+=(rust-src)
	echo "${missing[*]}"
}

# Prints why a module cannot be built against $1, or nothing.
why_not() {
	local release file rustc missing llvm
	release=$(release_of "$1")
	if [[ ! -e $1/.config ]]; then
		echo "$1 is not a kernel build directory: it has no .config"
		return
	elif [[ $(printf '%s\n' 7.2 "$release" | sort -V | head -n 1) != 7.2 ]]; then
		echo "the kernel of $1 is ${release:-not built yet}; mini_pipe needs 7.2 or newer"
		return
	elif ! grep -q '^CONFIG_RUST=y' "$1/.config"; then
		echo "the kernel of $1 was configured without Rust: CONFIG_RUST is not set in its .config"
		return
	fi
	for file in lib{core,kernel,pin_init}.rmeta libmacros.so; do
		[[ -e $1/rust/$file ]] && continue
		echo -n "$1 lacks the Rust metadata, rust/$file: "
		if [[ ! -e $1/rust/kernel/lib.rs ]]; then
			echo "distributions leave it out of their headers packages"
			return
		fi
		missing=$(makers_missing)
		llvm=$(grep -q '^CONFIG_CC_IS_CLANG=y' "$1/.config" && echo " LLVM=1")
		echo "make -C $1$llvm modules_prepare makes it${missing:+, with packages that this machine lacks:}\
${missing:+ apt-get install $missing}"
		return
	done
	rustc=$("${RUSTC:-rustc}" --version 2>/dev/null || true)
	if [[ -z $rustc ]]; then
		echo "there is no rustc here, and the Rust metadata of $1 needs that very $(made_by "$1"): apt-get install rustc"
	elif [[ $rustc != "$(made_by "$1")" ]]; then
		echo "the Rust metadata of $1 was made by $(made_by "$1"), and $(command -v "${RUSTC:-rustc}") is \
$rustc: no other version can read it; install that one, and name it with RUSTC="
	fi
}

case ${1-} in
find)
	[[ -n $(why_not "$running") ]] || echo "$running"
	;;
check)
	dir=${2-$running}
	reason=$(why_not "$dir")
	[[ -n $reason ]] || exit 0
	release=$(release_of "$dir")
	cat >&2 <<-EOF
		$reason.
		What to do, one of:
		  - Use make demo, make test or make vm. They bring their own kernel and need nothing of yours.
		  - If yours is one of Debian's, 7.2 or newer, make its metadata again, and a package with the
		    module for it, or only the module:
		        make deb KERNEL=${release:-$(uname -r)}
		        make KERNEL=${release:-$(uname -r)}
		  - Build a kernel with the options of .config.fragment, and give its directory:
		        make KDIR=/path/to/linux
	EOF
	exit "${3-1}"
	;;
*)
	echo "usage: kdir.sh find | check [DIR [STATUS]]" >&2
	exit 2
	;;
esac
