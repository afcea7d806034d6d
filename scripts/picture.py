# SPDX-License-Identifier: GPL-2.0
"""Draws the picture of the pipe in README.md, for light and dark pages.

python3 scripts/picture.py docs/pipe.svg
"""

import math
import sys
from html import escape

WIDTH, HEIGHT = 900, 580
# The panels: x, y, width, height.
WRITERS = (10, 10, 236, 414)
PIPE = (306, 10, 288, 414)
READERS = (654, 10, 236, 414)
CALLS = (10, 436, 880, 134)
# The ring: centre and radii.
X, Y, INNER, OUTER = 450, 166, 78, 114
# Its parts in the order of their indices, clockwise: class, first and last angle.
PARTS = (
    ("reading", -70, -25),
    ("readable", -25, 205),
    ("writing", 205, 250),
    ("writable", 250, 290),
)
PAGES = 16

LIGHT = {
    "text": "fill:#1f2328",
    "faint": "fill:#59636e",
    "back": "fill:#ffffff",
    "panel": "fill:#f6f8fa;stroke:#c3cad2",
    "queue": "fill:#ffffff;stroke:#8c959f",
    "task": "fill:#1f2328",
    "awake": "fill:none;stroke:#1f2328",
    "edge": "stroke:#ffffff",
    "readable": "fill:#5aa7e6",
    "reading": "fill:#0b5cad",
    "writing": "fill:#c2570c",
    "writable": "fill:#d9dee3",
    "copy": "stroke:#1f2328",
    "wake": "stroke:#7a45a8",
    "violet": "fill:#7a45a8",
    "held": "fill:#d5dbe2;stroke:#8c959f",
    "free": "fill:#ffffff;stroke:#8c959f",
}
DARK = {
    "text": "fill:#f0f6fc",
    "faint": "fill:#a3abb5",
    "back": "fill:#0d1117",
    "panel": "fill:#161b22;stroke:#3d444d",
    "queue": "fill:#0d1117;stroke:#7d858f",
    "task": "fill:#f0f6fc",
    "awake": "fill:none;stroke:#f0f6fc",
    "edge": "stroke:#161b22",
    "readable": "fill:#2f6fae",
    "reading": "fill:#8cc4ff",
    "writing": "fill:#f0a04b",
    "writable": "fill:#3a424c",
    "copy": "stroke:#f0f6fc",
    "wake": "stroke:#c79bf0",
    "violet": "fill:#c79bf0",
    "held": "fill:#444c56;stroke:#7d858f",
    "free": "fill:#0d1117;stroke:#7d858f",
}

# The elements of the drawing.
parts = []


def rules(colours):
    return "".join(f".{name}{{{style}}}" for name, style in colours.items())


def rect(style, x, y, width, height, radius=6):
    parts.append(
        f'<rect class="{style}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}"/>'
    )


def text(x, y, words, style="text", anchor="start", weight="normal"):
    parts.append(
        f'<text class="{style}" x="{x}" y="{y}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(words)}</text>'
    )


def arrow(style, x1, x2, y):
    """A horizontal arrow from x1 to x2."""
    tip = 8 if x2 > x1 else -8
    dashes = ' stroke-dasharray="5 4"' if style == "wake" else ""
    parts.append(
        f'<path class="{style}" fill="none" stroke-width="2"{dashes} d="M{x1} {y}H{x2}"/>'
        f'<path class="{style}" fill="none" stroke-width="2" '
        f'd="M{x2 - tip} {y - 5}L{x2} {y}L{x2 - tip} {y + 5}"/>'
    )


def point(angle, radius):
    """Where the ring has this angle, in degrees clockwise from three o'clock."""
    turn = math.radians(angle)
    return f"{X + radius * math.cos(turn):.1f} {Y + radius * math.sin(turn):.1f}"


def ring():
    for style, first, last in PARTS:
        large = int(last - first > 180)
        parts.append(
            f'<path class="{style}" d="M{point(first, OUTER)}'
            f"A{OUTER} {OUTER} 0 {large} 1 {point(last, OUTER)}L{point(last, INNER)}"
            f'A{INNER} {INNER} 0 {large} 0 {point(first, INNER)}Z"/>'
        )
    for page in range(PAGES):
        angle = page * 360 / PAGES
        parts.append(
            '<path class="edge" stroke-width="1" '
            f'd="M{point(angle, INNER)}L{point(angle, OUTER)}"/>'
        )
    for name, angle, x, y in (("tail", -70, 468, Y - 54), ("head", 205, 388, Y - 24)):
        parts.append(
            '<path class="copy" stroke-width="2" '
            f'd="M{point(angle, INNER - 5)}L{point(angle, OUTER + 5)}"/>'
        )
        text(x, y, name, weight="bold")
    text(X, Y + 12, "65536 bytes", anchor="middle")
    text(X, Y + 31, "in 16 pages", anchor="middle")
    for x, y, style, name in (
        (320, 300, "writing", "write reservation"),
        (320, 324, "reading", "read reservation"),
        (484, 300, "writable", "writable"),
        (484, 324, "readable", "readable"),
    ):
        rect(style, x, y, 14, 14, 3)
        text(x + 21, y + 12, name)


def tasks(x, y, count):
    for nth in range(count):
        parts.append(f'<circle class="task" cx="{x + 22 * nth}" cy="{y}" r="7"/>')


def queue(x, y, count):
    rect("queue", x, y - 13, 104, 26, 13)
    tasks(x + 20, y, count)


def side(panel, title, call, rows):
    """The tasks of one direction: rows of (y, kind or number of tasks, name, lines below)."""
    x, y, width, height = panel
    rect("panel", x, y, width, height)
    text(x + 14, y + 24, title, weight="bold")
    text(x + width - 14, y + 24, call, style="faint", anchor="end")
    for top, kind, name, *lines in rows:
        if kind == "copies":
            tasks(x + 24, top, 1)
            text(x + 40, top + 5, name, weight="bold")
        elif kind == "spins":
            parts.append(f'<circle class="awake" stroke-width="2" cx="{x + 24}" cy="{top}" r="6"/>')
            text(x + 40, top + 5, name, weight="bold")
        else:
            queue(x + 14, top, kind)
            text(x + 128, top + 5, name, weight="bold")
        for nth, line in enumerate(lines):
            text(x + 14, top + 29 + 18 * nth, line, style="faint")


def call(y, name, steps):
    """One call: steps of (width, held, what), from left to right."""
    x = 206
    text(24, y + 20, name)
    for width, held, what in steps:
        rect("held" if held else "free", x, y, width, 30, 3)
        text(x + width / 2, y + 20, what, anchor="middle")
        x += width + 4


def draw():
    rect("back", 0, 0, WIDTH, HEIGHT, 8)
    side(
        WRITERS,
        "Writers",
        "write(2)",
        (
            (82, "copies", "copying", "into the write reservation"),
            (146, "spins", "spinning", "1 ms at most, then it sleeps"),
            (210, 3, "sleepers", "until there is enough room"),
            (280, 2, "pollers", "poll(2), epoll(7): POLLOUT"),
            (
                350,
                1,
                "drained",
                "under the policy rendezvous:",
                "until its bytes have been read",
            ),
        ),
    )
    side(
        READERS,
        "Readers",
        "read(2)",
        (
            (82, "copies", "copying", "from the read reservation"),
            (146, "spins", "spinning", "1 ms at most, then it sleeps"),
            (210, 3, "sleepers", "until there are bytes"),
            (280, 2, "pollers", "poll(2), epoll(7): POLLIN"),
        ),
    )
    x, y, width, height = PIPE
    rect("panel", x, y, width, height)
    text(x + 14, y + 24, "Pipe", weight="bold")
    ring()
    text(X, 366, "One mutex protects the state:", anchor="middle")
    text(X, 386, "positions in the ring, reservations,", style="faint", anchor="middle")
    text(X, 404, "open ends, waiters, policy", style="faint", anchor="middle")

    left, right = WRITERS[0] + WRITERS[2], READERS[0]
    arrow("copy", left + 5, 372, 82)
    text((left + x) / 2, 74, "copy", anchor="middle")
    arrow("copy", 528, right - 5, 82)
    text((right + x + width) / 2, 74, "copy", anchor="middle")
    for top in (146, 210, 280, 350):
        arrow("wake", x - 5, left + 5, top)
        if top < 350:
            arrow("wake", x + width + 5, right - 5, top)
    for middle in ((left + x) / 2, (right + x + width) / 2):
        text(middle, 138, "wake-up", style="violet small", anchor="middle")

    x, y, width, height = CALLS
    rect("panel", x, y, width, height)
    text(x + 14, y + 24, "What a call does", weight="bold")
    rect("held", 448, y + 12, 16, 16, 3)
    text(471, y + 25, "with the mutex held", style="faint")
    rect("free", 642, y + 12, 16, 16, 3)
    text(665, y + 25, "with the mutex free", style="faint")
    call(
        y + 42,
        "a copy within one page",
        ((360, True, "copy and commit"), (136, False, "wake-up")),
    )
    call(
        y + 86,
        "any other copy",
        (
            (136, True, "reserve"),
            (220, False, "copy"),
            (136, True, "commit"),
            (136, False, "wake-up"),
        ),
    )


def main():
    draw()
    svg = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" aria-labelledby="title" '
        'font-family="system-ui, -apple-system, Segoe UI, sans-serif" font-size="14">',
        '<title id="title">The pipe: tasks, wait queues, ring and reservations</title>',
        f"<style>.small{{font-size:12px}}{rules(LIGHT)}@media (prefers-color-scheme: dark){{{rules(DARK)}}}</style>",
        *parts,
        "</svg>",
        "",
    ]
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write("\n".join(svg))


main()
