#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# No memory is leaked when the module has been unloaded, on a kernel with CONFIG_DEBUG_KMEMLEAK.

kmemleak=/sys/kernel/debug/kmemleak
[ -e $kmemleak ] || mount -t debugfs debugfs /sys/kernel/debug || exit
echo 1..3
rmmod mini_pipe && echo "ok 1 module_unloads" || echo "not ok 1 module_unloads"
# kmemleak ignores objects younger than five seconds. Two scans: one may miss a pointer that moves.
sleep 6
echo scan >$kmemleak && echo scan >$kmemleak || exit
if [ -z "$(cat $kmemleak)" ]; then
	echo "ok 2 no_memory_is_leaked"
else
	sed 's/^/# /' $kmemleak
	echo "not ok 2 no_memory_is_leaked"
fi
insmod mini_pipe.ko && echo "ok 3 module_loads_again" || echo "not ok 3 module_loads_again"
