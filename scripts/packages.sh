#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Packages of the distribution that only some commands need, and the toolbox therefore lacks: unpacks
# them, and all that they depend on, into a directory of the cache, unless it is there, and prints its
# name. Their scripts are not run; only the one link that libc6-i386 needs is made.
#
#   packages.sh PACKAGE...

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

packages=$*
toolbox=$scripts/toolbox.sh

# apt believes that nothing is installed, so it fetches all dependencies.
fetch() {
	"$toolbox" run sh -euc "cd '$new'
		mkdir -p fetched/partial
		: >status
		apt-get -qq -o APT::Sandbox::User=root update
		apt-get -y -o APT::Sandbox::User=root -o Dir::State::status='$new/status' \
			-o Dir::Cache::archives='$new/fetched' --no-install-recommends --download-only install $packages"
}

# Documentation and translations stay out.
unpack() {
	"$toolbox" run sh -euc "cd '$new'
		# As in the distribution, /bin and the like are in /usr.
		mkdir tree
		for dir in bin sbin lib lib32 lib64; do ln -s usr/\$dir tree/\$dir; done
		for package in fetched/*.deb; do dpkg-deb -x \"\$package\" tree; done
		[ ! -e tree/lib32 ] || ln -s ../lib32/ld-linux.so.2 tree/usr/lib
		rm -r tree/usr/share/doc
		rm -rf tree/usr/share/info tree/usr/share/lintian tree/usr/share/locale tree/usr/share/man
		mv -T tree '$tree' || [ -d '$tree' ]
		rm -r '$new'"
}

tree=$cache/packages-$(key_of "$("$toolbox" key)" "$packages" "$(declare -f fetch unpack)")
if [[ ! -d $tree ]]; then
	# A directory of its own, so that this need not wait for another make, which may build a kernel.
	mkdir -p "$cache"
	new=$(mktemp -d "$cache/packages.XXXXXX")
	step "packages: $packages" fetch
	step "packages: unpacked" unpack
fi
echo "$tree"
