#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The toolbox: a Debian 13 tree with the compiler that builds Debian's kernels, and with QEMU. The
# host needs only mmdebstrap and debian-archive-keyring, and uidmap for an ordinary user. An
# architecture that is not the host's has a toolbox of its own, with the cross compiler and QEMU for
# it.
#
#   toolbox.sh make           makes the toolbox, unless it exists
#   toolbox.sh remove         removes it, and the rest of the cache
#   toolbox.sh key            prints the key in its name
#   toolbox.sh add PACKAGE... adds packages that only some commands of make need
#   toolbox.sh run COMMAND... runs a command in it, in the current directory; clone and cache have
#                             the same paths as outside, and so has the folder $SHARE

# shellcheck source=scripts/arch.sh
. "$(dirname "$0")/arch.sh"

suite=trixie
packages=(
	# To build the kernel, with Rust.
	rustc rust-src bindgen rustfmt rust-clippy gcc-14 make flex bison bc libelf-dev libssl-dev pahole
	xz-utils cpio kmod python3 libc6-dev
)
if [[ $cross ]]; then
	# busybox is for the machine only. The host's architecture comes first.
	packages+=("gcc-$gnu" "libc6-dev-$arch-cross" "$qemu_package" "busybox-static:$arch")
	architectures=$host_arch,$arch
else
	packages+=(
		# For the debug kernel: KASAN needs the same LLVM for C and for Rust.
		clang lld llvm
		# For the simulation, the coverage and the fuzzer.
		cargo ca-certificates
		# For the checks and the model.
		shellcheck perl spin
		# The virtual machine, its loads, and a check of the manual page.
		"$qemu_package" busybox-static stress-ng rt-tests mandoc
	)
	architectures=$host_arch
fi

# Runs a command as root: an ordinary user gets a user namespace, which maps the subordinate ids.
as_root() {
	local map=()
	[[ $(id -u) == 0 ]] || map=(--map-auto --map-root-user)
	unshare "${map[@]}" --mount --fork --kill-child -- "$@"
}

host_packages() {
	local missing=() sudo=()
	command -v mmdebstrap >/dev/null || missing+=(mmdebstrap)
	[[ -e /usr/share/keyrings/debian-archive-keyring.gpg ]] || missing+=(debian-archive-keyring)
	if [[ $(id -u) != 0 ]]; then
		command -v newuidmap >/dev/null || missing+=(uidmap)
		sudo=(sudo)
	fi
	[[ ${#missing[@]} -gt 0 ]] || return 0
	command -v apt-get >/dev/null ||
		die "this host lacks ${missing[*]} and has no apt-get; install them and run make again"
	if [[ ${#sudo[@]} -gt 0 ]]; then
		command -v sudo >/dev/null ||
			die "this host lacks ${missing[*]}; as root: apt-get install ${missing[*]}"
		echo "  needs sudo once, for: apt-get install ${missing[*]}" >&2
		sudo -v || die "without sudo, have an administrator run: apt-get install ${missing[*]}"
	fi
	# apt-get update may fail for a package list that is not needed.
	step "host: apt-get install ${missing[*]}" "${sudo[@]}" sh -c "apt-get update
		DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${missing[*]}"
}

check_host() {
	[[ $(uname -sm) =~ ^Linux\ (x86_64|aarch64)$ ]] ||
		die "the toolbox is for Linux on x86_64 or aarch64, and this is $(uname -sm); see README.md for your own kernel"
	host_packages
	as_root true ||
		die "this host does not allow a namespace; unshare has printed the reason above. An ordinary user needs \
util-linux 2.38 or newer, a line in /etc/subuid and in /etc/subgid (as root: usermod --add-subuids \
100000-165535 --add-subgids 100000-165535 $(id -un)), and user namespaces (Ubuntu: sysctl \
kernel.apparmor_restrict_unprivileged_userns=0). Root needs CAP_SYS_ADMIN, which a container may lack."
}

bootstrap() {
	local include mode=root
	include=$(IFS=,; echo "${packages[*]}")
	[[ $(id -u) == 0 ]] || mode=unshare
	as_root rm -rf "$box.new"
	# The backports suite, which has the kernel, comes from the same archive as the rest.
	# shellcheck disable=SC2016 # mmdebstrap's shell expands $1, the path of the tree.
	as_root mmdebstrap --mode=$mode --variant=minbase --architectures="$architectures" --include="$include" \
		--customize-hook='sed -n "s/ \([a-z]*\) main/ \1-backports main/p" "$1/etc/apt/sources.list" |
			grep -v -e -updates- -e -security- >"$1/etc/apt/sources.list.d/backports.list"' \
		"$suite" "$box.new"
	mv "$box.new" "$box"
}

key=$(key_of "$suite" "$architectures" "${packages[@]}" "$(declare -f bootstrap)")
box=$cache/toolbox-$key

make_box() {
	[[ ! -d $box ]] || return 0
	check_host
	lock_cache
	[[ -d $box ]] || step "toolbox: Debian $suite with rustc, gcc, clang and QEMU (3 GB)${cross:+, for $arch}" bootstrap
}

# Runs inside the namespace: mounts the directories shared with the host, and enters the tree.
enter() {
	local dir=$PWD shared
	for shared in /proc /sys /dev "$top" "$cache" ${SHARE:+"$SHARE"}; do
		mkdir -p "$box$shared"
		mount --rbind "$shared" "$box$shared"
	done
	# For cargo: the host's name servers, and the certificates that it trusts.
	for shared in /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt; do
		[[ ! -r $shared ]] || cmp -s $shared "$box$shared" || cat $shared >"$box$shared" || true
	done
	exec chroot "$box" /usr/bin/env -i -C "$dir" PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		LANG=C.UTF-8 TERM="${TERM:-dumb}" CARGO_HOME="$cache/cargo" ${http_proxy:+http_proxy="$http_proxy"} \
		${https_proxy:+https_proxy="$https_proxy"} ${no_proxy:+no_proxy="$no_proxy"} \
		KBUILD_BUILD_USER=mini_pipe KBUILD_BUILD_HOST=toolbox "$@"
}

# dpkg-query also succeeds for a package that is not installed, but that another one has named.
has() {
	local states
	# shellcheck disable=SC2016 # dpkg-query expands it.
	states=$("$0" run dpkg-query -W -f '${db:Status-Status}\n' "$@" 2>/dev/null) &&
		[[ $(grep -cx installed <<<"$states") -eq $# ]]
}

# Adds packages to the tree. They stay in it, but are no part of its key. This needs no lock of the
# cache, which another make may hold for long: apt has its own.
add() {
	make_box
	! has "$@" || return 0
	step "toolbox: $*" "$0" run sh -c "apt-get -o APT::Sandbox::User=root update
		apt-get -o APT::Sandbox::User=root -o DPkg::Lock::Timeout=600 -o DPkg::Options::=--force-unsafe-io install -y --no-install-recommends $*"
}

case ${1-} in
make) make_box ;;
add)
	shift
	add "$@"
	;;
remove)
	lock_cache
	as_root rm -rf "$cache"
	;;
key) echo "$key" ;;
run)
	shift
	[[ -d $box ]] || die "there is no toolbox yet; run make setup"
	as_root "$0" enter "$@"
	;;
enter)
	shift
	enter "$@"
	;;
*) die "usage: toolbox.sh make | remove | key | add PACKAGE... | run COMMAND..." ;;
esac
