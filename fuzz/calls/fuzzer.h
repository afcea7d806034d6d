/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzzer, in Rust, uses of the calls: see fuzz/src/calls.rs.
 *
 * A server runs the programs. It is a process of its own with little memory, because fork(2) takes
 * much longer for a process with as much memory as the fuzzer's.
 */
#ifndef FUZZER_H
#define FUZZER_H

#include "run.h"

unsigned int fuzz_call_count(void);
const char *fuzz_call_name(unsigned int nr);
unsigned int fuzz_call_weight(unsigned int nr);

/* Returns a socket to the server, or -1. `*request` is where the program is put. */
int fuzz_start_server(const struct coverage *coverage, struct program **request);

/* Runs the program in `*request`. Returns false if a process of it does not end. */
bool fuzz_run(int server);

#endif
