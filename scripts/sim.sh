#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs the core of the module, the very files of mini_pipe/ring and mini_pipe/pipe, in user space under
# schedulers that try many orders of events. Under loom: all orders of the spinner's atomics, with at most
# two preemptions. Under shuttle: random configurations, and small ones, of which the smallest run under
# all schedules. See sim/README.md.
#
#   sim.sh [OPTION]...    the options of mini-pipe-sim, instead of those below
#
# SCHEDULES=n tries at least n random schedules; DURATION=n goes on for n seconds; SEED=n is the seed of
# the first configuration.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

cd "$top"
cargo=("$scripts/toolbox.sh" run cargo --locked)

if [[ $# == 0 ]]; then
	"${cargo[@]}" test -q -p mini-pipe-sim -p kernel --lib
	"${cargo[@]}" test -q -p mini-pipe-loom
	set -- --exhaust 100000 --schedules "${SCHEDULES:-250000}" --duration "${DURATION:-0}" --seed "${SEED:-1}"
fi
"${cargo[@]}" run -q -- "$@"
