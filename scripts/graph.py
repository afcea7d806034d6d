#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks which files of the module use which, from their `use` lines.

    graph.py [--print] DIR

Each file in DIR is a (Rust) module, and each folder of DIR a layer. Fails, and prints the graph, if a
module uses one of a layer above its own, if modules use each other in a circle, or if a module uses
`super`, which hides from a reader where a name comes from.
"""

import graphlib
import pathlib
import re
import sys

# From bottom to top. Each layer uses only itself and the layers below it.
LAYERS = ("sys", "ring", "pipe", "device")


def modules_of(folder):
    """The path of each module's file, by the module's name, as in `ring::indices`."""
    modules = {}
    for file in sorted(folder.rglob("*.rs")):
        parts = file.relative_to(folder).with_suffix("").parts
        modules["::".join(parts[:-1] if parts[-1] == "mod" else parts)] = file
    return modules


def code_of(text):
    """The text without comments, and without `pub(in ...)`."""
    return re.sub(r"//.*|\bpub\(in [\w:]+\)", "", text)


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


def module_of(path, modules):
    """The module that a path leads into: the longest one that is its beginning."""
    parts = path.split("::")[1:]
    for count in range(len(parts), 0, -1):
        if "::".join(parts[:count]) in modules:
            return "::".join(parts[:count])
    return None


def arrows(modules):
    """Which modules each module uses, and what is wrong with its paths."""
    graph, faults = {}, []
    for module, file in modules.items():
        # The rest of the file is the module's unit tests, for user space.
        text = code_of(file.read_text(encoding="utf-8")).split("#[cfg(test)]")[0]
        graph[module] = set()
        for path in used(text):
            other = module_of(path, modules)
            if other is None:
                faults.append(f"{module} uses {path}, which is in no module")
            elif other != module:
                graph[module].add(other)
        if re.search(r"\bsuper::", text):
            faults.append(f"{module} uses super::")
    return graph, faults


def upwards(graph):
    def height(module):
        return LAYERS.index(module.split("::")[0])

    for module, others in graph.items():
        for other in others:
            if height(other) > height(module):
                yield f"{module} uses {other}, which is in a layer above"


def circle(graph):
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield "a circle: " + " -> ".join(reversed(error.args[1]))


def main():
    folder = pathlib.Path(sys.argv[-1])
    modules = modules_of(folder)
    graph, faults = arrows(modules)
    faults += [*upwards(graph), *circle(graph)]
    if faults or "--print" in sys.argv:
        for module, others in graph.items():
            print(module, "->", ", ".join(sorted(others)) or "nothing")
    for fault in faults:
        print(f"graph.py: {fault}", file=sys.stderr)
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
