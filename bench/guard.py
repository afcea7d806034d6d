#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compares the cost of a message, in guest instructions, with the recorded cost.

    guard.py [--record] RELEASE RECORDED MEASURED

MEASURED is the output of the benchmark on Linux RELEASE. Fails if a figure is missing, or more than
3 % above the one in RECORDED. With --record, writes RECORDED instead.
"""

import json
import statistics
import sys

TOLERANCE = 0.03


def costs(file):
    """The median of the runs, by the name of the measurement."""
    runs = {}
    with open(file, encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            words = [line["contender"], line["load"], str(line["size"])]
            if "tasks" in line:
                words.append(f"tasks={line['tasks']}")
            runs.setdefault(" ".join(words), []).append(line["value"])
    return {name: round(statistics.median(values)) for name, values in runs.items()}


def record(release, file, measured):
    with open(file, "w", encoding="utf-8") as to:
        json.dump({"release": release, "instructions": measured}, to, indent=2)
        to.write("\n")
    print(f"recorded {len(measured)} figures in {file}")


def guard(release, file, measured):
    """Prints a line for each figure. Returns the number of failures."""
    with open(file, encoding="utf-8") as recorded:
        recorded = json.load(recorded)
    if release != recorded["release"]:
        print(f"# recorded on Linux {recorded['release']}, measured on {release}")
    print(f"TAP version 13\n1..{len(recorded['instructions'])}")
    failed = 0
    for number, (name, most) in enumerate(recorded["instructions"].items(), 1):
        cost = measured.get(name)
        good = cost is not None and cost <= most * (1 + TOLERANCE)
        change = f"{cost / most - 1:+.1%}" if cost else "not measured"
        print(f"{'ok' if good else 'not ok'} {number} {name}: {cost} instructions, {change}")
        failed += not good
    passed = len(recorded["instructions"]) - failed
    print(f"{passed} passed, {failed} failed")
    return failed


def main():
    *options, release, file, lines = sys.argv[1:]
    measured = costs(lines)
    if options == ["--record"]:
        record(release, file, measured)
        return 0
    return guard(release, file, measured) > 0


if __name__ == "__main__":
    sys.exit(main())
