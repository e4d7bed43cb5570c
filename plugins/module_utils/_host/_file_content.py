# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""What files hold: their digests, each file read once however many names it has."""

from __future__ import annotations

import hashlib
import os
import typing as t

_READ_BYTES = 1 << 20
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW


class ChangedWhileReadError(Exception):
    """A file was written to while it was read."""


class Contents:
    """Reads files into one buffer; remembers the digests of files that have more names than were seen so far.

    :param on_chunk: called before each chunk; what it raises ends the reading.
    :ivar files: how many files were read.
    :ivar bytes: how much was read of them.
    """

    def __init__(self, on_chunk: t.Callable[[], None] | None = None) -> None:
        self._on_chunk = on_chunk or (lambda: None)
        self.files = 0
        self.bytes = 0
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._links: dict[tuple[int, int, bytes | None], tuple[int, tuple[bytes, bytes]]] = {}

    def digests(
        self, folder: int, name: bytes, status: os.stat_result, salt: bytes | None = None
    ) -> tuple[bytes, bytes]:
        """sha256 (digits) of a regular file and, with a salt, MD5 over salt and content.

        :param folder: the descriptor of the folder that the name is in.
        :param status: what lstat said of the name.
        :raises OSError: when it cannot be read.
        :raises ChangedWhileReadError: when it is another file, or was written to, since lstat.
        """
        known = self._known(status, salt)
        if known is not None:
            return known
        sha256 = hashlib.sha256()
        md5 = hashlib.md5(salt, usedforsecurity=False) if salt is not None else None
        descriptor = os.open(name, _OPEN, dir_fd=folder)
        try:
            while size := os.readv(descriptor, [self._buffer]):
                self._on_chunk()
                chunk = self._buffer[:size]
                sha256.update(chunk)
                if md5 is not None:
                    md5.update(chunk)
                self.bytes += size
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        self.files += 1
        if (after.st_size, after.st_mtime_ns, after.st_ctime_ns, after.st_ino) != (
            *(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino),
        ):
            raise ChangedWhileReadError
        digests = sha256.hexdigest().encode(), md5.digest() if md5 is not None else b""
        if status.st_nlink > 1:
            self._links[status.st_dev, status.st_ino, salt] = status.st_nlink - 1, digests
        return digests

    def _known(self, status: os.stat_result, salt: bytes | None) -> tuple[bytes, bytes] | None:
        """What was found under another name of the same file."""
        if status.st_nlink == 1:
            return None
        key = status.st_dev, status.st_ino, salt
        left, digests = self._links.pop(key, (0, None))
        if digests is not None and left > 1:
            self._links[key] = left - 1, digests
        return digests
