# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What a source told about itself when a recovery point was made, out of mirror or archive, and who owns its files."""

from __future__ import annotations

import hashlib
import os
import tempfile
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _content_manifest, _document
from ansible_collections.labops.backup.plugins.module_utils._model import _dump_manifest, _form, _run
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg


def facts(
    repository: _borg.Repository, archive: str, *, dataset: str, manifest: str, mirror: str | None
) -> dict[str, t.Any]:
    """The source facts of the dump set that the manifest describes.

    :param manifest: C(manifest.json) of the dump set, from the seal.
    :param mirror: looked into first; what does not have the sealed SHA-256 is passed over.
    :raises BackupError: when the archive does not hold them either.
    """
    described = _document.read(manifest, untouched="Nothing was changed", remedy="Choose another recovery point")
    wrong = _form.wrong(described, {"id": str, "files": {_dump_manifest.FACTS: {"sha256": _form.SHA256}}})
    if wrong or not _run.is_identifier(described["id"]):
        raise BackupError(
            f"{manifest} is a false manifest: {wrong or 'id is no identifier'}",
            untouched="Nothing was changed",
            remedy="Choose another recovery point",
        )
    inside = os.path.join(described["id"], _dump_manifest.FACTS)
    wanted = str(described["files"][_dump_manifest.FACTS]["sha256"])
    found = _whole(os.path.join(mirror, inside), wanted) if mirror is not None else None
    if found is None:
        with tempfile.TemporaryDirectory(prefix="labops-backup-") as folder:
            tree = os.path.join(folder, "tree")
            os.mkdir(tree)
            path = os.fsencode(os.path.join(dataset, inside))
            for selection in _borg.selections([path], folder, top=os.fsencode(dataset)):
                repository.extract(archive, tree, selection=selection, stall_seconds=None)
            found = _whole(os.path.join(tree, dataset, inside), wanted)
    if found is None:
        raise BackupError(
            f"the archive {archive} does not hold {inside} as the seal of the recovery point says",
            untouched="Nothing was changed",
            remedy="Choose another recovery point",
        )
    return _document.decode(found, inside)


def _whole(path: str, sha256: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == sha256 else None


def owners(manifests: t.Iterable[str]) -> dict[str, list[int]]:
    """The numbers of users and groups that own anything in these content manifests."""
    uids: set[int] = set()
    gids: set[int] = set()
    for manifest in manifests:
        for _path, entry in _content_manifest.entries(manifest):
            uids.add(entry.uid)
            gids.add(entry.gid)
    return {"uids": sorted(uids), "gids": sorted(gids)}
