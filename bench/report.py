#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Prints tables of the results. Writes results.json, RESULTS.md and its charts to directory OUT.

    report.py OUT RUNS

For each instrument, the directory RUNS has a file NAME.jsonl, which is the output of the benchmark,
and a file NAME.about, one line that says where and when it was measured.

A value is the median of the runs. A ratio is the median of the ratios to pipe(2) within each run. A
ratio is marked "~" when it is inconclusive: the runs differ so much that the true ratio may be 1.
"""

import json
import pathlib
import sys

sys.dont_write_bytecode = True

import charts
import goals
import measured
from measured import CONTENDERS, FLOORS

PREFACE = """\
report.py wrote this page; [README.md](README.md) explains the loads, contenders and instruments.
A value is the median of all runs. The number in brackets is the median ratio to pipe(2) in the same
run; a `~` marks an inconclusive ratio: the runs differ so much that the true ratio may be 1. Of
MB/s, more is better; of instructions and times, less. The spread is the interquartile range as a
part of the median, of the contender for which it is largest."""

UNITS = {"ns": ("ns", "µs", "ms", "s")}


def formatted(value, unit):
    """The value with three significant digits or more; of a time, with its unit."""
    names = UNITS.get(unit, ("",))
    step = 0
    while step + 1 < len(names) and value >= 10000:
        value, step = value / 1000, step + 1
    number = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
    return number + (f" {names[step]}" if names[step] else "")


def cell(row, contender):
    """The value and, in brackets, its ratio to the value of pipe(2)."""
    if contender not in row.values:
        return ""
    value = formatted(row.spread(contender).median, row.unit)
    if contender == "pipe" or not row.ratio(contender):
        return value
    return f"{value} ({row.ratio(contender)})"


def table(rows, contenders):
    """Yields the lines of a table, each a list of cells. The last column is the spread."""
    there = [name for name in contenders if any(name in row.values for row in rows)]
    yield ["", *there, "spread"]
    for row in rows:
        widest = max(row.spread(name).width for name in there if name in row.values)
        unit = f", {row.unit}" if row.is_rate else ""
        yield [f"{row.setting}{unit}", *(cell(row, name) for name in there), f"{widest:.0%}"]


def tables(instrument):
    """Yields the table of the contenders and, if there are any, the table of the floors."""
    yield list(table(instrument.rows, CONTENDERS))
    rows = [row for row in instrument.rows if any(name in row.values for name in FLOORS)]
    if rows:
        yield list(table(rows, ("pipe", *FLOORS)))


def about(instrument):
    """Where and when it was measured, and what a sleep and a wake-up cost there."""
    text = instrument.about
    if instrument.wakeup:
        cost = formatted(instrument.wakeup, "ns")
        text += f". A sleep and a wake-up take {cost}: half of a round trip through pipe(2)"
    return text[:1].upper() + text[1:]


def goal_table(verdicts):
    yield ["what", "goal", "measured", ""]
    for verdict in verdicts:
        yield [*verdict[:3], "reached" if verdict.reached else "missed"]


def as_text(lines, left=1):
    """Aligns the first `left` columns to the left, the others to the right."""
    lines = list(lines)
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        yield "  ".join(
            text.ljust(width) if column < left else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths))
        )


def as_markdown(lines, left=1):
    first, *others = lines
    yield f"| {' | '.join(first)} |"
    yield f"|{' --- |' * left}{' ---: |' * (len(first) - left)}"
    for line in others:
        yield f"| {' | '.join(line)} |"


def print_all(instruments, verdicts):
    for instrument in instruments:
        print(f"\n{instrument.name}: {about(instrument)}")
        for each in tables(instrument):
            print(*as_text(each), sep="\n")
    print("\nIn brackets: the ratio to pipe(2) in the same run; ~ marks an inconclusive one.\n")
    print(*as_text(goal_table(verdicts), 3), sep="\n")


def page(instruments, verdicts, drawn):
    """Yields the lines of RESULTS.md."""
    yield "# Results"
    yield ""
    yield PREFACE
    yield ""
    yield "## Goals"
    yield ""
    yield from as_markdown(goal_table(verdicts), 3)
    yield from embedded(drawn.get(None, ()))
    for instrument in instruments:
        yield ""
        yield f"## {instrument.name}"
        yield from ("", f"{about(instrument)}.")
        yield from embedded(drawn.get(instrument.name, ()))
        for each in tables(instrument):
            yield ""
            yield from as_markdown(each)


def embedded(files):
    for file in files:
        yield ""
        yield f"![{file.removesuffix('.svg')}]({file})"


def as_json(instruments, verdicts):
    return {
        "instruments": {
            instrument.name: {
                "about": instrument.about,
                "rows": [row_as_json(row) for row in instrument.rows],
            }
            for instrument in instruments
        },
        "goals": [verdict._asdict() for verdict in verdicts],
    }


def row_as_json(row):
    contenders = {}
    for name in row.values:
        contenders[name] = row.spread(name)._asdict()
        found = row.ratio(name)
        if found and name != "pipe":
            contenders[name]["to_pipe"] = found._asdict() | {"inconclusive": found.inconclusive}
    return row.setting._asdict() | {"unit": row.unit, "contenders": contenders}


def main():
    out, runs = map(pathlib.Path, sys.argv[1:])
    instruments = measured.instruments(runs)
    verdicts = goals.verdicts(instruments)
    drawn = charts.draw(instruments, out)
    results = json.dumps(as_json(instruments, verdicts), indent=1)
    (out / "results.json").write_text(results + "\n", encoding="utf-8")
    written = "\n".join(page(instruments, verdicts, drawn))
    (out / "RESULTS.md").write_text(written + "\n", encoding="utf-8")
    print_all(instruments, verdicts)


if __name__ == "__main__":
    main()
