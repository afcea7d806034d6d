#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Makes the files of kbuild for language servers fit for an editor outside of the toolbox.

    editor.py rust TOOLBOX FILE   FILE is a rust-project.json
    editor.py c TOOLBOX FILE      FILE is a compile_commands.json; adds the commands of the programs
                                  that make -nB prints, which come from standard input

TOOLBOX is the folder of the toolbox, which has the compilers and their libraries. The result goes to
standard output.
"""

import json
import pathlib
import re
import shlex
import sys

# Options that only gcc understands; and -Werror, so that a warning of clang alone is no error.
NOT_CLANG = re.compile(
    r"-Werror|-mpreferred-stack-boundary=.*|-mindirect-branch.*|-mfunction-return=.*|-mrecord-mcount"
    r"|-fno-allow-store-data-races|-fmin-function-alignment=.*|-fconserve-stack|-falign-jumps=.*"
    r"|-fsanitize=bounds-strict"
)


def outside(path, toolbox):
    """The path that a file of the toolbox has outside of it."""
    return toolbox + path if path.startswith("/usr") else path


def rust_project(toolbox, file):
    project = json.loads(file.read_text(encoding="utf-8"))
    project["sysroot"] = outside(project["sysroot"], toolbox)
    for crate in project["crates"]:
        crate["root_module"] = outside(crate["root_module"], toolbox)
        if crate["display_name"] == "mini_pipe":
            # kbuild gives this to the compiler.
            crate["cfg"].append("MODULE")
    return project


def programs(lines, toolbox):
    """The commands of a dry run of make, with the folder of each: make prints where it is."""
    folder = ""
    for line in lines:
        if entered := re.search(r"Entering directory '(.*)'", line):
            folder = entered[1]
        if not line.startswith("cc "):
            continue
        cc, *rest = shlex.split(line)
        for word in rest:
            if word.endswith(".c"):
                arguments = [cc, f"--sysroot={toolbox}", *rest]
                file = str(pathlib.Path(folder, word).resolve())
                yield {"directory": folder, "arguments": arguments, "file": file}


def modules(file):
    for command in json.loads(file.read_text(encoding="utf-8")):
        yield {**command, "arguments": shlex.split(command.pop("command"))}


def compile_commands(toolbox, file, lines):
    commands = [*modules(file), *programs(lines, toolbox)]
    for command in commands:
        arguments = command["arguments"]
        command["arguments"] = [word for word in arguments if not NOT_CLANG.fullmatch(word)]
    return commands


def main():
    what, toolbox, file = sys.argv[1:]
    file = pathlib.Path(file)
    if what == "rust":
        result = rust_project(toolbox, file)
    else:
        result = compile_commands(toolbox, file, sys.stdin)
    json.dump(result, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
