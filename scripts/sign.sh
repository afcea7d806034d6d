#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Signs a module, in its place, and prints the signer; docs/signing.md says what for.
#
#   sign.sh MODULE KERNEL KEY CERT    KERNEL is the kernel's directory, whose program signs; KEY is a file
#                                     in the form PEM, CERT one in the form DER or PEM

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

[[ $# == 4 && $3 && $4 ]] || die "usage: make sign KEY=my.key CERT=my.der; docs/signing.md says how to make them"
module=$1
kernel=$2
for file in "$module" "$3" "$4"; do
	[[ -r $file ]] || die "there is no $file that you may read"
done
sign_file=$kernel/source/scripts/sign-file
hash=$(sed -n 's/^CONFIG_MODULE_SIG_HASH="\(.*\)"/\1/p' "$kernel/source/.config")
[[ -x $sign_file && $hash ]] || die "the kernel of $kernel has no module signatures: CONFIG_MODULE_SIG is off"

# The toolbox sees the clone only, and the key may be elsewhere.
work=$(mktemp -d "$top/build/sign.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 700 "$work"
cp "$3" "$work/key"
cp "$4" "$work/cert"
# A module that has a signature is signed anew, without the old one.
"$scripts/toolbox.sh" run sh -euc "if modinfo -F signer '$module' | grep -q .
	then objcopy '$module' '$work/module'
	else cp '$module' '$work/module'
	fi
	'$sign_file' '$hash' '$work/key' '$work/cert' '$work/module'"
mv "$work/module" "$module"
echo "$module: signed by $("$scripts/toolbox.sh" run modinfo -F signer "$module")"
