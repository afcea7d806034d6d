#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Makes the pages of docs/timeline by mini-pipe timeline, in the virtual machine: of the scenes in
# scripts/scenes, and of a lost wake-up. For README.md, it also makes pictures of two of them.
#
#   timeline.sh DIR COMMAND    assignment and the library are in DIR; COMMAND is mini-pipe, static

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

export ADD="$top/scripts/scenes $1/assignment $1/mini_pipe_preload.so $2" TOOLS=dash
mutant=build/timeline/mutant
pages=docs/timeline

# Writes the pages on standard input, and prints the rest.
write_pages() {
	awk -v dir=$pages '
		/^# page: / { file = dir "/" $3 ".html"; printf "" >file; next }
		/^# end of page/ { close(file); print "wrote " file; file = ""; next }
		file { print >file; next }
		{ print }'
}

# picture NAME: takes the picture out of a page.
picture() {
	sed -n '/^<svg/,/^<\/svg>/p' "$pages/$1.html" >"$pages/$1.svg"
}

cd "$top"
mkdir -p $pages
RUN="sh scenes" LOG=build/timeline.log "$scripts/vm.sh" | write_pages

rm -rf $mutant
mkdir -p $mutant
cp -r --parents Kbuild mini_pipe.rs mini_pipe $mutant
git apply --directory=$mutant tests/mutants/wake-up-not-handed-on.patch
"$scripts/kernel.sh" kbuild M="$top/$mutant" modules >$mutant/build.log 2>&1 ||
	die "the mutant does not build: $mutant/build.log"
RUN="sh scenes lost" LOG=build/timeline.log MODULE=$mutant/mini_pipe.ko "$scripts/vm.sh" | write_pages

picture asleep
picture lost-wake-up
