#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks the graph of the module's rooms, from the `use` lines of its files.

    graph.py [--print] DIR

A room is a file in DIR; a floor is a folder of DIR. Fails, and prints the graph, if a room uses one of
a floor above its own, if rooms use each other in a circle, or if a room uses `super`, which hides from
a reader where a name comes from.
"""

import graphlib
import pathlib
import re
import sys

# From the ground up. Each floor uses only itself and those below.
FLOORS = ("sys", "ring", "pipe", "device")


def rooms_of(folder):
    """The path of each room's file, by the room's name, as in `ring::indices`."""
    rooms = {}
    for file in sorted(folder.rglob("*.rs")):
        parts = file.relative_to(folder).with_suffix("").parts
        rooms["::".join(parts[:-1] if parts[-1] == "mod" else parts)] = file
    return rooms


def without_comments(text):
    return re.sub(r"//.*", "", text)


def paths(tree, prefix=""):
    """All paths of a `use` tree: `a::{b, c::d}` has a::b and a::c::d."""
    items, depth, start = [], 0, 0
    for at, letter in enumerate(tree + ","):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            items.append(tree[start:at].strip())
            start = at + 1
    for item in filter(None, items):
        head, brace, rest = item.partition("{")
        if brace:
            yield from paths(rest.rstrip().removesuffix("}"), prefix + head.strip())
        else:
            yield prefix + item


def used(text):
    """What a file names by `crate::`: in its `use` lines, and in its code."""
    for tree in re.findall(r"\buse (crate::[^;]*);", text):
        yield from paths(tree)
    code = re.sub(r"\buse [^;]*;", "", text)
    yield from re.findall(r"\bcrate::[\w:]+", code)


def room_of(path, rooms):
    """The room that a path leads into: the longest one that is its beginning."""
    parts = path.split("::")[1:]
    for count in range(len(parts), 0, -1):
        if "::".join(parts[:count]) in rooms:
            return "::".join(parts[:count])
    return None


def arrows(rooms):
    """Which rooms each room uses, and what is wrong with its paths."""
    graph, faults = {}, []
    for room, file in rooms.items():
        # What is only compiled for user space tests one room, and is inside of it.
        text = without_comments(file.read_text(encoding="utf-8")).split("#[cfg(test)]")[0]
        graph[room] = set()
        for path in used(text):
            other = room_of(path, rooms)
            if other is None:
                faults.append(f"{room} uses {path}, which is in no room")
            elif other != room:
                graph[room].add(other)
        if re.search(r"\bsuper::", text):
            faults.append(f"{room} uses super::")
    return graph, faults


def upwards(graph):
    def height(room):
        return FLOORS.index(room.split("::")[0])

    for room, others in graph.items():
        for other in others:
            if height(other) > height(room):
                yield f"{room} uses {other}, which is on a floor above"


def circle(graph):
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield "a circle: " + " -> ".join(reversed(error.args[1]))


def main():
    folder = pathlib.Path(sys.argv[-1])
    rooms = rooms_of(folder)
    graph, faults = arrows(rooms)
    faults += [*upwards(graph), *circle(graph)]
    if faults or "--print" in sys.argv:
        for room, others in graph.items():
            print(room, "->", ", ".join(sorted(others)) or "nothing")
    for fault in faults:
        print(f"graph.py: {fault}", file=sys.stderr)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
