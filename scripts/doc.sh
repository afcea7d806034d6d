#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the pages of the module's code, private items too, with rustdoc. Fails if a link in the comments
# leads nowhere, or for any other warning.
#
#   doc.sh BUILD DIR    into DIR, with the options that kbuild gave the compiler when it built in BUILD

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

build=$1
out=$2
recorded=$build/.mini_pipe_rs.o.cmd

# rustdoc takes the compiler's options, except those for the output.
command=$(sed -nE 's/^savedcmd_\S+ := (.*) (rustc|clippy-driver) (.*)/\1 rustdoc \3/p' "$recorded" |
	sed -E -e 's/ +;.*//' -e 's/ --emit=\S+//g' -e 's/ --out-dir \S+//')
[[ $command ]] || die "$recorded has no command of the compiler"
rm -rf "$out"
"$scripts/toolbox.sh" run sh -c "cd '$build' && env RUSTC_BOOTSTRAP=1 $command --document-private-items -Dwarnings \
	-Arustdoc::private-intra-doc-links -o '$out'"
