# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Look up every file that a dump refers to."""

from __future__ import annotations

import json
import os
import stat
import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document, _quarantine
from ansible_collections.labops.backup.plugins.module_utils._model import _datajoint

_EXAMPLES = 20


@dataclass(frozen=True)
class Root:
    """Where the files of one dataset may be."""

    mirror: bytes
    quarantine: tuple[bytes, ...]


def verify(references_file: str, roots: t.Mapping[str, t.Mapping[str, str | None]]) -> dict[str, t.Any]:
    """Compare existence and size; returns the result of the module ``datajoint_verify_info``."""
    places = _roots(roots)
    counts = dict.fromkeys(("checked", "missing", "wrong_size", "unresolved", "in_quarantine", "tracked_only"), 0)
    tracked_only = {"missing": 0, "wrong_size": 0, "unresolved": 0}
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
            if finding == "in_quarantine":
                counts["in_quarantine"] += 1
            elif finding is not None:
                (counts if reference["used"] else tracked_only)[finding] += 1
                if reference["used"] and len(examples) < _EXAMPLES:
                    examples.append({"finding": finding, **reference})
    return {
        **counts,
        "ok": not (counts["missing"] or counts["wrong_size"] or counts["unresolved"]),
        "examples": examples,
        "unused": tracked_only,
    }


def _roots(roots: t.Mapping[str, t.Mapping[str, str | None]]) -> dict[str, Root]:
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


def _judge(reference: t.Mapping[str, t.Any], places: t.Mapping[str, Root]) -> str | None:
    """What is wrong with a reference; None when its file is there with the right size."""
    path, root = _datajoint.reference_path(reference), places.get(str(reference.get("dataset")))
    if path is None or root is None:
        return "unresolved"
    size, is_folder = reference.get("size"), reference.get("is_folder") is True
    found = _look(root.mirror, path, size, is_folder)
    if found is None:
        return None
    if any(_look(tree, path, size, is_folder) is None for tree in root.quarantine):
        return "in_quarantine"
    return found


def _look(root: bytes, path: bytes, size: int | None, is_folder: bool) -> str | None:
    place = os.path.join(root, path)
    try:
        status = os.stat(place)
    except OSError:
        return "missing"
    if stat.S_ISDIR(status.st_mode) != is_folder:
        return "missing"
    if size is None:
        return None
    return None if (_folder_size(place) if is_folder else status.st_size) == size else "wrong_size"


def _folder_size(folder: bytes) -> int:
    return sum(os.stat(os.path.join(top, name)).st_size for top, _folders, names in os.walk(folder) for name in names)
