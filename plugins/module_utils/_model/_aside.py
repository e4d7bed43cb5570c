# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Names in a dataset that a restore uses and no backup takes along."""

from __future__ import annotations

import os

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _run

PREFIX = b".labops-aside-"
_PARTIAL = ".partial"
# For rsync: nothing of these names is read; before all other rules.
FILTERS = (f"- /{PREFIX.decode()}*", f"- {PREFIX.decode()}*{_PARTIAL}/")


def folder(incident: str) -> str:
    """Where what a restore replaces waits until it is accepted.

    :raises BackupError: when ``incident`` is no identifier.
    """
    if not _run.is_identifier(incident):
        raise BackupError(
            f"the incident {incident!r} is not of the form 20261123T023000Z-77b0aa",
            untouched="Nothing was changed",
            remedy="Name the incident by its identifier",
        )
    return PREFIX.decode() + incident


def partial(incident: str) -> str:
    """The name of folders, beside the places of files that a push was cut off in, where these wait."""
    return folder(incident) + _PARTIAL


def is_ours(path: bytes) -> bool:
    """Whether a path, relative to the dataset, is such a name or lies below one."""
    return path.startswith(PREFIX)


def others(names: list[str], incident: str) -> list[str]:
    """The incidents, other than this one, that something at the root of a dataset waits for."""
    prefix = os.fsdecode(PREFIX)
    found = {name.removeprefix(prefix).removesuffix(_PARTIAL) for name in names if name.startswith(prefix)}
    return sorted(found - {incident})
