# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""An earlier copy of a tree becomes the mirror by a rename; nothing is copied, merged or overwritten."""

from __future__ import annotations

import errno
import os
import stat
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document, _lock

_UNTOUCHED = "Nothing was moved"
_BY_HAND = "Take adopt_from out of the inventory, so that the first pull copies everything, or move the tree by hand"


def adopt(
    old: str, mirror: str, *, lock: str | None, check_mode: bool, repository: str | None = None
) -> dict[str, t.Any]:
    """Move ``old`` to ``mirror`` unless the mirror exists.

    :param repository: that of the dataset; where it exists, the mirror had been adopted once and is lost.
    :param lock: lock file of the dataset, held meanwhile.
    :return: ``changed`` and ``warnings``.
    :raises BackupError: when neither is there, the old one is no folder, or it lies on another file system.
    """
    for path in (old, mirror):
        if not path.startswith("/") or path != os.path.normpath(path):
            raise BackupError(f"{path!r} is not an absolute path in its plain form", untouched=_UNTOUCHED)
    if os.path.lexists(mirror):
        warnings = []
        if os.path.lexists(old):
            warnings = [f"{mirror} exists already, so {old} was not adopted and stays as it is"]
        return {"changed": False, "warnings": warnings}
    if repository is not None and os.path.isdir(repository) and not os.path.lexists(old):
        lost = f"neither {mirror} nor {old} exists, and {repository} does: the next pull copies everything"
        return {"changed": False, "warnings": [lost]}
    _check(old, mirror)
    if not check_mode:
        if lock is None:
            _move(old, mirror)
        else:
            with _lock.hold(lock, f"mirror_adopt of {old}"):
                _move(old, mirror)
    return {"changed": True, "warnings": []}


def _check(old: str, mirror: str) -> None:
    try:
        found = os.lstat(old)
    except FileNotFoundError:
        raise BackupError(
            f"neither the mirror {mirror} nor {old}, which should become it, exists",
            untouched=_UNTOUCHED,
            remedy="Correct adopt_from, or take it out of the inventory, so that the first pull copies everything",
        ) from None
    if not stat.S_ISDIR(found.st_mode):
        raise BackupError(f"{old} is not a folder", untouched=_UNTOUCHED, remedy="Name the folder itself in adopt_from")
    parent = os.path.dirname(mirror)
    while not os.path.lexists(parent):  # check mode, before the role has made it
        parent = os.path.dirname(parent)
    if os.stat(parent).st_dev != found.st_dev:
        raise _elsewhere(old, mirror)


def _move(old: str, mirror: str) -> None:
    try:
        os.rename(old, mirror)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EBUSY):
            raise
        raise _elsewhere(old, mirror) from error  # a mount point, or the same file system mounted twice
    _document.sync_folder(os.path.dirname(mirror))
    _document.sync_folder(os.path.dirname(old))


def _elsewhere(old: str, mirror: str) -> BackupError:
    return BackupError(
        f"{old} is a file system of its own, or lies on another one than {mirror}, and a tree is adopted by a rename "
        "only",
        untouched=_UNTOUCHED,
        remedy=_BY_HAND,
    )
