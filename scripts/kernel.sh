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
#   kernel.sh list      prints the releases in the archive, newest first, each with the version of its
#                       package, or with - if there is no source package of that version
#   kernel.sh path      prints where it is, or will be:
#                         source/   the source, ready for `make M=...`: its KDIR
#                         vmlinuz   the image to boot; for um, linux: the program to run
#                         release   a file with the name of the kernel
#   kernel.sh cross     prints the prefix of the cross compiler's name, or nothing if none is needed
#   kernel.sh kbuild ARGUMENT...   runs make in source/ with the options of that kernel

# shellcheck source=scripts/arch.sh
. "$(dirname "$0")/arch.sh"

# The tested release. If the archive no longer has a release, the newest of its series and flavour is
# used; and for the tested one, the newest of its flavour if there is no other of its series.
tested=7.3.4+deb13-cloud-$arch
name=${KERNEL:-$tested}
wanted=$name
settings=()
case $name in
debug) wanted=$tested ;;
um)
	wanted=$tested
	# Rust code is position independent by default, which UML's module loader does not support.
	# These options are those with which UML's C code is compiled.
	settings=(ARCH=um RUSTFLAGS_MODULE='-Crelocation-model=static -Ccode-model=large')
	;;
esac
flavour=${wanted#*+}
series=${wanted%.*}
if [[ $name != "$wanted" ]]; then
	[[ $arch == amd64 && ! $cross ]] || die "KERNEL=$name is for amd64 only, on a host of that architecture"
fi

toolbox=$scripts/toolbox.sh

in_new() {
	"$toolbox" run sh -euc "cd '$new'; $1"
}

# Runs make in the source in directory $1.
make_in() {
	local dir=$1 compiler=()
	shift
	[[ $name != debug ]] || compiler=(LLVM=1)
	[[ ! $cross ]] || compiler=(ARCH="$kernel_arch" CROSS_COMPILE="$cross")
	"$toolbox" run make -C "$dir/source" -j"$(nproc)" "${compiler[@]}" "$@"
}

# The table that `kernel.sh list` prints.
list_releases() {
	# shellcheck disable=SC2016 # The shell in the toolbox expands it, and awk.
	"$toolbox" run sh -euc 'apt-get -qq -o APT::Sandbox::User=root update
		apt-cache madison $(apt-cache pkgnames linux-binary-; apt-cache pkgnames linux-source-) |
		sed "s/ //g; s/:[^|]*//" | awk -F"|" "
			sub(/^linux-source-/, \"\", \$1) { source[\$1 FS \$2] }
			sub(/^linux-binary-/, \"\", \$1) && /^[0-9]/ { version[\$1] = \$2 }
			END {
				for (release in version) {
					series = release
					sub(/\.[^.]*$/, \"\", series)
					print release, (series FS version[release]) in source ? version[release] : \"-\"
				}
			}" | sort -rV'
}

# Chooses the wanted release, or the newest of its series and flavour, or the newest of its flavour,
# among those with a source package.
choose_release() {
	local release version pattern
	list_releases | awk -v wanted="+$flavour" \
		'$2 != "-" && substr($1, index($1, "+")) == wanted' >"$new/releases"
	for pattern in "^$wanted " "^$series\\." .; do
		grep -m 1 -- "$pattern" "$new/releases" && break
	done >"$new/chosen" || return 0
	read -r release version <"$new/chosen"
	echo "$release" >"$new/release"
	echo "$version" >"$new/version"
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
		mv .config Module.symvers '$new/source/'
		[ ! -e vmlinux ] || mv vmlinux '$new/source/'
		release=$release; echo \"+\${release#*+}\" >'$new/source/localversion-mini_pipe'"
	make_in "$new" olddefconfig modules_prepare
	[[ $(make_in "$new" -s kernelrelease) == "$release" ]]
}

# Prints the exported Rust symbols of the metadata that the stock kernel does not have. Each name has a
# hash of the compiler's version in it.
unknown_symbols() {
	in_new "grep -hoE '\<_R\w+' source/rust/exports_*_generated.h | sort >symbols
		cut -f 2 source/Module.symvers | sort | comm -23 symbols -"
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

recipe=(list_releases choose_release fetch unpack_source)
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
	recipe+=(take_over unknown_symbols)
	asked=
	;;
esac
key=$(key_of "$("$toolbox" key)" "$(declare -f make_in "${recipe[@]}")" "$wanted" "$asked")
kernel=$cache/kernel-$name-$key
new=$kernel.new

# Says so if the release $1 is another than the one that was asked for.
name_release() {
	[[ $1 == "$wanted" ]] || echo "  kernel: the archive no longer has $wanted; using the newest, $1" >&2
}

make_kernel() {
	local release source
	"$toolbox" make
	[[ -d $kernel ]] || lock_cache
	if [[ -d $kernel ]]; then
		[[ $name != "$wanted" ]] || name_release "$(cat "$kernel/release")"
		return
	fi
	"$toolbox" run rm -rf "$new"
	mkdir -p "$new"
	step "kernel: release chosen" choose_release
	release=$(cat "$new/release" 2>/dev/null || true)
	if [[ -z $release ]]; then
		rm -r "$new"
		die "the archive has no kernel $wanted, and no other of its flavour"
	fi
	[[ $release == "$series".* || $wanted == "$tested" ]] ||
		die "the archive has no kernel $wanted, and no other of its series; the newest of its flavour is $release"
	name_release "$release"
	source=linux-source-${release%.*}
	if [[ $name != "$wanted" ]]; then
		step "$name kernel: the source of $release, fetched (170 MB)" fetch "$source"
		step "$name kernel: unpacked" unpack_source
		step "$name kernel: configured" "$configured"
		step "$name kernel: built" "$built"
	else
		step "kernel: $release and its source, fetched (180 MB)" \
			fetch "$source" "linux-binary-$release:$arch" "linux-headers-$release:$arch"
		step "kernel: unpacked" unpack_source
		[[ -e $new/packages/usr/src/linux-headers-$release/vmlinux ]] ||
			echo "  kernel: its headers have no vmlinux; so modules are built without type information (BTF)" >&2
		step "kernel: Rust metadata generated" take_over "$release"
		[[ -z $(unknown_symbols | head -n 1) ]] ||
			die "$release was built with another rustc than the archive has: no module built here would load into it"
	fi
	# In Linux 7.3, the second build of a module writes these files again, in this folder, with
	# the flags for which that module is built. These may be those of another kernel.
	"$toolbox" run sh -c "rm -rf '$new/packages' '$new'/source/rust/kernel/*.rs.S"
	mv "$new" "$kernel"
}

case ${1-} in
make) make_kernel ;;
list)
	"$toolbox" make
	list_releases
	;;
path) echo "$kernel" ;;
cross) echo "$cross" ;;
kbuild)
	shift
	make_in "$kernel" -s "${settings[@]}" "$@"
	;;
*) die "usage: kernel.sh make | list | path | cross | kbuild ARGUMENT..." ;;
esac
