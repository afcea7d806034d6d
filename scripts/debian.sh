#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
#
# A Debian 13 system in a virtual machine: systemd, udev and the distribution's own kernels, on a disk.
#
#   debian.sh disk FILE RELEASE...   makes FILE, a disk with a new system that has these kernels
#   debian.sh boot FILE RELEASE FOLDER LOG   boots it with that kernel, runs FOLDER/run in it as root, with
#                                    a copy of FOLDER mounted at /mnt, and prints its output; the kernel's
#                                    log goes to LOG. TIMEOUT=n ends the machine after n seconds.
#
# A user alice is in the system, and there is no network.

# shellcheck source=scripts/lib.sh
. "$(dirname "$0")/lib.sh"

toolbox=$scripts/toolbox.sh
suite=trixie

# Runs the folder's program when the system is up, and switches the machine off.
# shellcheck disable=SC2016 # systemd's shell expands it.
unit='[Unit]
After=systemd-udevd.service systemd-sysusers.service
[Service]
Type=oneshot
Environment=HOME=/root
ExecStart=/bin/sh -c "mount -o ro /dev/vdb /mnt && sh /mnt/run >/dev/ttyS1 2>&1; stty -F /dev/ttyS1 sane"
ExecStopPost=systemctl --no-block poweroff
[Install]
WantedBy=multi-user.target'

# The first process: the disk needs a module.
first='#!/bin/busybox sh
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox insmod /virtio_blk.ko
while ! [ -b /dev/vda ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 -o rw /dev/vda /new
/bin/busybox mount --move /dev /new/dev
exec /bin/busybox switch_root /new /sbin/init'

# What takes time and is not used.
masked="getty@tty1.service serial-getty@ttyS0.service serial-getty@ttyS1.service apt-daily.timer
	apt-daily-upgrade.timer"
masked=${masked//[$'\n\t']/ }

# Documentation and translations stay out.
make_system() {
	local release packages=systemd-sysv,udev,kmod,procps,xz-utils
	for release; do packages+=,linux-binary-$release,linux-modules-$release; done
	"$toolbox" run sh -euc "cd '$new'
		mmdebstrap --mode=root --variant=minbase --include=$packages --aptopt='APT::Sandbox::User \"root\"' \
			--customize-hook='rm -rf \"\$1\"/usr/share/doc/* \"\$1\"/usr/share/locale/*' \
			--customize-hook='chroot \"\$1\" useradd --create-home alice' \
			--customize-hook='chroot \"\$1\" systemctl set-default multi-user.target' \
			--customize-hook='copy-in run.service /etc/systemd/system' \
			--customize-hook='chroot \"\$1\" systemctl enable run.service' \
			--customize-hook='chroot \"\$1\" systemctl mask $masked' \
			--customize-hook='chroot \"\$1\" systemd-machine-id-setup' \
			$suite tree /etc/apt/sources.list /etc/apt/sources.list.d/backports.list
		mke2fs -q -t ext4 -d tree disk 1500M
		for release in $*; do
			mkdir first
			mkdir first/bin first/dev first/new
			cp /usr/bin/busybox first/bin/
			xz -dc tree/usr/lib/modules/\$release/kernel/drivers/block/virtio_blk.ko.xz >first/virtio_blk.ko
			cp first.init first/init
			chmod +x first/init
			(cd first && find . | cpio --quiet -o -H newc) >initrd-\$release
			cp tree/usr/lib/modules/\$release/vmlinuz vmlinuz-\$release
			rm -r first
		done
		rm -r tree"
}

make_disk() {
	local file=$1
	shift
	system=$cache/debian-$(key_of "$suite" "$unit" "$first" "$masked" "$(declare -f make_system)" "$@")
	if [[ ! -d $system ]]; then
		"$toolbox" add mmdebstrap e2fsprogs
		# A folder of its own, so that this need not wait for another make, which may build a kernel.
		new=$(mktemp -d "$cache/debian.XXXXXX")
		printf '%s\n' "$unit" >"$new/run.service"
		printf '%s\n' "$first" >"$new/first.init"
		step "Debian $suite with systemd, and $*" make_system "$@"
		mv -T "$new" "$system" || [[ -d $system ]]
	fi
	cp --sparse=always "$system/disk" "$file"
	for release; do ln -sf "$system/vmlinuz-$release" "$system/initrd-$release" "$(dirname "$file")/"; done
}

# One processor: on a busy host, two emulated ones lose interrupts of their timers. For the same reason the
# kernel does not check its timer and its clock.
boot() {
	local file=$1 release=$2 folder=$3 log=$4
	local dir=${file%/*}
	"$toolbox" run sh -euc "rm -f '$file.more'
		mke2fs -q -t ext4 -d '$folder' '$file.more' 64M
		timeout --foreground -k 5 ${TIMEOUT:-900} qemu-system-x86_64 -machine q35,sata=off -accel tcg -cpu qemu64 \
			-smp 1 -m 1024 -display none -monitor none -no-reboot -nodefaults \
			-kernel '$dir/vmlinuz-$release' -initrd '$dir/initrd-$release' \
			-append 'console=ttyS0 panic=-1 oops=panic quiet no_timer_check tsc=reliable systemd.firstboot=off' \
			-drive 'file=$file,format=raw,if=virtio,cache=unsafe' \
			-drive 'file=$file.more,format=raw,if=virtio,cache=unsafe' \
			-device isa-serial,chardev=kernel -chardev 'file,id=kernel,path=$log' \
			-device isa-serial,chardev=user -chardev stdio,id=user,signal=off </dev/null" | sed -u 's|\r$||'
}

case ${1-} in
disk)
	shift
	make_disk "$@"
	;;
boot)
	shift
	boot "$@"
	;;
*) die "usage: debian.sh disk FILE RELEASE... | boot FILE RELEASE FOLDER LOG" ;;
esac
