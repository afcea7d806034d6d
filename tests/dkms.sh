#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests the package for DKMS on a Debian 13 tree with compilers. scripts/test-packages.sh throws the
# tree away.
#
#   dkms.sh PACKAGE RELEASE KDIR BARE BUILT
#
# /lib/modules gets the kernel RELEASE, whose KDIR has the Rust metadata, and the kernel BARE, whose headers lack
# it. The module that DKMS builds goes to the folder BUILT.

# shellcheck disable=SC2317 # ok calls the functions.

# shellcheck source=tests/ok.sh
. "$(dirname "$0")/ok.sh"

package=$1
release=$2
kdir=$3
bare=$4
built=$5
export DEBIAN_FRONTEND=noninteractive
cd /tmp || exit

# add_bare_kernel RELEASE: the headers of a kernel without Rust metadata.
add_bare_kernel() {
	mkdir -p "/lib/modules/$1/build/include/config"
	cp "$kdir/.config" "/lib/modules/$1/build/"
	echo "$1" >"/lib/modules/$1/build/include/config/kernel.release"
}

modules_of() {
	find "/lib/modules/$1" -name 'mini_pipe.ko*' | grep .
}

version() {
	dpkg-query -W -f '${Version}' mini-pipe-dkms
}

# builds RELEASE: does what DKMS's own hook does for a new kernel.
builds() {
	dkms build -m mini-pipe -v "$(version)" -k "$1"
}

print_log() {
	cat /var/lib/dkms/mini-pipe/*/build/make.log
}

# Installed, although it cannot serve one of the kernels.
is_installed() {
	dpkg -i "$package" || print_log
	[ "$(dpkg-query -W -f '${db:Status-Abbrev}' mini-pipe-dkms)" = 'ii ' ]
}

builds_for_a_kernel_with_metadata() {
	dkms status -m mini-pipe -k "$release" | grep ': installed' && modules_of "$release" &&
		[ "$(modinfo -F version "$(modules_of "$release")")" = "$(version)" ]
}

# apt runs the script when it installs a kernel. It must not fail.
passes_over_a_kernel_without_metadata() {
	/etc/kernel/postinst.d/dkms "$bare" && ! modules_of "$bare"
}

log_says_why() {
	! builds "$bare" || return
	print_log | tee said_why
	grep -q 'lacks the Rust metadata, .*: distributions leave it out of their headers packages\.$' said_why &&
		grep -q "make deb KERNEL=$bare\$" said_why
}

# passes_over RELEASE: BUILD_EXCLUSIVE in dkms.conf rules it out.
passes_over() {
	builds "$1" >passed_over 2>&1
	[ $? = 77 ]
	status=$?
	cat passed_over
	[ $status = 0 ] && grep -q BUILD_EXCLUSIVE passed_over
}

passes_over_kernels_out_of_bounds() {
	add_bare_kernel 7.1.9+deb13-amd64
	add_bare_kernel 7.4.0+deb13-amd64
	passes_over 7.1.9+deb13-amd64 && passes_over 7.4.0+deb13-amd64
}

passes_over_a_kernel_without_rust() {
	add_bare_kernel 7.3.0-no-rust
	sed -i '/^CONFIG_RUST=y/d' /lib/modules/7.3.0-no-rust/build/.config
	passes_over 7.3.0-no-rust
}

# The build fails without a makefile. The log has the command.
uses_llvm_for_a_kernel_of_clang() {
	add_bare_kernel 7.3.0-clang
	ln -s "$kdir/rust" /lib/modules/7.3.0-clang/build/rust
	echo CONFIG_CC_IS_CLANG=y >>/lib/modules/7.3.0-clang/build/.config
	! builds 7.3.0-clang || return
	print_log | grep '^# command: make .*-C /lib/modules/7.3.0-clang/build .*LLVM=1'
}

purge_leaves_nothing() {
	dpkg --purge mini-pipe-dkms && ! modules_of . && ! ls -d /usr/src/mini-pipe* /var/lib/dkms/mini-pipe
}

add_bare_kernel "$bare"
mkdir -p "/lib/modules/$release"
ln -s "$kdir" "/lib/modules/$release/build"
for function in is_installed builds_for_a_kernel_with_metadata passes_over_a_kernel_without_metadata log_says_why \
	passes_over_kernels_out_of_bounds passes_over_a_kernel_without_rust uses_llvm_for_a_kernel_of_clang; do
	ok $function
done
modules_of "$release" | xargs -I{} cp {} "$built"
ok purge_leaves_nothing
echo "1..$test"
echo "# exit: $failed"
