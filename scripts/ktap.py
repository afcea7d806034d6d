#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sums up the results of a run of the suite by subject, and searches the kernel's log for reports.

    ktap.py [--may-skip] RESULTS LOG SUBJECT...

RESULTS has, for each subject, a line "# subject: NAME", the output of its program (KTAP or that of
Rust's libtest) and a line "# exit: STATUS"; at the end, it has a line "# all done". Failures are:

- a test that failed, was planned and did not report, or was skipped: the project's own machine has all
  that tests need. With --may-skip, for a machine that has not, skipped tests are counted apart, and
  their reasons printed;
- a program with a bad exit status, whatever its tests reported, and a missing SUBJECT;
- a machine that did not reach the end, or whose kernel reported something.

Each failure is followed by the output of its test. The last line is "N passed, N failed", and ",
N skipped" if any were. The exit status is not 0 if any test failed.
"""

import collections
import re
import sys

PLAN = re.compile(r"(?:1\.\.|running )(\d+)(?: tests?)?$")
KTAP = re.compile(r"(not )?ok \d+ (?:- )?([^#]*?)\s*(?:# (SKIP.*))?$")
LIBTEST = re.compile(r"test (\S+) \.\.\. (ok|FAILED|ignored)$")

# The lines of the harness itself: at the beginning of a test, and before its result.
BEGIN = re.compile(r"#  RUN ")
VERDICT = re.compile(r"# +(?:OK|FAIL|SKIP)  ")

# The most lines of output for a failure, so that a loop does not hide other failures.
MAX_LINES = 12

# Printed beside the subject's counts: the last seed of a random test, because it repeats the failure,
# and the result of scripts/coverage.py.
NOTE = re.compile(r"# (SEED=.*|[\d.]+ % .*)$")

# The module prints this when it is loaded; only the log after it is searched.
LOADED = "mini_pipe: /dev/mini_pipe: capacity"

# The words of a kernel's reports.
REPORT = re.compile(
    r"WARNING:|\bBUG\b|Oops|Kernel panic|INFO: (?:task|possible|trying|rcu)|rcu: INFO|\bstall|"
    r"KASAN|KCSAN|UBSAN|KFENCE|lockdep|suspicious RCU|general protection fault|unable to handle|"
    r"Call Trace|refcount_t:|list_(?:add|del) corruption|sleeping function|soft lockup|hung_task|"
    r"unreferenced object|segfault|Out of memory"
)


class Subject:
    """The results of one program."""

    may_skip = False

    def __init__(self, name):
        self.name = name
        self.planned = 0
        self.passed = 0
        self.failures = []
        self.skipped = collections.Counter()
        self.output = []
        self.note = ""

    def read(self, line):
        """Parses one line of the program's output."""
        if match := NOTE.match(line):
            self.note = "  " + match[1]
        elif match := PLAN.match(line):
            self.planned += int(match[1])
        elif match := KTAP.match(line):
            self.add(match[2], not match[1], match[3])
        elif match := LIBTEST.match(line):
            self.add(match[1], match[2] == "ok", match[2] == "ignored" and "SKIP")
        elif BEGIN.match(line):
            self.output = []
        elif not VERDICT.match(line):
            self.output.append(line)

    def add(self, test, good, skipped):
        """Counts one test."""
        if good and not skipped:
            self.passed += 1
        elif good and Subject.may_skip:
            self.skipped[skipped.removeprefix("SKIP").strip()] += 1
        else:
            self.fail(test + (" (skipped)" if skipped else ""))
        self.output = []

    def fail(self, test):
        """Records a failure, with the output since the last result."""
        output, rest = self.output[:MAX_LINES], len(self.output[MAX_LINES:])
        self.failures.append((test, output + ([f"# and {rest} more lines"] if rest else [])))

    def end(self, status):
        """Records the end of the program; `status` is None if the machine ended before it."""
        reported = self.passed + len(self.failures) + self.skipped.total()
        if status is None:
            self.fail("(the program did not end: the machine crashed or was killed)")
        elif self.planned != reported or not reported:
            self.fail(f"({self.planned} tests were planned, {reported} reported)")
        elif status != "0" and not self.failures:
            self.fail(f"(the program ended with status {status})")
        self.planned = self.passed + len(self.failures) + self.skipped.total()


def read_subjects(path, expected):
    """Reads the results by subject, summed over all runs; missing subjects are added as failures."""
    subjects = {}
    running = None
    with open(path, encoding="utf-8", errors="replace") as file:
        lines = file.read().splitlines()
    for line in map(str.rstrip, lines):
        if line.startswith("# subject: "):
            if running:
                running.end(None)
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
    """The machine as a subject of one test: it reached the end, and its kernel reported nothing."""
    machine = Subject("kernel log")
    with open(path, encoding="utf-8", errors="replace") as file:
        log = file.read()
    our_log = log[log.find(LOADED) :] if LOADED in log else ""
    reports = [line for line in our_log.splitlines() if REPORT.search(line)]
    if reports:
        machine.output = reports[1:]
        machine.fail(reports[0])
    elif not our_log:
        machine.fail("(the module was not loaded, or the log was lost)")
    elif not done:
        machine.fail("(the machine did not reach the end)")
    else:
        machine.passed = 1
    return machine


def main():
    """Prints one line for each subject, its failures, and the sum."""
    Subject.may_skip = sys.argv[1] == "--may-skip"
    results, log, *expected = sys.argv[1 + Subject.may_skip :]
    subjects, done = read_subjects(results, expected)
    subjects.append(read_log(log, done))
    for subject in subjects:
        counts = f"{subject.passed:4} passed, {len(subject.failures):2} failed"
        if subject.skipped:
            counts += f", {subject.skipped.total():2} skipped"
        print(f"{subject.name:12} {counts}{subject.note}")
        for reason, count in subject.skipped.items():
            print(f"    skipped  {count}: {reason}")
        for test, output in subject.failures:
            print(f"    FAILED   {test}")
            for line in output:
                print(f"        {line}")
    passed = sum(subject.passed for subject in subjects)
    failed = sum(len(subject.failures) for subject in subjects)
    if failed:
        print(f"The output of the programs is in {results}, the kernel's log in {log}.")
    skipped = sum(subject.skipped.total() for subject in subjects)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    sys.exit(failed > 0)


main()
