# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Lists of paths: any bytes, relative to a dataset, a NUL after each."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _content

# How a list names the dataset's own folder.
ROOT = b"."


def read(files: t.Sequence[str]) -> list[bytes]:
    """The paths in these lists, each once, in the order of a content manifest: a folder before what is in it.

    :raises BackupError: when a list cannot be read, is cut off, or names something outside of the dataset.
    """
    found: set[bytes] = set()
    for file in files:
        try:
            with open(file, "rb") as stream:
                content = stream.read()
        except OSError as error:
            raise _refused(f"the list {file} cannot be read: {error.strerror}") from error
        if content and not content.endswith(b"\0"):
            raise _refused(f"the list {file} does not end with a NUL, so it is cut off")
        for path in content.split(b"\0")[:-1]:
            if path != ROOT and not is_plain(path):
                raise _refused(f"the list {file} names {_content.shown(path)!r}, which is no plain path in a dataset")
            found.add(path)
    return sorted(found, key=_content.place)


def is_plain(path: bytes) -> bool:
    """Whether a path stays below its dataset and has no detour."""
    return b"\0" not in path and not {b"", b".", b".."} & set(path.split(b"/"))


def write(file: str, paths: t.Iterable[bytes], *, front: bytes = b"") -> None:
    """Write a list that only we can read.

    :param front: put in front of each path.
    """
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb", buffering=1 << 18) as stream:
        for path in paths:
            stream.write(front + path + b"\0")


def _refused(what: str) -> BackupError:
    return BackupError(what, untouched="Nothing was changed", remedy="Make the list again with loss_scope_info")
