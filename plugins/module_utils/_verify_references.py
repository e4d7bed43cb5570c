# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Look up every file that a dump refers to."""

from __future__ import annotations

import functools
import json
import os
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document, _generation, _quarantine
from ansible_collections.labops.backup.plugins.module_utils._model import _datajoint

_EXAMPLES = 20
_FINDINGS = ("missing", "wrong_size", "unresolved", "in_quarantine")


@dataclass(frozen=True)
class Root:
    """Where the files of one dataset may be."""

    mirror: bytes
    quarantine: tuple[bytes, ...]


def verify(references_file: str, roots: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """Compare existence and size; returns the result of the module ``datajoint_verify_info``.

    What was archived is judged, so a mirror that another run changed meanwhile gives no verdict.
    """
    places = _roots(roots)
    changed = _changed(roots)
    counts = dict.fromkeys(("checked", *_FINDINGS, "tracked_only"), 0)
    tracked_only = dict.fromkeys(_FINDINGS, 0)
    examples: list[dict[str, t.Any]] = []
    with open(references_file, "rb") as stream:
        header = _document.decode(stream.readline(), references_file)
        counts["unresolved"] = int(header.get("unreadable", 0))
        for number, line in enumerate(stream, start=2):
            try:
                reference = json.loads(line)
            except ValueError as error:
                raise BackupError(
                    f"line {number} of {references_file} is not JSON: {error}",
                    untouched="Nothing was changed",
                    remedy="Verify the dump set with db_dump_info and verify=full",
                ) from error
            finding = _judge(reference, places)
            counts["checked"] += 1
            counts["tracked_only"] += not reference["used"]
            if finding is not None:
                (counts if reference["used"] else tracked_only)[finding["finding"]] += 1
                if reference["used"] and len(examples) < _EXAMPLES:
                    examples.append({**finding, **reference})
    changed |= _changed(roots)
    return {
        **counts,
        "changed_mirrors": len(changed),
        "ok": not changed and not any(counts[finding] for finding in _FINDINGS),
        "examples": examples,
        "unused": tracked_only,
    }


def _changed(roots: t.Mapping[str, t.Mapping[str, t.Any]]) -> set[str]:
    """The datasets whose mirror is at another generation than the one that is meant, or on its way there."""
    changed = set()
    for dataset, root in roots.items():
        if root.get("generation") is not None:
            document = _generation.read(str(root.get("generation_file"))) or {}
            if (document.get("generation"), document.get("state")) != (int(root["generation"]), _generation.COMPLETE):
                changed.add(dataset)
    return changed


def _roots(roots: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, Root]:
    places = {}
    for dataset, paths in roots.items():
        mirror, quarantine = paths.get("mirror"), paths.get("quarantine")
        if not mirror:
            raise BackupError(
                f"the root of dataset {dataset} has no mirror",
                untouched="Nothing was changed",
                remedy="Give each dataset a dictionary with the key mirror",
            )
        waiting = _quarantine.trees(quarantine) if quarantine else ()
        places[dataset] = Root(os.fsencode(mirror), tuple(map(os.fsencode, waiting)))
    return places


def _judge(reference: t.Mapping[str, t.Any], places: t.Mapping[str, Root]) -> dict[str, str] | None:
    """What is wrong with a reference; None when its file is there with the right size.

    A file that is only in the quarantine is not there: the archive of the mirror does not have it.
    """
    path, root = _datajoint.reference_path(reference), places.get(str(reference.get("dataset")))
    if path is None or root is None:
        return {"finding": "unresolved"}
    size, is_folder = reference.get("size"), reference.get("is_folder") is True
    found = _look(root.mirror, path, size, is_folder)
    if found is None:
        return None
    for tree in root.quarantine:
        if _look(tree, path, size, is_folder) is None:
            run = os.path.basename(os.path.dirname(tree))
            return {"finding": "in_quarantine", "quarantine_run": os.fsdecode(run)}
    return {"finding": found}


def _look(root: bytes, path: bytes, size: int | None, is_folder: bool) -> str | None:
    place = os.path.join(root, path)
    status = _status(root, place)
    if status is None or stat.S_ISDIR(status.st_mode) != is_folder:
        return "missing"
    if size is None:
        return None
    return None if (_folder_size(root, place) if is_folder else status.st_size) == size else "wrong_size"


def _folder_size(root: bytes, folder: bytes) -> int:
    found = (_status(root, os.path.join(top, name)) for top, _folders, names in os.walk(folder) for name in names)
    return sum(status.st_size for status in found if status is not None)


def _status(root: bytes, place: bytes) -> os.stat_result | None:
    """What is at a place; None when nothing is there, or only by a link that leads out of the root."""
    try:
        status = os.lstat(place)
        if stat.S_ISLNK(status.st_mode):
            if not _is_below(root, os.path.realpath(place)):
                return None
            return os.stat(place)
    except OSError:
        return None
    return status if _is_below(root, _real(os.path.dirname(place))) else None


def _is_below(root: bytes, real: bytes) -> bool:
    top = _real(root)
    return real == top or real.startswith(top.rstrip(b"/") + b"/")


@functools.lru_cache(maxsize=4096)
def _real(folder: bytes) -> bytes:
    """The folder without links; remembered, because many references are in the same one."""
    return os.path.realpath(folder)
