#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reads the results of a run of the suite, adds them up by subject, and looks at the kernel's log.

    ktap.py RESULTS LOG SUBJECT...

RESULTS holds, for each subject, a line "# subject: NAME", what its program printed (KTAP, or what
Rust's libtest prints) and a line "# exit: STATUS", and at the end a line "# all done". What failed:

- a test that says so, that was planned and did not report, or that was skipped: the machine is the
  project's own and has all they need;
- a program that ended badly, whatever its tests said, and a SUBJECT that is not there;
- a machine that did not come to the end, or whose kernel reported something.

Under each of these stands what the test said about it. The last line is "N passed, N failed", and
the exit status says whether any failed.
"""

import re
import sys

PLAN = re.compile(r"(?:1\.\.|running )(\d+)(?: tests?)?$")
KTAP = re.compile(r"(not )?ok \d+ (?:- )?([^#]*?)\s*(# SKIP.*)?$")
LIBTEST = re.compile(r"test (\S+) \.\.\. (ok|FAILED|ignored)$")

# What the harness says itself about a test: when it begins, and before it reports.
BEGIN = re.compile(r"#  RUN ")
VERDICT = re.compile(r"# +(?:OK|FAIL|SKIP)  ")

# What a test says that fails comes to an end, so that a loop hides no other test.
MOST_SAID = 12

# From where a program's choices come: the last one is what to play again.
SEED = re.compile(r"# (SEED=.*)$")

# What the module says when it is loaded: from there on the log is about it.
LOADED = "mini_pipe: /dev/mini_pipe: capacity"

# What a kernel says when something is wrong with it.
REPORT = re.compile(
    r"WARNING:|\bBUG\b|Oops|Kernel panic|INFO: (?:task|possible|trying|rcu)|rcu: INFO|\bstall|"
    r"KASAN|KCSAN|UBSAN|KFENCE|lockdep|suspicious RCU|general protection fault|unable to handle|"
    r"Call Trace|refcount_t:|list_(?:add|del) corruption|sleeping function|soft lockup|hung_task|"
    r"unreferenced object|segfault|Out of memory"
)


class Subject:
    """One program's results."""

    def __init__(self, name):
        self.name = name
        self.planned = 0
        self.passed = 0
        self.failures = []
        self.said = []
        self.seed = ""

    def read(self, line):
        """Takes in one line of what the program printed."""
        if match := SEED.match(line):
            self.seed = "  " + match[1]
        elif match := PLAN.match(line):
            self.planned += int(match[1])
        elif match := KTAP.match(line):
            self.add(match[2], not match[1], match[3])
        elif match := LIBTEST.match(line):
            self.add(match[1], match[2] == "ok", match[2] == "ignored")
        elif BEGIN.match(line):
            self.said = []
        elif not VERDICT.match(line):
            self.said.append(line)

    def add(self, test, good, skipped):
        """Counts one test."""
        if good and not skipped:
            self.passed += 1
        else:
            self.fail(test + (" (skipped)" if skipped else ""))
        self.said = []

    def fail(self, test):
        """Notes a failure, with what was said since the last result."""
        said, rest = self.said[:MOST_SAID], len(self.said[MOST_SAID:])
        self.failures.append((test, said + ([f"# and {rest} more lines"] if rest else [])))

    def end(self, status):
        """The program has ended; `status` is None if nobody saw it end."""
        reported = self.passed + len(self.failures)
        if status is None:
            self.fail("(the program did not run to its end: the machine died)")
        elif self.planned != reported or not reported:
            self.fail(f"({self.planned} tests were planned, {reported} reported)")
        elif status != "0" and not self.failures:
            self.fail(f"(the program ended with status {status})")
        self.planned = self.passed + len(self.failures)


def read_subjects(path, expected):
    """Reads the results by subject, of all its runs; those expected that are not there come last."""
    subjects = {}
    running = None
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    for line in map(str.rstrip, lines):
        if line.startswith("# subject: "):
            name = line.removeprefix("# subject: ")
            running = subjects.setdefault(name, Subject(name))
        elif running and line.startswith("# exit: "):
            running.end(line.removeprefix("# exit: "))
            running = None
        elif running:
            running.read(line)
    if running:
        running.end(None)
    for name in expected:
        if name not in subjects:
            subjects[name] = Subject(name)
            subjects[name].end(None)
    return list(subjects.values()), "# all done" in lines


def read_log(path, done):
    """The machine as a subject of one test: it came to the end, and its kernel had nothing to say."""
    machine = Subject("kernel log")
    with open(path, encoding="utf-8", errors="replace") as file:
        log = file.read()
    about_us = log[log.find(LOADED) :] if LOADED in log else ""
    reports = [line for line in about_us.splitlines() if REPORT.search(line)]
    if reports:
        machine.said = reports[1:]
        machine.fail(reports[0])
    elif not about_us:
        machine.fail("(the module was not loaded, or the log was lost)")
    elif not done:
        machine.fail("(the machine did not come to the end)")
    else:
        machine.passed = 1
    return machine


def main():
    """Prints a line a subject, the tests that failed, and the sum."""
    results, log, *expected = sys.argv[1:]
    subjects, done = read_subjects(results, expected)
    subjects.append(read_log(log, done))
    for subject in subjects:
        counts = f"{subject.passed:4} passed, {len(subject.failures):2} failed"
        print(f"{subject.name:12} {counts}{subject.seed}")
        for test, said in subject.failures:
            print(f"    FAILED   {test}")
            for line in said:
                print(f"        {line}")
    passed = sum(subject.passed for subject in subjects)
    failed = sum(len(subject.failures) for subject in subjects)
    if failed:
        print(f"What the programs said is in {results}, the kernel's log in {log}.")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
