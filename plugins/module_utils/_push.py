# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A push: see that the tree holds what the manifest says, send what is listed, and again if that can help."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
import typing as t
from dataclasses import dataclass, field, replace

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _listed, _lock, _path_list, _progress, _tree
from ansible_collections.labops.backup.plugins.module_utils._model import _content
from ansible_collections.labops.backup.plugins.module_utils._tools import _rsync

_FRONT = b"./"


@dataclass(frozen=True)
class Request:
    """What :func:`push` is asked to do; see the options of the module ``rsync_push``."""

    push: _rsync.Push
    manifest: str | None
    lock: str | None
    progress_file: str | None
    stall_seconds: int
    retries: int
    retry_wait: float


@dataclass
class _Done:
    """What the tries of one push did together."""

    created: int = 0
    changed: int = 0
    metadata: int = 0
    sent_bytes: int = 0
    literal_bytes: int = 0
    retries: int = 0
    warnings: list[str] = field(default_factory=list)

    def add(self, run: _rsync.Run) -> None:
        self.created += run.items.created + run.items.created_directories
        self.changed += run.items.changed
        self.metadata += run.items.metadata
        self.sent_bytes += run.statistics.transferred_bytes
        self.literal_bytes += run.statistics.literal_bytes


def push(request: Request, *, dry_run: bool) -> dict[str, t.Any]:
    """Bring what is listed to the destination, or say what of it would be sent.

    :raises BackupError: when the tree does not hold what it should, or not everything arrived within the retries.
    """
    started = time.monotonic()
    _rsync.check_push(request.push)
    done = _Done()
    with contextlib.ExitStack() as held:
        descriptors: tuple[int, ...] = ()
        if request.lock is not None and not dry_run:
            purpose = f"rsync_push from {request.push.source} to {request.push.destination}"
            descriptors = (held.enter_context(_lock.hold(request.lock, purpose)),)
        paths = None if request.push.files_from is None else _path_list.read([request.push.files_from])
        files, size = _see_that_it_is_whole(request, paths)
        folder = held.enter_context(tempfile.TemporaryDirectory(prefix="labops-backup-"))
        prepared = request.push
        if paths is not None:
            names = os.path.join(folder, "paths")
            _path_list.write(names, (path if path == _path_list.ROOT else _FRONT + path for path in paths))
            prepared = replace(prepared, files_from=names)
        if paths != []:
            progress = _progress.Progress(request.progress_file, f"push to {request.push.destination}", size)
            _until_done(request, prepared, done, progress, descriptors, dry_run)
    return {
        "changed": bool(done.created or done.changed or done.metadata),
        "files": files,
        "bytes": size,
        "created": done.created,
        "changed_files": done.changed,
        "metadata": done.metadata,
        "sent_bytes": done.sent_bytes,
        "literal_bytes": done.literal_bytes,
        "retries": done.retries,
        "seconds": round(time.monotonic() - started, 3),
        "warnings": done.warnings,
    }


def _see_that_it_is_whole(request: Request, paths: list[bytes] | None) -> tuple[int, int]:
    """Number and size of the files that are listed; of several names of one file the size counts once."""
    source = request.push.source
    listed = None if paths is None else [path for path in paths if path != _path_list.ROOT]
    if request.manifest is not None:
        found = _listed.compare(source, request.manifest, listed, metadata=False)
        if found.problem_count:
            raise BackupError(
                f"{source} does not hold what its content manifest says: {found.text}",
                untouched="Nothing was sent",
                remedy="Extract these files from the archive and push that",
                kind="content",
                problems=found.problems,
                problem_count=found.problem_count,
            )
    if listed is None:
        return _tree.measure(source)
    files = size = 0
    linked: set[tuple[int, int]] = set()
    root = os.fsencode(source)
    for path in listed:
        try:
            status = os.lstat(os.path.join(root, path))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BackupError(
                f"{source} does not hold {_content.shown(path)}, which is listed",
                untouched="Nothing was sent",
                remedy="Extract what is listed from the archive and push that",
                kind="content",
            ) from error
        files += not stat.S_ISDIR(status.st_mode)
        if stat.S_ISREG(status.st_mode):
            if (status.st_dev, status.st_ino) not in linked:
                size += status.st_size
            if status.st_nlink > 1:
                linked.add((status.st_dev, status.st_ino))
    return files, size


def _until_done(
    request: Request,
    prepared: _rsync.Push,
    done: _Done,
    progress: _progress.Progress,
    descriptors: t.Sequence[int],
    dry_run: bool,
) -> None:
    while True:
        run = _rsync.send(
            prepared,
            dry_run=dry_run,
            stall_seconds=request.stall_seconds or None,
            on_progress=progress.reached,
            pass_fds=descriptors,
        )
        done.add(run)
        if run.kind == "ok":
            return
        if run.kind != "connection" or done.retries >= request.retries:
            tries = f" after {done.retries} retries" if done.retries else ""
            raise run.push_error(
                f"the push from {request.push.source} to {request.push.destination} failed{tries}",
                untouched="What had arrived is whole and stays, nothing was deleted",
            )
        done.retries += 1
        done.warnings.append(f"try {done.retries}: rsync exit code {run.rc}: {run.messages.text}")
        time.sleep(request.retry_wait)
