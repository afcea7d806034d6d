#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What is left when the module has been unloaded: nothing, says a kernel with CONFIG_DEBUG_KMEMLEAK.

kmemleak=/sys/kernel/debug/kmemleak
[ -e $kmemleak ] || mount -t debugfs debugfs /sys/kernel/debug || exit
echo 1..3
rmmod mini_pipe && echo "ok 1 the_module_is_unloaded" || echo "not ok 1 the_module_is_unloaded"
# It looks at nothing that is younger than five seconds, and twice, as pointers may be on the move.
sleep 6
echo scan >$kmemleak && echo scan >$kmemleak || exit
if [ -z "$(cat $kmemleak)" ]; then
	echo "ok 2 nothing_is_left"
else
	sed 's/^/# /' $kmemleak
	echo "not ok 2 nothing_is_left"
fi
insmod mini_pipe.ko && echo "ok 3 the_module_is_loaded_again" || echo "not ok 3 the_module_is_loaded_again"
