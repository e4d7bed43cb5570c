# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Seal recovery points, read the seals back, remove points that nothing keeps.

What is in the repository counts, what lies beside it is a cache.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
import typing as t
from dataclasses import dataclass
from datetime import UTC, datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _content_manifest, _document, _lock
from ansible_collections.labops.backup.plugins.module_utils._model import _point, _retention
from ansible_collections.labops.backup.plugins.module_utils._tools import _borg

_COMPRESSION = "zstd,3"
_SHOWN = 10
Document = dict[str, t.Any]
OpenRepository = t.Callable[[str], _borg.Repository]


@dataclass(frozen=True)
class Sealed:
    """A point that was sealed, or that check mode would seal.

    :param seal: ``archive``, ``archive_id`` and ``repository_id``; the last two are empty in check mode.
    :param warnings: what went wrong without harm to the point.
    """

    document: Document
    seal: dict[str, str]
    cache: str
    warnings: list[str]


@dataclass(frozen=True)
class Listing:
    """The points of one repository, newest first; those whose seal cannot be read; trouble with the cache.

    :param lost: points, newest first, that the cache knows and the repository does not.
    """

    points: list[Document]
    unreadable: list[dict[str, str]]
    warnings: list[str]
    lost: list[Document]


def seal(
    open_repository: OpenRepository,
    repository: str,
    point: str,
    *,
    datasets: t.Sequence[t.Mapping[str, t.Any]],
    missing: t.Sequence[t.Mapping[str, t.Any]],
    manifest_file: str | None,
    cache_dir: str,
    files: t.Mapping[str, t.Mapping[str, str]],
    staging_dir: str | None,
    dry: bool,
    **parts: t.Any,
) -> Sealed:
    """Write the seal of a point, last of all, and prove that it is there.

    An archive that is not where its outcome says is not promised: its dataset counts as missing.

    :param open_repository: opens a repository of the source by its path.
    :param repository: the path of the repository that holds the seals.
    :param manifest_file: the manifest of the pinned dump set, to be sealed too.
    :param files: what else is to be sealed: its name there, then C(path) and perhaps C(sha256); a file that is not
        there or another one than was meant is left out with a warning, the point is worth more.
    :param staging_dir: where the seal is put together; on the file system of ``files`` nothing is copied.
    :param dry: decide and check everything, write nothing.
    :param parts: the other arguments of ``_point.build``.
    :raises BackupError: when the point is sealed already, or there is nothing to seal, or it cannot be proven.
    """
    points = open_repository(repository)
    name = _point.archive_name(point)
    before = points.describe()
    if any(archive["name"] == name for archive in before["archives"]):
        raise BackupError(
            f"the recovery point {point} is sealed already, in {repository}",
            untouched="Nothing was changed",
            remedy="Give every run an identifier of its own",
        )
    there, not_there = _prove(open_repository, datasets)
    cache = _cache_path(cache_dir, point)
    with contextlib.ExitStack() as work:
        folder = None
        if not dry:
            if staging_dir is not None:
                os.makedirs(staging_dir, mode=0o700, exist_ok=True)
            folder = work.enter_context(tempfile.TemporaryDirectory(prefix=".labops-seal-", dir=staging_dir))
        taken, warnings = _take(files, folder)
        document = _point.build(point, datasets=there, missing=[*missing, *not_there], files=taken, **parts)
        own_files = {_point.DOCUMENT: _document.encode(document)}
        if document["dump_set"]:
            own_files[_point.DUMP_MANIFEST] = _dump_manifest(manifest_file, document["dump_set"]["id"])
        if folder is None:
            own = {"archive": name, "archive_id": "", "repository_id": ""}
            return Sealed(document, own, cache, warnings)
        archive_id = _write(points, name, folder, own_files, taken, comment=_comment(document))
    own = {"archive": name, "archive_id": archive_id, "repository_id": before["repository_id"]}
    return Sealed(document, own, cache, [*warnings, *_keep(cache, document, own)])


def read(points: _borg.Repository, cache_dir: str, *, refresh: bool, keep: bool) -> Listing:
    """All points whose seal is in the repository.

    :param refresh: read every seal from its archive, whatever the cache says.
    :param keep: put what was read from archives into the cache.
    """
    listing = Listing([], [], [], [])
    found = points.describe()
    marks = [mark for archive in found["archives"] if (mark := _point.mark_of(archive["name"]))]
    for archive in found["archives"]:
        point = _point.point_of(archive["name"])
        if point is None:
            continue
        own = {"archive": archive["name"], "archive_id": archive["id"], "repository_id": found["repository_id"]}
        cache = _cache_path(cache_dir, point)
        cached = None if refresh else _cached(cache, point, own)
        if cached is not None:
            before = cached.pop("marked", cached["state"])
            listing.points.append(_point.with_marks(cached, marks))
            if keep and listing.points[-1]["state"] != before:
                listing.warnings.extend(_keep(cache, cached, own, listing.points[-1]["state"]))
            continue
        try:
            content = points.read_file(archive["name"], _point.DOCUMENT)
            document = _document.decode(content, f"{_point.DOCUMENT} in {archive['name']}")
            _point.check(document, point)
        except BackupError as error:
            listing.unreadable.append({"point": point, "archive": archive["name"], "reason": error.message})
            continue
        listing.points.append(_point.with_marks({**document, "seal": own}, marks))
        if keep:
            listing.warnings.extend(_keep(cache, document, own, listing.points[-1]["state"]))
    sealed = {_point.point_of(archive["name"]) for archive in found["archives"]}
    lost = [document for point, document in _remembered(cache_dir) if point not in sealed]
    return Listing(_point.newest_first(listing.points), listing.unreadable, listing.warnings, _point.newest_first(lost))


@dataclass(frozen=True)
class Known:
    """The points of a source as well as they can be told.

    :param problem: why the repository could not be asked; the points are those of the cache then, in the state that
        their marks gave them when somebody last looked.
    """

    points: list[Document]
    unreadable: list[dict[str, str]]
    problem: str


def known(open_repository: OpenRepository, repository: str, cache_dir: str) -> Known:
    """The points in the repository; when that cannot be asked, those in the cache."""
    try:
        listing = read(open_repository(repository), cache_dir, refresh=False, keep=False)
    except BackupError as error:
        remembered = [_as_marked(document) for _point_id, document in _remembered(cache_dir)]
        return Known(_point.newest_first(remembered), [], error.message)
    return Known(listing.points, listing.unreadable, "")


def select(listing: Listing, wanted: str, now: datetime) -> Document:
    """The point that is meant, see ``_point.select``.

    :raises BackupError: when there is none, or its seal cannot be read.
    """
    for entry in listing.unreadable:
        if entry["point"] == wanted:
            raise BackupError(
                f"the seal of the recovery point {wanted} cannot be read: {entry['reason']}",
                untouched="Nothing was changed",
                remedy="Run borg check on its repository; the archives of its datasets end in the same identifier",
            )
    return _point.select(listing.points, wanted, now)


def mark(
    points: _borg.Repository,
    cache_dir: str,
    point: str,
    mark: str,
    *,
    made: str,
    evidence: t.Mapping[str, t.Any],
    staging_dir: str | None,
    dry: bool,
) -> tuple[Document, bool]:
    """Note durably, in the repository itself, what was found about a point; the point then, and whether it is new.

    The same mark with the same evidence is not made twice in a row, and that of the same moment never.

    :param made: an identifier of the moment; that of the mark is later where earlier marks claim to be.
    :raises BackupError: when there is no such point.
    """
    _point.mark_name(mark, point, made)
    listing = read(points, cache_dir, refresh=False, keep=not dry)
    known = next((one for one in listing.points if one["point"] == point), None)
    if known is None:
        raise BackupError(
            f"there is no recovery point {point} in {points.path} that could be marked {mark}",
            untouched="Nothing was changed",
        )
    if any(_is_again(points, one, mark, made) for one in known["marks"]):
        return known, False
    moment = _point.in_turn(made, known["marks"])
    name = _point.mark_name(mark, point, moment)
    document = {"point": point, "mark": mark, "made": moment, "evidence": dict(evidence)}
    document |= {"asked": made} if moment != made else {}
    last = known["marks"][-1] if known["marks"] else None
    if last is not None and last["mark"] == mark:
        before = _document.decode(points.read_file(last["archive"], _point.MARK_DOCUMENT), last["archive"])
        if before.get("evidence") == document["evidence"]:
            return known, False
    if not dry:
        if staging_dir is not None:
            os.makedirs(staging_dir, mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".labops-mark-", dir=staging_dir) as folder:
            _document.write(os.path.join(folder, _point.MARK_DOCUMENT), document)
            points.create(name, folder, compression=_COMPRESSION, comment=f"{point} is {mark}")
    added = {"mark": mark, "point": point, "made": moment, "archive": name}
    sealed = {**known, "state": _sealed_state(known)}
    marks = sealed.pop("marks")
    after = _point.with_marks(sealed, [*marks, added])
    if not dry:
        _keep(_cache_path(cache_dir, point), sealed, known["seal"], after["state"])
    return after, True


def _is_again(points: _borg.Repository, one: t.Mapping[str, str], mark: str, made: str) -> bool:
    """Whether a mark of the point is the very one that is asked for."""
    if one["mark"] == mark and one["made"] == made:
        return True
    if not _point.may_be_again(one, mark, made):
        return False
    return _document.decode(points.read_file(one["archive"], _point.MARK_DOCUMENT), one["archive"]).get("asked") == made


def _sealed_state(point: t.Mapping[str, t.Any]) -> str:
    return _point.PARTIAL if point["state"] == _point.PARTIAL else _point.COMPLETE


def prune(
    open_repository: OpenRepository,
    repository: str,
    *,
    cache_dir: str,
    source: str,
    point: str,
    datasets: t.Sequence[t.Mapping[str, t.Any]],
    rules: t.Mapping[str, int],
    journal: str,
    dry: bool,
    stall_seconds: float | None,
) -> Document:
    """Remove the points of a source that no rule keeps, and the archives that only they needed.

    The seals go first. A seal promises its archives, so there must never be one whose archives are half gone; what
    a crash leaves behind instead is archives without a seal. Their ids are written down before the first seal goes,
    and the next retention removes them.

    :param point: the complete point that this run sealed.
    :param datasets: ``name``, ``repository`` and ``lock`` of each.
    :param rules: of ``_retention.rules``.
    :param journal: the document that says which archives a retention is about to remove.
    :param dry: decide and check everything, remove nothing, take no lock.
    :raises BackupError: when something is not as it must be before anything may be removed, or Borg failed.
    """
    for number, dataset in enumerate(datasets, 1):
        absent = [key for key in ("name", "repository", "lock") if not dataset.get(key)]
        if absent:
            raise BackupError(
                f"dataset {number} of {source} lacks {', '.join(absent)}", untouched="Nothing was removed"
            )
    locks = [] if dry else [dataset["lock"] for dataset in datasets]
    with _lock.hold_all(locks, f"the retention of {source}") as descriptors:
        points = open_repository(repository)
        listing = read(points, cache_dir, refresh=False, keep=not dry)
        if listing.unreadable:
            raise BackupError(
                "nobody knows which archives these recovery points need: "
                + "; ".join(f"{entry['point']}: {entry['reason']}" for entry in listing.unreadable),
                untouched="Nothing was removed",
                remedy=f"Run borg check on {repository}; remove by hand the seals that are beyond help",
            )
        opened = {dataset["repository"]: open_repository(dataset["repository"]) for dataset in datasets}
        contents = [
            {"dataset": one["name"], "repository": one["repository"], **opened[one["repository"]].contents()}
            for one in datasets
        ]
        doomed = _read_journal(journal)
        # A retention that died between a seal and its place in the cache left no lost point.
        lost = [one for one in listing.lost if not _archive_ids([one]) <= doomed]
        decision = _retention.decide(
            *(listing.points, contents, rules),
            source=source,
            current=point,
            now=datetime.now(UTC),
            doomed=doomed,
            lost=lost,
        )
        if not dry:
            options: dict[str, t.Any] = {"stall_seconds": stall_seconds, "pass_fds": descriptors}
            going = [one for one in listing.points if one["point"] in decision.removed]
            if going:
                ids = _archive_ids(going) | doomed
                os.makedirs(os.path.dirname(journal), mode=0o700, exist_ok=True)
                _document.write(journal, {"source": source, "run_id": point, "archive_ids": sorted(ids)})
                marks = [mark["archive"] for one in going for mark in one["marks"]]
                points.remove([*(one["seal"]["archive"] for one in going), *marks], **options)
            for one in [*going, *(one for one in listing.lost if one not in lost)]:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(_cache_path(cache_dir, one["point"]))
            for path, names in decision.archives.items():
                opened[path].remove(names, **options)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(journal)
    report = _report(decision, listing, {one["repository"]: one["name"] for one in datasets})
    if lost:
        report["problems"].insert(0, loss(lost, repository, cache_dir))
    return report


def _archive_ids(points: t.Iterable[Document]) -> set[str]:
    return {entry["archive_id"] for point in points for entry in point["datasets"]}


def loss(lost: t.Sequence[Document], repository: str, cache_dir: str) -> str:
    """What to tell about points that lost their seals."""
    names = ", ".join(one["point"] for one in lost[:_SHOWN]) + (" and older ones" if len(lost) > _SHOWN else "")
    return (
        f"{repository} has lost the seals of {len(lost)} recovery points: {names}. {cache_dir} still knows them, and "
        "the archives that they need stay. Find out who removed them; if that was meant, remove their documents there"
    )


def _report(decision: _retention.Decision, listing: Listing, names: t.Mapping[str, str]) -> Document:
    states = {one["point"]: one["state"] for one in listing.points}

    def told(reasons: t.Mapping[str, str]) -> list[dict[str, str]]:
        return [{"point": point, "state": states[point], "reason": reason} for point, reason in reasons.items()]

    return {
        "kept": told(decision.kept),
        "removed": told(decision.removed),
        "removed_archives": {names[path]: found for path, found in decision.archives.items()},
        "unknown_archives": {names[path]: found for path, found in decision.unknown.items()},
        "problems": [f"the recovery point {point} {why}" for point, why in decision.broken.items()],
        "warnings": [
            *listing.warnings,
            *(
                f"{path} holds archives that no recovery point needs, but the inventory does not name it any more; "
                "nothing was removed there"
                for path in decision.elsewhere
            ),
        ],
    }


def _read_journal(path: str) -> set[str]:
    untouched = "Nothing was removed"
    remedy = "Move it away; what that retention left behind then goes by its age"
    try:
        document = _document.read(path, untouched=untouched, remedy=remedy)
    except FileNotFoundError:
        return set()
    ids = document.get("archive_ids")
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise BackupError(
            f"{path} does not say which archives a retention was about to remove",
            untouched=untouched,
            remedy=remedy,
        )
    return set(ids)


def _prove(
    open_repository: OpenRepository, datasets: t.Sequence[t.Mapping[str, t.Any]]
) -> tuple[list[t.Mapping[str, t.Any]], list[dict[str, str]]]:
    there: list[t.Mapping[str, t.Any]] = []
    not_there: list[dict[str, str]] = []
    for number, dataset in enumerate(datasets, 1):
        _point.check_archived(dataset, f"archived dataset {number}")
        try:
            _prove_one(open_repository(dataset["repository"]), dataset)
        except BackupError as error:
            not_there.append({"dataset": dataset["name"], "step": "Seal", "message": error.message})
        else:
            there.append(dataset)
    return there, not_there


def _prove_one(repository: _borg.Repository, dataset: t.Mapping[str, t.Any]) -> None:
    found = repository.describe()
    path, name = dataset["repository"], dataset["archive"]
    if found["repository_id"] != dataset["repository_id"]:
        raise BackupError(
            f"{path} is the repository {found['repository_id']}, but {name} was written to {dataset['repository_id']}"
        )
    ids = [archive["id"] for archive in found["archives"] if archive["name"] == name]
    if ids != [dataset["archive_id"]]:
        seen = f"is there with the id {ids[0]}" if ids else "is not there"
        raise BackupError(f"the archive {name} with the id {dataset['archive_id']} {seen}, in {path}")


def _dump_manifest(path: str | None, dump_set: str) -> bytes:
    if path is None:
        raise BackupError(
            f"the manifest of the dump set {dump_set} was not named",
            untouched="No recovery point was sealed",
            remedy="Name it as manifest_file",
        )
    with open(path, "rb") as stream:
        content = stream.read()
    found = _document.decode(content, path).get("id")
    if found != dump_set:
        raise BackupError(
            f"{path} is the manifest of the dump set {found!r}, not of {dump_set}",
            untouched="No recovery point was sealed",
        )
    return content


def _take(
    files: t.Mapping[str, t.Mapping[str, str]], folder: str | None
) -> tuple[dict[str, dict[str, t.Any]], list[str]]:
    """Put files into the folder of the seal, without a folder only look at them; what was taken, and warnings."""
    taken: dict[str, dict[str, t.Any]] = {}
    warnings = []
    for name, meant in files.items():
        _point.check_file_name(name)
        path = meant["path"]
        try:
            if folder is not None:
                path = _place(path, os.path.join(folder, name))
            facts = {"sha256": _content_manifest.sha256(path), "bytes": os.stat(path).st_size}
        except OSError as error:
            warnings.append(f"{meant['path']} could not be sealed: {error.strerror}. The seal lacks {name}.")
            continue
        if meant.get("sha256") in (None, facts["sha256"]):
            taken[name] = facts
            continue
        warnings.append(f"{meant['path']} is another one than when it was verified. The seal lacks {name}.")
        if folder is not None:
            os.unlink(path)
    return taken, warnings


def _place(source: str, target: str) -> str:
    """A further name of a file, so that nothing is copied and whoever replaces it does not change what is sealed."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        shutil.copyfile(source, target)
    return target


def _write(
    points: _borg.Repository,
    name: str,
    folder: str,
    files: t.Mapping[str, bytes],
    taken: t.Mapping[str, t.Mapping[str, t.Any]],
    *,
    comment: str,
) -> str:
    for file_name, content in files.items():
        _document.write_bytes(os.path.join(folder, file_name), content)
    written = points.create(name, folder, compression=_COMPRESSION, comment=comment)
    ids = [archive["id"] for archive in points.describe()["archives"] if archive["name"] == name]
    different = [file_name for file_name, content in files.items() if points.read_file(name, file_name) != content]
    different += [
        file_name for file_name, facts in taken.items() if points.file_digest(name, file_name) != facts["sha256"]
    ]
    if ids != [written.archive_id] or different:
        raise BackupError(
            f"the seal {name} in {points.path} was written as {written.archive_id} and came back as "
            f"{', '.join(ids) or 'nothing'}" + (f" with other bytes in {', '.join(different)}" if different else ""),
            untouched="The archives of the datasets were not touched",
            remedy="Run borg check on the repository and look at the disk below it, then run the backup again",
        )
    return written.archive_id


def _comment(document: Document) -> str:
    """What plain ``borg info`` shows of a seal."""
    dump_set = (document["dump_set"] or {}).get("id", "none")
    names = ", ".join(dataset["name"] for dataset in document["datasets"])
    return f"{document['state']} recovery point of {document['source']}: {names}; dump set {dump_set}"


def _cache_path(cache_dir: str, point: str) -> str:
    return os.path.join(cache_dir, f"{point}.json")


def _cached(path: str, point: str, own: t.Mapping[str, str]) -> Document | None:
    """The document in the cache, if it is the one of this very archive."""
    with contextlib.suppress(OSError, BackupError):
        document = _document.read(path)
        _point.check(document, point)
        if document.get("seal") == own:
            return document
    return None


def _remembered(cache_dir: str) -> t.Iterator[tuple[str, Document]]:
    """Every point in the cache that can be read."""
    names = os.listdir(cache_dir) if os.path.isdir(cache_dir) else []
    for name in names:
        point = name.removesuffix(".json")
        with contextlib.suppress(OSError, BackupError):
            if name.endswith(".json"):
                document = _document.read(os.path.join(cache_dir, name))
                _point.check(document, point)
                yield point, document


def _as_marked(document: Document) -> Document:
    """A point of the cache in the state that its marks give it, as :func:`_keep` wrote it down.

    Only for who can ask no repository: what is lost there (:func:`read`) stays as it was sealed.
    """
    marked = document.get("marked")
    known = document["state"] == _point.COMPLETE and marked in (_point.CHECKED, _point.PROVEN, _point.SUSPECT)
    return {**document, "state": marked} if known else document


def _keep(path: str, document: Document, own: t.Mapping[str, str], state: str = "") -> list[str]:
    """Put a document into the cache; a cache that takes nothing must not hide a point.

    :param state: the one that its marks give it, for who reads nothing but the cache (``tell``, :func:`known`).
    """
    marked = {"marked": state} if state and state != document["state"] else {}
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        _document.write(path, {**document, "seal": dict(own), **marked})
    except OSError as error:
        return [f"{path} could not be written: {error.strerror}. The recovery point itself is not affected."]
    return []


def unpack(
    points: _borg.Repository, document: t.Mapping[str, t.Any], directory: str, *, dry: bool
) -> tuple[dict[str, str], bool]:
    """Lay the files of a seal into a folder: where each lies, and whether they had to be read.

    :param document: the point, as :func:`read` gives it.
    :param directory: does not exist, or holds these very files.
    :raises BackupError: when a file comes back with other bytes than were sealed, or something else is there.
    """
    sealed = {name: facts["sha256"] for name, facts in document.get("files", {}).items()}
    names = [_point.DOCUMENT, *([_point.DUMP_MANIFEST] if document["dump_set"] else []), *sealed]
    paths = {name: os.path.join(directory, name) for name in names}
    if os.path.lexists(directory):
        _compare(document, points.path, directory, sealed)
        return paths, False
    if not dry:
        os.makedirs(os.path.dirname(directory), mode=0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".labops-seal-", dir=os.path.dirname(directory)) as folder:
            inside = os.path.join(folder, "seal")
            os.mkdir(inside, 0o700)
            points.unpack(document["seal"]["archive"], inside)
            _compare(document, points.path, inside, sealed)
            os.rename(inside, directory)
    return paths, True


def _compare(document: t.Mapping[str, t.Any], repository: str, folder: str, sealed: t.Mapping[str, str]) -> None:
    for name, sha256 in sealed.items():
        path = os.path.join(folder, name)
        found = _content_manifest.sha256(path) if os.path.isfile(path) else "none"
        if found != sha256:
            raise BackupError(
                f"{name} in the seal of {document['point']} has the SHA-256 {found}; {sha256} was sealed",
                untouched="Nothing was changed",
                remedy=f"Run borg check --verify-data on {repository}, or take another point",
            )
