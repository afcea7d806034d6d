# SPDX-License-Identifier: GPL-2.0
"""Draws the charts as SVG, with the standard library only."""

import math
from html import escape

import goals
import measured

# Colours that colour-blind readers can tell apart, too. FLOOR is lighter than all contenders.
COLOURS = {
    "mini_pipe": "#0b5cad",
    "private": "#5aa7e6",
    "pipe": "#222222",
    "fifo": "#8c8c8c",
    "socketpair": "#9a5fb4",
    "circular": "#d9730d",
}
# The contenders of speeds(), from top to bottom.
SPEEDS = ("mini_pipe", "private", "circular")
FLOOR, TEXT, FAINT, GRID = "#c3c8cf", "#222222", "#5c6370", "#e3e6ea"


class Svg:
    """An SVG drawing; y grows downwards."""

    def __init__(self, width, height, title):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" '
            'font-family="system-ui, -apple-system, Segoe UI, sans-serif" font-size="12">',
            f"<title>{escape(title)}</title>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
        ]
        self.text(16, 26, title, size=15, weight="bold")

    def text(self, x, y, text, colour=TEXT, anchor="start", size=12, weight="normal"):
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" '
            f'font-size="{size}" font-weight="{weight}">{escape(str(text))}</text>'
        )

    def line(self, x1, y1, x2, y2, colour, width=1.0):
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"/>'
        )

    def path(self, points, colour, width):
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(
            f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="{width}" '
            'stroke-linejoin="round"/>'
        )

    def dot(self, x, y, colour, hollow=False, radius=4.0, tip=""):
        fill = "#ffffff" if hollow else colour
        self.parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{fill}" stroke="{colour}" '
            f'stroke-width="1.5"><title>{escape(tip)}</title></circle>'
        )

    def bar(self, x, y, width, height, colour):
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0.5):.1f}" height="{height}" '
            f'fill="{colour}"/>'
        )

    def write(self, file):
        file.write_text("\n".join(self.parts + ["</svg>", ""]), encoding="utf-8")


class Log:
    """A logarithmic axis. A value outside is drawn at the nearer end."""

    def __init__(self, low, high, start, end):
        self.low, self.high, self.start, self.end = low, high, start, end

    def at(self, value):
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + min(max(part, 0), 1) * (self.end - self.start)


class Linear(Log):
    """A linear axis that begins at 0."""

    def __init__(self, high, start, end):
        super().__init__(0, high, start, end)

    def at(self, value):
        return self.start + value / self.high * (self.end - self.start)


def rounded_up(value):
    """The end of an axis for the value: a round number, and so are its fifths."""
    power = 10 ** math.floor(math.log10(value))
    steps = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
    return next(step * power for step in steps if step * power >= value)


def legend(svg, x, y, contenders, note):
    for contender in contenders:
        svg.dot(x, y - 4, COLOURS[contender])
        svg.text(x + 9, y, contender)
        x += 24 + 7 * len(contender)
    svg.text(x, y, note, colour=FAINT)


def speeds(instrument, file):
    """Speeds relative to pipe(2), a row per load."""
    rows = [row for row in instrument.rows if any(row.speed(name) for name in SPEEDS)]
    if not rows:
        return False
    step, top, left, right = 26, 92, 150, 840
    bottom = top + step * len(rows)
    svg = Svg(900, bottom + 30, f"Times as fast as pipe(2): {instrument.name}")
    note = "line: middle half of the runs; hollow: inconclusive; black tick: goal"
    legend(svg, 22, 50, [name for name in SPEEDS if any(row.speed(name) for row in rows)], note)
    axis = Log(1 / 4, 4, left, right)
    for mark in (1 / 4, 1 / 3, 1 / 2, 2 / 3, 0.8, 1, 1.25, 1.5, 2, 3, 4):
        x = axis.at(mark)
        svg.line(x, top - 8, x, bottom, FAINT if mark == 1 else GRID, 1.5 if mark == 1 else 1)
        svg.text(x, top - 14, f"{mark:.2g}" if mark < 1 else f"{mark:g}", FAINT, "middle", 11)
    for number, row in enumerate(rows):
        y = top + step * number
        svg.line(left, y, right, y, GRID, 0.5)
        svg.text(left - 12, y + step / 2 + 4, row.setting, anchor="end")
        goal = goals.speed_goal(instrument, row)
        if goal:
            svg.line(axis.at(goal), y + 3, axis.at(goal), y + step - 3, TEXT, 2)
        for place, name in enumerate(SPEEDS, 1):
            if row.speed(name):
                speed(svg, axis, y + step * place / (len(SPEEDS) + 1), row, name)
    svg.text(left, bottom + 18, "slower", FAINT)
    svg.text(right, bottom + 18, "faster", FAINT, "end")
    svg.write(file)
    return True


def speed(svg, axis, y, row, name):
    """One contender in one row; with its value if that is outside the axis."""
    found = row.speed(name)
    x = axis.at(found.median)
    svg.line(axis.at(found.low), y, axis.at(found.high), y, COLOURS[name], 1.5)
    tip = f"{name}, {row.setting}: {found.median:.2f} ({found.low:.2f} to {found.high:.2f})"
    svg.dot(x, y, COLOURS[name], found.inconclusive, 3.5, tip)
    if not axis.low <= found.median <= axis.high:
        svg.text(x + 7, y + 4, f"{found.median:.2g}", FAINT, size=10)


def apart(places, least, most):
    """Moves the places, which are sorted, to be at least `least` apart and at most `most`."""
    moved = []
    for place in places:
        moved.append(max([place] + [before + least for before in moved[-1:]]))
    for index in reversed(range(len(moved))):
        moved[index] = min(moved[index], most)
        most = moved[index] - least
    return moved


def lines(svg, series, x_axis, y_axis, label_x):
    """Draws a line for each contender, labelled at its end. series: name to [(x, spread)]."""
    ends = []
    for name, points in sorted(series.items(), key=lambda item: item[0] == "mini_pipe"):
        strong = name in ("mini_pipe", "pipe")
        places = [(x_axis.at(x), y_axis.at(spread.median)) for x, spread in points]
        svg.path(places, COLOURS[name], 2.5 if strong else 1.5)
        for (x, y), (number, spread) in zip(places, points):
            svg.line(x, y_axis.at(spread.low), x, y_axis.at(spread.high), COLOURS[name], 1)
            svg.dot(x, y, COLOURS[name], radius=3, tip=f"{name}, {number}: {spread.median:.4g}")
        ends.append((places[-1][1], places[-1][0], name))
    ends.sort()
    for (y, x, name), label_y in zip(ends, apart([end[0] for end in ends], 15, y_axis.start)):
        svg.line(x + 5, y, label_x - 4, label_y, COLOURS[name], 0.7)
        svg.text(label_x, label_y + 4, name, weight="bold" if name == "mini_pipe" else "normal")


def by_number(instrument, load):
    """Each contender's spreads, by the size of a message or the number of tasks."""
    series = {}
    for row in instrument.rows:
        for name in measured.CONTENDERS:
            if row.setting.load == load and name in row.values:
                series.setdefault(name, []).append((row.setting.number, row.spread(name)))
    return series


def numbers_of(series):
    return sorted({number for points in series.values() for number, _ in points})


def throughput(instruments, file):
    """The throughput of streams by the size of a message, a panel per instrument."""
    panels = [(each, by_number(each, "stream")) for each in instruments]
    panels = [(each, series) for each, series in panels if len(numbers_of(series)) > 1]
    if not panels:
        return False
    height = 330
    title = "Streams between two tasks, MB/s by the size of a message"
    svg = Svg(900, 40 + height * len(panels), title)
    for number, (instrument, series) in enumerate(panels):
        top, bottom = 80 + height * number, height * (number + 1)
        sizes = numbers_of(series)
        most = max(spread.high for points in series.values() for _, spread in points)
        x_axis = Log(sizes[0], sizes[-1], 80, 740)
        y_axis = Linear(rounded_up(most), bottom, top)
        svg.text(16, top - 20, instrument.name, weight="bold")
        for part in range(6):
            value = y_axis.high * part / 5
            svg.line(80, y_axis.at(value), 740, y_axis.at(value), GRID)
            svg.text(72, y_axis.at(value) + 4, f"{value:g}", FAINT, "end", 11)
        for size in sizes:
            svg.text(x_axis.at(size), bottom + 18, measured.in_bytes(size), FAINT, "middle", 11)
        lines(svg, series, x_axis, y_axis, 766)
    svg.write(file)
    return True


def sleepers(instrument, file):
    """The cost of a message by the number of sleeping readers; constant if only one is woken."""
    series = by_number(instrument, "sleepers")
    numbers = numbers_of(series)
    if len(numbers) < 2:
        return False
    least = min(spread.low for points in series.values() for _, spread in points)
    most = max(spread.high for points in series.values() for _, spread in points)
    title = f"A message of 1 byte for one of n sleeping readers: {instrument.name}, instructions"
    svg = Svg(900, 400, title)
    x_axis = Log(numbers[0], numbers[-1], 80, 740)
    y_axis = Log(least / 1.3, most * 1.3, 350, 60)
    for mark in (step * 10**power for power in range(2, 9) for step in (1, 2, 5)):
        if y_axis.low <= mark <= y_axis.high:
            svg.line(80, y_axis.at(mark), 740, y_axis.at(mark), GRID)
            svg.text(72, y_axis.at(mark) + 4, f"{mark:,}", FAINT, "end", 11)
    for number in numbers:
        svg.text(x_axis.at(number), 370, number, FAINT, "middle", 11)
    svg.text(410, 390, "readers that sleep on the pipe", FAINT, "middle", 11)
    lines(svg, series, x_axis, y_axis, 766)
    svg.write(file)
    return True


def floors(instrument, file):
    """The cost of a write and a read in one task, beside the lower bounds."""
    rows = [instrument.find("pair", size) for size in (1, 4096, 65536)]
    rows = [row for row in rows if row and len(row.values) > 1]
    if not rows:
        return False
    shown = ("syscall", "copy-one", "copy-two", "null-zero", *COLOURS)
    step = 19
    heights = [step * sum(name in row.values for name in shown) + 44 for row in rows]
    title = f"Write and read in one task: {instrument.name}, {rows[0].unit} per message"
    svg = Svg(900, 44 + sum(heights), title)
    top = 44
    for row, height in zip(rows, heights):
        svg.text(16, top + 18, measured.in_bytes(row.setting.size), weight="bold")
        there = [name for name in shown if name in row.values]
        axis = Linear(max(row.spread(name).median for name in there), 0, 620)
        for number, name in enumerate(there):
            y = top + 28 + step * number
            value = row.spread(name).median
            svg.text(130, y + 12, name, anchor="end")
            svg.bar(140, y, axis.at(value), step - 4, COLOURS.get(name, FLOOR))
            svg.text(146 + axis.at(value), y + 12, f"{value:,.0f}", FAINT)
        top += height
    svg.write(file)
    return True


def draw(instruments, out):
    """Draws every chart that has data; returns the file names by instrument."""
    drawn = {}

    def add(name, key, chart, about):
        file = out / f"{name}.svg"
        file.unlink(missing_ok=True)
        if chart(about, file):
            drawn.setdefault(key, []).append(file.name)

    add("throughput", None, throughput, instruments)
    for instrument in instruments:
        add(f"speed-{instrument.name}", instrument.name, speeds, instrument)
        if instrument.name == "icount":
            add("floors", instrument.name, floors, instrument)
            add("sleepers", instrument.name, sleepers, instrument)
    return drawn
