#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests the packages in build/deb: in the toolbox, what DKMS, rust-metadata and sign.sh make; in a virtual
# machine, on Debian 13 with systemd and udev, what tests/packages.sh does, with the older kernel, with the newer
# one on the same disk, and with the older one again.
#
#   test-packages.sh OLDER NEWER    two releases of the distribution's kernel

# shellcheck source=scripts/arch.sh
. "$(dirname "$0")/arch.sh"

[[ $host_arch == amd64 ]] || die "the machine of make test-packages is for amd64 only"
toolbox=$scripts/toolbox.sh
older=$1
newer=$2
work=$top/build/packages
results=$work/results
log=$work/log
kernel=$(KERNEL=$newer "$scripts/kernel.sh" path)
subjects=(dkms tools installed upgraded downgraded)

# in_copy COMMAND...: runs a command in the toolbox, and throws away what it writes, except in the clone.
in_copy() {
	# shellcheck disable=SC2016 # The shell in the toolbox expands it.
	"$toolbox" run sh -euc 'work=$1
		shift
		mkdir -p "$work/upper" "$work/work" "$work/root"
		mount -t overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" overlay "$work/root"
		for dir in /proc /sys /dev; do mount --rbind "$dir" "$work/root$dir"; done
		for dir in '"'$top' '$cache'"'; do mount --bind "$dir" "$work/root$dir"; done
		exec chroot "$work/root" "$@"' sh "$work/copy" "$@"
}

# ok NAME: passes if the function NAME succeeds.
ok() {
	local status
	tests=$((tests + 1))
	# Not in a condition, because set -e has no effect inside one.
	set +e
	(set -e; "$1") >"$work/said" 2>&1 </dev/null
	status=$?
	set -e
	if [[ $status != 0 ]]; then
		failed=1
		tail -n 12 "$work/said" | sed 's/^/#   /'
		echo -n "not "
	fi
	echo "ok $tests $1"
}

# A sample of the kernel's own, outside of its source.
rust_metadata_builds_a_sample() {
	mkdir -p "$work/sample"
	cp "$kernel/source/samples/rust/rust_minimal.rs" "$work/sample/"
	echo 'obj-m := rust_minimal.o' >"$work/sample/Kbuild"
	scripts/rust-metadata "$newer" "$work/sample"
	cp "$work/sample/rust_minimal.ko" "$work/folder/built/"
}

# make can use the folder like any other kernel directory.
rust_metadata_prints_a_folder() {
	local kdir
	kdir=$(scripts/rust-metadata "$newer")
	"$toolbox" run make -C "$kdir" M="$work/sample" clean
	[[ ! -e $work/sample/rust_minimal.ko ]]
	"$toolbox" run make -C "$kdir" M="$work/sample" modules
	cmp "$work/sample/rust_minimal.ko" "$work/folder/built/rust_minimal.ko"
}

# says WORDS DIR: in the toolbox, kdir.sh fails for DIR, and says the words. The environment may name compilers.
says() {
	local said
	! said=$("$toolbox" run env "${environment[@]}" scripts/kdir.sh check "$2" 2>&1) || return
	echo "$said"
	[[ $said =~ $1 ]]
}

# A line for each thing that may be missing.
check_names_what_is_missing() {
	local kdir=$work/kdir environment=() version
	version=$("$toolbox" run rustc --version)
	mkdir -p "$kdir/include/config" "$kdir/rust/kernel"
	says 'is not a kernel build directory' "$kdir"
	cp "$kernel/source/.config" "$kdir/"
	says 'not built yet; mini_pipe needs 7.2 or newer' "$kdir"
	cp "$kernel/source/include/config/kernel.release" "$kdir/include/config/"
	says "lacks the Rust metadata, .*: distributions leave it out" "$kdir"
	touch "$kdir/rust/kernel/lib.rs"
	says "make -C $kdir modules_prepare makes it." "$kdir"
	environment=(BINDGEN=none RUST_LIB_SRC=/none)
	says 'this machine lacks: apt-get install bindgen rust-src' "$kdir"
	environment=(RUSTC=none)
	says "needs that very ${version%% (*}" "$kernel/source"
	printf '#!/bin/sh\necho "rustc 1.90.0 (1159e78c4 2025-09-14)"\n' >"$work/rustc"
	chmod +x "$work/rustc"
	environment=(RUSTC="$work/rustc")
	says "was made by ${version%% (*} .*is rustc 1.90.0" "$kernel/source"
	"$toolbox" run scripts/kdir.sh check "$kernel/source"
}

# A throw-away key. What is signed again has one signature.
sign_shows_the_signer() {
	local module=$work/signed.ko size
	"$toolbox" run openssl req -new -x509 -newkey rsa:2048 -nodes -days 1 -subj '/CN=Throw-away key/' \
		-addext extendedKeyUsage=codeSigning -keyout "$work/key" -outform DER -out "$work/cert"
	cp "$top/build/$(basename "$kernel")/mini_pipe.ko" "$module"
	"$scripts/sign.sh" "$module" "$kernel" "$work/key" "$work/cert"
	size=$(stat -c %s "$module")
	"$scripts/sign.sh" "$module" "$kernel" "$work/key" "$work/cert" | grep 'signed by Throw-away key$'
	[[ $(stat -c %s "$module") == "$size" ]]
	cp "$module" "$work/folder/built/"
}

sign_names_the_missing_key() {
	local error
	! error=$("$scripts/sign.sh" "$work/signed.ko" "$kernel" "$work/none" "$work/cert" 2>&1) || return
	[[ $error == *"there is no $work/none"* ]]
}

# next_version FILE: the same package, with a higher version.
next_version() {
	"$toolbox" run sh -euc "rm -rf '$work/deb'
		dpkg-deb -R '$1' '$work/deb'
		sed -i '/^Version: /s/\$/+next/' '$work/deb/DEBIAN/control'
		dpkg-deb -Znone -b '$work/deb' '$work/folder/next/'"
}

test_tools() {
	local tests=0 failed=0 name
	echo "# subject: tools"
	for name in check_names_what_is_missing rust_metadata_builds_a_sample rust_metadata_prints_a_folder \
		sign_shows_the_signer sign_names_the_missing_key; do
		ok $name
	done
	echo "1..$tests"
	echo "# exit: $failed"
}

run_tests() {
	local phase releases=("$older" "$newer" "$older") package
	echo "# subject: dkms"
	in_copy "$top/tests/dkms.sh" "$top"/build/deb/mini-pipe-dkms_*.deb "$newer" "$kernel/source" "$older" \
		"$work/folder/built" || true
	"$toolbox" run rm -rf "$work/copy"
	test_tools
	for package in build/deb/mini-pipe_*.deb "build/deb/mini-pipe-modules-${older}"_*.deb; do
		next_version "$package" >&2
	done
	for phase in 0 1 2; do
		echo "# subject: ${subjects[phase + 2]}"
		echo $phase >"$work/folder/phase"
		"$scripts/debian.sh" boot "$work/disk" "${releases[phase]}" "$work/folder" "$log.$phase" || true
	done
}

cd "$top"
"$toolbox" run rm -rf "$work"
mkdir -p "$work"/folder/{built,next}
"$toolbox" add dkms openssl
"$scripts/debian.sh" disk "$work/disk" "$older" "$newer"
cp build/deb/*.deb "$work/folder/"
cp tests/packages.sh "$work/folder/run"
cp tests/ok.sh "$work/folder/"
echo "$older $newer" >"$work/folder/releases"
run_tests | tee "$results"
rm -f "$work"/disk*
cat "$log".? | tr -d '\r' >"$log"
exec "$toolbox" run python3 scripts/ktap.py "$results" "$log" "${subjects[@]}"
