# SPDX-License-Identifier: GPL-2.0
"""What was measured: the benchmark's lines, by instrument, load and contender."""

import json
import math
import statistics
from typing import NamedTuple

CONTENDERS = ("mini_pipe", "private", "pipe", "fifo", "socketpair", "circular")
FLOORS = ("syscall", "null-zero", "copy-one", "copy-two")


class Setting(NamedTuple):
    """A load, and how much of it."""

    load: str
    size: int
    tasks: int | None
    readers: int | None

    @property
    def number(self):
        """Of its tasks, where these are what it is about, or of its bytes."""
        return self.tasks or self.size

    def __str__(self):
        if self.load.startswith("pipe_bench"):
            return f"{self.load} {self.tasks}:{self.readers}"
        if self.load.startswith("crowd"):
            return f"{self.load} {self.tasks}:{self.tasks}"
        if self.load == "roundtrip":
            return "round trip"
        return f"{self.load} {self.tasks or in_bytes(self.size)}"


class Spread(NamedTuple):
    """The median of several values, and between what the middle half of them is."""

    low: float
    median: float
    high: float
    runs: int

    @classmethod
    def of(cls, values):
        if len(values) == 1:
            return cls(values[0], values[0], values[0], 1)
        return cls(*statistics.quantiles(values, n=4, method="inclusive"), len(values))

    @property
    def width(self):
        """As a part of the median."""
        return (self.high - self.low) / self.median

    @property
    def says_nothing(self):
        """
        Of a ratio: 1 is as likely. The true median is within a box plot's notch, in proportion,
        19 times of 20; of one run nobody knows.
        """
        notch = 1.57 * math.log(self.high / self.low) / math.sqrt(self.runs)
        return self.runs == 1 or abs(math.log(self.median)) < notch

    def __str__(self):
        return f"{'~' if self.says_nothing else ''}{self.median:.2f}"


def in_bytes(size):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} B"


class Row:
    """One setting: each contender's values, in the order of the runs."""

    def __init__(self, setting, unit):
        self.setting = setting
        self.unit = unit
        self.values = {}

    @property
    def is_rate(self):
        """More is better, then."""
        return self.unit == "MB/s"

    def spread(self, contender):
        return Spread.of(self.values[contender])

    def ratio(self, contender, to="pipe"):
        """Of what was measured in the same run. None if one of them was not there."""
        return self.ratio_of(contender, self, to)

    def ratio_of(self, contender, other, to):
        """The same to a contender of another row."""
        if contender not in self.values or to not in other.values:
            return None
        pairs = zip(self.values[contender], other.values[to])
        return Spread.of([ours / theirs for ours, theirs in pairs])

    def speed(self, contender):
        """How many times as fast as pipe(2), whatever is measured."""
        found = self.ratio(contender)
        if found is None or self.is_rate:
            return found
        return Spread(1 / found.high, 1 / found.median, 1 / found.low, found.runs)


KINDS = {
    "icount": "one processor, guest instructions a message",
    "tcg": "two processors, emulated",
    "um": "two processors at this one's own speed, User-Mode Linux",
    "kvm": "two processors, KVM",
}


class Instrument:
    """All that one instrument has measured."""

    def __init__(self, name, runs):
        self.name = name
        about = (runs / f"{name}.about").read_text(encoding="utf-8").strip()
        self.about = f"{KINDS[name]}; {about}"
        rows = {}
        for line in (runs / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            self.add(rows, json.loads(line))
        loads = list(dict.fromkeys(setting.load for setting in rows))
        self.rows = sorted(
            rows.values(), key=lambda row: (loads.index(row.setting.load), row.setting.number)
        )

    def add(self, rows, line):
        setting = Setting(line["load"], line["size"], line.get("tasks"), line.get("readers"))
        unit = line["unit"]
        if self.name == "icount" and unit == "ns":
            unit = "instructions"
        row = rows.setdefault(setting, Row(setting, unit))
        row.values.setdefault(line["contender"], []).append(line["value"])

    def find(self, load, number):
        """The row, or None."""
        for row in self.rows:
            if (row.setting.load, row.setting.number) == (load, number):
                return row
        return None


def instruments(runs):
    """Those that the folder has something of."""
    found = (Instrument(name, runs) for name in KINDS if (runs / f"{name}.jsonl").exists())
    return [instrument for instrument in found if instrument.rows]
