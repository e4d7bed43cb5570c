# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What was lost: one name of a live tree against what a recovery point says about it, and the verdict about a tree."""

from __future__ import annotations

import stat

from ansible_collections.labops.backup.plugins.module_utils._model import _content

MISSING, DAMAGED, METADATA, NEWER = "missing", "damaged", "metadata", "newer"
INTACT, LOST = "intact", "lost"
# A damaged dataset and a damaged file are the same word.
KINDS = (MISSING, DAMAGED, METADATA, NEWER)

ASIDE = b".labops-aside-"
"""What the names begin with, at the root of a dataset, below which a restore puts what it replaces."""


def counts(mode: int) -> bool:
    """Whether something of this mode is to be brought back; sockets are not, no archive has them."""
    return not stat.S_ISSOCK(mode)


def must_read(entry: _content.Entry, status: _content.Status, *, everything: bool) -> bool:
    """Whether only its content can tell if a file is intact.

    :param everything: read also files whose size and time are those of the point.
    """
    if not entry.is_file or not stat.S_ISREG(status.st_mode) or entry.sha256 == _content.NO_CONTENT:
        return False
    return status.st_size == entry.size and (everything or status.st_mtime_ns != entry.mtime_ns)


def judge(entry: _content.Entry, status: _content.Status, sha256: bytes | None) -> str | None:
    """What became of a name that is still there.

    The time of a folder is not looked at: it changes with every file that comes or goes.

    :param sha256: of what a file holds now, or of a link's target; None when it was not read.
    :return: DAMAGED (another kind, size or content), METADATA (another owner, mode or time), or None.
    """
    if stat.S_IFMT(entry.mode) != stat.S_IFMT(status.st_mode):
        return DAMAGED
    if entry.is_file and entry.size != status.st_size:
        return DAMAGED
    if sha256 is not None and sha256 != entry.sha256:
        return DAMAGED
    if (entry.mode, entry.uid, entry.gid) != (status.st_mode, status.st_uid, status.st_gid):
        return METADATA
    return METADATA if not entry.is_folder and entry.mtime_ns != status.st_mtime_ns else None


def state(*, expected: int, missing: int, differing: int) -> str:
    """The verdict about a tree.

    :param expected: how much the point has of it, folders not counted.
    :param missing: how much of that is not there.
    :param differing: how much is there and different, and how many folders are missing.
    """
    if expected and missing == expected:
        return LOST
    return DAMAGED if missing or differing else INTACT
