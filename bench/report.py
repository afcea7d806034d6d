#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tells what was measured: a table on the terminal, and in the folder OUT results.json, RESULTS.md
and its charts.

    report.py OUT RUNS

In the folder RUNS is for each instrument a file NAME.jsonl of the benchmark's lines, and a line in
NAME.about of where they come from.

A value is the median of the runs; a ratio the median of the ratios to pipe(2) in each run, which
were made side by side. A ratio is marked "~" when it says nothing: when the runs differ so much that
it may as well be 1.
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
Written by report.py; [README.md](README.md) tells what it means. A value is the median of the runs,
and after it in brackets stands its ratio to pipe(2)'s in the same run; marked with a `~` that says
nothing, as the runs differ too much. Of MB/s more is better, of all others less. The last column is
how wide the middle half of the runs is, where it is widest."""

UNITS = {"ns": ("ns", "µs", "ms", "s")}


def told(value, unit):
    """A value in as few characters as it needs."""
    names = UNITS.get(unit, ("",))
    step = 0
    while step + 1 < len(names) and value >= 10000:
        value, step = value / 1000, step + 1
    number = f"{value:.0f}" if value >= 100 else f"{value:.3g}"
    return number + (f" {names[step]}" if names[step] else "")


def cell(row, contender):
    """The value, and its ratio to pipe(2)'s."""
    if contender not in row.values:
        return ""
    value = told(row.spread(contender).median, row.unit)
    if contender == "pipe" or not row.ratio(contender):
        return value
    return f"{value} ({row.ratio(contender)})"


def table(rows, contenders):
    """The lines of a table, a list of cells each; the last column is how far the runs differ."""
    there = [name for name in contenders if any(name in row.values for row in rows)]
    yield ["", *there, "spread"]
    for row in rows:
        widest = max(row.spread(name).width for name in there if name in row.values)
        unit = f", {row.unit}" if row.is_rate else ""
        yield [f"{row.setting}{unit}", *(cell(row, name) for name in there), f"{widest:.0%}"]


def tables(instrument):
    """The contenders' and the floors'."""
    yield list(table(instrument.rows, CONTENDERS))
    rows = [row for row in instrument.rows if any(name in row.values for name in FLOORS)]
    if rows:
        yield list(table(rows, ("pipe", *FLOORS)))


def goal_table(verdicts):
    yield ["mini_pipe", "wanted", "measured", ""]
    for verdict in verdicts:
        yield [*verdict[:3], "reached" if verdict.reached else "missed"]


def as_text(lines, left=1):
    """The first columns stand left, the others right."""
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
        print(f"\n{instrument.name}: {instrument.about}")
        for each in tables(instrument):
            print(*as_text(each), sep="\n")
    print("\nIn brackets the ratio to pipe(2) in the same run; with a ~ it says nothing.\n")
    print(*as_text(goal_table(verdicts), 3), sep="\n")


def page(instruments, verdicts, drawn):
    """RESULTS.md, line by line."""
    yield "# What was measured"
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
        yield from ("", f"{instrument.about[:1].upper()}{instrument.about[1:]}.")
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
            contenders[name]["to_pipe"] = found._asdict() | {"says_nothing": found.says_nothing}
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
