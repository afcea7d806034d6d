#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Prints CHANGELOG.md in the form of debian/changelog.

    debchangelog.py CHANGELOG.md NAME MAINTAINER
    debchangelog.py CHANGELOG.md             prints the newest version only
"""

import datetime
import re
import sys
import textwrap

RELEASE = re.compile(r"## (\d+(?:\.\d+)*) \((\d{4}-\d\d-\d\d)\)$")
LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")


def read_releases(path):
    """The releases, newest first: version, date, and the items as lists of their lines."""
    releases = []
    items = None
    with open(path, encoding="utf-8") as file:
        for line in map(str.rstrip, file):
            if match := RELEASE.match(line):
                items = []
                releases.append((match[1], datetime.date.fromisoformat(match[2]), items))
            elif items is None:
                continue
            elif line.startswith("- "):
                items.append([line[2:]])
            elif line.startswith("  ") and items:
                items[-1].append(line.strip())
    return releases


def main():
    """Prints all releases, or the newest version."""
    path, *names = sys.argv[1:]
    releases = read_releases(path)
    if not releases:
        sys.exit(f"{path} has no line like: ## 0.1.0 (2026-11-28)")
    if not names:
        print(releases[0][0])
        return
    name, maintainer = names
    for version, date, items in releases:
        print(f"{name} ({version}) unstable; urgency=medium\n")
        for item in items:
            text = LINK.sub(r"\1", " ".join(item)).replace("`", "")
            print(textwrap.fill(text, 76, initial_indent="  * ", subsequent_indent="    "))
        print(f"\n -- {maintainer}  {date:%a, %d %b %Y} 12:00:00 +0000\n")


main()
