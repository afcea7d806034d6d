# SPDX-License-Identifier: GPL-2.0
"""The goals of mini_pipe, and whether the results reach them."""

from typing import NamedTuple

import measured


class Goal(NamedTuple):
    """
    A limit for a ratio of mini_pipe or of private pipes: to another contender, or to another number
    of tasks. Or, without `to`, a limit for the value itself.
    """

    instrument: str
    load: str | None  # None: every load
    number: int | None
    to: str | int | None
    limit: float  # a minimum if more is better, else a maximum
    of: str = "mini_pipe"


# A goal for one load is not reached if the middle half of the runs is wider than this part of their median.
WIDEST = 0.25

KIB = 1024

GOALS = (
    Goal("icount", "pair", 1, "pipe", 0.82),
    Goal("icount", "pair", 4096, "pipe", 0.85),
    Goal("icount", "pair", 65536, "pipe", 0.48),
    Goal("icount", "pair", 65536, "copy-two", 1.04),
    Goal("icount", "roundtrip", 1, "pipe", 0.95),
    Goal("tcg", "stream", 4096, "pipe", 1.5),
    Goal("tcg", "stream", 16384, "pipe", 2),
    Goal("tcg", "stream", 65536, "pipe", 2),
    Goal("tcg", "stream", 1048576, "pipe", 2),
    Goal("slow", "stream", 16384, "pipe", 2),
    Goal("slow", "stream", 65536, "pipe", 2),
    Goal("slow", "stream", 1048576, "pipe", 2),
    Goal("um", "stream", 65536, "pipe", 1.3),
    Goal("um", "stream", 1048576, "pipe", 1.3),
    *(Goal("tcg", "crowd", tasks, "pipe", 1.5) for tasks in (2, 4, 8, 16)),
    *(Goal("tcg", "crowd-p99", tasks, "pipe", 1) for tasks in (2, 4, 8, 16)),
    *(Goal("tcg", "fairness", tasks, "pipe", 0.5) for tasks in (2, 4, 8, 16)),
    Goal("tcg", "hackbench-process", 40, "pipe", 1 / 1.5, "private"),
    Goal("tcg", "hackbench-threads", 40, "pipe", 1 / 1.5, "private"),
    Goal("tcg", "pipelines", 1, "pipe", 1.03, "private"),
    *(Goal("tcg", "pipe_bench", writers, "pipe", 1.5, "private") for writers in (1, 2, 5)),
    Goal("icount", "sleepers", 64, 1, 1.15),
    Goal("icount", "create", 1, "pipe", 1.5, "private"),
    Goal("icount", "create-use", 1, "pipe", 1.3, "private"),
    Goal("icount", "memory", 0, None, 4 * KIB, "private"),
    Goal("icount", "memory", 1, None, 8.5 * KIB, "private"),
    Goal("icount", "memory", 65536, None, 12 * KIB, "private"),
    *(Goal("tcg", "splice", size, "pipe", 1, "private") for size in (4096, 16384, 65536)),
    *(Goal("tcg", "splice-odd", size, "pipe", 1.2, "private") for size in (4096, 32768)),
    *(Goal(instrument, None, None, "circular", 1) for instrument in ("icount", "tcg", "um")),
)


class Verdict(NamedTuple):
    """A goal beside what was measured, as text."""

    what: str
    limit: str
    found: str
    reached: bool


def is_about(goal, row):
    return (goal.load, goal.number) == (row.setting.load, row.setting.number)


def speed_goal(instrument, row):
    """The goal as a speed: how many times as fast as pipe(2). None if there is no goal."""
    for goal in GOALS:
        if goal.to == "pipe" and goal.instrument == instrument.name and is_about(goal, row):
            return goal.limit if row.is_rate else 1 / goal.limit
    return None


def rows_of(goal, instruments):
    """Yields each measured row that the goal is about, with its ratio or, without `to`, value."""
    for instrument in instruments:
        if goal.instrument != instrument.name:
            continue
        for row in instrument.rows:
            if goal.load is not None and not is_about(goal, row):
                continue
            if goal.to is None:
                found = goal.of in row.values and row.spread(goal.of)
            elif isinstance(goal.to, int):
                other = instrument.find(goal.load, goal.to)
                found = other and row.ratio_of(goal.of, other, goal.of)
            else:
                found = row.ratio_of(goal.of, row, goal.to)
            if found:
                yield row, found


def margin(goal, row, found):
    """At least 1 if the goal is reached."""
    return found.median / goal.limit if row.is_rate else goal.limit / found.median


def judge(goal, instruments):
    """The verdict; of several settings it names the worst. None if nothing was measured."""
    seen = list(rows_of(goal, instruments))
    if not seen:
        return None
    margins = [margin(goal, row, found) for row, found in seen]
    reached = sum(each >= 1 for each in margins)
    row, found = seen[margins.index(min(margins))]
    form = ".2f" if goal.to else ".0f"
    text = f"{found.median:{form}} ({found.low:{form}} to {found.high:{form}})"
    limit = f"{'at least' if row.is_rate else 'at most'} {goal.limit:{form}}"
    if not goal.to:
        limit += f" {row.unit}"
    if goal.load is None:
        text = f"{reached} of {len(seen)}; worst: {row.setting}, {text}"
        limit = "better" if goal.limit == 1 else limit
    elif found.width > WIDEST:
        text += ", too wide"
        reached = 0
    of = "" if goal.of == "mini_pipe" else f"{goal.of}, "
    what = f"{goal.instrument}: {of}{row.setting if goal.load else 'every load'}"
    if goal.to:
        what += f" to {goal.load} {goal.to}" if isinstance(goal.to, int) else f" to {goal.to}"
    return Verdict(what, limit, text, reached == len(seen))


def verdicts(instruments):
    found = (judge(goal, instruments) for goal in GOALS)
    return [verdict for verdict in found if verdict]
