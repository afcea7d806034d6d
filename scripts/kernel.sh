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

in_new() {
	"$toolbox" run sh -euc "cd '$new'; $1"
}

# The wanted release if it is there, else the newest of its flavour; of those whose source is there, too.
choose_release() {
	in_new "apt-get -qq -o APT::Sandbox::User=root update
		apt-cache pkgnames linux-binary- | sed -n 's/^linux-binary-//p' | sort -rV >releases
		for release in $wanted \$(cat releases); do
			case \$release in *+$flavour) ;; *) continue ;; esac
			version=\$(apt-cache show --no-all-versions linux-binary-\$release | sed -n 's/^Version: //p')
			apt-cache madison linux-source-\${release%.*} | grep -qF \" \$version \" || continue
			echo \$version >version
			echo \$release >release
			break
		done"
}

fetch() {
	local release=$1 package
	package=linux-source-${release%.*}
	in_new "for package in $package linux-binary-$release linux-headers-$release; do
			apt-get -o APT::Sandbox::User=root download \$package=\$(cat version)
		done"
}

unpack() {
	local release=$1
	# The vmlinux of the headers package has the type information that the module's refers to.
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

key=$(key_of "$("$toolbox" key)" "$(declare -f choose_release fetch unpack prepare)")
kernel=$cache/kernel-$wanted-$key
new=$kernel.new

make_kernel() {
	local release
	"$toolbox" make
	[[ ! -d $kernel ]] || return 0
	lock_cache
	[[ ! -d $kernel ]] || return 0
	"$toolbox" run rm -rf "$new"
	mkdir -p "$new"
	step "kernel: which one the archive has" choose_release
	release=$(cat "$new/release" 2>/dev/null || true)
	[[ -n $release ]] || die "the archive has no kernel $wanted, and none of its flavour"
	if [[ $release != "$wanted" ]]; then
		[[ -z ${KERNEL-} ]] || die "the archive has no kernel $KERNEL; the newest of its flavour is $release"
		echo "  kernel: $tested is not in the archive any more; taking the newest, $release" >&2
	fi
	step "kernel: $release and its source, fetched (180 MB)" fetch "$release"
	step "kernel: unpacked" unpack "$release"
	step "kernel: Rust metadata made for it" prepare "$release"
	mv "$new" "$kernel"
}

case ${1-} in
make) make_kernel ;;
path) echo "$kernel" ;;
*) die "usage: kernel.sh make | path" ;;
esac
