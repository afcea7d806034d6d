// SPDX-License-Identifier: GPL-2.0
/* The functions of <linux/fsnotify.h> that fsnotify.rs calls: they are inline. */
#include <linux/fsnotify.h>
#include "fsnotify.h"

void mini_pipe_fsnotify_access(struct file *file)
{
	fsnotify_access(file);
}

void mini_pipe_fsnotify_modify(struct file *file)
{
	fsnotify_modify(file);
}
