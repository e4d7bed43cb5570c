# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Journals of incidents: one durable JSON document an incident, in one folder a source."""

from __future__ import annotations

import os
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document
from ansible_collections.labops.backup.plugins.module_utils._model import _journal, _run

_SUFFIX = ".json"


def load(path: str) -> dict[str, t.Any] | None:
    """The journal at ``path``; None when there is none.

    :raises BackupError: when it cannot be understood.
    """
    try:
        journal = _document.read(path, untouched=_journal.UNTOUCHED, remedy=_journal.REMEDY)
    except FileNotFoundError:
        return None
    _journal.check(journal, path)
    return journal


def write(path: str, journal: t.Mapping[str, t.Any]) -> None:
    """Replace the journal, durably."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    _document.write(path, journal)


def list_all(folder: str) -> tuple[list[dict[str, t.Any]], list[dict[str, str]]]:
    """All journals in a folder, newest first, and the files that could not be understood."""
    journals: list[dict[str, t.Any]] = []
    unreadable: list[dict[str, str]] = []
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return [], []
    for name in sorted(names, reverse=True):
        if not name.endswith(_SUFFIX) or not _run.is_identifier(name.removesuffix(_SUFFIX)):
            continue
        path = os.path.join(folder, name)
        try:
            journal = load(path)
        except (BackupError, OSError) as error:
            unreadable.append({"path": path, "reason": str(error)})
            continue
        if journal is not None:
            journals.append(journal)
    return journals, unreadable
