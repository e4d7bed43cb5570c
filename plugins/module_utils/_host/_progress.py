# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A small document that tells, while something long runs, how far it has come."""

from __future__ import annotations

import contextlib
import glob
import os
import time
import typing as t
from datetime import UTC, datetime

from ansible_collections.labops.backup.plugins.module_utils._errors import BackupError
from ansible_collections.labops.backup.plugins.module_utils._host import _document
from ansible_collections.labops.backup.plugins.module_utils._model import _form, _run

_EVERY_SECONDS = 1.0
_PROC = "/proc"
# Beside a run's own documents those of operations, see _operation.
_PLACES = ("progress/*.json", "operations/*.progress")
_FORM = {"what": str, "since": _form.UTC_TIME, "process": str}


class Progress:
    """Replaced at most once a second; without a path nothing is written, and what cannot be written stops no work.

    As a context the document is there from the beginning, and gone at the end.

    :param what: what is going on, for people.
    :param total: how many bytes there are in all.
    :param total_files: how many files there are in all, where that is known.
    """

    def __init__(self, path: str | None, what: str, total: int, *, total_files: int | None = None) -> None:
        self._path, self._what, self._total, self._total_files = path, what, total, total_files
        self._since = _run.utc(datetime.now(UTC))
        self._started = time.monotonic()
        self._next = self._started

    def __enter__(self) -> Progress:
        if self._path is not None:
            with contextlib.suppress(OSError):
                os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            self.reached(0)
        return self

    def __exit__(self, *_why: object) -> None:
        if self._path is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def finish(self) -> None:
        """All is done."""
        self._next = 0.0
        self.reached(self._total, self._total_files)

    def reached(self, count: int, files: int | None = None, what: str = "") -> None:
        """So many bytes, and files, are done.

        :param what: what is going on now, where that changes.
        """
        self._what = what or self._what
        now = time.monotonic()
        if self._path is None or now < self._next:
            return
        self._next = now + _EVERY_SECONDS
        with contextlib.suppress(OSError):
            self._write(self._path, count, files, now - self._started)

    def _write(self, path: str, count: int, files: int | None, seconds: float) -> None:
        rate = count / seconds if seconds > 0 else 0.0
        left = max(0, self._total - count)
        document: dict[str, t.Any] = {
            "what": self._what,
            "since": self._since,
            "process": _identity(os.getpid()),
            "bytes": count,
            "total_bytes": self._total,
            "files": files,
            "total_files": self._total_files,
            "seconds": round(seconds, 1),
            "bytes_per_second": round(rate),
            "seconds_left": round(left / rate, 1) if rate > 0 else None,
        }
        _document.write(path, document)


def under_way(folder: str) -> list[dict[str, t.Any]]:
    """What goes on at this moment, by the documents whose process lives; the longest first."""
    found = []
    for place in _PLACES:
        for path in glob.glob(os.path.join(glob.escape(folder), place)):
            with contextlib.suppress(OSError, BackupError, ValueError):
                document = _document.read(path)
                if _form.wrong(document, _FORM):
                    continue
                if document["process"] == _identity(int(document["process"].partition(".")[0])):
                    found.append({"name": os.path.basename(path).rpartition(".")[0], **document})
    return sorted(found, key=lambda document: str(document["since"]))


def _identity(pid: int) -> str:
    """A process by its number and when it began, in ticks since the boot: another one may get the number later."""
    with open(f"{_PROC}/{pid}/stat", "rb") as stream:
        return f"{pid}.{stream.read().rpartition(b')')[2].split()[19].decode()}"
