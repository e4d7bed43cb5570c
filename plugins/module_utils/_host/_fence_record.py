# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The record of a fence: how everything was before. It is durable before anything is changed, and removed last."""

from __future__ import annotations

import contextlib
import os
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document
from ansible_collections.labops.backup.plugins.module_utils._model import _form

Record = dict[str, t.Any]
DATABASE = "database fence"
WRITERS = "writer fence"
_UNTOUCHED = "Nothing was changed"
_REMEDY = "Find out what it is; move it aside only if you know that nothing is fenced"
_FORMS = {
    DATABASE: {
        "since": str,
        "drop_in": str,
        "skip_networking": bool,
        "engine?": (str, None),
        "version?": (str, None),
        "accounts": [{"user": str, "host": str, "locked": bool}],
        "variables": ({str: str}, None),
    },
    WRITERS: {
        "since": str,
        "units": [{"name": str, "active": str, "enabled": str, "start": bool, "folder": bool}],
        "crontabs": [
            (
                {"path": str, "uid": int, "gid": int, "link": str},
                {"path": str, "uid": int, "gid": int, "mode": int, "mtime_ns": int, "content": str},
            )
        ],
        "containers": [{"name": str, "engine": str, "running": bool, "restart": str}],
    },
}


def read(path: str, kind: str) -> Record | None:
    """The record, or None when nothing is fenced.

    :raises BackupError: when the file is no record of that kind.
    """
    try:
        record = _document.read(path, untouched=_UNTOUCHED, remedy=_REMEDY)
    except FileNotFoundError:
        return None
    wrong = _form.wrong(record, _FORMS[kind])
    if record.get("kind") != kind or wrong:
        raise BackupError(
            f"{path} is no record of {kind}" + (f": {wrong}" if wrong else ""),
            untouched=_UNTOUCHED,
            remedy=_REMEDY,
        )
    return record


def write(path: str, kind: str, record: t.Mapping[str, t.Any]) -> None:
    """Make the record durable, its folder too."""
    folder = os.path.dirname(path)
    above = os.path.dirname(folder)
    os.makedirs(above, mode=0o700, exist_ok=True)
    if not os.path.isdir(folder):
        os.mkdir(folder, 0o700)
        _document.sync_folder(above)
    put(path, _document.encode({**record, "kind": kind}))


def put(
    path: str,
    content: bytes,
    *,
    mode: int = 0o600,
    owner: tuple[int, int] | None = None,
    mtime_ns: int | None = None,
) -> None:
    """Write a file wholly or not at all.

    Always through the same hidden name beside it, so that a killed run leaves nothing that the next one does not take
    over. cron, systemd and database servers do not read files of such a name.
    """
    temporary = _temporary(path)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        if owner is not None:
            os.fchown(descriptor, *owner)
        os.fchmod(descriptor, mode)
        if mtime_ns is not None:
            os.utime(descriptor, ns=(mtime_ns, mtime_ns))
        os.fsync(descriptor)
    os.replace(temporary, path)
    _document.sync_folder(os.path.dirname(path))


def take_away(path: str) -> None:
    """Remove a file that :func:`put` wrote, or began to."""
    for name in (_temporary(path), path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
    _document.sync_folder(os.path.dirname(path))


def _temporary(path: str) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.labops-new")


def note_accounts(path: str, accounts: t.Iterable[tuple[str, str, bool]]) -> None:
    """Note accounts that are about to be created locked, each with the lock that it shall have after the release.

    For a load: an account that is created while the fence is up has no former state on this server. The locks of
    accounts that the record knows already stay as they are. Without a record nothing is noted.
    """
    record = read(path, DATABASE)
    if record is None:
        return
    known = {(one["user"], one["host"]) for one in record["accounts"]}
    new = [
        {"user": user, "host": host, "locked": locked} for user, host, locked in accounts if (user, host) not in known
    ]
    if new:
        write(path, DATABASE, {**record, "accounts": record["accounts"] + new})
