#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Which lines of the module's device/ and sys/ the suite has run, as the subject `coverage` in KTAP.

    coverage.py RESULTS MODULE EXCEPTIONS

RESULTS has a line "# counters: NUMBER ...", from tests/coverage/print.sh. MODULE was built with
counters; see Kbuild. EXCEPTIONS lists the lines that need not run, as FILE: TEXT, each after a tab,
below the reason. Failures are: fewer than 95 % of the lines run; a line does not run and is not
listed; or a listed line does not exist. Writes its own files next to RESULTS.
"""

import pathlib
import struct
import subprocess
import sys

LEAST = 95
SOURCES = ["mini_pipe/device", "mini_pipe/sys"]

# The sections with a record for each function, with the links of the records to counters, with the
# counters, and with the names of the functions.
SECTIONS = ["__llvm_prf_data", ".rela__llvm_prf_data", "__llvm_prf_cnts", "__llvm_prf_names"]

# The header of LLVM's raw profile, version 10: this, the version, the numbers below, and zeros.
MAGIC = b"\x81rforpl\xff"
VERSION = 10
HEADER_WORDS = 16
# The size of a record in the section __llvm_prf_data.
RECORD = 64


def read_sections(module, work, *names):
    """The contents of these sections of the module."""
    dumps = [f"--dump-section={name}={work / name}" for name in names]
    subprocess.run(["llvm-objcopy", *dumps, module, work / "copy"], check=True)
    return [(work / name).read_bytes() for name in names]


def raw_profile(sections, counters):
    """The raw profile that a program with these counters would have written at its end."""
    data, links, zeros, names = sections
    if 8 * len(counters) != len(zeros):
        sys.exit(f"{len(counters)} counters were printed, but there are {len(zeros) // 8}")
    # Links each record to its counters, as if both sections began at address 0.
    data = bytearray(data)
    for place, _, addend in struct.iter_unpack("<QQq", links):
        struct.pack_into("<q", data, place, addend - place)
    header = [VERSION, 0, len(data) // RECORD, 0, len(counters), 0, 0, 0, len(names)]
    header += [0] * (HEADER_WORDS - 1 - len(header))
    words = struct.pack(f"<{len(counters)}Q", *counters)
    return MAGIC + struct.pack("<15Q", *header) + data + words + names + bytes(-len(names) % 8)


def count_lines(module, work, profile):
    """How often each line ran: {file: {number of the line: count}}."""
    (work / "profraw").write_bytes(profile)
    subprocess.run(
        ["llvm-profdata", "merge", work / "profraw", "-o", work / "profdata"], check=True
    )
    lcov = subprocess.run(
        ["llvm-cov", "export", "-format=lcov", f"-instr-profile={work}/profdata", module]
        + ["-sources", *SOURCES],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    files = {}
    for line in lcov.splitlines():
        if line.startswith("SF:"):
            lines = files.setdefault(line[3:].removeprefix(f"{pathlib.Path.cwd()}/"), {})
        elif line.startswith("DA:"):
            number, count = line[3:].split(",")[:2]
            lines[int(number)] = int(count)
    return files


def find_lines(files, is_wanted):
    """The lines whose count is wanted, as FILE: TEXT."""
    return {
        f"{path}: {text.strip()}"
        for path, lines in files.items()
        for number, text in enumerate(open(path, encoding="utf-8"), 1)
        if number in lines and is_wanted(lines[number])
    }


def print_test(number, name, output):
    """Prints the result of one test, which is good if it has no output."""
    for line in output:
        print(f"# {line}")
    print("not ok" if output else "ok", number, name)


def main():
    """Prints a table by file, and the tests."""
    results, module, exceptions = map(pathlib.Path, sys.argv[1:])
    counters = next(
        line.split(":")[1].split()
        for line in results.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.startswith("# counters:")
    )
    work = results.parent / "device-coverage"
    work.mkdir(exist_ok=True)
    sections = read_sections(module, work, *SECTIONS)
    files = count_lines(module, work, raw_profile(sections, [int(text) for text in counters]))
    listed = {line[1:] for line in exceptions.read_text().splitlines() if line.startswith("\t")}
    missed = find_lines(files, lambda count: count == 0)
    known = find_lines(files, lambda count: True)
    total = ran = 0
    print("# subject: coverage\n1..3")
    for path, lines in sorted(files.items()):
        hits = sum(count > 0 for count in lines.values())
        print(f"# {path:30} {len(lines):4} lines, {hits:4} run")
        total += len(lines)
        ran += hits
    percent = 100 * ran / total
    low = [f"only {ran} of {total} lines run"] if percent < LEAST else []
    print(f"# {percent:.1f} % of {total} lines")
    print_test(1, "enough_lines_run", low)
    print_test(2, "all_other_lines_are_listed", sorted(missed - listed))
    print_test(3, "all_listed_lines_exist", sorted(listed - known))
    print("# exit: 0")


main()
