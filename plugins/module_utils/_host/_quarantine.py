# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""The quarantine of a dataset on disk: where files wait that a pull deleted from its mirror or overwrote there.

``<quarantine>/<run>/quarantine.json`` describes one pull, ``<quarantine>/<run>/1/`` holds what its first try took
away, ``2/`` what the second one did; each has the mirror's layout. ``<quarantine>/archived.json`` says which
generations of the mirror are wholly inside a verified archive. What a pull takes away comes from the generation before
it, so a run whose predecessor is inside an archive may be given up one day, and another one may not.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import typing as t
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document, _generation, _tree
from ansible_collections.labops.backup.plugins.module_utils._model import _run

DOCUMENT = "quarantine.json"
PROOF = "archived.json"
_REMOVED = ".removed"


@dataclass(frozen=True)
class Entry:
    """What one run left in the quarantine.

    :param document: its description, empty when that cannot be read.
    :param problem: why it cannot be read, otherwise empty.
    """

    run_id: str
    path: str
    document: dict[str, t.Any]
    files: int
    bytes: int
    problem: str

    @property
    def archive(self) -> str | None:
        """The verified archive that holds everything that waits here; None when no one does for sure.

        A pull that died within its second try may have taken away what its first one had just brought.
        """
        if self.document.get("state") != _generation.COMPLETE and len(tries(self.path)) > 1:
            return None
        name = self.document.get("archive")
        return name if isinstance(name, str) and name else None

    def age_days(self, now: datetime) -> float:
        """For how many days it has been waiting."""
        return (now - _run.began(self.run_id)).total_seconds() / 86400


class Intake:
    """One pull that fills the quarantine."""

    def __init__(self, directory: str, run_id: str) -> None:
        self.directory = directory
        self.run_id = run_id
        self.path = os.path.join(directory, run_id)

    def begin(self, *, started: str, generation: int, replaces: t.Mapping[str, t.Any] | None) -> None:
        """Describe it, durably, before anything comes.

        :param replaces: the generation document that the mirror had before this pull.
        """
        if replaces is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self.directory, PROOF))
        archive = _covering(self.directory, replaces)
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        before = None if replaces is None else replaces["generation"]
        self._document: dict[str, t.Any] = {
            "run_id": self.run_id,
            "state": _generation.WRITING,
            "started": started,
            "generation": generation,
            "replaces": before,
            "archive": archive,
        }
        _document.write(os.path.join(self.path, DOCUMENT), self._document)
        _document.sync_folder(self.directory)

    def next_tree(self) -> str:
        """An empty directory for one try. A try never shares it with another: it would overwrite older versions."""
        number = 1
        while True:
            path = os.path.join(self.path, str(number))
            try:
                os.mkdir(path, 0o700)
            except FileExistsError:
                number += 1
                continue
            return path

    def complete(self, *, finished: str, introduced: int) -> tuple[int, int]:
        """Count what came; without anything, the run leaves no trace here.

        :param introduced: how many files the pull created or overwrote in the mirror. Without any, the mirror is a
            part of what it was, and still inside the same archive.
        :return: files and bytes.
        """
        files, size = _weigh(self.path)
        if introduced and any(_tree.count(tree) for tree in tries(self.path)[1:]):
            self._document["archive"] = None  # a later try may have taken away what an earlier one had brought
        if self._document["archive"] and not introduced:
            proof = _document.read(os.path.join(self.directory, PROOF))
            proof["covered"] = self._document["generation"]
            _document.write(os.path.join(self.directory, PROOF), proof)
        if files == 0:
            shutil.rmtree(self.path)
            return 0, 0
        self._document.update(state=_generation.COMPLETE, finished=finished, files=files, bytes=size)
        _document.write(os.path.join(self.path, DOCUMENT), self._document)
        return files, size


def check(directory: str, mirror: str) -> None:
    """Refuse a quarantine that does not lie beside its mirror on one file system.

    :raises BackupError: then.
    """
    below = directory + "/"
    if not os.path.isabs(directory) or os.path.normpath(directory) != directory:
        raise _refused(f"the quarantine {directory!r} is not a plain absolute path", "Give it without '..' and '//'")
    if below.startswith(mirror + "/") or (mirror + "/").startswith(below):
        raise _refused(f"the quarantine {directory} and the mirror {mirror} overlap", "Keep them apart")
    if os.path.islink(directory) or _device(directory) != _device(mirror):
        raise _refused(
            f"the quarantine {directory} is not on the file system of the mirror {mirror}",
            "Keep both below backup_root, without links and without mounts in between",
        )


def entries(directory: str) -> list[Entry]:
    """What waits, newest first; nothing when there is no quarantine yet."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return [_entry(directory, name) for name in sorted(filter(_run.is_identifier, names), reverse=True)]


def waiting(directory: str) -> tuple[int, int]:
    """Files and bytes of all runs together."""
    found = entries(directory)
    return sum(entry.files for entry in found), sum(entry.bytes for entry in found)


def trees(directory: str) -> list[str]:
    """Every tree with the mirror's layout, those of the newest run first."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    found = []
    for name in sorted(filter(_run.is_identifier, names), reverse=True):
        found += tries(os.path.join(directory, name))
    return found


def tries(path: str) -> list[str]:
    """The trees of one run, the first try first."""
    numbers = sorted(int(name) for name in os.listdir(path) if name.isascii() and name.isdecimal())
    return [os.path.join(path, str(number)) for number in numbers]


def leads_out(tree: str, path: str) -> bool:
    """Whether a folder on the way is a link, which was taken away as what it is and leads to what lives."""
    parents = os.path.dirname(os.path.normpath(path)).split("/")
    return any(os.path.islink(os.path.join(tree, *parents[: number + 1])) for number in range(len(parents)))


def versions(directory: str, path: str) -> list[dict[str, t.Any]]:
    """Which runs hold something at ``path`` of the mirror, newest first."""
    found = []
    for entry in entries(directory):
        for tree in tries(entry.path):
            place = os.path.join(tree, path)
            if leads_out(tree, path):
                continue
            try:
                status = os.lstat(place)
            except (FileNotFoundError, NotADirectoryError):
                continue
            found.append(
                {
                    "run_id": entry.run_id,
                    "place": place,
                    "kind": "directory" if stat.S_ISDIR(status.st_mode) else "file",
                    "bytes": status.st_size,
                    "modified_ns": status.st_mtime_ns,
                }
            )
            break
    return found


def prove(directory: str, generation: int, archive: str) -> bool:
    """Note that ``archive``, verified, holds the mirror as it is in ``generation``; returns whether that is new."""
    if is_proven(directory, generation, archive):
        return False
    os.makedirs(directory, mode=0o700, exist_ok=True)
    path = os.path.join(directory, PROOF)
    _document.write(path, {"generation": generation, "archive": archive, "covered": generation})
    return True


def is_proven(directory: str, generation: int, archive: str) -> bool:
    """Whether :func:`prove` was told so last."""
    known = _proof(directory)
    return (known.get("generation"), known.get("archive")) == (generation, archive)


def remove(directory: str, run_id: str) -> None:
    """Give up what a run left: never half of it under its name."""
    aside = os.path.join(directory, f".{run_id}{_REMOVED}")
    os.rename(os.path.join(directory, run_id), aside)
    _document.sync_folder(directory)
    shutil.rmtree(aside)


def remove_leftovers(directory: str) -> None:
    """Finish what a dead :func:`remove` began. Only for the holder of the dataset's lock."""
    for name in os.listdir(directory):
        if name.endswith(_REMOVED) and _run.is_identifier(name.removeprefix(".").removesuffix(_REMOVED)):
            shutil.rmtree(os.path.join(directory, name))


def _entry(directory: str, run_id: str) -> Entry:
    path = os.path.join(directory, run_id)
    document: dict[str, t.Any] = {}
    problem = ""
    try:
        document = _document.read(os.path.join(path, DOCUMENT))
    except FileNotFoundError:
        problem = f"{path} has no {DOCUMENT}"
    except BackupError as error:
        problem = error.what
    files, size = document.get("files"), document.get("bytes")
    if document.get("state") != _generation.COMPLETE or type(files) is not int or type(size) is not int:
        files, size = _weigh(path)
    return Entry(run_id, path, document, files, size, problem)


def _weigh(path: str) -> tuple[int, int]:
    counted = [_tree.measure(tree) for tree in tries(path)]
    return sum(files for files, _size in counted), sum(size for _files, size in counted)


def _proof(directory: str) -> dict[str, t.Any]:
    try:
        return _document.read(os.path.join(directory, PROOF))
    except (FileNotFoundError, BackupError):
        return {}


def _covering(directory: str, replaces: t.Mapping[str, t.Any] | None) -> str | None:
    """The archive that holds the whole mirror as it was before a pull."""
    proof = _proof(directory)
    if replaces is None or replaces["state"] != _generation.COMPLETE:
        return None
    if proof.get("covered") != replaces["generation"]:
        return None
    return str(proof.get("archive") or "") or None


def _device(path: str) -> int:
    """The file system that holds ``path``, or will hold it."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    return os.stat(path).st_dev


def _refused(what: str, remedy: str) -> BackupError:
    return BackupError(what, untouched="Nothing was changed", remedy=remedy)
