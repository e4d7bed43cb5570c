# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""How much room there is where something is to be written."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._host import _facts


def look(path: str) -> dict[str, t.Any]:
    """The file system that holds ``path``, or would hold it if it were made."""
    missing: list[str] = []
    while not os.path.isdir(place := os.path.dirname(missing[0]) if missing else path):
        missing.insert(0, place)
    existing = os.path.realpath(path)
    while not os.path.isdir(existing):
        existing = os.path.dirname(existing)
    status = os.statvfs(existing)
    return {
        "path": path,
        "present": not missing,
        "missing": missing,
        "empty": bool(missing) or _is_empty(path),
        "existing": existing,
        "device": os.stat(existing).st_dev,
        "mount": _facts.mount_of(existing),
        "total_bytes": status.f_blocks * status.f_frsize,
        "free_bytes": status.f_bavail * status.f_frsize,
        "free_inodes": status.f_favail,
        "writable": os.access(existing, os.W_OK) and not status.f_flag & os.ST_RDONLY,
    }


def _is_empty(folder: str) -> bool:
    """Whether nothing is in a folder but what a file system has at its root; no if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return all(entry.name == "lost+found" for entry in entries)
    except OSError:
        return False
