#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Writes what language servers read, for the kernel and the toolbox of the virtual machine:
#
#   editor.sh rust BUILD   rust-project.json, for rust-analyzer
#   editor.sh c BUILD      compile_commands.json, for clangd
#
# BUILD is where kbuild has built the module, and in its folder bench the modules of bench/.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

what=${1-}
build=$(realpath "${2-}")
toolbox=("$scripts/toolbox.sh" run)
box=$cache/toolbox-$("$scripts/toolbox.sh" key)
kernel=$("$scripts/kernel.sh" path)
source=$kernel/source

rust() {
	"$scripts/kernel.sh" kbuild M="$top" MO="$build" rust-analyzer
	"${toolbox[@]}" python3 scripts/editor.py rust "$box" "$build/rust-project.json"
}

# Prints what make would do.
dry_run() {
	"${toolbox[@]}" make -nB "$@"
}

c() {
	"${toolbox[@]}" python3 "$source/scripts/clang-tools/gen_compile_commands.py" -d "$build" \
		-o "$build/compile_commands.json" "$build" "$build/bench"
	{
		dry_run -C tests O="$top/build/tests" KSELFTEST="$source/tools/testing/selftests" all dropin
		dry_run -C bench O="$top/build/bench"
	} | "${toolbox[@]}" python3 scripts/editor.py c "$box" "$build/compile_commands.json"
}

cd "$top"
case $what in
rust) rust >rust-project.json ;;
c) c >compile_commands.json ;;
*) die "usage: editor.sh rust | c BUILD" ;;
esac
