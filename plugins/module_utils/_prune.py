# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Remove archives of one repository by name."""

from __future__ import annotations

import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._model import _retention
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

Document = dict[str, t.Any]


def by_name(
    repository: _borg.Repository,
    glob: str,
    keep: t.Sequence[str],
    candidates: t.Sequence[str] | None,
    *,
    dry_run: bool,
    **options: t.Any,
) -> Document:
    """Remove the archives that match ``glob``, are candidates and are not to be kept, by their exact names.

    Checkpoints that match go too, when an archive that stays is not older.

    :param candidates: only these may go; None for all that match.
    :raises BackupError: when there is nothing to keep, or one to keep, or a candidate, is not there.
    """
    found = repository.contents(glob)
    there = {entry["name"] for entry in found["archives"]}
    if not keep:
        raise BackupError(
            f"keep_names is empty: every archive {glob!r} in {repository.path} would go",
            untouched="Nothing was removed",
            remedy="Name at least one archive that stays",
        )
    for what, names in (("keep_names", keep), ("candidates", candidates or ())):
        absent = sorted(set(names) - there)
        if absent:
            raise BackupError(
                f"{what} has {', '.join(absent)}, but {repository.path} holds no such archive that matches {glob!r}",
                untouched="Nothing was removed",
                remedy="List the archives and name those that are there",
            )
    going = [
        entry["name"]
        for entry in found["archives"]
        if entry["name"] not in keep and (candidates is None or entry["name"] in candidates)
    ]
    staying = there - set(going)
    going += _retention.checkpoints(found["checkpoints"], found["archives"], staying)
    if not dry_run:
        repository.remove(going, **options)
    return {"removed": going, "kept": [e["name"] for e in found["archives"] if e["name"] in staying]}
