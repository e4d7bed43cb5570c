# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The generation of a mirror: a number made durable before any write to the mirror begins.

A pull that dies after its transfer leaves a mirror that is ahead of its last archive, and the next census is
empty. Only this document tells: it still says ``writing``.
"""

from __future__ import annotations

import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document
from ansible_collections.labops.backup.plugins.module_utils._model import _form

WRITING = "writing"
COMPLETE = "complete"
_UNTOUCHED = "The mirror was not changed"
_REMEDY = "Move that document away; the next pull then begins at generation 1"
_TEXT = (str, None)
_FORM = {
    "generation": int,
    "state": str,
    "started?": _TEXT,
    "dump_set?": _TEXT,
    "run_id?": _TEXT,
    "marker?": _TEXT,
    "checksummed?": _TEXT,
    "verified?": bool,
    "finished?": _TEXT,
    "files?": int,
    "bytes?": int,
}


def read(path: str) -> dict[str, t.Any] | None:
    """The generation document, or None when the mirror was never written.

    :raises BackupError: when the document cannot be understood.
    """
    try:
        document = _document.read(path, untouched=_UNTOUCHED, remedy=_REMEDY)
    except FileNotFoundError:
        return None
    wrong = _form.wrong(document, _FORM)
    if wrong or document["generation"] < 1 or document["state"] not in (WRITING, COMPLETE):
        raise BackupError(
            f"the generation document {path} does not say a generation and its state" + (f": {wrong}" if wrong else ""),
            untouched=_UNTOUCHED,
            remedy=_REMEDY,
        )
    return document


def following(path: str) -> int:
    """The number that the next generation gets."""
    document = read(path)
    return 1 if document is None else int(document["generation"]) + 1


def begin(
    path: str,
    *,
    started: str,
    dump_set: str | None,
    run_id: str | None,
    marker: str | None = None,
    checksummed: str | None = None,
) -> int:
    """Make the next generation durable as ``writing``; returns its number. Only then may the mirror be touched.

    :param marker: the identifier of the tree that the mirror follows; without one, the known one stays.
    :param checksummed: when the content of all files in the mirror was compared last; likewise.

    Whether the mirror was ever verified stays known, too, see :func:`verified`.
    """
    before = read(path) or {}
    number = following(path)
    document: dict[str, t.Any] = {"generation": number, "state": WRITING, "verified": before.get("verified", False)}
    document |= {"started": started, "dump_set": dump_set, "run_id": run_id}
    lasting = {"marker": marker or before.get("marker"), "checksummed": checksummed or before.get("checksummed")}
    _document.write(path, document | {name: value for name, value in lasting.items() if value})
    return number


def complete(
    path: str, generation: int, *, finished: str, files: int, total_bytes: int, checksummed: str | None = None
) -> None:
    """Mark ``generation`` complete.

    :param files: regular files in the mirror.
    :param total_bytes: their size.
    :param checksummed: as in :func:`begin`.
    :raises BackupError: when another generation has begun meanwhile.
    """
    document = read(path)
    if document is None or document["generation"] != generation or document["state"] != WRITING:
        raise BackupError(
            f"{path} no longer says that generation {generation} is being written: another pull worked on this mirror",
            untouched="The mirror is not marked complete",
            remedy="Find what else pulls into this mirror, then run again",
        )
    document.update(state=COMPLETE, finished=finished, files=files, bytes=total_bytes)
    if checksummed:
        document["checksummed"] = checksummed
    _document.write(path, document)


def verified(path: str) -> None:
    """Note that the mirror has a content manifest from now on: one that is gone was not merely never written."""
    document = read(path)
    if document is not None and not document.get("verified"):
        _document.write(path, document | {"verified": True})
