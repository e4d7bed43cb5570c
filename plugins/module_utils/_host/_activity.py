# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Whether anything in a tree changes: the newest change time that a walk finds."""

from __future__ import annotations

import os


def newest(root: str, *, after: int | None = None) -> tuple[int, str]:
    """The newest change time below ``root`` in nanoseconds, and what has it; 0 when there is nothing.

    A change time cannot be set back by a program, and every write, rename, link and removal leaves one, on the entry
    or on its folder. Times are compared with each other only, so the clock of a network file system may differ.

    :param after: end the walk at the first entry whose change time is later.
    """
    best, where = 0, ""
    folders = [root]
    try:
        best, where = os.lstat(root).st_ctime_ns, root
    except (FileNotFoundError, NotADirectoryError):
        return 0, ""
    if after is not None and best > after:
        return best, where
    while folders:
        try:
            entries = os.scandir(folders.pop())
        except (FileNotFoundError, NotADirectoryError):  # removed meanwhile: its folder tells
            continue
        with entries:
            for entry in entries:
                try:
                    changed = entry.stat(follow_symlinks=False).st_ctime_ns
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                except FileNotFoundError:
                    continue
                if changed > best:
                    best, where = changed, entry.path
                    if after is not None and best > after:
                        return best, where
    return best, where
