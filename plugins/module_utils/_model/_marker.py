# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The marker of a dataset: a small document at the root of its tree that says which tree this is.

A file system that is not mounted, or another one in its place, looks to rsync like a source that lost its files. The
marker tells them apart: without it the tree is not mounted, and with another identifier it is another tree. It is a
file of the dataset like any other, so that mirror, archive and source stay equal.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError

NAME = ".labops-backup-dataset"
_IDENTIFIER = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[^/\0]{1,255}")
_UNTOUCHED = "The mirror was not changed and no archive was made of it"


@dataclass(frozen=True)
class Expected:
    """Whose marker is expected, and where.

    :param name: the name of its file at the root of the tree.
    """

    name: str
    source: str
    dataset: str

    @property
    def key(self) -> str:
        """The dataset as an operator names it."""
        return f"{self.source}/{self.dataset}"


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a file at the root of a tree.

    :raises BackupError: then.
    """
    if not _NAME.fullmatch(name) or name in (".", ".."):
        raise BackupError(
            f"the marker {name!r} is not the name of a file",
            untouched="Nothing was changed",
            remedy="Give a plain name",
        )


def missing(expected: Expected, where: str) -> BackupError:
    """What to tell when there is no marker."""
    return BackupError(
        f"{where} has no marker {expected.name}: the tree of {expected.key} is probably not mounted",
        untouched=_UNTOUCHED,
        remedy="Look whether the dataset's file system is mounted on the source. If all its files are there and only "
        "the marker was lost, run site.yml for the source, which writes it, and accept its new identifier",
        kind="marker",
    )


def identify(document: t.Mapping[str, t.Any], expected: Expected, where: str) -> str:
    """The identifier in a marker.

    :raises BackupError: when it is the marker of something else.
    """
    whose = (document.get("source"), document.get("dataset"))
    identifier = document.get("id")
    if whose != (expected.source, expected.dataset):
        raise BackupError(
            f"the marker {expected.name} of {where} is the one of {whose[0]}/{whose[1]}, not of {expected.key}: "
            "another tree lies there",
            untouched=_UNTOUCHED,
            remedy="Mount the right file system there, or mend the dataset's path in the inventory",
            kind="marker",
        )
    if not isinstance(identifier, str) or not _IDENTIFIER.fullmatch(identifier):
        raise BackupError(
            f"the marker {expected.name} of {where} holds no identifier",
            untouched=_UNTOUCHED,
            remedy="Remove that file on the source and run site.yml for it",
            kind="marker",
        )
    return identifier
