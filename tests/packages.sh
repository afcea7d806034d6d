#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The packages on a Debian 13 system that runs: systemd, udev, and a user alice. This folder has the
# packages, and these files: phase, how often it ran before on this disk; releases, the older and the
# newer kernel; built/, modules that DKMS and rust-metadata have built for the newer one.

# shellcheck disable=SC2317 # ok calls the functions.

here=$(cd "$(dirname "$0")" && pwd)
export DEBIAN_FRONTEND=noninteractive
cd /tmp || exit
test=0
failed=0
read -r old new <"$here/releases"
running=$(uname -r)
dmesg -n 8

# ok NAME [ARGUMENT...]: passes if the function NAME succeeds.
ok() {
	test=$((test + 1))
	if ! "$@" >said 2>&1; then
		failed=1
		sed 's/^/#   /' said
		printf 'not '
	fi
	echo "ok $test $1"
}

as_alice() {
	runuser -u alice -- "$@"
}

# installs PACKAGE...: from this folder, with what they depend on.
installs() {
	for package; do
		set -- "$@" "$here/${package}"_*.deb
		shift
	done
	apt-get install -y --no-download "$@"
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1")" = 'ii ' ]
}

# says WORDS COMMAND...: the command fails and prints the words.
says() {
	words=$1
	shift
	! "$@" >complaint 2>&1
	status=$?
	cat complaint
	[ $status = 0 ] && grep -q "$words" complaint
}

# wait_until COMMAND...: until it succeeds, for a minute.
wait_until() {
	for _ in $(seq 120); do
		"$@" && return
		sleep 0.5
	done
	mini-pipe list
	return 1
}

# mini_pipe_of READER WRITER: there is a pipe with one sleeping reader.
mini_pipe_of() {
	mini-pipe list | grep -E " 1r +buffered +$1\([0-9]+\) +$2\([0-9]+\)\$"
}

# A process that has the device open, until end_user.
start_user() {
	cat /dev/mini_pipe &
	user=$!
}

end_user() {
	kill "$user"
	wait "$user"
	return 0
}

installs_the_packages() {
	installs mini-pipe "mini-pipe-modules-$running" mini-pipe-dev &&
		dpkg --audit | wc -l | grep -qx 0
}

is_not_loaded_unless_asked_for() {
	! [ -e /sys/module/mini_pipe ] && says 'sudo modprobe mini_pipe' as_alice mini-pipe doctor
}

modprobe_loads_it() {
	modprobe mini_pipe && [ "$(modinfo -F version mini_pipe)" = "$(cat /sys/module/mini_pipe/version)" ]
}

versions_agree() {
	[ "$(mini-pipe --version)" = "mini-pipe $(modinfo -F version mini_pipe)" ] &&
		[ "$(dpkg-query -W -f '${Version}' mini-pipe)" = "$(modinfo -F version mini_pipe)" ]
}

udev_gives_it_to_the_group() {
	udevadm settle
	stat -c '%a %U %G %F' /dev/mini_pipe | tee /dev/stderr | grep -q '^660 root mini_pipe' &&
		[ "$(getent group mini_pipe | cut -d: -f3)" -lt 1000 ]
}

others_may_not_open_it() {
	says 'Permission denied' as_alice sh -c 'echo hello >/dev/mini_pipe' &&
		says 'usermod -aG mini_pipe alice' as_alice mini-pipe doctor
}

members_of_the_group_may() {
	usermod -aG mini_pipe alice
	as_alice sh -c 'echo hello >/dev/mini_pipe' && [ "$(as_alice cat /dev/mini_pipe)" = hello ]
}

doctor_finds_no_fault() {
	as_alice mini-pipe doctor
}

runs_a_program() {
	as_alice mini-pipe run --strict --log bash -c 'seq 10000 | sort -n | tail -n 1' >out 2>err
	cat out err
	[ "$(cat out)" = 10000 ] && grep -q '^mini-pipe: 2 mini_pipes made: 2 by bash' err
}

# Root sees alice's private pipe in debugfs, with who sleeps.
lists_pipes_of_other_users() {
	as_alice mini-pipe run sh -c 'sleep 1000 | cat' &
	wait_until mini_pipe_of cat sleep
	status=$?
	pkill -u alice
	wait
	return "$status"
}

# On a terminal of 80 columns. It quits by the key q, and leaves the terminal as it was.
top_draws_and_quits() {
	: >screen
	{
		wait_until grep -q 'q quit' screen >&2
		printf q
	} | script -qefc 'stty rows 24 cols 80; mini-pipe top' screen >/dev/null
	status=$?
	cat -v screen
	[ $status = 0 ] && grep -q 'by IN/s' screen && grep -q device screen
}

modprobe_has_the_parameters() {
	sed -i 's/^#\(options mini_pipe capacity=\).*/\14096/' /etc/modprobe.d/mini-pipe.conf
	modprobe -r mini_pipe && modprobe mini_pipe &&
		[ "$(cat /sys/module/mini_pipe/parameters/capacity)" = 4096 ]
}

# A shell completes with it.
bash_completes() {
	bash -c '. /usr/share/bash-completion/completions/mini-pipe && complete -p mini-pipe'
}

is_not_removed_while_in_use() {
	start_user
	says 'mini_pipe is in use' dpkg --remove "mini-pipe-modules-$running"
	status=$?
	[ -e /sys/module/mini_pipe ] || status=1
	end_user
	dpkg --configure -a
	[ $status = 0 ] && installs "mini-pipe-modules-$running" && is_installed "mini-pipe-modules-$running"
}

# The module that is loaded stays, and its users with it.
is_upgraded_while_in_use() {
	start_user
	dpkg -i "$here"/mini-pipe_*.deb "$here"/mini-pipe-modules-"$running"_*.deb
	status=$?
	[ "$(cat /sys/module/mini_pipe/refcnt)" -ge 1 ] || status=1
	end_user
	[ $status = 0 ] && udev_gives_it_to_the_group
}

# What the administrator has written stays.
keeps_the_configuration() {
	grep -q '^options mini_pipe capacity=4096' /etc/modprobe.d/mini-pipe.conf &&
		[ "$(cat /sys/module/mini_pipe/parameters/capacity)" = 4096 ] &&
		id -nG alice | grep -qw mini_pipe
}

installs_the_module_of_another_kernel() {
	installs "mini-pipe-modules-$1" && modinfo -k "$1" -F filename mini_pipe
}

removes_the_module_of_another_kernel() {
	dpkg --purge "mini-pipe-modules-$1" && ! modinfo -k "$1" mini_pipe && [ -e /sys/module/mini_pipe ]
}

# loads_module_of HOW MODULE: one that was built in that way.
loads_what_dkms_built() {
	modprobe -r mini_pipe
	insmod "$here/built/mini_pipe.ko" && echo hello >/dev/mini_pipe && [ "$(cat /dev/mini_pipe)" = hello ] &&
		rmmod mini_pipe && modprobe mini_pipe
}

loads_a_sample_of_the_kernel() {
	insmod "$here/built/rust_minimal.ko" && rmmod rust_minimal &&
		dmesg | grep 'rust_minimal: Rust minimal sample (exit)'
}

purge_leaves_nothing() {
	dpkg --purge mini-pipe mini-pipe-dev "mini-pipe-modules-$running"
	udevadm settle
	! [ -e /sys/module/mini_pipe ] && ! [ -e /dev/mini_pipe ] && ! getent group mini_pipe &&
		! find / -xdev \( -path /proc -o -path /sys -o -path /mnt -o -path /tmp \) -prune -o \
			-name '*mini[-_]pipe*' -print | grep .
}

phase=$(cat "$here/phase")
echo "# subject: $running"
echo "TAP version 13"
if [ "$phase" = 0 ]; then
	for function in installs_the_packages is_not_loaded_unless_asked_for modprobe_loads_it versions_agree \
		udev_gives_it_to_the_group others_may_not_open_it members_of_the_group_may doctor_finds_no_fault \
		runs_a_program lists_pipes_of_other_users top_draws_and_quits modprobe_has_the_parameters bash_completes \
		is_not_removed_while_in_use is_upgraded_while_in_use; do
		ok $function
	done
	[ "$new" = "$running" ] || ok installs_the_module_of_another_kernel "$new"
else
	ok modprobe_loads_it
	for function in udev_gives_it_to_the_group keeps_the_configuration doctor_finds_no_fault runs_a_program; do
		ok $function
	done
	ok removes_the_module_of_another_kernel "$old"
fi
if [ "$new" = "$running" ]; then
	ok loads_what_dkms_built
	ok loads_a_sample_of_the_kernel
	ok purge_leaves_nothing
fi
echo "1..$test"
echo "# exit: $failed"
[ "$new" != "$running" ] || echo "# all done"
