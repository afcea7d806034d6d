# SPDX-License-Identifier: GPL-2.0
"""Reads the output of the benchmark, by instrument, load and contender."""

import json
import math
import statistics
from typing import NamedTuple

CONTENDERS = ("mini_pipe", "private", "pipe", "fifo", "socketpair", "circular")
FLOORS = ("syscall", "null-zero", "copy-one", "copy-two")


# The names of the load `memory`: for size 0, for size 1, and for larger ones.
MEMORY = ("memory, unused", "memory, with 1 B", "memory, filled and emptied")


class Setting(NamedTuple):
    """A load with its parameters."""

    load: str
    size: int
    tasks: int | None
    readers: int | None

    @property
    def number(self):
        """What distinguishes the settings of a load: the tasks or, without them, the size."""
        return self.tasks or self.size

    def __str__(self):
        if self.load.startswith("pipe_bench"):
            return f"{self.load} {self.tasks}:{self.readers}"
        if self.load.startswith(("crowd", "fairness")):
            return f"{self.load} {self.tasks}:{self.tasks}"
        if self.load == "roundtrip":
            return "round trip"
        if self.load.startswith(("hackbench", "pipelines")):
            return self.load
        if self.load == "memory":
            return MEMORY[min(self.size, 2)]
        if self.load == "create":
            return "create and close"
        if self.load == "create-use":
            return f"create, use for {in_bytes(self.size)}, close"
        if self.load == "splice-odd":
            return f"splice, up to {in_bytes(self.size)}"
        return f"{self.load} {self.tasks or in_bytes(self.size)}"


class Spread(NamedTuple):
    """The median of several values, with the lower and the upper quartile."""

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
        """The interquartile range as a part of the median."""
        return (self.high - self.low) / self.median

    @property
    def inconclusive(self):
        """
        For a ratio: 1 is within the 95 % confidence interval of the median, which is the notch of
        a box plot. Computed on a logarithmic scale. A single run is always inconclusive.
        """
        if self.low <= 0:
            return True
        notch = 1.57 * math.log(self.high / self.low) / math.sqrt(self.runs)
        return self.runs == 1 or abs(math.log(self.median)) < notch

    def __str__(self):
        return f"{'~' if self.inconclusive else ''}{self.median:.2f}"


def in_bytes(size):
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} B"


class Row:
    """One setting: the values of each contender, in the order of the runs."""

    def __init__(self, setting, unit):
        self.setting = setting
        self.unit = unit
        self.values = {}

    @property
    def is_rate(self):
        """Of a rate, more is better; of all other units, less."""
        return self.unit in ("MB/s", "least/most")

    def spread(self, contender):
        return Spread.of(self.values[contender])

    def ratio(self, contender, to="pipe"):
        """The ratio within each run. None if one of the contenders was not measured."""
        return self.ratio_of(contender, self, to)

    def ratio_of(self, contender, other, to):
        """The same, to a contender of another row."""
        if contender not in self.values or to not in other.values:
            return None
        pairs = zip(self.values[contender], other.values[to])
        return Spread.of([ours / theirs for ours, theirs in pairs])

    def speed(self, contender):
        """How many times as fast as pipe(2), whatever the unit is."""
        found = self.ratio(contender)
        if found is None or self.is_rate:
            return found
        return Spread(1 / found.high, 1 / found.median, 1 / found.low, found.runs)


DESCRIPTIONS = {
    "icount": "one processor, guest instructions per message",
    "tcg": "two emulated processors",
    "slow": "two emulated processors, about four times as slow",
    "um": "two processors at native speed, User-Mode Linux",
    "kvm": "two processors under KVM",
}


class Instrument:
    """All results of one instrument."""

    def __init__(self, name, runs):
        self.name = name
        about = (runs / f"{name}.about").read_text(encoding="utf-8").strip()
        self.about = f"{DESCRIPTIONS[name]}; {about}"
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

    @property
    def wakeup(self):
        """What a sleep and a wake-up cost, in ns: half of a round trip through pipes of pipe(2)."""
        row = self.find("roundtrip", 1)
        if row is None or row.unit != "ns":
            return None
        return row.spread("pipe").median / 2

    def find(self, load, number):
        """The row, or None."""
        for row in self.rows:
            if (row.setting.load, row.setting.number) == (load, number):
                return row
        return None


def instruments(runs):
    """The instruments of which the directory has results."""
    found = (Instrument(name, runs) for name in DESCRIPTIONS if (runs / f"{name}.jsonl").exists())
    return [instrument for instrument in found if instrument.rows]
