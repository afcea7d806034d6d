#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the module and runs the suite on the kernels that it is for: of each series in the archive
# from 7.2 on, the newest plain, cloud and rt kernel for amd64; of the newest series also the plain
# and the cloud kernel, and the one with pages of 16 KiB, for arm64. Writes the results to MATRIX.md
# and, in short, to README.md. The output of each run is in build/matrix.
#
#   matrix.sh
#   KERNELS='RELEASE ...' matrix.sh    tests only these releases

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

dir=$top/build/matrix

# Prints the releases to be tested: $1 is the output of kernel.sh list.
choose() {
	local series one flavour newest
	# Linux 7.2 is the first that has what the module needs of the kernel crate.
	mapfile -t series < <(awk '$2 != "-" { sub(/\.[^.]*\+.*/, "", $1); print $1 }' "$1" | sort -Vu |
		awk '$1 == "7.2" { found = 1 } found')
	newest=${series[-1]}
	for flavour in amd64 cloud-amd64 rt-amd64; do
		for one in "${series[@]}"; do
			newest_of "$1" "$one" "$flavour"
		done
	done
	for flavour in arm64 cloud-arm64 arm64-16k; do
		newest_of "$1" "$newest" "$flavour"
	done
}

# newest_of LIST SERIES FLAVOUR
newest_of() {
	awk -v series="$2." -v wanted="$3" '
		{ flavour = $1; sub(/.*\+[^-]*-/, "", flavour) }
		$2 != "-" && index($1, series) == 1 && flavour == wanted { print $1; exit }' "$1"
}

# Prints the series of which the archive has kernels but no source.
unserved() {
	awk '{ series = $1; sub(/\.[^.]*\+.*/, "", series) }
		$2 != "-" { served[series] = 1 }
		{ all[series] = 1 }
		END { for (series in all) if (!(series in served)) print series }' "$1" | sort -V | paste -sd, | sed 's/,/, /g'
}

# Tests the release $1, and prints its row of the table. The release that the archive had in its place
# is named in the log.
row() {
	local log=$dir/$1.log start=$SECONDS sum used
	make -s -C "$top" test KERNEL="$1" >"$log" 2>&1 && true
	# After a failure, the last line is a message of make.
	sum=$(grep -v '^make' "$log" | tail -n 1)
	used=$(sed -n 's/^  kernel: the archive no longer has .*the newest, //p' "$log")
	if [[ $sum =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
		sum="${BASH_REMATCH[1]} | ${BASH_REMATCH[2]} | ${BASH_REMATCH[4]:-0}"
	else
		sum="not run: ${sum//|/} | | "
	fi
	echo "| ${used:-$1} | $sum | $((SECONDS - start)) s |"
}

# Prints why tests were skipped, and which failed.
details() {
	local release reasons
	for release; do
		reasons=$(sed -nE -e 's/^    skipped  ([0-9]+): (.*)/- skipped, \1: \2/p' -e 's/^    FAILED   /- failed: /p' \
			"$dir/$release.log")
		[[ -z $reasons ]] || printf '\n%s:\n\n%s\n' "$release" "$reasons"
	done
}

rm -rf "$dir"
mkdir -p "$dir"
for arch in amd64 arm64; do ARCH=$arch "$scripts/kernel.sh" list; done >"$dir/list"
read -ra kernels <<<"${KERNELS:-$(choose "$dir/list" | paste -sd' ')}"
start=$SECONDS
commit=$(git -C "$top" describe --always --dirty)
for release in "${kernels[@]}"; do
	printf '  %-66s ' "$release" >&2
	row "$release" | tee -a "$dir/rows" | sed 's/^| [^|]*| //; s/ |$//' >&2
done

{
	echo "| kernel | passed | failed | skipped | took |"
	echo "| --- | --- | --- | --- | --- |"
	cat "$dir/rows"
} >"$dir/table"
cat >"$top/MATRIX.md" <<EOT
# The kernels that mini_pipe was tested on

\`make matrix\` built the module for each of these kernels of Debian's archive and ran \`make test\` on it,
on $(date +%F), within $(((SECONDS - start + 59) / 60)) minutes on $(nproc) processors, of the commit $commit. The time includes making the
kernels' Rust metadata, if they were not in the cache.

$(cat "$dir/table")

A failure is a test that failed, or any report in the kernel's log. Tests are skipped only for the reasons below.
$(details "${kernels[@]}")

The archive has kernels of these series, too, but not their source, from which the Rust metadata is made:
$(unserved "$dir/list").
EOT
sed -i -e '/<!-- matrix -->/,/<!-- end -->/ { /<!--/!d }' -e "/<!-- matrix -->/r $dir/table" "$top/README.md"
! grep -qvE '^\| [^|]* \| [0-9]+ \| 0 \|' "$dir/rows"
