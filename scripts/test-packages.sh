#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests the packages in build/deb: on the host, what DKMS, rust-metadata and make sign build; in a virtual
# machine, on Debian 13 with systemd and udev, what tests/packages.sh does, first with the older kernel, then
# with the newer one on the same disk.
#
#   test-packages.sh OLDER NEWER    two releases of the distribution's kernels; they may be the same

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

toolbox=$scripts/toolbox.sh
old=$1
new=$2
work=$top/build/packages
results=$work/results
log=$work/log
kernel=$(KERNEL=$new "$scripts/kernel.sh" path)

# Prints a result of a test on the host.
passed() {
	echo "ok - $1"
}

# build_by_dkms KDIR: builds the module of the package for the kernel of KDIR, into $work/dkms.
build_by_dkms() {
	local version
	version=$("$toolbox" run python3 scripts/debchangelog.py CHANGELOG.md)
	rm -rf "$work/dkms"
	mkdir -p "$work"/dkms/{tree,"modules/$new"}
	ln -s "$1" "$work/dkms/modules/$new/build"
	"$toolbox" run sh -euc "cd '$work/dkms'
		dpkg-deb -x '$top'/build/deb/mini-pipe-dkms_*.deb root
		dkms install --no-depmod --dkmstree '$work/dkms/tree' --sourcetree '$work/dkms/root/usr/src' \
			--installtree '$work/dkms/modules' --kernelsourcedir '$1' -k '$new' -m mini-pipe -v '$version'"
}

# DKMS builds for a kernel with metadata, and says in its log why it does not for one without.
test_dkms() {
	local kdir=$work/headers
	build_by_dkms "$kernel/source" >"$work/dkms.log" 2>&1 || { cat "$work/dkms.log"; die "DKMS does not build the module"; }
	find "$work/dkms/modules" -name 'mini_pipe.ko*' -exec cp {} "$work/folder/built/" \;
	! ls "$work"/folder/built/*.xz >/dev/null 2>&1 || "$toolbox" run xz -d "$work"/folder/built/*.xz
	passed dkms_builds_for_a_kernel_with_metadata
	mkdir -p "$kdir/include/config"
	cp "$kernel/source/.config" "$kdir/"
	echo "$new" >"$kdir/include/config/kernel.release"
	! build_by_dkms "$kdir" >"$work/dkms.log" 2>&1 || die "DKMS builds without metadata"
	grep -rq 'lacks the Rust metadata' "$work/dkms/tree" || { cat "$work/dkms.log"; die "DKMS does not say why"; }
	passed dkms_says_that_the_metadata_is_missing
}

# A sample of the kernel's own, outside of its source.
test_metadata() {
	mkdir -p "$work/sample"
	cp "$kernel/source/samples/rust/rust_minimal.rs" "$work/sample/"
	echo 'obj-m := rust_minimal.o' >"$work/sample/Kbuild"
	scripts/rust-metadata "$new" "$work/sample" >/dev/null
	cp "$work/sample/rust_minimal.ko" "$work/folder/built/"
	passed rust_metadata_builds_a_sample
}

# A throw-away key.
test_signature() {
	"$toolbox" run openssl req -new -x509 -newkey rsa:2048 -nodes -days 1 -subj '/CN=Throw-away key/' \
		-keyout "$work/key" -out "$work/cert" 2>/dev/null
	cp "$top/build/$(basename "$kernel")/mini_pipe.ko" "$work/signed.ko"
	"$scripts/sign.sh" "$work/signed.ko" "$kernel" "$work/key" "$work/cert" >/dev/null
	"$scripts/sign.sh" "$work/signed.ko" "$kernel" "$work/key" "$work/cert" |
		grep -q 'signed by Throw-away key$' || die "modinfo does not show the signer"
	passed make_sign_signs
}

cd "$top"
rm -rf "$work"
mkdir -p "$work/folder/built"
"$toolbox" add dkms openssl
test_dkms
test_metadata
test_signature

releases=("$old")
[[ $new == "$old" ]] || releases+=("$new")
"$scripts/debian.sh" disk "$work/disk" "${releases[@]}"
cp build/deb/*.deb "$work/folder/"
cp tests/packages.sh "$work/folder/run"
echo "$old $new" >"$work/folder/releases"
phase=0
for release in "${releases[@]}"; do
	echo $phase >"$work/folder/phase"
	"$scripts/debian.sh" boot "$work/disk" "$release" "$work/folder" "$log.$phase" || true
	phase=$((phase + 1))
done | tee "$results"
rm -f "$work"/disk*
cat "$log".* >"$log"
exec "$toolbox" run python3 scripts/ktap.py "$results" "$log" "${releases[@]}"
