#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Unloads the module, and prints how often each part of its code has run since mini_pipe_coverage.ko
# was loaded.

rmmod mini_pipe || exit
echo "# counters: $(cat /proc/mini_pipe_coverage)"
