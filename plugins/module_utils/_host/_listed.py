# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A tree, or listed paths of it, compared with a content manifest: it must hold what the manifest says."""

from __future__ import annotations

import hashlib
import os
import stat
import typing as t
from dataclasses import dataclass, field

from ansible_collections.labops.backup.plugins.module_utils._host import _content_manifest
from ansible_collections.labops.backup.plugins.module_utils._model import _content

_EXAMPLES = 20
_READ_BYTES = 1 << 20

Entry = _content.Entry


def selected(manifest: str, paths: t.Sequence[bytes] | None) -> t.Iterator[tuple[bytes, Entry | None]]:
    """Each of these paths with its entry, None for one that the manifest does not know; without paths everything.

    :param paths: in the order of a manifest, the dataset's own folder not among them.
    """
    if paths is None:
        yield from _content_manifest.entries(manifest)
        return
    waiting = iter(paths)
    path = next(waiting, None)
    place = b"", b""
    if path is not None:
        place = _content.place(path)
    for known, entry in _content_manifest.entries(manifest):
        while path is not None and place < _content.place(known):
            yield path, None
            path = next(waiting, None)
            place = _content.place(path) if path is not None else place
        if path == known:
            yield known, entry
            path = next(waiting, None)
            place = _content.place(path) if path is not None else place
    while path is not None:
        yield path, None
        path = next(waiting, None)


@dataclass
class Wanted:
    """What a manifest says about the listed paths, counted.

    :param unknown: the first paths that it does not know.
    :param size: of the regular files, in bytes; of several names of one file the first counts.
    :param sockets: which no archive holds.
    """

    entries: int = 0
    files: int = 0
    size: int = 0
    sockets: int = 0
    unknown_count: int = 0
    unknown: list[str] = field(default_factory=list)

    @classmethod
    def count(cls, manifest: str, paths: t.Sequence[bytes] | None) -> Wanted:
        """Go through the manifest once."""
        found = cls()
        inodes: set[int] = set()
        for path, entry in selected(manifest, paths):
            if entry is None:
                found.unknown_count += 1
                if len(found.unknown) < _EXAMPLES:
                    found.unknown.append(_content.shown(path))
                continue
            found.entries += 1
            found.sockets += stat.S_ISSOCK(entry.mode)
            if entry.is_file:
                found.files += 1
                if entry.inode not in inodes:
                    inodes.add(entry.inode)
                    found.size += entry.size
        return found


@dataclass
class Compared:
    """What a tree holds of the listed paths.

    :param problems: the first differences, for people.
    :param times: modification times that were set.
    """

    files: int = 0
    size: int = 0
    problem_count: int = 0
    problems: list[str] = field(default_factory=list)
    times: int = 0

    def differs(self, path: bytes, how: str) -> None:
        """Count one difference."""
        self.problem_count += 1
        if len(self.problems) < _EXAMPLES:
            self.problems.append(f"{_content.shown(path)} {how}")

    @property
    def text(self) -> str:
        """The first differences, in one line."""
        more = f"; and {self.problem_count - len(self.problems[:5])} more" if self.problem_count > 5 else ""
        return "; ".join(self.problems[:5]) + more


def compare(
    tree: str,
    manifest: str,
    paths: t.Sequence[bytes] | None,
    *,
    metadata: bool,
    mend_time: t.Callable[[Entry], bool] = lambda _entry: False,
    on_progress: t.Callable[[int], None] = lambda _count: None,
) -> Compared:
    """Read everything that is listed and compare it with the manifest; sockets are passed over.

    :param metadata: compare mode, owner and time as well as kind, size and content.
    :param mend_time: of which entries the time is set where it differs.
    :param on_progress: takes the bytes read so far.
    """
    result = Compared()
    root = os.fsencode(tree)
    read: dict[int, bytes] = {}
    buffer = memoryview(bytearray(_READ_BYTES))
    for path, entry in selected(manifest, paths):
        if entry is None:
            result.differs(path, "is not known to the manifest")
            continue
        if stat.S_ISSOCK(entry.mode):
            continue
        place = os.path.join(root, path)
        try:
            status = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            result.differs(path, "is missing")
            continue
        how = _difference(place, status, entry, read, buffer)
        if not how and metadata:
            if status.st_mtime_ns != entry.mtime_ns and mend_time(entry):
                os.utime(place, ns=(entry.mtime_ns, entry.mtime_ns), follow_symlinks=False)
                result.times += 1
                status = os.lstat(place)
            how = _metadata(status, entry)
        if how:
            result.differs(path, how)
        elif entry.is_file:
            result.files += 1
            result.size += entry.size
            on_progress(result.size)
    return result


def _difference(place: bytes, status: os.stat_result, entry: Entry, read: dict[int, bytes], buffer: memoryview) -> str:
    if stat.S_IFMT(status.st_mode) != stat.S_IFMT(entry.mode):
        return "is of another kind"
    if entry.is_file:
        if status.st_size != entry.size:
            return f"has {status.st_size} bytes and not {entry.size}"
        digest = read.get(status.st_ino) if status.st_nlink > 1 else None
        if digest is None:
            digest = _sha256(place, buffer)
            if status.st_nlink > 1:
                read[status.st_ino] = digest
        if digest != entry.sha256:
            return f"has the sha256 {digest.decode()} and not {entry.sha256.decode()}"
    elif stat.S_ISLNK(entry.mode) and hashlib.sha256(os.readlink(place)).hexdigest().encode() != entry.sha256:
        return "points elsewhere"
    return ""


def _metadata(status: os.stat_result, entry: Entry) -> str:
    if (status.st_uid, status.st_gid) != (entry.uid, entry.gid):
        return f"belongs to {status.st_uid}:{status.st_gid} and not to {entry.uid}:{entry.gid}"
    if status.st_mode != entry.mode and not stat.S_ISLNK(entry.mode):
        return f"has the mode {stat.S_IMODE(status.st_mode):04o} and not {stat.S_IMODE(entry.mode):04o}"
    if status.st_mtime_ns != entry.mtime_ns:
        return f"has the time {status.st_mtime_ns} and not {entry.mtime_ns}"
    return ""


def _sha256(place: bytes, buffer: memoryview) -> bytes:
    digest = hashlib.sha256()
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        while size := os.readv(descriptor, [buffer]):
            digest.update(buffer[:size])
    finally:
        os.close(descriptor)
    return digest.hexdigest().encode()
