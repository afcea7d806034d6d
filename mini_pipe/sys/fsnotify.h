/* SPDX-License-Identifier: GPL-2.0 */
/* The functions of fsnotify.c, as fsnotify.rs declares them. */
#ifndef MINI_PIPE_FSNOTIFY_H
#define MINI_PIPE_FSNOTIFY_H

#include <linux/fs.h>

void mini_pipe_fsnotify_access(struct file *file);
void mini_pipe_fsnotify_modify(struct file *file);

#endif
