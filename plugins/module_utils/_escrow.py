# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Whether what lies in the escrow bundle opens a repository when nothing else is left."""

from __future__ import annotations

import os
import shutil
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _lock
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

_MARK = ".labops-escrow"


def open_alone(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Open a copy of the repository that shares its segments and has lost its key; returns the module's result.

    Key and passphrase are the bundle's; Borg's memory and caches are new. The repository itself is only read.

    :param options: see the module ``borg_escrow_info``.
    :raises BackupError: when it does not open.
    """
    scratch = options["base_dir"]
    with _lock.hold_all([options["lock"]], "a trial of the escrow bundle"):
        _clear(scratch)
        os.mkdir(scratch, 0o700)
        with open(os.path.join(scratch, _MARK), "xb"):
            pass
        try:
            place = os.path.join(scratch, "repository")
            _borg.shadow(options["repository"], place)
            own = {**options, "repository": place, "base_dir": os.path.join(scratch, "base")}
            repository = _borg.Repository.of(own)
            repository.import_key(options["key_file"])
            found = repository.describe()
        finally:
            _clear(scratch)
    return {"repository_id": found["repository_id"], "archives": len(found["archives"])}


def _clear(scratch: str) -> None:
    """Remove the folder, also one that a run left which died."""
    if not os.path.lexists(scratch):
        return
    if os.path.islink(scratch) or not os.path.isfile(os.path.join(scratch, _MARK)):
        raise BackupError(
            f"{scratch} is there and was not made by a trial of the escrow bundle",
            untouched="Nothing was changed",
            remedy="Name a folder that does not exist yet",
        )
    shutil.rmtree(scratch)
