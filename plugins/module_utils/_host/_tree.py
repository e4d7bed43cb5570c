# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""How much lies in a tree. Files are all entries but directories; links are not followed."""

from __future__ import annotations

import os
import stat
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._model import _text

_MOUNTS = "/proc/self/mounts"


def count(directory: str) -> int:
    """The number of files, from the names alone."""
    files = 0
    waiting = [os.fsencode(directory)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    files += 1
    return files


def measure(directory: str) -> tuple[int, int]:
    """The number of files, and their size in bytes; what a file of several names holds is counted once."""
    files = total = 0
    linked: set[tuple[int, int]] = set()
    waiting = [os.fsencode(directory)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    continue
                files += 1
                found = entry.stat(follow_symlinks=False)
                if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
                    continue
                if found.st_nlink > 1:
                    if (found.st_dev, found.st_ino) in linked:
                        continue
                    linked.add((found.st_dev, found.st_ino))
                total += found.st_size
    return files, total


def file_system(path: str) -> dict[str, t.Any]:
    """Where a path lies, or would lie: C(mount_point), C(free_bytes) and C(free_files) of its file system."""
    place = os.path.realpath(path)
    while not os.path.isdir(place):
        place = os.path.dirname(place)
    space = os.statvfs(place)
    device = os.stat(place).st_dev
    while place != "/" and os.stat(os.path.dirname(place)).st_dev == device:
        place = os.path.dirname(place)
    return {"mount_point": place, "free_bytes": space.f_bavail * space.f_frsize, "free_files": space.f_favail}


def mounts() -> list[tuple[str, str, str, str]]:
    """What is mounted, in the kernel's order: device, place, kind and options, names as they are."""
    with open(_MOUNTS, "rb") as stream:
        rows = [os.fsdecode(line).split(" ")[:4] for line in stream]
    return [(_text.unescaped(device), _text.unescaped(place), kind, options) for device, place, kind, options in rows]


def mounts_below(directory: str) -> list[bytes]:
    """Where other file systems are mounted below a folder, relative to it; also parts of the same one (bind mounts)."""
    above = os.fsencode(os.path.realpath(directory)).rstrip(b"/") + b"/"
    points = {os.fsencode(place) for _device, place, _kind, _options in mounts()}
    return sorted(point.removeprefix(above) for point in points if point.startswith(above) and point != above)
