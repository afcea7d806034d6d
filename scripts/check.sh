#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks of form: rustfmt, clippy, rustdoc, checkpatch, shellcheck and mandoc. It also checks that
# each file of the module uses only files of its layer or of a lower one, and none in a circle; that
# the mutants apply; that CALLS.md agrees with the tests, headers.rs with headers.c, docs/pipe.svg
# with its script, and all versions with CHANGELOG.md; and that the user ABI in uapi/mini_pipe.h has
# not changed.
#
#   check.sh SOURCE BUILD    with the kernel source SOURCE; clippy builds in BUILD

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

source=$1
build=$2
failed=()
toolbox=("$scripts/toolbox.sh" run)

# check NAME COMMAND...
check() {
	local name=$1
	shift
	if "$@"; then
		printf '%-12s ok\n' "$name"
	else
		printf '%-12s FAILED\n' "$name"
		failed+=("$name")
	fi
}

mutants_apply() {
	local patch
	for patch in tests/mutants/{,debug/}*.patch; do git apply --check "$patch" || return; done
}

# CALLS.md has the rows of tests/arguments.c, in their order, and names only tests that exist.
calls_agree() {
	diff <(sed -nE 's/^[A-Z]{7}\((\w+), -?(\w+), -?(\w+),.*/\1: \2, \3/p' tests/arguments.c) \
		<(sed -nE 's/^\|.*\| (\w+)[^|]* \| (\w+)[^|]* \| \W(\w+)\W \|$/\3: \1, \2/p' CALLS.md) &&
		! comm -23 <(sed -nE 's/^\|.*\| \W(\w+)\W \|$/\1/p' CALLS.md | sort) \
			<(sed -nE -e 's/^[A-Z]{7}\((\w+), .*/\1/p' \
				-e 's/^(TEST_F|TEST_F_TIMEOUT|FIXTURE_VARIANT_ADD)\(\w+, (\w+)\W.*/\2/p' tests/*.c | sort) |
		grep .
}

# headers.c asserts each constant that headers.rs and linux_7_2.rs take from the kernel's headers.
headers_agree() {
	diff <(sed -nE -e 's/^pub\(crate\) const (\w+): .* = (1 << )?(\w+);$/\1 \3/p' \
		-e 's/^ *assert!\((size_of::<|offset_of!\()(\w+)\W+(\w*)\W* == ([0-9]+)\);$/\2 \3 \4/p' \
		mini_pipe/sys/{headers,linux_7_2}.rs | sort) \
		<(sed -nE -e 's/^IS_BIT\((\w+), ([0-9]+)\);$/\1 \2/p' \
			-e 's/^static_assert\((\w+) == (\w+)\);$/\1 \2/p' \
			-e 's/^static_assert\((sizeof|offsetof)\(struct (\w+)\W+(\w*)\W* == ([0-9]+)\);$/\2 \3 \4/p' \
			mini_pipe/sys/headers.c | sort)
}

# The picture of the README is the one that its script draws.
picture_is_drawn() {
	python3 scripts/picture.py /dev/stdout | cmp - docs/pipe.svg
}

# compiles FILE WAY...: compiles the file in each way: a language, its version and other options.
compiles() {
	local file=$1 way
	shift
	for way; do
		# shellcheck disable=SC2086 # A way is several words.
		"${toolbox[@]}" clang -Wall -Wextra -Werror -pedantic -fsyntax-only -x $way "$file" || return
	done
}

# The header compiles alone, and tests/uapi.c asserts its numbers and layouts.
uapi_is_fixed() {
	compiles uapi/mini_pipe.h 'c -std=c99' 'c++ -std=c++11' &&
		compiles tests/uapi.c 'c -std=c23' 'c -std=c23 -m32' 'c++ -std=c++11' 'c++ -std=c++11 -m32'
}

# Loom is a feature of the stand-in kernel crate, so it is checked apart.
simulation_is_clean() {
	"${toolbox[@]}" cargo clippy -q --locked -p mini-pipe-sim -p kernel --all-targets -- -Dwarnings &&
		"${toolbox[@]}" cargo clippy -q --locked -p mini-pipe-loom --all-targets -- -Dwarnings
}

# program_is_clean DIR: a program of user space, with the lints of its Cargo.toml.
program_is_clean() {
	"${toolbox[@]}" env CARGO_TARGET_DIR="$top/build/$1" \
		cargo clippy -q --locked --all-targets --manifest-path "$1/Cargo.toml" -- -Dwarnings
}

# The module and the command have the newest version of CHANGELOG.md.
versions_agree() {
	local version
	version=$(scripts/debchangelog.py CHANGELOG.md)
	if ! grep -qF "\"version=$version\\0\"" mini_pipe/device/module.rs ||
		! grep -qx "version = \"$version\"" cli/Cargo.toml; then
		echo "CHANGELOG.md has $version; module.rs or cli/Cargo.toml has another" >&2
		return 1
	fi
}

# The C of all modules, with the additional warnings of W=1 as errors.
modules_are_clean() {
	local dir flags=(W=1 KCFLAGS=-Werror)
	"$scripts/kernel.sh" kbuild M="$top" MO="$top/$build" "${flags[@]}" mini_pipe/sys/{headers,trace}.o || return
	for dir in bench tests/coverage; do
		"$scripts/kernel.sh" kbuild M="$top/$dir" MO="$top/$build/$dir" "${flags[@]}" modules || return
	done
}

# mandoc may only warn that the toolbox lacks the manuals that are referred to.
manual_is_clean() {
	local warnings
	warnings=$("${toolbox[@]}" mandoc -T lint man/*.[14] 2>&1 | grep -v 'referenced manual not found' || true)
	printf '%s' "${warnings:+$warnings$'\n'}"
	[[ -z $warnings ]]
}

# checkpatch runs in the build directory, because it writes a cache (.checkpatch-camelcase.*) into
# the current one. checkpatch wants ENOSYS only for an unknown system call; but a test's seccomp
# filter returns it, too.
sources_are_clean() (
	cd "$build"
	"${toolbox[@]}" "$source/scripts/checkpatch.pl" --strict --no-tree --terse --ignore ENOSYS \
		--summary-file -f "${sources[@]/#/$top/}"
)

cd "$top"
mapfile -t sources < <(git ls-files -co --exclude-standard '*.[ch]' '*.rs')
mapfile -t shell < <(git grep --untracked -lE '^#!.*(ba)?sh$'; echo scripts/lib.sh)

check rustfmt "${toolbox[@]}" rustfmt --check --config-path "$source/.rustfmt.toml" mini_pipe.rs \
	fuzz/build.rs fuzz/src/main.rs cli/src/main.rs
# Warnings are errors. clippy reports only what it compiles, so it starts from an empty directory.
rm -rf "$build"
mkdir -p "$build"
check clippy "$scripts/kernel.sh" kbuild M="$top" MO="$top/$build" CLIPPY=1 KRUSTFLAGS=-Dwarnings mini_pipe_rs.o
check rustdoc "$scripts/doc.sh" "$top/$build" "$top/build/doc"
check cargo-fmt "${toolbox[@]}" cargo fmt --all --check
check cargo-clippy simulation_is_clean
check fuzz program_is_clean fuzz
check command program_is_clean cli
check modules modules_are_clean
check mutants mutants_apply
check calls calls_agree
check headers headers_agree
check graph scripts/graph.py mini_pipe
check picture picture_is_drawn
check versions versions_agree
check uapi uapi_is_fixed
check mandoc manual_is_clean
check checkpatch sources_are_clean
check shellcheck "${toolbox[@]}" shellcheck -x "${shell[@]}"

[[ ${#failed[@]} == 0 ]] || die "failed: ${failed[*]}"
