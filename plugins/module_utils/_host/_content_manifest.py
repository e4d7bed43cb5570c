# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""Content manifests as files: written aside and renamed, read only when whole; never more than a few lines in memory.

``_content`` tells what stands in them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import posixpath
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document
from ansible_collections.labops.backup.plugins.module_utils._model import _content

_FORMAT = "content manifest"
_LONGEST_TRAILER = 4096
_READ_BYTES = 1 << 20


class Reader:
    """The lines of a manifest after its header, the trailer included; without a stream there are none.

    :param sha256: of the whole file.
    :param totals: what the trailer counts.
    :param generation: of the mirror, 0 without a stream.
    """

    def __init__(
        self, stream: t.BinaryIO | None, sha256: str, totals: t.Mapping[str, int], generation: int = 0
    ) -> None:
        self.sha256 = sha256
        self.totals = totals
        self.generation = generation
        self._stream = stream
        self._start = stream.tell() if stream is not None else 0

    def line(self) -> bytes:
        """The next line, empty at the end."""
        return self._stream.readline() if self._stream is not None else b""

    def rewind(self) -> None:
        """Begin again with the first line after the header."""
        if self._stream is not None:
            self._stream.seek(self._start)


@contextlib.contextmanager
def opened(path: str) -> t.Iterator[Reader]:
    """A manifest, once it is seen to be whole.

    :raises FileNotFoundError: when there is none.
    :raises BackupError: when it is cut off, altered or of another schema version.
    """
    with open(path, "rb", buffering=1 << 18) as stream:
        digest, totals = _check(stream, path)
        stream.seek(0)
        header = _document.decode(stream.readline(), path)
        if header.get("format") != _FORMAT or type(header.get("generation")) is not int:
            raise BackupError(f"{path} is no content manifest")
        yield Reader(stream, digest, totals, header["generation"])


@contextlib.contextmanager
def absent() -> t.Iterator[Reader]:
    """What stands in for the manifest of a mirror that has none yet."""
    yield Reader(None, "", {})


def _check(stream: t.BinaryIO, path: str) -> tuple[str, dict[str, int]]:
    """Compare the trailer with everything above it; returns the sha256 of the whole file, and what is counted."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - _LONGEST_TRAILER))
    last = stream.read().removesuffix(b"\n").rpartition(b"\n")[2]
    trailer: t.Any = None
    with contextlib.suppress(ValueError, RecursionError):
        trailer = json.loads(last)
    if not isinstance(trailer, dict) or "sha256_above" not in trailer:
        raise BackupError(f"the content manifest {path} is cut off")
    stream.seek(0)
    left = size - len(last) - 1
    digest = hashlib.sha256()
    while left > 0 and (chunk := stream.read(min(left, _READ_BYTES))):
        digest.update(chunk)
        left -= len(chunk)
    if digest.hexdigest() != trailer["sha256_above"]:
        raise BackupError(f"the content manifest {path} was altered or damaged")
    digest.update(last + b"\n")
    return digest.hexdigest(), {name: count for name, count in trailer.items() if type(count) is int}


def entries(path: str) -> t.Iterator[tuple[bytes, _content.Entry]]:
    """Path and entry of everything in a manifest, in its order; for ``_content.diff``."""
    with opened(path) as reader:
        folder = b""
        while text := reader.line():
            if _content.is_entry(text):
                try:
                    entry = _content.decode(text)
                except ValueError:
                    raise BackupError(f"{path} is no content manifest: {text[:200]!r} is no entry") from None
                yield posixpath.join(folder, entry.name), entry
            elif text.startswith(b"/"):
                folder = _content.folder_in(text)


class Writer:
    """A manifest that is being written; it takes the place of the former one only when it is whole.

    :param stream: None to compute what would be written.
    """

    def __init__(self, stream: t.BinaryIO | None, generation: int) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        header = {"format": _FORMAT, "generation": generation}
        self.add([_compact({"schema_version": _document.SCHEMA_VERSION, **header})])

    def add(self, lines: t.Sequence[bytes]) -> None:
        """Append lines."""
        content = b"".join(lines)
        self._digest.update(content)
        if self._stream is not None:
            self._stream.write(content)

    def finish(self, totals: t.Mapping[str, int]) -> str:
        """Append the trailer; returns the sha256 of the whole file."""
        self.add([_compact({**totals, "sha256_above": self._digest.hexdigest()})])
        return self._digest.hexdigest()


def _compact(body: t.Mapping[str, t.Any]) -> bytes:
    return json.dumps(body, sort_keys=True).encode() + b"\n"


@contextlib.contextmanager
def replacing(path: str, generation: int, *, dry: bool) -> t.Iterator[Writer]:
    """Write a manifest in the place of ``path``, wholly or not at all, and survive a power cut.

    Nobody else may write it at the same time: hold the dataset's lock.
    """
    if dry:
        yield Writer(None, generation)
        return
    aside = path + ".new"
    try:
        with open(aside, "wb") as stream:
            os.fchmod(stream.fileno(), 0o600)
            yield Writer(stream, generation)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside)
        raise
    _document.sync_folder(os.path.dirname(path))


def sha256(path: str) -> str:
    """The digest of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(_READ_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
