# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Is the disk of the mirrors there, and has it room?

The role ``rsync_server`` gives the file system of ``backup_root`` an identifier: in a document on it, and in one of the
same content that belongs to the server. Where they differ, something else lies at that path.
"""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document

NAME = ".labops-backup-root"
_UNTOUCHED = "Nothing was changed"


@dataclass(frozen=True)
class Root:
    """Where mirrors lie.

    :param path: ``backup_root``.
    :param document: the server's own document about it.
    :param reserve_bytes: what has to stay free on its file system after a pull.
    :param reserve_percent: the same, as a share of that file system. The larger one counts.
    """

    path: str
    document: str
    reserve_bytes: int
    reserve_percent: float


def check(root: Root) -> None:
    """Refuse when the file system that was provisioned is not there.

    :raises BackupError: then.
    """
    known = _identifier(root.document, "Run site.yml for this server")
    advice = f"Mount the disk that holds {root.path}. If it was replaced on purpose, run site.yml for this server, "
    advice += "which says how to accept that"
    found = _identifier(os.path.join(root.path, NAME), advice)
    if found != known:
        raise BackupError(
            f"{root.path} is not the file system that was provisioned: its {NAME} says {found}, "
            f"{root.document} says {known}",
            untouched=_UNTOUCHED,
            remedy=advice,
            kind="root",
        )


def require_space(root: Root, *, size: int, files: int) -> None:
    """Refuse when a pull of ``size`` bytes in ``files`` new files would not leave the reserve free.

    :raises BackupError: then.
    """
    status = os.statvfs(root.path)
    free = status.f_bavail * status.f_frsize
    reserve = max(root.reserve_bytes, int(status.f_blocks * status.f_frsize * root.reserve_percent / 100))
    facts: dict[str, t.Any] = {"free_bytes": free, "needed_bytes": size + reserve, "kind": "space"}
    remedy = f"Free space on the file system of {root.path} or enlarge it"
    if free < size + reserve:
        raise BackupError(
            f"{root.path} has {free} bytes free; the pull needs up to {size} and {reserve} have to stay free",
            untouched="The mirror was not changed",
            remedy=remedy,
            **facts,
        )
    if status.f_files and status.f_favail < files:  # some file systems have no fixed number
        raise BackupError(
            f"the file system of {root.path} takes {status.f_favail} more files; the pull would create {files}",
            untouched="The mirror was not changed",
            remedy=remedy,
            **facts,
        )


def _identifier(path: str, advice: str) -> str:
    try:
        found = _document.read(path, untouched=_UNTOUCHED, remedy=advice).get("id")
    except FileNotFoundError:
        raise BackupError(
            f"{path} does not exist: the file system of backup_root is not mounted, or was never provisioned",
            untouched=_UNTOUCHED,
            remedy=advice,
            kind="root",
        ) from None
    if not isinstance(found, str) or not found:
        raise BackupError(f"{path} holds no identifier", untouched=_UNTOUCHED, remedy=advice, kind="root")
    return found
