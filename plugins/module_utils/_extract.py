# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""An archive, or listed paths of it, written into a fresh folder and compared with the content manifest."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _listed, _lock, _path_list, _progress, _tree
from ansible_collections.labops.backup.plugins.module_utils._model import _content
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

_UNFINISHED = ".extracting"


@dataclass(frozen=True)
class Request:
    """What :func:`extract` is asked to do; see the options of the module ``borg_extract``.

    :param size: how much will come, where no manifest tells.
    """

    archive: str
    archive_id: str | None
    dataset: str
    destination: str
    paths_file: str | None
    manifest: str | None
    lock: str | None
    progress_file: str | None
    stall_seconds: int
    size: int = 0


def extract(repository: _borg.Repository, request: Request, *, dry_run: bool) -> dict[str, t.Any]:
    """Write what is asked for into the new folder ``destination``, or say how much that is.

    :raises BackupError: when something of it is not in the archive, or not as the manifest says.
    """
    started = time.monotonic()
    _check(request)
    with contextlib.ExitStack() as held:
        descriptors: tuple[int, ...] = ()
        if request.lock is not None and not dry_run:
            purpose = f"borg_extract of {request.archive}"
            descriptors = (held.enter_context(_lock.hold(request.lock, purpose)),)
        paths = None
        if request.paths_file is not None:
            paths = [path for path in _path_list.read([request.paths_file]) if path != _path_list.ROOT]
        wanted = _wanted(request, paths)
        _find(repository, request)
        result = {"changed": True, "destination": request.destination, "batches": 0, "times": 0, **wanted}
        if os.path.lexists(request.destination):
            _see_that_it_is_there_already(request, paths)
            result["changed"] = False
        else:
            _require_space(request, wanted["bytes"])
            if not dry_run:
                result |= _Work(repository, request, paths, wanted["bytes"], descriptors).run()
    return {**result, "seconds": round(time.monotonic() - started, 3)}


def _check(request: Request) -> None:
    def refuse(what: str, remedy: str) -> t.NoReturn:
        raise BackupError(what, untouched="Nothing was extracted", remedy=remedy)

    destination = request.destination
    if not os.path.isabs(destination) or os.path.normpath(destination) != destination:
        refuse(f"the destination {destination!r} is not a plain absolute path", "Give it without '..' and final '/'")
    if not os.path.isdir(os.path.dirname(destination)):
        refuse(f"the folder {os.path.dirname(destination)} does not exist", "Make it, for root alone")
    if not _path_list.is_plain(os.fsencode(request.dataset)) or "/" in request.dataset:
        refuse(f"{request.dataset!r} is no folder's name", "Name the dataset")
    if request.paths_file is not None and request.manifest is None:
        refuse("a list of paths needs the content manifest", "Give manifest, from the seal of the recovery point")


def _wanted(request: Request, paths: t.Sequence[bytes] | None) -> dict[str, int]:
    if request.manifest is None:
        return {"files": 0, "bytes": request.size, "sockets": 0}
    wanted = _listed.Wanted.count(request.manifest, paths)
    if wanted.unknown_count:
        raise BackupError(
            f"{wanted.unknown_count} of the listed paths are not in the archive {request.archive}, as its content "
            f"manifest says: {', '.join(wanted.unknown[:5])}",
            untouched="Nothing was extracted",
            remedy="Make the list from the manifest of the same recovery point",
            unknown=wanted.unknown,
        )
    return {"files": wanted.files, "bytes": wanted.size, "sockets": wanted.sockets}


def _find(repository: _borg.Repository, request: Request) -> None:
    """See that the archive is there, and is the one that is meant."""
    known = {archive["name"]: archive["id"] for archive in repository.describe()["archives"]}
    found = known.get(request.archive)
    if found is None or request.archive_id not in (None, found):
        what = "does not exist" if found is None else f"has the id {found} and not {request.archive_id}"
        raise BackupError(
            f"the archive {request.archive} in {repository.path} {what}",
            untouched="Nothing was extracted",
            remedy="Take both from the seal of a recovery point, and find out who else works on the repository",
        )


def _see_that_it_is_there_already(request: Request, paths: t.Sequence[bytes] | None) -> None:
    """A folder that an earlier call has finished is taken as it is."""
    problem = "exists, and without a content manifest nobody can tell what is in it"
    if request.manifest is not None:
        found = _listed.compare(request.destination, request.manifest, paths, metadata=True)
        if not found.problem_count:
            return
        problem = f"exists and holds something else: {found.text}"
    raise BackupError(
        f"{request.destination} {problem}",
        untouched="Nothing was extracted and nothing is overwritten",
        remedy="Name a fresh folder, or remove this one",
    )


def _require_space(request: Request, size: int) -> None:
    folder = os.path.dirname(request.destination)
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    if size > free:
        raise BackupError(
            f"{size} bytes are to be extracted to {folder}, where {free} are free",
            untouched="Nothing was extracted",
            remedy="Extract less at once, or to another file system",
            needed=size,
            free=free,
        )


class _Work:
    """One extraction: aside, compared, renamed."""

    def __init__(
        self,
        repository: _borg.Repository,
        request: Request,
        paths: t.Sequence[bytes] | None,
        size: int,
        descriptors: t.Sequence[int],
    ) -> None:
        self._repository, self._request, self._paths, self._descriptors = repository, request, paths, descriptors
        self._aside = request.destination + _UNFINISHED
        self._tree = os.path.join(self._aside, request.dataset)
        self._progress = _progress.Progress(request.progress_file, f"extract {request.archive}", size)
        self._batches = 1

    def run(self) -> dict[str, t.Any]:
        if os.path.lexists(self._aside):
            shutil.rmtree(self._aside)
        os.mkdir(self._aside, 0o700)
        self._extract()
        result = self._proven()
        os.rename(self._tree, self._request.destination)
        os.rmdir(self._aside)
        return {"batches": self._batches, **result}

    def _extract(self) -> None:
        options: dict[str, t.Any] = {
            "stall_seconds": self._request.stall_seconds or None,
            "pass_fds": self._descriptors,
            "on_progress": lambda record: self._progress.reached(record["current"]),
        }
        archive = self._request.archive
        if self._paths is None:
            self._repository.extract(archive, self._aside, selection=None, **options)
        else:
            dataset = os.fsencode(self._request.dataset)
            with tempfile.TemporaryDirectory(prefix="labops-backup-") as folder:
                names = (os.path.join(dataset, path) for path in self._paths)
                selections = _borg.selections(names, folder, top=dataset)
                self._batches = len(selections)
                for selection in selections:
                    self._repository.extract(archive, self._aside, selection=selection, **options)
        found = os.listdir(self._aside)
        if found != [self._request.dataset]:
            raise BackupError(
                f"the archive {archive} holds {', '.join(map(_shown, sorted(found)[:5])) or 'nothing that was listed'} "
                f"and not one folder {self._request.dataset}",
                untouched=f"{self._request.destination} was not made",
                remedy="See that archive, dataset and manifest belong together",
            )

    def _proven(self) -> dict[str, t.Any]:
        manifest = self._request.manifest
        if manifest is None:
            files, size = _tree.measure(self._tree)
            return {"files": files, "bytes": size}
        if self._batches > 1:
            with _same_time(self._tree):
                _join(self._tree, manifest, self._paths)
        found = _listed.compare(self._tree, manifest, self._paths, metadata=True, mend_time=self._is_lost)
        if found.problem_count:
            raise BackupError(
                f"what came out of the archive {self._request.archive} is not what its content manifest says: "
                f"{found.text}",
                untouched=f"{self._request.destination} was not made; what came out is in {self._tree}",
                remedy="Let borg_check verify the data of the repository, and take an older point for these files",
                problems=found.problems,
                problem_count=found.problem_count,
            )
        return {"files": found.files, "times": found.times}

    def _is_lost(self, entry: _content.Entry) -> bool:
        """Whether the time of an entry did not come out of the archive."""
        return not _borg.keeps_time(entry.mtime_ns) or (self._batches > 1 and entry.is_folder)


def _join(tree: str, manifest: str, paths: t.Sequence[bytes] | None) -> None:
    """Join the names of one file that came out in different batches; the manifest knows them by their inode."""
    root = os.fsencode(tree)
    first: dict[int, bytes] = {}
    for path, entry in _listed.selected(manifest, paths):
        if entry is None or not entry.is_file:
            continue
        place = os.path.join(root, path)
        known = first.setdefault(entry.inode, place)
        if known != place and os.path.lexists(place) and os.path.lexists(known) and not os.path.samefile(known, place):
            aside = os.path.join(os.path.dirname(place), b".labops-backup-link")
            os.link(known, aside, follow_symlinks=False)
            os.replace(aside, place)


@contextlib.contextmanager
def _same_time(folder: str) -> t.Iterator[None]:
    before = os.stat(folder)
    yield
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))


def _shown(name: str) -> str:
    return _content.shown(os.fsencode(name))
