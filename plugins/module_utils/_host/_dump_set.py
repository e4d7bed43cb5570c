# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Dump sets on disk: made aside, flushed, published by one rename, listed, verified, rotated.

A dump set is the folder C(<id>/) with its C(manifest.json), written last. C(.<id>.partial/) is one that is being
made, C(.<id>.removed/) one that is being deleted. Everything else in the folder belongs to somebody else and is
never touched.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import typing as t
from dataclasses import dataclass, field

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document
from ansible_collections.labops.backup.plugins.module_utils._model import _dump_manifest, _run
from ansible_collections.labops.backup.plugins.module_utils._model._dump_text import Reader

_READ_BYTES = 1 << 20
_FREE_SHARE = 1.2


class Sink:
    """A file of a dump set while it is written: its bytes, their number and their hash."""

    def __init__(self, path: str) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._stream = os.fdopen(descriptor, "wb", buffering=_READ_BYTES)
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Append ``chunk``."""
        self._stream.write(chunk)
        self._hash.update(chunk)
        self.size += len(chunk)

    def close(self) -> None:
        """Flush the file to disk."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()

    def discard(self) -> None:
        """Close without flushing to disk; harmless after :meth:`close`."""
        self._stream.close()

    @property
    def facts(self) -> dict[str, t.Any]:
        """What the manifest says about the file."""
        return {"size": self.size, "sha256": self._hash.hexdigest()}


@dataclass
class DumpSet:
    """A dump set as found on disk.

    :param problems: why it does not count; empty when it was checked and found whole, or not checked.
    """

    id: str
    path: str
    manifest: dict[str, t.Any]
    problems: list[str] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """Size of all its files by its manifest."""
        return sum(facts["size"] for facts in self.manifest["files"].values())


def begin(directory: str, identifier: str) -> str:
    """The empty folder in which a new dump set is made."""
    path = os.path.join(directory, f".{identifier}.partial")
    os.mkdir(path, 0o700)
    return path


def abandon(partial: str) -> None:
    """Remove a dump set that was not finished."""
    shutil.rmtree(partial, ignore_errors=True)


def remove_leftovers(directory: str) -> list[str]:
    """Remove what dead runs left behind. Only for the holder of the dump lock: nobody else is at work then."""
    removed = []
    for name in sorted(os.listdir(directory)):
        for suffix in (".partial", ".removed"):
            identifier = name.removeprefix(".").removesuffix(suffix)
            if name == f".{identifier}{suffix}" and _run.is_identifier(identifier):
                shutil.rmtree(os.path.join(directory, name))
                removed.append(name)
    return removed


def publish(directory: str, partial: str, identifier: str, manifest: t.Mapping[str, t.Any]) -> str:
    """Write the manifest, the last file of all, and give the dump set its name."""
    _document.write(os.path.join(partial, _dump_manifest.MANIFEST), manifest)
    path = os.path.join(directory, identifier)
    os.rename(partial, path)
    _document.sync_folder(directory)
    return path


def rotate(directory: str, keep: int) -> list[str]:
    """Remove finished dump sets beyond the newest ``keep``; returns their ids."""
    removed = []
    for dump_set in find(directory)[0][keep:]:
        aside = os.path.join(directory, f".{dump_set.id}.removed")
        os.rename(dump_set.path, aside)  # never half a set under its name
        _document.sync_folder(directory)
        shutil.rmtree(aside)
        removed.append(dump_set.id)
    return removed


def find(directory: str) -> tuple[list[DumpSet], list[str]]:
    """The finished dump sets, newest first, and the names of everything else that is not hidden."""
    finished, others = [], []
    for name in sorted(os.listdir(directory), reverse=True):
        if name.startswith("."):
            continue
        manifest, problems = _judge(directory, name)
        if problems:
            others.append(name)
        else:
            finished.append(DumpSet(name, os.path.join(directory, name), manifest))
    return finished, sorted(others)


def rejected(directory: str, others: t.Iterable[str]) -> dict[str, list[str]]:
    """Of what :func:`find` calls other, what is named like a dump set, newest first, and why it is none."""
    return {name: _judge(directory, name)[1] for name in sorted(others, reverse=True) if _run.is_identifier(name)}


def _judge(directory: str, name: str) -> tuple[dict[str, t.Any], list[str]]:
    """The manifest of a folder and what is wrong with it."""
    if not _run.is_identifier(name):
        return {}, ["its name is not that of a dump set"]
    try:
        manifest = _document.read(os.path.join(directory, name, _dump_manifest.MANIFEST))
    except OSError as error:
        return {}, [f"its {_dump_manifest.MANIFEST} cannot be read: {error.strerror}"]
    except BackupError as error:
        return {}, [error.what]
    return manifest, _dump_manifest.problems(manifest, name)


def open_set(path: str) -> DumpSet:
    """The dump set in a folder, by its manifest.

    :raises BackupError: when it is none.
    """
    path = os.path.abspath(path)
    name = os.path.basename(path)
    manifest, problems = _judge(os.path.dirname(path), name)
    if problems:
        raise BackupError(
            f"{path} is no dump set: {'; '.join(problems)}",
            untouched="Nothing was changed",
            remedy="Name the folder of a dump set, which has the name of its identifier",
        )
    return DumpSet(name, path, manifest)


def verify(dump_set: DumpSet, on_chunk: t.Callable[[], None] = lambda: None) -> Reader:
    """Read every file again and note what differs from the manifest; returns what read the dump's text.

    :param on_chunk: called before each chunk; what it raises ends the reading.
    """
    text = Reader()
    for name, expected in sorted(dump_set.manifest["files"].items()):
        path = os.path.join(dump_set.path, name)
        reader = text if name == _dump_manifest.DATABASES else None
        try:
            found = _read(path, reader, on_chunk)
        except FileNotFoundError:
            dump_set.problems.append(f"{name} is missing")
            continue
        except BackupError as error:
            dump_set.problems.append(f"{name}: {error.what}")
            continue
        if found["size"] != expected["size"]:
            dump_set.problems.append(f"{name} has {found['size']} bytes, the manifest says {expected['size']}")
        elif found["sha256"] != expected["sha256"]:
            dump_set.problems.append(f"{name} has other content than when it was written (sha256)")
        if reader is not None:
            dump_set.problems += _dump_manifest.recount_problems(dump_set.manifest, reader)
    return text


def _read(path: str, reader: Reader | None, on_chunk: t.Callable[[], None] = lambda: None) -> dict[str, t.Any]:
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as stream:
        while chunk := stream.read(_READ_BYTES):
            on_chunk()
            digest.update(chunk)
            size += len(chunk)
            if reader is not None:
                reader.feed(chunk)
    return {"size": size, "sha256": digest.hexdigest()}


def hash_file(path: str) -> dict[str, t.Any]:
    """Size and sha256 of a file, as the manifest has them."""
    return _read(path, None)


def require_space(directory: str) -> None:
    """Refuse to begin when the newest dump set, and a fifth more, would not fit once again.

    :raises BackupError: when it would not.
    """
    finished, _others = find(directory)
    if not finished:
        return
    needed = int(finished[0].bytes * _FREE_SHARE)
    status = os.statvfs(directory)
    free = status.f_bavail * status.f_frsize
    if free < needed:
        raise BackupError(
            f"{directory} has {free} bytes free; a dump set like {finished[0].id} needs {needed}",
            untouched="Nothing was written and older dump sets are untouched",
            remedy="Free space on that file system or enlarge it",
            free_bytes=free,
            needed_bytes=needed,
        )
