#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes Debian's packages of mini_pipe in build/deb, and checks them with lintian.
#
#   deb.sh DIR...   each DIR is build/NAME with the mini_pipe.ko for a kernel: the module of
#                   mini-pipe-modules-RELEASE

# shellcheck source=scripts/arch.sh
. "$(dirname "$0")/arch.sh"

cd "$top"
toolbox=$scripts/toolbox.sh
maintainer=$(sed -n 's/^Maintainer: //p' debian/control)
version=$("$toolbox" run python3 scripts/debchangelog.py CHANGELOG.md)
out=$top/build/deb
tree=$out/mini-pipe-$version

# Prints the release for which a module was built.
release_of() {
	"$toolbox" run modinfo -F vermagic "$1" | cut -d' ' -f1
}

# Adds the package of the module $1.
add_module() {
	local release script
	release=$(release_of "$1")
	[[ $release == *+*-$host_arch* ]] || die "packages are for kernels of Debian for $host_arch, not for $release"
	sed "s/@REL@/$release/g" debian/modules.control.in >>"$tree/debian/control"
	for script in postinst prerm postrm; do
		sed "s/@REL@/$release/g" debian/modules.$script.in >"$tree/debian/mini-pipe-modules-$release.$script"
	done
	mkdir -p "$tree/debian/built/$release"
	cp "$1" "$tree/debian/built/$release/"
	# Like Debian's own modules, it has no debugging information. But a signed module must
	# stay as it is.
	[[ $("$toolbox" run modinfo -F signer "$1") ]] ||
		"$toolbox" run strip --strip-debug "$tree/debian/built/$release/mini_pipe.ko"
}

make_tree() {
	local dir
	rm -rf "$out"
	mkdir -p "$tree"
	git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$tree"
	"$toolbox" run python3 scripts/debchangelog.py CHANGELOG.md mini-pipe "$maintainer" \
		>"$tree/debian/changelog"
	for dir; do add_module "$dir/mini_pipe.ko"; done
}

# -d: the toolbox has what is needed, but not the C++ of build-essential.
build() {
	"$toolbox" run env -C "$tree" CARGO_TARGET_DIR="$top/build/cli" \
		DEB_BUILD_OPTIONS=noautodbgsym dpkg-buildpackage -d -b -us -uc
}

"$toolbox" add dpkg-dev debhelper dh-dkms lintian
make_tree "$@"
step "packages: built" build
rm -r "$tree"
"$toolbox" run lintian --fail-on error,warning --allow-root "$out"/*.changes
ls -1 "$out"/*.deb
