#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# The toolbox: a Debian 13 tree with the very compiler that Debian's kernels are built with, and with
# QEMU. It needs nothing of the host but mmdebstrap, and uidmap for an ordinary user.
#
#   toolbox.sh make           makes it, if it is not there
#   toolbox.sh remove         removes it, and the rest of the cache
#   toolbox.sh key            prints what it is known by
#   toolbox.sh run COMMAND... runs a command in it, in this directory; the clone and the cache are
#                             where they are outside

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

suite=trixie
packages=(
	# The kernel's build, with Rust.
	rustc rust-src bindgen rustfmt rust-clippy gcc-14 make flex bison bc libelf-dev libssl-dev pahole
	xz-utils cpio kmod python3 libc6-dev
	# The debug kernel's: KASAN wants one LLVM under both its C and its Rust.
	clang lld llvm
	# The checks, and the model's.
	shellcheck perl spin
	# The virtual machine, and loads for it.
	qemu-system-x86 busybox-static stress-ng rt-tests mandoc
)

# As root, and as an ordinary user in a user namespace, which maps the user's subordinate ids.
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
	# A package list that cannot be updated need not be one that matters.
	step "host: apt-get install ${missing[*]}" "${sudo[@]}" sh -c "apt-get update
		DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends ${missing[*]}"
}

check_host() {
	[[ $(uname -s) == Linux && $(uname -m) == x86_64 ]] ||
		die "the toolbox is for Linux on x86_64, and this is $(uname -sm); see README.md for your own kernel"
	host_packages
	as_root true ||
		die "this host does not let you make a namespace; unshare has just said why. An ordinary user needs \
util-linux 2.38 or newer, a line in /etc/subuid and in /etc/subgid (as root: usermod --add-subuids \
100000-165535 --add-subgids 100000-165535 $(id -un)), and user namespaces (Ubuntu: sysctl \
kernel.apparmor_restrict_unprivileged_userns=0). Root needs CAP_SYS_ADMIN, which a container may lack."
}

bootstrap() {
	local include mode=root
	include=$(IFS=,; echo "${packages[*]}")
	[[ $(id -u) == 0 ]] || mode=unshare
	as_root rm -rf "$box.new"
	# The backports suite, where the kernel comes from, is found where mmdebstrap found the rest.
	# shellcheck disable=SC2016 # mmdebstrap's shell puts the tree's path in.
	as_root mmdebstrap --mode=$mode --variant=minbase --include="$include" \
		--customize-hook='sed -n "s/ \([a-z]*\) main/ \1-backports main/p" "$1/etc/apt/sources.list" |
			grep -v -e -updates- -e -security- >"$1/etc/apt/sources.list.d/backports.list"' \
		"$suite" "$box.new"
	mv "$box.new" "$box"
}

key=$(key_of "$suite" "${packages[@]}" "$(declare -f bootstrap)")
box=$cache/toolbox-$key

make_box() {
	[[ ! -d $box ]] || return 0
	check_host
	lock_cache
	[[ -d $box ]] || step "toolbox: Debian $suite with rustc, gcc, clang and QEMU (3 GB)" bootstrap
}

# Runs inside the namespace: puts the places that are shared with the host into the tree, and enters it.
enter() {
	local dir=$PWD place
	for place in /proc /sys /dev "$top" "$cache"; do
		mkdir -p "$box$place"
		mount --rbind "$place" "$box$place"
	done
	cat /etc/resolv.conf >"$box/etc/resolv.conf" 2>/dev/null || true
	exec chroot "$box" /usr/bin/env -i -C "$dir" PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		LANG=C.UTF-8 TERM="${TERM:-dumb}" ${http_proxy:+http_proxy="$http_proxy"} \
		KBUILD_BUILD_USER=mini_pipe KBUILD_BUILD_HOST=toolbox "$@"
}

case ${1-} in
make) make_box ;;
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
*) die "usage: toolbox.sh make | remove | key | run COMMAND..." ;;
esac
