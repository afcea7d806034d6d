#!/usr/bin/python3.13
# SPDX-License-Identifier: GPL-2.0
"""CPython's own tests of pipes, run with pipe(2) and with mini_pipes, must have the same results.

Needs the package libpython3.13-testsuite, and in this directory mini_pipe_preload.so, which logs
the pipes that it makes. Each of the MODULES is one test here. Those that make pipes must make
mini_pipes.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from xml.etree import ElementTree

# Each module, and whether it makes pipes.
MODULES = {
    "test_select": True,
    "test_poll": True,
    "test_selectors": False,
    "test_epoll": False,
    "test_signal": True,
    "test_posix": True,
    "test_os": True,
    "test_subprocess": True,
    "test.test_asyncio.test_subprocess": True,
    "test.test_asyncio.test_unix_events": True,
}

# In seconds: enough for the slowest on an emulated debug kernel.
TIMEOUT = 3600

HERE = os.getcwd()
RESULTS = f"{HERE}/cpython.xml"
MADE = f"{HERE}/made"
PIPE_2 = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
MINI_PIPE = PIPE_2 | {
    "LD_PRELOAD": f"{HERE}/mini_pipe_preload.so",
    "MINI_PIPE_PRELOAD_LOG": MADE,
    "MINI_PIPE_PRELOAD_STRICT": "1",
}


def run(module, environment):
    """Runs the tests of a module. Returns the result of each, and the output."""
    for file in RESULTS, MADE:
        if os.path.exists(file):
            os.remove(file)
    command = [sys.executable, "-m", "test", "-v", "-u", "all", "--junit-xml", RESULTS, module]
    output = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT,
        check=False,
    ).stdout.decode(errors="replace")
    if not os.path.exists(RESULTS):
        return {"(the tests did not end)": "failed"}, output
    results = {}
    for case in ElementTree.parse(RESULTS).iter("testcase"):
        outcome = " ".join(sorted({child.tag for child in case} - {"system-out", "system-err"}))
        results[case.get("name")] = outcome or case.get("result")
    return results, output


def made():
    """Returns how many mini_pipes each program has made."""
    if not os.path.exists(MADE):
        return Counter()
    with open(MADE, encoding="utf-8") as file:
        return Counter(line.split()[0] for line in file)


def comment(text):
    """Prints lines that the summary shows if the test fails."""
    print("\n".join(f"#   {line}" for line in text.splitlines()), flush=True)


def compare(module, makes_pipes):
    """Runs a module with both kinds of pipe; returns what differs."""
    begin = time.monotonic()
    expected, _ = run(module, PIPE_2)
    between = time.monotonic()
    results, output = run(module, MINI_PIPE)
    end = time.monotonic()
    counts = made()
    programs = ", ".join(f"{count} by {name}" for name, count in counts.most_common())
    outcomes = ", ".join(f"{count} {name}" for name, count in Counter(results.values()).most_common())
    comment(f"{between - begin:.0f} s and {end - between:.0f} s; {len(results)} tests: {outcomes}")
    comment(f"mini_pipes: {programs or 'none'}")
    differing = [
        test
        for test in expected | results
        if expected.get(test, "not run") != results.get(test, "not run")
    ]
    for test in differing:
        comment(
            f"{test}: {expected.get(test, 'not run')} with pipe(2), "
            f"{results.get(test, 'not run')} with mini_pipes"
        )
    if "completed" not in results.values():
        differing.append("(no test has completed)")
    if makes_pipes and not counts:
        differing.append("(no mini_pipe was made)")
    if differing:
        comment(output)
    return differing


def is_same(module):
    """
    Whether all tests of a module have the same result with both pipes. A test of a timer can fail
    by chance, so only a test that differs twice counts.
    """
    differing = compare(module, MODULES[module])
    return not differing or not set(differing) & set(compare(module, MODULES[module]))


def main():
    """Runs the modules that the arguments name, by default all, and prints the results as TAP."""
    modules = sys.argv[1:] or list(MODULES)
    failed = False
    print(f"TAP version 13\n1..{len(modules)}", flush=True)
    for number, module in enumerate(modules, 1):
        good = is_same(module)
        failed |= not good
        print(f"{'' if good else 'not '}ok {number} {module}", flush=True)
    sys.exit(failed)


main()
