#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# mini-pipe(1), the command. Needs root, the loaded module, and in this directory mini-pipe,
# mini_pipe_preload.so, mini_pipe.ko and ok.sh. dash, cat, sleep, yes and head get mini_pipes.

# shellcheck disable=SC2317 # ok calls the functions.

PATH=$PWD:$PATH
tracefs=/sys/kernel/tracing
mount -t tracefs tracefs "$tracefs"
unset LD_PRELOAD MINI_PIPE_PRELOAD_LOG MINI_PIPE_PRELOAD_STRICT

# shellcheck source=tests/ok.sh
. ./ok.sh

# fails STATUS WORDS COMMAND...: COMMAND prints one line with WORDS, and exits with STATUS.
fails() {
	wanted=$1 words=$2
	shift 2
	"$@" >complaint 2>&1
	status=$?
	cat complaint
	[ "$status" = "$wanted" ] && grep -q "$words" complaint && [ "$(wc -l <complaint)" = 1 ]
}

# wait_for FILE LINE: until it is there.
wait_for() {
	until grep -qx "$2" "$1"; do sleep 0.1; done
}

# One private pipe: sleep has its writing end, and cat sleeps in a read.
start_pipeline() {
	setsid mini-pipe run --strict dash -c 'sleep 1000 | cat' &
	until mini-pipe list --json | grep -q '"command": "cat"'; do sleep 0.1; done
}

end_pipeline() {
	killall sleep cat
	wait
}

run_makes_mini_pipes() {
	mini-pipe run --strict --log dash -c 'echo through | cat' >out 2>err
	cat out err
	[ "$(cat out)" = through ] && [ "$(cat err)" = "mini-pipe: 1 mini_pipe made: 1 by dash" ]
}

program_takes_the_place_of_mini_pipe() {
	[ "$(dash -c 'echo $$; exec mini-pipe run dash -c "echo \$\$"' | uniq -d | wc -l)" = 1 ]
}

run_exits_like_the_program() {
	fails 3 '' mini-pipe run dash -c 'echo; exit 3' &&
		fails 143 'no mini_pipe made' mini-pipe run --log dash -c 'kill $$'
}

# With exec(2), and with a child.
sigpipe_is_passed_on() {
	wanted=$(grep SigIgn /proc/self/status)
	for log in '' --log; do
		# shellcheck disable=SC2086 # No word, if there is no option.
		[ "$(mini-pipe run $log grep SigIgn /proc/self/status)" = "$wanted" ] || return
	done
}

run_passes_on_what_sigpipe_does() {
	sigpipe_is_passed_on && (trap '' PIPE; sigpipe_is_passed_on)
}

run_leaves_closed_files_closed() {
	for log in '' --log; do
		# shellcheck disable=SC2086
		mini-pipe run $log dash -c '[ -e /proc/self/fd/0 ] || [ -e /proc/self/fd/1 ] ||
			[ -e /proc/self/fd/2 ] || exit 7' <&- >&- 2>&-
		[ $? = 7 ] || return
	done
}

run_of_a_script_without_a_shell() {
	printf 'exit 7\n' >script
	chmod +x script
	fails 7 'no mini_pipe made' mini-pipe run --log ./script
}

# Writes to /dev/full fail.
run_needs_no_standard_error() {
	mini-pipe run --log dash -c 'exit 7' 2>/dev/full
	[ $? = 7 ]
}

# passes_sigterm_on MINI-PIPE...: it passes SIGTERM on to the program, and exits like it.
passes_sigterm_on() {
	rm -f started
	"$@" dash -c 'echo | cat; trap "exit 7" TERM; echo >started; while :; do sleep 0.1; done' &
	wait_for started ''
	kill $!
	wait $!
	[ $? = 7 ]
}

run_passes_sigterm_on() {
	mkdir -p folder
	passes_sigterm_on env TMPDIR=folder mini-pipe run --log && [ -z "$(ls folder)" ]
}

# TMPDIR is not absolute, and dash makes the mini_pipe in another folder.
run_finds_its_log_in_any_folder() {
	mkdir -p folder
	TMPDIR=folder mini-pipe run --strict --log dash -c 'cd / && echo | cat' 2>err
	cat err
	[ "$(cat err)" = "mini-pipe: 1 mini_pipe made: 1 by dash" ] && [ -z "$(ls folder)" ]
}

# The first dash ends at once. The second makes a mini_pipe after mini-pipe has removed the log.
run_leaves_no_log_to_those_who_live_on() {
	mkdir -p folder
	rm -f gone made
	TMPDIR=folder mini-pipe run --log dash -c 'dash -c "until [ -e gone ]; do sleep 0.1; done
		echo | cat >made" &'
	touch gone
	wait_for made ''
	[ -z "$(ls folder)" ]
}

# said, to which ok prints, is no program.
run_says_why_a_program_does_not_start() {
	fails 127 'no program nothing' mini-pipe run nothing &&
		fails 126 'said cannot be run: Permission denied' mini-pipe run --log ./said
}

list_shows_who_has_which_end() {
	start_pipeline
	mini-pipe list >listed
	end_pipeline
	cat listed
	grep -Eq '^[0-9]+ +0 +65536 +.* buffered +cat\([0-9]+\) +sleep\([0-9]+\)$' listed
}

list_shows_the_device() {
	mini-pipe list 3<>/dev/mini_pipe >listed
	cat listed
	grep -Eq '^device .* mini-pipe\([0-9]+\) .* mini-pipe\([0-9]+\)$' listed
}

list_is_json() {
	echo hello >/dev/mini_pipe
	mini-pipe list --json 3</dev/mini_pipe >listed
	cat listed
	cat /dev/mini_pipe
	grep -q '"pipe": "/dev/mini_pipe"' listed && grep -q '"bytes": 6' listed &&
		grep -q '"access": "read"' listed
}

list_ends_when_nobody_reads() {
	(sleep 1; mini-pipe list; echo "$?" >status) 2>complaint | true
	wait_for status '[0-9]*'
	cat complaint
	[ "$(cat status)" = 0 ] && [ ! -s complaint ]
}

list_without_standard_output() {
	mini-pipe list >&-
}

list_says_that_its_output_is_closed() {
	fails 1 'standard output cannot be written: Bad file descriptor' list_without_standard_output
}

timeline_shows_both_tasks() {
	mini-pipe timeline -o page.html dash -c 'echo hello | cat' >out 2>said_by || return
	cat out said_by
	[ "$(cat out)" = hello ] && [ "$(grep -c 'page.html: .* tasks, 1 pipe, ' said_by)" = 1 ] &&
		grep -q "class='name' .*>cat</text>" page.html && grep -q "class='name' .*>dash</text>" page.html &&
		grep -q '>write 6</text>' page.html && grep -q '>read 6</text>' page.html
}

timeline_shows_bytes_from_before() {
	echo hello >/dev/mini_pipe
	mini-pipe timeline -o page.html cat /dev/mini_pipe && grep -q '>up to 6 bytes<' page.html
}

timeline_leaves_no_instance() {
	[ -d "$tracefs/instances" ] && [ -z "$(ls "$tracefs/instances")" ]
}

timeline_exits_like_the_program() {
	fails 3 'page.html: ' mini-pipe timeline -o page.html dash -c 'echo | cat >/dev/null; exit 3' &&
		fails 127 'no program nothing' mini-pipe timeline nothing && timeline_leaves_no_instance
}

# kill 0 signals the whole group, as Ctrl-C does.
timeline_shows_an_interrupted_program() {
	fails 130 'page.html: ' setsid mini-pipe timeline -o page.html dash -c 'echo | cat >/dev/null; kill -INT 0' &&
		grep -q '>write 1</text>' page.html && timeline_leaves_no_instance
}

timeline_passes_sigterm_on() {
	passes_sigterm_on mini-pipe timeline -o page.html && grep -q '>write 1</text>' page.html &&
		timeline_leaves_no_instance
}

timeline_of_a_trace() {
	echo 1 >"$tracefs/events/mini_pipe/enable"
	echo hello >/dev/mini_pipe
	cat /dev/mini_pipe
	echo 0 >"$tracefs/events/mini_pipe/enable"
	cat "$tracefs/trace"
	mini-pipe timeline --trace "$tracefs/trace" -o page.html && grep -q '>read 6</text>' page.html
}

timeline_says_that_events_were_lost() {
	echo 1 >"$tracefs/events/mini_pipe/enable"
	echo 4 >"$tracefs/buffer_size_kb"
	mini-pipe run dash -c 'yes | head -c 4000000' >/dev/null
	echo 0 >"$tracefs/events/mini_pipe/enable"
	mini-pipe timeline --trace "$tracefs/trace" -o page.html && grep '[0-9] events were lost' page.html
}

timeline_says_what_to_do() {
	umount "$tracefs"
	fails 125 'tracefs is not mounted: as root, mount' mini-pipe timeline true
	status=$?
	mount -t tracefs tracefs "$tracefs"
	[ "$status" = 0 ] && fails 125 'there is no event of a mini_pipe' mini-pipe timeline true &&
		fails 125 'cannot be written: .*; give another file with -o' \
			mini-pipe timeline -o /nowhere/page dash -c 'echo a | cat >ran' && [ ! -e ran ] &&
		fails 1 'nowhere cannot be read' mini-pipe timeline --trace /nowhere
}

# capacity_is N
capacity_is() {
	mini-pipe list 3<>/dev/mini_pipe | grep -Eq "^device +[0-9]+ +$1 "
}

set_capacity() {
	mini-pipe set /dev/mini_pipe capacity 128K && capacity_is 131072 &&
		mini-pipe set 3 capacity 65536 3<>/dev/mini_pipe && capacity_is 65536
}

set_policy() {
	mini-pipe set /dev/mini_pipe policy rendezvous &&
		mini-pipe list 3<>/dev/mini_pipe | grep -q rendezvous &&
		mini-pipe set 0 policy buffered </dev/mini_pipe &&
		mini-pipe list 3<>/dev/mini_pipe | grep -q buffered
}

set_private_pipe_by_its_path() {
	start_pipeline
	mini-pipe set "/proc/$(pidof cat)/fd/0" capacity 300
	status=$?
	mini-pipe list >listed
	end_pipeline
	cat listed
	[ "$status" = 0 ] && grep -Eq '^[0-9]+ +0 +300 ' listed
}

set_says_what_to_do() {
	echo hello >/dev/mini_pipe
	fails 1 'do not fit into 3: read them first' mini-pipe set /dev/mini_pipe capacity 3 &&
		fails 1 'is in use' mini-pipe set /dev/mini_pipe policy rendezvous
	status=$?
	cat /dev/mini_pipe
	return "$status"
}

set_wants_a_mini_pipe() {
	fails 1 'is not a mini_pipe' mini-pipe set /dev/null capacity 3 &&
		fails 1 'descriptor 77 is not open' mini-pipe set 77 capacity 3 &&
		fails 1 'nowhere does not exist' mini-pipe set /nowhere capacity 3
}

# No `fails`: clap prints several lines.
set_wants_a_size() {
	! mini-pipe set /dev/mini_pipe capacity 2G 2>complaint && grep 'give 1 to 1G bytes' complaint
}

doctor_finds_no_fault() {
	mini-pipe doctor && [ "$(mini-pipe doctor | grep -c '^ok')" = 6 ]
}

doctor_to_full_device() {
	mini-pipe doctor >/dev/full
}

doctor_says_that_its_lines_are_lost() {
	fails 1 'standard output cannot be written: No space left' doctor_to_full_device
}

doctor_says_that_the_module_is_missing() {
	! mini-pipe doctor >found && cat found && grep -q '^FAULT  device   there is no /dev/mini_pipe' found
}

run_without_the_device() {
	fails 125 'there is no /dev/mini_pipe' mini-pipe run --strict dash -c 'echo a | cat' &&
		fails 125 'there is no /dev/mini_pipe' env MINI_PIPE_PRELOAD_STRICT= mini-pipe run true &&
		mini-pipe run dash -c 'echo a | cat' 2>err | grep -qx a && grep 'gets ordinary pipes' err &&
		mini-pipe run dash -c 'echo a | cat' 2>/dev/full | grep -qx a
}

list_without_the_device() {
	mini-pipe list 2>complaint && grep -qx 'mini-pipe: there is no /dev/mini_pipe: sudo modprobe mini_pipe' complaint
}

version_is_that_of_the_module() {
	mini-pipe --version | grep -qx "mini-pipe $(cat /sys/module/mini_pipe/version)"
}

echo "TAP version 13"
for function in version_is_that_of_the_module run_makes_mini_pipes \
	program_takes_the_place_of_mini_pipe run_exits_like_the_program \
	run_passes_on_what_sigpipe_does run_leaves_closed_files_closed run_of_a_script_without_a_shell \
	run_needs_no_standard_error run_passes_sigterm_on run_finds_its_log_in_any_folder \
	run_leaves_no_log_to_those_who_live_on run_says_why_a_program_does_not_start \
	list_shows_who_has_which_end list_shows_the_device list_is_json list_ends_when_nobody_reads \
	list_says_that_its_output_is_closed timeline_shows_both_tasks timeline_shows_bytes_from_before \
	timeline_leaves_no_instance timeline_exits_like_the_program \
	timeline_shows_an_interrupted_program timeline_passes_sigterm_on timeline_of_a_trace \
	timeline_says_that_events_were_lost timeline_says_what_to_do set_capacity set_policy \
	set_private_pipe_by_its_path set_says_what_to_do set_wants_a_mini_pipe set_wants_a_size \
	doctor_finds_no_fault doctor_says_that_its_lines_are_lost; do
	ok $function
done
rmmod mini_pipe
for function in doctor_says_that_the_module_is_missing run_without_the_device list_without_the_device; do
	ok $function
done
insmod mini_pipe.ko
echo "1..$test"
exit $failed
