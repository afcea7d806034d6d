#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests the packages on a running Debian 13 system with systemd, udev and a user alice. This folder
# has the packages; next/ has the same with a higher version; built/ has the modules that DKMS,
# rust-metadata and sign.sh made for the newer kernel. The file releases names the older and the
# newer kernel. The file phase tells how often this script ran before on this disk: 0 with the older
# kernel, 1 with the newer one, 2 with the older one again.

# shellcheck disable=SC2317 # ok calls the functions.

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/ok.sh
. "$here/ok.sh"

export DEBIAN_FRONTEND=noninteractive
cd /tmp || exit
read -r _ new <"$here/releases"
running=$(uname -r)
dmesg -n 8

as_alice() {
	runuser -u alice -- "$@"
}

# installs PACKAGE...: those of this folder.
installs() {
	for package; do
		set -- "$@" "$here/${package}"_*.deb
		shift
	done
	apt-get install -y --allow-downgrades "$@"
}

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1")" = 'ii ' ]
}

# fails_and_says WORDS COMMAND...: the command fails and prints the words.
fails_and_says() {
	words=$1
	shift
	! "$@" >complaint 2>&1
	status=$?
	cat complaint
	[ $status = 0 ] && grep -q "$words" complaint
}

# wait_until COMMAND...: repeats it until it succeeds, for a minute.
wait_until() {
	for _ in $(seq 120); do
		"$@" >waited 2>&1 && return
		sleep 0.5
	done
	cat waited
	return 1
}

# mini_pipe_of READER WRITER: they share a pipe, and READER sleeps.
mini_pipe_of() {
	mini-pipe list | grep -E " 1r +buffered +$1\([0-9]+\) +$2\([0-9]+\)\$"
}

# Starts a process that sleeps in a read from the device.
start_reader() {
	cat /dev/mini_pipe &
	user=$!
	wait_until has_sleeper
}

has_sleeper() {
	mini-pipe list | grep 'device' | grep ' 1r '
}

end_reader() {
	kill "$user"
	wait "$user"
	return 0
}

# All files, except those that change on any running system.
list_files() {
	find / -xdev -regextype posix-extended \
		-regex '/(proc|sys|dev|run|mnt|tmp|var/(tmp|log|cache|backups|lib/(dpkg|apt|systemd)))' -prune -o -print | sort
}

# The users and groups, and the modules that modprobe finds.
list_settings() {
	cat /etc/passwd /etc/group /usr/lib/modules/*/modules.dep
}

installs_the_packages() {
	list_files >/var/tmp/files
	list_settings >/var/tmp/settings
	installs mini-pipe "mini-pipe-modules-$running" mini-pipe-dev &&
		dpkg --audit | wc -l | grep -qx 0
}

installation_loads_no_module() {
	! [ -e /sys/module/mini_pipe ] && fails_and_says 'sudo modprobe mini_pipe' as_alice mini-pipe doctor
}

modprobe_loads_the_module() {
	modprobe mini_pipe && [ "$(modinfo -F version mini_pipe)" = "$(cat /sys/module/mini_pipe/version)" ]
}

versions_agree() {
	[ "$(mini-pipe --version)" = "mini-pipe $(modinfo -F version mini_pipe)" ] &&
		[ "$(dpkg-query -W -f '${Version}' mini-pipe)" = "$(modinfo -F version mini_pipe)" ]
}

udev_gives_the_device_to_the_group() {
	udevadm settle
	stat -c '%a %U %G %F' /dev/mini_pipe | tee /dev/stderr | grep -q '^660 root mini_pipe' &&
		[ "$(getent group mini_pipe | cut -d: -f3)" -lt 1000 ]
}

others_cannot_open_the_device() {
	fails_and_says 'Permission denied' as_alice sh -c 'echo hello >/dev/mini_pipe' &&
		fails_and_says 'usermod -aG mini_pipe alice' as_alice mini-pipe doctor
}

members_of_the_group_can() {
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

# Root sees alice's private pipe, and that its reader sleeps.
lists_pipes_of_other_users() {
	as_alice mini-pipe run sh -c 'sleep 1000 | cat' &
	wait_until mini_pipe_of cat sleep
	status=$?
	mini-pipe list
	pkill -u alice
	wait
	return "$status"
}

# On a terminal of 80 columns. The key q ends it.
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

modprobe_passes_the_parameters() {
	sed -i 's/^#\(options mini_pipe capacity=\).*/\14096/' /etc/modprobe.d/mini-pipe.conf
	modprobe -r mini_pipe && modprobe mini_pipe &&
		[ "$(cat /sys/module/mini_pipe/parameters/capacity)" = 4096 ]
}

# bash loads its completions. There is no zsh here: its file must be what the command prints.
shells_complete() {
	bash -euc '. /usr/share/bash-completion/completions/mini-pipe && complete -p mini-pipe' &&
		mini-pipe completion zsh | cmp - /usr/share/zsh/vendor-completions/_mini-pipe
}

# The version in pkg-config's file is the module's.
dev_has_the_header() {
	grep '^#define MINI_PIPE_IOC_PAIR ' /usr/include/mini_pipe.h &&
		grep -x "Version: $(modinfo -F version mini_pipe)" /usr/share/pkgconfig/mini-pipe.pc
}

# Runs the program that systemd starts at boot. The next phase really boots.
loads_at_boot_if_asked() {
	modprobe -r mini_pipe && /usr/lib/systemd/systemd-modules-load && ! [ -e /sys/module/mini_pipe ] &&
		sed -i 's/^#mini_pipe/mini_pipe/' /etc/modules-load.d/mini-pipe.conf &&
		/usr/lib/systemd/systemd-modules-load && [ -e /sys/module/mini_pipe ]
}

is_loaded_at_boot() {
	[ -e /sys/module/mini_pipe ]
}

is_not_removed_while_in_use() {
	start_reader
	fails_and_says 'mini_pipe is in use: end the programs' apt-get remove -y "mini-pipe-modules-$running"
	status=$?
	find /proc/[0-9]*/fd -lname '*mini_pipe*' | grep "^/proc/$user/" || status=1
	[ -e /sys/module/mini_pipe ] || status=1
	end_reader
	[ $status = 0 ] && installs "mini-pipe-modules-$running" && is_installed "mini-pipe-modules-$running"
}

# change_packages_while_in_use FILE...: installs them while a reader sleeps. The loaded module must
# stay in use.
change_packages_while_in_use() {
	start_reader
	timeout 180 apt-get install -y --allow-downgrades "$@"
	status=$?
	[ "$(cat /sys/module/mini_pipe/refcnt)" -ge 1 ] || status=1
	end_reader
	return $status
}

is_upgraded_while_in_use() {
	change_packages_while_in_use "$here"/next/*.deb && dpkg-query -W -f '${Version}' mini-pipe | grep '+next$' &&
		udev_gives_the_device_to_the_group
}

is_downgraded_while_in_use() {
	change_packages_while_in_use "$here"/mini-pipe_*.deb "$here/mini-pipe-modules-$running"_*.deb && versions_agree &&
		udev_gives_the_device_to_the_group
}

# What phase 0 has configured is kept.
keeps_the_configuration() {
	grep '^options mini_pipe capacity=4096' /etc/modprobe.d/mini-pipe.conf &&
		[ "$(cat /sys/module/mini_pipe/parameters/capacity)" = 4096 ] &&
		id -nG alice | grep -w mini_pipe
}

installs_the_module_of_another_kernel() {
	installs "mini-pipe-modules-$1" && modinfo -k "$1" -F filename mini_pipe
}

removes_the_module_of_another_kernel() {
	dpkg --purge "mini-pipe-modules-$1" && ! modinfo -k "$1" mini_pipe && [ -e /sys/module/mini_pipe ]
}

# The module that DKMS built for this kernel.
loads_what_dkms_built() {
	cp "$here"/built/mini_pipe.ko* . && { ! [ -e mini_pipe.ko.xz ] || xz -d mini_pipe.ko.xz; } &&
		modprobe -r mini_pipe && insmod mini_pipe.ko && echo hello >/dev/mini_pipe &&
		[ "$(cat /dev/mini_pipe)" = hello ] && rmmod mini_pipe
}

# The kernel does not know the key, so it loads the module as one without a signature.
loads_what_is_signed() {
	modprobe -r mini_pipe && insmod "$here/built/signed.ko" && rmmod mini_pipe && modprobe mini_pipe
}

loads_a_sample_of_the_kernel() {
	insmod "$here/built/rust_minimal.ko" && rmmod rust_minimal &&
		dmesg | grep 'rust_minimal: Rust minimal sample (exit)'
}

# Until the next start of the system, no module can be loaded or unloaded.
is_removed_although_the_module_stays() {
	echo 1 >/proc/sys/kernel/modules_disabled
	apt-get remove -y "mini-pipe-modules-$running" && [ -e /sys/module/mini_pipe ] &&
		! modinfo mini_pipe && installs "mini-pipe-modules-$running"
}

# The group's number is free again.
purge_takes_the_device_from_the_group() {
	apt-get purge -y mini-pipe && ! getent group mini_pipe &&
		[ "$(stat -c '%a %U %G' /dev/mini_pipe)" = '600 root root' ] && installs mini-pipe
}

# No module, device or group, and no file, not even one that the administrator has changed.
purge_leaves_nothing() {
	apt-get purge -y mini-pipe mini-pipe-dev "mini-pipe-modules-$running"
	udevadm settle
	! [ -e /sys/module/mini_pipe ] && ! [ -e /dev/mini_pipe ] && list_settings | diff /var/tmp/settings - &&
		list_files | diff /var/tmp/files -
}

# all FUNCTION...: one test for each.
all() {
	for function; do ok "$function"; done
}

echo "TAP version 13"
case $(cat "$here/phase") in
0)
	all installs_the_packages installation_loads_no_module modprobe_loads_the_module versions_agree \
		udev_gives_the_device_to_the_group others_cannot_open_the_device members_of_the_group_can doctor_finds_no_fault \
		runs_a_program lists_pipes_of_other_users top_draws_and_quits modprobe_passes_the_parameters shells_complete \
		dev_has_the_header is_not_removed_while_in_use is_upgraded_while_in_use is_downgraded_while_in_use
	ok installs_the_module_of_another_kernel "$new"
	ok loads_at_boot_if_asked
	;;
1)
	all is_loaded_at_boot versions_agree udev_gives_the_device_to_the_group keeps_the_configuration doctor_finds_no_fault \
		runs_a_program loads_what_dkms_built loads_what_is_signed loads_a_sample_of_the_kernel \
		is_removed_although_the_module_stays
	;;
2)
	all is_loaded_at_boot versions_agree udev_gives_the_device_to_the_group keeps_the_configuration doctor_finds_no_fault \
		runs_a_program
	ok removes_the_module_of_another_kernel "$new"
	all purge_takes_the_device_from_the_group purge_leaves_nothing
	;;
esac
echo "1..$test"
echo "# exit: $failed"
[ "$(cat "$here/phase")" != 2 ] || echo "# all done"
