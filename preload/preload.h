/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the library share; mini_pipe_preload.c says what the library does. */
#ifndef PRELOAD_H
#define PRELOAD_H

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>

/* libc's own function of this name; the library's function hides it. */
#define NEXT(name) ({					\
	static typeof(name) *next;			\
							\
	if (!next)					\
		next = dlsym(RTLD_NEXT, #name);		\
	next;						\
})

/* Whether all functions of the library only call libc's, or the system call. */
static inline bool is_off(void)
{
	return getenv("MINI_PIPE_PRELOAD_OFF");
}

/* As pipe2(), but fails if no mini_pipe can be made. */
__attribute__((visibility("hidden"))) int mini_pipe2(int fds[2], int flags);

#endif
