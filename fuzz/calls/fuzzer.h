/* SPDX-License-Identifier: GPL-2.0 */
/* What the fuzzer, in Rust, uses of the calls: see fuzz/src/calls.rs. */
#ifndef FUZZER_H
#define FUZZER_H

#include "run.h"

unsigned int fuzz_call_count(void);
const char *fuzz_call_name(unsigned int nr);
unsigned int fuzz_call_weight(unsigned int nr);
struct shared *fuzz_make_shared(void);
bool fuzz_run(const struct program *program, struct shared *shared,
	      const struct coverage *coverage);

#endif
