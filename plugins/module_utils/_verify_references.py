# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Look up every file that a dump refers to, and what lies in the stores beside them."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import stat
import typing as t
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import (
    _content_manifest,
    _document,
    _generation,
    _quarantine,
)
from ansible_collections.labops.backup.plugins.module_utils._model import _content, _datajoint, _form

EXAMPLES = 20
_FINDINGS = ("missing", "wrong_size", "wrong_content", "unresolved", "in_quarantine")
_READ_BYTES = 1 << 20
# Of what waits for the manifest of a point, so many references are kept whole to be named.
_REMEMBERED = 10_000


# What a reference asks for: its path, and whether it is a folder.
Place = tuple[bytes, bool]


class Held(t.NamedTuple):
    """What a content manifest has at a place; of a folder the size of all that is in it, and no SHA-256."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Root:
    """Where the files of one dataset may be.

    :param archived: what the dump refers to as it is in the generation that was archived, when the mirror is at another
        one by now; None for what is not in there.
    :param sealed: the content manifest of the recovery point that lies here; none where the point does not have the
        dataset, and False where no point is concerned.
    """

    mirror: bytes
    quarantine: tuple[bytes, ...]
    archived: t.Mapping[Place, Held | None] | None = None
    sealed: str | t.Literal[False] | None = False


@dataclass
class _Content:
    """What was read to compare content; nothing when it is not asked for."""

    wanted: bool
    hashed: int = 0
    hashed_bytes: int = 0
    unknown: int = 0


@dataclass
class _Known:
    """The paths that the dump refers to, as numbers: a path is looked up among many millions."""

    wanted: bool
    paths: set[int] = field(default_factory=set)
    folders: set[int] = field(default_factory=set)

    def add(self, reference: t.Mapping[str, t.Any]) -> None:
        """Take one reference."""
        path = _datajoint.reference_path(reference) if self.wanted else None
        if path is not None:
            into = self.folders if reference.get("is_folder") is True else self.paths
            into.add(_number(str(reference.get("dataset")), path))


def _number(dataset: str, path: bytes) -> int:
    name = dataset.encode() + b"\0" + os.path.normpath(path)
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big")


def verify(
    references_file: str,
    roots: t.Mapping[str, t.Any],
    *,
    content: bool = False,
    orphans: bool = False,
    since: str | None = None,
    accepted: _content.Accepted | None = None,
    examples: int = EXAMPLES,
) -> dict[str, t.Any]:
    """Compare existence, size and, where it is asked for, content; look for orphans, where that is asked for.

    What was archived is judged. A mirror that another run changed meanwhile is judged by the manifest of what was
    archived, and without one there is no verdict.

    :param since: when the dump began; an orphan that was changed later is none of its time.
    :param accepted: what is taken as it is.
    :param examples: how many references that make C(ok) false are named.
    :return: the result of the module ``datajoint_verify_info``.
    """
    newest = _seconds(since)
    places = _roots(roots)
    accepted = accepted or _content.Accepted()
    changed: set[str] = set()
    while True:
        moved = _changed(roots) - changed
        archived = {} if content else _archived(references_file, {name: roots[name] for name in sorted(moved)})
        places = {name: replace(place, archived=archived.get(name, place.archived)) for name, place in places.items()}
        changed |= moved
        asked = _Asked(places, accepted, _Content(content), _Known(orphans), examples)
        result = _look_up(references_file, asked, newest)
        if _changed(roots) <= changed:
            break
    without = [name for name in changed if places[name].archived is None]
    return {**result, "changed_mirrors": len(without), "ok": result["ok"] and not without}


@dataclass
class _Asked:
    """What the references are compared with, and how far."""

    places: t.Mapping[str, Root]
    accepted: _content.Accepted
    contents: _Content
    known: _Known
    examples: int


def _look_up(references_file: str, asked: _Asked, newest: float) -> dict[str, t.Any]:
    found = _Found(asked.examples)
    counts = {"checked": 0, "tracked_only": 0}
    untouched, remedy = "Nothing was changed", "Verify the dump set with db_dump_info and verify=full"
    with open(references_file, "rb") as stream:
        header = _document.decode(stream.readline(), references_file, untouched=untouched, remedy=remedy)
        wrong = _form.wrong(header, _datajoint.REFERENCES_HEADER)
        if wrong:
            raise BackupError(
                f"{references_file} does not begin with the header of references: {wrong}",
                untouched=untouched,
                remedy=remedy,
            )
        found.counts["unresolved"] = header.get("unreadable", 0)
        for number, line in enumerate(stream, start=2):
            reference = _datajoint.decode_reference(line, f"line {number} of {references_file}")
            finding = _judge(reference, asked)
            asked.known.add(reference)
            counts["checked"] += 1
            counts["tracked_only"] += not reference["used"]
            if finding is not None:
                found.take(finding, reference, asked)
    found.settle(asked)
    return {
        **counts,
        **found.counts,
        "ok": not any(found.counts[finding] for finding in _FINDINGS),
        "accepted": found.accepted,
        "not_in_point": found.not_in_point,
        "examples": found.examples,
        "by_dataset": found.by_dataset,
        "unused": found.unused,
        "hashed": asked.contents.hashed,
        "hashed_bytes": asked.contents.hashed_bytes,
        "without_hash": asked.contents.unknown,
        "orphans": _orphans(header.get("stores") or {}, asked.places, asked.known, newest)
        if asked.known.wanted
        else {},
    }


class _Found:
    """What was found, counted; what the recovery point itself does not have is told apart at the end."""

    def __init__(self, most: int) -> None:
        self.counts = dict.fromkeys(_FINDINGS, 0)
        self.unused = dict.fromkeys(_FINDINGS, 0)
        self.by_dataset: dict[str, dict[str, int]] = {}
        self.examples: list[dict[str, t.Any]] = []
        self.accepted = 0
        self.not_in_point: dict[str, dict[str, t.Any]] = {}
        self._most = most
        self._open: list[tuple[str, str, Place, int | None]] = []
        self._shown: list[tuple[dict[str, str], dict[str, t.Any]]] = []

    def take(self, finding: dict[str, str], reference: dict[str, t.Any], asked: _Asked) -> None:
        """Count a finding, unless it waits for the manifest of the point."""
        if not reference["used"]:
            self.unused[finding["finding"]] += 1
        elif _is_accepted(finding["finding"], reference, asked):
            self.accepted += 1
        else:
            root = asked.places.get(_dataset_of(reference))
            if root is None or root.sealed is False or _datajoint.reference_path(reference) is None:
                self._count(finding["finding"], _dataset_of(reference))
                self._show(finding, reference)
            else:
                # There may be millions: a whole dataset that is gone and was not to be restored.
                self._open.append(
                    (finding["finding"], _dataset_of(reference), _place(reference), reference.get("size"))
                )
                self._shown += [(finding, reference)] if len(self._shown) < _REMEMBERED else []

    def settle(self, asked: _Asked) -> None:
        """Read the manifests of the point, once, and only when there is something to look up."""
        wanted: dict[str, dict[Place, Held | None]] = {}
        for _finding, dataset, place, _size in self._open:
            wanted.setdefault(dataset, {})[place] = None
        for dataset, places in wanted.items():
            if manifest := asked.places[dataset].sealed:
                _fill(places, manifest)
        for number, (finding, dataset, place, size) in enumerate(self._open):
            if _has(wanted[dataset][place], finding, place[0], size, asked.places[dataset].mirror):
                self._count(finding, dataset)
                if number < len(self._shown):
                    self._show(*self._shown[number])
                continue
            lacking = self.not_in_point.setdefault(dataset, {"files": 0, "examples": []})
            lacking["files"] += 1
            if len(lacking["examples"]) < self._most:
                lacking["examples"].append(_content.shown(place[0]))

    def _count(self, finding: str, dataset: str) -> None:
        self.counts[finding] += 1
        of = self.by_dataset.setdefault(dataset, dict.fromkeys(_FINDINGS, 0))
        of[finding] += 1

    def _show(self, finding: dict[str, str], reference: dict[str, t.Any]) -> None:
        if len(self.examples) < self._most:
            self.examples.append({**finding, **reference})


def _dataset_of(reference: t.Mapping[str, t.Any]) -> str:
    return str(reference.get("dataset") or "")


def _place(reference: t.Mapping[str, t.Any]) -> Place:
    path = _datajoint.reference_path(reference)
    return os.path.normpath(path or b""), reference.get("is_folder") is True


def _is_accepted(finding: str, reference: t.Mapping[str, t.Any], asked: _Asked) -> bool:
    """Whether the operator takes it as it is."""
    path, is_folder = _place(reference)
    root = asked.places.get(_dataset_of(reference))
    if root is None or _datajoint.reference_path(reference) is None:
        return False
    if finding == "missing":
        return asked.accepted.missing(_dataset_of(reference), path)
    if is_folder or not asked.accepted.names(path):
        return False
    if root.archived is not None:
        held = root.archived.get((path, is_folder))
        return held is not None and asked.accepted.content(path, held.sha256)
    return asked.accepted.content(path, _sha256(root.mirror, path))


def _has(held: Held | None, finding: str, path: bytes, size: int | None, mirror: bytes) -> bool:
    """Whether the point has what the reference asks for, so that it should be here."""
    if held is None:
        return False
    if size is not None and held.size != size:
        return False
    # What is here byte by byte as in the point is what the point has, although the database says something else.
    return finding != "wrong_content" or held.sha256 != _sha256(mirror, path)


def _sha256(root: bytes, path: bytes) -> str:
    """Of a regular file; empty for what cannot be read."""
    digest = hashlib.sha256()
    try:
        with _opened(root, path) as stream:
            while chunk := stream.read(_READ_BYTES):
                digest.update(chunk)
    except OSError:
        return ""
    return digest.hexdigest()


@contextlib.contextmanager
def _opened(root: bytes, path: bytes) -> t.Iterator[t.BinaryIO]:
    descriptor = os.open(os.path.join(root, path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "no regular file")
        yield stream


def _changed(roots: t.Mapping[str, t.Any]) -> set[str]:
    """The datasets whose mirror is at another generation than the one that is meant, or on its way there."""
    changed = set()
    for dataset, root in roots.items():
        if isinstance(root, t.Mapping) and root.get("generation") is not None:
            document = _generation.read(str(root.get("generation_file"))) or {}
            if (document.get("generation"), document.get("state")) != (int(root["generation"]), _generation.COMPLETE):
                changed.add(dataset)
    return changed


def _archived(references_file: str, roots: t.Mapping[str, t.Any]) -> dict[str, dict[Place, Held | None]]:
    """By dataset, what the dump refers to as it is in its archived generation; None for what is not in there.

    Only those datasets whose roots name the manifest of that generation.
    """
    found: dict[str, dict[Place, Held | None]] = {}
    for dataset, root in roots.items():
        if not root.get("manifest"):
            continue
        with contextlib.suppress(FileNotFoundError, BackupError), _content_manifest.opened(root["manifest"]) as reader:
            if reader.generation == int(root["generation"]):
                found[dataset] = {}
    if not found:
        return found
    with open(references_file, "rb") as stream:
        stream.readline()
        for line in stream:
            with contextlib.suppress(BackupError):  # who judges it says so
                reference = _datajoint.decode_reference(line, references_file)
                path = _datajoint.reference_path(reference)
                if path is not None and reference.get("dataset") in found:
                    found[reference["dataset"]][os.path.normpath(path), reference.get("is_folder") is True] = None
    for dataset, places in found.items():
        _fill(places, roots[dataset]["manifest"])
    return found


def _fill(places: dict[Place, Held | None], manifest: str) -> None:
    """Look places up in a content manifest."""
    folders = any(is_folder for _path, is_folder in places)

    def grow(path: bytes, size: int) -> None:
        if (path, True) in places:
            before = places[path, True]
            places[path, True] = Held(size + (before.size if before else 0), "")

    for path, entry in _content_manifest.entries(manifest):
        if entry.is_folder:
            grow(path, 0)
            continue
        if (path, False) in places:
            places[path, False] = Held(entry.size, entry.sha256.decode())
        above = os.path.dirname(path) if folders else b""
        while above:
            grow(above, entry.size)
            above = os.path.dirname(above)


def _seconds(since: str | None) -> float:
    if since is None:
        return float("inf")
    try:
        return datetime.strptime(since, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise BackupError(
            f"{since!r} is no UTC time like 2026-11-23T02:15:00Z", untouched="Nothing was changed"
        ) from error


def _roots(roots: t.Mapping[str, t.Any]) -> dict[str, Root]:
    places = {}
    for dataset, paths in roots.items():
        paths = {"mirror": paths} if isinstance(paths, str) else paths
        mirror, quarantine = paths.get("mirror"), paths.get("quarantine")
        if not mirror:
            raise BackupError(
                f"the root of dataset {dataset} has no mirror",
                untouched="Nothing was changed",
                remedy="Give each dataset a dictionary with the key mirror",
            )
        waiting = _quarantine.trees(quarantine) if quarantine else ()
        places[dataset] = Root(os.fsencode(mirror), tuple(map(os.fsencode, waiting)), sealed=paths.get("sealed", False))
    return places


def _judge(reference: t.Mapping[str, t.Any], asked: _Asked) -> dict[str, str] | None:
    """What is wrong with a reference; None when its file is there with the right size.

    A file that is only in the quarantine is not there: the archive of the mirror does not have it.
    """
    path, root = _datajoint.reference_path(reference), asked.places.get(_dataset_of(reference))
    if path is None or root is None:
        return {"finding": "unresolved"}
    size, is_folder = reference.get("size"), reference.get("is_folder") is True
    if root.archived is not None:
        held = root.archived.get(_place(reference))
        found = _compared(held.size if held is not None else None, size)
    else:
        found = _look(root.mirror, path, size, is_folder)
    if found is None:
        if asked.contents.wanted and not is_folder and not _is_good(reference, root.mirror, path, asked.contents):
            return {"finding": "wrong_content"}
        return None
    for tree in root.quarantine:
        if _look(tree, path, size, is_folder) is None:
            run = os.path.basename(os.path.dirname(tree))
            return {"finding": "in_quarantine", "quarantine_run": os.fsdecode(run)}
    return {"finding": found}


def _is_good(reference: t.Mapping[str, t.Any], root: bytes, path: bytes, contents: _Content) -> bool:
    """Whether a file has the content that DataJoint keeps a hash of; true where it keeps none."""
    expected = _datajoint.expected_content(reference, path)
    if expected is None:
        contents.unknown += 1
        return True
    before, wanted = expected
    md5 = hashlib.md5(before, usedforsecurity=False)
    try:
        with _opened(root, path) as stream:
            while chunk := stream.read(_READ_BYTES):
                md5.update(chunk)
                contents.hashed_bytes += len(chunk)
    except OSError:  # a file that its disk cannot read is not good
        return False
    contents.hashed += 1
    return md5.digest() == wanted


def _orphans(
    stores: t.Mapping[str, t.Mapping[str, t.Any]], places: t.Mapping[str, Root], known: _Known, newest: float
) -> dict[str, dict[str, t.Any]]:
    """By store, the files in its own folders that the dump does not refer to; none when nobody asks."""
    found = {}
    for name, store in sorted(stores.items()) if known.wanted else ():
        root = places.get(str(store.get("dataset")))
        if root is None or store.get("relative_root") is None:
            continue
        counts: dict[str, t.Any] = {"files": 0, "bytes": 0, "newer": 0, "examples": []}
        for folder in _datajoint.owned_folders(store):
            top = os.path.join(os.fsencode(store["relative_root"]), os.fsencode(folder))
            for path, status in _unknown(root.mirror, str(store["dataset"]), top, known):
                if status.st_mtime > newest:
                    counts["newer"] += 1
                    continue
                counts["files"] += 1
                counts["bytes"] += status.st_size
                if len(counts["examples"]) < EXAMPLES:
                    counts["examples"].append(_content.shown(path))
        found[name] = counts
    return found


def _unknown(root: bytes, dataset: str, top: bytes, known: _Known) -> t.Iterator[tuple[bytes, os.stat_result]]:
    for folder, folders, names in os.walk(os.path.join(root, top)):
        inside = os.path.relpath(folder, root)
        folders[:] = sorted(
            name for name in folders if _number(dataset, os.path.join(inside, name)) not in known.folders
        )
        for name in sorted(names):
            path = os.path.join(inside, name)
            if _datajoint.is_passing(name) or _number(dataset, path) in known.paths:
                continue
            try:
                yield path, os.lstat(os.path.join(root, path))
            except FileNotFoundError:
                continue


def _look(root: bytes, path: bytes, size: int | None, is_folder: bool) -> str | None:
    place = os.path.join(root, path)
    status = _status(root, place)
    if status is None or stat.S_ISDIR(status.st_mode) != is_folder:
        return "missing"
    if size is None:
        return None
    return _compared(_folder_size(root, place) if is_folder else status.st_size, size)


def _compared(found: int | None, size: int | None) -> str | None:
    if found is None:
        return "missing"
    return None if size is None or found == size else "wrong_size"


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
