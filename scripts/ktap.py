#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reads the results of a run of the suite, adds them up by subject, and looks at the kernel's log.

    ktap.py RESULTS LOG SUBJECT...

RESULTS holds, for each subject, a line "# subject: NAME", what its program printed (KTAP, or what Rust's
libtest prints) and a line "# exit: STATUS". A test that was planned and did not report has failed, and
so has a program that ended badly, whatever its tests said, and a SUBJECT that is not there. The last line is "N passed, N failed".
"""

import re
import sys

PLAN = re.compile(r"(?:1\.\.|running )(\d+)(?: tests?)?$")
KTAP = re.compile(r"(not )?ok \d+ (?:- )?([^#]*?)\s*(?:# (\w+).*)?$")
LIBTEST = re.compile(r"test (\S+) \.\.\. (ok|FAILED|ignored)$")

# What a kernel says when something is wrong with it.
REPORT = re.compile(
    r"WARNING:|BUG:|Oops|Kernel panic|INFO: (?:task|possible|trying|rcu)|rcu: INFO|stall|"
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
        self.skipped = []
        self.failures = []

    def read(self, line):
        """Takes in one line of what the program printed."""
        if match := PLAN.match(line):
            self.planned += int(match[1])
        elif match := KTAP.match(line):
            self.add(match[2], not match[1], (match[3] or "").upper() == "SKIP")
        elif match := LIBTEST.match(line):
            self.add(match[1], match[2] != "FAILED", match[2] == "ignored")

    def add(self, test, good, skipped):
        """Counts one test."""
        if not good:
            self.failures.append(test)
        elif skipped:
            self.skipped.append(test)
        else:
            self.passed += 1

    def end(self, status):
        """The program has ended; `status` is None if nobody saw it end."""
        reported = self.passed + len(self.skipped) + len(self.failures)
        if self.planned > reported:
            self.failures.append(f"({self.planned - reported} tests were planned and did not report)")
            self.planned = reported
        if status is None:
            self.failures.append("(the program did not run to its end: the machine died)")
        elif status != "0" and not self.failures:
            self.failures.append(f"(the program ended with status {status})")
        elif self.planned == 0:
            self.failures.append("(the program ran no test)")


def read_subjects(path, expected):
    """Reads the results by subject, of all its runs; those expected that are not there come last."""
    subjects = {}
    running = None
    with open(path, encoding="utf-8", errors="replace") as lines:
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
    return list(subjects.values())


def read_log(path):
    """The kernel's log as a subject: one test for the whole of it, that there is no report in it."""
    log = Subject("kernel log")
    with open(path, encoding="utf-8", errors="replace") as lines:
        reports = [line.rstrip() for line in lines if REPORT.search(line)]
    log.planned = 1
    log.failures = reports[:1]
    log.passed = int(not reports)
    log.end("0")
    return log


def main():
    """Prints a line a subject, the tests that failed or were skipped, and the sum."""
    results, log, *expected = sys.argv[1:]
    subjects = read_subjects(results, expected) + [read_log(log)]
    for subject in subjects:
        print(f"{subject.name:12} {subject.passed:4} passed, {len(subject.failures):2} failed")
        for test in subject.failures:
            print(f"    FAILED   {test}")
        for test in subject.skipped:
            print(f"    skipped  {test}")
    passed = sum(subject.passed for subject in subjects)
    failed = sum(len(subject.failures) for subject in subjects)
    skipped = sum(len(subject.skipped) for subject in subjects)
    if failed:
        print(f"What the programs said is in {results}, the kernel's log in {log}.")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    sys.exit(failed > 0 or passed == 0)


main()
