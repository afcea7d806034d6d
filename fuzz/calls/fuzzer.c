// SPDX-License-Identifier: GPL-2.0
/* What the fuzzer, in Rust, uses of the calls. */
#include "fuzzer.h"

unsigned int fuzz_call_count(void)
{
	return CALL_COUNT;
}

const char *fuzz_call_name(unsigned int nr)
{
	return calls[nr % CALL_COUNT].name;
}

unsigned int fuzz_call_weight(unsigned int nr)
{
	return calls[nr % CALL_COUNT].weight;
}

struct shared *fuzz_make_shared(void)
{
	return make_shared();
}

bool fuzz_run(const struct program *program, struct shared *shared,
	      const struct coverage *coverage)
{
	return run_program(program, shared, coverage);
}
