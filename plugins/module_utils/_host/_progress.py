# Copyright: (c) 2026, the labops.backup contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE to labops.backup: no stable interface.
"""A small document that tells, while something long runs, how far it has come."""

from __future__ import annotations

import time
import typing as t

from ansible_collections.labops.backup.plugins.module_utils._host import _document

_EVERY_SECONDS = 1.0


class Progress:
    """Replaced at most once a second; without a path nothing is written.

    :param what: what is going on, for people.
    :param total: how many bytes there are in all.
    """

    def __init__(self, path: str | None, what: str, total: int) -> None:
        self._path, self._what, self._total = path, what, total
        self._started = time.monotonic()
        self._next = self._started

    def reached(self, count: int) -> None:
        """So many bytes are done."""
        now = time.monotonic()
        if self._path is None or now < self._next:
            return
        self._next = now + _EVERY_SECONDS
        self._write(self._path, count, now - self._started)

    def _write(self, path: str, count: int, seconds: float) -> None:
        rate = count / seconds if seconds > 0 else 0.0
        left = max(0, self._total - count)
        document: dict[str, t.Any] = {
            "what": self._what,
            "bytes": count,
            "total_bytes": self._total,
            "seconds": round(seconds, 1),
            "bytes_per_second": round(rate),
            "seconds_left": round(left / rate, 1) if rate > 0 else None,
        }
        _document.write(path, document)
