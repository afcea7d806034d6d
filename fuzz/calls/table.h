/* SPDX-License-Identifier: GPL-2.0 */
/* The table of all calls. The number of a call is its row. */
#ifndef TABLE_H
#define TABLE_H

#include "async.h"
#include "copy.h"
#include "memory.h"
#include "open.h"
#include "process.h"
#include "settings.h"
#include "wait.h"
#include "watch.h"

#define OFTEN(name) CALL_##name,
#define SOMETIMES(name) CALL_##name,
#define RARELY(name) CALL_##name,
enum {
#include "list.h"
	CALL_COUNT
};

#undef OFTEN
#undef SOMETIMES
#undef RARELY
#define OFTEN(name) { #name, call_##name, 6 },
#define SOMETIMES(name) { #name, call_##name, 3 },
#define RARELY(name) { #name, call_##name, 1 },
static const struct {
	const char *name;
	void (*make)(struct worker *me, const unsigned char *arg);
	unsigned int weight;
} calls[] = {
#include "list.h"
};

#endif
