#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel directory: a kernel for the virtual machine, and the files to build a Rust module
# against it. By default it is a stock kernel of the distribution. Debian's headers package lacks
# the Rust metadata, so they are generated again: the same source, configuration and compiler give
# the same symbol names. KERNEL=debug is the debug kernel, built from the same source with
# .config.debug. KERNEL=um is User-Mode Linux (ARCH=um), a program that runs at the speed of the
# host's processor, with .config.um.
#
#   kernel.sh make      makes it, unless it exists, for the release KERNEL or the tested one
#   kernel.sh path      prints where it is, or will be:
#                         source/   the source, ready for `make M=...`: its KDIR
#                         vmlinuz   the image to boot; for um, linux: the program to run
#                         release   a file with the name of the kernel
#   kernel.sh kbuild ARGUMENT...   runs make in source/ with the options of that kernel

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

# The tested release. If the archive no longer has it, the newest of its flavour is used.
tested=7.3.4+deb13-cloud-amd64
name=${KERNEL:-$tested}
wanted=$name
settings=()
case $name in
debug) wanted=$tested ;;
um)
	wanted=$tested
	# Rust code is position independent by default, which UML's module loader does not support;
	# its C code is compiled as here.
	settings=(ARCH=um RUSTFLAGS_MODULE='-Crelocation-model=static -Ccode-model=large')
	;;
esac
flavour=${wanted#*+}

toolbox=$scripts/toolbox.sh

in_new() {
	"$toolbox" run sh -euc "cd '$new'; $1"
}

# Runs make in the source in directory $1.
make_in() {
	local dir=$1 llvm=()
	shift
	[[ $name != debug ]] || llvm=(LLVM=1)
	"$toolbox" run make -C "$dir/source" -j"$(nproc)" "${llvm[@]}" "$@"
}

# Chooses the wanted release, or the newest of its flavour, among those with a source package.
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

# Fetches and unpacks the named packages.
fetch() {
	in_new "mkdir -p packages
		for package in $*; do
			apt-get -o APT::Sandbox::User=root download \$package=\$(cat version)
		done
		for package in *.deb; do dpkg-deb -x \"\$package\" packages; rm \"\$package\"; done"
}

unpack_source() {
	in_new "mkdir -p source
		tar -xf packages/usr/src/linux-source-*.tar.xz -C source --strip-components=1"
}

# The stock kernel: its image, configuration and symbols are the distribution's.
take_over() {
	local release=$1
	# The vmlinux of the headers package has the type information to which the module's refers.
	in_new "mv packages/usr/lib/modules/$release/vmlinuz vmlinuz
		cd packages/usr/src/linux-headers-$release
		mv .config Module.symvers vmlinux '$new/source/'
		release=$release; echo \"+\${release#*+}\" >'$new/source/localversion-mini_pipe'"
	make_in "$new" olddefconfig modules_prepare
	[[ $(make_in "$new" -s kernelrelease) == "$release" ]]
}

# Prints the options that the debug kernel must have, and those that it must not have.
options() {
	grep -hE '^(# )?CONFIG_' "$top/.config.fragment" "$top/.config.debug"
}

configure() {
	local missing unwanted
	options >"$new/options"
	make_in "$new" tinyconfig
	in_new "cd source && scripts/kconfig/merge_config.sh -m .config ../options"
	make_in "$new" olddefconfig
	missing=$(options | grep '=' | grep -vxFf "$new/source/.config" || true)
	unwanted=$(options | sed -n 's/^# \(.*\) is not set$/^\1=/p' | grep -f - "$new/source/.config" || true)
	[[ -z $missing$unwanted ]] || { echo "lost: $missing; there: $unwanted"; exit 1; }
	echo "-mini-pipe-debug" >"$new/source/localversion-mini_pipe"
}

build() {
	make_in "$new" bzImage modules
	in_new "mv source/arch/x86/boot/bzImage vmlinuz"
	make_in "$new" -s kernelrelease >"$new/release"
}

options_um() {
	grep -hE '^(# )?CONFIG_' "$top/.config.fragment" "$top/.config.um"
}

configure_um() {
	local missing
	options_um >"$new/options"
	make_in "$new" ARCH=um KCONFIG_ALLCONFIG=../options allnoconfig
	missing=$(options_um | grep '=' | grep -vxFf "$new/source/.config" || true)
	[[ -z $missing ]] || { echo "lost: $missing"; exit 1; }
	echo "-mini-pipe-um" >"$new/source/localversion-mini_pipe"
}

build_um() {
	make_in "$new" ARCH=um linux modules
	in_new "mv source/linux linux"
	make_in "$new" ARCH=um -s kernelrelease >"$new/release"
}

recipe=(choose_release fetch unpack_source)
case $name in
debug)
	configured=configure built=build
	recipe+=(options configure build)
	asked=$(options)
	;;
um)
	configured=configure_um built=build_um
	recipe+=(options_um configure_um build_um)
	asked=$(options_um)
	;;
*)
	recipe+=(take_over)
	asked=$wanted
	;;
esac
key=$(key_of "$("$toolbox" key)" "$(declare -f make_in "${recipe[@]}")" "$asked")
kernel=$cache/kernel-$name-$key
new=$kernel.new

make_kernel() {
	local release source
	"$toolbox" make
	[[ ! -d $kernel ]] || return 0
	lock_cache
	[[ ! -d $kernel ]] || return 0
	"$toolbox" run rm -rf "$new"
	mkdir -p "$new"
	step "kernel: release chosen" choose_release
	release=$(cat "$new/release" 2>/dev/null || true)
	[[ -n $release ]] || die "the archive has no kernel $wanted, and no other of its flavour"
	if [[ $release != "$wanted" ]]; then
		[[ -z ${KERNEL-} || $name != "$wanted" ]] ||
			die "the archive has no kernel $KERNEL; the newest of its flavour is $release"
		echo "  kernel: the archive no longer has $tested; using the newest, $release" >&2
	fi
	source=linux-source-${release%.*}
	if [[ $name != "$wanted" ]]; then
		step "$name kernel: the source of $release, fetched (170 MB)" fetch "$source"
		step "$name kernel: unpacked" unpack_source
		step "$name kernel: configured" "$configured"
		step "$name kernel: built" "$built"
	else
		step "kernel: $release and its source, fetched (180 MB)" \
			fetch "$source" "linux-binary-$release" "linux-headers-$release"
		step "kernel: unpacked" unpack_source
		step "kernel: Rust metadata generated" take_over "$release"
	fi
	"$toolbox" run rm -r "$new/packages"
	mv "$new" "$kernel"
}

case ${1-} in
make) make_kernel ;;
path) echo "$kernel" ;;
kbuild)
	shift
	make_in "$kernel" -s "${settings[@]}" "$@"
	;;
*) die "usage: kernel.sh make | path | kbuild ARGUMENT..." ;;
esac
