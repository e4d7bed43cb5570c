# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Bring what a restore replaces to the state that is asked for."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _aside


def bring(path: str, incident: str, state: str, lists: t.Sequence[str], *, dry_run: bool) -> dict[str, t.Any]:
    """Move aside, put back or remove; returns the result of the module ``file_aside``.

    :raises BackupError: when it cannot be done, or not all of it.
    """
    if lists and state != "aside":
        raise BackupError(
            f"lists do not go with the state {state}",
            untouched="Nothing was changed",
            remedy="Leave them out; everything of the incident is meant",
        )
    dataset = _aside.Dataset(path, incident)
    try:
        if state == "aside":
            moved = dataset.put_aside(lists, dry_run=dry_run)
        elif state == "returned":
            moved = dataset.give_back(dry_run=dry_run)
        else:
            moved = dataset.remove(dry_run=dry_run)
        others = dataset.others
    finally:
        dataset.close()
    if moved.conflicts:
        raise BackupError(
            f"not everything of {incident} could be put back in {path}, because folders with something in them have "
            f"taken the places of: {', '.join(moved.conflicts[:5])}",
            untouched="These wait where they were" + ("" if dry_run else "; everything else was put back"),
            remedy="Move those folders away by hand, then run again",
            conflicts=moved.conflicts,
        )
    return {
        "changed": bool(moved.paths),
        "aside": os.path.join(path, os.fsdecode(dataset.aside)),
        "paths": moved.paths,
        "files": moved.files,
        "bytes": moved.size,
        "already": moved.already,
        "absent": moved.absent,
        "replaced": moved.replaced,
        "others": others,
    }
