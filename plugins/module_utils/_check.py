# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""One piece of the rolling checks: look at something for as long as it may, and write down how far that came.

Nothing is repaired. A piece ends as soon as something begins that must not wait: an incident, a night, a drill.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import stat
import time
import typing as t
from dataclasses import dataclass
from datetime import UTC, datetime

from ansible_collections.labops.backup.plugins.module_utils import _extract, _recovery_points
from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import (
    _content_manifest,
    _document,
    _dump_set,
    _file_content,
    _generation,
    _lock,
    _path_list,
    _priority,
)
from ansible_collections.labops.backup.plugins.module_utils._model import _checks, _content, _run
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_SLICE_BYTES = 1 << 30
_SLICE_FILES = 20_000
# A whole look at the data of a repository that was never looked at, in bytes a second; one spinning disk.
_ASSUMED_RATE = 30e6
_LOOK_SECONDS = 1.0
_EXAMPLES = 5

Document = dict[str, t.Any]
Entries = t.Iterator[tuple[bytes, _content.Entry]]


@dataclass(frozen=True)
class Request:
    """What :func:`check` is asked to do; see the options of the module ``backup_check``."""

    source: str
    dataset: str
    kind: str
    evidence_file: str
    seconds: int
    points_repository: str
    cache_dir: str
    database: bool
    mirror: str | None
    content_manifest: str | None
    generation_file: str | None
    stores: t.Sequence[str] | None
    scratch_dir: str
    lock: str
    stall_seconds: int


class GaveWayError(Exception):
    """Something began that must not wait; the text says what."""


def read_evidence(path: str) -> Document:
    """What was checked so far; nothing when there is no such document.

    :raises BackupError: when it cannot be understood.
    """
    try:
        evidence = _document.read(path, untouched=_checks.UNTOUCHED, remedy=_checks.REMEDY)
    except FileNotFoundError:
        return {}
    _checks.check_evidence(evidence, path)
    return evidence


def check(
    open_repository: t.Callable[[str], _borg.Repository],
    repository: str,
    request: Request,
    priority: _priority.Priority,
    *,
    dry: bool,
) -> Document:
    """Do one piece; returns the result of the module ``backup_check``.

    :param open_repository: opens a repository of the source by its path; what works in it gives way by itself.
    :param repository: the one of the dataset.
    :raises BackupError: when nobody could look.
    """
    started = time.monotonic()
    evidence = read_evidence(request.evidence_file)
    reason = priority.reason()
    if reason or dry:
        state = _checks.known(evidence, request.dataset, request.kind)
        return {"changed": False, **_result(request, state, "", started), "gave_way": reason}
    with _lock.hold(request.lock, f"a check of {request.source}/{request.dataset}"):
        piece = _Piece(open_repository, repository, request, evidence, priority, started)
        try:
            piece.work()
        except GaveWayError as error:
            piece.gave_way = str(error)
        except BackupError as error:
            # A lock that somebody else has got meanwhile, or a program that was ended for them.
            piece.gave_way = priority.reason()
            if not piece.gave_way and not piece.finding:
                raise error
            piece.hindered("" if piece.gave_way else error.message)
        except OSError as error:
            if not piece.finding:
                raise
            piece.hindered(f"{error.filename or piece.scratch}: {error.strerror or error}")
        finally:
            shutil.rmtree(piece.scratch, ignore_errors=True)
    result = _result(request, piece.states[request.kind], piece.finding, started)
    return {
        "changed": True,
        **result,
        "gave_way": piece.gave_way,
        "touched": sorted(piece.touched),
        "skipped": piece.skipped,
        "problem": piece.problem,
    }


def _result(request: Request, state: Document, finding: str, started: float) -> Document:
    return {
        "source": request.source,
        "dataset": request.dataset,
        "kind": request.kind,
        "ok": state["ok"] and not finding,
        "finding": finding,
        "standing": "" if finding else state["finding"],
        "share": state["share"],
        "complete_at": state["complete_at"] or "",
        "touched": [],
        "skipped": "",
        "problem": "",
        "seconds": round(time.monotonic() - started, 3),
    }


class _TimeIsUpError(Exception):
    """The rest is for another run."""


class _Piece:
    """One piece under way.

    :ivar states: of the kinds that it moves on.
    :ivar finding: the first that it found.
    :ivar touched: the points that its findings touch.
    :ivar skipped: why there was nothing to do.
    :ivar problem: what stood in the way after something was found.
    """

    def __init__(
        self,
        open_repository: t.Callable[[str], _borg.Repository],
        repository: str,
        request: Request,
        evidence: Document,
        priority: _priority.Priority,
        started: float,
    ) -> None:
        self.finding = self.gave_way = self.skipped = self.problem = ""
        self.touched: set[str] = set()
        self.scratch = os.path.join(request.scratch_dir, request.dataset)
        self._open = functools.cache(open_repository)
        self._repository = repository
        self._request = request
        self._evidence = evidence
        self._priority = priority
        self._moved = False
        self._looked = started
        self._deadline = started + request.seconds if request.seconds else None
        kinds = [request.kind]
        if request.kind == _checks.MIRROR and not request.database:
            kinds.append(_checks.NAMES)
        now = self._now()
        self.states = {
            kind: _checks.begun(_checks.known(evidence, request.dataset, kind), now, whole=self._deadline is None)
            for kind in kinds
        }

    def hindered(self, how: str) -> None:
        """Keep what stood in the way after something was found; the finding is worth more, and both are told."""
        self.problem = self.problem or how

    # -------------------------------------------------------------------------------------------------- the work

    def work(self) -> None:
        """Do what the kind is about."""
        {
            _checks.REPOSITORY: self._segments,
            _checks.ARCHIVES: self._archives,
            _checks.DATA: self._data,
            _checks.MIRROR: self._dumps if self._request.database else self._mirror,
            _checks.MANIFEST: self._read_back,
        }[self._request.kind]()

    def _segments(self) -> None:
        """Read the segments and compare their check sums."""
        left = self._left()
        limit = None if left is None else max(1, int(left))
        try:
            reach = self._borg.check(_checks.REPOSITORY, max_duration=limit, stall_seconds=self._stall)
        except BackupError as error:
            self._found(
                _checks.REPOSITORY, error, share=self.states[_checks.REPOSITORY]["share"], finished=left is None
            )
            self._touched_by_damage(_checks.REPOSITORY)
            return
        segments = reach.get("segments", {"reached": 1, "total": 1})
        share = segments["reached"] / max(segments["total"], 1)
        self._advance(_checks.REPOSITORY, share=share, finished=share >= 1 or left is None)

    def _archives(self) -> None:
        """See that everything is there that the archives need, one after the other."""
        if self._request.dataset == _checks.POINTS:
            self._whole(_checks.ARCHIVES)
            return
        there = {archive["id"]: archive["name"] for archive in self._borg.describe()["archives"]}
        self._one_by_one(_checks.ARCHIVES, there, self._metadata)

    def _metadata(self, name: str, _identifier: str) -> None:
        self._borg.check(_checks.ARCHIVES, glob=name, stall_seconds=self._stall)

    def _data(self) -> None:
        """Read, decrypt and authenticate every chunk, at once if there is time for it."""
        state, manifest = self.states[_checks.DATA], self._state(_checks.MANIFEST)
        rate = float(state.get("rate") or _ASSUMED_RATE)
        left = self._left()
        if left is not None and self._request.dataset != _checks.POINTS and self._borg.bytes_on_disk() > rate * left:
            self.skipped = (
                "too much to be read at once; told by what is read back from the archives, "
                f"{manifest['share'] * 100:.0f} % of this cycle"
            )
            self._keep({**state, **{field: manifest[field] for field in ("at", "share", "complete_at")}})
            return
        self._whole(_checks.DATA)

    def _whole(self, kind: str) -> None:
        """One check of everything, without an end before its end."""
        started, size = time.monotonic(), self._borg.bytes_on_disk()
        try:
            self._borg.check(kind, stall_seconds=self._stall)
        except BackupError as error:
            self._found(kind, error, share=1.0, finished=True)
            self._touched_by_damage(kind)
            return
        rate = round(size / max(time.monotonic() - started, 0.001))
        self._advance(kind, share=1.0, finished=True, more={"rate": rate})

    def _one_by_one(self, kind: str, there: t.Mapping[str, str], look: t.Callable[[str, str], None]) -> None:
        """Look at archives that were not looked at in this cycle, the newest first.

        :param there: name by id, newest first.
        """
        begun = self.states[kind]["cycle_started"]
        while True:
            passed = {one: at for one, at in self.states[kind]["passed"].items() if one in there}
            waiting = [one for one in there if passed.get(one, "") < begun]
            share = 1 - len(waiting) / max(len(there), 1)
            self._advance(kind, share=share, finished=not waiting, more={"passed": passed})
            if not waiting or self._is_over():
                return
            # One that was begun is read to its end, or each night's new archive would begin before it.
            begun_with = self.states[kind]["cursor"].get("archive")
            identifier = begun_with if begun_with in waiting else waiting[0]
            try:
                look(there[identifier], identifier)
                self._moved = True
            except _TimeIsUpError:
                return
            except BackupError as error:
                self._found(kind, error, share=self.states[kind]["share"], finished=False)
                self._moved = True
                self._touches(kind, self._points_of({identifier}))
                there = {one: name for one, name in there.items() if one != identifier}
                continue
            self._keep(
                {**self.states[kind], "passed": {**self.states[kind]["passed"], identifier: self._now()}, "cursor": {}}
            )

    # ---------------------------------------------------------------------------------------- archives, read back

    def _read_back(self) -> None:
        """Take archives out again and compare them with what was sealed, in slices."""
        self._sealed = self._points()
        there = {
            one["archive_id"]: one["archive"]
            for point in self._sealed
            for one in point["datasets"]
            if one["name"] == self._request.dataset
        }
        for one in self._listing.unreadable:
            told = f"the seal of {one['point']} cannot be read, so nobody can compare its archive: {one['reason']}"
            self._found(
                _checks.MANIFEST, _DiffersError(told), share=self.states[_checks.MANIFEST]["share"], finished=False
            )
        if not there:
            self.skipped = "no recovery point has an archive of it yet"
            return
        os.makedirs(self.scratch, mode=0o700, exist_ok=True)
        known = {archive["name"]: archive["id"] for archive in self._borg.describe()["archives"]}

        def look(name: str, identifier: str) -> None:
            if known.get(name) != identifier:
                what = f"has the id {known[name]}" if name in known else "is not there"
                raise _DiffersError(f"the archive {name}, sealed with the id {identifier}, {what}")
            (self._dump_archive if self._request.database else self._tree_archive)(name, identifier)

        self._one_by_one(_checks.MANIFEST, there, look)

    def _dump_archive(self, name: str, identifier: str) -> None:
        point = self._point_with(identifier)
        folder = os.path.join(self.scratch, name)
        size = next(one for one in self._own(point) if one["archive_id"] == identifier).get("original_size") or 0
        _extract.extract(self._borg, self._extraction(name, identifier, folder, size=size), dry_run=False)
        found, _others = _dump_set.find(folder)
        wanted = (point["dump_set"] or {}).get("id")
        problems = [] if wanted in [one.id for one in found] or wanted is None else [f"it does not hold {wanted}"]
        for one in found:
            _dump_set.verify(one)
            problems += [f"{one.id}: {problem}" for problem in one.problems]
        shutil.rmtree(folder)
        if problems:
            raise _DiffersError(f"the archive {name} does not hold the dump set that was sealed: {'; '.join(problems)}")

    def _tree_archive(self, name: str, identifier: str) -> None:
        manifest = self._manifest(identifier)
        if manifest is None:
            raise _DiffersError(f"the seal of the archive {name} has no content manifest, so nobody can compare it")
        state = self.states[_checks.MANIFEST]
        cursor = state["cursor"].get("path") if state["cursor"].get("archive") == identifier else None
        after = _content.place(os.fsencode(cursor)) if cursor is not None else None
        for paths in _slices(self._to_read(identifier, manifest), after):
            if self._is_over():
                raise _TimeIsUpError
            self._compare(name, identifier, manifest, paths)
            self._moved = True
            last = os.fsdecode(paths[-1][0])
            self._keep({**self.states[_checks.MANIFEST], "cursor": {"archive": identifier, "path": last}})

    def _to_read(self, identifier: str, manifest: str) -> Entries:
        """What of an archive was not read in this cycle out of the one next to it."""
        state = self.states[_checks.MANIFEST]
        order = [one["archive_id"] for point in self._sealed for one in self._own(point)]
        place = order.index(identifier)
        near = sorted((one for one in order if one != identifier), key=lambda one: abs(order.index(one) - place))
        neighbour = next((one for one in near if state["passed"].get(one, "") >= state["cycle_started"]), None)
        before = self._manifest(neighbour) if neighbour is not None else None
        if before is None:
            yield from _content_manifest.entries(manifest)
            return
        known, new = _content_manifest.entries(before), _content_manifest.entries(manifest)
        for change in _content.diff(known, new):
            if change.after is not None:
                yield change.path, change.after

    def _compare(
        self, name: str, identifier: str, manifest: str, entries: t.Sequence[tuple[bytes, _content.Entry]]
    ) -> None:
        """Take some paths of an archive out and compare them. What is too large for that is read through a pipe."""
        free = os.statvfs(self.scratch)
        room = free.f_bavail * free.f_frsize // 2
        large = {path: entry for path, entry in entries if entry.is_file and entry.size > min(room, _SLICE_BYTES)}
        # Once a file, by all names that it has: they are not all in this slice.
        for names, entry in _with_all_names(manifest, large):
            digest = self._borg.file_digest(name, *(f"{self._request.dataset}/{os.fsdecode(one)}" for one in names))
            if digest.encode() != entry.sha256:
                raise _DiffersError(f"{_content.shown(names[0])} in the archive {name} holds {digest}")
        small = [path for path, _entry in entries if path not in large]
        if small:
            listed, folder = os.path.join(self.scratch, "paths"), os.path.join(self.scratch, name)
            _path_list.write(listed, small)
            shutil.rmtree(folder, ignore_errors=True)
            request = self._extraction(name, identifier, folder, listed, manifest)
            _extract.extract(self._borg, request, dry_run=False)
            shutil.rmtree(folder)

    def _extraction(
        self,
        name: str,
        identifier: str,
        folder: str,
        listed: str | None = None,
        manifest: str | None = None,
        size: int = 0,
    ) -> _extract.Request:
        return _extract.Request(
            archive=name,
            archive_id=identifier,
            dataset=self._request.dataset,
            destination=folder,
            paths_file=listed,
            manifest=manifest,
            lock=None,
            progress_file=None,
            stall_seconds=self._request.stall_seconds,
            size=size,
        )

    def _manifest(self, identifier: str) -> str | None:
        """The content manifest that was sealed with an archive, taken out of the seal once."""
        point = self._point_with(identifier)
        name = f"{self._request.dataset}.content"
        if name not in point.get("files", {}):
            return None
        folder = os.path.join(self.scratch, f"seal-{point['point']}")
        points = self._open(self._request.points_repository)
        return _recovery_points.unpack(points, point, folder, dry=False)[0][name]

    # --------------------------------------------------------------------------------------------------- mirrors

    def _dumps(self) -> None:
        """Read the dump sets in the mirror again."""
        with self._standing_still() as generation:
            if generation is None:
                return
            found, _others = _dump_set.find(t.cast("str", self._request.mirror))
            for one in found:
                _dump_set.verify(one, on_chunk=self._yield_soon)
            problems = [f"{one.id}: {problem}" for one in found for problem in one.problems]
            if not found:
                problems = ["there is no dump set"]
        finding = f"the mirror {self._request.mirror}: {'; '.join(problems)}" if problems else ""
        self._advance(_checks.MIRROR, share=1.0, finished=True, finding=finding)

    def _mirror(self) -> None:
        """Read the files of a mirror again and compare them with the manifest of their generation, and their names."""
        with self._standing_still() as generation:
            if generation is None:
                return
            path = t.cast("str", self._request.content_manifest)
            with _content_manifest.opened(path) as reader:
                sha256, total = reader.sha256, reader.totals.get("files", 0) + reader.totals.get("others", 0)
                verified = reader.generation == generation["generation"]
            if not verified:
                self.skipped = "the mirror was not verified since its last pull"
                return
            newest = next((point for point in self._points() if self._own(point)), None)
            sealed = (newest or {}).get("files", {}).get(f"{self._request.dataset}.content", {}).get("sha256")
            if sealed != sha256:
                self.skipped = (
                    "the mirror has moved on since the newest recovery point; it was compared with its last pull"
                )
            # It goes on behind a path: each night's manifest is another one, and what came since was read by the night.
            cursor = self.states[_checks.MIRROR]["cursor"]
            after = _content.place(os.fsencode(cursor["path"])) if "path" in cursor else None
            walk = _Mirror(
                *(t.cast("str", self._request.mirror), self._request.stores),
                goes_on=after is not None,
                on_chunk=self._yield_soon,
            )
            done = 0
            finished = self._moved = True
            looked = time.monotonic()
            gave_way: GaveWayError | None = None
            try:
                for place, entry in _content_manifest.entries(path):
                    if after is not None and _content.place(place) <= after:
                        done += not entry.is_folder
                        continue
                    walk.look(place, entry)
                    done += not entry.is_folder
                    cursor = {"path": os.fsdecode(place)}
                    if time.monotonic() - looked >= _LOOK_SECONDS:
                        looked = time.monotonic()
                        # A pull that begins takes back what was found, not how far it was clean.
                        if not walk.changed and not walk.misnamed:
                            for kind in (_checks.MIRROR, _checks.NAMES):
                                self._keep({**self.states[kind], "cursor": cursor}, kind)
                        if self._is_over():
                            finished = False
                            break
            except GaveWayError as error:
                gave_way, finished = error, False
            if finished:
                walk.close_folder()
        # Until here nobody wrote to the mirror, so what was seen counts, also of a piece that gave way.
        cursor = {} if finished else cursor
        # Both are known before either is written down.
        self.finding = walk.told(walk.changed) or walk.told(walk.misnamed)
        share = done / max(total, 1)
        self._advance(
            _checks.MIRROR,
            share=share if sealed == sha256 else 0.0,
            finished=finished and sealed == sha256,
            finding=walk.told(walk.changed),
            more={"cursor": cursor},
        )
        self._advance(
            _checks.NAMES,
            share=share,
            finished=finished,
            finding=walk.told(walk.misnamed),
            more={"cursor": cursor},
        )
        if walk.misnamed:
            touched = {
                str(point["point"])
                for point in self._points()
                if point.get("files", {}).get(f"{self._request.dataset}.content", {}).get("sha256") == sha256
                and walk.archived_so
            }
            self._touches(_checks.NAMES, touched)
        if gave_way is not None:
            raise gave_way

    @contextlib.contextmanager
    def _standing_still(self) -> t.Iterator[Document | None]:
        """The generation of a mirror that nobody writes to; None, with the reason, when there is none.

        :raises GaveWayError: when it was written to meanwhile, so that what was seen tells nothing.
        """
        path = t.cast("str", self._request.generation_file)
        before = _generation.read(path)
        if before is None or before["state"] != _generation.COMPLETE:
            self.skipped = "the mirror is being written, or was never finished" if before else "there is no mirror yet"
            yield None
            return
        try:
            yield before
        except (FileNotFoundError, BackupError) as error:
            if _generation.read(path) != before:
                raise GaveWayError("a pull began") from error
            raise
        if _generation.read(path) != before:
            raise GaveWayError("a pull began")

    # --------------------------------------------------------------------------------------------------- findings

    def _touches(self, kind: str, points: set[str]) -> None:
        """Keep which points a finding touches, for whoever marks them: this run, or the next if this one dies."""
        self.touched |= points
        state = self.states[kind]
        self._keep({**state, "touched": {**state["touched"], **dict.fromkeys(sorted(points), self._now())}}, kind)

    def _touched_by_damage(self, kind: str) -> None:
        """Which points are touched by damage of which nobody knows where it is: those that cannot be read to the end.

        That has as much time again as the piece itself, and reads the newest one at least. What there was no time to
        read may be touched too; so may all of them should the run die meanwhile.
        """
        if self._request.dataset == _checks.POINTS:
            return
        self._moved = False
        if self._deadline is not None:
            self._deadline = time.monotonic() + self._request.seconds
        points = self._points()
        of = {one["archive_id"]: one["archive"] for point in points for one in self._own(point)}
        found = self.states[kind]
        possibly = dict.fromkeys(sorted(self._points_of(set(of))), self._now())
        self._keep({**found, "touched": {**found["touched"], **possibly}}, kind)
        untouched: set[str] = set()
        with contextlib.suppress(GaveWayError):
            for identifier, name in of.items():
                if self._is_over():
                    break
                with contextlib.suppress(BackupError):
                    self._borg.read(name, stall_seconds=self._stall)
                    untouched.add(identifier)
                self._moved = True
        self.states[kind] = found
        self._touches(kind, self._points_of(set(of) - untouched))

    def _found(self, kind: str, error: BackupError, *, share: float, finished: bool) -> None:
        """Take an error for a finding, or raise it: when nobody could look, nothing was found."""
        if error.facts.get("kind") == _borg.GAVE_WAY:
            raise GaveWayError(self._priority.reason() or error.message) from error
        is_finding = error.found if isinstance(error, _borg.BorgError) else "needed" not in error.facts
        if not is_finding:
            raise error
        self.finding = self.finding or error.message
        self._advance(kind, share=share, finished=finished, finding=error.message)

    def _points_of(self, archive_ids: set[str]) -> set[str]:
        return {
            str(point["point"])
            for point in self._points()
            for one in point["datasets"]
            if one["archive_id"] in archive_ids
        }

    # ------------------------------------------------------------------------------------------------------ small

    @property
    def _borg(self) -> _borg.Repository:
        return self._open(self._repository)

    @property
    def _stall(self) -> float | None:
        return self._request.stall_seconds or None

    @functools.cached_property
    def _listing(self) -> _recovery_points.Listing:
        points = self._open(self._request.points_repository)
        return _recovery_points.read(points, self._request.cache_dir, refresh=False, keep=True)

    def _points(self) -> list[Document]:
        """The sealed points, newest first."""
        return self._listing.points

    def _point_with(self, identifier: str) -> Document:
        return next(p for p in self._points() for one in p["datasets"] if one["archive_id"] == identifier)

    def _own(self, point: Document) -> list[Document]:
        """The archive of this dataset in a point, if it has one."""
        return [one for one in point["datasets"] if one["name"] == self._request.dataset]

    def _state(self, kind: str) -> Document:
        return _checks.so_far(_checks.known(self._evidence, self._request.dataset, kind), self._now())

    def _left(self) -> float | None:
        return None if self._deadline is None else max(1.0, self._deadline - time.monotonic())

    def _is_over(self) -> bool:
        """Whether the time is up. Something is always done, or a short time would never lead anywhere.

        :raises GaveWayError: when something began that must not wait.
        """
        self._give_way()
        return self._moved and self._deadline is not None and time.monotonic() >= self._deadline

    def _give_way(self) -> None:
        reason = self._priority.reason()
        if reason:
            raise GaveWayError(reason)

    def _yield_soon(self) -> None:
        """Give way also within a file that takes long; asked often, so it seldom looks."""
        if time.monotonic() - self._looked >= _LOOK_SECONDS:
            self._looked = time.monotonic()
            self._give_way()

    def _now(self) -> str:
        return _run.utc(datetime.now(UTC))

    def _advance(
        self, kind: str, *, share: float, finished: bool, finding: str = "", more: t.Mapping[str, t.Any] | None = None
    ) -> None:
        self.finding = self.finding or finding
        how: dict[str, t.Any] = {"share": share, "finished": finished, "finding": finding}
        state = _checks.advanced(self.states[kind], now=self._now(), **how)
        self._keep({**state, **(more or {})}, kind)

    def _keep(self, state: Document, kind: str | None = None) -> None:
        """Write a state down at once, so that a run that dies has lost nothing.

        :raises OSError: when that is not possible and nothing was found; what was found is told all the same.
        """
        kind = kind or self._request.kind
        self.states[kind] = state
        self._evidence = _checks.with_state(self._evidence, self._request.source, self._request.dataset, {kind: state})
        path = self._request.evidence_file
        try:
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            _document.write(path, self._evidence)
        except OSError as error:
            if not self.finding:
                raise
            self.hindered(
                f"what was found could not be written down in {path}: {error.strerror or error}. So it does not stop "
                "retention, which may remove older archives. Make room there, then check again"
            )


class _DiffersError(BackupError):
    """What came out of an archive is not what was sealed."""

    def __init__(self, what: str) -> None:
        super().__init__(
            what,
            untouched="Nothing was changed",
            remedy="Restore from a point that is not suspect, and find out who wrote to the repository",
        )


class _Mirror:
    """Files of a mirror, compared with their manifest and their names, one after the other.

    :param goes_on: a piece before this one has seen the beginning of the manifest.
    :param on_chunk: called while a file is read.
    :ivar changed: what is not as the manifest says.
    :ivar misnamed: what does not hold what its name says.
    :ivar archived_so: whether one of those was archived as it is.
    """

    def __init__(
        self, mirror: str, stores: t.Sequence[str] | None, *, goes_on: bool, on_chunk: t.Callable[[], None]
    ) -> None:
        self.changed: list[str] = []
        self.misnamed: list[str] = []
        self.archived_so = False
        self._root = os.fsencode(mirror)
        self._stores = _content.Stores(None if stores is None else [os.fsencode(one) for one in stores])
        self._contents = _file_content.Contents(on_chunk)
        self._folder: bytes | None = None
        self._names: set[bytes] = set()
        self._whole = False
        self._goes_on = goes_on

    def look(self, path: bytes, entry: _content.Entry) -> None:
        """Take one entry of the manifest."""
        folder, _slash, name = path.rpartition(b"/")
        if folder != self._folder:
            first = self._folder is None
            self.close_folder()
            # Where a piece goes on within a folder, names of it were seen before.
            self._folder, self._names, self._whole = folder, set(), not (first and self._goes_on)
        self._names.add(name)
        try:
            status = os.lstat(os.path.join(self._root, path))
        except (FileNotFoundError, NotADirectoryError):
            self.changed.append(f"{_content.shown(path)} is missing")
            return
        if stat.S_IFMT(status.st_mode) != stat.S_IFMT(entry.mode):
            self.changed.append(f"{_content.shown(path)} is of another kind")
        elif entry.is_file and entry.flag != _content.BAD:
            self._read(folder, path, name, status, entry)

    def _read(self, folder: bytes, path: bytes, name: bytes, status: os.stat_result, entry: _content.Entry) -> None:
        meaning = self._stores.folder(folder)
        claim = meaning.claim(name) if meaning is not None and entry.flag != _content.ACCEPTED else None
        try:
            descriptor = os.open(os.path.join(self._root, folder), _OPEN | os.O_DIRECTORY)
            try:
                sha256, md5 = self._contents.digests(descriptor, name, status, None if claim is None else claim.salt)
            finally:
                os.close(descriptor)
        except _file_content.ChangedWhileReadError:
            self.changed.append(f"{_content.shown(path)} is being written to")
            return
        except OSError as error:
            self.changed.append(f"{_content.shown(path)} cannot be read: {error.strerror}")
            return
        if sha256 != entry.sha256:
            self.changed.append(f"{_content.shown(path)} holds {sha256.decode()}, pulled was {entry.sha256.decode()}")
        if claim is not None and claim.of(md5) != claim.expected:
            self.misnamed.append(f"{_content.shown(path)} holds {claim.of(md5)} (sha256 {sha256.decode()})")
            self.archived_so |= sha256 == entry.sha256

    def close_folder(self) -> None:
        """See that the folder holds nothing else than the manifest says."""
        if self._folder is None or not self._whole:
            return
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            strange = set(os.listdir(os.path.join(self._root, self._folder))) - self._names
            self.changed += [
                f"{_content.shown(os.path.join(self._folder, name))} is not in the manifest" for name in sorted(strange)
            ]

    def told(self, problems: t.Sequence[str]) -> str:
        """One message about findings; empty when there is none."""
        if not problems:
            return ""
        more = f"; and {len(problems) - _EXAMPLES} more" if len(problems) > _EXAMPLES else ""
        return (
            f"the mirror {os.fsdecode(self._root)} does not hold what it should: {'; '.join(problems[:_EXAMPLES])}"
            f"{more}. The archives are not touched by that. Look at the disk of the mirrors; what is sound on the "
            "source comes again with the next pull once the file here is removed"
        )


def _beyond(entries: Entries, after: tuple[bytes, bytes] | None) -> Entries:
    for path, entry in entries:
        if after is None or _content.place(path) > after:
            yield path, entry


def _with_all_names(
    manifest: str, files: t.Mapping[bytes, _content.Entry]
) -> t.Iterator[tuple[list[bytes], _content.Entry]]:
    """Each of these files once, with all names that it has in the manifest; the manifest knows them by their inode."""
    if not files:
        return
    found: dict[int, list[bytes]] = {entry.inode: [] for entry in files.values()}
    for path, entry in _content_manifest.entries(manifest):
        if entry.is_file and entry.inode in found:
            found[entry.inode].append(path)
    by_inode = {entry.inode: entry for entry in files.values()}
    for inode, names in found.items():
        yield names, by_inode[inode]


def _slices(entries: Entries, after: tuple[bytes, bytes] | None) -> t.Iterator[list[tuple[bytes, _content.Entry]]]:
    """What is read at once."""
    found: list[tuple[bytes, _content.Entry]] = []
    size = 0
    for path, entry in _beyond(entries, after):
        if found and (len(found) >= _SLICE_FILES or size + entry.size > _SLICE_BYTES):
            yield found
            found, size = [], 0
        found.append((path, entry))
        size += entry.size if entry.is_file else 0
    if found:
        yield found
