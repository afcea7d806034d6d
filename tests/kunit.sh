#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Prints the results of the cases of #[kunit_tests]. A kernel with CONFIG_KUNIT ran them when the
# module was loaded.

debugfs=/sys/kernel/debug
[ -d $debugfs/kunit ] || mount -t debugfs debugfs $debugfs || exit
sed -n 's/^    //p' $debugfs/kunit/mini_pipe_*/results
