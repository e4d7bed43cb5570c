# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Crontabs: where they lie, and taking one away so that it comes back exactly as it was."""

from __future__ import annotations

import base64
import os
import re
import stat
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document, _fence_record

# Debian's cron, and cronie of the Red Hat family; crontab(1) of each
_SPOOLS = ("/var/spool/cron/crontabs", "/var/spool/cron")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?\Z")
_MOST_BYTES = 1 << 20
Saved = dict[str, t.Any]


def path_of(name: str) -> str:
    """The file of a crontab.

    :param name: a user, or the absolute path of a file such as one in /etc/cron.d.
    """
    if name.startswith("/"):
        return os.path.normpath(name)
    if not _USER.match(name):
        raise BackupError(
            f"{name!r} is neither a user nor an absolute path",
            untouched="Nothing was changed",
            remedy="Correct the name of the crontab",
        )
    spool = next((folder for folder in _SPOOLS if os.path.isdir(folder)), _SPOOLS[0])
    return os.path.join(spool, name)


def save(path: str) -> Saved | None:
    """A crontab with everything that makes it what it is, None when there is none. Nothing is changed."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    saved = {"path": path, "uid": status.st_uid, "gid": status.st_gid}
    if stat.S_ISLNK(status.st_mode):
        return {**saved, "link": os.readlink(path)}
    if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
        raise BackupError(
            f"{path} is no file that could be a crontab",
            untouched="Nothing was changed",
            remedy="Correct the name of the crontab",
        )
    with open(path, "rb") as stream:
        content = stream.read()
    return {
        **saved,
        "mode": stat.S_IMODE(status.st_mode),
        "mtime_ns": status.st_mtime_ns,
        "content": base64.b64encode(content).decode(),
    }


def is_there(saved: Saved) -> bool:
    """Whether the crontab lies in its place just as it was saved."""
    return save(saved["path"]) == saved


def remove(path: str) -> None:
    """Take a crontab away; cron sees that within a minute."""
    os.unlink(path)
    _document.sync_folder(os.path.dirname(path))


def put_back(saved: Saved) -> None:
    """Lay a crontab where it was, as it was, in one step."""
    path = saved["path"]
    owner = (saved["uid"], saved["gid"])
    if "link" in saved:
        if os.path.lexists(path):
            os.unlink(path)
        os.symlink(saved["link"], path)
        os.lchown(path, *owner)
        _document.sync_folder(os.path.dirname(path))
    else:
        content = base64.b64decode(saved["content"])
        _fence_record.put(path, content, mode=saved["mode"], owner=owner, mtime_ns=saved["mtime_ns"])
