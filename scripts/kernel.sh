#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel directory: a stock kernel of the distribution, and what a Rust module for it is built
# against. Debian's headers package lacks the Rust metadata, so they are made again: the same source,
# configuration and compiler give the same symbol names.
#
#   kernel.sh make    makes it, if it is not there, for the release KERNEL or the one that is tested
#   kernel.sh path    prints where it is, or will be:
#                       source/   the source, ready for `make M=...`: its KDIR
#                       vmlinuz   the image to boot
#                       release   a file that names the kernel

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# What the project is tested with. If the archive has it no more, the newest of its flavour is taken.
tested=7.3.4+deb13-cloud-amd64
wanted=${KERNEL:-$tested}
flavour=${wanted#*+}

toolbox=$scripts/toolbox.sh
key=$(key_of "$("$toolbox" key)" "$(cat "${BASH_SOURCE[0]}")")
kernel=$cache/kernel-$wanted-$key
new=$kernel.new

in_new() {
	"$toolbox" run sh -euc "cd '$new' && $1"
}

choose_release() {
	in_new "apt-get -qq -o APT::Sandbox::User=root update
		apt-cache pkgnames linux-binary- | sed -n 's/^linux-binary-//p' >releases
		grep -Fx '$wanted' releases >release ||
			grep -E '^[0-9.]+[+]$flavour\$' releases | sort -V | tail -n 1 >release"
}

fetch() {
	local release=$1 version=${1%.*}
	in_new "apt-get -o APT::Sandbox::User=root download linux-source-$version \
		linux-binary-$release linux-modules-$release linux-headers-$release linux-base-$release"
}

unpack() {
	local release=$1
	in_new "mkdir -p packages source
		for package in *.deb; do dpkg-deb -x \"\$package\" packages; rm \"\$package\"; done
		tar -xf packages/usr/src/linux-source-*.tar.xz -C source --strip-components=1
		mv packages/usr/lib/modules/$release/vmlinuz vmlinuz
		cd packages/usr/src/linux-headers-$release
		mv .config Module.symvers vmlinux '$new/source/'
		cd '$new'
		rm -r packages
		release=$release; echo \"+\${release#*+}\" >source/localversion-mini_pipe"
}

prepare() {
	local release=$1
	in_new "make -C source -j$(nproc) olddefconfig modules_prepare
		made=\$(make -s -C source kernelrelease)
		test \"\$made\" = $release || { echo \"made \$made instead of $release\"; exit 1; }"
}

make_kernel() {
	local release
	[[ ! -d $kernel ]] || return 0
	"$toolbox" make
	lock_cache
	[[ ! -d $kernel ]] || return 0
	"$toolbox" run rm -rf "$new"
	mkdir -p "$new"
	step "kernel: which one the archive has" choose_release
	release=$(cat "$new/release")
	[[ -n $release ]] || die "the archive has no kernel $wanted, and none of its flavour"
	if [[ $release != "$wanted" ]]; then
		[[ -z ${KERNEL-} ]] || die "the archive has no kernel $KERNEL; the newest of its flavour is $release"
		echo "  kernel: $tested is not in the archive any more; taking the newest, $release" >&2
	fi
	step "kernel: $release and its source, fetched (210 MB)" fetch "$release"
	step "kernel: unpacked" unpack "$release"
	step "kernel: Rust metadata made for it" prepare "$release"
	mv "$new" "$kernel"
}

case ${1-} in
make) make_kernel ;;
path) echo "$kernel" ;;
*) die "usage: kernel.sh make | path" ;;
esac
