// SPDX-License-Identifier: GPL-2.0
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

static void serve(int fuzzer, const struct program *request, const struct coverage *coverage)
{
	struct memory memory;
	struct shared *shared = prepare(&memory);
	char result;

	while (read(fuzzer, &result, 1) == 1) {
		result = run_program(request, &memory, shared, coverage);
		write(fuzzer, &result, 1);
	}
}

int fuzz_start_server(const struct coverage *coverage, struct program **request)
{
	int ends[2];

	*request = mmap(NULL, sizeof(**request), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (*request == MAP_FAILED || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -1;
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		serve(ends[1], *request, coverage);
		_exit(0);
	}
	close(ends[1]);
	return ends[0];
}

bool fuzz_run(int server)
{
	char result = 0;

	return write(server, &result, 1) == 1 && read(server, &result, 1) == 1 && result;
}
