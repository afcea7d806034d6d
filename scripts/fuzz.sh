#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs random programs of calls on mini_pipes in the virtual machine, for DURATION seconds; SEED=n
# is the seed. Programs that reached code in a new way are kept in CORPUS, by default a file of the
# cache, and the next run begins with them. fuzz/README.md says how it works.
#
# If the kernel complains, or a process does not end, the program is made as small as it can be made in
# SHRINK seconds, and is printed as C.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

duration=${DURATION:-60}
seed=${SEED:-$RANDOM}
shrink=${SHRINK:-600}
corpus=${CORPUS:-$cache/corpus}
dir=$top/build/fuzz
triple=x86_64-unknown-linux-gnu
# LibAFL takes minutes to build.
target=$cache/fuzz-$(key_of "$("$scripts/toolbox.sh" key)" "$(cat "$top/fuzz/Cargo.lock")")
fuzzer=$target/$triple/release/mini-pipe-fuzz
channel=$dir/channel
# The part of the channel that has the last programs: see fuzz/src/channel.rs.
last=$((128 * 4096))

# Static, so that it runs in the machine.
build() {
	"$scripts/toolbox.sh" run env CARGO_TARGET_DIR="$target" RUSTFLAGS='-C target-feature=+crt-static' \
		cargo build -q --locked --release --target $triple --manifest-path "$top/fuzz/Cargo.toml"
}

# machine SECONDS COMMAND: runs the command in the machine, with the files corpus and state of $dir.
machine() {
	rm -f "$channel"
	truncate -s 16M "$channel"
	DEVICES="-object memory-backend-file,id=channel,share=on,mem-path=$channel,size=16M \
		-device ivshmem-plain,memdev=channel" APPEND='kasan_multi_shot kmemleak=off' KERNEL=debug LOAD=no \
		LOG=$dir/log TIMEOUT=$1 RUN="./mini-pipe-fuzz $2" ADD="$fuzzer $dir/corpus $dir/state" \
		"$scripts/vm.sh" 2>"$dir/errors"
}

# Prints the lines of the channel that begin with the word $1, without that word.
lines() {
	tail -c +$((last + 1)) "$channel" | tr -d '\0' | sed -n "s/^$1 //p"
}

# Prints the last line of the channel.
last_line() {
	tail -c +$((last + 1)) "$channel" | tr -d '\0' | tail -n 1
}

# Prints the programs that ran last, the last one at the end.
last_programs() {
	head -c $last "$channel" | tr -d '\0' | sort -n | cut -d' ' -f2-
}

# Prints the kernel's first complaint, or the stacks of what hangs.
print_log() {
	grep -m1 -A60 -E 'WARNING:|BUG|Oops|INFO: |sysrq: Show Blocked State|suspicious RCU|corruption|general protection' \
		"$1" | head -n 60
}

# Prints the suspects that are left when time is over, or one program that cannot be made smaller.
shrink_program() {
	local end=$((SECONDS + shrink)) left count first
	{ echo 0; last_programs; } >"$dir/state"
	while left=$((end - SECONDS)) && ((left > 30)); do
		first=end
		if ! machine $left shrink >&2; then
			# The candidate that was tried last has ended the machine, unless time was over.
			first="$(lines trying | tail -n 1) $(lines runs | tail -n 1) take"
			((SECONDS < end)) || first=end
			[[ -z $(last_line | sed -n '/^suspect/p') ]] || first="0 $(lines runs | tail -n 1)"
		fi
		count=$(lines suspects | tail -n 1)
		[[ -z $count ]] || { echo "$first"; lines suspect | tail -n "$count"; } >"$dir/state"
		[[ $first != end && -n $count ]] || break
	done
	tail -n +2 "$dir/state"
}

mkdir -p "$dir" "$(dirname "$corpus")"
build
touch "$corpus"
cp "$corpus" "$dir/corpus"
: >"$dir/state"

echo "$duration seconds on Linux $(cat "$(KERNEL=debug "$scripts/kernel.sh" path)/release"), SEED=$seed," \
	"$(wc -l <"$corpus") programs in the corpus"
status=0
machine $((duration + 180)) "run $duration $seed" || status=$?
lines corpus >"$dir/corpus.new"
# After a crash there is no corpus, so the old one stays.
[[ ! -s $dir/corpus.new ]] || mv "$dir/corpus.new" "$corpus"
lines sum
[[ $status != 0 ]] || exit 0

# After a panic, or an error of the fuzzer itself, the channel has no complaint.
lines complaint | tail -n 1 | grep . || tail -n 3 "$dir/errors"
cp "$dir/log" "$dir/complaint"
print_log "$dir/complaint"
echo "shrinking, for at most $shrink seconds"
shrink_program >"$dir/suspects"
mapfile -t suspects <"$dir/suspects"
if [[ ${#suspects[@]} == 1 ]]; then
	"$fuzzer" print "${suspects[0]}" | tee "$dir/program.c"
else
	echo "the cause is perhaps among the last ${#suspects[@]} programs: $dir/suspects"
fi
die "the kernel complained; its log is $dir/complaint"
