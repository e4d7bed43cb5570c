# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A quarantine looked at, given back from, and emptied."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
import typing as t
from datetime import UTC, datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import (
    _document,
    _generation,
    _lock,
    _quarantine,
    _tree,
)
from ansible_collections.labops.backup.plugins.module_utils._tools import _rsync


def info(directory: str, path: str | None) -> dict[str, t.Any]:
    """What waits in a quarantine; with ``path`` also which runs hold something there."""
    now = datetime.now(UTC)
    found = _quarantine.entries(directory)
    runs = [
        {
            **{name: entry.document.get(name) for name in ("state", "started", "finished", "generation", "replaces")},
            "run_id": entry.run_id,
            "path": entry.path,
            "archive": entry.archive,
            "files": entry.files,
            "bytes": entry.bytes,
            "age_days": round(entry.age_days(now), 3),
            "problem": entry.problem,
        }
        for entry in found
    ]
    result: dict[str, t.Any] = {
        "runs": runs,
        "files": sum(entry.files for entry in found),
        "bytes": sum(entry.bytes for entry in found),
        "unproven": [entry.run_id for entry in found if entry.files and not entry.archive],
    }
    if path is not None:
        result["versions"] = _quarantine.versions(directory, _inside(path))
    return result


def restore(
    directory: str,
    *,
    run_id: str,
    path: str,
    destination: str,
    lock: str | None,
    generation_file: str | None,
    dry_run: bool,
) -> dict[str, t.Any]:
    """Copy what one run took away from ``path`` to the new place ``destination``; the quarantine keeps it.

    :raises BackupError: when it is not there, or ``destination`` exists, or nothing can be put there.
    """
    places = _places(directory, run_id, _inside(path))
    _check_free(destination)
    is_folder = places[0].endswith("/")
    result: dict[str, t.Any] = {"changed": True, "destination": destination, "places": places}
    if dry_run:
        return result
    with contextlib.ExitStack() as held:
        if lock is not None:
            held.enter_context(_lock.hold(lock, f"quarantine_restore to {destination}"))
        begun = _begin(generation_file)
        parent = os.path.dirname(destination)
        aside = tempfile.mkdtemp(prefix=".labops-backup-", dir=parent)
        try:
            copied = os.path.join(aside, "copy")
            run = _rsync.copy(places, copied + "/" if is_folder else copied)
            if run.kind != "ok":
                raise run.error(
                    f"{path} of run {run_id} could not be copied to {destination}",
                    untouched="The quarantine is untouched and nothing is at that place",
                )
            _put(copied, destination, is_folder)
        finally:
            shutil.rmtree(aside)
        _rsync.flush(parent)
        result["files"], result["bytes"] = _tree.measure(destination) if is_folder else (1, _size(destination))
        if generation_file and begun:
            _generation.complete(
                generation_file,
                begun["generation"],
                finished=_now(),
                files=begun["files"] + result["files"],
                total_bytes=begun["bytes"] + result["bytes"],
            )
            result["generation"] = begun["generation"]
    return result


def expire(
    directory: str,
    *,
    days: float,
    archived_generation: int | None,
    archive: str | None,
    archives: t.Sequence[str] | None,
    run_ids: t.Sequence[str],
    lock: str | None,
    dry_run: bool,
) -> dict[str, t.Any]:
    """Note which generation is archived, and remove what may leave.

    :param archives: the names of all archives that the mirror's repository holds now; None when nobody looked.
    :param run_ids: given up by name, whatever their age and whether or not an archive holds them.
    :raises BackupError: when one of ``run_ids`` is not there.
    """
    now = datetime.now(UTC)
    with contextlib.ExitStack() as held:
        if lock is not None and not dry_run:
            held.enter_context(_lock.hold(lock, f"quarantine_expire in {directory}"))
        found = _quarantine.entries(directory)
        absent = sorted(set(run_ids) - {entry.run_id for entry in found})
        if absent:
            raise BackupError(
                f"the quarantine {directory} holds nothing of run {absent[0]}",
                untouched="Nothing was removed",
                remedy="Look with quarantine_info which runs it holds",
            )
        noted = False
        if archived_generation is not None and archive:
            noted = not _quarantine.is_proven(directory, archived_generation, archive)
            if noted and not dry_run:
                _quarantine.prove(directory, archived_generation, archive)
        removed: list[_quarantine.Entry] = []
        kept = []
        overdue = []
        for entry in found:
            reason = "" if entry.run_id in run_ids else _stays(entry, now, days, archives, named=bool(run_ids))
            if reason:
                kept.append({"run_id": entry.run_id, "reason": reason})
                overdue += [entry.run_id] if entry.age_days(now) > days else []
            else:
                removed.append(entry)
        if not dry_run and os.path.isdir(directory):
            _quarantine.remove_leftovers(directory)
            for entry in removed:
                _quarantine.remove(directory, entry.run_id)
    return {
        "changed": noted or bool(removed),
        "removed": [entry.run_id for entry in removed],
        "kept": kept,
        "overdue": overdue,
        "files": sum(entry.files for entry in removed),
        "bytes": sum(entry.bytes for entry in removed),
    }


def _stays(
    entry: _quarantine.Entry, now: datetime, days: float, archives: t.Sequence[str] | None, *, named: bool
) -> str:
    """Why a run stays; empty when it may leave."""
    if named:
        return "it was not named"
    if not entry.files:
        return ""
    age = entry.age_days(now)
    if age <= days:
        return f"it has been waiting for {max(age, 0):.1f} of {days:g} days"
    if entry.archive is None:
        return "no verified archive is known to hold what waits there"
    if archives is None:
        return f"nobody looked whether the archive {entry.archive}, which held what waits there, still exists"
    if entry.archive not in archives:
        return f"the archive {entry.archive}, which held what waits there, is gone"
    return ""


def _inside(path: str) -> str:
    plain = os.path.normpath(path)
    if os.path.isabs(path) or not path or plain.split("/")[0] == "..":
        raise BackupError(
            f"{path!r} is not a path inside the mirror",
            untouched="Nothing was changed",
            remedy="Give it relative to the mirror",
        )
    return plain


def _places(directory: str, run_id: str, path: str) -> list[str]:
    """Where a run keeps ``path``: one file, or directories to be laid on top of each other, those of folders with a
    final slash. What its first try took away is what the mirror held before the run."""
    if run_id not in {entry.run_id for entry in _quarantine.entries(directory)}:
        raise BackupError(
            f"the quarantine {directory} holds nothing of run {run_id}",
            untouched="Nothing was changed",
            remedy="Look with quarantine_info which runs it holds",
        )
    found = []
    for tree in _quarantine.tries(os.path.join(directory, run_id)):
        place = os.path.normpath(os.path.join(tree, path))
        if _quarantine.leads_out(tree, path):
            continue
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            found.append((place, stat.S_ISDIR(os.lstat(place).st_mode)))
    if not found:
        raise BackupError(
            f"run {run_id} took nothing away from {path!r}",
            untouched="Nothing was changed",
            remedy="Look with quarantine_info and its option path which runs did",
        )
    if not found[0][1]:
        return [found[0][0]]
    return [place + "/" for place, is_folder in found if is_folder]


def _check_free(destination: str) -> None:
    problem = ""
    if not os.path.isabs(destination) or os.path.normpath(destination) != destination:
        problem = f"{destination!r} is not a plain absolute path"
    elif os.path.lexists(destination):
        problem = f"{destination} exists, and nothing is overwritten"
    elif not os.path.isdir(os.path.dirname(destination)):
        problem = f"the directory {os.path.dirname(destination)} does not exist"
    if problem:
        raise BackupError(
            problem, untouched="Nothing was changed", remedy="Name a new place in a directory that exists"
        )


def _begin(generation_file: str | None) -> dict[str, t.Any] | None:
    """A mirror that something is put into is at a new generation, so that nobody archives it as the old one."""
    if generation_file is None:
        return None
    before = _generation.read(generation_file)
    if before is None or before["state"] != _generation.COMPLETE:
        raise BackupError(
            f"the mirror of {generation_file} is not complete",
            untouched="Nothing was changed",
            remedy="Pull first",
        )
    number = _generation.begin(
        generation_file, started=_now(), dump_set=before.get("dump_set"), run_id=before.get("run_id")
    )
    return {"generation": number, "files": before["files"], "bytes": before["bytes"]}


def _put(copied: str, destination: str, is_folder: bool) -> None:
    """Give a copy its name, unless something has come there meanwhile."""
    if is_folder:
        os.mkdir(destination)
        os.rename(copied, destination)
    else:
        os.link(copied, destination, follow_symlinks=False)
    _document.sync_folder(os.path.dirname(destination))


def _size(path: str) -> int:
    found = os.lstat(path)
    return found.st_size if stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode) else 0


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
